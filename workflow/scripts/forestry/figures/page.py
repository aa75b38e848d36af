"""A page that is measured in points from its top left corner, and texts on it."""

from __future__ import annotations

from collections.abc import Iterable

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from forestry.figures.style import Style
from forestry.figures.text import Text, font


def new_page(width: float, height: float, style: Style) -> tuple[Figure, Axes]:
    """A figure of a size in points, and axes all over it, in points downwards."""
    figure = Figure(figsize=(width / 72, height / 72), facecolor=style.paper)
    page = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0))
    page.set_axis_off()
    return figure, page


def write(page: Axes, texts: Iterable[Text], *, upwards: bool = False) -> None:
    """Texts at their points of alignment; `upwards` turns them a quarter to the left."""
    for text in texts:
        page.text(
            text.x,
            text.y,
            text.text,
            ha=text.align,
            va="baseline",
            rotation=90 if upwards else 0,
            rotation_mode="anchor",
            color=text.colour,
            fontproperties=font(text.size, text.bold, text.italic),
        )
