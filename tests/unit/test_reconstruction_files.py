"""What a review reads of solved rows, when they are stale, and what is refused of them."""

import csv
import json
from pathlib import Path

import pytest
import yaml

from forestry.effects import study_effects
from forestry.jobs.drawings import forest_settings
from forestry.jobs.reconstruction import reconstruct_settings, tasks, unsolved
from forestry.jobs.statistics import effects_settings, pool_settings
from forestry.reconstruction.files import (
    CELLS,
    MANIFEST,
    METHOD,
    SOLUTIONS,
    CellRange,
    Record,
    Solution,
    digest_of,
    refusal,
    stale,
)
from forestry.reconstruction.means import solve_means_sheet
from forestry.reconstruction.solution import read_solution, write_solution
from forestry.reconstruction.write import write_reconstruction
from forestry.records import read_records
from forestry.review import Review
from forestry.rows import filled, read_rows, read_table
from forestry.validation import validate_review

ROOT = Path(__file__).resolve().parents[2]

CONFIG = """
review: {title: A review}
studies:
  ref: {type: count}
  design: {type: category, values: [rct, cohort]}
  size: {type: count}
  n_status: {type: text}
pooling: {plain: {model: inverse_variance}}
outcomes:
  time: {label: Time, data: time, measure: mean, unit: months, pooling: plain}
  age: {label: Age, data: studies, columns: {n: size}, measure: mean, unit: years, pooling: plain}
variants: {main: {}}
reconstruction: {size: size}
"""
HEADER = "study_id,n,mean,sd,median,q1,q3,min,max,unit,status,basis,source,evidence,note\n"
TABLES = {
    "studies.csv": "study_id,label,ref,design,size,n_status\n"
    "a,A,1,rct,20,\nb,B,2,cohort,30,\nc,C,3,cohort,40,\nd,D,4,rct,,\n",
    "extraction/time.csv": HEADER
    + "a,20,3.5,1.2,,,,,,months,reported,source,https://a.org,,\n"
    + "b,30,,,,,,,,months,unavailable,,,,\n"
    + "c,40,4.1,,,,,,,months,reported,source,https://c.org,,\n"
    + "d,12,,,,,,,,months,unavailable,,,,\n",
    "published.csv": "outcome,variant,statistic,k,n,estimate,ci_low,ci_high,i2,p_heterogeneity,"
    "unit,display,studies,note\n"
    "time,main,mean,4,,3.70,3.10,4.30,60,,months,Fig 1,,a note\n"
    "age,main,mean,3,,50,40,60,,,years,,,\n",
    "figures.csv": "figure,annexure,kind,outcome,variant\n1,main,forest,time,main\n",
}
SOLVED = ("b", "c", "d")


@pytest.fixture
def folder(tmp_path) -> Path:
    for file, text in TABLES.items():
        path = tmp_path / "resources" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "config.yaml").write_text(CONFIG)
    return tmp_path


def review(folder: Path, reconstructed: bool = True, **config) -> Review:
    declared = yaml.safe_load((folder / "config.yaml").read_text())
    return Review({**declared, "reconstructed": reconstructed, **config}, folder / "resources")


def reconstruct(folder: Path) -> Path:
    one = review(folder)
    solved = [solve_means_sheet(task) for task in tasks(one).values()]
    write_reconstruction(one.resources, reconstruct_settings(one), solved)
    return one.resources / "reconstructed"


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


def stale_sheets(folder: Path) -> list[str]:
    one = review(folder)
    return stale(tasks(one), one.resources)


def table(path: Path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


# Filling -----------------------------------------------------------------------------------

SHEET = {"study_id": "a", "n": "20", "mean": "", "sd": "", "status": "unavailable", "basis": ""}
FOUND = {
    **{"study_id": "a", "n": "18", "mean": "3", "sd": "1", "status": "reconstructed"},
    **{"basis": "published:time", "evidence": "so"},
}


def test_an_unavailable_row_takes_all_numbers_and_its_new_state():
    (row,) = filled([SHEET], [FOUND])
    assert row == {**SHEET, **{key: FOUND[key] for key in SHEET}}
    assert "evidence" not in row


def test_a_real_number_wins():
    known = {**SHEET, "mean": "5", "status": "reported", "basis": "source"}
    (row,) = filled([known], [FOUND])
    assert (row["n"], row["mean"], row["sd"]) == ("20", "5", "1")
    assert (row["status"], row["basis"]) == ("reconstructed", "published:time")
    whole = {**known, "sd": "2"}
    assert filled([whole], [FOUND]) == [whole]


def test_a_row_that_is_not_solved_stays():
    assert filled([SHEET], [{**FOUND, "study_id": "b"}]) == [SHEET]


# Tasks -------------------------------------------------------------------------------------


def test_a_task_has_all_that_its_rows_are_solved_from(folder):
    (sheet, task) = next(iter(tasks(review(folder)).items()))
    assert (sheet, task["sheet"], task["seed"]) == ("time", "time", 1)
    assert task["sizes"] == {"a": "20", "b": "30", "c": "40"}
    (pool,) = task["pools"]
    assert pool["members"] == ["a", "b", "c", "d"]
    json.dumps(task)


def test_results_that_cannot_be_solved_say_why(folder):
    (one,) = unsolved(review(folder))
    assert one["outcome"] == "age" and "studies.csv" in one["reason"]


def test_a_result_without_outliers_is_solved_where_the_source_left_them_out(folder):
    rule = {"main": {}, "kept": {"outliers": {"rule": "studentized_residual"}}}
    edit(folder / "resources" / "published.csv", "time,main", "time,kept")
    by_rule = review(folder, variants=rule)
    (why,) = [one["reason"] for one in unsolved(by_rule) if one["outcome"] == "time"]
    assert "outlier rule" in why and not tasks(by_rule)

    outcomes = by_rule.config["outcomes"]
    left_out = {**outcomes, "time": {**outcomes["time"], "outliers": "left_out_by_source"}}
    by_source = review(folder, variants=rule, outcomes=left_out)
    assert [pool["members"] for pool in tasks(by_source)["time"]["pools"]] == [["a", "b", "c", "d"]]


def test_a_task_does_not_see_what_was_solved(folder):
    before = tasks(review(folder, reconstructed=False))
    reconstruct(folder)
    assert tasks(review(folder)) == before


# Reading -----------------------------------------------------------------------------------


def test_a_review_reads_solved_rows_where_it_asks_for_them(folder):
    reconstruct(folder)
    with_solved, without = review(folder), review(folder, reconstructed=False)
    assert [row["status"] for row in with_solved.rows("time")] == [
        "reported",
        *["reconstructed"] * 3,
    ]
    assert [row["status"] for row in without.rows("time")].count("unavailable") == 2
    assert without.solved("time") == []
    settings = effects_settings(with_solved, "time")
    assert settings["rows"] != effects_settings(without, "time")["rows"]
    rows = read_rows(with_solved.sheet("time"), with_solved.solved("time"))
    effects = study_effects(rows, settings)
    assert all(effect.usable for effect in effects)
    assert {e.study_id for e in effects if e.status == "reconstructed"} == set(SOLVED)


def test_the_files_say_what_was_solved(folder):
    made = reconstruct(folder)
    rows = table(made / "time.csv")
    assert [row["study_id"] for row in rows] == list(SOLVED)
    assert [(row["study_id"], row["mean"]) for row in rows if row["study_id"] == "c"] == [
        ("c", "4.1")
    ]
    solutions = read_records(made / f"{SOLUTIONS}.csv", Solution)
    assert [(row.outcome, row.verdict, row.k_unknown) for row in solutions] == [
        ("time", "several", 3),
        ("age", "not solvable", None),
    ]
    cells = read_records(made / f"{CELLS}.csv", CellRange)
    assert ("c", "sd") in {(cell.study_id, cell.column) for cell in cells}
    (record,) = read_records(made / f"{MANIFEST}.csv", Record)
    assert record.solved_from == digest_of(tasks(review(folder))["time"])


def test_the_bytes_are_the_same_each_time(folder):
    made = reconstruct(folder)
    first = {path.name: path.read_bytes() for path in made.iterdir()}
    assert set(first) == {"time.csv", "solutions.csv", "cells.csv", "manifest.csv"}
    assert {path.name: path.read_bytes() for path in reconstruct(folder).iterdir()} == first


def test_a_solution_comes_back_from_its_file(folder, tmp_path):
    (task,) = tasks(review(folder)).values()
    solved = solve_means_sheet(task)
    write_solution(tmp_path / "solved.json", solved)
    assert read_solution(tmp_path / "solved.json") == solved


def test_files_of_other_sheets_go(folder):
    made = reconstruct(folder)
    (made / "gone.csv").write_text("study_id\n")
    reconstruct(folder)
    assert not (made / "gone.csv").exists()


# Stale -------------------------------------------------------------------------------------


def test_what_was_just_solved_is_not_stale(folder):
    reconstruct(folder)
    assert stale_sheets(folder) == []


def test_what_was_never_solved_is_stale(folder):
    assert stale_sheets(folder) == ["time"]
    assert "resources/reconstructed/time.csv" in refusal(["time"])
    assert "snakemake --cores 2 reconstruct" in refusal(["time"])


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("resources/extraction/time.csv", "a,20,3.5", "a,20,3.6"),
        ("resources/extraction/time.csv", "b,30,,,", "b,30,2,1,"),
        ("resources/extraction/time.csv", "d,12,,", "d,11,,"),
        ("resources/published.csv", "3.70,3.10", "3.71,3.10"),
        ("resources/reconstructed/time.csv", "c,40,4.1", "c,40,4.2"),
        ("resources/reconstructed/manifest.csv", f",{METHOD},1\n", f",{METHOD - 1},1\n"),
        ("config.yaml", "{model: inverse_variance}", "{model: inverse_variance, tau2: REML}"),
        ("config.yaml", "reconstruction: {size: size}", "reconstruction: {size: size, seed: 2}"),
        ("resources/studies.csv", "d,D,4,rct,", "d,D,4,rct,15"),
    ],
)
def test_what_a_sheet_was_solved_from_makes_it_stale(folder, file, old, new):
    reconstruct(folder)
    edit(folder / file, old, new)
    assert stale_sheets(folder) == ["time"]


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("resources/published.csv", "a note", "another note"),
        ("resources/extraction/time.csv", "https://a.org", "https://b.org"),
        ("resources/studies.csv", "a,A,", "a,Alpha,"),
        ("config.yaml", "label: Time", "label: The time"),
    ],
)
def test_words_make_nothing_stale(folder, file, old, new):
    reconstruct(folder)
    edit(folder / file, old, new)
    assert stale_sheets(folder) == []


def test_a_sheet_that_is_not_to_be_solved_any_more_is_stale(folder):
    reconstruct(folder)
    sheet = folder / "resources/extraction/time.csv"
    edit(sheet, "b,30,,,,,,,,months,unavailable,,,,", "b,30,2,1,,,,,,months,reported,source,x,,")
    edit(sheet, "d,12,,,,,,,,months,unavailable,,,,", "d,12,2,1,,,,,,months,reported,source,x,,")
    edit(sheet, "c,40,4.1,,", "c,40,4.1,2,")
    assert tasks(review(folder)) == {} and stale_sheets(folder) == ["time"]
    made = reconstruct(folder)
    assert stale_sheets(folder) == [] and not (made / "time.csv").exists()
    (first, _) = read_records(made / f"{SOLUTIONS}.csv", Solution)
    assert (first.verdict, first.k, first.k_unknown) == ("nothing unknown", 4, 0)


# Checking ----------------------------------------------------------------------------------


def faults(folder: Path, reconstructed: bool = True) -> list[str]:
    one = review(folder, reconstructed)
    found = validate_review(one.config, one.resources)
    return [f"{fault.file} {fault.study} {fault.column}: {fault.rule}" for fault in found]


@pytest.fixture
def solved(folder) -> Path:
    reconstruct(folder)
    assert faults(folder) == []
    return folder


TIME = "resources/reconstructed/time.csv"


@pytest.mark.parametrize(
    ("old", "new", "column"),
    [
        ("c,40,4.1", "c,none,4.1", "n"),
        ("c,40,4.1", "z,40,4.1", "study_id"),
        ("c,40,4.1", "b,40,4.1", "study_id"),
        ("study_id,n,mean", "study_id,n,means", "means"),
    ],
)
def test_a_fault_in_solved_rows_is_told(solved, old, new, column):
    edit(solved / TIME, old, new)
    assert any(f.startswith(TIME) and f" {column}: " in f for f in faults(solved))
    assert faults(solved, reconstructed=False) == []


@pytest.mark.parametrize("status", ["reported", "unavailable", ""])
def test_solved_rows_are_derived_or_reconstructed(solved, status):
    rows = (solved / TIME).read_text().replace(",reconstructed,", f",{status},")
    (solved / TIME).write_text(rows)
    assert sum(" status: " in fault for fault in faults(solved)) == 3


def test_solved_rows_say_from_what_and_how(solved):
    rows = (solved / TIME).read_text().replace("published:time", "published:tiem")
    (solved / TIME).write_text(rows)
    assert all("time" in fault and " basis: " in fault for fault in faults(solved))
    assert len(faults(solved)) == 3


def test_a_broken_manifest_is_told(solved):
    edit(solved / "resources/reconstructed/manifest.csv", "seed", "sead")
    (fault,) = faults(solved)
    assert fault.startswith("resources/reconstructed/manifest.csv") and "sead" in fault


def test_a_file_of_no_sheet_is_told(solved):
    (solved / "resources/reconstructed/tiem.csv").write_text("study_id\n")
    (fault,) = faults(solved)
    assert "tiem.csv" in fault and "time" in fault


def test_a_sheet_cannot_have_the_name_of_a_table(folder):
    text = (folder / "resources/extraction/time.csv").read_text()
    (folder / "resources/extraction/cells.csv").write_text(text)
    assert any("resources/reconstructed/cells.csv" in fault for fault in faults(folder))


@pytest.mark.parametrize(("size", "said"), [("sise", "size"), ("design", "counts")])
def test_the_column_of_sizes_is_one_of_counts(folder, size, said):
    edit(folder / "config.yaml", "{size: size}", f"{{size: {size}}}")
    (fault,) = faults(folder)
    assert "reconstruction.size" in fault and said in fault


# The bundled review ------------------------------------------------------------------------


def test_the_bundled_review_s_solved_rows_are_those_of_its_sheets():
    one = review(ROOT)
    assert stale(tasks(one), one.resources) == []
    for path in (ROOT / "resources/reconstructed").glob("*.csv"):
        if path.stem in {SOLUTIONS, CELLS, MANIFEST}:
            continue
        sheet = read_table(ROOT / f"resources/extraction/{path.name}")
        known = {row["study_id"]: row for row in sheet}
        for row in read_table(path):
            assert row["status"] in ("derived", "reconstructed")
            assert known[row["study_id"]]["status"] in ("unavailable", "reported")


def test_every_published_result_of_the_bundled_review_has_its_verdict():
    published = read_table(ROOT / "resources/published.csv")
    solutions = read_records(ROOT / f"resources/reconstructed/{SOLUTIONS}.csv", Solution)
    assert [(row.outcome, row.variant) for row in solutions] == [
        (row["outcome"], row["variant"]) for row in published
    ]
    for row in solutions:
        assert row.verdict != "several" or row.distance == 0
        assert row.verdict != "none" or (row.distance > 0 and row.reason)


def test_forest_plots_of_reconstructed_rows_have_reported_rows_beside(folder):
    """Where the review declares no variant of them, under a name of their own."""
    reconstruct(folder)
    one = review(folder)
    assert forest_settings(one, "1")["reported_variant"] == "main_reported"
    assert forest_settings(one, "1")["reported_label"] == "Reported rows only"
    beside = pool_settings(one, "time")["variants"]["main_reported"]
    assert beside["excluded"] == dict.fromkeys(SOLVED, "status is reconstructed")
    assert set(pool_settings(review(folder, reconstructed=False), "time")["variants"]) == {"main"}
    declared = {"main": {}, "known": {"label": "known", "where": {"status": "reported"}}}
    named = review(folder, variants=declared)
    assert forest_settings(named, "1")["reported_variant"] == "known"
    assert set(pool_settings(named, "time")["variants"]) == {"main", "known"}
    both = {**declared, "some": {"exclude": {"design": "rct"}}}
    both["less"] = {"combine": ["some", "known"]}
    assert review(folder, variants=both).reported_beside("some") == "less"
