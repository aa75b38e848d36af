"""The unconditional binomial-normal model of two arms, with a fixed level for each study.

Study i's events are binomial with logits alpha_i + delta_i/2 in the treated and alpha_i -
delta_i/2 in the control arm, delta_i = theta + tau u_i, u_i ~ N(0, 1): a logistic mixed model
with fixed study effects and a random treatment effect (Turner et al. 2000, Stat Med 19:3417;
Stijnen, Hamza & Ozdemir 2010, Stat Med 29:3046). It is R's rma.glmm(measure = "OR", model =
"UM.FS", coding = 1/2).

The integral over u_i is taken as in `logistic_mixed`, by adaptive Gauss-Hermite quadrature whose
nodes move with the parameters; jets carry the derivatives through it, movement included. Given
(theta, tau) the levels alpha_i part from each other: each is maximised by itself, and theta and
tau on what is left, the profile, whose Hessian has the inverse that the full one has there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.polynomial.hermite_e import hermegauss
from numpy.typing import ArrayLike
from scipy.special import expit, gammaln, xlogy

from forestry.binomial_normal import (
    BinomialNormal,
    Evaluate,
    Point,
    Tables,
    best_of,
    informative_tables,
    maximise,
    posterior_modes,
    q_of,
    random_tables,
    wald_statistic,
)
from forestry.binomial_normal_profiles import tau2_limits
from forestry.checks import NotConverged
from forestry.jets import (
    Jet,
    inverse,
    inverse_root,
    log_sum_exp,
    logarithm,
    logistic,
    softplus,
    variables,
)
from forestry.logistic_mixed import Limits, Test

_STEPS = 200
_TOLERANCE = 1e-11
_LOG_ROOT_2PI = float(np.log(2 * np.pi) / 2)


def fit_common(
    events: ArrayLike, total: ArrayLike, control_events: ArrayLike, control_total: ArrayLike
) -> BinomialNormal:
    """Logistic regression with a level for each study and one common log odds ratio.

    Counts (k,), k >= 1. Raises ValueError for what are not counts, NoFiniteMaximum where there
    is no finite estimate, NotConverged.
    """
    tables = informative_tables(events, total, control_events, control_total)
    return _common(tables)[0]


def fit_random(
    events: ArrayLike,
    total: ArrayLike,
    control_events: ArrayLike,
    control_total: ArrayLike,
    nodes: int = 7,
) -> BinomialNormal:
    """The maximum of the likelihood over the levels, theta and tau >= 0.

    The boundary is returned where it is the higher maximum. Raises as `fit_common`, and
    NoFiniteMaximum where tau has none, ValueError for nodes below 1.
    """
    tables = random_tables(events, total, control_events, control_total)
    common, alpha = _common(tables)
    start = alpha, np.zeros(alpha.size)
    found = maximise(_likelihood(tables, nodes), common.estimate, start, _rounding(tables))
    return best_of(tables, common, found)


def profile_tau2_interval(
    fit: BinomialNormal,
    events: ArrayLike,
    total: ArrayLike,
    control_events: ArrayLike,
    control_total: ArrayLike,
    level: float = 0.95,
    nodes: int = 7,
) -> Limits:
    """The profile likelihood interval of tau2, about a fit of `fit_random` to the same counts.

    Raises as `fit_random`, and ValueError for a level outside (0, 1).
    """
    tables = random_tables(events, total, control_events, control_total)
    common, alpha = _common(tables)
    return tau2_limits(
        _likelihood(tables, nodes), fit, common, (alpha, np.zeros(alpha.size)), level
    )


def _likelihood(tables: Tables, nodes: int) -> Evaluate:
    rule = _Rule.of(nodes)
    return lambda theta, tau, state: _profile(tables, rule, theta, tau, state)


def likelihood_ratio_q(events, total, control_events, control_total) -> Test:
    """The likelihood ratio test of one common odds ratio against one for each study, df k - 1.

    k counts the informative studies. Raises as `fit_common`.
    """
    tables = informative_tables(events, total, control_events, control_total)
    saturated = sum(
        xlogy(yes, yes / (yes + no)) + xlogy(no, no / (yes + no)) for yes, no in _arms(tables)
    )
    common = _common(tables)[0].log_likelihood - _constant(tables).sum()
    return q_of(2 * (saturated.sum() - common), tables.a.size)


def wald_q(events, total, control_events, control_total) -> Test:
    """The inverse-variance Q of the uncorrected log odds ratios that are finite, df k - 1.

    k counts all informative studies, as in R's metafor: the test is conservative where some
    have a zero cell. Raises as `fit_common`, and ValueError where none is finite.
    """
    tables = informative_tables(events, total, control_events, control_total)
    a, b, c, d = (cell[tables.inside] for cell in (tables.a, tables.b, tables.c, tables.d))
    return wald_statistic(np.log(a * d / (b * c)), 1 / a + 1 / b + 1 / c + 1 / d, tables.a.size)


def _rounding(tables: Tables) -> float:
    """The error of a study's log-likelihood: that of the log factorials that it cancels."""
    largest = max(float((yes + no).max()) for yes, no in _arms(tables))
    return float(8 * np.finfo(float).eps * gammaln(largest + 1))


def _arms(tables: Tables) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    """Events and non-events of the treated and of the control arm."""
    return (tables.a, tables.b), (tables.c, tables.d)


def _constant(tables: Tables) -> np.ndarray:
    """The logarithms of the binomial coefficients, (k,)."""
    return sum(
        gammaln(yes + no + 1) - gammaln(yes + 1) - gammaln(no + 1) for yes, no in _arms(tables)
    )


# One common odds ratio ----------------------------------------------------------------------------


def _common(tables: Tables) -> tuple[BinomialNormal, np.ndarray]:
    """The fit, and the studies' levels (k,)."""
    (a, b), (c, d) = _arms(tables)
    n1, n2 = a + b, c + d
    alpha, theta = np.log((a + c) / (b + d)), 0.0
    height = _binomial(tables, alpha, theta)
    for iteration in range(1, _STEPS + 1):
        p1, p2 = expit(alpha + theta / 2), expit(alpha - theta / 2)
        w1, w2 = n1 * p1 * (1 - p1), n2 * p2 * (1 - p2)
        of_alpha, slope = (a - n1 * p1) + (c - n2 * p2), ((a - n1 * p1) - (c - n2 * p2)) / 2
        both, cross = w1 + w2, (w1 - w2) / 2
        information = w1 * w2 / both
        score = float((slope - cross * of_alpha / both).sum())
        step = score / information.sum()
        moved = (of_alpha - cross * step) / both
        size = np.sqrt(step**2 * information.sum() + (of_alpha**2 / both).sum())
        share = 1.0
        while share > 1e-8:  # the log-likelihood is concave: a part of the step always gains
            new = _binomial(tables, alpha + share * moved, theta + share * step)
            if new >= height - 1e-12 * abs(height) or size < _TOLERANCE:
                break
            share /= 2
        alpha, theta, height = alpha + share * moved, theta + share * step, new
        if size < _TOLERANCE:
            return _common_fit(tables, theta, height, score, iteration, information), alpha
    raise NotConverged("the common odds ratio was not found")


def _common_fit(tables, theta, height, score, iterations, information) -> BinomialNormal:
    return BinomialNormal(
        estimate=float(theta),
        se=float(information.sum() ** -0.5),
        tau2=0.0,
        log_likelihood=height + float(_constant(tables).sum()),
        score=(score, 0.0),
        iterations=iterations,
        information=information,
        informative=tables.informative,
    )


def _binomial(tables: Tables, alpha, theta) -> float:
    eta = alpha + theta / 2, alpha - theta / 2
    return float(
        sum(
            (yes * e - (yes + no) * np.logaddexp(0.0, e)).sum()
            for (yes, no), e in zip(_arms(tables), eta, strict=True)
        )
    )


# The integrated likelihood ------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Rule:
    """Gauss-Hermite nodes (J, 1) for a standard normal weight, and the log of what they carry."""

    z: np.ndarray
    log_weight: np.ndarray  # exp(z^2 / 2) included

    @classmethod
    def of(cls, nodes: int) -> _Rule:
        if nodes < 1:
            raise ValueError(f"nodes must be 1 or more, not {nodes}")
        z, weights = hermegauss(nodes)
        return cls(z[:, None], (np.log(weights) + z**2 / 2 - _LOG_ROOT_2PI)[:, None])


def _profile(tables: Tables, rule: _Rule, theta: float, tau: float, state) -> Point:
    """The log-likelihood at its maximum over the levels, started at `state`: levels, modes."""
    alpha, u = state
    for _ in range(_STEPS):
        found, u = _integrated(tables, rule, alpha, theta, tau, u)
        slope, curvature = found.gradient[0], found.hessian[0, 0]
        # Where it is not concave, a step of 1 uphill.
        step = np.where(curvature < 0, -slope / np.minimum(curvature, -1e-300), np.sign(slope))
        small = np.abs(slope * step) < 1e-20
        if small.all():
            return _reduced(found, (alpha, u))
        alpha = alpha + np.clip(np.where(small, 0.0, step), -1, 1)
    raise NotConverged("the levels of the studies were not found")


def _reduced(found: Jet, state) -> Point:
    """Sums over studies, the levels profiled out: Schur's complement of the Hessian."""
    cross = found.hessian[0, 1:]
    schur = found.hessian[1:, 1:] - cross[:, None] * cross[None] / found.hessian[0, 0]
    gradient = found.gradient[1:] - cross * found.gradient[0] / found.hessian[0, 0]
    return Point(float(found.value.sum()), gradient.sum(axis=-1), schur.sum(axis=-1), state)


def _integrated(tables: Tables, rule: _Rule, alpha, theta, tau, u) -> tuple[Jet, np.ndarray]:
    """Each study's log-likelihood as a jet in (alpha_i, theta, tau), and its posterior mode."""
    u = _modes(tables, alpha, theta, tau, u)
    level, effect, spread = variables(alpha, theta, tau)
    # Newton's steps double the order to which the mode's Taylor series is right.
    mode = variables(u, theta, tau)[0]
    mode = Jet(mode.value, np.zeros_like(mode.gradient), mode.hessian)
    for _ in range(2):
        slope, curvature = _log_posterior_slopes(tables, level, effect, spread, mode)
        mode = mode - slope * inverse(curvature)
    scale = inverse_root(-curvature)
    nodes = _stretched(mode, rule.z) + _stretched(scale, np.ones_like(rule.z)) * rule.z
    level, effect, spread = (_stretched(x, np.ones_like(rule.z)) for x in (level, effect, spread))
    half = (effect + spread * nodes) * 0.5
    (a, b), (c, d) = _arms(tables)
    eta1, eta2 = level + half, level - half
    logs = eta1 * a - softplus(eta1) * (a + b) + eta2 * c - softplus(eta2) * (c + d)
    logs = logs - nodes * nodes * 0.5 + rule.log_weight
    return log_sum_exp(logs) + logarithm(scale) + _constant(tables), u


def _stretched(x: Jet, ones: np.ndarray) -> Jet:
    """A jet of shape (k,) as one of shape (J, k)."""
    shape = (ones.shape[0], x.value.size)
    return Jet(
        np.broadcast_to(x.value, shape),
        np.broadcast_to(x.gradient[:, None], (x.gradient.shape[0], *shape)),
        np.broadcast_to(x.hessian[:, :, None], (*x.hessian.shape[:2], *shape)),
    )


def _log_posterior_slopes(tables, level, effect, spread, u) -> tuple[Jet, Jet]:
    """First and second derivative in u of a study's log-likelihood plus the log prior."""
    half = (effect + spread * u) * 0.5
    p1, p2 = logistic(level + half), logistic(level - half)
    (a, b), (c, d) = _arms(tables)
    n1, n2 = a + b, c + d
    slope = spread * (p2 * n2 - p1 * n1 + (a - c)) * 0.5 - u
    weights = (p1 - p1 * p1) * n1 + (p2 - p2 * p2) * n2
    return slope, spread * spread * weights * -0.25 - 1.0


def _modes(tables: Tables, alpha, theta, tau, u) -> np.ndarray:
    """Posterior modes of u, (k,)."""
    (a, b), (c, d) = _arms(tables)

    def slopes(u):
        half = (theta + tau * u) / 2
        p1, p2 = expit(alpha + half), expit(alpha - half)
        weights = (a + b) * p1 * (1 - p1) + (c + d) * p2 * (1 - p2)
        slope = tau / 2 * (a - (a + b) * p1 - c + (c + d) * p2) - u
        return slope, 1 + tau**2 / 4 * weights

    return posterior_modes(slopes, u, 1e-10)
