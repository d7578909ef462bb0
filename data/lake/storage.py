"""Where a lake's bytes live: a local folder, or any object store that fsspec knows.

Both places offer the same handful of operations, named by paths relative to the lake's root.
What differs is the atomic step. A folder has rename: whole snapshots and records appear at once.
An object store has none, so data objects are uploaded first under names nobody reads yet, and the
record, one conditional PUT, is what makes them exist.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol, cast

from data.lake.errors import LakeError, UnwritableError, unwritable

if TYPE_CHECKING:
    from fsspec.spec import AbstractFileSystem

TEMPORARY = ".tmp-"
SCRATCH = ".scratch"
_LOCK_POLL_SECONDS = 0.2


class Storage(Protocol):
    """What the store needs of a place."""

    def path(self, name: str) -> str:
        """The address under which DuckDB and people find `name`."""

    def staging(self) -> Path:
        """A new local folder to write a snapshot's files into."""

    def adopt(self, staged: Path, name: str) -> None:
        """Makes the staged folder's files durable as `name`, which must not exist."""

    def create(self, name: str, content: bytes) -> None:
        """Makes `name` exist with this content, wholly or not at all."""

    def read(self, name: str) -> bytes: ...

    def open(self, name: str) -> BinaryIO: ...

    def exists(self, name: str) -> bool: ...

    def names(self, folder: str) -> list[str]:
        """Sorted names directly in `folder`; empty when there is no such folder."""

    def age_seconds(self, name: str) -> float:
        """Seconds since anything in `name` was last written."""

    def move(self, name: str, target: str) -> None: ...

    def remove(self, name: str) -> None:
        """Removes a file or a whole folder."""

    def lock(self, name: str, waiting: Callable[[], None]) -> AbstractContextManager[None]:
        """Only one holder per name at a time; `waiting` is called once if it is held."""

    def scratch(self, name: str) -> Path:
        """A local folder for unfinished work, the same for the same name; made if missing."""

    def check_writable(self) -> None:
        """Raises UnwritableError now rather than after an hour's work."""


class LocalStorage:
    """A folder on this machine; every publication is fsynced before it becomes visible."""

    def __init__(self, root: Path) -> None:
        if root.exists() and not root.is_dir():
            raise LakeError(f"the lake at {root} is not a folder: give a folder or a URL")
        self.root = root.absolute()

    def path(self, name: str) -> str:
        return str(self.root / name)

    def staging(self) -> Path:
        self._make_folder(self.root)
        folder = self.root / f"{TEMPORARY}{uuid.uuid4().hex}"
        folder.mkdir()
        return folder

    def adopt(self, staged: Path, name: str) -> None:
        for file in staged.iterdir():
            _fsync(file)
        _fsync(staged)
        target = self.root / name
        self._make_folder(target.parent)
        staged.rename(target)
        _fsync(target.parent)

    def create(self, name: str, content: bytes) -> None:
        target = self.root / name
        self._make_folder(target.parent)
        temporary = target.parent / f"{TEMPORARY}{uuid.uuid4().hex}"
        try:
            with temporary.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.rename(target)
        finally:
            temporary.unlink(missing_ok=True)
        _fsync(target.parent)

    def read(self, name: str) -> bytes:
        return (self.root / name).read_bytes()

    def open(self, name: str) -> BinaryIO:
        return (self.root / name).open("rb")

    def exists(self, name: str) -> bool:
        return (self.root / name).exists()

    def names(self, folder: str) -> list[str]:
        try:
            return sorted(entry.name for entry in os.scandir(self.root / folder))
        except (FileNotFoundError, NotADirectoryError):
            return []

    def age_seconds(self, name: str) -> float:
        place = self.root / name
        newest = max(p.stat().st_mtime for p in (place, *place.rglob("*")))
        return time.time() - newest

    def move(self, name: str, target: str) -> None:
        destination = self.root / target
        self._make_folder(destination.parent)
        (self.root / name).rename(destination)
        _fsync(destination.parent)

    def remove(self, name: str) -> None:
        place = self.root / name
        if place.is_dir():
            shutil.rmtree(place)
        else:
            place.unlink(missing_ok=True)

    @contextmanager
    def lock(self, name: str, waiting: Callable[[], None]) -> Iterator[None]:
        """An advisory lock that the kernel lets go when its holder dies, SIGKILL included."""
        folder = self.root / ".locks"
        self._make_folder(folder)
        with (folder / name).open("w") as file:
            told = False
            while not _try_flock(file.fileno()):
                if not told:
                    waiting()
                    told = True
                time.sleep(_LOCK_POLL_SECONDS)
            yield

    def scratch(self, name: str) -> Path:
        folder = self.root / SCRATCH / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def check_writable(self) -> None:
        # A full disk still grants an empty file, so the probe holds a block.
        probe = f"{TEMPORARY}{uuid.uuid4().hex}"
        try:
            self.create(probe, bytes(4096))
        except OSError as error:
            if isinstance(error, FileNotFoundError):  # /proc and the like refuse new folders so
                raise UnwritableError(f"cannot create the lake at {self.root}") from error
            raise unwritable(error, str(self.root)) or error from error
        finally:
            (self.root / probe).unlink(missing_ok=True)

    def _make_folder(self, folder: Path) -> None:
        """mkdir -p that also makes every new name durable in its parent."""
        if folder.is_dir():
            return
        self._make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        _fsync(folder.parent)


class ObjectStorage:
    """Any fsspec file system: s3://, gs://, az://, memory:// and the like."""

    def __init__(self, url: str) -> None:
        import fsspec

        self.url = url.rstrip("/")
        try:
            fs, root = fsspec.core.url_to_fs(self.url)
        except (ImportError, ValueError) as error:
            raise LakeError(f"the lake at {url} cannot be opened: {error}") from error
        self.fs: AbstractFileSystem = fs
        self.root = str(root).rstrip("/")

    def path(self, name: str) -> str:
        return str(self.fs.unstrip_protocol(self._at(name)))

    def staging(self) -> Path:
        return Path(tempfile.mkdtemp(prefix="headwater-"))

    def adopt(self, staged: Path, name: str) -> None:
        for file in staged.iterdir():
            self.fs.put_file(str(file), self._at(f"{name}/{file.name}"))

    def create(self, name: str, content: bytes) -> None:
        self.fs.pipe_file(self._at(name), content, mode="create")

    def read(self, name: str) -> bytes:
        return cast(bytes, self.fs.cat_file(self._at(name)))

    def open(self, name: str) -> BinaryIO:
        return cast(BinaryIO, self.fs.open(self._at(name), "rb"))

    def exists(self, name: str) -> bool:
        return bool(self.fs.exists(self._at(name)))

    def names(self, folder: str) -> list[str]:
        try:
            found = self.fs.ls(self._at(folder).rstrip("/"), detail=False, refresh=True)
        except (FileNotFoundError, NotADirectoryError):
            return []
        return sorted(str(entry).rstrip("/").rsplit("/", 1)[-1] for entry in found)

    def age_seconds(self, name: str) -> float:
        place = self._at(name)
        files = self.fs.find(place) or [place]
        return time.time() - max(self.fs.modified(file).timestamp() for file in files)

    def move(self, name: str, target: str) -> None:
        self.fs.mv(self._at(name), self._at(target))

    def remove(self, name: str) -> None:
        self.fs.rm(self._at(name), recursive=True)

    @contextmanager
    def lock(self, name: str, waiting: Callable[[], None]) -> Iterator[None]:
        """No lock: two runs may compute one recipe twice here, and either snapshot is right."""
        yield

    def scratch(self, name: str) -> Path:
        """On this machine: work goes on only where it was begun."""
        place = hashlib.sha256(self.url.encode()).hexdigest()[:12]
        folder = Path(tempfile.gettempdir()) / f"headwater{SCRATCH}-{place}" / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def check_writable(self) -> None:
        probe = f"{TEMPORARY}{uuid.uuid4().hex}"
        try:
            self.create(probe, b"")
            self.remove(probe)
        except OSError as error:
            raise UnwritableError(f"cannot write to the lake at {self.url}: {error}") from error

    def _at(self, name: str) -> str:
        return f"{self.root}/{name}"


def open_storage(url: str) -> Storage:
    """The place a lake URL names: a plain path or file:// is a folder, the rest is fsspec's.

    Raises LakeError for a name DuckDB would take for a pattern.
    """
    if any(sign in url for sign in "*?["):
        raise LakeError(f"the lake's name {url} holds one of * ? [: choose one without")
    if url.startswith("file://"):
        return LocalStorage(Path(url.removeprefix("file://")))
    if "://" in url:
        return ObjectStorage(url)
    return LocalStorage(Path(url).expanduser())


def _fsync(place: Path) -> None:
    descriptor = os.open(place, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _try_flock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
