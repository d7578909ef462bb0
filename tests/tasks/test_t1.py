"""T1's steps as functions over small shards in a lake, and the whole flow."""

from pathlib import Path

import pytest

from data.lake import Lake
from data.lake.catalog import Catalog
from data.lake.tables import CONTRACTS
from data.synthetic.films import SmokeConfig
from data.synthetic.samples import Part
from data.synthetic.vorticity import NavierStokesConfig
from models.t1.config import ModelConfig, SearchConfig, TrainConfig
from tasks import produces
from tasks.t1 import (
    FitConfig,
    operator_fields,
    operator_scores,
    operator_spectra,
    operator_trials,
    operators,
)
from tasks.t1_data import operator_data

NS = NavierStokesConfig(final_time=0.4, dt=0.1, modes=3)
SMOKE = SmokeConfig(frames=2, dt=0.05, interval=0.1)
FIT = TrainConfig(seconds=None, epochs=2, batch=4, checks=2)


def publish(lake, table, rows, recipe):
    return lake.publish(CONTRACTS[table], rows, recipe=recipe * 8, fields={})


def shards(lake, source, finer=None):
    parts = [Part(split=s, first=0, count=n, resolution=16)
             for s, n in (("train", 6), ("validation", 2), ("test", 3))]  # fmt: skip
    if finer:
        parts.append(Part(split="test", first=0, count=2, resolution=finer))
    return [
        publish(lake, "operator_data", operator_data.fn(source, p, ""), f"{source.pde[:6]}{i:02}")
        for i, p in enumerate(parts)
    ]


@pytest.mark.parametrize("source", [NS, SMOKE], ids=lambda s: s.pde)
def test_from_law_to_scores(source, lake_url):
    lake = Lake(lake_url)
    data = shards(lake, source, finer=32)
    kinds = (ModelConfig(modes=6, width=4, layers=1), ModelConfig(model="fno", modes=3, width=4))
    fitted = [
        publish(
            lake, "operators", operators.fn(data, [], FitConfig(model=m, train=FIT)), f"op{i:06}"
        )
        for i, m in enumerate(kinds)
    ]
    scores = operator_scores.fn(data, fitted)
    publish(lake, "operator_scores", scores, "score000")
    tested = {(r["model"], r["resolution"]) for r in scores.to_pylist()}
    at_home = {(m, 16) for m in ("t1", "fno", "mean_field", "ridge", "persistence")}
    assert tested == at_home | {(m, 32) for m in ("t1", "fno", "persistence")}
    by_key = {(r["model"], r["resolution"]): r for r in scores.to_pylist()}
    assert by_key["t1", 16]["truncation_floor"] > 0
    assert by_key["fno", 16]["truncation_floor"] is None
    assert by_key["t1", 16]["frames"] == (2 if source is SMOKE else 1)
    spectra = operator_spectra.fn(data, fitted)
    publish(lake, "operator_spectra", spectra, "spectra0")
    assert spectra.num_rows == 5 * 16
    fields = operator_fields.fn(data, fitted)
    publish(lake, "operator_fields", fields, "fields00")
    assert len({(r["model"], r["rank"]) for r in fields.to_pylist()}) == 15
    assert all(len(r["yhat"]) == 256 for r in fields.to_pylist())


def test_fits_take_the_rate_of_the_best_trial(lake_url):
    lake = Lake(lake_url)
    data = shards(lake, NS)
    config = FitConfig(model=ModelConfig(modes=6, width=4, layers=1), train=FIT)
    search = SearchConfig(rates=(1e-3, 3e-2), seconds=60.0)
    trials = publish(lake, "operator_trials", operator_trials.fn(data, config, search), "trial000")
    rows = trials.read().to_pylist()
    assert [row["steps"] for row in rows] == [4, 4]
    best = min(rows, key=lambda row: row["validation_l2"])
    assert [row["chosen"] for row in rows] == [row is best for row in rows]
    [fitted] = operators.fn(data, [trials], config).to_pylist()
    assert fitted["learning_rate"] == best["learning_rate"]
    # The trial was the same fit, in as much time as it took.
    assert fitted["validation_l2"] == pytest.approx(best["validation_l2"])
    [without] = operators.fn(data, [], config).to_pylist()
    assert without["learning_rate"] == FIT.learning_rate


def test_shards_do_not_depend_on_how_one_cuts():
    whole = operator_data.fn(NS, Part(split="test", first=0, count=3, resolution=16), "")
    last = operator_data.fn(NS, Part(split="test", first=2, count=1, resolution=16), "")
    for name in ("u", "y"):
        assert whole[name][2].as_py() == pytest.approx(last[name][0].as_py(), abs=1e-12)
    train = operator_data.fn(NS, Part(split="train", first=0, count=1, resolution=16), "")
    assert train["u"][0] != whole["u"][0]


def test_a_diverging_sample_is_left_out_and_the_rest_published(caplog):
    coarse = NavierStokesConfig(final_time=8.8, dt=0.4, modes=3)  # near the limit at the end
    part = Part(split="train", first=0, count=8, resolution=16)
    with caplog.at_level("WARNING"):
        rows = operator_data.fn(coarse, part, "")
    kept = set(rows["sample"].to_pylist())
    assert 0 < len(kept) < 8
    assert len(caplog.records) == 8 - len(kept)
    assert "diverged at t =" in caplog.text
    assert "take a smaller dt" in caplog.text


def test_if_all_diverge_nothing_is_published():
    part = Part(split="train", first=0, count=2, resolution=32)
    with pytest.raises(ValueError, match="no sample is left; the first diverged at t ="):
        operator_data.fn(NavierStokesConfig(final_time=40.0, dt=0.25, modes=3), part, "")


def test_unfinished_work_is_found_again_and_cleared(lake_url):
    lake = Lake(lake_url)
    token = produces._working_on.set((lake, "ab" * 32))
    try:
        place = produces.scratch()
        assert place is not None
        (place / "fit.pt").write_text("half")
        assert (produces.scratch() / "fit.pt").read_text() == "half"
    finally:
        produces._working_on.reset(token)
    assert lake.orphans(0) == [".scratch/abababababab"]
    assert lake.tables() == []
    lake.clear_scratch("ab" * 32)
    assert not Path(place).exists()
    assert produces.scratch() is None


def test_peers_that_are_not_installed_are_told_before_anything_runs(monkeypatch):
    from flows import t1

    monkeypatch.setattr(t1, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match="install the extra 'peers'"):
        t1.T1Config(peers=True)
    assert not t1.T1Config().peers


@pytest.mark.flow
def test_the_quick_flow_in_small(prefect_server, lake_url):
    from flows.t1 import ProblemConfig, T1Config, t1

    config = T1Config(
        problems=(
            ProblemConfig(
                source=NS, resolution=16, train=6, validation=2, test=3, finer=32, finer_test=2,
                shard=3, fit=FIT.model_copy(update={"shifts": 2}), seeds=(0, 1), uncopied=True,
                search=SearchConfig(rates=(1e-3, 1e-2), seconds=60.0),
                once=(ModelConfig(model="unet", modes=1, width=2, layers=2),),
                models=(ModelConfig(modes=6, width=4, layers=1),
                        ModelConfig(model="fno", modes=3, width=4, layers=1)),
            ),
        )
    )  # fmt: skip
    ref = t1(config)
    assert ref.table == "operator_scores"
    catalog = Catalog(Lake(lake_url))
    [(n,)] = catalog.query("SELECT count(*) FROM operator_data").fetchall()
    assert n == 6 + 2 + 3 + 2
    found = catalog.query("SELECT DISTINCT model, seed FROM operator_scores").fetchall()
    assert {("t1", 0), ("t1", 1), ("fno", 0), ("fno", 1), ("unet", 0), ("ridge", 0)} <= set(found)
    uncopied = "SELECT DISTINCT model, seed FROM operators WHERE copies = 1 ORDER BY ALL"
    assert catalog.query(uncopied).fetchall() == [("fno", 0), ("t1", 0)]
    trials = "SELECT count(*), sum(chosen::int) FROM operator_trials"
    assert catalog.query(trials).fetchall() == [(10, 5)]
    assert t1(config).hit
