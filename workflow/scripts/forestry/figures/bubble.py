"""Bubble plots drawn: a layout becomes a matplotlib figure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import sqrt

from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from forestry.figures.bubble_layout import Bubble, BubbleLayout
from forestry.figures.chart import (
    BAND,
    LINES,
    add_line,
    draw_key,
    draw_leaders,
    mark,
    new_page,
    new_panel,
    point_size,
)
from forestry.figures.chart_axis import ChartAxis
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
from forestry.figures.labels import Anchor, PlacedLabel, beside, place_labels
from forestry.figures.lettering import write
from forestry.figures.settings import NARROW_MM
from forestry.figures.style import POINTS_PER_MM, Style, style_for
from forestry.figures.text import wrap
from forestry.figures.wording import Span

ASPECTS = {True: 0.8, False: 0.52}
LARGEST = 2.6  # diameter of the largest bubble, in plain points
SMALLEST = 0.45
MEAN_AT = -0.22  # of a strip's width: its mean, left of the bubbles
STRIP = 0.12  # and the bubbles' middle


def draw_bubble(layout: BubbleLayout, style: Style | None = None) -> Figure:
    """The figure of a layout.

    Artists carry a gid: ``bubble``, ``bubble-hollow`` (areas in proportion to weights),
    ``fit``, ``band``, ``null``; and ``mean`` and ``mean-interval`` of groups.
    """
    style = style or style_for(layout.width_mm)
    x = _wrapped(layout.x, layout, style) if layout.groups else layout.x
    aspect = ASPECTS[layout.width_mm < NARROW_MM]
    geometry = chart_geometry(_words(layout), x, layout.y, aspect, style)
    figure, page = new_page(geometry.width, geometry.height, style)
    if geometry.frame is not None:
        panel = new_panel(figure, page, geometry.frame, x, layout.y, style)
        _draw_fit(panel, layout, style)
        _draw_studies(page, panel, layout, geometry, style)
    write(page, geometry.texts)
    write(page, geometry.vertical, vertical=True)
    draw_key(page, geometry.symbols, style)
    return figure


def _draw_fit(panel: Axes, layout: BubbleLayout, style: Style) -> None:
    _draw_null(panel, layout, style)
    if layout.groups:
        panel.tick_params(axis="x", length=0)
        _draw_means(panel, layout, style)
    else:
        _draw_line(panel, layout, style)


def _draw_studies(
    page: Axes, panel: Axes, layout: BubbleLayout, geometry: ChartGeometry, style: Style
) -> None:
    placed = _spread(layout, geometry, style) if layout.groups else layout.bubbles
    _draw_bubbles(panel, placed, style)
    for text, label in _marks(placed, layout, geometry, style):
        write(page, [name_text(text, label.box, style.small, style.ink)])
        draw_leaders(page, [label.leader] if label.leader else [], style)


def _words(layout: BubbleLayout) -> Words:
    return Words(
        title=layout.title,
        width_mm=layout.width_mm,
        subtitle=layout.counted,
        keys=(Key(tuple(_entries(layout))),) if layout.x is not None else (),
        statistics=layout.statistics,
        notes=layout.notes,
        message=layout.message,
    )


def _entries(layout: BubbleLayout) -> Iterator[Entry]:
    level = f"{100 * layout.level:g}"
    yield Entry("filled", "Study")
    if any(bubble.mark == DOUBLE_DAGGER for bubble in layout.bubbles):
        yield Entry("filled", f"{DOUBLE_DAGGER} Derived by arithmetic")
    if any(bubble.hollow for bubble in layout.bubbles):
        yield Entry("hollow", f"{DAGGER} Reconstructed")
    if layout.groups:
        yield Entry("mean", f"Mean with {level}% CI")
    else:
        yield Entry("pooled", "Fitted")
        yield Entry("band", f"{level}% confidence band")
    if layout.null is not None:
        yield Entry("null", "No effect")


def _wrapped(axis: ChartAxis, layout: BubbleLayout, style: Style) -> ChartAxis:
    """The names of the groups in lines that fit under their strips."""
    room = 0.8 * layout.width_mm * POINTS_PER_MM / len(layout.groups)
    labels = []
    for label in axis.tick_labels:
        name, k = label.split("\n")
        lines = wrap((Span(name),), room, style.small)
        labels.append("\n".join([*("".join(s.text for s in line) for line in lines), k]))
    return replace(axis, tick_labels=tuple(labels))


# The fit ----------------------------------------------------------------------------------


def _draw_null(panel: Axes, layout: BubbleLayout, style: Style) -> None:
    if layout.null is not None:
        ends = (layout.x.low, layout.x.high)
        add_line(panel, ends, (layout.null,) * 2, "null", **{**LINES["null"](style), "zorder": 1})


def _draw_line(panel: Axes, layout: BubbleLayout, style: Style) -> None:
    x = [point.x for point in layout.fitted]
    band = panel.fill_between(
        x,
        [point.ci_low for point in layout.fitted],
        [point.ci_high for point in layout.fitted],
        facecolor=BAND,
        linewidth=0,
        zorder=0.5,
    )
    band.set_gid("band")
    line = [point.estimate for point in layout.fitted]
    add_line(panel, x, line, "fit", **LINES["pooled"](style))


def _draw_means(panel: Axes, layout: BubbleLayout, style: Style) -> None:
    for mean in layout.fitted:
        x = mean.x + MEAN_AT
        look = {"color": style.accent, "linewidth": 1.1}
        add_line(panel, (x, x), (mean.ci_low, mean.ci_high), "mean-interval", **look)
        size = 1.15 * point_size(style)
        panel.add_line(
            Line2D(
                [x], [mean.estimate], marker="D", markersize=size, color=style.accent, gid="mean"
            )
        )


# Bubbles ----------------------------------------------------------------------------------


def _diameter(bubble: Bubble, style: Style) -> float:
    return max(LARGEST * sqrt(bubble.weight), SMALLEST) * point_size(style)


def _draw_bubbles(panel: Axes, bubbles: Sequence[Bubble], style: Style) -> None:
    """The largest first, so that none hides a smaller one."""
    ordered = sorted(bubbles, key=lambda bubble: -bubble.weight)
    for kind, gid in (("filled", "bubble"), ("hollow", "bubble-hollow")):
        drawn = [bubble for bubble in ordered if bubble.hollow == (kind == "hollow")]
        if not drawn:
            continue
        look = mark(kind, style)
        points = panel.scatter(
            [bubble.x for bubble in drawn],
            [bubble.effect for bubble in drawn],
            s=[_diameter(bubble, style) ** 2 for bubble in drawn],
            c=[to_rgba(look.face, min(look.alpha, 0.75))],
            edgecolors=look.edge,
            linewidths=look.weight,
            clip_on=False,
            zorder=5,
        )
        points.set_gid(gid)


def _spread(layout: BubbleLayout, geometry: ChartGeometry, style: Style) -> list[Bubble]:
    """The bubbles of each group beside each other where they would overlap."""
    strip = (geometry.frame.right - geometry.frame.left) / len(layout.groups)
    widest = (STRIP - MEAN_AT - 0.06) * strip
    placed: list[tuple[Bubble, float, float, float]] = []
    for bubble in sorted(layout.bubbles, key=lambda bubble: (-bubble.weight, bubble.study_id)):
        y, radius = down(geometry.frame, layout.y, bubble.effect), _diameter(bubble, style) / 2
        others = [(x, v, r) for other, x, v, r in placed if other.x == bubble.x]
        x = _free_offset(y, radius, others, widest)
        placed.append((bubble, x, y, radius))
    return [replace(b, x=b.x + STRIP + x / strip) for b, x, _, _ in placed]


def _free_offset(y: float, radius: float, others, widest: float) -> float:
    """The offset nearest the middle of the strip where a bubble touches no other."""
    steps = [side * i for i in range(int(widest) + 1) for side in (1, -1)]
    offsets = [float(step) for step in steps if abs(step) + radius <= widest] or [0.0]

    def overlap(x: float) -> float:
        gaps = (sqrt((x - a) ** 2 + (y - b) ** 2) - radius - r - 0.6 for a, b, r in others)
        return max(0.0, -min(gaps, default=0.0))

    return min(offsets, key=lambda x: (round(overlap(x), 6), abs(x), x))


def _marks(
    bubbles: Sequence[Bubble], layout: BubbleLayout, geometry: ChartGeometry, style: Style
) -> list[tuple[str, PlacedLabel]]:
    """Daggers beside the bubbles that have one."""
    anchors = {True: [], False: []}
    texts = []
    for bubble in bubbles:
        x = across(geometry.frame, layout.x, bubble.x)
        y = down(geometry.frame, layout.y, bubble.effect)
        size = name_size(bubble.mark, style.small) if bubble.mark else (0.0, 0.0)
        anchors[bool(bubble.mark)].append(Anchor(x, y, _diameter(bubble, style) / 2, *size))
        texts += [bubble.mark] * bool(bubble.mark)
    placed = place_labels(anchors[True], geometry.frame, anchors[False], farthest=20.0)
    labels = [label or beside(a) for a, label in zip(anchors[True], placed, strict=True)]
    return list(zip(texts, labels, strict=True))
