"""The sums over the studies of a data set that its estimators need, at a given tau2.

With w = 1/(v + tau2), each group of studies has its own weighted mean: with X their
memberships, P = W - W X (X'WX)^-1 X'W. Of one data set, a call of numpy costs more than its
arithmetic: few of them are made.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike


class Part(NamedTuple):
    """Studies that share a mean, that of the smallest variance first: arrays (k,).

    Estimates are less that study's, `offset` above the mean of all. Where its weight is
    nearly all there is, sums lose no digits by it if it is set apart from the rest.
    """

    y: np.ndarray
    v: np.ndarray
    offset: float


Parts = Sequence[Part]


def parts_of(yi: np.ndarray, vi: np.ndarray, groups: ArrayLike | None) -> list[Part]:
    """The studies (k,) by their labels `groups` (k,), or all of them. Raises ValueError for
    labels that do not match.
    """
    centre = yi.sum() / yi.size
    if groups is None:
        return [_part(yi, vi, centre)]
    labels = np.asarray(groups)
    if labels.shape != yi.shape:
        raise ValueError(
            f"groups must hold a label for each of {yi.size} studies, not {labels.shape}"
        )
    members = (labels == label for label in np.unique(labels))
    return [_part(yi[here], vi[here], centre) for here in members]


def _part(yi: np.ndarray, vi: np.ndarray, centre: float) -> Part:
    first = vi.argmin()
    y, v = yi - yi[first], vi.copy()
    y[first], v[first] = y[0], v[0]
    y[0], v[0] = 0.0, vi[first]
    return Part(y, v, yi[first] - centre)


def studies(parts: Parts) -> int:
    """Their number, k."""
    return sum(part.y.size for part in parts)


def degrees(parts: Parts) -> int:
    """Degrees of freedom: studies less means."""
    return studies(parts) - len(parts)


def smallest_variance(parts: Parts) -> float:
    """Of a study."""
    return min(float(part.v.min()) for part in parts)


def largest_variance(parts: Parts) -> float:
    """Of a study."""
    return max(float(part.v.max()) for part in parts)


def squares(parts: Parts) -> float:
    """Sum of squares about the plain means."""
    return sum(float(((part.y - part.y.mean()) ** 2).sum()) for part in parts)


def q_and_ypp(parts: Parts, t: float) -> tuple[float, float]:
    """y'Py and y'PPy."""
    q = ypp = 0.0
    for y, v, _ in parts:
        w = 1 / (v + t)
        residual = y - (w @ y) / w.sum()
        r = w * residual
        q += r @ residual
        ypp += r @ r
    return q, ypp


def traces(parts: Parts, t: float) -> tuple[float, float, float, float]:
    """tr P, tr PP, sum w and sum w^2."""
    p = pp = sum_w = sum_w2 = 0.0
    for _, v, _ in parts:
        w = 1 / (v + t)
        first, rest = w[0], w[1:]
        r1, r2 = rest.sum(), rest @ rest
        s1 = first + r1
        of_p, of_pp = projection_traces(first, s1, r1, r2, (rest * rest) @ rest)
        p += of_p
        pp += of_pp
        sum_w += s1
        sum_w2 += first * first + r2
    return p, pp, sum_w, sum_w2


def projection_traces(first, s1, r1, r2, r3):
    """tr P and tr PP of studies that share a mean.

    From the largest weight `first`, the sum `s1` of all weights and the sums `r1`, `r2`, `r3`
    of the first three powers of the others: sum w - sum w^2 / s1, and sum w^2 - 2 sum w^3 / s1
    + (sum w^2 / s1)^2, in terms that are far smaller where `first` is nearly all there is.
    """
    share = first / s1
    p = 2 * share * r1 + (r1 * r1 - r2) / s1
    pp = (share * r1) ** 2 + (1 + 2 * share * share) * r2 - 2 * r3 / s1 + (r2 / s1) ** 2
    return p, pp


def scores(parts: Parts, t: float, restricted: bool) -> tuple[float, float]:
    """Twice the score of tau2, and its slope downwards: not positive where not concave."""
    ypp = yppp = expected = slope = 0.0
    for y, v, _ in parts:
        w = 1 / (v + t)
        first, rest = w[0], w[1:]
        r1, r2 = rest.sum(), rest @ rest
        s1 = first + r1
        r = w * (y - (w @ y) / s1)
        ypp += r @ r
        r -= r[0]
        wr = w * r
        lost = wr.sum()
        yppp += wr @ r - lost * lost / s1
        if restricted:
            of_p, of_pp = projection_traces(first, s1, r1, r2, (rest * rest) @ rest)
            expected += of_p
            slope += of_pp
        else:
            expected += s1
            slope += first * first + r2
    return ypp - expected, 2 * yppp - slope


def profile_log_likelihood(parts: Parts, t, restricted: bool):
    """Profiled over the means, without the constant, at each tau2 = t, () or (points,)."""
    twice = 0.0
    for y, v, _ in parts:
        total = v + np.asarray(t)[..., None]
        w = 1 / total
        s1 = w.sum(axis=-1)
        residual = y - ((w @ y) / s1)[..., None]
        twice = twice + np.log(total).sum(axis=-1) + (w * residual * residual).sum(axis=-1)
        if restricted:
            twice = twice + np.log(s1)
    return -0.5 * twice
