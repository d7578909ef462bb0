"""Sections about the lake itself: what ran, what it made, whether it keeps its promises."""

from __future__ import annotations

import json

from data.lake import LakeError
from data.lake.catalog import Catalog
from data.lake.tables import CONTRACTS
from tasks.report.graph import Box, draw
from tasks.report.page import (
    NOTHING,
    Cell,
    Column,
    Html,
    code,
    counted,
    element,
    folded,
    join,
    moment,
    note,
    seconds,
    short,
    table,
)
from tasks.report.reading import (
    Block,
    Found,
    Row,
    Section,
    filled_by,
)

_RUNS = "SELECT * FROM runs ORDER BY started_at DESC, run_id"
_SHOWN_RUNS, _SHOWN_ROWS = 10, 100
_GOOD_END = "Completed"


def last_run(catalog: Catalog) -> Found | None:
    """The newest run as cards, and those before it as a table."""
    found = catalog.rows(_RUNS)
    if not found:
        return None
    last, earlier = found[0], found[1:_SHOWN_RUNS]
    parts = [_cards(last), _share_bar(last), _parameters(last)]
    if earlier:
        columns = ["started (UTC)", "flow", "profile", "state"]
        numeric = ["time", "Prefect's share", "found", "computed"]
        listing = table(
            [Column(c) for c in columns] + [Column(c, True) for c in numeric] + [Column("commit")],
            [_run_row(run) for run in earlier],
        )
        total = f"the {len(earlier)} before it, of {counted(len(found), 'run')}"
        parts.append(folded(f"Earlier runs ({total})", listing))
    return Found([], parts)


def _cards(run: Row) -> Html:
    good = run["state"] == _GOOD_END
    commit = run["commit"]
    shown = commit[:9] + "+" * commit.endswith("+") if len(commit) > 10 else commit
    facts = {
        "flow": f"{run['flow']} ({run['profile']})",
        "ended": element("span.ahead" if good else "span.behind", run["state"]),
        "started": f"{moment(run['started_at'])} UTC",
        "took": seconds(run["seconds"]),
        "Prefect's share": _share(run),
        "tables": f"{run['misses']} computed, {run['hits']} found",
        "device": f"{run['device']}, {counted(run['cores'], 'core')}",
        "code": code(shown),
    }
    cards = (
        element(
            "div",
            element("dt", name),
            element("dd", fact if isinstance(fact, Html) else short(fact)),
        )
        for name, fact in facts.items()
    )
    return element("dl.cards", *cards)


def _share(run: Row) -> str:
    return f"{100 * run['orchestration_seconds'] / max(run['seconds'], 1e-9):.0f} %"


def _share_bar(run: Row) -> Html:
    """Where the time went, as a bar and in words."""
    total, overhead = run["seconds"], min(run["orchestration_seconds"], run["seconds"])
    work = 100 * (1 - overhead / max(total, 1e-9))
    bar = element("div.share", element("div", attributes={"style": f"width:{work:.1f}%"}))
    words = (
        f"Steps were at work for {seconds(total - overhead)} (filled); starting up, Prefect and "
        f"waiting took {seconds(overhead)}."
    )
    return join(element("div", bar, attributes={"aria-hidden": "true"}), note(words))


def _parameters(run: Row) -> Html:
    try:
        shown = json.dumps(json.loads(run["params"]), indent=1, ensure_ascii=False)
    except ValueError:
        shown = run["params"]
    return folded("Configuration of this run", element("pre", shown))


def _run_row(run: Row) -> list[object]:
    state: object = run["state"] if run["state"] == _GOOD_END else Cell(run["state"], "behind")
    return [
        moment(run["started_at"]), run["flow"], run["profile"], state, seconds(run["seconds"]),
        _share(run), run["hits"], run["misses"], run["commit"][:9],
    ]  # fmt: skip


def lineage(catalog: Catalog) -> Found | None:
    """What the last run used, each table made from those on its left."""
    commits = catalog.commits("lineage")
    if not commits:
        return None
    run_id = commits[-1].partition["run_id"]
    quoted = run_id.replace("'", "''")
    found = catalog.rows(f"SELECT * FROM lineage WHERE run_id = '{quoted}' ORDER BY ALL")
    records = {
        (commit.table, commit.snapshot): commit
        for name in {row[key] for row in found for key in ("table_name", "input_table")} - {None}
        for commit in catalog.commits(name)
    }
    boxes: dict[tuple[str, str], Box] = {}
    edges = []
    for row in found:
        node = (row["table_name"], row["snapshot"])
        source = (row["input_table"], row["input_snapshot"])
        ends = [source, node] if row["input_table"] is not None else [node]
        for end in ends:
            if end not in boxes:
                commit = records.get(end)
                new = commit is not None and commit.run_id == run_id
                how = seconds(commit.seconds) if commit and new else "found"
                size = counted(commit.rows, "row") if commit else "snapshot is gone"
                boxes[end] = Box(end[0], f"{size} · {how}", new)
        if len(ends) > 1:
            edges.append((source, node))
    made = sum(box.new for box in boxes.values())
    words = (
        f"{counted(len(boxes), 'table')}, {counted(len(edges), 'edge')}. Solid boxes: {made} "
        f"computed by this run, with the time each took; dashed: {len(boxes) - made} found in "
        "the lake, made before."
    )
    return Found([], [draw(boxes, edges, f"Lineage of the last run: {words}"), note(words)])


def quality(catalog: Catalog) -> Found | None:
    """Failed checks of the tables as they stand first, then how many passed."""
    checks = catalog.rows(
        'SELECT DISTINCT ON (table_name, snapshot, "check") * FROM quality '
        'ORDER BY table_name, snapshot, "check"'
    )
    names = {row["table_name"] for row in checks}
    standing = {(name, commit.snapshot) for name in names for commit in catalog.shown(name)}
    found = [row for row in checks if (row["table_name"], row["snapshot"]) in standing]
    if not found:
        return None
    failed = [row for row in found if not row["holds"]]
    parts = []
    if failed:
        listing = [
            [
                row["table_name"],
                row["check"],
                Cell(f"{row['failures']:,}", "behind"),
                f"{row['rows']:,}",
            ]
            for row in failed[:_SHOWN_ROWS]
        ]
        columns = [
            Column("table"),
            Column("check"),
            Column("rows that fail", True),
            Column("of", True),
        ]
        say = f"{counted(len(failed), 'check')} of {len(found):,} failed."
        parts += [element("p.behind", say), table(columns, listing), *_cut(len(failed))]
    else:
        parts.append(element("p.ahead", f"All {counted(len(found), 'check')} passed."))
    by_table: dict[str, list[Row]] = {}
    for row in found:
        by_table.setdefault(row["table_name"], []).append(row)
    counts = [
        [
            name,
            f"{sum(row['holds'] for row in checks):,}",
            f"{len(checks):,}",
            f"{checks[0]['rows']:,}",
        ]
        for name, checks in by_table.items()
    ]
    columns = [Column("table"), *(Column(c, True) for c in ("passed", "checks", "rows each"))]
    passed = len(found) - len(failed)
    parts.append(folded(f"{counted(passed, 'passed check')} by table", table(columns, counts)))
    return Found([], parts)


def quarantine(catalog: Catalog) -> Found | None:
    """Inputs that were set aside, each once however many runs met it."""
    found = catalog.rows(
        "SELECT source, item, position, reason, count(DISTINCT run_id) AS runs FROM quarantine "
        "GROUP BY ALL ORDER BY ALL",
    )
    if not found:
        return None
    columns = [
        Column("source"), Column("item"), Column("byte", True), Column("why it could not be read"),
        Column("runs", True),
    ]  # fmt: skip
    listing = [
        [r["source"], r["item"], NOTHING if r["position"] is None else f"{r['position']:,}",
         r["reason"], r["runs"]]
        for r in found[:_SHOWN_ROWS]
    ]  # fmt: skip
    say = f"{counted(len(found), 'input')} set aside; the rest of each source went on."
    return Found([], [element("p.behind", say), table(columns, listing), *_cut(len(found))])


def catalogue(catalog: Catalog) -> Html:
    """Every table with its rows, snapshots and meaning; those with rows first."""
    listing = []
    for name in sorted(catalog.names(), key=lambda name: not catalog.commits(name)):
        commits = catalog.commits(name)
        held: object = f"{sum(c.rows for c in catalog.shown(name)):,}" if commits else NOTHING
        try:
            catalog.rows(f'SELECT count(*) FROM "{name.replace(chr(34), chr(34) * 2)}"')
        except LakeError:
            if catalog.damage(name) is None:
                raise
            held = Cell("damaged", "behind")
        when = commits[-1].committed_at[:16].replace("T", " ") if commits else NOTHING
        contract = CONTRACTS.get(name)
        meaning = contract.meaning() if contract else "made at run time"
        listing.append(
            [Cell(code(name)), held, len(commits) or NOTHING, Cell(when, "whole"), meaning]
        )
    columns = [
        Column("table"), Column("rows", True), Column("snapshots", True),
        Column("last published (UTC)"), Column("holds"),
    ]  # fmt: skip
    return table(columns, listing, classes=["catalogue"])


def _cut(total: int) -> list[Html]:
    return [note(f"The first {_SHOWN_ROWS} of {total:,}.")] if total > _SHOWN_ROWS else []


LAST_RUN = Section("Last run", "", [Block("runs", last_run, filled_by("lab"))])
LINEAGE = Section(
    "Lineage",
    "What the last run used: a table is made from those that lead to it.",
    [Block("lineage", lineage, filled_by("lab"))],
)
QUALITY = Section(
    "Quality",
    "The contracts' promises, checked again over the published files of the last run.",
    [
        Block("quality", quality, filled_by("lab")),
        Block("quarantine", quarantine, note("Nothing has been set aside.")),
    ],
)
