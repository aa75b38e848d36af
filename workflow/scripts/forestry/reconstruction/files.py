"""What a reconstruction leaves in ``resources/reconstructed/``, and whether it still holds.

``<sheet>.csv`` has the solved rows of a sheet (the columns of its numbers, status, basis,
evidence), ``solutions.csv`` what was solved for each published result, ``cells.csv`` what
each unknown number can be, ``manifest.csv`` from what they were solved. The files are
committed: a review reads them and solves nothing. Light to import.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from forestry.records import read_records
from forestry.rows import digest, read_table

FOLDER = "reconstructed"
SOLUTIONS, CELLS, MANIFEST = "solutions", "cells", "manifest"
TABLES = (SOLUTIONS, CELLS, MANIFEST)
METHOD = 2  # raised where the method gives other rows of the same numbers
COMMAND = "snakemake --cores 2 reconstruct"


@dataclass(frozen=True)
class Solution:
    """What was solved for a published result: a row of ``solutions.csv``."""

    outcome: str
    variant: str
    verdict: str  # unique | several | none | nothing unknown | not solvable
    k: int | None  # rows that the result pools in the sheet
    k_unknown: int | None
    solutions: int | None  # their number, or a lower bound; empty where they are not countable
    exhaustive: bool  # whether all were looked at
    distance: float | None  # units of the last printed digit by which the rows miss it
    unmet: str  # the printed statistics that the rows do not meet
    contradicted: str  # those among them that were set aside: they contradict the others
    freed: str  # known rows without which there would be solutions
    held: str  # studies whose rows were taken from another result of the sheet
    totals: str  # fixed | upper bound | ""
    criterion: str  # by which one solution of several was taken
    reason: str


@dataclass(frozen=True)
class CellRange:
    """An unknown number of a sheet and its range over the solutions: a row of ``cells.csv``.

    `fixed` says that what was published leaves this value alone; `low` and `high` are empty
    where the solutions are not countable.
    """

    sheet: str
    study_id: str
    column: str
    value: float
    low: float | None
    high: float | None
    fixed: bool
    outcome: str  # the published result that it was solved from
    variant: str


@dataclass(frozen=True)
class Record:
    """From what the rows of a sheet were solved: a row of ``manifest.csv``."""

    sheet: str
    solved_from: str  # digest of the sheet's rows, its published results, its declaration
    rows: str  # digest of the solved rows
    method: int
    seed: int


def stale(tasks: Mapping[str, Mapping], resources: Path) -> list[str]:
    """The sheets whose solved rows are not those of the review as it stands.

    `tasks` are those of `jobs.reconstruction.tasks`. A sheet is stale that was solved from
    other numbers, by another method, or never, or is not to be solved any more, and one
    whose solved rows are not those that were written.
    """
    folder = resources / FOLDER
    manifest = folder / f"{MANIFEST}.csv"
    known = {row.sheet: row for row in read_records(manifest, Record)} if manifest.exists() else {}
    return [
        sheet
        for sheet in dict.fromkeys((*tasks, *known))
        if sheet not in tasks or not _holds(known.get(sheet), tasks[sheet], folder)
    ]


def _holds(record: Record | None, task: Mapping, folder: Path) -> bool:
    if record is None or (record.solved_from, record.method) != (digest_of(task), METHOD):
        return False
    file = folder / f"{record.sheet}.csv"
    return file.exists() and digest(read_table(file)) == record.rows


def digest_of(task: Mapping) -> str:
    """A short name of all that a sheet's rows are solved from."""
    return digest([dict(task)])


def refusal(sheets: Iterable[str]) -> str:
    """What to say where reconstructed rows are stale, and what to do."""
    named = "\n".join(f"  resources/{FOLDER}/{sheet}.csv" for sheet in sheets)
    return (
        "Reconstructed rows are not those of the review as it stands: the sheet's rows, the "
        f"published results or the declaration have changed since they were solved.\n{named}\n"
        f"Run `{COMMAND}` (with the --directory of this run, if any) to solve them anew, "
        "or set `reconstructed: false` in config.yaml. Nothing under results/ was changed."
    )
