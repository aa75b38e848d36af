"""From the rows of a sheet to study effects: what is pooled, and how it was obtained.

A row gives the numbers of its measure as printed, or from what is printed (a median
and range, an interval, means at baseline and end); every such step is named in the
effect's `obtained`. A row that does not give them is kept, with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from forestry import measures
from forestry.measure_kinds import RATIOS
from forestry.medians import NoFormula, from_median
from forestry.results import StudyEffect
from forestry.rows import rows_of
from forestry.scales import to_display

Row = Mapping[str, str]

NOT_AVAILABLE = "not available"
NO_SIZE = "number of patients not available"
AS_PRINTED = "as printed"
OFF_CENTRE = 0.1  # of an interval's half length, beyond which an estimate is not in its middle


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
    person_time: float | None = None
    control_person_time: float | None = None
    estimate: float | None = None  # where the row gives the effect itself
    se: float | None = None  # its standard error, on the scale of analysis
    obtained: str = ""
    warning: str = ""
    reason: str = ""


def study_effects(table: Sequence[Row], settings: Mapping) -> list[StudyEffect]:
    """The effects of an outcome's rows, in the settings' order of studies.

    `table` holds a checked sheet as texts; `settings` are those of
    `Review.effects_settings`. `yi` and `vi` come on the settings' scale, estimates and
    intervals on that of display: Clopper and Pearson's for a proportion, Wald's otherwise.

    Raises KeyError for a measure that is not known and for a study that is not in the table.
    """
    measure = settings["measure"]
    by_study = {row["study_id"]: row for row in rows_of(table, measure, settings)}
    rows = [by_study[study] for study in settings["studies"]]
    numbers = [_numbers(row, settings) for row in rows]
    bare = [_bare_effect(row, given, settings) for row, given in zip(rows, numbers, strict=True)]
    found = iter(_with_effects([effect for effect in bare if effect.usable], settings))
    return [next(found) if effect.usable else effect for effect in bare]


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
        return Numbers(mean=mean, sd=sd, reason=NO_SIZE)
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
    """The sheet has end less baseline; where a fall counts as positive, its sign is changed."""
    n, change = _count(row, "n"), _end_less_baseline(row)
    if change is None:
        return Numbers(n=n, reason=NOT_AVAILABLE)
    mean = 0.0 - change if settings["direction"] == "fall" else change
    if n is None:
        return Numbers(mean=mean, reason=NO_SIZE)
    sd, obtained = _change_sd(row, n, settings["correlation"])
    reason = "" if sd is not None else "mean change without a spread"
    return Numbers(n=n, mean=mean, sd=sd, obtained=obtained, reason=reason)


def _end_less_baseline(row: Row) -> float | None:
    change = _number(row, "change_mean")
    baseline, end = _number(row, "baseline_mean"), _number(row, "end_mean")
    if change is not None or baseline is None or end is None:
        return change
    return end - baseline


def _change_sd(row: Row, n: int, correlation: float | str) -> tuple[float | None, str]:
    """The SD of the changes and how it was obtained, from the first of three that is given."""
    sd = _number(row, "change_sd")
    if sd is not None:
        return sd, AS_PRINTED
    low, high = _number(row, "change_ci_low"), _number(row, "change_ci_high")
    if low is not None and high is not None and n > 1:
        (sd,) = measures.sd_from_interval([n], [low], [high], level=0.95, distribution="t")
        return float(sd), "standard deviation from the printed interval (t distribution)"
    baseline, end = _number(row, "baseline_sd"), _number(row, "end_sd")
    if baseline is None or end is None:
        return None, ""
    (sd,) = measures.change_sd([baseline], [end], correlation)
    return float(sd), _assumed(correlation)


def _assumed(correlation: float | str) -> str:
    if correlation == "independent":
        return "baseline and end taken as independent"
    return f"assumed correlation {correlation:g} of baseline and end"


def _two_arm_means(row: Row, settings: Mapping) -> Numbers:
    counts = {column: _count(row, column) for column in ("n", "control_n")}
    columns = ("mean", "sd", "control_mean", "control_sd")
    means = {column: _number(row, column) for column in columns}
    known = None not in (*counts.values(), *means.values())
    reason = "" if known else NOT_AVAILABLE
    return Numbers(**counts, **means, obtained=AS_PRINTED, reason=reason)


def _rate(row: Row, settings: Mapping) -> Numbers:
    return _rates(row, ("events",), ("person_time",))


def _two_arm_rates(row: Row, settings: Mapping) -> Numbers:
    counts, times = ("events", "control_events"), ("person_time", "control_person_time")
    return _rates(row, counts, times)


def _rates(row: Row, counts: Sequence[str], times: Sequence[str]) -> Numbers:
    given = {column: _count(row, column) for column in counts}
    given |= {column: _number(row, column) for column in times}
    reason = "" if None not in given.values() else NOT_AVAILABLE
    return Numbers(**given, obtained=AS_PRINTED, reason=reason)


def _correlation(row: Row, settings: Mapping) -> Numbers:
    n, value = _count(row, "n"), _number(row, "correlation")
    if value is None:
        return Numbers(n=n, reason=NOT_AVAILABLE)
    reason = "" if n is not None else NO_SIZE
    return Numbers(n=n, estimate=value, obtained=AS_PRINTED, reason=reason)


def _estimate(row: Row, settings: Mapping) -> Numbers:
    """An estimate with its standard error, or with the one behind its 95 % interval."""
    value, se = _number(row, "estimate"), _number(row, "se")
    if value is None:
        return Numbers(reason=NOT_AVAILABLE)
    if se is not None:
        return Numbers(estimate=value, se=se, obtained=AS_PRINTED)
    low, high = _number(row, "ci_low"), _number(row, "ci_high")
    if low is None or high is None:
        return Numbers(estimate=value, reason="estimate without a spread")
    ratio = settings["measure"] in RATIOS
    (se,) = measures.se_from_interval([low], [high], ratio, level=0.95)
    (off,) = measures.off_centre([value], [low], [high], ratio)
    on = " on the log scale" if ratio else ""
    return Numbers(
        estimate=value,
        se=float(se),
        obtained=f"standard error from the printed interval{on} (normal distribution)",
        warning=f"the estimate is not in the middle of its interval{on}" * bool(off > OFF_CENTRE),
    )


def _count(row: Row, column: str) -> int | None:
    return int(row[column]) if row[column] else None


def _number(row: Row, column: str) -> float | None:
    return float(row[column]) if row[column] else None


# What is made of it -----------------------------------------------------------------------


def _bare_effect(row: Row, given: Numbers, settings: Mapping) -> StudyEffect:
    """A row's numbers, without an effect."""
    counts = ("events", "total", "control_events", "control_total", "n", "control_n")
    means = ("mean", "sd", "control_mean", "control_sd", "person_time", "control_person_time")
    effect = ("yi", "ci_low", "ci_high")
    return StudyEffect(
        study_id=row["study_id"],
        status=row["status"],
        basis=row["basis"],
        usable=not given.reason,
        reason=given.reason,
        measure=settings["measure"],
        scale=settings["scale"],
        **{name: getattr(given, name) for name in (*counts, *means)},
        **dict.fromkeys(effect),
        estimate=given.estimate if not given.reason else None,
        vi=None if given.se is None or given.reason else given.se**2,
        interval="",
        obtained=given.obtained if not given.reason else "",
        warning=given.warning,
    )


def _with_effects(studies: list[StudyEffect], settings: Mapping) -> list[StudyEffect]:
    if not studies:
        return []
    return FAMILIES[settings["measure"]].effects(studies, settings)


def _proportions(studies: list[StudyEffect], settings: Mapping) -> list[StudyEffect]:
    events, total = _columns(studies, "events", "total")
    rule = measures.ZeroCells(**settings["zero_cells"])
    found = measures.proportion(events, total, settings["scale"], rule)
    exact = measures.clopper_pearson(events, total, settings["level"])
    shown = _Shown(events / total, exact.low, exact.high, "clopper_pearson")
    return _filled(studies, found, shown, _correction(rule))


def _means(studies: list[StudyEffect], settings: Mapping) -> list[StudyEffect]:
    """Of means and of mean changes: the two differ in how a row gives them alone."""
    found = measures.mean(*_columns(studies, "n", "mean", "sd"), settings["scale"])
    return _filled(studies, found, _wald(found, settings))


def _incidence_rates(studies: list[StudyEffect], settings: Mapping) -> list[StudyEffect]:
    rule = measures.ZeroCells(**settings["zero_cells"])
    columns = _columns(studies, "events", "person_time")
    found = measures.incidence_rate(*columns, settings["scale"], rule)
    return _filled(studies, found, _wald(found, settings), _correction(rule, "events"))


def _two_arm_rate_effects(studies: list[StudyEffect], settings: Mapping) -> list[StudyEffect]:
    columns = ("events", "person_time", "control_events", "control_person_time")
    rule = measures.ZeroCells(**settings["zero_cells"])
    found = getattr(measures, settings["measure"])(*_columns(studies, *columns), rule)
    return _filled(studies, found, _wald(found, settings), _correction(rule, "events"))


def _correlations(studies: list[StudyEffect], settings: Mapping) -> list[StudyEffect]:
    found = measures.correlation(*_columns(studies, "n", "estimate"))
    return _filled(studies, found, _wald(found, settings))


def _estimates(studies: list[StudyEffect], settings: Mapping) -> list[StudyEffect]:
    value, vi = _columns(studies, "estimate", "vi")
    found = measures.estimate(value, np.sqrt(vi), ratio=settings["measure"] in RATIOS)
    return _filled(studies, found, _wald(found, settings))


def _peto(studies: list[StudyEffect], settings: Mapping) -> list[StudyEffect]:
    cells = _columns(studies, "events", "total", "control_events", "control_total")
    found = measures.peto_odds_ratio(*cells)
    return _filled(studies, found, _wald(found, settings))


def _two_arm_effects(studies: list[StudyEffect], settings: Mapping) -> list[StudyEffect]:
    cells = _columns(studies, "events", "total", "control_events", "control_total")
    rule = measures.ZeroCells(**settings["zero_cells"])
    found = getattr(measures, settings["measure"])(*cells, rule)
    return _filled(studies, found, _wald(found, settings), _correction(rule))


def _mean_differences(studies: list[StudyEffect], settings: Mapping) -> list[StudyEffect]:
    columns = ("n", "mean", "sd", "control_n", "control_mean", "control_sd")
    found = getattr(measures, settings["measure"])(*_columns(studies, *columns))
    return _filled(studies, found, _wald(found, settings))


def _standardized(studies: list[StudyEffect], settings: Mapping) -> list[StudyEffect]:
    columns = ("n", "mean", "sd", "control_n", "control_mean", "control_sd")
    how = settings["standardized"]
    found = measures.standardized_mean_difference(*_columns(studies, *columns), **how)
    return _filled(studies, found, _wald(found, settings))


@dataclass(frozen=True, eq=False)
class _Shown:
    """Estimates and limits on the scale of display, shape (k,), and the limits' kind."""

    estimate: np.ndarray
    low: np.ndarray
    high: np.ndarray
    interval: str


def _wald(found: measures.Effects, settings: Mapping) -> _Shown:
    limits = measures.wald_interval(found.yi, found.vi, settings["level"])
    values = (found.yi, limits.low, limits.high)
    return _Shown(*(to_display(value, settings["scale"]) for value in values), "wald")


def _correction(rule: measures.ZeroCells, cells: str = "") -> str:
    """What is added where; to the `cells` of the rule where none are named."""
    cells = cells or ("events" if rule.cells == "events" else "cells")
    whose = "a study with a zero cell" if rule.to == "only_affected" else "every study"
    alone = ", for the variance alone" if rule.correct == "variance" else ""
    return f"{rule.add:g} added to the {cells} of {whose}{alone}"


NO_EFFECT = dict.fromkeys(("estimate", "vi"))


def _filled(
    studies: list[StudyEffect], found: measures.Effects, shown: _Shown, correction: str = ""
) -> list[StudyEffect]:
    """The studies with their effects; `correction` says what was done to the corrected ones."""
    return [
        _with_effect(study, found, shown, i, f"{study.obtained}; {correction}")
        if found.usable[i]
        else replace(study, usable=False, reason=found.reason[i], obtained="", **NO_EFFECT)
        for i, study in enumerate(studies)
    ]


def _with_effect(study, found, shown: _Shown, i: int, corrected: str) -> StudyEffect:
    return replace(
        study,
        yi=float(found.yi[i]),
        vi=float(found.vi[i]),
        estimate=float(shown.estimate[i]),
        ci_low=float(shown.low[i]),
        ci_high=float(shown.high[i]),
        interval=shown.interval,
        obtained=corrected if found.corrected[i] else study.obtained,
    )


def _columns(studies: list[StudyEffect], *names: str) -> list[np.ndarray]:
    return [np.array([getattr(study, name) for study in studies], dtype=float) for name in names]


@dataclass(frozen=True)
class _Family:
    """How a row gives the numbers of a measure, and how they become effects."""

    numbers: Callable[[Row, Mapping], Numbers]
    effects: Callable[[list[StudyEffect], Mapping], list[StudyEffect]]


FAMILIES = {
    "proportion": _Family(_counts, _proportions),
    "risk_ratio": _Family(_two_arm_counts, _two_arm_effects),
    "odds_ratio": _Family(_two_arm_counts, _two_arm_effects),
    "peto_odds_ratio": _Family(_two_arm_counts, _peto),
    "risk_difference": _Family(_two_arm_counts, _two_arm_effects),
    "mean": _Family(_mean, _means),
    "mean_change": _Family(_change, _means),
    "mean_difference": _Family(_two_arm_means, _mean_differences),
    "standardized_mean_difference": _Family(_two_arm_means, _standardized),
    "ratio_of_means": _Family(_two_arm_means, _mean_differences),
    "incidence_rate": _Family(_rate, _incidence_rates),
    "incidence_rate_ratio": _Family(_two_arm_rates, _two_arm_rate_effects),
    "incidence_rate_difference": _Family(_two_arm_rates, _two_arm_rate_effects),
    "correlation": _Family(_correlation, _correlations),
    "hazard_ratio": _Family(_estimate, _estimates),
    "generic_ratio": _Family(_estimate, _estimates),
    "generic_difference": _Family(_estimate, _estimates),
}
