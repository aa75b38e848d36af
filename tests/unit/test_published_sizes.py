"""How many studies each figure of the bundled review pools, and how many the article prints."""

from pathlib import Path

import pytest
import yaml

from forestry.effects import study_effects
from forestry.jobs.statistics import effects_settings, pool_settings
from forestry.models import Pooling
from forestry.pool import left_out
from forestry.review import Review
from forestry.rows import read_rows, read_table

ROOT = Path(__file__).resolve().parents[2]
REVIEW = Review(yaml.safe_load((ROOT / "config.yaml").read_text()), ROOT / "resources")
PRINTED = {
    (row["outcome"], row["variant"]): row
    for row in read_table(ROOT / "resources" / "published.csv")
    if row["k"]
}
FIGURES = [
    figure
    for figure in REVIEW.figures.values()
    if figure.kind in ("forest", "funnel") and (figure.outcome, figure.variant) in PRINTED
]
# The article names seven studies by their references and prints six.
CONTRADICTED = {("prednisolone_stopped", "main"): 7}


def _pooled(outcome: str, variant: str) -> list[str]:
    rows = read_rows(REVIEW.sheet(outcome), REVIEW.solved(outcome))
    effects = study_effects(rows, effects_settings(REVIEW, outcome))
    settings = pool_settings(REVIEW, outcome)
    reasons = left_out(effects, settings["variants"][variant], Pooling(**settings["pooling"]))
    return [effect.study_id for effect in effects if effect.study_id not in reasons]


@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure.figure)
def test_a_figure_shows_as_many_studies_as_are_printed(figure):
    place = figure.outcome, figure.variant
    assert len(_pooled(*place)) == CONTRADICTED.get(place, int(PRINTED[place]["k"]))


def test_a_contradicted_size_is_that_of_the_printed_references():
    for place, k in CONTRADICTED.items():
        assert len(PRINTED[place]["studies"].split()) == k != int(PRINTED[place]["k"])


def test_the_figures_with_a_printed_size_are_not_few():
    assert {figure.figure for figure in FIGURES} >= {"2", "3", "S1", "S13", "S16", "S20", "S33"}
