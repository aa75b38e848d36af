"""The maximum for one data set: the search of `search` and `scan`, in single numbers.

Arrays of one number cost more than what is done with them; there are many of them in a fit.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from math import exp, hypot, inf, isfinite, log, sqrt

import numpy as np

from forestry.logistic_mixed.counts import Common, Counts
from forestry.logistic_mixed.likelihood import Rule, evaluate
from forestry.logistic_mixed.scan import (
    NEAR,
    STEEP,
    TINY,
    cubic,
    lattice_of,
    root,
    terms_near_profile,
)
from forestry.logistic_mixed.search import (
    NEWTON_STEPS,
    TOLERANCE,
    UNSEEN,
    with_positive_curvatures,
)


@dataclass(frozen=True)
class Maximum:
    """Where the search ended; `zero` at tau = 0, in closed form."""

    beta: float
    tau: float
    log_likelihood: float
    gradient: list[float]
    hessian: list[float]
    converged: bool
    iterations: int
    zero: bool


@dataclass(frozen=True)
class _Seen:
    """The profile over beta at one tau; slopes and bends are per ln(tau)."""

    log_tau: float
    height: float
    slope: float
    bend: float
    beta: float
    beta_slope: float


def maximum_of(counts: Counts, common: Common, rule: Rule) -> Maximum:
    """As `search.maximise`, of the only data set in `counts`."""
    level, is_maximum = float(common.log_likelihood[0]), bool(common.is_maximum[0])
    seen = _profile(counts, rule)
    best = max(seen, key=lambda at: at.height)
    tops = [_top(*pair) for pair in zip(seen, seen[1:], strict=False)]
    low = max(range(len(tops)), key=lambda i: tops[i][0])
    top, part = tops[low]
    falls = top < level - NEAR and seen[0].slope <= 0 and best.height <= level
    if is_maximum and falls:
        return Maximum(0.0, 0.0, level, [0.0] * 2, [0.0] * 3, True, 0, True)
    beta, log_tau = best.beta, best.log_tau
    if isfinite(top):
        beta, log_tau = _between(seen[low], seen[low + 1], part)
    rounding = float(counts.rounding[0])
    found = _climbed(counts, beta, exp(log_tau), rounding, rule)
    return replace(found, zero=is_maximum and level >= found.log_likelihood - rounding)


# The scan -----------------------------------------------------------------------------------------


def _profile(counts: Counts, rule: Rule) -> list[_Seen]:
    tau, _ = lattice_of(counts)
    beta, terms = terms_near_profile(counts, tau, rule)
    each = zip(tau.tolist(), beta[:, 0].tolist(), *terms[:, :, 0].tolist(), strict=True)
    return [_seen(*at) for at in each]


def _seen(tau, beta, height, g_b, g_t, h_bb, h_bt, h_tt) -> _Seen:
    """By the parabola in beta at a point near the top."""
    curvature = min(h_bb, -TINY)
    step, drift = _held(-g_b / curvature, 1.0), _held(-h_bt / curvature, STEEP)
    slope = tau * (g_t + step * h_bt)
    return _Seen(
        log_tau=log(tau),
        height=height + step * (g_b + step * h_bb / 2),
        slope=slope,
        bend=tau * tau * (h_tt + h_bt * drift) + slope,
        beta=beta + step,
        beta_slope=tau * drift,
    )


def _held(value: float, most: float) -> float:
    return min(max(value, -most), most)


def _top(at: _Seen, to: _Seen) -> tuple[float, float]:
    """The height of the top of the cubic between two taus, and where it is; -inf without."""
    width = to.log_tau - at.log_tau
    s0, s1 = at.slope * width, to.slope * width
    bend = 3 * (to.height - at.height) - s0 - s1
    square = bend * bend - s0 * s1
    if square <= 0:
        return -inf, 0.5
    below = s0 - s1 + 2 * sqrt(square)
    f = 1 - (sqrt(square) - s1 - bend) / below if below else -1.0
    return (cubic(f, at.height, to.height, s0, s1), f) if 0 < f < 1 else (-inf, 0.5)


def _between(at: _Seen, to: _Seen, f: float) -> tuple[float, float]:
    """beta and ln(tau) where the slope is zero, near f of the way."""
    width = to.log_tau - at.log_tau
    with suppress(ZeroDivisionError):
        finer = root(f, at.slope, to.slope, at.bend * width, to.bend * width)
        f = finer if 0 <= finer <= 1 else f
    slopes = at.beta_slope * width, to.beta_slope * width
    return cubic(f, at.beta, to.beta, *slopes), at.log_tau + f * width


# Newton's method ----------------------------------------------------------------------------------


def _climbed(counts: Counts, beta: float, tau: float, rounding: float, rule: Rule) -> Maximum:
    shorter, u = 1.0, None
    at = evaluate(counts, np.array([beta]), np.array([tau]), rule)
    for iteration in range(NEWTON_STEPS + 1):
        height = float(at.log_likelihood[0])
        gradient, hessian = at.gradient[:, 0].tolist(), at.hessian[:, 0].tolist()
        step, length = _newton_step(*gradient, *hessian)
        ended = length <= TOLERANCE + rounding
        if ended or iteration == NEWTON_STEPS:
            place = (beta + step[0], tau + step[1]) if ended else (beta, tau)
            return Maximum(*place, height, gradient, hessian, ended, iteration, False)
        share = shorter * min(1.0, (2 + abs(tau)) / max(hypot(*step), TINY))
        b, t = share * step[0], share * step[1]
        u = at.u + b * at.u1[0] + t * at.u1[1]
        new = evaluate(counts, np.array([beta + b]), np.array([tau + t]), rule, u)
        if new.log_likelihood[0] >= height - rounding or length <= UNSEEN:
            beta, tau, at, shorter = beta + b, tau + t, new, 1.0
        else:
            shorter /= 2
    raise AssertionError("the last step ends the search")


def _newton_step(g, h, h_bb, h_bt, h_tt) -> tuple[tuple[float, float], float]:
    """The step, and its length in standard errors: infinite where not concave."""
    a, b, c = -h_bb, -h_bt, -h_tt
    concave = a > 0 and a * c - b * b > 0
    if not concave:
        a, b, c = (float(value) for value in with_positive_curvatures(a, b, c))
    size = a * c - b * b
    step = (c * g - b * h) / size, (a * h - b * g) / size
    return step, sqrt(abs(g * step[0] + h * step[1])) if concave else inf
