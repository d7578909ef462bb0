"""Section on offloading: throughput and bytes by tier, predictions beside measurements."""

from __future__ import annotations

from collections.abc import Sequence

from data.lake.catalog import Catalog
from tasks.report.page import Cell, Column, Html, Verdict, counted, figure, note, short, table
from tasks.report.plots import TRUTH, Line, chart
from tasks.report.reading import Block, Found, Row, Section, filled_by

_MOST = 12  # policies listed; the most recent jobs may have many blocks
_GB = 1e9
_WITHIN = 0.3  # how far a prediction may lie from what is measured

_RUNS = """
SELECT model, policy, count(DISTINCT (job, block)) AS blocks,
    sum(requests) FILTER (tier = 'device') AS requests,
    sum(new_tokens) FILTER (tier = 'device')
        / sum(prefill_seconds + decode_seconds) FILTER (tier = 'device') AS tokens_per_s,
    avg(predicted_tokens_per_s) AS predicted,
    sum(bytes_read) FILTER (tier = 'disk') AS disk_read,
    sum(bytes_written) FILTER (tier = 'disk') AS disk_written,
    max(peak_bytes) FILTER (tier = 'device') AS device_peak,
    max(peak_bytes) FILTER (tier = 'host') AS host_peak,
    avg(padding_efficiency) AS padding, max(backoffs) AS backoffs
FROM offload_runs GROUP BY ALL ORDER BY model, tokens_per_s DESC, policy
"""


def offload_runs(catalog: Catalog) -> Found | None:
    """A row a policy, and predicted against measured throughput."""
    found = catalog.rows(_RUNS)
    if not found:
        return None
    names = ["tokens/s", "predicted", "disk read, GB", "written, GB", "device peak, MB",
             "host peak, MB", "padding", "requests"]  # fmt: skip
    columns = [Column("policy"), *(Column(name, True) for name in names), Column("model")]
    caption = (
        "Throughput: generated tokens over prefill and decoding. Policy: per cent of weights w, "
        "cache c and activations h on device/host/disk, batch x batches of a block. Padding: share "
        "of computed prompt positions that are text."
    )
    parts = [table(columns, [_row(row) for row in found[:_MOST]]), note(caption)]
    if len(found) > 1:
        parts.insert(1, _predictions(found))
    return Found([_verdict(found)], parts)


def _row(row: Row) -> list[object]:
    return [
        Cell(short(row["policy"], 80), "whole"),
        f"{row['tokens_per_s']:,.2f}",
        f"{row['predicted']:,.2f}",
        f"{row['disk_read'] / _GB:,.2f}",
        f"{row['disk_written'] / _GB:,.2f}",
        f"{row['device_peak'] / 1e6:,.0f}",
        f"{row['host_peak'] / 1e6:,.0f}",
        f"{100 * row['padding']:.0f} %",
        f"{row['requests']:,}",
        short(row["model"], 40),
    ]


def _verdict(found: Sequence[Row]) -> Verdict:
    """How many predictions hold; a request that ends early makes them promise too much."""
    near = sum(abs(row["predicted"] / row["tokens_per_s"] - 1) <= _WITHIN for row in found)
    words = (
        f"Offloading: predicted throughput lies within {_WITHIN:.0%} of the measured one for "
        f"{near} of {counted(len(found), 'policy', 'policies')}."
    )
    return Verdict("ahead" if near == len(found) else "behind" if not near else "level", words)


def _predictions(found: Sequence[Row]) -> Html:
    """Policies in the order of measured throughput: what was measured, and what was predicted."""
    rows = sorted(found, key=lambda row: row["tokens_per_s"])
    places = list(range(1, len(rows) + 1))
    lines = [
        Line("measured", places, [row["tokens_per_s"] for row in rows], TRUTH, bold=True),
        Line("predicted", places, [row["predicted"] for row in rows], 0, points=True),
    ]
    drawing = chart(
        lines, x="policy, slowest first", y="tokens/s",
        says="measured and predicted throughput by policy",
    )  # fmt: skip
    return figure(drawing, "Predicted (marked) and measured throughput")


OFFLOADING = Section(
    "Offloading",
    "FlexGen: generation with weights, cache and activations over three tiers of memory.",
    [Block("offload_runs", offload_runs, filled_by("flexgen", "lab"))],
)
