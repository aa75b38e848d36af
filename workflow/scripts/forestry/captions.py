"""The legends as captions of Snakemake's report, which include them: reStructuredText."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from forestry.assembly import FigureLegend

MARKUP = re.compile(r"([\\*`|_])")


def caption(legend: FigureLegend) -> str:
    """The legend as a paragraph whose text holds no markup of its own.

    It stands between two comments, by which a caption includes this legend alone.
    """
    title, text = (MARKUP.sub(r"\\\1", part) for part in (legend.title, legend.text))
    paragraph = f"**Figure {legend.figure}. {title}.** {text}"
    return f".. begin {legend.figure}.\n\n{paragraph}\n\n.. end {legend.figure}.\n"


def write_captions(path: str | Path, legends: Iterable[FigureLegend]) -> None:
    """Write the captions of all figures to one file."""
    Path(path).write_text("\n".join(map(caption, legends)), encoding="utf-8")
