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
    events: ArrayLike, total: ArrayLike, scale: str, zero_cells: ZeroCells | None = None
) -> Effects:
    """A single arm's proportion on `scale` (metafor's PR, PLN, PLO, PAS, PFT).

    With x events and m non-events of n, after the zero-cell rule (ZeroCells() if None):
    raw x/n, v = x m / n^3; log ln(x/n), 1/x - 1/n; logit ln(x/m), 1/x + 1/m; arcsine
    asin sqrt(x/n), 1/(4n); double_arcsine, 1/(4n + 2). The angles need no correction
    and take none, whatever `zero_cells` says. Where no correction applies, a study at 0
    or 100 % is not usable on raw and logit, nor on log (at 100 % its variance is 0).

    Raises ValueError for impossible counts, an unknown scale, and `correct="variance"`
    on another scale than raw.
    """
    _one_of("scale", scale, PROPORTION_SCALES)
    zero_cells = zero_cells or ZeroCells()
    _allow_variance_only(zero_cells, scale == "raw", f"proportions on {scale}")
    _allow_events_only(zero_cells, False, "proportions")
    events, total = _columns(events=events, total=total)
    _check_counts(events, total)
    missing = _missing(events=events, total=total)
    if scale == "arcsine":
        yi, vi = np.arcsin(np.sqrt(events / total)), 1 / (4 * total)
        return _effects(yi, vi, missing)
    if scale == "double_arcsine":
        return _effects(double_arcsine(events, total), 1 / (4 * total + 2), missing)
    affected = (events == 0) | (events == total)
    add = _to_add(zero_cells, affected, present=_nothing(missing))
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
    if pooled_variance:
        with np.errstate(divide="ignore", invalid="ignore"):
            vi = _pooled_sd(treated, control) ** 2 * (1 / n + 1 / control_n)
    else:
        vi = sd**2 / n + control_sd**2 / control_n
    return _effects(mean - control_mean, vi, missing, _no_spread(np.hypot(sd, control_sd)))


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
    zero_cells: ZeroCells | None = None,
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
    zero_cells = zero_cells or ZeroCells()
    _allow_variance_only(zero_cells, False, "risk ratios")
    arms, missing, affected = _two_counts(events, total, control_events, control_total)
    (events, total), (control_events, control_total) = arms
    neither = (events == 0) & (control_events == 0)
    double = _double_zeros(double_zero, (neither, "no events in either arm"))
    add = _to_add(zero_cells, affected, present=_nothing(missing, *double))
    growth = add if zero_cells.cells == "events" else 2 * add
    everyone = (events == total) & (control_events == control_total)
    # R meta leaves the events as they are where everyone had one: the variance would be 0.
    on_events = np.where(everyone & (zero_cells.cells == "events"), 0.0, add)
    with np.errstate(divide="ignore", invalid="ignore"):
        yi = np.log((events + add) / (total + growth))
        yi -= np.log((control_events + add) / (control_total + growth))
        vi = 1 / (events + on_events) - 1 / (total + growth)
        vi += 1 / (control_events + on_events) - 1 / (control_total + growth)
    return _effects(yi, vi, missing, *double, _uncorrected(affected), corrected=add > 0)


def odds_ratio(
    events: ArrayLike,
    total: ArrayLike,
    control_events: ArrayLike,
    control_total: ArrayLike,
    zero_cells: ZeroCells | None = None,
    double_zero: str = "exclude",
) -> Effects:
    """ln odds ratio, treated over control (metafor's OR): v = 1/a + 1/b + 1/c + 1/d.

    `double_zero="exclude"` leaves out studies without an event in either arm and those
    where all in both had one (metafor's drop00, R meta); otherwise as `risk_ratio`.
    """
    zero_cells = zero_cells or ZeroCells()
    _allow_variance_only(zero_cells, False, "odds ratios")
    _allow_events_only(zero_cells, False, "odds ratios")
    arms, missing, affected = _two_counts(events, total, control_events, control_total)
    (events, total), (control_events, control_total) = arms
    neither = (events == 0) & (control_events == 0)
    everyone = (events == total) & (control_events == control_total)
    double = _double_zeros(
        double_zero,
        (neither, "no events in either arm"),
        (everyone, "nothing but events in both arms"),
    )
    add = _to_add(zero_cells, affected, present=_nothing(missing, *double))
    with np.errstate(divide="ignore", invalid="ignore"):
        yi, vi = _logit(events, total, add)
        control_yi, control_vi = _logit(control_events, control_total, add)
        yi, vi = yi - control_yi, vi + control_vi
    return _effects(yi, vi, missing, *double, _uncorrected(affected), corrected=add > 0)


def risk_difference(
    events: ArrayLike,
    total: ArrayLike,
    control_events: ArrayLike,
    control_total: ArrayLike,
    zero_cells: ZeroCells | None = None,
) -> Effects:
    """Treated minus control risk, raw scale (metafor's RD): v = ab/n1^3 + cd/n2^3.

    Studies without events in both arms count: their difference is 0. `correct="variance"`
    is R meta's risk difference. Raises ValueError for impossible counts.
    """
    zero_cells = zero_cells or ZeroCells()
    _allow_events_only(zero_cells, False, "risk differences")
    arms, missing, affected = _two_counts(events, total, control_events, control_total)
    (events, total), (control_events, control_total) = arms
    add = _to_add(zero_cells, affected, present=_nothing(missing))
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
    # Exactly 0 and 1 at the ends, where rounding would leave a trace of either sign.
    low = np.where(events == 0, 0.0, centre - half)
    return Interval(low, np.where(events == total, 1.0, centre + half))


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


def _to_add(rule: ZeroCells, affected, present):
    """What each study's cells get, shape (k,)."""
    affected = affected & present
    chosen = {
        "only_affected": affected,
        "all": present,
        "if_any_affected": present & affected.any(),
        "none": np.zeros_like(present),
    }[rule.to]
    return np.where(chosen, rule.add, 0.0)


def _effects(yi, vi, *causes, corrected=None) -> Effects:
    """Effects with NaN in the unusable places. `causes`: (mask, reason), first wins.

    A mask only explains: a study that has an effect and a variance is kept unless a
    cause is absolute, that is, its reason is not of the explaining kind.
    """
    sound = np.isfinite(yi) & np.isfinite(vi) & (vi > 0)
    reason = np.full(yi.shape, "", dtype=object)
    for mask, text in causes:
        reason = np.where(mask & (reason == ""), text, reason)
    usable = sound
    return Effects(yi, vi, corrected, usable, tuple(reason))
