"""A GGUF file becomes a folder in Hugging Face layout: float16 safetensors, tokenizer, settings.

The weights are dequantised, so that logits, states and caches are ordinary afterwards; what is
computed with the folder is what the quantised file says, not what its original would.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Decoders that transformers reads from GGUF and every back end here runs.
SUPPORTED = ("llama", "mistral", "qwen2", "qwen3", "phi3", "gpt2", "stablelm", "starcoder2")
# How texts are split before byte-pair merges. The file tells it by a name alone, and transformers
# takes GPT-2's way for all of the llama architecture; these are the published tokenizers'.
_LETTERS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+"
_SIGNS = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_SPLITS: Mapping[str, str] = {
    "llama-bpe": rf"{_LETTERS}|\p{{N}}{{1,3}}|{_SIGNS}",
    "qwen2": rf"{_LETTERS}|\p{{N}}|{_SIGNS}",
}


@dataclass(frozen=True)
class GgufHeader:
    """What the head of a GGUF file says."""

    architecture: str
    licence: str
    pre_tokenizer: str
    context: int


def read_header(path: Path) -> GgufHeader:
    """Raises ValueError for a file that is no GGUF, is cut, or of an unsupported architecture."""
    try:
        from gguf import GGUFReader
    except ImportError as error:
        raise ValueError("reading GGUF files needs package gguf: pip install gguf") from error
    try:
        reader = GGUFReader(path)
        last = reader.tensors[-1]
        whole = int(last.data_offset) + int(last.n_bytes)
        told = {
            name: field.contents()
            for name, field in reader.fields.items()
            if not name.startswith("tokenizer.ggml.") or name == "tokenizer.ggml.pre"
        }
        architecture = str(told["general.architecture"])
    except (ValueError, KeyError, IndexError, TypeError, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(f"{path} is no whole GGUF file ({reason})") from error
    if path.stat().st_size < whole:
        raise ValueError(f"{path} is truncated: {path.stat().st_size:,} bytes of {whole:,}")
    if architecture not in SUPPORTED:
        raise ValueError(
            f"{path} holds a model of architecture {architecture!r}; supported are "
            f"{', '.join(SUPPORTED)}"
        )
    return GgufHeader(
        architecture=architecture,
        licence=str(told.get("general.license", "unknown")),
        pre_tokenizer=str(told.get("tokenizer.ggml.pre", "default")),
        context=int(told[f"{architecture}.context_length"]),
    )


def convert(path: Path, folder: Path) -> dict[str, str]:
    """Writes the model in GGUF file `path` to `folder`; the versions of what converted it.

    Takes some ten times the file in memory, and of the order of a minute for a file of 100 MB.
    Raises ValueError for a file that cannot be converted, OSError for a folder that takes no more.
    """
    header = read_header(path)
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from models.lm.quiet import quiet

    # The bar of the dequantisation is tqdm's own: it heeds no setting of transformers.
    with quiet(), contextlib.redirect_stderr(io.StringIO()):
        try:
            tokenizer = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
            model: Any = AutoModelForCausalLM.from_pretrained(
                path.parent, gguf_file=path.name, dtype=torch.float16
            )
        except (KeyError, NotImplementedError, RuntimeError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise ValueError(f"{path} cannot be converted: {reason}") from error
        _set_pre_tokenizer(tokenizer.backend_tokenizer, header.pre_tokenizer)
        # transformers refuses to save what counts as quantised, which this no longer is.
        model.hf_quantizer = None
        model.is_quantized = False
        if hasattr(model.config, "quantization_config"):
            del model.config.quantization_config
        tokenizer.save_pretrained(folder)
        model.save_pretrained(folder)
    return {name: importlib.metadata.version(name) for name in ("transformers", "torch", "gguf")}


def _set_pre_tokenizer(tokenizer: Any, name: str) -> None:
    from tokenizers import Regex, pre_tokenizers

    if name == "smollm":
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Digits(individual_digits=True),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
            ]
        )
    elif name in _SPLITS:
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(_SPLITS[name]), behavior="isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        )
