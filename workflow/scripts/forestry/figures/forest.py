"""Forest plots drawn: a layout becomes a matplotlib figure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Polygon, Rectangle
from matplotlib.path import Path
from matplotlib.transforms import Affine2D

from forestry.figures.forest_geometry import TICK, Geometry, PlacedRow, forest_geometry
from forestry.figures.forest_rows import ForestLayout, Row
from forestry.figures.lettering import write
from forestry.figures.style import Style, style_for
from forestry.figures.text import font

# An arrowhead at the end of the axis: a line ends in its tip, a diamond goes on as one.
INWARD = Path([(0, 0), (-1, 0.6), (-1, -0.6), (0, 0)])
OUTWARD = Path([(1, 0), (0.1, 0.6), (0.1, -0.6), (1, 0)])
MIRROR = Affine2D().scale(-1, 1)


def draw_forest(layout: ForestLayout, style: Style | None = None) -> Figure:
    """The figure of a layout, as wide as it says and as high as its rows.

    Artists carry a gid: ``interval``, ``square``, ``diamond-common``, ``diamond-random``,
    ``prediction``, ``arrow``, ``reference``, ``pooled``. Both axes are in points downwards;
    the one of the intervals has the display scale across.
    """
    style = style or style_for(layout.width_mm)
    geometry = forest_geometry(layout, style)
    figure = Figure(figsize=(geometry.width / 72, geometry.height / 72), facecolor=style.paper)
    page = _page(figure, geometry)
    for rule in geometry.rules:
        page.add_line(_line((rule.left, rule.right), (rule.y, rule.y), rule.weight, style.rule))
    if geometry.plot is not None:
        _draw_plot(figure, layout, geometry, style)
    write(page, geometry.texts)
    return figure


def _page(figure: Figure, geometry: Geometry) -> Axes:
    page = figure.add_axes((0, 0, 1, 1), xlim=(0, geometry.width), ylim=(geometry.height, 0))
    page.set_axis_off()
    return page


def _draw_plot(figure: Figure, layout: ForestLayout, geometry: Geometry, style: Style) -> None:
    plot = _plot_axes(figure, layout, geometry, style)
    _draw_lines(plot, layout, geometry, style)
    rows = [placed for placed in geometry.rows if placed.row.plotted]
    _draw_intervals(plot, rows, style)
    _draw_squares(plot, rows, style)
    for placed in rows:
        if placed.row.kind == "pooled":
            plot.add_patch(_diamond(placed, style))
        elif placed.row.kind == "prediction":
            plot.add_patch(_prediction_bar(placed, style))
        _draw_arrows(plot, placed, style)


def _plot_axes(figure: Figure, layout: ForestLayout, geometry: Geometry, style: Style) -> Axes:
    axis, (left, right) = layout.axis, geometry.plot
    plot = figure.add_axes(
        (
            left / geometry.width,
            1 - geometry.axis_y / geometry.height,
            (right - left) / geometry.width,
            geometry.axis_y / geometry.height,
        ),
        facecolor="none",
        xscale=axis.scale,
    )
    plot.set(xlim=(axis.low, axis.high), ylim=(geometry.axis_y, 0), yticks=[])
    plot.spines[["left", "right", "top"]].set_visible(False)
    plot.spines["bottom"].set(linewidth=0.7, color=style.ink)
    plot.minorticks_off()
    plot.set_xticks(axis.ticks, geometry.tick_labels, fontproperties=font(style.small))
    pad = 0.25 * style.small
    plot.tick_params(axis="x", length=TICK, width=0.7, color=style.ink, pad=pad)
    plot.tick_params(axis="x", labelcolor=style.ink)
    return plot


# Lines through the rows -------------------------------------------------------------------


def _draw_lines(plot: Axes, layout: ForestLayout, geometry: Geometry, style: Style) -> None:
    reference = layout.axis.reference
    if reference is not None:
        for top, bottom in _stretches(geometry, geometry.axis_y):
            plot.add_line(_line((reference,) * 2, (top, bottom), 0.6, style.muted, "reference"))
    end = max((p.middle for p in geometry.rows if _is_selected(p.row)), default=None)
    if layout.pooled is None or end is None:
        return
    if layout.axis.low <= layout.pooled <= layout.axis.high:
        for top, bottom in _stretches(geometry, end):
            line = _line((layout.pooled,) * 2, (top, bottom), 0.6, style.accent, "pooled")
            line.set(linestyle=(0, (2.5, 2)), alpha=0.75)
            plot.add_line(line)


def _is_selected(row: Row) -> bool:
    return row.kind == "pooled" and not row.group and row.bold


def _stretches(geometry: Geometry, end: float) -> Iterator[tuple[float, float]]:
    """From the first interval to `end`, but for the lines of text that cross the plot."""
    rows = [placed for placed in geometry.rows if placed.top < end]
    first = next(i for i, placed in enumerate(rows) if placed.row.plotted)
    crossing = [p.reach > geometry.plot[0] - 2 and not p.row.plotted for p in rows[first:]]
    for crosses, members in groupby(zip(crossing, rows[first:], strict=True), key=lambda x: x[0]):
        stretch = [placed for _, placed in members]
        if not crosses:
            last = stretch[-1] is rows[-1]
            yield stretch[0].top, end if last else stretch[-1].bottom


def _line(x, y, weight: float, colour: str, gid: str = "rule") -> Line2D:
    return Line2D(x, y, linewidth=weight, color=colour, solid_capstyle="butt", gid=gid, zorder=1)


# Studies ----------------------------------------------------------------------------------


def _draw_intervals(plot: Axes, rows: Sequence[PlacedRow], style: Style) -> None:
    low, high = plot.get_xlim()
    studies = [placed for placed in rows if placed.row.estimate is not None]
    studies = [placed for placed in studies if placed.row.kind != "pooled"]
    ends = [
        [(max(p.row.ci_low, low), p.middle), (min(p.row.ci_high, high), p.middle)] for p in studies
    ]
    colours = [style.left_out if p.row.muted else style.interval for p in studies]
    lines = LineCollection(ends, linewidths=style.line, colors=colours, gid="interval", zorder=2)
    plot.add_collection(lines, autolim=False)
    # A tick marks the estimates whose squares are too small to see.
    half = style.tick / 2
    ticks = [
        [(p.row.estimate, p.middle - half), (p.row.estimate, p.middle + half)] for p in studies
    ]
    ticks = LineCollection(ticks, linewidths=style.line, colors=colours, gid="tick", zorder=2)
    plot.add_collection(ticks, autolim=False)


def _draw_squares(plot: Axes, rows: Sequence[PlacedRow], style: Style) -> None:
    """A square at each estimate, its area in proportion to the weight; hollow or filled."""
    studies = [placed for placed in rows if placed.row.marker != "none"]
    studies = [placed for placed in studies if placed.row.kind != "pooled"]
    if not studies:
        return
    colours = [style.left_out if p.row.muted else style.square_colour for p in studies]
    faces = [
        style.paper if placed.row.marker == "hollow" else colour
        for placed, colour in zip(studies, colours, strict=True)
    ]
    squares = plot.scatter(
        [placed.row.estimate for placed in studies],
        [placed.middle for placed in studies],
        s=_areas([placed.row for placed in studies], style),
        marker="s",
        c=faces,
        edgecolors=colours,
        linewidths=0.7,
        clip_on=False,
        zorder=3,
    )
    squares.set_gid("square")


def _areas(rows: Sequence[Row], style: Style) -> list[float]:
    largest = max((row.weight for row in rows if row.weight), default=None)
    return [
        style.plain_square**2 if row.weight is None else style.square**2 * row.weight / largest
        for row in rows
    ]


# Pooled results ---------------------------------------------------------------------------


def _diamond(placed: PlacedRow, style: Style) -> Polygon:
    """Its points are exactly the limits and the estimate; the axis clips it."""
    row, y, half = placed.row, placed.middle, style.diamond / 2
    points = [(row.ci_low, y), (row.estimate, y - half), (row.ci_high, y), (row.estimate, y + half)]
    return Polygon(
        points,
        closed=True,
        gid=f"diamond-{row.key}",
        linewidth=0.8,
        zorder=4,
        facecolor=style.accent if row.bold else style.pale,
        edgecolor=style.accent,
        joinstyle="miter",
    )


def _prediction_bar(placed: PlacedRow, style: Style) -> Rectangle:
    row, thick = placed.row, style.prediction
    return Rectangle(
        (row.ci_low, placed.middle - thick / 2),
        row.ci_high - row.ci_low,
        thick,
        gid="prediction",
        linewidth=0.0,
        zorder=4,
        facecolor=style.left_out if row.muted else style.accent,
    )


def _draw_arrows(plot: Axes, placed: PlacedRow, style: Style) -> None:
    row = placed.row
    head = OUTWARD if row.kind in ("pooled", "prediction") else INWARD
    low, high = plot.get_xlim()
    ends = ((row.arrow_low, low, head.transformed(MIRROR)), (row.arrow_high, high, head))
    for clipped, x, marker in ends:
        if clipped:
            arrow = Line2D([x], [placed.middle], marker=marker, markersize=2 * style.arrow)
            arrow.set(linestyle="none", color=_colour(row, style), markeredgewidth=0)
            arrow.set(clip_on=False, zorder=5, gid="arrow")
            plot.add_line(arrow)


def _colour(row: Row, style: Style) -> str:
    if row.kind in ("pooled", "prediction"):
        return style.accent
    return style.left_out if row.muted else style.interval
