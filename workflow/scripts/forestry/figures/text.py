"""The typeface, and the width of text in it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextToPath

from forestry.figures.typeface import REGULAR, SEMIBOLD, font_file
from forestry.figures.wording import Span, Spans, joined


@dataclass(frozen=True)
class Text:
    """A text on a figure: the point `x` of its alignment and its baseline `y`, in points."""

    text: str
    x: float
    y: float
    size: float
    align: str = "left"
    bold: bool = False
    italic: bool = False
    colour: str = ""


_measure = TextToPath().get_text_width_height_descent


@cache
def font(size: float, bold: bool = False, italic: bool = False) -> FontProperties:
    """The typeface at a size in points.

    It is bound to its file, so that nothing depends on the fonts of the machine. Raises
    ModuleNotFoundError where the package that holds the files is not installed.
    """
    return FontProperties(
        family="sans-serif",
        style="italic" if italic else "normal",
        weight=SEMIBOLD if bold else REGULAR,
        size=size,
        fname=str(font_file(bold, italic)),
    )


@cache
def width(text: str, size: float, bold: bool = False, italic: bool = False) -> float:
    """How far a text advances, in points, spaces at its ends included."""
    # Ink is measured, and a space has none: bars at both ends hold it.
    return size / 100 * (_ink(f"|{text}|", bold, italic) - _ink("||", bold, italic))


@cache
def _ink(text: str, bold: bool, italic: bool) -> float:
    return _measure(text, font(100.0, bold, italic), False)[0]


def spans_width(spans: Spans, size: float, bold: bool = False) -> float:
    return sum(width(span.text, size, bold, span.italic) for span in spans)


def run(line: Spans, left: float, y: float, size: float, colour: str, bold=False) -> list[Text]:
    """The spans of a line, one after the other."""
    texts = []
    for span in line:
        texts.append(Text(span.text, left, y, size, "left", bold, span.italic, colour))
        left += width(span.text, size, bold, span.italic)
    return texts


def wrap(spans: Spans, limit: float, size: float, bold: bool = False) -> tuple[Spans, ...]:
    """A line of text in lines no wider than `limit` points, broken after spaces and hyphens.

    A single word that is wider stands on a line of its own.
    """
    lines: list[Spans] = []
    for piece in _pieces(spans):
        longer = joined((*lines[-1], *piece)) if lines else piece
        if lines and spans_width(_stripped(longer), size, bold) <= limit:
            lines[-1] = longer
        else:
            lines.append(piece)
    return tuple(map(_stripped, lines))


def _pieces(spans: Spans) -> list[Spans]:
    """Words with the space or hyphen that ends them; one may have spans of both styles."""
    pieces: list[list[Span]] = [[]]
    for span in spans:
        first, *others = re.split(r"(?<=[ -])", span.text)
        pieces[-1].append(Span(first, span.italic))
        pieces += [[Span(other, span.italic)] for other in others]
    return [joined(piece) for piece in pieces if joined(piece)]


def _stripped(line: Spans) -> Spans:
    return joined((*line[:-1], Span(line[-1].text.rstrip(" "), line[-1].italic)))
