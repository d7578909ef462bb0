"""Threads beside the computation, one kind of work each; or none, to see what they are worth."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

import torch

P = ParamSpec("P")
T = TypeVar("T")


class Lanes:
    """Runs work by lane, first in, first out; a lane with one thread keeps its order.

    Without overlap `submit` does the work at once, in the calling thread.
    """

    def __init__(self, overlap: bool, threads: dict[str, int]) -> None:
        self.busy: dict[str, float] = {}  # seconds of work a lane
        self._lock = threading.Lock()
        self._pools: dict[str, ThreadPoolExecutor] = {}
        if overlap:
            ours = torch.get_num_threads()
            for lane, count in threads.items():
                self._pools[lane] = _pool(lane, count)
            torch.set_num_threads(ours)  # new threads elsewhere take the last number set

    def submit(
        self, lane: str, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> Future[T]:
        """Queues `work(*args)` and returns what it will give."""
        if lane in self._pools:
            return self._pools[lane].submit(partial(self.timed, lane, work, *args, **kwargs))
        done: Future[T] = Future()
        try:
            done.set_result(self.timed(lane, work, *args, **kwargs))
        except BaseException as error:
            done.set_exception(error)
        return done

    def timed(self, lane: str, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Does `work` now and counts its time to `lane`."""
        started = time.perf_counter()
        try:
            return work(*args, **kwargs)
        finally:
            with self._lock:
                spent = time.perf_counter() - started
                self.busy[lane] = self.busy.get(lane, 0) + spent

    def close(self) -> None:
        """Ends the threads, after what they are at."""
        for pool in self._pools.values():
            pool.shutdown(wait=True, cancel_futures=True)


def _pool(lane: str, count: int) -> ThreadPoolExecutor:
    # Each thread computes alone: a team of torch threads a lane would fight over the processor.
    all_started = threading.Barrier(count + 1)

    def begin() -> None:
        torch.set_num_threads(1)
        all_started.wait()

    pool = ThreadPoolExecutor(count, thread_name_prefix=f"flexgen-{lane}", initializer=begin)
    for _ in range(count):
        pool.submit(int)
    all_started.wait()
    return pool
