"""Which plots of an outcome one job draws, and from what."""

from pathlib import Path

import pytest
import yaml

from forestry.figures.outcome import KINDS
from forestry.jobs.drawings import TABLES, drawings_by_outcome, drawn_together
from forestry.review import Review

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("folder", [ROOT, ROOT / "reviews/bcg"])
def test_every_plot_is_drawn_once_and_those_of_moderators_apart(folder):
    config = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    for drawings in drawings_by_outcome(Review(config, folder / "resources")).values():
        together = dict(drawn_together(drawings))
        drawn = [drawing.path for part in together.values() for drawing in part]
        assert sorted(drawn) == sorted(drawing.path for drawing in drawings)
        assert all(together.values())
        for part, plots in together.items():
            apart = {drawing.kind in ("subgroup_forest", "bubble") for drawing in plots}
            assert apart == {part == "moderators"}


def test_each_kind_has_its_tables():
    assert TABLES.keys() == KINDS.keys()
