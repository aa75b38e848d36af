"""The profile likelihood interval of tau2 in the binomial-normal models."""

from __future__ import annotations

from math import exp, log, sqrt

from scipy.special import chdtri

from forestry.binomial_normal import BinomialNormal, Evaluate
from forestry.checks import NotConverged, check_level
from forestry.logistic_mixed import Limits
from forestry.roots import bracketed_root

_SMALLEST = 1e-3  # tau that no likelihood tells from 0, where the search upwards from 0 begins
_STRIDE = 0.7  # of ln tau
_STRIDES = 30
_STEPS = 100


def tau2_limits(
    evaluate: Evaluate, fit: BinomialNormal, common: BinomialNormal, state: object, level: float
) -> Limits:
    """Where twice the log-likelihood, maximised over theta, falls by chi2_1(level) from the fit.

    `low` is 0 where it does not fall so far above tau2 = 0. Chi-squared on one degree of freedom is
    kept at the boundary, where it is conservative (Self & Liang 1987, JASA 82:605). `evaluate` and
    `state` are those that the model was maximised with. Raises NotConverged, also where there is
    no upper limit, ValueError for a level outside (0, 1).
    """
    check_level(level)
    drop = float(chdtri(1, 1 - level)) / 2
    at = [fit.estimate, state]

    def fall(log_tau: float) -> float:
        at[0], at[1], top = _over_theta(evaluate, exp(log_tau), *at)
        return fit.log_likelihood - top - drop

    centre = log(max(sqrt(fit.tau2), _SMALLEST))
    high = _limit(fall, centre, _STRIDE)
    if fit.log_likelihood - common.log_likelihood <= drop:
        return Limits(0.0, exp(2 * high))
    at = [fit.estimate, state]
    return Limits(exp(2 * _limit(fall, centre, -_STRIDE)), exp(2 * high))


def _limit(fall, near: float, stride: float) -> float:
    for _ in range(_STRIDES):
        far = near + stride
        if fall(far) > 0:
            return bracketed_root(fall, min(near, far), max(near, far))
        near = far
    raise NotConverged("a limit of the profile likelihood was not found")


def _over_theta(evaluate: Evaluate, tau: float, theta: float, state: object):
    """The highest theta at a given tau, the state there, and the height."""
    for _ in range(_STEPS):
        at = evaluate(theta, tau, state)
        slope, curvature = float(at.gradient[0]), -float(at.hessian[0, 0])
        step = slope / curvature if curvature > 0 else (1.0 if slope > 0 else -1.0)
        if abs(slope * step) < 1e-12:
            return theta, at.state, at.log_likelihood
        theta, state = theta + min(max(step, -1.0), 1.0), at.state
    raise NotConverged("the profile likelihood was not maximised")
