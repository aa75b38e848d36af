"""The rows that a reconstruction has solved: checked like those of a sheet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from forestry.faults import Fault
from forestry.reconstruction.files import (
    CELLS,
    FOLDER,
    MANIFEST,
    SOLUTIONS,
    CellRange,
    Record,
    Solution,
)
from forestry.records import read_records
from forestry.validation import rules
from forestry.validation.columns import PUBLISHED, category
from forestry.validation.declaration import Declaration
from forestry.validation.reading import Table, read_sheet
from forestry.validation.sheets import Family, sheet_faults
from forestry.validation.tables import Tables
from forestry.validation.words import unknown

NOT_SOLVED = ("unit", "source", "note")  # columns of a sheet that solved rows have not
NEEDED = ("status", "basis", "evidence")
RECORDS = {SOLUTIONS: Solution, CELLS: CellRange, MANIFEST: Record}


def reconstructed_faults(declared: Declaration, found: Tables, resources: Path) -> list[Fault]:
    """Every fault of ``resources/reconstructed/``, where the review reads it and it exists."""
    folder = resources / FOLDER
    if not declared.reconstructed or not folder.is_dir():
        return []
    return list(_faults(declared, found, folder, f"{found.folder}/{FOLDER}"))


def _faults(declared: Declaration, found: Tables, folder: Path, name: str) -> Iterator[Fault]:
    for path in sorted(folder.glob("*.csv")):
        file = f"{name}/{path.name}"
        if path.stem in RECORDS:
            yield from _record_faults(path, file)
        elif path.stem in found.extraction:
            yield from _row_faults(path, file, declared, found)
        else:
            rule = f"{unknown('sheet', path.stem, found.extraction)}; delete the file"
            yield Fault(file, "", "", "", rule)


def _record_faults(path: Path, file: str) -> Iterator[Fault]:
    try:
        read_records(path, RECORDS[path.stem])
    except ValueError as error:
        yield Fault(file, "", "", "", str(error).removeprefix(f"{path}: "))


def _row_faults(path: Path, file: str, declared: Declaration, found: Tables) -> Iterator[Fault]:
    table, faults = read_sheet(path, file)
    yield from faults
    if table is None:
        return
    yield from sheet_faults(table, solved_family(found.families[path.stem]))
    yield from _place_faults(table, found.extraction[path.stem], declared)


def _place_faults(table: Table, sheet: Table, declared: Declaration) -> Iterator[Fault]:
    """A solved row is of a study of its sheet, from a result of a declared outcome."""
    studies = sheet.column("study_id")
    for line, row in table:
        study = row.get("study_id", "").strip()
        if study and study not in studies:
            yield table.fault(line, row, "study_id", f"is not in {sheet.file}")
        basis = PUBLISHED.fullmatch(row.get("basis", "").strip())
        if basis and basis[1] not in declared.outcomes:
            yield table.fault(line, row, "basis", unknown("outcome", basis[1], declared.outcomes))


def solved_family(family: Family) -> Family:
    """The family of the solved rows of a sheet's family: its numbers, and how they were solved."""
    columns = [column for column in family.columns if column.name not in NOT_SOLVED]
    columns = [
        replace(column, needed=True) if column.name in NEEDED else column for column in columns
    ]
    statuses = (rules.DERIVED, rules.RECONSTRUCTED)
    columns = [
        replace(column, kind=category(*statuses), values=statuses)
        if column.name == "status"
        else column
        for column in columns
    ]
    return Family(f"solved {family.name}", tuple(columns), family.rules)
