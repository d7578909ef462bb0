"""A backbone with a tokenizer keeps the promises of every language model."""

import math

import numpy as np
import pytest
import torch

from models.lm.interface import LanguageModel, Sampling
from models.sequence.backbone import Backbone
from models.sequence.config import BackboneConfig
from models.sequence.language_model import SequenceLanguageModel, from_bytes, to_bytes
from models.sequence.scores import IGNORED, evaluate
from models.sequence.text import END, scored_windows, train_tokenizer, windows

TEXT = "To be, or not to be, that is the question.\nWhether 'tis nobler in the mind.\n" * 3
TOKENIZER = train_tokenizer(TEXT, "bpe", 280)


@pytest.fixture(params=["h3", "hyena", "attention"])
def model(request) -> SequenceLanguageModel:
    torch.manual_seed(0)
    size = TOKENIZER.get_vocab_size()
    config = BackboneConfig(
        pattern=(request.param, request.param), width=16, mlp=32, longest=64, vocabulary=size,
        outputs=size, tied=True, positions=request.param == "attention",
    )  # fmt: skip
    backbone = Backbone(config)
    for parameter in backbone.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    return SequenceLanguageModel(backbone, TOKENIZER, f"{request.param}-tiny")


def test_a_completion_is_what_scoring_finds_likeliest(model: LanguageModel):
    prompts = ["To be", "Whether 'tis nobler", "To be"]
    made = model.generate(prompts, Sampling(max_tokens=8))
    assert made[0] == made[2]
    for prompt, completion in zip(prompts, made, strict=True):
        assert completion.completion_tokens == len(completion.tokens) <= 8
        ids = TOKENIZER.encode(prompt).ids
        assert completion.prompt_tokens == len(ids)
        whole = torch.tensor([ids + list(completion.tokens)])
        with torch.no_grad():
            told = model._model(whole)[0].log_softmax(-1)[len(ids) - 1 : -1]
        assert told.argmax(-1).tolist() == list(completion.tokens)
        np.testing.assert_allclose(told.max(-1).values, completion.logprobs, atol=1e-4)


def test_scores_are_log_probabilities(model: LanguageModel):
    [score, empty] = model.score([("To be", ", or not"), ("To be", "")])
    assert len(score.logprobs) == len(score.greedy) == len(TOKENIZER.encode(", or not").ids)
    assert score.total < 0
    assert empty.logprobs == ()


def test_stop_strings_end_a_completion_and_seeds_repeat_it(model: LanguageModel):
    sampling = Sampling(max_tokens=20, temperature=1.0, seed=3)
    [free] = model.generate(["To"], sampling)
    assert model.generate(["To"], sampling) == [free]
    cut = free.text[len(free.text) // 2]
    [stopped] = model.generate(["To"], sampling.model_copy(update={"stop": (cut,)}))
    assert stopped.finish == "stop"
    assert stopped.text == free.text[: free.text.index(cut)]


def test_states_and_embeddings(model: LanguageModel):
    [first, last] = (model.hidden_states(["To be, or"], layer)[0] for layer in (0, -1))
    assert first.shape == last.shape == (len(TOKENIZER.encode("To be, or").ids), 16)
    assert first.dtype == np.float32
    np.testing.assert_allclose(model.embed(["To be, or"])[0], last.mean(0), rtol=1e-5)
    np.testing.assert_allclose(model.embed(["To be, or"], pooling="last")[0], last[-1])
    assert model.chat_prompt("a", "b") == "b\n\na"


def test_what_does_not_fit_the_context_is_told(model: LanguageModel):
    with pytest.raises(ValueError, match="the context holds 64"):
        model.generate(["To be"], Sampling(max_tokens=64))
    with pytest.raises(ValueError, match="text 0 has"):
        model.embed([TEXT])


def test_an_empty_prompt_is_the_end_token(model: LanguageModel):
    [completion] = model.generate([""], Sampling(max_tokens=2))
    assert completion.prompt_tokens == 1
    assert TOKENIZER.token_to_id(END) == 0


def test_weights_survive_their_bytes(model: SequenceLanguageModel):
    backbone = model._model
    again = from_bytes(to_bytes(backbone), backbone.config)
    tokens = torch.randint(100, (1, 20))
    assert torch.equal(again(tokens), backbone(tokens))


def test_windows_tell_the_next_token_and_score_each_once():
    ids = list(range(100, 151))
    cut = windows(ids, 8)
    assert cut.inputs.shape == (6, 8)
    assert torch.equal(cut.inputs + 1, cut.targets)
    overlapping = scored_windows(ids, 8)
    asked = overlapping.targets[overlapping.targets != IGNORED]
    assert len(asked) == len(set(asked.tolist()))
    assert asked.tolist() == list(range(101, 101 + len(asked)))
    with pytest.raises(ValueError, match="no window of 60"):
        windows(ids, 60)


def test_a_model_that_knows_nothing_has_the_perplexity_of_its_vocabulary():
    config = BackboneConfig(pattern=("h3",), width=8, mlp=8, vocabulary=280, outputs=280)
    model = Backbone(config)
    model.head.weight.data.zero_()
    ids = TOKENIZER.encode(TEXT).ids
    assert math.isclose(evaluate(model, windows(ids, 16), "perplexity"), 280, rel_tol=1e-4)


@pytest.mark.parametrize("units", ["bpe", "bytes"])
def test_any_text_survives_its_tokens(units):
    tokenizer = train_tokenizer(TEXT, units, 280)
    assert tokenizer.get_vocab_size() == (257 if units == "bytes" else 280)
    for text in ("naïve 日本 \x00\n", TEXT):
        assert tokenizer.decode(tokenizer.encode(text).ids) == text
    with pytest.raises(ValueError, match="at least 257"):
        train_tokenizer(TEXT, units, 256)
