"""Which jobs run after an edit: exactly those that use what was edited, in one run.

Each case starts from a built review, edits it, and compares the dry run, the run and the
jobs that must run; then nothing is left to be done, and undoing is not needed: every
case has a copy of its own.
"""

from __future__ import annotations

import os
import shutil

import pytest

from runs.harness import NOTHING, ROOT, Workspace, workspace

BCG = ROOT / "reviews/bcg"
SHEET = "resources/extraction/tuberculosis.csv"

# The jobs, each by its first output.
OUTCOMES = ("tuberculosis", "tuberculosis_odds", "tuberculosis_unvaccinated")
RATIOS = ("tuberculosis", "tuberculosis_odds")  # from one sheet
FIRST_FIGURES = {
    "tuberculosis": "1",
    "tuberculosis_odds": "3",
    "tuberculosis_unvaccinated": "4",
}
SUBGROUPS = {"results/subgroups/tuberculosis/effects.csv"}
METAREGRESSION = {"results/metaregression/tuberculosis.csv"}
LEGENDS = {"results/legends.csv"}
CAPTIONS = {"results/captions"}
AUDIT = {"results/audit.csv"}
# What holds all outcomes: the results as data, and what is made from them.
AGGREGATES = {"results/estimates.csv", *AUDIT, *LEGENDS}


def analyse(*outcomes: str) -> set[str]:
    return {f"results/effects/{outcome}.csv" for outcome in outcomes}


def draw(*outcomes: str) -> set[str]:
    return {f"results/figures/{FIRST_FIGURES[outcome]}.pdf" for outcome in outcomes}


def whole(*outcomes: str) -> set[str]:
    """All jobs of these outcomes and what holds all outcomes."""
    own = SUBGROUPS | METAREGRESSION if "tuberculosis" in outcomes else set()
    return analyse(*outcomes) | own | draw(*outcomes) | AGGREGATES


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Workspace:
    space = workspace(tmp_path_factory.mktemp("built"), BCG)
    space.run()
    return space


@pytest.fixture
def space(built, tmp_path) -> Workspace:
    """A copy of the built review and workflow, with Snakemake's records."""
    for part in (built.workflow, built.review):
        shutil.copytree(part, tmp_path / part.name, symlinks=True)
    return Workspace(tmp_path / built.workflow.name, tmp_path / built.review.name)


def check(space: Workspace, jobs: set[str]) -> None:
    """The dry run and one run name exactly these jobs; then nothing is to be done."""
    assert space.dry_run().names == jobs
    assert space.run().names == jobs
    assert NOTHING in space.dry_run().text


def test_a_number_reruns_what_uses_it_and_the_aggregates(space):
    space.edit(SHEET, "aronson1948,4,123", "aronson1948,5,123")
    check(space, whole(*RATIOS))
    built = {row["study_id"]: row for row in space.table("results/effects/tuberculosis.csv")}
    assert built["aronson1948"]["events"] == "5"


def test_a_note_reruns_nothing(space):
    space.edit(SHEET, "(Colditz et al. 1994),\nferguson", "(Colditz et al. 1994),checked\nferguson")
    assert NOTHING in space.dry_run().text


def test_touching_everything_reruns_nothing(space):
    for part in (space.workflow, space.review / "resources", space.review / "config.yaml"):
        for file in [part, *part.rglob("*")]:
            os.utime(file)
    assert NOTHING in space.dry_run().text


def test_a_label_reruns_the_figures_and_their_legends_alone(space):
    space.edit("resources/studies.csv", "Aronson 1948", "Aronson and others 1948")
    check(space, draw(*OUTCOMES) | LEGENDS)


@pytest.mark.long
def test_an_attribute_reruns_the_outcomes_whose_variants_use_it(space):
    space.edit("resources/studies.csv", "1948,random", "1948,alternate")
    check(space, whole(*OUTCOMES))


def test_swapping_two_settings_is_seen(space):
    favours = "favours: {below: vaccine, above: no vaccine}"
    swapped = "favours: {below: no vaccine, above: vaccine}"
    path = space.review / "config.yaml"
    path.write_text(path.read_text().replace(favours, swapped))
    check(space, draw(*RATIOS))


@pytest.mark.long
def test_a_way_of_pooling_reruns_the_outcomes_that_use_it(space):
    space.edit("config.yaml", "inverse_variance, tau2: REML", "inverse_variance, tau2: PM")
    check(space, whole("tuberculosis") | CAPTIONS)  # a bubble plot's caption names the estimator


def test_a_library_module_reruns_what_imports_it(space):
    with open(space.workflow / "workflow/scripts/forestry/influence.py", "a") as module:
        module.write("\n# edited\n")
    check(space, whole(*OUTCOMES))


@pytest.mark.long
def test_an_adapter_reruns_its_own_rule(space):
    with open(space.workflow / "workflow/scripts/audit.py", "a") as adapter:
        adapter.write("\n# edited\n")
    check(space, AUDIT)


@pytest.mark.long
def test_an_added_figure_is_drawn_with_those_of_its_outcome(space):
    with open(space.review / "resources/figures.csv", "a") as figures:
        figures.write("7,main,forest,tuberculosis_odds,random_allocation\n")
    check(space, draw("tuberculosis_odds") | LEGENDS | CAPTIONS)


def test_bad_input_stops_before_anything_changes(space):
    before = space.digests()
    space.edit(SHEET, "aronson1948,4,123", "aronson1948,400,123")
    space.edit(SHEET, "ferguson1949,6,306", "ferguson1949,six,306")
    for arguments in (["--dry-run"], []):
        refused = space.run(*arguments, check=False)
        assert refused.returncode != 0
        assert "aronson1948" in refused.text and "ferguson1949" in refused.text
        assert "tuberculosis.csv" in refused.text and "'six'" in refused.text
        assert not refused.jobs
    assert space.digests() == before


@pytest.mark.long
def test_an_unknown_key_is_refused_with_the_nearest_one(space):
    space.edit("config.yaml", "heterogeneity: likelihood_ratio", "heterogenity: likelihood_ratio")
    refused = space.run("--dry-run", check=False)
    assert refused.returncode != 0
    assert "heterogenity" in refused.text and "heterogeneity" in refused.text


def test_a_second_cold_run_gives_the_same_bytes(built, tmp_path):
    again = workspace(tmp_path, BCG)
    again.run("--cores", "1")
    assert again.digests() == built.digests()


@pytest.mark.long
def test_an_edit_and_its_undoing_give_the_first_bytes_again(space):
    before = space.digests()
    space.edit(SHEET, "aronson1948,4,123", "aronson1948,5,123")
    space.run()
    assert space.digests() != before
    space.edit(SHEET, "aronson1948,5,123", "aronson1948,4,123")
    space.run()
    assert space.digests() == before


def test_the_last_line_says_where_the_results_are(tmp_path):
    space = workspace(tmp_path, BCG)
    text = space.run("results/effects/tuberculosis.csv").text
    assert str(space.review / "results") in text.strip().splitlines()[-1]
