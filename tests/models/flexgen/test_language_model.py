"""The offload back end says what the plain one says; SmolLM2 too, whatever the policy."""

import numpy as np
import pytest
import torch

pytest.importorskip("models.lm.text", reason="needs the tokenizing part of models/lm")

from models.flexgen.config import Budgets, Policy
from models.flexgen.engine import Engine
from models.flexgen.language_model import open_offloaded
from models.flexgen.weights import WeightFolder
from models.lm.config import ModelConfig
from models.lm.interface import Sampling
from models.lm.pulling import pull
from models.lm.store import ModelStore
from models.lm.transformers import TransformersModel

THIRDS = {"wg": 30, "wc": 30, "wd": 40, "cg": 30, "cc": 30, "cd": 40, "hg": 30, "hc": 30, "hd": 40}
PROMPTS = ["The cat", "A much longer prompt, of which more is known", "", "Numbers: 1 2 3"] * 2
REAL = [
    "The capital of France is",
    "Water boils at a temperature of",
    "def fibonacci(n):",
    "Once upon a time there was a",
    "The three laws of motion were stated by",
    "To make a good cup of tea, first",
    "Q: What is the largest planet?\nA:",
    "Photosynthesis is the process by which plants",
    "In 1969, for the first time, a man",
    "My favourite season is autumn because",
    "The stock market fell today after",
    "SELECT name FROM users WHERE",
    "Dear Sir or Madam,",
    "1, 2, 3, 5, 8, 13,",
    "The difference between a virus and a bacterium is that",
    "She opened the door and saw",
    "Ingredients: flour, sugar, eggs,",
    "An algorithm is a finite sequence of",
    "The Great Wall of China was built to",
    "It was the best of times, it was",
]


@pytest.fixture(scope="module")
def both(models_dir, tmp_path_factory):
    """The same tiny model behind both back ends."""
    pull("random:llama-tiny", models_dir)
    _, folder = ModelStore(models_dir).open("random:llama-tiny")
    plain = TransformersModel(folder, ModelConfig(name=str(folder), threads=1))
    budgets = Budgets(1 << 26, 1 << 26, tmp_path_factory.mktemp("disk"))
    offloaded = open_offloaded(folder, Policy(gbs=3, nb=2, **THIRDS), budgets)
    yield plain, offloaded
    offloaded.close()


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(max_tokens=6),
        Sampling(max_tokens=6, temperature=1.0, top_p=0.9, seed=3),
        Sampling(max_tokens=6, stop=("a", "e")),
    ],
    ids=["greedy", "drawn", "stop"],
)
def test_completions_are_the_plain_ones(both, sampling):
    plain, offloaded = (model.generate(PROMPTS, sampling) for model in both)
    for expected, got in zip(plain, offloaded, strict=True):
        assert (got.text, got.tokens, got.finish) == (
            expected.text,
            expected.tokens,
            expected.finish,
        )
        assert (got.prompt_tokens, got.completion_tokens) == (
            expected.prompt_tokens,
            expected.completion_tokens,
        )
        assert got.logprobs == pytest.approx(expected.logprobs, abs=1e-4)


def test_scores_states_and_vectors_are_the_plain_ones(both):
    plain, offloaded = both
    pairs = [
        ("The cat", " sat"),
        ("", "alone"),
        ("A long prompt before", " a longer answer"),
        ("x", ""),
    ]
    for expected, got in zip(plain.score(pairs), offloaded.score(pairs), strict=True):
        assert got.logprobs == pytest.approx(expected.logprobs, abs=1e-4)
        assert (got.greedy, got.prompt_tokens) == (expected.greedy, expected.prompt_tokens)
    for layer in (0, 1, -1):
        states = zip(
            plain.hidden_states(PROMPTS, layer),
            offloaded.hidden_states(PROMPTS, layer),
            strict=True,
        )
        for expected, got in states:
            np.testing.assert_allclose(got, expected, atol=1e-4)
    for pooling in ("mean", "last"):
        np.testing.assert_allclose(
            offloaded.embed(PROMPTS, pooling=pooling),
            plain.embed(PROMPTS, pooling=pooling),
            atol=1e-4,
        )


def test_too_long_a_prompt_is_an_error(both):
    _, offloaded = both
    with pytest.raises(ValueError, match=r"prompt 1 .* tokens and there is room for"):
        offloaded.generate(["short", "x y " * offloaded.context], Sampling(max_tokens=4))


SMOL = {
    "all-device": {"gbs": 20},
    "disk": {"gbs": 10, "nb": 2, "wg": 0, "wd": 100, "cg": 0, "cd": 100},
    "thirds": {"gbs": 7, "nb": 3, **THIRDS},
}


@pytest.fixture(scope="module")
def smol_tokens(smollm2):
    """What transformers says to the real prompts, one at a time."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(smollm2)
    model = AutoModelForCausalLM.from_pretrained(smollm2, dtype=torch.float32)
    prompts = [tokenizer(text)["input_ids"] for text in REAL]
    told = []
    for prompt in prompts:
        ids = torch.tensor([prompt])
        with torch.no_grad():
            out = model.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=6,
                do_sample=False,
                eos_token_id=None,
                pad_token_id=0,
            )
        told.append(out[0, len(prompt) :].tolist())
    return prompts, told


@pytest.mark.parametrize("name", SMOL)
def test_smollm2_says_the_same_to_twenty_prompts(name, smollm2, smol_tokens, tmp_path):
    prompts, told = smol_tokens
    budgets = Budgets(2 << 30, 1 << 30, tmp_path)
    with Engine(WeightFolder(smollm2), Policy(**SMOL[name]), budgets) as engine:
        assert engine.generate(prompts, 6).tokens == told
