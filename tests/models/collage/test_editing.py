"""Editing one layer; layers and their masks."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from models.collage.config import SampleConfig
from models.collage.editing import edited
from models.collage.layers import Collage, LayerConfig, visible_masks
from models.collage.masks import free_steps, held, noise_map
from models.collage.sampler import compose
from models.collage.train import to_bytes

CONFIG = SampleConfig(steps=6)


def test_the_edited_layer_changes_and_nothing_else(parts, collage):
    one = collage(noise=(0.9, 0.8, 0.8))
    picture = to_bytes(compose(parts, [one], CONFIG, [0]))[0]
    again = to_bytes(compose(parts, [edited(one, picture, {1})], CONFIG, [1]))[0]
    star = one.visible[1] > 0
    assert np.abs(picture.astype(int) - again)[~star].max() <= 1
    assert np.abs(picture.astype(int) - again)[star].max() > 10


def test_another_seed_edits_differently(parts, collage):
    one = collage(noise=(0.9, 0.8, 0.8))
    picture = to_bytes(compose(parts, [one], CONFIG, [0]))[0]
    edit = edited(one, picture, {2})
    found = to_bytes(compose(parts, [edit, edit], CONFIG, [1, 2]))
    apple = one.visible[2] > 0
    assert np.abs(found[0].astype(int) - found[1])[apple].max() > 10
    assert np.abs(found[0].astype(int) - found[1])[~apple].max() == 0


def test_wrong_edits_are_named(collage):
    one = collage()
    with pytest.raises(ValueError, match=r"layers 0 to 2, asked for \[5\]"):
        edited(one, np.zeros((16, 16, 3), np.uint8), {5})
    with pytest.raises(ValueError, match=r"canvas of \(16, 16\)"):
        edited(one, np.zeros((8, 16, 3), np.uint8), {1})


@settings(max_examples=50, deadline=None)
@given(arrays(np.float32, (4, 3, 2), elements=st.floats(0, 1, width=32)))
def test_visible_masks_are_what_pasting_leaves(alpha):
    """Layer by layer: every new layer hides its share of all below."""
    expected = np.zeros_like(alpha)
    for i, layer in enumerate(alpha):
        expected[:i] *= 1 - layer
        expected[i] = layer
    assert np.allclose(visible_masks(alpha), expected, atol=1e-5)
    assert (visible_masks(alpha).sum(0) <= 1 + 1e-5).all()


def test_a_composite_is_pasted_back_to_front(collage):
    one = collage()
    assert one.composite[0, 0].tolist() == [90, 140, 60]
    assert one.composite[3, 3].tolist() == [200, 30, 30]
    assert one.composite[7, 7].tolist() == [30, 40, 210]  # on top of the star


def test_layers_that_cannot_be_seen_are_named():
    layers = (LayerConfig(text="star"), LayerConfig(text="apple"))
    pixels = np.zeros((2, 8, 8, 4), np.uint8)
    pixels[0, 2:4, 2:4] = 255
    with pytest.raises(ValueError, match=r"layer 2 \('apple'\): nothing of it is seen"):
        Collage("", layers, pixels)
    pixels[1] = 255
    with pytest.raises(ValueError, match=r"layer 1 \('star'\): nothing of it is seen"):
        Collage("", layers, pixels)
    with pytest.raises(ValueError, match="at least one layer"):
        Collage("", (), pixels[:0])
    with pytest.raises(ValueError, match="for 1 layers"):
        Collage("", layers[:1], pixels)


def test_noise_is_each_layers_own_where_it_is_seen():
    masks = torch.zeros(1, 2, 8, 8)
    masks[:, 0, :4], masks[:, 1, 4:, :4] = 1, 1
    found = noise_map(masks, torch.tensor([[0.1, 0.7]]), torch.tensor([0.9]), (4, 4), 0.0)[0, 0]
    assert torch.equal(found[:2], torch.full((2, 4), 0.1))
    assert torch.equal(found[2:, :2], torch.full((2, 2), 0.7))
    assert torch.equal(found[2:, 2:], torch.full((2, 2), 0.9))


def test_blur_softens_noise_between_layers_alone():
    masks = torch.zeros(1, 1, 32, 32)
    masks[:, :, :, :16] = 1
    found = noise_map(masks, torch.tensor([[0.0]]), torch.tensor([1.0]), (32, 32), 1.5)[0, 0, 16]
    assert found[0] == 0
    assert found[-1] == 1
    assert (found.diff() >= 0).all()
    assert 0 < found[15] < found[16] < 1


def test_layers_are_freed_one_after_the_other():
    free = free_steps(torch.tensor([[[[0.0, 0.3, 0.8]]]]), 10)
    assert free.flatten().tolist() == [0, 3, 8]
    kept = {left: held(free, left, 0)[0, 0, 0].tolist() for left in (9, 8, 7, 3, 2, 0)}
    assert kept == {9: [1, 1, 1], 8: [1, 1, 1], 7: [1, 1, 0], 3: [1, 1, 0], 2: [1, 0, 0],
                    0: [1, 0, 0]}  # fmt: skip
    assert held(free, 5, 1)[0, 0, 0].tolist() == [1, 1, 1]


@pytest.mark.parametrize("steps", [7, 15, 50])
def test_steps_are_counted_as_image_to_image_counts_them(steps):
    strengths = [round(i / 100, 2) for i in range(101)]
    found = free_steps(torch.tensor(strengths), steps).tolist()
    assert found == [min(int(steps * s), steps) for s in strengths]
