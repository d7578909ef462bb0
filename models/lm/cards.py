"""The card of a model: what it is, where it came from, and the hash of every file it is made of."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field

CARD = "card.json"
BACKBONE = "HeadwaterBackbone"  # architecture of what models/sequence trains
_BLOCK = 1 << 20
# What decides a model's answers: these files, and these alone, make its identity.
_SETTINGS = (
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "chat_template.jinja",
    "model.safetensors.index.json",
)


class ModelFile(BaseModel, frozen=True, extra="forbid"):
    """One file of a model."""

    name: str
    bytes: int
    sha256: str


class Card(BaseModel, frozen=True, extra="forbid"):
    """What `headwater models show` prints and table `language_models` holds."""

    name: str = Field(description="name it is asked for by")
    source: str = Field(description="where the weights came from")
    source_sha256: str = Field(description="SHA-256 of what was fetched, before any conversion")
    weights_sha256: str = Field(
        description="SHA-256 over names and hashes of all files: weights, tokenizer, settings"
    )
    licence: str
    architecture: str = Field(
        description="class in transformers, e.g. LlamaForCausalLM, or " + BACKBONE
    )
    parameters: int
    layers: int
    width: int
    heads: int
    context: int = Field(description="most tokens of prompt and completion together [tokens]")
    bytes: int = Field(description="size of all files [bytes]")
    made_with: dict[str, str] = Field(description="versions of what converted it; empty: nothing")
    folder: str | None = Field(None, description="where the files lie, if not beside the card")
    files: tuple[ModelFile, ...]


def describe(
    folder: Path,
    *,
    name: str,
    source: str,
    source_sha256: str | None,
    licence: str,
    made_with: Mapping[str, str] | None = None,
    external: bool = False,
) -> Card:
    """The card of a folder in Hugging Face layout, after hashing every file of the model.

    source_sha256: None for files used as they were fetched; the hash over them then stands in.
    Raises ValueError for a folder that is no decoder in safetensors, or a truncated file.
    """
    config = _config(folder)
    paths = model_files(folder)
    weights = [path for path in paths if path.suffix == ".safetensors"]
    parameters = sum(map(_parameters, weights))
    files = tuple(
        ModelFile(name=path.name, bytes=path.stat().st_size, sha256=sha256(path)) for path in paths
    )
    whole = digest_of(files)
    return Card(
        name=name,
        source=source,
        source_sha256=source_sha256 or whole,
        weights_sha256=whole,
        licence=licence,
        architecture=_first(config, folder, "architectures")[0],
        parameters=parameters,
        layers=_first(config, folder, "num_hidden_layers", "n_layer"),
        width=_first(config, folder, "hidden_size", "n_embd"),
        heads=_first(config, folder, "num_attention_heads", "n_head"),
        context=_first(config, folder, "max_position_embeddings", "n_positions"),
        bytes=sum(file.bytes for file in files),
        made_with=dict(made_with or {}),
        folder=str(folder.absolute()) if external else None,
        files=files,
    )


def model_files(folder: Path) -> list[Path]:
    """The files that decide a model's answers, by name. Raises ValueError without safetensors."""
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        pickled = any(folder.glob("*.bin")) or any(folder.glob("*.pt"))
        advice = "pickled weights are not read: convert them first" if pickled else "none is there"
        raise ValueError(f"{folder} needs its weights as *.safetensors; {advice}")
    settings = [folder / name for name in _SETTINGS if (folder / name).is_file()]
    return sorted([*weights, *settings], key=lambda path: path.name)


def misfit(card: Card, folder: Path) -> str | None:
    """What the sizes of the files say against the card; None when they all are as told. Cheap."""
    for file in card.files:
        path = folder / file.name
        if not path.is_file():
            return f"{path} is gone"
        if path.stat().st_size != file.bytes:
            return f"{path} has {path.stat().st_size:,} bytes, its card says {file.bytes:,}"
    return None


def corruption(card: Card, folder: Path, progress: Callable[[int, int], None]) -> str | None:
    """What hashing every file says against the card; None when nothing. Progress counts bytes."""
    done = 0
    for file in card.files:
        path = folder / file.name
        if sha256(path) != file.sha256:
            return f"{path} is not what its card says (sha256 differs)"
        done += file.bytes
        progress(done, card.bytes)
    return None


def sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def digest_of(files: Iterable[ModelFile]) -> str:
    """One hash for a model: that of its files' names and hashes."""
    text = "\n".join(f"{file.sha256}  {file.name}" for file in files)
    return hashlib.sha256(text.encode()).hexdigest()


def _config(folder: Path) -> dict[str, Any]:
    path = folder / "config.json"
    try:
        config = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise ValueError(f"{folder} holds no config.json: it is no model folder") from error
    except ValueError as error:
        raise ValueError(f"{path} is not JSON ({error})") from error
    return {**config, **config.get("text_config", {})}


def _first(config: Mapping[str, Any], folder: Path, *names: str) -> Any:
    """The value under the first of the names that architectures use for one thing."""
    for name in names:
        if config.get(name) is not None:
            return config[name]
    raise ValueError(f"{folder / 'config.json'} has no {names[0]}: it is no decoder known here")


def _parameters(path: Path) -> int:
    """Number of values in a safetensors file. Raises ValueError for a damaged or cut file."""
    size = path.stat().st_size
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if length > size:
                raise ValueError(f"its header alone would take {length:,} bytes")
            header = json.loads(file.read(length))
        tensors = [entry for name, entry in header.items() if name != "__metadata__"]
        promised = 8 + length + max((entry["data_offsets"][1] for entry in tensors), default=0)
        count = sum(math.prod(entry["shape"]) for entry in tensors)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is no whole safetensors file ({error})") from error
    if size != promised:
        raise ValueError(f"{path} is truncated: {size:,} bytes of {promised:,}")
    return count
