"""The few settings that are a matter of place, not of what is computed: read from the environment.

HEADWATER_LAKE     where tables live: a folder or any fsspec URL (./lake)
HEADWATER_HOME     where the Prefect server keeps its state and logs (./.headwater)
HEADWATER_MODELS   where language models are kept, shared by all lakes (~/.cache/headwater/models)
HEADWATER_RUNNER   what runs a flow's submitted steps: threads or dask (threads)
HEADWATER_WORKERS  how many of them at once (2)
"""

import os
from pathlib import Path

RUNNERS = ("threads", "dask")


def lake_url() -> str:
    return os.environ.get("HEADWATER_LAKE") or "lake"


def absolute(url: str) -> str:
    """The same place whatever the current folder is."""
    return url if "://" in url else str(Path(url).expanduser().absolute())


def home() -> Path:
    return Path(os.environ.get("HEADWATER_HOME") or ".headwater").absolute()


def models_dir() -> Path:
    chosen = os.environ.get("HEADWATER_MODELS") or "~/.cache/headwater/models"
    return Path(chosen).expanduser().absolute()


def runner() -> str:
    name = os.environ.get("HEADWATER_RUNNER") or "threads"
    if name not in RUNNERS:
        raise ValueError(f"HEADWATER_RUNNER is {name!r}: give one of {', '.join(RUNNERS)}")
    return name


def workers() -> int:
    text = os.environ.get("HEADWATER_WORKERS") or "2"
    if not text.isdigit() or int(text) < 1:
        raise ValueError(f"HEADWATER_WORKERS is {text!r}: give a whole number from 1 on")
    return int(text)
