"""What steering attention costs: sampling with it against sampling without."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
import torch

from models.collage.config import BenchmarkConfig, SampleConfig
from models.collage.layers import Collage, LayerConfig
from models.collage.packaged import NANO, open_model
from models.collage.sampler import compose
from models.measuring import Measurement, in_turn
from models.progress import Progress, silent
from models.training import torch_threads


def benchmark(config: BenchmarkConfig, progress: Progress = silent) -> Iterator[Measurement]:
    """Seconds a picture with and without steering, by number of pictures at once."""
    parts = open_model(NANO)
    for number, batch in enumerate(config.batches):
        collages = [_collage()] * batch

        def sample(control: bool, collages: list[Collage] = collages) -> object:
            sampling = SampleConfig(steps=config.steps, strength=1.0, control=control)
            return compose(parts, collages, sampling, range(len(collages)))

        with torch_threads(config.threads):
            seconds = in_turn(
                {"steered": partial(sample, True), "plain": partial(sample, False)},
                config.runs,
            )
        progress(number + 1, len(config.batches))
        yield Measurement(
            case="sampling a picture",
            size=f"32 px, {config.steps} steps, {batch} at once",
            ours="steered attention",
            ours_value=seconds["steered"] / batch,
            peer="plain attention",
            peer_value=seconds["plain"] / batch,
            unit="s",
            runs=config.runs,
            threads=config.threads,
            versions={"torch": torch.__version__},
        )


def _collage() -> Collage:
    """A ground and two squares."""
    pixels = np.zeros((3, 32, 32, 4), np.uint8)
    for i, (place, colour) in enumerate(
        (((0, 32), (90, 140, 60)), ((4, 12), (200, 30, 30)), ((18, 28), (30, 40, 210)))
    ):
        pixels[i, slice(*place), slice(*place)] = (*colour, 255)
    texts = ("grass", "red square", "blue square")
    return Collage(
        "a red square and a blue square on grass",
        tuple(LayerConfig(text=text) for text in texts),
        pixels,
    )
