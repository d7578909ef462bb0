"""A small suite of HELM runs, written as helm-run would, for tests to read and to break."""

import json
from pathlib import Path

from models.helm.adapters import asks
from models.helm.evaluation import (
    Answered,
    corpus_stats,
    per_instance_stats,
    request_state,
    run_name,
    run_spec,
)
from models.helm.scenarios import recall, synthetic_reasoning

MODELS = {"toy/right": 1.0, "toy/often": 0.6, "toy/never": 0.0}


def write_suite(folder: Path, instances: int = 4, models=MODELS, *, stats=True) -> Path:
    """Two scenarios for each model, whose answers are right with the given share of instances.

    stats: whether the runs come with a stats.json, of little in it.
    """
    for model, share in models.items():
        for scenario in (recall(instances, 0), synthetic_reasoning(instances, 0)):
            answers = [
                answered(ask, right=(number % 10) < 10 * share)
                for number, ask in enumerate(asks(scenario, 0))
            ]
            place = folder / run_name(scenario, model)
            place.mkdir(parents=True)
            spec = run_spec(scenario, model)
            states = [request_state(one, scenario, model, seconds) for one in answers]
            state = {"adapter_spec": spec["adapter_spec"], "request_states": states}
            write(place / "run_spec.json", spec)
            write(place / "scenario_state.json", state)
            write(place / "per_instance_stats.json", per_instance_stats(answers, scenario, seconds))
            if stats:
                write(place / "stats.json", corpus_stats(answers, scenario))
    return folder


def answered(ask, *, right):
    text = f" {ask.instance.correct[0]}" if right else " wrong"
    return Answered(ask, text, (-0.1 if right else -0.7,), 20, 1, "stop")


def seconds(ask):
    return 0.25


def write(path, value):
    path.write_text(json.dumps(value, indent=2), "utf-8")
