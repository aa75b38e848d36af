"""A table as data: what the CSV, the workbook and the supplement all show."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from forestry.atomic import replacing, write_whole

ALIGNMENTS = ("left", "center", "right")
COLUMN_KINDS = ("text", "number", "judgement")
ROW_KINDS = ("body", "quiet", "section", "span")

Value = str | int | float | bool | None


@dataclass(frozen=True)
class Column:
    """A column: its heading, and how its cells stand.

    group: a heading over neighbouring columns of the same group.
    width: its share of the width that is left by the columns of width 0, which are as
        wide as what they hold.
    kind: ``number`` where a cell that is one number is one in the workbook too;
        ``judgement`` where cells are low, unclear or high and get a colour.

    Raises ValueError for an unknown alignment or kind.
    """

    name: str
    align: str = "left"
    group: str = ""
    width: float = 0.0
    kind: str = "text"

    def __post_init__(self):
        if self.align not in ALIGNMENTS:
            raise ValueError(f"column {self.name!r}: align is {self.align!r}")
        if self.kind not in COLUMN_KINDS:
            raise ValueError(f"column {self.name!r}: kind is {self.kind!r}")


@dataclass(frozen=True)
class Row:
    """A row of printed cells, and the values behind them.

    kind: ``body``; ``quiet``, of less weight; ``section``, one cell over the whole width;
        ``span``, a cell in the first column and one over the others.
    A row whose first cell is empty goes on with the row above: no page breaks between them.
    values: the numbers and texts behind the cells, unrounded, by tidy column name; {} in
        a row that is a heading only.
    """

    cells: tuple[str, ...]
    kind: str = "body"
    values: Mapping[str, Value] = field(default_factory=dict)

    @property
    def goes_on(self) -> bool:
        return not self.cells[0]


@dataclass(frozen=True)
class Table:
    """A table to print. Raises ValueError where a row does not fit its columns."""

    id: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    landscape: bool = False

    def __post_init__(self):
        needed = {"section": 1, "span": 2}
        for row in self.rows:
            if row.kind not in ROW_KINDS:
                raise ValueError(f"table {self.id}: row kind {row.kind!r}")
            width = needed.get(row.kind, len(self.columns))
            if len(row.cells) != width:
                raise ValueError(
                    f"table {self.id}: {len(row.cells)} cells, not {width}: {row.cells}"
                )

    @property
    def name(self) -> str:
        """Its name for a reader: ``Table S1``."""
        return f"Table {self.id}"

    @property
    def groups(self) -> tuple[tuple[str, int], ...]:
        """The headings over columns, each with the number of columns that it covers."""
        runs: list[tuple[str, int]] = []
        for column in self.columns:
            if runs and column.group and runs[-1][0] == column.group:
                runs[-1] = (column.group, runs[-1][1] + 1)
            else:
                runs.append((column.group, 1))
        return tuple(runs)


def section(text: str) -> Row:
    """A heading within a table."""
    return Row((text,), "section")


# Files ------------------------------------------------------------------------------------


def write_csv(table: Table, path: str | Path) -> None:
    """The values behind a table, unrounded, a row a record; headings and notes are left out.

    Columns are those of the rows' values, in order of appearance. Raises ValueError for a
    table with rows but no values.
    """
    records = [row.values for row in table.rows if row.values]
    if table.rows and not records:
        raise ValueError(f"table {table.id} has no values to write")
    header = list(dict.fromkeys(name for record in records for name in record))
    with replacing(path) as part, open(part, "w", encoding="utf-8", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(header)
        out.writerows([_plain(record.get(name)) for name in header] for record in records)


def _plain(value: Value) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(float(value)) if isinstance(value, float) else str(value)


def write_table(table: Table, path: str | Path) -> None:
    """Write a table whole (JSON), for `read_table`."""
    text = json.dumps(asdict(table), ensure_ascii=False, indent=1, allow_nan=False)
    write_whole(path, text + "\n")


def read_table(path: str | Path) -> Table:
    """A table as `write_table` wrote it."""
    found = json.loads(Path(path).read_text(encoding="utf-8"))
    found["columns"] = tuple(Column(**column) for column in found["columns"])
    found["rows"] = tuple(Row(tuple(row.pop("cells")), **row) for row in found["rows"])
    found["notes"] = tuple(found["notes"])
    return Table(**found)


def read_tables(paths: Iterable[str | Path]) -> list[Table]:
    return [read_table(path) for path in paths]
