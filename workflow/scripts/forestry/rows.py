"""The rows of an extraction sheet that an outcome uses, as texts, as they stand in the file."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from forestry.measure_kinds import KINDS

Table = list[dict[str, str]]

# The columns of a sheet that a number can depend on, by what is measured.
NUMBERS = {measure: kind.columns for measure, kind in KINDS.items()}
COLUMNS = tuple(dict.fromkeys(column for columns in NUMBERS.values() for column in columns))
ROW_STATE = ("status", "basis")
UNAVAILABLE = "unavailable"
STUDIES = "studies"


def read_table(path: Path) -> Table:
    """The rows of a sheet as texts, as they stand in the file."""
    with open(path, encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def read_rows(sheet: Path, solved: Iterable[Path] = ()) -> Table:
    """The rows of a sheet, filled from the files of solved numbers (none, or one)."""
    rows = read_table(sheet)
    for path in solved:
        rows = filled(rows, read_table(path))
    return rows


def filled(table: Table, solved: Table) -> Table:
    """A sheet's rows, with solved numbers where the sheet has none.

    `solved` holds rows of the same columns (``resources/reconstructed/``). Of an unavailable
    row all numbers are taken: its size is that of the study's group, a bound alone. Of any
    other row only empty cells are filled. A row that takes a number takes the status and
    basis that go with it.
    """
    found = {row["study_id"]: row for row in solved}
    return [_filled(row, found.get(row["study_id"])) for row in table]


def _filled(row: dict[str, str], solved: Mapping[str, str] | None) -> dict[str, str]:
    if solved is None:
        return row
    numbers = {column: solved[column] for column in COLUMNS if solved.get(column)}
    if row["status"] != UNAVAILABLE:
        numbers = {column: text for column, text in numbers.items() if not row[column]}
    if not numbers:
        return row
    return {**row, **numbers, **{column: solved[column] for column in ROW_STATE}}


def rows_of(table: Table, measure: str, declared: Mapping) -> Table:
    """A sheet's rows, cut down to the study, its state and the numbers of a measure.

    Where the outcome maps the columns of studies.csv, a row is a study that has at
    least one of the mapped numbers or is named in the outcome's `studies`.
    """
    columns = declared.get("columns")
    if not columns:
        used = ("study_id", *ROW_STATE, *NUMBERS[measure])
        return [{column: row[column] for column in used} for row in table]
    rows = [_attribute_row(row, measure, columns) for row in table]
    named = declared.get("studies", ())
    return [row for row in rows if row["status"] != UNAVAILABLE or row["study_id"] in named]


def _attribute_row(study: Mapping[str, str], measure: str, columns: Mapping[str, str]) -> dict:
    numbers = {name: study[columns[name]] if name in columns else "" for name in NUMBERS[measure]}
    known = any(text for name, text in numbers.items() if name != "n")
    status = (study["n_status"] or "reported") if known else UNAVAILABLE
    basis = "source" if known else ""
    return {"study_id": study["study_id"], "status": status, "basis": basis, **numbers}


def size_of(row: Mapping[str, str]) -> int | None:
    """The patients of a row, of both arms; None where it gives none."""
    sizes = [row.get(column) for column in ("total", "control_total", "n", "control_n")]
    known = [int(size) for size in sizes if size]
    return sum(known) if known else None


def digest(rows: Table) -> str:
    """A short name of the rows' content: it changes if and only if a cell or the order does."""
    return hashlib.sha256(json.dumps(rows, sort_keys=True).encode()).hexdigest()[:16]
