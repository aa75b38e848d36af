"""Where everything in a forest plot lies, in points from the figure's top left corner."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from forestry.figures.forest_layout import Column, ForestLayout, Row
from forestry.figures.style import POINTS_PER_MM, Style
from forestry.figures.text import spans_width, width, wrap
from forestry.figures.wording import Span, Spans

LINES_OF_TEXT = ("heterogeneity", "test", "note")
TITLES = ("group_title", "section_title")
CAP_HEIGHT = 0.66  # of the size: what is centred on a row
INSET = 0.75  # of the largest square: room for a marker or an arrowhead beside the axis


@dataclass(frozen=True)
class Text:
    """A text at the point `x` of its alignment and its baseline `y`."""

    text: str
    x: float
    y: float
    size: float
    align: str = "left"
    bold: bool = False
    italic: bool = False
    colour: str = ""


@dataclass(frozen=True)
class PlacedColumn:
    column: Column
    left: float
    right: float
    edges: tuple[float, ...]  # where each part is aligned


@dataclass(frozen=True)
class PlacedRow:
    row: Row
    top: float
    bottom: float
    lines: tuple[Spans, ...]  # its label or line of text, wrapped
    reach: float  # how far to the right these lines go

    @property
    def middle(self) -> float:
        return (self.top + self.bottom) / 2


@dataclass(frozen=True)
class Rule:
    left: float
    right: float
    y: float
    weight: float


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


def forest_geometry(layout: ForestLayout, style: Style) -> Geometry:
    """Columns as wide as their texts, the plot in what is left, rows below each other.

    Columns that are dispensable go where the plot would be narrower than
    `style.minimal_plot`. Raises ValueError where even then there is no room for it.
    """
    columns = _place_columns(layout, style)
    title, y = _title(layout, style)
    header, rules, y = _header(columns, y, style)
    rows, axis_y = _place_rows(layout, columns, y + 0.3 * style.row, style)
    plot = next(((c.left, c.right) for c in columns if c.column.key == "plot"), None)
    inset = INSET * style.square
    plot = None if plot is None else (plot[0] + inset, plot[1] - inset)
    texts = [*title, *header]
    for row in rows:
        texts += _row_texts(row, columns, style)
    if plot is not None:
        texts += _axis_texts(layout, plot, axis_y, style)
    bottom = max(rows[-1].bottom if rows else y, _axis_bottom(layout, axis_y, style))
    notes, bottom = _footnotes(layout, bottom, style)
    rules += _rules(rows, columns[-1].right, style)
    return Geometry(
        width=layout.width_mm * POINTS_PER_MM,
        height=bottom + style.margin,
        rows=tuple(rows),
        texts=(*texts, *notes),
        rules=tuple(rules),
        plot=plot,
        axis_y=axis_y,
    )


# Columns ----------------------------------------------------------------------------------


def _place_columns(layout: ForestLayout, style: Style) -> list[PlacedColumn]:
    """The columns that fit beside a plot of the least width or more, from left to right."""
    room = layout.width_mm * POINTS_PER_MM - 2 * style.margin
    columns = list(layout.columns)
    while True:
        widths = {column.key: _column_width(column, layout, style) for column in columns}
        _widen_for_groups(columns, widths, style)
        gaps = [_gap(a, b, style) for a, b in zip(columns, columns[1:], strict=False)]
        left = room - sum(widths.values()) - sum(gaps)
        needed = style.minimal_plot if "plot" in widths else 0.0
        if left >= needed:
            break
        worst = max(column.dispensable for column in columns)
        if worst == 0:
            raise ValueError(f"a forest plot {layout.width_mm:g} mm wide has no room for its texts")
        columns = [column for column in columns if column.dispensable < worst]
    if "plot" in widths:
        widths["plot"] = left
    return list(_from_left(columns, widths, [*gaps, 0.0], layout, style))


def _from_left(columns, widths, gaps, layout, style) -> Iterator[PlacedColumn]:
    left = style.margin
    for column, gap in zip(columns, gaps, strict=True):
        right = left + widths[column.key]
        yield PlacedColumn(column, left, right, _edges(column, left, right, layout, style))
        left = right + gap


def _column_width(column: Column, layout: ForestLayout, style: Style) -> float:
    if column.key == "plot":
        return 0.0
    if column.key == "label":
        return _label_width(layout, style)
    heads = [width(line, style.body, True) for line in column.title.split("\n")]
    return max(_body_width(column, layout, style), *heads)


def _label_width(layout: ForestLayout, style: Style) -> float:
    rows = [row for row in layout.rows if row.kind not in (*TITLES, *LINES_OF_TEXT)]
    widths = [width(row.label, style.body, row.bold) + _indent(row, style) for row in rows]
    limit = style.widest_label * layout.width_mm * POINTS_PER_MM
    return min(max([width("Study", style.body, True), *widths]), limit)


def _body_width(column: Column, layout: ForestLayout, style: Style) -> float:
    widths = _part_widths(column, layout, style)
    return sum(widths) + style.part_gap * (len(widths) - 1)


def _part_widths(column: Column, layout: ForestLayout, style: Style) -> list[float]:
    cells = [(row.cells[column.key], row.bold) for row in layout.rows if column.key in row.cells]
    return [
        max((width(cell[i], style.body, bold) for cell, bold in cells), default=0.0)
        for i in range(len(column.parts))
    ]


def _edges(column: Column, left: float, right: float, layout, style) -> tuple[float, ...]:
    """The point of alignment of each part; the parts are centred together under a wider head."""
    if column.key in ("label", "plot"):
        return (left,)
    widths = _part_widths(column, layout, style)
    slack = right - left - sum(widths) - style.part_gap * (len(widths) - 1)
    at = left + slack * (0.5 if len(widths) > 1 else 1.0)
    edges = []
    for part, wide in zip(column.parts, widths, strict=True):
        edges.append(at + wide * {"left": 0.0, "center": 0.5, "right": 1.0}[part])
        at += wide + style.part_gap
    return tuple(edges)


def _gap(column: Column, following: Column, style: Style) -> float:
    pair = column.group == following.group and column.dispensable and following.dispensable
    return style.pair_gap if pair else style.column_gap


def _widen_for_groups(columns: Sequence[Column], widths: dict[str, float], style: Style) -> None:
    """Give the columns under a long heading the width that it needs."""
    for group, members in groupby(columns, key=lambda column: column.group):
        keys = [column.key for column in members]
        have = sum(widths[key] for key in keys) + style.pair_gap * (len(keys) - 1)
        lack = _group_width(group, have, style) - have
        if group and lack > 0:
            for key in keys:
                widths[key] += lack / len(keys)


def _group_width(group: str, have: float, style: Style) -> float:
    return max(
        spans_width(line, style.body, True) for line in _group_lines(group, have, style)
    ) if group else 0.0


def _group_lines(group: str, have: float, style: Style) -> tuple[Spans, ...]:
    return wrap((Span(group),), max(have, 6 * style.body), style.body, True)


def _indent(row: Row, style: Style) -> float:
    return style.indent if row.group and row.kind != "group_title" else 0.0


# Title and header -------------------------------------------------------------------------


def _title(layout: ForestLayout, style: Style) -> tuple[list[Text], float]:
    room = layout.width_mm * POINTS_PER_MM - 2 * style.margin
    y, texts = style.margin, []
    for line in wrap((Span(layout.title),), room, style.title, True):
        y += style.leading * style.title
        texts += _run(line, style.margin, y, style.title, style.ink, bold=True)
    return texts, y + 0.7 * style.title


def _header(
    columns: Sequence[PlacedColumn], top: float, style: Style
) -> tuple[list[Text], list[Rule], float]:
    """Column titles on a common last line, headings over their columns."""
    leading = style.leading * style.body
    headings = list(_headings(columns, style))
    titles = [placed.column.title.split("\n") for placed in columns]
    depth = max([len(lines) for lines in titles] + [1 + len(lines) for _, _, lines in headings])
    last = top + depth * leading
    texts, rules = [], []
    for placed, lines in zip(columns, titles, strict=True):
        texts += _column_title(placed, lines, last, style)
    for left, right, lines in headings:
        for i, line in enumerate(reversed(lines)):
            y = last - (i + 1) * leading - 0.25 * style.body
            start = (left + right - spans_width(line, style.body, True)) / 2
            texts += _run(line, start, y, style.body, style.ink, bold=True)
        rules.append(Rule(left, right, last - leading + 0.1 * style.body, style.hairline))
    bottom = last + 0.45 * style.body
    rules.append(Rule(columns[0].left, columns[-1].right, bottom, style.line))
    return texts, rules, bottom


def _headings(columns, style) -> Iterator[tuple[float, float, tuple[Spans, ...]]]:
    for group, members in groupby(columns, key=lambda placed: placed.column.group):
        members = list(members)
        if group:
            left, right = members[0].left, members[-1].right
            yield left, right, _group_lines(group, right - left, style)


def _column_title(placed: PlacedColumn, lines: list[str], last: float, style: Style) -> list[Text]:
    column = placed.column
    if len(column.parts) > 1:
        x, align = (placed.left + placed.right) / 2, "center"
    else:
        align = column.parts[0] if column.parts else "left"
        x = placed.left if align == "left" else placed.right
    colour = style.muted if column.emphasis == "muted" else style.ink
    return [
        Text(line, x, last - i * style.leading * style.body, style.body, align, True, False, colour)
        for i, line in enumerate(reversed(lines))
        if line
    ]


# Rows -------------------------------------------------------------------------------------


def _place_rows(
    layout: ForestLayout, columns: Sequence[PlacedColumn], y: float, style: Style
) -> tuple[list[PlacedRow], float]:
    """The rows below each other, and the axis below the last one that has an interval."""
    plotted = [i for i, row in enumerate(layout.rows) if row.plotted]
    placed: list[PlacedRow] = []
    axis_y = y
    for i, row in enumerate(layout.rows):
        y += _space_before(row, layout.rows[i - 1] if i else None, style)
        lines, size = _row_lines(row, columns, style)
        height = _row_height(row, len(lines), style)
        start = columns[0].left if row.kind != "unavailable" else _effect_left(columns)
        reach = max((spans_width(line, size, row.bold) for line in lines), default=0.0)
        reach += start + _indent(row, style)
        placed.append(PlacedRow(row, y, y + height, lines, reach))
        y += height
        if plotted and i == plotted[-1]:
            axis_y = y + 0.35 * style.row
            y = _axis_bottom(layout, axis_y, style)
    return placed, axis_y


def _space_before(row: Row, previous: Row | None, style: Style) -> float:
    if previous is None or row.kind == previous.kind:
        return 0.0
    if row.kind == "pooled":
        return 0.5 * style.row if previous.kind == "study" and not row.group else 0.15 * style.row
    if row.kind == "group_title":
        return 0.7 * style.row
    if row.kind in ("section_title", "unavailable"):
        return 0.5 * style.row
    if row.kind in LINES_OF_TEXT and previous.kind not in LINES_OF_TEXT:
        return 0.25 * style.row if not row.group else 0.0
    return 0.0


def _row_lines(row: Row, columns: Sequence[PlacedColumn], style) -> tuple[tuple[Spans, ...], float]:
    """A row's wrapping text: its line of text, its reason, or its label."""
    right = columns[-1].right
    if row.kind in LINES_OF_TEXT:
        room = right - columns[0].left - _indent(row, style)
        return wrap(row.spans, room, style.small), style.small
    if row.kind == "unavailable" and row.spans:
        return wrap(row.spans, right - _effect_left(columns), style.body), style.body
    return _label_lines(row, columns, style), style.body


def _label_lines(row: Row, columns: Sequence[PlacedColumn], style: Style) -> tuple[Spans, ...]:
    room = columns[0].right - columns[0].left
    if row.kind in TITLES:
        plots = [placed.left for placed in columns if placed.column.key == "plot"]
        room = (plots[0] if plots else columns[-1].right) - columns[0].left
    room = room - _indent(row, style) + 1e-6
    return wrap((Span(row.label),), room, style.body, row.bold or row.kind == "group_title")


def _row_height(row: Row, lines: int, style: Style) -> float:
    if row.kind in LINES_OF_TEXT:
        return lines * 1.35 * style.small
    return style.row + max(lines - 1, 0) * style.leading * style.body


def _effect_left(columns: Sequence[PlacedColumn]) -> float:
    return next(placed.left for placed in columns if placed.column.key == "effect")


def _row_texts(placed: PlacedRow, columns: Sequence[PlacedColumn], style: Style) -> list[Text]:
    row = placed.row
    left = columns[0].left + _indent(row, style)
    if row.kind in LINES_OF_TEXT:
        return _block(placed.lines, left, placed, style.small, style.muted, False, style)
    bold = row.bold or row.kind == "group_title"
    colour = style.muted if row.muted else style.ink
    labels = placed.lines
    texts = []
    if row.kind == "unavailable":
        labels = _label_lines(row, columns, style)
        at = _effect_left(columns)
        texts += _block(placed.lines, at, placed, style.body, colour, False, style)
    texts += _block(labels, left, placed, style.body, colour, bold, style)
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
    leading = (1.35 if placed.row.kind in LINES_OF_TEXT else style.leading) * size
    y = placed.middle + CAP_HEIGHT / 2 * size - (len(lines) - 1) / 2 * leading
    texts = []
    for i, line in enumerate(lines):
        texts += _run(line, left, y + i * leading, size, colour, bold)
    return texts


def _run(line: Spans, left: float, y: float, size: float, colour: str, bold=False) -> list[Text]:
    """The spans of a line, one after the other."""
    texts = []
    for span in line:
        texts.append(Text(span.text, left, y, size, "left", bold, span.italic, colour))
        left += width(span.text, size, bold, span.italic)
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


def _axis_texts(layout: ForestLayout, plot, axis_y: float, style: Style) -> list[Text]:
    """The axis label, and who is favoured on either side of the reference line."""
    axis, (left, right) = layout.axis, plot
    leading = style.leading * style.small
    y = axis_y + TICK + 2 * leading
    label = Text(axis.label, (left + right) / 2, y, style.small, "center", colour=style.ink)
    texts = [label]
    if axis.below or axis.above:
        texts += _favours(axis, left, right, y + leading, style)
    return texts


def _favours(axis, left: float, right: float, y: float, style: Style) -> list[Text]:
    texts = []
    if axis.below:
        below = f"\N{LEFTWARDS ARROW} {axis.below}"
        texts.append(Text(below, left, y, style.small, "left", colour=style.muted))
    if axis.above:
        above = f"{axis.above} \N{RIGHTWARDS ARROW}"
        texts.append(Text(above, right, y, style.small, "right", colour=style.muted))
    return texts


def _axis_bottom(layout: ForestLayout, axis_y: float, style: Style) -> float:
    if layout.axis is None:
        return axis_y
    lines = 3 if layout.axis.below or layout.axis.above else 2
    return axis_y + TICK + (lines + 0.4) * style.leading * style.small


def _footnotes(layout: ForestLayout, y: float, style: Style) -> tuple[list[Text], float]:
    room = layout.width_mm * POINTS_PER_MM - 2 * style.margin
    texts = []
    y += 0.3 * style.row if layout.footnotes else 0.0
    for note in layout.footnotes:
        for line in wrap((Span(note),), room, style.note):
            y += 1.25 * style.note
            texts += _run(line, style.margin, y, style.note, style.muted)
    return texts, y + 0.3 * style.note
