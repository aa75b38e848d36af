"""Charts drawn: the page, the panel, the points and the key that charts of studies share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from forestry.figures.chart_axis import ChartAxis
from forestry.figures.chart_geometry import PAD, TICK, PlacedSymbol
from forestry.figures.labels import Box, Segment
from forestry.figures.style import Style
from forestry.figures.text import font

FLAG = "#b5460f"  # what exceeds a threshold, or was added: told from the blue in grey, too
# From the inside of a funnel outwards.
SHADES = ("#ffffff", "#c6ccd2", "#dee2e6", "#f1f3f5")
DASHED = (0, (3.2, 2.0))
DOTTED = (0, (1.0, 1.6))


@dataclass(frozen=True)
class Mark:
    """How a point looks; `size` is a share of the plain square's side."""

    marker: str
    face: str
    edge: str
    size: float = 1.0
    weight: float = 0.6
    alpha: float = 1.0  # of the face: points below it are seen


def mark(kind: str, style: Style) -> Mark:
    """The look of a kind of point."""
    blue = style.square_colour
    looks = {
        "filled": Mark("o", blue, style.ink, alpha=0.68, weight=0.5),
        "dot": Mark("o", blue, blue, size=0.85),
        "hollow": Mark("o", style.paper, blue, weight=1.0),
        "left_out": Mark("x", style.muted, style.muted, size=0.95, weight=0.9),
        "added": Mark("D", style.paper, FLAG, size=0.85, weight=0.9),
        "flagged": Mark("D", FLAG, FLAG, size=0.95),
        "specification": Mark("o", style.accent, style.accent, size=0.55),
        "mean": Mark("D", style.accent, style.accent),
    }
    return looks[kind]


def point_size(style: Style) -> float:
    """The diameter of a plain point, in points."""
    return 1.12 * style.plain_square


def draw_points(axes: Axes, places: Iterable[tuple[float, float]], kind: str, gid: str, style):
    """Points of one kind, all in one collection called `gid`; none without places."""
    places = list(places)
    if not places:
        return
    look = mark(kind, style)
    size = look.size * point_size(style)
    crossed = look.marker == "x"
    points = axes.scatter(
        [x for x, _ in places],
        [y for _, y in places],
        s=size**2,
        marker=look.marker,
        c=[to_rgba(look.face, look.alpha)],
        edgecolors=None if crossed else look.edge,
        linewidths=look.weight,
        clip_on=False,
        zorder=5 if kind != "left_out" else 4,
    )
    points.set_gid(gid)


# The page ---------------------------------------------------------------------------------


def new_page(width: float, height: float, style: Style) -> tuple[Figure, Axes]:
    """A figure, and axes over all of it in points downwards from the top left corner."""
    figure = Figure(figsize=(width / 72, height / 72), facecolor=style.paper)
    # Above the panels: names of points lie over their shades.
    page = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0), zorder=2)
    page.set_axis_off()
    page.patch.set_visible(False)
    return figure, page


def draw_leaders(page: Axes, leaders: Iterable[Segment], style: Style) -> None:
    for x0, y0, x1, y1 in leaders:
        page.add_line(
            Line2D((x0, x1), (y0, y1), linewidth=0.4, color=style.muted, gid="leader", zorder=3)
        )


# The panel --------------------------------------------------------------------------------


def new_panel(
    figure: Figure, page: Axes, frame: Box, x: ChartAxis, y: ChartAxis | None, style: Style
) -> Axes:
    """Axes in a frame of the page; without `y` it has no vertical axis."""
    wide, high = page.get_xlim()[1], page.get_ylim()[0]
    panel = figure.add_axes(
        (
            frame.left / wide,
            1 - frame.bottom / high,
            (frame.right - frame.left) / wide,
            (frame.bottom - frame.top) / high,
        ),
        facecolor="none",
        zorder=1,
    )
    panel.set_xlim(x.low, x.high)
    panel.set_xticks(x.ticks, x.tick_labels, fontproperties=font(style.small))
    if y is not None:
        panel.set_ylim(y.low, y.high)
        panel.set_yticks(y.ticks, y.tick_labels, fontproperties=font(style.small))
    else:
        panel.set_yticks([])
    panel.spines[["top", "right"]].set_visible(False)
    panel.spines["left"].set_visible(y is not None)
    panel.spines[["left", "bottom"]].set(linewidth=0.7, color=style.ink)
    panel.tick_params(length=TICK, width=0.7, color=style.ink, labelcolor=style.ink, pad=PAD)
    return panel


def add_top_axis(panel: Axes, axis: ChartAxis, style: Style) -> None:
    """A second axis over the panel."""
    top = panel.secondary_xaxis("top")
    top.set_xticks(axis.ticks, axis.tick_labels, fontproperties=font(style.small))
    top.tick_params(length=TICK, width=0.5, color=style.rule, labelcolor=style.muted, pad=PAD)
    top.spines["top"].set(linewidth=0.5, color=style.rule)


def add_line(axes: Axes, x, y, gid: str, **look) -> None:
    """A line that takes no part in the limits of the axes."""
    axes.add_line(Line2D(x, y, gid=gid, solid_capstyle="butt", **{"zorder": 3, **look}))


# The key ----------------------------------------------------------------------------------

LINES = {
    "pooled": lambda style: {"color": style.accent, "linewidth": 0.9},
    "region": lambda style: {"color": style.accent, "linewidth": 0.7, "linestyle": DASHED},
    "filled_pooled": lambda style: {"color": FLAG, "linewidth": 0.9, "linestyle": DOTTED},
    "null": lambda style: {"color": style.muted, "linewidth": 0.6},
    "threshold": lambda style: {"color": style.muted, "linewidth": 0.6, "linestyle": DASHED},
    "interval": lambda style: {"color": style.accent, "linewidth": 1.5},
    "model": lambda style: {"color": style.muted, "linewidth": 1.5},
    "reference": lambda style: {"color": style.rule, "linewidth": 0.8},
}
BAND = "#d3e0ea"


def draw_key(page: Axes, symbols: Iterable[PlacedSymbol], style: Style) -> None:
    for placed in symbols:
        _symbol(placed.symbol)(page, placed, style)


def _symbol(name: str) -> Callable:
    if name in LINES:
        return _draw_line_symbol
    return _draw_patch_symbol if name in PATCHES else _draw_point_symbol


PATCHES = {**{f"shade{i}": shade for i, shade in enumerate(SHADES)}, "band": BAND}


def _draw_line_symbol(page: Axes, placed: PlacedSymbol, style: Style) -> None:
    ends = (placed.x - 4.5, placed.x + 4.5)
    add_line(
        page, ends, (placed.y, placed.y), f"key-{placed.symbol}", **LINES[placed.symbol](style)
    )


def _draw_patch_symbol(page: Axes, placed: PlacedSymbol, style: Style) -> None:
    page.add_patch(
        Rectangle(
            (placed.x - 4.0, placed.y - 2.6),
            8.0,
            5.2,
            facecolor=PATCHES[placed.symbol],
            edgecolor=style.rule,
            linewidth=0.4,
            gid=f"key-{placed.symbol}",
        )
    )


def _draw_point_symbol(page: Axes, placed: PlacedSymbol, style: Style) -> None:
    place = [(placed.x, placed.y)]
    draw_points(page, place, placed.symbol, f"key-{placed.symbol}", style)
