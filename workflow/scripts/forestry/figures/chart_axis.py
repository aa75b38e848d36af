"""Axes of charts of study effects: positions on the scale of analysis, labels for readers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from forestry.figures.wording import number
from forestry.scales import double_arcsine, to_display

SCALE_NAMES = {
    "log": "log scale",
    "logit": "logit scale",
    "arcsine": "arcsine scale",
    "double_arcsine": "double-arcsine scale",
    "square_root": "square-root scale",
    "fisher_z": "scale of Fisher's z",
}
SEPARATION = 0.085  # of the axis: the least distance of two ticks
FEWEST = 4  # ticks; where the round values give fewer, they are evenly spaced

# Round values, those preferred first.
PERCENT = (
    (50,),
    (10, 90),
    (1, 99),
    (0, 100),
    (20, 80),
    (5, 95),
    (0.1, 99.9),
    (30, 70),
    (40, 60),
    (2, 98, 0.5, 99.5),
)
RATIO = (
    (1,),
    tuple(10.0**e for e in (-1, 1, -2, 2, -3, 3, -4, 4, -5, 5)),
    tuple(m * 10.0**e for e in range(-5, 5) for m in (2, 5)),
    tuple(m * 10.0**e for e in range(-5, 5) for m in (3, 7)),
    (1.5, 0.8, 1.2, 1.1, 0.9),
)
CORRELATION = ((0,), (-0.5, 0.5), (-0.9, 0.9), (-0.2, 0.2), (-0.8, 0.8), (-0.99, 0.99), (-0.1, 0.1))
POSITIVE = ((0,), *RATIO)


@dataclass(frozen=True)
class ChartAxis:
    """An axis from `low` (its left or lower end) to `high`; `low` may be the larger."""

    low: float
    high: float
    ticks: tuple[float, ...]
    tick_labels: tuple[str, ...]
    label: str = ""

    def position(self, value: float) -> float:
        """How far along the axis a value lies: 0 at its low end, 1 at its high end."""
        return (value - self.low) / (self.high - self.low)


def padded(low: float, high: float, share: float = 0.05) -> tuple[float, float]:
    """Limits a little wider than the data; of width one where the data have none."""
    pad = share * (high - low) or max(0.5, 0.05 * abs(low))
    return low - pad, high + pad


def linear_axis(
    low: float, high: float, label: str, steps: int = 5, factor: float = 1.0
) -> ChartAxis:
    """Round ticks between the limits; the labels say `factor` times the values."""
    ends = sorted((low, high))
    ticks = _round_values(*ends, steps, factor)
    decimals = _decimals(_step(*ends, steps, factor))
    labels = tuple(number(tick * factor, decimals) for tick in ticks)
    return ChartAxis(low, high, ticks, labels, label)


def effect_axis(
    low: float, high: float, measure: str, scale: str, label: str, n_harmonic: float | None = None
) -> ChartAxis:
    """An axis of effects, straight on the scale of analysis and labelled in that of display.

    Proportions are labelled in percent, other measures as they are. `label` gets the scale's name.
    `n_harmonic` is that of `scales.to_display`. Raises ValueError for a double arcsine
    without it.
    """
    label = f"{label} ({SCALE_NAMES[scale]})" if scale in SCALE_NAMES else label
    factor = 100.0 if measure == "proportion" else 1.0
    if scale not in SCALE_NAMES:
        return linear_axis(low, high, label, factor=factor)
    if scale == "double_arcsine" and n_harmonic is None:
        raise ValueError("a double-arcsine axis needs n_harmonic")
    place = _placing(scale, n_harmonic)
    tiers = _tiers(measure, scale)
    values = _spread(tiers, lambda shown: place(shown / factor), low, high)
    if len(values) < FEWEST:
        ends = (float(to_display(end, scale, n_harmonic)) * factor for end in (low, high))
        values = _round_values(*ends, FEWEST + 1, 1.0)
    ticks = tuple(place(value / factor) for value in values)
    return ChartAxis(low, high, ticks, tuple(map(_shown, values)), label)


def _tiers(measure: str, scale: str):
    """The round values of a measure on its scale of display."""
    if measure == "proportion":
        return PERCENT
    return {"log": RATIO, "square_root": POSITIVE, "fisher_z": CORRELATION}.get(scale, PERCENT)


def _placing(scale: str, n: float | None) -> Callable[[float], float]:
    """From the scale of display to that of analysis; infinite where there is no such value."""
    if scale == "log":
        return lambda value: math.log(value) if value > 0 else -math.inf
    if scale == "logit":
        return _logit
    if scale == "arcsine":
        return lambda value: math.asin(math.sqrt(value))
    if scale == "square_root":
        return lambda value: math.sqrt(value) if value >= 0 else -math.inf
    if scale == "fisher_z":
        return lambda value: math.atanh(value)
    return lambda value: float(double_arcsine(value * n, n))


def _logit(proportion: float) -> float:
    if proportion in (0, 1):
        return math.copysign(math.inf, proportion - 0.5)
    return math.log(proportion / (1 - proportion))


def _spread(tiers: Iterable[Sequence[float]], place, low: float, high: float) -> list[float]:
    """The values that lie on the axis and apart; of two too close the one of the first tier."""
    chosen: dict[float, float] = {}
    for value in (value for tier in tiers for value in tier):
        if value > 100 and tiers is PERCENT:
            continue
        at = place(value)
        apart = all(abs(at - other) >= SEPARATION * (high - low) for other in chosen.values())
        if low <= at <= high and apart:
            chosen[value] = at
    return sorted(chosen)


def _shown(value: float) -> str:
    return f"{value:.6g}"


def _round_values(low: float, high: float, steps: int, factor: float) -> tuple[float, ...]:
    step = _step(low, high, steps, factor)
    first = math.ceil(low * factor / step - 1e-9)
    last = math.floor(high * factor / step + 1e-9)
    return tuple(round(i * step, 12) / factor for i in range(first, last + 1))


def _step(low: float, high: float, steps: int, factor: float) -> float:
    rough = (high - low) * factor / steps
    power = 10.0 ** math.floor(math.log10(rough))
    return next(m * power for m in (1, 2, 5, 10) if m * power >= rough * (1 - 1e-9))


def _decimals(step: float) -> int:
    return next(d for d in range(15) if abs(round(step, d) - step) < 1e-9 * step)
