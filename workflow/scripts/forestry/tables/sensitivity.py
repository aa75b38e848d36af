"""Sensitivity (table S3): every outcome under every variant, beside its main analysis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from forestry.figures.wording import NumberFormat
from forestry.results import Estimate, Weight
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
    with_interval,
)
from forestry.tables.model import Column, Row, Table, section
from forestry.tables.outcomes import RATIOS, Outcome, of_outcome, reported

SAME = "same studies as main"
NO_MAIN = "main analysis has no estimate"

COLUMNS = (
    Column("Outcome and variant", width=2.1),
    Column("Studies", "right", kind="number"),
    Column("Partici\u00adpants", "right", kind="number"),
    Column("Estimate (95% CI)", "center", width=1.5),
    Column("I²,\N{NO-BREAK SPACE}%", "right", kind="number"),
    Column("Change from main", "right", width=0.9, kind="number"),
    Column("Remark", width=2.1),
)
BOOTSTRAP = Column("Bootstrap 95% CI", "center", width=1.2)
NOTES = (
    "Change from main: the variant's estimate less that of the main analysis, in percentage "
    f"points or in the outcome's unit; of a ratio, the ratio of the two ({TIMES}).",
    f"Each line gives the model that the review's rule reports for it. {NONE} does not exist.",
)

Limits = tuple[float | None, float | None]


@dataclass(frozen=True)
class SensitivityRecord:
    """The values behind a row: display scale, unrounded.

    `change` is a difference (of shares, in 0-1, for proportions) or, for ratio measures,
    a ratio; None in the main analysis and where one of the two has no estimate.
    """

    outcome: str
    variant: str
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
    remark: str


def sensitivity_table(
    outcomes: Sequence[Outcome],
    variants: Mapping[str, str],
    estimates: Sequence[Estimate],
    weights: Sequence[Weight],
    *,
    id: str,
    title: str,
    main: str = "main",
    bootstrap: Mapping[tuple[str, str], Limits] | None = None,
) -> Table:
    """Every outcome x variant, with k, n, estimate, interval, I2 and the change from `main`.

    variants: each variant's name for a reader, by its id, `main` among them.
    weights: who was pooled, by which a variant is told to have changed nothing.
    bootstrap: limits by (outcome, variant), display scale; a column where given.

    Raises ValueError where an outcome lacks a result of a variant.
    """
    rows: list[Row] = []
    pooled = _pooled_studies(weights)
    for outcome in outcomes:
        own = of_outcome(estimates, outcome.id)
        form = estimate_format(own)
        reference = reported(own, outcome.id, main)
        rows.append(section(outcome.titled(reference.measure)))
        for variant, name in variants.items():
            row = reported(own, outcome.id, variant)
            studies = [pooled.get((outcome.id, v), frozenset()) for v in (variant, main)]
            record = _record(row, reference, studies[0] == studies[1])
            limits = (bootstrap or {}).get((outcome.id, variant), (None, None))
            rows.append(_row(name, record, form, limits if bootstrap is not None else None))
    columns = COLUMNS if bootstrap is None else (*COLUMNS[:-1], BOOTSTRAP, COLUMNS[-1])
    return Table(id, title, columns, tuple(rows), NOTES, landscape=bootstrap is not None)


def _pooled_studies(weights: Sequence[Weight]) -> dict[tuple[str, str], frozenset[str]]:
    found: dict[tuple[str, str], set[str]] = {}
    for row in weights:
        if row.included and not row.group:
            found.setdefault((row.outcome, row.variant), set()).add(row.study_id)
    return {key: frozenset(studies) for key, studies in found.items()}


def _record(row: Estimate, main: Estimate, same: bool) -> SensitivityRecord:
    is_main = row.variant == main.variant
    change, kind = (None, "") if is_main else _change(row, main)
    return SensitivityRecord(
        outcome=row.outcome,
        variant=row.variant,
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


def _row(name: str, record: SensitivityRecord, form: NumberFormat, bootstrap: Limits | None) -> Row:
    values = asdict(record)
    cells = [
        name,
        str(record.k),
        count(record.n),
        with_interval(form, record.estimate, record.ci_low, record.ci_high),
        percent(record.i2, sign=""),
        _printed_change(record, form),
    ]
    if bootstrap is not None:
        low, high = bootstrap
        cells.append(interval(form, low, high))
        values |= {"bootstrap_low": low, "bootstrap_high": high}
    kind = "quiet" if record.same_studies or record.k < 2 else "body"
    return Row((*cells, sentence(record.remark)), kind, values)


def _printed_change(record: SensitivityRecord, form: NumberFormat) -> str:
    if record.same_studies is None:
        return ""
    if record.change is None:
        return NONE
    if record.change_kind == "ratio":
        return f"{TIMES}{number(record.change, 2)}"
    return signed(form, record.change)
