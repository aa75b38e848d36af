"""The supplement as a Word document: real headings, repeated table heads, numbered pages."""

from __future__ import annotations

import io
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

from forestry.supplement.model import (
    FigureEntry,
    Section,
    Supplement,
    column_needs,
    plain_text,
    shared_width,
)
from forestry.supplement.word_pictures import Pictures, write_archive
from forestry.tables.model import Column, Row, Table

FONT = "Arial"
ACCENT, TINT, HAIR, MUTED, INK = "0B3F6B", "EEF3F7", "C9D0D6", "5D6770", "1B1F23"
JUDGEMENTS = {"Low": "CFE8D5", "Unclear": "FBE6BD", "High": "F2CBC4"}

PAGE_MM = (210.0, 297.0)
MARGIN_MM = 18.0
FIGURE_WIDTH_MM = 174.0
FIGURE_HEIGHT_MM = 200.0  # leaves room for a heading above and a legend below
CELL_MARGIN_MM = 1.05
LETTER = 0.57  # width of a digit of the font, in its size, and a little to spare
MM_PER_POINT = 25.4 / 72
CREATED = datetime(1980, 1, 1)  # of the file: the same content gives the same bytes


def write_docx(supplement: Supplement, output: str | Path) -> None:
    """Write the supplement as a Word document. The same content gives the same bytes.

    Its table of contents is a field that Word fills with page numbers when it opens the
    file. Raises ValueError, naming the figure, where a figure's PNG is missing.
    """
    writer, file = _Writer(supplement), io.BytesIO()
    writer.write().save(file)
    write_archive(file.getvalue(), writer.pictures.files, CREATED, output)


@dataclass(frozen=True)
class _Entry:
    """A heading as the contents list it."""

    level: int
    text: str
    bookmark: str


class _Writer:
    """Writes a supplement from top to bottom."""

    def __init__(self, supplement: Supplement):
        from docx import Document

        self.supplement = supplement
        self.document = Document()
        self.pictures = Pictures(self.document)
        self.entries = _entries(supplement)
        self.waiting = list(self.entries)
        self.turned = False
        self.style_ids: dict[str, str | None] = {}

    def write(self):
        _set_styles(self.document)
        self._set_properties()
        self._set_page(self.document.sections[0])
        self._running_lines(self.document.sections[0])
        self._title_page()
        self._contents()
        for section in self.supplement.sections:
            self._section(section)
        return self.document

    # Pages --------------------------------------------------------------------------------

    def _set_properties(self) -> None:
        core = self.document.core_properties
        core.title = self.supplement.title
        core.subject = self.supplement.article
        core.author = core.last_modified_by = core.comments = ""
        core.created = core.modified = CREATED
        core.revision = 1

    def _set_page(self, section, turned: bool = False) -> None:
        from docx.enum.section import WD_ORIENT
        from docx.shared import Mm

        width, height = reversed(PAGE_MM) if turned else PAGE_MM
        section.orientation = WD_ORIENT.LANDSCAPE if turned else WD_ORIENT.PORTRAIT
        section.page_width, section.page_height = Mm(width), Mm(height)
        section.left_margin = section.right_margin = Mm(MARGIN_MM)
        section.top_margin, section.bottom_margin = Mm(22), Mm(20)
        section.header_distance = section.footer_distance = Mm(10)

    def _running_lines(self, section) -> None:
        """The running head and the page number, on every page but the title's."""
        section.different_first_page_header_footer = True
        head = section.header.paragraphs[0]
        head.style = self.document.styles["Header"]
        head.add_run(f"{self.supplement.kind} \N{MIDDLE DOT} {self.supplement.title}")
        _border(head, "bottom", HAIR)
        foot = section.footer.paragraphs[0]
        foot.style = self.document.styles["Footer"]
        _field(foot, "PAGE")
        foot.add_run(" / ")
        _field(foot, "NUMPAGES")

    def _turn(self, turned: bool) -> bool:
        """Begin a page of another orientation; tells whether one was begun."""
        from docx.enum.section import WD_SECTION

        if turned == self.turned:
            return False
        section = self.document.add_section(WD_SECTION.NEW_PAGE)
        section.different_first_page_header_footer = False
        self._set_page(section, turned)
        self.turned = turned
        return True

    @property
    def _width_mm(self) -> float:
        return PAGE_MM[1 if self.turned else 0] - 2 * MARGIN_MM

    # Parts --------------------------------------------------------------------------------

    def _title_page(self) -> None:
        given = self.supplement
        self._paragraph(given.kind.upper(), "Forestry kind")
        self._paragraph(given.title, "Title")
        self._paragraph(given.article, "Subtitle")
        if given.summary:
            self._paragraph(given.summary, "Normal")
        for name, text in given.details:
            self._paragraph(f"{name}: {text}", "Normal")
        if given.made_with:
            self._paragraph(given.made_with, "Forestry note")

    def _contents(self) -> None:
        """A field that Word updates, filled meanwhile with links to the headings."""
        head = self._paragraph("Contents", "Forestry contents")
        head.paragraph_format.page_break_before = True
        for i, entry in enumerate(self.entries):
            line = self._paragraph("", f"toc {entry.level}")
            if i == 0:
                _begin_field(line, r' TOC \o "1-2" \h \z \u ')
            _link(line, entry)
            if i == len(self.entries) - 1:
                _end_field(line)

    def _section(self, section: Section) -> None:
        first = section.tables[0].landscape if section.tables else False
        begun = self._turn(first)
        self._heading(1).paragraph_format.page_break_before = not begun
        if section.intro:
            self._paragraph(section.intro, "Normal")
        for table in section.tables:
            self._turn(table.landscape)
            self._table(table)
        for figure in section.figures:
            self._turn(False)
            self._figure(figure)

    def _heading(self, level: int):
        """The next heading in turn, with the bookmark that the contents link to."""
        entry = self.waiting.pop(0)
        if entry.level != level:
            raise AssertionError(f"{entry.text!r} is no heading of level {level}")
        heading = self._paragraph(entry.text, f"Heading {level}")
        _bookmark(heading, entry.bookmark, len(self.entries) - len(self.waiting))
        return heading

    def _figure(self, figure: FigureEntry) -> None:
        if not Path(figure.png).is_file():
            raise ValueError(f"{figure.name}: no file {figure.png}")
        self._heading(2)
        line = self._paragraph("", "Forestry figure")
        room = (FIGURE_WIDTH_MM, FIGURE_HEIGHT_MM)
        words = f"{figure.name}: {figure.title}"
        line.add_run()._r.add_drawing(self.pictures.drawing(figure.png, room, words))
        self._paragraph(figure.legend, "Caption")

    def _paragraph(self, text: str, style: str):
        paragraph = self.document.add_paragraph(text)
        paragraph._p.style = self._style_id(style)
        return paragraph

    def _style_id(self, style: str) -> str | None:
        """The id of a paragraph's style: to look it up takes longer than to write a paragraph."""
        from docx.enum.style import WD_STYLE_TYPE

        if style not in self.style_ids:
            found = self.document.part.get_style_id(style, WD_STYLE_TYPE.PARAGRAPH)
            self.style_ids[style] = found
        return self.style_ids[style]

    # Tables -------------------------------------------------------------------------------

    def _table(self, table: Table) -> None:
        self._heading(2)
        _WordTable(self.document, table, self._width_mm).write()
        for note in table.notes:
            self._paragraph(note, "Forestry note")
        if not table.notes:
            self._paragraph("", "Forestry note")


class _WordTable:
    """A table with repeated heads, rows that do not break, and rules between them."""

    def __init__(self, document, table: Table, width_mm: float):
        self.table = table
        self.columns = table.columns
        self.grouped = any(column.group for column in table.columns)
        heads = 2 if self.grouped else 1
        self.grid = document.add_table(heads + len(table.rows), len(table.columns))
        self.heads = heads
        self.shapes: dict[tuple, object] = {}
        self.size = 7 if table.landscape or len(table.columns) > 8 else 7.5
        letter = LETTER * self.size * MM_PER_POINT
        widths = shared_width(column_needs(table), width_mm / letter, 2 * CELL_MARGIN_MM / letter)
        self.shares = [letter * width for width in widths]

    def write(self) -> None:
        from docx.enum.table import WD_CELL_VERTICAL_ALIGNMENT

        self._widths()
        _table_borders(self.grid)
        rows = list(self.grid.rows)
        if self.grouped:
            self._groups(rows[0])
        for column, cell in zip(self.columns, rows[self.heads - 1].cells, strict=True):
            self._text(cell, plain_text(column.name), column.align, bold=True)
            _cell_border(cell, "bottom", ACCENT)
            cell.vertical_alignment = WD_CELL_VERTICAL_ALIGNMENT.BOTTOM
        for row in rows[: self.heads]:
            _repeat(row)
        last = [not row.goes_on for row in self.table.rows[1:]] + [True]
        for row, content, ends in zip(rows[self.heads :], self.table.rows, last, strict=False):
            _unbroken(row)
            self._row(row, content, keep=not ends)

    def _widths(self) -> None:
        from docx.shared import Mm

        self.grid.autofit = False
        for column, share in zip(self.grid.columns, self.shares, strict=True):
            column.width = Mm(share)
        for row in self.grid.rows:
            for cell, share in zip(row._tr.tc_lst, self.shares, strict=True):
                cell.width = Mm(share)

    def _groups(self, row) -> None:
        cells, start = row.cells, 0
        for name, span in self.table.groups:
            cell = _merged(cells, start, start + span)
            self._text(cell, name, "center", bold=True)
            if name:
                _cell_border(cell, "bottom", MUTED)
            start += span

    def _row(self, row, content: Row, keep: bool) -> None:
        """Write a row; `keep` keeps it on the page of the next one."""
        cells = row.cells
        if content.kind == "section":
            cell = _merged(cells, 0, len(cells))
            self._text(cell, content.cells[0], "left", bold=True, colour=ACCENT, keep=True)
            _shade(cell, TINT)
            return
        if content.kind == "span":
            first = min(2, len(cells) - 1)
            self._text(_merged(cells, 0, first), content.cells[0], "left")
            self._text(_merged(cells, first, len(cells)), content.cells[1], "left")
            return
        colour = MUTED if content.kind == "quiet" else INK
        for column, cell, text in zip(self.columns, cells, content.cells, strict=True):
            self._cell(column, cell, text, colour, keep)

    def _cell(self, column: Column, cell, text: str, colour: str, keep: bool) -> None:
        if column.kind == "judgement" and text in JUDGEMENTS:
            _shade(cell, JUDGEMENTS[text])
        self._text(cell, text, column.align, colour=colour, keep=keep)

    def _text(
        self, cell, text: str, align: str, bold=False, colour: str = INK, keep: bool = False
    ) -> None:
        shape = (align, bold, colour, keep)
        if shape not in self.shapes:
            self.shapes[shape] = self._shape(cell, *shape)
        paragraph = deepcopy(self.shapes[shape])
        paragraph.r_lst[0].text = text
        empty = cell._tc.p_lst[0]
        empty.getparent().replace(empty, paragraph)

    def _shape(self, cell, align: str, bold: bool, colour: str, keep: bool):
        """The paragraph of a cell, still without its text: made once, then copied."""
        from docx.enum.text import WD_ALIGN_PARAGRAPH
        from docx.shared import Pt, RGBColor

        paragraph = cell.paragraphs[0]
        paragraph.style = "Forestry cell"
        paragraph.alignment = WD_ALIGN_PARAGRAPH[align.upper()]
        paragraph.paragraph_format.keep_with_next = keep or None
        run = paragraph.add_run()
        run.font.size = Pt(self.size)
        run.font.bold = bold or None
        run.font.color.rgb = RGBColor.from_string(colour)
        return deepcopy(paragraph._p)


def _entries(supplement: Supplement) -> tuple[_Entry, ...]:
    texts: list[tuple[int, str]] = []
    for section in supplement.sections:
        texts.append((1, section.title))
        items: Sequence[Table | FigureEntry] = (*section.tables, *section.figures)
        texts += [(2, f"{item.name}. {item.title}") for item in items]
    return tuple(_Entry(level, text, f"_Toc{i:06d}") for i, (level, text) in enumerate(texts, 1))


# Styles -----------------------------------------------------------------------------------


def _set_styles(document) -> None:
    style = partial(_set_style, document)
    style("Normal", 10, after=6)
    style("Title", 26, bold=True, colour=INK, after=10)
    style("Subtitle", 12, colour=MUTED, after=30)
    style("Heading 1", 16, bold=True, colour=ACCENT, after=8, keep=True)
    style("Heading 2", 10, bold=True, colour=INK, before=10, after=4, keep=True)
    style("Caption", 8.5, colour=INK, before=5, after=14)
    style("Header", 7.5, colour=MUTED)
    style("Footer", 7.5, colour=MUTED, centred=True)
    style("Forestry kind", 11, bold=True, colour=ACCENT, before=120, after=12)
    style("Forestry contents", 16, bold=True, colour=ACCENT, after=8)
    style("Forestry note", 7.5, colour=MUTED, before=2, after=2)
    style("Forestry cell", 7.5, colour=INK, before=1, after=1)
    style("Forestry figure", 10, after=2, keep=True, centred=True)
    style("toc 1", 10, bold=True, colour=ACCENT, before=6, after=1, keep=True)
    style("toc 2", 8.5, colour=INK, before=0, after=0.5)
    _plain_title(document.styles["Title"])


def _set_style(
    document,
    name: str,
    size: float,
    *,
    bold: bool = False,
    colour: str = INK,
    before: float = 0,
    after: float = 0,
    keep: bool = False,
    centred: bool = False,
) -> None:
    from docx.enum.style import WD_STYLE_TYPE
    from docx.enum.text import WD_ALIGN_PARAGRAPH
    from docx.shared import Pt, RGBColor

    styles = document.styles
    known = {style.name for style in styles}
    style = styles[name] if name in known else styles.add_style(name, WD_STYLE_TYPE.PARAGRAPH)
    font = style.font
    font.name, font.size, font.bold, font.italic = FONT, Pt(size), bold, False
    font.color.rgb = RGBColor.from_string(colour)
    _one_font(style)
    layout = style.paragraph_format
    layout.space_before, layout.space_after = Pt(before), Pt(after)
    layout.keep_with_next = keep
    layout.line_spacing = 1.0
    if centred:
        layout.alignment = WD_ALIGN_PARAGRAPH.CENTER
    if name.startswith("toc"):
        _toc_layout(layout, 0 if name.endswith("1") else 4)


def _one_font(style) -> None:
    """The font for every script, in place of the theme's."""
    from docx.oxml.ns import qn

    fonts = style.element.get_or_add_rPr().get_or_add_rFonts()
    for name in [name for name in fonts.attrib if name.lower().endswith("theme")]:
        del fonts.attrib[name]
    for script in ("ascii", "hAnsi", "cs", "eastAsia"):
        fonts.set(qn(f"w:{script}"), FONT)


def _toc_layout(layout, indent_mm: float) -> None:
    from docx.enum.text import WD_TAB_ALIGNMENT, WD_TAB_LEADER
    from docx.shared import Mm

    layout.left_indent = Mm(indent_mm)
    layout.right_indent = Mm(8)
    layout.tab_stops.add_tab_stop(Mm(FIGURE_WIDTH_MM), WD_TAB_ALIGNMENT.RIGHT, WD_TAB_LEADER.DOTS)


def _plain_title(style) -> None:
    """Without the rule that Word's own Title style draws."""
    from docx.oxml.ns import qn

    properties = style.element.get_or_add_pPr()
    for border in properties.findall(qn("w:pBdr")):
        properties.remove(border)


# WordprocessingML that python-docx has no words for ----------------------------------------


def _element(tag: str, **attributes: str):
    from docx.oxml import OxmlElement
    from docx.oxml.ns import qn

    element = OxmlElement(f"w:{tag}")
    for name, value in attributes.items():
        element.set(qn(f"w:{name}"), value)
    return element


def _begin_field(paragraph, code: str) -> None:
    begin, middle = paragraph.add_run(), paragraph.add_run()
    begin._r.append(_element("fldChar", fldCharType="begin", dirty="true"))
    instruction = _element("instrText")
    instruction.text = code
    instruction.set("{http://www.w3.org/XML/1998/namespace}space", "preserve")
    begin._r.append(instruction)
    middle._r.append(_element("fldChar", fldCharType="separate"))


def _end_field(paragraph) -> None:
    paragraph.add_run()._r.append(_element("fldChar", fldCharType="end"))


def _field(paragraph, code: str) -> None:
    """A field with a number that Word computes."""
    field = _element("fldSimple", instr=f" {code} ")
    run = paragraph.add_run("1")
    field.append(run._r)
    paragraph._p.append(field)


def _link(paragraph, entry: _Entry) -> None:
    """A line of the contents: the heading's text and its page, linked to it."""
    link = _element("hyperlink", anchor=entry.bookmark, history="1")
    link.append(paragraph.add_run(f"{entry.text}\t")._r)
    page = _element("fldSimple", instr=f" PAGEREF {entry.bookmark} \\h ")
    page.append(paragraph.add_run("")._r)
    link.append(page)
    paragraph._p.append(link)


def _bookmark(paragraph, name: str, number: int) -> None:
    paragraph._p.insert(1, _element("bookmarkStart", id=str(number), name=name))
    paragraph._p.append(_element("bookmarkEnd", id=str(number)))


def _border(paragraph, side: str, colour: str) -> None:
    borders = _element("pBdr")
    borders.append(_element(side, val="single", sz="4", space="4", color=colour))
    properties = paragraph._p.get_or_add_pPr()
    properties.insert_element_before(borders, "w:shd", "w:tabs", "w:spacing", "w:ind", "w:jc")


def _table_borders(table) -> None:
    borders = _element("tblBorders")
    rules = {"top": (ACCENT, "8"), "bottom": (ACCENT, "8"), "insideH": (HAIR, "2")}
    for side, (colour, size) in rules.items():
        borders.append(_element(side, val="single", sz=size, space="0", color=colour))
    margins = _element("tblCellMar")
    for side in ("left", "right"):
        margins.append(_element(side, w=str(round(CELL_MARGIN_MM / MM_PER_POINT * 20)), type="dxa"))
    properties = table._tbl.tblPr
    properties.insert_element_before(borders, "w:shd", "w:tblLayout", "w:tblCellMar", "w:tblLook")
    properties.insert_element_before(margins, "w:tblLook")


def _cell_border(cell, side: str, colour: str) -> None:
    borders = _element("tcBorders")
    borders.append(_element(side, val="single", sz="6", space="0", color=colour))
    cell._tc.get_or_add_tcPr().append(borders)


def _shade(cell, colour: str) -> None:
    shade = _element("shd", val="clear", color="auto", fill=colour)
    cell._tc.get_or_add_tcPr().append(shade)


def _merged(cells, start: int, end: int):
    """The cells of a row from `start` to before `end` as one."""
    first, *others = [cell._tc for cell in cells[start:end]]
    first.grid_span = end - start
    first.width = sum(tc.width for tc in (first, *others))
    for tc in others:
        tc.getparent().remove(tc)
    return cells[start]


def _repeat(row) -> None:
    """Repeat a row at the top of every page."""
    row._tr.get_or_add_trPr().append(_element("cantSplit"))
    row._tr.get_or_add_trPr().append(_element("tblHeader"))


def _unbroken(row) -> None:
    row._tr.get_or_add_trPr().append(_element("cantSplit"))
