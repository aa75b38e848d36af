"""Intervals of tau2: from Q on its exact or generalised distribution, and from the likelihood.

Everything is on the scale of analysis (link). A limit that does not exist is None.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import chdtri

from forestry.checks import check_choice, check_level, checked_studies
from forestry.chi_squares import chi_squares_tails
from forestry.roots import bracketed_root
from forestry.tau2 import (
    LIKELIHOODS,
    generalised_q,
    likelihood_scan,
    log_likelihood,
    solve_generalised_q,
    tau2,
)

TAU2_INTERVALS = ("none", "q_profile", "generalised_q", "profile_likelihood")


def tau2_limits(
    yi: ArrayLike,
    vi: ArrayLike,
    interval: str,
    level: float = 0.95,
    groups: ArrayLike | None = None,
    tau2_method: str = "REML",
) -> tuple[float | None, float | None]:
    """Limits of tau2, for one of TAU2_INTERVALS; (None, None) where the interval is empty.

    "q_profile" (Viechtbauer 2007) solves Q(tau2) = the chi-squared quantiles on k-1 df;
    "generalised_q" (Jackson 2013) does so for Cochran's Q, whose exact distribution at each
    tau2 is a weighted sum of chi-squares. The lower limit is 0 where Q does not reach it;
    both are missing where even tau2 = 0 is too much for so small a Q.

    "profile_likelihood" (Hardy & Thompson 1996) is from the least to the greatest tau2 at
    which twice the log-likelihood is no more than chi2_1(level) below its maximum; the
    likelihood is that of `tau2_method`, ML or REML. It is never empty.

    With `groups`, labels of shape (k,), tau2 is that within groups with a mean each, and df
    is k less their number. Raises ValueError for fewer than two studies or an unknown
    choice, NotConverged where a search fails.
    """
    check_choice("interval", interval, TAU2_INTERVALS)
    check_level(level)
    if interval == "none":
        return None, None
    yi, vi = checked_studies(yi, vi, least=2)
    groups = np.zeros(yi.size) if groups is None else groups
    if interval == "profile_likelihood":
        check_choice("tau2 method of a profile likelihood", tau2_method, LIKELIHOODS)
        return _profile_likelihood_limits(yi, vi, groups, tau2_method, level)
    solve = _q_profile_limits if interval == "q_profile" else _generalised_q_limits
    return solve(yi, vi, groups, (1 - level) / 2)


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


def _profile_likelihood_limits(yi, vi, groups, method, level) -> tuple[float, float]:
    estimate = tau2(yi, vi, method, groups).estimate
    height = lambda t: log_likelihood(yi, vi, t, method, groups)  # noqa: E731
    least = height(estimate) - float(chdtri(1, 1 - level)) / 2
    points, heights = likelihood_scan(yi, vi, method, groups)
    inside = np.append(points[heights >= least], estimate)
    low, high = float(inside.min()), float(inside.max())
    above = lambda t: height(t) - least  # noqa: E731
    if low > 0:
        below = points[points < low][-1]
        low = bracketed_root(above, below, low, xtol=1e-14 * low, rtol=1e-13)
    far = points[-1]
    while above(far) >= 0:
        far *= 4
    beyond = np.append(points[(points > high)], far)[0]
    return low, bracketed_root(above, high, beyond, xtol=1e-14 * beyond, rtol=1e-13)


def _solve_tail(excess, vi) -> float:
    """Root in tau2 of a tail less its nominal size, which grows from below zero at 0."""
    high = float(vi.min())
    while excess(high) < 0:
        high *= 4
    return bracketed_root(excess, 0.0, high, xtol=1e-14 * high, rtol=1e-13)


def cochran_q_tails(
    q: float, vi: ArrayLike, tau2: float, groups: ArrayLike | None = None
) -> tuple[float, float]:
    """P(Q <= q) and P(Q >= q) of Cochran's Q for normal studies of variances v + tau2.

    With `groups`, of Q within groups.
    """
    vi = np.asarray(vi, dtype=float)
    w = 1 / vi
    labels = np.zeros(vi.size) if groups is None else np.asarray(groups)
    shares = np.stack([w * (labels == label) for label in np.unique(labels)])
    return chi_squares_tails(q, w * (vi + tau2), shares / shares.sum(axis=1, keepdims=True))
