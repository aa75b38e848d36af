"""Traffic-light plots and star matrices drawn: a layout becomes a matplotlib figure."""

from __future__ import annotations

from functools import cache
from math import cos, pi, sin

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Circle, Polygon, Rectangle
from matplotlib.textpath import TextPath

from forestry.figures.chart import new_page
from forestry.figures.lettering import write
from forestry.figures.style import Style
from forestry.figures.text import Text, font
from forestry.figures.traffic_light_layout import (
    JUDGEMENTS,
    NOT_JUDGED,
    Bar,
    Light,
    MatrixLayout,
    Star,
    light_size,
    star_size,
)

SYMBOL = 1.3  # of the body's size
INNER = 0.382  # radius of a star's inner corners, of the outer ones': those of a pentagram
EDGE = 0.6
FAINT = "#dfe4e8"


def draw_matrix(layout: MatrixLayout) -> Figure:
    """The figure of a traffic-light plot or a star matrix.

    Artists carry a gid: ``light-<judgement>``, ``bar-<domain>-<judgement>``,
    ``star-filled``, ``star-open``, ``rule``. The judgement of what could not be judged is
    ``none``.
    """
    figure, page = new_page(layout.width, layout.height, layout.style)
    for rule in layout.rules:
        colour = FAINT if rule.faint else layout.style.rule
        x, y = zip(rule.start, rule.end, strict=True)
        page.add_line(Line2D(x, y, linewidth=rule.weight, color=colour, gid="rule", zorder=1))
    for light in layout.lights:
        _draw_light(page, light, layout.style)
    for bar in layout.bars:
        page.add_patch(_bar(bar, layout.style))
    for star in layout.stars:
        page.add_patch(_star(star, layout.style))
    write(page, layout.texts)
    write(page, layout.turned, vertical=True)
    return figure


def _draw_light(page: Axes, light: Light, style: Style) -> None:
    judgement, name = JUDGEMENTS[light.judgement], light.judgement or "none"
    page.add_patch(
        Circle(
            (light.x, light.y),
            light_size(style) / 2,
            gid=f"light-{name}",
            facecolor=judgement.colour,
            edgecolor=style.rule if light.judgement == NOT_JUDGED else "none",
            linewidth=EDGE,
        )
    )
    size = SYMBOL * style.body
    left, bottom, right, top = _ink(judgement.symbol)
    at = (light.x - (left + right) / 2 * size, light.y + (bottom + top) / 2 * size)
    symbol = Text(judgement.symbol, *at, size, "left", True, False, style.ink)
    write(page, [symbol])


@cache
def _ink(symbol: str) -> tuple[float, float, float, float]:
    """Where a symbol's outline lies about its origin, in sizes: it stands above the baseline."""
    return TextPath((0, 0), symbol, size=1.0, prop=font(1.0, True)).get_extents().extents


def _bar(bar: Bar, style: Style) -> Rectangle:
    not_judged = bar.judgement == NOT_JUDGED
    return Rectangle(
        (bar.left, bar.top),
        bar.width,
        bar.height,
        gid=f"bar-{bar.domain}-{bar.judgement or 'none'}",
        facecolor=JUDGEMENTS[bar.judgement].colour,
        edgecolor=style.rule if not_judged else style.paper,
        linewidth=EDGE,
        zorder=1 if not_judged else 2,
    )


def _star(star: Star, style: Style) -> Polygon:
    """Five points, the first at the top."""
    radius = star_size(style) / 2
    corners = []
    for i in range(10):
        r, angle = radius * (1 if i % 2 == 0 else INNER), i * pi / 5
        corners.append((star.x + r * sin(angle), star.y - r * cos(angle)))
    return Polygon(
        corners,
        closed=True,
        gid="star-filled" if star.filled else "star-open",
        facecolor=style.accent if star.filled else style.paper,
        edgecolor=style.accent if star.filled else style.muted,
        linewidth=0.5,
        joinstyle="miter",
    )
