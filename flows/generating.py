"""`headwater generate`: complete the prompts of a file with a model that need not fit in memory."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from flows.errors import CallError

_UNITS = {
    "": 1,
    **{f"{prefix}b": 1000**i for i, prefix in enumerate(("", "k", "m", "g", "t"))},
    **{f"{prefix}ib": 1024**i for i, prefix in enumerate(("", "k", "m", "g", "t"))},
}
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*", re.IGNORECASE)
_ENDINGS = (".jsonl", ".csv", ".parquet")
_COLUMNS = (
    "prompt_id", "prompt", "completion", "prompt_tokens", "completion_tokens", "logprob", "finish",
)  # fmt: skip


@dataclass(frozen=True)
class Call:
    """What the command was asked."""

    prompts: Path
    model: str
    memory: str
    disk: Path | None = None
    compress: bool = False
    max_tokens: int = 64
    output: Path | None = None
    column: str | None = None
    truncate: bool = False
    dry_run: bool = False
    group: int = 64  # 4-bit values that share a step and a minimum


def size(text: str) -> int:
    """Bytes of a size such as 1GiB, 500MB or 2000000. Raises CallError for anything else."""
    found = _SIZE.fullmatch(text)
    unit = found[2].lower() if found else None
    if found is None or unit not in _UNITS or float(found[1]) == 0:
        raise CallError(f"--memory {text}: give a size with its unit, as in 500MB or 1.5GiB")
    return int(float(found[1]) * _UNITS[unit])


def generate(call: Call) -> None:
    """Plans, then runs the flow and writes the completions; with `dry_run` it only plans.

    All that can be wrong with the call is found before anything is published: CallError or
    ValueError, one line.
    """
    from data.datasets.prompts import read_prompts
    from flows.flexgen import FlexGenConfig
    from models.lm.config import ModelConfig
    from models.lm.interface import Sampling
    from tasks.flexgen import GenerationConfig, Memory, PromptConfig

    _check_output(call.output)
    memory_bytes = size(call.memory)
    found = read_prompts(call.prompts, call.column)
    rows = [{"source": call.prompts.name, "prompt_id": p.number, "prompt": p.text} for p in found]
    config = FlexGenConfig(
        prompts=PromptConfig(file=str(call.prompts.absolute()), column=call.column, limit=None),
        model=ModelConfig(name=call.model, backend="offload"),
        generation=GenerationConfig(
            sampling=Sampling(max_tokens=call.max_tokens),
            compress_weights=call.compress,
            compress_cache=call.compress,
            group=call.group,
            truncate="left" if call.truncate else "error",
        ),
        memory_bytes=memory_bytes,
        disk=str(call.disk.absolute()) if call.disk else "",
    )
    memory = Memory(bytes=config.memory_bytes, disk=config.disk)
    out = Console(stderr=True)
    with _bars(out):
        planned = list(_plans(call.model, config.generation, rows, memory))
    if call.dry_run:
        _print_plans(planned)
        return
    with _bars(out):
        completions = _run(config)
    _write(completions, call.output)
    tokens = sum(row["completion_tokens"] for row in completions)
    out.print(f"{len(completions):,} completions, {tokens:,} tokens", highlight=False)


def _plans(
    model: str, config: Any, rows: Sequence[Mapping[str, Any]], memory: Any
) -> Iterator[tuple[Any, Any]]:
    from models.lm.pulling import pull
    from models.lm.store import ModelStore
    from tasks.flexgen import Opened, plans
    from tasks.progress import progress_bar
    from tasks.settings import models_dir

    card = pull(model, models_dir(), progress_bar(f"getting {model}"))
    folder = ModelStore(models_dir()).folder(card)
    yield from plans(rows, Opened(card.name, folder, config), memory)


def _print_plans(planned: Sequence[tuple[Any, Any]]) -> None:
    from models.flexgen.dry_run import dry_run

    for number, (job, chosen) in enumerate(planned, start=1):
        if len(planned) > 1:
            print(f"block {number} of {len(planned)}")
        for line in dry_run(job, chosen):
            print(line)
    total = sum(chosen.seconds for _, chosen in planned)
    if len(planned) > 1:
        print(f"all blocks: {total:,.1f} s predicted")


def _run(config: Any) -> list[dict[str, Any]]:
    """The flow under a server; the completions of its job, in the order of the prompts."""
    from data.lake import Lake
    from data.lake.catalog import Catalog, refresh
    from flows import console, server
    from flows.flexgen import flexgen
    from tasks.settings import lake_url

    lake = Lake(lake_url())
    lake.check_writable()
    server.configure_client()
    with server.shared_server() as url:
        server.configure_client(url)
        try:
            run_id, _ = console.call(flexgen, config)
        finally:
            server.send_logs()
    refresh(lake)
    return Catalog(lake).rows(
        f"SELECT DISTINCT {', '.join(f'g.{name}' for name in _COLUMNS)} FROM generations_all AS g "
        "JOIN lineage AS l ON l.snapshot = g._snapshot AND l.table_name = 'generations' "
        f"WHERE l.run_id = '{run_id}' ORDER BY g.prompt_id"
    )


def _check_output(path: Path | None) -> None:
    if path is None:
        return
    if path.suffix.lower() not in _ENDINGS:
        raise CallError(f"--output {path}: give a name that ends in {', '.join(_ENDINGS)}")
    if not path.absolute().parent.is_dir():
        raise CallError(f"--output {path}: there is no folder {path.absolute().parent}")


def _write(rows: Sequence[Mapping[str, Any]], path: Path | None) -> None:
    """To a file, whole or not at all; to the terminal as JSON lines."""
    if path is None:
        for row in rows:
            print(json.dumps(row, ensure_ascii=False))
        return
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet

    table = pa.Table.from_pylist([dict(row) for row in rows])
    temporary = path.with_name(f".{path.name}.part")
    try:
        match path.suffix.lower():
            case ".parquet":
                pyarrow.parquet.write_table(table, temporary)
            case ".csv":
                pyarrow.csv.write_csv(table, temporary)
            case _:
                lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
                temporary.write_text("".join(lines), "utf-8")
        temporary.replace(path)
    except OSError as error:
        raise CallError(f"--output {path}: {(error.strerror or str(error)).lower()}") from error
    finally:
        temporary.unlink(missing_ok=True)


class _Speed(ProgressColumn):
    """Tokens done and tokens a second."""

    def render(self, task: Task) -> Text:
        speed = f", {task.speed:,.1f} tokens/s" if task.speed else ""
        return Text(f"{task.completed:,.0f}/{task.total or 0:,.0f}{speed}")


@contextmanager
def _bars(out: Console) -> Iterator[None]:
    """A bar with tokens/s and the time left per long step; a line each where it is no terminal."""
    from tasks.progress import listen

    columns = (TextColumn("{task.description}"), BarColumn(), _Speed(), TimeRemainingColumn())
    bars = Progress(*columns, console=out, transient=True, disable=not out.is_terminal)
    known: dict[str, Any] = {}

    def show(label: str, done: int, total: int) -> None:
        if label not in known:
            known[label] = bars.add_task(label, total=total)
            if not out.is_terminal:
                print(label, file=sys.stderr)
        bars.update(known[label], completed=done, total=total, visible=done < total)

    listen(show)
    try:
        with bars:
            yield
    finally:
        listen(None)
