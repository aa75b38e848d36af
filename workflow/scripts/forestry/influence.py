"""Leave-one-out refits, and the influence of each study (Viechtbauer & Cheung 2010).

Everything is on the scale of analysis (link). All k refits are one batch of data sets, each
with one study of multiplicity zero. With (-i) for "without study i", w = 1/(v + tau2), and
w, mu and tau2 those of all studies where not marked.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import chdtr, chdtrc

from forestry.batch import Pooled, pool_batch, tau2_batch
from forestry.checks import checked_studies
from forestry.intervals import critical_value, p_values
from forestry.tau2 import COMMON


@dataclass(frozen=True)
class Influence:
    """Diagnostics of each of k studies: arrays of shape (k,), in the order of the studies.

    `weight` is a share (0-1). `influential` follows metafor: |dffits| > 3 sqrt(1/(k-1)), or
    Cook's distance beyond the median of chi-squared on 1 df, or hat > 3/k, or |dfbetas| > 1.
    """

    rstudent: np.ndarray
    dffits: np.ndarray
    cook_distance: np.ndarray
    cov_ratio: np.ndarray
    tau2_deleted: np.ndarray
    q_deleted: np.ndarray
    hat: np.ndarray
    weight: np.ndarray
    dfbetas: np.ndarray
    influential: np.ndarray


@dataclass(frozen=True)
class LeaveOneOut:
    """The pooled result without each of k studies: arrays of shape (k,).

    `i2` and `h2` are on the named basis. Where one study is left, Q and I2 are zero and
    `q_p` is one: it cannot differ from itself.
    """

    estimate: np.ndarray
    se: np.ndarray
    ci_low: np.ndarray
    ci_high: np.ndarray
    p_value: np.ndarray
    tau2: np.ndarray
    q: np.ndarray
    q_df: int
    q_p: np.ndarray
    i2: np.ndarray
    h2: np.ndarray
    i2_basis: str


def influence(
    yi: ArrayLike,
    vi: ArrayLike,
    tau2_method: str = "REML",
    interval: str = "wald",
    level: float = 0.95,
) -> Influence | None:
    """Influence of each study on the pooled mean; None for a single study.

    `tau2_method` is one of `tau2.TAU2_METHODS`, or COMMON for the common effect
    model. With a Hartung-Knapp `interval`, variances carry its factor (that of the wider
    interval at `level`, where this is asked for). Of two studies, each is measured against
    the other with tau2 = 0.

    Raises ValueError for no study or an unknown choice, NotConverged where a refit fails.
    """
    yi, vi = checked_studies(yi, vi, least=1)
    k = yi.size
    if k == 1:
        return None
    between = _tau2_of(yi, vi, tau2_method, np.ones((1, k)))
    full = pool_batch(yi, vi, between, interval, level=level)
    deleted, tau2_deleted = _refit_without_each(yi, vi, tau2_method, interval, level)
    hat = 1 / (vi + between)
    hat = hat / hat.sum()
    shift = full.estimate - deleted.estimate
    dffits = shift / np.sqrt(hat * deleted.scale * (tau2_deleted + vi))
    cook = shift**2 / full.se**2
    dfbetas = shift / np.sqrt(deleted.scale / (1 / (vi + tau2_deleted[:, None])).sum(axis=1))
    return Influence(
        rstudent=_rstudent(yi, vi, deleted, tau2_deleted),
        dffits=dffits,
        cook_distance=cook,
        cov_ratio=deleted.se**2 / full.se**2,
        tau2_deleted=tau2_deleted,
        q_deleted=_q_without_each(yi, vi),
        hat=hat,
        weight=hat,
        dfbetas=dfbetas,
        influential=_influential(dffits, cook, hat, dfbetas),
    )


def studentized_residuals(
    yi: ArrayLike,
    vi: ArrayLike,
    tau2_method: str = "REML",
    interval: str = "wald",
    level: float = 0.95,
) -> np.ndarray | None:
    """(y_i - mu(-i)) / sqrt(v_i + tau2(-i) + se(-i)^2), shape (k,); None for a single study.

    Externally studentized: each study is compared with the others only. Choices and errors
    as in `influence`.
    """
    yi, vi = checked_studies(yi, vi, least=1)
    if yi.size == 1:
        return None
    return _rstudent(yi, vi, *_refit_without_each(yi, vi, tau2_method, interval, level))


def leave_one_out(
    yi: ArrayLike,
    vi: ArrayLike,
    tau2_method: str = "REML",
    interval: str = "wald",
    level: float = 0.95,
    i2_basis: str = "q",
) -> LeaveOneOut | None:
    """The pooled mean and heterogeneity without each study; None for a single study.

    `i2_basis` is "q", (Q-df)/Q, or "tau2", tau2/(tau2 + typical variance), which the common
    effect model does not have. Choices and errors as in `influence`.
    """
    if i2_basis not in (("q",) if tau2_method == COMMON else ("q", "tau2")):
        raise ValueError(f"no I2 on the basis {i2_basis!r} with tau2 by {tau2_method!r}")
    yi, vi = checked_studies(yi, vi, least=1)
    if yi.size == 1:
        return None
    deleted, tau2_deleted = _refit_without_each(yi, vi, tau2_method, interval, level)
    df = yi.size - 2
    half = critical_value("t", deleted.df, level) * deleted.se
    q = _q_without_each(yi, vi)
    h2 = np.ones_like(q)
    if df > 0:
        h2 = np.maximum(1, q / df) if i2_basis == "q" else 1 + tau2_deleted / _typical(vi)
    return LeaveOneOut(
        estimate=deleted.estimate,
        se=deleted.se,
        ci_low=deleted.estimate - half,
        ci_high=deleted.estimate + half,
        p_value=p_values(deleted.estimate, deleted.se, "t", deleted.df),
        tau2=tau2_deleted,
        q=q,
        q_df=df,
        q_p=chdtrc(df, q) if df > 0 else np.ones_like(q),
        i2=1 - 1 / h2,
        h2=h2,
        i2_basis=i2_basis,
    )


def _refit_without_each(yi, vi, tau2_method, interval, level) -> tuple[Pooled, np.ndarray]:
    others = 1 - np.eye(yi.size)
    between = _tau2_of(yi, vi, tau2_method, others)
    return pool_batch(yi, vi, between, interval, others, level), between


def _tau2_of(yi, vi, tau2_method, multiplicity) -> np.ndarray:
    if tau2_method == COMMON:
        return np.zeros(len(multiplicity))
    return tau2_batch(yi, vi, tau2_method, multiplicity)


def _rstudent(yi, vi, deleted: Pooled, tau2_deleted) -> np.ndarray:
    variance = deleted.scale * (vi + tau2_deleted) + deleted.se**2
    return (yi - deleted.estimate) / np.sqrt(variance)


def _q_without_each(yi, vi) -> np.ndarray:
    others = (1 - np.eye(yi.size)) / vi
    mean = others @ yi / others.sum(axis=1)
    return (others * (yi - mean[:, None]) ** 2).sum(axis=1)


def _typical(vi) -> np.ndarray:
    """The typical sampling variance without each study."""
    others = (1 - np.eye(vi.size)) / vi
    total = others.sum(axis=1)
    return (vi.size - 2) / (total - (others**2).sum(axis=1) / total)


def _influential(dffits, cook, hat, dfbetas) -> np.ndarray:
    k = hat.size
    far = np.abs(dffits) > 3 * np.sqrt(1 / (k - 1))
    return far | (chdtr(1, cook) > 0.5) | (hat > 3 / k) | (np.abs(dfbetas) > 1)
