"""From a schema and the runs to tables: which columns, which rows, and which runs behind a row.

The rules are helm-summarize's, quirks included: a run that reaches a row through two subgroups is
behind it twice, an ablation's runs are seen in its own group only, and a row's label names only
what tells it from the other rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from models.helm.runs import Adapter, Run, distinguishing, kept, words
from models.helm.schema import Matcher, MetricGroup, RunGroup, Schema, Strategy


@dataclass(frozen=True)
class ColumnPlan:
    """One column: a run group's stat."""

    heading: str
    run_group: str
    matcher: Matcher
    lower_is_better: bool | None


@dataclass(frozen=True)
class RowPlan:
    """One row and the runs behind it, in HELM's order and with its repetitions."""

    label: str
    model: str
    runs: Sequence[Run]


@dataclass(frozen=True)
class TablePlan:
    """One table of a group."""

    group: str
    name: str
    title: str
    columns: Sequence[ColumnPlan]
    rows: Sequence[RowPlan]
    strategies: Sequence[Strategy] = field(default=())


Rows = dict[Adapter, list[Run]]


def plan_tables(schema: Schema, runs: Sequence[Run]) -> Iterator[TablePlan]:
    """Every table of every group of the schema that has runs; `runs` in order of their names."""
    layout = _Layout(schema, runs)
    for group in schema.run_groups:
        if group.subgroup_display_mode == "by_group" or len(layout.expanded(group)) == 1:
            yield from layout.tables_by_subgroup(group)
        else:
            yield from layout.tables_by_metric_group(group)


class _Layout:
    def __init__(self, schema: Schema, runs: Sequence[Run]) -> None:
        self.groups = {group.name: group for group in schema.run_groups}
        self.families = {group.name: group for group in schema.metric_groups}
        self.metrics = {metric.name: metric for metric in schema.metrics}
        self.perturbations = {named.name: named for named in schema.perturbations}
        self.models = {model.name: (i, model) for i, model in enumerate(schema.models)}
        self.told_apart: dict[tuple[Adapter, ...], list[dict[str, Any]]] = {}
        # group -> adapter -> runs, and group -> scenario -> adapter -> runs, in order of arrival
        self.by_adapter: dict[str, dict[str, list[Run]]] = {}
        self.by_scenario: dict[str, dict[str, dict[str, list[Run]]]] = {}
        for run in runs:
            adapter = str(sorted(run.adapter.items()))
            for name in run.groups:
                self.by_adapter.setdefault(name, {}).setdefault(adapter, []).append(run)
                scenarios = self.by_scenario.setdefault(name, {})
                scenarios.setdefault(run.scenario, {}).setdefault(adapter, []).append(run)

    def expanded(self, group: RunGroup) -> list[RunGroup]:
        """The group and all below it, each once, depth first."""
        found: dict[str, RunGroup] = {}

        def visit(one: RunGroup) -> None:
            if one.name not in found:
                found[one.name] = one
                for name in one.subgroups:
                    visit(self.groups[name])

        visit(group)
        return list(found.values())

    def tables_by_metric_group(self, group: RunGroup) -> Iterator[TablePlan]:
        """A table a metric group, a column a subgroup and metric."""
        below = self.expanded(group)
        rows: Rows = {}
        for subgroup in below:
            for runs in self.by_adapter.get(subgroup.name, {}).values():
                shown = self._visible(runs, group)
                if shown:
                    rows.setdefault(kept(shown[0], group.adapter_keys_shown), []).extend(shown)
        names = list(group.metric_groups)
        if not names:
            named = dict.fromkeys(name for one in below for name in one.metric_groups)
            names = [
                name
                for name in named
                if f"{name}_detailed" not in named
                and name not in group.subgroup_metric_groups_hidden
            ]
        for name in names if rows else ():
            family = self.families[name]
            columns = self._columns([(one, name) for one in below])
            if columns or family.strategies:
                labelled = self._rows(rows)
                yield TablePlan(
                    group.name, name, family.label, columns, labelled, family.strategies
                )

    def tables_by_subgroup(self, group: RunGroup) -> Iterator[TablePlan]:
        """A table a scenario, with one over all of them first where there are several."""
        for subgroup in self.expanded(group):
            if not subgroup.metric_groups:
                continue
            asked = [(subgroup, name) for name in subgroup.metric_groups]
            tables: list[TablePlan] = []
            scenarios = 0
            for scenario in self.by_scenario.get(subgroup.name, {}):
                adapters = self.by_scenario.get(group.name, {}).get(scenario, {})
                rows = self._of_group(adapters, group, of_scenario=True)
                if not rows:
                    continue
                scenarios += 1
                first = next(iter(adapters.values()))[0]
                arguments = words(first.scenario_args)
                name = f"{subgroup.name}_" + arguments.replace(" ", "").replace("/", "_")
                title = arguments
                if group.name not in name:
                    title = f"{subgroup.display_name} {arguments}"
                tables.append(
                    TablePlan(group.name, name, title, self._columns(asked), self._rows(rows))
                )
                for sub_split in subgroup.sub_splits or ():
                    tables.append(
                        TablePlan(
                            group.name,
                            f"{subgroup.name}:sub_split={sub_split}",
                            f"{subgroup.display_name} (sub-split: {sub_split})",
                            self._columns(asked, sub_split),
                            self._rows(rows),
                        )
                    )
            if scenarios > 1:
                rows = self._of_group(self.by_adapter.get(subgroup.name, {}), group)
                whole = TablePlan(
                    group.name, subgroup.name, str(subgroup.display_name), self._columns(asked),
                    self._rows(rows),
                )  # fmt: skip
                tables = [whole, *tables]
            yield from tables

    def _of_group(
        self, adapters: Mapping[str, list[Run]], group: RunGroup, *, of_scenario: bool = False
    ) -> Rows:
        """Rows with their runs; a row stays though none of its runs is to be seen."""
        rows: Rows = {}
        for runs in adapters.values():
            key = kept(runs[0], group.adapter_keys_shown, of_scenario=of_scenario)
            rows.setdefault(key, []).extend(self._visible(runs, group))
        return rows

    def _visible(self, runs: Sequence[Run], group: RunGroup) -> list[Run]:
        return [run for run in runs if self._is_visible(run, group)]

    def _is_visible(self, run: Run, group: RunGroup) -> bool:
        shown = group.visibility != "this_group_only"
        for name in run.groups:
            found = self.groups.get(name)
            if found is None:
                continue
            if found.visibility == "no_groups":
                return False
            if found.visibility == "this_group_only":
                if found.name == group.name:
                    return True
                shown = False
        return shown

    def _columns(
        self, asked: Sequence[tuple[RunGroup, str]], sub_split: str | None = None
    ) -> list[ColumnPlan]:
        several = len({group.name for group, _ in asked}) > 1
        columns = []
        for group, name in asked:
            # A group that lists "bias" is shown under "bias_detailed" too.
            if name.replace("_detailed", "") not in group.metric_groups:
                continue
            family: MetricGroup = self.families[name]
            for metric in family.metrics:
                matcher = metric.substituted(group.environment)
                if sub_split is not None:
                    matcher = matcher.model_copy(update={"sub_split": sub_split})
                header = self.metrics.get(matcher.name)
                if header is None:
                    continue
                heading = header.label
                if matcher.perturbation_name is not None:
                    named = self.perturbations.get(matcher.perturbation_name)
                    heading += f" ({named.label if named else matcher.perturbation_name})"
                if several:
                    heading = f"{group.label} - {heading}"
                columns.append(ColumnPlan(heading, group.name, matcher, header.lower_is_better))
        return columns

    def _rows(self, rows: Rows) -> list[RowPlan]:
        """Rows in the order of the models, unknown ones first; labels say what differs."""

        def place(key: Adapter) -> tuple[int, str]:
            deployment = str(dict(key).get("model_deployment", ""))
            return (self.models[deployment][0] if deployment in self.models else -1, deployment)

        ordered = sorted(rows, key=place)
        planned = []
        told = self.told_apart.setdefault(tuple(ordered), [])
        if not told:  # the tables of a suite have few different sets of rows
            told += distinguishing([dict(k) for k in ordered])
        for key, info in zip(ordered, told, strict=True):
            model = str(dict(key).get("model", ""))
            shown = {k: v for k, v in info.items() if k not in ("model", "model_deployment")}
            display = self._display_name(model, str(dict(key).get("model_deployment", "")))
            label = display + (f" [{words(shown)}]" if shown else "")
            planned.append(RowPlan(label, model, rows[key]))
        return planned

    def _display_name(self, model: str, deployment: str) -> str:
        for name in (model, deployment):
            if name in self.models:
                return self.models[name][1].display_name or name
        return model or "???"
