"""Tables whose columns are the fields of a frozen dataclass.

One way to read and to write every table that the workflow makes: an empty cell is
None (or "" in a text column), a float is written with the digits that restore it
exactly, a boolean is ``true`` or ``false``.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import fields
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import TypeVar, get_args, get_origin, get_type_hints

from forestry.atomic import replacing

Record = TypeVar("Record")


def read_records(path: str | Path, record: type[Record]) -> list[Record]:
    """The rows of a table as dataclasses of type `record`, in the file's order.

    Raises ValueError, naming the file, where the header differs from the fields or
    a cell is not of its field's type.
    """
    columns = _columns(record)
    with open(path, encoding="utf-8", newline="") as file:
        table = csv.reader(file)
        header = next(table, [])
        if header != list(columns):
            raise ValueError(f"{path}: columns {header} are not those of {record.__name__}")
        return [_parse(path, record, columns, row) for row in table]


def write_records(path: str | Path, record: type[Record], rows: Iterable[Record]) -> None:
    """Write dataclasses of type `record` as a table, header first, in the given order."""
    columns = _columns(record)
    with replacing(path) as part, open(part, "w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(columns)
        table.writerows([_format(getattr(row, column)) for column in columns] for row in rows)


@cache
def _columns(record: type) -> dict[str, tuple[type, bool]]:
    """Each field's plain type and whether it may be None."""
    hints = get_type_hints(record)
    return {field.name: _plain(hints[field.name]) for field in fields(record)}


def _plain(hint) -> tuple[type, bool]:
    if get_origin(hint) is UnionType:
        (plain,) = (arm for arm in get_args(hint) if arm is not NoneType)
        return plain, True
    return hint, False


def _parse(path, record, columns, row):
    if len(row) != len(columns):
        raise ValueError(f"{path}: {len(row)} cells in a row of {len(columns)} columns: {row}")
    cells = {}
    for (column, (kind, optional)), text in zip(columns.items(), row, strict=True):
        try:
            cells[column] = None if optional and text == "" else _read_cell(kind, text)
        except ValueError as error:
            raise ValueError(f"{path}: {column} is {text!r}, not {kind.__name__}") from error
    return record(**cells)


def _read_cell(kind: type, text: str):
    if kind is bool:
        if text not in ("true", "false"):
            raise ValueError(text)
        return text == "true"
    return kind(text)


def _format(value) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(float(value))
    return str(value)


def by_outcome(rows: Iterable[Record]) -> dict[str, list[Record]]:
    """The rows of each outcome, in their order: of many outcomes, to look through once."""
    found: dict[str, list[Record]] = {}
    for row in rows:
        found.setdefault(row.outcome, []).append(row)
    return found


def collate(paths: Iterable[str | Path], output: str | Path) -> None:
    """Write tables of the same columns one after the other, under one header.

    Raises ValueError, naming the file, where a header differs from the first one.
    """
    first = None
    with replacing(output) as part, open(part, "w", encoding="utf-8", newline="") as joined:
        for path in paths:
            header, _, rows = Path(path).read_text(encoding="utf-8").partition("\n")
            if first is None:
                first = header
                joined.write(header + "\n")
            if header != first:
                raise ValueError(f"{path}: its columns differ from those of the first table")
            joined.write(rows)
