"""Profile likelihood intervals of the pooled logit and of tau2."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import chdtri

from forestry.inverse_variance import NotConverged
from forestry.logistic_mixed.counts import Counts, common_of, several
from forestry.logistic_mixed.fits import fit_random
from forestry.logistic_mixed.likelihood import Point, Rule, evaluate, rule_of
from forestry.logistic_mixed.search import NEWTON_STEPS, TOLERANCE


@dataclass(frozen=True)
class Limits:
    """An interval's limits, on the scale of what it is an interval of."""

    low: float
    high: float


def profile_tau2_interval(
    events: ArrayLike, total: ArrayLike, level: float = 0.95, nodes: int = 7
) -> Limits:
    """The profile likelihood interval of tau2: twice the log-likelihood falls by chi2_1(level).

    The limits are the nearest to the estimate on either side; `low` is 0 where the profile
    does not fall so far above tau2 = 0. Chi-squared on one degree of freedom is kept at the
    boundary, where it is conservative (Self & Liang 1987, JASA 82:605). Raises as
    `fit_random`, and ValueError for a level outside (0, 1).
    """
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, not {level}")
    fit, counts, rule = fit_random(events, total, nodes), several(events, total), rule_of(nodes)
    drop, tau = float(chdtri(1, 1 - level)) / 2, float(np.sqrt(fit.tau2))
    top = evaluate(counts, np.full(1, fit.beta), np.full(1, tau), rule)
    common, high = common_of(counts), _profile_limit(counts, top, fit.beta, tau, drop, rule, +1)
    if top.log_likelihood[0] - common.log_likelihood[0] <= drop:
        return Limits(0.0, high**2)
    return Limits(_profile_limit(counts, top, fit.beta, tau, drop, rule, -1) ** 2, high**2)


def _profile_limit(counts: Counts, start: Point, beta, tau, drop, rule: Rule, side) -> float:
    """tau where the profile is `drop` below the maximum, above (`side` 1) or below (-1) it.

    Newton's method on the root of the fall, which is nearly straight in ln tau, kept between
    the ends of a bracket.
    """
    low, high = (tau, np.inf) if side > 0 else (0.0, tau)
    height, u = float(start.log_likelihood[0]), start.u
    enough = TOLERANCE + float(counts.rounding[0])
    tau = 1.5 * tau + 0.1 if side > 0 else tau / 2
    for _ in range(NEWTON_STEPS):
        beta, at = _profile(counts, beta, tau, u, rule)
        u = at.u
        root = np.sqrt(2 * max(0.0, height - float(at.log_likelihood[0])))
        gap = root - np.sqrt(2 * drop)
        if abs(gap) <= enough:
            return tau
        low, high = (low, tau) if gap * side > 0 else (tau, high)
        # d root / d ln tau, and the step in ln tau
        slope = -float(at.gradient[1, 0]) * tau / root if root > 0 else 0.0
        new = tau * np.exp(np.clip(-gap / slope, -1.5, 1.5)) if slope * side > 0 else np.inf
        if not low < new < high:
            new = (low + high) / 2 if np.isfinite(high) else 2 * tau
        tau = float(new)
    raise NotConverged("the profile likelihood's limit of tau2 was not found")


def _profile(counts: Counts, beta: float, tau: float, u, rule: Rule) -> tuple[float, Point]:
    """The maximum over beta at a given tau."""
    taus = np.full(1, tau)
    for _ in range(NEWTON_STEPS):
        at = evaluate(counts, np.full(1, beta), taus, rule, u)
        slope, curvature = float(at.gradient[0, 0]), -float(at.hessian[0, 0])
        step = slope / curvature if curvature > 0 else np.sign(slope)
        if abs(slope * step) <= TOLERANCE**2:
            return beta, at
        beta, u = beta + float(np.clip(step, -1, 1)), at.u
    raise NotConverged("the profile likelihood of tau2 was not maximised over beta")
