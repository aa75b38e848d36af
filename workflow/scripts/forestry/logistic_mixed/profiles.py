"""Profile likelihood intervals of the pooled logit and of tau2.

A limit is where twice the log-likelihood, at its maximum over the other parameter, has fallen
by the quantile of chi-squared on one degree of freedom: the place nearest to the estimate on
either side.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import exp, inf, isfinite, log, sqrt

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import chdtri, expit

from forestry.checks import NotConverged, check_level
from forestry.logistic_mixed.counts import Counts, common_of, counts_of, refuse_all_or_none, several
from forestry.logistic_mixed.fits import fit_random
from forestry.logistic_mixed.likelihood import Rule, evaluate, rule_of
from forestry.logistic_mixed.scan import lattice_of, tops
from forestry.logistic_mixed.search import NEWTON_STEPS, TOLERANCE

_LARGEST = 64.0  # tau that a profile over tau is looked for up to
_ENOUGH = 1e-15  # of a log-likelihood, beside its rounding: half the gain of a last step

_ENDLESS = (
    "the profile likelihood of beta does not fall to a limit: so few events let tau grow with "
    "the distance; intervals from the standard error (wald, t) exist"
)

Profile = Callable[[float], tuple[float, float]]  # the height at a place, and its slope


@dataclass(frozen=True)
class Limits:
    """An interval's limits, on the scale of what it is an interval of."""

    low: float
    high: float


def profile_common_interval(events: ArrayLike, total: ArrayLike, level: float = 0.95) -> Limits:
    """The likelihood interval of one common logit, tau2 = 0.

    Raises as `fit_common`, and ValueError for a level outside (0, 1).
    """
    check_level(level)
    counts = counts_of(events, total)
    refuse_all_or_none(counts)
    common = common_of(counts)
    beta, se, height = (
        float(values[0]) for values in (common.beta, common.se, common.log_likelihood)
    )
    return _both_sides(lambda at: _without_tau(counts, at)[:2], height, beta, se, level, counts)


def profile_beta_interval(
    events: ArrayLike, total: ArrayLike, level: float = 0.95, nodes: int = 7
) -> Limits:
    """The profile likelihood interval of beta, over tau >= 0; on the logit scale.

    Raises as `fit_random`, ValueError for a level outside (0, 1), and NotConverged where the
    likelihood does not fall so far: few events let tau grow with the distance.
    """
    check_level(level)
    counts, rule = several(events, total), rule_of(nodes)
    fit, lattice = fit_random(events, total, nodes), lattice_of(counts, _LARGEST)[0]
    height = fit.log_likelihood - float(counts.constant[0])

    def profile(beta: float) -> tuple[float, float]:
        return _over_tau(counts, beta, lattice, rule)

    return _both_sides(profile, height, fit.beta, fit.se, level, counts)


def profile_tau2_interval(
    events: ArrayLike, total: ArrayLike, level: float = 0.95, nodes: int = 7
) -> Limits:
    """The profile likelihood interval of tau2, over beta.

    `low` is 0 where the profile does not fall so far above tau2 = 0. Chi-squared on one
    degree of freedom is kept at the boundary, where it is conservative (Self & Liang 1987,
    JASA 82:605). Raises as `fit_random`, and ValueError for a level outside (0, 1).
    """
    check_level(level)
    counts, rule = several(events, total), rule_of(nodes)
    fit, common = fit_random(events, total, nodes), common_of(counts)
    height, tau = fit.log_likelihood - float(counts.constant[0]), sqrt(fit.tau2)
    beta = [fit.beta]  # where the last profile was highest

    def profile(log_tau: float) -> tuple[float, float]:
        beta[0], top, slope = _over_beta(counts, beta[0], exp(log_tau), rule)
        return top, slope * exp(log_tau)

    centre = log(tau) if tau > 0 else -inf
    drop = _drop(level)
    high = _limit(profile, height, centre, log(1.5 * tau + 0.1), drop, counts)
    if height - float(common.log_likelihood[0]) <= drop:
        return Limits(0.0, exp(2 * high))
    beta[0] = fit.beta
    low = _limit(profile, height, centre, centre - log(2), drop, counts)
    return Limits(exp(2 * low), exp(2 * high))


def _drop(level: float) -> float:
    """By how much the log-likelihood falls to the limits."""
    return float(chdtri(1, 1 - level)) / 2


# The limits -------------------------------------------------------------------------------------


def _both_sides(
    profile: Profile, height: float, centre: float, se: float, level: float, counts: Counts
) -> Limits:
    drop = _drop(level)
    half = sqrt(2 * drop) * se
    low, high = (
        _limit(profile, height, centre, centre + side * half, drop, counts) for side in (-1, 1)
    )
    return Limits(low, high)


def _limit(
    profile: Profile, height: float, centre: float, place: float, drop: float, counts: Counts
) -> float:
    """Where the profile is `drop` below `height`, its value at `centre`, on the side of `place`.

    Newton's method on the root of the fall, which is nearly straight, kept between the ends
    of a bracket and to steps of 1.5 on the logit scale, or of ln tau.
    """
    side = 1 if place > centre else -1
    near, far = centre, side * inf
    enough = TOLERANCE + float(counts.rounding[0])
    for _ in range(NEWTON_STEPS):
        top, slope = profile(place)
        root = sqrt(2 * max(0.0, height - top))
        gap = root - sqrt(2 * drop)
        if abs(gap) <= enough:
            return place
        near, far = (near, place) if gap > 0 else (place, far)
        rising = -slope / root if root > 0 else 0.0
        new = place - _held(gap / rising) if rising * side > 0 else inf
        place = new if (new - near) * side > 0 and (far - new) * side > 0 else _middle(near, far)
    raise NotConverged("a limit of the profile likelihood was not found")


def _held(step: float) -> float:
    return min(max(step, -1.5), 1.5)


def _middle(one: float, other: float) -> float:
    """Between two places, or a step from the finite one to the other."""
    if isfinite(one) and isfinite(other):
        return (one + other) / 2
    finite, endless = (one, other) if isfinite(one) else (other, one)
    return finite + (0.7 if endless > 0 else -0.7)


# The profiles -----------------------------------------------------------------------------------


def _over_beta(counts: Counts, beta: float, tau: float, rule: Rule) -> tuple[float, float, float]:
    """The highest beta at a given tau, the height, and its slope in tau."""
    taus, enough, u = np.full(1, tau), _ENOUGH + float(counts.rounding[0]) ** 2, None
    for _ in range(NEWTON_STEPS):
        at = evaluate(counts, np.full(1, beta), taus, rule, u)
        slope, curvature = float(at.gradient[0, 0]), -float(at.hessian[0, 0])
        step = slope / curvature if curvature > 0 else float(np.sign(slope))
        if abs(slope * step) <= enough:
            return beta, float(at.log_likelihood[0]), float(at.gradient[1, 0])
        beta, u = beta + min(max(step, -1.0), 1.0), at.u
    raise NotConverged("the profile likelihood of tau2 was not maximised over beta")


def _without_tau(counts: Counts, beta: float) -> tuple[float, float, float]:
    """At tau = 0: the height, its slope in beta, and its second derivative in tau."""
    p, q = float(expit(beta)), float(expit(-beta))
    log_p, log_q = -np.logaddexp(0, -beta), -np.logaddexp(0, beta)
    residual = counts.x * q - counts.y * p
    height = counts.x.sum() * log_p + counts.y.sum() * log_q
    rise = (residual**2).sum() - counts.n.sum() * p * q
    return float(height), float(residual.sum()), float(rise)


def _over_tau(counts: Counts, beta: float, lattice: np.ndarray, rule: Rule) -> tuple[float, float]:
    """The height of the profile over tau >= 0 at a given beta, and its slope in beta."""
    height, slope, rise = _without_tau(counts, beta)
    many = counts.repeated(lattice.size)
    at = evaluate(many, np.full(lattice.size, beta), lattice, rule)
    steep = (lattice * at.gradient[1])[:, None]
    top, part = tops(np.log(lattice), at.log_likelihood[:, None], steep, True)
    low = int(top.argmax())
    if not np.isfinite(top[low, 0]):
        if steep[-1, 0] > 0:
            raise NotConverged(_ENDLESS)
        if rise <= 0:
            return height, slope
        bracket, start = (0.0, float(lattice[0])), float(lattice[0]) / 2
    else:
        bracket = float(lattice[low]), float(lattice[low + 1])
        start = bracket[0] * (bracket[1] / bracket[0]) ** float(part[low, 0])
    found = _top_between(counts, beta, bracket, start, rule)
    return max(found, (height, slope))


def _top_between(counts: Counts, beta: float, bracket, tau: float, rule: Rule):
    """The height of a top in tau within a bracket, and its slope in beta."""
    low, high = bracket
    betas, enough, u = np.full(1, beta), _ENOUGH + float(counts.rounding[0]) ** 2, None
    for _ in range(NEWTON_STEPS):
        at = evaluate(counts, betas, np.full(1, tau), rule, u)
        slope, curvature = float(at.gradient[1, 0]), -float(at.hessian[2, 0])
        step = slope / curvature if curvature > 0 else inf
        if abs(slope * step) <= enough or high - low <= 1e-15 * high:
            return float(at.log_likelihood[0]), float(at.gradient[0, 0])
        low, high = (tau, high) if slope > 0 else (low, tau)
        tau = tau + step if low < tau + step < high else (low + high) / 2
        u = at.u
    raise NotConverged("the profile likelihood of beta was not maximised over tau")
