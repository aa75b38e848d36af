"""Pooled results of a list of outcomes (table 2): one row an outcome."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from forestry.records import by_outcome
from forestry.results import Estimate, StudyEffect
from forestry.tables.format import (
    MODELS,
    NONE,
    PREDICTIONS,
    count,
    estimate_format,
    interval,
    p_value,
    percent,
    sentence,
    significant,
    with_interval,
)
from forestry.tables.model import Column, Row, Table
from forestry.tables.outcomes import (
    Outcome,
    in_sections,
    not_public,
    of_outcome,
    random_effects,
    reported,
)

COLUMNS = (
    Column("Outcome", width=3),
    Column("pooled", "right", group="Studies", kind="number"),
    Column("derived", "right", group="Studies", kind="number"),
    Column("not public", "right", group="Studies", kind="number"),
    Column("Partici\u00adpants", "right", kind="number"),
    Column("Estimate (95% CI)", "center"),
    Column("Model"),
    Column("I²,\N{NO-BREAK SPACE}%", "right", group="Heterogeneity", kind="number"),
    Column("τ²", "right", group="Heterogeneity", kind="number"),
    Column("p", "right", group="Heterogeneity", kind="number"),
    Column("95% prediction interval", "center", width=0.9),
)
NOTES = (
    "Studies: derived, numbers fixed by arithmetic from published figures (these are among "
    "the pooled); not public, studies that belong to the outcome but have no public number "
    "(these are not pooled).",
    "Model: the one that the review's rule reports. τ² (on the scale of analysis) and the "
    "prediction interval are of the random-effects model, whichever is reported.",
    f"{NONE} does not exist: with fewer than two studies nothing is pooled, with fewer than "
    "three there is no prediction interval.",
)


@dataclass(frozen=True)
class PooledRecord:
    """The values behind a row: display scale, unrounded, as in estimates.csv."""

    outcome: str
    variant: str
    measure: str
    unit: str
    k: int
    n: int | None
    k_derived: int
    k_reconstructed: int
    k_not_public: int
    estimate: float | None
    ci_low: float | None
    ci_high: float | None
    model: str
    i2: float | None
    tau2: float | None
    q_p: float | None
    pi_low: float | None
    pi_high: float | None
    prediction: str


def pooled_table(
    outcomes: Sequence[Outcome],
    estimates: Sequence[Estimate],
    effects: Mapping[str, Sequence[StudyEffect]],
    *,
    id: str,
    title: str,
    variant: str = "main",
    reported_variant: str = "",
    reported_label: str = "",
) -> Table:
    """The reported result of each outcome under a variant.

    Under a result that rests on reconstructed rows stands that of `reported_variant`, which
    pools reported rows alone, where there is such a variant.

    `estimates` may hold other outcomes and variants; `effects` are the study effects of
    each outcome by its id. Raises ValueError where an outcome has no reported result,
    KeyError where it has no effects.
    """
    found = by_outcome(estimates)

    def rows_of(outcome: Outcome) -> list[Row]:
        own = of_outcome(found.get(outcome.id, []), outcome.id)
        record = _record(outcome, variant, own, effects[outcome.id])
        rows = [_row(outcome.titled(record.measure), record, own)]
        if record.k_reconstructed and reported_variant:
            beside = _record(outcome, reported_variant, own, ())
            rows.append(_row(sentence(reported_label), beside, own, "quiet"))
        return rows

    rows = in_sections(outcomes, rows_of)
    notes = list(NOTES)
    names = dict.fromkeys(row.values.get("prediction") for row in rows)
    notes += [f"Prediction intervals are {PREDICTIONS[name]}." for name in names if name]
    reconstructed = sum(row.values.get("k_reconstructed", 0) for row in rows)
    if reconstructed:
        notes.append(
            f"† {reconstructed} of the pooled rows were solved from the article's own pooled "
            "results, which agreement with these results therefore does not support."
        )
    return Table(id, title, COLUMNS, tuple(rows), tuple(notes))


def _record(outcome, variant, estimates, effects) -> PooledRecord:
    row = reported(estimates, outcome.id, variant)
    random = random_effects(estimates, outcome.id, variant)
    return PooledRecord(
        outcome=outcome.id,
        variant=variant,
        measure=row.measure,
        unit=outcome.unit,
        k=row.k,
        n=row.n,
        k_derived=row.k_derived,
        k_reconstructed=row.k_reconstructed,
        k_not_public=not_public(effects),
        estimate=row.estimate,
        ci_low=row.ci_low,
        ci_high=row.ci_high,
        model=row.model,
        i2=row.i2,
        tau2=random.tau2 if random else None,
        q_p=row.q_p,
        pi_low=random.pi_low if random else None,
        pi_high=random.pi_high if random else None,
        prediction=random.prediction if random else "",
    )


def _row(name: str, record: PooledRecord, estimates: Sequence[Estimate], kind: str = "body") -> Row:
    form = estimate_format(estimates)
    cells = (
        name + (f" ({record.k_reconstructed}†)" if record.k_reconstructed else ""),
        str(record.k),
        str(record.k_derived),
        str(record.k_not_public),
        count(record.n),
        with_interval(form, record.estimate, record.ci_low, record.ci_high),
        MODELS[record.model],
        percent(record.i2, sign=""),
        significant(record.tau2),
        p_value(record.q_p),
        interval(form, record.pi_low, record.pi_high),
    )
    return Row(cells, kind, values=asdict(record))
