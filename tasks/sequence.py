"""Steps of the sequence models: backbones trained on tasks and texts, their scores, op timings."""

from __future__ import annotations

import hashlib
import itertools
import json
import sysconfig
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa
from pydantic import BaseModel, Field

from data.datasets.evaluation import evaluation_digest, read_wikitext
from data.datasets.text import installed_prose, read_shakespeare
from data.lake import TableRef
from data.lake.tables.sequence import ConvBenchmarks, SequenceScores
from data.synthetic.sequences.problems import TaskConfig
from models.sequence.config import BackboneConfig, ConvBenchmark, TrainConfig
from tasks.produces import produces, scratch
from tasks.progress import progress_bar

if TYPE_CHECKING:
    from models.sequence.scores import Examples
    from models.sequence.train import Course

_KEY = ("task", "model", "length", "vocabulary", "variant", "seed")
_SHAPE = ("vocabulary", "channels", "outputs", "pool")  # of a backbone, as its task has them
_KEPT = (*_KEY, "metric", "width", "layers", "parameters", "train_seconds")


class FitConfig(BaseModel, frozen=True, extra="forbid"):
    """One backbone to fit: what it is, and how. Its inputs and outputs follow from the task."""

    model: BackboneConfig = Field(default=BackboneConfig(), description="layers and their sizes")
    train: TrainConfig = Field(default=TrainConfig(), description="optimisation")
    variant: str = Field(default="", description="what sets it apart from others of its pattern")
    seed: int = Field(default=0, ge=0, description="seed of weights and batches")


class TextConfig(BaseModel, frozen=True, extra="forbid"):
    """A text to model: 90 % of it to train on, the rest to test."""

    name: Literal["tinyshakespeare", "wikitext2", "packages"] = Field(
        default="tinyshakespeare",
        description="a data set in the folder of data sets, or the prose of installed packages",
    )
    digest: str = Field(default="", description="SHA-256 of its files, or of the prose")
    folder: str = Field(default="", exclude=True, description="where its files are")
    units: Literal["bpe", "bytes"] = Field(default="bpe", description="what tokens are")
    vocabulary: int = Field(default=1024, ge=257, description="tokens of a BPE vocabulary")
    length: int = Field(default=256, ge=2, description="length of a window L [tokens]")
    share: float = Field(default=1.0, gt=0, le=1, description="share of the text that is used")


def text_in(folder: str, text: TextConfig) -> TextConfig:
    """The text with what is in it, from a folder of data sets or of this interpreter's packages."""
    if text.name == "packages":
        place = sysconfig.get_path("purelib")
        digest = hashlib.sha256(installed_prose(Path(place)).encode()).hexdigest()
        return text.model_copy(update={"folder": place, "digest": digest})
    digest = evaluation_digest(folder, [text.name])
    return text.model_copy(update={"folder": str(Path(folder) / text.name), "digest": digest})


@produces("sequence_models", version=1)
def sequence_models(task: TaskConfig, fit: FitConfig, test_lengths: Sequence[int]) -> pa.Table:
    """One backbone trained on a synthetic task, able to read the lengths it is tested at."""
    from data.synthetic.sequences.problems import draw, form

    train, validation = (_examples(draw(task, split)) for split in ("train", "validation"))
    longer = [draw(_at(task, length), "test").inputs.shape[1] for length in test_lengths]
    shape = form(task)
    backbone = fit.model.model_copy(
        update={name: getattr(shape, name) for name in _SHAPE}
        | {"longest": max(train.inputs.shape[1], validation.inputs.shape[1], *longer, 1)}
    )
    return _fitted(
        (train, validation), fit.model_copy(update={"model": backbone}), shape.metric,
        {"task": task.name, "length": task.length, "vocabulary": task.vocabulary,
         "test_lengths": [task.length, *test_lengths], "tokenizer": None, "held_out": None,
         "settings": task.model_dump_json()},
    )  # fmt: skip


@produces("sequence_models", version=1)
def text_models(text: TextConfig, fit: FitConfig) -> pa.Table:
    """One backbone trained to tell a text's next token, with the tokenizer fitted to it."""
    from models.sequence.text import train_tokenizer, windows

    train, test = _split(text)
    tokenizer = train_tokenizer(train, text.units, text.vocabulary)
    size = tokenizer.get_vocab_size()
    shape = {"vocabulary": size, "outputs": size, "pool": False, "longest": text.length}
    ids = [tokenizer.encode(part).ids for part in (train, test)]
    parts = [windows(part, text.length) for part in ids]
    return _fitted(
        (parts[0], parts[1]),
        fit.model_copy(update={"model": fit.model.model_copy(update=shape)}),
        "perplexity",
        {"task": text.name, "length": text.length, "vocabulary": size,
         "test_lengths": [text.length], "tokenizer": tokenizer.to_str(), "held_out": ids[1],
         "settings": text.model_dump_json()},
    )  # fmt: skip


@produces("sequence_scores", version=1)
def sequence_scores(models: Sequence[TableRef]) -> pa.Table:
    """Every backbone on its task's test split, at its own length and those it was made for."""
    from models.sequence.language_model import from_bytes
    from models.sequence.scores import evaluate

    rows = []
    for row in (row for ref in models for row in ref.read().to_pylist()):
        model = from_bytes(row["weights"], BackboneConfig.model_validate_json(row["config"]))
        for length, test, chance in _tests(row):
            rows.append(
                {name: row[name] for name in _KEPT}
                | {
                    "test_length": length,
                    "value": evaluate(model, test, row["metric"]),
                    "chance": chance,
                    "n_test": len(test.inputs),
                }
            )
    return pa.Table.from_pylist(rows, schema=SequenceScores.arrow_schema())


@produces("conv_benchmarks", version=1)
def conv_benchmarks(config: ConvBenchmark, machine: str) -> pa.Table:
    """Convolutions against attention, the bare transform and one another."""
    from models.sequence.benchmark import benchmark

    rows = [
        {
            "op": one.case, "L": one.length, "D": one.width, "batch": one.batch,
            "dtype": one.dtype, "threads": one.threads, "device": one.device,
            "ours": one.ours, "peer": one.peer, "unit": one.unit,
            "seconds": one.ours_value if one.unit == "s" else None,
            "value": one.ours_value, "peer_value": one.peer_value, "ratio": one.ratio,
            "runs": one.runs, "versions": json.dumps(dict(one.versions), sort_keys=True),
            "measured_at": datetime.now(UTC),
        }
        for one in benchmark(config, progress_bar("measuring convolutions"))
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, schema=ConvBenchmarks.arrow_schema())


def _fitted(
    parts: tuple[Examples, Examples], fit: FitConfig, metric: Any, constant: dict[str, Any]
) -> pa.Table:
    from models.sequence.backbone import parameter_count
    from models.sequence.language_model import to_bytes
    from models.sequence.train import train_backbone

    pattern = named(fit.model.pattern)
    model, course = train_backbone(
        *parts,
        fit.model,
        fit.train,
        metric=metric,
        seed=fit.seed,
        folder=scratch(),
        progress=progress_bar(f"fitting {pattern} to {constant['task']}, seed {fit.seed}"),
    )
    row = constant | {
        "model": pattern,
        "variant": fit.variant,
        "seed": fit.seed,
        "width": fit.model.width,
        "layers": len(fit.model.pattern),
        "parameters": parameter_count(model),
        "metric": metric,
        "config": fit.model.model_dump_json(),
        "weights": to_bytes(model),
        **_course(course),
    }
    return pa.Table.from_pylist([row])


def _course(course: Course) -> dict[str, Any]:
    return {
        "steps": course.steps,
        "train_seconds": course.seconds,
        "look_steps": course.at,
        "train_course": course.train,
        "validation_course": course.validation,
    }


def named(pattern: Sequence[str]) -> str:
    """A layer pattern in a word: h3 x2, attention, h3."""
    runs = [(kind, len(list(same))) for kind, same in itertools.groupby(pattern)]
    return ", ".join(kind if count == 1 else f"{kind} x{count}" for kind, count in runs)


def _tests(row: dict[str, Any]) -> list[tuple[int, Examples, float | None]]:
    """(length, examples, chance) of every test of a trained backbone."""
    from data.synthetic.sequences.problems import draw, form
    from models.sequence.text import scored_windows

    if row["held_out"] is not None:
        return [(row["length"], scored_windows(row["held_out"], row["length"]), None)]
    task = TaskConfig.model_validate_json(row["settings"])
    chance = form(task).chance
    at = dict.fromkeys(row["test_lengths"])
    return [(n, _examples(draw(_at(task, n), "test")), chance) for n in at]


def _at(task: TaskConfig, length: int) -> TaskConfig:
    return task.model_copy(update={"test_length": length})


def _examples(drawn: Any) -> Examples:
    import torch

    from models.sequence.scores import Examples

    return Examples(torch.from_numpy(drawn.inputs), torch.from_numpy(drawn.targets))


def _split(text: TextConfig) -> tuple[str, str]:
    """The text to train on and the one to test: valid and test of WikiText-2, else 9 to 1."""

    place = Path(text.folder)
    if text.name == "wikitext2":
        train, test = ("\n".join(read_wikitext(place, split)) for split in ("valid", "test"))
        return train[: int(len(train) * text.share)], test[: int(len(test) * text.share)]
    whole = installed_prose(place) if text.name == "packages" else read_shakespeare(place)
    whole = whole[: int(len(whole) * text.share)]
    cut = int(0.9 * len(whole))
    return whole[:cut], whole[cut:]
