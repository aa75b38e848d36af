"""Intervals of single studies."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betaincinv, ndtri

from forestry.measures.common import (
    Interval,
    check_counts,
    check_not_negative,
    columns_of,
    upper_tail,
)


def clopper_pearson(events: ArrayLike, total: ArrayLike, level: float = 0.95) -> Interval:
    """The exact interval of a proportion (Clopper and Pearson 1934), 0-1, shape (k,).

    Beta quantiles: B(a/2; x, n - x + 1) and B(1 - a/2; x + 1, n - x). NaN where a count
    is missing. Raises ValueError for impossible counts and a level outside (0, 1).
    """
    tail = upper_tail(level)
    events, total = columns_of(events=events, total=total)
    check_counts(events, total)
    none, everyone = events == 0, events == total
    low = betaincinv(np.where(none, 1.0, events), total - events + 1, 1 - tail)
    high = betaincinv(events + 1, np.where(everyone, 1.0, total - events), tail)
    return Interval(np.where(none, 0.0, low), np.where(everyone, 1.0, high))


def wilson(events: ArrayLike, total: ArrayLike, level: float = 0.95) -> Interval:
    """The score interval of a proportion (Wilson 1927), 0-1, shape (k,).

    Newcombe (1998, Stat Med 17:857), method 3: no continuity correction. NaN and errors
    as in `clopper_pearson`.
    """
    z = ndtri(upper_tail(level))
    events, total = columns_of(events=events, total=total)
    check_counts(events, total)
    centre = (events + z**2 / 2) / (total + z**2)
    half = z * np.sqrt(events * (total - events) / total + z**2 / 4) / (total + z**2)
    # Without an event the two cancel exactly; at n/n their sum would round to either side of 1.
    return Interval(centre - half, np.where(events == total, 1.0, centre + half))


def wald_interval(yi: ArrayLike, vi: ArrayLike, level: float = 0.95) -> Interval:
    """yi -+ z sqrt(vi) on the scale of analysis, shape (k,); NaN where yi or vi is.

    Not truncated: see `scales`. Raises ValueError for a negative variance and a level
    outside (0, 1).
    """
    z = ndtri(upper_tail(level))
    yi, vi = columns_of(yi=yi, vi=vi)
    check_not_negative("vi", vi)
    half = z * np.sqrt(vi)
    return Interval(yi - half, yi + half)
