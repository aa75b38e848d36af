"""The supplement as data: sections of tables and figures, in the order of reading."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from forestry.tables.model import Table

MAIN = "main"


@dataclass(frozen=True)
class FigureEntry:
    """A figure of the supplement; the PDF sets its `pdf`, the Word document its `png`."""

    id: str
    annexure: str
    title: str
    legend: str
    pdf: Path
    png: Path

    @property
    def name(self) -> str:
        """Its name for a reader: ``Figure S1``."""
        return f"Figure {self.id}"


@dataclass(frozen=True)
class Section:
    """A part under one heading: its tables, then its figures. `intro` opens it."""

    title: str
    tables: tuple[Table, ...] = ()
    figures: tuple[FigureEntry, ...] = ()
    intro: str = ""


@dataclass(frozen=True)
class Supplement:
    """A supplement: what its title page says, and its sections.

    article: what it belongs to. details: further lines of the title page, as (name, text)
        pairs: registration, DOI. summary: a paragraph on the title page. made_with: the
        programs, at its foot.
    """

    title: str
    article: str
    sections: tuple[Section, ...]
    summary: str = ""
    details: tuple[tuple[str, str], ...] = ()
    made_with: str = ""
    kind: str = "Supplementary appendix"

    @property
    def tables(self) -> tuple[Table, ...]:
        return tuple(table for section in self.sections for table in section.tables)

    @property
    def figures(self) -> tuple[FigureEntry, ...]:
        return tuple(figure for section in self.sections for figure in section.figures)


def annexures(
    figures: Iterable[FigureEntry], titles: Mapping[str, str] | None = None
) -> tuple[Section, ...]:
    """The figures by annexure: those of the main text first, then each annexure in turn.

    titles: what an annexure is about, by its name in figures.csv.
    """
    found: dict[str, list[FigureEntry]] = {}
    for figure in figures:
        found.setdefault(figure.annexure, []).append(figure)
    return tuple(
        Section(_annexure_title(name, titles or {}), figures=tuple(found[name]))
        for name in sorted(found, key=_annexure_order)
    )


def _annexure_order(name: str) -> tuple[int, int, str]:
    if name == MAIN:
        return 0, 0, ""
    return (1, int(name), "") if name.isdigit() else (2, 0, name)


def _annexure_title(name: str, titles: Mapping[str, str]) -> str:
    if name == MAIN:
        return titles.get(name, "Figures of the main text")
    return f"Annexure {name}: {titles[name]}" if name in titles else f"Annexure {name}"


def column_widths(table: Table, widest: int = 30) -> list[float]:
    """How wide each column should be, in characters: by its heading's words and its cells.

    A column of width 0 is as wide as what it holds; the others share what they need, no
    more than `widest` characters each at width 1.
    """
    plain = [row.cells for row in table.rows if row.kind in ("body", "quiet")]
    widths = []
    for i, column in enumerate(table.columns):
        cells = [len(cells[i]) for cells in plain] or [0]
        head = max(len(word) for word in column.name.replace("\u00ad", " ").split() or [""])
        natural = max(max(cells), head)
        limit = natural if not column.width else widest * max(column.width, 0.5) / 1.5
        widths.append(max(min(natural, limit), head) + 1.0)
    return widths


def fractions(widths: Sequence[float]) -> list[float]:
    return [width / sum(widths) for width in widths]
