"""Every kind of edit on real runs: the exact jobs, in one run, and the bytes of a cold build.

Each case starts from the built review. What the dry run names, what the run does and what
must run are the same; nothing is then left to be done; and the results are, byte for byte,
those of the edited review built from nothing in a folder of its own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from runs.bcg import (
    AGGREGATES,
    AUDIT,
    CAPTIONS,
    DIAGNOSTICS,
    LEGENDS,
    METAREGRESSION,
    MODERATORS,
    OUTCOMES,
    RATIOS,
    SHEET,
    SUBGROUPS,
    draw,
    whole,
)
from runs.harness import NOTHING, Workspace

pytestmark = pytest.mark.long


def cold(space: Workspace, folder) -> Workspace:
    """The same workflow and review, built from nothing elsewhere."""
    for part in (space.workflow, space.review):
        ignored = shutil.ignore_patterns("results", "logs", ".snakemake")
        shutil.copytree(part, folder / part.name, ignore=ignored)
    other = Workspace(folder / space.workflow.name, folder / space.review.name)
    other.run()
    return other


# Edits, each with the jobs that must run ------------------------------------------------------


@dataclass(frozen=True)
class Edit:
    """A change of the review or of the workflow, and the jobs that it makes necessary."""

    change: Callable[[Workspace], object]
    jobs: set[str]
    left_over: tuple[str, ...] = ()  # what the new state no longer makes


def replaced(file: str, old: str, new: str) -> Callable[[Workspace], None]:
    return lambda space: space.edit(file, old, new)


def everywhere(file: str, old: str, new: str) -> Callable[[Workspace], None]:
    def change(space: Workspace) -> None:
        path = space.review / file
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))

    return change


def appended(file: str, text: str) -> Callable[[Workspace], None]:
    def change(space: Workspace) -> None:
        path = space.review / file if (space.review / file).exists() else space.workflow / file
        path.write_text(path.read_text() + text)

    return change


def lines(file: str, change: Callable[[list[str]], list[str]]) -> Callable[[Workspace], None]:
    """A change of the lines of a table, the header apart."""

    def write(space: Workspace) -> None:
        path = space.review / file
        header, *rows = path.read_text().splitlines(keepends=True)
        path.write_text("".join([header, *change(rows)]))

    return write


STUDIES = "resources/studies.csv"
FIGURES = "resources/figures.csv"
LIBRARY = "workflow/scripts/forestry"
ADDED = "new1999,7,210,19,205,reported,source,made for a test,,\n"
OUTCOME = """  tuberculosis_difference:
    label: Tuberculosis, risk difference
    data: tuberculosis
    measure: risk_difference
    pooling: ratios

variants:
"""
NEW_OUTCOME = {
    "results/effects/tuberculosis_difference.csv",
    "results/figures/diagnostics/tuberculosis_difference_influence.pdf",
}
EVERY_NUMBER = whole(*OUTCOMES)
EDITS = {
    "a cell": Edit(replaced(SHEET, "aronson1948,4,123", "aronson1948,5,123"), whole(*RATIOS)),
    "a note": Edit(everywhere(SHEET, "(Colditz et al. 1994)", "(Colditz and others)"), set()),
    "an added row": Edit(
        lambda space: (
            appended(SHEET, ADDED)(space),
            appended(STUDIES, "new1999,New 1999,1999,random,20\n")(space),
        ),
        whole(*RATIOS),
    ),
    "a deleted row": Edit(lines(SHEET, lambda rows: rows[:-1]), whole(*RATIOS)),
    "rows in another order": Edit(lines(SHEET, lambda rows: rows[::-1]), whole(*RATIOS)),
    "studies in another order": Edit(lines(STUDIES, lambda rows: rows[::-1]), set()),
    "an attribute": Edit(replaced(STUDIES, "1948,random", "1948,alternate"), whole(*OUTCOMES)),
    "a moderator": Edit(
        replaced(STUDIES, "1948,random,44", "1948,random,45"),
        METAREGRESSION | DIAGNOSTICS | AGGREGATES,  # the tables of all are one job
    ),
    "a label": Edit(
        replaced(STUDIES, "Aronson 1948", "Aronson and others 1948"),
        draw(*OUTCOMES) | MODERATORS | DIAGNOSTICS | LEGENDS,
    ),
    "two settings swapped": Edit(
        everywhere(
            "config.yaml",
            "favours: {below: vaccine, above: no vaccine}",
            "favours: {below: no vaccine, above: vaccine}",
        ),
        draw(*RATIOS) | MODERATORS | DIAGNOSTICS,
    ),
    "a way of pooling": Edit(
        replaced("config.yaml", "inverse_variance, tau2: REML", "inverse_variance, tau2: PM"),
        whole("tuberculosis") | CAPTIONS,
    ),
    "a variant": Edit(
        replaced("config.yaml", "threshold: 1.96", "threshold: 1.5"),
        EVERY_NUMBER - SUBGROUPS - MODERATORS,
    ),
    "an outcome": Edit(
        replaced("config.yaml", "\nvariants:\n", OUTCOME), NEW_OUTCOME | AGGREGATES | CAPTIONS
    ),
    "a figure": Edit(
        appended(FIGURES, "7,main,forest,tuberculosis_odds,random_allocation\n"),
        draw("tuberculosis_odds") | LEGENDS | CAPTIONS,
    ),
    "a figure less": Edit(
        lines(FIGURES, lambda rows: [row for row in rows if not row.startswith("2,")]),
        draw("tuberculosis") | LEGENDS | CAPTIONS,
        tuple(f"results/figures/2.{suffix}" for suffix in ("pdf", "png", "svg")),
    ),
    "a subgroup step": Edit(
        replaced(
            "config.yaml",
            "[{by: allocation}]",
            "[{by: allocation}, {by: allocation, within: {allocation: [random, alternate]}}]",
        ),
        SUBGROUPS | MODERATORS | AGGREGATES,
    ),
    "a comment in config": Edit(appended("config.yaml", "# a comment\n"), set()),
    "a library module": Edit(appended(f"{LIBRARY}/influence.py", "\n# edited\n"), EVERY_NUMBER),
    "an adapter": Edit(appended("workflow/scripts/audit.py", "\n# edited\n"), AUDIT),
    "a caption": Edit(appended("workflow/report/funnel.rst", "\n"), CAPTIONS),
    "a rule's comment": Edit(appended("workflow/rules/audit.smk", "\n# edited\n"), set()),
}


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_runs_its_jobs_and_ends_as_a_cold_build(space, tmp_path, name):
    edit = EDITS[name]
    edit.change(space)
    assert space.dry_run().names == edit.jobs
    assert space.run().names == edit.jobs
    assert NOTHING in space.dry_run().text
    found = space.digests()
    for path in edit.left_over:
        del found[path]
    assert found == cold(space, tmp_path / "cold").digests()


def test_what_is_no_longer_declared_is_named_at_the_end(space):
    EDITS["a figure less"].change(space)
    said = space.run().text.split("No longer declared")[1]
    assert set(EDITS["a figure less"].left_over) == {line.strip() for line in said.splitlines()[1:]}


def test_an_edit_and_its_undoing_give_the_first_bytes_again(space):
    before = space.digests()
    space.edit(SHEET, "aronson1948,4,123", "aronson1948,5,123")
    space.run()
    assert space.digests() != before
    space.edit(SHEET, "aronson1948,5,123", "aronson1948,4,123")
    space.run()
    assert space.digests() == before


def test_a_checkout_of_the_same_content_runs_nothing(space):
    """Another branch and back again: every file is written anew."""
    git = [
        "git",
        "-c",
        "user.name=a",
        "-c",
        "user.email=a@example.org",
        "-C",
        space.workflow.parent,
    ]
    for part in (space.workflow, space.review):
        shutil.rmtree(part / ".git", ignore_errors=True)
    (space.workflow.parent / ".gitignore").write_text("results/\nlogs/\n.snakemake/\n")
    files = [file for file in space.workflow.rglob("*.py")]
    before = {file: os.stat(file).st_mtime_ns for file in files}
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "all"]):
        subprocess.run([*git, *command], check=True)
    subprocess.run([*git, "rm", "-rq", "."], check=True)
    subprocess.run([*git, "reset", "-q", "--hard"], check=True)
    assert all(os.stat(file).st_mtime_ns != before[file] for file in files)
    assert NOTHING in space.dry_run().text
