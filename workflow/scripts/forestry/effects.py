"""From the rows of a sheet to study effects: what is pooled, and how it was obtained.

A row gives the numbers of its measure as printed, or from what is printed (a median
and range, an interval, means at baseline and end); every such step is named in the
effect's `obtained`. A row that does not give them is kept, with the reason.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from forestry import measures
from forestry.medians import NoFormula, from_median
from forestry.results import StudyEffect
from forestry.rows import rows_of
from forestry.scales import to_display

Row = Mapping[str, str]

NOT_AVAILABLE = "not available"
AS_PRINTED = "as printed"


@dataclass(frozen=True)
class Numbers:
    """What a row gives to its measure; `reason` says why it gives too little."""

    events: int | None = None
    total: int | None = None
    control_events: int | None = None
    control_total: int | None = None
    n: int | None = None
    mean: float | None = None
    sd: float | None = None
    control_n: int | None = None
    control_mean: float | None = None
    control_sd: float | None = None
    obtained: str = ""
    warning: str = ""
    reason: str = ""


def study_effects(table: Sequence[Row], settings: Mapping) -> list[StudyEffect]:
    """The effects of an outcome's rows, in the settings' order of studies.

    `table` holds a checked sheet as texts; `settings` are those of
    `Review.effects_settings`. Raises KeyError for a measure that is not known.
    """
    measure = settings["measure"]
    by_study = {row["study_id"]: row for row in rows_of(table, measure, settings)}
    rows = [by_study[study] for study in settings["studies"]]
    numbers = [_numbers(row, settings) for row in rows]
    bare = [_bare_effect(row, given, settings) for row, given in zip(rows, numbers, strict=True)]
    usable = [i for i, effect in enumerate(bare) if effect.usable]
    for i, effect in zip(usable, _with_effects([bare[i] for i in usable], settings), strict=True):
        bare[i] = effect
    return bare


# What a row gives -------------------------------------------------------------------------


def _numbers(row: Row, settings: Mapping) -> Numbers:
    found = FAMILIES[settings["measure"]].numbers(row, settings)
    return replace(found, reason=NOT_AVAILABLE) if row["status"] == "unavailable" else found


def _counts(row: Row, settings: Mapping) -> Numbers:
    events, total = _count(row, "events"), _count(row, "total")
    reason = "" if None not in (events, total) else NOT_AVAILABLE
    return Numbers(events=events, total=total, obtained=AS_PRINTED, reason=reason)


def _two_arm_counts(row: Row, settings: Mapping) -> Numbers:
    columns = ("events", "total", "control_events", "control_total")
    counts = {column: _count(row, column) for column in columns}
    reason = "" if None not in counts.values() else NOT_AVAILABLE
    return Numbers(**counts, obtained=AS_PRINTED, reason=reason)


def _mean(row: Row, settings: Mapping) -> Numbers:
    n, mean, sd = _count(row, "n"), _number(row, "mean"), _number(row, "sd")
    if n is None:
        return Numbers(mean=mean, sd=sd, reason="number of patients not available")
    if mean is not None:
        reason = "" if sd is not None else "mean without a spread"
        return Numbers(n=n, mean=mean, sd=sd, obtained=AS_PRINTED, reason=reason)
    if row["median"] == "":
        return Numbers(n=n, reason=NOT_AVAILABLE)
    return _from_median(row, n, settings["medians"])


def _from_median(row: Row, n: int, method: str) -> Numbers:
    five = {"minimum": "min", "q1": "q1", "q3": "q3", "maximum": "max"}
    spread = {name: _number(row, column) for name, column in five.items()}
    try:
        found = from_median(method, n, _number(row, "median"), **spread)
    except NoFormula as error:
        return Numbers(n=n, reason=str(error))
    return Numbers(
        n=n, mean=found.mean, sd=found.sd, obtained=found.obtained, warning=found.warning
    )


def _change(row: Row, settings: Mapping) -> Numbers:
    n, change = _count(row, "n"), _number(row, "change_mean")
    if n is None:
        return Numbers(reason="number of patients not available")
    sign = -1.0 if settings["direction"] == "fall" else 1.0
    if change is not None:
        sd, obtained = _printed_change_sd(row, n, settings)
    else:
        baseline, end = _number(row, "baseline_mean"), _number(row, "end_mean")
        if baseline is None or end is None:
            return Numbers(n=n, reason=NOT_AVAILABLE)
        change = end - baseline
        sd, obtained = _paired_change_sd(row, settings)
    reason = "" if sd is not None else "mean change without a spread"
    return Numbers(n=n, mean=sign * change, sd=sd, obtained=obtained, reason=reason)


def _printed_change_sd(row: Row, n: int, settings: Mapping) -> tuple[float | None, str]:
    sd = _number(row, "change_sd")
    low, high = _number(row, "change_ci_low"), _number(row, "change_ci_high")
    if sd is not None or low is None or high is None:
        return sd, AS_PRINTED
    (sd,) = measures.sd_from_interval([n], [low], [high], level=0.95, distribution="t")
    return float(sd), "standard deviation from the printed interval (t distribution)"


def _paired_change_sd(row: Row, settings: Mapping) -> tuple[float | None, str]:
    baseline, end = _number(row, "baseline_sd"), _number(row, "end_sd")
    if baseline is None or end is None:
        return None, ""
    correlation = settings["correlation"]
    how = (
        "baseline and end taken as independent"
        if correlation == "independent"
        else f"assumed correlation {correlation:g} of baseline and end"
    )
    (sd,) = measures.change_sd([baseline], [end], correlation)
    return float(sd), how


def _two_arm_means(row: Row, settings: Mapping) -> Numbers:
    counts = {column: _count(row, column) for column in ("n", "control_n")}
    columns = ("mean", "sd", "control_mean", "control_sd")
    means = {column: _number(row, column) for column in columns}
    known = None not in (*counts.values(), *means.values())
    reason = "" if known else NOT_AVAILABLE
    return Numbers(**counts, **means, obtained=AS_PRINTED, reason=reason)


def _count(row: Row, column: str) -> int | None:
    return int(row[column]) if row[column] else None


def _number(row: Row, column: str) -> float | None:
    return float(row[column]) if row[column] else None


# What is made of it -----------------------------------------------------------------------


def _bare_effect(row: Row, given: Numbers, settings: Mapping) -> StudyEffect:
    counts = ("events", "total", "control_events", "control_total", "n", "control_n")
    means = ("mean", "sd", "control_mean", "control_sd")
    return StudyEffect(
        study_id=row["study_id"],
        status=row["status"],
        basis=row["basis"],
        usable=not given.reason,
        reason=given.reason,
        measure=settings["measure"],
        scale=settings["scale"],
        **{name: getattr(given, name) for name in (*counts, *means)},
        yi=None,
        vi=None,
        estimate=None,
        ci_low=None,
        ci_high=None,
        interval="",
        obtained=given.obtained if not given.reason else "",
        warning=given.warning,
    )


def _with_effects(studies: list[StudyEffect], settings: Mapping) -> list[StudyEffect]:
    if not studies:
        return []
    return FAMILIES[settings["measure"]].effects(studies, settings)


def _proportions(studies: list[StudyEffect], settings: Mapping) -> list[StudyEffect]:
    events, total = _column(studies, "events"), _column(studies, "total")
    rule = measures.ZeroCells(**settings["zero_cells"])
    found = measures.proportion(events, total, settings["scale"], rule)
    exact = measures.clopper_pearson(events, total, settings["level"])
    return _filled(studies, found, rule, events / total, exact.low, exact.high, "clopper_pearson")


def _means(studies: list[StudyEffect], settings: Mapping) -> list[StudyEffect]:
    n, mean, sd = (_column(studies, name) for name in ("n", "mean", "sd"))
    return _with_wald(studies, measures.mean(n, mean, sd), settings)


def _ratios(studies: list[StudyEffect], settings: Mapping) -> list[StudyEffect]:
    columns = ("events", "total", "control_events", "control_total")
    cells = [_column(studies, name) for name in columns]
    rule = measures.ZeroCells(**settings["zero_cells"])
    found = getattr(measures, settings["measure"])(*cells, rule)
    return _with_wald(studies, found, settings, rule)


def _mean_differences(studies: list[StudyEffect], settings: Mapping) -> list[StudyEffect]:
    columns = ("n", "mean", "sd", "control_n", "control_mean", "control_sd")
    found = getattr(measures, settings["measure"])(*(_column(studies, name) for name in columns))
    return _with_wald(studies, found, settings)


def _with_wald(studies, found, settings, rule=None):
    wald = measures.wald_interval(found.yi, found.vi, settings["level"])
    shown = [to_display(value, settings["scale"]) for value in (found.yi, wald.low, wald.high)]
    return _filled(studies, found, rule, *shown, "wald")


def _filled(studies, found, rule, estimate, low, high, interval) -> list[StudyEffect]:
    return [
        _fill(study, found, i, rule, float(estimate[i]), float(low[i]), float(high[i]), interval)
        for i, study in enumerate(studies)
    ]


def _fill(study, found, i, rule, estimate, low, high, interval) -> StudyEffect:
    shown = {"estimate": estimate, "ci_low": low, "ci_high": high, "interval": interval}
    if not found.usable[i]:
        return replace(study, usable=False, reason=found.reason[i], obtained="")
    obtained = study.obtained
    if found.corrected[i]:
        obtained = f"{obtained}; {rule.add:g} added to the cells of a study with a zero cell"
    return replace(study, yi=float(found.yi[i]), vi=float(found.vi[i]), obtained=obtained, **shown)


def _column(studies: list[StudyEffect], name: str) -> np.ndarray:
    return np.array([getattr(study, name) for study in studies], dtype=float)


@dataclass(frozen=True)
class _Family:
    numbers: object
    effects: object


FAMILIES = {
    "proportion": _Family(_counts, _proportions),
    "risk_ratio": _Family(_two_arm_counts, _ratios),
    "odds_ratio": _Family(_two_arm_counts, _ratios),
    "risk_difference": _Family(_two_arm_counts, _ratios),
    "mean": _Family(_mean, _means),
    "mean_change": _Family(_change, _means),
    "mean_difference": _Family(_two_arm_means, _mean_differences),
    "standardized_mean_difference": _Family(_two_arm_means, _mean_differences),
}
