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
    """Studies that share a mean: estimates less the mean of all, for precision; variances, (k,)."""

    y: np.ndarray
    v: np.ndarray


Parts = Sequence[Part]


def parts_of(yi: np.ndarray, vi: np.ndarray, groups: ArrayLike | None) -> list[Part]:
    """The studies (k,) by their labels `groups` (k,), or all of them. Raises ValueError for
    labels that do not match.
    """
    centred = yi - yi.sum() / yi.size
    if groups is None:
        return [Part(centred, vi)]
    labels = np.asarray(groups)
    if labels.shape != yi.shape:
        raise ValueError(
            f"groups must hold a label for each of {yi.size} studies, not {labels.shape}"
        )
    members = (labels == label for label in np.unique(labels))
    return [Part(centred[here], vi[here]) for here in members]


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
    for y, v in parts:
        w = 1 / (v + t)
        residual = y - (w @ y) / w.sum()
        r = w * residual
        q += r @ residual
        ypp += r @ r
    return q, ypp


def traces(parts: Parts, t: float) -> tuple[float, float, float, float]:
    """tr P, tr PP, sum w and sum w^2."""
    p = pp = sum_w = sum_w2 = 0.0
    for _, v in parts:
        w = 1 / (v + t)
        s1, s2 = w.sum(), w @ w
        ratio = s2 / s1
        p += s1 - ratio
        pp += s2 - 2 * ((w * w) @ w) / s1 + ratio * ratio
        sum_w += s1
        sum_w2 += s2
    return p, pp, sum_w, sum_w2


def scores(parts: Parts, t: float, restricted: bool) -> tuple[float, float]:
    """Twice the score of tau2, and its slope downwards: not positive where not concave."""
    ypp = yppp = first = second = 0.0
    for y, v in parts:
        w = 1 / (v + t)
        s1, s2 = w.sum(), w @ w
        r = w * (y - (w @ y) / s1)
        wr = w * r
        lost = wr.sum()
        ypp += r @ r
        yppp += wr @ r - lost * lost / s1
        if restricted:
            ratio = s2 / s1
            first += s1 - ratio
            second += s2 - 2 * ((w * w) @ w) / s1 + ratio * ratio
        else:
            first += s1
            second += s2
    return ypp - first, 2 * yppp - second


def profile_log_likelihood(parts: Parts, t, restricted: bool):
    """Profiled over the means, without the constant, at each tau2 = t, () or (points,)."""
    twice = 0.0
    for y, v in parts:
        total = v + np.asarray(t)[..., None]
        w = 1 / total
        s1 = w.sum(axis=-1)
        residual = y - ((w @ y) / s1)[..., None]
        twice = twice + np.log(total).sum(axis=-1) + (w * residual * residual).sum(axis=-1)
        if restricted:
            twice = twice + np.log(s1)
    return -0.5 * twice
