"""A supplement of very many tables and figures in volumes.

To set pages takes memory in proportion to them, about half a megabyte for a figure with its
legend and as much for five rows of a table; no volume needs more than a small machine has.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from forestry.supplement.model import FigureEntry, Section, Supplement
from forestry.tables.model import Row, Table

ROOM = 500  # figures that a volume holds
ROWS = 5  # rows of a table that take as much as a figure


def volumes_of(figures: int, rows: int) -> int:
    """Of how many volumes a supplement is that has about so many figures and rows of tables."""
    return max(1, math.ceil((figures + rows / ROWS) / ROOM))


def volume(supplement: Supplement, number: int, of: int) -> Supplement:
    """One of so many volumes, of about the same size, the first of which is number 1.

    Tables are cut between their sections, and keep their heads and notes. Each volume says
    which of all it is, and what the others hold.
    """
    if of == 1:
        return supplement
    found = [_bound(supplement, parts) for parts in _divided(supplement, of)]
    held = [(f"Volume {i}", _from_to(sections)) for i, sections in enumerate(found, start=1)]
    return replace(
        supplement,
        kind=f"{supplement.kind}, volume {number} of {of}",
        details=(*supplement.details, *(line for line in held if line[1])),
        sections=found[number - 1],
    )


@dataclass(frozen=True)
class _Part:
    """What is not divided: a figure, or rows of a table; the section that it stands in."""

    section: int
    item: Table | FigureEntry
    size: float


def _divided(supplement: Supplement, volumes: int) -> list[list[_Part]]:
    """The parts of each volume, in the order of reading."""
    parts = [
        part
        for i, section in enumerate(supplement.sections)
        for part in (
            *(_Part(i, piece, len(piece.rows) / ROWS) for t in section.tables for piece in _cut(t)),
            *(_Part(i, figure, 1.0) for figure in section.figures),
        )
    ]
    share = sum(part.size for part in parts) / volumes
    found, before = [[] for _ in range(volumes)], 0.0
    for part in parts:
        found[min(int((before + part.size / 2) / share), volumes - 1)].append(part)
        before += part.size
    return found


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
