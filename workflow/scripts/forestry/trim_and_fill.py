"""Duval and Tweedie's trim and fill: how many studies are missing, and the mean with them.

Studies are taken to be missing from one side of the funnel. The outlying studies of the
other side are trimmed until the mean settles; then each is put back with its mirror image.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from forestry.bias import FEWEST_STUDIES, egger
from forestry.checks import checked_studies

# Pools effects (k,) with variances (k,); what it returns has `.estimate`.
Fit = Callable[[np.ndarray, np.ndarray], Any]

# Distances from the mean are ties where only rounding of the effects tells them apart.
TIED_DIGITS = 12


@dataclass(frozen=True, eq=False)
class TrimAndFill:
    """The studies that trim and fill adds, and the fit with them; link scale."""

    side: str  # left | right: where studies are missing
    estimator: str  # L0 | R0 | Q0
    k: int  # studies observed
    k0: int  # studies added
    k0_se: float | None
    yi: np.ndarray  # (k + k0,): those observed, in the order given, then those added
    vi: np.ndarray  # (k + k0,)
    filled: np.ndarray  # (k + k0,) of bool: true for those added
    centre: float  # the mean of the trimmed studies, about which the others are mirrored
    fit: Any  # what the caller's `fit` made of all k + k0
    iterations: int
    note: str


def trim_and_fill(
    yi: ArrayLike,
    vi: ArrayLike,
    fit: Fit,
    trim: Fit | None = None,
    estimator: str = "L0",
    side: str | None = None,
) -> TrimAndFill:
    """Add the studies that Duval and Tweedie's method takes to be missing.

    `yi`, `vi` (k,): effects and their variances, link scale. `fit` pools the observed and
    the added studies. `trim` pools what is left at each step of the trimming, and estimates
    its own tau2 where it has one: the common-effect model is R meta's way, None trims with
    `fit` itself and is metafor's. `estimator` of the number missing is ``L0``, ``R0`` or
    ``Q0``. `side` names where studies are missing; None chooses by the sign of Egger's
    slope: ``right`` where it is negative, otherwise ``left``.

    Distances from the mean that are equal share their average rank, and of equal effects
    the less precise is trimmed first, so that the order of the studies is of no account.
    `k0_se` is None where the large-sample formula gives no positive variance. Raises ValueError for
    fewer than 3 studies, an unknown estimator or side, numbers that `egger` would refuse,
    Q0 where it is not a real number, a trimming that leaves a single study (few studies, or
    Q0) and one that goes round in a circle.

    Source: Duval & Tweedie, Biometrics 2000;56:455; J Am Stat Assoc 2000;95:89.
    """
    yi, vi = checked_studies(yi, vi, least=FEWEST_STUDIES)
    k = len(yi)
    if estimator not in ESTIMATORS:
        raise ValueError(f"estimator is {estimator!r}, not one of {', '.join(ESTIMATORS)}")
    side, note = (side, "") if side is not None else _side_by_egger(yi, vi)
    if side not in SIGNS:
        raise ValueError(f"side is {side!r}, not one of {', '.join(SIGNS)}")

    sign = SIGNS[side]
    order = np.lexsort((vi, sign * yi))  # ascending: what is trimmed first comes last
    y, v = sign * yi[order], vi[order]
    centre, raw, iterations = _trim(y, v, sign, trim or fit, estimator)
    k0 = round(raw)

    all_yi = np.append(yi, sign * (2 * centre - y[k - k0 :]))
    all_vi = np.append(vi, v[k - k0 :])
    return TrimAndFill(
        side=side,
        estimator=estimator,
        k=k,
        k0=k0,
        k0_se=_standard_error(estimator, k, raw),
        yi=all_yi,
        vi=all_vi,
        filled=np.arange(k + k0) >= k,
        centre=sign * centre,
        fit=fit(all_yi, all_vi),
        iterations=iterations,
        note=note,
    )


# Studies are missing from the left of sign * yi.
SIGNS = {"left": 1.0, "right": -1.0}


def _side_by_egger(yi: np.ndarray, vi: np.ndarray) -> tuple[str, str]:
    slope = egger(yi, vi).bias
    if slope is None:
        return "left", "Egger's test names no side (equal variances): left by convention"
    return ("right" if slope < 0 else "left"), ""


def _trim(y: np.ndarray, v: np.ndarray, sign: float, pool: Fit, estimator: str):
    """The mean of what is left, the number missing (not rounded) and the steps to them.

    `y` ascends and lacks studies on its left; `sign` turns it back for the fit.
    """
    trimmed = [0]
    while True:
        kept = len(y) - trimmed[-1]
        centre = sign * float(pool(sign * y[:kept], v[:kept]).estimate)
        raw = max(0.0, ESTIMATORS[estimator](_signed_ranks(y, centre)))
        k0 = round(raw)
        if k0 == trimmed[-1]:
            return centre, raw, len(trimmed)
        if len(y) - k0 < 2:
            raise ValueError(f"{estimator} trims {k0} of {len(y)} studies: no funnel is left")
        # Each step follows from the number trimmed alone: one that comes back comes for ever.
        if k0 in trimmed:
            steps = ", ".join(map(str, [*trimmed, k0]))
            raise ValueError(f"trimming does not settle with {estimator}: {steps} studies")
        trimmed.append(k0)


# The number of missing studies ------------------------------------------------------------


def _signed_ranks(y: np.ndarray, centre: float) -> np.ndarray:
    """Ranks of |y - centre| with the signs of y - centre; ties share their average rank."""
    largest = max(np.abs(y).max(), abs(centre))
    if largest == 0:
        return np.zeros_like(y)
    distances = np.round((y - centre) / largest, TIED_DIGITS)
    _, place, tied = np.unique(np.abs(distances), return_inverse=True, return_counts=True)
    ranks = np.cumsum(tied) - (tied - 1) / 2
    return np.sign(distances) * ranks[place]


def _l0(ranks: np.ndarray) -> float:
    k = len(ranks)
    return (4 * _rank_sum(ranks) - k * (k + 1)) / (2 * k - 1)


def _r0(ranks: np.ndarray) -> float:
    """One less than the number on the right that lie farther out than all on the left."""
    return float((ranks > max(0.0, -ranks.min())).sum() - 1)


def _q0(ranks: np.ndarray) -> float:
    k = len(ranks)
    square = 2 * k**2 - 4 * _rank_sum(ranks) + 0.25
    if square < 0:
        raise ValueError(f"Q0 is not a real number here (S = {_rank_sum(ranks):g}, k = {k})")
    return k - 0.5 - sqrt(square)


def _rank_sum(ranks: np.ndarray) -> float:
    return float(ranks[ranks > 0].sum())


ESTIMATORS: dict[str, Callable[[np.ndarray], float]] = {"L0": _l0, "R0": _r0, "Q0": _q0}


def _standard_error(estimator: str, k: int, k0: float) -> float | None:
    """The large-sample standard error of the number missing, at k0 (not rounded)."""
    if estimator == "R0":
        return sqrt(2 * k0 + 2)
    cubic = 10 * k0**3 + 27 * k0**2 + 17 * k0 - 18 * k * k0**2 - 18 * k * k0 + 6 * k**2 * k0
    variance = (k * (k + 1) * (2 * k + 1) + cubic) / 24  # of the rank sum
    if variance <= 0:
        return None
    if estimator == "L0":
        return 4 * sqrt(variance) / (2 * k - 1)
    return 2 * sqrt(variance) / sqrt((k - 0.5) ** 2 - k0 * (2 * k - k0 - 1))
