"""Writes a reconstruction to ``resources/reconstructed/``, its manifest last."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from forestry.atomic import write_whole
from forestry.reconstruction.files import (
    CELLS,
    FOLDER,
    MANIFEST,
    METHOD,
    SOLUTIONS,
    CellRange,
    Record,
    Solution,
)
from forestry.reconstruction.results import NOT_SOLVABLE, NOTHING_UNKNOWN
from forestry.reconstruction.solution import SheetSolution
from forestry.records import write_records
from forestry.rows import digest


def write_reconstruction(
    resources: Path, settings: Mapping, solved: Sequence[SheetSolution]
) -> None:
    """Write the solutions of the sheets of `settings`, and take away files of other sheets.

    `settings` are those of `jobs.reconstruction.reconstruct_settings`, and `solved` has a
    solution for each of its sheets, in their order. Each file is replaced whole; until the
    manifest is, the last file, a review takes what is there for stale.
    """
    folder = resources / FOLDER
    folder.mkdir(exist_ok=True)
    sheets = [sheet["sheet"] for sheet in settings["sheets"]]
    for sheet, solution in zip(settings["sheets"], solved, strict=True):
        write_whole(folder / f"{sheet['sheet']}.csv", _rows_text(sheet["columns"], solution.rows))
    write_records(folder / f"{SOLUTIONS}.csv", Solution, _solutions(settings, solved))
    cells = [cell for solution in solved for cell in solution.cells]
    write_records(folder / f"{CELLS}.csv", CellRange, cells)
    records = [
        _record(sheet, solution) for sheet, solution in zip(settings["sheets"], solved, strict=True)
    ]
    write_records(folder / f"{MANIFEST}.csv", Record, records)
    for path in folder.glob("*.csv"):
        if path.stem not in (*sheets, SOLUTIONS, CELLS, MANIFEST):
            path.unlink()


def _record(sheet: Mapping, solution: SheetSolution) -> Record:
    rows = [{column: row.get(column, "") for column in sheet["columns"]} for row in solution.rows]
    return Record(sheet["sheet"], sheet["solved_from"], digest(rows), METHOD, sheet["seed"])


def _solutions(settings: Mapping, solved: Sequence[SheetSolution]) -> list[Solution]:
    """Those of every published result, in the order in which they are published."""
    rows = [row for solution in solved for row in solution.solutions]
    rows += [_unsolved(result) for result in settings["unsolved"]]
    order = [tuple(place) for place in settings["published"]]
    return sorted(rows, key=lambda row: order.index((row.outcome, row.variant)))


def _unsolved(result: Mapping) -> Solution:
    blank = dict.fromkeys(("unmet", "contradicted", "freed", "held", "totals", "criterion"), "")
    return Solution(
        outcome=result["outcome"],
        variant=result["variant"],
        verdict=NOT_SOLVABLE if result["reason"] else NOTHING_UNKNOWN,
        k=result["k"],
        k_unknown=None if result["reason"] else 0,
        solutions=None,
        exhaustive=False,
        distance=None,
        reason=result["reason"],
        **blank,
    )


def _rows_text(columns: Sequence[str], rows: Sequence[Mapping[str, str]]) -> str:
    text = io.StringIO()
    table = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    return text.getvalue()
