"""Figures saved so that the same figure is the same bytes.

matplotlib draws a figure once, as SVG; the PDF is made of that by typst, and the PNG of the PDF.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import unescape
from io import BytesIO
from itertools import product
from pathlib import Path

from matplotlib import rc_context
from matplotlib.figure import Figure

from forestry.atomic import write_whole
from forestry.figures.typeface import FAMILIES, SEMIBOLD, font_face, typst_fonts

PNG_DPI, POINTS_PER_INCH = 300, 72
PAGE = Path(__file__).with_name("figure.typ")
# A file says neither when nor with which version it was made.
METADATA = {"Creator": "Forestry", "Date": None}
RC = {
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "forestry",
    "font.sans-serif": FAMILIES,
    "text.hinting": "none",  # letters stand where their widths say
    "savefig.bbox": "standard",
}


def save_figure(figure: Figure, paths: Iterable[str | Path]) -> None:
    """Write a figure to each path, as its suffix says: pdf, svg or png (300 dpi).

    Text stays text, with its typeface in the file; the PNG is what the PDF shows. Raises
    ValueError for another suffix.
    """
    paths = [Path(path) for path in paths]
    kinds = {path: path.suffix.lstrip(".") for path in paths}
    for path, kind in kinds.items():
        if kind not in ("pdf", "svg", "png"):
            raise ValueError(f"{path}: a figure is saved as pdf, svg or png")
    drawn = _drawn(figure)
    files = {"svg": _with_typeface(drawn).encode()}
    if {"pdf", "png"} & set(kinds.values()):
        files["pdf"] = _page(drawn)
    if "png" in kinds.values():
        files["png"] = _pixels(files["pdf"])
    for path, kind in kinds.items():
        write_whole(path, files[kind])


def _drawn(figure: Figure) -> str:
    file = BytesIO()
    with rc_context(RC):
        figure.savefig(file, format="svg", metadata=METADATA)
    return file.getvalue().decode()


def _page(svg: str) -> bytes:
    """A PDF of one page that shows an SVG."""
    import typst

    return typst.compile(PAGE, font_paths=typst_fonts(), sys_inputs={"svg": svg})


def _pixels(pdf: bytes) -> bytes:
    """A PNG of a PDF's only page."""
    import pypdfium2

    with pypdfium2.PdfDocument(pdf) as document:
        image = document[0].render(scale=PNG_DPI / POINTS_PER_INCH).to_pil()
    file = BytesIO()
    # The lowest level takes half the time of the usual one, for a twentieth more bytes.
    image.save(file, "png", dpi=(PNG_DPI, PNG_DPI), compress_level=1)
    return file.getvalue()


def _with_typeface(svg: str) -> str:
    """An SVG that holds the letters that it uses, for readers who lack the typeface."""
    texts = re.findall(r"<text style=\"([^\"]*)\"[^>]*>([^<]*)</text>", svg)
    rules = []
    for bold, italic in product((False, True), repeat=2):
        letters = {
            letter
            for style, text in texts
            if (f"font-weight: {SEMIBOLD}" in style) == bold
            and ("font-style: italic" in style) == italic
            for letter in unescape(text)
        }
        if letters:
            rules.append(font_face(bold, italic, "".join(sorted(letters))))
    start = '<style type="text/css">'
    return svg.replace(start, start + "".join(rules), 1)
