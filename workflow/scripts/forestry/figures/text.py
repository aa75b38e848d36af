"""The typeface, and the width of text in it."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path

from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextToPath

from forestry.figures.wording import Span, Spans, joined

PACKAGE = "font_source_sans_pro"
# Programs that lack the first of these show an SVG's text in the next one.
FAMILIES = ["Source Sans Pro", "Source Sans 3", "Arial", "Helvetica", "sans-serif"]
_FILES = {
    (False, False): "Regular",
    (False, True): "It",
    (True, False): "Semibold",
    (True, True): "SemiboldIt",
}
_measure = TextToPath().get_text_width_height_descent


@cache
def font(size: float, bold: bool = False, italic: bool = False) -> FontProperties:
    """The typeface at a size in points.

    It is bound to its file, so that nothing depends on the fonts of the machine. Raises
    ModuleNotFoundError where the package that holds the files is not installed.
    """
    return FontProperties(
        family=FAMILIES,
        style="italic" if italic else "normal",
        weight=600 if bold else 400,
        size=size,
        fname=str(_folder() / f"SourceSansPro-{_FILES[bold, italic]}.ttf"),
    )


@cache
def _folder() -> Path:
    spec = find_spec(PACKAGE)
    if spec is None:
        raise ModuleNotFoundError(f"the figures' typeface is missing: install {PACKAGE}")
    return Path(spec.submodule_search_locations[0]) / "files"


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


def wrap(spans: Spans, limit: float, size: float, bold: bool = False) -> tuple[Spans, ...]:
    """A line of text in lines no wider than `limit` points, broken at spaces.

    A single word that is wider stands on a line of its own.
    """
    lines: list[Spans] = []
    for word in _words(spans):
        longer = joined((*lines[-1], Span(" "), *word)) if lines else word
        if lines and spans_width(longer, size, bold) <= limit:
            lines[-1] = longer
        else:
            lines.append(word)
    return tuple(lines)


def _words(spans: Spans) -> list[Spans]:
    words: list[list[Span]] = [[]]
    for span in spans:
        first, *others = span.text.split(" ")
        words[-1].append(Span(first, span.italic))
        words += [[Span(other, span.italic)] for other in others]
    return [joined(word) for word in words if joined(word)]
