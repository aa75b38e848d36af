"""Figures saved so that the same figure is the same bytes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import unescape
from io import BytesIO
from itertools import product
from pathlib import Path

import pypdfium2
from matplotlib import rc_context
from matplotlib.figure import Figure

from forestry.atomic import write_whole
from forestry.figures.typeface import FAMILIES, SEMIBOLD, embedding_outlines, font_face

PNG_DPI, POINTS_PER_INCH = 300, 72
# A file says neither when nor with which version it was made.
METADATA = {
    "pdf": {"Creator": "Forestry", "Producer": "Forestry", "CreationDate": None},
    "svg": {"Creator": "Forestry", "Date": None},
}
RC = {
    "pdf.fonttype": 42,  # text stays text
    "svg.fonttype": "none",
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
    files: dict[str, bytes] = {}
    for path in map(Path, paths):
        kind = path.suffix.lstrip(".")
        if kind not in ("pdf", "svg", "png"):
            raise ValueError(f"{path}: a figure is saved as pdf, svg or png")
        if kind == "svg":
            files["svg"] = _with_typeface(_drawn(figure, "svg"))
        elif "pdf" not in files:
            files["pdf"] = _drawn(figure, "pdf")
        if kind == "png":
            files["png"] = _pixels(files["pdf"])
        write_whole(path, files[kind])


def _drawn(figure: Figure, kind: str) -> bytes:
    file = BytesIO()
    with rc_context(RC), embedding_outlines():
        figure.savefig(file, format=kind, metadata=METADATA[kind])
    return file.getvalue()


def _pixels(pdf: bytes) -> bytes:
    """A PNG of a PDF's only page."""
    with pypdfium2.PdfDocument(pdf) as document:
        image = document[0].render(scale=PNG_DPI / POINTS_PER_INCH).to_pil()
    file = BytesIO()
    # The lowest level takes half the time of the usual one, for a twentieth more bytes.
    image.save(file, "png", dpi=(PNG_DPI, PNG_DPI), compress_level=1)
    return file.getvalue()


def _with_typeface(svg: bytes) -> bytes:
    """An SVG that holds the letters that it uses, for readers who lack the typeface."""
    drawn = svg.decode()
    texts = re.findall(r"<text style=\"([^\"]*)\"[^>]*>([^<]*)</text>", drawn)
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
    return drawn.replace(
        '<style type="text/css">', '<style type="text/css">' + "".join(rules), 1
    ).encode()
