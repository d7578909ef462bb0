"""A tiny model with random weights, and small collages for it."""

import numpy as np
import pytest
import torch

from models.collage.config import ModelConfig
from models.collage.layers import Collage, LayerConfig
from models.collage.parts import build_parts

WORDS = ("a", "red", "blue", "star", "apple", "on", "and", "grass", "picture", "of", "the")
TINY = ModelConfig(
    size=16, channels=(16, 16), head=8, text_width=16, text_layers=1, tokens=16, layers=1
)


@pytest.fixture(scope="session")
def parts():
    """Random weights, made far from their start so that words and places matter."""
    made = build_parts(WORDS, TINY, seed=0)
    torch.manual_seed(1)
    for network in (made.unet, made.text_encoder):
        for parameter in network.parameters():
            if parameter.ndim > 1:
                parameter.data.normal_(0, 1.2 * parameter[0].numel() ** -0.5)
        network.requires_grad_(False)
    return made


def make(height=16, width=16, prompt="a red star and a blue apple on grass", **strengths):
    """A ground and two objects that overlap, hard-edged at even pixels."""
    pixels = np.zeros((3, height, width, 4), np.uint8)
    pixels[0] = (90, 140, 60, 255)
    pixels[1, 2:8, 2:8] = (200, 30, 30, 255)
    pixels[2, 6:12, 6:14] = (30, 40, 210, 255)
    layers = tuple(
        LayerConfig(text=text, **{k: v[i] for k, v in strengths.items()})
        for i, text in enumerate(("grass", "red star", "blue apple"))
    )
    return Collage(prompt, layers, pixels)


@pytest.fixture
def collage():
    """A function of size, prompt and strengths by name that makes a collage."""
    return make
