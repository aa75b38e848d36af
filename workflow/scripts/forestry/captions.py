"""Captions of Snakemake's report: reStructuredText, from templates and legends."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from forestry.atomic import write_whole
from forestry.results import FigureLegend

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
    write_whole(path, "\n".join(map(caption, legends)))


def write_bound_template(template: str | Path, drawn: Mapping[str, str], path: str | Path) -> None:
    """Write a caption's template (Jinja) with what it speaks of as its variable `drawn`.

    A job that makes several results has one caption for each: Snakemake tells a caption the
    job's settings and not which result it stands under.
    """
    text = Path(template).read_text(encoding="utf-8")
    told = json.dumps(drawn, ensure_ascii=False)
    write_whole(path, f"{{% set drawn = {told} %}}\n{text}")
