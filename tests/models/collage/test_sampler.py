"""Sampling: what is held, what is free, and that nothing else changes."""

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionImg2ImgPipeline
from PIL import Image

from models.collage.config import SampleConfig
from models.collage.sampler import compose, own_scheduler, sigma_of
from models.collage.train import to_signed

PLAIN = SampleConfig(steps=6, control=False)
FULL = SampleConfig(steps=6)


def signed(one):
    return to_signed(one.composite[None])


def test_a_layer_of_noise_0_comes_back_exactly(parts, collage):
    one = collage(noise=(1.0, 0.0, 0.7))
    found = compose(parts, [one], FULL, [3])
    star = torch.zeros(16, 16, dtype=bool)
    star[2:8, 2:8] = True
    star[6:12, 6:14] = False
    assert torch.equal(found[..., star], signed(one)[..., star])
    assert (found - signed(one))[..., ~star].abs().amax() > 0.1


@pytest.mark.parametrize(
    "scheduler",
    ["DDIMScheduler", "EulerDiscreteScheduler", "EulerAncestralDiscreteScheduler",
     "DPMSolverMultistepScheduler", "PNDMScheduler", "HeunDiscreteScheduler"],
)  # fmt: skip
def test_every_scheduler_runs_and_holds(parts, collage, scheduler):
    one = collage(noise=(0.9, 0.0, 0.5))
    config = FULL.model_copy(update={"scheduler": scheduler, "steps": 8})
    found = compose(parts, [one], config, [3])
    assert found.isfinite().all()
    assert torch.equal(found[..., 2:6, 2:6], signed(one)[..., 2:6, 2:6])
    assert not torch.allclose(found, signed(one), atol=0.1)


@pytest.mark.parametrize("scheduler", ["DDIMScheduler", "EulerAncestralDiscreteScheduler"])
@pytest.mark.parametrize("strength", [0.5, 0.7])
def test_equal_noise_everywhere_is_image_to_image(parts, collage, scheduler, strength):
    """Against diffusers' own pipeline, at the same seed."""
    one = collage(noise=(strength,) * 3)
    config = PLAIN.model_copy(update={"scheduler": scheduler, "steps": 10})
    found = compose(parts, [one], config, [5])
    pipeline = StableDiffusionImg2ImgPipeline(
        **{name: getattr(parts, name) for name in ("vae", "text_encoder", "tokenizer", "unet")},
        scheduler=own_scheduler(parts, scheduler),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    pipeline.image_processor.config.vae_scale_factor = 2
    theirs = pipeline(
        one.prompt,
        image=signed(one),
        strength=strength,
        num_inference_steps=10,
        guidance_scale=config.guidance,
        generator=[torch.Generator().manual_seed(5)],
        output_type="pt",
    ).images
    assert torch.allclose((found + 1) / 2, theirs, atol=1e-4)


def test_a_batch_is_its_members_alone(parts, collage):
    """Also when they begin at different steps, and have different numbers of layers."""
    one = collage(noise=(0.9, 0.2, 0.5))
    whole = collage(noise=(0.6, 0.4, 0.5))
    other = type(whole)("a red star on grass", whole.layers[:2], whole.pixels[:2], whole.noise)
    for scheduler in ("DDIMScheduler", "EulerAncestralDiscreteScheduler"):
        config = FULL.model_copy(update={"scheduler": scheduler})
        both = compose(parts, [one, other, one], config, [1, 2, 3])
        alone = [compose(parts, [c], config, [s])[0] for c, s in ((one, 1), (other, 2), (one, 3))]
        assert torch.allclose(both, torch.stack(alone), atol=1e-4)


def test_a_canvas_need_not_be_square(parts, collage):
    wide = collage(height=16, width=24, noise=(0.9, 0.0, 0.5))
    found = compose(parts, [wide], FULL, [0])
    assert found.shape == (1, 3, 16, 24)
    assert torch.equal(found[..., 2:6, 2:6], signed(wide)[..., 2:6, 2:6])


def test_held_places_carry_the_noise_of_the_time_reached(parts, collage):
    """Defect 2 of the reference: noise of the time before was left in held layers."""
    one = collage(noise=(0.95, 0.05, 0.05))
    seen = {}

    def spy(module, args):
        seen[float(args[1])] = args[0][0]

    handle = parts.unet.register_forward_pre_hook(spy)
    try:
        compose(parts, [one], SampleConfig(steps=20), [0])
    finally:
        handle.remove()
    z0 = parts.encode(signed(one))[0]
    for t, z in list(seen.items())[1:]:
        abar = parts.alphas[int(t)]
        rest = (z - abar.sqrt() * z0)[:, 1:3, 1:3] / (1 - abar).sqrt()
        if t > 60:
            assert rest.std() == pytest.approx(1, abs=0.35), t
    assert len(seen) == 19


@pytest.mark.parametrize(
    "scheduler", ["DDIMScheduler", "EulerDiscreteScheduler", "HeunDiscreteScheduler"]
)
def test_a_layer_begins_where_it_would_if_all_were_freed_with_it(parts, collage, scheduler):
    """At the same time and from the same noise, though another layer began long before."""
    config = PLAIN.model_copy(update={"scheduler": scheduler, "steps": 10})
    seen = []
    handle = parts.unet.register_forward_pre_hook(
        lambda module, args: seen.append((float(args[1]), args[0][0]))
    )
    try:
        compose(parts, [collage(noise=(0.4, 0.4, 0.4))], config, [0])
        time, start = seen[0]
        seen.clear()
        compose(parts, [collage(noise=(0.4, 0.9, 0.4))], config, [0])
    finally:
        handle.remove()
    reached = next(z for t, z in seen if t == time)
    star = torch.zeros(8, 8, dtype=torch.bool)
    star[1:4, 1:4] = True
    star[3:6, 3:7] = False
    assert torch.allclose(reached[:, ~star], start[:, ~star], atol=1e-5)
    assert (reached - start)[:, star].abs().amax() > 0.1


def test_steering_follows_the_sigma_of_the_true_time(parts, collage):
    """Defect 1 of the reference: with a strength below 1 it used sigmas of earlier times."""
    used = []
    one = collage(noise=(0.5, 0.5, 0.5))
    from models.collage.control import Control

    plain = Control.steer
    Control.steer = lambda self, logits: (used.append(self.sigma), plain(self, logits))[1]
    try:
        compose(parts, [one], SampleConfig(steps=10), [0])
    finally:
        Control.steer = plain
    abar = parts.alphas[[499, 399, 299, 199, 99]].double()
    expected = ((1 - abar) / abar).sqrt()
    per_step = len(used) // 5
    assert used[::per_step] == pytest.approx(expected.tolist(), rel=1e-5)


def test_sigma_lies_between_those_of_neighbours():
    alphas = torch.linspace(0.99, 0.01, 1000)
    low, middle, high = (sigma_of(alphas, t) for t in (10, 10.5, 11))
    assert low < middle < high
    assert sigma_of(alphas, 999) == pytest.approx((0.99 / 0.01) ** 0.5, rel=1e-4)


def test_pure_noise_takes_nothing_from_the_pixels(parts, collage):
    one = collage()
    other = type(one)(one.prompt, one.layers, one.pixels.copy())
    other.pixels[..., :3] = 255 - other.pixels[..., :3]
    config = SampleConfig(steps=4, start="noise")
    assert torch.equal(*(compose(parts, [c], config, [0]) for c in (one, other)))


def test_noise_0_for_all_gives_the_collage_back(parts, collage):
    one = collage(noise=(0.0, 0.0, 0.0))
    assert torch.equal(compose(parts, [one], FULL, [0]), signed(one))


def test_nothing_of_the_model_changes(parts, collage):
    before = {k: v.clone() for k, v in parts.unet.state_dict().items()}
    processors = dict(parts.unet.attn_processors)
    embedding = parts.text_encoder.get_input_embeddings()
    compose(parts, [collage()], FULL, [0])
    assert all(torch.equal(before[k], v) for k, v in parts.unet.state_dict().items())
    assert parts.unet.attn_processors == processors
    assert parts.text_encoder.get_input_embeddings() is embedding


def test_what_cannot_be_composed_is_said(parts, collage):
    with pytest.raises(ValueError, match="one size"):
        compose(parts, [collage(), collage(width=24)], FULL, [0, 1])
    with pytest.raises(ValueError, match="canvas 18 x 16: both sides must be multiples of 4 px"):
        compose(parts, [collage(width=18)], FULL, [0])
    with pytest.raises(ValueError, match="1 seeds for 2"):
        compose(parts, [collage(), collage()], FULL, [0])
    with pytest.raises(ValueError, match="no scheduler 'UNet2DModel'"):
        compose(parts, [collage()], FULL.model_copy(update={"scheduler": "UNet2DModel"}), [0])


def test_pictures_open_as_images(parts, collage):
    from models.collage.train import to_bytes

    picture = to_bytes(compose(parts, [collage()], FULL, [0]))[0]
    assert picture.dtype == np.uint8
    assert Image.fromarray(picture).size == (16, 16)
