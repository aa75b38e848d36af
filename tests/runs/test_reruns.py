"""Which jobs run after an edit: exactly those that use what was edited, in one run.

A few kinds of edit, tried each time; `test_edits` has all of them, and takes long.

Each case starts from a built review, edits it, and compares the dry run, the run and the
jobs that must run; then nothing is left to be done, and undoing is not needed: every
case has a copy of its own.
"""

from __future__ import annotations

import os

import pytest

from runs.bcg import BCG, RATIOS, SHEET, whole
from runs.harness import NOTHING, Workspace, workspace


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


def test_an_outcome_that_is_not_declared_is_named(space):
    (space.review / "results/effects/typo.csv").write_text("of an outcome that is gone\n")
    refused = space.run("results/effects/typo.csv", check=False)
    assert refused.returncode != 0 and not refused.jobs
    assert "declares no outcome typo" in refused.text


def test_a_second_cold_run_gives_the_same_bytes(built, tmp_path):
    again = workspace(tmp_path, BCG)
    again.run("--cores", "1")
    assert again.digests() == built.digests()


def test_the_last_line_says_where_the_results_are(tmp_path):
    space = workspace(tmp_path, BCG)
    text = space.run("results/effects/tuberculosis.csv").text
    assert str(space.review / "results") in text.strip().splitlines()[-1]
