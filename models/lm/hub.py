"""Models from the Hugging Face hub: only safetensors and what describes them is fetched."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from models.lm.names import Hub
from models.progress import Progress

_DESCRIBING = (".json", ".jinja", ".safetensors")


@dataclass(frozen=True)
class Download:
    """Files fetched whole, and the commit they are of."""

    folder: Path
    commit: str
    licence: str


def download(model: Hub, folder: Path, progress: Progress) -> Download:
    """Fetches a repository's model files into `folder`, going on where an earlier try stopped.

    Progress counts bytes, after every file. Raises ValueError for a repository that cannot be
    reached, does not exist, is not for this user, or has no safetensors.
    """
    from huggingface_hub import HfApi, hf_hub_download

    cannot = f"cannot get {model.name} from the Hugging Face hub"
    try:
        info = HfApi().model_info(model.repository, revision=model.revision, files_metadata=True)
        sizes = {
            file.rfilename: file.size or 0
            for file in info.siblings or []
            if "/" not in file.rfilename and file.rfilename.endswith(_DESCRIBING)
        }
        if not any(name.endswith(".safetensors") for name in sizes):
            raise ValueError(f"{cannot}: the repository has no safetensors at its top level")
        done = 0
        for name, size in sorted(sizes.items()):
            progress(done, sum(sizes.values()))
            hf_hub_download(model.repository, name, revision=info.sha, local_dir=folder)
            done += size
        progress(done, done)
    except ValueError:
        raise
    except Exception as error:  # the hub's client lets through whatever its HTTP library raises
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ValueError(
            f"{cannot}: {reason}; without a network, give the path of a local folder"
        ) from error
    card = info.card_data
    return Download(folder, str(info.sha), str((card and card.get("license")) or "unknown"))
