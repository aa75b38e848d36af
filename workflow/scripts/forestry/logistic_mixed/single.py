"""The maximum for one data set: the search of `search` and `scan`, in single numbers.

Arrays of one number cost more than what is done with them; there are many of them in a fit.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from math import exp, hypot, inf, isfinite, log, sqrt

import numpy as np

from forestry.logistic_mixed.counts import Common, Counts
from forestry.logistic_mixed.likelihood import Rule, in_slabs, study_terms
from forestry.logistic_mixed.scan import (
    NEAR,
    STEEP,
    TINY,
    cubic,
    cubic_slope,
    joint_modes,
    lattice_of,
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
    seen, modes = _profile(counts, rule)
    best = max(range(len(seen)), key=lambda i: seen[i].height)
    tops = [_top(*pair) for pair in zip(seen, seen[1:], strict=False)]
    low = max(range(len(tops)), key=lambda i: tops[i][0])
    top, part = tops[low]
    falls = top < level - NEAR and seen[0].slope <= 0 and seen[best].height <= level
    if is_maximum and falls:
        return Maximum(0.0, 0.0, level, [0.0] * 2, [0.0] * 3, True, 0, True)
    beta, log_tau, u = seen[best].beta, seen[best].log_tau, modes[best]
    if isfinite(top):
        beta, log_tau, part = _between(seen[low], seen[low + 1], part)
        u = modes[low] + part * (modes[low + 1] - modes[low])
    return _climbed(counts, beta, exp(log_tau), u, level if is_maximum else -inf, rule)


# The scan -----------------------------------------------------------------------------------------


def _profile(counts: Counts, rule: Rule) -> tuple[list[_Seen], np.ndarray]:
    """At each tau of the lattice; and the posterior modes there, (G, k)."""
    tau, _ = lattice_of(counts)
    beta, _, u = joint_modes(counts, tau[:, None])
    shape = tau.size, counts.x.size
    x, y = (np.broadcast_to(values, shape).ravel() for values in (counts.x, counts.y))
    place = (np.repeat(values, counts.x.size) for values in (beta, tau))
    terms, u, _ = in_slabs(x, y, *place, rule, u.ravel(), exact=False)
    sums = np.add.reduce(terms.reshape(6, tau.size, -1), axis=2).tolist()
    each = zip(tau.tolist(), beta[:, 0].tolist(), *sums, strict=True)
    return [_seen(*at) for at in each], u.reshape(tau.size, -1)


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


def _between(at: _Seen, to: _Seen, f: float) -> tuple[float, float, float]:
    """beta and ln(tau) where the slope is zero, near f of the way; and that f."""
    width = to.log_tau - at.log_tau
    bends = at.bend * width, to.bend * width
    rise = (to.height - at.height) / width
    with suppress(ZeroDivisionError):
        finer = _root(f, rise, at.slope, to.slope, *bends)
        f = finer if 0 <= finer <= 1 else f
    slopes = at.beta_slope * width, to.beta_slope * width
    return cubic(f, at.beta, to.beta, *slopes), at.log_tau + f * width, f


def _root(f: float, rise: float, *ends: float) -> float:
    """Towards a zero of the quartic through two slopes, with their bends and their mean."""
    low, high, low_bend, high_bend = ends
    extra = 30 * (rise - (low + high) / 2 - (low_bend - high_bend) / 12)
    for _ in range(3):
        g = 1 - f
        value = cubic(f, *ends) + extra * (f * g) ** 2
        f -= value / (cubic_slope(f, *ends) + 2 * extra * f * g * (g - f))
    return f


# Newton's method ----------------------------------------------------------------------------------


def _climbed(counts: Counts, beta, tau, u, level: float, rule: Rule) -> Maximum:
    """`zero` where the log-likelihood does not rise above `level`.

    It begins with what is not exact: there it does not end, and no height is held against it.
    """
    x, y, shorter, rounding = counts.x, counts.y, 1.0, float(counts.rounding[0])
    exact = False
    (height, *slopes), u, u1 = _sums(x, y, beta, tau, u, rule, exact)
    for iteration in range(NEWTON_STEPS + 1):
        step, length = _newton_step(*slopes)
        ended = exact and length <= TOLERANCE + rounding
        if ended or iteration == NEWTON_STEPS:
            place = (beta + step[0], tau + step[1]) if ended else (beta, tau)
            zero = level >= height - rounding
            return Maximum(*place, height, slopes[:2], slopes[2:], ended, iteration, zero)
        share = shorter * min(1.0, (2 + abs(tau)) / max(hypot(*step), TINY))
        b, t = share * step[0], share * step[1]
        u_there = u + b * u1[0] + t * u1[1]
        (new, *new_slopes), *moved = _sums(x, y, beta + b, tau + t, u_there, rule)
        if new >= height - rounding or length <= UNSEEN:
            beta, tau, shorter, exact = beta + b, tau + t, 1.0, True
            height, slopes, (u, u1) = new, new_slopes, moved
        elif not exact:
            exact = True
            (height, *slopes), u, u1 = _sums(x, y, beta, tau, u, rule)
        else:
            shorter /= 2
    raise AssertionError("the last step ends the search")


def _sums(x, y, beta: float, tau: float, u, rule: Rule, exact=True) -> tuple[list[float], ...]:
    """The log-likelihood and its derivatives; the modes, and theirs."""
    terms, u, u1 = study_terms(x, y, beta, tau, u, rule, exact)
    return np.add.reduce(terms, axis=1).tolist(), u, u1


def _newton_step(g, h, h_bb, h_bt, h_tt) -> tuple[tuple[float, float], float]:
    """The step, and its length in standard errors: infinite where not concave."""
    a, b, c = -h_bb, -h_bt, -h_tt
    concave = a > 0 and a * c - b * b > 0
    if not concave:
        a, b, c = (float(value) for value in with_positive_curvatures(a, b, c))
    size = a * c - b * b
    step = (c * g - b * h) / size, (a * h - b * g) / size
    return step, sqrt(abs(g * step[0] + h * step[1])) if concave else inf
