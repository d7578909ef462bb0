"""Representations from a language model: right spans, right contexts, equal to their references."""

import numpy as np
import pytest
import torch

from models.lm.config import ModelConfig
from models.lm.random_weights import write_tiny
from models.lm.transformers import TransformersModel
from models.tart.contexts import Context
from models.tart.embedding import (
    embed_in_context,
    leave_one_out,
    leave_one_out_reference,
    orders,
)
from models.tart.prompts import Template

SHOTS = [
    ("win a prize", "spam"),
    ("Label: spam", "ham"),  # a text that looks like what surrounds it
    ("see you at six", "ham"),
    ("free entry now", "spam"),
    ("ok", "ham"),
]
QUERIES = ["call this number", "on my way home", "Sentence: x"]
CLASSES = ("ham", "spam")


@pytest.fixture(scope="module", params=["gpt2-tiny", "llama-tiny", "qwen2-tiny", "opt-tiny"])
def model(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    write_tiny(request.param, 0, folder)
    return TransformersModel(folder, ModelConfig(name=request.param, threads=1))


@pytest.fixture(scope="module")
def template(model):
    return Template(model.codec, CLASSES, 20)


def states(model, tokens):
    """Last states of one plain forward pass over tokens, without any cache."""
    with torch.inference_mode():
        return model.model.base_model(torch.tensor([list(tokens)])).last_hidden_state[0]


def embed(model, template, shots=SHOTS, **more):
    return embed_in_context(model, template, shots, QUERIES, **more)


def test_vanilla_is_one_plain_pass_over_the_whole_prompt(model, template):
    found = embed(model, template)
    examples = [template.example(*shot) for shot in SHOTS]
    whole = states(model, [t for e in examples for t in e.tokens])
    begin = 0
    for vector, example in zip(found.vanilla, examples, strict=True):
        expected = whole[begin : begin + len(example.asked)].mean(0)
        np.testing.assert_allclose(vector, expected, atol=1e-4)
        begin += len(example.tokens)


def test_queries_see_all_examples_and_not_one_another(model, template):
    found = embed(model, template)
    context = [t for shot in SHOTS for t in template.example(*shot).tokens]
    for i, query in enumerate(QUERIES):
        asked = template.asked(query)
        plain = states(model, [*context, *asked, *template.shared])
        expected = plain[len(context) : len(context) + len(asked)].mean(0)
        np.testing.assert_allclose(found.queries[i], expected, atol=1e-4)
        with torch.inference_mode():
            logits = model.model(torch.tensor([[*context, *asked, *template.shared]])).logits[0, -1]
        told = logits.double().log_softmax(-1)[template.telling]
        np.testing.assert_allclose(found.label_logprobs[i], told, atol=1e-4)


@pytest.mark.parametrize("pass_tokens", [1, 150, 3072], ids="{}tokens".format)
@pytest.mark.parametrize("k", [2, 3, 5, 9, 13], ids="k{}".format)
def test_shared_prefixes_give_what_reading_every_prompt_gives(model, template, k, pass_tokens):
    examples = [template.example(f"{i} {SHOTS[i % 5][0]}", CLASSES[i % 2]) for i in range(k)]
    fast = leave_one_out(model, examples, pass_tokens=pass_tokens)
    slow = leave_one_out_reference(model, examples)
    for one, other in zip(fast, slow, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("k", [1, 2, 7, 32, 48])
def test_every_example_comes_after_all_others_once(k):
    for i, order in enumerate(orders(k)):
        assert sorted([*order, i]) == list(range(k))


def test_an_example_s_own_label_does_not_move_its_leave_one_out_vector(model, template):
    flipped = [*SHOTS]
    flipped[2] = (SHOTS[2][0], "spam")
    one, other = (embed(model, template, shots).leave_one_out for shots in (SHOTS, flipped))
    moved = np.abs(one - other).max(axis=1)
    assert moved[2] < 1e-5
    assert (np.delete(moved, 2) > 1e-4).all()


def test_the_size_of_batches_changes_nothing(model, template):
    one, other = (embed(model, template, batch_tokens=n) for n in (1, 10_000))
    for name in ("vanilla", "leave_one_out", "queries", "label_logprobs", "content_free"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), atol=1e-4)


def test_a_context_that_was_cropped_is_as_if_it_had_not_been_read(model):
    context = Context(model, 100)
    context.extend([1, 2, 3])
    context.extend([4, 5])
    context.crop(3)
    after = context.extend([6, 7])
    torch.testing.assert_close(after, states(model, [1, 2, 3, 6, 7])[3:], atol=1e-4, rtol=1e-4)
    context.crop(0)
    torch.testing.assert_close(context.extend([9]), states(model, [9]), atol=1e-4, rtol=1e-4)


def test_labels_of_several_tokens_are_told_apart_where_they_first_differ(template):
    assert template.shared == template.labels["ham"][:1] == template.labels["spam"][:1]
    assert template.telling == [template.labels["ham"][1], template.labels["spam"][1]]


def test_labels_that_begin_alike_for_a_while_are_refused(model):
    with pytest.raises(ValueError, match="rename them so that they begin differently"):
        Template(model.codec, ("aab", "aac", "b"), 20)


def test_what_is_read_is_cut_and_told(template):
    long = "word " * 50
    assert template.asked(long) == template.asked(long[:20])
    assert template.truncated(long)
    assert not template.truncated("short")
    assert template.asked("two\nlines") == template.asked("two lines")


@pytest.mark.parametrize(
    ("shots", "queries", "says"),
    [
        ([*SHOTS, ("  ", "ham")], QUERIES, "an example of 'ham' has an empty text"),
        (
            [*SHOTS, ("hi", "eggs")],
            QUERIES,
            "label 'eggs' of text 'hi' is not one of 'ham', 'spam'",
        ),
        (SHOTS, ["fine", " \n"], "query 1 has an empty text"),
        (SHOTS * 4, QUERIES, r"the model reads 512: give fewer examples"),
    ],
    ids=["empty shot", "unknown label", "empty query", "context full"],
)
def test_unusable_texts_are_refused(model, template, shots, queries, says):
    with pytest.raises(ValueError, match=says):
        embed_in_context(model, template, shots, queries)
