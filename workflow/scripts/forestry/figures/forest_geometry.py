"""Where everything in a forest plot lies, in points from the figure's top left corner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from forestry.figures.forest_axis import Axis
from forestry.figures.forest_columns import (
    LINES_OF_TEXT,
    TITLES,
    PlacedColumn,
    Rule,
    indent,
    place_columns,
    place_header,
    place_title,
)
from forestry.figures.forest_rows import ForestLayout, Row
from forestry.figures.style import POINTS_PER_MM, Style
from forestry.figures.text import Text, run, spans_width, width, wrap
from forestry.figures.wording import Span, Spans

LINE_LEADING = 1.35  # of the lines of statistics, times their size
CAP_HEIGHT = 0.66  # of the size: what is centred on a row
INSET = 0.75  # of the largest square: room for a marker or an arrowhead beside the axis


@dataclass(frozen=True)
class PlacedRow:
    row: Row
    top: float
    bottom: float
    labels: tuple[Spans, ...]  # in lines
    lines: tuple[Spans, ...]  # of text, in place of cells or of an interval
    reach: float  # how far to the right labels and lines go

    @property
    def middle(self) -> float:
        return (self.top + self.bottom) / 2


@dataclass(frozen=True)
class Geometry:
    """The plot's box is (left, right) of the axis, None without one; its line is at `axis_y`."""

    width: float
    height: float
    rows: tuple[PlacedRow, ...]
    texts: tuple[Text, ...]
    rules: tuple[Rule, ...]
    plot: tuple[float, float] | None
    axis_y: float
    tick_labels: tuple[str, ...]  # empty where a tick's label has no room


def forest_geometry(layout: ForestLayout, style: Style) -> Geometry:
    """Columns as wide as their texts, the plot in what is left, rows below each other.

    Columns that are dispensable go where the plot would be narrower than
    `style.minimal_plot`. Raises ValueError where even then there is no room for it.
    """
    columns = place_columns(layout, style)
    title, y = place_title(layout, style)
    header, rules = [], []
    if columns:
        header, rules, y = place_header(columns, y, style)
    plot = _plot(columns, style) if layout.axis is not None else None
    rows, axis_y = _place_rows(layout, columns, plot, y + 0.3 * style.row, style)
    texts = [*title, *header]
    for row in rows:
        texts += _row_texts(row, columns, style)
    if plot is not None:
        texts += _axis_texts(layout, plot, axis_y, style)
    bottom = max(rows[-1].bottom if rows else y, _axis_bottom(layout, plot, axis_y, style))
    notes, bottom = _footnotes(layout, bottom, style)
    rules += _rules(rows, layout.width_mm * POINTS_PER_MM - style.margin, style)
    return Geometry(
        width=layout.width_mm * POINTS_PER_MM,
        height=bottom + style.margin,
        rows=tuple(rows),
        texts=(*texts, *notes),
        rules=tuple(rules),
        plot=plot,
        axis_y=axis_y,
        tick_labels=_tick_labels(layout.axis, plot, style) if plot is not None else (),
    )


def _plot(columns: Sequence[PlacedColumn], style: Style) -> tuple[float, float]:
    inset = INSET * style.square
    return next((c.left + inset, c.right - inset) for c in columns if c.column.key == "plot")


# Rows -------------------------------------------------------------------------------------


def _place_rows(
    layout: ForestLayout, columns: Sequence[PlacedColumn], plot, y: float, style: Style
) -> tuple[list[PlacedRow], float]:
    """The rows below each other, and the axis below the last one that has an interval."""
    plotted = [i for i, row in enumerate(layout.rows) if row.plotted]
    placed: list[PlacedRow] = []
    axis_y = y
    for i, row in enumerate(layout.rows):
        y += _space_before(row, layout.rows[i - 1] if i else None) * style.row
        placed.append(_place_row(row, y, layout, columns, style))
        y = placed[-1].bottom
        if plotted and i == plotted[-1]:
            axis_y = y + 0.35 * style.row
            y = _axis_bottom(layout, plot, axis_y, style)
    return placed, axis_y


def _place_row(row: Row, top: float, layout, columns, style: Style) -> PlacedRow:
    right = layout.width_mm * POINTS_PER_MM - style.margin
    left = style.margin + indent(row, style)
    start, size = _lines_start(row, left, columns), _lines_size(row, style)
    lines = wrap(row.spans, right - start, size)
    # A title has no cells beside it: it may run over the page.
    room = (right if row.kind in TITLES + LINES_OF_TEXT else columns[0].right) - left + 1e-6
    labels = wrap((Span(row.label),), room, style.body, _is_bold(row))
    reaches = [left + spans_width(label, style.body, _is_bold(row)) for label in labels]
    reaches += [start + spans_width(line, size) for line in lines]
    height = style.row + (max(len(labels), len(lines)) - 1) * style.leading * style.body
    if row.kind in LINES_OF_TEXT:
        height = len(lines) * LINE_LEADING * style.small
    return PlacedRow(row, top, top + height, labels, lines, max(reaches, default=left))


def _lines_start(row: Row, left: float, columns: Sequence[PlacedColumn]) -> float:
    """Where a line of text begins; why a study has no interval is said where it would be."""
    if row.kind in LINES_OF_TEXT or not columns:
        return left
    return next(placed.left for placed in columns if placed.column.key == "plot")


def _lines_size(row: Row, style: Style) -> float:
    return style.small if row.kind in LINES_OF_TEXT else style.body


def _space_before(row: Row, previous: Row | None) -> float:
    """White above a row, in heights of a row."""
    if previous is None or row.kind == previous.kind:
        return 0.0
    if row.kind == "pooled":
        return 0.5 if previous.kind == "study" and not row.group else 0.15
    if row.kind in LINES_OF_TEXT:
        return 0.0 if row.group or previous.kind in LINES_OF_TEXT else 0.25
    if row.kind == "section_title" and previous.kind == "left_out":
        return 0.2
    return {"group_title": 0.7, "section_title": 0.5, "unavailable": 0.5}.get(row.kind, 0.0)


def _is_bold(row: Row) -> bool:
    return row.bold or row.kind == "group_title"


def _row_texts(placed: PlacedRow, columns: Sequence[PlacedColumn], style: Style) -> list[Text]:
    row = placed.row
    left = style.margin + indent(row, style)
    start, size = _lines_start(row, left, columns), _lines_size(row, style)
    muted = row.muted or row.kind in ("heterogeneity", "test")
    colour = style.muted if muted else style.ink
    texts = _block(placed.labels, left, placed, style.body, colour, _is_bold(row), style)
    texts += _block(placed.lines, start, placed, size, colour, False, style)
    for placed_column in columns:
        texts += _cell_texts(placed, placed_column, colour, style)
    return texts


def _cell_texts(placed: PlacedRow, placed_column: PlacedColumn, colour: str, style: Style):
    column, row = placed_column.column, placed.row
    colour = style.muted if column.emphasis == "muted" and not row.bold else colour
    y = placed.middle + CAP_HEIGHT / 2 * style.body
    parts = zip(row.cells.get(column.key, ()), placed_column.edges, column.parts, strict=False)
    return [
        Text(text, x, y, style.body, align, row.bold, False, colour)
        for text, x, align in parts
        if text
    ]


def _block(lines, left, placed: PlacedRow, size, colour, bold, style) -> list[Text]:
    """Lines of text one below the other, centred on their row."""
    leading = (LINE_LEADING if placed.row.kind in LINES_OF_TEXT else style.leading) * size
    y = placed.middle + CAP_HEIGHT / 2 * size - (len(lines) - 1) / 2 * leading
    texts = []
    for i, line in enumerate(lines):
        texts += run(line, left, y + i * leading, size, colour, bold)
    return texts


def _rules(rows: Sequence[PlacedRow], right: float, style: Style) -> list[Rule]:
    """A hairline between the studies and what is pooled of them."""
    return [
        Rule(style.margin, right, (above.bottom + below.top) / 2, style.hairline)
        for above, below in zip(rows, rows[1:], strict=False)
        if above.row.kind == "study" and below.row.kind == "pooled" and not below.row.group
    ]


# Axis and footnotes -----------------------------------------------------------------------

TICK = 2.6


def _tick_labels(axis: Axis, plot, style: Style) -> tuple[str, ...]:
    """Every label, or every second, third ... one, counted from the reference line."""
    gap = 0.5 * style.small
    halves = [width(label, style.small) / 2 for label in axis.tick_labels]
    at = [axis.position(tick) * (plot[1] - plot[0]) for tick in axis.ticks]
    start = axis.ticks.index(axis.reference) if axis.reference in axis.ticks else 0
    for every in range(1, len(at) + 1):
        shown = [i for i in range(len(at)) if (i - start) % every == 0]
        pairs = zip(shown, shown[1:], strict=False)
        if all(at[b] - at[a] >= halves[a] + halves[b] + gap for a, b in pairs):
            break
    return tuple(label if i in shown else "" for i, label in enumerate(axis.tick_labels))


def _axis_texts(layout: ForestLayout, plot, axis_y: float, style: Style) -> list[Text]:
    """The axis label, and who is favoured on either side of the reference line."""
    axis, (left, right) = layout.axis, plot
    y = axis_y + TICK + 2 * style.leading * style.small
    page = layout.width_mm * POINTS_PER_MM
    half = width(axis.label, style.small) / 2
    middle = min(max((left + right) / 2, style.margin + half), page - style.margin - half)
    label = Text(axis.label, middle, y, style.small, "center", colour=style.ink)
    return [label, *_favours(layout, plot, y + style.leading * style.small, style)]


def _favours(layout: ForestLayout, plot, y: float, style: Style) -> list[Text]:
    """Away from the reference line, but on the page; in two lines where they would meet."""
    axis, (left, right) = layout.axis, plot
    if axis.reference is None:
        return []
    at = left + axis.position(axis.reference) * (right - left)
    below = f"\N{LEFTWARDS ARROW} {axis.below}" if axis.below else ""
    above = f"{axis.above} \N{RIGHTWARDS ARROW}" if axis.above else ""
    gap = 0.7 * style.small
    page = layout.width_mm * POINTS_PER_MM
    end = max(at - gap, style.margin + width(below, style.small))
    start = min(at + gap, page - style.margin - width(above, style.small))
    lower = y + style.leading * style.small if end + gap > start else y
    sides = ((below, end, y, "right"), (above, start, lower, "left"))
    return [
        Text(text, x, line, style.small, align, colour=style.muted)
        for text, x, line, align in sides
        if text
    ]


def _axis_bottom(layout: ForestLayout, plot, axis_y: float, style: Style) -> float:
    if layout.axis is None:
        return axis_y
    last = max(text.y for text in _axis_texts(layout, plot, axis_y, style))
    return last + 0.4 * style.leading * style.small


def _footnotes(layout: ForestLayout, y: float, style: Style) -> tuple[list[Text], float]:
    room = layout.width_mm * POINTS_PER_MM - 2 * style.margin
    texts = []
    y += 0.3 * style.row if layout.footnotes else 0.0
    for note in layout.footnotes:
        for line in wrap((Span(note),), room, style.note):
            y += 1.25 * style.note
            texts += run(line, style.margin, y, style.note, style.muted)
    return texts, y + 0.3 * style.note
