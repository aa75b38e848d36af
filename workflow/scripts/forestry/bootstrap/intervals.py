"""Bootstrap intervals: percentile, basic, and bias-corrected and accelerated (BCa).

Efron & Tibshirani 1993, An Introduction to the Bootstrap, chapters 13 and 14; Davison &
Hinkley 1997, Bootstrap Methods and their Application, section 5.2 (basic). Limits are
order statistics, never interpolated, so that they keep a sense where replicates are
infinite, and go with any rising transformation (percentile and BCa).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

INTERVALS = ("percentile", "basic", "bca")


@dataclass(frozen=True)
class Limits:
    """An interval's limits, on the scale of the replicates; None and `note` where it has none."""

    low: float | None
    high: float | None
    note: str = ""


def bootstrap_limits(
    kind: str, values: np.ndarray, observed: float, acceleration: float, level: float
) -> Limits:
    """Limits of one of INTERVALS from replicates `values`, (B,), without missing ones.

    `acceleration` is that of `acceleration`, which BCa alone uses. Raises KeyError for an
    unknown kind, ValueError for no replicates.
    """
    if values.size == 0:
        raise ValueError("no replicates: no interval")
    return _KINDS[kind](np.sort(values), observed, acceleration, (1 - level) / 2)


def acceleration(without: Sequence[np.ndarray]) -> float:
    """The acceleration of BCa from a jackknife, NaN where a value of it does not exist.

    `without` holds, for each part of the studies that is resampled by itself, the quantity
    without each study of it, (k,). The influence values L = (k - 1)(mean - value) of a part
    count by 1/k: Efron & Tibshirani 1993, eq. 14.15; in parts, Davison & Hinkley 1997,
    section 5.3. Zero where the quantity does not change.
    """
    if not all(np.isfinite(values).all() for values in without):
        return float("nan")
    influence = np.concatenate(
        [(values.size - 1) / values.size * (values.mean() - values) for values in without]
    )
    spread = (influence**2).sum()
    return float((influence**3).sum() / (6 * spread**1.5)) if spread > 0 else 0.0


def _percentile(ordered, observed, acceleration, tail) -> Limits:
    return Limits(_from_below(ordered, tail), _from_above(ordered, tail))


def _basic(ordered, observed, acceleration, tail) -> Limits:
    low, high = _from_below(ordered, tail), _from_above(ordered, tail)
    if not np.isfinite((low, high, observed)).all():
        return Limits(None, None, "replicates at the end of the scale: no basic interval")
    return Limits(2 * observed - high, 2 * observed - low)


def _bca(ordered, observed, acceleration, tail) -> Limits:
    """Half of the replicates that equal the estimate count as below it."""
    below = np.searchsorted(ordered, observed, "left")
    share = (below + np.searchsorted(ordered, observed, "right")) / (2 * ordered.size)
    if not 0 < share < 1:
        return Limits(None, None, "all replicates lie to one side of the estimate: no BCa interval")
    if not np.isfinite(acceleration):
        return Limits(None, None, "without some study there is no estimate: no BCa interval")
    bias = ndtri(share)
    shifted = bias + ndtri((tail, 1 - tail))
    divisor = 1 - acceleration * shifted
    if not (divisor > 0).all():
        return Limits(None, None, "the acceleration is too large: no BCa interval")
    low, high = ndtr(bias + shifted / divisor)
    return Limits(_from_below(ordered, low), _from_above(ordered, 1 - high))


def _from_below(ordered: np.ndarray, tail: float) -> float:
    """The (B + 1) tail-th smallest, or the smallest of too few replicates."""
    rank = int(np.floor((ordered.size + 1) * tail + 1e-9))
    return float(ordered[min(max(rank, 1), ordered.size) - 1])


def _from_above(ordered: np.ndarray, tail: float) -> float:
    return -_from_below(-ordered[::-1], tail)


_KINDS = {"percentile": _percentile, "basic": _basic, "bca": _bca}
