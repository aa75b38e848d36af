"""Figures saved so that the same figure is the same bytes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import unescape
from io import BytesIO
from itertools import product
from pathlib import Path

from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from forestry.figures.text import FAMILIES, SEMIBOLD, font_face

PNG_DPI = 300
# A file says neither when nor with which version it was made.
METADATA = {
    "pdf": {"Creator": "Forestry", "Producer": "Forestry", "CreationDate": None},
    "svg": {"Creator": "Forestry", "Date": None},
    "png": {"Software": None},
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

    Text stays text, with its typeface in the file. Raises ValueError for another suffix.
    """
    for path in map(Path, paths):
        kind = path.suffix.lstrip(".")
        if kind not in METADATA:
            raise ValueError(f"{path}: a figure is saved as pdf, svg or png")
        path.write_bytes(_bytes(figure, kind))


def _bytes(figure: Figure, kind: str) -> bytes:
    file = BytesIO()
    FigureCanvasAgg(figure)
    with rc_context(RC):
        figure.savefig(file, format=kind, metadata=METADATA[kind], dpi=PNG_DPI)
    return _with_typeface(file.getvalue()) if kind == "svg" else file.getvalue()


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
