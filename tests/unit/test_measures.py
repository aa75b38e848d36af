"""Effect sizes and study intervals against metafor's escalc(), base R and printed values."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import bdtr, bdtrc

from forestry import measures
from forestry.measures import ZeroCells
from forestry.scales import to_display

REFERENCE = json.loads(
    (Path(__file__).parents[1] / "reference" / "measures.json").read_text(encoding="utf-8")
)
# Closed forms; R's numbers carry 15 digits. A difference of two logs may cancel: its
# rounding is then of the logs' size, hence the absolute part.
CLOSED = {"rtol": 1e-12, "atol": 1e-15}


def assert_agrees(effects, expected):
    """Equal where R has an effect with a variance above 0; unusable, with a reason, elsewhere."""
    yi, vi = (np.array(expected[name], dtype=float) for name in ("yi", "vi"))
    usable = np.isfinite(yi) & np.isfinite(vi) & (vi > 0)
    assert effects.usable.tolist() == usable.tolist()
    assert [reason == "" for reason in effects.reason] == usable.tolist()
    assert np.isnan(effects.yi[~usable]).all()
    assert np.isnan(effects.vi[~usable]).all()
    np.testing.assert_allclose(effects.yi[usable], yi[usable], **CLOSED)
    np.testing.assert_allclose(effects.vi[usable], vi[usable], **CLOSED)


# One arm ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "case",
    REFERENCE["proportions"],
    ids=lambda c: f"{c['data']}-{c['scale']}-{c['to']}-{c['add']}",
)
def test_proportions_of_escalc(case):
    data = REFERENCE["counts"][case["data"]]
    rule = ZeroCells(add=case["add"], to=case["to"])
    found = measures.proportion(data["events"], data["total"], case["scale"], rule)
    assert_agrees(found, case)


def test_the_grid_of_proportions_is_whole():
    cases = {(c["data"], c["scale"], c["to"], c["add"]) for c in REFERENCE["proportions"]}
    assert len(cases) == 6 * (3 * 4 * 2 + 2)
    assert {c[1] for c in cases} == set(measures.PROPORTION_SCALES)


@pytest.mark.parametrize("data", REFERENCE["praw"])
def test_raw_proportion_of_r_meta(data):
    counts = REFERENCE["counts"][data]
    rule = ZeroCells(correct="variance")
    found = measures.proportion(counts["events"], counts["total"], "raw", rule)
    expected = REFERENCE["praw"][data]
    np.testing.assert_allclose(found.yi, expected["yi"], **CLOSED)
    np.testing.assert_allclose(found.vi, expected["vi"], **CLOSED)


def test_proportions_pool_to_the_values_printed_by_r_meta():
    """R meta 4.18: DerSimonian-Laird results, four decimals; the pooling is written out here."""

    def dersimonian_laird(effects):
        w = 1 / effects.vi
        mu = np.average(effects.yi, weights=w)
        q = np.sum(w * (effects.yi - mu) ** 2)
        tau2 = max(0, (q - (len(w) - 1)) / (w.sum() - (w**2).sum() / w.sum()))
        w = 1 / (effects.vi + tau2)
        mu, half = np.average(effects.yi, weights=w), 1.959963984540054 / np.sqrt(w.sum())
        return [mu, mu - half, mu + half]

    expected = {
        ("debruin2009", "raw"): [0.4754, 0.3891, 0.5616],
        ("pritz1997", "raw"): [0.8034, 0.7182, 0.8886],
        ("pritz1997", "logit"): [0.7573, 0.6606, 0.8334],
        ("pritz1997", "arcsine"): [0.8117, 0.7103, 0.8954],
        ("nielweise2007", "raw"): [0.0049, 0.0012, 0.0085],
    }
    for (data, scale), printed in expected.items():
        counts = REFERENCE["counts"][data]
        correct = "variance" if scale == "raw" else "estimate_and_variance"
        rule = ZeroCells(correct=correct)
        effects = measures.proportion(counts["events"], counts["total"], scale, rule)
        shown = to_display(dersimonian_laird(effects), scale)
        np.testing.assert_allclose(shown, printed, atol=5.1e-5)


def test_miller_1978_variances():
    found = measures.proportion([3, 6, 10, 1], [11, 17, 21, 6], "double_arcsine")
    np.testing.assert_allclose(4 * found.vi, [0.0870, 0.0571, 0.0465, 0.1538], atol=5e-5)


def test_what_was_corrected_is_told():
    events, total = [0, 4, 20], [10, 10, 20]

    def corrected(scale, **rule):
        found = measures.proportion(events, total, scale, ZeroCells(**rule))
        return found.corrected.tolist()

    assert corrected("raw") == [True, False, True]
    assert corrected("logit", to="all") == [True, True, True]
    assert corrected("log", to="if_any_affected") == [True, True, True]
    assert corrected("raw", to="none") == [False, False, False]
    assert corrected("raw", add=0) == [False, False, False]
    assert corrected("arcsine", to="all") == [False, False, False]
    assert corrected("double_arcsine") == [False, False, False]


def test_adding_nothing_is_no_correction():
    for scale in ("raw", "log", "logit"):
        nothing = measures.proportion([0, 4, 20], [10, 10, 20], scale, ZeroCells(add=0))
        none = measures.proportion([0, 4, 20], [10, 10, 20], scale, ZeroCells(to="none"))
        np.testing.assert_array_equal(nothing.yi, none.yi)
        assert nothing.usable.tolist() == none.usable.tolist() == [False, True, False]
        assert nothing.reason == none.reason
        assert nothing.reason[0] == "a zero cell and no correction for it"


def test_a_study_without_a_zero_cell_sets_off_nothing():
    counts = [3, 4], [10, 10]
    for scale in ("raw", "log", "logit"):
        plain = measures.proportion(*counts, scale, ZeroCells(to="none"))
        for to in ("only_affected", "if_any_affected"):
            found = measures.proportion(*counts, scale, ZeroCells(to=to))
            np.testing.assert_array_equal(found.yi, plain.yi)


def test_missing_numbers_are_named_and_never_zero():
    found = measures.proportion([3, None, np.nan, 2], [None, 4, np.nan, 5], "logit")
    assert found.usable.tolist() == [False, False, False, True]
    assert found.reason == ("total missing", "events missing", "events, total missing", "")
    assert np.isnan(found.yi[:3]).all()
    assert np.isnan(found.vi[:3]).all()
    assert not found.corrected.any()


def test_a_missing_study_does_not_set_off_the_correction_of_all():
    found = measures.proportion([0, 3], [None, 10], "logit", ZeroCells(to="if_any_affected"))
    assert found.corrected.tolist() == [False, False]


@pytest.mark.parametrize("scale", measures.PROPORTION_SCALES)
def test_no_studies_and_one_study(scale):
    none = measures.proportion([], [], scale)
    assert none.yi.shape == none.vi.shape == none.usable.shape == (0,)
    assert none.reason == ()
    one = measures.proportion([3], [10], scale)
    assert one.usable.tolist() == [True]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: measures.proportion([11, 1], [10, 10], "raw"),
            r"exceed the total: 11 \(study 1\)",
        ),
        (lambda: measures.proportion([1, -1], [9, 9], "raw"), r"negative: -1 \(study 2\)"),
        (lambda: measures.proportion([0], [0], "raw"), "1 or more"),
        (lambda: measures.proportion([1, 2], [9], "raw"), r"one shape \(k,\)"),
        (lambda: measures.proportion(1, 9, "raw"), r"one shape \(k,\)"),
        (lambda: measures.proportion([1], [np.inf], "raw"), "total must be finite"),
        (lambda: measures.proportion([1], [9], "probit"), "scale is 'probit'"),
        (
            lambda: measures.proportion([1], [9], "logit", ZeroCells(correct="variance")),
            "'variance' is not defined for proportions on the scale logit",
        ),
        (
            lambda: measures.proportion([1], [9], "logit", ZeroCells(cells="events")),
            "'events' is not defined for proportions",
        ),
        (lambda: ZeroCells(add=-1), "zero_cells.add is -1"),
        (lambda: ZeroCells(add=float("nan")), "zero_cells.add is nan"),
        (lambda: ZeroCells(to="only0"), "zero_cells.to is 'only0', not one of only_affected"),
        (lambda: ZeroCells(correct="both"), "zero_cells.correct is 'both'"),
        (lambda: ZeroCells(cells="both"), "zero_cells.cells is 'both'"),
        (lambda: measures.mean([0], [1], [1]), "n must be 1 or more"),
        (lambda: measures.mean([5], [1], [-1]), "sd must not be negative"),
        (lambda: measures.mean_change([5], [1], [-1]), "sd must not be negative"),
        (lambda: measures.mean_difference([5], [1], [1], [5], [1], [-2]), "sd must not be neg"),
        (lambda: measures.change_sd([1], [1], 1.5), "correlation is 1.5"),
        (lambda: measures.change_sd([1], [1], "none"), "correlation is 'none'"),
        (lambda: measures.change_sd([1], [1], float("nan")), "correlation is nan"),
        (lambda: measures.change_sd([-1], [1], 0.5), "baseline_sd must not be negative"),
        (lambda: measures.sd_from_interval([9], [2], [1]), "must not be below the lower"),
        (lambda: measures.sd_from_interval([1], [1], [2]), "n must be at least 2 with t"),
        (lambda: measures.sd_from_interval([9], [1], [2], 95), "level is 95"),
        (lambda: measures.sd_from_interval([9], [1], [2], distribution="z"), "distribution is"),
        (lambda: measures.risk_ratio([1], [2], [1], [2], double_zero="keep"), "double_zero is"),
        (
            lambda: measures.odds_ratio([1], [2], [1], [2], ZeroCells(correct="variance")),
            "not defined for odds ratios",
        ),
        (
            lambda: measures.risk_difference([1], [2], [1], [2], ZeroCells(cells="events")),
            "not defined for risk differences",
        ),
        (lambda: measures.clopper_pearson([3], [2]), "exceed the total"),
        (lambda: measures.wilson([3], [5], level=1), "level is 1"),
        (lambda: measures.wald_interval([1], [-1]), "vi must not be negative"),
    ],
)
def test_faults_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# Means -----------------------------------------------------------------------------------

MEANS = REFERENCE["means"]
ARMS = ("n", "mean", "sd", "control_n", "control_mean", "control_sd")
NORMAND = [MEANS["data"][name] for name in ARMS]


def test_means_of_escalc():
    assert_agrees(measures.mean(*NORMAND[:3]), MEANS["MN"])


@pytest.mark.parametrize("case", MEANS["changes"], ids=lambda c: f"r={c['correlation']}")
def test_changes_of_escalc(case):
    n, baseline, baseline_sd, _, end, end_sd = NORMAND
    sd = measures.change_sd(baseline_sd, end_sd, case["correlation"])
    assert_agrees(measures.mean_change(n, np.subtract(end, baseline), sd), case)


def test_independent_readings_have_no_correlation():
    np.testing.assert_array_equal(
        measures.change_sd([3, 5], [4, 12], "independent"), measures.change_sd([3, 5], [4, 12], 0)
    )
    np.testing.assert_allclose(measures.change_sd([3, 5], [4, 12], "independent"), [5, 13])


def test_equal_sds_fully_correlated_do_not_change():
    sd = measures.change_sd([0.1, 3], [0.1, 3], 1)
    assert sd.tolist() == [0.0, 0.0]
    found = measures.mean_change([5, 5], [1, 2], sd)
    assert not found.usable.any()
    assert found.reason[0] == "an SD of 0 gives no sampling variance"


def test_missing_sds_stay_missing():
    assert np.isnan(measures.change_sd([None], [1], 0.5)).all()
    assert np.isnan(measures.sd_from_interval([10], [None], [1])).all()
    found = measures.mean([10, None], [None, 3], [2, None])
    assert found.reason == ("mean missing", "n, sd missing")


@pytest.mark.parametrize("name", ["t", "normal"])
def test_sd_behind_a_confidence_interval_of_r(name):
    """R's t.test() of samples, and the same with normal quantiles, back to sd()."""
    for case in REFERENCE["from_intervals"]:
        low, high = case[name]
        found = measures.sd_from_interval([case["n"]], [low], [high], case["level"], name)
        # 15 printed digits of two limits that nearly cancel.
        np.testing.assert_allclose(found, [case["sd"]], rtol=1e-11)


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("MD", measures.mean_difference),
        ("MD_HO", lambda *arms: measures.mean_difference(*arms, pooled_variance=True)),
        ("SMD", measures.standardized_mean_difference),
    ],
)
def test_differences_of_means_of_escalc(name, call):
    assert_agrees(call(*NORMAND), MEANS[name])


def test_differences_of_means_in_the_smallest_samples():
    small = REFERENCE["small_means"]
    arms = [small["data"][name] for name in ARMS]
    assert_agrees(measures.mean_difference(*arms), small["MD"])
    assert_agrees(measures.standardized_mean_difference(*arms), small["SMD"])


def test_standardized_difference_needs_four_participants_and_a_spread():
    found = measures.standardized_mean_difference(
        [1, 2, 5], [3, 3, 3], [1, 1, 0], [2, 2, 5], [1, 1, 1], [1, 1, 0]
    )
    assert found.usable.tolist() == [False, True, False]
    assert found.reason[0] == "fewer than 4 participants in the two arms"
    assert found.reason[2] == "an SD of 0 gives no sampling variance"


def test_pooled_variance_needs_three_participants():
    found = measures.mean_difference([1], [3], [1], [1], [1], [1], pooled_variance=True)
    assert found.reason == ("fewer than 3 participants in the two arms",)


def test_normand_pools_to_the_printed_common_effect():
    found = measures.mean_difference(*NORMAND)
    weight = 1 / found.vi
    assert np.average(found.yi, weights=weight) == pytest.approx(-3.4636, abs=5e-5)


# Two arms ----------------------------------------------------------------------------------

TABLE = ("events", "total", "control_events", "control_total")
RATIOS = {
    "RR": measures.risk_ratio,
    "OR": measures.odds_ratio,
    "RD": measures.risk_difference,
}


@pytest.mark.parametrize(
    "case",
    REFERENCE["ratios"],
    ids=lambda c: f"{c['data']}-{c['measure']}-{c['to']}-{c['double_zero']}",
)
def test_ratios_of_escalc(case):
    table = [np.array(REFERENCE["tables"][case["data"]][name]) for name in TABLE]
    rule = ZeroCells(to=case["to"])
    if case["measure"] == "RD":
        assert_agrees(measures.risk_difference(*table, rule), case)
        return
    call = RATIOS[case["measure"]]
    found = call(*table, rule, double_zero=case["double_zero"])
    if case["measure"] == "RR" and case["double_zero"] == "exclude":
        # metafor also drops studies where everyone had the event; R meta and we do not.
        everyone = (table[0] == table[1]) & (table[2] == table[3])
        assert found.usable[everyone].tolist() == [case["to"] != "none"] * everyone.sum()
        found = call(*(column[~everyone] for column in table), rule)
        case = {name: np.array(case[name], dtype=float)[~everyone] for name in ("yi", "vi")}
    assert_agrees(found, case)


def test_the_grid_of_ratios_is_whole():
    cases = {
        tuple(c[n] for n in ("data", "measure", "to", "double_zero")) for c in REFERENCE["ratios"]
    }
    assert len(cases) == 3 * 4 * (2 + 2 + 1)


def test_double_zeros_say_why():
    table = [0, 7, 3], [6, 7, 9], [0, 5, 2], [8, 5, 9]
    assert measures.odds_ratio(*table).reason == (
        "no events in either arm",
        "nothing but events in both arms",
        "",
    )
    assert measures.risk_ratio(*table).reason == ("no events in either arm", "", "")
    included = measures.odds_ratio(*table, double_zero="include")
    assert included.corrected.tolist() == [True, True, False]


def test_an_excluded_study_does_not_set_off_the_correction_of_all():
    table = [0, 4], [6, 9], [0, 2], [8, 9]
    rule = ZeroCells(to="if_any_affected")
    for call in (measures.risk_ratio, measures.odds_ratio):
        assert call(*table, rule).corrected.tolist() == [False, False]
        assert call(*table, rule, double_zero="include").corrected.tolist() == [True, True]


def test_risk_ratio_of_r_meta_adds_to_events_only():
    """R meta with RR.Cochrane = FALSE: (e + .5) / (n + .5); worked by hand."""
    found = measures.risk_ratio([0, 7], [10, 7], [3, 5], [12, 5], ZeroCells(cells="events"))
    yi = np.log((0.5 / 10.5) / (3.5 / 12.5))
    vi = 1 / 0.5 - 1 / 10.5 + 1 / 3.5 - 1 / 12.5
    everyone = 1 / 7 - 1 / 7.5 + 1 / 5 - 1 / 5.5
    np.testing.assert_allclose(found.yi, [yi, 0], **CLOSED)
    np.testing.assert_allclose(found.vi, [vi, everyone], **CLOSED)


def test_risk_difference_of_r_meta_is_as_observed():
    found = measures.risk_difference([0], [10], [3], [12], ZeroCells(correct="variance"))
    np.testing.assert_allclose(found.yi, [-0.25], **CLOSED)
    np.testing.assert_allclose(found.vi, [0.5 * 10.5 / 11**3 + 3.5 * 9.5 / 13**3], **CLOSED)


def test_bcg_pools_to_the_printed_common_effect():
    """Stata metan and metafor: ln RR -.4303 [-.5097, -.3509], Q 152.2330."""
    bcg = [REFERENCE["tables"]["bcg"][name] for name in TABLE]
    found = measures.risk_ratio(*bcg)
    weight = 1 / found.vi
    mu = np.average(found.yi, weights=weight)
    limits = measures.wald_interval([mu], [1 / weight.sum()])
    np.testing.assert_allclose(
        [mu, *limits.low, *limits.high], [-0.4303, -0.5097, -0.3509], atol=5e-5
    )
    assert np.sum(weight * (found.yi - mu) ** 2) == pytest.approx(152.2330, abs=5e-5)


# Intervals of single studies -----------------------------------------------------------------

# Newcombe 1998 (Stat Med 17:857), table I: simple asymptotic (method 1), score (3), exact (5).
NEWCOMBE = [
    (81, 263, (0.2522, 0.3638), (0.2553, 0.3662), (0.2527, 0.3676)),
    (15, 148, (0.0527, 0.1500), (0.0624, 0.1605), (0.0578, 0.1617)),
    (0, 20, None, (0.0000, 0.1611), (0.0000, 0.1684)),
    (1, 29, (-0.0319, 0.1009), (0.0061, 0.1718), (0.0009, 0.1776)),
]


@pytest.mark.parametrize(("events", "total", "wald", "wilson", "exact"), NEWCOMBE)
def test_newcombe_1998(events, total, wald, wilson, exact):
    def rounded(interval):
        return pytest.approx((interval.low[0], interval.high[0]), abs=5.1e-5)

    effects = measures.proportion([events], [total], "raw", ZeroCells(to="none"))
    if wald is None:
        assert not effects.usable[0]
    else:
        assert wald == rounded(measures.wald_interval(effects.yi, effects.vi))
    assert wilson == rounded(measures.wilson([events], [total]))
    assert exact == rounded(measures.clopper_pearson([events], [total]))


def test_intervals_of_r():
    """binom.test() and prop.test(correct = FALSE), three levels."""
    assert len(REFERENCE["intervals"]) == 30
    for case in REFERENCE["intervals"]:
        study = [case["events"]], [case["total"]], case["level"]
        for name in ("clopper_pearson", "wilson"):
            found = getattr(measures, name)(*study)
            # At 0/n Wilson's limit in R is 1e-18 by rounding; ours is 0.
            np.testing.assert_allclose(
                [found.low[0], found.high[0]], case[name], rtol=1e-11, atol=1e-16
            )


def test_exact_limits_at_the_ends_have_a_closed_form():
    none = measures.clopper_pearson([0], [59])
    everyone = measures.clopper_pearson([59], [59])
    assert none.low[0] == 0.0
    assert everyone.high[0] == 1.0
    assert none.high[0] == pytest.approx(1 - 0.025 ** (1 / 59), rel=1e-12)
    assert everyone.low[0] == pytest.approx(0.025 ** (1 / 59), rel=1e-12)


def test_score_limits_at_the_ends_are_0_and_1_exactly():
    total = np.arange(1, 60)
    for level in np.linspace(0.5, 0.999, 40):
        assert np.all(measures.wilson(np.zeros(59), total, level).low == 0.0)
        assert np.all(measures.wilson(total, total, level).high == 1.0)


def test_intervals_of_missing_counts_are_missing():
    for method in (measures.clopper_pearson, measures.wilson):
        found = method([None, 3], [10, None])
        assert np.isnan([found.low, found.high]).all()
        assert method([], []).low.shape == (0,)
    found = measures.wald_interval([np.nan], [np.nan])
    assert np.isnan([found.low, found.high]).all()


def test_all_events_57_of_59_give_the_article_s_interval_on_the_logit():
    """57/59: 0.9661 [0.8743; 0.9915] (article, figure S1: tau2 = 0)."""
    effects = measures.proportion([57, 94], [59, 102], "logit")
    interval = measures.wald_interval(effects.yi, effects.vi)
    shown = [to_display(v, "logit") for v in (effects.yi, interval.low, interval.high)]
    np.testing.assert_allclose(
        np.transpose(shown), [[0.9661, 0.8743, 0.9915], [0.9216, 0.8509, 0.9603]], atol=5e-5
    )


# Properties ------------------------------------------------------------------------------

property_of = settings(max_examples=50, deadline=None)
study = st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
studies = st.lists(study, min_size=1, max_size=12)
rules = st.builds(
    ZeroCells,
    add=st.sampled_from([0.0, 0.25, 0.5, 1.0]),
    to=st.sampled_from(["only_affected", "all", "if_any_affected", "none"]),
)


@property_of
@given(studies, rules)
def test_swapping_events_and_non_events_flips_the_logit(rows, rule):
    events, total = np.array(rows).T
    found = measures.proportion(events, total, "logit", rule)
    flipped = measures.proportion(total - events, total, "logit", rule)
    np.testing.assert_allclose(flipped.yi, -found.yi, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(flipped.vi, found.vi, rtol=1e-12)
    assert flipped.usable.tolist() == found.usable.tolist()


@property_of
@given(studies, rules)
def test_swapping_events_and_non_events_mirrors_the_raw_proportion(rows, rule):
    events, total = np.array(rows).T
    found = measures.proportion(events, total, "raw", rule)
    flipped = measures.proportion(total - events, total, "raw", rule)
    np.testing.assert_allclose(flipped.yi, 1 - found.yi, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(flipped.vi, found.vi, rtol=1e-12)


@pytest.mark.parametrize("double_zero", ["exclude", "include"])
@pytest.mark.parametrize("call", [measures.risk_ratio, measures.odds_ratio])
@property_of
@given(st.lists(st.tuples(study, study), min_size=1, max_size=8), rules)
def test_swapping_the_arms_inverts_a_ratio(call, double_zero, rows, rule):
    table = np.array(rows).reshape(-1, 4).T
    found = call(*table, rule, double_zero=double_zero)
    swapped = call(*table[[2, 3, 0, 1]], rule, double_zero=double_zero)
    np.testing.assert_allclose(swapped.yi, -found.yi, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(swapped.vi, found.vi, rtol=1e-10, atol=1e-15)
    assert swapped.reason == found.reason


@property_of
@given(st.lists(st.tuples(study, study), min_size=1, max_size=8), rules)
def test_the_odds_ratio_is_the_difference_of_logits(rows, rule):
    table = np.array(rows).reshape(-1, 4).T
    found = measures.odds_ratio(*table, ZeroCells(add=rule.add, to="all"), double_zero="include")
    arms = [
        measures.proportion(*arm, "logit", ZeroCells(add=rule.add, to="all"))
        for arm in (table[:2], table[2:])
    ]
    np.testing.assert_allclose(found.yi, arms[0].yi - arms[1].yi, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(found.vi, arms[0].vi + arms[1].vi, rtol=1e-12)


@pytest.mark.parametrize("scale", measures.PROPORTION_SCALES)
@property_of
@given(studies, rules, st.randoms())
def test_order_of_studies_does_not_matter(scale, rows, rule, random):
    order = list(range(len(rows)))
    random.shuffle(order)
    events, total = np.array(rows).T
    found = measures.proportion(events, total, scale, rule)
    shuffled = measures.proportion(events[order], total[order], scale, rule)
    np.testing.assert_array_equal(shuffled.yi, found.yi[order])
    np.testing.assert_array_equal(shuffled.vi, found.vi[order])
    assert shuffled.reason == tuple(found.reason[i] for i in order)
    assert shuffled.corrected.tolist() == found.corrected[order].tolist()


@pytest.mark.parametrize("scale", measures.PROPORTION_SCALES)
@property_of
@given(st.floats(0.02, 0.98))
def test_the_way_back_gives_the_proportion_in_a_large_study(scale, p):
    total = 10**8
    events = round(p * total)
    found = measures.proportion([events], [total], scale)
    shown = to_display(found.yi, scale, n_harmonic=total)
    np.testing.assert_allclose(shown, [events / total], rtol=1e-7)


@property_of
@given(studies, st.floats(0.5, 0.999))
def test_intervals_hold_their_estimate_and_stay_in_range(rows, level):
    events, total = np.array(rows).T
    p = events / total
    for method in (measures.clopper_pearson, measures.wilson):
        found = method(events, total, level)
        assert np.all((found.low >= 0) & (found.low <= p + 1e-15))
        assert np.all((found.high <= 1) & (found.high >= p - 1e-15))
        wider = method(events, total, (1 + level) / 2)
        assert np.all(wider.low <= found.low)
        assert np.all(wider.high >= found.high)


@property_of
@given(studies)
def test_exact_limits_have_their_tail_probability(rows):
    """P(X >= x | low) = P(X <= x | high) = 2.5 %, by summing the binomial."""
    events, total = np.array(rows).T
    found = measures.clopper_pearson(events, total)
    some, not_all = events > 0, events < total
    np.testing.assert_allclose(
        bdtrc(events[some] - 1, total[some], found.low[some]), 0.025, rtol=1e-8
    )
    np.testing.assert_allclose(
        bdtr(events[not_all], total[not_all], found.high[not_all]), 0.025, rtol=1e-8
    )


@property_of
@given(studies, rules, st.sampled_from(measures.PROPORTION_SCALES))
def test_wald_interval_holds_its_estimate(rows, rule, scale):
    events, total = np.array(rows).T
    found = measures.proportion(events, total, scale, rule)
    limits = measures.wald_interval(found.yi, found.vi)
    usable = found.usable
    assert np.all(limits.low[usable] < found.yi[usable])
    assert np.all(limits.high[usable] > found.yi[usable])
    assert np.isnan(limits.low[~usable]).all()
