"""Models of a given shape with random weights, written layer by layer: never whole in memory.

They take the place of weights that cannot be had: time, bytes and memory of a run do not depend
on what the numbers are. Standard deviations are those that models are initialised with, so that
sums stay finite and greedy choices differ from prompt to prompt.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, Field

from models.progress import Progress, silent

if TYPE_CHECKING:
    import torch

_DEVIATION = 0.02  # of matrices, as in the initialisation of OPT
_INDEX = "model.safetensors.index.json"


class OptShape(BaseModel, frozen=True, extra="forbid"):
    """Shape of an OPT decoder; the default is OPT-1.3B."""

    layers: int = Field(default=24, description="decoder layers l", ge=1)
    width: int = Field(default=2048, description="hidden size h1; h2 is four times that", ge=1)
    heads: int = Field(default=32, description="attention heads", ge=1)
    vocab: int = Field(default=50272, description="vocabulary size", ge=2)
    context: int = Field(default=2048, description="most positions [tokens]", ge=2)
    dtype: Literal["float32", "float16", "bfloat16"] = Field(
        default="float16", description="stored type of every weight; OPT was released in float16"
    )

    @property
    def config(self) -> dict[str, object]:
        """The model's config.json."""
        return {
            "architectures": ["OPTForCausalLM"],
            "model_type": "opt",
            "num_hidden_layers": self.layers,
            "hidden_size": self.width,
            "word_embed_proj_dim": self.width,
            "ffn_dim": 4 * self.width,
            "num_attention_heads": self.heads,
            "vocab_size": self.vocab,
            "max_position_embeddings": self.context,
            "do_layer_norm_before": True,
            "activation_function": "relu",
            "tie_word_embeddings": True,
            "dtype": self.dtype,
            "pad_token_id": 1,
            "bos_token_id": 2,
            "eos_token_id": 2,
        }


def write_random_opt(
    folder: Path, shape: OptShape, seed: int = 0, progress: Progress = silent
) -> Path:
    """Writes an OPT model with random weights as config.json and one safetensors file a layer.

    A folder that already holds this very model is left as it is; config.json is written last, so
    a folder without it is unfinished. Returns the folder. Peak memory is one layer or the
    embedding, whichever is larger.
    """
    import torch
    from safetensors.torch import save_file

    described = json.dumps({**shape.config, "headwater_seed": seed}, indent=1)
    config = folder / "config.json"
    if config.is_file() and config.read_text("utf-8") == described:
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    config.unlink(missing_ok=True)
    random = torch.Generator().manual_seed(seed)
    kept: dict[str, str] = {}
    size = 0
    parts = list(_parts(shape))
    for i, part in enumerate(parts):
        name = f"model-{i + 1:05d}-of-{len(parts):05d}.safetensors"
        tensors = {key: _tensor(key, dims, shape.dtype, random) for key, dims in part.items()}
        save_file(tensors, folder / name, metadata={"format": "pt"})
        kept |= dict.fromkeys(tensors, name)
        size += sum(t.numel() * t.element_size() for t in tensors.values())
        progress(i + 1, len(parts))
    index = {"metadata": {"total_size": size}, "weight_map": kept}
    (folder / _INDEX).write_text(json.dumps(index, indent=1), "utf-8")
    config.write_text(described, "utf-8")
    return folder


def _parts(shape: OptShape) -> Iterator[Mapping[str, tuple[int, ...]]]:
    """Names and sizes of the tensors of every file."""
    d, top = shape.width, "model.decoder"
    yield {
        f"{top}.embed_tokens.weight": (shape.vocab, d),
        f"{top}.embed_positions.weight": (shape.context + 2, d),  # OPT's positions start at 2
        f"{top}.final_layer_norm.weight": (d,),
        f"{top}.final_layer_norm.bias": (d,),
    }
    linear = {f"self_attn.{name}_proj": (d, d) for name in "qkv"} | {
        "self_attn.out_proj": (d, d),
        "fc1": (4 * d, d),
        "fc2": (d, 4 * d),
    }
    for layer in range(shape.layers):
        at = f"{top}.layers.{layer}"
        yield (
            {f"{at}.{name}.weight": dims for name, dims in linear.items()}
            | {f"{at}.{name}.bias": dims[:1] for name, dims in linear.items()}
            | {
                f"{at}.{norm}.{kind}": (d,)
                for norm in ("self_attn_layer_norm", "final_layer_norm")
                for kind in ("weight", "bias")
            }
        )


def _tensor(name: str, dims: tuple[int, ...], dtype: str, random: torch.Generator) -> torch.Tensor:
    import torch

    kind: torch.dtype = getattr(torch, dtype)
    if "layer_norm.weight" in name:
        return torch.ones(dims, dtype=kind)
    return (torch.randn(dims, generator=random) * _DEVIATION).to(kind)
