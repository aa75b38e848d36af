"""The model's fits: of one data set, and of many at once."""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import sqrt

import numpy as np
from numpy.typing import ArrayLike

from forestry.checks import NotConverged
from forestry.logistic_mixed.counts import (
    Common,
    Counts,
    common_of,
    counts_of,
    refuse_all_or_none,
    several,
)
from forestry.logistic_mixed.likelihood import Rule, evaluate, rule_of
from forestry.logistic_mixed.search import Best, maximise
from forestry.logistic_mixed.single import maximum_of

_BLOCK = 2**18  # studies of data sets that are worked on at once


@dataclass(frozen=True)
class LogisticFit:
    """A fitted model, on the logit scale.

    `se` is sqrt([-H^-1]_11), H the full Hessian of the log-likelihood in (beta, tau): not
    conditional on tau. At tau2 = 0 it is 1/sqrt(sum n p (1-p)). `log_likelihood` includes
    the binomial coefficients. `score` is the gradient (beta, tau) where the fit ended, after
    `iterations` steps of Newton's method.
    """

    beta: float
    se: float
    tau2: float
    log_likelihood: float
    converged: bool
    iterations: int
    score: tuple[float, float]
    k: int


@dataclass(frozen=True, eq=False)
class LogisticBatch:
    """The fits of B data sets: the fields of `LogisticFit`, shape (B,), and score (B, 2).

    `finite` is False where the likelihood has no finite maximum. Without events, or with
    nothing else, beta is then its limit, -inf or inf, so that expit(beta) is 0 or 1; where
    each study has only events or only non-events, it is NaN. The other numbers are NaN,
    and `converged` is False. Where a fit has not converged in spite of a finite maximum,
    all its numbers are NaN.
    """

    beta: np.ndarray
    se: np.ndarray
    tau2: np.ndarray
    log_likelihood: np.ndarray
    converged: np.ndarray
    iterations: np.ndarray
    score: np.ndarray
    k: np.ndarray
    finite: np.ndarray


def fit_common(events: ArrayLike, total: ArrayLike) -> LogisticFit:
    """One common proportion, tau2 = 0: beta = logit(sum x / sum n), in closed form.

    `events`, `total` (k,), k >= 1. Raises ValueError for impossible counts, NoFiniteMaximum
    where there are no events, or nothing else.
    """
    counts = counts_of(events, total)
    refuse_all_or_none(counts)
    return _common_fit(counts, common_of(counts))


def fit_random(events: ArrayLike, total: ArrayLike, nodes: int = 7) -> LogisticFit:
    """The maximum of the likelihood over beta and tau >= 0.

    `events`, `total` (k,), k >= 2. The boundary tau = 0 is returned where it is the higher
    maximum. As R's rma.glmm(measure = "PLO", method = "ML", nAGQ = nodes), converged.

    Seven nodes give the log-likelihood to 1e-3 or better at usual heterogeneity. Where tau runs
    beyond about 5 (nearly all studies at 0 or 100 %) no number of nodes does, posteriors
    being one-sided; the likelihood so approximated may have several maxima there, of which
    this is the one that looks highest in a scan of tau up to 8.

    Raises ValueError for impossible counts, fewer than two studies (tau is not identified)
    and nodes below 1; NoFiniteMaximum without events, with nothing else, and where no study
    has both (the likelihood then rises, or is flat, towards an infinite tau); NotConverged.
    """
    counts = several(events, total)
    common = common_of(counts)
    found = maximum_of(counts, common, rule_of(nodes))
    if not found.converged:
        raise NotConverged("the random-intercept logistic likelihood was not maximised")
    if found.zero:
        return _common_fit(counts, common)
    a, b, c = (-value for value in found.hessian)
    return LogisticFit(
        beta=found.beta,
        se=sqrt(c / (a * c - b * b)),
        tau2=found.tau**2,
        log_likelihood=found.log_likelihood + float(counts.constant[0]),
        converged=True,
        iterations=found.iterations,
        score=tuple(found.gradient),
        k=counts.x.size,
    )


def _common_fit(counts: Counts, common: Common) -> LogisticFit:
    return LogisticFit(
        beta=float(common.beta[0]),
        se=float(common.se[0]),
        tau2=0.0,
        log_likelihood=float(common.log_likelihood[0] + counts.constant[0]),
        converged=True,
        iterations=0,
        score=(0.0, 0.0),
        k=counts.x.size,
    )


def fit_random_batch(
    events: ArrayLike, total: ArrayLike, multiplicity: ArrayLike | None = None, nodes: int = 7
) -> LogisticBatch:
    """The fits of B data sets at once; as `fit_random`, but flagged instead of raised.

    `events`, `total` and `multiplicity` are (k,) or (B, k) and broadcast together; a study
    of multiplicity m counts m times (0: not at all), as in a bootstrap sample. A data set
    of a single study has its maximum at tau2 = 0. The numbers of a data set do not depend
    on the others in the batch.

    Raises ValueError for impossible counts and for a data set without studies.
    """
    counts, rule = counts_of(events, total, multiplicity), rule_of(nodes)
    parts = [_fit(part, rule) for part in counts.blocks(_BLOCK)]
    columns = {f.name: [getattr(part, f.name) for part in parts] for f in fields(LogisticBatch)}
    return LogisticBatch(**{name: np.concatenate(column) for name, column in columns.items()})


def log_likelihood(
    beta: ArrayLike, tau2: ArrayLike, events: ArrayLike, total: ArrayLike, nodes: int = 7
) -> np.ndarray:
    """The log-likelihood at given parameters, binomial coefficients included.

    `beta`, `tau2` are numbers or (B,); `events`, `total` (k,). Shape (B,). Raises
    ValueError for impossible counts and a negative tau2.
    """
    beta, tau2 = np.broadcast_arrays(*np.atleast_1d(beta, tau2))
    if not (tau2 >= 0).all():
        raise ValueError("tau2 must be zero or more")
    counts = counts_of(events, total).repeated(beta.size)
    at = evaluate(counts, beta.astype(float), np.sqrt(tau2), rule_of(nodes))
    return at.log_likelihood + counts.constant


def _fit(counts: Counts, rule: Rule) -> LogisticBatch:
    """The fits of those data sets that have a finite maximum, NaN in the others."""
    finite, common = counts.finite, common_of(counts)
    if finite.all():
        return _fits(counts, common, maximise(counts, common, rule))
    rows = finite.size
    fits = LogisticBatch(
        *(np.where(np.isfinite(common.beta), np.nan, common.beta),),
        *(np.full(rows, np.nan) for _ in range(3)),
        converged=np.zeros(rows, dtype=bool),
        iterations=np.zeros(rows, dtype=int),
        score=np.full((rows, 2), np.nan),
        k=counts.k,
        finite=finite,
    )
    if finite.any():
        some = _fit(counts.take(finite), rule)
        for f in fields(LogisticBatch):
            getattr(fits, f.name)[finite] = getattr(some, f.name)
    return fits


def _fits(counts: Counts, common: Common, best: Best) -> LogisticBatch:
    zero, converged = best.zero, best.converged
    a, b, c = -best.hessian
    with np.errstate(divide="ignore", invalid="ignore"):
        se = np.sqrt(c / (a * c - b * b))
    height = np.where(zero, common.log_likelihood, best.log_likelihood) + counts.constant

    def known(values):
        return np.where(converged, values, np.nan)

    return LogisticBatch(
        beta=known(np.where(zero, common.beta, best.beta)),
        se=known(np.where(zero, common.se, se)),
        tau2=known(np.where(zero, 0.0, best.tau**2)),
        log_likelihood=known(height),
        converged=converged,
        iterations=best.iterations,
        score=known(np.where(zero, 0.0, best.gradient)).T,
        k=counts.k,
        finite=np.ones(counts.rows, dtype=bool),
    )
