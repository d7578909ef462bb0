"""Decoders the engine knows. An adapter is the names of a model's tensors and one layer's maths."""

from __future__ import annotations

import json
from pathlib import Path

from models.flexgen.adapters.base import Adapter
from models.flexgen.adapters.gpt2 import GPT2
from models.flexgen.adapters.llama import Llama
from models.flexgen.adapters.neox import NeoX
from models.flexgen.adapters.opt import OPT

ADAPTERS: dict[str, type[Adapter]] = {
    "OPTForCausalLM": OPT,
    "LlamaForCausalLM": Llama,
    "Qwen2ForCausalLM": Llama,
    "GPT2LMHeadModel": GPT2,
    "GPTNeoXForCausalLM": NeoX,
}

__all__ = ["ADAPTERS", "Adapter", "adapter_for"]


def adapter_for(folder: Path, tensors: frozenset[str]) -> Adapter:
    """The adapter of the model in `folder`, whose weights hold `tensors`.

    Raises ValueError for a config that cannot be read and for an architecture without an adapter.
    """
    try:
        named = json.loads((folder / "config.json").read_text()).get("architectures") or ["none"]
    except (OSError, ValueError, AttributeError) as error:
        raise ValueError(f"{folder}/config.json cannot be read: {error}") from None
    if named[0] not in ADAPTERS:
        raise ValueError(
            f"{folder} is of architecture {named[0]}; known are {', '.join(sorted(ADAPTERS))}"
        )
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(folder, local_files_only=True)
    return ADAPTERS[named[0]](named[0], config, tensors)
