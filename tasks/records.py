"""Rows that a run writes about itself, outside of any recipe: one snapshot a run and subject."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from data.lake import Contract, Lake
from data.lake.tables.house import Quarantine
from tasks.provenance import code_version, root_run_id
from tasks.settings import lake_url

log = logging.getLogger(__name__)


def publish_record(
    contract: type[Contract], rows: Sequence[Mapping[str, Any]], run_id: str, subject: str = ""
) -> None:
    """Publishes `rows`, if there are any, as what run `run_id` has to say about `subject`."""
    if not rows:
        return
    Lake(lake_url()).publish(
        contract,
        pa.Table.from_pylist(list(rows), schema=contract.arrow_schema()),
        recipe=hashlib.sha256(f"{contract.table} {run_id} {subject}".encode()).hexdigest(),
        fields={"run_id": run_id, "subject": subject},
        run_id=run_id,
        code=code_version(),
    )


def quarantine(source: str, unreadable: Sequence[tuple[str, int | None, str]]) -> None:
    """Sets aside (item, byte offset, reason) of everything in `source` that could not be read.

    Told in the log, and outside of tests and notebooks also in table `quarantine`.
    """
    for item, _, reason in unreadable:
        log.warning("%s: %s is left out: %s", source, item, reason)
    run_id = root_run_id()
    if run_id:
        rows = [
            {"source": source, "item": i, "position": p, "reason": r, "run_id": run_id}
            for i, p, r in unreadable
        ]
        publish_record(Quarantine, rows, run_id, source)
