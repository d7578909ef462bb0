"""Keeping within a server's limits: how long to wait before a request, and before trying again."""

from __future__ import annotations

import email.utils
import random
import threading
import time
from collections.abc import Callable, Mapping


class Pace:
    """Spreads `amount`s evenly so that no minute holds more than `per_minute`; thread-safe."""

    def __init__(self, per_minute: int | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds_each = 0.0 if per_minute is None else 60.0 / per_minute
        self._clock = clock
        self._free = clock()  # when the next amount may go
        self._lock = threading.Lock()

    def reserve(self, amount: float) -> float:
        """Takes a place in the line for `amount`; seconds to wait until it may go."""
        with self._lock:
            now = self._clock()
            begin = max(now, self._free)
            self._free = begin + amount * self._seconds_each
            return begin - now

    def correct(self, difference: float) -> None:
        """Adds what an amount turned out to be above (or, negative, below) its reservation."""
        with self._lock:
            self._free += difference * self._seconds_each


def backoff(attempt: int, first: float, longest: float) -> float:
    """Seconds before try `attempt` + 1: doubled each time, then a random half of it taken off.

    The chance keeps clients that failed together from coming back together.
    """
    return float(min(first * 2.0**attempt, longest) * random.uniform(0.5, 1.0))


def retry_after(headers: Mapping[str, str]) -> float:
    """Seconds a server asks to wait, as a number or as a date; 0 when it does not say."""
    told = headers.get("retry-after", "")
    try:
        return max(float(told), 0.0)
    except ValueError:
        pass
    try:
        return max(email.utils.parsedate_to_datetime(told).timestamp() - time.time(), 0.0)
    except ValueError:
        return 0.0
