"""Two arms, through the whole chain: Mantel-Haenszel's variants, and sets without an estimate."""

from __future__ import annotations

import pytest
from pooling_examples import TWO_ARM, chain, reference, reported, rows_by_model

REFERENCE = reference("two_arms")
TABLES = REFERENCE["tables"]
CLOSE = 1e-11  # closed forms on both sides
ABOUT = {"model": "mantel_haenszel", "tau2": "DL", "q_about": "mantel_haenszel"}


def named(*keys):
    return lambda case: "-".join(str(case[key]) for key in keys)


def counts(table):
    return {name: [int(n) for n in TABLES[table][name]] for name in TWO_ARM}


def near(value, rel=CLOSE):
    return pytest.approx(value, rel=rel, abs=1e-13)


@pytest.mark.parametrize("case", REFERENCE["about"], ids=named("table", "measure"))
def test_q_about_the_mantel_haenszel_mean(case):
    """DL's tau2, the test and I2 all come from the one Q, as in RevMan 5 and R's meta."""
    found = chain(case["measure"], ABOUT, **counts(case["table"]))
    rows = rows_by_model(found)
    assert rows["common"].link_estimate == near(case["common"])
    random = rows["random"]
    assert random.link_estimate == near(case["random"])
    assert random.link_se == near(case["random_se"])
    assert random.tau2 == near(case["tau2"])
    assert (random.q, random.q_p) == (near(case["q"]), near(case["q_p"], 1e-9))
    assert random.i2 == near(max(0, 1 - random.q_df / random.q))
    assert (random.i2_basis, random.tau2_method) == ("mantel_haenszel_q", "DL_mantel_haenszel")
    assert [test.test for test in found.heterogeneity] == ["mantel_haenszel_q"]


def test_without_a_mantel_haenszel_mean_the_random_effects_have_cochrans_q():
    columns = dict(zip(TWO_ARM, ([3, 5], [40, 50], [0, 0], [41, 52]), strict=True))
    found = chain("risk_ratio", ABOUT, **columns)
    (random,) = found.estimates
    assert (random.model, random.i2_basis, random.tau2_method) == ("random", "q", "DL")
    assert random.note.startswith("no common effect: no risk ratio")


@pytest.mark.parametrize("exact", [True, False])
def test_the_correction_of_mantel_haenszel_is_that_of_zero_cells(exact):
    pooling = {"model": "mantel_haenszel", "mh_exact": exact, "zero_cells": {"to": "all"}}
    common = rows_by_model(chain("odds_ratio", pooling, **counts("nielweise2007")))["common"]
    (case,) = (
        case
        for case in REFERENCE["mantel_haenszel"]
        if (case["table"], case["measure"], case["to"])
        == ("nielweise2007", "odds_ratio", "none" if exact else "all")
    )
    assert common.link_estimate == near(case["estimate"])
    assert common.link_se == near(case["se"])


def test_studies_without_events_are_left_out_of_ratios_and_kept_in_differences():
    columns = dict(zip(TWO_ARM, ([0, 4, 5], [20, 30, 40], [0, 6, 3], [21, 30, 40]), strict=True))
    for measure, k in (("risk_ratio", 2), ("odds_ratio", 2), ("risk_difference", 3)):
        found = chain(measure, {"model": "mantel_haenszel"}, **columns)
        assert reported(found).k == k
        first = found.weights[0]
        told = (first.included, first.reason)
        assert told == ((True, "") if k == 3 else (False, "no events in either arm"))


@pytest.mark.parametrize("model", ["inverse_variance", "mantel_haenszel"])
@pytest.mark.parametrize("events", ["none", "all"])
def test_all_or_no_events_have_no_odds_ratio(model, events):
    total = ([20, 30], [21, 31])
    a, c = total if events == "all" else ([0, 0], [0, 0])
    columns = dict(zip(TWO_ARM, (a, total[0], c, total[1]), strict=True))
    (row,) = chain("odds_ratio", {"model": model}, **columns).estimates
    reason = {"none": "no events in either arm", "all": "nothing but events in both arms"}[events]
    assert (row.model, row.estimate, row.k) == ("none", None, 0)
    assert row.note == f"not estimable: {reason}"


def test_a_risk_difference_without_any_event_is_that_of_the_corrected_cells():
    """Mantel and Haenszel's has no variance: the random effects tell why it is missing."""
    columns = dict(zip(TWO_ARM, ([0, 0], [20, 30], [0, 0], [21, 31]), strict=True))
    (row,) = chain("risk_difference", {"model": "mantel_haenszel"}, **columns).estimates
    assert (row.model, row.k) == ("random", 2)
    assert row.note == (
        "no common effect: no risk difference: no arm has both events and non-events"
    )
    assert row.ci_low < row.estimate < row.ci_high
