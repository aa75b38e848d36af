import math
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forestry.records import collate, read_records, write_records


@dataclass(frozen=True)
class Row:
    study_id: str
    events: int | None
    estimate: float | None
    usable: bool


finite = st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(st.characters(exclude_categories=["C"]), max_size=20)


@given(
    st.lists(
        st.builds(Row, texts, st.none() | st.integers(), st.none() | finite, st.booleans()),
        max_size=5,
    )
)
def test_rows_come_back_exactly(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("records") / "table.csv"
    write_records(path, Row, rows)
    assert read_records(path, Row) == rows


def test_an_empty_cell_is_none_not_zero(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("study_id,events,estimate,usable\nlim2020,,,false\n")
    assert read_records(path, Row) == [Row("lim2020", None, None, False)]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("study_id,events\nlim2020,1\n", "columns"),
        ("study_id,events,estimate,usable\nlim2020,one,,true\n", "events is 'one', not int"),
        ("study_id,events,estimate,usable\nlim2020,1,0.5,yes\n", "usable is 'yes', not bool"),
        ("study_id,events,estimate,usable\nlim2020,1\n", "2 cells in a row of 4"),
    ],
    ids=["columns", "text for a number", "not a boolean", "ragged"],
)
def test_a_table_of_another_form_is_refused(tmp_path, content, told):
    path = tmp_path / "table.csv"
    path.write_text(content)
    with pytest.raises(ValueError, match="table.csv.*" + told):
        read_records(path, Row)


def test_floats_are_written_with_the_digits_that_restore_them(tmp_path):
    path = tmp_path / "table.csv"
    write_records(path, Row, [Row("a", 1, math.nextafter(0.1, 1), True)])
    assert read_records(path, Row)[0].estimate == math.nextafter(0.1, 1)


def test_collate_keeps_one_header_and_refuses_another(tmp_path):
    first, second = tmp_path / "1.csv", tmp_path / "2.csv"
    write_records(first, Row, [Row("a", 1, None, True)])
    write_records(second, Row, [Row("b", 2, None, True), Row("c", 3, None, True)])
    collate([first, second], tmp_path / "all.csv")
    assert [row.study_id for row in read_records(tmp_path / "all.csv", Row)] == ["a", "b", "c"]
    second.write_text("study_id\nb\n")
    with pytest.raises(ValueError, match="2.csv"):
        collate([first, second], tmp_path / "all.csv")
