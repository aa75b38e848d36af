"""The typeface's files, and the letters of them that a figure takes with it."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path

from fontTools.subset import Options, Subsetter, load_font, save_font
from fontTools.ttLib import TTFont
from matplotlib.backends import _backend_pdf_ps

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
# What the outlines need: without the tables of layout, which have set the text already,
# letters are taken out of a typeface in a seventh of the time.
TABLES = {"head", "hhea", "maxp", "OS/2", "hmtx", "cmap", "loca", "glyf", "name", "post"}
HINTS = {"cvt ", "fpgm", "prep"}


@cache
def font_file(bold: bool, italic: bool) -> Path:
    """The file of a face. Raises ModuleNotFoundError where its package is not installed."""
    spec = find_spec(PACKAGE)
    if spec is None:
        raise ModuleNotFoundError(f"the figures' typeface is missing: install {PACKAGE}")
    folder = Path(spec.submodule_search_locations[0]) / "files"
    return folder / f"SourceSansPro-{_FILES[bold, italic]}.ttf"


@cache
def outlines(file: str) -> bytes:
    """A TrueType file without its tables of layout: its letters, under the same numbers."""
    bare = BytesIO()
    with TTFont(file, lazy=True, recalcBBoxes=False, recalcTimestamp=False) as face:
        for table in set(face.keys()) - TABLES - HINTS - {"GlyphOrder"}:
            del face[table]
        face.save(bare, reorderTables=None)
    return bare.getvalue()


def font_face(bold: bool, italic: bool, characters: str) -> str:
    """A CSS rule that holds the typeface's outlines of these characters."""
    options = Options(flavor="woff", layout_features=[], hinting=False, recalc_timestamp=False)
    file = BytesIO()
    with load_font(BytesIO(outlines(str(font_file(bold, italic)))), options) as face:
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


@contextmanager
def embedding_outlines() -> Iterator[None]:
    """Within it, matplotlib's PDFs embed letters from `outlines` of their typeface.

    matplotlib offers no setting for it, and works through the tables of layout, which no
    PDF needs, each time that it embeds a letter.
    """
    whole = _backend_pdf_ps.get_glyphs_subset
    _backend_pdf_ps.get_glyphs_subset = _letters
    try:
        yield
    finally:
        _backend_pdf_ps.get_glyphs_subset = whole


def _letters(file, glyphs):
    """As matplotlib's `get_glyphs_subset`, from `outlines`."""
    options = Options(glyph_names=True, recommended_glyphs=True)
    face = load_font(BytesIO(outlines(str(file))), options)
    subsetter = Subsetter(options)
    subsetter.populate(gids=glyphs)
    subsetter.subset(face)
    return _backend_pdf_ps.SubsetResults(face, subsetter.glyph_index_map)._as_cm()
