"""Steps of TART on real data: items, their representations, and fine-tuning as a rival."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, Field

from data.datasets.few_shot import Source, source_digest
from data.lake import TableRef
from data.lake.tables import CONTRACTS
from tasks.produces import produces
from tasks.progress import progress_bar
from tasks.records import quarantine
from tasks.settings import models_dir

if TYPE_CHECKING:
    from models.lm.transformers import TransformersModel


class Items(BaseModel, frozen=True, extra="forbid"):
    """Where items come from, by what is in it; where it lies does not matter."""

    source: Source = Field(description="a data set")
    digest: str = Field(description="of its files, or the version of its package")
    folder: str = Field(exclude=True, description="folder of data sets")


class ShotsConfig(BaseModel, frozen=True, extra="forbid"):
    """How many examples are shown, which, and how many queries are asked."""

    shots: tuple[int, ...] = Field(
        default=(32,), description="few-shot examples k; paper: 18, 32, 48, 64", min_length=1
    )
    seeds: tuple[int, ...] = Field(
        default=(0,), description="choices of examples; paper: 42, 69, 128, 512, 1024", min_length=1
    )
    queries: int = Field(
        default=64, description="most queries a task and seed; paper: whole test files", ge=1
    )


class ReadingConfig(BaseModel, frozen=True, extra="forbid"):
    """How a language model reads texts."""

    characters: int = Field(
        default=100, description="of a text that are read, from its beginning; paper: 100", ge=1
    )
    batch_tokens: int = Field(
        default=1024, description="most tokens of queries read at once [tokens]", ge=1
    )


class TuningConfig(BaseModel, frozen=True, extra="forbid"):
    """Fine-tuning all weights of a language model to the examples."""

    epochs: int = Field(default=8, description="passes over the examples", ge=1)
    batch: int = Field(default=8, description="examples a step", ge=1)
    learning_rate: float = Field(default=2e-5, description="peak rate of AdamW", gt=0)
    seeds: int = Field(default=1, description="the first so many seeds of the shots", ge=1)
    most_queries: int = Field(default=64, description="most queries a fit", ge=1)


def items_of(source: Source, folder: str) -> Items:
    """A source by its content. Raises ValueError for one that is not there."""
    return Items(source=source, digest=source_digest(source, folder), folder=folder)


@produces("few_shot_items", version=1)
def few_shot_items(items: Items) -> pa.Table:
    """Labelled items of classification tasks, those with empty texts set aside."""
    from data.datasets.few_shot import read_tasks

    rows: list[dict[str, Any]] = []
    empty: list[tuple[str, int | None, str]] = []
    for task in read_tasks(items.source, items.folder):
        for i, label in enumerate(task.labels):
            row = {"task": task.name, "modality": task.modality, "item": i, "label": label}
            if task.texts is not None:
                if not task.texts[i].strip():
                    empty.append((f"{task.name} {i}", None, "empty text"))
                    continue
                row["text"] = task.texts[i]
            if task.features is not None:
                row["features"] = task.features[i].tolist()
            rows.append(row)
    if empty:
        quarantine(items.source, empty)
    return pa.Table.from_pylist(rows, schema=CONTRACTS["few_shot_items"].arrow_schema())


@produces("few_shot_embeddings", version=1)
def prompted_embeddings(
    items: TableRef, model: TableRef, config: ShotsConfig, reading: ReadingConfig
) -> pa.Table:
    """Representations of texts in prompts of k examples, and the labels that the model says next.

    One row an example or query, for every task, k and seed.
    """
    from models.tart.choice import choose
    from models.tart.embedding import embed_in_context
    from models.tart.prompts import Template

    lm, name, threads = opened(model)
    rows: list[dict[str, Any]] = []
    for task, part in by_task(items):
        labels, texts = part["label"].to_pylist(), part["text"].to_pylist()
        template = Template(lm.codec, sorted(set(labels)), reading.characters)
        numbers = part["item"].to_pylist()
        for seed in config.seeds:
            ks = possible(config.shots, len(set(labels)), len(labels))
            shots, queries = choose(labels, ks[-1], seed, config.queries)
            for k in ks:
                found = embed_in_context(
                    lm,
                    template,
                    [(texts[i], labels[i]) for i in shots[:k]],
                    [texts[i] for i in queries],
                    threads=threads,
                    batch_tokens=reading.batch_tokens,
                    progress=progress_bar(f"{name} reads {task}, k = {k}, seed {seed}"),
                )
                common = {"task": task, "modality": "text", "base_model": name, "k": k}
                common |= {"seed": seed}
                for place, i in enumerate(shots[:k]):
                    rows.append(common | {
                        "role": "shot", "position": place, "item": numbers[i], "label": labels[i],
                        "vector": found.vanilla[place],
                        "leave_one_out": found.leave_one_out[place],
                        "truncated": template.truncated(texts[i]),
                    })  # fmt: skip
                for place, i in enumerate(queries):
                    rows.append(common | {
                        "role": "query", "position": place, "item": numbers[i], "label": labels[i],
                        "vector": found.queries[place],
                        "label_logprobs": found.label_logprobs[place],
                        "truncated": template.truncated(texts[i]),
                    })  # fmt: skip
                rows.append(common | {
                    "role": "free", "position": 0, "item": -1, "truncated": False,
                    "label_logprobs": found.content_free,
                })  # fmt: skip
    return pa.Table.from_pylist(rows, schema=CONTRACTS["few_shot_embeddings"].arrow_schema())


@produces("few_shot_embeddings", version=1)
def encoded_items(items: TableRef, encoder: str, threads: int) -> pa.Table:
    """Representations of every item alone: by a sentence encoder, or numbers as they are."""
    rows: list[dict[str, Any]] = []
    read = items.read().sort_by([("task", "ascending"), ("item", "ascending")]).to_pylist()
    vectors: Any = [row["features"] for row in read]
    if encoder != "none":
        from models.tart.encoders import SentenceEncoder

        vectors = SentenceEncoder(threads).embed(
            [row["text"] for row in read], progress_bar(f"{encoder} reads")
        )
    place = {"k": 0, "seed": 0, "role": "item", "base_model": encoder, "truncated": False}
    for row, vector in zip(read, vectors, strict=True):
        told = {name: row[name] for name in ("task", "modality", "item", "label")}
        rows.append(place | told | {"position": row["item"], "vector": vector})
    return pa.Table.from_pylist(rows, schema=CONTRACTS["few_shot_embeddings"].arrow_schema())


@produces("few_shot_tuned", version=1)
def few_shot_tuned(
    items: TableRef,
    model: TableRef,
    config: ShotsConfig,
    reading: ReadingConfig,
    tuning: TuningConfig,
) -> pa.Table:
    """What a language model predicts after all its weights were fitted to the same examples."""
    from models.tart.choice import choose
    from models.tart.tuning import fine_tune

    lm, name, threads = opened(model)
    rows: list[dict[str, Any]] = []
    for task, part in by_task(items):
        labels, texts = part["label"].to_pylist(), part["text"].to_pylist()
        texts = [text[: reading.characters] for text in texts]
        numbers, classes = part["item"].to_pylist(), sorted(set(labels))
        for seed in config.seeds[: tuning.seeds]:
            ks = possible(config.shots, len(classes), len(labels))
            shots, queries = choose(labels, ks[-1], seed, config.queries)
            queries = queries[: tuning.most_queries]
            for k in ks:
                tuned = fine_tune(
                    lm,
                    [texts[i] for i in shots[:k]],
                    [classes.index(labels[i]) for i in shots[:k]],
                    [texts[i] for i in queries],
                    epochs=tuning.epochs,
                    batch=tuning.batch,
                    learning_rate=tuning.learning_rate,
                    seed=seed,
                    threads=threads,
                    progress=progress_bar(f"tuning {name} to {task}, k = {k}, seed {seed}"),
                )
                rows += [
                    {"task": task, "base_model": name, "k": k, "seed": seed, "item": numbers[i],
                     "label": labels[i], "probabilities": p, "seconds": tuned.seconds}
                    for i, p in zip(queries, tuned.probabilities, strict=True)
                ]  # fmt: skip
    return pa.Table.from_pylist(rows, schema=CONTRACTS["few_shot_tuned"].arrow_schema())


def opened(model: TableRef) -> tuple[TransformersModel, str, int]:
    """The language model of a row of `language_models` for its states: model, label, threads.

    Raises ValueError for a back end that tells no states, and for weights that are not here.
    """
    from models.lm.config import ModelConfig
    from models.lm.store import ModelStore
    from models.lm.transformers import TransformersModel

    [row] = model.read().to_pylist()
    config = ModelConfig.model_validate_json(row["config"])
    if config.backend != "transformers":
        raise ValueError(
            f"TART reads the states of a model, which backend {config.backend} does not tell: "
            "set backend to transformers"
        )
    store = ModelStore(models_dir())
    card = store.by_weights(row["weights_sha256"])
    if card is None:
        raise ValueError(
            f"the weights of {config.name} are not in {store.root}; headwater models pull "
            f"{config.name}"
        )
    found, folder = store.open(card.name)
    return TransformersModel(folder, config, found.name), config.name, config.threads


def by_task(items: TableRef) -> list[tuple[str, pa.Table]]:
    """The items of every task, in their order."""
    read = items.read().sort_by([("task", "ascending"), ("item", "ascending")])
    return [
        (task, read.filter(pc.field("task") == task))
        for task in pc.unique(read["task"]).to_pylist()
    ]


def possible(shots: Sequence[int], classes: int, items: int) -> list[int]:
    """The numbers of examples that a task has classes few, and items enough, for.

    A quarter of the items is left to be asked about: of RAFT's 50 rows 32 can be shown, not 48.
    All of them where it has for none: asking then says what is wrong.
    """
    return sorted(k for k in shots if classes <= k <= items - items // 4) or sorted(shots)
