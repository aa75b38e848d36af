"""Which plots of an outcome one job draws, and from what."""

from pathlib import Path

import pytest
import yaml

from forestry.figures.outcome import KINDS
from forestry.jobs.drawings import TABLES, drawings_by_outcome, drawn_together
from forestry.review import Review

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("folder", [ROOT, ROOT / "reviews/bcg"])
def test_every_plot_is_drawn_once_and_many_by_several_jobs(folder):
    config = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    review = Review(config, folder / "resources")
    by_outcome = drawings_by_outcome(review)
    jobs = {outcome: dict(drawn_together(drawings)) for outcome, drawings in by_outcome.items()}
    for outcome, together in jobs.items():
        drawn = [drawing for part in together.values() for drawing in part]
        assert sorted(d.path for d in drawn) == sorted(d.path for d in by_outcome[outcome])
        assert all(together.values())
        subgroups = {d.path for d in drawn if d.kind == "subgroup_forest"}
        assert {d.path for d in together.get("moderators", ())} == subgroups
        assert len(together) == 1 or subgroups
    (most,) = (together for together in jobs.values() if len(together) > 1)
    shown = {part: {d.path in review.figures for d in drawn} for part, drawn in most.items()}
    assert shown == {"draw": {True}, "moderators": {True}, "diagnostics": {False}}


def test_each_kind_has_its_tables():
    assert TABLES.keys() == KINDS.keys()
