"""Where the parts of a chart lie, in points from the figure's top left corner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from forestry.figures.chart_axis import ChartAxis
from forestry.figures.labels import Box
from forestry.figures.style import POINTS_PER_MM, Style
from forestry.figures.text import Text, run, spans_width, width, wrap
from forestry.figures.wording import Span, Spans

TICK = 2.6
PAD = 1.8  # between a tick and its label
TITLE_GAP = 2.0  # between the vertical axis' labels and its title
SYMBOL = 9.0  # width of a symbol in the key
KEY_GAP = 8.0  # between two entries of the key
ASCENT, DESCENT = 0.74, 0.22  # of a text, times its size
CAP_HEIGHT = 0.66


@dataclass(frozen=True)
class Entry:
    """A symbol of the key, by its name in `chart.SYMBOLS`, and what it stands for."""

    symbol: str
    text: str


@dataclass(frozen=True)
class Key:
    """Entries that begin a line of their own, after a heading where there is one."""

    entries: tuple[Entry, ...]
    heading: str = ""


@dataclass(frozen=True)
class Words:
    """What is said above and below a chart; `message` stands in place of the chart."""

    title: str
    width_mm: float
    subtitle: str = ""
    keys: tuple[Key, ...] = ()
    statistics: tuple[Spans, ...] = ()
    notes: tuple[str, ...] = ()
    message: str = ""


@dataclass(frozen=True)
class PlacedSymbol:
    """A symbol of the key and its middle."""

    symbol: str
    x: float
    y: float


@dataclass(frozen=True)
class ChartGeometry:
    """`frame` is the panel's, None where there is a message only; `vertical` reads upwards."""

    width: float
    height: float
    frame: Box | None
    texts: tuple[Text, ...]
    vertical: tuple[Text, ...]
    symbols: tuple[PlacedSymbol, ...]


def chart_geometry(
    words: Words,
    x: ChartAxis | None,
    y: ChartAxis | None,
    aspect: float,
    style: Style,
    top: ChartAxis | None = None,
) -> ChartGeometry:
    """One panel, its height `aspect` times its width, with all that is said around it.

    `top` is a second axis over the panel. Without axes the message stands alone.
    """
    texts, end = place_head(words, style)
    frame, vertical = None, ()
    if x is not None and y is not None:
        frame = _frame(words, x, y, aspect, end, style, top)
        titles, end = _axis_titles(x, frame, style)
        over = _top_title(top, frame, style) if top else []
        vertical = _vertical_title(y, frame, style)
        texts = [*texts, *over, *titles]
    symbols, foot, end = place_foot(words, end, style)
    return ChartGeometry(
        width=words.width_mm * POINTS_PER_MM,
        height=end + style.margin,
        frame=frame,
        texts=(*texts, *foot),
        vertical=tuple(vertical),
        symbols=tuple(symbols),
    )


def tick_lines(axis: ChartAxis) -> int:
    return max((label.count("\n") + 1 for label in axis.tick_labels), default=1)


# Above ------------------------------------------------------------------------------------


def place_head(words: Words, style: Style) -> tuple[list[Text], float]:
    """The title, the line under it and the message; and where they end."""
    room = words.width_mm * POINTS_PER_MM - 2 * style.margin
    texts, y = [], style.margin
    for line in wrap((Span(words.title),), room, style.title, True):
        y += style.leading * style.title
        texts += run(line, style.margin, y, style.title, style.ink, bold=True)
    for said, colour in ((words.subtitle, style.muted), (words.message, style.ink)):
        y += 0.25 * style.title if said else 0.0
        for line in wrap((Span(said),), room, style.body) if said else ():
            y += style.leading * style.body
            texts += run(line, style.margin, y, style.body, colour)
    return texts, y + 0.6 * style.body


# The panel --------------------------------------------------------------------------------


def _frame(words, x: ChartAxis, y: ChartAxis, aspect, end, style: Style, top) -> Box:
    page = words.width_mm * POINTS_PER_MM
    labels = max((width(label, style.small) for label in y.tick_labels), default=0.0)
    title = style.leading * style.small * len(_vertical_lines(y, page, style))
    left = style.margin + title + TITLE_GAP + labels + TICK + PAD
    right = page - style.margin - _overhang(x, page, style)
    left = max(left, style.margin + _overhang(x, page, style, right=False))
    if top:
        end += TICK + PAD + 2.1 * style.leading * style.small
    return Box(left, end, right, end + aspect * (right - left))


def _overhang(axis: ChartAxis, page: float, style: Style, right: bool = True) -> float:
    """How far a tick label reaches beyond the end of the axis."""
    overhang = 2.0
    for tick, label in zip(axis.ticks, axis.tick_labels, strict=True):
        half = max(width(line, style.small) for line in label.split("\n")) / 2
        along = axis.position(tick)
        # The axis is a little shorter than the page; 0.85 of it is always there.
        from_end = (1 - along if right else along) * 0.85 * page
        overhang = max(overhang, half - from_end)
    return overhang


def _axis_titles(axis: ChartAxis, frame: Box, style: Style) -> tuple[list[Text], float]:
    leading = style.leading * style.small
    y = frame.bottom + TICK + PAD + leading * tick_lines(axis)
    texts = []
    room = frame.right - frame.left
    for line in wrap((Span(axis.label),), room, style.small) if axis.label else ():
        y += leading
        start = (frame.left + frame.right - spans_width(line, style.small)) / 2
        texts += run(line, start, y, style.small, style.ink)
    return texts, y + 0.6 * style.small


def _top_title(axis: ChartAxis, frame: Box, style: Style) -> list[Text]:
    y = frame.top - TICK - PAD - 1.15 * style.leading * style.small
    middle = (frame.left + frame.right) / 2
    return [Text(axis.label, middle, y, style.small, "center", colour=style.muted)]


def _vertical_lines(axis: ChartAxis, room: float, style: Style) -> Sequence[Spans]:
    return wrap((Span(axis.label),), room, style.small) if axis.label else ()


def _vertical_title(axis: ChartAxis, frame: Box, style: Style) -> list[Text]:
    """The lines of the vertical axis' title: `x` is a baseline, `y` the middle."""
    leading = style.leading * style.small
    lines = _vertical_lines(axis, 1e9, style)
    middle = (frame.top + frame.bottom) / 2
    return [
        Text(
            line[0].text,
            style.margin + (i + 0.8) * leading,
            middle,
            style.small,
            "center",
            colour=style.ink,
        )
        for i, line in enumerate(lines)
    ]


# Below ------------------------------------------------------------------------------------


def place_foot(
    words: Words, top: float, style: Style
) -> tuple[list[PlacedSymbol], list[Text], float]:
    """The key, the statistics and the notes; and where they end."""
    symbols, texts, y = [], [], top
    for key in words.keys:
        placed, said, y = _place_key(key, words, y, style)
        symbols += placed
        texts += said
    room = words.width_mm * POINTS_PER_MM - 2 * style.margin
    lines = [(line, style.small, style.ink) for line in words.statistics]
    lines += [((Span(note),), style.note, style.muted) for note in words.notes]
    y += 0.35 * style.body if lines else 0.0
    for spans, size, colour in lines:
        for line in wrap(spans, room, size):
            y += 1.28 * size
            texts += run(line, style.margin, y, size, colour)
    return symbols, texts, y + 0.3 * style.note


def _place_key(key: Key, words: Words, top: float, style: Style):
    """Entries one after the other, and in a new line where the page ends.

    The heading stands before them where all fit in one line, else above.
    """
    left, right = style.margin, words.width_mm * POINTS_PER_MM - style.margin
    leading = 1.42 * style.small
    y = top + leading
    symbols, texts = [], []
    if key.heading:
        lines = wrap((Span(key.heading),), right - left, style.small)
        for i, line in enumerate(lines):
            y += leading * (i > 0)
            texts += run(line, left, y, style.small, style.ink)
        indent = spans_width(lines[-1], style.small) + KEY_GAP
        needed = sum(_entry_width(entry, style) + KEY_GAP for entry in key.entries) - KEY_GAP
        if left + indent + needed <= right:
            left += indent
        else:
            y += leading
    start = style.margin
    for entry in key.entries:
        needed = _entry_width(entry, style)
        if left > start and left + needed > right:
            left, y = start, y + leading
        middle = y - CAP_HEIGHT / 2 * style.small
        symbols.append(PlacedSymbol(entry.symbol, left + SYMBOL / 2, middle))
        for i, line in enumerate(
            wrap((Span(entry.text),), right - start - SYMBOL - 3, style.small)
        ):
            y += leading * (i > 0)
            texts += run(line, left + SYMBOL + 3, y, style.small, style.ink)
        left += needed + KEY_GAP
    return symbols, texts, y


def _entry_width(entry: Entry, style: Style) -> float:
    return SYMBOL + 3 + width(entry.text, style.small)


# Names ------------------------------------------------------------------------------------


def name_size(text: str, size: float) -> tuple[float, float]:
    """Width and height of a name beside a point, in points."""
    return width(text, size), (ASCENT + DESCENT) * size


def name_text(text: str, box: Box, size: float, colour: str) -> Text:
    return Text(text, box.left, box.bottom - DESCENT * size, size, colour=colour)


def across(frame: Box, axis: ChartAxis, value: float) -> float:
    return frame.left + axis.position(value) * (frame.right - frame.left)


def down(frame: Box, axis: ChartAxis, value: float) -> float:
    return frame.bottom - axis.position(value) * (frame.bottom - frame.top)
