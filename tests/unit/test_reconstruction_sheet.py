"""Whole sheets of counts: what becomes of their rows, and what is said of them."""

import csv
import shutil
from dataclasses import replace
from pathlib import Path

import yaml

from forestry.effects import study_effects
from forestry.jobs.reconstruction import tasks
from forestry.jobs.statistics import effects_settings, pool_settings
from forestry.pool import pool_outcome
from forestry.reconstruction.count_rows import _derived
from forestry.reconstruction.results import Cell, Solved, SolvedRow
from forestry.reconstruction.sharing import SheetSolved
from forestry.reconstruction.sheet import solve_sheet
from forestry.review import Review
from forestry.rows import read_table

ROOT = Path(__file__).resolve().parents[2]
PUBLISHED = {
    **{"outcome": "clots", "variant": "main", "statistic": "proportion", "unit": "percent"},
    **{"k": "4", "n": "109", "estimate": "4.32", "ci_low": "1.33", "ci_high": "8.91"},
    **{"i2": "0", "p_heterogeneity": ""},
}
LOGIT = {"model": "inverse_variance", "transform": "logit", "tau2": "DL"}
ARCSINE = {"model": "inverse_variance", "transform": "arcsine", "tau2": "DL"}


def row(id, events="", total="", status="unavailable"):
    basis = "source" if status == "reported" else ""
    return {"study_id": id, "status": status, "basis": basis, "events": events, "total": total}


def task(*rows, **published) -> dict:
    ids = [one["study_id"] for one in rows]
    effects = {
        **{"measure": "proportion", "scale": "arcsine", "direction": "rise", "level": 0.95},
        **{"medians": "hozo2005", "correlation": 0.5, "zero_cells": {}, "columns": {}},
        "studies": ids,
    }
    pool = {"published": {**PUBLISHED, **published}, "pooling": ARCSINE, "effects": effects}
    return {
        **{"sheet": "clots", "seed": 1, "rows": list(rows), "sizes": {}},
        "pools": [{**pool, "members": ids}],
    }


def test_the_only_solution_is_derived():
    """5 events of 109, pooled by arcsine square roots: 4.32 (1.33-8.91) has one split."""
    found = solve_sheet(
        task(
            row("a", "1", "20", "reported"),
            row("b", total="8"),
            row("c", total="42"),
            row("d", total="39"),
        )
    )
    assert [(one["study_id"], one["events"], one["total"]) for one in found.rows] == [
        ("b", "1", "8"),
        ("c", "1", "42"),
        ("d", "2", "39"),
    ]
    assert {(one["status"], one["basis"]) for one in found.rows} == {("derived", "published:clots")}
    assert all("the only counts" in one["evidence"] for one in found.rows)
    (solution,) = found.solutions
    assert (solution.verdict, solution.solutions, solution.exhaustive) == ("unique", 1, True)
    assert (solution.k, solution.k_unknown, solution.distance) == (4, 3, 0.0)
    assert all(cell.fixed and cell.low == cell.value == cell.high for cell in found.cells)


def test_one_of_several_is_reconstructed_with_its_range():
    rows = [row("a", "1", "20", "reported"), row("b", total="8"), row("c", total="42")]
    found = solve_sheet(task(*rows, k="3", n="70", estimate="4", ci_low="1", ci_high="10"))
    assert {one["status"] for one in found.rows} == {"reconstructed"}
    (solution,) = found.solutions
    assert solution.verdict == "several" and solution.solutions > 1 and solution.criterion
    ranges = {cell.study_id: (cell.low, cell.high) for cell in found.cells}
    for one in found.rows:
        low, high = ranges[one["study_id"]]
        assert low <= float(one["events"]) <= high and low < high
        assert f"events {low:g} to {high:g}" in one["evidence"]


def test_without_a_solution_the_nearest_says_so():
    rows = [row("a", "1", "20", "reported"), row("b", total="8")]
    found = solve_sheet(task(*rows, k="2", n="28", estimate="90", ci_low="85", ci_high="95"))
    (solution,) = found.solutions
    assert solution.verdict == "none" and solution.distance > 1 and "estimate" in solution.unmet
    (one,) = found.rows
    assert one["status"] == "reconstructed" and one["evidence"].startswith(
        "the counts found nearest"
    )


# Rows that are fixed by other rows ---------------------------------------------------------


def solved(variant: str, fixed: bool, *studies: str, held=()) -> Solved:
    rows = tuple(SolvedRow(study, 1, 9) for study in studies)
    cells = tuple(Cell(study, "events", 1, 1, 1 if fixed else 2, fixed) for study in studies)
    return Solved(
        **{"outcome": "x", "variant": variant, "verdict": "unique" if fixed else "several"},
        **{"k_unknown": len(studies), "solutions": 1, "exhaustive": True, "space": 1.0},
        **{"totals": "fixed", "rows": rows, "cells": cells, "sums": (), "statistics": ()},
        **{"distance": 0.0, "freed": (), "held": tuple(held), "criterion": "", "reason": ""},
    )


def derived(*results: Solved) -> set[str]:
    rows = {
        one.study_id: (one, (result.outcome, result.variant))
        for result in results
        for one in result.rows
    }
    return _derived(SheetSolved(results, rows))


def test_a_row_fixed_by_a_row_that_is_not_is_no_derived_one():
    free = solved("free", False, "a")
    assert derived(free, solved("main", True, "b", held=["a"])) == set()
    assert derived(solved("sure", True, "a"), solved("main", True, "b", held=["a"])) == {"a", "b"}
    assert derived(solved("main", True, "b", held=["a"]), solved("sure", True, "a")) == {"a", "b"}
    assert derived(replace(free, verdict="none")) == set()


# Another review ----------------------------------------------------------------------------


def test_of_two_blanked_trials_it_tells_what_is_fixed(tmp_path):
    """Its pooled result as a review would print it; then two rows are blanked, and asked for."""
    shutil.copytree(ROOT / "reviews/bcg/resources", tmp_path / "resources")
    config = yaml.safe_load((ROOT / "reviews/bcg/config.yaml").read_text())
    outcome = "tuberculosis_unvaccinated"
    config["pooling"]["risks"] = {**LOGIT, "select": "random"}  # quick to look at in full
    review = Review(config, tmp_path / "resources")
    effects = study_effects(read_table(review.sheet(outcome)), effects_settings(review, outcome))
    pooled = pool_outcome(effects, pool_settings(review, outcome)).estimates
    (one,) = (e for e in pooled if e.selected and e.variant == "main")
    printed = [f"{100 * number:.2f}" for number in (one.estimate, one.ci_low, one.ci_high)]
    with open(tmp_path / "resources/published.csv", "a", newline="") as file:
        cells = (
            outcome,
            "main",
            "proportion",
            one.k,
            one.n,
            *printed,
            "",
            "",
            "percent",
            "",
            "",
            "",
        )
        csv.writer(file, lineterminator="\n").writerow(cells)
    truth = {effect.study_id: effect.events for effect in effects}
    blanked = ("aronson1948", "rosenthal1960")
    sheet = tmp_path / f"resources/extraction/{outcome}.csv"
    rows = read_table(sheet)
    for row in rows:
        if row["study_id"] in blanked:
            row |= {"events": "", "status": "unavailable", "basis": "", "source": ""}
    with open(sheet, "w", newline="") as file:
        table = csv.DictWriter(file, rows[0], lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
    found = solve_sheet(tasks(review)[outcome])
    (solution,) = (one for one in found.solutions if one.outcome == outcome)
    assert solution.verdict in ("unique", "several") and solution.k_unknown == 2
    assert solution.exhaustive
    assert [one["study_id"] for one in found.rows] == list(blanked)
    for cell in found.cells:
        assert cell.low <= cell.value <= cell.high and cell.fixed == (cell.low == cell.high)
        assert cell.low <= truth[cell.study_id] <= cell.high
