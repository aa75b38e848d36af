"""All tables in one workbook, a sheet each. Texts are texts: nothing in a cell is a formula."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import count
from pathlib import Path
from textwrap import wrap

from forestry.atomic import replacing
from forestry.figures.wording import MINUS
from forestry.supplement.model import column_needs, plain_text
from forestry.tables.model import Column, Row, Table

FONT = "Calibri"
ACCENT, TINT, HAIR, MUTED = "#0b3f6b", "#eef3f7", "#c9d0d6", "#5d6770"
JUDGEMENTS = {"Low": "#cfe8d5", "Unclear": "#fbe6bd", "High": "#f2cbc4"}

# One printed number and nothing else: its sign, its digits, its decimals.
NUMBER = re.compile(rf"[+{MINUS}]?\d+(?:\.(?P<decimals>\d+))?")
LONGEST_SHEET_NAME = 31
LINE = 13.2  # height of a line in points
WIDEST = 60  # characters in a column before its text is wrapped
HAIRLINE, MEDIUM = 1, 2  # border styles
CREATED = datetime(1980, 1, 1)  # of the file: the same tables give the same bytes


def write_workbook(tables: Sequence[Table], output: str | Path, title: str = "") -> None:
    """Write the tables as a workbook: a sheet of contents, then a sheet for each.

    Columns of kind ``number`` hold numbers where a cell is one number, as precise as it
    is printed. Raises ValueError where two tables share a name.
    """
    import xlsxwriter

    names = [table.name[:LONGEST_SHEET_NAME] for table in tables]
    if len(set(names)) != len(names):
        raise ValueError(f"tables of one name: {', '.join(names)}")
    options = {
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
        "in_memory": True,
    }
    with replacing(output) as part, xlsxwriter.Workbook(str(part), options) as book:
        book.set_properties({"title": title, "author": "", "created": CREATED})
        formats = _Formats(book)
        _contents(book, tables, names, title, formats)
        for table, name in zip(tables, names, strict=True):
            _Sheet(book.add_worksheet(name), table, formats).write()


class _Formats:
    """Cell formats by what they are for; each is made once."""

    def __init__(self, book):
        self._book = book
        self._made: dict[tuple, object] = {}

    def __call__(self, **properties):
        key = tuple(sorted(properties.items()))
        if key not in self._made:
            base = {"font_name": FONT, "font_size": 10, "valign": "top"}
            self._made[key] = self._book.add_format(base | properties)
        return self._made[key]


def _contents(book, tables, names, title: str, formats: _Formats) -> None:
    sheet = book.add_worksheet("Contents")
    sheet.hide_gridlines(2)
    sheet.set_column(0, 0, 12)
    sheet.set_column(1, 1, 70)
    sheet.write_string(0, 0, title or "Tables", formats(bold=True, font_size=14, font_color=ACCENT))
    link = formats(font_color=ACCENT, bold=True)
    for row, table, name in zip(count(2), tables, names, strict=False):
        sheet.write_url(row, 0, f"internal:'{name}'!A1", link, string=table.name)
        sheet.write_string(row, 1, table.title, formats(text_wrap=True))


class _Sheet:
    """A table on its sheet: title, frozen heads, rows, notes."""

    def __init__(self, sheet, table: Table, formats: _Formats):
        self.sheet = sheet
        self.table = table
        self.formats = formats
        self.widths = [
            max(need.least, min(need.best, WIDEST)) + 1.5 for need in column_needs(table)
        ]
        self.last = len(table.columns) - 1

    def write(self) -> None:
        self._page()
        title = f"{self.table.name}. {self.table.title}"
        style = self.formats(bold=True, font_size=12, font_color=ACCENT)
        self.sheet.write_string(0, 0, title, style)
        top = self._heads(2)
        self.sheet.freeze_panes(top, 1)
        self.sheet.repeat_rows(2, top - 1)
        for i, row in enumerate(self.table.rows):
            WRITERS.get(row.kind, _Sheet._cells)(self, top + i, row)
        self._notes(top + len(self.table.rows) + 1)

    def _page(self) -> None:
        self.sheet.hide_gridlines(2)
        for i, width in enumerate(self.widths):
            self.sheet.set_column(i, i, width)
        self.sheet.set_paper(9)  # A4
        if self.table.landscape:
            self.sheet.set_landscape()
        self.sheet.set_margins(left=0.5, right=0.5, top=0.6, bottom=0.7)
        self.sheet.fit_to_pages(1, 0)
        self.sheet.set_footer(f"&L{self.table.name}&R&P of &N")

    def _heads(self, row: int) -> int:
        """Write the headings; returns the first row below them."""
        if any(column.group for column in self.table.columns):
            self._groups(row)
            row += 1
        for i, column in enumerate(self.table.columns):
            style = self._style(column, bold=True, valign="bottom", bottom=MEDIUM)
            self.sheet.write_string(row, i, plain_text(column.name), style)
        heads = [plain_text(column.name) for column in self.table.columns]
        self._height(row, zip(heads, self.widths, strict=True))
        return row + 1

    def _groups(self, row: int) -> None:
        start = 0
        for name, span in self.table.groups:
            style = self.formats(bold=True, align="center", bottom=HAIRLINE if name else 0)
            self._over(row, start, start + span - 1, name, style)
            start += span

    def _cells(self, at: int, row: Row) -> None:
        colour = {"font_color": MUTED} if row.kind == "quiet" else {}
        for i, (column, cell) in enumerate(zip(self.table.columns, row.cells, strict=True)):
            self._cell(at, i, column, cell, colour)
        self._height(at, zip(row.cells, self.widths, strict=True))

    def _cell(self, at: int, i: int, column: Column, cell: str, colour: Mapping) -> None:
        number = NUMBER.fullmatch(cell) if column.kind == "number" else None
        if number:
            style = self._style(column, num_format=_number_format(number), **colour)
            self.sheet.write_number(at, i, float(cell.replace(MINUS, "-")), style)
            return
        if column.kind == "judgement" and cell in JUDGEMENTS:
            colour = {"bg_color": JUDGEMENTS[cell]}
        write = self.sheet.write_string if cell else self.sheet.write_blank
        write(at, i, cell, self._style(column, **colour))

    def _section(self, at: int, row: Row) -> None:
        style = self.formats(bold=True, font_color=ACCENT, bg_color=TINT)
        self._over(at, 0, self.last, row.cells[0], style)

    def _span(self, at: int, row: Row) -> None:
        style = self.formats(text_wrap=True, bottom=HAIRLINE, bottom_color=HAIR)
        self.sheet.write_string(at, 0, row.cells[0], style)
        self._over(at, 1, self.last, row.cells[1], style)
        widths = (self.widths[0], sum(self.widths[1:]))
        self._height(at, zip(row.cells, widths, strict=True))

    def _notes(self, at: int) -> None:
        style = self.formats(font_color=MUTED, font_size=9, text_wrap=True)
        for i, note in enumerate(self.table.notes):
            self._over(at + i, 0, self.last, note, style)
            self._height(at + i, [(note, sum(self.widths))])

    def _style(self, column: Column, **more):
        wanted = {
            "align": column.align,
            "text_wrap": True,
            "bottom": HAIRLINE,
            "bottom_color": HAIR,
        }
        return self.formats(**(wanted | more))

    def _over(self, row: int, first: int, last: int, text: str, style) -> None:
        """A text over several columns."""
        if first < last:
            self.sheet.merge_range(row, first, row, last, "", style)
        self.sheet.write_string(row, first, text, style)

    def _height(self, row: int, cells: Iterable[tuple[str, float]]) -> None:
        """Room for the cell with the most lines: not every program finds it by itself."""
        lines = [len(wrap(text, max(int(1.05 * width), 4))) for text, width in cells]
        self.sheet.set_row(row, LINE * max([1, *lines]) + 1)


WRITERS = {"section": _Sheet._section, "span": _Sheet._span}


def _number_format(number: re.Match) -> str:
    """The decimals as printed, with a sign on what is printed with a plus."""
    decimals = len(number["decimals"] or "")
    digits = "0" + ("." + "0" * decimals if decimals else "")
    return f"+{digits};{MINUS}{digits};{digits}" if number[0][0] == "+" else digits
