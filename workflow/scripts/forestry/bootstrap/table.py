"""The rows of ``bootstrap.csv``: intervals of every target, kind and quantity.

A replicate without a value (no convergence, or no maximum of the likelihood) is counted and
takes no part in an interval; where such are as many as the interval leaves out, 1 - level,
there is none. A replicate in which no or all participants had the event counts with its
limit, 0 or 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import comb

import numpy as np

from forestry.bootstrap.gathering import column
from forestry.bootstrap.intervals import Limits, acceleration, bootstrap_limits
from forestry.bootstrap.replicates import jackknife, observed
from forestry.bootstrap.targets import CONVERGED, Target
from forestry.results import BootstrapInterval
from forestry.scales import harmonic_mean, to_display


def bootstrap_table(
    outcome: str,
    targets: Sequence[Target],
    kinds: Sequence[str],
    intervals: Sequence[str],
    records: np.ndarray,
) -> list[BootstrapInterval]:
    """Every interval of every target, from the gathered replicates.

    A target without replicates of a kind, or without an estimate, has rows that say why.
    """
    rows: list[BootstrapInterval] = []
    for target in targets:
        if all(target.unfit(kind) for kind in kinds):
            seen, without = {}, {}
        else:
            seen, without = observed(target), jackknife(target)
        for kind in kinds:
            for quantity in target.quantities:
                blank = _blank(outcome, target, kind, quantity, records.size)
                for interval in intervals:
                    row = replace(blank, interval=interval)
                    if reason := target.unfit(kind):
                        rows.append(replace(row, note=reason))
                    else:
                        found = _Found(target, kind, quantity, seen, without, records)
                        rows.append(found.filled(row))
    return rows


def _blank(outcome, target: Target, kind, quantity, replicates) -> BootstrapInterval:
    """A row without numbers."""
    effects = target.parts[0] or target.parts[-1]
    analysis = effects[0].scale if effects else ""
    return BootstrapInterval(
        outcome=outcome,
        variant=target.variant,
        group=target.group,
        reference=target.reference,
        kind=kind,
        quantity=quantity,
        scale={"estimate": "display", "i2": "display"}.get(quantity, analysis),
        k=target.k,
        k_reconstructed=target.k_reconstructed,
        estimate=None,
        bias=None,
        se=None,
        replicates=replicates if not target.unfit(kind) else 0,
        not_converged=0,
        without_value=0,
        at_limit=0,
        interval="",
        level=target.pooling.level,
        ci_low=None,
        ci_high=None,
        note="",
    )


class _Found:
    """What is known of a quantity of a target, of one kind."""

    def __init__(self, target: Target, kind, quantity, seen, without, records):
        self._target, self._quantity = target, quantity
        self._observed = float(seen[quantity][0])
        self._without = without[quantity]
        values = records[column(target, kind, quantity)]
        self._missing = int(np.isnan(values).sum())
        self._values = values[~np.isnan(values)]
        self._not_converged = int((~records[column(target, kind, CONVERGED)]).sum())

    def filled(self, row: BootstrapInterval) -> BootstrapInterval:
        infinite = int(np.isinf(self._values).sum())
        limits = self._limits(row)
        show = self._display()
        return replace(
            row,
            estimate=show(self._observed),
            **self._moments(infinite),
            not_converged=self._not_converged,
            without_value=self._missing,
            at_limit=infinite,
            ci_low=show(limits.low),
            ci_high=show(limits.high),
            note="; ".join(filter(None, (limits.note, _few_samples(self._target, row.kind)))),
        )

    def _limits(self, row: BootstrapInterval) -> Limits:
        if np.isnan(self._observed):
            return Limits(None, None, "the studies themselves have no value: no interval")
        if self._missing >= (1 - row.level) * row.replicates:
            missing = f"{self._missing} of {row.replicates} replicates have no value"
            return Limits(None, None, f"{missing}: no interval")
        if self._values.min() == self._values.max():
            return Limits(None, None, "all replicates are equal: no interval")
        found = bootstrap_limits(
            row.interval, self._values, self._observed, acceleration(self._without), row.level
        )
        return self._inside(found)

    def _inside(self, limits: Limits) -> Limits:
        """Basic limits of tau2 and I2 may lie where no value does: they end there."""
        if self._quantity not in ("tau2", "i2") or limits.low is None:
            return limits
        highest = 1.0 if self._quantity == "i2" else np.inf
        low, high = (float(np.clip(end, 0.0, highest)) for end in (limits.low, limits.high))
        return replace(limits, low=low, high=high)

    def _moments(self, infinite: int) -> dict:
        if infinite or not self._values.size or not np.isfinite(self._observed):
            return {"bias": None, "se": None}
        bias = float(self._values.mean() - self._observed)
        return {"bias": bias, "se": float(self._values.std(ddof=1))}

    def _display(self) -> Callable[[float | None], float | None]:
        return display_of(self._target) if self._quantity == "estimate" else _number


def _few_samples(target: Target, kind: str) -> str:
    """A remark on the nonparametric bootstrap where studies are too few for the level.

    There are (2k - 1)! / (k! (k - 1)!) distinct samples of k studies; each tail of an
    interval is of one or none of them where they are few.
    """
    k = min(map(len, target.parts))
    distinct = comb(2 * k - 1, k)
    if kind == "parametric" or distinct * (1 - target.pooling.level) >= 2:
        return ""
    return f"{k} studies have {distinct} distinct samples: coverage is below the level"


def display_of(target: Target) -> Callable[[float | None], float | None]:
    """From the scale of analysis of a target's estimate to that of display; None stays None."""
    scale, n = _scale(target)

    def show(value: float | None) -> float | None:
        known = value is not None and not np.isnan(value)
        return float(to_display(value, scale, n)) if known else None

    return show


def _scale(target: Target) -> tuple[str, float | None]:
    """A target's scale of analysis, and what `to_display` needs to leave it."""
    studies = target.parts[0]
    scale = studies[0].scale
    n = harmonic_mean([study.total for study in studies]) if scale == "double_arcsine" else None
    return scale, n


def _number(value: float | None) -> float | None:
    return None if value is None or np.isnan(value) else float(value)


def estimates_of(target: Target, kind: str, records: np.ndarray) -> np.ndarray:
    """The replicates' pooled estimates that have a value, on the scale of display.

    None where the target has no replicates of the kind.
    """
    name = column(target, kind, "estimate")
    values = records[name] if name in records.dtype.names else np.empty(0)
    return to_display(values[~np.isnan(values)], *_scale(target)) if values.size else values
