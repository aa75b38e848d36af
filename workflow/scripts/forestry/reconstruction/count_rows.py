"""The rows of a sheet of counts, solved from its published results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from forestry.consistency import Published
from forestry.models import Pooling
from forestry.reconstruction.counts import Settings
from forestry.reconstruction.files import CellRange, Solution
from forestry.reconstruction.results import NOT_SOLVABLE, Cell, Solved, SolvedRow
from forestry.reconstruction.sharing import SheetSolved, solve_sheet
from forestry.reconstruction.solution import SheetSolution
from forestry.reconstruction.space import ONE_ARM, TWO_ARMS, CountPool, CountRow
from forestry.reconstruction.targets import target_of

UNPRINTED = ("display", "studies", "note")  # words of published.csv, which solve nothing
Found = tuple[Solved, SolvedRow]


def solve_count_sheet(task: Mapping) -> SheetSolution:
    """Every published result of a sheet; `task` is one of `jobs.reconstruction.tasks`.

    A row that all solutions of its result share is `derived`, where no row that the result
    holds from another is anything else; any other solved row is `reconstructed`.
    """
    pools = [_pool(task, pool) for pool in task["pools"]]
    solved = solve_sheet(pools, Settings(seed=task["seed"]))
    found = _found(solved)
    derived = _derived(solved)
    order = [row["study_id"] for row in task["rows"] if row["study_id"] in found]
    rows = [_row(*found[study], derived, _columns(pools)) for study in order]
    cells = [
        _cell_range(task, cell, result)
        for study in order
        for result, _ in [found[study]]
        for cell in result.cells
        if cell.study_id == study
    ]
    members = [pool["members"] for pool in task["pools"]]
    solutions = map(_solution, solved.results, members)
    return SheetSolution(tuple(rows), tuple(solutions), tuple(cells))


def _columns(pools: Sequence[CountPool]) -> tuple[str, ...]:
    return max((pool.columns for pool in pools), key=len)


# What is asked -----------------------------------------------------------------------------


def _pool(task: Mapping, pool: Mapping) -> CountPool:
    rows = {row["study_id"]: row for row in task["rows"]}
    settings, pooling = pool["effects"], Pooling(**pool["pooling"])
    columns = ONE_ARM if settings["measure"] == "proportion" else TWO_ARMS
    published = Published(**pool["published"], **dict.fromkeys(UNPRINTED, ""))
    members = [_count_row(rows[study], columns, task["sizes"]) for study in pool["members"]]
    return CountPool(
        target=target_of(published, len(members), i2_from_q=pooling.i2 == "q"),
        measure=settings["measure"],
        scale=settings["scale"],
        pooling=pooling,
        rows=tuple(members),
    )


def _count_row(row: Mapping[str, str], columns: Sequence[str], sizes: Mapping) -> CountRow:
    size = sizes.get(row["study_id"])
    cells = {column: int(row[column]) if row[column] else None for column in columns}
    return CountRow(row["study_id"], **cells, most=int(size) if size else None)


# What comes of it --------------------------------------------------------------------------


def _found(solved: SheetSolved) -> dict[str, Found]:
    """Each solved row, with the result that it comes from."""
    results = {(result.outcome, result.variant): result for result in solved.results}
    return {study: (results[origin], row) for study, (row, origin) in solved.rows.items()}


def _derived(solved: SheetSolved) -> set[str]:
    """The studies whose rows are fixed, by results that rest on no row which is not."""
    derived: set[str] = set()
    origins = {study: origin for study, (_, origin) in solved.rows.items()}
    waiting = [result for result in solved.results if result.is_solved]
    while ready := [result for result in waiting if set(result.held) <= derived]:
        for result in ready:
            waiting.remove(result)
            own = [
                r for r in result.rows if origins[r.study_id] == (result.outcome, result.variant)
            ]
            derived |= {row.study_id for row in own if _is_fixed(row.study_id, result)}
    return derived


def _is_fixed(study: str, result: Solved) -> bool:
    return all(cell.fixed for cell in result.cells if cell.study_id == study)


def _row(result: Solved, row: SolvedRow, derived: set[str], columns: Sequence[str]) -> dict:
    return {
        "study_id": row.study_id,
        **{column: str(getattr(row, column)) for column in columns},
        "status": "derived" if row.study_id in derived else "reconstructed",
        "basis": f"published:{result.outcome}",
        "evidence": _evidence(result, row.study_id),
    }


def _evidence(result: Solved, study: str) -> str:
    place = f"the published {result.outcome}, {result.variant}"
    if not result.is_solved:
        return f"the counts found nearest to {place}: {result.reason}"
    ranges = [_range(cell) for cell in result.cells if cell.study_id == study and not cell.fixed]
    number = f"{result.solutions}" if result.exhaustive else f"at least {result.solutions}"
    if not ranges:
        said = "the only counts" if result.solutions == 1 else f"the same in all {number} solutions"
        return f"{said} with which {place} reads as printed"
    return f"one of {number} solutions of {place}: {', '.join(ranges)}; taken by {result.criterion}"


def _range(cell: Cell) -> str:
    return f"{cell.column.replace('_', ' ')} {cell.low} to {cell.high}"


def _cell_range(task: Mapping, cell: Cell, result: Solved) -> CellRange:
    return CellRange(
        sheet=task["sheet"],
        study_id=cell.study_id,
        column=cell.column,
        value=float(cell.value),
        low=float(cell.low),
        high=float(cell.high),
        fixed=cell.fixed,
        outcome=result.outcome,
        variant=result.variant,
    )


def _solution(result: Solved, members: Sequence[str]) -> Solution:
    is_open = result.verdict != NOT_SOLVABLE
    return Solution(
        outcome=result.outcome,
        variant=result.variant,
        verdict=result.verdict,
        k=len(members),
        k_unknown=result.k_unknown,
        solutions=result.solutions if is_open else None,
        exhaustive=result.exhaustive,
        distance=result.distance if is_open else None,
        unmet=" ".join(result.unmet),
        contradicted=" ".join(result.contradicted),
        freed=" ".join(freed.study_id for freed in result.freed),
        held=" ".join(result.held),
        totals=result.totals if result.k_unknown else "",
        criterion=result.criterion,
        reason=result.reason,
    )
