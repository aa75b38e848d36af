"""What the figure of a multiverse shows: its specification curve.

Above, the estimates in the order of their size with their intervals; below, for each value
of each choice, which of them have it. The review's own specification is marked in both.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from forestry.figures.chart_axis import ChartAxis, effect_axis, linear_axis, padded
from forestry.figures.chart_studies import counted
from forestry.figures.settings import ForestSettings
from forestry.figures.wording import number_format, percent
from forestry.measure_kinds import DIFFERENCES, RATIOS
from forestry.multiverse.specifications import CHOICES
from forestry.results import ChoiceRow, MultiverseRow

CURVE, GAP, HEADING = 14.0, 0.8, 1.15  # heights, in rows of the matrix
OUTERMOST = 0.02  # share of the limits of intervals at either end that the axis may leave out
NAMES = {
    "model": "Model",
    "transform": "Scale",
    "tau2": "Estimator of τ²",
    "interval": "Interval",
    "variant": "Variant",
    "medians": "Medians",
    "correlation": "Correlation",
}
VALUES = {
    "wald": "Wald",
    "t": "t",
    "hartung_knapp": "Hartung–Knapp",
    "hartung_knapp_ad_hoc": "Hartung–Knapp, ad hoc",
    "hartung_knapp_wider": "Hartung–Knapp, wider",
    "mantel_haenszel": "Mantel–Haenszel",
    "binomial_normal_unconditional": "Binomial–normal",
    "binomial_normal_conditional": "Binomial–normal, conditional",
    "hozo2005": "Hozo 2005",
    "wan2014": "Wan 2014",
    "luo2018": "Luo 2018",
    "shi2020": "Shi 2020",
}


@dataclass(frozen=True)
class Point:
    """A specification at its rank; `y`, `low`, `high` in the panel's units, None beyond it."""

    rank: int
    y: float
    low: float | None
    high: float | None
    own: bool


@dataclass(frozen=True)
class MatrixRow:
    """A value of a choice at a height of the panel, and the ranks that have it."""

    label: str
    y: float
    ranks: tuple[int, ...]


@dataclass(frozen=True)
class Heading:
    text: str
    y: float


@dataclass(frozen=True)
class MultiverseLayout:
    """A specification curve to draw; without axes there is nothing, and `message` says why.

    The panel's units count downwards rows of the matrix below zero, and the curve lies
    between zero and CURVE. `null` is the height of no effect.
    """

    title: str
    counted: str
    points: tuple[Point, ...]
    rows: tuple[MatrixRow, ...]
    headings: tuple[Heading, ...]
    null: float | None
    x: ChartAxis | None
    y: ChartAxis | None
    scale: str  # what the curve's axis is called
    notes: tuple[str, ...]
    message: str
    width_mm: float


def multiverse_layout(
    rows: Sequence[MultiverseRow], choices: Sequence[ChoiceRow], settings: ForestSettings
) -> MultiverseLayout:
    """The specification curve of an outcome. `rows` and `choices` are those of the outcome.

    Specifications without an estimate are left out and counted.
    """
    known = sorted((row for row in rows if row.estimate is not None), key=_size)
    if not known:
        message = "No specification has an estimate."
        parts = ((), (), (), None, None, None, "", (), message, settings.width_mm)
        return MultiverseLayout(settings.title, "", *parts)
    axis = _curve_axis(known, settings)
    points = tuple(_point(rank, row, axis, settings) for rank, row in enumerate(known, start=1))
    matrix, headings = _matrix(rows, known)
    null = _height(1.0 if settings.measure in RATIOS else 0.0, axis, settings)
    has_null = settings.measure in (*RATIOS, *DIFFERENCES) and 0 <= null <= CURVE
    return MultiverseLayout(
        title=settings.title,
        counted=f"{len(known):,} specifications{_solved(rows)}",
        points=points,
        rows=tuple(matrix),
        headings=tuple(headings),
        null=null if has_null else None,
        x=linear_axis(0.5, len(known) + 0.5, "Specifications in the order of their estimates"),
        y=_panel_axis(axis, matrix),
        scale=axis.label,
        notes=tuple(_notes(rows, known, choices, _beyond(known, axis, settings), settings)),
        message="",
        width_mm=settings.width_mm,
    )


def _solved(rows: Sequence[MultiverseRow]) -> str:
    """The studies of the review's own specification, where some are reconstructed."""
    (own,) = (row for row in rows if row.own)
    if not own.k_reconstructed:
        return ""
    studies = counted(own.k, {"reconstructed": own.k_reconstructed})
    return f"; the review’s own pools {studies}"


def _size(row: MultiverseRow) -> tuple:
    """By estimate, and where that is equal (but for rounding) by its interval and the choices."""
    ends = (row.estimate if end is None else end for end in (row.ci_low, row.ci_high))
    numbers = (float(f"{number:.9g}") for number in (row.estimate, *ends))
    return (*numbers, *(getattr(row, name) for name in CHOICES))


# The curve --------------------------------------------------------------------------------------


def _place(value: float, settings: ForestSettings) -> float:
    return float(np.log(value)) if settings.measure in RATIOS else value


def _curve_axis(known: Sequence[MultiverseRow], settings: ForestSettings) -> ChartAxis:
    """It holds every estimate, and all but the outermost limits of intervals."""
    estimates = [_place(row.estimate, settings) for row in known]
    lows = [_place(row.ci_low, settings) for row in known if row.ci_low is not None]
    highs = [_place(row.ci_high, settings) for row in known if row.ci_high is not None]
    low = min(*estimates, float(np.quantile(lows, OUTERMOST))) if lows else min(estimates)
    high = max(*estimates, float(np.quantile(highs, 1 - OUTERMOST))) if highs else max(estimates)
    scale = "log" if settings.measure in RATIOS else "raw"
    return effect_axis(*padded(low, high, 0.04), settings.measure, scale, settings.effect_name)


def _height(value: float, axis: ChartAxis, settings: ForestSettings) -> float:
    return CURVE * axis.position(_place(value, settings))


def _point(rank: int, row: MultiverseRow, axis: ChartAxis, settings: ForestSettings) -> Point:
    low, high = (
        None if end is None else float(np.clip(_height(end, axis, settings), 0.0, CURVE))
        for end in (row.ci_low, row.ci_high)
    )
    return Point(rank, _height(row.estimate, axis, settings), low, high, row.own)


def _beyond(known: Sequence[MultiverseRow], axis: ChartAxis, settings: ForestSettings) -> int:
    """How many intervals end outside the axis."""
    limits = [(row.ci_low, row.ci_high) for row in known if row.ci_low is not None]
    heights = [[_height(end, axis, settings) for end in ends] for ends in limits]
    return sum(low < 0 or high > CURVE for low, high in heights)


def _panel_axis(axis: ChartAxis, matrix: Sequence[MatrixRow]) -> ChartAxis:
    """The ticks of the curve, and the names of the matrix' rows."""
    curve = [CURVE * axis.position(tick) for tick in axis.ticks]
    ticks = (*curve, *(row.y for row in matrix))
    labels = (*axis.tick_labels, *(row.label for row in matrix))
    return ChartAxis(matrix[-1].y - 0.9 if matrix else 0.0, CURVE, ticks, labels)


# The matrix -------------------------------------------------------------------------------------


def _matrix(
    rows: Sequence[MultiverseRow], known: Sequence[MultiverseRow]
) -> tuple[list[MatrixRow], list[Heading]]:
    """The values of every choice that has two or more, in the order of `rows`."""
    matrix, headings, y = [], [], -GAP
    for choice in CHOICES:
        used = {getattr(row, choice) for row in known}
        values = [v for v in dict.fromkeys(getattr(row, choice) for row in rows) if v in used]
        if len(values) < 2:
            continue
        y -= HEADING
        headings.append(Heading(NAMES[choice], y))
        for value in filter(None, values):
            y -= 1
            ranks = [i for i, row in enumerate(known, 1) if getattr(row, choice) == value]
            matrix.append(MatrixRow(value_name(choice, value), y, tuple(ranks)))
    return matrix, headings


def value_name(choice: str, value: str) -> str:
    """What a reader calls a value of a choice; a variant is called as config.yaml does."""
    if value in VALUES:
        return VALUES[value]
    words = value.replace("_", " ")
    return words if choice == "variant" else words[0].upper() + words[1:]


# Below ------------------------------------------------------------------------------------------


def _notes(rows, known, choices: Sequence[ChoiceRow], beyond: int, settings) -> Iterator[str]:
    own = next(row for row in rows if row.own)
    typical = [own] if own.ci_low is not None else known
    known_limits = [(row.ci_low, row.ci_high) for row in typical if row.ci_low is not None]
    form = number_format(settings.measure, known_limits)
    if own.estimate is not None:
        limits = "" if own.ci_low is None else f" ({form(own.ci_low)} to {form(own.ci_high)})"
        yield f"The review’s own specification gives {form(own.estimate)}{limits}."
    yield (
        f"Estimates reach from {form(known[0].estimate)} to {form(known[-1].estimate)}, "
        f"their median is {form(float(np.median([row.estimate for row in known])))}."
    )
    shares = {row.choice: row.variance_share for row in choices if row.variance_share is not None}
    if shares:
        said = ", ".join(f"{NAMES[name].lower()} {percent(s)}" for name, s in shares.items())
        yield f"Share of the estimates’ variance that lies between the values of a choice: {said}."
    if beyond:
        yield f"{beyond:,} intervals reach beyond the axis."
    left_out = len(rows) - len(known)
    if left_out:
        few = "specification has" if left_out == 1 else "specifications have"
        yield f"{left_out:,} more {few} no estimate (fewer than two studies)."
