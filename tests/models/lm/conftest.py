"""Small language models: random ones of every architecture, and one whose tokens merge."""

from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM

from models.lm.config import ModelConfig
from models.lm.opening import open_model
from models.lm.pulling import pull
from models.lm.random_weights import SHAPES

TEXTS = ["the cat sat on the mat", "a lower newest widest tower", "hello world, hello there"] * 4
MERGED = 320  # vocabulary of the model whose tokens merge


def settings(name, **changes):
    return ModelConfig(name=str(name), threads=1, **changes)


@pytest.fixture(scope="session", params=list(SHAPES))
def tiny(request, models_dir):
    """A random model of each architecture."""
    name = f"random:{request.param}"
    pull(name, models_dir)
    return open_model(settings(name), models_dir)


@pytest.fixture(scope="session")
def llama(models_dir):
    """Opens the tiny llama with changed settings."""
    pull("random:llama-tiny", models_dir)
    return lambda **changes: open_model(settings("random:llama-tiny", **changes), models_dir)


@pytest.fixture(scope="session")
def merging_folder(tmp_path_factory):
    """A model folder whose tokenizer has learnt merges, from a few words."""
    folder: Path = tmp_path_factory.mktemp("merging")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=MERGED,
        special_tokens=["<end>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(
        '{"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<end>"}'
    )
    config = LlamaConfig(
        vocab_size=MERGED, hidden_size=32, intermediate_size=48, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=128,
        initializer_range=0.3, bos_token_id=None, eos_token_id=0,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(3)
        LlamaForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def merging(merging_folder, models_dir):
    pull(str(merging_folder), models_dir)
    return open_model(settings(merging_folder), models_dir)
