"""The grid of a matrix of studies: heads over columns of one width, a row a study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from forestry.figures.forest_geometry import CAP_HEIGHT
from forestry.figures.style import Style
from forestry.figures.text import Text, run, spans_width, width, wrap
from forestry.figures.wording import Span, Spans

BELOW_HEADS = 0.45  # of the size: from their baseline to the rule
SOFT_HYPHEN = "\N{SOFT HYPHEN}"


@dataclass(frozen=True)
class Rule:
    """A line from a point to another."""

    start: tuple[float, float]
    end: tuple[float, float]
    weight: float
    faint: bool = False


@dataclass(frozen=True)
class Head:
    """The head of a column; `group` is a heading over neighbours."""

    key: str
    label: str
    group: str = ""


@dataclass(frozen=True)
class Grid:
    """Centres of the columns by key, middles of the rows by study, and what is written."""

    centres: Mapping[str, float]
    middles: Mapping[str, float]
    texts: tuple[Text, ...]
    turned: tuple[Text, ...]  # read upwards
    rules: tuple[Rule, ...]
    bottom: float


def place_grid(
    names: Mapping[str, str],
    heads: Sequence[Head],
    *,
    edges: tuple[float, float, float],
    top: float,
    row: float,
    style: Style,
) -> Grid:
    """Studies by row (their names by id) under the heads of the columns.

    `edges` are the left of the names, the left and the right of the columns, all in
    points; `row` is the height of a row. Raises ValueError where the columns have no room.
    """
    left, start, right = edges
    step = (right - start) / len(heads)
    if step < 1.5 * style.body:
        raise ValueError(f"{len(heads)} columns of a matrix have no room in {right - start:.0f} pt")
    centres = {head.key: start + (i + 0.5) * step for i, head in enumerate(heads)}
    texts, rules, y = _groups(heads, centres, step, top, style)
    head_texts, turned, y = _heads(heads, centres, step, y, style)
    baseline = y - BELOW_HEADS * style.body
    texts += [Text("Study", left, baseline, style.body, "left", True, False, style.ink)]
    texts += head_texts
    rules.append(Rule((left, y), (right, y), style.line))
    middles, y = {}, y + 0.2 * style.row
    for study, name in names.items():
        lines = name_lines(name, start - left, style)
        high = row + (len(lines) - 1) * style.leading * style.body
        if middles:
            rules.append(Rule((left, y), (right, y), style.hairline, faint=True))
        middles[study] = y + high / 2
        texts += block(lines, left, middles[study], style)
        y += high
    y += 0.2 * style.row
    rules.append(Rule((left, y), (right, y), style.line))
    return Grid(centres, middles, tuple(texts), tuple(turned), tuple(rules), y)


# Names ------------------------------------------------------------------------------------


def name_lines(name: str, room: float, style: Style, bold: bool = False) -> tuple[Spans, ...]:
    """A name in lines; it may hold soft hyphens, which are for tables only."""
    return wrap((Span(name.replace(SOFT_HYPHEN, "")),), room, style.body, bold)


def names_width(names: Sequence[str], limit: float, style: Style) -> float:
    """How wide a column of names is that may be `limit` wide."""
    lines = [line for name in names for line in name_lines(name, limit, style)]
    return max([width("Study", style.body, True), *(spans_width(ln, style.body) for ln in lines)])


def block(lines: Sequence[Spans], left: float, middle: float, style: Style) -> list[Text]:
    """Lines one below the other around a middle."""
    leading = style.leading * style.body
    y = middle + CAP_HEIGHT / 2 * style.body - (len(lines) - 1) / 2 * leading
    return [
        text
        for i, line in enumerate(lines)
        for text in run(line, left, y + i * leading, style.body, style.ink)
    ]


# Heads ------------------------------------------------------------------------------------


def _groups(heads: Sequence[Head], centres: Mapping[str, float], step: float, y, style: Style):
    """Headings over the columns of a group, with a rule under each."""
    texts, rules = [], []
    if not any(head.group for head in heads):
        return texts, rules, y
    bottom = y + style.leading * style.body + 0.3 * style.body
    for group, members in groupby(heads, key=lambda head: head.group):
        members = list(members)
        inset = 0.5 * style.body if len(members) > 1 else 0.1 * style.body
        left = centres[members[0].key] - step / 2 + inset
        right = centres[members[-1].key] + step / 2 - inset
        if not group:
            continue
        if width(group, style.body, True) > right - left:
            raise ValueError(f"the heading {group!r} of a matrix is wider than its columns")
        texts.append(
            Text(
                group,
                (left + right) / 2,
                bottom - 0.3 * style.body,
                style.body,
                "center",
                True,
                False,
                style.ink,
            )
        )
        rules.append(Rule((left, bottom), (right, bottom), style.hairline))
    return texts, rules, bottom + 0.2 * style.body


def _heads(heads: Sequence[Head], centres: Mapping[str, float], step: float, top, style: Style):
    """Heads in lines, or all turned where one has a word wider than its column."""
    leading, room = style.leading * style.body, step - 0.6 * style.body
    lines = [name_lines(head.label, room, style, bold=True) for head in heads]
    if max(spans_width(line, style.body, True) for column in lines for line in column) > room:
        return [], *_turned(heads, centres, step, top, style)
    bottom = top + max(map(len, lines)) * leading + BELOW_HEADS * style.body
    texts = []
    for head, column in zip(heads, lines, strict=True):
        for i, line in enumerate(reversed(column)):
            x = centres[head.key] - spans_width(line, style.body, True) / 2
            y = bottom - BELOW_HEADS * style.body - i * leading
            texts += run(line, x, y, style.body, style.ink, True)
    return texts, [], bottom


def _turned(heads: Sequence[Head], centres: Mapping[str, float], step: float, top, style: Style):
    """Heads that read upwards, in as many lines as their column is wide."""
    leading = style.leading * style.body
    most = max(int(step / leading), 1)
    limit = next(
        limit
        for limit in (k * style.body for k in range(5, 1000))
        if all(len(name_lines(head.label, limit, style, bold=True)) <= most for head in heads)
    )
    columns = [name_lines(head.label, limit, style, bold=True) for head in heads]
    longest = max(spans_width(line, style.body, True) for lines in columns for line in lines)
    bottom = top + longest + 2 * BELOW_HEADS * style.body
    start = bottom - BELOW_HEADS * style.body
    texts = []
    for head, lines in zip(heads, columns, strict=True):
        first = centres[head.key] - (len(lines) - 1) / 2 * leading + CAP_HEIGHT / 2 * style.body
        for i, line in enumerate(lines):
            words = "".join(span.text for span in line)
            x = first + i * leading
            texts.append(Text(words, x, start, style.body, "left", True, False, style.ink))
    return texts, bottom
