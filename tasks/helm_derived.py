"""The step that derives stats from instances anew, calibration among them."""

from __future__ import annotations

from collections.abc import Set

import pyarrow as pa
import pyarrow.compute as pc

from data.lake import TableRef
from data.lake.catalog import run_sql
from models.helm.config import RecomputedConfig
from tasks.helm import sql
from tasks.produces import produces


@produces("helm_recomputed", version=3)
def helm_recomputed(
    instance_stats: TableRef, stats: TableRef, columns: TableRef, config: RecomputedConfig
) -> pa.Table:
    """Stats derived anew from the instances; calibration where a run lacks it, or of all runs."""
    told: set[str] = set()
    if config.recompute == "missing":
        told = set(pc.unique(stats.read(["run"])["run"]).to_pylist())
    instances: TableRef | pa.Table = instance_stats
    if not config.all_runs:
        instances = run_sql(
            "SELECT * FROM helm_instance_stats WHERE run NOT IN (SELECT run FROM helm_stats)",
            {"helm_instance_stats": instance_stats, "helm_stats": stats},
        )
    return run_sql(
        sql("helm_recomputed.sql", config.worst),
        {
            "helm_instance_stats": instances,
            "helm_columns": columns,
            "calibration": calibration_of(instances, told),
        },
    )


def calibration_of(instance_stats: TableRef | pa.Table, told: Set[str]) -> pa.Table:
    """Calibration of every run, trial and context in which some answer has a log-probability.

    told: runs to leave out, because they have told theirs.
    """
    import numpy as np
    from threadpoolctl import threadpool_limits

    from models.helm.calibration import calibration

    names = ("run", "trial", "split", "sub_split", "perturbation", "perturbation_json")
    answers = run_sql(
        sql("helm_confidence.sql"), {"helm_instance_stats": instance_stats}
    ).to_pylist()
    with threadpool_limits(1):  # a handful of numbers a fit: threads would only wait
        found = [
            {name: row[name] for name in names} | {"metric": metric, "value": value}
            for row in answers
            if row["run"] not in told
            for metric, value in calibration(np.array(row["p"]), np.array(row["y"])).items()
        ]
    types = {"trial": pa.int64(), "value": pa.float64()}
    fields = [(name, types.get(name, pa.string())) for name in (*names, "metric", "value")]
    return pa.Table.from_pylist(found, schema=pa.schema(fields))
