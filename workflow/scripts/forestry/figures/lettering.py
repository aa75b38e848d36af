"""Texts drawn where their layout has put them."""

from __future__ import annotations

from collections.abc import Iterable

import matplotlib.text
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG

from forestry.figures.text import Text, font


class PlacedText(matplotlib.text.Text):
    """A line of text that stands on its baseline.

    An SVG aligns a text by itself: it is not measured anew when it is drawn there, which
    takes longer than to write it.
    """

    def draw(self, renderer) -> None:
        if not isinstance(self.get_figure(root=True).canvas, FigureCanvasSVG):
            return super().draw(renderer)
        x, y = self.get_transform().transform(self.get_unitless_position())
        _, height = renderer.get_canvas_width_height()
        looks = renderer.new_gc()
        looks.set_foreground(self.get_color())
        renderer.open_group("text", self.get_gid())
        renderer.draw_text(
            looks,
            x,
            height - y,
            self.get_text(),
            self.get_fontproperties(),
            self.get_rotation(),
            mtext=self,
        )
        renderer.close_group("text")
        looks.restore()
        self.stale = False


def write(page: Axes, texts: Iterable[Text], vertical: bool = False) -> None:
    """Write texts on a page, from the bottom upwards where they are `vertical`."""
    for text in texts:
        page.add_artist(
            PlacedText(
                text.x,
                text.y,
                text.text,
                ha=text.align,
                va="baseline",
                rotation=90 if vertical else 0,
                rotation_mode="anchor",
                color=text.colour,
                fontproperties=font(text.size, text.bold, text.italic),
                transform=page.transData,
                clip_on=False,
                parse_math=False,
            )
        )
