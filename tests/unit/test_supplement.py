import re
import zipfile
from ctypes import c_int

import openpyxl
import pypdfium2 as pdfium
import pypdfium2.raw as raw
import pytest
import typst
from docx import Document
from docx.enum.section import WD_ORIENT
from docx.oxml.ns import qn
from docx.shared import Mm

from forestry.supplement.model import (
    FigureEntry,
    Need,
    Section,
    Supplement,
    annexures,
    column_needs,
    shared_width,
)
from forestry.supplement.pdf import write_pdf
from forestry.supplement.word import write_docx
from forestry.supplement.workbook import write_workbook
from forestry.tables.model import Column, Row, Table, section

# What would be markup, a formula or a field, were a cell not plain text.
SLY = (
    "=1+1",
    "+1-2",
    "-2",
    "@SUM(A1)",
    "http://example.org",
    "#panic()",
    "$x^2$",
    "*bold* _it_",
    '#image("x")',
    "<label> @ref [a] \\ // no comment",
    "a & b < c",
)
MARGIN_MM = 18


def table(id="S1", rows=3, **more):
    columns = (
        Column("Study", width=2),
        Column("Total count", "right", group="Patients", kind="number"),
        Column("Treated count", "right", group="Patients", kind="number"),
        Column("Bias", "center", kind="judgement"),
    )
    body = tuple(Row((f"Study {i}", str(i), "−1.50", "Low")) for i in range(rows))
    given = {"notes": ("A note under the table.",)} | more
    return Table(id, f"The title of {id}", columns, (section("The first part"), *body), **given)


def sly_table():
    columns = (Column("Text", width=1), Column("Number", "right", kind="number"))
    rows = [Row((text, text)) for text in SLY] + [Row(("=1+1", "=1+1"), "quiet")]
    return Table(
        "S9", SLY[0], columns, (section(SLY[0]), Row((SLY[5], SLY[0]), "span"), *rows), SLY
    )


@pytest.fixture(scope="session")
def draw(tmp_path_factory):
    """A figure of a size in mm that says its name, as PDF and PNG."""
    folder = tmp_path_factory.mktemp("figures")

    def figure(id, width=174, height=60, annexure="1", title=None, legend=None):
        page = (
            f"#set page(width: {width}mm, height: {height}mm, margin: 0mm)\n"
            f"#rect(width: 100%, height: 100%, fill: silver)[#h(1fr) Drawn {id} #h(1fr)]"
        )
        for kind in ("pdf", "png"):
            path = folder / f"{id}.{kind}"
            path.write_bytes(typst.compile(page.encode(), format=kind, ppi=72))
        return FigureEntry(
            id=id,
            annexure=annexure,
            title=title or f"Forest plot of outcome {id}",
            legend=legend or f"The legend of {id}.",
            pdf=folder / f"{id}.pdf",
            png=folder / f"{id}.png",
        )

    return figure


@pytest.fixture(scope="session")
def supplement(draw):
    figures = [draw("1", annexure="main"), draw("S1", height=110), draw("S2", height=110)]
    figures += [draw("S3", height=420, annexure="2"), draw("S4", width=85, annexure="2")]
    main, *others = annexures(figures, {"1": "Muscle", "2": "Skin"})
    return Supplement(
        title="A review of reviews",
        article="Authors et al., Journal 2022",
        summary="What this is.",
        details=(("Registration", "CRD42"),),
        made_with="Made with Forestry",
        sections=(
            main,
            Section(
                "Supplementary tables", (table(landscape=True), table("S2", rows=90), sly_table())
            ),
            *others,
        ),
    )


@pytest.fixture(scope="session")
def pdf(supplement, tmp_path_factory):
    path = tmp_path_factory.mktemp("pdf") / "supplement.pdf"
    write_pdf(supplement, path)
    document = pdfium.PdfDocument(path)
    yield document
    document.close()


@pytest.fixture(scope="session")
def word(supplement, tmp_path_factory):
    path = tmp_path_factory.mktemp("docx") / "supplement.docx"
    write_docx(supplement, path)
    return Document(path)


def page_texts(document):
    texts = []
    for page in document:
        text = page.get_textpage()
        texts.append(" ".join(text.get_text_range().split()))
        text.close()
        page.close()
    return texts


@pytest.fixture(scope="session")
def pages(pdf):
    return page_texts(pdf)


# The model ---------------------------------------------------------------------------------


def test_annexures_stand_in_order_the_main_figures_first(draw):
    figures = [draw(f"F{name}", annexure=name) for name in ("10", "2", "main", "2", "x")]
    found = annexures(figures, {"2": "Skin"})
    titles = ["Figures of the main text", "Annexure 2: Skin", "Annexure 10", "Annexure x"]
    assert [part.title for part in found] == titles
    assert [len(part.figures) for part in found] == [1, 2, 1, 1]


def test_widths_add_up_and_hold_the_longest_word():
    needs = column_needs(table())
    assert needs[1].least == needs[1].best  # width 0: as wide as what it holds
    for total in (60, 100, 400):
        widths = shared_width(needs, total, padding=1)
        assert sum(widths) == pytest.approx(total, rel=1e-12)
        assert all(width >= need.least + 1 for width, need in zip(widths, needs, strict=True))
    assert sum(shared_width(needs, 10, 1)) == pytest.approx(10, rel=1e-12)
    assert shared_width([Need(2, 2), Need(2, 2)], 20, 1) == [10, 10]


# PDF --------------------------------------------------------------------------------------


def test_the_pdf_has_every_figure_on_one_page_with_its_legend(supplement, pages):
    for figure in supplement.figures:
        whole = [
            page
            for page in pages
            if f"Drawn {figure.id} " in f"{page} " and f"The legend of {figure.id}." in page
        ]
        assert len(whole) == 1, figure.id
        assert f"{figure.name} {figure.title}" in whole[0]


def test_the_title_page_says_what_it_is(supplement, pages):
    for said in (supplement.title, supplement.article, "What this is.", "CRD42", "Made with"):
        assert said in pages[0]


def links(document, index):
    """The page that each link of a page leads to."""
    page = document[index]
    found, position, link = [], c_int(0), raw.FPDF_LINK()
    while raw.FPDFLink_Enumerate(page, position, link):
        target = raw.FPDFLink_GetDest(document, link)
        found.append(raw.FPDFDest_GetDestPageIndex(document, target))
    page.close()
    return found


def test_the_contents_link_to_every_table_and_figure(supplement, pdf, pages):
    assert pages[1].count("Contents") >= 1
    targets = links(pdf, 1)
    items = [
        text
        for part in supplement.sections
        for text in (
            part.title,
            *(f"{item.name} {item.title}" for item in part.tables + part.figures),
        )
    ]
    assert len(targets) == len(items)
    for item, target in zip(items, targets, strict=True):
        assert item in pages[target]
        listed = re.search(rf"{re.escape(item)}[ .]*(\d+)", pages[1])
        assert listed and int(listed[1]) == target + 1


def test_the_bookmarks_are_the_headings(supplement, pdf):
    titles = [bookmark.get_title() for bookmark in pdf.get_toc()]
    assert "Annexure 1: Muscle" in titles
    assert all(f"{figure.name} {figure.title}" in titles for figure in supplement.figures)


def test_a_long_table_repeats_its_heads_and_its_section(pages):
    holding = [page for page in pages if re.search(r"Study (40|89) ", page)]
    assert len(holding) == 2
    for page in holding:
        assert "Patients" in page and "Treated count" in page and "The first part" in page
    assert len([page for page in pages if "The title of S2" in page]) == 2  # contents and table


def test_a_wide_table_stands_on_a_turned_page(pdf, pages):
    for page, text in zip(pdf, pages, strict=True):
        width, height = page.get_size()
        assert (width > height) == ("The title of S1" in text and "Study 0" in text)
        page.close()


def test_pages_are_numbered_below_a_running_head(supplement, pages):
    for i, page in enumerate(pages[1:], start=2):
        assert f"{i} / {len(pages)}" in page
        assert f"{supplement.kind} · {supplement.title}" in page
    assert f"/ {len(pages)}" not in pages[0]


def test_texts_are_never_markup_in_the_pdf(pages):
    (page,) = [page for page in pages if "panic" in page]
    for text in SLY:
        assert page.count(text) >= 2, text


def test_figures_keep_their_size_unless_the_page_is_too_small(pdf):
    """A figure is a form in its page, as large as the frame that it draws."""
    sizes = []
    for page in pdf:
        for item in page.get_objects([raw.FPDF_PAGEOBJ_FORM], max_depth=1):
            left, bottom, right, top = item.get_bounds()
            sizes.append(((right - left) * 25.4 / 72, (top - bottom) * 25.4 / 72))
        page.close()
    natural = [(174, 60), (174, 110), (174, 110), (174, 420), (85, 60)]
    for size, own in zip(sizes, natural, strict=True):
        scale = size[1] / own[1]
        assert scale == pytest.approx(0.5 if own[1] == 420 else 1, abs=0.06)
        assert size[0] == pytest.approx(own[0] * scale, abs=0.6)


@pytest.mark.parametrize("rows", range(38, 56, 2))
def test_notes_are_never_alone_on_a_page(tmp_path, rows):
    only = Section("Tables", (table(rows=rows),))
    write_pdf(Supplement("T", "A", (only,)), tmp_path / "s.pdf")
    document = pdfium.PdfDocument(tmp_path / "s.pdf")
    texts = page_texts(document)
    document.close()
    (page,) = [page for page in texts if "A note under the table." in page]
    assert f"Study {rows - 1}" in page


def test_the_same_content_gives_the_same_bytes(supplement, tmp_path):
    for write in (write_pdf, write_docx):
        write(supplement, tmp_path / "a")
        write(supplement, tmp_path / "b")
        assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_no_date_is_written(supplement, tmp_path, pdf):
    assert not {key for key, value in pdf.get_metadata_dict().items() if "Date" in key and value}
    write_docx(supplement, tmp_path / "s.docx")
    with zipfile.ZipFile(tmp_path / "s.docx") as archive:
        assert {member.date_time for member in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


@pytest.mark.parametrize("write", [write_pdf, write_docx])
def test_a_missing_figure_is_named(draw, tmp_path, write):
    figure = draw("S77")
    figure.pdf.unlink()
    figure.png.unlink()
    with pytest.raises(ValueError, match="Figure S77: no file"):
        write(Supplement("T", "A", (Section("One", figures=(figure,)),)), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_tables_without_rows_or_notes_are_set(tmp_path):
    empty = Table("1", "Nothing", (Column("Study"),), ())
    bare = table("2", notes=())
    ending = Table("3", "End", (Column("Study"), Column("n")), (section("Part"),), ("Note.",))
    whole = Supplement("T", "A", (Section("Tables", (empty, bare, ending)),))
    write_pdf(whole, tmp_path / "s.pdf")
    write_docx(whole, tmp_path / "s.docx")
    write_workbook(whole.tables, tmp_path / "t.xlsx")
    assert len(Document(tmp_path / "s.docx").tables) == 3


def table_of_variants():
    """Forty variants of five tests each, of which the first alone says the variant's name."""
    columns = (Column("Variant", width=2), Column("Test"), Column("p", "right", kind="number"))
    rows = [
        Row((f"variant {i:02}," * (j == 0), f"test {i:02}.{j}", "0.05"))
        for i in range(40)
        for j in range(5)
    ]
    return Table("S4", "Tests", columns, (section("An outcome"), *rows), ("A note.",))


def test_no_page_breaks_between_a_name_and_its_rows(tmp_path):
    whole = Supplement("T", "A", (Section("Tables", (table_of_variants(),)),))
    write_pdf(whole, tmp_path / "s.pdf")
    with pdfium.PdfDocument(tmp_path / "s.pdf") as document:
        pages = [page.get_textpage().get_text_range() for page in document]
    assert sum("test" in page for page in pages) > 2
    for i in range(40):
        (page,) = [page for page in pages if f"variant {i:02}," in page]
        assert all(f"test {i:02}.{j}" in page for j in range(5))
        assert "An outcome" in page


# Word -------------------------------------------------------------------------------------


def test_word_keeps_a_name_and_its_rows_on_one_page(tmp_path):
    whole = Supplement("T", "A", (Section("Tables", (table_of_variants(),)),))
    write_docx(whole, tmp_path / "s.docx")
    (made,) = Document(tmp_path / "s.docx").tables
    kept = [bool(row.cells[1].paragraphs[0].paragraph_format.keep_with_next) for row in made.rows]
    assert kept[2:] == [True, True, True, True, False] * 40


def test_word_has_real_headings_in_order(supplement, word):
    found = [(p.style.name, p.text) for p in word.paragraphs if p.style.name.startswith("Heading")]
    expected = []
    for part in supplement.sections:
        expected.append(("Heading 1", part.title))
        for item in (*part.tables, *part.figures):
            expected.append(("Heading 2", f"{item.name}. {item.title}"))
    assert found == expected


def test_word_has_a_contents_field_with_links_to_bookmarks(supplement, word):
    body = word.element.body
    codes = [code.text for code in body.iter(qn("w:instrText"))]
    assert any(code.strip().startswith("TOC") for code in codes)
    kinds = [mark.get(qn("w:fldCharType")) for mark in body.iter(qn("w:fldChar"))]
    assert kinds == ["begin", "separate", "end"]
    anchors = [link.get(qn("w:anchor")) for link in body.iter(qn("w:hyperlink"))]
    marks = [mark.get(qn("w:name")) for mark in body.iter(qn("w:bookmarkStart"))]
    assert anchors == marks
    assert len(anchors) == len(supplement.sections) + len(supplement.tables + supplement.figures)


def test_word_repeats_the_heads_of_tables(supplement, word):
    for made, given in zip(word.tables, supplement.tables, strict=True):
        repeated = [row._tr.find(qn("w:trPr")).find(qn("w:tblHeader")) for row in made.rows]
        heads = 2 if any(column.group for column in given.columns) else 1
        assert [mark is not None for mark in repeated] == [
            *([True] * heads),
            *([False] * len(given.rows)),
        ]


def test_word_figures_have_captions_and_fit(supplement, word):
    captions = [p.text for p in word.paragraphs if p.style.name == "Caption"]
    assert captions == [figure.legend for figure in supplement.figures]
    for shape in word.inline_shapes:
        assert shape.width <= Mm(174.5) and shape.height <= Mm(201)
    assert word.inline_shapes[4].width == pytest.approx(Mm(85), rel=0.01)
    described = [shape._inline.docPr.get("descr") for shape in word.inline_shapes]
    assert described == [f"{figure.name}: {figure.title}" for figure in supplement.figures]


def test_word_holds_each_picture_as_its_file(supplement, word):
    held = word.part.related_parts
    shown = [shape._inline.graphic.graphicData.pic.blipFill.blip for shape in word.inline_shapes]
    pictures = [held[blip.embed].blob for blip in shown]
    assert pictures == [figure.png.read_bytes() for figure in supplement.figures]
    numbers = [shape._inline.docPr.id for shape in word.inline_shapes]
    assert len(set(numbers)) == len(supplement.figures)


def test_word_turns_the_page_for_a_wide_table(word):
    turned = [part.orientation == WD_ORIENT.LANDSCAPE for part in word.sections]
    assert turned == [False, True, False]
    assert all((part.page_width > part.page_height) == one
               for part, one in zip(word.sections, turned, strict=True))  # fmt: skip


def test_word_tables_are_as_wide_as_the_page(word):
    for made, page_mm in zip(word.tables, (297, 210, 210), strict=True):
        width = sum(column.width for column in made.columns)
        assert width == pytest.approx(Mm(page_mm - 2 * MARGIN_MM), rel=1e-3)


def test_word_texts_are_plain(word):
    made = word.tables[2]
    assert [row.cells[0].text for row in made.rows[3:14]] == list(SLY)


def test_word_pages_are_numbered(word):
    codes = [field.get(qn("w:instr")).strip() for field in
             word.sections[0].footer._element.iter(qn("w:fldSimple"))]  # fmt: skip
    assert codes == ["PAGE", "NUMPAGES"]
    assert "A review of reviews" in word.sections[0].header.paragraphs[0].text


# Workbook ---------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def book(supplement, tmp_path_factory):
    path = tmp_path_factory.mktemp("xlsx") / "tables.xlsx"
    write_workbook(supplement.tables, path, "Tables of a review")
    return openpyxl.load_workbook(path)


def test_the_workbook_has_a_sheet_for_each_table(book):
    assert book.sheetnames == ["Contents", "Table S1", "Table S2", "Table S9"]
    assert book["Contents"]["B3"].value == "The title of S1"
    assert book["Contents"]["A3"].hyperlink.location == "'Table S1'!A1"


def test_no_cell_of_the_workbook_is_a_formula_or_a_link(book):
    cells = [cell for sheet in book for row in sheet.iter_rows() for cell in row]
    assert not [cell.coordinate for cell in cells if cell.data_type == "f"]
    sheet = book["Table S9"]
    assert not [cell for row in sheet.iter_rows() for cell in row if cell.hyperlink]
    shown = [sheet.cell(6 + i, 1).value for i in range(len(SLY))]
    assert shown == list(SLY)


def test_single_numbers_are_numbers_as_printed(tmp_path):
    columns = (Column("Text", width=1), Column("Number", "right", kind="number"))
    texts = ["12", "−1.50", "+2.3", "<0.001", "–", "63.6 (47.4–77.2)", "×0.75", ""]
    made = Table("1", "Numbers", columns, tuple(Row((text, text)) for text in texts))
    write_workbook([made], tmp_path / "t.xlsx")
    sheet = openpyxl.load_workbook(tmp_path / "t.xlsx")["Table 1"]
    found = [sheet.cell(4 + i, 2) for i in range(len(texts))]
    assert [cell.value for cell in found] == [12, -1.5, 2.3, *texts[3:7], None]
    assert [cell.number_format for cell in found[:3]] == ["0", "0.00", "+0.0;−0.0;0.0"]
    assert [sheet.cell(4 + i, 1).value for i in range(7)] == texts[:7]
    assert all(sheet.cell(4 + i, 1).data_type == "s" for i in range(7))


def test_heads_are_frozen_and_repeated_in_print(book):
    sheet = book["Table S2"]
    assert sheet.freeze_panes == "B5"
    assert sheet.print_title_rows == "$3:$4"
    assert sheet["A4"].value == "Study"
    assert sheet["B3"].value == "Patients" and "B3:C3" in map(str, sheet.merged_cells.ranges)
    assert book["Table S1"].page_setup.orientation == "landscape"
    assert sheet.page_setup.orientation != "landscape"


def test_notes_stand_below_the_table(book):
    column = [cell.value for cell in book["Table S1"]["A"]]
    assert column[-1] == "A note under the table."


def test_the_workbook_has_the_same_bytes(supplement, tmp_path):
    for name in ("a", "b"):
        write_workbook(supplement.tables, tmp_path / f"{name}.xlsx", "T")
    assert (tmp_path / "a.xlsx").read_bytes() == (tmp_path / "b.xlsx").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.xlsx") as archive:
        assert {member.date_time for member in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert b"1980-01-01" in archive.read("docProps/core.xml")


def test_two_tables_of_one_name_are_refused(tmp_path):
    with pytest.raises(ValueError, match="Table S1, Table S1"):
        write_workbook([table(), table()], tmp_path / "t.xlsx")
    assert not (tmp_path / "t.xlsx").exists()
