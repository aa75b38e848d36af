"""What solving a sheet gives, and its file between two jobs."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from forestry.atomic import write_whole
from forestry.reconstruction.files import CellRange, Solution


@dataclass(frozen=True)
class SheetSolution:
    """The solved rows of a sheet, as texts by column, and what is known of them.

    `solutions` are those of the sheet's published results, in the task's order.
    """

    rows: tuple[dict[str, str], ...]
    solutions: tuple[Solution, ...]
    cells: tuple[CellRange, ...]


def write_solution(path: str | Path, solved: SheetSolution) -> None:
    """Write a sheet's solution (JSON), for `read_solution`."""
    text = json.dumps(asdict(solved), ensure_ascii=False, indent=1)
    write_whole(path, text + "\n")


def read_solution(path: str | Path) -> SheetSolution:
    content = json.loads(Path(path).read_text(encoding="utf-8"))
    return SheetSolution(
        rows=tuple(content["rows"]),
        solutions=tuple(Solution(**row) for row in content["solutions"]),
        cells=tuple(CellRange(**row) for row in content["cells"]),
    )
