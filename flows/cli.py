"""The command line. Nothing heavy is imported before a command needs it: `--help` is instant.

Exit codes: 0 done; 1 the run failed, what was published before stays valid; 2 the input or the
call is wrong, one line says what and what would be right.
"""

from __future__ import annotations

import os
import sys
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from data.lake.errors import LakeError
from flows import FLOWS
from flows.errors import CallError, ServerError
from tasks.settings import absolute, home, lake_url, models_dir

_ASKED_AT = time.time()

app = typer.Typer(
    help="Headwater: ten published systems as one Prefect DAG over tables you can query.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


class Profile(StrEnum):
    quick = "quick"
    standard = "standard"
    paper = "paper"


class Runner(StrEnum):
    threads = "threads"
    dask = "dask"


class Format(StrEnum):
    table = "table"
    csv = "csv"
    json = "json"
    parquet = "parquet"


class Worst(StrEnum):
    minimum = "minimum"
    direction = "direction"


class Ties(StrEnum):
    half = "half"
    legacy = "legacy"


Flow = Annotated[
    str,
    typer.Argument(
        metavar="[FLOW]", help="; ".join(f"{name}: {what}" for name, what in FLOWS.items())
    ),
]
Setting = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="FIELD=VALUE", help="Change a field of the profile; repeatable."),
]
ProfileOption = Annotated[Profile, typer.Option(help="Size of the run; quick takes minutes.")]


@app.command()
def run(
    flow: Flow = "lab",
    profile: ProfileOption = Profile.quick,
    settings: Setting = None,
    runner: Annotated[Runner, typer.Option(help="What runs the steps.")] = Runner.threads,
    json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Run a flow; tables already there are not computed again."""
    from flows import console

    os.environ["HEADWATER_RUNNER"] = runner.value
    console.run(flow, profile.value, settings or [], as_json=json, asked_at=_ASKED_AT)


@app.command()
def plan(
    flow: Flow = "lab", profile: ProfileOption = Profile.quick, settings: Setting = None
) -> None:
    """Say for every table whether a run would find it (HIT) or compute it (MISS), and why."""
    from flows import console

    console.plan(flow, profile.value, settings or [])


@app.command()
def tables() -> None:
    """List the lake's tables."""
    from flows import printing

    printing.tables()


@app.command()
def describe(table: str) -> None:
    """Print a table's columns with type, unit, meaning and constraint."""
    from flows import printing

    printing.describe(table)


@app.command()
def query(
    sql: str,
    format: Annotated[Format, typer.Option(help="How to write the rows.")] = Format.table,
    output: Annotated[Path | None, typer.Option(help="File to write; else the terminal.")] = None,
) -> None:
    """Run one reading SQL statement over the lake's views."""
    from flows import printing

    printing.query(sql, format.value, output)


@app.command()
def report(
    output: Annotated[Path, typer.Option(help="The HTML file to write.")] = Path("report.html"),
) -> None:
    """Write one self-contained HTML file about what ran and what it scored."""
    from data.lake import Lake
    from tasks.report import write_report

    write_report(Lake(lake_url()), output)
    typer.echo(output)


@app.command()
def aggregate(  # noqa: PLR0917  an option each
    folder: Annotated[Path, typer.Argument(help="Folder with HELM, lm-eval or inspect results.")],
    schema: Annotated[
        Path | None, typer.Option(help="Schema in HELM's form, YAML or JSON.")
    ] = None,
    worst: Annotated[Worst, typer.Option(help="Worst case: HELM's minimum, or by direction.")] = (
        Worst.minimum
    ),
    ties: Annotated[Ties, typer.Option(help="Ties count half, or as before September 2024.")] = (
        Ties.half
    ),
    output: Annotated[
        Path | None, typer.Option(help="Folder to write the tables to, in HELM's layout.")
    ] = None,
    bare: Annotated[
        bool, typer.Option("--bare", help="No intervals, tests or means over instances.")
    ] = False,
) -> None:
    """Read evaluation results into tables and compute their cells and win rates."""
    from flows import aggregating

    aggregating.aggregate(folder, schema, worst.value, ties.value, output, bare=bare)


@app.command()
def verify() -> None:
    """Hash every published file again and name those that changed or are gone."""
    from flows import printing

    if not printing.verify():
        raise typer.Exit(2)


@app.command()
def gc(
    hours: Annotated[float, typer.Option(min=0, help="Leave alone what is younger.")] = 24.0,
) -> None:
    """Remove what killed runs left behind; published snapshots are never touched."""
    from flows import printing

    printing.collect_garbage(hours)


@app.command()
def doctor() -> None:
    """Check this machine: versions, lake, disk, server."""
    from flows import doctor as checks

    if not checks.report():
        raise typer.Exit(2)


@app.command()
def ingest(  # noqa: PLR0917  an option each
    folder: Annotated[Path, typer.Argument(help="Folder of text, Markdown, HTML and PDF files.")],
    topic: Annotated[str, typer.Option(help="What they are about; names the table.")],
    examples: Annotated[
        Path | None, typer.Option(help="CSV file with columns doc_id, attribute, value.")
    ] = None,
    truth: Annotated[
        Path | None, typer.Option(help="CSV file as above: true values that only score.")
    ] = None,
    attributes: Annotated[str, typer.Option(help="Columns wanted, parted by commas.")] = "",
    model: Annotated[str, typer.Option(help="Language model that writes functions too.")] = "",
    profile: ProfileOption = Profile.quick,
    settings: Setting = None,
    json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Make a folder of documents a table; run it again when documents were added."""
    from flows import ingesting

    ingesting.ingest(
        folder,
        topic,
        profile.value,
        settings or [],
        labels=examples,
        truth=truth,
        attributes=attributes,
        model=model,
        as_json=json,
        asked_at=_ASKED_AT,
    )


@app.command()
def show(
    cell: Annotated[str, typer.Argument(help="DOC:ATTRIBUTE, or SOURCE:DOC:ATTRIBUTE.")],
) -> None:
    """Print an extracted value where it stands in its document, and who voted for it."""
    from flows import ingesting

    ingesting.show(cell)


@app.command()
def export(
    source: Annotated[str, typer.Argument(help="Source, as its table is named.")],
    output: Annotated[Path, typer.Option(help="The Python file to write.")],
) -> None:
    """Write a source's extraction functions as one Python file that needs pydantic alone."""
    from flows import ingesting

    ingesting.export(source, output)


@app.command()
def up(port: Annotated[int, typer.Option(help="Port of the UI on 127.0.0.1.")] = 4200) -> None:
    """Start Prefect's server, a worker and the deployments on this machine."""
    from flows import console

    console.up(port)


@app.command()
def down() -> None:
    """Stop the worker and the server."""
    from flows import server

    stopped = [name for name in ("worker", "server") if server.stop(name)]
    typer.echo(f"stopped {' and '.join(stopped)}" if stopped else "nothing was running")


@app.command()
def status() -> None:
    """Say what is running and what the last runs did."""
    from flows import printing

    printing.status()


@app.command()
def generate(
    *,
    prompts: Annotated[Path, typer.Option(help="Text (a prompt a line), .jsonl, .csv, .parquet.")],
    model: Annotated[str, typer.Option(help="Name, folder or file: headwater models list.")] = (
        "smollm2-135m-instruct"
    ),
    memory: Annotated[str, typer.Option(help="Most memory of the engine, as in 1GiB.")] = "1GiB",
    disk: Annotated[Path | None, typer.Option(help="Folder for what does not fit.")] = None,
    compress: Annotated[bool, typer.Option("--compress", help="Weights and cache in 4 bits.")] = (
        False
    ),
    max_tokens: Annotated[int, typer.Option(min=1, help="Most new tokens a prompt.")] = 64,
    output: Annotated[Path | None, typer.Option(help=".jsonl, .csv or .parquet; else out.")] = None,
    column: Annotated[str | None, typer.Option(help="Column that holds the prompts.")] = None,
    truncate: Annotated[
        bool, typer.Option("--truncate", help="Keep the end of prompts that are too long.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it would take.")] = False,
) -> None:
    """Complete the prompts of a file with a model larger than the memory."""
    from flows import generating

    generating.generate(
        generating.Call(
            prompts, model, memory, disk, compress, max_tokens, output, column, truncate, dry_run
        )
    )


@app.command()
def forecast(
    file: Annotated[Path, typer.Argument(help="A .csv, .tsv or .parquet file.")],
    *,
    target: Annotated[str, typer.Option(help="Column to forecast.")],
    horizon: Annotated[int, typer.Option(help="Steps to forecast.")],
    time: Annotated[str | None, typer.Option(help="Column of times; else found.")] = None,
    group: Annotated[str | None, typer.Option(help="Column that parts several series.")] = None,
    covariates: Annotated[
        str, typer.Option(help="Columns known in the future, parted by commas.")
    ] = "",
    season: Annotated[int | None, typer.Option(help="Period in steps; else by the step.")] = None,
    calendar: Annotated[
        bool, typer.Option("--calendar", help="Let hour, weekday and month explain it first.")
    ] = False,
    coverage: Annotated[float, typer.Option(help="Share the intervals should hold.")] = 0.9,
    seconds: Annotated[float, typer.Option(help="Most time the network may train.")] = 40.0,
    output: Annotated[Path | None, typer.Option(help=".csv or .parquet to write.")] = None,
) -> None:
    """Forecast a column of a file, with intervals; says what it repaired."""
    from flows import forecasting

    forecasting.forecast(
        forecasting.Call(
            file, target, horizon, time, group, covariates, season, calendar, coverage, seconds,
            output,
        )
    )  # fmt: skip


@app.command()
def classify(
    file: Annotated[Path, typer.Argument(help="A .csv, .tsv or .parquet file.")],
    *,
    text: Annotated[str, typer.Option(help="Column of the texts.")],
    label: Annotated[str, typer.Option(help="Column of the labels; empty where wanted.")],
    shots: Annotated[
        int | None, typer.Option(help="Labelled rows to show; else 32, or all if fewer.")
    ] = None,
    model: Annotated[
        str, typer.Option(help="Model that reads; all-minilm-l6-v2 is fastest.")
    ] = "smollm2-135m-instruct",
    characters: Annotated[int, typer.Option(help="Read of a text, from its beginning.")] = 100,
    seed: Annotated[int, typer.Option(help="Random seed of the rows shown.")] = 0,
    output: Annotated[Path | None, typer.Option(help=".csv or .parquet to write.")] = None,
) -> None:
    """Label the rest of a file's rows from a few labelled ones, with probabilities."""
    from flows import classifying

    classifying.classify(
        classifying.Call(file, text, label, shots, model, characters, seed, output)
    )


@app.command()
def compose(
    collage: Annotated[
        Path | None, typer.Argument(help="JSON file: prompt, canvas, layers.")
    ] = None,
    *,
    output: Annotated[Path | None, typer.Option(help="Picture to write, .png.")] = None,
    model: Annotated[str, typer.Option(help="Folder in diffusers' layout; else a small one.")] = "",
    seed: Annotated[int, typer.Option(min=0, help="Of the noise.")] = 0,
    steps: Annotated[int, typer.Option(min=1, help="Sampler steps.")] = 25,
    words: Annotated[
        bool, typer.Option("--words", help="Learn a word for the look of every layer.")
    ] = False,
    edges: Annotated[
        bool, typer.Option("--edges", help="Hold outlines by the model's ControlNet.")
    ] = False,
    emoji: Annotated[
        str, typer.Option(help="npm package of emoji: its folder, or its name to fetch it.")
    ] = "",
    schema: Annotated[bool, typer.Option("--schema", help="Print the file's form.")] = False,
    example: Annotated[bool, typer.Option("--example", help="Print a collage of emoji.")] = False,
) -> None:
    """Compose one picture from the layers of a collage file."""
    from flows import composing

    if schema:
        typer.echo(composing.schema())
        return
    if example:
        typer.echo(composing.example())
        return
    if collage is None:
        raise CallError(
            "compose what? give a collage file; --example prints one, --schema its form"
        )
    composing.compose(composing.Call(collage, output, model, seed, steps, words, edges, emoji))


models = typer.Typer(no_args_is_help=True, help="List, get and show language models.")
app.add_typer(models, name="models")


@models.command("list")
def models_list() -> None:
    """List the known language models and those that are here."""
    from flows import weights

    weights.list_models()


@models.command("pull")
def models_pull(name: str) -> None:
    """Get a model: fetched, verified, converted once, kept whole or not at all."""
    from flows import weights

    weights.pull_model(name)


@models.command("show")
def models_show(
    name: str,
    verify: Annotated[bool, typer.Option("--verify", help="Hash every file again.")] = False,
) -> None:
    """Print a model's card: source, licence, shape, files and their hashes."""
    from flows import weights

    weights.show(name, verify=verify)


@models.command("export")
def models_export(
    task: Annotated[str, typer.Argument(help="The text it was trained on, e.g. tinyshakespeare.")],
    model: Annotated[str, typer.Argument(help="Its layers as in the table, e.g. 'hyena x6'.")],
    folder: Annotated[Path, typer.Argument(help="A new folder; its path is then a model's name.")],
) -> None:
    """Keep a language model that `headwater run sequence` trained."""
    from flows import weights

    weights.export(task, model, folder)


def main() -> None:
    """Entry point of `headwater`: turns errors of call and input into one line and exit code 2."""
    # Workers run in other folders: where things are must not depend on the folder.
    os.environ["HEADWATER_LAKE"] = absolute(lake_url())
    os.environ["HEADWATER_HOME"] = str(home())
    os.environ["HEADWATER_MODELS"] = str(models_dir())
    try:
        app()
    except (CallError, LakeError, ValueError) as error:
        _fail(str(error), 2)
    except ServerError as error:
        _fail(str(error), 1)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # `| head` has had enough
    except KeyboardInterrupt:
        _fail("interrupted; what was published before stays valid", 130)


def _fail(message: str, code: int) -> None:
    typer.echo(f"headwater: {' '.join(message.split())}", err=True)
    raise SystemExit(code)
