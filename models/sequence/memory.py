"""Most memory that a piece of work takes, on a processor (Linux) or on CUDA."""

from __future__ import annotations

import mmap
from collections.abc import Callable
from pathlib import Path

import torch


def peak_bytes(step: Callable[[], None], device: str) -> float:
    """Most memory in use during a second run of a step, beyond what was in use before it."""
    step()
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        step()
        return float(torch.cuda.max_memory_allocated() - before)
    Path("/proc/self/clear_refs").write_text("5")  # Linux forgets the process's peak
    before = _resident("VmRSS")
    step()
    return float(max(_resident("VmHWM") - before, mmap.PAGESIZE))  # no finer than a page


def _resident(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(field))
