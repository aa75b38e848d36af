"""Mantel-Haenszel pooling of two-arm counts: risk ratio, odds ratio, risk difference.

With a, n1 the events and total of the treated arm, c, n2 those of the control arm, b = n1-a,
d = n2-c and N = n1+n2, the pooled effects are sum R / sum S, with variances of the logarithm
by Greenland & Robins 1985 (risk ratio) and Robins, Breslow & Greenland 1986 (odds ratio), and
of the risk difference by Sato 1989.

Zero cells need no correction: only a pooled table without events (or, for an odds ratio,
without non-events) in an arm has no estimate, and a risk difference none where its variance is
zero: no study had both events and non-events in an arm.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from forestry.intervals import critical_value, p_values

MEASURES = ("risk_ratio", "odds_ratio", "risk_difference")
CORRECTED = ("only_affected", "all", "if_any_affected", "none")


class NotEstimable(ValueError):
    """The counts have no estimate: it would be 0, infinite or 0/0, or have no variance."""


@dataclass(frozen=True)
class MantelHaenszel:
    """A pooled effect on the scale of analysis: log for ratios, identity for the difference.

    `weights` are shares of shape (k,) that sum to 1. `uninformative` marks the studies that
    contribute nothing: those without events in either arm (or, for an odds ratio, with
    events only), for ratios; `k` counts them, `k_informative` does not. `p_value` is None
    where the standard error is zero.
    """

    measure: str
    k: int
    k_informative: int
    level: float
    estimate: float
    se: float
    ci_low: float
    ci_high: float
    p_value: float | None
    weights: np.ndarray
    uninformative: np.ndarray
    corrected: np.ndarray  # which studies had `add` added to their cells


def fit_mantel_haenszel(
    events: ArrayLike,
    total: ArrayLike,
    control_events: ArrayLike,
    control_total: ArrayLike,
    measure: str = "risk_ratio",
    level: float = 0.95,
    add: float = 0.0,
    to: str = "only_affected",
) -> MantelHaenszel:
    """The Mantel-Haenszel effect of studies of shape (k,) with a Wald interval.

    `add` > 0 adds so much to each of the four cells of the informative studies with a zero
    cell ("only_affected"), of "all" informative studies, or of all as soon as one has a zero
    cell ("if_any_affected"), as some programs do; "none" adds nothing.

    Raises ValueError for counts that are not counts or an unknown choice, NotEstimable where
    a margin of the pooled table is empty, or a risk difference has a variance of zero.
    """
    _check_choices(measure, add, to)
    table = cells_of(events, total, control_events, control_total)
    uninformative = _uninformative(measure, *table)
    corrected = _corrected(table, uninformative, to) if add else np.zeros_like(uninformative)
    a, b, c, d = (cell + add * corrected for cell in table)
    estimate, se, weights = _POOL[measure](a, b, c, d)
    half = float(critical_value("wald", 0, level)) * se
    return MantelHaenszel(
        measure=measure,
        k=a.size,
        k_informative=int((~uninformative).sum()),
        level=level,
        estimate=estimate,
        se=se,
        ci_low=estimate - half,
        ci_high=estimate + half,
        p_value=float(p_values(estimate, se, "wald", 0)) if se > 0 else None,
        weights=weights / weights.sum(),
        uninformative=uninformative,
        corrected=corrected,
    )


def _check_choices(measure, add, to) -> None:
    if measure not in MEASURES:
        raise ValueError(f"measure must be one of {', '.join(MEASURES)}, not {measure!r}")
    if to not in CORRECTED:
        raise ValueError(f"to must be one of {', '.join(CORRECTED)}, not {to!r}")
    if not (np.isfinite(add) and add >= 0):
        raise ValueError(f"add must be zero or more, not {add}")


def cells_of(events, total, control_events, control_total) -> tuple[np.ndarray, ...]:
    """The cells a, b, c, d of two-arm counts, shape (k,). Raises ValueError for other numbers."""
    a, n1, c, n2 = (
        np.asarray(counts, dtype=float) for counts in (events, total, control_events, control_total)
    )
    if a.ndim != 1 or not a.shape == n1.shape == c.shape == n2.shape:
        raise ValueError("events and totals of both arms must be of one length")
    if a.size == 0:
        raise ValueError("1 or more studies are needed, not 0")
    if not all(np.isfinite(counts).all() for counts in (a, n1, c, n2)):
        raise ValueError("a count is missing or not finite")
    if (a < 0).any() or (c < 0).any() or (a > n1).any() or (c > n2).any():
        raise ValueError("events must lie between zero and the arm's total")
    if (n1 <= 0).any() or (n2 <= 0).any():
        raise ValueError("an arm has nobody in it")
    return a, n1 - a, c, n2 - c


def _uninformative(measure, a, b, c, d) -> np.ndarray:
    if measure == "risk_difference":
        return np.zeros(a.shape, dtype=bool)
    no_events = (a == 0) & (c == 0)
    return no_events | ((b == 0) & (d == 0)) if measure == "odds_ratio" else no_events


def _corrected(table, uninformative, to) -> np.ndarray:
    informative = ~uninformative
    affected = informative & np.any([cell == 0 for cell in table], axis=0)
    return {
        "only_affected": affected,
        "all": informative,
        "if_any_affected": informative & affected.any(),
        "none": np.zeros_like(affected),
    }[to]


# Each pools cells a, b, c, d, and gives estimate, standard error and weights -----------------


def _risk_ratio(a, b, c, d) -> tuple[float, float, np.ndarray]:
    n1, n2, size = a + b, c + d, a + b + c + d
    r, s = a * n2 / size, c * n1 / size
    top, bottom = _margins("risk ratio", r, s)
    spread = (n1 * n2 * (a + c) - a * c * size) / size**2
    return float(np.log(top / bottom)), float(np.sqrt(spread.sum() / (top * bottom))), s


def _odds_ratio(a, b, c, d) -> tuple[float, float, np.ndarray]:
    size = a + b + c + d
    p, q = (a + d) / size, (b + c) / size
    r, s = a * d / size, b * c / size
    top, bottom = _margins("odds ratio", r, s)
    variance = (
        (p * r).sum() / (2 * top**2)
        + (p * s + q * r).sum() / (2 * top * bottom)
        + (q * s).sum() / (2 * bottom**2)
    )
    return float(np.log(top / bottom)), float(np.sqrt(variance)), s


def _risk_difference(a, b, c, d) -> tuple[float, float, np.ndarray]:
    n1, n2, size = a + b, c + d, a + b + c + d
    weights = n1 * n2 / size
    estimate = (a * n2 / size - c * n1 / size).sum() / weights.sum()
    p = (n1**2 * c - n2**2 * a + n1 * n2 * (n2 - n1) / 2) / size**2
    q = (a * d + b * c) / (2 * size)
    variance = (estimate * p.sum() + q.sum()) / weights.sum() ** 2
    if not ((a * b).any() or (c * d).any()):
        raise NotEstimable("no risk difference: no arm has both events and non-events")
    return float(estimate), float(np.sqrt(max(0.0, variance))), weights


def _margins(name: str, r: np.ndarray, s: np.ndarray) -> tuple[float, float]:
    if r.sum() == 0 or s.sum() == 0:
        raise NotEstimable(f"no {name}: all studies together lack events (or non-events) in an arm")
    return r.sum(), s.sum()


_POOL = {
    "risk_ratio": _risk_ratio,
    "odds_ratio": _odds_ratio,
    "risk_difference": _risk_difference,
}
