"""TART's steps as functions over a small lake: from items to scores, gaps, and users' labels."""

import csv

import numpy as np
import pytest

from data.lake import Lake
from data.lake.catalog import Catalog
from data.lake.tables import CONTRACTS
from data.synthetic.logistic import TasksConfig
from models.lm.config import ModelConfig
from models.tart.config import ScoresConfig
from tasks.lm import language_model
from tasks.provenance import alone
from tasks.tart import (
    ScoringConfig,
    TrainingConfig,
    logistic_tasks,
    reasoning_heads,
    shipped,
    tart_gaps,
    tart_scores,
    tart_training,
)
from tasks.tart_few_shot import (
    Items,
    ReadingConfig,
    ShotsConfig,
    TuningConfig,
    encoded_items,
    few_shot_items,
    few_shot_tuned,
    items_of,
    prompted_embeddings,
)
from tasks.user_labels import ClassifyConfig, text_file, user_labels

TINY = ModelConfig(name="random:gpt2-tiny", threads=1)
SHOTS = ShotsConfig(shots=(4, 6), seeds=(0, 1), queries=5)
READING = ReadingConfig(characters=20)
TRAINING = TrainingConfig().model_copy(
    update={
        "optimisation": TrainingConfig().optimisation.model_copy(
            update={"steps": 4, "warmup": 1, "log_every": 2}
        )
    }
)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Every table of the flow, small, published one from another without a server."""
    with pytest.MonkeyPatch.context() as patch:
        lake = str(tmp_path_factory.mktemp("tart") / "lake")
        patch.setenv("HEADWATER_LAKE", lake)
        with alone():
            tasks = TasksConfig(problems=16, points=9, alphas=(1.0,))
            problems = logistic_tasks(tasks)
            heads = [tart_training(TRAINING), reasoning_heads(shipped("small"))]
            model = language_model(TINY)
            texts = few_shot_items(items_of("sms_spam_sample", ""))
            numbers = few_shot_items(items_of("breast_cancer", ""))
            tuning = TuningConfig(epochs=1, most_queries=3)
            read = [
                prompted_embeddings(texts, model, SHOTS, READING),
                few_shot_tuned(texts, model, SHOTS, READING, tuning),
            ]
            wide = TasksConfig(width=16, dimensions=(16,), alphas=(2.0,), problems=16, points=9)
            scores = tart_scores(
                [problems, logistic_tasks(wide)],
                heads,
                [*read, encoded_items(numbers, "none", 1)],
                ScoringConfig(
                    synthetic=(ScoresConfig(examples=(2,)), ScoresConfig(examples=(8,))),
                    shots=SHOTS,
                ),
            )
            gaps = tart_gaps(scores)
        yield Lake(lake), scores.read().to_pylist(), gaps.read().to_pylist(), read


READERS = {"tart", "logistic regression", "penalised regression", "linear head", "majority"}


def test_every_method_is_scored_on_every_choice_of_examples(made):
    _, scores, _, _ = made
    found = {}
    for row in scores:
        place = (row["task"], row["base_model"], row["embedding"], row["k"], row["seed"])
        found.setdefault(place, set()).add(row["method"])
    sms = ("sms_spam_sample", "random:gpt2-tiny")
    for k in (4, 6):
        for seed in (0, 1):
            assert found[*sms, "vanilla", k, seed] == READERS
            assert found[*sms, "leave-one-out", k, seed] == READERS
            assert found[*sms, "prompt", k, seed] == {"icl", "calibrated icl"}
            assert found["breast_cancer", "none", "raw", k, seed] == READERS
        assert found[*sms, "tuned", k, 0] == {"fine-tuning"}
    law = {"tart", "logistic regression", "penalised regression", "bayes", "majority"}
    assert found["logistic d=4 alpha=1", "none", "none", 2, 0] == law
    assert found["logistic d=16 alpha=2", "none", "none", 8, 0] == law


def test_methods_are_asked_the_same_queries(made):
    _, scores, _, _ = made
    asked = {(r["task"], r["n_test"]) for r in scores if r["method"] not in ("fine-tuning",)}
    assert {n for task, n in asked if task in ("sms_spam_sample", "breast_cancer")} == {5}


def test_examples_are_nested_and_queries_never_shown(made):
    _, _, _, (embeddings, _) = made
    rows = embeddings.read().to_pylist()

    def items(role, k, seed):
        chosen = [r for r in rows if (r["role"], r["k"], r["seed"]) == (role, k, seed)]
        return [r["item"] for r in sorted(chosen, key=lambda r: r["position"])]

    for seed in (0, 1):
        assert items("shot", 6, seed)[:4] == items("shot", 4, seed)
        assert items("query", 6, seed) == items("query", 4, seed)
        assert not set(items("shot", 6, seed)) & set(items("query", 6, seed))
    assert items("shot", 6, 0) != items("shot", 6, 1)


def test_gaps_add_up_and_what_is_not_known_is_null(made):
    _, scores, gaps, _ = made
    assert {(g["embedding"], g["k"]) for g in gaps} == {
        (e, k) for e in ("vanilla", "leave-one-out") for k in (4, 6)
    }
    for gap in gaps:
        assert gap["gap"] == pytest.approx(gap["gap_representation"] + gap["gap_reasoning"])
        [tuned] = [s["accuracy"] for s in scores
                   if s["method"] == "fine-tuning" and s["k"] == gap["k"]]  # fmt: skip
        assert gap["accuracy_tuned"] == tuned


def test_without_fine_tuning_the_gap_is_null_and_reasoning_is_told():
    from models.tart.gaps import gaps

    place = {"task": "t", "modality": "text", "base_model": "m", "k": 8}
    rows = [
        place | {"seed": seed, "embedding": embedding, "method": method, "accuracy": accuracy}
        for seed, plus in ((0, 0.0), (1, 0.2))
        for embedding, method, accuracy in (
            ("prompt", "icl", 0.4 + plus),
            ("vanilla", "logistic regression", 0.6 + plus),
        )
    ]
    [found] = gaps(rows)
    assert found["accuracy_icl"] == pytest.approx(0.5)
    assert found["gap_reasoning"] == pytest.approx(0.2)
    assert [found[name] for name in ("accuracy_tuned", "gap", "gap_representation")] == [None] * 3
    assert found["reasoning_share"] is None


def test_the_shipped_head_reads_sixteen_coordinates_and_is_the_one_of_its_card(made):
    lake = made[0]
    [row] = Catalog(lake).rows("SELECT * FROM reasoning_heads")
    assert (row["width_in"], row["examples"], row["licence"]) == (16, 64, "Apache-2.0")


def test_unknown_heads_and_sources_are_refused():
    with pytest.raises(ValueError, match=r"no reasoning head 'huge' .*there: small"):
        shipped("huge")
    with pytest.raises(ValueError, match="set field data"):
        items_of("raft", "")
    with pytest.raises(ValueError, match="cannot be read"):
        few_shot_items.fn(Items(source="sms_spam", digest="", folder="/nowhere"))


def written(path, rows):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("message", "kind"), *rows])
    return text_file(path, "message", "kind")


@pytest.fixture
def reader(lake_url):
    with alone():
        yield reasoning_heads(shipped("small")), language_model(TINY)


def test_a_user_s_rows_are_labelled_with_probabilities(reader, tmp_path):
    rows = [(f"message {i} of a kind", ("a", "b", "")[i % 3]) for i in range(18)]
    file = written(tmp_path / "mine.csv", [*rows, ("", "a")])
    config = ClassifyConfig(shots=4, reading=READING)
    made = user_labels.fn(file, file.source, *reader, config).to_pylist()
    assert [row["row"] for row in made] == list(range(18))
    assert sum(row["shot"] for row in made) == 4
    assert sum(row["given"] is None for row in made) == 6
    for row in made:
        assert row["classes"] == ["a", "b"]
        assert sum(row["probabilities"]) == pytest.approx(1)
        assert row["probability"] == max(row["probabilities"])
        assert row["label"] == row["classes"][int(np.argmax(row["probabilities"]))]
    Lake(str(tmp_path / "lake")).publish(
        CONTRACTS["user_labels"],
        user_labels.fn(file, file.source, *reader, config),
        recipe="0" * 64,
        fields={},
    )


@pytest.mark.parametrize(
    ("rows", "shots", "says"),
    [
        ([("x", "a"), ("y", "a"), ("z", "")], 2, "at least 2 classes, got only 'a'"),
        ([("x", "a"), ("y", "b"), ("z", "c")], 2, "2 shots cannot show 3 classes"),
        ([("x", "a"), ("y", "b")], 9, "9 shots are asked for, 2 labelled"),
        ([(f"x{i}", "ab"[i % 2]) for i in range(80)], 70, "the reasoning head reads 64"),
        ([], None, "holds no rows"),
    ],
    ids=["one class", "too few shots", "too few rows", "too many shots", "empty"],
)
def test_unusable_files_are_refused(reader, tmp_path, rows, shots, says):
    file = written(tmp_path / "mine.csv", rows)
    with pytest.raises(ValueError, match=says):
        user_labels.fn(file, file.source, *reader, ClassifyConfig(shots=shots, reading=READING))


def test_wrong_columns_and_files_are_named(tmp_path):
    from data.datasets.user_rows import read_rows

    path = tmp_path / "mine.csv"
    written(path, [("x", "a")])
    with pytest.raises(ValueError, match=r"mine\.csv: no column 'mesage', did you mean 'message'"):
        read_rows(path, "mesage", "kind")
    with pytest.raises(ValueError, match="cannot be both"):
        read_rows(path, "kind", "kind")
    with pytest.raises(ValueError, match=r"give a \.csv, a \.tsv or a \.parquet"):
        read_rows(tmp_path / "mine.txt", "a", "b")
    with pytest.raises(ValueError, match="cannot be read"):
        text_file(tmp_path / "absent.csv", "a", "b")
