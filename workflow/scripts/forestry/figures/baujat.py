"""Baujat plots drawn: a layout becomes a matplotlib figure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from matplotlib.figure import Figure

from forestry.figures.baujat_layout import BaujatLayout, BaujatPoint
from forestry.figures.chart import (
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
from forestry.figures.labels import Anchor, PlacedLabel, place_labels
from forestry.figures.lettering import write
from forestry.figures.settings import NARROW_MM
from forestry.figures.style import Style, style_for

ASPECTS = {True: 0.92, False: 0.62}


def draw_baujat(layout: BaujatLayout, style: Style | None = None) -> Figure:
    """The figure of a layout.

    Points have the gid ``study`` or ``study-hollow``, lines to their names ``leader``. A
    name for which there is no place is left out, and counted in a note.
    """
    style = style or style_for(layout.width_mm)
    geometry = _geometry(layout, _words(layout), style)
    names = []
    if geometry.frame is not None:
        names = _names(layout, geometry, style)
        unnamed = sum(label is None for _, label in names)
        if unnamed:
            geometry = _geometry(layout, _with_unnamed(_words(layout), unnamed), style)
    figure, page = new_page(geometry.width, geometry.height, style)
    if geometry.frame is not None:
        panel = new_panel(figure, page, geometry.frame, layout.x, layout.y, style)
        for kind, gid in (("filled", "study"), ("hollow", "study-hollow")):
            places = [
                (point.contribution, point.influence)
                for point in layout.points
                if point.hollow == (kind == "hollow")
            ]
            draw_points(panel, places, kind, gid, style)
    for point, label in names:
        if label is not None:
            write(page, [name_text(point.label, label.box, style.small, style.ink)])
            draw_leaders(page, [label.leader] if label.leader else [], style)
    write(page, geometry.texts)
    write(page, geometry.vertical, vertical=True)
    draw_key(page, geometry.symbols, style)
    return figure


def _geometry(layout: BaujatLayout, words: Words, style: Style) -> ChartGeometry:
    aspect = ASPECTS[layout.width_mm < NARROW_MM]
    return chart_geometry(words, layout.x, layout.y, aspect, style)


def _words(layout: BaujatLayout) -> Words:
    entries = tuple(_entries(layout))
    return Words(
        title=layout.title,
        width_mm=layout.width_mm,
        subtitle=layout.counted,
        keys=(Key(entries),) if entries else (),
        notes=layout.notes,
        message=layout.message,
    )


def _with_unnamed(words: Words, unnamed: int) -> Words:
    studies = "one study" if unnamed == 1 else f"{unnamed} studies"
    return replace(words, notes=(*words.notes, f"No room for the names of {studies}."))


def _entries(layout: BaujatLayout) -> Iterator[Entry]:
    if any(point.hollow for point in layout.points):
        yield Entry("hollow", f"{DAGGER} Reconstructed")
    if any(point.label.endswith(DOUBLE_DAGGER) for point in layout.points):
        yield Entry("filled", f"{DOUBLE_DAGGER} Derived by arithmetic")


def _names(
    layout: BaujatLayout, geometry: ChartGeometry, style: Style
) -> list[tuple[BaujatPoint, PlacedLabel | None]]:
    """Names beside the points, those farthest from the origin served first."""
    points = sorted(layout.points, key=lambda point: (-_farness(point, layout), point.study_id))
    anchors = [
        Anchor(
            across(geometry.frame, layout.x, point.contribution),
            down(geometry.frame, layout.y, point.influence),
            point_size(style) / 2,
            *name_size(point.label, style.small),
        )
        for point in points
    ]
    return list(zip(points, place_labels(anchors, geometry.frame), strict=True))


def _farness(point: BaujatPoint, layout: BaujatLayout) -> float:
    return layout.x.position(point.contribution) ** 2 + layout.y.position(point.influence) ** 2
