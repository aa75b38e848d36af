"""A supplement of many tables and figures in volumes: all of it, in order, each part once."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pypdfium2 as pdfium
import pytest
import yaml

from forestry.jobs.documents import volumes
from forestry.review import Review
from forestry.supplement.model import FigureEntry, Section, Supplement
from forestry.supplement.pdf import write_pdf
from forestry.supplement.volumes import ROOM, ROWS, figures_of_volumes, volume, volumes_of
from forestry.tables.model import Column, Row, Table, section
from synthetic import write_review

ROOT = Path(__file__).resolve().parents[2]
COLUMNS = (Column("Outcome"), Column("k", "right", kind="number"))
DECLARED = {"1": 20, "S1": 160}


def figures(prefix, number):
    for i in range(1, number + 1):
        id = f"{prefix}{i}"
        yield FigureEntry(id, "main", f"Figure of {id}", f"Legend of {id}.", Path(id), Path(id))


def rows_of(outcomes):
    for i in range(outcomes):
        yield section(f"Outcome {i}")
        yield from (Row((("Main", "")[j > 0], str(j))) for j in range(3))


@pytest.fixture
def supplement():
    plain = Table("1", "Plain", COLUMNS, tuple(Row((f"Study {i}", "1")) for i in range(20)))
    cut = Table("S1", "Of many", COLUMNS, tuple(rows_of(40)), ("A note.",))
    return Supplement(
        "A review",
        "An article",
        (
            Section("Tables", (plain,), intro="What is in them."),
            Section("Figures", figures=tuple(figures("F", 30))),
            Section("More", (cut,), tuple(figures("S", 7))),
        ),
        details=(("DOI", "10.1000/182"),),
    )


def test_one_volume_is_the_supplement(supplement):
    assert volume(supplement, 1, 1, DECLARED) is supplement


@pytest.mark.parametrize("of", [2, 3, 7])
def test_volumes_hold_everything_once_and_in_order(supplement, of):
    found = [volume(supplement, number, of, DECLARED) for number in range(1, of + 1)]
    assert [part.kind for part in found] == [
        f"Supplementary appendix, volume {number} of {of}" for number in range(1, of + 1)
    ]
    assert [figure for part in found for figure in part.figures] == list(supplement.figures)
    for table in supplement.tables:
        pieces = [own for part in found for own in part.tables if own.id == table.id]
        assert tuple(row for piece in pieces for row in piece.rows) == table.rows
        assert {(p.title, p.columns, p.notes) for p in pieces} == {
            (table.title, table.columns, table.notes)
        }
    titles = dict.fromkeys(part.title for whole in found for part in whole.sections)
    assert list(titles) == [part.title for part in supplement.sections]


@pytest.mark.parametrize("of", [2, 3, 7])
def test_a_piece_of_a_table_begins_with_a_section(supplement, of):
    for number in range(1, of + 1):
        for table in volume(supplement, number, of, DECLARED).tables:
            assert table.id == "1" or table.rows[0].kind == "section"


@pytest.mark.parametrize("of", [2, 3, 7])
def test_volumes_are_of_about_the_same_size(supplement, of):
    sizes = [
        len(part.figures) + sum(len(table.rows) for table in part.tables) / ROWS
        for part in (volume(supplement, number, of, DECLARED) for number in range(1, of + 1))
    ]
    # A table without sections, here of 4, is the largest part that is not divided.
    assert max(sizes) - min(sizes) <= 4 + 1


@pytest.mark.parametrize("of", [1, 2, 3, 7])
@pytest.mark.parametrize("declared", [DECLARED, {"1": 3, "S1": 400}, {"1": 0, "S1": 0}])
def test_which_figures_a_volume_holds_is_known_before_any_row_of_a_table(supplement, of, declared):
    outline = [
        replace(part, tables=tuple(replace(table, rows=()) for table in part.tables))
        for part in supplement.sections
    ]
    found = [volume(supplement, number, of, declared) for number in range(1, of + 1)]
    held = [[figure.id for figure in part.figures] for part in found]
    assert figures_of_volumes(outline, of, declared) == held
    assert [id for own in held for id in own] == [figure.id for figure in supplement.figures]
    assert all(part.sections for part in found)


def test_each_volume_says_what_all_hold(supplement):
    details = [volume(supplement, number, 3, DECLARED).details for number in (1, 2, 3)]
    assert details[0] == details[1] == details[2]
    assert details[0][0] == ("DOI", "10.1000/182")
    assert [name for name, _ in details[0][1:]] == ["Volume 1", "Volume 2", "Volume 3"]
    assert details[0][1][1].startswith("Table 1 to Figure F")
    assert details[0][3][1].endswith("to Figure S7")


def test_a_volume_is_set_with_pages_of_its_own(supplement, tmp_path):
    tables = Supplement("A review", "An article", (Section("More", (supplement.tables[1],)),))
    write_pdf(volume(tables, 2, 2, DECLARED), tmp_path / "v.pdf")
    with pdfium.PdfDocument(tmp_path / "v.pdf") as document:
        pages = [page.get_textpage().get_text_range() for page in document]
    assert "VOLUME 2 OF 2" in pages[0]
    assert f"2 / {len(pages)}" in pages[1]
    assert "Outcome 39" in pages[-1] and not any("Outcome 0\r" in page for page in pages)


@pytest.mark.parametrize("folder", [ROOT, ROOT / "reviews/bcg"])
def test_a_bundled_review_is_one_volume(folder):
    config = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    assert len(volumes(Review(config, folder / "resources"))) == 1


def test_the_number_of_volumes_grows_with_what_is_declared(tmp_path):
    found = []
    for outcomes in (10, 200, 400):
        folder = write_review(tmp_path / str(outcomes), outcomes)
        config = yaml.safe_load((folder / "config.yaml").read_text())
        found.append(len(volumes(Review(config, folder / "resources"))))
    assert found[0] == 1 < found[1] < found[2]
    assert all(a < b for a, b in pairwise(volumes_of(ROOM * n, 0) for n in (1, 2, 3)))
    assert volumes_of(0, 0) == 1 == volumes_of(ROOM, 0) and volumes_of(0, ROWS * ROOM + 1) == 2
