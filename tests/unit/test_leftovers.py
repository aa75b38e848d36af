"""Files that the declaration no longer makes are found among those that it makes."""

import os
from pathlib import Path

import yaml

from forestry.jobs import statistics
from forestry.leftovers import leftovers, outdated
from forestry.review import Review

BCG = Path(__file__).resolve().parents[2] / "reviews/bcg"


def test_what_is_no_longer_declared_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path in ("results/a.csv", "results/b.csv", "results/c.html", "results/.part-a.csv"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    for path in ("results/figures/1.pdf", "results/figures/2.pdf", "results/other/x.pdf"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    declared = ["results/a.csv", "results/figures/1.pdf", "results/captions", "results/new.csv"]
    assert leftovers(declared) == ["results/b.csv", "results/c.html", "results/figures/2.pdf"]
    assert leftovers(declared, ["results/c.html", "results/b.csv"]) == ["results/figures/2.pdf"]
    assert leftovers([]) == []


def test_what_is_older_than_its_sources_is_named(tmp_path):
    for name, time in {"old": 1, "source": 2, "new": 3}.items():
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (time, time))
    old, source, new, none = (str(tmp_path / name) for name in ("old", "source", "new", "none"))
    made = {old: [none, source], new: [source], none: [source]}
    assert outdated(made) == [old]


def test_the_multiverse_is_made_of_its_own_outcomes_alone():
    config = yaml.safe_load((BCG / "config.yaml").read_text(encoding="utf-8"))
    review = Review(config, BCG / "resources")
    made_of = statistics.resampled(review)
    assert made_of["multiverse"] == made_of["multiverse_choices"] == list(config["multiverse"])
    assert made_of["bootstrap"] == list(config["outcomes"]) != made_of["multiverse"]
    del config["multiverse"]
    assert list(statistics.resampled(Review(config, BCG / "resources"))) == ["bootstrap"]
