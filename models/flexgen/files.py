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
        self._open: dict[Path, Source] = {}

    def read(self, path: Path, offset: int, size: int, buffer: Buffer, at: int = 0) -> torch.Tensor:
        """Reads file bytes [offset, offset + size) into `buffer` from byte `at`, a page border.

        Returns the bytes as a uint8 view of the buffer. It needs pages(size) + PAGE bytes of room.
        """
        with self._lock:
            if path not in self._open:
                self._open[path] = Source(path, self._cold)
            source = self._open[path]
        return source.read(offset, size, buffer, at)

    def close(self) -> None:
        """Closes every file."""
        with self._lock:
            for source in self._open.values():
                source.close()
            self._open.clear()


class Source:
    """A file to read from."""

    def __init__(self, path: Path, cold: bool) -> None:
        self._path, self._cold = path, cold
        self._direct = False
        direct = getattr(os, "O_DIRECT", 0)  # not on every system
        if cold and direct:
            try:
                self._descriptor = os.open(path, os.O_RDONLY | direct)
                self._direct = True
            except OSError:  # tmpfs and some network file systems have none
                self._descriptor = os.open(path, os.O_RDONLY)
        else:
            self._descriptor = os.open(path, os.O_RDONLY)

    def read(self, offset: int, size: int, buffer: Buffer, at: int = 0) -> torch.Tensor:
        """Bytes [offset, offset + size) in the buffer; direct reads take the whole pages around."""
        lead = offset % PAGE if self._direct else 0
        place, done = at, offset - lead
        end = pages(offset + size) if self._direct else offset + size
        while done < offset + size:
            piece = buffer.view[place : place + min(_PIECE, end - done)]
            got = os.preadv(self._descriptor, [piece], done)
            if self._direct and done + got < offset + size:
                got -= got % PAGE  # go on at a page border
            if got <= 0:
                raise ValueError(f"{self._path} is cut short: it ends before {offset + size:,}")
            place, done = place + got, done + got
        if self._cold and not self._direct:
            os.posix_fadvise(self._descriptor, offset, size, os.POSIX_FADV_DONTNEED)
        return buffer.bytes[at + lead : at + lead + size]

    def close(self) -> None:
        """Closes the file."""
        os.close(self._descriptor)


class Scratch:
    """A file of this run that is gone when it is closed, or when the process is killed."""

    def __init__(self, folder: Path, size: int, cold: bool) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file, name = tempfile.mkstemp(prefix="flexgen-", dir=folder)
        path = Path(name)
        try:
            os.posix_fallocate(self._file, 0, size)  # a full disk shows here, not in the middle
            self._source = Source(path, cold)
        except OSError as error:
            os.close(self._file)
            raise ValueError(f"{folder} cannot hold {size:,} bytes: {error.strerror}") from None
        finally:
            path.unlink()
        self._cold = cold

    def write(self, offset: int, data: torch.Tensor) -> None:
        """Writes a contiguous uint8 tensor at byte `offset`."""
        raw = data.view(-1).numpy().data
        done = 0
        while done < len(raw):
            done += os.pwrite(self._file, raw[done:], offset + done)
        if self._cold:  # starts the way to the disk; reads past the cache wait for its end
            os.posix_fadvise(self._file, offset, len(raw), os.POSIX_FADV_DONTNEED)

    def read(self, offset: int, size: int, buffer: Buffer) -> torch.Tensor:
        """Reads `size` bytes from `offset` as a view of the buffer."""
        return self._source.read(offset, size, buffer)

    def close(self) -> None:
        """Gives the disk space back."""
        os.close(self._file)
        self._source.close()
