"""Weighted sums of chi-squares."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from forestry.roots import bracketed_root

_TAIL_POINTS = 400  # of the trapezoid rule, which then errs by no more than rounding
_TAIL_REACH = 6.5  # exp(-6.5^2) is below rounding


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
        return bracketed_root(slope, 1e-12 * edge, (1 - 1e-12) * edge)
    far = -1.0
    while slope(far) > 0:
        far *= 2
    return bracketed_root(slope, far, -1e-12)
