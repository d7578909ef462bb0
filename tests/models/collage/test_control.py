"""Attention control against plain attention, and against its equation written literally."""

import math

import pytest
import torch
from diffusers.models.attention_processor import Attention, AttnProcessor2_0

from models.collage.control import Control, SteeredAttention, gain, pulls, steered
from models.collage.masks import level_sizes, pyramid

B, H, TOKENS = 2, 2, 5
LAYER = torch.tensor([[-1, 0, 0, 1, -1], [-1, 1, 0, 0, -1]])


@pytest.fixture
def attention():
    torch.manual_seed(0)
    return Attention(query_dim=8, cross_attention_dim=6, heads=H, dim_head=4, bias=False).eval()


def inputs(positions):
    torch.manual_seed(1)
    return torch.randn(2 * B, positions, 8), torch.randn(2 * B, TOKENS, 6) * 2


def control(size=(4, 4), attend=0.0, avoid=0.0, **options):
    masks = torch.zeros(B, 2, *size)
    masks[:, 0, : size[0] // 2] = 1
    masks[:, 1, size[0] // 2 :] = 0.6
    pull = pulls(
        pyramid(masks, size, 1), LAYER, torch.full((B, 2), attend), torch.full((B, 2), avoid)
    )
    return masks, Control(pull, **{"sigma": 3.0, **options})


@torch.no_grad()
@pytest.mark.parametrize("size", [(4, 4), (2, 8), (3, 5)])
def test_weights_of_0_are_plain_attention(attention, size):
    states, words = inputs(size[0] * size[1])
    plain = AttnProcessor2_0()(attention, states, words)
    ours = SteeredAttention(control(size)[1])(attention, states, words)
    assert torch.allclose(ours, plain, atol=1e-6)


@torch.no_grad()
@pytest.mark.parametrize("scale", ["max", "std"])
def test_the_unconditional_half_is_untouched(attention, scale):
    states, words = inputs(16)
    plain = AttnProcessor2_0()(attention, states, words)
    ours = SteeredAttention(control(attend=2.0, avoid=1.0, scale=scale)[1])(
        attention, states, words
    )
    assert torch.equal(ours[:B], plain[:B])
    assert not torch.allclose(ours[B:], plain[B:], atol=1e-2)


@pytest.mark.parametrize("scale", ["max", "std"])
@pytest.mark.parametrize("schedule", ["loglog", "log", "log2"])
def test_logits_follow_the_equation(scale, schedule):
    masks, steer = control(attend=0.7, avoid=0.3, scale=scale, schedule=schedule)
    torch.manual_seed(2)
    logits = torch.randn(B, H, 16, TOKENS)
    expected = logits.clone()
    for b in range(B):
        for j in range(TOKENS):
            layer = LAYER[b, j].item()
            if layer < 0:
                continue
            column = logits[b, :, :, j]
            size = column.max().clamp(min=0) if scale == "max" else column.std(correction=0)
            mask = masks[b, layer].flatten()
            expected[b, :, :, j] += gain(3.0, schedule) * size * (0.7 * mask - 0.3 * (1 - mask))
    assert torch.allclose(steer.steer(logits), expected, atol=1e-5)


def test_attention_rises_inside_and_falls_outside():
    masks, steer = control(attend=0.8, avoid=0.8)
    torch.manual_seed(2)
    logits = torch.randn(B, H, 16, TOKENS)
    before, after = logits.softmax(-1), steer.steer(logits).softmax(-1)
    inside = masks[0, 0].flatten() == 1
    mass = [a[0][:, :, LAYER[0] == 0].sum(-1) for a in (before, after)]
    assert (mass[1][:, inside] > mass[0][:, inside]).all()
    assert (mass[1][:, ~inside] < mass[0][:, ~inside]).all()


def test_logits_below_0_do_not_turn_the_sign():
    _, steer = control(attend=1.0)
    logits = -torch.rand(B, H, 16, TOKENS) - 0.1
    assert torch.equal(steer.steer(logits), logits)


def test_gains_are_those_of_the_sheet():
    assert [gain(s, "loglog") for s in (14.6, 5.1, 1.62)] == pytest.approx(
        [1.32, 1.03, 0.68], abs=0.01
    )
    assert [gain(s, "log") for s in (14.6, 5.1)] == pytest.approx([2.75, 1.81], abs=0.01)
    assert gain(2.0, "log2") == pytest.approx(math.log(5))


def test_levels_of_canvases_that_are_not_square_have_their_own_sizes():
    """Defect 8 of the reference: it took the square root of the number of positions."""
    assert level_sizes((16, 12), 3) == [(16, 12), (8, 6), (4, 3)]
    assert level_sizes((5, 8), 2) == [(5, 8), (3, 4)]
    masks = torch.zeros(1, 1, 16, 24)
    masks[:, :, :, 12:] = 1
    levels = pyramid(masks, (8, 12), 2)
    assert {size: m.shape[2] for size, m in levels.items()} == {(8, 12): 96, (4, 6): 24}
    assert torch.equal(levels[4, 6].view(4, 6)[0].round(), torch.tensor([0, 0, 0, 1, 1, 1.0]))


def test_processors_are_back_after_an_error(parts):
    """Defect 7 of the reference: its processors stayed and leaked into the next call."""
    before = dict(parts.unet.attn_processors)

    def fail():
        with steered(parts.unet, control()[1]):
            assert parts.unet.attn_processors != before
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail()
    assert parts.unet.attn_processors == before


@torch.no_grad()
def test_a_whole_network_with_weights_of_0_is_as_it_was(parts, collage):
    from models.collage.config import SampleConfig
    from models.collage.sampler import compose

    one = collage(attend=(0.0,) * 3, avoid=(0.0,) * 3)
    on, off = (
        compose(parts, [one], SampleConfig(steps=4, control=flag), [0]) for flag in (True, False)
    )
    assert torch.allclose(on, off, atol=1e-4)
