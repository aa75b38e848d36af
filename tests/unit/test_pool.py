"""Pooled results through the whole chain: known values, variants, and what cannot be pooled."""

from dataclasses import replace
from math import inf, log, pi

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pooling_examples import (
    EVERYONE,
    MIXED,
    PLAIN,
    ROOT,
    TWO_ARM,
    bundled,
    chain,
    effects,
    leaving_out,
    pooled,
    reference,
    reported,
    review,
    row,
    rows_by_model,
    sheet,
)
from scipy.optimize import brentq
from scipy.special import expit, logit, stdtrit
from scipy.stats import binom

from forestry.influence import studentized_residuals
from forestry.jobs.statistics import pool_settings
from forestry.models import Pooling, Studies, pool
from forestry.records import read_records, write_records
from forestry.results import Estimate, HeterogeneityTest, Weight
from forestry.scales import harmonic_mean

CLOSED = 1e-11  # closed forms, and REML, which both programs take to the last digits
FITTED = 1e-9  # the mixed model's estimates: R's optimiser is taken to a score of 1e-11
CURVED = 1e-7  # its standard error: R's Hessian is numerical
Z = 1.959963984540054
BCG = ROOT / "reviews/bcg"
REML = PLAIN | {"tau2": "REML"}
BCG_TABLE = reference("pooling")["tables"]["bcg"]
RATIO_OUTCOMES = ("risk_ratio", "odds_ratio")
INTERVAL = ("estimate", "ci_low", "ci_high")
NUMBERS = (
    *INTERVAL,
    *("pi_low", "pi_high", "p_value", "link_estimate", "link_se", "tau2", "tau2_low", "tau2_high"),
    *("i2", "i2_low", "i2_high", "q", "q_df", "q_p", "h2"),
)


def printed(estimate: Estimate, digits: int, times: float = 1) -> tuple[float, ...]:
    """Estimate and interval as an article prints them."""
    return tuple(round(times * getattr(estimate, name), digits) for name in INTERVAL)


def on_link(estimate: Estimate, back) -> list[float]:
    """The interval on the scale of analysis, by the way back from display."""
    return [back(estimate.ci_low), back(estimate.ci_high)]


def close(value, rel=CLOSED):
    return pytest.approx(value, rel=rel, abs=1e-13)


def metafor(dataset, method, interval="wald"):
    (case,) = (
        case
        for case in reference("pooling")["fits"]
        if (case["dataset"], case["method"], case["interval"]) == (dataset, method, interval)
    )
    return case


# Known values -----------------------------------------------------------------------------

SPLITS = [
    ([10, 11, 12, 12, 12], [10, 12, 12, 12, 13]),
    ([28, 29], [29, 30]),
    ([19, 20, 18], [20, 20, 19]),
    ([18, 19, 19, 20, 18], [20, 20, 21, 21, 20]),
    ([46, 48], [50, 52]),
]


@pytest.mark.parametrize(("events", "total"), SPLITS)
def test_the_articles_homogeneous_proportions(events, total):
    """57/59 gives 0.9661 (0.8743-0.9915) and 94/102 gives 0.9216 (0.8509-0.9603)."""
    found = rows_by_model(chain("proportion", MIXED, events=events, total=total))
    known = {
        (57, 59): (0.9661, 0.8743, 0.9915),
        (94, 102): (0.9216, 0.8509, 0.9603),
    }[sum(events), sum(total)]
    assert printed(found["common"], 4) == printed(found["random"], 4) == known
    assert found["random"].tau2 == 0
    assert (found["common"].n, found["common"].events) == (sum(total), sum(events))


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    st.sampled_from([(57, 59), (94, 102)]),
    st.integers(2, 6).flatmap(lambda k: st.lists(st.integers(0, 10**6), min_size=k, max_size=k)),
    st.randoms(use_true_random=False),
)
def test_any_split_without_heterogeneity_gives_the_total(counts, cuts, order):
    events, total = counts
    people = [1] * events + [0] * (total - events)
    order.shuffle(people)
    ends = sorted({1 + cut % (total - 1) for cut in cuts}) + [total]
    starts = [0, *ends[:-1]]
    groups = [people[start:end] for start, end in zip(starts, ends, strict=True)]
    found = rows_by_model(
        chain("proportion", MIXED, events=[sum(g) for g in groups], total=[len(g) for g in groups])
    )
    assume("random" in found and found["random"].tau2 == 0)
    se = (1 / events + 1 / (total - events)) ** 0.5
    middle = logit(events / total)
    for model in found.values():
        shown = [getattr(model, name) for name in INTERVAL]
        assert shown == close([events / total, expit(middle - Z * se), expit(middle + Z * se)])


def test_the_bundled_reviews_known_values():
    assert printed(reported(bundled("vte")), 2, 100) == (4.32, 1.33, 8.91)
    assert printed(reported(bundled("time_to_response_cutaneous")), 2) == (1.79, 1.52, 2.07)
    # The article prints 1.64; the sheet's counts give 1.63 by inverse variance.
    four = reported(bundled("muscle_pr_vs_control"))
    assert (printed(four, 2), four.k, four.model) == ((1.63, 1.30, 2.06), 4, "common")


def test_the_two_trials_risk_ratio():
    table = [
        row("aggarwal2020", "risk_ratio", **dict(zip(TWO_ARM, (37, 47, 21, 48), strict=True))),
        row("miyasaka2012", "risk_ratio", **dict(zip(TWO_ARM, (11, 12, 8, 14), strict=True))),
    ]
    found = reported(pooled(effects(table, "risk_ratio")))
    assert printed(found, 2) == (1.73, 1.30, 2.30)
    assert round(found.q_p, 2) == 0.71


def test_thrombosis_is_the_arcsine_estimate_of_its_sheet():
    events, total = np.array([1, 1, 2, 1]), np.array([20, 8, 39, 42])
    angle = (total * np.arcsin(np.sqrt(events / total))).sum() / total.sum()
    half = Z / (4 * total.sum()) ** 0.5
    found = rows_by_model(bundled("vte"))["common"]
    expected = [np.sin(value) ** 2 for value in (angle, angle - half, angle + half)]
    assert [getattr(found, name) for name in INTERVAL] == close(expected)
    assert (found.k, found.n, found.events, found.i2) == (4, 109, 5, 0)


# Against R --------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["REML", "DL", "ML", "PM"])
@pytest.mark.parametrize("interval", ["wald", "hartung_knapp"])
def test_bcg_risk_ratio_agrees_with_metafor(method, interval):
    pooling = PLAIN | {"tau2": method, "interval": interval}
    found = rows_by_model(chain("risk_ratio", pooling, **reference("pooling")["tables"]["bcg"]))
    random, known = found["random"], metafor("bcg", method, interval)
    assert random.estimate == close(np.exp(known["estimate"]))
    assert (random.link_estimate, random.link_se) == (close(known["estimate"]), close(known["se"]))
    assert on_link(random, log) == close([known["ci_low"], known["ci_high"]])
    assert (random.tau2, random.p_value) == (close(known["tau2"]), close(known["p_value"]))
    assert (random.q, random.q_df, random.q_p) == (close(known["q"]), 12, close(known["q_p"]))
    assert (random.tau2_method, random.interval) == (method, interval)
    common, known = found["common"], metafor("bcg", "EE")
    assert common.link_estimate == close(known["estimate"])
    assert on_link(common, log) == close([known["ci_low"], known["ci_high"]])
    assert (common.tau2, common.tau2_method, common.interval) == (None, "", "wald")


def test_the_second_review_agrees_with_metafor():
    ratio = rows_by_model(bundled("tuberculosis", BCG))["random"]
    assert printed(ratio, 3) == (0.489, 0.344, 0.696)
    odds = rows_by_model(bundled("tuberculosis_odds", BCG))
    known = reference("chain")["odds_ratio"]["DL"]
    assert odds["random"].link_estimate == close(known["estimate"])
    assert on_link(odds["random"], log) == close([known["ci_low"], known["ci_high"]])
    assert (odds["random"].tau2, odds["random"].q) == (close(known["tau2"]), close(known["q"]))
    assert printed(odds["random"], 4) == (0.4736, 0.3249, 0.6903)


@pytest.mark.parametrize("measure", ["risk_ratio", "odds_ratio", "risk_difference"])
@pytest.mark.parametrize("table", ["bcg", "nielweise2007", "yusuf1985"])
def test_mantel_haenszel_agrees_with_metafor(measure, table):
    pooling = {"model": "mantel_haenszel"}
    found = chain(measure, pooling, **reference("pooling")["tables"][table])
    (known,) = (
        case
        for case in reference("pooling")["mantel_haenszel"]
        if (case["table"], case["measure"], case["add"]) == (table, measure, 0)
    )
    common = rows_by_model(found)["common"]
    assert (common.link_estimate, common.link_se) == (close(known["estimate"]), close(known["se"]))
    assert common.p_value == close(known["p_value"], rel=1e-9)
    back = log if measure in RATIO_OUTCOMES else float
    assert on_link(common, back) == close([known["ci_low"], known["ci_high"]])
    assert common.method == "mantel_haenszel"
    assert rows_by_model(found)["random"].method == "inverse_variance"
    bases = {weight.weight_basis for weight in found.weights if weight.included}
    assert bases == {"mantel_haenszel, inverse_variance"}


@pytest.mark.parametrize("dataset", ["pritz1997", "nielweise2007_treated", "nielweise2007_control"])
@pytest.mark.parametrize("first", ["wald", "likelihood_ratio"])
def test_the_mixed_model_agrees_with_r(dataset, first):
    data = reference("logistic_mixed")["datasets"][dataset]
    columns = {"events": data["events"], "total": data["total"]}
    found = chain("proportion", MIXED | {"heterogeneity": first}, **columns)
    (known,) = (fit for fit in data["tight"] if fit["nodes"] == 7)
    random = rows_by_model(found)["random"]
    beta, se = known["beta"], known["se"]
    assert random.link_estimate == close(beta, FITTED)
    assert random.link_se == close(se, CURVED)
    shown = [expit(beta), expit(beta - Z * se), expit(beta + Z * se)]
    assert [getattr(random, name) for name in INTERVAL] == close(shown, CURVED)
    assert random.tau2 == close(known["tau2"], FITTED)
    assert random.tau2_low < random.tau2 < random.tau2_high
    assert (random.tau2_method, random.p_value) == ("ML", None)
    common = rows_by_model(found)["common"]
    assert common.link_estimate == close(data["common"]["beta"])
    # R's deviance is that of a fit by glm, which stops at 1e-8 of itself.
    tests = {test.test: test for test in found.heterogeneity}
    assert list(tests)[0] == f"{first}_q" and len(tests) == 2
    k = len(data["events"])
    assert tests["wald_q"].statistic == close(data["wald"], 1e-9)
    assert tests["likelihood_ratio_q"].statistic == close(data["rma_glmm"]["lrt"], 1e-8)
    assert {(test.k, test.df) for test in tests.values()} == {(k, k - 1)}
    reported_first = tests[f"{first}_q"]
    assert (random.q, random.q_p) == (reported_first.statistic, reported_first.p_value)
    q_based = max(0, (random.q - (k - 1)) / random.q)
    assert (random.i2, random.i2_basis) == (close(q_based), f"{first}_q")


def test_i2_of_the_mixed_model_on_the_basis_of_tau2():
    data = reference("logistic_mixed")["datasets"]["pritz1997"]
    pooling = MIXED | {"i2": "tau2"}
    found = rows_by_model(chain("proportion", pooling, events=data["events"], total=data["total"]))[
        "random"
    ]
    # rma.glmm stops about 1e-5 from the maximum.
    assert found.i2 == pytest.approx(data["rma_glmm"]["i2"], rel=1e-4)
    assert found.i2_basis == "tau2"


def test_the_mixed_models_published_figures():
    """STATISTICS.md 5 B and C."""
    data = reference("logistic_mixed")["datasets"]
    known = {
        "pritz1997": (0.7984, 0.6924, 0.8746),
        "nielweise2007_treated": (0.0081, 0.0040, 0.0161),
        "nielweise2007_control": (0.0294, 0.0180, 0.0478),
        "debruin2009": (0.4721, 0.3822, 0.5638),
    }
    for name, figures in known.items():
        columns = {key: data[name][key] for key in ("events", "total")}
        assert printed(rows_by_model(chain("proportion", MIXED, **columns))["random"], 4) == figures


@pytest.mark.parametrize("method", ["DL", "REML"])
def test_normand_mean_difference_agrees_with_metafor(method):
    data = reference("measures")["means"]["data"]
    found = rows_by_model(chain("mean_difference", PLAIN | {"tau2": method}, **data))
    for model, known in (
        ("common", metafor("normand1999", "EE")),
        ("random", metafor("normand1999", method)),
    ):
        values = [known[name] for name in INTERVAL]
        assert [getattr(found[model], name) for name in INTERVAL] == close(values)
        assert found[model].p_value == close(known["p_value"])
    assert found["random"].tau2 == close(known["tau2"])
    assert found["common"].n == sum(data["n"]) + sum(data["control_n"])
    assert found["common"].events is None


@pytest.mark.parametrize("method", ["DL", "REML"])
@pytest.mark.parametrize("scale", ["raw", "arcsine", "double_arcsine", "logit"])
def test_proportions_by_inverse_variance_agree_with_metafor(scale, method):
    pooling = {"model": "inverse_variance", "transform": scale, "tau2": method}
    counts = reference("measures")["counts"]["pritz1997"]
    random = rows_by_model(chain("proportion", pooling, **counts))["random"]
    known = metafor(f"pritz1997_{scale}", method)
    assert random.link_estimate == close(known["estimate"])
    assert random.link_se == close(known["se"])
    assert (random.tau2, random.i2_basis) == (close(known["tau2"]), "q")
    assert random.p_value is None


def test_the_double_arcsine_comes_back_at_the_harmonic_mean():
    """Not by Miller's inverse: the proportion at n whose own double arcsine is the estimate."""
    pooling = {"model": "inverse_variance", "transform": "double_arcsine"}
    counts = reference("measures")["counts"]["pritz1997"]
    found = rows_by_model(chain("proportion", pooling, **counts))
    n = harmonic_mean(counts["total"])

    def angle(p):
        return (np.arcsin((n * p / (n + 1)) ** 0.5) + np.arcsin(((n * p + 1) / (n + 1)) ** 0.5)) / 2

    for model in found.values():
        half = Z * model.link_se
        links = (model.link_estimate, model.link_estimate - half, model.link_estimate + half)
        shown = [brentq(lambda p, link=link: angle(p) - link, 0, 1, xtol=1e-15) for link in links]
        assert [getattr(model, name) for name in INTERVAL] == close(shown)
    # STATISTICS.md 5 C
    assert printed(found["random"], 4) == (0.8023, 0.7047, 0.8866)


@pytest.mark.parametrize(
    ("prediction", "low", "high"),
    [("z", "pi_low", "pi_high"), ("t_k_minus_2", "pi_k_minus_2_low", "pi_k_minus_2_high")],
)
def test_prediction_intervals_agree_with_metafor(prediction, low, high):
    pooling = REML | {"prediction": prediction}
    found = rows_by_model(chain("risk_ratio", pooling, **reference("pooling")["tables"]["bcg"]))
    known = metafor("bcg", "REML")
    limits = [log(found["random"].pi_low), log(found["random"].pi_high)]
    assert limits == close([known[low], known[high]])
    assert (found["common"].pi_low, found["common"].pi_high) == (None, None)


def test_prediction_intervals_of_the_mixed_model():
    data = reference("logistic_mixed")["datasets"]["pritz1997"]
    columns = {key: data[key] for key in ("events", "total")}
    critical = {"z": Z, "t_k_minus_1": stdtrit(13, 0.975), "t_k_minus_2": stdtrit(12, 0.975)}
    for prediction, c in critical.items():
        pooling = MIXED | {"prediction": prediction}
        found = rows_by_model(chain("proportion", pooling, **columns))["random"]
        half = c * (found.link_se**2 + found.tau2) ** 0.5
        expected = [expit(found.link_estimate - half), expit(found.link_estimate + half)]
        assert [found.pi_low, found.pi_high] == close(expected)


@pytest.mark.parametrize("data", ["pritz1997", "article_57_of_59"])
def test_the_profile_interval_of_the_mixed_model(data):
    known = reference("logistic_mixed")
    known = (known["datasets"] | known["homogeneous"])[data]
    pooling = MIXED | {"interval": "profile_likelihood"}
    found = chain("proportion", pooling, **{key: known[key] for key in ("events", "total")})
    common, random = (rows_by_model(found)[model] for model in ("common", "random"))
    assert common.interval == random.interval == "profile_likelihood"
    low, high = expit(np.array(known["profile"]["beta"]))
    assert (random.ci_low, random.ci_high) == (pytest.approx(low, 1e-8), pytest.approx(high, 1e-8))
    # One proportion: the binomial likelihood has fallen by half of chi-squared's quantile.
    events, total = sum(known["events"]), sum(known["total"])
    height = binom.logpmf(events, total, [common.estimate, common.ci_low, common.ci_high])
    assert 2 * (height[0] - height[1:]) == pytest.approx(Z**2, rel=1e-8)


@pytest.mark.parametrize("pooling", [MIXED, {"model": "inverse_variance", "transform": "raw"}])
def test_a_prediction_interval_needs_three_studies_and_a_wish(pooling):
    counts = {"events": [4, 9, 15], "total": [10, 15, 20]}
    two = {name: numbers[:2] for name, numbers in counts.items()}
    unwished = rows_by_model(chain("proportion", pooling | {"prediction": "none"}, **counts))
    for without in (rows_by_model(chain("proportion", pooling, **two)), unwished):
        assert (without["random"].pi_low, without["random"].prediction) == (None, "")
    both = rows_by_model(chain("proportion", pooling, **counts))
    assert both["random"].pi_low is not None
    assert (both["random"].prediction, both["common"].prediction) == ("t_k_minus_2", "")


def test_tau2_and_i2_have_the_limits_of_metafor():
    pooling = REML | {"i2": "tau2"}
    found = chain("risk_ratio", pooling, **reference("pooling")["tables"]["bcg"])
    (known,) = (case for case in reference("pooling")["limits"] if case["dataset"] == "bcg")
    random = rows_by_model(found)["random"]
    # confint.rma.uni's root is found to .Machine$double.eps^0.25 of its own scale.
    for name in ("tau2_low", "tau2_high", "i2_low", "i2_high"):
        assert getattr(random, name) == pytest.approx(known[name], rel=1e-6)
    assert random.i2 == close(metafor("bcg", "REML")["i2"])
    assert (random.h2, random.i2_basis) == (close(metafor("bcg", "REML")["h2"]), "tau2")
    assert random.h2_low == pytest.approx(1 / (1 - known["i2_low"]), rel=1e-6)
    assert random.h2_high == pytest.approx(1 / (1 - known["i2_high"]), rel=1e-6)
    assert random.tau2_se == close(metafor("bcg", "REML")["tau2_se"])
    assert random.tau2_interval == "q_profile"
    common = rows_by_model(found)["common"]
    assert (common.tau2_se, common.tau2_interval) == (None, "")


@pytest.mark.parametrize("method", ["ML", "REML"])
def test_the_profile_likelihood_interval_of_tau2_is_that_of_metafor(method):
    pooling = PLAIN | {"tau2": method, "tau2_interval": "profile_likelihood", "i2": "tau2"}
    found = chain("risk_ratio", pooling, **reference("pooling")["tables"]["bcg"])
    random = rows_by_model(found)["random"]
    (known,) = (
        case
        for case in reference("tau2_intervals")["profiles"]
        if (case["dataset"], case["method"], case["level"]) == ("bcg", method, 0.95)
    )
    assert random.tau2_interval == "profile_likelihood"
    for name in ("tau2_low", "tau2_high", "i2_low", "i2_high", "h2_low", "h2_high"):
        assert getattr(random, name) == close(known[name], 1e-9), name


def test_no_interval_of_tau2_where_none_is_wished():
    found = chain("risk_ratio", REML | {"tau2_interval": "none", "i2": "tau2"}, **BCG_TABLE)
    random = rows_by_model(found)["random"]
    assert (random.tau2_low, random.tau2_high, random.i2_low, random.h2_high) == (None,) * 4
    assert random.tau2_interval == "none" and random.tau2_se > 0


def test_the_wider_interval_of_hartung_and_knapp_is_that_of_metafor():
    found = chain("risk_ratio", REML | {"interval": "hartung_knapp_wider"}, **BCG_TABLE)
    random = rows_by_model(found)["random"]
    (known,) = (
        case
        for case in reference("tau2_intervals")["wider"]
        if (case["dataset"], case["method"]) == ("bcg", "REML")
    )
    assert random.interval == "hartung_knapp_wider"
    assert on_link(random, np.log) == close([known["ci_low"], known["ci_high"]], FITTED)
    assert random.p_value == close(known["p_value"], FITTED)


@pytest.mark.parametrize("pooling", [MIXED, REML, PLAIN | {"transform": "log"}], ids=str)
def test_the_level_is_that_of_every_interval(pooling):
    columns = reference("measures")["counts"]["debruin2009"]
    names = ("ci", "pi", "tau2", "i2")
    by_level = [
        rows_by_model(chain("proportion", pooling | {"level": level}, **columns))["random"]
        for level in (0.8, 0.95, 0.99)
    ]
    for name in names:
        lows = [getattr(row, f"{name}_low") for row in by_level]
        highs = [getattr(row, f"{name}_high") for row in by_level]
        assert lows == sorted(lows, reverse=True) and lows[0] > lows[2], name
        assert highs == sorted(highs) and highs[0] < highs[2], name


# What is reported, and with what weights --------------------------------------------------

HOMOGENEOUS = {"events": [5, 10, 15], "total": [10, 20, 30]}
HETEROGENEOUS = {"events": [2, 10, 29], "total": [10, 20, 30]}
RAW = {"model": "inverse_variance", "transform": "raw"}
POOLINGS = {"mixed": MIXED, "raw": RAW, "raw REML": RAW | {"tau2": "REML"}}


@pytest.mark.parametrize("pooling", POOLINGS.values(), ids=POOLINGS)
@pytest.mark.parametrize(
    ("select", "columns", "model"),
    [
        ("common_if_i2_zero", HOMOGENEOUS, "common"),
        ("common_if_i2_zero", HETEROGENEOUS, "random"),
        ("common", HETEROGENEOUS, "common"),
        ("random", HOMOGENEOUS, "random"),
    ],
)
def test_the_selected_row_is_that_of_the_rule(pooling, select, columns, model):
    found = chain("proportion", pooling | {"select": select}, **columns)
    assert set(rows_by_model(found)) == {"common", "random"}
    assert reported(found).model == model


@pytest.mark.parametrize("pooling", POOLINGS.values(), ids=POOLINGS)
def test_both_models_share_counts_and_heterogeneity(pooling):
    both = rows_by_model(chain("proportion", pooling, **HETEROGENEOUS))
    shared = ("k", "n", "events", "i2", "i2_low", "i2_high", "i2_basis", "q", "q_df", "q_p", "h2")
    common, random = ([getattr(both[model], name) for name in shared] for model in both)
    assert common == random and None not in common
    assert both["random"].h2 == close(1 / (1 - both["random"].i2))


@pytest.mark.parametrize("pooling", POOLINGS.values(), ids=POOLINGS)
def test_weights_are_shares_of_the_included_studies(pooling):
    table = [*sheet("proportion", **HETEROGENEOUS), row("absent", "proportion", "unavailable")]
    found = pooled(effects(table, "proportion", pooling), pooling)
    *kept, absent = found.weights
    for name in ("weight_common", "weight_random"):
        assert sum(getattr(weight, name) for weight in kept) == close(1.0)
        assert all(0 < getattr(weight, name) < 1 for weight in kept)
    assert {(w.included, w.reason) for w in kept} == {(True, "")}
    assert absent == replace(
        absent, included=False, reason="not available", weight_common=None, weight_random=None,
        weight_basis="",
    )  # fmt: skip


def test_weights_are_those_of_the_pooled_mean():
    studies = effects(sheet("proportion", **HETEROGENEOUS), "proportion", RAW)
    found = pooled(studies, RAW)
    for model, estimate in rows_by_model(found).items():
        shares = [getattr(weight, f"weight_{model}") for weight in found.weights]
        mean = sum(share * study.yi for share, study in zip(shares, studies, strict=True))
        assert estimate.link_estimate == close(mean)


def test_single_arms_have_no_p_value_and_comparisons_and_changes_do():
    n, spread = {"n": [10, 12]}, {"sd": [2, 3]}
    means = {**n, "mean": [4, 5], **spread}
    arms = {**means, "control_n": [9, 9], "control_mean": [3, 3], "control_sd": [2, 2]}
    change = {**n, "change_mean": [4, 5], "change_sd": [2, 3]}
    counts = dict(zip(TWO_ARM, [[4, 5], [9, 9], [3, 2], [9, 9]], strict=True))
    known = {
        "proportion": (RAW, HOMOGENEOUS, False),
        "mean": (PLAIN, means, False),
        "mean_change": (PLAIN, change, True),
        "mean_difference": (PLAIN, arms, True),
        "standardized_mean_difference": (PLAIN, arms, True),
        "risk_ratio": (PLAIN, counts, True),
        "odds_ratio": ({"model": "mantel_haenszel"}, counts, True),
        "risk_difference": (PLAIN, counts, True),
    }
    for measure, (pooling, columns, has_p) in known.items():
        for model in rows_by_model(chain(measure, pooling, **columns)).values():
            assert (model.p_value is not None) == has_p, measure


# Variants ---------------------------------------------------------------------------------

STATUSES = ("reported", "derived", "reconstructed", "reported", "reported", "unavailable")


def statused():
    columns = zip([2, 10, 20, 12, 7], [10, 20, 30, 25, 15], strict=True)
    table = [row(f"s{i}", "proportion", events=e, total=n) for i, (e, n) in enumerate(columns, 1)]
    table += [row("s6", "proportion", total=40)]
    table = [each | {"status": status} for each, status in zip(table, STATUSES, strict=True)]
    return effects(table, "proportion", RAW)


def test_a_variant_leaves_out_whom_it_excludes_with_the_reason():
    excluded = {"s1": "design is retrospective", "s4": "publication is abstract"}
    found = pooled(statused(), RAW, main=EVERYONE, fewer=leaving_out(excluded))
    main, fewer = (rows_by_model(found, variant)["random"] for variant in ("main", "fewer"))
    assert (main.k, main.n, main.events) == (5, 100, 51)
    assert (main.k_reported, main.k_derived, main.k_reconstructed) == (3, 1, 1)
    assert (fewer.k, fewer.n, fewer.events) == (3, 65, 37)
    assert (fewer.k_reported, fewer.k_derived, fewer.k_reconstructed) == (1, 1, 1)
    rows = {weight.study_id: weight for weight in found.weights if weight.variant == "fewer"}
    assert list(rows) == [f"s{i}" for i in range(1, 7)]
    reasons = {study: weight.reason for study, weight in rows.items() if not weight.included}
    assert reasons == excluded | {"s6": "not available"}
    kept = [study for study in statused() if study.study_id in ("s2", "s3", "s5")]
    alone = rows_by_model(pooled(kept, RAW))["random"]
    assert replace(fewer, variant="main") == alone


def outlying_effects():
    table = sheet("risk_ratio", **reference("pooling")["tables"]["bcg"])
    return effects(table, "risk_ratio", REML)


def test_outliers_are_sought_among_the_studies_that_remain():
    studies = outlying_effects()
    rule = {"rule": "studentized_residual", "threshold": 1.4}
    excluded = {"s4": "named", "s7": "named"}
    found = pooled(
        studies,
        REML,
        outliers=leaving_out(outliers=rule),
        combined=leaving_out(excluded, outliers=rule),
    )
    for variant, gone in (("outliers", {}), ("combined", excluded)):
        remaining = [study for study in studies if study.study_id not in gone]
        residuals = studentized_residuals(
            [study.yi for study in remaining], [study.vi for study in remaining], "REML"
        )
        expected = {
            study.study_id: f"outlier (studentized residual {residual:.2f})"
            for study, residual in zip(remaining, residuals, strict=True)
            if abs(residual) > 1.4
        }
        reasons = {w.study_id: w.reason for w in found.weights if w.variant == variant and w.reason}
        assert reasons == gone | expected and expected
        assert rows_by_model(found, variant)["random"].k == 13 - len(reasons)
    first, second = ({w.study_id for w in found.weights if w.variant == v and not w.included}
                     for v in ("outliers", "combined"))  # fmt: skip
    assert second - set(excluded) != first - set(excluded)


@pytest.mark.parametrize("excluded", [{}, {"s2": "named", "s9": "named"}], ids=["all", "some"])
def test_each_study_is_left_out_in_turn(excluded):
    studies = outlying_effects()
    found = pooled(studies, REML, turns=leaving_out(excluded, leave_one_out=True))
    kept = [study for study in studies if study.study_id not in excluded]
    groups = list(dict.fromkeys(row.group for row in found.estimates))
    assert groups == [study.study_id for study in kept]
    for group in groups:
        others = [study for study in kept if study.study_id != group]
        alone = rows_by_model(pooled(others, REML))
        for model, without in rows_by_model(found, "turns", group).items():
            assert replace(without, variant="main", group="") == alone[model]
        reasons = {w.study_id: w.reason for w in found.weights if w.group == group and w.reason}
        assert reasons == {**excluded, group: "left out in turn"}


@pytest.mark.parametrize("k", [0, 1, 2])
def test_of_few_studies_none_can_be_left_out(k):
    found = pooled(outlying_effects()[:k], REML, turns=leaving_out(leave_one_out=True))
    assert [(row.group, row.model, row.k) for row in found.estimates] == (
        [("s1", "none", 1), ("s2", "none", 1)] if k == 2 else [("", "none", k)]
    )


def test_the_bundled_variants_pool_whom_they_do_not_leave_out():
    outcome = "muscle_pr"
    settings = pool_settings(review(), outcome)
    found = bundled(outcome)
    assert {row.variant for row in found.estimates} == set(settings["variants"])
    assert any(variant["leave_one_out"] for variant in settings["variants"].values())
    for name, variant in settings["variants"].items():
        if variant["leave_one_out"]:
            continue
        weights = [weight for weight in found.weights if weight.variant == name]
        included = {weight.study_id for weight in weights if weight.included}
        assert not included & set(variant["excluded"])
        assert reported(found, name).k == len(included)
        assert all(bool(weight.reason) != weight.included for weight in weights)


# Too few studies, and counts without a maximum --------------------------------------------


@pytest.mark.parametrize("pooling", POOLINGS.values(), ids=POOLINGS)
@pytest.mark.parametrize(
    ("table", "k", "n", "events", "note"),
    [
        ([], 0, None, None, "no study with numbers: nothing to pool"),
        ([("a", None, 30)], 0, None, None, "no study with numbers: nothing to pool"),
        ([("a", 4, 9)], 1, 9, 4, "one study: not pooled"),
        ([("a", 4, 9), ("b", None, 30)], 1, 9, 4, "one study: not pooled"),
        ([("a", 0, 9)], 1, 9, 0, "one study: not pooled"),
    ],
)
def test_fewer_than_two_studies_are_not_pooled(pooling, table, k, n, events, note):
    rows = [
        row(study, "proportion", events="" if x is None else x, total=total,
            status="unavailable" if x is None else "reported")
        for study, x, total in table
    ]  # fmt: skip
    studies = effects(rows, "proportion", pooling)
    found = pooled(studies, pooling, main=EVERYONE, no=leaving_out({"a": "a"}))
    (main,) = (row for row in found.estimates if row.variant == "main")
    assert (main.model, main.method, main.selected) == ("none", "none", True)
    assert (main.k, main.n, main.events, main.note) == (k, n, events, note)
    assert {getattr(main, name) for name in NUMBERS} == {None}
    assert found.heterogeneity == ()
    weights = [weight for weight in found.weights if weight.variant == "main"]
    assert [weight.included for weight in weights] == [x is not None for _, x, _ in table]
    assert {(w.weight_common, w.weight_random, w.weight_basis) for w in weights} <= {
        (None, None, "")
    }


@pytest.mark.parametrize("measure", ["mean", "mean_difference", "risk_ratio"])
def test_one_study_of_another_measure_is_not_pooled(measure):
    columns = {
        "mean": {"n": [9], "mean": [3], "sd": [2]},
        "mean_difference": {"n": [9], "mean": [3], "sd": [2], "control_n": [8],
                            "control_mean": [2], "control_sd": [2]},
        "risk_ratio": dict(zip(TWO_ARM, [[4], [9], [2], [8]], strict=True)),
    }[measure]  # fmt: skip
    (row,) = chain(measure, **columns).estimates
    assert (row.model, row.k, row.n) == ("none", 1, 9 if measure == "mean" else 17)
    assert row.measure == measure


@pytest.mark.parametrize(
    ("events", "shown"),
    [([0, 0, 0], (0.0, 0.0, 1 - 0.025 ** (1 / 30))), ([5, 10, 15], (1.0, 0.025 ** (1 / 30), 1.0))],
    ids=["no events", "all events"],
)
def test_all_or_no_events_have_the_exact_interval_of_the_total(events, shown):
    found = chain("proportion", MIXED, events=events, total=[5, 10, 15])
    (row,) = found.estimates
    assert (row.model, row.method, row.interval) == ("common", "exact_total", "clopper_pearson")
    assert [getattr(row, name) for name in INTERVAL] == close(list(shown))
    assert (row.k, row.n, row.events, row.selected) == (3, 30, sum(events), True)
    missing = {name for name in NUMBERS if getattr(row, name) is None}
    assert missing == set(NUMBERS) - set(INTERVAL)
    assert row.note.startswith("all or no participants had the event")
    assert found.heterogeneity == ()
    assert [weight.weight_common for weight in found.weights] == close([5 / 30, 10 / 30, 15 / 30])
    assert {weight.weight_random for weight in found.weights} == {None}


def test_studies_of_only_events_or_none_have_no_random_effects():
    """The likelihood of (0/10, 5/5) rises with tau for ever."""
    for select in ("common_if_i2_zero", "random"):
        found = chain("proportion", MIXED | {"select": select}, events=[0, 5], total=[10, 5])
        (row,) = found.estimates
        assert (row.model, row.selected) == ("common", True)
        assert row.note.startswith("no random effects: no study has both events and non-events")
        assert row.estimate == close(1 / 3)
        (test,) = found.heterogeneity
        q = -2 * (5 * log(1 / 3) + 10 * log(2 / 3))
        assert (test.test, test.statistic, test.df) == ("likelihood_ratio_q", close(q), 1)
        assert (row.q, row.i2, row.i2_basis) == (
            close(q), close(1 - 1 / q), "likelihood_ratio_q",
        )  # fmt: skip


def test_where_only_one_of_many_studies_has_events_tau2_may_have_no_interval():
    found = chain("proportion", MIXED, events=[0, 0, 0, 5, 0, 0], total=[10, 2, 5, 40, 5, 5])
    random = rows_by_model(found)["random"]
    assert random.estimate > 0 and random.tau2 > 0
    told = random.note.startswith("no interval of tau2")
    assert (random.tau2_low is None) == (random.tau2_high is None) == told


def test_without_control_events_mantel_haenszel_has_no_ratio():
    counts = dict(zip(TWO_ARM, [[3, 4], [9, 9], [0, 0], [9, 9]], strict=True))
    found = chain("risk_ratio", {"model": "mantel_haenszel"}, **counts)
    (row,) = found.estimates
    assert (row.model, row.method, row.selected) == ("random", "inverse_variance", True)
    assert row.note.startswith("no common effect: no risk ratio: all studies together lack")
    assert {weight.weight_common for weight in found.weights} == {None}
    difference = chain("risk_difference", {"model": "mantel_haenszel"}, **counts)
    assert rows_by_model(difference)["common"].estimate == close(7 / 18)


def test_pooling_itself_refuses_one_study_and_an_unknown_model():
    one = np.ones(1)
    studies = Studies(one, one, one, one, one, one, "proportion")
    with pytest.raises(ValueError, match="two studies or more, not 1"):
        pool(studies, Pooling("inverse_variance"))
    two = Studies(*[np.ones(2)] * 6, "proportion")
    with pytest.raises(KeyError, match="peto"):
        pool(two, Pooling("peto"))


# Order, and any counts --------------------------------------------------------------------

counts = st.integers(1, 40).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
many = st.lists(counts, min_size=2, max_size=7)
ALL_POOLINGS = [
    MIXED,
    MIXED | {"interval": "t", "i2": "tau2", "heterogeneity": "likelihood_ratio"},
    RAW | {"tau2": "REML", "interval": "hartung_knapp_ad_hoc"},
    *({"model": "inverse_variance", "transform": scale} for scale in ("log", "double_arcsine")),
]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(many, st.sampled_from(ALL_POOLINGS))
def test_any_counts_are_pooled_within_what_they_can_be(table, pooling):
    events, total = zip(*table, strict=True)
    found = chain("proportion", pooling, events=events, total=total)
    reported(found)
    pooled_counts = [
        counts for counts, weight in zip(table, found.weights, strict=True) if weight.included
    ]
    for model in found.estimates:
        assert (model.k, model.n) == (len(pooled_counts), sum(n for _, n in pooled_counts) or None)
        if model.model == "none":
            continue
        assert model.ci_low <= model.estimate <= model.ci_high
        assert all(abs(getattr(model, name) or 0) < inf for name in NUMBERS)
        if model.method in ("logistic_mixed", "exact_total"):
            assert model.ci_low >= 0 and model.ci_high <= 1
            assert (model.n, model.events) == (sum(total), sum(events))
        if model.i2 is not None:
            assert 0 <= model.i2 <= 1 and 0 <= model.q_p <= 1


@pytest.mark.parametrize("pooling", ALL_POOLINGS, ids=str)
@pytest.mark.parametrize("dataset", ["pritz1997", "debruin2009", "nielweise2007"])
def test_the_order_of_studies_changes_no_estimate(dataset, pooling):
    table = sheet("proportion", **reference("measures")["counts"][dataset])
    studies = effects(table, "proportion", pooling)
    turned = [studies[i] for i in np.argsort([(7 * i) % len(studies) for i in range(len(studies))])]
    assert turned != studies
    first, second = pooled(studies, pooling), pooled(turned, pooling)
    for model, one in rows_by_model(first).items():
        other = rows_by_model(second)[model]
        for name in NUMBERS:
            # The limits of tau2 are roots of a profile, to the square root of rounding.
            rel = 1e-8 if name in ("tau2_low", "tau2_high") else 1e-12
            expected = getattr(one, name)
            if expected is not None:
                expected = pytest.approx(expected, rel=rel, abs=1e-13)
            assert getattr(other, name) == expected, name
    for one in first.weights:
        (same,) = (weight for weight in second.weights if weight.study_id == one.study_id)
        for name in ("weight_common", "weight_random"):
            assert getattr(same, name) == pytest.approx(getattr(one, name), rel=1e-11, abs=1e-15)


def test_pooled_results_survive_their_files(tmp_path):
    found = pooled(statused(), RAW, main=EVERYONE)
    for record, rows in (
        (Estimate, found.estimates),
        (Weight, found.weights),
        (HeterogeneityTest, found.heterogeneity),
    ):
        write_records(tmp_path / "table.csv", record, rows)
        assert tuple(read_records(tmp_path / "table.csv", record)) == rows


def test_arcsine_limits_end_where_proportions_do():
    pooling = {"model": "inverse_variance", "transform": "arcsine"}
    few = rows_by_model(chain("proportion", pooling, events=[0, 1], total=[9, 9]))["common"]
    assert few.link_estimate - Z * few.link_se < 0 and few.ci_low == 0
    most = rows_by_model(chain("proportion", pooling, events=[9, 8], total=[9, 9]))["common"]
    assert most.link_estimate + Z * most.link_se > pi / 2 and most.ci_high == 1


def test_raw_limits_are_not_clipped():
    few = rows_by_model(chain("proportion", RAW, events=[0, 1], total=[9, 9]))["common"]
    assert few.ci_low < 0
