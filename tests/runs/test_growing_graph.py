"""The graph of the jobs grows with the number of outcomes, not with its square."""

import re

import pytest

from runs.harness import Workspace, workspace
from synthetic import write_review

# Twice as many, and more than one volume of the supplement.
SIZES = (75, 150)
PATTERNS = """
for rule in workflow.rules:
    for file in rule.output:
        if rule.has_wildcards():
            print(f"pattern {file}")
"""


@pytest.fixture(scope="module")
def planned(tmp_path_factory):
    """What a dry run says of each of two synthetic reviews, each output's pattern included."""
    folder = tmp_path_factory.mktemp("growing")
    reviews = [write_review(folder / str(size), size) for size in SIZES]
    workflow = workspace(folder, reviews[0]).workflow
    with open(workflow / "Snakefile", "a", encoding="utf-8") as snakefile:
        snakefile.write(PATTERNS)
    return [Workspace(workflow, review).dry_run().text for review in reviews]


def test_twice_the_outcomes_are_at_most_twice_the_inputs(planned):
    few, many = (
        sum(line.count(", ") + 1 for line in re.findall(r"^    input: (.+)$", text, re.MULTILINE))
        for text in planned
    )
    assert "results/supplement_2.pdf" in planned[1]
    assert few > SIZES[0] and many <= 2 * few


def test_no_pattern_names_the_outcomes(planned):
    few, many = (re.findall(r"^pattern (.+)$", text, re.MULTILINE) for text in planned)
    assert few and few == many
