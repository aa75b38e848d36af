"""How Snakemake's report lists the bundled review's figures."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path

import pytest
import yaml

from forestry.jobs.report_entries import figure_category, figure_labels
from forestry.review import Review

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def review() -> Review:
    config = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    return Review(config, ROOT / "resources")


def seen(text: str) -> str:
    """A label as a reader sees it."""
    return text.replace("\N{ZERO WIDTH SPACE}", "").replace("\N{FIGURE SPACE}", " ")


def test_a_figure_is_listed_by_number_outcome_and_variant(review):
    assert {key: seen(text) for key, text in figure_labels(review, "S5").items()} == {
        "Figure": "S 5",
        "Outcome": review.config["outcomes"]["muscle_pr_vs_control"]["label"],
        "Variant": "randomised trials only",
    }
    assert seen(figure_labels(review, "3")["Variant"]) == "main analysis"
    assert seen(figure_labels(review, "1")["Variant"]) == ""  # a flow of records has none
    assert seen(figure_labels(review, "S56")["Variant"]) == "subgroups by route"


def test_a_figure_stands_under_its_annexure(review):
    assert figure_category(review, "1") == "Figures of the main text"
    assert figure_category(review, "S1") == "Annexure 1: Muscle power"


def test_numbers_sort_as_texts(review):
    numbers = [figure_labels(review, figure)["Figure"] for figure in review.figures]
    assert len(set(map(len, numbers[5:]))) == 1  # S 1 to S58


def switches(listed: list[dict[str, str]]) -> list[str]:
    """The labels that Snakemake's report would offer as a switch (abstract_results.js)."""
    _, *others = listed[0]
    counts = {label: Counter(row[label] for row in listed) for label in others}
    return [
        label
        for label, values in counts.items()
        if len(values) == 2 and set(values.values()) == {len(listed) / 2}
    ]


def test_no_list_gets_a_switch(review):
    """With one such label the report makes a switch, and fails to show rows that lack a value."""
    lists = defaultdict(list)
    for id, figure in review.figures.items():
        lists[figure_category(review, id), figure.kind].append(figure_labels(review, id))
    assert any(len(listed) == 2 for listed in lists.values())
    assert [place for place, listed in lists.items() if len(switches(listed)) == 1] == []
