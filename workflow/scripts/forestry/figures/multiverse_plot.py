"""Specification curves drawn: a layout becomes a matplotlib figure."""

from __future__ import annotations

from collections.abc import Iterator

from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from forestry.figures.chart import FLAG, add_line, draw_key, draw_points, new_page, new_panel
from forestry.figures.chart_geometry import (
    CAP_HEIGHT,
    PAD,
    TICK,
    ChartGeometry,
    Entry,
    Key,
    Words,
    chart_geometry,
    down,
)
from forestry.figures.lettering import write
from forestry.figures.multiverse_layout import CURVE, MultiverseLayout
from forestry.figures.settings import NARROW_MM
from forestry.figures.style import Style, style_for
from forestry.figures.text import Text

ROW = {True: 0.062, False: 0.0235}  # a row of the matrix, as a share of the panel's width
REACH = 0.36  # of a mark in the matrix, up and down, in rows


def draw_multiverse(layout: MultiverseLayout, style: Style | None = None) -> Figure:
    """The figure of a layout.

    Estimates have the gid ``estimates`` and their intervals ``intervals``; the review's own
    ``own`` and ``own-interval``; marks of the matrix ``choices`` and ``own-choices``.
    """
    style = style or style_for(layout.width_mm)
    geometry = _geometry(layout, style)
    figure, page = new_page(geometry.width, geometry.height, style)
    if geometry.frame is not None:
        panel = new_panel(figure, page, geometry.frame, layout.x, layout.y, style)
        panel.spines["left"].set_bounds(0, CURVE)
        for tick, at in zip(panel.yaxis.get_major_ticks(), layout.y.ticks, strict=True):
            tick.tick1line.set_visible(at >= 0)
        _draw_curve(panel, layout, style)
        _draw_matrix(panel, layout, style)
        write(page, list(_headings(layout, geometry, style)))
    write(page, geometry.texts)
    draw_key(page, geometry.symbols, style)
    return figure


def _geometry(layout: MultiverseLayout, style: Style) -> ChartGeometry:
    rows = layout.y.high - layout.y.low if layout.y else 0.0
    words = Words(
        title=layout.title,
        width_mm=layout.width_mm,
        subtitle=f"{layout.scale}. {layout.counted}" if layout.scale else layout.counted,
        keys=(Key(tuple(_entries(layout))),) if layout.x else (),
        notes=layout.notes,
        message=layout.message,
    )
    aspect = rows * ROW[layout.width_mm < NARROW_MM]
    return chart_geometry(words, layout.x, layout.y, aspect, style)


def _entries(layout: MultiverseLayout) -> Iterator[Entry]:
    yield Entry("specification", "Estimate with its interval")
    yield Entry("flagged", "The review’s own specification")
    if layout.null is not None:
        yield Entry("null", "No effect")


def _draw_curve(panel: Axes, layout: MultiverseLayout, style: Style) -> None:
    if layout.null is not None:
        ends = (layout.x.low, layout.x.high)
        add_line(panel, ends, (layout.null,) * 2, "null", color=style.muted, linewidth=0.6)
    known = [point for point in layout.points if point.low is not None]
    segments = [[(p.rank, p.low), (p.rank, p.high)] for p in known if not p.own]
    _add_segments(panel, segments, "intervals", style.pale, _thickness(layout), 1)
    for point in (point for point in known if point.own):
        ends = (point.low, point.high)
        add_line(panel, (point.rank,) * 2, ends, "own-interval", color=FLAG, linewidth=1.0)
    places = [(point.rank, point.y) for point in layout.points]
    panel.scatter(
        *zip(*places, strict=True),
        s=max(1.6, min(9.0, 900 / len(places))),
        color=style.accent,
        linewidths=0,
        zorder=4,
        gid="estimates",
    )
    own = [(point.rank, point.y) for point in layout.points if point.own]
    draw_points(panel, own, "flagged", "own", style)


def _draw_matrix(panel: Axes, layout: MultiverseLayout, style: Style) -> None:
    own = {point.rank for point in layout.points if point.own}
    thick = _thickness(layout)
    ends = (layout.x.low, layout.x.high)
    for row in layout.rows:
        add_line(panel, ends, (row.y, row.y), "row", color=style.rule, linewidth=0.25, zorder=0.5)
    for gid, colour, marked, width in (
        ("choices", style.square_colour, False, thick),
        ("own-choices", FLAG, True, max(1.6, thick)),
    ):
        segments = [
            [(rank, row.y - REACH), (rank, row.y + REACH)]
            for row in layout.rows
            for rank in row.ranks
            if (rank in own) == marked
        ]
        _add_segments(panel, segments, gid, colour, width, 3 if marked else 2)


def _thickness(layout: MultiverseLayout) -> float:
    """Of a mark in points: neighbours do not touch, and none is a hair."""
    return max(0.35, min(2.4, 0.62 * 2.2 * layout.width_mm / len(layout.points)))


def _add_segments(panel: Axes, segments, gid: str, colour: str, width: float, zorder) -> None:
    lines = LineCollection(segments, colors=colour, linewidths=width, zorder=zorder, gid=gid)
    lines.set_capstyle("butt")
    panel.add_collection(lines, autolim=False)


def _headings(layout: MultiverseLayout, geometry: ChartGeometry, style: Style) -> Iterator[Text]:
    right = geometry.frame.left - TICK - PAD
    for heading in layout.headings:
        y = down(geometry.frame, layout.y, heading.y) + CAP_HEIGHT / 2 * style.small
        yield Text(heading.text, right, y, style.small, "right", bold=True, colour=style.ink)
