"""What a reader is told of bad input: all of it, once, in order, each with its place."""

import pytest

from forestry.faults import BadInput, Fault

SHEET = "resources/extraction/sheet.csv"


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (Fault(SHEET, "lim2020", "events", "21", "must not exceed total, 20"),
         f"{SHEET}, study lim2020, events = '21': must not exceed total, 20"),
        (Fault(SHEET, "lim2020", "events", "", "is missing"),
         f"{SHEET}, study lim2020, events: is missing"),
        (Fault(SHEET, "lim2020", "", "", "stands twice"), f"{SHEET}, study lim2020: stands twice"),
        (Fault(SHEET, "line 7", "", "", "has 5 cells"), f"{SHEET}, line 7: has 5 cells"),
        (Fault(SHEET, "", "evnts", "", "unknown column"), f"{SHEET}, evnts: unknown column"),
        (Fault(SHEET, "", "", "", "is empty"), f"{SHEET}: is empty"),
        (Fault("config.yaml", "", "pooling.raw.alhpa", "0.01", "unknown key"),
         "config.yaml, pooling.raw.alhpa = '0.01': unknown key"),
        (Fault(SHEET, "a", "events", " 3\n", "no number"),
         f"{SHEET}, study a, events = ' 3\\n': no number"),
    ],
)  # fmt: skip
def test_a_fault_names_its_place_and_its_rule(fault, told):
    assert str(fault) == told


def test_every_fault_is_told_once_and_in_order():
    last = Fault(SHEET, "zoe2020", "total", "x", "no number")
    first = Fault("config.yaml", "", "outcomes", "", "the key is missing")
    middle = Fault(SHEET, "abe2019", "total", "x", "no number")
    error = BadInput(fault for fault in [last, first, middle, last])
    assert error.faults == (first, middle, last)
    assert str(error).splitlines() == [
        "The review's input has 3 faults:", f"  {first}", f"  {middle}", f"  {last}",
    ]  # fmt: skip


def test_one_fault_is_one():
    fault = Fault(SHEET, "", "", "", "is empty")
    assert str(BadInput([fault, fault])).splitlines() == [
        "The review's input has 1 fault:", f"  {fault}",
    ]  # fmt: skip


def test_bad_input_is_a_value_error():
    with pytest.raises(ValueError, match="is empty"):
        raise BadInput([Fault(SHEET, "", "", "", "is empty")])
