"""Heterogeneity against metafor, published values, exact distributions and its own equations."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import chdtr, chdtrc, chdtri

from forestry.chi_squares import chi_squares_tails
from forestry.heterogeneity import (
    between_groups,
    between_groups_common_tau2,
    cochran_q,
    decompose_q,
    heterogeneity,
    i2_from_q,
    i2_from_tau2,
    q_about,
    q_test,
    typical_variance,
)
from forestry.inverse_variance import fit_common, fit_random
from forestry.tau2 import TAU2_METHODS, generalised_q, tau2
from forestry.tau2_limits import cochran_q_tails, tau2_limits

REFERENCE = json.loads(
    (Path(__file__).parents[1] / "reference" / "pooling.json").read_text(encoding="utf-8")
)
DATA = {
    name: (np.array(data["yi"]), np.array(data["vi"]))
    for name, data in REFERENCE["datasets"].items()
}
GROUPS = REFERENCE["groups"]

# Both sides converge to rounding.
CLOSE = 1e-10


def near(value, expected, scale=1e-300):
    return value == pytest.approx(expected, rel=CLOSE, abs=CLOSE * scale)


# Against metafor ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", DATA)
def test_q_i2_and_h2_agree_with_metafor(name):
    yi, vi = DATA[name]
    cases = [case for case in REFERENCE["fits"] if case["dataset"] == name]
    assert {case["method"] for case in cases} == {*TAU2_METHODS, "EE"}
    for case in cases:
        if case["interval"] != "wald":
            continue
        basis = "q" if case["method"] == "EE" else "tau2"
        method = "DL" if case["method"] == "EE" else case["method"]
        found = heterogeneity(yi, vi, method, basis, tau2_interval="none")
        assert near(found.q, case["q"])
        assert near(found.q_p, case["q_p"])
        assert found.q_df == found.k - 1 == case["k"] - 1
        assert near(found.i2, case["i2"], 1)
        # metafor lets the H2 of a common effect fall below 1.
        assert near(found.h2, max(1, case["h2"]))


@pytest.mark.parametrize("case", REFERENCE["limits"], ids=lambda case: case["dataset"])
def test_q_profile_agrees_with_metafor(case):
    yi, vi = DATA[case["dataset"]]
    found = heterogeneity(yi, vi, "REML", "tau2", "q_profile")
    assert not case["empty"]
    assert near(found.tau2_low, case["tau2_low"], vi.min())
    assert near(found.tau2_high, case["tau2_high"])
    assert near(found.i2_low, case["i2_low"], 1)
    assert near(found.i2_high, case["i2_high"])


def test_generalised_q_limits_agree_with_an_independent_series():
    cases = [case for case in REFERENCE["limits"] if case["generalised_q_given"]]
    assert len(cases) == 5
    for case in cases:
        yi, vi = DATA[case["dataset"]]
        low, high = tau2_limits(yi, vi, "generalised_q")
        assert near(low, case["generalised_q_low"], vi.min())
        assert near(high, case["generalised_q_high"])


@pytest.mark.parametrize(
    "case", REFERENCE["subgroups"], ids=lambda case: f"{case['dataset']}-{case['method']}"
)
def test_groups_with_common_tau2_agree_with_metafor(case):
    yi, vi = DATA[case["dataset"]]
    groups = GROUPS[case["dataset"]]
    test = between_groups_common_tau2(yi, vi, groups, case["method"])
    assert near(test.q, case["qm"]) and test.df == case["qm_df"] and near(test.p, case["qm_p"])
    within = decompose_q(yi, vi, groups).within
    assert near(within.q, case["qe"])
    assert within.df == case["qe_df"]
    assert near(within.p, case["qe_p"])


# Published values ---------------------------------------------------------------------------


def test_bcg_as_published():
    found = heterogeneity(*DATA["bcg"], "DL", "q", "q_profile")
    assert (found.q, found.q_df, found.i2) == (
        pytest.approx(152.2330, abs=5e-5),
        12,
        pytest.approx(0.9212, abs=5e-5),
    )
    profile = heterogeneity(*DATA["bcg"], "REML", "tau2", "q_profile")
    limits = (profile.tau2_low, profile.tau2_high, profile.i2_low, profile.i2_high)
    assert limits == pytest.approx((0.1197, 1.1115, 0.8192, 0.9768), abs=5e-5)
    assert heterogeneity(*DATA["normand1999"]).q == pytest.approx(238.9158, abs=5e-5)
    raw = heterogeneity(*DATA["pritz1997_raw"], "REML", "tau2")
    assert (raw.q, raw.i2) == (pytest.approx(48.345, abs=5e-4), pytest.approx(0.7528, abs=5e-5))


# Jackson, Turner, Rhodes & Viechtbauer 2014 (BMC Med Res Methodol 14:103), example 1: the
# limits printed there for inverse-variance weights and for Paule-Mandel, with a binary covariate.
JACKSON_YI = [0.0267, 0.8242, 0.3930, 2.4405, 2.1401, 1.2528, 2.4849, 0.3087]
JACKSON_YI += [1.4246, 0.1823, 1.1378, 1.2321, 2.0695, 4.0237, 1.4383, 1.6021]
JACKSON_VI = [0.1285, 0.0315, 0.0931, 2.0967, 1.0539, 0.1602, 1.0235, 0.0218]
JACKSON_VI += [0.5277, 0.0556, 0.3304, 0.1721, 0.4901, 2.0200, 0.3399, 0.1830]


def test_limits_as_published_by_jackson_and_others():
    groups = [0] * 10 + [1] * 6
    jackson = tau2_limits(JACKSON_YI, JACKSON_VI, "generalised_q", groups=groups)
    profile = tau2_limits(JACKSON_YI, JACKSON_VI, "q_profile", groups=groups)
    assert jackson == pytest.approx((0.0029, 0.6907), abs=5e-5)
    assert profile == pytest.approx((0.0023, 1.4871), abs=5e-5)


@pytest.mark.parametrize(
    "q, df, i2, low, high",  # as R's meta prints them, in per cent
    [
        (198.57, 19, 90.4, 86.7, 93.1),
        (122.14, 19, 84.4, 77.2, 89.4),
        (4.07, 5, 0.0, 0.0, 74.6),
        (1.5, 2, 0.0, 0.0, 89.6),
    ],
)
def test_i2_interval_as_printed_by_meta(q, df, i2, low, high):
    found = i2_from_q(q, df)
    assert (100 * found.i2, 100 * found.i2_low, 100 * found.i2_high) == pytest.approx(
        (i2, low, high), abs=0.051
    )


@pytest.mark.parametrize(
    "method, tau2_shared, statistic, p",
    [
        ("REML", True, 1.7675, 0.4132),
        ("REML", False, 1.8614, 0.3943),
        ("DL", False, 1.5368, 0.4638),
    ],
)
def test_bcg_by_allocation_both_ways(method, tau2_shared, statistic, p):
    (yi, vi), groups = DATA["bcg"], np.array(GROUPS["bcg"])
    if tau2_shared:
        test = between_groups_common_tau2(yi, vi, groups, method)
    else:
        fits = [fit_random(yi[groups == g], vi[groups == g], method) for g in np.unique(groups)]
        if method == "REML":
            assert [fit.estimate for fit in fits] == pytest.approx(
                [-0.5408, -0.9710, -0.4242], abs=5e-5
            )
        test = between_groups([fit.estimate for fit in fits], [fit.se for fit in fits])
    assert (test.q, test.df, test.p) == (
        pytest.approx(statistic, abs=5e-5),
        2,
        pytest.approx(p, abs=5e-5),
    )


def test_total_heterogeneity_is_not_the_subgroup_test():
    parts = decompose_q(*DATA["bcg"], GROUPS["bcg"])
    assert parts.total.q == pytest.approx(152.2330, abs=5e-5)
    assert (parts.within.q, parts.within.df) == (pytest.approx(132.3676, abs=5e-5), 10)
    assert (parts.total.df, parts.between.df, parts.within.df) == (12, 2, 10)
    assert parts.between.q == pytest.approx(parts.total.q - parts.within.q, rel=1e-12)


# Intervals satisfy their equations --------------------------------------------------------------


@pytest.mark.parametrize("name", DATA)
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_q_profile_ends_satisfy_their_equations(name, level):
    yi, vi = DATA[name]
    low, high = tau2_limits(yi, vi, "q_profile", level)
    tail, df = (1 - level) / 2, len(yi) - 1
    assert generalised_q(yi, vi, high) == pytest.approx(chdtri(df, 1 - tail), rel=1e-10)
    if low > 0:
        assert generalised_q(yi, vi, low) == pytest.approx(chdtri(df, tail), rel=1e-10)
    else:
        assert generalised_q(yi, vi, 0.0) <= chdtri(df, tail)


@pytest.mark.parametrize("name", DATA)
def test_generalised_q_ends_satisfy_their_equations(name):
    yi, vi = DATA[name]
    q = cochran_q(yi, vi).q
    low, high = tau2_limits(yi, vi, "generalised_q")
    assert cochran_q_tails(q, vi, high)[0] == pytest.approx(0.025, rel=1e-9)
    if low > 0:
        assert cochran_q_tails(q, vi, low)[1] == pytest.approx(0.025, rel=1e-9)
    else:
        assert cochran_q_tails(q, vi, 0.0)[1] >= 0.025
    assert low <= tau2(yi, vi, "DL").estimate <= high


def test_both_intervals_are_one_for_equal_variances():
    yi, vi = [0.1, 1.4, 0.7, 2.3, -0.6], np.full(5, 0.3)
    profile = tau2_limits(yi, vi, "q_profile")
    assert tau2_limits(yi, vi, "generalised_q") == pytest.approx(profile, rel=1e-9)


@pytest.mark.parametrize("interval", ["q_profile", "generalised_q"])
def test_an_interval_may_be_empty(interval):
    yi, vi = [1.0, 1.01, 0.99, 1.0, 1.005], [0.1, 0.2, 0.3, 0.4, 0.5]
    assert tau2_limits(yi, vi, interval) == (None, None)
    assert tau2_limits([1.0, 1.0, 1.0], [0.1, 0.2, 0.3], interval) == (None, None)
    found = heterogeneity(yi, vi, i2_basis="tau2", tau2_interval=interval)
    assert (found.i2, found.i2_low, found.i2_high, found.tau2_high) == (0, None, None, None)


# Weighted sums of chi-squares -------------------------------------------------------------------


@pytest.mark.parametrize("df", [1, 2, 3, 10, 100])
@pytest.mark.parametrize("q", [0.01, 0.3, 1.0, 5.0, 20.0, 150.0])
def test_equal_weights_are_chi_squared(df, q):
    lower, upper = chi_squares_tails(3 * q, np.full(df, 3.0))
    assert lower == pytest.approx(chdtr(df, q), abs=1e-13)
    assert upper == pytest.approx(chdtrc(df, q), abs=1e-13)


@settings(max_examples=60, deadline=None)
@given(st.floats(0.01, 1), st.floats(1.2, 100), st.floats(-2, 2).map(lambda x: 10**x))
def test_pairs_of_weights_are_sums_of_exponentials(a, ratio, q):
    b = a * ratio
    upper = (b * np.exp(-q / (2 * b)) - a * np.exp(-q / (2 * a))) / (b - a)
    assert chi_squares_tails(q, [a, a, b, b]) == pytest.approx((1 - upper, upper), abs=1e-12)


def test_one_study_with_all_the_weight_has_its_limits_too():
    yi, vi = [0.3, -0.4, 1.2, 0.1, 0.9], np.array([1e-12, 0.1, 0.3, 1.0, 0.02])
    q = cochran_q(yi, vi).q
    low, high = tau2_limits(yi, vi, "generalised_q")
    assert cochran_q_tails(q, vi, low)[1] == pytest.approx(0.025, rel=1e-9)
    assert cochran_q_tails(q, vi, high)[0] == pytest.approx(0.025, rel=1e-9)
    # That study is the mean: Q is of the others' differences from it, which share its effect.
    root = 1 / np.sqrt(vi[1:])
    differences = np.diag(vi[1:] + low) + low
    eigenvalues = np.linalg.eigvalsh(differences * np.outer(root, root))
    assert chi_squares_tails(q, eigenvalues)[1] == pytest.approx(0.025, rel=1e-8)


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.floats(-4, 4).map(lambda x: 10**x), min_size=2, max_size=12),
    st.floats(-3, 3).map(lambda x: 10**x),
    st.floats(-1, 1).map(lambda x: 10**x),
    st.integers(1, 2),
)
def test_what_the_means_take_leaves_the_eigenvalues(vi, tau2, part, number):
    """Of Q about weighted means, the weights are the eigenvalues of P M, by matrices."""
    v, groups = np.array(vi), np.arange(len(vi)) % (number if len(vi) > 3 else 1)
    w, root = 1 / v, np.sqrt(v + tau2)
    members = [w * (groups == group) for group in np.unique(groups)]
    p = np.diag(w) - sum(np.outer(own, own) / own.sum() for own in members)
    eigenvalues = np.linalg.eigvalsh(p * np.outer(root, root))[len(members) :]
    q = part * eigenvalues.sum()
    expected = chi_squares_tails(q, eigenvalues)
    # eigvalsh loses the small ones beside the large, to rounding of these.
    assert cochran_q_tails(q, v, tau2, groups) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("z", [-5, -2, -0.5, 0, 0.5, 2, 5])
@pytest.mark.parametrize("k", [2, 30, 400, 5000])
def test_tails_of_the_q_of_any_number_of_studies(k, z):
    vi = np.random.default_rng(1).gamma(2, 0.1, k) + 0.01
    q = (k - 1) * np.exp(z * np.sqrt(2 / (k - 1)))
    expected = (chdtr(k - 1, q), chdtrc(k - 1, q))
    assert cochran_q_tails(q, vi, 0.0) == pytest.approx(expected, abs=1e-11)


def test_tails_of_q_without_tau2_are_chi_squared():
    vi = DATA["bcg"][1]
    assert cochran_q_tails(15.0, vi, 0.0) == pytest.approx(
        (chdtr(12, 15.0), chdtrc(12, 15.0)), abs=1e-12
    )


# I2 and its bases -----------------------------------------------------------------------------


@given(st.floats(0, 1e4), st.integers(1, 200))
def test_i2_of_q_is_within_its_limits(q, df):
    found = i2_from_q(q, df)
    assert found.i2 == pytest.approx(max(0, (q - df) / q) if q else 0, abs=1e-12)
    assert found.h2 == pytest.approx(1 / (1 - found.i2))
    if df == 1 and q <= 2:
        assert (found.i2_low, found.i2_high, found.h2_low, found.h2_high) == (None,) * 4
    else:
        assert 0 <= found.i2_low <= found.i2 <= found.i2_high < 1


def test_both_bases_are_one_for_dersimonian_laird():
    for yi, vi in DATA.values():
        by_q = heterogeneity(yi, vi, "DL", "q")
        by_tau2 = heterogeneity(yi, vi, "DL", "tau2")
        assert by_q.i2 == pytest.approx(by_tau2.i2, abs=1e-13)
        assert (by_q.i2_basis, by_tau2.i2_basis) == ("q", "tau2")


def test_typical_variance_of_equal_variances_is_theirs():
    assert typical_variance([0.4, 0.4, 0.4]) == pytest.approx(0.4, rel=1e-14)
    found = i2_from_tau2(0.4, 0.4)
    assert (found.i2, found.h2, found.i2_low, found.h2_high) == (0.5, 2.0, None, None)


def test_the_typical_variance_beside_one_study_with_all_the_weight():
    """In fractions, which lose no digit: (k-1) sum w / (sum w)^2 - sum w^2."""
    vi = [1e-12, 0.1, 0.3, 1.0, 0.02]
    w = [1 / Fraction(v) for v in vi]
    expected = 4 * sum(w) / (sum(w) ** 2 - sum(x * x for x in w))
    assert typical_variance(vi) == pytest.approx(float(expected), rel=1e-13)


def test_q_about_another_mean_is_larger():
    yi, vi = DATA["bcg"]
    mean = fit_common(yi, vi)
    assert q_about(yi, vi, mean.estimate).q == pytest.approx(cochran_q(yi, vi).q, rel=1e-13)
    away = q_about(yi, vi, mean.estimate + 0.1).q - cochran_q(yi, vi).q
    assert away == pytest.approx(0.01 / mean.se**2, rel=1e-9)


# Few studies and bad input ----------------------------------------------------------------------


def test_one_study_has_nothing_but_q():
    found = heterogeneity([0.3], [0.1])
    assert (found.k, found.q, found.q_df, found.q_p) == (1, 0, 0, None)
    assert (found.i2, found.h2, found.tau2, found.tau2_se) == (None,) * 4
    assert (found.i2_low, found.i2_high, found.tau2_low, found.tau2_high) == (None,) * 4


def test_no_study_is_an_error():
    with pytest.raises(ValueError, match="not 0"):
        heterogeneity([], [])


def test_unknown_choices_are_errors():
    yi, vi = DATA["bcg"]
    for choice in ({"tau2_method": "x"}, {"i2_basis": "h"}, {"tau2_interval": "wald"}):
        with pytest.raises(ValueError, match=next(iter(choice))[:4]):
            heterogeneity(yi, vi, **choice)
    with pytest.raises(ValueError, match="interval"):
        tau2_limits(yi, vi, "profile")


def test_numbers_that_are_not_q_are_errors():
    for q, df in ((-1.0, 3), (np.nan, 3), (2.0, 0)):
        with pytest.raises(ValueError, match="I2 needs"):
            i2_from_q(q, df)


def test_one_group_is_not_compared():
    with pytest.raises(ValueError, match="2 or more"):
        between_groups([0.3], [0.1])
    with pytest.raises(ValueError, match="2 or more"):
        decompose_q([0.3, 0.4], [0.1, 0.2], ["a", "a"])


def test_equal_groups_do_not_differ():
    test = between_groups([0.2, 0.2, 0.2], [0.1, 0.5, 0.3])
    assert (test.q, test.df, test.p) == (pytest.approx(0, abs=1e-25), 2, pytest.approx(1))
    assert q_test(3.0, 0).p is None
