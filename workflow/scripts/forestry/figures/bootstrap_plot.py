"""Figures of bootstrap replicates drawn: a layout becomes a matplotlib figure."""

from __future__ import annotations

from collections.abc import Iterator

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from forestry.figures.bootstrap_layout import BAR, BootstrapLayout
from forestry.figures.chart import BAND, add_line, draw_key, new_page, new_panel
from forestry.figures.chart_geometry import ChartGeometry, Entry, Key, Words, chart_geometry
from forestry.figures.lettering import write
from forestry.figures.settings import NARROW_MM
from forestry.figures.style import Style, style_for

UNIT = {True: 0.085, False: 0.045}  # of the panel's units of height, as a share of its width


def draw_bootstrap(layout: BootstrapLayout, style: Style | None = None) -> Figure:
    """The figure of a layout.

    Histograms have the gid ``replicates-<kind>``, intervals ``interval`` or, of the model,
    ``interval-model``, the line at the estimate ``estimate``.
    """
    style = style or style_for(layout.width_mm)
    geometry = _geometry(layout, style)
    figure, page = new_page(geometry.width, geometry.height, style)
    if geometry.frame is not None:
        panel = new_panel(figure, page, geometry.frame, layout.x, layout.y, style)
        panel.spines["left"].set_visible(False)
        panel.tick_params(axis="y", length=0)
        _draw_replicates(panel, layout, style)
        _draw_intervals(panel, layout, style)
    write(page, geometry.texts)
    draw_key(page, geometry.symbols, style)
    return figure


def _geometry(layout: BootstrapLayout, style: Style) -> ChartGeometry:
    tall = layout.y.low if layout.y else 0.0
    aspect = tall * UNIT[layout.width_mm < NARROW_MM]
    words = Words(
        title=layout.title,
        width_mm=layout.width_mm,
        subtitle=layout.counted,
        keys=(Key(tuple(_entries(layout))),) if layout.x else (),
        notes=layout.notes,
        message=layout.message,
    )
    return chart_geometry(words, layout.x, layout.y, aspect, style)


def _entries(layout: BootstrapLayout) -> Iterator[Entry]:
    yield Entry("band", "Replicates of the pooled estimate")
    yield Entry("interval", f"{100 * layout.level:g}% bootstrap interval")
    yield Entry("model", f"{100 * layout.level:g}% interval of the model")
    yield Entry("threshold", "Pooled estimate")


def _draw_replicates(panel: Axes, layout: BootstrapLayout, style: Style) -> None:
    for histogram in layout.histograms:
        heights = [histogram.base - height for height in histogram.heights]
        panel.stairs(
            heights,
            histogram.edges,
            baseline=histogram.base,
            fill=True,
            facecolor=BAND,
            edgecolor="none",
            gid=f"replicates-{histogram.kind}",
            zorder=1,
        )
        panel.stairs(
            heights,
            histogram.edges,
            baseline=histogram.base,
            edgecolor=style.square_colour,
            linewidth=0.6,
            zorder=2,
        )
        ends = (layout.x.low, layout.x.high)
        base = (histogram.base, histogram.base)
        add_line(panel, ends, base, "base", color=style.rule, linewidth=0.4)


def _draw_intervals(panel: Axes, layout: BootstrapLayout, style: Style) -> None:
    whole = (layout.y.low, layout.y.high)
    look = {"color": style.muted, "linewidth": 0.6, "linestyle": (0, (3.2, 2.0)), "zorder": 2.5}
    add_line(panel, (layout.estimate, layout.estimate), whole, "estimate", **look)
    for bar in layout.bars:
        colour = style.muted if bar.model else style.accent
        gid = "interval-model" if bar.model else "interval"
        add_line(panel, (bar.low, bar.high), (bar.y, bar.y), gid, color=colour, linewidth=1.5)
        for end in (bar.low, bar.high):
            cap = (bar.y - 0.3 * BAR, bar.y + 0.3 * BAR)
            add_line(panel, (end, end), cap, "cap", color=colour, linewidth=0.9)
