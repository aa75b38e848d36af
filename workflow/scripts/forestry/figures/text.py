"""The typeface, and the width of text in it."""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path

from fontTools.subset import Options, Subsetter, load_font, save_font
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextToPath

from forestry.figures.wording import Span, Spans, joined

PACKAGE = "font_source_sans_pro"
# A program that lacks the first of these shows an SVG's text in the next one.
FAMILIES = ["Source Sans Pro", "Source Sans 3", "Arial", "Helvetica"]
REGULAR, SEMIBOLD = 400, 600
_FILES = {
    (False, False): "Regular",
    (False, True): "It",
    (True, False): "Semibold",
    (True, True): "SemiboldIt",
}


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
def font_file(bold: bool, italic: bool) -> Path:
    spec = find_spec(PACKAGE)
    if spec is None:
        raise ModuleNotFoundError(f"the figures' typeface is missing: install {PACKAGE}")
    folder = Path(spec.submodule_search_locations[0]) / "files"
    return folder / f"SourceSansPro-{_FILES[bold, italic]}.ttf"


def font_face(bold: bool, italic: bool, characters: str) -> str:
    """A CSS rule that holds the typeface's outlines of these characters."""
    options = Options(
        flavor="woff",
        layout_features=[],
        hinting=False,
        recalc_timestamp=False,
        drop_tables=["BASE", "DSIG", "GDEF", "GPOS", "GSUB", "gasp"],
    )
    file = BytesIO()
    with load_font(font_file(bold, italic), options) as face:
        subsetter = Subsetter(options)
        subsetter.populate(text=characters)
        subsetter.subset(face)
        save_font(face, file, options)
    return (
        f"@font-face{{font-family:'{FAMILIES[0]}';"
        f"font-weight:{SEMIBOLD if bold else REGULAR};"
        f"font-style:{'italic' if italic else 'normal'};"
        f"src:url(data:font/woff;base64,{b64encode(file.getvalue()).decode()})format('woff')}}"
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
