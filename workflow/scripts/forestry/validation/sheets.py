"""The families of tables: their columns, and what a table must satisfy by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import pandas as pd
import pandera.pandas as pa
from pandera.errors import SchemaError, SchemaErrorReason, SchemaErrors

from forestry.faults import Fault
from forestry.rows import NUMBERS
from forestry.validation import columns as kind
from forestry.validation import rules
from forestry.validation.columns import Column, category
from forestry.validation.declaration import text, texts
from forestry.validation.reading import Table
from forestry.validation.rules import Rule, Unique
from forestry.validation.words import unknown

FIGURE_KINDS = ("forest", "funnel", "subgroup_forest", "prisma_flow")


@dataclass(frozen=True)
class Family:
    """Tables of the same columns and rules; `declared` is what config.yaml says of them."""

    name: str
    columns: tuple[Column, ...]
    rules: tuple[Rule | Unique, ...]
    declared: str = ""

    @cached_property
    def by_name(self) -> dict[str, Column]:
        return {column.name: column for column in self.columns}

    @cached_property
    def by_rule(self) -> dict[str, Rule | Unique]:
        """The rules by the names of their checks, which no column has."""
        return {f"rule {i}": rule for i, rule in enumerate(self.rules, start=1)}

    @cached_property
    def schema(self) -> pa.DataFrameSchema:
        """The family as a pandera schema: all cells are texts, no column more or less."""
        return pa.DataFrameSchema(
            {column.name: pa.Column(object, _cell_check(column)) for column in self.columns},
            checks=[_row_check(name, rule) for name, rule in self.by_rule.items()],
            strict=True,
            name=self.name,
        )


def _cell_check(column: Column) -> pa.Check:
    def holds(cells: pd.Series) -> pd.Series:
        return pd.Series([not column.broken(cell) for cell in cells], cells.index, bool)

    return pa.Check(holds, name=column.name, error=column.allows)


def _row_check(name: str, rule: Rule | Unique) -> pa.Check:
    def holds(frame: pd.DataFrame) -> pd.Series:
        if not set(rule.uses) <= set(frame.columns):
            return pd.Series(True, frame.index, bool)
        rows = [dict(zip(frame.columns, cells, strict=True)) for cells in frame.to_numpy()]
        said = rule.sentences(rows, list(frame.index))
        return pd.Series([not sentence for sentence in said], frame.index, bool)

    return pa.Check(holds, name=name, error=f"a rule of {rule.column}")


# Checking ---------------------------------------------------------------------------------


def sheet_faults(table: Table, family: Family) -> list[Fault]:
    """Every fault of a table by itself."""
    cells = [[row[column] for column in table.header] for row in table.rows]
    frame = pd.DataFrame(cells, list(table.lines), list(table.header), dtype=object)
    try:
        family.schema.validate(frame, lazy=True)
    except SchemaErrors as errors:
        return [fault for error in errors.schema_errors for fault in _faults(error, table, family)]
    return []


def _faults(error: SchemaError, table: Table, family: Family) -> list[Fault]:
    reason = error.reason_code
    if reason is SchemaErrorReason.COLUMN_NOT_IN_DATAFRAME:
        return [Fault(table.file, "", str(error.failure_cases), "", "the column is missing")]
    if reason is SchemaErrorReason.COLUMN_NOT_IN_SCHEMA:
        name = str(error.failure_cases)
        rule = unknown("column", name, family.by_name)
        return [Fault(table.file, "", name, "", rule)]
    if reason is not SchemaErrorReason.DATAFRAME_CHECK:
        raise error  # a check that itself fails is ours to mend, not the reader's
    return _cell_faults(error, table, family)


def _cell_faults(error: SchemaError, table: Table, family: Family) -> list[Fault]:
    rule = family.by_rule.get(error.check.name)
    if rule:
        column, said = rule.column, rule.sentences(table.rows, table.lines)
    else:
        column = error.check.name
        said = [family.by_name[column].broken(row[column]) for row in table.rows]
    return [
        table.fault(line, row, column, sentence)
        for (line, row), sentence in zip(table, said, strict=True)
        if sentence
    ]


# Extraction sheets ------------------------------------------------------------------------

STUDY = (Column("study_id", kind.STUDY_ID, needed=True),)
UNIT = (Column("unit", kind.TEXT, needed=True),)
STATE = (
    Column("status", category(*rules.STATUSES), rules.STATUSES, needed=True),
    Column("basis", kind.BASIS),
    Column("source", kind.TEXT),
    Column("evidence", kind.TEXT),
    Column("note", kind.TEXT),
)
ONCE = (Unique(("study_id",)),)


def _extraction(name: str, columns: Sequence[Column], own: Sequence[Rule]) -> Family:
    return Family(name, (*STUDY, *columns, *STATE), (*ONCE, *own, *rules.provenance()))


def _columns(of: kind.Kind, *names: str) -> tuple[Column, ...]:
    return tuple(Column(name, of) for name in names)


COUNTS = _extraction(
    "counts",
    [*_columns(kind.COUNT, "events"), *_columns(kind.SIZE, "total")],
    [
        rules.at_most("events", "total"),
        *rules.known_where_given(("events", "total")),
        *rules.empty_where_unavailable("events", "basis"),
    ],
)
TWO_ARM_COUNTS = _extraction(
    "two-arm counts",
    [
        *_columns(kind.COUNT, "events"),
        *_columns(kind.SIZE, "total"),
        *_columns(kind.COUNT, "control_events"),
        *_columns(kind.SIZE, "control_total"),
    ],
    [
        rules.at_most("events", "total"),
        rules.at_most("control_events", "control_total"),
        *rules.known_where_given(("events", "total", "control_events", "control_total")),
        *rules.empty_where_unavailable("events", "control_events", "basis"),
    ],
)
MEANS = _extraction(
    "means",
    [
        *_columns(kind.SIZE, "n"),
        *_columns(kind.ANY_NUMBER, "mean"),
        *_columns(kind.POSITIVE, "sd"),
        *_columns(kind.ANY_NUMBER, "median", "q1", "q3", "min", "max"),
        *UNIT,
    ],
    [
        *rules.in_order("min", "q1", "median", "q3", "max"),
        rules.within("mean", "min", "max"),
        *rules.known_where_given(("mean",), ("median",)),
        *rules.empty_where_unavailable(
            *("mean", "sd", "median", "q1", "q3", "min", "max", "basis")
        ),
    ],
)
CHANGES = _extraction(
    "changes",
    [
        *_columns(kind.SIZE, "n"),
        *_columns(kind.ANY_NUMBER, "baseline_mean"),
        *_columns(kind.POSITIVE, "baseline_sd"),
        *_columns(kind.ANY_NUMBER, "end_mean"),
        *_columns(kind.POSITIVE, "end_sd"),
        *_columns(kind.ANY_NUMBER, "change_mean"),
        *_columns(kind.POSITIVE, "change_sd"),
        *_columns(kind.ANY_NUMBER, "change_ci_low", "change_ci_high"),
        *UNIT,
    ],
    [
        *rules.interval("change_mean", "change_ci_low", "change_ci_high"),
        *rules.known_where_given(("change_mean",), ("baseline_mean", "end_mean")),
        *rules.empty_where_unavailable(
            *("baseline_mean", "baseline_sd", "end_mean", "end_sd"),
            *("change_mean", "change_sd", "change_ci_low", "change_ci_high", "basis"),
        ),
    ],
)
TWO_ARM_MEANS = _extraction(
    "two-arm means",
    [
        *_columns(kind.SIZE, "n"),
        *_columns(kind.ANY_NUMBER, "mean"),
        *_columns(kind.POSITIVE, "sd"),
        *_columns(kind.SIZE, "control_n"),
        *_columns(kind.ANY_NUMBER, "control_mean"),
        *_columns(kind.POSITIVE, "control_sd"),
        *UNIT,
    ],
    [
        *rules.known_where_given(("mean", "control_mean")),
        *rules.empty_where_unavailable("mean", "sd", "control_mean", "control_sd", "basis"),
    ],
)
RATES = _extraction(
    "rates",
    [*_columns(kind.COUNT, "events"), *_columns(kind.POSITIVE, "person_time"), *UNIT],
    [
        *rules.known_where_given(("events", "person_time")),
        *rules.empty_where_unavailable("events", "basis"),
    ],
)
TWO_ARM_RATES = _extraction(
    "two-arm rates",
    [
        *_columns(kind.COUNT, "events"),
        *_columns(kind.POSITIVE, "person_time"),
        *_columns(kind.COUNT, "control_events"),
        *_columns(kind.POSITIVE, "control_person_time"),
        *UNIT,
    ],
    [
        *rules.known_where_given(
            ("events", "person_time", "control_events", "control_person_time")
        ),
        *rules.empty_where_unavailable("events", "control_events", "basis"),
    ],
)
CORRELATIONS = _extraction(
    "correlations",
    [*_columns(kind.SIZE, "n"), *_columns(kind.CORRELATION, "correlation")],
    [
        *rules.known_where_given(("correlation",)),
        *rules.empty_where_unavailable("correlation", "basis"),
    ],
)
ESTIMATES = _extraction(
    "estimates",
    [
        *_columns(kind.ANY_NUMBER, "estimate"),
        *_columns(kind.POSITIVE, "se"),
        *_columns(kind.ANY_NUMBER, "ci_low", "ci_high"),
    ],
    [
        *rules.interval("estimate", "ci_low", "ci_high"),
        *rules.known_where_given(("estimate",)),
        *rules.empty_where_unavailable("estimate", "se", "ci_low", "ci_high", "basis"),
    ],
)
EXTRACTION = (
    *(COUNTS, TWO_ARM_COUNTS, MEANS, CHANGES, TWO_ARM_MEANS),
    *(RATES, TWO_ARM_RATES, CORRELATIONS, ESTIMATES),
)

# Which families hold the numbers of a measure: those with all of its columns.
FAMILIES_OF = {
    measure: tuple(f for f in EXTRACTION if set(numbers) <= set(f.by_name))
    for measure, numbers in NUMBERS.items()
}

# Studies ----------------------------------------------------------------------------------

STUDY_NAMES = (*STUDY, Column("label", kind.TEXT, needed=True))
STUDY_KINDS = {
    "text": kind.TEXT,
    "count": kind.COUNT,
    "number": kind.ANY_NUMBER,
    "doi": kind.DOI,
    "columns": kind.NAMES,
}


def _chosen(name: str, *values: str, needed: bool = False) -> Column:
    return Column(name, category(*values), values, needed)


def studies_family(declared: Mapping[str, Mapping]) -> Family:
    """The family of studies.csv: study_id, label and the declared columns.

    `declared` is the section ``studies`` of config.yaml.
    """
    own = {name: _study_column(name, about) for name, about in declared.items()}
    found = [
        *_limits(declared, own),
        *(rule for name in own for rule in _summary_rules(name, own)),
        *(rule for name, about in declared.items() for rule in _status_rules(name, about, own)),
    ]
    columns, rules = (*STUDY_NAMES, *own.values()), (*ONCE, Unique(("label",)), *found)
    return Family("studies", columns, rules, repr(declared))


def _study_column(name: str, about: Mapping) -> Column:
    needed = about.get("needed") is True
    if text(about, "type") == "category":
        return _chosen(name, *texts(about, "values"), needed=needed)
    return Column(name, _study_kind(about), needed=needed)


def _study_kind(about: Mapping) -> kind.Kind:
    least, limit = about.get("minimum"), about.get("above")
    if text(about, "type") == "count" and isinstance(least, int):
        return kind.whole(least)
    if text(about, "type") == "number" and isinstance(least, int | float):
        return kind.at_least(least)
    if text(about, "type") == "number" and isinstance(limit, int | float):
        return kind.above(limit)
    return STUDY_KINDS.get(text(about, "type"), kind.TEXT)


def _limits(declared: Mapping[str, Mapping], own: Mapping[str, Column]) -> list[Rule]:
    """Columns that must not exceed another, alone or together."""
    parts: dict[str, list[str]] = {}
    for name, about in declared.items():
        if text(about, "part_of") in own:
            parts.setdefault(text(about, "part_of"), []).append(name)
    found = [rules.sum_at_most(columns, limit) for limit, columns in parts.items()]
    alone = ((name, text(about, "at_most")) for name, about in declared.items())
    return [*found, *(rules.at_most(name, limit) for name, limit in alone if limit in own)]


def _summary_rules(name: str, own: Mapping[str, Column]) -> list[Rule]:
    """A mean, minimum, median and maximum of the same thing are in order."""
    prefix = name.removesuffix("_mean")
    low, median, high = (f"{prefix}_{part}" for part in ("min", "median", "max"))
    if prefix == name or not {low, median, high} <= set(own):
        return []
    return [*rules.in_order(low, median, high), rules.within(name, low, high)]


def _status_rules(name: str, about: Mapping, own: Mapping[str, Column]) -> list[Rule]:
    """A column that says how another is known agrees with it."""
    others = [text(about, key) for key in ("status_of", "evidence", "source")]
    return rules.known_as(name, *others) if set(others) <= set(own) else []


# Quality, published results, figures ------------------------------------------------------

DOMAINS = (
    *("random_sequence", "allocation_concealment", "blinding_participants"),
    *("blinding_outcome", "incomplete_data", "selective_reporting", "other"),
)
STARS = {
    **dict.fromkeys(("selection1", "selection2", "selection3", "selection4"), ("0", "1")),
    "comparability": ("0", "1", "2"),
    **dict.fromkeys(("outcome1", "outcome2", "outcome3"), ("0", "1")),
}
QUALITY_ROB = Family(
    "quality_rob",
    (
        *STUDY,
        *(_chosen(domain, "low", "unclear", "high") for domain in DOMAINS),
        Column("basis", kind.TEXT, needed=True),
    ),
    ONCE,
)
QUALITY_NOS = Family(
    "quality_nos",
    (
        *STUDY,
        *(_chosen(item, *stars) for item, stars in STARS.items()),
        Column("basis", kind.TEXT, needed=True),
    ),
    ONCE,
)
PUBLISHED = Family(
    "published",
    (
        Column("outcome", kind.STUDY_ID, needed=True),
        Column("variant", kind.STUDY_ID, needed=True),
        _chosen("statistic", *NUMBERS, needed=True),
        *_columns(kind.COUNT, "k"),
        *_columns(kind.SIZE, "n"),
        Column("estimate", kind.ANY_NUMBER, needed=True),
        *_columns(kind.ANY_NUMBER, "ci_low", "ci_high"),
        *_columns(kind.PERCENT, "i2"),
        Column("p_heterogeneity", kind.P_VALUE),
        Column("unit", kind.TEXT, needed=True),
        *_columns(kind.TEXT, "display"),
        Column("studies", kind.REFERENCES),
        *_columns(kind.TEXT, "note"),
    ),
    (
        Unique(("outcome", "variant", "statistic")),
        *rules.interval("estimate", "ci_low", "ci_high"),
        *(rules.on_its_scale(column) for column in ("estimate", "ci_low", "ci_high")),
        rules.unit_of_statistic(),
    ),
)
TESTS_CLAIMED = ("subgroup_differences", "heterogeneity")
PUBLISHED_TESTS = Family(
    "published_tests",
    (
        Column("outcome", kind.STUDY_ID, needed=True),
        Column("variant", kind.STUDY_ID, needed=True),
        _chosen("test_claimed", *TESTS_CLAIMED, needed=True),
        *_columns(kind.NOT_NEGATIVE, "statistic"),
        *_columns(kind.SIZE, "df"),
        Column("p", kind.P_VALUE),
        Column("groups", kind.NAMES),
        *_columns(kind.TEXT, "note"),
    ),
    (Unique(("outcome", "variant", "test_claimed")),),
)
FIGURES = Family(
    "figures",
    (
        Column("figure", kind.FIGURE_ID, needed=True),
        Column("annexure", kind.ANNEXURE, needed=True),
        _chosen("kind", *FIGURE_KINDS, needed=True),
        *_columns(kind.STUDY_ID, "outcome", "variant"),
    ),
    (Unique(("figure",)), rules.drawn_outcome("outcome"), rules.drawn_outcome("variant")),
)
