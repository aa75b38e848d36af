"""Synthetic reviews, by which growth is measured."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from forestry.jobs.drawings import drawings_by_outcome
from forestry.review import SCHEMA, Review
from forestry.validation import check_review
from synthetic import write_review


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return write_review(tmp_path_factory.mktemp("synthetic") / "review", 4)


def test_a_synthetic_review_has_no_fault(folder):
    config = yaml.safe_load((folder / "config.yaml").read_text())
    check_review(config, folder / "resources", SCHEMA)
    drawn = drawings_by_outcome(Review(config, folder / "resources"))
    assert [len(plots) for plots in drawn.values()] == [4] * 4


def test_the_same_number_of_outcomes_is_the_same_review(folder, tmp_path):
    again = write_review(tmp_path / "again", 4)
    files = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    assert len(files) == 4 + 4
    assert all((folder / file).read_bytes() == (again / file).read_bytes() for file in files)


def test_more_outcomes_leave_the_first_as_they_are(folder, tmp_path):
    more = write_review(tmp_path / "more", 6)
    for number in range(1, 5):
        sheet = f"resources/extraction/outcome{number}.csv"
        assert (folder / sheet).read_bytes() == (more / sheet).read_bytes()
