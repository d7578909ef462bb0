"""Calibration: planted prices are recovered, real runs are explained, results are kept."""

import json

import numpy as np
import pytest
import torch

from models.flexgen import calibration
from models.flexgen.calibration import (
    ORDINARY,
    Calibration,
    Sample,
    amounts,
    calibrated,
    first_layers,
    fit,
)
from models.flexgen.config import Policy
from models.flexgen.identity import identity
from models.flexgen.machine_cost import Prices
from models.flexgen.planner import Job
from models.flexgen.random_weights import OptShape, write_random_opt
from models.flexgen.weights import WeightFolder


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    torch.set_num_threads(1)
    shape = OptShape(layers=3, width=64, heads=4, vocab=300, context=256, dtype="float16")
    return WeightFolder(write_random_opt(tmp_path_factory.mktemp("model"), shape))


def policies():
    """Policies that exercise every kind of work, as a job of one block each."""
    for update in (
        {"gbs": 1}, {"gbs": 16}, {"gbs": 64}, {"gbs": 2, "nb": 8},
        {"wg": 0, "wd": 100, "gbs": 4}, {"wg": 0, "wd": 100, "gbs": 4, "overlap": False},
        {"wg": 0, "wc": 100, "gbs": 4}, {"cg": 0, "cc": 100, "gbs": 32},
        {"cg": 0, "cd": 100, "gbs": 32}, {"cg": 0, "cd": 100, "gbs": 8, "overlap": False},
        {"compress_weights": True, "gbs": 4}, {"compress_cache": True, "gbs": 32},
    ):  # fmt: skip
        yield Policy(**({"nb": 1} | update))


def samples(weights, prices, noise=0.0):
    random = np.random.default_rng(0)
    found = []
    for policy in policies():
        for prompt, tokens in ((8, 12), (64, 3), (128, 30)):
            job = Job((prompt,) * policy.bls, tokens)
            for work in amounts(weights, job, policy).values():
                seconds = calibration._seconds(Sample(work, policy.overlap, 1.0), prices)
                seconds *= float(np.exp(noise * random.standard_normal()))
                found.append(Sample(work, policy.overlap, seconds))
    return found


PLANTED = Prices(
    read=4e-9, write=9e-9, copy=2e-9, dequantize=6e-9, product=1e-10, weight=1e-9,
    attention=3e-9, pairs=2e-10, logits=2e-8, overlap=0.6,
)  # fmt: skip


@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_planted_prices_are_recovered_within_five_per_cent(weights, noise):
    found = fit(samples(weights, PLANTED, noise))
    for name, planted in vars(PLANTED).items():
        assert getattr(found, name) == pytest.approx(planted, rel=0.05), name


def test_what_the_runs_do_not_show_stays_ordinary(weights):
    job = Job((16,) * 4, 4)
    work = amounts(weights, job, Policy(gbs=4))
    seen = [Sample(one, True, calibration._seconds(Sample(one, True, 1), PLANTED))
            for one in work.values()]  # fmt: skip
    found = fit(seen)
    assert found.read == pytest.approx(ORDINARY.read)
    assert found.write == pytest.approx(ORDINARY.write)


def test_a_calibration_takes_seconds_explains_its_runs_and_is_kept(weights, tmp_path, monkeypatch):
    monkeypatch.setattr(calibration, "SECONDS", 1.0)
    cache = tmp_path / "cache"
    prices = calibrated(weights, Policy(), tmp_path / "scratch", cache)
    [kept] = cache.iterdir()
    record = Calibration.model_validate_json(kept.read_text())
    assert Prices(**record.prices) == prices
    assert record.error < 0.5
    assert record.machine["torch"] == torch.__version__
    assert list((tmp_path / "scratch").iterdir()) == []

    monkeypatch.setattr(calibration, "calibrate", pytest.fail)
    assert calibrated(weights, Policy(), tmp_path / "scratch", cache) == prices


def test_a_short_context_is_calibrated_with_short_prompts(tmp_path):
    shape = OptShape(layers=1, width=32, heads=2, vocab=50, context=16, dtype="float16")
    short = WeightFolder(write_random_opt(tmp_path / "model", shape))
    assert calibration.measure(short, Policy(), tmp_path, seconds=0)


@pytest.mark.parametrize("damage", ["", "{}", "null", '{"prices": {"read": 1}}'])
def test_a_damaged_record_is_measured_anew(weights, tmp_path, monkeypatch, damage):
    monkeypatch.setattr(calibration, "SECONDS", 0.1)
    prices = calibrated(weights, Policy(), tmp_path / "scratch", tmp_path)
    [kept] = tmp_path.glob("calibration-*.json")
    kept.write_text(damage)
    assert calibrated(weights, Policy(), tmp_path / "scratch", tmp_path).read > 0
    assert json.loads(kept.read_text())["machine"]
    assert prices.read > 0


def test_another_type_or_compression_is_another_calibration(weights):
    asked = [Policy(), Policy(compute="bfloat16"), Policy(compress_weights=True)]
    assert len({json.dumps(identity(weights, policy)) for policy in asked}) == 3


def test_the_first_layers_are_the_model_cut_short(weights, tmp_path):
    cut = WeightFolder(first_layers(weights.folder, tmp_path / "cut", 2))
    assert cut.shape.layers == 2
    assert cut.shape.layer_values == weights.shape.layer_values


def test_measuring_keeps_to_the_memory(weights, tmp_path, monkeypatch):
    """With room for the buffers of one layer only, whatever is measured has its weights on disk."""
    seen = []

    def noted(weights, tried, scratch):
        seen.append(tried.policy)
        return 1.0, 1.0

    monkeypatch.setattr(calibration, "_timed", noted)
    calibration.measure(weights, Policy(), tmp_path, 1.0, memory_bytes=1)
    assert {policy.wd for policy in seen} == {100}
    assert {policy.bls for policy in seen} == {1}
    calibration.measure(weights, Policy(), tmp_path, 1.0, memory_bytes=1 << 30)
    assert {policy.wd for policy in seen} == {0, 100}
