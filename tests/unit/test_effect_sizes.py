"""Rates, correlations, Peto's odds ratio, given estimates: against escalc, and pooled."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pooling_examples import PLAIN, chain, effects, pooled, reference, rows_by_model, sheet
from scipy.special import ndtri
from scipy.stats import hypergeom

from forestry import measures
from forestry.measure_kinds import KINDS, RATIOS, WITHOUT_NULL, scale_of, unit_of
from forestry.scales import SCALES, to_display

REFERENCE = reference("effect_sizes")
CLOSED = 1e-12  # closed forms on both sides


def call(case):
    options = dict(case["options"])
    rule = options.pop("to", None)
    if rule and options.get("scale") != "square_root":
        options["zero_cells"] = measures.ZeroCells(add=0.5, to=rule)
    names = KINDS[case["measure"]].columns
    if case["measure"] == "mean":
        names = ("n", "mean", "sd")
    columns = [REFERENCE["data"][case["data"]][name] for name in names]
    return getattr(measures, case["measure"])(*columns, **options)


@pytest.mark.parametrize(
    "case",
    REFERENCE["cases"],
    ids=lambda c: "-".join([c["measure"], c["data"], *map(str, dict(c["options"]).values())]),
)
def test_agrees_with_escalc(case):
    found = call(case)
    yi, vi = (np.array(case[name], dtype=float) for name in ("yi", "vi"))
    # metafor gives an effect whose variance is not finite, or zero; here it is not usable.
    usable = np.isfinite(yi) & np.isfinite(vi) & (vi > 0)
    assert found.usable.tolist() == usable.tolist()
    assert found.yi[usable] == pytest.approx(yi[usable], rel=CLOSED, abs=1e-14)
    assert found.vi[usable] == pytest.approx(vi[usable], rel=CLOSED)
    assert all(bool(reason) != ok for reason, ok in zip(found.reason, usable, strict=True))


def test_the_reference_is_complete():
    found = {case["measure"] for case in REFERENCE["cases"]}
    assert found == {
        *("incidence_rate", "incidence_rate_ratio", "incidence_rate_difference", "correlation"),
        *("peto_odds_ratio", "ratio_of_means", "mean", "standardized_mean_difference"),
    }
    how = [
        (c["options"]["correction"], c["options"]["variance"])
        for c in REFERENCE["cases"]
        if c["measure"] == "standardized_mean_difference"
    ]
    assert {variance for _, variance in how} == set(measures.SMD_VARIANCES)
    assert {correction for correction, _ in how} == set(measures.HEDGES_CORRECTIONS)


# Pooled ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", REFERENCE["pooled"], ids=lambda case: case["measure"])
def test_pooled_as_by_rma(case):
    measure = case["measure"]
    columns = {name: REFERENCE["data"][case["data"]][name] for name in KINDS[measure].columns}
    if "person_time" not in columns:
        columns = {
            name: [int(x) if float(x).is_integer() and "mean" not in name else x for x in column]
            for name, column in columns.items()
        }
    rows = rows_by_model(chain(measure, PLAIN, **columns))
    common, random = rows["common"], rows["random"]
    assert common.link_estimate == pytest.approx(case["common"], rel=CLOSED)
    assert common.link_se == pytest.approx(case["common_se"], rel=CLOSED)
    assert random.link_estimate == pytest.approx(case["random"], rel=1e-11)
    assert random.link_se == pytest.approx(case["random_se"], rel=1e-11)
    assert random.tau2 == pytest.approx(case["tau2"], rel=1e-11)
    assert random.q == pytest.approx(case["q"], rel=1e-11)
    back = {"log": np.exp, "fisher_z": np.tanh}[KINDS[measure].scale]
    assert random.estimate == pytest.approx(back(case["random"]), rel=1e-11)
    assert random.p_value is not None


def test_petos_odds_ratio_is_the_common_effect_of_rma_peto():
    columns = REFERENCE["data"]["yusuf1985"]
    common = rows_by_model(chain("peto_odds_ratio", PLAIN, **columns))["common"]
    known = REFERENCE["peto"]
    assert common.link_estimate == pytest.approx(known["estimate"], rel=CLOSED)
    assert common.link_se == pytest.approx(known["se"], rel=CLOSED)
    assert common.p_value == pytest.approx(known["p_value"], rel=1e-10)
    assert common.q == pytest.approx(known["q"], rel=1e-11)


@given(st.integers(0, 9), st.integers(1, 9), st.integers(0, 9), st.integers(1, 9))
def test_petos_variance_is_that_of_the_hypergeometric(a, b, c, d):
    found = measures.peto_odds_ratio([a], [a + b], [c], [c + d])
    if a + c == 0:
        assert found.reason == ("no events in either arm",)
        return
    t = np.arange(a + c + 1)
    shares = hypergeom.pmf(t, a + b + c + d, a + c, a + b)
    mean = (shares * t).sum()
    variance = (shares * (t - mean) ** 2).sum()
    assert found.vi[0] == pytest.approx(1 / variance, rel=1e-10)
    assert found.yi[0] == pytest.approx((a - mean) / variance, rel=1e-9, abs=1e-10)


# Estimates with an interval or an error -------------------------------------------------------


def test_ratios_from_their_printed_intervals():
    known = REFERENCE["generic"]
    studies = effects(sheet("generic_ratio", **known["data"]), "generic_ratio")
    assert [study.yi for study in studies] == pytest.approx(known["yi"], rel=CLOSED)
    assert [study.vi for study in studies] == pytest.approx(known["vi"], rel=CLOSED)
    assert {study.obtained for study in studies} == {
        "standard error from the printed interval on the log scale (normal distribution)"
    }
    # Display is not logged, and the interval is the printed one but for its own rounding.
    first = studies[0]
    assert (first.estimate, first.scale, first.interval) == (pytest.approx(1.18), "log", "wald")
    assert (first.ci_low, first.ci_high) == pytest.approx((0.90, 1.54), abs=6e-3)
    random = rows_by_model(pooled(studies))["random"]
    for field, value in known["random"].items():
        assert getattr(random, field) == pytest.approx(value, rel=1e-11)


def test_an_estimate_off_the_middle_of_its_interval_is_told():
    table = sheet("hazard_ratio", estimate=[1.0, 1.4], ci_low=[0.5, 0.5], ci_high=[2.0, 2.0])
    middle, off = effects(table, "hazard_ratio")
    assert middle.warning == ""
    assert off.warning == "the estimate is not in the middle of its interval on the log scale"
    as_difference = effects(
        sheet("generic_difference", estimate=[1.25], ci_low=[0.5], ci_high=[2.0]),
        "generic_difference",
    )
    assert as_difference[0].warning == ""


def test_a_standard_error_is_used_as_printed_and_an_estimate_alone_is_not_usable():
    table = sheet(
        "generic_difference",
        estimate=[1.5, -2.0, 3.0],
        se=[0.5, 0.25, ""],
        ci_low=["", -9, ""],
        ci_high=["", 5, ""],
    )
    first, second, third = effects(table, "generic_difference")
    assert (first.yi, first.vi, first.obtained) == (1.5, 0.25, "as printed")
    assert (second.vi, second.ci_low) == (0.0625, pytest.approx(-2 - ndtri(0.975) * 0.25))
    assert (third.usable, third.reason) == (False, "estimate without a spread")
    assert third.estimate is third.vi is third.yi is None


@settings(max_examples=50, deadline=None)
@given(
    st.floats(0.01, 100),
    st.floats(0.01, 2),
    st.sampled_from(["hazard_ratio", "generic_difference"]),
)
def test_an_interval_gives_the_error_that_it_came_from(value, se, measure):
    ratio = measure in RATIOS
    half = ndtri(0.975) * se
    low, high = (
        (value * np.exp(-half), value * np.exp(half)) if ratio else (value - half, value + half)
    )
    (study,) = effects(sheet(measure, estimate=[value], ci_low=[low], ci_high=[high]), measure)
    assert study.vi == pytest.approx(se**2, rel=1e-9)
    assert (study.ci_low, study.ci_high) == pytest.approx((low, high), rel=1e-9)
    assert study.warning == ""


# Rates ----------------------------------------------------------------------------------------


def test_a_rate_is_told_per_unit_of_person_time():
    table = sheet("incidence_rate", events=[0, 3], person_time=[10, 2.5])
    for transform in ("raw", "log", "square_root"):
        pooling = PLAIN | {"transform": transform}
        if transform != "square_root":
            pooling |= {"zero_cells": {"add": 0.5, "to": "only_affected"}}
        first, second = effects(table, "incidence_rate", pooling)
        assert second.estimate == pytest.approx(1.2)
        assert (second.person_time, second.obtained) == (2.5, "as printed")
        assert first.obtained == (
            "as printed"
            if transform == "square_root"
            else "as printed; 0.5 added to the events of a study with a zero cell"
        )


def test_a_rate_ratio_without_events_in_either_arm_is_left_out_and_a_difference_is_not():
    columns = {
        "events": [0, 4],
        "person_time": [10, 20],
        "control_events": [0, 2],
        "control_person_time": [9, 21],
    }
    ratio = effects(sheet("incidence_rate_ratio", **columns), "incidence_rate_ratio")
    assert [study.reason for study in ratio] == ["no events in either arm", ""]
    difference = effects(sheet("incidence_rate_difference", **columns), "incidence_rate_difference")
    assert [study.usable for study in difference] == [True, True]


@given(st.integers(1, 50), st.floats(0.5, 99), st.integers(1, 50), st.floats(0.5, 99))
def test_another_unit_of_time_leaves_a_rate_ratio_alone(x, t, y, s):
    one = measures.incidence_rate_ratio([x], [t], [y], [s])
    other = measures.incidence_rate_ratio([x], [t / 100], [y], [s / 100])
    assert other.yi == pytest.approx(one.yi, rel=1e-10, abs=1e-12)
    assert other.vi == pytest.approx(one.vi, rel=1e-14)


# Correlations, means --------------------------------------------------------------------------


def test_correlations_that_have_no_fishers_z_say_why():
    found = effects(sheet("correlation", n=[3, 20, ""], correlation=[0.4, 1, 0.2]), "correlation")
    assert [study.reason for study in found] == [
        "fewer than 4 pairs",
        "a correlation of -1 or 1 has no Fisher's z",
        "number of patients not available",
    ]
    assert all(study.estimate is None for study in found)


def test_a_mean_that_is_not_positive_has_no_logarithm():
    found = measures.mean([10, 10], [-1, 2], [1, 1], "log")
    assert found.reason == ("a mean that is not positive has no logarithm", "")
    two = measures.ratio_of_means([10, 9], [1, 2], [1, 1], [9, 9], [0, 2], [1, 1])
    assert two.usable.tolist() == [False, True]


def test_means_on_the_log_scale_are_pooled_as_their_geometric_mean():
    data = REFERENCE["data"]["means"]
    columns = {name: data[name] for name in ("n", "mean", "sd")}
    table = sheet("mean", **{name: list(map(str, column)) for name, column in columns.items()})
    pooling = PLAIN | {"transform": "log"}
    studies = effects(table, "mean", pooling)
    (case,) = (c for c in REFERENCE["cases"] if (c["measure"], c["data"]) == ("mean", "means"))
    assert [study.yi for study in studies] == pytest.approx(case["yi"], rel=CLOSED)
    assert [study.estimate for study in studies] == pytest.approx(data["mean"], rel=1e-12)
    common = rows_by_model(pooled(studies, pooling))["common"]
    weights = 1 / np.array(case["vi"])
    expected = np.exp(np.average(case["yi"], weights=weights))
    assert (common.estimate, common.p_value) == (pytest.approx(expected, rel=1e-11), None)


def test_hedges_g_by_name():
    data = REFERENCE["data"]["small_means"]
    how = {"correction": "approximate", "variance": "revman"}
    columns = {name: list(values) for name, values in data.items()}
    found = effects(
        sheet("standardized_mean_difference", **columns),
        "standardized_mean_difference",
        standardized=how,
    )
    (case,) = (c for c in REFERENCE["cases"] if c["data"] == "small_means" and c["options"] == how)
    assert [study.vi for study in found] == pytest.approx(case["vi"], rel=CLOSED)
    with pytest.raises(ValueError, match="variance is 'AV', not one of LS, LS2, UB, revman"):
        measures.standardized_mean_difference(*data.values(), variance="AV")


# What is impossible ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("attempt", "message"),
    [
        (lambda: measures.incidence_rate([1], [0], "raw"), "person_time must be above 0: 0"),
        (lambda: measures.incidence_rate([-1], [1], "raw"), "events must not be negative: -1"),
        (lambda: measures.incidence_rate([1], [1], "logit"), "scale is 'logit', not one of raw"),
        (lambda: measures.correlation([9], [1.01]), "between -1 and 1: 1.01"),
        (lambda: measures.correlation([0], [0.5]), "n must be 1 or more: 0"),
        (lambda: measures.estimate([0], [1], ratio=True), "a ratio must be above 0: 0"),
        (lambda: measures.estimate([2], [-1], ratio=False), "se must not be negative: -1"),
        (lambda: measures.se_from_interval([2], [1], False), "must not be below the lower: 1"),
        (lambda: measures.se_from_interval([0], [1], True), "limit must be above 0: 0"),
        (
            lambda: measures.incidence_rate_ratio(
                [1], [1], [1], [1], measures.ZeroCells(cells="events")
            ),
            "'events' is not defined for incidence rates",
        ),
    ],
)
def test_faults_are_named(attempt, message):
    with pytest.raises(ValueError, match=message):
        attempt()


# Kinds ----------------------------------------------------------------------------------------


def test_every_measure_is_a_function_or_a_way_of_giving_one():
    given_as_such = {"hazard_ratio", "generic_ratio", "generic_difference"}
    assert all(hasattr(measures, measure) for measure in set(KINDS) - given_as_such)
    assert {scale_of(m, {"model": "inverse_variance"}) for m in KINDS} <= set(SCALES)
    for kind in KINDS.values():
        assert set(kind.transforms) <= set(SCALES)
        assert bool(kind.scale) != bool(kind.transforms)


def test_no_effect_is_zero_on_every_scale_of_analysis():
    for measure, kind in KINDS.items():
        if measure not in WITHOUT_NULL:
            assert to_display(0.0, kind.scale) == kind.null


def test_units():
    assert unit_of("incidence_rate", "100 person-years") == "per 100 person-years"
    assert unit_of("incidence_rate_ratio", "") == ""
    assert (unit_of("proportion", ""), unit_of("mean", "months")) == ("%", "months")
    assert unit_of("", "IU/L") == "IU/L"


def test_a_unit_of_an_unavailable_row_is_no_number():
    table = sheet("incidence_rate", events=[3], person_time=[2])
    table = [replace_status(table[0])]
    (study,) = effects(table, "incidence_rate")
    assert (study.usable, study.reason, study.yi) == (False, "not available", None)


def replace_status(row):
    return {**row, "status": "unavailable", "events": "", "person_time": ""}
