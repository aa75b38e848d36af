"""The supplement put together: tables, figures and their legends in the order of reading."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from forestry.results import FigureLegend
from forestry.supplement.model import FigureEntry, Section, Supplement, annexures
from forestry.tables.model import Table


def assemble(
    settings: Mapping,
    tables: Sequence[Table],
    legends: Sequence[FigureLegend],
    figures: Path,
) -> Supplement:
    """The supplement: the tables of the main text, its figures, the others, the annexures.

    `settings` are those of `Review.supplement_settings`; `figures` is the folder in which
    each figure stands under its id.
    """
    entries = [
        FigureEntry(
            *(row.figure, row.annexure, row.title, row.text),
            pdf=figures / f"{row.figure}.pdf",
            png=figures / f"{row.figure}.png",
        )
        for row in legends
    ]
    return Supplement(
        title=settings["title"],
        article=settings["article"],
        details=tuple(tuple(pair) for pair in settings["details"]),
        summary=SUMMARY,
        made_with=MADE_WITH,
        sections=in_order(tables, entries, settings["annexures"]),
    )


def in_order(
    tables: Iterable[Table], figures: Iterable[FigureEntry], titles: Mapping[str, str]
) -> tuple[Section, ...]:
    """The sections in the order of reading, those that hold anything.

    A table belongs to the supplementary ones where its id does not begin with a digit.
    """
    tables = tuple(tables)
    own = tuple(table for table in tables if table.id[0].isdigit())
    extra = tuple(table for table in tables if not table.id[0].isdigit())
    main, *others = annexures(figures, titles) or (Section(""),)
    parts = (Section("Tables of the main text", own), main, Section("Supplementary tables", extra))
    return tuple(part for part in (*parts, *others) if part.tables or part.figures)


SUMMARY = (
    "All tables and figures of the review, computed from the study-level numbers of its "
    "extraction sheet. A study without a public number is named where it belongs: it is not "
    "pooled, or, marked with a dagger, with numbers solved from a published pooled result, of "
    "which what is pooled is no evidence."
)
MADE_WITH = (
    "Made with Forestry from the extraction sheet: every number and every legend is computed."
)
