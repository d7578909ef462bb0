"""Which tokens speak of which layer; learned words; what a learning step changes."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.collage.config import InversionConfig
from models.collage.inversion import (
    inversion_loss,
    learn_words,
    load_words,
    save_words,
    word_rows,
)
from models.collage.words import NO_LAYER, learned_words, read_prompt

QUICK = InversionConfig(steps=2, batch=2)


def spoken(parts, prompt, texts, learned=()):
    """The prompt's words by layer, without start, end and padding."""
    found = read_prompt(parts, prompt, texts, learned)
    size = parts.text_encoder.config.vocab_size
    words = [
        f"new{i - size}" if i >= size else parts.tokenizer.convert_ids_to_tokens(i)
        for i in found.ids.tolist()
    ]
    return {
        k: " ".join(w for w, la in zip(words, found.layer.tolist(), strict=True) if la == k)
        for k in range(len(texts))
    }


def test_every_layer_gets_its_words(parts):
    texts = ("grass", "red star", "blue apple")
    assert spoken(parts, "a red star and a blue apple on grass", texts) == dict(enumerate(texts))


def test_repeated_words_go_to_their_layers_in_order(parts):
    """Defect 5 of the reference: its index never moved on."""
    prompt = read_prompt(parts, "a star and a star and a star", ["star", "star", "star"])
    assert prompt.layer[prompt.layer >= 0].tolist() == [0, 1, 2]


def test_longer_words_choose_first(parts):
    prompt = read_prompt(parts, "a red apple and a apple", ["apple", "red apple"])
    assert prompt.layer.tolist()[:8] == [NO_LAYER, NO_LAYER, 1, 1, NO_LAYER, NO_LAYER, 0, NO_LAYER]


def test_words_the_prompt_lacks_are_named(parts):
    with pytest.raises(ValueError, match=r"layer 2: the prompt .* does not hold its words 'star'"):
        read_prompt(parts, "a red apple", ["red apple", "star"])
    with pytest.raises(ValueError, match=r"layer 2: .* 'star' 2 times, once for each"):
        read_prompt(parts, "a red star", ["star", "star"])
    with pytest.raises(ValueError, match="more than 16"):
        read_prompt(parts, "a red star and " * 5, [])


def test_learned_words_stand_before_their_layer_and_share_its_mask(parts):
    found = spoken(parts, "a star and a blue apple", ["star", "blue apple"], [[0, 1], [2]])
    assert found == {0: "new0 new1 star", 1: "new2 blue apple"}


@settings(max_examples=40, deadline=None)
@given(order=st.permutations(["red star", "blue apple", "grass", "star"]))
def test_spans_never_overlap(parts, order):
    prompt = "grass and a star and a blue apple on a red star"
    found = spoken(parts, prompt, order)
    assert found == dict(enumerate(order))


@torch.no_grad()
def test_learned_words_are_read_and_then_gone(parts):
    plain = parts.token_ids(["a red star"])
    before = parts.encode_text(plain)
    rows = torch.randn(2, before.shape[2])
    prompt = read_prompt(parts, "a red star", ["red star"], [[0, 1]])
    with learned_words(parts, rows):
        assert torch.equal(parts.encode_text(plain), before)
        told = parts.encode_text(prompt.ids[None])
        other = parts.encode_text(prompt.ids[None])
    assert torch.equal(told, other)
    assert not torch.allclose(told[:, 3], before[:, 3])
    assert torch.equal(parts.encode_text(plain), before)


@pytest.mark.parametrize("vectors", [1, 3])
def test_only_the_learned_words_train(parts, collage, vectors):
    networks = (parts.unet, parts.text_encoder)
    before = [{k: v.clone() for k, v in n.state_dict().items()} for n in networks]
    config = QUICK.model_copy(update={"vectors": vectors})
    found = learn_words(parts, collage(), config)
    begin = parts.text_encoder.get_input_embeddings().weight[
        parts.tokenizer("a", add_special_tokens=False).input_ids
    ]
    assert found.rows.shape == (3 * vectors, 16)
    assert ((found.rows - begin).abs().amax(1) > 0).all()
    for network, was in zip(networks, before, strict=True):
        assert all(torch.equal(was[k], v) for k, v in network.state_dict().items())


def test_each_layer_teaches_its_own_rows_alone(parts, collage):
    """The gradient of a row does not depend on the other layers' pixels."""
    one, other = collage(), collage()
    other.pixels[1, ..., :3] = 77  # the star's picture

    def gradient(of):
        rows = torch.zeros(3, 16, requires_grad=True)
        random = torch.Generator().manual_seed(0)
        inversion_loss(parts, of, rows, QUICK, random).backward()
        return rows.grad

    a, b = gradient(one), gradient(other)
    assert torch.allclose(a[[0, 2]], b[[0, 2]], atol=1e-7)
    assert not torch.allclose(a[1], b[1])


def test_what_is_outside_the_mask_teaches_nothing(parts, collage):
    """Defect 4 of the reference: mask and picture must lie on one another."""
    one, found = collage(), []

    def keep(module, args, output):
        output.sample.retain_grad()
        found.append(output.sample)

    rows = torch.zeros(3, 16, requires_grad=True)
    handle = parts.unet.register_forward_hook(keep)
    try:
        inversion_loss(parts, one, rows, QUICK, torch.Generator().manual_seed(0)).backward()
    finally:
        handle.remove()
    gradient = found[0].grad
    star = gradient[2:4].abs().amax((0, 1))  # seen at pixels 2 to 7: latents 1 to 3
    assert star[1:4, 1:4].min() > 0
    star[1:4, 1:4] = 0
    assert star.max() == 0


def test_learned_words_survive_a_file(parts, tmp_path):
    words = {"<star>": torch.randn(2, 16), "<apple>": torch.randn(1, 16)}
    save_words(tmp_path / "words.safetensors", words)
    found = load_words(tmp_path / "words.safetensors", parts)
    assert all(torch.equal(found[k], v) for k, v in words.items())
    save_words(tmp_path / "wide.safetensors", {"<x>": torch.randn(1, 9)})
    with pytest.raises(ValueError, match=r"'<x>' is \(1, 9\), the model reads 16"):
        load_words(tmp_path / "wide.safetensors", parts)


def test_learning_begins_from_one_known_word(parts, collage):
    config = QUICK.model_copy(update={"begin": "a red"})
    with pytest.raises(ValueError, match="'a red' is 2 tokens"):
        learn_words(parts, collage(), config)
    assert word_rows(2, 3) == [[0, 1, 2], [3, 4, 5]]
