"""What is said of single studies given a fit, and of the total where there is none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit

from forestry import measures
from forestry.logistic_mixed.counts import counts_of
from forestry.logistic_mixed.likelihood import mode_guess, mode_of


@dataclass(frozen=True)
class ExactTotal:
    """The proportion of the total and its exact interval, on the display scale (0-1)."""

    estimate: float
    ci_low: float
    ci_high: float


def information_weights(
    beta: float, tau2: float, events: ArrayLike, total: ArrayLike
) -> np.ndarray:
    """Each study's share in the estimate, (k,), summing to 1: an approximation of ours.

    The model has no weights. These are w = 1/(tau2 + 1/(n p (1-p))), p = expit(beta): the
    information on beta were the logits normal. At tau2 = 0 they are exact, n / sum n.
    Raises ValueError for impossible counts and a negative tau2.
    """
    if not (np.isfinite(beta) and tau2 >= 0):
        raise ValueError(f"beta must be finite and tau2 zero or more, not {beta} and {tau2}")
    n = counts_of(events, total).n
    # Multiplied by p (1-p), so that no p is too near 0 or 1.
    weights = 1 / (tau2 * expit(beta) * expit(-beta) + 1 / n)
    return weights / weights.sum()


def study_modes(beta: float, tau2: float, events: ArrayLike, total: ArrayLike) -> np.ndarray:
    """The studies' logits at their posterior modes given the fit, (k,): empirical Bayes.

    Raises ValueError for impossible counts and a negative tau2.
    """
    if not tau2 >= 0:
        raise ValueError(f"tau2 must be zero or more, not {tau2}")
    counts, tau = counts_of(events, total), float(np.sqrt(tau2))
    guess = mode_guess(counts.x, counts.y, beta, tau)
    return beta + tau * mode_of(counts.x, counts.y, beta, tau, guess).u


def exact_total(events: ArrayLike, total: ArrayLike, level: float = 0.95) -> ExactTotal:
    """The total's proportion with its Clopper-Pearson interval, on the display scale (0-1).

    For all or no events, where no model has a finite maximum. It takes the studies as one:
    heterogeneity is not allowed for. Raises ValueError for impossible counts or levels.
    """
    counts = counts_of(events, total)
    x, n = float(counts.x.sum()), float(counts.n.sum())
    interval = measures.clopper_pearson([x], [n], level)
    return ExactTotal(x / n, float(interval.low[0]), float(interval.high[0]))
