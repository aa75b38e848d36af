"""A review of the measures that the bundled ones do not have, from its sheets to its figures."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import yaml
from pooling_examples import ROOT, bundled, bundled_effects, reference, reported, review

from forestry.figures.forest_layout import forest_layout
from forestry.figures.funnel_layout import FunnelSettings, funnel_layout
from forestry.figures.settings import ForestSettings
from forestry.validation import validate_review

FOLDER = ROOT / "tests/reviews/measures"
CLOSED = 1e-11


def test_it_has_no_fault():
    config = yaml.safe_load((FOLDER / "config.yaml").read_text(encoding="utf-8"))
    assert validate_review(config, FOLDER / "resources") == ()


OUTCOMES = tuple(review(FOLDER).outcomes)


def near(value, rel=CLOSED):
    return pytest.approx(value, rel=rel)


# Numbers ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcome", "measure", "back"),
    [
        ("stroke", "incidence_rate_ratio", np.exp),
        ("adherence", "correlation", np.tanh),
        ("stay_ratio", "ratio_of_means", np.exp),
    ],
)
def test_random_effects_as_by_rma(outcome, measure, back):
    (known,) = (c for c in reference("effect_sizes")["pooled"] if c["measure"] == measure)
    row = reported(bundled(outcome, FOLDER))
    assert row.estimate == near(back(known["random"]))
    assert (row.tau2, row.q) == (
        pytest.approx(known["tau2"], rel=1e-10, abs=1e-12),
        near(known["q"]),
    )


@pytest.mark.parametrize(
    ("outcome", "model"), [("infection_exact", "CM.EL"), ("infection_levels", "UM.FS")]
)
def test_rare_events_as_by_rma_glmm(outcome, model):
    (known,) = (
        case
        for case in reference("two_arms")["glmm"]
        if (case["table"], case["model"], case["method"]) == ("nielweise2007", model, "ML")
    )
    row = reported(bundled(outcome, FOLDER))
    assert row.link_estimate == pytest.approx(known["estimate"], abs=1e-6)
    assert row.link_se == pytest.approx(known["se"], rel=1e-3)  # R's Hessian is numerical
    assert (row.k, row.i2) == (17, pytest.approx(known["i2"], abs=1e-5))


def test_peto_as_by_rma_peto():
    (known,) = (c for c in reference("two_arms")["peto"] if c["table"] == "nielweise2007")
    (common,) = (
        row for row in bundled("infection_peto", FOLDER).estimates if row.model == "common"
    )
    assert (common.link_estimate, common.link_se) == (near(known["estimate"]), near(known["se"]))
    assert common.q == near(known["q"])


def test_a_declared_kind_of_hedges_g_is_the_one_that_is_pooled():
    declared = review(FOLDER).config["outcomes"]["stay_standardized"]["standardized"]
    (known,) = (
        case
        for case in reference("effect_sizes")["cases"]
        if (case["data"], case["options"]) == ("means", declared)
    )
    found = bundled_effects("stay_standardized", FOLDER)
    assert [study.vi for study in found] == near(known["vi"])


# Figures ----------------------------------------------------------------------------------------

# The axis' label, the value of no effect, whether the axis is logarithmic, the data columns.
EVENTS = ("events", "control_events")
DRAWN = {
    "stroke": ("Incidence rate ratio", 1.0, "log", ("events", "person_time")),
    "stroke_difference": (
        "Incidence rate difference, per 100 person-years",
        0.0,
        "linear",
        ("events", "person_time"),
    ),
    "stroke_rate": (
        "Incidence rate, per 100 person-years",
        None,
        "linear",
        ("events", "person_time"),
    ),
    "adherence": ("Correlation", 0.0, "linear", ("n",)),
    "lung_cancer": ("Ratio", 1.0, "log", ()),
    "stay": ("Mean difference, days", 0.0, "linear", ("n", "mean")),
    "stay_ratio": ("Ratio of means", 1.0, "log", ("n", "mean")),
    "stay_standardized": ("Standardized mean difference", 0.0, "linear", ("n", "mean")),
    "infection_exact": ("Odds ratio", 1.0, "log", ("events", "total")),
    "infection_levels": ("Odds ratio", 1.0, "log", ("events", "total")),
    "infection_peto": ("Peto odds ratio", 1.0, "log", ("events", "total")),
    "infection_mantel_haenszel": ("Risk ratio", 1.0, "log", ("events", "total")),
}


@cache
def settings(kind, outcome):
    declared = review(FOLDER).config["outcomes"][outcome]
    labels = {effect.study_id: effect.study_id for effect in bundled_effects(outcome, FOLDER)}
    given = {
        key: declared[key] for key in ("measure", "unit", "arms", "favours") if key in declared
    }
    return kind.from_mapping(
        {
            "outcome": outcome,
            "variant": "main",
            "title": declared["label"],
            "labels": labels,
            **given,
        }
    )


def forest(outcome):
    found = bundled(outcome, FOLDER)
    return forest_layout(
        bundled_effects(outcome, FOLDER),
        found.estimates,
        found.weights,
        settings(ForestSettings, outcome),
    )


def test_every_outcome_is_looked_at():
    assert set(DRAWN) == set(OUTCOMES)


@pytest.mark.parametrize("outcome", DRAWN)
def test_a_forest_plot_says_what_it_shows(outcome):
    label, null, scale, columns = DRAWN[outcome]
    layout = forest(outcome)
    assert (layout.axis.label, layout.axis.reference, layout.axis.scale) == (label, null, scale)
    two_arms = null is not None and outcome not in ("adherence", "lung_cancer")
    wanted = [*columns, *(f"control_{column}" for column in columns)] if two_arms else list(columns)
    shown = [column.key for column in layout.columns]
    assert shown == ["label", *wanted, "plot", "effect", "common", "random"]
    (estimate,) = (row for row in layout.rows if row.kind == "pooled" and row.bold)
    assert estimate.estimate == reported(bundled(outcome, FOLDER)).estimate


def test_a_rate_names_its_unit_and_that_of_person_time():
    layout = forest("stroke_difference")
    (effect,) = (column for column in layout.columns if column.key == "effect")
    assert effect.title == "Incidence rate difference\nper 100 person-years (95% CI)"
    assert "Person-time is in 100 person-years." in layout.footnotes
    (first, *_) = (row for row in layout.rows if row.kind == "study")
    assert first.cells["person_time"] == ("4.13",)
    (total,) = (row for row in layout.rows if row.kind == "pooled" and row.bold)
    assert total.cells["person_time"] == ("23.96",)


def test_who_is_favoured_stands_on_either_side_of_no_effect():
    axis = forest("stroke").axis
    assert (axis.below, axis.above) == ("Favours warfarin", "Favours control")


def test_a_correlation_is_told_with_two_decimals_and_not_transformed():
    first = next(row for row in forest("adherence").rows if row.kind == "study")
    assert first.cells["effect"][0] == "0.19"
    assert first.estimate == pytest.approx(0.187, rel=1e-12)


FUNNELS = {
    "stroke_rate": (
        "Incidence rate, per 100 person-years (log scale)",
        "Standard error of the log incidence rate",
    ),
    "adherence": ("Correlation (scale of Fisher's z)", "Standard error of Fisher's z"),
    "lung_cancer": ("Ratio (log scale)", "Standard error of the log ratio"),
    "infection_peto": ("Peto odds ratio (log scale)", "Standard error of the log Peto odds ratio"),
    "stroke_difference": (
        "Incidence rate difference, per 100 person-years",
        "Standard error, per 100 person-years",
    ),
}


@pytest.mark.parametrize("outcome", FUNNELS)
def test_a_funnel_plot_names_its_scales(outcome):
    found = bundled(outcome, FOLDER)
    layout = funnel_layout(
        bundled_effects(outcome, FOLDER),
        found.estimates,
        found.weights,
        settings(FunnelSettings, outcome),
    )
    assert (layout.x.label, layout.y.label) == FUNNELS[outcome]


def test_its_sheets_name_where_they_are_from():
    for path in Path(FOLDER / "resources/extraction").glob("*.csv"):
        assert "R package metadat: dat." in path.read_text(encoding="utf-8")
