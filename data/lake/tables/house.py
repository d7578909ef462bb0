"""Tables about the runs themselves."""

from datetime import datetime

from data.lake.contract import Contract, column


class Runs(Contract, table="runs", unique=("run_id",), partition=("run_id",)):
    """Every flow run: what it was asked, how it ended and where its time went."""

    run_id: str = column("id of the flow run, as in the Prefect UI")
    flow: str = column("name of the flow")
    profile: str = column("profile the configuration started from: quick, standard, paper")
    started_at: datetime = column("when the run was asked for (UTC)")
    finished_at: datetime = column("when it ended (UTC)")
    state: str = column("how it ended: Completed, Failed, Crashed, Cancelled")
    seconds: float = column("wall time from being asked for to the end", unit="s", ge=0)
    orchestration_seconds: float = column(
        "part of `seconds` in which no step was at work: starting, Prefect, waiting", unit="s", ge=0
    )
    hits: int = column("tables found in the lake", ge=0)
    misses: int = column("tables computed", ge=0)
    commit: str = column("git commit of the code, '+' appended when it had local changes")
    host: str = column("name of the machine")
    cores: int = column("processor cores it may use", ge=1)
    device: str = column("cpu, or the name of the CUDA device")
    params: str = column("the run's configuration as JSON")


class Lineage(
    Contract,
    table="lineage",
    unique=("run_id", "table_name", "snapshot", "input_table", "input_snapshot"),
    partition=("run_id",),
):
    """Which snapshot was made from which, for every table a run used."""

    run_id: str = column("flow run that used the table")
    table_name: str = column("table")
    snapshot: str = column("its snapshot")
    input_table: str | None = column("a table it was made from; null for a table made from outside")
    input_snapshot: str | None = column("that table's snapshot")


class Quality(
    Contract,
    table="quality",
    unique=("run_id", "table_name", "snapshot", "check"),
    partition=("run_id",),
):
    """Checks of every snapshot, as SQL over the published rows, by the run that used it first."""

    run_id: str = column("flow run that checked")
    table_name: str = column("table")
    snapshot: str = column("its snapshot")
    check: str = column("the check in words")
    rows: int = column("rows it looked at", ge=0)
    failures: int = column("rows that fail it", ge=0)
    holds: bool = column("true when no row fails")


class Quarantine(Contract, table="quarantine", partition=("run_id", "source")):
    """Inputs that could not be read; the rest of their source went on without them."""

    source: str = column("what was being read")
    item: str = column("the item within it: file, row, document")
    position: int | None = column("byte offset at which it broke", unit="bytes", ge=0)
    reason: str = column("why it could not be read")
    run_id: str = column("flow run that read it")


class Benchmarks(
    Contract,
    table="benchmarks",
    unique=("system", "case", "size", "device", "threads", "dtype", "ours", "peer"),
    partition=("system",),
):
    """Ours against a peer on the same input, in one run: medians of runs taken in turn."""

    system: str = column("system that is measured")
    case: str = column("what was done")
    size: str = column("how large it was")
    device: str = column("cpu, or the name of the CUDA device")
    threads: int = column("threads both sides could use", ge=1)
    dtype: str = column("number format of the computation")
    ours: str = column("what stood on our side")
    ours_value: float = column("our median, in `unit`")
    peer: str = column("what it was compared with")
    peer_value: float = column("the peer's median, in `unit`")
    unit: str = column("unit of both values")
    ratio: float = column("above 1 ours is better, whatever the unit", ge=0)
    runs: int = column("runs the medians are over", ge=1)
    versions: str = column("versions of what was compared, as JSON")
    measured_at: datetime = column("when it was measured (UTC)")
