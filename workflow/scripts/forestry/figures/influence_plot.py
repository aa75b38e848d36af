"""Influence plots drawn: a row a study, a narrow panel a diagnostic."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from forestry.figures.chart import FLAG, LINES, add_line, draw_key, draw_points, new_page, new_panel
from forestry.figures.chart_axis import ChartAxis, linear_axis
from forestry.figures.chart_geometry import (
    CAP_HEIGHT,
    PAD,
    TICK,
    Entry,
    Key,
    PlacedSymbol,
    Words,
    place_foot,
    place_head,
)
from forestry.figures.chart_studies import DAGGER, DOUBLE_DAGGER
from forestry.figures.influence_layout import InfluenceLayout, InfluencePanel
from forestry.figures.labels import Box
from forestry.figures.lettering import write
from forestry.figures.style import POINTS_PER_MM, Style, style_for
from forestry.figures.text import Text, run, spans_width, width, wrap
from forestry.figures.wording import Span, Spans

GAP = 9.0  # between panels
NARROWEST = 30.0
WIDEST_NAME = 0.36  # of the figure's width
TIGHT = 0.86  # of a forest plot's row
STRIPE = "#f6e6dc"  # behind a study that is flagged
GUIDE = "#dfe3e7"


@dataclass(frozen=True)
class PlacedPanel:
    panel: InfluencePanel
    frame: Box


@dataclass(frozen=True)
class InfluenceGeometry:
    width: float
    height: float
    panels: tuple[PlacedPanel, ...]
    texts: tuple[Text, ...]
    symbols: tuple[PlacedSymbol, ...]


def draw_influence(layout: InfluenceLayout, style: Style | None = None) -> Figure:
    """The figure of a layout.

    The points of a diagnostic have its key as gid (``rstudent``, ``hat``), with
    ``-hollow`` for reconstructed rows and ``-flagged`` for what is beyond a threshold; its
    lines ``-threshold`` and ``-reference``. Rows are at 0, 1, 2, ... downwards.
    """
    style = style or style_for(layout.width_mm)
    geometry = _geometry(layout, style)
    figure, page = new_page(geometry.width, geometry.height, style)
    for placed in geometry.panels:
        axis = _with_fitting_ticks(placed, style)
        axes = new_panel(figure, page, placed.frame, axis, None, style)
        axes.set_ylim(len(layout.studies) - 0.5, -0.5)
        _draw_panel(axes, placed.panel, layout, style)
    write(page, geometry.texts)
    draw_key(page, geometry.symbols, style)
    return figure


# Where all lies ---------------------------------------------------------------------------


def _geometry(layout: InfluenceLayout, style: Style) -> InfluenceGeometry:
    words = _words(layout)
    texts, y = place_head(words, style)
    panels: list[PlacedPanel] = []
    if layout.panels:
        names = _wrapped_names(layout, style)
        left = style.margin + max(_name_width(name, style) for name in names) + GAP
        for block in _blocks(layout, left, style):
            placed, said, y = _place_block(block, names, layout, left, y, style)
            panels += placed
            texts += said
    symbols, foot, end = place_foot(words, y, style)
    return InfluenceGeometry(
        width=layout.width_mm * POINTS_PER_MM,
        height=end + style.margin,
        panels=tuple(panels),
        texts=(*texts, *foot),
        symbols=tuple(symbols),
    )


def _words(layout: InfluenceLayout) -> Words:
    return Words(
        title=layout.title,
        width_mm=layout.width_mm,
        subtitle=layout.counted,
        keys=(Key(tuple(_entries(layout))),) if layout.panels else (),
        notes=layout.notes,
        message=layout.message,
    )


def _entries(layout: InfluenceLayout) -> Iterator[Entry]:
    yield Entry("reference", "Reference: all studies, or no influence")
    yield Entry("threshold", "Threshold")
    if any(any(panel.flagged) for panel in layout.panels):
        yield Entry("flagged", "Beyond a threshold")
    if any(study.hollow for study in layout.studies):
        yield Entry("hollow", f"{DAGGER} Reconstructed")
    if any(DOUBLE_DAGGER in study.label for study in layout.studies):
        yield Entry("dot", f"{DOUBLE_DAGGER} Derived by arithmetic")


def _wrapped_names(layout: InfluenceLayout, style: Style) -> list[tuple[Spans, ...]]:
    limit = WIDEST_NAME * layout.width_mm * POINTS_PER_MM
    return [
        wrap((Span(study.label),), limit, style.body, study.flagged) for study in layout.studies
    ]


def _name_width(name: tuple[Spans, ...], style: Style) -> float:
    return max(spans_width(line, style.body, True) for line in name)


def _blocks(layout: InfluenceLayout, left: float, style: Style) -> list[list[InfluencePanel]]:
    """The panels in as many rows as they need, the rows as even as can be."""
    room = layout.width_mm * POINTS_PER_MM - style.margin - left
    heads = [width(line, style.small, True) for p in layout.panels for line in p.title.split("\n")]
    fit = max(1, int((room + GAP) // (max(NARROWEST, *heads) + GAP)))
    rows = -(-len(layout.panels) // fit)
    size = -(-len(layout.panels) // rows)
    panels = list(layout.panels)
    return [panels[i : i + size] for i in range(0, len(panels), size)]


def _place_block(block, names, layout, left: float, top: float, style: Style):
    """A row of panels, the studies' names on their left, the titles above."""
    right = layout.width_mm * POINTS_PER_MM - style.margin - 3.0
    leading = style.leading * style.small
    lines = max(len(name) for name in names)
    row = TIGHT * style.row + (lines - 1) * style.leading * style.body
    start = top + 2 * leading + 0.5 * style.small
    end = start + row * len(names)
    wide = (right - left + GAP) / len(block) - GAP
    texts: list[Text] = []
    for i, name in enumerate(names):
        texts += _name_texts(name, start + (i + 0.5) * row, layout.studies[i].flagged, style)
    panels = []
    for i, panel in enumerate(block):
        frame = Box(left + i * (wide + GAP), start, left + i * (wide + GAP) + wide, end)
        panels.append(PlacedPanel(panel, frame))
        for j, line in enumerate(panel.title.split("\n")):
            middle = (frame.left + frame.right) / 2
            y = top + (j + 1) * leading
            if line:
                texts.append(Text(line, middle, y, style.small, "center", True, False, style.ink))
    return panels, texts, end + TICK + PAD + leading + 0.8 * style.small


def _name_texts(name: tuple[Spans, ...], middle: float, bold: bool, style: Style) -> list[Text]:
    leading = style.leading * style.body
    y = middle + CAP_HEIGHT / 2 * style.body - (len(name) - 1) / 2 * leading
    texts = []
    for i, line in enumerate(name):
        texts += run(line, style.margin, y + i * leading, style.body, style.ink, bold)
    return texts


def _with_fitting_ticks(placed: PlacedPanel, style: Style) -> ChartAxis:
    """The panel's axis with two ticks or more whose labels touch no other, if there can be."""
    axis, wide = placed.panel.axis, placed.frame.right - placed.frame.left
    possible = [linear_axis(axis.low, axis.high, "", steps) for steps in (5, 4, 3, 2, 1)]
    fitting = [found for found in possible if found.ticks and _fits(found, wide, style)]
    return max(fitting, key=lambda found: min(len(found.ticks), 3), default=possible[-1])


def _fits(axis: ChartAxis, wide: float, style: Style) -> bool:
    middles = [axis.position(tick) * wide for tick in axis.ticks]
    halves = [width(label, style.small) / 2 for label in axis.tick_labels]
    ends = [(x - half, x + half) for x, half in zip(middles, halves, strict=True)]
    edge = GAP / 2 - 1.0
    return (
        ends[0][0] >= -edge
        and ends[-1][1] <= wide + edge
        and all(b[0] - a[1] >= 3.0 for a, b in zip(ends, ends[1:], strict=False))
    )


# A panel ----------------------------------------------------------------------------------


def _draw_panel(axes: Axes, panel: InfluencePanel, layout: InfluenceLayout, style: Style) -> None:
    rows = range(len(layout.studies))
    for i in rows:
        if layout.studies[i].flagged:
            axes.axhspan(i - 0.5, i + 0.5, facecolor=STRIPE, linewidth=0, zorder=0, gid="stripe")
    guides = [[(panel.axis.low, i), (panel.axis.high, i)] for i in rows]
    guides = LineCollection(guides, linewidths=0.3, colors=GUIDE, zorder=0.5)
    axes.add_collection(guides, autolim=False)
    ends = (-0.5, len(layout.studies) - 0.5)
    reference = (panel.reference,) * 2
    add_line(axes, reference, ends, f"{panel.key}-reference", **LINES["reference"](style))
    for threshold in panel.thresholds:
        look = LINES["threshold"](style)
        add_line(axes, (threshold,) * 2, ends, f"{panel.key}-threshold", **look)
    stems = [[(panel.reference, i), (panel.values[i], i)] for i in rows]
    colours = [FLAG if panel.flagged[i] else style.rule for i in rows]
    stems = LineCollection(stems, linewidths=0.8, colors=colours, zorder=4)
    axes.add_collection(stems, autolim=False)
    for kind, suffix in (("dot", ""), ("hollow", "-hollow"), ("flagged", "-flagged")):
        places = [(panel.values[i], i) for i in rows if _kind(panel, layout, i) == kind]
        draw_points(axes, places, kind, panel.key + suffix, style)


def _kind(panel: InfluencePanel, layout: InfluenceLayout, i: int) -> str:
    if panel.flagged[i]:
        return "flagged"
    return "hollow" if layout.studies[i].hollow else "dot"
