"""The axis of a forest plot: its limits, ticks and reference line."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from forestry.figures.wording import number
from forestry.measure_kinds import DIFFERENCES, RATIOS

REACH = 3.0  # an interval is shown as far as this many median half-widths from the estimates

Interval = tuple[float | None, float, float]  # estimate (None for a prediction interval), low, high


@dataclass(frozen=True)
class Axis:
    """A forest plot's axis; values are on the display scale (proportions 0-1)."""

    low: float
    high: float
    ticks: tuple[float, ...]
    tick_labels: tuple[str, ...]
    scale: str  # linear | log
    reference: float | None
    label: str
    below: str = ""  # what lies on either side of the reference line
    above: str = ""

    def position(self, value: float) -> float:
        """How far along the axis a value lies: 0 at its low end, 1 at its high end."""
        along = math.log if self.scale == "log" else float
        return (along(value) - along(self.low)) / (along(self.high) - along(self.low))

    def holds(self, value: float) -> bool:
        """Whether a value lies on the axis; rounding errors at its ends do."""
        if self.scale == "log" and value <= 0:
            return False
        return -1e-9 <= self.position(value) <= 1 + 1e-9


def forest_axis(
    measure: str, intervals: Sequence[Interval], label: str, below: str = "", above: str = ""
) -> Axis | None:
    """The axis that shows `intervals` (at least one estimate), or None where there are none.

    Every estimate lies on the axis. An interval is followed to REACH median half-widths
    beyond the outermost estimates and clipped there, so that one very wide interval does
    not squash the others. Proportions go from 0 to 100%, or to 10, 20 or 50% where every
    limit lies below; ratios have a log axis that holds 1; changes and differences hold 0
    where this at most doubles the axis. Raises ValueError for a ratio that is not positive.
    """
    if not any(estimate is not None for estimate, _, _ in intervals):
        return None
    if measure == "proportion":
        return _proportion_axis(intervals, label)
    if measure in RATIOS:
        return _log_axis(intervals, label, below, above)
    return _linear_axis(measure, intervals, label, below, above)


def _proportion_axis(intervals: Sequence[Interval], label: str) -> Axis:
    top = max(high for _, _, high in intervals)
    high, step = next(
        ((high, step) for high, step in ((0.1, 0.02), (0.2, 0.05), (0.5, 0.1)) if top <= high),
        (1.0, 0.2),
    )
    ticks = tuple(i * step for i in range(round(high / step) + 1))
    labels = tuple(number(100 * tick, 0) for tick in ticks)
    return Axis(0.0, high, (*ticks[:-1], high), labels, "linear", None, label)


def _log_axis(intervals: Sequence[Interval], label: str, below: str, above: str) -> Axis:
    if any(low <= 0 for _, low, _ in intervals):
        raise ValueError("a ratio's interval must be positive to be drawn on a log axis")
    logs = [
        (None if estimate is None else math.log10(estimate), math.log10(low), math.log10(high))
        for estimate, low, high in intervals
    ]
    low, high = _hull(logs)
    low, high = 10 ** min(low, 0.0), 10 ** max(high, 0.0)
    grid = [m * 10.0**e for e in range(-6, 7) for m in (1, 2, 5)]
    slack = 1 + 1e-9
    low = max((g for g in grid if g <= low * slack), default=low)
    high = min((g for g in grid if g * slack >= high), default=high)
    if low == high:
        low, high = 0.5, 2.0
    ticks = [g for g in grid if low / slack <= g <= high * slack]
    if len(ticks) > 8:
        ticks = [g for g in ticks if round(math.log10(g), 9).is_integer()]
    ticks = tuple(float(f"{tick:.6g}") for tick in ticks)
    labels = tuple(f"{tick:g}" for tick in ticks)
    low, high = float(f"{low:.6g}"), float(f"{high:.6g}")
    return Axis(low, high, ticks, labels, "log", 1.0, label, below, above)


def _linear_axis(measure, intervals, label: str, below: str, above: str) -> Axis:
    low, high = _hull(intervals)
    distance = max(low, -high, 0.0)
    width = high - low
    if distance <= (width if measure in DIFFERENCES else 0.5 * width):
        low, high = min(low, 0.0), max(high, 0.0)
    if low == high:
        low, high = low - 1.0, high + 1.0
    step = _nice_step((high - low) / 5)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    decimals = _decimals(step)
    ticks = tuple(round(i * step, 12) for i in range(first, last + 1))
    labels = tuple(number(tick, decimals) for tick in ticks)
    meaningful = measure in DIFFERENCES and ticks[0] <= 0 <= ticks[-1]
    reference = 0.0 if meaningful else None
    return Axis(ticks[0], ticks[-1], ticks, labels, "linear", reference, label, below, above)


def _hull(intervals: Sequence[Interval]) -> tuple[float, float]:
    """From the lowest to the highest value shown: all estimates, and limits within reach."""
    estimates = [estimate for estimate, _, _ in intervals if estimate is not None]
    reach = REACH * median((high - low) / 2 for _, low, high in intervals)
    lowest, highest = min(estimates), max(estimates)
    low = min(max(low, lowest - reach) for _, low, _ in intervals)
    high = max(min(high, highest + reach) for _, _, high in intervals)
    return min(low, lowest), max(high, highest)


def _nice_step(rough: float) -> float:
    power = 10.0 ** math.floor(math.log10(rough))
    return next(m * power for m in (1, 2, 5, 10) if m * power >= rough * (1 - 1e-9))


def _decimals(step: float) -> int:
    """Decimals that a step such as 0.05 needs."""
    return next(d for d in range(12) if abs(round(step, d) - step) < 1e-9 * step)
