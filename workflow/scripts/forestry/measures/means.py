"""Means and mean changes in one arm, differences and ratios of means in two."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaln, ndtri, stdtrit

from forestry.measures.common import (
    Effects,
    check_not_negative,
    check_one_of,
    check_spread,
    columns_of,
    effects_of,
    missing_in,
    pooled_sd,
    refuse_where,
    two_means,
    upper_tail,
    without_spread,
)

MEAN_SCALES = ("identity", "log")
HEDGES_CORRECTIONS = ("exact", "approximate")
SMD_VARIANCES = ("LS", "LS2", "UB", "revman")


def mean(n: ArrayLike, mean: ArrayLike, sd: ArrayLike, scale: str = "identity") -> Effects:
    """A single arm's mean (metafor's MN), v = sd^2 / n; in the unit of the mean.

    On the scale `log` (metafor's MNLN) ln(mean), v = sd^2 / (n mean^2), of positive means alone.
    Raises ValueError for n below 1, a negative SD and another scale. An SD of 0 is not usable.
    """
    check_one_of("scale", scale, MEAN_SCALES)
    n, mean, sd = columns_of(n=n, mean=mean, sd=sd)
    check_spread(n, sd)
    missing = missing_in(n=n, mean=mean, sd=sd)
    if scale == "identity":
        return effects_of(mean, sd**2 / n, missing, without_spread(sd))
    yi, vi = _log_mean(n, mean, sd)
    return effects_of(yi, vi, missing, (mean <= 0, NO_LOGARITHM), without_spread(sd))


def mean_change(n: ArrayLike, change: ArrayLike, sd: ArrayLike) -> Effects:
    """A single arm's mean change and the SD of the changes (metafor's MC), v = sd^2 / n.

    `change_sd` gives the SD from those of baseline and end. Errors as in `mean`.
    """
    n, change, sd = columns_of(n=n, change=change, sd=sd)
    check_spread(n, sd)
    return effects_of(change, sd**2 / n, missing_in(n=n, change=change, sd=sd), without_spread(sd))


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
    baseline_sd, end_sd = columns_of(baseline_sd=baseline_sd, end_sd=end_sd)
    check_not_negative("baseline_sd", baseline_sd)
    check_not_negative("end_sd", end_sd)
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
    check_one_of("distribution", distribution, ("t", "normal"))
    tail = upper_tail(level)
    n, low, high = columns_of(n=n, low=low, high=high)
    smallest = 2 if distribution == "t" else 1
    refuse_where(n < smallest, f"n must be at least {smallest} with {distribution}", n)
    refuse_where(high < low, "the upper limit must not be below the lower", high)
    quantile = stdtrit(n - 1, tail) if distribution == "t" else ndtri(tail)
    return np.sqrt(n) * (high - low) / (2 * quantile)


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
    treated, control, missing = two_means(n, mean, sd, control_n, control_mean, control_sd)
    (n, mean, sd), (control_n, control_mean, control_sd) = treated, control
    few = (n + control_n < 3, "fewer than 3 participants in the two arms")
    if pooled_variance:
        with np.errstate(divide="ignore", invalid="ignore"):
            vi = pooled_sd(treated, control) ** 2 * (1 / n + 1 / control_n)
    else:
        vi = sd**2 / n + control_sd**2 / control_n
    no_spread = without_spread(np.hypot(sd, control_sd))
    return effects_of(mean - control_mean, vi, missing, no_spread, few)


def standardized_mean_difference(
    n: ArrayLike,
    mean: ArrayLike,
    sd: ArrayLike,
    control_n: ArrayLike,
    control_mean: ArrayLike,
    control_sd: ArrayLike,
    correction: str = "exact",
    variance: str = "LS",
) -> Effects:
    """Hedges' g, treated minus control over the pooled SD (metafor's SMD); no unit.

    g = J d, m = n1 + n2 - 2 degrees of freedom, with the `correction` J
        exact: Gamma(m/2) / (sqrt(m/2) Gamma((m-1)/2)) (Hedges 1981, J Educ Stat 6:107), or
        approximate: 1 - 3/(4m - 1) (RevMan, R's meta before 5.1).
    The `variance`, N = n1 + n2:
        LS: 1/n1 + 1/n2 + g^2 / (2 N), metafor's default;
        LS2: J^2 (1/n1 + 1/n2 + d^2 / (2 N)) (Borenstein 2009);
        UB: 1/n1 + 1/n2 + (1 - (m-2)/(m J^2)) g^2, unbiased (Hedges 1983);
        revman: 1/n1 + 1/n2 + g^2 / (2 (N - 3.94)), that of RevMan and R's meta.
    Needs 4 participants (m above 1). Raises ValueError for n below 1, a negative SD and an unknown
    word.
    """
    check_one_of("correction", correction, HEDGES_CORRECTIONS)
    check_one_of("variance", variance, SMD_VARIANCES)
    treated, control, missing = two_means(n, mean, sd, control_n, control_mean, control_sd)
    (n, mean, sd), (control_n, control_mean, control_sd) = treated, control
    m = n + control_n - 2
    few = (m <= 1, "fewer than 4 participants in the two arms")
    with np.errstate(divide="ignore", invalid="ignore"):
        pooled = pooled_sd(treated, control)
        d = np.where(m > 1, (mean - control_mean) / pooled, np.nan)
        j = _hedges_j(m, correction)
        yi, vi = j * d, _smd_variance(n, control_n, d, j, variance)
    return effects_of(yi, vi, missing, few, without_spread(pooled))


def ratio_of_means(
    n: ArrayLike,
    mean: ArrayLike,
    sd: ArrayLike,
    control_n: ArrayLike,
    control_mean: ArrayLike,
    control_sd: ArrayLike,
) -> Effects:
    """ln ratio of means, treated over control (metafor's ROM), of positive means alone.

    v = s1^2/(n1 m1^2) + s2^2/(n2 m2^2) (Hedges, Gurevitch & Curtis 1999, Ecology 80:1150). Raises
    ValueError for n below 1 and a negative SD.
    """
    treated, control, missing = two_means(n, mean, sd, control_n, control_mean, control_sd)
    (yi, vi), (control_yi, control_vi) = _log_mean(*treated), _log_mean(*control)
    none = ((treated[1] <= 0) | (control[1] <= 0), NO_LOGARITHM)
    no_spread = without_spread(np.hypot(treated[2], control[2]))
    return effects_of(yi - control_yi, vi + control_vi, missing, none, no_spread)


NO_LOGARITHM = "a mean that is not positive has no logarithm"


def _log_mean(n, mean, sd):
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log(mean), sd**2 / (n * mean**2)


def _hedges_j(m, correction: str):
    if correction == "approximate":
        return 1 - 3 / (4 * m - 1)
    return np.exp(gammaln(m / 2) - np.log(m / 2) / 2 - gammaln((m - 1) / 2))


def _smd_variance(n, control_n, d, j, variance: str):
    total, g, of_means = n + control_n, j * d, 1 / n + 1 / control_n
    m = total - 2
    if variance == "LS2":
        return j**2 * (of_means + d**2 / (2 * total))
    if variance == "UB":
        return of_means + (1 - (m - 2) / (m * j**2)) * g**2
    return of_means + g**2 / (2 * (total - 3.94 if variance == "revman" else total))
