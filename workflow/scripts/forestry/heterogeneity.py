"""Heterogeneity: Cochran's Q, I2 and H2 on a named basis, intervals of tau2, subgroup tests.

Everything is on the scale of analysis (link). I2 and H2 are fractions and ratios, not
percentages. A number that does not exist (of one study, or an empty interval) is None.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.special import chdtrc, chdtri, ndtri

from forestry.inverse_variance import (
    checked_studies,
    fit_common,
    generalised_q,
    solve_generalised_q,
    tau2,
)

I2_BASES = ("q", "tau2")
TAU2_INTERVALS = ("none", "q_profile", "generalised_q")

_TAIL_POINTS = 400  # of the trapezoid rule, which then errs by no more than rounding
_TAIL_REACH = 6.5  # exp(-6.5^2) is below rounding


@dataclass(frozen=True)
class QTest:
    """Q on `df` degrees of freedom; `p` is None on none."""

    q: float
    df: int
    p: float | None


@dataclass(frozen=True)
class I2:
    """I2 (0-1) and H2 = 1/(1 - I2), with the limits that the basis gives."""

    i2: float | None
    i2_low: float | None
    i2_high: float | None
    h2: float | None
    h2_low: float | None
    h2_high: float | None


@dataclass(frozen=True)
class Heterogeneity:
    """Everything said of the heterogeneity of k studies.

    `i2_basis` says what I2 and H2 and their limits come from: "q", (Q-df)/Q with the
    log-H interval, or "tau2", tau2/(tau2 + typical variance) with tau2's own limits.
    """

    k: int
    q: float
    q_df: int
    q_p: float | None
    i2: float | None
    i2_low: float | None
    i2_high: float | None
    i2_basis: str
    h2: float | None
    h2_low: float | None
    h2_high: float | None
    tau2_method: str
    tau2: float | None
    tau2_se: float | None
    tau2_low: float | None
    tau2_high: float | None
    tau2_interval: str
    level: float


@dataclass(frozen=True)
class QDecomposition:
    """Cochran's Q of all studies, and its parts between and within groups (common effects)."""

    total: QTest
    between: QTest
    within: QTest


def heterogeneity(
    yi: ArrayLike,
    vi: ArrayLike,
    tau2_method: str = "DL",
    i2_basis: str = "q",
    tau2_interval: str = "q_profile",
    level: float = 0.95,
) -> Heterogeneity:
    """Q, I2, H2 and tau2 of studies `yi`, `vi`, shape (k,).

    A single study has Q = 0 on no degrees of freedom, and nothing else. Raises ValueError
    for no study or an unknown choice, NotConverged where tau2 has no solution.
    """
    _check_choice("i2_basis", i2_basis, I2_BASES)
    _check_choice("tau2_interval", tau2_interval, TAU2_INTERVALS)
    yi, vi = checked_studies(yi, vi, least=1)
    test = cochran_q(yi, vi)
    between = tau2(yi, vi, tau2_method) if yi.size > 1 else None
    limits = tau2_limits(yi, vi, tau2_interval, level) if between else (None, None)
    share = _no_i2() if between is None else i2_from_q(test.q, test.df, level)
    if between and i2_basis == "tau2":
        share = i2_from_tau2(between.estimate, typical_variance(vi), *limits)
    return Heterogeneity(
        k=yi.size,
        q=test.q,
        q_df=test.df,
        q_p=test.p,
        i2=share.i2,
        i2_low=share.i2_low,
        i2_high=share.i2_high,
        i2_basis=i2_basis,
        h2=share.h2,
        h2_low=share.h2_low,
        h2_high=share.h2_high,
        tau2_method=tau2_method,
        tau2=between.estimate if between else None,
        tau2_se=between.se if between else None,
        tau2_low=limits[0],
        tau2_high=limits[1],
        tau2_interval=tau2_interval,
        level=level,
    )


def _check_choice(name: str, value: str, choices: Sequence[str]) -> None:
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, not {value!r}")


# Q ------------------------------------------------------------------------------------------


def cochran_q(yi: ArrayLike, vi: ArrayLike) -> QTest:
    """Cochran's Q about the common effect, on k-1 degrees of freedom."""
    yi, vi = checked_studies(yi, vi, least=1)
    return q_test(generalised_q(yi, vi, 0.0), yi.size - 1)


def q_about(yi: ArrayLike, vi: ArrayLike, estimate: float) -> QTest:
    """Q with weights 1/v about a given estimate, e.g. the Mantel-Haenszel one; k-1 df."""
    yi, vi = checked_studies(yi, vi, least=1)
    return q_test(float(((yi - estimate) ** 2 / vi).sum()), yi.size - 1)


def q_test(q: float, df: int) -> QTest:
    """Q with its p from chi-squared on `df`."""
    return QTest(float(q), int(df), float(chdtrc(df, q)) if df > 0 else None)


# I2 and H2 ----------------------------------------------------------------------------------


def i2_from_q(q: float, df: int, level: float = 0.95) -> I2:
    """I2 = max(0, (Q-df)/Q) with the interval from log H (Higgins & Thompson 2002, eq. 12-14).

    se(log H) = (ln Q - ln df) / 2(sqrt(2Q) - sqrt(2df-1)) for Q > k = df+1, else
    sqrt((1 - 1/(3(k-2)^2)) / 2(k-2)), which two studies do not have: no limits then. H is
    not let below 1. Raises ValueError for a Q below zero or df below one.
    """
    if not (np.isfinite(q) and q >= 0 and df >= 1):
        raise ValueError(f"I2 needs a Q of zero or more and df of one or more, not {q} on {df}")
    h2 = max(1.0, q / df)
    se = _log_h_se(q, df)
    if se is None:
        return I2(1 - 1 / h2, None, None, h2, None, None)
    ratio = np.exp(2 * ndtri((1 + level) / 2) * se)
    low, high = max(1.0, float(h2 / ratio)), float(h2 * ratio)
    return I2(1 - 1 / h2, 1 - 1 / low, 1 - 1 / high, h2, low, high)


def _log_h_se(q: float, df: int) -> float | None:
    k = df + 1
    if q > k:
        return float(0.5 * np.log(q / df) / (np.sqrt(2 * q) - np.sqrt(2 * df - 1)))
    if k == 2:
        return None
    return float(np.sqrt((1 - 1 / (3 * (k - 2) ** 2)) / (2 * (k - 2))))


def typical_variance(vi: ArrayLike) -> float:
    """The typical sampling variance v~ = (k-1) / (sum w - sum w^2 / sum w), w = 1/v.

    Higgins & Thompson 2002, eq. 9. Raises ValueError for fewer than two studies.
    """
    _, vi = checked_studies(np.zeros(np.size(vi)), vi, least=2)
    w = 1 / vi
    return float((vi.size - 1) / (w.sum() - (w**2).sum() / w.sum()))


def i2_from_tau2(
    tau2: float, typical: float, low: float | None = None, high: float | None = None
) -> I2:
    """I2 = tau2/(tau2 + v~) and H2 = 1 + tau2/v~, and the same of tau2's limits."""
    (i2, h2), (i2_low, h2_low), (i2_high, h2_high) = (
        (None, None) if value is None else (value / (value + typical), 1 + value / typical)
        for value in (tau2, low, high)
    )
    return I2(i2, i2_low, i2_high, h2, h2_low, h2_high)


def _no_i2() -> I2:
    return I2(None, None, None, None, None, None)


# Intervals of tau2 --------------------------------------------------------------------------


def tau2_limits(
    yi: ArrayLike,
    vi: ArrayLike,
    interval: str,
    level: float = 0.95,
    groups: ArrayLike | None = None,
) -> tuple[float | None, float | None]:
    """Limits of tau2, for one of TAU2_INTERVALS; (None, None) where the interval is empty.

    "q_profile" (Viechtbauer 2007) solves Q(tau2) = the chi-squared quantiles on k-1 df;
    "generalised_q" (Jackson 2013) does so for Cochran's Q, whose exact distribution at each
    tau2 is a weighted sum of chi-squares. The lower limit is 0 where Q does not reach it;
    both are missing where even tau2 = 0 is too much for so small a Q. With `groups`, labels
    of shape (k,), tau2 is that within groups with a mean each, and df is k less their number.
    """
    _check_choice("interval", interval, TAU2_INTERVALS)
    if interval == "none":
        return None, None
    yi, vi = checked_studies(yi, vi, least=2)
    solve = _q_profile_limits if interval == "q_profile" else _generalised_q_limits
    return solve(yi, vi, np.zeros(yi.size) if groups is None else groups, (1 - level) / 2)


def _q_profile_limits(yi, vi, groups, tail) -> tuple[float | None, float | None]:
    df = yi.size - np.unique(groups).size
    high = solve_generalised_q(yi, vi, float(chdtri(df, 1 - tail)), groups)
    if high is None:
        return None, None
    low = solve_generalised_q(yi, vi, float(chdtri(df, tail)), groups)
    return (0.0 if low is None else low), high


def _generalised_q_limits(yi, vi, groups, tail) -> tuple[float | None, float | None]:
    q = generalised_q(yi, vi, 0.0, groups)
    if q == 0:
        return None, None
    lower, upper = cochran_q_tails(q, vi, 0.0, groups)
    if lower < tail:
        return None, None
    high = _solve_tail(lambda t: tail - cochran_q_tails(q, vi, t, groups)[0], vi)
    if upper >= tail:
        return 0.0, high
    return _solve_tail(lambda t: cochran_q_tails(q, vi, t, groups)[1] - tail, vi), high


def _solve_tail(excess, vi) -> float:
    """Root in tau2 of a tail less its nominal size, which grows from below zero at 0."""
    high = float(vi.min())
    while excess(high) < 0:
        high *= 4
    return float(brentq(excess, 0.0, high, xtol=1e-14 * high, rtol=1e-13))


def cochran_q_tails(
    q: float, vi: ArrayLike, tau2: float, groups: ArrayLike | None = None
) -> tuple[float, float]:
    """P(Q <= q) and P(Q >= q) of Cochran's Q for normal studies of variances v + tau2.

    With `groups`, of Q within groups.
    """
    vi = np.asarray(vi, dtype=float)
    w, root = 1 / vi, np.sqrt(vi + tau2)
    members = _members(np.zeros(vi.size) if groups is None else groups)
    a = np.diag(w) - sum(np.outer(w * g, w * g) / (w * g).sum() for g in members)
    eigenvalues = np.linalg.eigvalsh(a * np.outer(root, root))
    return chi_squares_tails(q, eigenvalues[len(members) :])  # a mean takes one, which is 0


def chi_squares_tails(q: float, weights: ArrayLike) -> tuple[float, float]:
    """P(S <= q) and P(S >= q) of S = sum of weights times chi-squares of 1 df, for q > 0.

    The smaller is the inverse Laplace integral of prod(1 - 2 weight s)^(-1/2) exp(-qs)/s
    along a parabola through the saddle point around the cut on the right, where the integrand
    decays as exp(-u^2): a trapezoid rule is exact to rounding (Rice 1980, SIAM J Sci Stat
    Comput 1:438). The pole at 0 lies to one side for either tail.
    """
    weights = np.asarray(weights, dtype=float) / q  # so that the threshold is 1
    upper = weights.sum() < 1
    start = _saddle_point(weights, upper)
    step = _TAIL_REACH / _TAIL_POINTS
    u = (np.arange(_TAIL_POINTS) + 0.5) * step
    bend = 1 + abs(start)  # a parabola as wide as the saddle is steep
    s = start + u**2 + 2j * np.sqrt(bend) * u
    ds = 2 * u + 2j * np.sqrt(bend)
    log_term = -0.5 * np.log(1 - 2 * weights[:, None] * s).sum(axis=0) - s
    tail = float((np.exp(log_term) / s * ds).imag.sum() * step / np.pi)
    return (1 - tail, tail) if upper else (-tail, 1 + tail)


def _saddle_point(weights, upper: bool) -> float:
    """Where log of the integrand is stationary on the real axis, on the tail's side of 0."""
    slope = lambda s: (weights / (1 - 2 * weights * s)).sum() - 1 - 1 / s  # noqa: E731
    if upper:
        edge = 0.5 / weights.max()
        return brentq(slope, 1e-12 * edge, (1 - 1e-12) * edge)
    far = -1.0
    while slope(far) > 0:
        far *= 2
    return brentq(slope, far, -1e-12)


# Between groups -----------------------------------------------------------------------------


def between_groups(estimates: ArrayLike, ses: ArrayLike) -> QTest:
    """Test of equal group means, from the groups' pooled estimates and standard errors.

    Q_between = sum W_g (mu_g - mu.)^2 with W_g = 1/se_g^2, on G-1 degrees of freedom.
    Raises ValueError for fewer than two groups.
    """
    ses = np.asarray(ses, dtype=float)
    estimates, variances = checked_studies(estimates, ses**2, least=2)
    return cochran_q(estimates, variances)


def between_groups_common_tau2(
    yi: ArrayLike, vi: ArrayLike, groups: ArrayLike, tau2_method: str = "REML"
) -> QTest:
    """Test of equal group means where the groups share one tau2: a mixed model's QM.

    Raises ValueError for fewer than two groups, or no more studies than groups.
    """
    yi, vi = checked_studies(yi, vi, least=2)
    shared = tau2(yi, vi, tau2_method, groups).estimate
    means = [fit_common(yi[here], vi[here] + shared) for here in _members(groups)]
    return between_groups([fit.estimate for fit in means], [fit.se for fit in means])


def decompose_q(yi: ArrayLike, vi: ArrayLike, groups: ArrayLike) -> QDecomposition:
    """Q = Q_between + Q_within under common effects; df G-1 and k-G."""
    yi, vi = checked_studies(yi, vi, least=2)
    members = _members(groups)
    means = [fit_common(yi[here], vi[here]) for here in members]
    between = between_groups([fit.estimate for fit in means], [fit.se for fit in means])
    within = sum(cochran_q(yi[here], vi[here]).q for here in members)
    return QDecomposition(cochran_q(yi, vi), between, q_test(within, yi.size - len(members)))


def _members(groups: ArrayLike) -> list[np.ndarray]:
    labels = np.asarray(groups)
    return [labels == label for label in np.unique(labels)]
