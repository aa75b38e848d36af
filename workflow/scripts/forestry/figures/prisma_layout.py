"""Where everything in a PRISMA flow diagram lies, in points from its top left corner.

The main line runs down the left, what leaves it stands to the right, and a band on the
left names the stage.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from forestry.figures.forest_geometry import CAP_HEIGHT
from forestry.figures.prisma_flow import LABELS, STEPS, Part, PrismaFlow, Tally
from forestry.figures.settings import DOUBLE_COLUMN_MM, NARROW_MM, SINGLE_COLUMN_MM
from forestry.figures.style import POINTS_PER_MM, Style, style_for
from forestry.figures.text import Text, run, spans_width, width, wrap
from forestry.figures.wording import Span, Spans

TITLE = "Identification of studies via databases and registers"
NOT_PUBLIC, NONE_PUBLIC = "number not public", "numbers not public"
STAGES = {  # rows of STEPS by stage
    "Identification": (0,),
    "Screening": (1, 2, 3),
    "Included": (4,),
}


@dataclass(frozen=True)
class Spacing:
    """Distances of a flow diagram, in points."""

    band: float = 17.0
    band_gap: float = 7.0
    aside: float = 27.0  # from the main line to what leaves it
    between: float = 17.0  # from a row to the next
    padding: float = 6.5
    indent: float = 7.0
    count_gap: float = 9.0  # at least, from a label to its count
    part_space: float = 1.6  # above a part
    stacked: bool = False  # counts below their labels


WIDE = Spacing()
NARROW = Spacing(band=13, band_gap=4, aside=13, between=13, padding=4.5, indent=5, stacked=True)


@dataclass(frozen=True)
class Line:
    """A label in a box, and what is said of its number ("" for a mere heading)."""

    label: str
    number: Spans
    part: bool = False


@dataclass(frozen=True)
class Box:
    key: str
    left: float
    top: float
    width: float
    height: float
    texts: tuple[Text, ...]

    @property
    def right(self) -> float:
        return self.left + self.width

    @property
    def bottom(self) -> float:
        return self.top + self.height

    @property
    def centre(self) -> tuple[float, float]:
        return self.left + self.width / 2, self.top + self.height / 2


@dataclass(frozen=True)
class Band:
    """A stage beside its rows; its name reads upwards."""

    stage: str
    left: float
    top: float
    width: float
    height: float
    text: Text


@dataclass(frozen=True)
class Arrow:
    """From the edge of one box straight to that of another."""

    source: str
    target: str
    start: tuple[float, float]
    end: tuple[float, float]


@dataclass(frozen=True)
class PrismaLayout:
    """A flow diagram in points downwards; `title` is the strip above the boxes."""

    width: float
    height: float
    title: Box
    bands: tuple[Band, ...]
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]
    notes: tuple[Text, ...]
    style: Style


def prisma_layout(flow: PrismaFlow, width_mm: float = DOUBLE_COLUMN_MM) -> PrismaLayout:
    """The boxes of a flow on a grid of two columns, as high as their texts need.

    Raises ValueError for a width below 85 mm or above 300 mm, and for a word wider than
    its box.
    """
    if not SINGLE_COLUMN_MM <= width_mm <= 300:
        raise ValueError(f"width_mm is {width_mm:g}, not between 85 and 300")
    style, space = style_for(width_mm), NARROW if width_mm < NARROW_MM else WIDE
    page = width_mm * POINTS_PER_MM
    left = style.margin + space.band + space.band_gap
    wide = (page - style.margin - left - space.aside) / 2
    title = _title(left, page - style.margin, style, space)
    rows = _rows(flow, (left, left + wide + space.aside), wide, title.bottom, style, space)
    notes, bottom = _notes(flow.note, left, page - style.margin, rows[-1][0].bottom, style)
    bands = [_band(stage, [rows[i] for i in at], style, space) for stage, at in STAGES.items()]
    return PrismaLayout(
        width=page,
        height=bottom + style.margin,
        title=title,
        bands=tuple(bands),
        boxes=tuple(box for row in rows for box in row),
        arrows=tuple(_arrows(rows)),
        notes=tuple(notes),
        style=style,
    )


# What a box says --------------------------------------------------------------------------


def box_lines(key: str, flow: PrismaFlow) -> tuple[Line, ...]:
    """The lines of a box: its total, then its parts.

    A box from which others leave always tells its total; another one with parts need not.
    Parts none of which has a number share a line.
    """
    tally = flow[key]
    if key == "reports_included":
        return (_total("studies_included", flow["studies_included"]), _total(key, tally))
    stage = key in dict(STEPS)
    if tally.total is None and any(part.count is not None for part in tally.parts) and not stage:
        return (Line(f"{LABELS[key]}:", ()), *_part_lines(tally.parts))
    return (_total(key, tally), *_part_lines(tally.parts))


def _total(key: str, tally: Tally) -> Line:
    return Line(LABELS[key], _number(tally.total))


def _part_lines(parts: Sequence[Part]) -> Iterator[Line]:
    if len(parts) > 1 and all(part.count is None for part in parts):
        yield Line(", ".join(part.label for part in parts), (Span(NONE_PUBLIC, True),), True)
        return
    for part in parts:
        yield Line(part.label, _number(part.count), True)


def _number(count: int | None) -> Spans:
    if count is None:
        return (Span(NOT_PUBLIC, italic=True),)
    nbsp = "\N{NO-BREAK SPACE}"
    return Span("n", italic=True), Span(f"{nbsp}={nbsp}{count}")


# Boxes ------------------------------------------------------------------------------------


def _rows(
    flow: PrismaFlow, lefts: tuple[float, float], wide: float, y: float, style: Style, space
) -> list[tuple[Box, ...]]:
    """A row a step; its boxes begin on one line, and so do their texts."""
    rows: list[tuple[Box, ...]] = []
    for i, step in enumerate(STEPS):
        boxes = [
            _box(key, box_lines(key, flow), left, wide, style, space)
            for key, left in zip(step, lefts, strict=True)
            if key
        ]
        y += 0.6 * space.between if i == 0 else space.between
        rows.append(_row(boxes, y, _lowest(i, style, space)))
        y = max(box.bottom for box in rows[-1])
    return rows


def _row(boxes: Sequence[Box], top: float, lowest: float) -> tuple[Box, ...]:
    """The boxes at `top`: the first at least `lowest` high, the others as high as the first."""
    main = boxes[0]
    down = max(lowest - main.height, 0.0) / 2
    high = main.height + 2 * down
    return tuple(
        replace(
            box,
            top=top,
            height=max(box.height + (2 * down if box is main else down), high),
            texts=tuple(replace(text, y=text.y + top + down) for text in box.texts),
        )
        for box in boxes
    )


def _lowest(row: int, style: Style, space: Spacing) -> float:
    """How high the row of a stage must be that has no other, for the stage's name."""
    stage = next(stage for stage, rows in STAGES.items() if row in rows)
    return width(stage, style.body, True) + 1.2 * style.body if len(STAGES[stage]) == 1 else 0.0


def _box(key: str, lines: Sequence[Line], left: float, wide: float, style: Style, space) -> Box:
    """A box at the top of the page: labels from its left, counts to its right."""
    texts, y = [], space.padding
    leading = style.leading * style.body
    for i, line in enumerate(lines):
        y += space.part_space if i else 0.0
        bold = not line.part
        start = left + space.padding + (space.indent if line.part else 0.0)
        end = left + wide - space.padding
        taken = 0.0
        if line.number and not space.stacked:
            taken = spans_width(line.number, style.body, bold) + space.count_gap
        room = end - start - taken
        labels = wrap((Span(line.label),), room, style.body, bold)
        if any(spans_width(label, style.body, bold) > room for label in labels):
            raise ValueError(f"prisma.{key}: {line.label!r} has a word wider than its box")
        for n, label in enumerate(labels):
            baseline = y + _baseline(n, style)
            texts += run(label, start, baseline, style.body, style.ink, bold)
        y += len(labels) * leading
        texts += _number_texts(line, start, end, y, style, space)
        y += leading if line.number and space.stacked else 0.0
    return Box(key, left, 0.0, wide, y + space.padding, tuple(texts))


def _number_texts(
    line: Line, start: float, end: float, y: float, style: Style, space
) -> list[Text]:
    """The number on the label's last line, at its right; or below it."""
    missing = any(span.text in (NOT_PUBLIC, NONE_PUBLIC) for span in line.number)
    bold, colour = not line.part and not missing, style.muted if missing else style.ink
    x = start if space.stacked else end - spans_width(line.number, style.body, bold)
    baseline = y - style.leading * style.body * (0 if space.stacked else 1) + _baseline(0, style)
    return run(line.number, x, baseline, style.body, colour, bold)


def _baseline(line: int, style: Style) -> float:
    """Of a line below the top of its block: capitals stand in the middle of their line."""
    leading = style.leading * style.body
    return line * leading + (leading + CAP_HEIGHT * style.body) / 2


def _title(left: float, right: float, style: Style, space: Spacing) -> Box:
    lines = wrap((Span(TITLE),), right - left - 2 * space.padding, style.body, True)
    texts = []
    for n, line in enumerate(lines):
        x = (left + right - spans_width(line, style.body, True)) / 2
        y = style.margin + 0.6 * space.padding + _baseline(n, style)
        texts += run(line, x, y, style.body, style.accent, True)
    high = len(lines) * style.leading * style.body + 1.2 * space.padding
    return Box("title", left, style.margin, right - left, high, tuple(texts))


# Beside and between -----------------------------------------------------------------------


def _band(stage: str, rows: Sequence[tuple[Box, ...]], style: Style, space: Spacing) -> Band:
    boxes = [box for row in rows for box in row]
    top, bottom = min(box.top for box in boxes), max(box.bottom for box in boxes)
    x = style.margin + (space.band + CAP_HEIGHT * style.body) / 2
    text = Text(stage, x, (top + bottom) / 2, style.body, "center", True, False, style.accent)
    return Band(stage, style.margin, top, space.band, bottom - top, text)


def _arrows(rows: Sequence[tuple[Box, ...]]) -> Iterator[Arrow]:
    for i, (main, *aside) in enumerate(rows):
        for box in aside:
            y = main.centre[1]
            yield Arrow(main.key, box.key, (main.right, y), (box.left, y))
        if i + 1 < len(rows):
            following = rows[i + 1][0]
            x = main.centre[0]
            yield Arrow(main.key, following.key, (x, main.bottom), (x, following.top))


def _notes(note: str, left: float, right: float, y: float, style: Style):
    texts: list[Text] = []
    if not note:
        return texts, y
    y += 0.5 * style.row
    for line in wrap((Span(note),), right - left, style.note):
        y += 1.25 * style.note
        texts += run(line, left, y, style.note, style.muted)
    return texts, y + 0.3 * style.note
