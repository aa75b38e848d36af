"""Mantel-Haenszel pooling against metafor, single tables, and its own symmetries."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forestry.heterogeneity import q_about
from forestry.mantel_haenszel import MEASURES, NotEstimable, fit_mantel_haenszel

REFERENCE = json.loads(
    (Path(__file__).parents[1] / "reference" / "pooling.json").read_text(encoding="utf-8")
)
TWO_ARMS = json.loads(
    (Path(__file__).parents[1] / "reference" / "two_arms.json").read_text(encoding="utf-8")
)
TABLES = REFERENCE["tables"]
CASES = REFERENCE["mantel_haenszel"]

# Closed forms on both sides.
CLOSE = 1e-11


def near(value, expected):
    return value == pytest.approx(expected, rel=CLOSE)


def test_the_reference_is_complete():
    found = {(case["table"], case["measure"], case["add"]) for case in CASES}
    assert found == {(t, m, a) for t in TABLES for m in MEASURES for a in (0, 0.5)}
    assert len(CASES) == 30
    assert any(0 in TABLES[name]["events"] for name in TABLES)


@pytest.mark.parametrize(
    "case", CASES, ids=lambda case: f"{case['table']}-{case['measure']}-{case['add']}"
)
def test_agrees_with_metafor(case):
    fit = fit_mantel_haenszel(**TABLES[case["table"]], measure=case["measure"], add=case["add"])
    for field in ("estimate", "se", "ci_low", "ci_high"):
        assert near(getattr(fit, field), case[field])
    assert fit.p_value == pytest.approx(case["p_value"], rel=1e-10)
    kept = fit.weights if len(case["weights"]) == fit.k else fit.weights[~fit.uninformative]
    assert kept == pytest.approx(case["weights"], rel=CLOSE, abs=1e-15)
    assert fit.weights.sum() == pytest.approx(1, rel=1e-14)
    # metafor's Q is about the pooled effect, over the studies with an effect of their own.
    test = q_about(case["yi"], case["vi"], fit.estimate)
    assert near(test.q, case["q"])
    assert test.df == case["k_yi"] - 1


def test_bcg_as_published():
    fit = fit_mantel_haenszel(**TABLES["bcg"], measure="risk_ratio")
    assert (np.exp(fit.estimate), np.exp(fit.ci_low), np.exp(fit.ci_high)) == pytest.approx(
        (0.6353, 0.5881, 0.6862), abs=5e-5
    )
    bcg = REFERENCE["datasets"]["bcg"]
    assert q_about(bcg["yi"], bcg["vi"], fit.estimate).q == pytest.approx(152.5676, abs=5e-5)


def test_egger2001_fixed_odds_ratio_as_published():
    fit = fit_mantel_haenszel(**TABLES["egger2001"], measure="odds_ratio")
    assert np.exp(fit.estimate) == pytest.approx(1.0061, abs=5e-5)


# Exact cases --------------------------------------------------------------------------------


@given(*[st.integers(1, 400)] * 4)
def test_one_table_gives_its_own_ratios(a, b, c, d):
    counts = ([a], [a + b], [c], [c + d])
    odds = fit_mantel_haenszel(*counts, measure="odds_ratio")
    assert odds.estimate == pytest.approx(np.log(a * d / (b * c)), rel=1e-12, abs=1e-14)
    assert odds.se == pytest.approx(np.sqrt(1 / a + 1 / b + 1 / c + 1 / d), rel=1e-12)
    risk = fit_mantel_haenszel(*counts, measure="risk_ratio")
    assert risk.estimate == pytest.approx(np.log(a * (c + d) / (c * (a + b))), rel=1e-12, abs=1e-14)
    assert risk.se == pytest.approx(np.sqrt(1 / a - 1 / (a + b) + 1 / c - 1 / (c + d)), rel=1e-10)
    difference = fit_mantel_haenszel(*counts, measure="risk_difference")
    assert difference.estimate == pytest.approx(a / (a + b) - c / (c + d), rel=1e-12, abs=1e-14)


arms = st.lists(
    st.tuples(st.integers(0, 20), st.integers(1, 40), st.integers(0, 20), st.integers(1, 40)),
    min_size=2,
    max_size=8,
).filter(lambda rows: sum(row[0] for row in rows) > 0 and sum(row[2] for row in rows) > 0)


def columns(rows):
    a, b, c, d = np.array(rows).T
    return a, a + b, c, c + d


@settings(max_examples=60, deadline=None)
@given(arms)
@pytest.mark.parametrize("measure", MEASURES)
def test_swapping_the_arms_turns_the_sign(measure, rows):
    a, n1, c, n2 = columns(rows)
    one = fit_mantel_haenszel(a, n1, c, n2, measure)
    other = fit_mantel_haenszel(c, n2, a, n1, measure)
    assert other.estimate == pytest.approx(-one.estimate, rel=1e-9, abs=1e-12)
    assert other.se == pytest.approx(one.se, rel=1e-9, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(arms)
def test_swapping_events_and_non_events_turns_the_log_odds_ratio(rows):
    a, n1, c, n2 = columns(rows)
    one = fit_mantel_haenszel(a, n1, c, n2, "odds_ratio")
    other = fit_mantel_haenszel(n1 - a, n1, n2 - c, n2, "odds_ratio")
    assert other.estimate == pytest.approx(-one.estimate, rel=1e-9, abs=1e-12)
    assert other.se == pytest.approx(one.se, rel=1e-9)


# Zero cells ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "case", TWO_ARMS["mantel_haenszel"], ids=lambda c: f"{c['table']}-{c['measure']}-{c['to']}"
)
def test_corrections_agree_with_metafor(case):
    fit = fit_mantel_haenszel(
        **TWO_ARMS["tables"][case["table"]], measure=case["measure"], add=0.5, to=case["to"]
    )
    assert near(fit.estimate, case["estimate"])
    assert near(fit.se, case["se"])


def test_a_risk_difference_without_variance_is_not_estimable():
    for counts in (([0, 0], [9, 8], [0, 0], [9, 8]), ([3, 4], [3, 4], [0, 2], [5, 2])):
        with pytest.raises(NotEstimable, match="no arm has both events and non-events"):
            fit_mantel_haenszel(*counts, "risk_difference")
        assert fit_mantel_haenszel(*counts, "risk_difference", add=0.5).se > 0


@pytest.mark.parametrize("measure", ["risk_ratio", "odds_ratio"])
@pytest.mark.parametrize("add", [0, 0.5])
def test_a_study_without_events_contributes_nothing(measure, add):
    a, n1, c, n2 = [3, 0, 5, 0], [10, 20, 30, 15], [6, 0, 4, 2], [12, 25, 31, 15]
    fit = fit_mantel_haenszel(a, n1, c, n2, measure, add=add)
    kept = [0, 2, 3]
    rest = fit_mantel_haenszel(*(np.array(x)[kept] for x in (a, n1, c, n2)), measure, add=add)
    assert (fit.estimate, fit.se) == (rest.estimate, rest.se)
    assert fit.uninformative.tolist() == [False, True, False, False]
    assert (fit.k, fit.k_informative, fit.weights[1]) == (4, 3, 0)
    assert fit.corrected.tolist() == [False, False, False, bool(add)]


def test_a_study_of_events_only_informs_a_risk_ratio_alone():
    counts = ([10, 3], [10, 9], [12, 6], [12, 11])
    assert fit_mantel_haenszel(*counts, "odds_ratio").uninformative.tolist() == [True, False]
    assert fit_mantel_haenszel(*counts, "risk_ratio").uninformative.tolist() == [False, False]
    assert fit_mantel_haenszel(*counts, "risk_difference").k_informative == 2


def test_all_studies_may_be_corrected():
    counts = ([0, 3], [10, 9], [2, 6], [12, 11])
    everywhere = fit_mantel_haenszel(*counts, add=0.5, to="all")
    by_hand = fit_mantel_haenszel([0.5, 3.5], [11, 10], [2.5, 6.5], [13, 12])
    assert everywhere.corrected.all()
    assert (everywhere.estimate, everywhere.se) == (by_hand.estimate, by_hand.se)


@pytest.mark.parametrize("measure", ["risk_ratio", "odds_ratio"])
def test_an_empty_margin_is_not_estimable(measure):
    for counts in (([0, 0], [9, 8], [1, 2], [9, 8]), ([1, 2], [9, 8], [0, 0], [9, 8])):
        with pytest.raises(NotEstimable, match="lack events"):
            fit_mantel_haenszel(*counts, measure)
        assert np.isfinite(fit_mantel_haenszel(*counts, measure, add=0.5).estimate)
    assert fit_mantel_haenszel([0, 0], [9, 8], [1, 2], [9, 8], "risk_difference").estimate < 0
    with pytest.raises(NotEstimable):
        fit_mantel_haenszel([0, 0], [9, 8], [0, 0], [9, 8], measure, add=0.5)


def test_counts_of_millions_keep_their_digits():
    one = fit_mantel_haenszel([3e6], [5e7], [4e6], [5e7])
    assert one.estimate == pytest.approx(np.log(0.75), rel=1e-13)


# Bad input ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "counts, message",
    [
        (([], [], [], []), "not 0"),
        (([1], [2, 3], [1], [4]), "one length"),
        (([5], [4], [1], [4]), "between zero and"),
        (([-1], [4], [1], [4]), "between zero and"),
        (([1], [4], [0], [0]), "nobody"),
        (([np.nan], [4], [1], [4]), "missing"),
    ],
)
def test_what_are_not_counts_are_errors(counts, message):
    with pytest.raises(ValueError, match=message):
        fit_mantel_haenszel(*counts)


def test_unknown_choices_are_errors():
    for choice in ({"measure": "RR"}, {"to": "only0"}, {"add": -1}, {"add": np.nan}):
        with pytest.raises(ValueError, match=next(iter(choice))):
            fit_mantel_haenszel([1], [4], [2], [4], **choice)
