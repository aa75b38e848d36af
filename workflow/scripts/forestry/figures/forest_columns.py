"""Where a forest plot's columns lie, and its title and header over them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from forestry.figures.forest_rows import Column, ForestLayout, Row
from forestry.figures.style import POINTS_PER_MM, Style
from forestry.figures.text import Text, run, spans_width, width, wrap
from forestry.figures.wording import Span, Spans

LINES_OF_TEXT = ("heterogeneity", "test", "note")
TITLES = ("group_title", "section_title")


@dataclass(frozen=True)
class PlacedColumn:
    column: Column
    left: float
    right: float
    edges: tuple[float, ...]  # where each part is aligned


@dataclass(frozen=True)
class Rule:
    left: float
    right: float
    y: float
    weight: float


def place_columns(layout: ForestLayout, style: Style) -> list[PlacedColumn]:
    """The columns that fit beside a plot of the least width or more, from left to right."""
    room = layout.width_mm * POINTS_PER_MM - 2 * style.margin
    columns = list(layout.columns)
    while columns:
        widths = {column.key: _column_width(column, layout, style) for column in columns}
        _widen_for_groups(columns, widths, style)
        gaps = [_gap(a, b, style) for a, b in zip(columns, columns[1:], strict=False)]
        left = room - sum(widths.values()) - sum(gaps)
        if left >= style.minimal_plot:
            break
        worst = max(column.dispensable for column in columns)
        if worst == 0:
            raise ValueError(f"a forest plot {layout.width_mm:g} mm wide has no room for its texts")
        columns = [column for column in columns if column.dispensable < worst]
    else:
        return []
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
    """As wide as the longest label, within a limit that only a long word passes."""
    rows = [row for row in layout.rows if row.kind not in (*TITLES, *LINES_OF_TEXT)]
    limit = style.widest_label * layout.width_mm * POINTS_PER_MM
    widths = [width("Study", style.body, True)]
    for row in rows:
        room = limit - indent(row, style)
        lines = wrap((Span(row.label),), room, style.body, row.bold)
        widest = max(spans_width(line, style.body, row.bold) for line in lines)
        widths.append(widest + indent(row, style))
    return max(widths)


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
        if lack > 0:
            for key in keys:
                widths[key] += lack / len(keys)


def _group_width(group: str, have: float, style: Style) -> float:
    lines = _group_lines(group, have, style)
    return max((spans_width(line, style.body, True) for line in lines), default=0.0)


def _group_lines(group: str, have: float, style: Style) -> tuple[Spans, ...]:
    return wrap((Span(group),), max(have, 6 * style.body), style.body, True)


def indent(row: Row, style: Style) -> float:
    return style.indent if row.group and row.kind != "group_title" else 0.0


# Title and header -------------------------------------------------------------------------


def place_title(layout: ForestLayout, style: Style) -> tuple[list[Text], float]:
    room = layout.width_mm * POINTS_PER_MM - 2 * style.margin
    y, texts = style.margin, []
    for line in wrap((Span(layout.title),), room, style.title, True):
        y += style.leading * style.title
        texts += run(line, style.margin, y, style.title, style.ink, bold=True)
    return texts, y + 0.7 * style.title


def place_header(
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
            texts += run(line, start, y, style.body, style.ink, bold=True)
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
