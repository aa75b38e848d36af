"""Heterogeneity: Cochran's Q, I2 and H2 on a named basis, intervals of tau2, subgroup tests.

Everything is on the scale of analysis (link). I2 and H2 are fractions and ratios, not
percentages. A number that does not exist (of one study, or an empty interval) is None.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import chdtrc, ndtri

from forestry.checks import check_choice, checked_studies
from forestry.inverse_variance import fit_common
from forestry.tau2 import Tau2, generalised_q, tau2
from forestry.tau2_limits import TAU2_INTERVALS, tau2_limits
from forestry.weighted_sums import parts_of, traces

I2_BASES = ("q", "tau2")


@dataclass(frozen=True)
class QTest:
    """Q on `df` degrees of freedom; `p` is None on none."""

    q: float
    df: int
    p: float | None


@dataclass(frozen=True)
class I2:
    """I2 (0-1) and H2 = 1/(1 - I2), with the limits that the basis gives."""

    i2: float | None
    i2_low: float | None
    i2_high: float | None
    h2: float | None
    h2_low: float | None
    h2_high: float | None


@dataclass(frozen=True)
class Heterogeneity:
    """Everything said of the heterogeneity of k studies.

    `i2_basis` says what I2 and H2 and their limits come from: "q", (Q-df)/Q with the
    log-H interval, or "tau2", tau2/(tau2 + typical variance) with tau2's own limits.
    """

    k: int
    q: float
    q_df: int
    q_p: float | None
    i2: float | None
    i2_low: float | None
    i2_high: float | None
    i2_basis: str
    h2: float | None
    h2_low: float | None
    h2_high: float | None
    tau2_method: str
    tau2: float | None
    tau2_se: float | None
    tau2_low: float | None
    tau2_high: float | None
    tau2_interval: str
    level: float


@dataclass(frozen=True)
class QDecomposition:
    """Cochran's Q of all studies, and its parts between and within groups (common effects)."""

    total: QTest
    between: QTest
    within: QTest


def heterogeneity(
    yi: ArrayLike,
    vi: ArrayLike,
    tau2_method: str = "DL",
    i2_basis: str = "q",
    tau2_interval: str = "q_profile",
    level: float = 0.95,
    between: Tau2 | None = None,
) -> Heterogeneity:
    """Q, I2, H2 and tau2 of studies `yi`, `vi`, shape (k,).

    `i2_basis` is one of I2_BASES, `tau2_interval` one of `tau2_limits.TAU2_INTERVALS`, and
    `between` is tau2 by `tau2_method` where it has been estimated already. A single study has
    Q = 0 on no degrees of freedom, and nothing else. Raises ValueError for no study or an
    unknown choice, NotConverged where tau2 has no solution.
    """
    check_choice("i2_basis", i2_basis, I2_BASES)
    check_choice("tau2_interval", tau2_interval, TAU2_INTERVALS)
    yi, vi = checked_studies(yi, vi, least=1)
    test = cochran_q(yi, vi)
    if yi.size < 2:
        between, limits = None, (None, None)
    else:
        between = between or tau2(yi, vi, tau2_method)
        limits = tau2_limits(yi, vi, tau2_interval, level, tau2_method=tau2_method)
    if between is None:
        share = _no_i2()
    elif i2_basis == "q":
        share = i2_from_q(test.q, test.df, level)
    else:
        share = i2_from_tau2(between.estimate, typical_variance(vi), *limits)
    return Heterogeneity(
        k=yi.size,
        q=test.q,
        q_df=test.df,
        q_p=test.p,
        i2=share.i2,
        i2_low=share.i2_low,
        i2_high=share.i2_high,
        i2_basis=i2_basis,
        h2=share.h2,
        h2_low=share.h2_low,
        h2_high=share.h2_high,
        tau2_method=tau2_method,
        tau2=between.estimate if between else None,
        tau2_se=between.se if between else None,
        tau2_low=limits[0],
        tau2_high=limits[1],
        tau2_interval=tau2_interval,
        level=level,
    )


# Q ------------------------------------------------------------------------------------------


def cochran_q(yi: ArrayLike, vi: ArrayLike) -> QTest:
    """Cochran's Q about the common effect, on k-1 degrees of freedom."""
    yi, vi = checked_studies(yi, vi, least=1)
    return q_test(generalised_q(yi, vi, 0.0), yi.size - 1)


def q_about(yi: ArrayLike, vi: ArrayLike, estimate: float) -> QTest:
    """Q with weights 1/v about a given estimate, e.g. the Mantel-Haenszel one; k-1 df."""
    yi, vi = checked_studies(yi, vi, least=1)
    return q_test(float(((yi - estimate) ** 2 / vi).sum()), yi.size - 1)


def q_test(q: float, df: int) -> QTest:
    """Q with its p from chi-squared on `df`."""
    return QTest(float(q), int(df), float(chdtrc(df, q)) if df > 0 else None)


# I2 and H2 ----------------------------------------------------------------------------------


def i2_from_q(q: float, df: int, level: float = 0.95) -> I2:
    """I2 = max(0, (Q-df)/Q) with the interval from log H (Higgins & Thompson 2002, eq. 12-14).

    se(log H) = (ln Q - ln df) / 2(sqrt(2Q) - sqrt(2df-1)) for Q > k = df+1, else
    sqrt((1 - 1/(3(k-2)^2)) / 2(k-2)), which two studies do not have: no limits then. H is
    not let below 1. Raises ValueError for a Q below zero or df below one.
    """
    if not (np.isfinite(q) and q >= 0 and df >= 1):
        raise ValueError(f"I2 needs a Q of zero or more and df of one or more, not {q} on {df}")
    h2 = max(1.0, q / df)
    se = _log_h_se(q, df)
    if se is None:
        return I2(1 - 1 / h2, None, None, h2, None, None)
    ratio = np.exp(2 * ndtri((1 + level) / 2) * se)
    low, high = max(1.0, float(h2 / ratio)), float(h2 * ratio)
    return I2(1 - 1 / h2, 1 - 1 / low, 1 - 1 / high, h2, low, high)


def _log_h_se(q: float, df: int) -> float | None:
    k = df + 1
    if q > k:
        return float(0.5 * np.log(q / df) / (np.sqrt(2 * q) - np.sqrt(2 * df - 1)))
    if k == 2:
        return None
    return float(np.sqrt((1 - 1 / (3 * (k - 2) ** 2)) / (2 * (k - 2))))


def typical_variance(vi: ArrayLike) -> float:
    """The typical sampling variance v~ = (k-1) / (sum w - sum w^2 / sum w), w = 1/v.

    Higgins & Thompson 2002, eq. 9. Raises ValueError for fewer than two studies.
    """
    none, vi = checked_studies(np.zeros(np.size(vi)), vi, least=2)
    return float((vi.size - 1) / traces(parts_of(none, vi, None), 0.0)[0])


def i2_from_tau2(
    tau2: float, typical: float, low: float | None = None, high: float | None = None
) -> I2:
    """I2 = tau2/(tau2 + v~) and H2 = 1 + tau2/v~, and the same of tau2's limits."""
    (i2, h2), (i2_low, h2_low), (i2_high, h2_high) = (
        (None, None) if value is None else (value / (value + typical), 1 + value / typical)
        for value in (tau2, low, high)
    )
    return I2(i2, i2_low, i2_high, h2, h2_low, h2_high)


def _no_i2() -> I2:
    return I2(None, None, None, None, None, None)


# Between groups -----------------------------------------------------------------------------


def between_groups(estimates: ArrayLike, ses: ArrayLike) -> QTest:
    """Test of equal group means, from the groups' pooled estimates and standard errors.

    Q_between = sum W_g (mu_g - mu.)^2 with W_g = 1/se_g^2, on G-1 degrees of freedom.
    Raises ValueError for fewer than two groups.
    """
    ses = np.asarray(ses, dtype=float)
    estimates, variances = checked_studies(estimates, ses**2, least=2)
    return cochran_q(estimates, variances)


def between_groups_common_tau2(
    yi: ArrayLike, vi: ArrayLike, groups: ArrayLike, tau2_method: str = "REML"
) -> QTest:
    """Test of equal group means where the groups share one tau2: a mixed model's QM.

    Raises ValueError for fewer than two groups, or no more studies than groups.
    """
    yi, vi = checked_studies(yi, vi, least=2)
    shared = tau2(yi, vi, tau2_method, groups).estimate
    means = [fit_common(yi[here], vi[here] + shared) for here in _members(groups)]
    return between_groups([fit.estimate for fit in means], [fit.se for fit in means])


def decompose_q(yi: ArrayLike, vi: ArrayLike, groups: ArrayLike) -> QDecomposition:
    """Q = Q_between + Q_within under common effects; df G-1 and k-G."""
    yi, vi = checked_studies(yi, vi, least=2)
    members = _members(groups)
    means = [fit_common(yi[here], vi[here]) for here in members]
    between = between_groups([fit.estimate for fit in means], [fit.se for fit in means])
    within = sum(cochran_q(yi[here], vi[here]).q for here in members)
    return QDecomposition(cochran_q(yi, vi), between, q_test(within, yi.size - len(members)))


def _members(groups: ArrayLike) -> list[np.ndarray]:
    labels = np.asarray(groups)
    return [labels == label for label in np.unique(labels)]
