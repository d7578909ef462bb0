"""Steps of Collage Diffusion that judge: scores of pictures, intervals, what the claims come to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from data.lake import TableRef
from models.collage.config import BootstrapConfig, JudgeConfig
from tasks.collage_layers import picture_of, read_collages
from tasks.produces import produces
from tasks.progress import progress_bar

if TYPE_CHECKING:
    from models.collage.findings import Means


@produces("collage_scores", version=1)
def collage_scores(collages: TableRef, images: Sequence[TableRef], judges: TableRef) -> pa.Table:
    """Spatial fidelity, appearance and harmonisation of every picture by every metric."""
    from models.collage.features import Features, installed
    from models.collage.judges import judges_from_bytes
    from models.collage.scores import Panel, score_picture

    [row] = judges.read().to_pylist()
    networks = judges_from_bytes(row["weights"], JudgeConfig.model_validate_json(row["config"]))
    panel = Panel(*networks, Features() if installed() else None)
    known, rows = read_collages(collages), []
    bar = progress_bar("judging pictures")
    for number, table in enumerate(images):
        for made in table.read().to_pylist():
            one = known[made["collage"]]
            rows += [
                {key: made[key] for key in ("collage", "method", "seed")} | score._asdict()
                for score in score_picture(one.collage, one.classes, picture_of(made["png"]), panel)
            ]
        bar(number + 1, len(images))
    return pa.Table.from_pylist(rows)


@produces("collage_intervals", version=1)
def collage_intervals(scores: TableRef, config: BootstrapConfig) -> pa.Table:
    """Means of all metrics by method, with bootstrap intervals over collages."""
    from models.collage.findings import interval

    table = scores.read(columns=["collage", "seed"])
    counts = [len(set(table.column(name).to_pylist())) for name in ("collage", "seed")]
    return pa.Table.from_pylist(
        [
            {
                "method": method,
                "metric": metric,
                **interval(values, config.resamples, config.seed)._asdict(),
                "n_collages": counts[0],
                "n_seeds": counts[1],
            }
            for (method, metric), values in _means(scores).items()
        ]
    )


@produces("collage_findings", version=1)
def collage_findings(scores: TableRef, config: BootstrapConfig) -> pa.Table:
    """The paper's claims as far as these scores tell, each with its interval and its bar."""
    from models.collage.findings import findings

    return pa.Table.from_pylist(
        [
            {
                "finding": found.finding,
                "value": found.interval.mean,
                "low": found.interval.low,
                "high": found.interval.high,
                "bar": found.bar,
                "holds": found.holds,
                "detail": found.detail,
            }
            for found in findings(_means(scores), config.resamples, config.seed)
        ]
    )


def _means(scores: TableRef) -> Means:
    """Means over layers and seeds by method and metric, in the order of the collages.

    Where one layer's noise is swept, that layer counts alone: outside of another's mask lies what
    it changes.
    """
    import numpy as np

    from models.collage.findings import SWEPT, sweeps
    from models.collage.scores import WHOLE

    values = defaultdict(list)
    names: dict[str, None] = {}
    for row in scores.read().to_pylist():
        names[row["collage"]] = None
        if row["layer"] in (SWEPT, WHOLE) or not sweeps(row["method"]):
            values[row["method"], row["metric"], row["collage"]].append(row["value"])
    kinds = dict.fromkeys((method, metric) for method, metric, _ in values)
    return {
        kind: np.array([np.mean(values.get((*kind, name), [np.nan])) for name in sorted(names)])
        for kind in kinds
    }
