"""HELM's JSON as rows: what is kept, what old releases leave out, what is refused."""

import json

import pytest

from models.helm.rows import (
    INSTANCE_STAT_FIELDS,
    PREDICTION_FIELDS,
    RUN_FIELDS,
    STAT_FIELDS,
    FormError,
    Unusable,
    instance_stat_rows,
    prediction_rows,
    run_row,
    stat_rows,
)

STAT = {"name": {"name": "em", "split": "test"}, "count": 2, "sum": 1, "sum_squared": 1.0}


def named(fields, row):
    return dict(zip(fields, row, strict=True))


def test_a_run_of_2022_has_its_model_for_deployment():
    spec = {
        "name": "imdb:model=a",
        "scenario": {"class_name": "S", "args": {"b": 1, "a": 2}},
        "adapter_spec": {"method": "generation", "model": "org/a", "temperature": 0},
        "groups": ["imdb"],
    }
    row = named(RUN_FIELDS, run_row(spec))
    assert (row["model"], row["model_deployment"], row["method"]) == (
        "org/a",
        "org/a",
        "generation",
    )
    assert row["scenario_args"] == '{"b":1,"a":2}'


@pytest.mark.parametrize(
    "spec", [[], {}, {"name": 1}, {"name": "x", "groups": "y"}, {"name": "x", "adapter_spec": 3}]
)
def test_what_is_no_run_spec_is_refused(spec):
    with pytest.raises(FormError):
        run_row(spec)


def test_a_stat_without_mean_gets_its_own():
    [row] = stat_rows([STAT])
    found = named(STAT_FIELDS, row)
    assert (found["mean"], found["min"], found["perturbation"]) == (0.5, None, None)


def test_a_perturbation_keeps_all_of_its_keys():
    perturbation = {"name": "gender", "fairness": True, "prob": 1.0}
    name = STAT["name"] | {"perturbation": perturbation}
    found = named(STAT_FIELDS, next(stat_rows([STAT | {"name": name}])))
    assert (found["perturbation"], found["fairness"], found["computed_on"]) == (
        "gender", True, "perturbed",
    )  # fmt: skip
    kept = {"computed_on": "perturbed", "robustness": False}
    assert json.loads(found["perturbation_json"]) == perturbation | kept


@pytest.mark.parametrize(
    "change",
    [
        {"count": "2"}, {"count": -1}, {"count": True}, {"count": 1.5}, {"count": 10**30},
        {"sum": None}, {"sum": float("nan")}, {"sum": float("inf")}, {"sum": 10**400},
        {"name": None}, {"name": {"name": 3}}, {"name": {"name": "x", "split": 1}},
        {"name": {"name": "x\ud800"}}, {"min": "0"}, {"mean": []},
        {"name": {"name": "x", "perturbation": {"robustness": 1, "name": "y"}}},
        {"name": {"name": "x", "perturbation": {}}},
    ],
    ids=str,
)  # fmt: skip
def test_a_stat_of_another_form_is_set_aside_and_the_rest_goes_on(change):
    found = list(stat_rows([STAT, STAT | change, STAT]))
    assert [type(row) for row in found] == [tuple, Unusable, tuple]
    assert found[1].number == 1
    assert found[1].reason


def test_all_stats_of_an_instance_stand_or_fall_together():
    entry = {"instance_id": "id1", "train_trial_index": 1, "stats": [STAT, STAT]}
    found = list(instance_stat_rows([entry, entry | {"stats": [STAT, {}]}, {"stats": []}]))
    assert [type(row) for row in found] == [tuple, tuple, Unusable, Unusable]
    assert named(INSTANCE_STAT_FIELDS, found[0])["trial"] == 1


def test_a_prediction_is_the_likeliest_completion_with_its_letter_spelt_out():
    state = {
        "instance": {
            "id": "id1",
            "input": {"text": "q"},
            "references": [{"output": {"text": "yes"}, "tags": ["correct"]}, {"output": "no"}],
        },
        "output_mapping": {"A": "yes"},
        "request": {"prompt": "p"},
        "result": {
            "completions": [
                {"text": " B", "logprob": -2.0},
                {
                    "text": " A",
                    "logprob": -1.0,
                    "tokens": [{}],
                    "finish_reason": {"reason": "stop"},
                },
            ]
        },
    }
    found = named(PREDICTION_FIELDS, next(prediction_rows([state])))
    assert (found["prediction"], found["mapped_output"], found["logprob"]) == (" A", "yes", -1.0)
    assert (found["references"], found["correct"]) == (["yes", "no"], ["yes"])
    assert (found["output_tokens"], found["finish"]) == (1, "stop")


def test_a_failed_request_has_no_prediction():
    state = {"instance": {"id": "i"}, "result": {"success": False, "error": "busy"}}
    found = named(PREDICTION_FIELDS, next(prediction_rows([state])))
    assert (found["prediction"], found["success"], found["error"]) == (None, False, "busy")
