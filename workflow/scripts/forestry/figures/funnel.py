"""Funnel plots drawn: a layout becomes a matplotlib figure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Polygon, Rectangle

from forestry.figures.chart import (
    LINES,
    SHADES,
    add_line,
    add_top_axis,
    draw_key,
    draw_leaders,
    draw_points,
    new_page,
    new_panel,
    point_size,
)
from forestry.figures.chart_geometry import (
    ChartGeometry,
    Entry,
    Key,
    Words,
    across,
    chart_geometry,
    down,
    name_size,
    name_text,
)
from forestry.figures.chart_studies import DAGGER, DOUBLE_DAGGER
from forestry.figures.funnel_layout import Contour, FunnelLayout, FunnelPoint
from forestry.figures.labels import Anchor, PlacedLabel, Segment, beside, place_labels
from forestry.figures.lettering import write
from forestry.figures.settings import NARROW_MM
from forestry.figures.style import Style, style_for

Name = tuple[str, PlacedLabel]

ASPECTS = {True: 0.86, False: 0.56}  # height of the panel by its width, in one column or two

LEADERS = 22.0  # points: no name lies farther from its point


def draw_funnel(layout: FunnelLayout, style: Style | None = None) -> Figure:
    """The figure of a layout.

    Artists carry a gid: ``study``, ``study-hollow``, ``left-out``, ``added`` (points at the
    effect and its standard error, scale of analysis), ``pooled``, ``filled-pooled``,
    ``region``, ``null``, and ``contour-0.1`` and so on, triangles with their tip at the
    centre of the contours.
    """
    style = style or style_for(layout.width_mm)
    names, geometry = _named_geometry(layout, style)
    figure, page = new_page(geometry.width, geometry.height, style)
    if geometry.frame is not None:
        panel = new_panel(figure, page, geometry.frame, layout.x, layout.y, style)
        if layout.top is not None:
            add_top_axis(panel, layout.top, style)
        _draw_contours(panel, layout)
        _draw_lines(panel, layout, style)
        _draw_studies(panel, layout, style)
    for text, label in names:
        write(page, [name_text(text, label.box, style.small, style.ink)])
        draw_leaders(page, [label.leader] if label.leader else [], style)
    write(page, geometry.texts)
    write(page, geometry.vertical, vertical=True)
    draw_key(page, geometry.symbols, style)
    return figure


def _named_geometry(layout: FunnelLayout, style: Style) -> tuple[list[Name], ChartGeometry]:
    """The names in the panel, and where all lies; the notes say whom the names are of."""
    aspect = ASPECTS[layout.width_mm < NARROW_MM]
    axes = (layout.x, layout.y, aspect, style, layout.top)
    geometry = chart_geometry(_words(layout), *axes)
    if geometry.frame is None:
        return [], geometry
    names, all_named = _names(layout, geometry, style)
    if all_named:
        level = f"{100 * layout.level:g}"
        note = f"Named studies lie outside the pseudo-{level}% confidence region."
        words = replace(_words(layout), notes=(note, *layout.notes))
        geometry = chart_geometry(words, *axes)
    return names, geometry


# What is said -----------------------------------------------------------------------------


def _words(layout: FunnelLayout) -> Words:
    return Words(
        title=layout.title,
        width_mm=layout.width_mm,
        subtitle=layout.counted,
        keys=tuple(_keys(layout)) if layout.x is not None else (),
        notes=layout.notes,
        message=layout.message,
    )


def _keys(layout: FunnelLayout) -> Iterator[Key]:
    yield Key(tuple(_point_entries(layout)))
    if layout.centre is not None:
        level = f"{100 * layout.level:g}"
        lines = [Entry("pooled", layout.pooled)]
        lines += [Entry("region", f"Pseudo-{level}% confidence region")]
        yield Key(tuple(lines))
    if layout.filled_centre is not None:
        yield Key((Entry("filled_pooled", layout.filled),))
    if layout.contours:
        yield _contour_key(layout)


def _point_entries(layout: FunnelLayout) -> Iterator[Entry]:
    kinds = {(point.kind, point.status) for point in layout.points}
    if any(kind == "study" and status != "reconstructed" for kind, status in kinds):
        yield Entry("filled", "Study")
    if ("study", "derived") in kinds:
        yield Entry("filled", f"{DOUBLE_DAGGER} Derived by arithmetic")
    if ("study", "reconstructed") in kinds:
        yield Entry("hollow", f"{DAGGER} Reconstructed")
    if any(kind == "left_out" for kind, _ in kinds):
        yield Entry("left_out", "Left out by the variant")
    if any(kind == "added" for kind, _ in kinds):
        yield Entry("added", layout.added)


def _contour_key(layout: FunnelLayout) -> Key:
    if layout.about == "null":
        bounds = sorted((contour.p for contour in layout.contours), reverse=True)
        texts = [f"p ≥ {bounds[0]:g}"]
        texts += [f"{low:g} ≤ p < {high:g}" for high, low in zip(bounds, bounds[1:], strict=False)]
        texts.append(f"p < {bounds[-1]:g}")
        heading = f"Test of no effect ({layout.null}):"
    else:
        shares = sorted(f"{100 * (1 - contour.p):g}" for contour in layout.contours)
        texts = [f"within {shares[0]}%"]
        texts += [f"{low} to {high}%" for low, high in zip(shares, shares[1:], strict=False)]
        texts.append(f"beyond {shares[-1]}%")
        heading = "Pseudo-confidence regions about the pooled estimate:"
    entries = [Entry(f"shade{i}", text) for i, text in enumerate(texts)]
    return Key(tuple(entries), heading)


# Contours and lines -----------------------------------------------------------------------


def _draw_contours(panel: Axes, layout: FunnelLayout) -> None:
    """The outermost shade all over the panel, the others upon it from the widest in."""
    if not layout.contours:
        return
    panel.add_patch(
        Rectangle(
            (0, 0), 1, 1, transform=panel.transAxes, facecolor=SHADES[-1], linewidth=0, zorder=0
        )
    )
    for shade, contour in zip(SHADES[-2::-1], layout.contours, strict=True):
        panel.add_patch(
            Polygon(
                _triangle(contour, layout),
                closed=True,
                facecolor=shade,
                linewidth=0,
                zorder=0.5,
                gid=f"contour-{contour.p:g}",
            )
        )


def _triangle(contour: Contour, layout: FunnelLayout) -> list[tuple[float, float]]:
    deepest = layout.y.low
    half = contour.z * deepest
    return [
        (contour.centre, 0.0),
        (contour.centre - half, deepest),
        (contour.centre + half, deepest),
    ]


def _draw_lines(panel: Axes, layout: FunnelLayout, style: Style) -> None:
    heights = (0.0, layout.y.low)
    if layout.about == "null":
        add_line(panel, (0.0, 0.0), heights, "null", **LINES["null"](style))
    if layout.region is not None:
        tip, left, right = _triangle(layout.region, layout)
        outline = zip(left, tip, right, strict=True)
        add_line(panel, *outline, "region", **LINES["region"](style))
        add_line(panel, (layout.centre,) * 2, heights, "pooled", **LINES["pooled"](style))
    if layout.filled_centre is not None:
        look = LINES["filled_pooled"](style)
        add_line(panel, (layout.filled_centre,) * 2, heights, "filled-pooled", **look)


# Studies ----------------------------------------------------------------------------------


def _draw_studies(panel: Axes, layout: FunnelLayout, style: Style) -> None:
    kinds = {"study": "filled", "study-hollow": "hollow", "left-out": "left_out", "added": "added"}
    for gid, kind in kinds.items():
        places = [(point.effect, point.se) for point in layout.points if _kind(point) == kind]
        draw_points(panel, places, kind, gid, style)


def _kind(point: FunnelPoint) -> str:
    if point.kind != "study":
        return point.kind
    return "hollow" if point.hollow else "filled"


def _names(layout: FunnelLayout, geometry: ChartGeometry, style: Style) -> tuple[list[Name], bool]:
    """Daggers and numbers of coincident studies; and the names outside the region if all fit."""
    outside = [point for point in layout.points if point.outside and layout.name_outliers]
    for named in (outside, []):
        texts = _texts(layout, named)
        placed = _place(texts, layout, geometry, style)
        if None not in placed:
            break
    # A mark may lie on something, but is never left out.
    names = [
        (text, label or beside(_anchor(point, text, layout, geometry, style)))
        for (point, text), label in zip(texts, placed, strict=True)
    ]
    return names, bool(named)


def _texts(layout: FunnelLayout, named: list[FunnelPoint]) -> list[tuple[FunnelPoint, str]]:
    """What is written beside each point, if anything; the widest first."""
    texts = []
    for point in layout.points:
        name = point.label if point in named else ""
        number = f"×{point.times}" if point.times > 1 else ""
        text = " ".join(part for part in (name + point.mark, number, point.among) if part)
        if text and point.times:
            texts.append((point, text))
    return sorted(texts, key=lambda pair: -len(pair[1]))


def _place(texts, layout, geometry: ChartGeometry, style: Style) -> list[PlacedLabel | None]:
    anchors = [_anchor(point, text, layout, geometry, style) for point, text in texts]
    written = [point for point, _ in texts]
    others = [point for point in layout.points if point not in written]
    markers = [_anchor(point, "", layout, geometry, style) for point in others]
    return place_labels(anchors, geometry.frame, markers, _lines(layout, geometry), LEADERS)


def _anchor(point: FunnelPoint, text: str, layout, geometry: ChartGeometry, style: Style) -> Anchor:
    x = across(geometry.frame, layout.x, point.effect)
    y = down(geometry.frame, layout.y, point.se)
    size = name_size(text, style.small) if text else (0.0, 0.0)
    return Anchor(x, y, point_size(style) / 2, *size)


def _lines(layout: FunnelLayout, geometry: ChartGeometry) -> Iterator[Segment]:
    """The lines about the pooled result in points: no name lies on them."""
    if layout.region is None:
        return
    tip, *corners = _triangle(layout.region, layout)
    for end in (*corners, (layout.centre, layout.y.low)):
        (x0, y0), (x1, y1) = (
            (across(geometry.frame, layout.x, x), down(geometry.frame, layout.y, y))
            for x, y in (tip, end)
        )
        yield x0, y0, x1, y1
