"""Small sheets, and the way from their rows to effects and pooled results."""

import json
from functools import cache
from pathlib import Path

import yaml

from forestry.effects import study_effects
from forestry.jobs.statistics import effects_settings, pool_settings
from forestry.measure_kinds import scale_of
from forestry.pool import pool_outcome
from forestry.review import Review
from forestry.rows import NUMBERS, read_table

ROOT = Path(__file__).resolve().parents[2]
PLAIN = {"model": "inverse_variance"}
MIXED = {"model": "logistic_mixed"}
TWO_ARM = ("events", "total", "control_events", "control_total")


@cache
def reference(name):
    """R's figures: tests/reference/<name>.json."""
    return json.loads((ROOT / f"tests/reference/{name}.json").read_text(encoding="utf-8"))


def row(study_id, measure, status="reported", basis="source", **numbers):
    """A sheet's row as texts; the numbers that are not given are empty cells."""
    empty = dict.fromkeys(NUMBERS[measure], "")
    assert numbers.keys() <= empty.keys()
    texts = {name: str(value) for name, value in numbers.items()}
    return {"study_id": study_id, "status": status, "basis": basis, **empty, **texts}


def sheet(measure, **columns):
    """Rows s1, s2, ... of the numbers in columns of one length."""
    studies = zip(*columns.values(), strict=True)
    return [
        row(f"s{i}", measure, **dict(zip(columns, numbers, strict=True)))
        for i, numbers in enumerate(studies, start=1)
    ]


def leaving_out(excluded=None, outliers=None, leave_one_out=False):
    """Whom a variant leaves out, as `Review.variant` says it."""
    return {"excluded": excluded or {}, "outliers": outliers, "leave_one_out": leave_one_out}


EVERYONE = leaving_out()


def effects(table, measure, pooling=PLAIN, **settings):
    return study_effects(
        table,
        {
            "measure": measure,
            "scale": scale_of(measure, pooling),
            "direction": "rise",
            "medians": "hozo2005",
            "correlation": 0.5,
            "standardized": {},
            "zero_cells": pooling.get("zero_cells", {}),
            "level": pooling.get("level", 0.95),
            "columns": {},
            "studies": [row["study_id"] for row in table],
            **settings,
        },
    )


def pooled(studies, pooling=PLAIN, **variants):
    """Every variant; main alone where none is given."""
    variants = variants or {"main": EVERYONE}
    return pool_outcome(studies, {"outcome": "outcome", "pooling": pooling, "variants": variants})


def chain(measure, pooling=PLAIN, **columns):
    """From columns of numbers to pooled results."""
    return pooled(effects(sheet(measure, **columns), measure, pooling), pooling)


def rows_by_model(found, variant="main", group=""):
    here = [row for row in found.estimates if (row.variant, row.group) == (variant, group)]
    assert len({row.model for row in here}) == len(here)
    return {row.model: row for row in here}


def reported(found, variant="main"):
    """The row that the review reports."""
    (selected,) = (row for row in found.estimates if row.variant == variant and row.selected)
    return selected


@cache
def review(folder=ROOT):
    """A bundled review."""
    config = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    return Review(config, folder / "resources")


@cache
def bundled_effects(outcome, folder=ROOT):
    return study_effects(
        read_table(review(folder).sheet(outcome)), effects_settings(review(folder), outcome)
    )


@cache
def bundled(outcome, folder=ROOT):
    """An outcome of a bundled review, from its sheet to its pooled results."""
    return pool_outcome(bundled_effects(outcome, folder), pool_settings(review(folder), outcome))
