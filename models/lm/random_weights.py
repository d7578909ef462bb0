"""Models with random weights: tiny ones of every architecture, and controls of trained ones.

The tiny ones read and write bytes: their vocabulary is the 256 bytes and three special tokens.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
_VOCABULARY = 256 + len(SPECIAL)
_CONTEXT = 512
# Wide enough a spread that the likeliest tokens lie well apart: the usual 0.02 gives near ties.
_SPREAD = 0.3

_SHARED = {
    "vocab_size": _VOCABULARY,
    "max_position_embeddings": _CONTEXT,
    "bos_token_id": 256,
    "eos_token_id": 258,
    "pad_token_id": 258,
    "initializer_range": _SPREAD,
}
_GATED = {
    "hidden_size": 48,
    "intermediate_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
}
SHAPES: Mapping[str, Mapping[str, Any]] = {
    "llama-tiny": {"model_type": "llama", **_GATED, "tie_word_embeddings": True},
    "qwen2-tiny": {"model_type": "qwen2", **_GATED, "tie_word_embeddings": False},
    "opt-tiny": {
        "model_type": "opt",
        "hidden_size": 48,
        "ffn_dim": 96,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "word_embed_proj_dim": 48,
        "init_std": _SPREAD,
    },
    "gpt2-tiny": {
        "model_type": "gpt2",
        "n_embd": 48,
        "n_layer": 3,
        "n_head": 4,
        "n_positions": _CONTEXT,
    },
    "neox-tiny": {
        "model_type": "gpt_neox",
        "hidden_size": 48,
        "intermediate_size": 96,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "rotary_pct": 0.25,
    },
}


def write_tiny(shape: str, seed: int, folder: Path) -> None:
    """Writes a tiny model of an architecture in SHAPES, float32, and its byte tokenizer."""
    from transformers import AutoConfig

    settings = {**_SHARED, **SHAPES[shape]}
    _write_weights(AutoConfig.for_model(**settings), seed, folder, "float32")
    write_byte_tokenizer(folder)


def write_control(trained: Path, seed: int, folder: Path) -> None:
    """Writes a model of the shape and with the tokenizer of the one in `trained`, untrained."""
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(trained, local_files_only=True)
    _write_weights(config, seed, folder, str(config.dtype).removeprefix("torch."))
    for file in (*trained.glob("tokenizer*"), *trained.glob("*.jinja")):
        shutil.copyfile(file, folder / file.name)


def write_byte_tokenizer(folder: Path) -> None:
    """A tokenizer of single bytes: every text has one reading, and none is out of vocabulary."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {sign: i for i, sign in enumerate(alphabet)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, normalized=False) for token in SPECIAL])
    tokenizer.save(str(folder / "tokenizer.json"))
    start, _, end = SPECIAL
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": start,
        "eos_token": end,
        "pad_token": end,
        "clean_up_tokenization_spaces": False,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=1), "utf-8")


def _write_weights(config: Any, seed: int, folder: Path, dtype: str) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    from models.lm.quiet import quiet

    with quiet(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
        model.to(getattr(torch, dtype)).save_pretrained(folder)
