"""Tests of small-study effects (table S4), each with its flag where studies are few."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from forestry.tables.format import NONE, count, p_value, sentence, significant
from forestry.tables.model import Column, Row, Table, section
from forestry.tables.outcomes import Outcome

FEWER_THAN_10 = "fewer than 10 studies"

TESTS = {
    "egger": "Egger",
    "harbord_odds_ratio": "Harbord, odds ratio",
    "harbord_risk_ratio": "Harbord, risk ratio",
    "peters": "Peters",
    "peters_proportion": "Peters, proportion",
    "begg": "Begg and Mazumdar",
    "score_proportion": "Score test, proportion*",
}
OWN = "score_proportion"

COLUMNS = (
    Column("Outcome and variant", width=2.2),
    Column("Test", width=1.7),
    Column("Studies", "right", kind="number"),
    Column("Slope (SE)", "right", width=1.2),
    Column("Statistic", "right", kind="number"),
    Column("df", "right", kind="number"),
    Column("p", "right", kind="number"),
    Column("Remark", width=2.1),
)
NOTES = (
    "Statistic: t of the regression's slope on df degrees of freedom; of Begg and Mazumdar's "
    "rank test, Kendall's τ. p is two-sided.",
    "Fewer than 10 studies: such a test can hardly tell asymmetry from chance, and a high p "
    f"is no evidence of its absence. {NONE} does not exist, or the test cannot be made.",
)
OWN_NOTE = (
    "* In the manner of Harbord's test, for proportions of one arm: this project's own, not a "
    "published test. Harbord's test itself needs two arms."
)


class BiasRow(Protocol):
    """What is read of a test: the fields of a row of bias.csv."""

    outcome: str
    variant: str
    test: str
    k: int
    bias: float | None
    se: float | None
    statistic: float | None
    df: int | None
    p_value: float | None
    fewer_than_10: bool
    note: str


def bias_table(
    tests: Sequence[BiasRow],
    outcomes: Sequence[Outcome],
    variants: Mapping[str, str],
    *,
    id: str,
    title: str,
    names: Mapping[str, str] = TESTS,
) -> Table:
    """The tests of each outcome and variant, in the order of `outcomes` and `variants`.

    variants: each variant's name for a reader, by its id; tests of others are left out.
    """
    rows: list[Row] = []
    for outcome in outcomes:
        own = [test for test in tests if test.outcome == outcome.id and test.variant in variants]
        own.sort(key=lambda test: list(variants).index(test.variant))
        rows += [section(outcome.label)] if own else []
        before = None
        for test in own:
            rows.append(_row(test, variants[test.variant], names, test.variant != before))
            before = test.variant
    shown = any(row.values.get("test") == OWN for row in rows)
    notes = (*NOTES, OWN_NOTE) if shown else NOTES
    return Table(id, title, COLUMNS, tuple(rows), notes)


def _row(test: BiasRow, variant: str, names: Mapping[str, str], first: bool) -> Row:
    cells = (
        variant if first else "",
        names.get(test.test, sentence(test.test.replace("_", " "))),
        str(test.k),
        _slope(test),
        significant(test.statistic),
        count(test.df),
        p_value(test.p_value),
        sentence("; ".join(_remarks(test))),
    )
    fields = BiasRow.__annotations__
    return Row(cells, values={name: getattr(test, name) for name in fields})


def _slope(test: BiasRow) -> str:
    if test.bias is None:
        return NONE
    return significant(test.bias) + ("" if test.se is None else f" ({significant(test.se)})")


def _remarks(test: BiasRow) -> list[str]:
    """The flag first, then what the test had to say; said once where the note says it too."""
    said = [FEWER_THAN_10] if test.fewer_than_10 else []
    return said + [note for note in test.note.split("; ") if note and note not in said]
