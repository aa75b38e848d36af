"""Sensitivity (table S3): every outcome under every variant, beside its main analysis.

Neighbouring variants that change nothing, or in which nothing can be pooled for the same
reason, share a row; so does all of an outcome that cannot be pooled in any variant.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from forestry.figures.wording import NumberFormat
from forestry.measure_kinds import RATIOS
from forestry.records import by_outcome
from forestry.results import Estimate, Weight
from forestry.tables.bootstrap import BootstrapColumn
from forestry.tables.format import (
    NONE,
    TIMES,
    count,
    estimate_format,
    interval,
    number,
    percent,
    sentence,
    signed,
    spread,
    with_interval,
)
from forestry.tables.model import Column, Row, Table, section
from forestry.tables.outcomes import Outcome, of_outcome, reported

SAME = "same studies as main"
NO_MAIN = "main analysis has no estimate"
RECONSTRUCTED = "reconstructed\N{DAGGER}"
NOWHERE = "Outcomes that are not pooled in any variant"

COLUMNS = (
    Column("Outcome and variant", width=2.1),
    Column("Studies", "right", kind="number"),
    Column("Partici\u00adpants", "right", kind="number"),
    Column("Estimate (95% CI)", "center", width=1.35),
    Column("I²,\N{NO-BREAK SPACE}%", "right", kind="number"),
    Column("Change from main", "right", width=1.05, kind="number"),
    Column("Remark", width=2.1),
)
BOOTSTRAP = Column("Bootstrap 95% CI", "center", width=1.2)
NOTES = (
    "Change from main: the variant's estimate less that of the main analysis, in percentage "
    f"points or in the outcome's unit; of a ratio, the ratio of the two ({TIMES}).",
    f"Each line gives the model that the review's rule reports for it. {NONE} does not exist.",
)
RECONSTRUCTED_NOTE = (
    "\N{DAGGER} Rows solved from the article's own pooled results, which agreement with these "
    "results therefore does not support; the variant of reported rows has none of them."
)
IN_TURN_NOTE = (
    "Where each study is left out in turn, the estimate, I² and the change are ranges of the "
    "results without one study, each by the model reported for it; the remark names the "
    "studies without which the estimate is lowest and highest."
)


@dataclass(frozen=True)
class SensitivityRecord:
    """The values behind the table: display scale, unrounded.

    `change` is a difference (of shares, in 0-1, for proportions) or, for ratio measures,
    a ratio; None in the main analysis and where one of the two has no estimate.
    """

    outcome: str
    variant: str
    left_out: str  # the study, where the variant leaves out each in turn
    measure: str
    k: int
    n: int | None
    estimate: float | None
    ci_low: float | None
    ci_high: float | None
    model: str
    i2: float | None
    change: float | None
    change_kind: str  # difference | ratio | ""
    same_studies: bool | None  # as main; None for main itself
    k_reconstructed: int
    remark: str


def sensitivity_records(
    outcomes: Sequence[Outcome],
    variants: Mapping[str, str],
    estimates: Sequence[Estimate],
    weights: Sequence[Weight],
    *,
    main: str = "main",
    leave_one_out: Collection[str] = (),
) -> list[SensitivityRecord]:
    """Every outcome x variant, in the order of the two; arguments as of `sensitivity_table`.

    They are what the table's CSV holds: the table itself joins some. A variant that leaves
    out each study in turn has a record for each.

    Raises ValueError where an outcome lacks a result of a variant, or has two.
    """
    pooled, found = pooled_studies(weights), by_outcome(estimates)
    records = []
    for outcome in outcomes:
        own = found.get(outcome.id, [])
        reference = reported(own, outcome.id, main)
        for variant in variants:
            if variant in leave_one_out:
                rows = _in_turn(own, outcome.id, variant)
                records += [_record(row, reference, same=False) for row in rows]
                continue
            row = reported(own, outcome.id, variant)
            studies = [pooled.get((outcome.id, v), frozenset()) for v in (variant, main)]
            records.append(_record(row, reference, studies[0] == studies[1]))
    return records


def sensitivity_table(
    outcomes: Sequence[Outcome],
    variants: Mapping[str, str],
    estimates: Sequence[Estimate],
    weights: Sequence[Weight],
    *,
    id: str,
    title: str,
    main: str = "main",
    leave_one_out: Collection[str] = (),
    labels: Mapping[str, str] | None = None,
    bootstrap: BootstrapColumn | None = None,
) -> Table:
    """Every outcome x variant, with k, n, estimate, interval, I2 and the change from `main`.

    Outcomes that are not pooled in any variant stand at the end. Its rows have no values of
    their own: the numbers behind them are those of `sensitivity_records`.

    variants: each variant's name for a reader, by its id, `main` among them.
    weights: who was pooled, by which a variant is told to have changed nothing.
    leave_one_out: the variants that leave out each study in turn: a row shows the range of
        their results, which are the groups of `estimates` named by the study left out.
    labels: each study's label by its id, for those.
    bootstrap: intervals from replicates; a column where given.

    Raises ValueError where an outcome lacks a result of a variant, or a study its label.
    """
    rows: list[Row] = []
    never: list[Row] = []
    records = sensitivity_records(
        outcomes, variants, estimates, weights, main=main, leave_one_out=leave_one_out
    )
    printer = _Printer(variants, main, leave_one_out, labels or {}, bootstrap)
    found, recorded = by_outcome(estimates), by_outcome(records)
    for outcome in outcomes:
        own = recorded[outcome.id]
        titled = outcome.titled(own[0].measure)
        if any(record.estimate is not None for record in own):
            form = estimate_format(of_outcome(found[outcome.id], outcome.id))
            rows += [section(titled), *printer.outcome(own, form)]
        else:
            never.append(printer.quiet(titled, own, _why_not(own)))
    rows += [section(NOWHERE), *never] if never else []
    columns = COLUMNS if bootstrap is None else (*COLUMNS[:-1], BOOTSTRAP, COLUMNS[-1])
    notes = (*NOTES, IN_TURN_NOTE) if leave_one_out else NOTES
    notes = (*notes, *bootstrap.notes) if bootstrap is not None else notes
    if any(record.k_reconstructed for record in records):
        notes = (*notes, RECONSTRUCTED_NOTE)
    return Table(id, title, columns, tuple(rows), notes, landscape=bootstrap is not None)


def pooled_studies(weights: Sequence[Weight]) -> dict[tuple[str, str], frozenset[str]]:
    """Who was pooled, by (outcome, variant); groups of a variant are left out."""
    found: dict[tuple[str, str], set[str]] = {}
    for row in weights:
        if row.included and not row.group:
            found.setdefault((row.outcome, row.variant), set()).add(row.study_id)
    return {key: frozenset(studies) for key, studies in found.items()}


def variants_named(run: Sequence[str], others: Sequence[str], names: Mapping[str, str]) -> str:
    """What a row of several variants is called; `others` are all those beside main."""
    if len(run) > 1 and set(run) == set(others):
        return "all other variants"
    return "; ".join(names[variant] for variant in run)


# Records -----------------------------------------------------------------------------------


def _in_turn(estimates: Sequence[Estimate], outcome: str, variant: str) -> list[Estimate]:
    """The reported results without each study, in the order of `estimates`.

    Of fewer than two studies there is the whole's, which says that nothing is pooled.
    """
    rows = [row for row in estimates if (row.outcome, row.variant) == (outcome, variant)]
    if not any(row.group for row in rows):
        return [reported(rows, outcome, variant)]
    chosen = [row for row in rows if row.selected]
    for group in dict.fromkeys(row.group for row in rows):
        found = sum(row.group == group for row in chosen)
        if not group or found != 1:
            of = f"without {group}" if group else "of the whole"
            raise ValueError(f"{outcome}, {variant}: {found} selected estimates {of}")
    return chosen


def _record(row: Estimate, main: Estimate, same: bool) -> SensitivityRecord:
    is_main = row.variant == main.variant
    change, kind = (None, "") if is_main else _change(row, main)
    return SensitivityRecord(
        outcome=row.outcome,
        variant=row.variant,
        left_out=row.group,
        measure=row.measure,
        k=row.k,
        n=row.n,
        estimate=row.estimate,
        ci_low=row.ci_low,
        ci_high=row.ci_high,
        model=row.model,
        i2=row.i2,
        change=change,
        change_kind=kind,
        same_studies=None if is_main else same,
        k_reconstructed=row.k_reconstructed,
        remark=_remark(row, main, same and not is_main),
    )


def _change(row: Estimate, main: Estimate) -> tuple[float | None, str]:
    if row.estimate is None or main.estimate is None:
        return None, ""
    if row.measure in RATIOS:
        return row.estimate / main.estimate, "ratio"
    return row.estimate - main.estimate, "difference"


def _remark(row: Estimate, main: Estimate, same: bool) -> str:
    if same:
        return SAME
    if row.k < 2:
        left = " left" if row.k < main.k else ""
        return f"one study{left}: not pooled" if row.k else f"no study{left}: nothing to pool"
    if row.estimate is None:
        return row.note or "not pooled"
    return NO_MAIN if main.estimate is None else ""


# Rows --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Printer:
    """The table's rows; the fields are arguments of `sensitivity_table`."""

    variants: Mapping[str, str]
    main: str
    leave_one_out: Collection[str]
    labels: Mapping[str, str]
    bootstrap: BootstrapColumn | None

    def outcome(self, own: Sequence[SensitivityRecord], form: NumberFormat) -> list[Row]:
        """The rows of an outcome that is pooled in some variant."""
        rows: list[Row] = []
        found = {id: [record for record in own if record.variant == id] for id in self.variants}
        (main,) = found[self.main]
        others = [id for id in found if id != self.main]
        for reason, group in groupby(found, key=lambda id: _reason(found[id], main)):
            run = list(group)
            if reason:
                name = variants_named(run, others, self.variants)
                rows.append(self.quiet(name, [one for id in run for one in found[id]], reason))
                continue
            for id in run:
                line = self._in_turn if id in self.leave_one_out else self._row
                rows.append(line(found[id], form))
        return rows

    def quiet(self, name: str, records: Sequence[SensitivityRecord], reason: str) -> Row:
        """A row for results that are not shown: why, and the range of their studies."""
        blank = "" if reason == SAME else NONE
        cells = [
            name,
            spread([record.k for record in records]),
            spread([record.n for record in records]),
            *[blank] * (3 if self.bootstrap is None else 4),
        ]
        return Row((*cells, sentence(reason)), "quiet")

    def _row(self, records: Sequence[SensitivityRecord], form: NumberFormat) -> Row:
        (record,) = records
        cells = (
            self.variants[record.variant],
            str(record.k),
            count(record.n),
            with_interval(form, record.estimate, record.ci_low, record.ci_high),
            percent(record.i2, sign=""),
            _printed_change(record, form),
            *self._bootstrap(record, form),
            sentence(_told(record.remark, [record])),
        )
        return Row(cells)

    def _in_turn(self, records: Sequence[SensitivityRecord], form: NumberFormat) -> Row:
        """The range of the results without each study in turn."""
        record = records[0]
        cells = (
            self.variants[record.variant],
            spread([one.k for one in records]),
            spread([one.n for one in records]),
            spread([one.estimate for one in records], form),
            spread([one.i2 for one in records], lambda i2: percent(i2, sign="")),
            spread([one.change for one in records], lambda change: _shift(record, change, form)),
            *self._bootstrap(record, form),
            sentence(_told(self._extremes(records, form), records)),
        )
        return Row(cells)

    def _bootstrap(self, record: SensitivityRecord, form: NumberFormat) -> tuple[str, ...]:
        if self.bootstrap is None:
            return ()
        limits = self.bootstrap.limits.get((record.outcome, record.variant), (None, None))
        return (interval(form, *limits),)

    def _extremes(self, records: Sequence[SensitivityRecord], form: NumberFormat) -> str:
        """Without which studies the estimate is lowest and highest, as it is printed."""
        known = [record for record in records if record.estimate is not None]
        ends = [form(end(record.estimate for record in known)) for end in (min, max)]
        said = [f"without {self._named(records, None, form)}: not pooled"]
        said = said if len(known) < len(records) else []
        if ends[0] == ends[1]:
            return "; ".join(["the same without any of them", *said])
        low, high = (self._named(known, end, form) for end in ends)
        return "; ".join([f"lowest without {low}, highest without {high}", *said])

    def _named(self, records, printed: str | None, form: NumberFormat) -> str:
        """The studies without which the estimate prints so; of None, is missing."""
        found = [
            record.left_out
            for record in records
            if (None if record.estimate is None else form(record.estimate)) == printed
        ]
        for study in found:
            if study not in self.labels:
                raise ValueError(f"no label for study {study}")
        names = [self.labels[study] for study in found]
        return " or ".join(names) if len(names) < 3 else f"any of {len(names)} studies"


def _told(remark: str, records: Sequence[SensitivityRecord]) -> str:
    """A remark, with how many of the rows that are pooled are reconstructed."""
    solved = [record.k_reconstructed for record in records if record.estimate is not None]
    if not any(solved):
        return remark
    return "; ".join(filter(None, [remark, f"{spread(solved)} {RECONSTRUCTED}"]))


def _reason(records: Sequence[SensitivityRecord], main: SensitivityRecord) -> str:
    """Why a variant's results are not shown one by one, or "" where they are."""
    if any(record.same_studies for record in records):
        return SAME
    if records[0].variant == main.variant or any(one.estimate is not None for one in records):
        return ""
    return "; ".join(dict.fromkeys(record.remark for record in records))


def _why_not(own: Sequence[SensitivityRecord]) -> str:
    """Why an outcome is not pooled in any variant: of the results with most studies."""
    most = max((record for record in own if not record.same_studies), key=lambda one: one.k)
    return most.remark


def _printed_change(record: SensitivityRecord, form: NumberFormat) -> str:
    if record.same_studies is None:
        return ""
    return NONE if record.change is None else _shift(record, record.change, form)


def _shift(record: SensitivityRecord, change: float, form: NumberFormat) -> str:
    """A change as printed: with a sign, or as a factor."""
    ratio = record.measure in RATIOS
    return f"{TIMES}{number(change, 2)}" if ratio else signed(form, change)
