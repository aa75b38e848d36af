"""Every rule of the tables, broken on purpose; and that nothing is refused without need."""

import csv
import shutil
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from checked_once import unchanged_tables_checked_once  # noqa: F401
from forestry.faults import BadInput, Fault
from forestry.validation import SCHEMA, check_review, columns, sheets, validate_review
from forestry.validation.columns import number
from forestry.validation.config import DeclarationSchema
from forestry.validation.reading import read_sheet
from forestry.validation.sheets import sheet_faults

ROOT = Path(__file__).resolve().parents[2]
REVIEWS = (ROOT, ROOT / "reviews" / "bcg")
STUDIES = sheets.studies_family(DeclarationSchema.read(SCHEMA).default_studies)

CONFIG = """
review: {title: A review}
studies:
  ref: {type: count}
  design: {type: category, values: [rct, cohort]}
  age: {type: number}
pooling:
  raw: {model: inverse_variance, transform: raw}
  plain: {model: inverse_variance}
outcomes:
  response: {label: Response, data: response, measure: proportion, pooling: raw}
  benefit: {label: Benefit, data: benefit, measure: risk_ratio, pooling: plain}
  time: {label: Time, data: time, measure: mean, unit: months, pooling: plain}
  score: {label: Score, data: score, measure: mean_change, unit: points, pooling: plain}
  weight: {label: Weight, data: weight, measure: mean_difference, unit: kg, pooling: plain}
  falls: {label: Falls, data: falls, measure: incidence_rate, unit: years, pooling: plain}
  strokes: {label: Strokes, data: strokes, measure: incidence_rate_ratio, pooling: plain}
  agreement: {label: Agreement, data: agreement, measure: correlation, pooling: plain}
  death: {label: Death, data: death, measure: hazard_ratio, pooling: plain}
variants: {main: {}}
prisma: {studies_included: 3}
"""
TABLES = {
    "studies.csv": """\
study_id,label,ref,design,age
lim2020,Lim 2020,1,rct,50.5
ohad2020,Ohad 2020,7,cohort,
marie2010,Marie 2010,28,,61
""",
    "extraction/response.csv": """\
study_id,events,total,status,basis,source,evidence,note
lim2020,8,19,reported,source,https://a.org,8 of 19,"a note, with a comma"
ohad2020,16,23,derived,published:time,,23 less 7,
marie2010,,73,unavailable,,,,
""",
    "extraction/benefit.csv": """\
study_id,events,total,control_events,control_total,status,basis,source,evidence,note
lim2020,8,19,0,20,reported,source,https://a.org,,
marie2010,,73,,,unavailable,,,,
""",
    "extraction/time.csv": """\
study_id,n,mean,sd,median,q1,q3,min,max,unit,status,basis,source,evidence,note
lim2020,19,3.5,1.2,3,2,4,1,9,months,reported,source,https://a.org,,
marie2010,73,,,,,,,,months,unavailable,,,,
""",
    "extraction/score.csv": """\
study_id,n,baseline_mean,baseline_sd,end_mean,end_sd,change_mean,change_sd,change_ci_low,change_ci_high,unit,status,basis,source,evidence,note
lim2020,19,7.5,6,3,3.5,-4.5,5,-6,-3,points,reported,source,https://a.org,,
""",
    "extraction/weight.csv": """\
study_id,n,mean,sd,control_n,control_mean,control_sd,unit,status,basis,source,evidence,note
lim2020,19,70,10,20,72,11,kg,reported,source,https://a.org,,
""",
    "extraction/falls.csv": """\
study_id,events,person_time,unit,status,basis,source,evidence,note
lim2020,0,12.5,years,reported,source,https://a.org,,
marie2010,,,years,unavailable,,,,
""",
    "extraction/strokes.csv": """\
study_id,events,person_time,control_events,control_person_time,unit,status,basis,source,evidence,note
lim2020,9,413,19,398,years,reported,source,https://a.org,,
marie2010,,,,,years,unavailable,,,,
""",
    "extraction/agreement.csv": """\
study_id,n,correlation,status,basis,source,evidence,note
lim2020,19,-0.3,reported,source,https://a.org,,
marie2010,73,,unavailable,,,,
""",
    "extraction/death.csv": """\
study_id,estimate,se,ci_low,ci_high,status,basis,source,evidence,note
lim2020,1.18,,0.9,1.54,reported,source,https://a.org,,
ohad2020,1.4,0.2,,,reported,source,https://b.org,,
marie2010,,,,,unavailable,,,,
""",
    "published.csv": """\
outcome,variant,statistic,k,n,estimate,ci_low,ci_high,i2,p_heterogeneity,unit,display,studies,note
response,main,proportion,2,42,57.1,40,73,52,<0.01,percent,Fig 2,1 7,
benefit,main,risk_ratio,1,,1.64,1.3,2.06,,,ratio,,,
time,main,mean,1,,3.5,,,0,1,months,,,
""",
    "published_tests.csv": """\
outcome,variant,test_claimed,statistic,df,p,groups,note
response,step1_design,subgroup_differences,9.4,1,0.002,main,
""",
    "figures.csv": """\
figure,annexure,kind,outcome,variant
1,main,prisma_flow,,
S1,1,forest,response,main
""",
    "quality_rob.csv": """\
study_id,random_sequence,allocation_concealment,blinding_participants,blinding_outcome,incomplete_data,selective_reporting,other,basis
lim2020,low,unclear,high,,low,low,low,the registry entry
""",
    "quality_nos.csv": """\
study_id,selection1,selection2,selection3,selection4,comparability,outcome1,outcome2,outcome3,basis
ohad2020,1,0,1,,2,1,1,0,the abstract
""",
}


@dataclass(frozen=True)
class Review:
    """A small review that has no fault, in a folder of its own, free to be spoilt."""

    resources: Path

    def path(self, file: str) -> Path:
        return self.resources / file

    def edit(self, file: str, old: str, new: str) -> None:
        text = self.path(file).read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {file}"
        self.path(file).write_text(text.replace(old, new), encoding="utf-8")

    def set(self, file: str, row: str, column: str, value: str) -> None:
        """Write a cell; the row is that whose first cell is `row`."""
        with open(self.path(file), encoding="utf-8", newline="") as lines:
            header, *rows = csv.reader(lines)
        (cells,) = (cells for cells in rows if cells[0] == row)
        assert cells[header.index(column)] != value
        cells[header.index(column)] = value
        with open(self.path(file), "w", encoding="utf-8", newline="") as lines:
            csv.writer(lines, lineterminator="\n").writerows([header, *rows])

    def faults(self, **config) -> list[Fault]:
        return list(validate_review({**yaml.safe_load(CONFIG), **config}, self.resources))


@pytest.fixture
def review(tmp_path) -> Review:
    return small_review(tmp_path)


def small_review(folder: Path) -> Review:
    for file, text in TABLES.items():
        path = folder / "resources" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return Review(folder / "resources")


def only(faults: list[Fault]) -> Fault:
    (fault,) = faults
    return fault


# Nothing is refused without need -----------------------------------------------------------


def test_the_small_review_has_no_fault(review):
    assert review.faults() == []


@pytest.mark.parametrize("folder", REVIEWS, ids=["myositis", "bcg"])
def test_a_bundled_review_has_no_fault(folder):
    config = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    assert validate_review(config, folder / "resources") == ()


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("extraction/response.csv", "study_id,events", "\ufeffstudy_id,events"),
        ("extraction/response.csv", "\n", "\r\n"),
        ("extraction/response.csv", TABLES["extraction/response.csv"].partition("\n")[2], ""),
        ("extraction/response.csv", "73,unavailable,,,,\n", "73,unavailable,,,,\n\n"),
        ("extraction/response.csv", "73,unavailable,,,,\n", "73,unavailable,,,,"),
        ("extraction/response.csv", "8 of 19", '"8 of 19,\nof whom\u20283 were ""early"""'),
        ("extraction/response.csv", "lim2020,8,19", "lim2020,0,19"),
        ("extraction/response.csv", "lim2020,8,19", "lim2020,19,19"),
        ("extraction/time.csv", "3.5,1.2,3,2,4,1,9", ",,-3e-2,-0.03,+.5,,"),
        ("extraction/time.csv", "lim2020,19,3.5", "lim2020,,3.5"),
        ("extraction/score.csv", "-4.5,5,-6,-3", "-6,,-6,-6"),
        ("published.csv", "0,1,months", "100,0.5,months"),
    ],
    ids=[
        "byte-order mark",
        "Windows line ends",
        "header only",
        "blank line at the end",
        "no line end",
        "quotes, commas and lines in a text",
        "no events",
        "nothing but events",
        "numbers below zero, with exponents, without a leading zero",
        "mean of an unknown number of patients",
        "interval without a width",
        "limits of I2 and p",
    ],
)
def test_what_is_allowed(review, file, old, new):
    text = review.path(file).read_text(encoding="utf-8")
    assert old in text
    review.path(file).write_bytes(text.replace(old, new).encode())
    assert review.faults() == []


def test_the_tables_of_quality_and_of_printed_tests_may_be_missing(review):
    for file in ("quality_rob.csv", "quality_nos.csv", "published_tests.csv"):
        review.path(file).unlink()
    assert review.faults() == []


def test_columns_may_stand_in_any_order(review):
    with open(review.path("extraction/time.csv"), newline="") as file:
        table = list(csv.reader(file))
    with open(review.path("extraction/time.csv"), "w", newline="") as file:
        csv.writer(file).writerows(row[::-1] for row in table)
    assert review.faults() == []


# One cell at a time ------------------------------------------------------------------------

WHOLE = "must be a whole number, without decimals"
RESPONSE, BENEFIT, TIME = (f"extraction/{name}.csv" for name in ("response", "benefit", "time"))
SCORE, WEIGHT = "extraction/score.csv", "extraction/weight.csv"
FALLS, STROKES = "extraction/falls.csv", "extraction/strokes.csv"
AGREEMENT, DEATH = "extraction/agreement.csv", "extraction/death.csv"
EMPTY_HERE = "must be empty where status is unavailable"

CELLS = [
    # file, row, column, value, rule
    (RESPONSE, "lim2020", "events", "-1", "must be 0 or more"),
    (RESPONSE, "lim2020", "events", "8.5", WHOLE),
    (RESPONSE, "lim2020", "events", "8.0", WHOLE),
    (RESPONSE, "lim2020", "events", "20", "events must not exceed total (19)"),
    (RESPONSE, "lim2020", "events", "eight", "must be a number"),
    (RESPONSE, "lim2020", "events", "8*", "must be a number"),
    (RESPONSE, "lim2020", "events", "1_0", "must be a number"),
    (RESPONSE, "lim2020", "events", "٨", "must be a number"),
    (RESPONSE, "marie2010", "total", "0", "must be 1 or more"),
    (RESPONSE, "marie2010", "events", "64", EMPTY_HERE),
    (RESPONSE, "marie2010", "events", "0", EMPTY_HERE),
    (RESPONSE, "marie2010", "basis", "source", EMPTY_HERE),
    (RESPONSE, "lim2020", "source", "", "a reported number must name its public source"),
    (RESPONSE, "lim2020", "basis", "", "the basis of a reported number must be source"),
    (RESPONSE, "lim2020", "basis", "published:time", "of a reported number must be source"),
    (RESPONSE, "ohad2020", "basis", "", "a derived number must have a basis"),
    (RESPONSE, "ohad2020", "evidence", "", "a derived number must say in evidence"),
    (RESPONSE, "ohad2020", "basis", "guess", "must be source, or published: and an outcome"),
    (RESPONSE, "ohad2020", "basis", "published:tome", "the nearest known one is time"),
    (RESPONSE, "lim2020", "status", "reportd", "the nearest is reported"),
    (RESPONSE, "lim2020", "status", "", "must not be empty"),
    (RESPONSE, "lim2020", "study_id", "lim2019", "is not in studies.csv"),
    (RESPONSE, "lim2020", "note", " late", "has spaces before or after the value"),
    (RESPONSE, "lim2020", "events", "8 ", "has spaces before or after the value"),
    (RESPONSE, "lim2020", "events", "\u00a08", "has spaces before or after the value"),
    (BENEFIT, "lim2020", "events", "20", "events must not exceed total (19)"),
    (BENEFIT, "lim2020", "control_events", "21", "must not exceed control_total (20)"),
    (BENEFIT, "marie2010", "control_events", "3", EMPTY_HERE),
    (TIME, "lim2020", "n", "0", "must be 1 or more"),
    (TIME, "lim2020", "sd", "0", "must be above 0"),
    (TIME, "lim2020", "sd", "-1.2", "must be above 0"),
    (TIME, "lim2020", "mean", "12", "mean must lie between min and max (1 to 9)"),
    (TIME, "lim2020", "mean", "NA", "leave the cell empty where it is not known"),
    (TIME, "lim2020", "mean", "NaN", "leave the cell empty where it is not known"),
    (TIME, "lim2020", "mean", "-", "leave the cell empty where it is not known"),
    (TIME, "lim2020", "mean", "-inf", "leave the cell empty where it is not known"),
    (TIME, "lim2020", "mean", "1e999", "must be a finite number"),
    (TIME, "lim2020", "mean", "3,5", "with a decimal point and no comma"),
    (TIME, "lim2020", "mean", "1,003.5", "with a decimal point and no comma"),
    (TIME, "lim2020", "mean", "\u22123", "its minus sign must be a plain hyphen"),
    (TIME, "lim2020", "unit", "", "must not be empty"),
    (TIME, "lim2020", "unit", "days", "must be the unit of the outcome time (months)"),
    (TIME, "marie2010", "median", "3", EMPTY_HERE),
    (SCORE, "lim2020", "change_ci_low", "", "must be given where change_ci_high is"),
    (SCORE, "lim2020", "change_mean", "4.5", "must lie between change_ci_low and"),
    (SCORE, "lim2020", "baseline_sd", "0", "must be above 0"),
    (WEIGHT, "lim2020", "control_sd", "0", "must be above 0"),
    (WEIGHT, "lim2020", "control_n", "0", "must be 1 or more"),
    (FALLS, "lim2020", "person_time", "0", "must be above 0"),
    (FALLS, "lim2020", "events", "1.5", "must be a whole number"),
    (FALLS, "lim2020", "unit", "months", "must be the unit of the outcome falls (years)"),
    (FALLS, "marie2010", "events", "3", EMPTY_HERE),
    (STROKES, "lim2020", "control_person_time", "-1", "must be above 0"),
    (AGREEMENT, "lim2020", "correlation", "1.2", "must be from -1 to 1"),
    (DEATH, "lim2020", "ci_low", "", "must be given where ci_high is: half an interval"),
    (DEATH, "lim2020", "estimate", "1.6", "must lie between ci_low and ci_high"),
    (DEATH, "lim2020", "ci_low", "0", "must be above 0: the outcome death takes its logarithm"),
    (DEATH, "ohad2020", "estimate", "-1.4", "must be above 0: the outcome death takes its log"),
    (DEATH, "ohad2020", "se", "0", "must be above 0"),
    ("studies.csv", "lim2020", "design", "RCT", "must be one of rct, cohort; the nearest is rct"),
    ("studies.csv", "lim2020", "age", "old", "must be a number"),
    ("studies.csv", "lim2020", "label", "", "must not be empty"),
    ("quality_rob.csv", "lim2020", "other", "Low", "must be one of low, unclear, high"),
    ("quality_rob.csv", "lim2020", "basis", "", "must not be empty"),
    ("quality_nos.csv", "ohad2020", "selection1", "2", "must be one of 0, 1"),
    ("quality_nos.csv", "ohad2020", "comparability", "3", "must be one of 0, 1, 2"),
]


@pytest.mark.parametrize(
    ("file", "row", "column", "value", "rule"),
    CELLS,
    ids=[f"{Path(file).stem}-{column}-{value!r}" for file, row, column, value, rule in CELLS],
)
def test_a_wrong_cell_is_a_fault(review, file, row, column, value, rule):
    review.set(file, row, column, value)
    found = review.faults()
    fault = next(fault for fault in found if rule in fault.rule)
    study = value if column == "study_id" else row
    assert fault == Fault(f"resources/{file}", study, column, value, fault.rule)
    assert {(f.file, f.study) for f in found} == {(fault.file, study)}


@pytest.mark.parametrize(
    ("file", "column", "value", "blamed", "shown", "rule"),
    [
        (TIME, "min", "3", "q1", "2", "q1 must not be below min (3)"),
        (TIME, "q1", "3.5", "median", "3", "median must not be below q1 (3.5)"),
        (TIME, "median", "4.5", "q3", "4", "q3 must not be below median (4.5)"),
        (TIME, "q3", "10", "max", "9", "max must not be below q3 (10)"),
        (SCORE, "change_ci_low", "-2", "change_ci_high", "-3", "below change_ci_low (-2)"),
        (SCORE, "change_ci_high", "", "change_ci_high", "", "where change_ci_low is"),
        (BENEFIT, "control_events", "", "status", "reported", "control_events and control_total"),
        (WEIGHT, "control_mean", "", "status", "reported", "must give mean and control_mean"),
        (STROKES, "control_events", "", "status", "reported", "and control_person_time"),
        (AGREEMENT, "correlation", "", "status", "reported", "must give correlation"),
    ],
)
def test_a_cell_that_contradicts_another_is_a_fault(
    review, file, column, value, blamed, shown, rule
):
    review.set(file, "lim2020", column, value)
    fault = only(review.faults())
    assert fault == Fault(f"resources/{file}", "lim2020", blamed, shown, fault.rule)
    assert rule in fault.rule


def test_numbers_are_in_order_across_those_that_are_not_known(review):
    for column in ("mean", "q1", "median", "q3"):
        review.set(TIME, "lim2020", column, "")
    review.set(TIME, "lim2020", "median", "0.5")
    review.set(TIME, "lim2020", "max", "0.2")
    assert {f.rule for f in review.faults()} == {
        "median must not be below min (1)",
        "max must not be below median (0.5)",
    }


@pytest.mark.parametrize(
    ("row", "column", "value", "rule"),
    [
        ("response", "outcome", "respnse", "unknown outcome; the nearest known one is response"),
        ("response", "outcome", "", "must not be empty"),
        ("response", "variant", "mian", "unknown variant; the nearest known one is main"),
        ("response", "statistic", "mean", "must be the measure of the outcome response"),
        ("response", "estimate", "157.1", "a percentage must be from 0 to 100"),
        ("response", "estimate", "80", "estimate must lie between ci_low and ci_high (40 to 73)"),
        ("response", "estimate", "", "must not be empty"),
        ("response", "ci_low", "75", "ci_high must not be below ci_low (75)"),
        ("response", "ci_low", "", "half an interval cannot be used"),
        ("response", "ci_high", "173", "a percentage must be from 0 to 100"),
        ("response", "ci_high", "", "must be given where ci_low is"),
        ("response", "i2", "152", "must be from 0 to 100"),
        ("response", "i2", "-1", "must be from 0 to 100"),
        ("response", "p_heterogeneity", "1.2", "must be from 0 to 1"),
        ("response", "p_heterogeneity", "> 0.05", "must be a number, or < or > and a number"),
        ("response", "unit", "points", "the unit of a proportion must be percent"),
        ("response", "studies", "1, 7", "must be reference numbers with one space between"),
        ("response", "studies", "1 8", "8: no study has this reference number (ref)"),
        ("response", "k", "2.5", WHOLE),
        ("benefit", "ci_low", "-1.3", "a ratio must be above 0"),
        ("benefit", "unit", "percent", "the unit of a risk_ratio must be ratio"),
        ("time", "unit", "percent", "the unit of a mean cannot be percent"),
    ],
)
def test_a_wrong_published_result_is_a_fault(review, row, column, value, rule):
    review.path("published_tests.csv").unlink()  # which names results that are printed
    review.set("published.csv", row, column, value)
    line = {"response": 2, "benefit": 3, "time": 4}[row]
    found = review.faults()
    assert any(rule in fault.rule for fault in found), found
    assert {(f.file, f.study) for f in found} == {("resources/published.csv", f"line {line}")}


@pytest.mark.parametrize(
    ("row", "column", "value", "rule"),
    [
        ("S1", "figure", "S1/2", "must be letters and digits alone: it names files"),
        ("S1", "figure", "../S1", "must be letters and digits alone: it names files"),
        ("S1", "figure", "1", "must not stand twice: it is already on line 2"),
        ("S1", "annexure", "one", "must be main or a whole number"),
        ("S1", "kind", "florest", "the nearest is forest"),
        ("S1", "outcome", "respons", "unknown outcome; the nearest known one is response"),
        ("S1", "outcome", "", "a forest figure must name its outcome"),
        ("S1", "variant", "", "a forest figure must name its variant"),
        ("S1", "variant", "mian", "unknown variant; the nearest known one is main"),
        ("1", "outcome", "response", "must be empty: the flow diagram is of the whole review"),
    ],
)
def test_a_wrong_figure_is_a_fault(review, row, column, value, rule):
    review.set("figures.csv", row, column, value)
    found = review.faults()
    assert any(rule in f.rule and f.column == column and f.value == value for f in found), found
    assert {f.file for f in found} == {"resources/figures.csv"}


@pytest.mark.parametrize(
    ("column", "value", "rule"),
    [
        ("outcome", "respons", "unknown outcome; the nearest known one is response"),
        ("variant", "route", "must be step<number>_<column> (step1_route)"),
        ("test_claimed", "subgroups", "the nearest is subgroup_differences"),
        ("statistic", "-9.4", "must be 0 or more"),
        ("df", "0", "must be 1 or more"),
        ("p", "2", "must be from 0 to 1"),
        ("groups", "main, sc", "must be names with one space between"),
        (
            "groups",
            "mian",
            "mian: unknown published result of response; the nearest known one is main",
        ),
    ],
)
def test_a_wrong_printed_test_is_a_fault(review, column, value, rule):
    review.set("published_tests.csv", "response", column, value)
    found = review.faults()
    fault = next(fault for fault in found if rule in fault.rule)
    assert fault == Fault("resources/published_tests.csv", "line 2", column, value, fault.rule)
    assert {f.column for f in found} == {column}


@pytest.mark.parametrize("value", ["../lim", "lim 2020", "2020lim", "lim/2020", "lim.2020", "límm"])
def test_a_study_id_that_is_no_name_is_a_fault(review, value):
    review.set("studies.csv", "lim2020", "study_id", value)
    found = [f for f in review.faults() if f.file == "resources/studies.csv"]
    rule = "must be letters, digits and _ alone, a letter first"
    assert found == [Fault("resources/studies.csv", value, "study_id", value, rule)]


def test_a_row_without_an_id_is_named_by_its_line(review):
    review.set(RESPONSE, "ohad2020", "study_id", "")
    fault = only(review.faults())
    assert (fault.study, fault.column) == ("line 3", "study_id")
    assert fault.rule == "must not be empty"


@pytest.mark.parametrize(
    ("file", "column"), [(RESPONSE, "events"), (TIME, "mean"), (SCORE, "change_mean")]
)
def test_a_reported_row_without_its_number_is_a_fault(review, file, column):
    for name in {"change_mean": ["change_mean", "end_mean"], "mean": ["mean", "median"]}.get(
        column, [column]
    ):
        review.set(file, "lim2020", name, "")
    fault = only([f for f in review.faults() if f.column == "status"])
    assert (fault.study, fault.value) == ("lim2020", "reported")
    assert "a row with status reported must give" in fault.rule


@pytest.mark.parametrize("file", [RESPONSE, BENEFIT, TIME, SCORE, WEIGHT])
def test_an_unavailable_row_has_no_number_but_the_size_of_its_groups(review, file):
    review.set(file, "lim2020", "status", "unavailable")
    with open(review.path(file), newline="") as lines:
        row = next(csv.DictReader(lines))
    numbers = {column for column in row if number(row[column]) is not None}
    sizes = {"total", "control_total", "n", "control_n"}
    assert {f.column for f in review.faults()} == numbers - sizes | {"basis"}
    assert {f.rule for f in review.faults()} == {EMPTY_HERE}


@pytest.mark.parametrize("file", ["published.csv", "published_tests.csv"])
def test_a_result_that_stands_twice_is_a_fault(review, file):
    lines = review.path(file).read_text().splitlines(keepends=True)
    review.path(file).write_text("".join([*lines, lines[1]]))
    fault = only(review.faults())
    assert (fault.file, fault.column, fault.value) == (f"resources/{file}", "outcome", "response")
    assert fault.rule == "must not stand twice: it is already on line 2"


def test_rows_that_were_reconstructed_need_the_declaration_s_leave(review):
    review.edit(RESPONSE, "derived,published:time", "reconstructed,published:time")
    fault = only(review.faults())
    assert (fault.study, fault.column, fault.value) == ("ohad2020", "status", "reconstructed")
    assert review.faults(reconstructed=True) == []


def test_a_reconstructed_row_rests_on_a_published_result(review):
    review.edit(RESPONSE, "derived,published:time", "reconstructed,source")
    fault = only(review.faults(reconstructed=True))
    assert fault.rule == "the basis of a reconstructed number must be published: and an outcome"


# Studies ----------------------------------------------------------------------------------


@pytest.mark.parametrize("file", [RESPONSE, "studies.csv", "quality_nos.csv"])
def test_a_study_that_stands_twice_is_a_fault(review, file):
    lines = review.path(file).read_text().splitlines(keepends=True)
    review.path(file).write_text("".join([*lines, lines[1]]))
    fault = next(f for f in review.faults() if f.column == "study_id")
    assert fault.file == f"resources/{file}"
    assert fault.study == fault.value == lines[1].partition(",")[0]
    assert fault.rule == "must not stand twice: it is already on line 2"


def test_two_ids_that_differ_in_case_alone_are_one(review):
    review.edit("studies.csv", "ohad2020,", "Lim2020,")
    assert any(
        f.column == "study_id" and f.value == "Lim2020" and "line 2" in f.rule
        for f in review.faults()
    )


def test_a_study_of_a_quality_table_is_in_studies(review):
    review.set("quality_nos.csv", "ohad2020", "study_id", "ohad2021")
    fault = only(review.faults())
    assert (fault.study, fault.column, fault.value) == ("ohad2021", "study_id", "ohad2021")
    assert fault.rule == "is not in studies.csv; unknown study; the nearest known one is ohad2020"


def test_a_review_without_a_study_is_a_fault(review):
    review.path("studies.csv").write_text("study_id,label,ref,design,age\n")
    assert "there is no study in it" in {fault.rule for fault in review.faults()}


BUNDLED_ROW = {"study_id": "lim2020", "label": "Lim 2020", "n_ig": "20", "n_status": "reported"}


def studies_faults(tmp_path, **cells: str) -> list[Fault]:
    """The faults of a bundled studies.csv with one row."""
    row = {**BUNDLED_ROW, "sources": "https://a.org", **cells}
    path = tmp_path / "studies.csv"
    with open(path, "w", newline="") as file:
        table = csv.DictWriter(file, [column.name for column in STUDIES.columns])
        table.writeheader()
        table.writerow(row)
    table, faults = read_sheet(path, "studies.csv")
    return [*faults, *sheet_faults(table, STUDIES)]


@pytest.mark.parametrize(
    ("column", "cells", "rule"),
    [
        ("design", {"design": "RCT"}, "must be one of rct, prospective, retrospective"),
        ("publication", {"publication": "poster"}, "must be one of full, abstract"),
        ("population", {"population": "children"}, "must be one of adult, jdm, mixed"),
        ("route", {"route": "oral"}, "must be one of iv, sc, mixed"),
        ("line", {"line": "first"}, "the nearest is first_line"),
        ("assessment", {"assessment": "guidelines"}, "the nearest is guideline"),
        ("n_status", {"n_status": "known"}, "must be one of reported, derived, unavailable"),
        ("n_ig", {"n_ig": "0"}, "must be 1 or more"),
        ("n_control", {"n_control": "-1"}, "must be 0 or more"),
        ("n_ig", {"n_ig": ""}, "must be given where n_status is reported"),
        ("n_ig", {"n_status": "unavailable"}, "must be empty where n_status is unavailable"),
        ("n_note", {"n_status": "derived"}, "a derived n_ig must say here how it was obtained"),
        ("sources", {"sources": ""}, "must name its public source"),
        ("n_dm", {"n_dm": "15", "n_pm": "6"}, "add to 21: they must not exceed n_ig (20)"),
        ("female_n", {"female_n": "21"}, "female_n must not exceed n_ig (20)"),
        ("age_sd", {"age_sd": "0"}, "must be above 0"),
        ("age_mean", {"age_mean": "-1"}, "must be 0 or more"),
        ("age_max", {"age_min": "20", "age_max": "2"}, "age_max must not be below age_min (20)"),
        ("age_mean", {"age_mean": "5", "age_min": "20"}, "between age_min and age_max (20 to ?)"),
        ("doi", {"doi": "https://doi.org/10.1016/j"}, "must be a DOI"),
        ("pmid", {"pmid": "PMC123"}, "must be a number"),
        ("assumed", {"assumed": "design, line"}, "must be names with one space between"),
    ],
)
def test_a_wrong_cell_of_the_bundled_studies_is_a_fault(tmp_path, column, cells, rule):
    fault = only(studies_faults(tmp_path, **cells))
    assert (fault.study, fault.column) == ("lim2020", column)
    assert fault.value == {**BUNDLED_ROW, **cells}.get(column, "")
    assert rule in fault.rule


@pytest.mark.parametrize("prefix", ["age", "duration_months", "ivig_cycles", "followup_months"])
def test_the_summaries_of_the_bundled_studies_are_in_order(tmp_path, prefix):
    cells = {"mean": "90", "min": "20", "median": "10", "max": "5"}
    found = studies_faults(tmp_path, **{f"{prefix}_{part}": cells[part] for part in cells})
    assert {(fault.column, fault.value) for fault in found} == {
        (f"{prefix}_median", "10"),
        (f"{prefix}_max", "5"),
    }
    found = studies_faults(tmp_path, **{f"{prefix}_mean": "90", f"{prefix}_max": "60"})
    assert only(found).column == f"{prefix}_mean"


def test_what_is_assumed_of_a_study_is_a_column(tmp_path):
    resources = shutil.copytree(ROOT / "resources", tmp_path / "resources")
    studies = Review(resources)
    studies.set("studies.csv", "danieli2020", "assumed", "desing line")
    config = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    (fault,) = validate_review(config, resources)
    assert (fault.study, fault.column, fault.value) == ("danieli2020", "assumed", "desing line")
    assert fault.rule == "unknown column; the nearest known one is design"


def test_the_bundled_studies_may_have_little_known(tmp_path):
    assert studies_faults(tmp_path) == []
    assert studies_faults(tmp_path, n_ig="", n_status="unavailable", sources="") == []


# The form of a file ------------------------------------------------------------------------

HEADER = "study_id,events,total,status,basis,source,evidence,note\n"
ROW = "lim2020,8,19,reported,source,https://a.org,8 of 19,\n"


FORMS = {
    "no bytes": (b"", "", "the file is empty"),
    "blank": (b" \r\n\n", "", "the file is empty"),
    "UTF-16": ((HEADER + ROW).encode("utf-16"), "", "the file is UTF-16: save it as CSV UTF-8"),
    "NUL": ((HEADER + ROW).encode() + b"\0\0", "", "the file is not text"),
    "Latin-1": ((HEADER + ROW + "é").encode("latin-1"), "line 3", "line 3 is not UTF-8"),
    "semicolons": ((HEADER + ROW).replace(",", ";").encode(), "", "separated by semicolons"),
    "tabs": ((HEADER + ROW).replace(",", "\t").encode(), "", "separated by tabs"),
    "short row": (f"{HEADER}lim2020,8\n".encode(), "lim2020", "line 2 has 2 cells, the header 8"),
    "decimal comma without quotes": (
        (HEADER + ROW.replace("8,19", "8,5,19")).encode(),
        "lim2020",
        "a number takes a decimal point",
    ),
    "row of empty cells": (
        f"{HEADER}{ROW},,,,,,,\n".encode(),
        "line 3",
        "line 3 has only empty cells: delete it",
    ),
    "open quotes in the header": (('"' + HEADER + ROW).encode(), "line 1", "do not close"),
    "open quotes": (
        (HEADER + ROW.replace("8 of", '"8 of')).encode(),
        "line 2",
        'the quotes (") that start on line 2 do not close',
    ),
}


@pytest.mark.parametrize(("content", "study", "rule"), FORMS.values(), ids=FORMS)
def test_a_file_of_the_wrong_form_is_a_fault(review, content, study, rule):
    review.path(RESPONSE).write_bytes(content)
    (fault,) = (fault for fault in review.faults() if rule in fault.rule)
    assert fault.file == f"resources/{RESPONSE}"
    assert (fault.study, fault.column) == (study, "")


NEAREST = "unknown column; the nearest known one is events"


@pytest.mark.parametrize(
    ("old", "new", "rules"),
    [
        ("note", "total", {"total": "the column stands in the header twice"}),
        ("events", "evnts", {"evnts": NEAREST, "events": "the column is missing"}),
        ("events", " events", {" events": NEAREST, "events": "the column is missing"}),
        ("events", "Events", {"Events": NEAREST, "events": "the column is missing"}),
    ],
    ids=["column twice", "misspelt column", "space in the header", "capital in the header"],
)
def test_a_wrong_header_is_a_fault(review, old, new, rules):
    review.path(RESPONSE).write_text(HEADER.replace(old, new) + ROW)
    found = review.faults()
    assert {f.column: f.rule.partition(" (known")[0] for f in found} == rules
    assert {(f.file, f.study) for f in found} == {(f"resources/{RESPONSE}", "")}


def test_a_byte_that_is_not_utf8_is_shown_with_its_neighbours(review):
    path = review.path(RESPONSE)
    path.write_bytes(path.read_bytes().replace(b"8 of 19", b"8 of 19 (M\xfcnchen)"))
    assert "München" in only(review.faults()).value


def test_a_column_that_is_missing_does_not_hide_other_faults(review):
    review.edit(RESPONSE, "study_id,events,total", "study_id,events,totl")
    review.set(RESPONSE, "lim2020", "events", "-8")
    assert {(f.column, f.rule.partition(";")[0]) for f in review.faults()} == {
        ("totl", "unknown column"),
        ("total", "the column is missing"),
        ("events", "must be 0 or more"),
    }


@pytest.mark.parametrize("file", ["studies.csv", "published.csv", "figures.csv"])
def test_a_table_that_every_review_has_is_missed(review, file):
    review.path(file).unlink()
    assert Fault(f"resources/{file}", "", "", "", "the file is missing") in review.faults()


def test_a_table_of_an_unknown_name_is_a_fault(review):
    review.path("quality_rbo.csv").write_text("study_id\n")
    fault = only(review.faults())
    assert fault.file == "resources/quality_rbo.csv"
    assert "unknown table; the nearest known one is quality_rob" in fault.rule


def test_the_name_of_a_sheet_belongs_in_a_path(review):
    review.path("extraction/1 response.csv").write_text(HEADER)
    fault = only(review.faults())
    assert fault.file == "resources/extraction/1 response.csv"
    assert "the file's name must be letters, digits and _" in fault.rule


def test_a_sheet_cannot_have_the_name_of_the_studies(review):
    review.path("extraction/studies.csv").write_text(HEADER)
    fault = only(review.faults())
    assert fault.file == "resources/extraction/studies.csv"
    assert fault.rule == "the name is taken by resources/studies.csv"


def test_a_sheet_that_no_outcome_uses_is_checked(review):
    review.path("extraction/more.csv").write_text(HEADER + ROW.replace("8,19", "20,19"))
    fault = only(review.faults())
    assert (fault.file, fault.value) == ("resources/extraction/more.csv", "20")


# All at once -------------------------------------------------------------------------------


def test_every_fault_is_reported_at_once(review):
    spoilt = {
        (RESPONSE, "lim2020", "events", "20"),
        (RESPONSE, "ohad2020", "total", "0"),
        (RESPONSE, "marie2010", "status", "absent"),
        (TIME, "lim2020", "sd", "0"),
        (SCORE, "lim2020", "end_mean", "three"),
        ("studies.csv", "ohad2020", "design", "trial"),
        ("quality_nos.csv", "ohad2020", "outcome1", "5"),
    }
    for cell in spoilt:
        review.set(*cell)
    config = yaml.safe_load(CONFIG)
    config["outcomes"]["time"]["poling"] = "plain"
    with pytest.raises(BadInput) as caught:
        check_review(config, review.resources)
    faults = caught.value.faults
    told = {(f.file.removeprefix("resources/"), f.study, f.column, f.value) for f in faults}
    assert told >= spoilt | {("config.yaml", "", "outcomes.time.poling", "plain")}
    assert all(str(fault) in str(caught.value) for fault in faults)


def test_a_review_without_a_fault_passes(review):
    tables = list(review.resources.rglob("*.csv"))
    passed = check_review(yaml.safe_load(CONFIG), review.resources)
    assert len(passed) == len(tables) + 1 > 1  # and the declaration


# Any text in a number's place --------------------------------------------------------------

NUMBER_CELLS = [
    (family, file, column.name)
    for family, file in zip(
        sheets.EXTRACTION,
        (RESPONSE, BENEFIT, TIME, SCORE, WEIGHT, FALLS, STROKES, AGREEMENT, DEATH),
        strict=True,
    )
    for column in family.columns
    if column.numeric
]


def is_text(text: str) -> bool:
    """Whether Python itself reads no number in it, however written."""
    try:
        float(text)
    except ValueError:
        return bool(text.strip()) and "\0" not in text
    return False


@settings(max_examples=60, deadline=None)
@given(cell=st.sampled_from(NUMBER_CELLS), text=st.text(min_size=1).filter(is_text))
def test_text_in_a_number_column_is_always_a_fault(tmp_path_factory, cell, text):
    family, sheet, column = cell
    path = tmp_path_factory.mktemp("sheet") / "sheet.csv"
    header, *rows = csv.reader(TABLES[sheet].splitlines())
    rows[0][header.index(column)] = text
    with open(path, "w", encoding="utf-8", errors="surrogatepass", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    table, faults = read_sheet(path, "sheet.csv")
    if table is None:  # a lone surrogate is no UTF-8
        assert faults
        return
    found = [f for f in sheet_faults(table, family) if f.column == column]
    # A number between what counts as spaces, some control characters too, is refused for these.
    said = "number" if is_text(text.strip()) else sheets.kind.SPACES
    assert any(said in fault.rule and fault.value == text for fault in found)
    assert all(fault.study == "lim2020" for fault in found)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_is_read_as_it_was_written(value):
    assert number(repr(value)) == value


NUMERIC = (
    *(columns.ANY_NUMBER, columns.NOT_NEGATIVE, columns.POSITIVE, columns.PERCENT),
    *(columns.CORRELATION, columns.COUNT, columns.SIZE),
)


@given(st.sampled_from(NUMERIC), st.text(max_size=8) | st.from_regex(columns.NUMBER))
def test_what_passes_as_a_number_is_one_to_python(kind, text):
    column = columns.Column("n", kind)
    if text and not column.broken(text):
        assert isfinite(float(text)) and float(text) == number(text)
        assert kind not in (columns.COUNT, columns.SIZE) or int(text) == float(text)


# The data dictionary -----------------------------------------------------------------------

HEADINGS = {
    "studies.csv": STUDIES,
    "quality_rob.csv": sheets.QUALITY_ROB,
    "quality_nos.csv": sheets.QUALITY_NOS,
    "published.csv": sheets.PUBLISHED,
    "published_tests.csv": sheets.PUBLISHED_TESTS,
    "figures.csv": sheets.FIGURES,
}
FAMILY_HEADINGS = {family.name: family for family in sheets.EXTRACTION}
COLUMNS = ["column", "what it is", "unit", "allowed values", "filled by"]


def sections() -> dict[str, list[list[str]]]:
    """The rows of the last table under each heading of the data dictionary."""
    found: dict[str, list[list[str]]] = {}
    heading = ""
    for line in (ROOT / "resources" / "README.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            heading = line.lstrip("# ").replace("`", "")
        elif line.startswith("|"):
            found.setdefault(heading, []).append([cell.strip() for cell in line[1:-1].split("|")])
    return found


def described(heading: str) -> list[tuple[str, str]]:
    """Name and allowed values of each column in a table of the dictionary."""
    header, rule, *rows = sections()[heading]
    assert header == COLUMNS
    assert all(len(row) == len(COLUMNS) and row[1] and row[4] for row in rows)
    return [(row[0].strip("`"), row[3]) for row in rows]


def checked(family_columns) -> list[tuple[str, str]]:
    return [(column.name, column.allows) for column in family_columns]


@pytest.mark.parametrize("heading", HEADINGS)
def test_the_dictionary_describes_the_columns_that_are_checked(heading):
    assert described(heading) == checked(HEADINGS[heading].columns)


@pytest.mark.parametrize("name", FAMILY_HEADINGS)
def test_the_dictionary_describes_each_family_of_sheets(name):
    study, *state = described("Every sheet")
    own = described(name[0].upper() + name[1:])
    assert [study, *own, *state] == checked(FAMILY_HEADINGS[name].columns)


def test_the_dictionary_lists_every_sheet_with_its_family():
    listed = {row[0].strip("`"): row[1] for row in sections()["The extraction sheets"][2:]}
    families = {}
    for path in (ROOT / "resources" / "extraction").glob("*.csv"):
        with open(path, encoding="utf-8", newline="") as file:
            header = next(csv.reader(file))
        (family,) = (
            f for f in sheets.EXTRACTION if [column.name for column in f.columns] == header
        )
        families[path.stem] = family.name
    assert listed == families


def test_the_tests_that_can_be_claimed_are_those_that_the_library_knows():
    from forestry.consistency import TESTS_CLAIMED

    assert sheets.TESTS_CLAIMED == TESTS_CLAIMED


def test_the_dictionary_explains_every_status():
    told = [row[0].strip("`") for row in sections()["Where a number comes from"][2:]]
    assert tuple(told) == sheets.rules.STATUSES
