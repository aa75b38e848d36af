"""Results that pool rows of the same sheet, solved one after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from forestry.reconstruction.counts import Settings, solve
from forestry.reconstruction.results import Solved, SolvedRow
from forestry.reconstruction.space import CountPool, CountRow


@dataclass(frozen=True)
class SheetSolved:
    """The solved results of a sheet, in the order given, and the rows that they leave.

    `rows` has each study's solved row and the result that it comes from, (outcome, variant).
    """

    results: tuple[Solved, ...]
    rows: Mapping[str, tuple[SolvedRow, tuple[str, str]]]


def solve_sheet(pools: Sequence[CountPool], settings: Settings | None = None) -> SheetSolved:
    """Solve results that share rows, the one with the fewest unknown cells first.

    A row that a result solves is held in those after it. Rows of a result without a solution
    are left to the results after it; a row that none of them solves takes the nearest counts
    of the last result that pools it.
    """
    order = sorted(range(len(pools)), key=lambda i: (_unknown_cells(pools[i]), i))
    held: dict[str, tuple[SolvedRow, tuple[str, str]]] = {}
    nearest: dict[str, tuple[SolvedRow, tuple[str, str]]] = {}
    results: dict[int, Solved] = {}
    for i in order:
        pool, names = _holding(pools[i], held)
        found = replace(solve(pool, settings), held=names)
        results[i] = found
        kept = held if found.is_solved else nearest
        origin = (found.outcome, found.variant)
        kept |= {row.study_id: (row, origin) for row in found.rows}
    return SheetSolved(tuple(results[i] for i in range(len(pools))), {**nearest, **held})


def _unknown_cells(pool: CountPool) -> int:
    return sum(len(row.unknown(pool.columns)) for row in pool.rows)


def _holding(pool: CountPool, held: Mapping) -> tuple[CountPool, tuple[str, ...]]:
    places = [i for i in pool.unknown if pool.rows[i].study_id in held]
    rows = {i: _known(held[pool.rows[i].study_id][0]) for i in places}
    return pool.with_rows(rows), tuple(pool.rows[i].study_id for i in places)


def _known(row: SolvedRow) -> CountRow:
    return CountRow(row.study_id, row.events, row.total, row.control_events, row.control_total)
