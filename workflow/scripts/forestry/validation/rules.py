"""The rules between the cells of a row and between the rows of a table, as sentences."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from forestry.measure_kinds import KINDS, RATIOS
from forestry.validation.columns import number

Row = Mapping[str, str]

REPORTED, DERIVED, UNAVAILABLE, RECONSTRUCTED = (
    "reported",
    "derived",
    "unavailable",
    "reconstructed",
)
STATUSES = (REPORTED, DERIVED, UNAVAILABLE, RECONSTRUCTED)


@dataclass(frozen=True)
class Rule:
    """A rule of a row: `broken` gives its sentence, or "". It blames a cell of `column`.

    Where the table lacks a column that the rule `uses`, the rule says nothing: the missing
    column is the fault.
    """

    column: str
    uses: tuple[str, ...]
    broken: Callable[[Row], str]

    def sentences(self, rows: Sequence[Row], lines: Sequence[int]) -> list[str]:
        """The sentence of every row, in their order."""
        return [self.broken(row) for row in rows]


@dataclass(frozen=True)
class Unique:
    """No two rows have the same cells in `uses` (upper and lower case are the same)."""

    uses: tuple[str, ...]

    @property
    def column(self) -> str:
        return self.uses[0]

    def sentences(self, rows: Sequence[Row], lines: Sequence[int]) -> list[str]:
        first: dict[tuple[str, ...], int] = {}
        said = []
        for row, line in zip(rows, lines, strict=True):
            key = tuple(row[column].strip().casefold() for column in self.uses)
            earlier = first.setdefault(key, line) if any(key) else line
            said.append(
                f"must not stand twice: it is already on line {earlier}" * (earlier != line)
            )
        return said


# Numbers ----------------------------------------------------------------------------------


def at_most(column: str, limit: str) -> Rule:
    def broken(row: Row) -> str:
        value, most = number(row[column]), number(row[limit])
        over = None not in (value, most) and value > most
        return f"{column} must not exceed {limit} ({row[limit].strip()})" if over else ""

    return Rule(column, (column, limit), broken)


def sum_at_most(columns: Sequence[str], limit: str) -> Rule:
    def broken(row: Row) -> str:
        values = [number(row[column]) or 0.0 for column in columns]
        most = number(row[limit])
        if most is None or sum(values) <= most:
            return ""
        return (
            f"{', '.join(columns)} add to {sum(values):g}: "
            f"they must not exceed {limit} ({row[limit].strip()})"
        )

    return Rule(columns[0], (*columns, limit), broken)


def in_order(*columns: str) -> list[Rule]:
    """Each number is not below the number that comes before it and is known."""
    return [_not_below(column, columns[:i]) for i, column in enumerate(columns) if i]


def _not_below(column: str, before: Sequence[str]) -> Rule:
    def broken(row: Row) -> str:
        known = [name for name in before if number(row[name]) is not None]
        value = number(row[column])
        if not known or value is None or value >= number(row[known[-1]]):
            return ""
        return f"{column} must not be below {known[-1]} ({row[known[-1]].strip()})"

    return Rule(column, (column, *before), broken)


def within(column: str, low: str, high: str) -> Rule:
    """A number lies between two others, where these are known and in order."""

    def broken(row: Row) -> str:
        value, least, most = (number(row[name]) for name in (column, low, high))
        if value is None or (None not in (least, most) and least > most):
            return ""
        below, above = least is not None and value < least, most is not None and value > most
        limits = f"{row[low].strip() or '?'} to {row[high].strip() or '?'}"
        return f"{column} must lie between {low} and {high} ({limits})" if below or above else ""

    return Rule(column, (column, low, high), broken)


def interval(estimate: str, low: str, high: str) -> list[Rule]:
    """Both limits or neither, in order, the estimate between them."""
    return [_needs(low, high), _needs(high, low), *in_order(low, high), within(estimate, low, high)]


def _needs(column: str, other: str) -> Rule:
    def broken(row: Row) -> str:
        half = not row[column].strip() and row[other].strip()
        return f"must be given where {other} is: half an interval cannot be used" if half else ""

    return Rule(column, (column, other), broken)


# Status, basis, source --------------------------------------------------------------------


def known_where_given(*alternatives: Sequence[str]) -> list[Rule]:
    """A row that is not `unavailable` gives all numbers of one of the alternatives."""
    uses = tuple(dict.fromkeys(column for each in alternatives for column in each))
    said = " or ".join(" and ".join(each) for each in alternatives)

    def broken(row: Row) -> str:
        status = row["status"].strip()
        if status not in STATUSES or status == UNAVAILABLE:
            return ""
        if any(all(row[column].strip() for column in each) for each in alternatives):
            return ""
        return f"a row with status {status} must give {said}; without them it is {UNAVAILABLE}"

    return [Rule("status", ("status", *uses), broken)]


def empty_where_unavailable(*columns: str) -> list[Rule]:
    return [_empty_where_unavailable(column) for column in columns]


def _empty_where_unavailable(column: str) -> Rule:
    def broken(row: Row) -> str:
        given = row["status"].strip() == UNAVAILABLE and row[column].strip()
        return f"must be empty where status is {UNAVAILABLE}" if given else ""

    return Rule(column, (column, "status"), broken)


def provenance() -> list[Rule]:
    """What each status needs of source, basis and evidence."""
    return [
        Rule("source", ("status", "source"), _source),
        Rule("basis", ("status", "basis"), _basis),
        Rule("evidence", ("status", "evidence"), _evidence),
    ]


def _source(row: Row) -> str:
    missing = row["status"].strip() == REPORTED and not row["source"].strip()
    return "a reported number must name its public source" if missing else ""


def _basis(row: Row) -> str:
    status, basis = row["status"].strip(), row["basis"].strip()
    if status == REPORTED and basis != "source":
        return "the basis of a reported number must be source"
    if status == DERIVED and not basis:
        return "a derived number must have a basis: source, or published: and an outcome"
    if status == RECONSTRUCTED and not basis.startswith("published:"):
        return "the basis of a reconstructed number must be published: and an outcome"
    return ""


def _evidence(row: Row) -> str:
    status = row["status"].strip()
    missing = status in (DERIVED, RECONSTRUCTED) and not row["evidence"].strip()
    return f"a {status} number must say in evidence how it was obtained" if missing else ""


def known_as(status: str, number: str, evidence: str, source: str) -> list[Rule]:
    """`number` is there where `status` says so, with its evidence or its source."""

    def fits(row: Row) -> str:
        said, given = row[status].strip(), bool(row[number].strip())
        if said == UNAVAILABLE and given:
            return f"must be empty where {status} is {UNAVAILABLE}"
        missing = said in (REPORTED, DERIVED) and not given
        return f"must be given where {status} is {said}" if missing else ""

    def shown(row: Row) -> str:
        missing = row[status].strip() == DERIVED and not row[evidence].strip()
        return f"a derived {number} must say here how it was obtained" if missing else ""

    def sourced(row: Row) -> str:
        missing = row[status].strip() == REPORTED and not row[source].strip()
        return f"a reported {number} must name its public source" if missing else ""

    return [
        Rule(number, (number, status), fits),
        Rule(evidence, (evidence, status), shown),
        Rule(source, (source, status), sourced),
    ]


# Published results ------------------------------------------------------------------------


def on_its_scale(column: str) -> Rule:
    """A percentage is from 0 to 100; a ratio is above 0."""

    def broken(row: Row) -> str:
        value, unit = number(row[column]), row["unit"].strip()
        if value is None:
            return ""
        if unit == "percent" and not 0 <= value <= 100:
            return "a percentage must be from 0 to 100"
        return "a ratio must be above 0" if unit == "ratio" and value <= 0 else ""

    return Rule(column, (column, "unit"), broken)


def unit_of_statistic() -> Rule:
    """Proportions are in percent, ratios have the unit `ratio`, other measures neither."""

    def broken(row: Row) -> str:
        statistic, unit = row["statistic"].strip(), row["unit"].strip()
        wanted = {"proportion": "percent", **dict.fromkeys(RATIOS, "ratio")}
        if statistic in wanted:
            right = unit == wanted[statistic]
            return "" if right else f"the unit of a {statistic} must be {wanted[statistic]}"
        percent = unit == "percent" and statistic == "risk_difference"
        wrong = unit in ("percent", "ratio") and statistic in KINDS and not percent
        return f"the unit of a {statistic} cannot be {unit}" if wrong else ""

    return Rule("unit", ("statistic", "unit"), broken)


def drawn_outcome(column: str) -> Rule:
    """A figure of an outcome names it; the flow diagram has none."""

    def broken(row: Row) -> str:
        kind, given = row["kind"].strip(), bool(row[column].strip())
        if kind == "prisma_flow" and given:
            return "must be empty: the flow diagram is of the whole review"
        missing = kind and kind != "prisma_flow" and not given
        return f"a {kind} figure must name its {column}" if missing else ""

    return Rule(column, (column, "kind"), broken)
