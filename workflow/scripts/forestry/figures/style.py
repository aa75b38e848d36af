"""How figures look: sizes in points, colours. The one place for both."""

from __future__ import annotations

from dataclasses import dataclass

from forestry.figures.settings import NARROW_MM

POINTS_PER_MM = 72 / 25.4


@dataclass(frozen=True)
class Style:
    """Sizes in points at the printed width, and colours that also read in grey."""

    body: float = 7.5  # text of the rows
    small: float = 7.0  # axis, statistics
    note: float = 6.5  # footnotes
    title: float = 9.0
    row: float = 11.6  # height of a study's row
    leading: float = 1.2  # of lines in one cell, times the size

    margin: float = 3.0
    column_gap: float = 11.0
    pair_gap: float = 7.0  # between columns under one heading
    part_gap: float = 2.0  # between the numbers of one cell
    indent: float = 7.0
    minimal_plot: float = 96.0
    widest_label: float = 0.25  # of the figure's width

    square: float = 7.4  # side of the largest weight's square
    plain_square: float = 4.6  # side where there is no weight
    diamond: float = 7.8  # height
    prediction: float = 2.2  # height of the bar
    arrow: float = 4.0
    tick: float = 3.2  # of an estimate, under its square
    hairline: float = 0.4
    line: float = 0.8

    ink: str = "#1b1f23"
    muted: str = "#69727b"
    rule: str = "#9aa3ab"
    interval: str = "#33414d"
    square_colour: str = "#3f6d94"
    accent: str = "#0b3f6b"  # the selected result
    pale: str = "#dbe6ef"  # the other one
    left_out: str = "#a3abb3"
    paper: str = "white"


DOUBLE_COLUMN = Style()
SINGLE_COLUMN = Style(
    body=6.6,
    small=6.3,
    note=6.1,
    title=7.6,
    row=10.2,
    column_gap=6.0,
    pair_gap=5.0,
    part_gap=1.6,
    indent=5.0,
    minimal_plot=58.0,
    square=6.2,
    plain_square=3.8,
    diamond=6.6,
    prediction=1.9,
    arrow=3.4,
)


def style_for(width_mm: float) -> Style:
    """The style of a figure as wide as one column of a journal, or two."""
    return SINGLE_COLUMN if width_mm < NARROW_MM else DOUBLE_COLUMN
