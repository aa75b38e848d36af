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
        Section(annexure_title(name, titles or {}), figures=tuple(found[name]))
        for name in sorted(found, key=_annexure_order)
    )


def _annexure_order(name: str) -> tuple[int, int, str]:
    if name == MAIN:
        return 0, 0, ""
    return (1, int(name), "") if name.isdigit() else (2, 0, name)


def annexure_title(name: str, titles: Mapping[str, str]) -> str:
    """The heading of an annexure, by its name in figures.csv."""
    if name == MAIN:
        return titles.get(name, "Figures of the main text")
    return f"Annexure {name}: {titles[name]}" if name in titles else f"Annexure {name}"


@dataclass(frozen=True)
class Need:
    """How wide a column should be, in digits: at least its longest word, at best its
    longest cell."""

    least: float
    best: float


def column_needs(table: Table) -> list[Need]:
    """What each column needs; the cells of one of width 0 are not to be broken."""
    plain = [row.cells for row in table.rows if row.kind in ("body", "quiet")]
    needs = []
    for i, column in enumerate(table.columns):
        head = HEAD * _longest_word(plain_text(column.name))
        best = max([_extent(cells[i]) for cells in plain] + [head])
        least = max([_longest_word(cells[i]) for cells in plain] + [head])
        needs.append(Need(least if column.width else best, best))
    return needs


def plain_text(name: str) -> str:
    """A heading without the places where it may be hyphenated."""
    return name.replace("\u00ad", "")


HEAD = 1.12  # headings are bold: so much wider


WIDE, NARROW = "mwMW%@", "iljtfrI.,;:'()[]|! "


def _longest_word(text: str) -> float:
    return max((_extent(word) for word in text.split(" ")), default=0.0)


def _extent(text: str) -> float:
    """How wide a text is in a usual sans serif, in digits."""
    return sum(map(_letter, text))


def _letter(letter: str) -> float:
    if letter in WIDE:
        return 1.5
    if letter in NARROW:
        return 0.6
    return 1.25 if letter.isupper() else 1.0


def shared_width(needs: Sequence[Need], total: float, padding: float) -> list[float]:
    """A width for each column, in digits, that together make `total`.

    Each gets its least, and what is left is shared by what they would still use. Where
    the least is more than there is, all are cut by the same factor.
    """
    room = total - padding * len(needs)
    least = [need.least for need in needs]
    wanted = [min(need.best, room / 2) - need.least for need in needs]
    wanted = [max(more, 0.0) for more in wanted]
    left = room - sum(least)
    if left < 0:
        return [padding + one * room / sum(least) for one in least]
    if not sum(wanted):
        return [padding + one + left / len(least) for one in least]
    return [
        padding + one + left * more / sum(wanted) for one, more in zip(least, wanted, strict=True)
    ]
