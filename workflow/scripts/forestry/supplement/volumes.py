"""A supplement of very many tables and figures in volumes.

To set pages takes memory in proportion to them, about three quarters of a megabyte for a figure
with its legend and as much for five rows of a table; no volume needs more than a small machine
has.

Which figures a volume holds is known before any is drawn, from what is declared: a volume waits
for its own alone, and all volumes together for each figure once.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from forestry.supplement.model import FigureEntry, Section, Supplement
from forestry.tables.model import Row, Table

ROOM = 400  # figures that a volume holds
ROWS = 5  # rows of a table that take as much as a figure


def volumes_of(figures: int, rows: int) -> int:
    """Of how many volumes a supplement is that has about so many figures and rows of tables."""
    return max(1, math.ceil((figures + rows / ROWS) / ROOM))


def figures_of_volumes(
    sections: Sequence[Section], of: int, rows: Mapping[str, int]
) -> list[list[str]]:
    """The ids of the figures of each volume; the tables among the sections may still be empty."""
    divided = _divided(sections, of, rows)
    return [
        [part.item.id for part in parts if isinstance(part.item, FigureEntry)] for parts in divided
    ]


def volume(supplement: Supplement, number: int, of: int, rows: Mapping[str, int]) -> Supplement:
    """One of so many volumes, of about the same size, the first of which is number 1.

    rows: about how many each table was declared to have, by its id.

    Tables are cut between their sections, and keep their heads and notes. Each volume says
    which of all it is, and what the others hold.
    """
    if of == 1:
        return supplement
    divided = _divided(supplement.sections, of, rows)
    found = [_bound(supplement, parts) for parts in divided]
    held = [(f"Volume {i}", _from_to(sections)) for i, sections in enumerate(found, start=1)]
    return replace(
        supplement,
        kind=f"{supplement.kind}, volume {number} of {of}",
        details=(*supplement.details, *(line for line in held if line[1])),
        sections=found[number - 1],
    )


@dataclass(frozen=True)
class _Part:
    """What is not divided: a figure, or rows of a table; the section that it stands in.

    Its size is exact: whatever the tables turn out to have, each figure stays in its volume.
    """

    section: int
    item: Table | FigureEntry
    size: Fraction


def _divided(
    sections: Sequence[Section], volumes: int, rows: Mapping[str, int]
) -> list[list[_Part]]:
    """The parts of each volume, in the order of reading."""
    parts = [part for i, section in enumerate(sections) for part in _parts(i, section, rows)]
    share = sum(part.size for part in parts) / volumes
    found, before = [[] for _ in range(volumes)], Fraction(0)
    for part in parts:
        place = int((before + part.size / 2) / share) if share else 0
        found[min(place, volumes - 1)].append(part)
        before += part.size
    return found


def _parts(i: int, section: Section, rows: Mapping[str, int]) -> Iterator[_Part]:
    """The parts of a section: a table's have together the size that it was declared to have."""
    for table in section.tables:
        size = Fraction(rows[table.id], ROWS)
        for piece in _cut(table):
            own = Fraction(len(piece.rows), len(table.rows)) if table.rows else 1
            yield _Part(i, piece, size * own)
    for figure in section.figures:
        yield _Part(i, figure, Fraction(1))


def _cut(table: Table) -> Iterator[Table]:
    """A table as pieces that each begin with a section; without sections, as one."""
    rows: list[Row] = []
    for row in table.rows:
        if row.kind == "section" and rows:
            yield replace(table, rows=tuple(rows))
            rows = []
        rows.append(row)
    yield replace(table, rows=tuple(rows))


def _bound(supplement: Supplement, parts: Sequence[_Part]) -> tuple[Section, ...]:
    """The parts under the headings of their sections, pieces of a table as one again."""
    bound = []
    for i, section in enumerate(supplement.sections):
        own = [part.item for part in parts if part.section == i]
        pieces: dict[str, list[Table]] = {}
        for item in own:
            if isinstance(item, Table):
                pieces.setdefault(item.id, []).append(item)
        tables = tuple(
            replace(some[0], rows=tuple(row for piece in some for row in piece.rows))
            for some in pieces.values()
        )
        figures = tuple(item for item in own if isinstance(item, FigureEntry))
        if own:
            bound.append(replace(section, tables=tables, figures=figures))
    return tuple(bound)


def _from_to(sections: Sequence[Section]) -> str:
    """What the sections hold, by its first and its last name."""
    names = [item.name for section in sections for item in (*section.tables, *section.figures)]
    return " to ".join(dict.fromkeys((names[0], names[-1]))) if names else ""
