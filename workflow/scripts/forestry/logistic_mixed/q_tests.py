"""Tests of heterogeneity among proportions, and what I2 is made of."""

from __future__ import annotations

from dataclasses import dataclass

from numpy.typing import ArrayLike
from scipy.special import xlogy

from forestry import heterogeneity, measures
from forestry.logistic_mixed.counts import counts_of


@dataclass(frozen=True)
class Test:
    """A test of heterogeneity, chi-squared on `df`; `p_value` is None on none."""

    statistic: float
    df: int
    p_value: float | None


def likelihood_ratio_q(events: ArrayLike, total: ArrayLike) -> Test:
    """The likelihood ratio test of one common proportion, df = k - 1.

    Q = 2 sum x ln((x/n)/p0) + (n-x) ln((1-x/n)/(1-p0)), p0 = sum x / sum n. `events`,
    `total` (k,); zero where all proportions are equal. Raises ValueError for impossible
    counts.
    """
    counts = counts_of(events, total)
    x, y, n = counts.x, counts.y, counts.n
    p = x.sum() / n.sum()
    terms = (xlogy(a, a / (n * q)) for a, q in ((x, p), (y, y.sum() / n.sum())) if q > 0)
    return _test(max(0.0, 2 * float(sum(terms).sum())), x.size - 1)


def wald_q(events: ArrayLike, total: ArrayLike) -> Test:
    """The inverse-variance Q of the uncorrected logits, over the studies with 0 < x < n.

    The df are k - 1 over all k studies nonetheless, as in R's metafor and meta: the test is
    conservative where studies of 0 or 100 % are left out. Raises ValueError for impossible
    counts, and where no study has a finite logit.
    """
    counts = counts_of(events, total)
    x, n = counts.x, counts.n
    inside = (x > 0) & (counts.y > 0)
    if not inside.any():
        raise ValueError("no study has both events and non-events: none has a finite logit")
    logits = measures.proportion(x[inside], n[inside], "logit")
    q = heterogeneity.cochran_q(logits.yi, logits.vi).q
    return _test(q, x.size - 1)


def _test(statistic: float, df: int) -> Test:
    test = heterogeneity.q_test(statistic, df)
    return Test(test.q, test.df, test.p)


def typical_variance(events: ArrayLike, total: ArrayLike) -> float:
    """The typical sampling variance of the logits, 0.5 added to studies of 0 or 100 %.

    For I2 = tau2/(tau2 + v~) with the model's tau2, as R's metafor. Raises ValueError for
    impossible counts and fewer than two studies.
    """
    return heterogeneity.typical_variance(measures.proportion(events, total, "logit").vi)


def i2_from_tau2(tau2: float, events: ArrayLike, total: ArrayLike) -> float:
    """I2 = tau2/(tau2 + v~), 0-1, with `typical_variance`'s v~."""
    return heterogeneity.i2_from_tau2(tau2, typical_variance(events, total)).i2
