"""Scenes as batches for the networks that learn from them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from data.synthetic.scenes.specs import SceneConfig
    from models.collage.judges import JudgedBatches
    from models.collage.train import Batches

_APART = 4096  # scenes between the first ones of two steps, so that any batch size fits


def scene_batches(scenes: SceneConfig) -> Batches:
    """Scenes with their captions, the same ones for the same step."""
    from data.synthetic.scenes.rendering import render
    from data.synthetic.scenes.specs import captions, draw_scenes
    from models.collage.train import Captioned

    def batch(step: int, size: int) -> Captioned:
        drawn = draw_scenes(scenes, step * size, size)
        return Captioned(render(drawn, scenes).image, captions(drawn))

    return batch


def judged_batches(scenes: SceneConfig) -> JudgedBatches:
    """Scenes filmed and pasted, with what is where; the same ones for the same step."""
    import numpy as np

    from data.synthetic.scenes.collages import labels, pasted_layers
    from data.synthetic.scenes.rendering import render
    from data.synthetic.scenes.specs import draw_scenes
    from models.collage.judges import Judged
    from models.collage.layers import pasted

    def batch(step: int, size: int) -> Judged:
        drawn = draw_scenes(scenes, step * _APART, size)
        filmed = render(drawn, scenes)
        composites = [pasted(layers) for layers in pasted_layers(drawn, scenes)]
        return Judged(filmed.image, np.stack(composites), *labels(drawn, filmed.visible))

    return batch
