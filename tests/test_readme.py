"""The README's words, held against the project."""

import re
import shlex
from pathlib import Path

import pytest

from data.lake import Lake
from data.lake.catalog import Catalog
from flows import FLOWS

CHECKOUT = Path(__file__).parents[1]
README = (CHECKOUT / "README.md").read_text("utf-8")
COMMANDS = re.findall(r"^\$ (?:\.venv/bin/)?(headwater .*?)(?:\s+#.*)?$", README, re.MULTILINE)
QUERIES = [shlex.split(command)[2] for command in COMMANDS if command.startswith("headwater query")]


def test_it_shows_five_queries():
    assert len(QUERIES) == 5


@pytest.mark.parametrize("sql", QUERIES)
def test_its_queries_fit_the_tables(lake_url, sql):
    """On an empty lake every view is there, typed: a wrong name would be an error."""
    assert Catalog(Lake(lake_url)).rows(sql) == []


def test_its_commands_exist():
    from flows.cli import app

    known = {command.callback.__name__ for command in app.registered_commands}
    known |= {group.name for group in app.registered_groups}
    assert {shlex.split(command)[1] for command in COMMANDS} <= known


def test_its_files_are_there():
    for link in re.findall(r"\]\((?!https?:)([^)#]+)\)", README):
        assert (CHECKOUT / link).exists(), link


def test_it_names_every_flow():
    table = README[README.index("## The ten systems") : README.index("## Schedule it")]
    assert {flow for flow in FLOWS if f"`{flow}`" in table} == {*FLOWS} - {"lab", "benchmarks"}
    assert "not built yet" not in table


def test_the_deployments_are_all_flows():
    import yaml

    text = (CHECKOUT / "deployments" / "prefect.yaml").read_text("utf-8")
    deployments = yaml.safe_load(text)["deployments"]
    assert {d["entrypoint"].split(":")[1] for d in deployments} == {*FLOWS}
    assert [d["name"] for d in deployments if d.get("schedules")] == ["nightly"]
    assert all(
        d["concurrency_limit"] == {"limit": 1, "collision_strategy": "CANCEL_NEW"}
        for d in deployments
    )


def test_every_version_is_pinned_and_no_address_is_named():
    lines = (CHECKOUT / "constraints.txt").read_text().split()
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in lines)
