"""A multiverse: which specifications there are, their results, and which choice moves them."""

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from forestry.effects import study_effects
from forestry.figures.multiverse_layout import CURVE, multiverse_layout
from forestry.figures.multiverse_plot import draw_multiverse
from forestry.figures.settings import ForestSettings
from forestry.jobs.resampling import multiverse_settings
from forestry.jobs.statistics import effects_settings, pool_settings
from forestry.measure_kinds import scale_of
from forestry.multiverse.analysis import multiverse_rows
from forestry.multiverse.choices import choice_rows
from forestry.multiverse.specifications import CHOICES, Specification, specifications
from forestry.pool import pool_outcome
from forestry.results import MultiverseRow
from forestry.review import Review
from forestry.rows import read_table
from unit.pooling_examples import EVERYONE, ROOT, leaving_out, sheet

MIXED = Specification("logistic_mixed", "", "", "wald", "main", "hozo2005", "0.5")
NORMAL = replace(MIXED, model="inverse_variance", tau2="DL")
TWO_ARMS = {
    "events": (4, 6, 3, 62, 33),
    "total": (123, 306, 231, 13598, 5069),
    "control_events": (11, 29, 11, 248, 47),
    "control_total": (139, 303, 220, 12867, 5808),
}
EXAMPLES = {
    "proportion": (
        {"events": (3, 8, 0, 12, 5, 9), "total": (10, 11, 6, 14, 20, 9)},
        MIXED,
        {
            "model": ["logistic_mixed", "inverse_variance"],
            "transform": ["raw", "logit", "double_arcsine"],
            "tau2": ["DL", "REML"],
            "interval": ["wald", "t", "hartung_knapp", "hartung_knapp_wider"],
            "variant": ["main", "some", "outliers"],
        },
    ),
    "risk_ratio": (
        TWO_ARMS,
        NORMAL,
        {
            "model": ["inverse_variance", "mantel_haenszel"],
            "interval": ["wald", "t"],
            "variant": ["main", "some"],
        },
    ),
    "odds_ratio": (
        TWO_ARMS,
        NORMAL,
        {"model": ["binomial_normal_conditional"], "interval": ["wald", "hartung_knapp"]},
    ),
    "mean": (
        {
            "n": (20, 31, 15, 44),
            "median": (5, 6, 7, 6.5),
            "min": (1, 2, 2, 1),
            "max": (14, 12, 15, 11),
            "q1": (3, 4, 5, 5),
            "q3": (8, 8, 10, 8),
        },
        NORMAL,
        {"medians": ["hozo2005", "wan2014", "luo2018"], "tau2": ["DL", "PM"]},
    ),
    "mean_change": (
        {
            "n": (20, 31, 15),
            "baseline_mean": (50, 60, 55),
            "baseline_sd": (10, 12, 9),
            "end_mean": (58, 66, 70),
            "end_sd": (11, 10, 8),
        },
        NORMAL,
        {"correlation": ["independent", 0.25, 0.5, 0.9]},
    ),
}
VARIANTS = {
    "main": EVERYONE,
    "some": leaving_out(excluded={"s1": "not this one"}),
    "outliers": leaving_out(outliers={"rule": "studentized_residual", "threshold": 1.2}),
    "two": leaving_out(excluded={f"s{i}": "x" for i in range(3, 9)}),
    "one": leaving_out(excluded={f"s{i}": "x" for i in range(2, 9)}),
}


def settings_of(measure, own, choices, variants=VARIANTS, **pooling):
    return {
        "outcome": "healing",
        "measure": measure,
        "effects": {
            "measure": measure,
            "scale": "identity",
            "direction": "rise",
            "medians": own.medians,
            "correlation": 0.5,
            "zero_cells": {},
            "level": 0.95,
            "columns": {},
            "studies": [f"s{i}" for i in range(1, 9)],
        },
        "pooling": {"model": own.model, "interval": own.interval, **pooling},
        "variants": variants,
        "own": {name: getattr(own, name) for name in CHOICES},
        "choices": choices,
    }


def multiverse(measure, choices=None, **pooling):
    columns, own, declared = EXAMPLES[measure]
    table = sheet(measure, **columns)
    settings = settings_of(measure, own, choices or declared, **pooling)
    settings["effects"]["studies"] = [row["study_id"] for row in table]
    return multiverse_rows(table, settings), table, settings


def one_by_one(row: MultiverseRow, table, settings):
    """The reported estimate of a specification, by the way that pools an outcome."""
    pooling = {**settings["pooling"], "model": row.model, "interval": row.interval}
    if row.tau2:
        pooling["tau2"] = row.tau2
    if row.transform:
        pooling["transform"] = row.transform
    how = {**settings["effects"], "scale": scale_of(settings["measure"], pooling)}
    if row.medians:
        how["medians"] = row.medians
    if row.correlation:
        number = row.correlation
        how["correlation"] = number if number == "independent" else float(number)
    declared = {"outcome": "healing", "measure": settings["measure"], "pooling": pooling}
    declared["variants"] = {row.variant: settings["variants"][row.variant]}
    pooled = pool_outcome(study_effects(table, how), declared)
    (selected,) = (estimate for estimate in pooled.estimates if estimate.selected)
    return selected


# Specifications -------------------------------------------------------------------------------


def test_every_meaningful_combination_is_there_once():
    found = specifications(EXAMPLES["proportion"][2], MIXED, "proportion")
    # The mixed model has two intervals, inverse variance 3 scales x 2 estimators x 4 intervals.
    assert len(found) == len(set(found)) == (2 + 24) * 3
    assert {one.transform for one in found if one.model == "logistic_mixed"} == {""}
    assert {one.tau2 for one in found if one.model == "logistic_mixed"} == {""}
    assert {one.medians for one in found} == {one.correlation for one in found} == {""}


def test_a_model_that_cannot_pool_the_measure_is_left_out():
    models = ["logistic_mixed", "inverse_variance", "mantel_haenszel"]
    models.append("binomial_normal_conditional")
    for measure, own, kept in (
        ("proportion", MIXED, models[:2]),
        ("risk_ratio", NORMAL, models[1:3]),
        ("odds_ratio", NORMAL, models[1:]),
        ("mean", NORMAL, models[1:2]),
    ):
        found = specifications({"model": models}, own, measure)
        assert [one.model for one in found] == kept


def test_the_review_s_own_is_always_among_them():
    own = replace(NORMAL, tau2="HS", variant="main")
    found = specifications({"tau2": ["DL", "PM"], "variant": ["some"]}, own, "mean_change")
    assert found[0] == replace(own, medians="") and len(found) == 3
    assert specifications({}, own, "mean") == [replace(own, correlation="", transform="identity")]


# Results --------------------------------------------------------------------------------------


@pytest.mark.parametrize("select", ["common_if_i2_zero", "random", "common"])
@pytest.mark.parametrize("measure", EXAMPLES)
def test_each_specification_is_what_pooling_by_it_gives(measure, select):
    rows, table, settings = multiverse(measure, select=select)
    assert sum(row.own for row in rows) == 1
    for row in rows:
        expected = one_by_one(row, table, settings)
        assert (row.k, row.reported) == (expected.k, expected.model)
        close = {"rel": 1e-8, "abs": 1e-9}
        assert row.estimate == pytest.approx(expected.estimate, **close)
        assert row.ci_low == pytest.approx(expected.ci_low, **close)
        assert row.ci_high == pytest.approx(expected.ci_high, **close)
        assert row.i2 == pytest.approx(expected.i2, abs=1e-8)


def test_too_few_studies_have_a_row_that_says_so():
    rows, *_ = multiverse("proportion", {"variant": ["main", "two", "one"]})
    assert [row.k for row in rows] == [6, 2, 1]
    assert rows[2].note == "one study: not pooled" and rows[2].estimate is None
    assert rows[2].reported == "none" and rows[1].reported in ("common", "random")


REVIEWS = [ROOT, ROOT / "reviews/bcg"]
DECLARED = [
    (folder, outcome)
    for folder in REVIEWS
    for outcome in yaml.safe_load((folder / "config.yaml").read_text())["multiverse"]
]


@pytest.mark.parametrize("folder, outcome", DECLARED, ids=lambda value: Path(value).name)
def test_the_review_s_own_is_what_the_review_reports(folder, outcome):
    review = Review(yaml.safe_load((folder / "config.yaml").read_text()), folder / "resources")
    table = read_table(review.sheet(outcome))
    settings = multiverse_settings(review, outcome) | {"choices": {}}
    (row,) = multiverse_rows(table, settings)
    effects = study_effects(table, effects_settings(review, outcome))
    pooled = pool_outcome(effects, pool_settings(review, outcome)).estimates
    (reported,) = (e for e in pooled if e.selected and e.variant == "main" and not e.group)
    assert row.own and row.reported == reported.model and row.k == reported.k
    assert row.k_reconstructed == reported.k_reconstructed
    for name in ("estimate", "ci_low", "ci_high", "i2"):
        assert getattr(row, name) == pytest.approx(getattr(reported, name), rel=1e-9, abs=1e-12)


# Choices --------------------------------------------------------------------------------------


def universe(estimates, **columns):
    blank = dict.fromkeys(field.name for field in fields(MultiverseRow))
    rows = []
    for i, estimate in enumerate(estimates):
        own = {name: values[i] for name, values in columns.items()}
        texts = dict.fromkeys(CHOICES, "") | own
        rows.append(
            MultiverseRow(**{**blank, **texts, "outcome": "x", "estimate": estimate, "own": i == 0})
        )
    return rows


def test_variance_shares_of_a_crossed_additive_multiverse_sum_to_one():
    rows = universe([0, 1, 10, 11], tau2=["DL", "PM"] * 2, variant=["main"] * 2 + ["some"] * 2)
    found = choice_rows(rows, ratio=False)
    assert [row.choice for row in found] == ["variant"] * 2 + ["tau2"] * 2
    assert found[0].variance_share == pytest.approx(100 / 101)
    assert found[2].variance_share == pytest.approx(1 / 101)
    assert [row.range_of_means for row in found] == [10, 10, 1, 1]
    assert [(row.lowest, row.mean, row.highest) for row in found[2:]] == [(0, 5, 10), (1, 6, 11)]
    assert [row.own for row in found] == [True, False, True, False]


def test_ratios_are_compared_on_the_log_scale():
    found = choice_rows(universe([1, 4, 2, 8], tau2=["DL", "DL", "PM", "PM"]), ratio=True)
    assert [row.mean for row in found] == pytest.approx([2, 4])
    assert found[0].range_of_means == pytest.approx(2)


def test_estimates_that_do_not_vary_have_no_share():
    found = choice_rows(universe([0.3, 0.1 * 3], tau2=["DL", "PM"]), ratio=False)
    assert [row.variance_share for row in found] == [None, None]
    assert choice_rows(universe([0.3, None], tau2=["DL", "PM"]), ratio=False) == []


# The figure -----------------------------------------------------------------------------------


def drawn(measure="proportion", choices=None, **given):
    rows, *_ = multiverse(measure, choices)
    words = {"outcome": "healing", "variant": "main", "title": "Title", "labels": {}} | given
    ratio = measure in ("risk_ratio", "odds_ratio")
    layout = multiverse_layout(
        rows, choice_rows(rows, ratio), ForestSettings(measure=measure, **words)
    )
    return rows, layout, draw_multiverse(layout)


def artist(figure, gid):
    (found,) = (a for a in figure.axes[1].get_children() if a.get_gid() == gid)
    return found


@pytest.mark.parametrize("measure", ["proportion", "risk_ratio", "mean_change"])
def test_the_curve_shows_the_estimates_in_their_order(measure):
    rows, layout, figure = drawn(measure)
    known = sorted(row.estimate for row in rows if row.estimate is not None)
    offsets = np.asarray(artist(figure, "estimates").get_offsets())
    assert offsets[:, 0].tolist() == list(range(1, len(known) + 1))
    place = np.log if measure == "risk_ratio" else np.asarray
    # Heights are straight in the estimate: two ticks give the line.
    ticks = [*zip(layout.y.ticks, layout.y.tick_labels, strict=True)]
    ticks = [(at, label) for at, label in ticks if at > 0]
    factor = 100 if measure == "proportion" else 1
    at = [float(place(float(label) / factor)) for _, label in ticks]
    slope = (ticks[-1][0] - ticks[0][0]) / (at[-1] - at[0])
    expected = ticks[0][0] + slope * (place(known) - at[0])
    assert offsets[:, 1] == pytest.approx(expected, abs=1e-6)
    assert offsets[:, 1].min() >= 0 and offsets[:, 1].max() <= CURVE


def test_the_review_s_own_is_marked_in_curve_and_matrix():
    rows, layout, figure = drawn()
    (own,) = (point for point in layout.points if point.own)
    assert artist(figure, "own").get_offsets().tolist() == [[own.rank, pytest.approx(own.y)]]
    segments = artist(figure, "own-choices").get_segments()
    assert {segment[0][0] for segment in segments} == {own.rank}
    mine = next(row for row in rows if row.own)
    used = {row.label for row in layout.rows if own.rank in row.ranks}
    assert used == {"Logistic mixed", "Wald", "main"} and mine.model == "logistic_mixed"


def test_the_matrix_has_every_value_of_every_choice_that_varies():
    rows, layout, figure = drawn()
    assert [h.text for h in layout.headings] == [
        *("Model", "Scale", "Estimator of τ²", "Interval", "Variant")
    ]
    assert len(layout.rows) == 2 + 3 + 2 + 4 + 3
    for row in layout.rows[:2]:
        assert row.label in ("Logistic mixed", "Inverse variance")
    marks = sum(len(row.ranks) for row in layout.rows)
    segments = [len(artist(figure, gid).get_segments()) for gid in ("choices", "own-choices")]
    assert sum(segments) == marks


def test_specifications_without_an_estimate_are_counted():
    _, layout, _ = drawn(choices={"variant": ["main", "two", "one"]})
    assert layout.counted == "2 specifications"
    assert any("1 more specification has no estimate" in note for note in layout.notes)


@pytest.mark.parametrize("width", [174.0, 85.0])
def test_all_text_lies_on_the_page(width):
    _, _, figure = drawn(width_mm=width)
    figure.draw_without_rendering()
    wide, scale = figure.get_size_inches()[0] * 72, 72 / figure.dpi
    for text in [*figure.axes[0].texts, *figure.axes[1].get_yticklabels()]:
        box = text.get_window_extent()
        assert box.x0 * scale >= -0.5 and box.x1 * scale <= wide + 0.5, text.get_text()
