"""Scores of TART and its rivals on real data, from the tables of its steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from data.lake import TableRef
from tasks.tart_few_shot import ShotsConfig

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from models.tart.module import ReasoningHead

Rows = list[dict[str, Any]]
_GROUP = ("task", "modality", "base_model", "k", "seed")
_READINGS = {"vanilla": "vector", "leave-one-out": "leave_one_out"}


def real_scores(ref: TableRef, head: ReasoningHead, shots: ShotsConfig) -> Rows:
    """Rows of `tart_scores` from `few_shot_embeddings`.

    Items read in prompts come with the choice of examples that made them; for items read alone it
    is drawn here, the same one.
    """
    rows: Rows = []
    for group, part in _groups(ref):
        rows += _prompted(group, part, head) if group["k"] else _alone(group, part, head, shots)
    return rows


def tuned_scores(ref: TableRef) -> Rows:
    """Rows of `tart_scores` from `few_shot_tuned`."""
    import numpy as np

    rows: Rows = []
    for group, part in _groups(ref):
        predicted = {"fine-tuning": np.array([row["probabilities"] for row in part])}
        place = group | {"modality": "text", "embedding": "tuned"}
        rows += _scored(place, predicted, _numbers(part, part))
    return rows


def _prompted(group: Mapping[str, Any], part: Rows, head: ReasoningHead) -> Rows:
    import numpy as np

    from models.tart.compare import compare, in_context

    asked, [free], given = (
        [row for row in part if row["role"] == role] for role in ("query", "free", "shot")
    )
    y, truth = _numbers(given, given), _numbers(asked, given)
    classes = len(set(y.tolist()))
    queries = np.array([row["vector"] for row in asked])
    rows: Rows = []
    for embedding, column in _READINGS.items():
        shots = np.array([row[column] for row in given])
        place = {**group, "embedding": embedding}
        rows += _scored(place, compare(head, shots, y, queries, classes), truth)
    said = np.array([row["label_logprobs"] for row in asked])
    predicted = in_context(said, np.array(free["label_logprobs"]))
    return rows + _scored({**group, "embedding": "prompt"}, predicted, truth)


def _alone(group: Mapping[str, Any], part: Rows, head: ReasoningHead, shots: ShotsConfig) -> Rows:
    import numpy as np

    from models.tart.choice import choose
    from models.tart.compare import compare
    from tasks.tart_few_shot import possible

    vectors, y = np.array([row["vector"] for row in part]), _numbers(part, part)
    classes = len(set(y.tolist()))
    name = "raw" if group["base_model"] == "none" else "stream"
    rows: Rows = []
    for seed in shots.seeds:
        ks = possible(shots.shots, classes, len(part))
        chosen, asked = choose([row["label"] for row in part], ks[-1], seed, shots.queries)
        for k in ks:
            given = chosen[:k]
            predicted = compare(head, vectors[given], y[given], vectors[asked], classes)
            place = {**group, "embedding": name, "k": k, "seed": seed}
            rows += _scored(place, predicted, y[asked])
    return rows


def _scored(
    place: Mapping[str, Any], predicted: dict[str, Any], truth: NDArray[np.integer]
) -> Rows:
    from models.tart.compare import class_scores

    return [vars(score) | dict(place) for score in class_scores(predicted, truth)]


def _numbers(rows: Sequence[Mapping[str, Any]], all_rows: Rows) -> NDArray[np.integer]:
    """Labels as numbers, classes by name among `all_rows`."""
    import numpy as np

    classes = sorted({row["label"] for row in all_rows})
    return np.array([classes.index(row["label"]) for row in rows])


def _groups(ref: TableRef) -> list[tuple[dict[str, Any], Rows]]:
    """Rows of every task, base model, k and seed; examples and queries in their order."""
    read = ref.read()
    keys = [name for name in _GROUP if name in read.column_names]
    order = "position" if "position" in read.column_names else "item"
    grouped: dict[tuple[Any, ...], Rows] = {}
    for row in read.sort_by([(name, "ascending") for name in (*keys, order)]).to_pylist():
        grouped.setdefault(tuple(row[key] for key in keys), []).append(row)
    return [(dict(zip(keys, values, strict=True)), rows) for values, rows in grouped.items()]
