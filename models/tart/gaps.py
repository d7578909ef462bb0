"""The paper's decomposition of what in-context learning lacks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

_NAMES = {
    "icl": "accuracy_icl",
    "logistic regression": "accuracy_regression",
    "tart": "accuracy_tart",
    "fine-tuning": "accuracy_tuned",
}
_EMBEDDINGS = ("vanilla", "leave-one-out")


def gaps(scores: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One row a text task, base model, embedding and k, from rows of `tart_scores`.

    gap = tuned - icl = (tuned - regression) + (regression - icl): representation, reasoning. Means
    over the seeds that every method at hand was scored on. What was not scored is None, and so is
    all that follows from it.
    """
    prompted = [s for s in scores if s["modality"] == "text" and s["embedding"] != "stream"]
    rows = []
    for task, base, k in sorted({(s["task"], s["base_model"], s["k"]) for s in prompted}):
        here = [s for s in prompted if (s["task"], s["base_model"], s["k"]) == (task, base, k)]
        for embedding in _EMBEDDINGS:
            by_seed = {
                name: {
                    s["seed"]: s["accuracy"]
                    for s in here
                    if s["method"] == method and s["embedding"] in (embedding, "prompt", "tuned")
                }
                for method, name in _NAMES.items()
            }
            if not by_seed["accuracy_regression"]:
                continue
            seeds = set.intersection(*(set(found) for found in by_seed.values() if found))
            mean = {
                name: fmean(found[seed] for seed in sorted(seeds)) if found and seeds else None
                for name, found in by_seed.items()
            }
            place = {"task": task, "base_model": base, "embedding": embedding, "k": k}
            rows.append(place | mean | _parts(mean))
    return rows


def _parts(mean: Mapping[str, float | None]) -> dict[str, float | None]:
    def lead(of: str, over: str) -> float | None:
        one, other = mean[f"accuracy_{of}"], mean[f"accuracy_{over}"]
        return None if one is None or other is None else one - other

    gap, reasoning = lead("tuned", "icl"), lead("regression", "icl")
    return {
        "gap": gap,
        "gap_representation": lead("tuned", "regression"),
        "gap_reasoning": reasoning,
        "reasoning_share": reasoning / gap if gap and gap > 0 and reasoning is not None else None,
    }
