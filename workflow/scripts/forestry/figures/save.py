"""Figures saved so that the same figure is the same bytes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

PNG_DPI = 300
# A file says neither when nor with what version it was made.
METADATA = {
    "pdf": {"Creator": "Forestry", "Producer": "Forestry", "CreationDate": None},
    "svg": {"Creator": "Forestry", "Date": None},
    "png": {"Software": None},
}
RC = {
    "pdf.fonttype": 42,  # text stays text
    "svg.fonttype": "none",
    "svg.hashsalt": "forestry",
    "font.sans-serif": ["Arial", "Helvetica"],
    "savefig.bbox": "standard",
}


def save_figure(figure: Figure, paths: Iterable[str | Path]) -> None:
    """Write a figure to each path, as its suffix says: pdf, svg or png (300 dpi).

    Raises ValueError for another suffix.
    """
    FigureCanvasAgg(figure)
    for path in map(Path, paths):
        kind = path.suffix.lstrip(".")
        if kind not in METADATA:
            raise ValueError(f"{path}: a figure is saved as pdf, svg or png")
        with rc_context(RC):
            figure.savefig(path, format=kind, metadata=METADATA[kind], dpi=PNG_DPI)
