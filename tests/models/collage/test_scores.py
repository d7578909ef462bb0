"""Judges and scores on pictures whose truth is known; what findings make of scores."""

import numpy as np
import pytest
import torch

from models.collage.config import JudgeConfig, SampleConfig
from models.collage.findings import bootstrap, findings, interval
from models.collage.judges import Judged, judges_from_bytes, judges_to_bytes, train_judges
from models.collage.methods import LEVELS, STRENGTHS, Method, compared, one_layer
from models.collage.scores import WHOLE, Classes, Panel, lab, score_picture, untinted

RNG = np.random.default_rng(0)


class Sees(torch.nn.Module):
    """A segmenter that calls red pixels shape 1 of colour 1, all else ground."""

    def forward(self, x):
        red = ((x[:, 0] > 0.3) & (x[:, 2] < 0)).float()
        both = torch.stack([1 - red, red], 1)
        return both, both


class Halves(torch.nn.Module):
    def forward(self, x):
        return torch.zeros(len(x))


PANEL = Panel(Sees(), Halves(), None)
CLASSES = Classes((0, 1, 0), (0, 1, 0))


def scores(collage, picture):
    return {(s.layer, s.metric): s.value for s in score_picture(collage, CLASSES, picture, PANEL)}


def test_the_composite_is_true_to_itself(collage):
    one = collage()
    found = scores(one, one.composite)
    assert found[WHOLE, "real"] == 0.5
    assert found[1, "iou"] == found[1, "found"] == 1
    assert found[1, "centre"] == found[1, "delta_e"] == found[1, "change"] == 0
    assert not [layer for layer, _ in found if layer not in (WHOLE, 1)], "grounds have no score"


def test_a_layer_that_moved_is_seen_elsewhere(collage):
    one = collage()
    picture = np.roll(one.composite, 8, axis=1)
    found = scores(one, picture)
    assert found[1, "iou"] < 0.1
    assert found[1, "found"] == 0
    assert found[1, "centre"] == pytest.approx(0.5, abs=0.05)


def test_change_is_told_inside_and_outside(collage):
    one = collage()
    picture = one.composite.copy()
    picture[2:6, 2:8] = 255 - picture[2:6, 2:8]
    found = scores(one, picture)
    assert found[1, "change"] > 0.3
    assert found[1, "outside"] == 0


def test_a_common_tint_is_no_loss_of_appearance(collage):
    one = collage()
    tinted = (one.composite * np.array([0.9, 0.8, 0.7])).astype(np.uint8)
    assert scores(one, tinted)[1, "delta_e"] < 2
    assert np.allclose(untinted(tinted, one.composite), one.composite / 255, atol=0.02)


def test_lab_of_known_colours():
    known = {(1.0, 1, 1): (100, 0, 0), (1.0, 0, 0): (53.24, 80.09, 67.20), (0.0, 0, 0): (0, 0, 0)}
    for rgb, expected in known.items():
        assert lab(np.array(rgb)) == pytest.approx(expected, abs=0.05)


def blocks(step, size):
    """Red squares on grey; pasted ones have another grey."""
    rng = np.random.default_rng(step)
    real = np.full((size, 16, 16, 3), 90, np.uint8)
    truth = np.zeros((size, 16, 16), np.int64)
    for i, (y, x) in enumerate(rng.integers(0, 10, (size, 2))):
        real[i, y : y + 6, x : x + 6] = (220, 30, 30)
        truth[i, y : y + 6, x : x + 6] = 1
    return Judged(real, np.where(real == 90, 160, real).astype(np.uint8), truth, truth)


def test_judges_learn_and_survive_storage():
    config = JudgeConfig(kinds=2, colours=2, width=4, steps=60, batch=8, examined=16)
    judges = train_judges(blocks, config)
    assert judges.pixel_accuracy > 0.9
    assert judges.real_accuracy > 0.9
    segmenter, real = judges_from_bytes(judges_to_bytes(judges), config)
    x = torch.randn(2, 3, 16, 16)
    assert torch.equal(segmenter(x)[0], judges.segmenter(x)[0])
    assert torch.equal(real(x), judges.real(x))


def test_intervals_hold_the_mean_and_shrink():
    few, many = (interval(RNG.normal(1, 1, n), 400, 0) for n in (20, 2000))
    assert few.low < few.mean < few.high
    assert many.high - many.low < (few.high - few.low) / 3
    assert bootstrap(lambda rows: 2.0, 5, 20, 0) == (2, 2, 2)


def made_up(ahead, leak):
    """Scores in which the full method is `ahead` of SDEdit, and layers leak."""
    n = 30
    noise = RNG.normal(0, 0.01, n)
    means = {
        ("text only", "iou"): 0.05, ("text only", "real"): 0.9,
        ("composite", "iou"): 0.95, ("composite", "real"): 0.1, ("composite", "delta_e"): 0.0,
        ("full", "iou"): 0.6 + ahead, ("full", "real"): 0.5,
    }  # fmt: skip
    for i, s in enumerate(STRENGTHS):
        means[f"sdedit {s:g}", "real"] = 0.3 + 0.2 * i
        means[f"sdedit {s:g}", "iou"] = 0.8 - 0.2 * i
        means[f"sdedit {s:g}", "delta_e"] = 10.0 * (i + 1)
        means[f"layers {s:g}", "real"] = 0.3 + 0.2 * i
        means[f"layers {s:g}", "delta_e"] = 10.0 * (i + 1) - 50 * ahead
    for level in LEVELS:
        means[f"one layer {level:g}", "change"] = 0.3 * level
        means[f"one layer {level:g}", "outside"] = 0.1 + 0.3 * leak * level
    return {key: value + noise for key, value in means.items()}


def test_findings_hold_where_they_should():
    assert all(found.holds for found in findings(made_up(0.2, 0.0), 100, 0))


def test_findings_that_do_not_hold_say_so():
    held = [found.holds for found in findings(made_up(-0.2, 0.5), 100, 0)]
    assert held[:2] == [False, False]
    assert held[-1] is False


def test_findings_name_the_methods_they_lack():
    some = {key: value for key, value in made_up(0.2, 0.0).items() if key[0] != "full"}
    with pytest.raises(ValueError, match=r"were not run: \['full'\]"):
        findings(some, 10, 0)


def test_methods_give_layers_their_noise(collage):
    one = collage(noise=(0.6, 0.5, 0.5))
    assert [la.noise for la in Method(name="m").told(one).layers] == [0.6, 0.5, 0.5]
    assert [la.noise for la in Method(name="m", objects=0.2).told(one).layers] == [0.6, 0.2, 0.2]
    told = Method(name="m", objects=0.2, first=0.9).told(one)
    assert [la.noise for la in told.layers] == [0.6, 0.9, 0.2]
    names = [m.name for m in compared(SampleConfig()) + one_layer(SampleConfig())]
    assert len(set(names)) == len(names)
