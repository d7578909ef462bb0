"""Scenes: seeded, the same in any batch, with truth that fits what is drawn."""

import numpy as np
import pytest

from data.synthetic.scenes.collages import labels, scene_collages
from data.synthetic.scenes.drawing import COLOURS, GROUNDS
from data.synthetic.scenes.rendering import render
from data.synthetic.scenes.shapes import SHAPES, coverage
from data.synthetic.scenes.specs import SceneConfig, captions, draw_scenes, vocabulary

CONFIG = SceneConfig(seed=3)


def test_a_scene_is_the_same_in_any_batch():
    whole = render(draw_scenes(CONFIG, 0, 6), CONFIG)
    part = render(draw_scenes(CONFIG, 4, 2), CONFIG)
    assert np.array_equal(whole.image[4:], part.image)
    assert np.array_equal(whole.visible[4:], part.visible)
    a, b = (scene_collages(draw_scenes(CONFIG, first, n), CONFIG) for first, n in ((0, 6), (4, 2)))
    assert all(np.array_equal(x.pixels, y.pixels) for x, y in zip(a[4:], b, strict=True))


def test_captions_use_the_vocabulary_alone_and_name_every_layer():
    scenes = draw_scenes(CONFIG, 0, 40)
    words = {word for text in captions(scenes) for word in text.split()}
    assert words <= set(vocabulary())
    assert {*SHAPES, *COLOURS, *GROUNDS} <= words
    for one in scene_collages(scenes, CONFIG):
        assert all(text in one.prompt for text in one.texts)
        assert len(one.texts) == len(one.pixels) == len(one.shape)


@pytest.mark.parametrize("shape", range(len(SHAPES)), ids=SHAPES)
def test_shapes_lie_within_their_width_and_are_told_apart(shape):
    side = 64
    grid = ((np.arange(side) + 0.5) / side * 2.4 - 1.2).astype(np.float32)
    x, y = np.meshgrid(grid, grid)
    kinds = np.arange(len(SHAPES))
    all_alpha = coverage(
        kinds, np.stack([x] * len(kinds)), np.stack([y] * len(kinds)),
        np.full(len(kinds), 2.4 / side, np.float32),
    )  # fmt: skip
    alpha = all_alpha[shape]
    assert 0.15 < alpha.mean() < 0.7
    assert alpha[:3].max() == alpha[-3:].max() == alpha[:, :3].max() == 0
    assert ((alpha > 0) & (alpha < 1)).any(), "edges are soft"
    for other in set(kinds) - {shape}:
        both = np.minimum(alpha, all_alpha[other]).sum()
        assert both / np.maximum(alpha, all_alpha[other]).sum() < 0.9


def test_labels_follow_what_is_seen():
    scenes = draw_scenes(CONFIG, 0, 8)
    visible = render(scenes, CONFIG).visible
    shape, colour = labels(scenes, visible)
    for i in range(8):
        for k in np.flatnonzero(scenes.objects.present[i]):
            sure = visible[i, k] > 0.6
            assert (shape[i][sure] == scenes.objects.shape[i, k] + 1).all()
            assert (colour[i][sure] == scenes.objects.colour[i, k] + 1).all()
        assert (shape[i][visible[i].sum(0) < 0.1] == 0).all()


def test_real_scenes_have_shadows_and_one_tint_collages_neither():
    config = SceneConfig(seed=5, objects=(1, 1), grain=0.0)
    scenes = draw_scenes(config, 0, 30)
    dark, bright = [], []
    for i, one in enumerate(scene_collages(scenes, config)):
        filmed = render(scenes, config).image[i].astype(float).mean(-1)
        ground = one.pixels[0, ..., :3].astype(float).mean(-1)
        free = one.pixels[1, ..., 3] == 0
        dark.append(np.percentile(filmed[free], 1) / np.median(filmed[free]))
        bright.append(np.percentile(ground[free], 1) / np.median(ground[free]))
    assert np.mean(dark) < np.mean(bright) - 0.1
