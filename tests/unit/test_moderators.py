"""Declared meta-regressions: from a review's sheets to rows, and what they leave out and say."""

import json
import shutil
from functools import cache
from pathlib import Path

import pytest
import yaml
from chart_examples import effects_of, found, weights_of, written
from forest_examples import OUTCOME
from pooling_examples import bundled, bundled_effects, review

from forestry.figures.bubble import draw_bubble
from forestry.figures.bubble_layout import BubbleSettings, bubble_layout
from forestry.jobs.drawings import bubble_settings
from forestry.jobs.statistics import metaregression_settings
from forestry.moderators import FEW, RegressionTerm, fit_model, regression_terms
from forestry.records import read_records, write_records
from forestry.review import Review

ROOT = Path(__file__).resolve().parents[2]
BCG = ROOT / "reviews/bcg"
METAFOR = json.loads((ROOT / "tests/reference/metaregression.json").read_text())
# As test_metaregression has it for REML, where metafor's own iteration stops.
REML = {"rel": 1e-9, "abs": 0}
DECLARED = {
    "models": {"latitude": ["latitude"], "allocation": ["allocation"]},
    "tau2": "REML",
}


@cache
def bcg_effects():
    return tuple(bundled_effects("tuberculosis", BCG))


@cache
def bcg_weights():
    return bundled("tuberculosis", BCG).weights


def bcg(**declared) -> Review:
    """The second review with its meta-regressions declared so."""
    config = yaml.safe_load((BCG / "config.yaml").read_text())
    config["metaregression"] = {"tuberculosis": {**DECLARED, **declared}}
    return Review(config, BCG / "resources")


def rows_of(declared: Review) -> list[RegressionTerm]:
    settings = metaregression_settings(declared, "tuberculosis")
    return regression_terms(bcg_effects(), bcg_weights(), settings)


def metafor(data: str, test: str = "z") -> dict:
    (fit,) = (
        fit
        for fit in METAFOR["fits"]
        if (fit["data"], fit["method"], fit["test"]) == (data, "REML", test)
    )
    return fit


def of_model(rows, name) -> list[RegressionTerm]:
    return [row for row in rows if row.model == name]


TERM = ("estimate", "se", "statistic", "p_value", "ci_low", "ci_high")
WHOLE = {"tau2": "tau2", "i2_residual": "i2", "r2": "r2", "qm": "qm", "qm_df": "qm_df"}
WHOLE |= {"qm_p": "qm_p", "qe": "qe", "qe_p": "qe_p"}


@pytest.mark.parametrize(
    ("test", "interval"), [("z", "wald"), ("t", "t"), ("knha", "hartung_knapp")]
)
@pytest.mark.parametrize(
    ("model", "data"), [("latitude", "bcg_ablat"), ("allocation", "bcg_alloc_random")]
)
def test_a_model_of_one_column_agrees_with_metafor(model, data, test, interval):
    rows = of_model(rows_of(bcg(interval=interval)), model)
    known = metafor(data, test)
    for field in TERM:
        assert [getattr(row, field) for row in rows] == pytest.approx(known[field], **REML), field
    for row in rows:
        for ours, theirs in WHOLE.items():
            assert getattr(row, ours) == pytest.approx(known[theirs], **REML), ours
        assert (row.k, row.left_out, row.qe_df) == (13, 0, 13 - known["p"])
        assert (row.interval, row.tau2_method, row.scale) == (interval, "REML", "log")


def test_a_model_of_two_columns_agrees_with_metafor():
    rows = rows_of(bcg(models={"both": ["allocation", "latitude"]}))
    known = metafor("bcg_alloc_ablat")  # against alternate: the other terms are not ours
    latitude = rows[-1]
    assert latitude.term == "latitude"
    for field in TERM:
        assert getattr(latitude, field) == pytest.approx(known[field][-1], **REML), field
    for ours, theirs in WHOLE.items():
        assert getattr(latitude, ours) == pytest.approx(known[theirs], **REML), ours


def test_the_bundled_second_review_as_printed_by_metafor():
    """rma(yi, vi, mods = ~ ablat, data = dat.bcg), metafor 3.8-1, to the digits that it prints."""
    intercept, slope = of_model(rows_of(review(BCG)), "latitude")
    assert (round(intercept.estimate, 4), round(slope.estimate, 4)) == (0.2515, -0.0291)
    assert (round(slope.se, 4), round(slope.qe, 4), slope.qe_df) == (0.0072, 30.7331, 11)
    # By default it stops once a step of tau2 is below 1e-5, not yet at the maximum.
    assert slope.tau2 == pytest.approx(0.0764, abs=1e-4)
    assert slope.qm == pytest.approx(16.3571, abs=2e-3)
    assert 100 * slope.r2 == pytest.approx(75.62, abs=0.02)
    assert slope.qm_df == 1 and slope.qm_p < 0.0001


# Whom a model has, and what a row says ------------------------------------------------------


def test_rows_say_what_a_term_is_compared_with_and_when_studies_are_few():
    rows = rows_of(bcg(models={"both": ["latitude", "allocation"], "one": ["allocation"]}))
    assert [(row.model, row.term, row.note) for row in rows] == [
        ("both", "intercept", f"at latitude 0, allocation random; {FEW}"),
        ("both", "latitude", FEW),
        ("both", "allocation: alternate", f"against random; {FEW}"),
        ("both", "allocation: systematic", f"against random; {FEW}"),
        ("one", "intercept", "at allocation random"),
        ("one", "allocation: alternate", "against random"),
        ("one", "allocation: systematic", "against random"),
    ]


def made_up(values, yi=None, models=None, **settings):
    """Rows of studies s0, s1, ... with these values of the moderator x."""
    k = len(values)
    yi = yi or [0.3, -0.2, 0.5, 0.1, 0.9, -0.4, 0.0, 0.6][:k]
    effects = effects_of(yi, [0.1 + 0.02 * i for i in range(k)])
    known = {f"s{i}": value for i, value in enumerate(values) if value is not None}
    settings = {
        "outcome": OUTCOME,
        "variant": "main",
        "tau2": "",
        "interval": "",
        "pooling": {"model": "inverse_variance", "tau2": "DL"},
        "models": models or {"m": ["x"]},
        "moderators": {"x": known},
        **settings,
    }
    return effects, settings


def terms(effects, settings, left_out=()):
    return regression_terms(effects, weights_of(effects, left_out), settings)


def test_the_reference_is_the_most_frequent_level_and_of_equals_the_first():
    assert terms(*made_up(["b", "a", "a", "b", "a"]))[1].term == "x: b"
    for values in (["b", "a", "a", "b"], ["b", "b", "a", "a"]):
        assert terms(*made_up(values))[1].term == "x: a"
    # Of the studies in the model: without the third, b and a are as frequent.
    assert terms(*made_up(["b", "a", "a", "b", "a"]), left_out=("s2",))[1].term == "x: a"


def test_studies_without_a_value_are_left_out_and_counted():
    effects, settings = made_up([1.0, None, 3.0, 5.0, None, 2.0])
    rows = terms(effects, settings)
    assert {(row.k, row.left_out) for row in rows} == {(4, 2)}
    alone = [effect for effect in effects if effect.study_id in settings["moderators"]["x"]]
    for row, same in zip(rows, terms(alone, settings), strict=True):
        assert (row.estimate, row.se, row.qe) == (same.estimate, same.se, same.qe)
    # One that the variant leaves out is not counted.
    assert {(row.k, row.left_out) for row in terms(effects, settings, ("s1",))} == {(4, 1)}


def test_zero_is_a_value():
    assert terms(*made_up([0.0, 1.0, 2.0, 0.0]))[0].left_out == 0


def test_a_line_is_found():
    x = [1.0, 2.0, 4.0, 7.0, 9.0]
    rows = terms(*made_up(x, yi=[0.5 - 0.25 * value for value in x]))
    assert [row.estimate for row in rows] == pytest.approx([0.5, -0.25], rel=1e-12)
    assert rows[0].tau2 == 0 and rows[0].qe == pytest.approx(0, abs=1e-20)


@pytest.mark.parametrize(
    ("pooling", "settings", "choices"),
    [
        ({"model": "inverse_variance", "tau2": "PM"}, {}, ("PM", "wald")),
        ({"model": "inverse_variance"}, {}, ("DL", "wald")),
        ({"model": "logistic_mixed"}, {}, ("REML", "wald")),
        ({"model": "mantel_haenszel", "tau2": "ML"}, {"interval": "t"}, ("ML", "t")),
        (
            {"model": "inverse_variance", "interval": "hartung_knapp"},
            {"tau2": "REML"},
            ("REML", "hartung_knapp"),
        ),
    ],
)
def test_the_choices_are_the_declared_ones_or_the_poolings(pooling, settings, choices):
    (row, _) = terms(*made_up([1.0, 2.0, 4.0, 3.0], pooling=pooling, **settings))
    assert (row.tau2_method, row.interval) == choices


def test_the_level_is_that_of_the_pooling():
    def width(level):
        pooling = {"model": "inverse_variance", "level": level}
        row = terms(*made_up([1.0, 2.0, 4.0, 3.0], pooling=pooling))[1]
        return row.ci_high - row.ci_low

    assert width(0.99) / width(0.95) == pytest.approx(2.5758293035489 / 1.95996398454005, rel=1e-12)


EXACT = "the studies agree with the model exactly: no standard error"


@pytest.mark.parametrize(
    ("values", "more", "k", "why_not"),
    [
        ([], {}, 0, "no study to pool"),
        ([None, None, None], {}, 0, "no study has a value of every moderator"),
        ([1.0, 2.0], {}, 2, "2 studies do not suffice for 2 coefficients"),
        (["a", "b", "c"], {}, 3, "3 studies do not suffice for 3 coefficients"),
        (["a", "a", "a"], {}, 3, "x has one level only, a"),
        ([4.0, 4.0, 4.0, 4.0], {}, 4, "x is a combination of the columns before it"),
        (
            [1.0, 2.0, 4.0],
            {"yi": [0.0, 0.0, 0.0], "interval": "hartung_knapp"},
            3,
            EXACT,
        ),
    ],
)
@pytest.mark.filterwarnings("error")
def test_a_model_that_cannot_be_fitted_is_one_row_that_says_why(values, more, k, why_not, tmp_path):
    effects, settings = made_up(values, **more)
    (row,) = rows = terms(effects, settings)
    assert (row.term, row.k, row.left_out) == ("", k, len(values) - k)
    assert row.note == f"not fitted: {why_not}"
    numbers = (*TERM, *WHOLE, "qe_df")
    assert {getattr(row, name) for name in numbers} == {None}
    write_records(tmp_path / "rows.csv", RegressionTerm, rows)
    assert read_records(tmp_path / "rows.csv", RegressionTerm) == rows
    # And the plot says it, without a panel.
    model = fit_model("m", effects, weights_of(effects), settings)
    assert model.fit is None
    drawn = {"outcome": OUTCOME, "variant": "main", "title": "T", "measure": "risk_ratio"}
    drawn = BubbleSettings(**drawn, labels={}, moderator="x", moderator_label="Latitude")
    figure = draw_bubble(
        bubble_layout(effects, weights_of(effects), model.values["x"], None, drawn, model.why_not)
    )
    assert f"No meta-regression on latitude: {why_not}." in written(figure)
    assert not found(figure, "bubble") and not found(figure, "fit")


def test_one_model_that_cannot_be_fitted_hinders_no_other():
    models = {"level": ["flat"], "line": ["x"]}
    effects, settings = made_up([1.0, 2.0, 4.0, 3.0], models=models)
    settings["moderators"]["flat"] = dict.fromkeys(settings["moderators"]["x"], "a")
    rows = terms(effects, settings)
    assert [(row.model, row.term) for row in rows] == [
        ("level", ""),
        ("line", "intercept"),
        ("line", "x"),
    ]


# What the declaration gives -----------------------------------------------------------------


def test_a_job_knows_the_values_that_it_uses_and_no_others():
    models = {"latitude": ["latitude"], "both": ["latitude", "allocation"]}
    declared = bcg(models=models, groups={"random": "Random"})
    settings = metaregression_settings(declared, "tuberculosis")
    assert set(settings["moderators"]) == {"latitude", "allocation"}
    assert settings["moderators"]["latitude"]["hart1977"] == 52.0
    assert settings["moderators"]["allocation"]["hart1977"] == "random"
    drawn = bubble_settings(declared, "tuberculosis_latitude")
    assert drawn["regression"]["models"] == {"latitude": ["latitude"]}
    assert set(drawn["regression"]["moderators"]) == {"latitude"}
    assert drawn["figure"]["moderator_unit"] == "degrees from the equator"
    assert drawn["figure"]["labels"] == drawn["figure"]["groups"] == {}


def test_a_study_that_the_variant_leaves_out_gives_no_value():
    settings = metaregression_settings(bcg(variant="random_allocation"), "tuberculosis")
    assert len(settings["moderators"]["latitude"]) == 7
    rows = regression_terms(bcg_effects(), bcg_weights(), settings)
    assert {(row.variant, row.k, row.left_out) for row in rows if row.model == "latitude"} == {
        ("random_allocation", 7, 0)
    }
    (alone,) = (row for row in rows if row.model == "allocation")
    assert alone.note == "not fitted: allocation has one level only, random"


def test_a_study_without_a_value_gives_none(tmp_path):
    studies = (BCG / "resources/studies.csv").read_text()
    other = Review(bcg().config, tmp_path)
    shutil.copytree(BCG / "resources/extraction", tmp_path / "extraction")
    (tmp_path / "studies.csv").write_text(studies.replace("1948,random,44", "1948,random,"))
    settings = metaregression_settings(other, "tuberculosis")
    assert "aronson1948" not in settings["moderators"]["latitude"]
    assert settings["moderators"]["allocation"]["aronson1948"] == "random"
    for bubble, is_same in (("tuberculosis_allocation", True), ("tuberculosis_latitude", False)):
        assert (bubble_settings(other, bubble) == bubble_settings(bcg(), bubble)) is is_same
    rows = regression_terms(bcg_effects(), bcg_weights(), settings)
    assert {(r.k, r.left_out) for r in rows if r.model == "latitude"} == {(12, 1)}


def test_models_of_one_column_alone_are_drawn():
    declared = bcg(models={"latitude": ["latitude"], "both": ["latitude", "allocation"]})
    assert declared.bubbles == {"tuberculosis_latitude": ("tuberculosis", "latitude")}


def test_the_default_columns_have_their_types():
    assert "studies" not in review(ROOT).config
    moderators = metaregression_settings(review(ROOT), "muscle_pr")["moderators"]
    assert {type(value) for value in moderators["n_ig"].values()} == {float}
    assert set(moderators["route"].values()) <= {"iv", "sc", "mixed"}
