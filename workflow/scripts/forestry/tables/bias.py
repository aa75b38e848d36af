"""Tests of small-study effects (table S4), each with its flag where studies are few.

Where no test can be made, a row says why: one for neighbouring variants of one reason,
and one for an outcome without a test in any variant.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from forestry.records import by_outcome
from forestry.results import BiasRecord, Weight
from forestry.tables.format import NONE, count, p_value, sentence, significant, spread
from forestry.tables.model import Column, Row, Table, section
from forestry.tables.outcomes import Outcome
from forestry.tables.sensitivity import SAME, pooled_studies, variants_named

FEWER_THAN_10 = "fewer than 10 studies"
NOT_TESTED = ": not tested"  # said by the row itself
OWN_TEST = "project's own test"  # said by the note
NOWHERE = "Outcomes without a test in any variant"

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
FEW = "†"

COLUMNS = (
    Column("Outcome and variant", width=2.8),
    Column("Test", width=1.85),
    Column("Studies", "right", kind="number"),
    Column("Slope (SE)", "right", width=1.05),
    Column("Statistic", "right", kind="number"),
    Column("df", "right", kind="number"),
    Column("p", "right", kind="number"),
    Column("Remark", width=2.15),
)
NOTES = (
    "Statistic: t of the regression's slope on df degrees of freedom; of Begg and Mazumdar's "
    f"rank test, Kendall's τ. p is two-sided. {NONE} does not exist, or the test cannot be made.",
)
OWN_NOTE = (
    "* In the manner of Harbord's test, for proportions of one arm: this project's own, not a "
    "published test. Harbord's test itself needs two arms."
)
FEW_NOTE = (
    f"{FEW} Fewer than 10 studies: such a test can hardly tell asymmetry from chance, and a "
    "high p is no evidence of its absence."
)


@dataclass(frozen=True)
class _Variant:
    """The tests of a variant, and why none of them is shown, or ""."""

    id: str
    tests: Sequence[BiasRecord]
    reason: str


def declared_tests(
    tests: Sequence[BiasRecord], outcomes: Sequence[Outcome], variants: Mapping[str, str]
) -> list[BiasRecord]:
    """The tests of the outcomes and variants, every one, in the order of the two.

    They are what the table's CSV holds: the table itself leaves out, and joins.
    """
    places, found = {id: place for place, id in enumerate(variants)}, by_outcome(tests)
    return [
        test
        for outcome in outcomes
        for test in sorted(
            (test for test in found.get(outcome.id, []) if test.variant in places),
            key=lambda test: places[test.variant],
        )
    ]


def bias_table(
    tests: Sequence[BiasRecord],
    outcomes: Sequence[Outcome],
    variants: Mapping[str, str],
    weights: Sequence[Weight] = (),
    *,
    id: str,
    title: str,
    main: str = "main",
    names: Mapping[str, str] = TESTS,
    reconstructed: Mapping[tuple[str, str], int] | None = None,
) -> Table:
    """The tests of each outcome and variant, in the order of `outcomes` and `variants`.

    Outcomes without a test in any variant stand at the end. Its rows have no values of
    their own: the numbers behind them are those of `declared_tests`.

    variants: each variant's name for a reader, by its id; tests of others are left out.
    weights: who was pooled, by which a variant is told to have the same studies as
        `main`; where they are not given, its tests are shown again.
    reconstructed: by (outcome, variant), how many of its rows are reconstructed.
    """
    rows: list[Row] = []
    untested: list[Row] = []
    pooled = pooled_studies(weights)
    declared = by_outcome(declared_tests(tests, outcomes, variants))
    for outcome in outcomes:
        own = declared.get(outcome.id, [])
        if any(map(_made, own)):
            found = _variants(own, pooled, main)
            printer = _Printer(variants, names, main, reconstructed or {})
            rows += [section(outcome.label), *printer.outcome(found)]
        elif own:
            untested.append(_quiet(outcome.label, own, _why_not(own)))
    rows += [section(NOWHERE), *untested] if untested else []
    return Table(id, title, COLUMNS, tuple(rows), _notes(rows))


def _notes(rows: Sequence[Row]) -> tuple[str, ...]:
    """The notes on the marks that the rows have."""
    marked = "".join(row.cells[1] for row in rows if row.kind != "section")
    marks = {"*": OWN_NOTE, FEW: FEW_NOTE}
    return (*NOTES, *(note for mark, note in marks.items() if mark in marked))


def _variants(own: Sequence[BiasRecord], pooled: Mapping, main: str) -> list[_Variant]:
    """The variants of an outcome in their order, each with its tests."""
    found = []
    for variant, group in groupby(own, key=lambda test: test.variant):
        tests = list(group)
        studies = pooled.get((tests[0].outcome, variant))
        same = variant != main and studies and studies == pooled.get((tests[0].outcome, main))
        reason = "" if any(map(_made, tests)) else _why_not(tests)
        found.append(_Variant(variant, tests, reason or (SAME if same else "")))
    return found


@dataclass(frozen=True)
class _Printer:
    """The table's rows; the fields are arguments of `bias_table`."""

    variants: Mapping[str, str]
    names: Mapping[str, str]
    main: str
    reconstructed: Mapping[tuple[str, str], int]

    def outcome(self, found: Sequence[_Variant]) -> list[Row]:
        rows: list[Row] = []
        others = [variant.id for variant in found if variant.id != self.main]
        for reason, group in groupby(found, key=lambda variant: variant.reason):
            run = list(group)
            if reason:
                name = variants_named([variant.id for variant in run], others, self.variants)
                rows.append(_quiet(name, [test for one in run for test in one.tests], reason))
                continue
            for one in run:
                first, *more = one.tests
                rows.append(self._row(first, self.variants[one.id]))
                rows += [self._row(test, "") for test in more]
        return rows

    def _row(self, test: BiasRecord, variant: str) -> Row:
        made = _made(test)
        name = self.names.get(test.test, sentence(test.test.replace("_", " ")))
        cells = (
            variant,
            name + (FEW if test.fewer_than_10 and made else ""),
            str(test.k),
            _slope(test),
            significant(test.statistic),
            count(test.df),
            p_value(test.p_value),
            sentence("; ".join(filter(None, [_remark(test), self._solved(test)]))),
        )
        return Row(cells, "body" if made or variant else "quiet")

    def _solved(self, test: BiasRecord) -> str:
        """How many of the variant's rows are reconstructed, where a test was made of them."""
        rows = self.reconstructed.get((test.outcome, test.variant), 0)
        words = "1 row reconstructed" if rows == 1 else f"{rows} rows reconstructed"
        return words if rows and _made(test) else ""


def _made(test: BiasRecord) -> bool:
    return test.bias is not None or test.statistic is not None


def _why_not(tests: Sequence[BiasRecord]) -> str:
    """Why tests could not be made, each reason once."""
    return "; ".join(dict.fromkeys(test.note.removesuffix(NOT_TESTED) for test in tests))


def _quiet(name: str, tests: Sequence[BiasRecord], reason: str) -> Row:
    """A row for variants in which nothing is shown; of their studies, the range."""
    most: dict[str, int] = {}
    for test in tests:  # a test may leave out studies that its variant has
        most[test.variant] = max(test.k, most.get(test.variant, 0))
    empty = ("",) * 4 if reason == SAME else (NONE,) * 4
    return Row((name, "", spread(most.values()), *empty, sentence(reason)), "quiet")


def _slope(test: BiasRecord) -> str:
    if test.bias is None:
        return NONE
    return significant(test.bias) + ("" if test.se is None else f" ({significant(test.se)})")


def _remark(test: BiasRecord) -> str:
    """What the test had to say, without what the marks say."""
    marked = (FEWER_THAN_10, OWN_TEST) if test.test == OWN else (FEWER_THAN_10,)
    notes = test.note.removesuffix(NOT_TESTED).split("; ")
    return "; ".join(note for note in notes if note and note not in marked)
