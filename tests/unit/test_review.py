"""The bundled reviews as declared, and which edits a job's settings can see."""

import ast
import csv
import shutil
from pathlib import Path

import pytest
import yaml

from forestry.jobs.documents import figure_legend_settings
from forestry.jobs.statistics import effects_settings, pool_settings
from forestry.provenance import PACKAGE, _imported_names, _names, code_of
from forestry.review import Review
from forestry.selection import left_out

ROOT = Path(__file__).resolve().parents[2]


def review(folder: Path = ROOT) -> Review:
    return Review(yaml.safe_load((folder / "config.yaml").read_text()), folder / "resources")


@pytest.fixture
def copy(tmp_path) -> Path:
    shutil.copytree(ROOT / "resources", tmp_path / "resources")
    shutil.copy(ROOT / "config.yaml", tmp_path)
    return tmp_path


def settings(review: Review) -> dict[str, tuple]:
    return {
        outcome: (effects_settings(review, outcome), pool_settings(review, outcome))
        for outcome in review.outcomes
    }


def edit(path: Path, study: str, column: str, value: str) -> None:
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        if row["study_id"] == study:
            assert row[column] != value
            row[column] = value
    with open(path, "w", newline="") as file:
        table = csv.DictWriter(file, rows[0])
        table.writeheader()
        table.writerows(rows)


def changed(copy: Path, file: str, study: str, column: str, value: str) -> set[str]:
    """The outcomes whose settings an edit of a cell changes."""
    before = settings(review(copy))
    edit(copy / "resources" / file, study, column, value)
    after = settings(review(copy))
    return {outcome for outcome in before if before[outcome] != after[outcome]}


def published_members(outcome: str) -> set[str]:
    refs = {row["study_id"]: row["ref"] for row in review().studies.values()}
    return {refs[row["study_id"]] for row in review().rows(outcome)}


def published() -> list[tuple[str, set[str]]]:
    with open(ROOT / "resources/published.csv", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["variant"] == "main" and row["studies"]]
    return [(row["outcome"], set(row["studies"].split())) for row in rows]


@pytest.mark.parametrize(("outcome", "refs"), published(), ids=lambda value: str(value)[:40])
def test_an_outcome_holds_the_studies_that_the_article_names(outcome, refs):
    assert published_members(outcome) == refs


def test_every_published_and_drawn_outcome_is_declared():
    declared = set(review().outcomes)
    for table in ("published.csv", "figures.csv"):
        with open(ROOT / "resources" / table, newline="") as file:
            assert {row["outcome"] for row in csv.DictReader(file)} - {""} <= declared


@pytest.mark.parametrize(
    ("file", "study", "column", "value", "outcomes"),
    [
        ("extraction/muscle_cr.csv", "ohad2020", "events", "11", {"muscle_cr"}),
        (
            "extraction/muscle_pr.csv",
            "danieli2014",
            "events",
            "6",
            {"muscle_pr", "muscle_pr_sc"},
        ),
        ("extraction/muscle_cr.csv", "ohad2020", "note", "checked", set()),
        ("studies.csv", "ohad2020", "label", "Ohad and others 2020", set()),
        ("studies.csv", "ohad2020", "female_n", "12", set()),
        ("studies.csv", "miyasaka2012", "age_mean", "51", {"age_adult"}),
    ],
    ids=["a number", "a shared row", "a note", "a label", "an unused column", "an attribute"],
)
def test_an_edit_is_seen_by_what_uses_it_alone(copy, file, study, column, value, outcomes):
    assert changed(copy, file, study, column, value) == outcomes


def test_a_design_is_seen_by_the_outcomes_that_hold_the_study(copy):
    seen = changed(copy, "studies.csv", "speth2016", "design", "prospective")
    holding = {
        o for o in review().outcomes if "speth2016" in {r["study_id"] for r in review().rows(o)}
    }
    assert seen == holding


def test_the_order_of_rows_is_seen(copy):
    path = copy / "resources/extraction/vte.csv"
    before = effects_settings(review(copy), "vte")
    header, *rows = path.read_text().splitlines(keepends=True)
    path.write_text("".join([header, *reversed(rows)]))
    assert effects_settings(review(copy), "vte")["rows"] != before["rows"]


def test_parts_of_a_combined_variant_apply_together():
    sensitivity = review().variant("muscle_pr", "sensitivity")
    abstracts = review().variant("muscle_pr", "no_abstracts")
    retrospective = review().variant("muscle_pr", "no_retrospective")
    assert set(sensitivity["excluded"]) == {*abstracts["excluded"], *retrospective["excluded"]}
    assert sensitivity["outliers"] == {"rule": "studentized_residual", "threshold": 1.96}


@pytest.mark.parametrize(
    ("where", "exclude", "told"),
    [
        ({"route": "iv"}, {}, ""),
        ({"route": ["iv", "sc"]}, {}, ""),
        ({"route": "sc"}, {}, "route is iv, not sc"),
        ({"route": ["sc", "im"]}, {}, "route is iv, not sc or im"),
        ({}, {"publication": "abstract"}, ""),
        ({}, {"publication": ["full", "letter"]}, "publication is full"),
        ({"line": "first_line"}, {}, "line is unknown, not first line"),
    ],
)
def test_a_selection_says_why_a_row_is_left_out(where, exclude, told):
    assert left_out({"route": "iv", "publication": "full", "line": ""}, where, exclude) == told


def test_the_code_of_a_script_is_the_closure_of_its_imports():
    names = {path.stem for path in code_of(ROOT / "workflow/scripts/analyse.py")}
    assert {"effects", "pool", "records", "results", "rows", "bias", "scales"} <= names
    assert not names & {"review", "audit", "forest", "subgroups", "legends"}


def test_every_import_is_found_however_deep():
    """As the whole syntax tree of each file says."""
    for file in (ROOT / "workflow/scripts").rglob("*.py"):
        nodes = ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        assert set(_imported_names(file)) == {name for node in nodes for name in _names(node)}


def test_a_line_of_prose_that_begins_like_an_import_is_none(tmp_path):
    (tmp_path / "script.py").write_text('"""Such as to\nimport what is dear,\n"""\nimport csv\n')
    assert _imported_names(tmp_path / "script.py") == ("csv",)


def test_every_adapter_imports_the_library_absolutely():
    for module in PACKAGE.rglob("*.py"):
        assert "from ." not in module.read_text(), (
            f"{module.name}: code_of sees absolute imports only"
        )


def test_no_outlier_rule_where_the_source_had_left_them_out():
    declared = review().config
    rule = declared["variants"]["outliers_excluded"]["outliers"]
    for variant in ("outliers_excluded", "sensitivity"):
        assert review().has_outlier_rule(variant)
        assert review().variant("muscle_pr", variant)["outliers"] == rule
        assert review().variant("relapse", variant)["outliers"] is None
    assert not review().has_outlier_rule("no_abstracts")
    told = figure_legend_settings(review(), review().figures["S16"])
    assert told["variant_label"] == "without outliers"
    assert "no rule is applied again" in told["variant_text"]
