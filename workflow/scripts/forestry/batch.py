"""The random effects model of many data sets at once: bootstrap and leave-one-out samples.

B data sets of k studies are rows of arrays (B, k), as in `forestry.tau2_batch`. Everything
is on the scale of analysis (link).
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike

from forestry.checks import check_choice
from forestry.intervals import INTERVALS, critical_value
from forestry.tau2 import TAU2_METHODS
from forestry.tau2_batch import DataSets, Weighted, hold, slabs, tau2_batch, tau2_of

__all__ = ["BatchFit", "Pooled", "fit_random_batch", "pool_batch", "tau2_batch"]


@dataclass(frozen=True)
class Pooled:
    """Weighted means of B data sets: arrays of shape (B,).

    `scale` is the Hartung-Knapp factor that `se`**2 holds (1 for other intervals), `k`
    counts studies with their multiplicities, and `df` are those of the interval's t
    distribution, 0 where it is normal.
    """

    estimate: np.ndarray
    se: np.ndarray
    scale: np.ndarray
    k: np.ndarray
    df: np.ndarray


@dataclass(frozen=True)
class BatchFit:
    """The random effects model of B data sets, on the scale of analysis: arrays (B,).

    `q` is Cochran's, `i2` (0-1) on the basis that was asked for, `k` counts studies with
    their multiplicities. `common` is the mean at tau2 = 0, `common_se` its standard error.
    Where `converged` is False, everything that hangs on tau2 is NaN.
    """

    estimate: np.ndarray
    se: np.ndarray
    ci_low: np.ndarray
    ci_high: np.ndarray
    tau2: np.ndarray
    i2: np.ndarray
    q: np.ndarray
    k: np.ndarray
    common: np.ndarray
    common_se: np.ndarray
    converged: np.ndarray


def fit_random_batch(
    yi: ArrayLike,
    vi: ArrayLike,
    tau2_method: str = "REML",
    multiplicity: ArrayLike | None = None,
    interval: str = "wald",
    level: float = 0.95,
    i2_basis: str = "q",
) -> BatchFit:
    """The random effects model of B data sets at once.

    `yi`, `vi` and `multiplicity` are (k,) or (B, k) and broadcast together. `i2_basis` is
    "q", (Q-df)/Q, or "tau2", tau2/(tau2 + typical variance). The choices are those of
    `inverse_variance.fit_random` and `heterogeneity.heterogeneity`. A row of one study has
    tau2, Q and I2 of zero: it cannot differ from itself.

    A search that fails makes its row not converged, never an error. Raises ValueError for
    a row without studies, bad values or an unknown choice.
    """
    check_choice("tau2 method", tau2_method, TAU2_METHODS)
    check_choice("interval", interval, INTERVALS)
    check_choice("i2_basis", i2_basis, ("q", "tau2"))
    fits = [
        _fit(rows, tau2_method, interval, level, i2_basis)
        for rows in slabs(hold(yi, vi, multiplicity))
    ]
    names = (field.name for field in fields(BatchFit))
    return BatchFit(*(np.concatenate([getattr(fit, name) for fit in fits]) for name in names))


def pool_batch(
    yi: ArrayLike,
    vi: ArrayLike,
    tau2: ArrayLike,
    interval: str = "wald",
    multiplicity: ArrayLike | None = None,
    level: float = 0.95,
) -> Pooled:
    """Weighted means and standard errors of B data sets.

    `yi`, `vi` and `multiplicity` are (k,) or (B, k) and `tau2` a number or (B,). The
    Hartung-Knapp factor is 1 where a single study is left, which has no spread. `level` is
    that at which "hartung_knapp_wider" compares its two intervals.
    """
    check_choice("interval", interval, INTERVALS)
    data = hold(yi, vi, multiplicity)
    t = np.broadcast_to(np.asarray(tau2, dtype=float), data.rows)
    return _pool(data, Weighted(data, t), interval, level)


# The pooled results -----------------------------------------------------------------------------


def _fit(data: DataSets, tau2_method: str, interval: str, level: float, i2_basis: str) -> BatchFit:
    t, converged = tau2_of(data, tau2_method)
    t = np.where(converged, t, np.nan)
    pooled = _pool(data, Weighted(data, t), interval, level)
    common = _pool(data, data.fixed, "wald", level)
    half = critical_value("t", pooled.df, level) * pooled.se
    q = np.broadcast_to(data.fixed.q, data.rows)
    return BatchFit(
        estimate=pooled.estimate,
        se=pooled.se,
        ci_low=pooled.estimate - half,
        ci_high=pooled.estimate + half,
        tau2=t,
        i2=_i2_of_q(q, data) if i2_basis == "q" else _i2_of_tau2(t, data),
        q=q,
        k=pooled.k,
        common=common.estimate,
        common_se=common.se,
        converged=converged,
    )


def _i2_of_q(q: np.ndarray, data: DataSets) -> np.ndarray:
    """The Q of one study is no more than rounding."""
    found = (q > data.df) & (data.df > 0)
    return np.where(found, 1 - data.df / np.where(found, q, 1.0), 0.0)


def _i2_of_tau2(t: np.ndarray, data: DataSets) -> np.ndarray:
    several = data.df > 0
    typical = data.df / np.where(several, data.fixed.trace_p, 1.0)
    return np.where(several, t / np.where(several, t + typical, 1.0), 0.0)


def _pool(data: DataSets, at: Weighted, interval: str, level: float) -> Pooled:
    df = np.broadcast_to(data.df, data.rows)
    scale = np.ones(data.rows)
    if interval.startswith("hartung_knapp"):
        scale = np.where(df > 0, at.q / np.where(df > 0, df, 1), 1.0)
    if interval == "hartung_knapp_ad_hoc":
        scale = np.maximum(scale, 1.0)
    reference = np.zeros(data.rows) if interval == "wald" else df
    if interval == "hartung_knapp_wider":
        critical = critical_value("t", [df, np.zeros(data.rows)], level)
        narrower = critical[0] * np.sqrt(scale) < critical[1]
        scale, reference = np.where(narrower, 1.0, scale), np.where(narrower, 0, df)
    se = np.sqrt(scale / at.s1)
    return Pooled(at.mean + data.centre, se, scale, df + 1, reference)
