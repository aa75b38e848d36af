"""Effect sizes and their sampling variances, and the intervals of single studies.

Inputs are arrays of shape (k,), a study a place, in any order; a missing number is NaN
(or None) and makes its study unusable, never zero. Impossible numbers (more events than
participants, a negative SD) raise ValueError. Effects come on the scale of analysis;
`scales.to_display` brings them back. Ratios are on the log scale.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaincinv, gammaln, ndtri, stdtrit

from forestry.scales import double_arcsine

PROPORTION_SCALES = ("raw", "log", "logit", "arcsine", "double_arcsine")


def _one_of(name: str, value: str, allowed: tuple[str, ...]):
    if value not in allowed:
        raise ValueError(f"{name} is {value!r}, not one of {', '.join(allowed)}")


@dataclass(frozen=True)
class ZeroCells:
    """What is added to the cells of a study that has no events, or nothing but events.

    add: added to a cell (to events and to non-events, of each arm).
    to: `only_affected` studies with a zero cell; `all` studies; `if_any_affected`, all
        studies as soon as one has a zero cell; `none`. (metafor: only0, all, if0all, none.)
    correct: `estimate_and_variance`, or the `variance` alone with the estimate as
        observed: R meta's raw proportion and risk difference, which alone allow it.
    cells: `all`, so that a total grows by twice `add` (metafor, RevMan); or `events`, so
        that it grows by `add`: R meta's risk ratio (RR.Cochrane = FALSE), which alone
        allows it.

    Raises ValueError for a negative or missing `add` and for an unknown word.
    """

    add: float = 0.5
    to: str = "only_affected"
    correct: str = "estimate_and_variance"
    cells: str = "all"

    def __post_init__(self):
        if not (np.isfinite(self.add) and self.add >= 0):
            raise ValueError(f"zero_cells.add is {self.add}, not a number of 0 or more")
        _one_of("zero_cells.to", self.to, ("only_affected", "all", "if_any_affected", "none"))
        _one_of("zero_cells.correct", self.correct, ("estimate_and_variance", "variance"))
        _one_of("zero_cells.cells", self.cells, ("all", "events"))


HALF_TO_AFFECTED = ZeroCells()


@dataclass(frozen=True, eq=False)
class Effects:
    """Studies' effects, each field of shape (k,), in the order of the input.

    yi, vi: effect and sampling variance on the scale of analysis; NaN where not usable.
    corrected: something was added to the study's cells (False where not usable).
    usable: yi is finite and vi finite and positive.
    reason: why not, "" where usable.
    """

    yi: NDArray[np.float64]
    vi: NDArray[np.float64]
    corrected: NDArray[np.bool_]
    usable: NDArray[np.bool_]
    reason: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Interval:
    """Limits of shape (k,); NaN where the study has no interval."""

    low: NDArray[np.float64]
    high: NDArray[np.float64]


# One arm -------------------------------------------------------------------------------


def proportion(
    events: ArrayLike, total: ArrayLike, scale: str, zero_cells: ZeroCells = HALF_TO_AFFECTED
) -> Effects:
    """A single arm's proportion on `scale` (metafor's PR, PLN, PLO, PAS, PFT).

    With x events and m non-events of n, after the zero-cell rule:
    raw x/n, v = x m / n^3; log ln(x/n), 1/x - 1/n; logit ln(x/m), 1/x + 1/m; arcsine
    asin sqrt(x/n), 1/(4n); double_arcsine, 1/(4n + 2). The angles need no correction
    and take none, whatever `zero_cells` says. Where no correction applies, a study at 0
    or 100 % is not usable on raw and logit, nor on log (at 100 % its variance is 0).

    Raises ValueError for impossible counts, an unknown scale, and `correct="variance"`
    on another scale than raw.
    """
    _one_of("scale", scale, PROPORTION_SCALES)
    _refuse_events_only(zero_cells, "proportions")
    if scale != "raw":
        _refuse_variance_only(zero_cells, f"proportions on the scale {scale}")
    events, total = _columns(events=events, total=total)
    _check_counts(events, total)
    missing = _missing(events=events, total=total)
    if scale == "arcsine":
        yi, vi = np.arcsin(np.sqrt(events / total)), 1 / (4 * total)
        return _effects(yi, vi, missing)
    if scale == "double_arcsine":
        return _effects(double_arcsine(events, total), 1 / (4 * total + 2), missing)
    affected = (events == 0) | (events == total)
    add = _to_add(zero_cells, affected, missing[0])
    with np.errstate(divide="ignore", invalid="ignore"):
        yi, vi = _ONE_ARM[scale](events, total, add, zero_cells.correct)
    return _effects(yi, vi, missing, _uncorrected(affected), corrected=add > 0)


def mean(n: ArrayLike, mean: ArrayLike, sd: ArrayLike) -> Effects:
    """A single arm's mean (metafor's MN), v = sd^2 / n; in the unit of the mean.

    Raises ValueError for n below 1 and a negative SD. An SD of 0 is not usable.
    """
    n, mean, sd = _columns(n=n, mean=mean, sd=sd)
    _check_spread(n, sd)
    return _effects(mean, sd**2 / n, _missing(n=n, mean=mean, sd=sd), _no_spread(sd))


def mean_change(n: ArrayLike, change: ArrayLike, sd: ArrayLike) -> Effects:
    """A single arm's mean change and the SD of the changes (metafor's MC), v = sd^2 / n.

    `change_sd` gives the SD from those of baseline and end. Errors as in `mean`.
    """
    n, change, sd = _columns(n=n, change=change, sd=sd)
    _check_spread(n, sd)
    return _effects(change, sd**2 / n, _missing(n=n, change=change, sd=sd), _no_spread(sd))


def change_sd(
    baseline_sd: ArrayLike, end_sd: ArrayLike, correlation: float | str
) -> NDArray[np.float64]:
    """The SD of changes: sqrt(s1^2 + s2^2 - 2 r s1 s2), arrays of shape (k,).

    `correlation` of baseline and end, -1 to 1, or "independent", which is 0 (two
    readings of a patient taken as if of two groups). NaN where an SD is missing.
    Raises ValueError for another correlation and a negative SD.
    """
    correlation = 0.0 if correlation == "independent" else correlation
    if isinstance(correlation, str) or not -1 <= correlation <= 1:
        raise ValueError(f"correlation is {correlation!r}, not -1 to 1 or 'independent'")
    baseline_sd, end_sd = _columns(baseline_sd=baseline_sd, end_sd=end_sd)
    _check_not_negative("baseline_sd", baseline_sd)
    _check_not_negative("end_sd", end_sd)
    # In this form rounding cannot take the variance below 0 as r nears 1.
    return np.sqrt((baseline_sd - end_sd) ** 2 + 2 * (1 - correlation) * baseline_sd * end_sd)


def sd_from_interval(
    n: ArrayLike,
    low: ArrayLike,
    high: ArrayLike,
    level: float = 0.95,
    distribution: str = "t",
) -> NDArray[np.float64]:
    """The SD behind a mean's confidence interval: sqrt(n) (high - low) / (2 c), shape (k,).

    c is the quantile of t with n - 1 degrees of freedom, or of the `normal` (Cochrane
    Handbook 6.5.2.2). NaN where a number is missing. Raises ValueError for n below 2
    with t (below 1 with normal), high below low, and an unknown distribution or level.
    """
    _one_of("distribution", distribution, ("t", "normal"))
    tail = _upper_tail(level)
    n, low, high = _columns(n=n, low=low, high=high)
    smallest = 2 if distribution == "t" else 1
    _refuse(n < smallest, f"n must be at least {smallest} with {distribution}", n)
    _refuse(high < low, "the upper limit must not be below the lower", high)
    quantile = stdtrit(n - 1, tail) if distribution == "t" else ndtri(tail)
    return np.sqrt(n) * (high - low) / (2 * quantile)


# Two arms ------------------------------------------------------------------------------


def mean_difference(
    n: ArrayLike,
    mean: ArrayLike,
    sd: ArrayLike,
    control_n: ArrayLike,
    control_mean: ArrayLike,
    control_sd: ArrayLike,
    pooled_variance: bool = False,
) -> Effects:
    """Treated minus control mean (metafor's MD); in the unit of the means.

    v = s1^2/n1 + s2^2/n2, or with `pooled_variance` (metafor's vtype "HO")
    sp^2 (1/n1 + 1/n2). Raises ValueError for n below 1 and a negative SD.
    """
    treated, control, missing = _two_means(n, mean, sd, control_n, control_mean, control_sd)
    (n, mean, sd), (control_n, control_mean, control_sd) = treated, control
    few = (n + control_n < 3, "fewer than 3 participants in the two arms")
    if pooled_variance:
        with np.errstate(divide="ignore", invalid="ignore"):
            vi = _pooled_sd(treated, control) ** 2 * (1 / n + 1 / control_n)
    else:
        vi = sd**2 / n + control_sd**2 / control_n
    no_spread = _no_spread(np.hypot(sd, control_sd))
    return _effects(mean - control_mean, vi, missing, no_spread, few)


def standardized_mean_difference(
    n: ArrayLike,
    mean: ArrayLike,
    sd: ArrayLike,
    control_n: ArrayLike,
    control_mean: ArrayLike,
    control_sd: ArrayLike,
) -> Effects:
    """Hedges' g, treated minus control over the pooled SD (metafor's SMD); no unit.

    g = J d with J = Gamma(m/2) / (sqrt(m/2) Gamma((m-1)/2)) exactly, m = n1 + n2 - 2
    (Hedges 1981), not 1 - 3/(4m - 1). The variance is the large-sample one, metafor's
    default vtype "LS": 1/n1 + 1/n2 + g^2 / (2 (n1 + n2)). Needs 4 participants (m above
    1). Raises ValueError for n below 1 and a negative SD.
    """
    treated, control, missing = _two_means(n, mean, sd, control_n, control_mean, control_sd)
    (n, mean, sd), (control_n, control_mean, control_sd) = treated, control
    m = n + control_n - 2
    few = (m <= 1, "fewer than 4 participants in the two arms")
    with np.errstate(divide="ignore", invalid="ignore"):
        pooled = _pooled_sd(treated, control)
        correction = np.exp(gammaln(m / 2) - np.log(m / 2) / 2 - gammaln((m - 1) / 2))
        yi = np.where(m > 1, correction * (mean - control_mean) / pooled, np.nan)
        vi = 1 / n + 1 / control_n + yi**2 / (2 * (n + control_n))
    return _effects(yi, vi, missing, few, _no_spread(pooled))


def risk_ratio(
    events: ArrayLike,
    total: ArrayLike,
    control_events: ArrayLike,
    control_total: ArrayLike,
    zero_cells: ZeroCells = HALF_TO_AFFECTED,
    double_zero: str = "exclude",
) -> Effects:
    """ln risk ratio, treated over control (metafor's RR): v = 1/a - 1/n1 + 1/c - 1/n2.

    A study is affected by the zero-cell rule where any of its four cells is 0.
    `double_zero="exclude"` leaves out studies without an event in either arm, as R meta
    does; studies where all had the event stay (their ratio is 1), which metafor's
    drop00 drops too. "include" corrects them like the others. Excluded studies do not
    count for `if_any_affected`. Raises ValueError for impossible counts, and
    `correct="variance"`.
    """
    _refuse_variance_only(zero_cells, "risk ratios")
    arms, missing, affected = _two_counts(events, total, control_events, control_total)
    (events, total), (control_events, control_total) = arms
    neither = (events == 0) & (control_events == 0)
    double = _double_zeros(double_zero, (neither, "no events in either arm"))
    outside = _outside(missing, *double)
    add = _to_add(zero_cells, affected, outside)
    growth = add if zero_cells.cells == "events" else 2 * add
    everyone = (events == total) & (control_events == control_total)
    # R meta leaves the events as they are where everyone had one: the variance would be 0.
    on_events = np.where(everyone & (zero_cells.cells == "events"), 0.0, add)
    with np.errstate(divide="ignore", invalid="ignore"):
        yi = np.log((events + add) / (total + growth))
        yi -= np.log((control_events + add) / (control_total + growth))
        vi = 1 / (events + on_events) - 1 / (total + growth)
        vi += 1 / (control_events + on_events) - 1 / (control_total + growth)
    yi[outside] = np.nan
    return _effects(yi, vi, missing, *double, _uncorrected(affected), corrected=add > 0)


def odds_ratio(
    events: ArrayLike,
    total: ArrayLike,
    control_events: ArrayLike,
    control_total: ArrayLike,
    zero_cells: ZeroCells = HALF_TO_AFFECTED,
    double_zero: str = "exclude",
) -> Effects:
    """ln odds ratio, treated over control (metafor's OR): v = 1/a + 1/b + 1/c + 1/d.

    `double_zero="exclude"` leaves out studies without an event in either arm and those
    where all in both had one (metafor's drop00, R meta); otherwise as `risk_ratio`.
    """
    _refuse_variance_only(zero_cells, "odds ratios")
    _refuse_events_only(zero_cells, "odds ratios")
    arms, missing, affected = _two_counts(events, total, control_events, control_total)
    (events, total), (control_events, control_total) = arms
    neither = (events == 0) & (control_events == 0)
    everyone = (events == total) & (control_events == control_total)
    double = _double_zeros(
        double_zero,
        (neither, "no events in either arm"),
        (everyone, "nothing but events in both arms"),
    )
    outside = _outside(missing, *double)
    add = _to_add(zero_cells, affected, outside)
    with np.errstate(divide="ignore", invalid="ignore"):
        yi, vi = _logit(events, total, add)
        control_yi, control_vi = _logit(control_events, control_total, add)
        yi, vi = yi - control_yi, vi + control_vi
    yi[outside] = np.nan
    return _effects(yi, vi, missing, *double, _uncorrected(affected), corrected=add > 0)


def risk_difference(
    events: ArrayLike,
    total: ArrayLike,
    control_events: ArrayLike,
    control_total: ArrayLike,
    zero_cells: ZeroCells = HALF_TO_AFFECTED,
) -> Effects:
    """Treated minus control risk, raw scale (metafor's RD): v = ab/n1^3 + cd/n2^3.

    Studies without events in both arms count: their difference is 0. `correct="variance"`
    is R meta's risk difference. Raises ValueError for impossible counts.
    """
    _refuse_events_only(zero_cells, "risk differences")
    arms, missing, affected = _two_counts(events, total, control_events, control_total)
    (events, total), (control_events, control_total) = arms
    add = _to_add(zero_cells, affected, missing[0])
    yi, vi = _raw(events, total, add, zero_cells.correct)
    control_yi, control_vi = _raw(control_events, control_total, add, zero_cells.correct)
    return _effects(
        yi - control_yi, vi + control_vi, missing, _uncorrected(affected), corrected=add > 0
    )


# Intervals of single studies -----------------------------------------------------------


def clopper_pearson(events: ArrayLike, total: ArrayLike, level: float = 0.95) -> Interval:
    """The exact interval of a proportion (Clopper and Pearson 1934), 0-1, shape (k,).

    Beta quantiles: B(a/2; x, n - x + 1) and B(1 - a/2; x + 1, n - x). NaN where a count
    is missing. Raises ValueError for impossible counts and a level outside (0, 1).
    """
    tail = _upper_tail(level)
    events, total = _columns(events=events, total=total)
    _check_counts(events, total)
    none, everyone = events == 0, events == total
    low = betaincinv(np.where(none, 1.0, events), total - events + 1, 1 - tail)
    high = betaincinv(events + 1, np.where(everyone, 1.0, total - events), tail)
    return Interval(np.where(none, 0.0, low), np.where(everyone, 1.0, high))


def wilson(events: ArrayLike, total: ArrayLike, level: float = 0.95) -> Interval:
    """The score interval of a proportion (Wilson 1927), 0-1, shape (k,).

    Newcombe (1998, Stat Med 17:857), method 3: no continuity correction. NaN and errors
    as in `clopper_pearson`.
    """
    z = ndtri(_upper_tail(level))
    events, total = _columns(events=events, total=total)
    _check_counts(events, total)
    centre = (events + z**2 / 2) / (total + z**2)
    half = z * np.sqrt(events * (total - events) / total + z**2 / 4) / (total + z**2)
    # Without an event the two cancel exactly; at n/n their sum would round to either side of 1.
    return Interval(centre - half, np.where(events == total, 1.0, centre + half))


def wald_interval(yi: ArrayLike, vi: ArrayLike, level: float = 0.95) -> Interval:
    """yi -+ z sqrt(vi) on the scale of analysis, shape (k,); NaN where yi or vi is.

    Not truncated: see `scales`. Raises ValueError for a negative variance and a level
    outside (0, 1).
    """
    z = ndtri(_upper_tail(level))
    yi, vi = _columns(yi=yi, vi=vi)
    _check_not_negative("vi", vi)
    half = z * np.sqrt(vi)
    return Interval(yi - half, yi + half)


# A proportion in one arm: yi, vi, with `add` on events and non-events ----------------


def _raw(events, total, add, correct):
    grown = total + 2 * add
    vi = (events + add) * (total - events + add) / grown**3
    yi = events / total if correct == "variance" else (events + add) / grown
    return yi, vi


def _log(events, total, add, correct="estimate_and_variance"):
    events, total = events + add, total + 2 * add
    return np.log(events / total), 1 / events - 1 / total


def _logit(events, total, add, correct="estimate_and_variance"):
    others, events = total - events + add, events + add
    return np.log(events / others), 1 / events + 1 / others


_ONE_ARM = {"raw": _raw, "log": _log, "logit": _logit}


# Which studies are corrected, which are left out -----------------------------------------


def _to_add(rule: ZeroCells, affected, outside):
    """What each study's cells get, shape (k,); nothing for those outside the analysis."""
    present = ~outside
    affected = affected & present
    chosen = {
        "only_affected": affected,
        "all": present,
        "if_any_affected": present & affected.any(),
        "none": np.zeros_like(present),
    }[rule.to]
    return np.where(chosen, rule.add, 0.0)


def _effects(yi, vi, *causes, corrected=None) -> Effects:
    """Effects, with NaN and a reason where there is no finite effect and variance.

    `causes` are (mask, text) and only explain; the first that fits is told.
    """
    usable = np.isfinite(yi) & np.isfinite(vi) & (vi > 0)
    reason = np.where(usable, "", "no finite effect with a positive variance").astype(object)
    for mask, text in reversed(causes):
        reason = np.where(mask & ~usable, text, reason)
    corrected = np.zeros(usable.shape, dtype=bool) if corrected is None else corrected
    return Effects(
        yi=np.where(usable, yi, np.nan),
        vi=np.where(usable, vi, np.nan),
        corrected=corrected,
        usable=usable,
        reason=tuple(str(text) for text in reason),
    )


def _missing(**columns):
    """The cause that a number is not there, naming every one that is not."""
    absent = np.array([np.isnan(values) for values in columns.values()])
    names = np.array(list(columns), dtype=object)
    texts = [", ".join(names[lacking]) + " missing" for lacking in absent.T]
    return absent.any(axis=0), np.array(texts, dtype=object)


def _double_zeros(rule: str, *causes):
    _one_of("double_zero", rule, ("exclude", "include"))
    return causes if rule == "exclude" else ()


def _outside(*causes):
    """The studies that any of the causes keeps out of the analysis."""
    return np.logical_or.reduce([mask for mask, _ in causes])


def _uncorrected(affected):
    return affected, "a zero cell and no correction for it"


def _no_spread(sd):
    return sd == 0, "an SD of 0 gives no sampling variance"


def _refuse_variance_only(rule: ZeroCells, what: str):
    if rule.correct == "variance":
        raise ValueError(f"zero_cells.correct = 'variance' is not defined for {what}")


def _refuse_events_only(rule: ZeroCells, what: str):
    if rule.cells == "events":
        raise ValueError(f"zero_cells.cells = 'events' is not defined for {what}")


# Input -----------------------------------------------------------------------------------


def _columns(**columns):
    """Float arrays of one shape (k,), NaN for missing. Raises ValueError otherwise."""
    arrays = [np.asarray(values, dtype=float) for values in columns.values()]
    shapes = {array.shape for array in arrays}
    if len(shapes) != 1 or arrays[0].ndim != 1:
        told = ", ".join(f"{name} {a.shape}" for name, a in zip(columns, arrays, strict=True))
        raise ValueError(f"columns must be of one shape (k,): {told}")
    for name, array in zip(columns, arrays, strict=True):
        _refuse(np.isinf(array), f"{name} must be finite", array)
    return arrays


def _two_counts(events, total, control_events, control_total):
    names = ("events", "total", "control_events", "control_total")
    columns = _columns(
        **dict(zip(names, (events, total, control_events, control_total), strict=True))
    )
    arms = columns[:2], columns[2:]
    affected = np.zeros(columns[0].shape, dtype=bool)
    for arm_events, arm_total in arms:
        _check_counts(arm_events, arm_total)
        affected |= (arm_events == 0) | (arm_events == arm_total)
    return arms, _missing(**dict(zip(names, columns, strict=True))), affected


def _two_means(n, mean, sd, control_n, control_mean, control_sd):
    names = ("n", "mean", "sd", "control_n", "control_mean", "control_sd")
    given = (n, mean, sd, control_n, control_mean, control_sd)
    columns = _columns(**dict(zip(names, given, strict=True)))
    treated, control = columns[:3], columns[3:]
    for arm in (treated, control):
        _check_spread(arm[0], arm[2])
    return treated, control, _missing(**dict(zip(names, columns, strict=True)))


def _pooled_sd(treated, control):
    (n, _, sd), (control_n, _, control_sd) = treated, control
    squares = (n - 1) * sd**2 + (control_n - 1) * control_sd**2
    return np.sqrt(squares / (n + control_n - 2))


def _check_counts(events, total):
    _refuse(total < 1, "a total must be 1 or more", total)
    _refuse(events < 0, "events must not be negative", events)
    _refuse(events > total, "events must not exceed the total", events)


def _check_spread(n, sd):
    _refuse(n < 1, "n must be 1 or more", n)
    _check_not_negative("sd", sd)


def _check_not_negative(name, values):
    _refuse(values < 0, f"{name} must not be negative", values)


def _refuse(mask, rule, values):
    if mask.any():
        wrong = ", ".join(f"{values[i]:g} (study {i + 1})" for i in np.flatnonzero(mask))
        raise ValueError(f"{rule}: {wrong}")


def _upper_tail(level: float) -> float:
    if not 0 < level < 1:
        raise ValueError(f"level is {level}, not between 0 and 1")
    return (1 + level) / 2
