"""Reading and writing pieces of files, past the page cache when the disk is to be the disk.

O_DIRECT is used where the file system has it: measured on a virtual disk it reads as fast as the
cache allows and costs a tenth of the processor time of buffered reads, which the computation gets.
Elsewhere reads are buffered and the pages dropped after.
"""

from __future__ import annotations

import os
import tempfile
import threading
from pathlib import Path

import torch

from models.flexgen.tiers import PAGE, Buffer, pages

_PIECE = 16 << 20  # bytes asked of the disk at once


class Files:
    """Open files of one engine, by path; closed together."""

    def __init__(self, cold: bool) -> None:
        self._cold = cold
        self._lock = threading.Lock()
        self._open: dict[Path, tuple[int, bool]] = {}  # descriptor, whether direct

    def read(self, path: Path, offset: int, size: int, buffer: Buffer, at: int = 0) -> torch.Tensor:
        """Reads file bytes [offset, offset + size) into `buffer` from byte `at`, a page border.

        Returns the bytes as a uint8 view of the buffer. It needs pages(size) + PAGE bytes of room.
        """
        descriptor, direct = self._descriptor(path)
        got = _filled(descriptor, direct, offset, size, buffer, at, str(path))
        if self._cold and not direct:
            os.posix_fadvise(descriptor, offset, size, os.POSIX_FADV_DONTNEED)
        return got

    def _descriptor(self, path: Path) -> tuple[int, bool]:
        with self._lock:
            if path not in self._open:
                self._open[path] = _opened(path, self._cold)
            return self._open[path]

    def close(self) -> None:
        """Closes every file."""
        with self._lock:
            for descriptor, _ in self._open.values():
                os.close(descriptor)
            self._open.clear()


def _opened(path: Path, cold: bool) -> tuple[int, bool]:
    """A descriptor to read from, and whether it goes past the page cache."""
    direct = getattr(os, "O_DIRECT", 0)  # not on every system
    if cold and direct:
        try:
            return os.open(path, os.O_RDONLY | direct), True
        except OSError:  # tmpfs and some network file systems have none
            pass
    return os.open(path, os.O_RDONLY), False


def _filled(
    descriptor: int, direct: bool, offset: int, size: int, buffer: Buffer, at: int, name: str
) -> torch.Tensor:
    """File bytes [offset, offset + size) in `buffer`; direct reads take the whole pages around."""
    lead = offset % PAGE if direct else 0
    place, done = at, offset - lead
    end = pages(offset + size) if direct else offset + size
    while done < offset + size:
        piece = buffer.view[place : place + min(_PIECE, end - done)]
        got = os.preadv(descriptor, [piece], done)
        if direct and done + got < offset + size:
            got -= got % PAGE  # go on at a page border
        if got <= 0:
            raise ValueError(f"{name} is cut short: it ends before byte {offset + size:,}")
        place, done = place + got, done + got
    return buffer.bytes[at + lead : at + lead + size]


class Scratch:
    """A file of this run that is gone when it is closed, or when the process is killed."""

    def __init__(self, folder: Path, size: int, cold: bool) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix="flexgen-", dir=folder)
        self._write = handle
        try:
            self._read, self._direct = _opened(Path(name), cold)
            os.posix_fallocate(handle, 0, size)  # a full disk shows here, not in the middle
        except OSError as error:
            self.close()
            raise ValueError(f"{folder} cannot hold {size:,} bytes: {error.strerror}") from None
        finally:
            Path(name).unlink()
        self._cold = cold

    def write(self, offset: int, data: torch.Tensor) -> None:
        """Writes a contiguous uint8 tensor at byte `offset`."""
        raw = memoryview(data.numpy()).cast("B")
        done = 0
        while done < len(raw):
            done += os.pwrite(self._write, raw[done:], offset + done)
        if self._cold:  # starts the way to the disk; reads past the cache wait for its end
            os.posix_fadvise(self._write, offset, len(raw), os.POSIX_FADV_DONTNEED)

    def read(self, offset: int, size: int, buffer: Buffer) -> torch.Tensor:
        """Reads `size` bytes from `offset`, a page border, as a view of the buffer."""
        return _filled(self._read, self._direct and self._cold, offset, size, buffer, 0, "scratch")

    def close(self) -> None:
        """Gives the disk space back."""
        for name in ("_write", "_read"):
            descriptor = self.__dict__.pop(name, None)
            if descriptor is not None:
                os.close(descriptor)
