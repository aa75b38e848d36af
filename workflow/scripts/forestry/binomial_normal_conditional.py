"""The conditional binomial-normal model of two arms: exact, without levels of the studies.

Given its events in both arms, study i's events in the treated arm have a noncentral
hypergeometric distribution with log odds ratio theta + tau u_i, u_i ~ N(0, 1): van Houwelingen,
Zwinderman & Stijnen 1993 (Stat Med 12:2273), Stijnen, Hamza & Ozdemir 2010 (Stat Med 29:3046).
It is R's rma.glmm(measure = "OR", model = "CM.EL").

The integral over u_i is taken by the trapezoid rule after u = mode + s sinh(x), which holds
a narrow peak and the prior's long tail alike and converges geometrically (Trefethen & Weideman
2014, SIAM Rev 56:385). Its error is of the order of rounding, so that the derivatives are
those under the integral.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

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
from forestry.logistic_mixed import Limits, Test
from forestry.noncentral_hypergeometric import Margins

_POINTS = np.linspace(0.0, 1.0, 61)
_REACH = 9.0  # standard deviations of the prior beyond the mode: exp(-9^2 / 2) is rounding
_FALL = 40.0  # of the log density: exp(-40) is rounding
_HALVINGS = 7  # towards the place of this fall
_STEPS = 200
_TOLERANCE = 1e-11
_LOG_ROOT_2PI = float(np.log(2 * np.pi) / 2)


def fit_common(
    events: ArrayLike, total: ArrayLike, control_events: ArrayLike, control_total: ArrayLike
) -> BinomialNormal:
    """The conditional maximum likelihood estimate of one common log odds ratio.

    Counts (k,), k >= 1. As R's mantelhaen.test(exact = TRUE). Raises ValueError for what are
    not counts, NoFiniteMaximum where there is no finite estimate, NotConverged.
    """
    return _common(informative_tables(events, total, control_events, control_total))


def fit_random(
    events: ArrayLike, total: ArrayLike, control_events: ArrayLike, control_total: ArrayLike
) -> BinomialNormal:
    """The maximum of the likelihood over theta and tau >= 0.

    The boundary is returned where it is the higher maximum. Raises as `fit_common`, and
    NoFiniteMaximum where tau has none.
    """
    tables = random_tables(events, total, control_events, control_total)
    common, margins = _common(tables), _margins(tables)
    start = np.zeros(tables.a.size)
    found = maximise(_likelihood(tables, margins), common.estimate, start, margins.rounding)
    return best_of(tables, common, found)


def profile_tau2_interval(
    fit: BinomialNormal,
    events: ArrayLike,
    total: ArrayLike,
    control_events: ArrayLike,
    control_total: ArrayLike,
    level: float = 0.95,
) -> Limits:
    """The profile likelihood interval of tau2, about a fit of `fit_random` to the same counts.

    Raises as `fit_random`, and ValueError for a level outside (0, 1).
    """
    tables = random_tables(events, total, control_events, control_total)
    likelihood, start = _likelihood(tables, _margins(tables)), np.zeros(tables.a.size)
    return tau2_limits(likelihood, fit, _common(tables), start, level)


def _likelihood(tables: Tables, margins: Margins) -> Evaluate:
    return lambda theta, tau, u: _evaluate(tables, margins, theta, tau, u)


def likelihood_ratio_q(events, total, control_events, control_total) -> Test:
    """The likelihood ratio test of one common odds ratio against one for each study, df k - 1.

    k counts the informative studies. Raises as `fit_common`.
    """
    tables = informative_tables(events, total, control_events, control_total)
    _, _, saturated = _each(tables)
    return q_of(2 * (saturated.sum() - _common(tables).log_likelihood), tables.a.size)


def wald_q(events, total, control_events, control_total) -> Test:
    """Q of the studies' own conditional estimates, of those that are finite, df k - 1.

    k counts all informative studies, as in R's metafor: the test is conservative where some
    have a zero cell. Raises as `fit_common`, and ValueError where no estimate is finite.
    """
    tables = informative_tables(events, total, control_events, control_total)
    theta, variance, _ = _each(tables)
    inside = tables.inside
    return wald_statistic(theta[inside], 1 / variance[inside], tables.a.size)


def _margins(tables: Tables) -> Margins:
    return Margins(tables.a + tables.b, tables.c + tables.d, tables.a + tables.c)


# One odds ratio, for all studies or for each ----------------------------------------------------


def _common(tables: Tables) -> BinomialNormal:
    margins, theta = _margins(tables), 0.0
    bracket = [-np.inf, np.inf]
    for iteration in range(1, _STEPS + 1):
        at = margins.moments(np.full(tables.a.shape, theta))
        score, information = float((tables.a - at.mean).sum()), float(at.variance.sum())
        step = score / information if information > 0 else np.copysign(np.inf, score)
        if abs(step) * np.sqrt(information) < _TOLERANCE + margins.rounding:
            return _common_fit(tables, margins, theta + step, iteration)
        bracket[score < 0] = theta  # the score falls with theta: the root is on the other side
        theta = _bracketed(theta, step, *bracket)
    raise NotConverged("the common odds ratio was not found")


def _common_fit(tables: Tables, margins: Margins, theta: float, iterations: int):
    at = margins.moments(np.full(tables.a.shape, theta))
    own = margins.log_coefficient(tables.a) + tables.a * theta - at.log_sum
    return BinomialNormal(
        estimate=float(theta),
        se=float(at.variance.sum() ** -0.5),
        tau2=0.0,
        log_likelihood=float(own.sum()),
        score=(float((tables.a - at.mean).sum()), 0.0),
        iterations=iterations,
        information=at.variance,
        informative=tables.informative,
    )


def _bracketed(theta: float, step: float, low: float, high: float) -> float:
    """Newton's step, cut to 2, or the middle of the bracket where it leaves it."""
    new = theta + float(np.clip(step, -2.0, 2.0))
    return new if low < new < high else (low + high) / 2


def _each(tables: Tables) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Each study's own log odds ratio (NaN at an end of the range), information, log-likelihood."""
    margins, inside = _margins(tables), tables.inside
    cells = [cell + 0.5 for cell in (tables.a, tables.b, tables.c, tables.d)]
    theta = np.log(cells[0] * cells[3] / (cells[1] * cells[2]))
    for _ in range(_STEPS):
        at = margins.moments(theta)
        with np.errstate(divide="ignore", invalid="ignore"):
            step = np.where(inside, np.clip((tables.a - at.mean) / at.variance, -1, 1), 0.0)
        theta = theta + step
        if (np.abs(step) * np.sqrt(at.variance) < _TOLERANCE + margins.rounding).all():
            at = margins.moments(theta)
            own = margins.log_coefficient(tables.a) + tables.a * theta - at.log_sum
            # At an end of its range a study's probability rises to 1.
            return np.where(inside, theta, np.nan), at.variance, np.where(inside, own, 0.0)
    raise NotConverged("a study's own odds ratio was not found")


# The integrated likelihood ----------------------------------------------------------------------


def _evaluate(tables: Tables, margins: Margins, theta: float, tau: float, u) -> Point:
    mode, scale = _modes(tables, margins, theta, tau, u)
    constant = margins.log_coefficient(tables.a) - _LOG_ROOT_2PI

    def density(u):
        """The logarithm of the density of the study's events and u, and their moments."""
        at = margins.moments(theta + tau * u)
        return constant + tables.a * (theta + tau * u) - at.log_sum - u**2 / 2, at

    low, high = _ends(lambda u: density(u)[0], mode, scale)
    x = low + (high - low) * _POINTS[:, None]
    nodes = mode + scale * np.sinh(x)
    logs, at = density(nodes)
    logs += np.log(np.cosh(x))
    top = logs.max(axis=0)
    posterior = np.exp(logs - top)
    total = posterior.sum(axis=0)
    posterior /= total
    value = top + np.log(total * scale * (high - low) * _POINTS[1])
    # Louis 1982: means over the posterior of the score and of its derivative.
    slope = tables.a - at.mean
    scores = np.array([slope, slope * nodes])
    mean = (posterior * scores).sum(axis=1)
    powers = np.array([[np.ones_like(nodes), nodes], [nodes, nodes**2]])
    second = (posterior * (scores[:, None] * scores[None] - at.variance * powers)).sum(axis=2)
    hessian = (second - mean[:, None] * mean[None]).sum(axis=-1)
    return Point(float(value.sum()), mean.sum(axis=-1), hessian, mode)


def _ends(log_density, mode: np.ndarray, scale: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The x between which the integrand is above exp(-40) of its height, or a little beyond."""
    side = np.array([[-1.0], [1.0]])
    near = np.zeros((2, mode.size))
    far = np.broadcast_to(np.arcsinh(_REACH / scale), near.shape)
    floor = log_density(mode) - _FALL
    for _ in range(_HALVINGS):
        middle = (near + far) / 2
        below = log_density(mode + side * scale * np.sinh(middle)) < floor
        near, far = np.where(below, near, middle), np.where(below, middle, far)
    return -far[0], far[1]


def _modes(tables: Tables, margins: Margins, theta: float, tau: float, u):
    """Posterior modes of u, (k,), and the scales there; u starts the search."""

    def slopes(u):
        at = margins.moments(theta + tau * u)
        return tau * (tables.a - at.mean) - u, 1 + tau**2 * at.variance

    u = posterior_modes(slopes, u, 1e-8 + margins.rounding)
    return u, slopes(u)[1] ** -0.5
