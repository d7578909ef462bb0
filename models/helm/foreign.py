"""Results of lm-evaluation-harness and logs of inspect, as rows of HELM's shape.

A task of either is a run whose group is the task; its metrics become stats of split "test", its
samples instances. Rows are those of `rows`, preceded by the name of the run.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeGuard

import orjson

from models.helm.form import canonical
from models.helm.rows import Row, Unusable
from models.helm.streaming import BrokenError, load, parse

SPLIT = "test"
_CORRECT = {"C": 1.0, "I": 0.0, "P": 0.5, "N": 0.0}  # inspect's letters: correct, incorrect, ...


class Foreign(NamedTuple):
    """What one file holds: (run name, row) of every table, and entries that fit none."""

    runs: list[tuple[str, Row]]
    stats: list[tuple[str, Row]]
    instance_stats: list[tuple[str, Row]]
    predictions: list[tuple[str, Row]]
    unusable: list[Unusable]


def read_lm_eval(path: Path) -> Foreign:
    """A results*.json: a run and its stats for every task. Raises BrokenError.

    Version 0.3 names metrics plainly ("acc"), later ones with their filter ("acc,none"); only the
    name is kept unless two filters of one metric were computed.
    """
    whole = load(path)
    if not isinstance(whole, dict) or not isinstance(whole.get("results"), dict):
        raise BrokenError("no object with an object results", 0)
    model = _lm_eval_model(whole)
    found = Foreign([], [], [], [], [])
    date = path.stem.removeprefix("results").removeprefix("_")
    for index, (task, values) in enumerate(whole["results"].items()):
        if not isinstance(values, dict):
            found.unusable.append(Unusable(index, f"task {task}: results are no object"))
            continue
        name = _run_name(task, path, date)
        options = _mapping(_mapping(whole.get("configs")).get(task))
        count = _lm_eval_count(whole, task)
        trained = _mapping(whole.get("n-shot")).get(task, options.get("num_fewshot"))
        method = str(options.get("output_type", ""))
        found.runs.append(
            (
                name,
                _run(
                    "lm-eval",
                    name,
                    task=task,
                    model=model,
                    method=method,
                    options=options,
                    trained=trained,
                ),
            )
        )
        filters = {key.split(",")[0] for key in values}
        single = len([key for key in values if "," in key]) <= len(filters)
        for key, value in values.items():
            metric = key.split(",")[0] if single else key.replace(",", ":")
            if key == "alias" or "_stderr" in key or not _is_number(value):
                continue
            error = values.get(
                f"{metric}_stderr,{key.split(',')[-1]}", values.get(f"{metric}_stderr")
            )
            found.stats.append((name, _stat(metric, float(value), count, error)))
    return found


def read_lm_eval_samples(path: Path) -> Foreign:
    """A samples_<task>_<date>.jsonl: instance stats and predictions of its task's run."""
    task, _, date = path.stem.removeprefix("samples_").rpartition("_")
    name = _run_name(task, path, date)
    found = Foreign([], [], [], [], [])
    offset = 0
    with path.open("rb") as file:
        for index, line in enumerate(file):
            if line.strip():
                try:
                    _lm_eval_sample(parse(line, offset), name, found)
                except BrokenError:
                    raise
                except (TypeError, ValueError, KeyError, IndexError) as error:
                    found.unusable.append(Unusable(index, f"no sample of lm-eval: {error!r}"))
            offset += len(line)
    return found


def read_inspect(path: Path) -> Foreign:
    """An inspect log, zipped (.eval) or as one JSON file. Raises BrokenError."""
    header, samples = _inspect_parts(path)
    spec = header.get("eval")
    if not isinstance(spec, dict):
        raise BrokenError("no object with an object eval", 0)
    task, model = str(spec.get("task", path.stem)), str(spec.get("model", "unknown"))
    name = _run_name(task, path, path.stem)
    found = Foreign([], [], [], [], [])
    solver = _mapping(header.get("plan"))
    found.runs.append(
        (
            name,
            _run(
                "inspect",
                name,
                task=task,
                model=model,
                method="chat",
                options={"plan": solver},
                trained=0,
            ),
        )
    )
    for index, sample in enumerate(samples):
        try:
            _inspect_sample(sample, name, found)
        except (TypeError, ValueError, KeyError, IndexError, AttributeError) as error:
            found.unusable.append(Unusable(index, f"no sample of inspect: {error!r}"))
    for score in _sequence(_mapping(header.get("results")).get("scores")):
        for metric, value in _mapping(_mapping(score).get("metrics")).items():
            number = _mapping(value).get("value")
            if _is_number(number) and metric != "stderr":
                found.stats.append((name, _stat(metric, float(number), len(samples) or 1, None)))
    return found


def _run_name(task: str, path: Path, date: str) -> str:
    """The same for a task's results and its samples, which lie in one folder and share a date."""
    return f"{task}:{path.parent.name}@{date}".replace("/", "_")


def _lm_eval_model(whole: Mapping[str, Any]) -> str:
    config = _mapping(whole.get("config"))
    arguments = config.get("model_args")
    if isinstance(arguments, dict):
        arguments = arguments.get("pretrained")
    elif isinstance(arguments, str) and "pretrained=" in arguments:
        arguments = arguments.split("pretrained=")[1].split(",")[0]
    name = whole.get("model_name") or arguments or config.get("model") or "unknown"
    return str(name).replace("/", "_")


def _lm_eval_count(whole: Mapping[str, Any], task: str) -> int:
    samples = _mapping(_mapping(whole.get("n-samples")).get(task)).get("effective")
    return samples if type(samples) is int and samples > 0 else 1


def _lm_eval_sample(sample: Any, name: str, found: Foreign) -> None:
    instance = f"id{sample['doc_id']}"
    target = str(sample.get("target", ""))
    answers = _flat(sample.get("filtered_resps", sample.get("resps", [])))
    arguments = sample.get("arguments")
    prompt = str(_flat(list(arguments.values()) if isinstance(arguments, dict) else arguments)[0])
    found.predictions.append((name, _prediction(instance, 0, prompt, str(answers[0]), target)))
    for metric in _sequence(sample.get("metrics")) or sorted(
        key for key, value in sample.items() if key != "doc_id" and _is_number(value)
    ):
        value = sample.get(metric)
        if _is_number(value):
            found.instance_stats.append((name, _instance_stat(instance, 0, metric, float(value))))


def _inspect_parts(path: Path) -> tuple[Mapping[str, Any], list[Any]]:
    if not zipfile.is_zipfile(path):
        whole = load(path)
        if not isinstance(whole, dict):
            raise BrokenError("no object at its top", 0)
        return whole, _sequence(whole.get("samples"))
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            header = next((n for n in ("header.json", "_journal/start.json") if n in names), None)
            if header is None:
                raise BrokenError("no header.json in the archive", 0)
            samples = [n for n in names if n.startswith("samples/")]
            return _mapping(parse(archive.read(header))), [parse(archive.read(n)) for n in samples]
    except (zipfile.BadZipFile, NotImplementedError, EOFError, OSError, RuntimeError) as error:
        raise BrokenError(f"no archive: {error}", 0) from error


def _inspect_sample(sample: Any, name: str, found: Foreign) -> None:
    instance, trial = f"id{sample['id']}", int(sample.get("epoch", 1)) - 1
    text = sample["input"]
    prompt = text if isinstance(text, str) else canonical(text)
    output = _mapping(sample.get("output"))
    answer = output.get("completion")
    if answer is None:
        choices = _sequence(output.get("choices"))
        answer = _mapping(_mapping(choices[0]).get("message")).get("content") if choices else ""
    answer = answer if isinstance(answer, str) else canonical(answer)
    target = sample.get("target", "")
    target = target if isinstance(target, str) else "\n".join(map(str, target))
    found.predictions.append((name, _prediction(instance, trial, prompt, answer, target)))
    for metric, score in _mapping(sample.get("scores")).items():
        value = _mapping(score).get("value")
        value = _CORRECT.get(value, value) if isinstance(value, str) else value
        value = float(value) if isinstance(value, bool) else value
        if _is_number(value):
            row = _instance_stat(instance, trial, metric, float(value))
            found.instance_stats.append((name, row))


def _run(
    harness: str, name: str, *, task: str, model: str, method: str,
    options: Mapping[str, Any], trained: object,
) -> Row:  # fmt: skip
    shots = trained if type(trained) is int and trained >= 0 else 0
    text = orjson.dumps(dict(options), option=orjson.OPT_SORT_KEYS, default=str).decode()
    adapter = canonical({"model": model, "model_deployment": model, "method": method})
    return (
        harness, name, task, text, method, model, model, adapter, [task], "[]", "[]",
        shots, 1, 0.0,
    )  # fmt: skip


def _stat(metric: str, value: float, count: int, error: object) -> Row:
    """A mean over `count` samples; its spread from the standard error where one is given."""
    variance = 0.0
    if _is_number(error) and count > 1:
        variance = float(error) ** 2 * (count - 1)  # population variance behind a standard error
    total, squares = value * count, count * (variance + value * value)
    none = (None, False, False, None, None)
    return (metric, SPLIT, None, *none, count, total, squares, None, None, value)


def _instance_stat(instance: str, trial: int, metric: str, value: float) -> Row:
    none = (None, False, False, None, None)
    return (instance, trial, metric, SPLIT, None, *none, 1, value, value * value, value, value)


def _prediction(instance: str, trial: int, prompt: str, answer: str, target: str) -> Row:
    return (
        instance, trial, SPLIT, None, None, None, None, None, prompt, prompt, answer, None,
        [target], [target], None, True, None, None, 0, None,
    )  # fmt: skip


def _is_number(value: object) -> TypeGuard[float]:
    if type(value) is int:
        return abs(value) < 1 << 1000
    return type(value) is float and abs(value) < float("inf")


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _sequence(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _flat(value: object) -> list[Any]:
    """The leaves of nested lists and objects; one empty text where there are none."""
    if isinstance(value, dict):
        value = list(value.values())
    if not isinstance(value, list):
        return [value]
    leaves = [leaf for inner in value for leaf in _flat(inner)]
    return leaves or [""]
