"""Many configurations of a pool's rows pooled at once, by the same formulas as `models.pool`.

What a review reports of a pool (estimate and interval of the selected model, I2, p) for B
configurations of k rows, on the display scale. What is not vectorised here (Mantel-Haenszel,
an I2 of the mixed model's tau2) is pooled by `models.pool` itself, one by one.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc, xlogy

from forestry import batch, logistic_mixed, measures, models
from forestry.intervals import critical_value
from forestry.models import Pooling
from forestry.pool import selected_model
from forestry.reconstruction.space import Choices, CountPool
from forestry.reconstruction.targets import Target
from forestry.scales import to_display

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Pools:
    """What is reported of B configurations, (B,) each, on the display scale.

    `i2` is 0-1; NaN is a number that does not exist. `n` are the participants of all arms.
    """

    k: Array
    n: Array
    estimate: Array
    ci_low: Array
    ci_high: Array
    i2: Array
    p: Array

    def take(self, rows) -> Pools:
        return Pools(*(getattr(self, f.name)[rows] for f in fields(self)))


def evaluate(choices: Choices, index: np.ndarray) -> Pools:
    """Pool configurations (B, k) of two rows or more, places in the choices' lists.

    Where a search of tau2 or of a likelihood fails, estimate and interval are NaN.
    """
    cells, yi, vi = choices.take(index)
    pool = choices.pool
    if pool.pooling.model == "logistic_mixed" and pool.pooling.i2 == "q":
        return _mixed(cells, yi, vi, pool.pooling)
    if pool.pooling.model == "inverse_variance":
        return _inverse_variance(cells, yi, vi, pool)
    return _one_by_one(cells, yi, vi, pool)


def meets(found: Pools, target: Target) -> NDArray[np.bool_]:
    """Which configurations read as published in every printed number, (B,)."""
    met = np.ones(found.n.shape, dtype=bool)
    for name, bound in target.bounds.items():
        met &= bound.met(getattr(found, name))
    return met


def distance(found: Pools, target: Target) -> Array:
    """Units of the last printed digit beyond what is printed, summed over the numbers, (B,)."""
    return sum(
        (bound.distance(getattr(found, name)) for name, bound in target.bounds.items()),
        start=np.zeros(found.n.shape),
    )


# Heterogeneity ------------------------------------------------------------------------


def cochran_q(yi: Array, vi: Array) -> Array:
    """Cochran's Q of B data sets (B, k), by the residuals; a study of infinite vi counts not."""
    w = 1 / vi
    total = w.sum(axis=1)
    mean = (w * yi).sum(axis=1) / np.where(total > 0, total, 1.0)
    return (w * (yi - mean[:, None]) ** 2).sum(axis=1)


def i2_of_q(q: Array, df: int) -> Array:
    """max(0, (Q - df)/Q), as `heterogeneity.i2_from_q`."""
    return 1 - 1 / np.maximum(1.0, q / df)


# Inverse variance -----------------------------------------------------------------------------


def _inverse_variance(cells, yi, vi, pool: CountPool) -> Pools:
    pooling, k = pool.pooling, yi.shape[1]
    q = cochran_q(yi, vi)
    i2 = i2_of_q(q, k - 1) if pooling.i2 == "q" else _random_effects(yi, vi, pooling).i2
    common = batch.pool_batch(yi, vi, 0.0)
    half = float(critical_value("wald", k - 1, pooling.level)) * common.se
    link = np.array([common.estimate, common.estimate - half, common.estimate + half])
    random = ~_common_selected(i2, pooling)
    if random.any():
        fit = _random_effects(yi[random], vi[random], pooling)
        link[:, random] = fit.estimate, fit.ci_low, fit.ci_high
    return _pools(cells, _display(link, cells, pool), i2, chdtrc(k - 1, q))


def _random_effects(yi, vi, pooling: Pooling) -> batch.BatchFit:
    return batch.fit_random_batch(
        *(yi, vi, pooling.tau2),
        interval=pooling.interval,
        level=pooling.level,
        i2_basis=pooling.i2,
    )


def _common_selected(i2, pooling: Pooling) -> NDArray[np.bool_]:
    if pooling.select == "common_if_i2_zero":
        return i2 == 0
    return np.full(i2.shape, pooling.select == "common")


def _display(link: Array, cells, pool: CountPool) -> Array:
    harmonic = None
    if pool.scale == "double_arcsine":
        harmonic = cells.shape[1] / (1 / cells[:, :, 1]).sum(axis=1)
    return to_display(link, pool.scale, harmonic)


def _pools(cells, shown, i2, p) -> Pools:
    k = np.full(len(cells), float(cells.shape[1]))
    return Pools(k, cells[:, :, 1::2].sum(axis=(1, 2)).astype(float), *shown, i2, p)


# The logistic mixed model ---------------------------------------------------------------------


def _mixed(cells, yi, vi, pooling: Pooling) -> Pools:
    """As `models.pool`: where no study has both events and others, there are no random effects,
    and where all or none of the participants had events there is no model."""
    x, n = cells[:, :, 0], cells[:, :, 1]
    k, events, total = x.shape[1], x.sum(axis=1), n.sum(axis=1)
    inside = np.isfinite(vi).any(axis=1)
    q = _mixed_q(x, n, yi, vi, inside, pooling)
    i2 = i2_of_q(q, k - 1)
    with np.errstate(divide="ignore"):
        beta, se = np.log(events / (total - events)), np.sqrt(1 / events + 1 / (total - events))
    random = inside & ~_common_selected(i2, pooling)
    if random.any():
        fits = logistic_mixed.fit_random_batch(x[random], n[random], nodes=pooling.nodes)
        beta[random] = np.where(fits.converged, fits.beta, np.nan)
        se[random] = np.where(fits.converged, fits.se, np.nan)
    half = float(critical_value(pooling.interval, k - 1, pooling.level)) * se
    with np.errstate(invalid="ignore"):
        shown = to_display(np.array([beta, beta - half, beta + half]), "logit")
    extreme = (events == 0) | (events == total)
    if extreme.any():
        exact = measures.clopper_pearson(events[extreme], total[extreme], pooling.level)
        shown[:, extreme] = events[extreme] / total[extreme], exact.low, exact.high
        i2, q = np.where(extreme, np.nan, i2), np.where(extreme, np.nan, q)
    return _pools(cells, shown, i2, chdtrc(k - 1, q))


def _mixed_q(x, n, yi, vi, inside, pooling: Pooling) -> Array:
    wald = cochran_q(yi, vi)
    if pooling.heterogeneity == "wald" and inside.all():
        return wald
    ratio = _likelihood_ratio_q(x, n)
    return ratio if pooling.heterogeneity != "wald" else np.where(inside, wald, ratio)


def _likelihood_ratio_q(x, n) -> Array:
    """As `logistic_mixed.likelihood_ratio_q`, of B data sets."""
    events, total = x.sum(axis=1, keepdims=True), n.sum(axis=1, keepdims=True)
    y = n - x
    with np.errstate(divide="ignore", invalid="ignore"):
        p, r = events / total, (total - events) / total
        terms = xlogy(x, x / (n * p)) + xlogy(y, y / (n * r))
    return np.maximum(0.0, 2 * np.where(np.isfinite(terms), terms, 0.0).sum(axis=1))


# What is not vectorised -----------------------------------------------------------------------


def _one_by_one(cells, yi, vi, pool: CountPool) -> Pools:
    found = np.array([_reported(*row, pool) for row in zip(cells, yi, vi, strict=True)]).T
    return _pools(cells, found[:3], found[3], found[4])


def _reported(cells, yi, vi, pool: CountPool) -> list[float]:
    counts = np.full((4, len(yi)), np.nan)
    counts[: cells.shape[1]] = cells.T
    found = models.pool(models.Studies(*counts, yi, vi, pool.measure), pool.pooling)
    chosen = getattr(found, selected_model(found, pool.pooling))
    link = np.array([chosen.estimate, chosen.ci_low, chosen.ci_high])[:, None]
    shown = link if chosen.on_display_scale else _display(link, cells[None], pool)
    if found.spread is None:
        return [*shown[:, 0], np.nan, np.nan]
    return [*shown[:, 0], found.spread.i2.i2, found.spread.tests[0].p_value]
