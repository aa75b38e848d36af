"""The rows of a whole sheet, solved together from its published results."""

from __future__ import annotations

from collections.abc import Mapping

from forestry.reconstruction.count_rows import solve_count_sheet
from forestry.reconstruction.means import COLUMNS, solve_means_sheet
from forestry.reconstruction.solution import SheetSolution


def solve_sheet(task: Mapping) -> SheetSolution:
    """Solve the rows without numbers of a sheet. `task` is one of `jobs.reconstruction.tasks`.

    Deterministic: the same task gives the same rows.
    """
    if task["pools"][0]["effects"]["measure"] in COLUMNS:
        return solve_means_sheet(task)
    return solve_count_sheet(task)
