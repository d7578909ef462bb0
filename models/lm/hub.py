"""Models from the Hugging Face hub: only safetensors and what describes them is fetched.

The hub's own download starts a file anew after a kill, so files are fetched here through its HTTP
function, which can go on in the middle of one, and their hashes are held against the hub's.
"""

from __future__ import annotations

import errno
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.lm.cards import sha256
from models.lm.names import Hub
from models.progress import Progress

_DESCRIBING = (".json", ".jinja", ".safetensors")
_PART = ".part"
_OF_THE_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES}


@dataclass(frozen=True)
class Download:
    """Files fetched whole, and the commit they are of."""

    folder: Path
    commit: str
    licence: str


def download(model: Hub, folder: Path, progress: Progress) -> Download:
    """Fetches a repository's model files into `folder`, going on where an earlier try stopped.

    Progress counts bytes. Raises ValueError for a repository that cannot be reached, does not
    exist, is not for this user, or has no safetensors, and for a file that is not what the hub
    says; OSError for a folder that takes no more.
    """
    from huggingface_hub import HfApi

    cannot = f"cannot get {model.name} from the Hugging Face hub"
    try:
        info = HfApi().model_info(model.repository, revision=model.revision, files_metadata=True)
        files = [
            file
            for file in info.siblings or []
            if "/" not in file.rfilename and file.rfilename.endswith(_DESCRIBING)
        ]
        if not any(file.rfilename.endswith(".safetensors") for file in files):
            raise ValueError(f"{cannot}: the repository has no safetensors at its top level")
        folder = folder / str(info.sha)  # half a file of another commit is of no use
        folder.mkdir(parents=True, exist_ok=True)
        done, total = 0, sum(file.size or 0 for file in files)
        for file in sorted(files, key=lambda file: file.rfilename):
            if not (folder / file.rfilename).exists():
                _fetch(model, file, str(info.sha), folder, _bar(progress, done, total))
            done += file.size or 0
            progress(done, total)
    except ValueError:
        raise
    except Exception as error:  # the hub's client lets through whatever its HTTP library raises
        if isinstance(error, OSError) and error.errno in _OF_THE_DISK:
            raise
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ValueError(
            f"{cannot}: {reason}; without a network, give the path of a local folder"
        ) from error
    card = info.card_data
    return Download(folder, str(info.sha), str((card and card.get("license")) or "unknown"))


def _fetch(model: Hub, file: Any, commit: str, folder: Path, bar: Any) -> None:
    from huggingface_hub import hf_hub_url
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils._headers import build_hf_headers

    part = folder / f"{file.rfilename}{_PART}"
    with part.open("ab") as out:
        http_get(
            hf_hub_url(model.repository, file.rfilename, revision=commit),
            out,
            resume_size=out.tell(),
            headers=build_hf_headers(),
            expected_size=file.size,
            tqdm_class=bar,
        )
    if file.lfs is not None and sha256(part) != file.lfs.sha256:
        part.unlink()
        raise ValueError(f"{file.rfilename} of {model.name} is not what the hub says; pull again")
    part.rename(folder / file.rfilename)


def _bar(progress: Progress, before: int, total: int) -> Any:
    """A tqdm that shows nothing and tells `progress` instead."""
    from tqdm import tqdm  # type: ignore[import-untyped]

    class Told(tqdm):  # type: ignore[misc]
        def __init__(self, *arguments: Any, **settings: Any) -> None:
            settings.pop("name", None)  # the hub's own bars have one
            super().__init__(*arguments, **settings | {"disable": False, "file": io.StringIO()})

        def update(self, n: float | None = 1) -> bool | None:
            shown = super().update(n)
            progress(before + int(self.n), total)
            return shown

    return Told
