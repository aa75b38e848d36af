"""A sheet as it stands in its file: texts, with the line of each row, or why it has none.

Every cell stays the text that was typed, so that a fault can show it. A byte-order mark
at the start of the file (Excel's "CSV UTF-8") is accepted.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from forestry.faults import Fault

SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}
WIDE_MARKS = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True)
class Table:
    """The rows of a sheet by column, each with the line of the file that it starts on."""

    file: str
    header: tuple[str, ...]
    rows: tuple[Mapping[str, str], ...]
    lines: tuple[int, ...]

    def __iter__(self) -> Iterator[tuple[int, Mapping[str, str]]]:
        return zip(self.lines, self.rows, strict=True)

    def column(self, name: str) -> tuple[str, ...]:
        """The cells of a column without spaces around them; () where it is not there."""
        return tuple(row[name].strip() for row in self.rows if name in row)

    def name_of(self, line: int, row: Mapping[str, str]) -> str:
        """How a fault names a row: its study, or its line where it has no study."""
        return row.get("study_id", "").strip() or f"line {line}"

    def fault(self, line: int, row: Mapping[str, str], column: str, rule: str) -> Fault:
        """A fault of a row's cell."""
        return Fault(self.file, self.name_of(line, row), column, row.get(column, ""), rule)


def read_sheet(path: Path, file: str) -> tuple[Table | None, list[Fault]]:
    """A sheet and the faults of its form; None where its rows cannot be told.

    `file` is the name that faults give it. A row with too many or too few cells is a
    fault and is left out of the table, for its cells cannot be told apart.
    """
    text, faults = _decoded(path.read_bytes(), file)
    if faults:
        return None, faults
    records, faults = _records(text, file)
    if not records:
        return None, faults
    (_, header), *body = records
    faults += _header_faults(header, file)
    if faults and (len(set(header)) < len(header) or len(header) == 1):
        return None, faults
    whole = [(line, cells) for line, cells in body if len(cells) == len(header)]
    faults += [
        _ragged(line, cells, header, file) for line, cells in body if len(cells) != len(header)
    ]
    faults += [_blank(line, file) for line, cells in whole if not any(map(str.strip, cells))]
    kept = [(line, cells) for line, cells in whole if any(map(str.strip, cells))]
    rows = tuple(dict(zip(header, cells, strict=True)) for _, cells in kept)
    return Table(file, tuple(header), rows, tuple(line for line, _ in kept)), faults


def _decoded(content: bytes, file: str) -> tuple[str, list[Fault]]:
    if not content.strip():
        return "", [Fault(file, "", "", "", "the file is empty: it needs its header line")]
    if content.startswith(WIDE_MARKS):
        return "", [Fault(file, "", "", "", "the file is UTF-16: save it as CSV UTF-8")]
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return "", [_not_utf8(content, error.start, line, file)]
    if "\0" in text:
        return "", [Fault(file, "", "", "", "the file is not text: save it as CSV UTF-8")]
    return text, []


def _not_utf8(content: bytes, place: int, line: int, file: str) -> Fault:
    around = content.splitlines()[line - 1] if line <= len(content.splitlines()) else b""
    start = place - (content.rfind(b"\n", 0, place) + 1)
    piece = around[max(0, start - 15) : start + 15].decode("latin-1")
    return Fault(file, f"line {line}", "", piece, f"line {line} is not UTF-8: save it as CSV UTF-8")


def _records(text: str, file: str) -> tuple[list[tuple[int, list[str]]], list[Fault]]:
    """The records with the line that each starts on; blank lines are none."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    records: list[tuple[int, list[str]]] = []
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error:
            rule = f'the quotes (") that start on line {line} do not close before the next comma'
            return records, [Fault(file, f"line {line}", "", "", rule)]
        if cells is None:
            return records, []
        if cells:
            records.append((line, cells))


def _header_faults(header: list[str], file: str) -> list[Fault]:
    if len(header) == 1:
        for mark, name in SEPARATORS.items():
            if mark in header[0]:
                rule = f"the columns are separated by {name}: save it with commas"
                return [Fault(file, "", "", header[0], rule)]
    twice = sorted({name for name in header if header.count(name) > 1})
    return [Fault(file, "", name, "", "the column stands in the header twice") for name in twice]


def _ragged(line: int, cells: list[str], header: list[str], file: str) -> Fault:
    rule = (
        f"line {line} has {len(cells)} cells, the header {len(header)}: "
        "a text with a comma needs quotes, and a number takes a decimal point"
    )
    name = cells[header.index("study_id")].strip() if _has_id(cells, header) else ""
    return Fault(file, name or f"line {line}", "", ",".join(cells), rule)


def _has_id(cells: list[str], header: list[str]) -> bool:
    return "study_id" in header[: len(cells)]


def _blank(line: int, file: str) -> Fault:
    return Fault(file, f"line {line}", "", "", f"line {line} has only empty cells: delete it")
