"""A contract says what a table is: its columns with type, unit, meaning, nullability and checks.

One declaration serves five readers: the Arrow schema that is written, the pandera schema that is
validated, the typed empty view of a table without a snapshot, `headwater describe TABLE` and the
README's data dictionary. This module imports nothing heavy: pandera and pyarrow come on first use.

    class ForecastScores(Contract, table="forecast_scores", unique=("model", "horizon", "seed")):
        '''Error of every model and horizon over all test windows.'''

        model: str = column("name of the forecaster")
        horizon: int = column("reach of the forecast", unit="steps", ge=1)
        mse: float | None = column("mean squared error on standardised data", ge=0)
"""

from __future__ import annotations

import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, ClassVar

from data.lake.errors import ContractError

if TYPE_CHECKING:
    import pandera.pandas as pandera
    import pyarrow as pa

# The Python types a column may be declared with: their Arrow and their DuckDB names.
_TYPES: Mapping[Any, tuple[str, str]] = {
    str: ("string", "VARCHAR"),
    int: ("int64", "BIGINT"),
    float: ("float64", "DOUBLE"),
    bool: ("bool", "BOOLEAN"),
    bytes: ("binary", "BLOB"),
    date: ("date32", "DATE"),
    datetime: ("timestamp[us, tz=UTC]", "TIMESTAMP WITH TIME ZONE"),
    list[str]: ("list<string>", "VARCHAR[]"),
    list[int]: ("list<int64>", "BIGINT[]"),
    list[float]: ("list<double>", "DOUBLE[]"),
}
_MAX_EXAMPLES = 3


@dataclass(frozen=True)
class Column:
    """One column of a contract; `kind`, `name` and `nullable` come from its annotation."""

    meaning: str
    unit: str = ""
    ge: float | None = None
    gt: float | None = None
    le: float | None = None
    lt: float | None = None
    isin: tuple[str, ...] | None = None
    name: str = ""
    kind: Any = str
    nullable: bool = False

    @property
    def sql_type(self) -> str:
        return _TYPES[self.kind][1]

    @property
    def constraint(self) -> str:
        """The checks in words a reader knows: ">= 0, not null"."""
        signs = ((">=", self.ge), (">", self.gt), ("<=", self.le), ("<", self.lt))
        parts = [f"{sign} {bound:g}" for sign, bound in signs if bound is not None]
        if self.isin:
            parts.append("one of " + ", ".join(self.isin))
        if not self.nullable:
            parts.append("not null")
        return ", ".join(parts)


def column(
    meaning: str,
    *,
    unit: str = "",
    ge: float | None = None,
    gt: float | None = None,
    le: float | None = None,
    lt: float | None = None,
    isin: Sequence[str] | None = None,
) -> Any:
    """Declares a column in the body of a contract; the annotation gives its type."""
    return Column(meaning, unit, ge, gt, le, lt, tuple(isin) if isin else None)


class Contract:
    """Base of all tables; see the module's docstring for the form of a declaration.

    table: name of the table, of the step that makes it and of its view.
    unique: columns whose values together name a row.
    partition: columns that are constant within a snapshot; the view of the table then shows the
        latest snapshot for each of their values, otherwise the latest snapshot alone.
    """

    table: ClassVar[str]
    unique: ClassVar[tuple[str, ...]]
    partition: ClassVar[tuple[str, ...]]
    columns: ClassVar[tuple[Column, ...]]

    def __init_subclass__(
        cls, table: str, unique: tuple[str, ...] = (), partition: tuple[str, ...] = ()
    ) -> None:
        hints = typing.get_type_hints(cls)
        declared = [name for name, value in vars(cls).items() if isinstance(value, Column)]
        cls.table, cls.unique, cls.partition = table, unique, partition
        cls.columns = tuple(_typed(table, name, vars(cls)[name], hints[name]) for name in declared)
        unknown = {*unique, *partition} - set(declared)
        if unknown:
            raise TypeError(f"contract {table}: no column {sorted(unknown)} to be unique by")

    @classmethod
    def meaning(cls) -> str:
        """The first line of the docstring: the table's entry in the catalogue."""
        return (cls.__doc__ or "").strip().splitlines()[0]

    @classmethod
    def arrow_schema(cls) -> pa.Schema:
        import pyarrow as pa

        aliases = {
            "date32": pa.date32(),
            "timestamp[us, tz=UTC]": pa.timestamp("us", tz="UTC"),
            "list<string>": pa.list_(pa.string()),
            "list<int64>": pa.list_(pa.int64()),
            "list<double>": pa.list_(pa.float64()),
        }
        return pa.schema(
            pa.field(
                c.name,
                aliases.get(_TYPES[c.kind][0]) or pa.type_for_alias(_TYPES[c.kind][0]),
                nullable=c.nullable,
                metadata={"meaning": c.meaning, "unit": c.unit},
            )
            for c in cls.columns
        )

    @classmethod
    def pandera_schema(cls) -> pandera.DataFrameSchema:
        import pandera.pandas as pandera

        return pandera.DataFrameSchema(
            {
                c.name: pandera.Column(
                    checks=[
                        check(bound)
                        for check, bound in (
                            (pandera.Check.ge, c.ge),
                            (pandera.Check.gt, c.gt),
                            (pandera.Check.le, c.le),
                            (pandera.Check.lt, c.lt),
                            (pandera.Check.isin, c.isin),
                        )
                        if bound is not None
                    ],
                    nullable=c.nullable,
                )
                for c in cls.columns
            },
            unique=list(cls.unique) or None,
        )

    @classmethod
    def conform(cls, rows: pa.Table) -> pa.Table:
        """`rows` in the contract's column order and types, after every check has passed.

        Raises ContractError naming table, column, check, count and an example.
        """
        names = [c.name for c in cls.columns]
        missing = [n for n in names if n not in rows.column_names]
        extra = [n for n in rows.column_names if n not in names]
        if missing or extra:
            problems = [f"lacks {missing}"] * bool(missing) + [f"has unknown {extra}"] * bool(extra)
            raise ContractError(f"table {cls.table}: {' and '.join(problems)}")
        typed = _cast(cls.table, rows.select(names), cls.arrow_schema())
        _check_values(cls, typed)
        return typed


def _typed(table: str, name: str, declared: Column, hint: Any) -> Column:
    arguments = typing.get_args(hint)
    nullable = type(None) in arguments and typing.get_origin(hint) is not list
    kind = next(a for a in arguments if a is not type(None)) if nullable else hint
    if kind not in _TYPES:
        raise TypeError(f"contract {table}: column {name} has the unsupported type {hint}")
    return Column(**{**vars(declared), "name": name, "kind": kind, "nullable": nullable})


def _cast(table: str, rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """Column by column, so that the error can name the one that does not fit."""
    import pyarrow as pa

    columns = []
    for field in schema:
        values = rows.column(field.name)
        try:
            columns.append(values.cast(field.type))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError) as error:
            raise ContractError(
                f"table {table}, column {field.name}: expected {field.type}, got {values.type} "
                f"({str(error).splitlines()[0]})"
            ) from error
        if not field.nullable and values.null_count:
            raise ContractError(
                f"table {table}, column {field.name}: check 'not null' fails in "
                f"{values.null_count} of {len(values)} rows"
            )
    return pa.table(columns, schema=schema)


def _check_values(contract: type[Contract], rows: pa.Table) -> None:
    # A float column may hold NaN, which is no value either; other plain columns were checked by
    # their type alone.
    wanted = [
        c.name
        for c in contract.columns
        if c.kind is float or c.name in contract.unique or c.constraint not in ("", "not null")
    ]
    _check_partition(contract, rows)
    if not wanted or not rows.num_rows or _plainly_kept(contract, rows):
        return
    import pandera.errors

    frame = rows.select(wanted).to_pandas()
    schema = contract.pandera_schema()
    schema = schema.remove_columns([n for n in schema.columns if n not in wanted])
    try:
        schema.validate(frame, lazy=True)
    except pandera.errors.SchemaErrors as error:
        first = error.failure_cases.iloc[0]
        same = error.failure_cases["check"] == first["check"]
        failed = error.failure_cases.loc[same, "index"].dropna().unique()
        if first["check"] == "multiple_fields_uniqueness":
            where, check = ", ".join(contract.unique), "unique together"
        else:
            where, check = first["column"], str(first["check"])
        examples = frame.loc[failed[:_MAX_EXAMPLES], where.split(", ")].to_numpy().tolist()
        raise ContractError(
            f"table {contract.table}, column {where}: check '{check}' fails in "
            f"{len(failed)} of {len(frame)} rows, such as {', '.join(map(str, examples))}"
        ) from error


def _plainly_kept(contract: type[Contract], rows: pa.Table) -> bool:
    """Whether Arrow alone can tell that the checks pass, in a fraction of pandera's time.

    False says no more than that pandera has to look, which also finds the words for what is wrong.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    for c in contract.columns:
        values = rows.column(c.name)
        if c.isin and not pc.all(pc.is_in(values, pa.array([*c.isin, None]))).as_py():
            return False
        if c.kind is float and pc.any(pc.is_nan(values)).as_py():
            return False
        if all(bound is None for bound in (c.ge, c.gt, c.le, c.lt)):
            continue
        if c.kind not in (int, float):
            return False
        low, high = pc.min_max(values).as_py().values()
        if low is not None and not (
            (c.ge is None or low >= c.ge)
            and (c.gt is None or low > c.gt)
            and (c.le is None or high <= c.le)
            and (c.lt is None or high < c.lt)
        ):
            return False
    kinds = {c.kind for c in contract.columns if c.name in contract.unique}
    if not kinds <= {str, int, bool}:
        return False
    by = list(contract.unique)
    return not by or rows.select(by).group_by(by).aggregate([]).num_rows == rows.num_rows


def _check_partition(contract: type[Contract], rows: pa.Table) -> None:
    import pyarrow.compute as pc

    for name in contract.partition:
        values = pc.unique(rows.column(name)).to_pylist()
        if len(values) > 1:
            raise ContractError(
                f"table {contract.table}, column {name}: a snapshot holds one value of it, "
                f"got {len(values)}"
            )
