"""What the two binomial-normal models of two-arm counts share.

Study i has binomial events in two arms whose log odds ratio is theta_i ~ N(theta, tau^2)
(Stijnen, Hamza & Ozdemir 2010, Stat Med 29:3046). The models differ in what becomes of the
study's level: `binomial_normal_unconditional` gives each study a fixed effect of its own,
`binomial_normal_conditional` conditions on its total of events.

A study without an event in either arm, or with nothing else, has the same likelihood whatever
theta is: it is left out here, as in R's metafor (drop00 = TRUE). A zero cell needs no
correction.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from forestry import heterogeneity
from forestry.checks import NotConverged
from forestry.logistic_mixed import NoFiniteMaximum, Test
from forestry.mantel_haenszel import cells_of

TAU_STARTS = (0.05, 0.2, 0.5, 1.0, 2.0)
_NEWTON_STEPS = 100
_HALVINGS = 40
_MODE_STEPS = 400
_TOLERANCE = 1e-10  # standard errors that the last step may have: its error is their square
_BOUNDARY = 1e-9  # a log-likelihood no higher than this above that of tau = 0 is at tau = 0


@dataclass(frozen=True)
class BinomialNormal:
    """A fitted model; everything is on the scale of the log odds ratio.

    `se` is sqrt([-H^-1]_11), H the full Hessian in (theta, tau) and, where the model has
    them, the studies' levels; at tau2 = 0 that of the common effect. `score` is the gradient in
    (theta, tau) where the fit ended. `information` (k,) is each informative study's on theta
    at tau = 0, and `informative` (all studies,) says which these are. The log-likelihood has
    all its constants.
    """

    estimate: float
    se: float
    tau2: float
    log_likelihood: float
    score: tuple[float, float]
    iterations: int
    information: np.ndarray
    informative: np.ndarray

    @property
    def k(self) -> int:
        return self.information.size


@dataclass(frozen=True, eq=False)
class Tables:
    """The informative studies: cells a, b of the treated arm and c, d of the control, (k,)."""

    a: np.ndarray
    b: np.ndarray
    c: np.ndarray
    d: np.ndarray
    informative: np.ndarray

    @property
    def lowest(self) -> np.ndarray:
        """Where the treated arm has as few events as the margins allow."""
        return (self.a == 0) | (self.d == 0)

    @property
    def highest(self) -> np.ndarray:
        return (self.b == 0) | (self.c == 0)

    @property
    def inside(self) -> np.ndarray:
        """Studies with a finite log odds ratio."""
        return ~(self.lowest | self.highest)


def informative_tables(events, total, control_events, control_total) -> Tables:
    """The tables that tell something of an odds ratio.

    Raises ValueError for what are not counts, NoFiniteMaximum where no study tells anything,
    and where all point to an odds ratio of 0, or all to an infinite one.
    """
    a, b, c, d = cells_of(events, total, control_events, control_total)
    informative = (a + c > 0) & (b + d > 0)
    if not informative.any():
        raise NoFiniteMaximum("no study has both events and non-events")
    tables = Tables(*(cell[informative] for cell in (a, b, c, d)), informative)
    if tables.lowest.all():
        raise NoFiniteMaximum(
            "the odds ratio is 0: no study has both an event in the treated arm "
            "and a non-event in the control arm"
        )
    if tables.highest.all():
        raise NoFiniteMaximum(
            "the odds ratio is infinite: no study has both a non-event in the "
            "treated arm and an event in the control arm"
        )
    return tables


def random_tables(events, total, control_events, control_total) -> Tables:
    """As `informative_tables`, for a model with tau.

    Raises ValueError also for fewer than two informative studies, NoFiniteMaximum also where
    every study is at an end of its range: the likelihood then rises towards an infinite tau.
    """
    tables = informative_tables(events, total, control_events, control_total)
    if tables.a.size < 2:
        raise NoFiniteMaximum("one study tells of the odds ratio: tau is not identified")
    if not tables.inside.any():
        raise NoFiniteMaximum("each study has a zero cell: the likelihood has no maximum in tau")
    return tables


# Posterior modes ----------------------------------------------------------------------------------

Slopes = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


def posterior_modes(slopes: Slopes, u: np.ndarray, tolerance: float) -> np.ndarray:
    """Where the studies' posterior densities of u are highest, (k,), searched from `u` on.

    `slopes` gives the slope of the log density and minus its derivative, which is 1 or more: the
    slope falls, so that each point looked at bounds the mode. Newton's steps are cut to 1, and
    halve the bounds where they leave them or have not arrived in time. Raises NotConverged.
    """
    low, high = np.full(u.shape, -np.inf), np.full(u.shape, np.inf)
    for iteration in range(_MODE_STEPS):
        slope, curvature = slopes(u)
        step = slope / curvature
        if (np.abs(step) < tolerance).all():
            return u
        low, high = np.where(slope > 0, u, low), np.where(slope < 0, u, high)
        new = u + np.clip(step, -1, 1)
        bounded = np.isfinite(low) & np.isfinite(high)
        halve = bounded & ((new <= low) | (new >= high) | (iteration % 4 == 3))
        middle = np.where(bounded, low, 0) / 2 + np.where(bounded, high, 0) / 2
        near = np.abs(step) < tolerance
        u = np.where(near, u, np.where(halve, middle, new))
    raise NotConverged("a study's posterior mode was not found")


# Maximising ---------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Point:
    """A log-likelihood at (theta, tau) with its gradient (2,) and Hessian (2, 2).

    `state` is what the next point nearby may start from.
    """

    log_likelihood: float
    gradient: np.ndarray
    hessian: np.ndarray
    state: object


Evaluate = Callable[[float, float, object], Point]


@dataclass(frozen=True, eq=False)
class Maximum:
    """Where Newton's method ended, and how many steps it took."""

    theta: float
    tau: float
    point: Point
    iterations: int


def maximise(evaluate: Evaluate, theta: float, state: object, rounding: float = 0.0) -> Maximum:
    """The maximum over theta and tau > 0 from the best of TAU_STARTS at `theta`.

    The likelihood is even in tau, so that a step over zero is taken as its mirror image.
    `rounding` is the log-likelihood's error where this is more than its own last digits.
    Raises NotConverged.
    """
    starts = [(tau, evaluate(theta, tau, state)) for tau in TAU_STARTS]
    tau, at = max(starts, key=lambda start: start[1].log_likelihood)
    for iteration in range(1, _NEWTON_STEPS + 1):
        step, size = _newton_step(at)
        theta, tau, at = _ascend(evaluate, theta, tau, at, step, size, rounding)
        if size < _TOLERANCE + rounding or tau < _BOUNDARY:
            return Maximum(theta, tau, at, iteration)
    raise NotConverged("the binomial-normal likelihood was not maximised")


def _newton_step(at: Point) -> tuple[np.ndarray, float]:
    """Newton's step, uphill whatever the curvature, and its size in standard errors."""
    curvatures, axes = np.linalg.eigh(-at.hessian)
    curvatures = np.maximum(np.abs(curvatures), 1e-10 * np.abs(curvatures).max() + 1e-300)
    along = axes.T @ at.gradient
    return axes @ (along / curvatures), float(np.sqrt((along**2 / curvatures).sum()))


def _ascend(evaluate, theta, tau, at: Point, step, size, rounding):
    """The first of the step and its halves that gains, unless what it gains is rounding."""
    unseen = 1e-12 * max(1.0, abs(at.log_likelihood)) + 100 * rounding
    for halving in range(_HALVINGS):
        share = 0.5**halving
        new = theta + share * step[0], abs(tau + share * step[1])
        found = evaluate(*new, at.state)
        if found.log_likelihood >= at.log_likelihood - (unseen if size**2 < 10 * unseen else 0):
            return *new, found
    raise NotConverged("the binomial-normal likelihood has no higher point along a step uphill")


def best_of(tables: Tables, common: BinomialNormal, found: Maximum) -> BinomialNormal:
    """The fit with tau > 0, or that with tau = 0 where this is no lower."""
    if found.point.log_likelihood <= common.log_likelihood + _BOUNDARY:
        return common
    covariance = np.linalg.inv(-found.point.hessian)
    if not (np.linalg.eigvalsh(-found.point.hessian) > 0).all():
        raise NotConverged("the binomial-normal likelihood ended where it has no maximum")
    return BinomialNormal(
        estimate=float(found.theta),
        se=float(np.sqrt(covariance[0, 0])),
        tau2=float(found.tau**2),
        log_likelihood=found.point.log_likelihood,
        score=tuple(found.point.gradient.tolist()),
        iterations=found.iterations,
        information=common.information,
        informative=tables.informative,
    )


# What is said beside the fit ---------------------------------------------------------------------


def information_weights(fit: BinomialNormal) -> np.ndarray:
    """Each study's share in the estimate, (all studies,), summing to 1: an approximation of ours.

    The model has no weights. These are 1/(tau2 + 1/I), I the study's information on the log
    odds ratio at tau = 0 and the common effect: exact at tau2 = 0; 0 for a study that tells
    nothing.
    """
    shares = fit.information / (fit.tau2 * fit.information + 1)
    weights = np.zeros(fit.informative.shape)
    weights[fit.informative] = shares / shares.sum()
    return weights


def q_of(statistic: float, k: int) -> Test:
    test = heterogeneity.q_test(max(0.0, statistic), k - 1)
    return Test(test.q, test.df, test.p)


def wald_statistic(yi: ArrayLike, vi: ArrayLike, k: int) -> Test:
    """Q of the studies with a finite estimate; the df are those of all k, as in R's metafor."""
    if np.size(yi) == 0:
        raise ValueError("no study has a finite log odds ratio")
    return q_of(heterogeneity.cochran_q(yi, vi).q, k)
