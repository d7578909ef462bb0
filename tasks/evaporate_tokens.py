"""The step of EVAPORATE that keeps the books: what the model's tokens were spent on."""

from __future__ import annotations

from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from data.lake import TableRef
from data.lake.tables import evaporate as tables
from models.evaporate.config import Wanted
from models.evaporate.tokens import CODE_PLUS, DIRECT, SCALE, Source, predict
from tasks.produces import produces

_DIRECT_STEP = "direct"  # as models/evaporate/direct.py calls it


@produces("token_ledger", version=2)
def token_ledger(
    documents: list[TableRef], attributes: TableRef, wanted: Wanted, calls: TableRef | None
) -> pa.Table:
    """What the strategies would cost on this collection, and what was spent step by step."""
    sizes: dict[str, list[int]] = {}
    collection = ""
    for ref in documents:
        for row in ref.read(["collection", "source", "bytes"]).to_pylist():
            collection = row["collection"]
            sizes.setdefault(row["source"], []).append(row["bytes"])
    columns = [row["source"] for row in attributes.read(["source"]).to_pylist()]
    rows = []
    for source, lengths in sorted(sizes.items()):
        size = Source(
            documents=len(lengths),
            characters=sum(lengths),
            attributes=columns.count(source),
            samples=wanted.examples,
            chunk=wanted.chunk,
        )
        head = {"collection": collection, "source": source, "documents": len(lengths)}
        rows += [
            {
                **head,
                "strategy": cost.strategy,
                "step": "predicted",
                "prompt_tokens": cost.prompt,
                "completion_tokens": cost.completion,
                "seconds": None,
                "projected_10k": cost.at_scale,
            }
            for cost in predict(size)
        ]
        for step, spent in _spent(calls, source).items():
            read = len(lengths)
            if step == _DIRECT_STEP:  # samples are not read so
                read = max(min(wanted.direct, read - wanted.examples), 1)
            growth = SCALE / read if step == _DIRECT_STEP else 1
            rows.append(
                {
                    **head,
                    "documents": read,
                    "strategy": DIRECT if step == _DIRECT_STEP else CODE_PLUS,
                    "step": step,
                    "prompt_tokens": spent.prompt,
                    "completion_tokens": spent.completion,
                    "seconds": spent.seconds,
                    "projected_10k": round((spent.prompt + spent.completion) * growth),
                }
            )
    return pa.Table.from_pylist(rows, schema=tables.TokenLedger.arrow_schema())


class _Spent(NamedTuple):
    """What one step asked of the model: tokens, and the time of its answers where all are timed."""

    prompt: int
    completion: int
    seconds: float | None


def _spent(calls: TableRef | None, source: str) -> dict[str, _Spent]:
    """By step; without a model, nothing for the functions."""
    if calls is None:
        return {"functions": _Spent(0, 0, 0.0)}
    rows = calls.read(["source", "step", "prompt_tokens", "completion_tokens", "seconds"])
    by_step = (
        rows.filter(pc.field("source") == source)
        .group_by("step", use_threads=False)
        .aggregate([("prompt_tokens", "sum"), ("completion_tokens", "sum"),
                    ("seconds", "sum"), ("seconds", "count"), ("step", "count")])
    )  # fmt: skip
    return {
        row["step"]: _Spent(
            row["prompt_tokens_sum"],
            row["completion_tokens_sum"],
            row["seconds_sum"] if row["seconds_count"] == row["step_count"] else None,
        )
        for row in by_step.to_pylist()
    }
