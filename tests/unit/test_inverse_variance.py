"""Inverse-variance pooling against metafor, published values, and its own equations."""

from __future__ import annotations

import json
import tracemalloc
from fractions import Fraction
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from scipy.stats import t as t_of

from forestry import tau2 as tau2_module
from forestry.batch import tau2_batch
from forestry.checks import NotConverged
from forestry.intervals import INTERVALS, PREDICTIONS
from forestry.inverse_variance import fit_common, fit_random
from forestry.tau2 import TAU2_METHODS, generalised_q, solve_generalised_q, tau2, tau2_from_q

REFERENCE = json.loads(
    (Path(__file__).parents[1] / "reference" / "pooling.json").read_text(encoding="utf-8")
)
DATA = {
    name: (np.array(data["yi"]), np.array(data["vi"]))
    for name, data in REFERENCE["datasets"].items()
}
INTERVALS_REFERENCE = json.loads(
    (Path(__file__).parents[1] / "reference" / "tau2_intervals.json").read_text(encoding="utf-8")
)
REFERENCE_INTERVALS = ("wald", "t", "hartung_knapp", "hartung_knapp_ad_hoc")

# Both sides are in double precision and converge to rounding: 1e-10 leaves room for that of
# a p in the far tail and no more.
CLOSE = 1e-10

# Two local maxima of the (restricted) likelihood, one of them at 0.
TWO_MAXIMA = {
    "REML, inner higher": (
        "REML",
        [-0.01, -1.46, 1.64, 0.13, -0.27, -0.02],
        [0.003, 2.845, 0.243, 0.324, 0.584, 0.007],
    ),
    "REML, boundary higher": ("REML", [-2.0, -2.43, 0.79], [0.005, 0.24, 1.608]),
    "ML, inner higher": ("ML", [3.05, -1.2, -0.32, 0.82], [6.641, 0.007, 0.103, 5.895]),
    "ML, boundary higher": ("ML", [2.46, 1.51, 0.38], [0.069, 1.068, 0.877]),
    "ML, inner higher, a third of the smallest variance from zero": (
        "ML",
        [-0.8533, -0.3472, -0.2662, -0.2222, -0.9973, -1.6435, -0.3015, 0.2531],
        [0.3202, 12.82, 0.3479, 0.1026, 3.547, 0.2519, 0.06206, 0.218],
    ),
}


def near(value, expected, scale=None):
    return value == pytest.approx(expected, rel=CLOSE, abs=CLOSE * (scale or 1e-300))


def likelihood(yi, vi, t, restricted):
    """Log-likelihood by matrices, without the constant: the textbook form."""
    m = np.diag(vi + t)
    w = np.linalg.inv(m)
    x = np.ones((len(yi), 1))
    information = x.T @ w @ x
    mean = np.linalg.solve(information, x.T @ w @ yi)
    residual = yi - x @ mean
    value = -0.5 * (np.linalg.slogdet(m)[1] + residual @ w @ residual)
    return value - 0.5 * np.linalg.slogdet(information)[1] if restricted else value


def projection(vi, t):
    w = 1 / (vi + t)
    return np.diag(w) - np.outer(w, w) / w.sum()


def score(yi, vi, t, method):
    """Derivative of the log-likelihood times 2, and the size of the terms it balances."""
    p = projection(vi, t)
    expected = np.trace(p) if method == "REML" else (1 / (vi + t)).sum()
    return yi @ p @ p @ yi - expected, expected


# Against metafor ----------------------------------------------------------------------------


def test_the_reference_grid_is_complete():
    expected = set(product(DATA, TAU2_METHODS, REFERENCE_INTERVALS)) | set(
        product(DATA, ["EE"], ["wald"])
    )
    cases = [(case["dataset"], case["method"], case["interval"]) for case in REFERENCE["fits"]]
    assert len(cases) == len(set(cases)) >= 100
    assert set(cases) == expected


@pytest.mark.parametrize(
    "case",
    REFERENCE["fits"],
    ids=lambda case: f"{case['dataset']}-{case['method']}-{case['interval']}",
)
def test_agrees_with_metafor(case):
    yi, vi = DATA[case["dataset"]]
    if case["method"] == "EE":
        fit = fit_common(yi, vi)
        assert (fit.model, fit.tau2, fit.tau2_se, fit.pi_low) == ("common", None, None, None)
    else:
        prediction = "z" if case["interval"] == "wald" else "t_k_minus_1"
        fit = fit_random(yi, vi, case["method"], interval=case["interval"], prediction=prediction)
        assert near(fit.tau2, case["tau2"], scale=vi.min())
        assert near(fit.tau2_se, case["tau2_se"])
        other = fit_random(
            yi, vi, case["method"], interval=case["interval"], prediction="t_k_minus_2"
        )
        if fit.k < 3:
            assert (fit.pi_low, fit.pi_high, other.pi_low, other.pi_high) == (None,) * 4
        else:
            assert near(fit.pi_low, case["pi_low"], fit.se)
            assert near(fit.pi_high, case["pi_high"], fit.se)
            assert near(other.pi_low, case["pi_k_minus_2_low"], fit.se)
            assert near(other.pi_high, case["pi_k_minus_2_high"], fit.se)
    assert fit.k == case["k"]
    assert near(fit.estimate, case["estimate"], fit.se)
    assert near(fit.se, case["se"])
    assert near(fit.ci_low, case["ci_low"], fit.se)
    assert near(fit.ci_high, case["ci_high"], fit.se)
    assert near(fit.p_value, case["p_value"])


@pytest.mark.parametrize(
    "case", REFERENCE["subgroups"], ids=lambda case: f"{case['dataset']}-{case['method']}"
)
def test_tau2_common_to_groups_agrees_with_metafor(case):
    yi, vi = DATA[case["dataset"]]
    shared = tau2(yi, vi, case["method"], REFERENCE["groups"][case["dataset"]])
    assert near(shared.estimate, case["tau2"], scale=vi.min())
    assert near(shared.se, case["tau2_se"])


# Published values, to the digits printed (metafor's tests, after Stata's metan and others) -------


def test_bcg_as_published():
    yi, vi = DATA["bcg"]
    common, dl = fit_common(yi, vi), fit_random(yi, vi, "DL")
    assert (common.estimate, common.ci_low, common.ci_high) == pytest.approx(
        (-0.4303, -0.5097, -0.3509), abs=5e-5
    )
    assert (dl.estimate, dl.ci_low, dl.ci_high, dl.tau2) == pytest.approx(
        (-0.7141, -1.0644, -0.3638, 0.3088), abs=6e-5
    )
    published = {"PM": 0.3181, "REML": 0.3132, "ML": 0.2800, "HS": 0.2284, "SJ": 0.3455}
    published |= {"EB": 0.3181, "HE": 0.3286}
    for method, value in published.items():
        assert tau2(yi, vi, method).estimate == pytest.approx(value, abs=5e-5)
    reml = fit_random(yi, vi, "REML", prediction="z")
    assert (reml.estimate, reml.se) == pytest.approx((-0.7145, 0.1798), abs=5e-5)
    assert (reml.pi_low, reml.pi_high) == pytest.approx((-1.8667, 0.4376), abs=5e-5)
    hk = fit_random(yi, vi, "REML", interval="hartung_knapp", prediction="t_k_minus_1")
    assert (hk.se, hk.ci_low, hk.ci_high) == pytest.approx((0.1808, -1.1084, -0.3206), abs=5e-5)
    assert (hk.pi_low, hk.pi_high) == pytest.approx((-1.9960, 0.5670), abs=5e-5)


def test_normand1999_as_published():
    yi, vi = DATA["normand1999"]
    common, dl, reml = fit_common(yi, vi), fit_random(yi, vi, "DL"), fit_random(yi, vi, "REML")
    assert (common.estimate, common.ci_low, common.ci_high) == pytest.approx(
        (-3.4636, -4.9626, -1.9646), abs=6e-5
    )
    assert (dl.estimate, dl.ci_low, dl.ci_high) == pytest.approx(
        (-13.9817, -24.0299, -3.9336), abs=6e-5
    )
    assert (reml.estimate, reml.ci_low, reml.ci_high) == pytest.approx(
        (-15.1060, -32.6409, 2.4289), abs=6e-5
    )
    assert (dl.tau2, reml.tau2) == pytest.approx((205.41, 684.65), abs=6e-3)
    hk = fit_random(yi, vi, "REML", interval="hartung_knapp")
    assert (hk.ci_low, hk.ci_high) == pytest.approx((-36.3187, 6.1067), abs=6e-5)


@pytest.mark.parametrize(
    "name, method, link, expected",
    [
        ("pritz1997_logit", "DL", "logit", (0.7573, 0.6606, 0.8334)),
        ("pritz1997_logit", None, "logit", (0.7194, None, None)),
        ("pritz1997_arcsine", "DL", "arcsine", (0.8117, 0.7103, 0.8954)),
        ("pritz1997_raw", "REML", "raw", (0.7968, 0.7138, 0.8797)),
        ("nielweise2007_logit", "REML", "identity", (-3.3018, None, None)),
        ("nielweise2007_raw", "REML", "raw", (0.0054, 0.0025, 0.0082)),
    ],
)
def test_proportions_as_published(name, method, link, expected):
    yi, vi = DATA[name]
    fit = fit_random(yi, vi, method) if method else fit_common(yi, vi)
    back = {
        "logit": lambda x: 1 / (1 + np.exp(-x)),
        "arcsine": lambda x: np.sin(x) ** 2,
    }.get(link, lambda x: x)
    shown = [back(value) for value in (fit.estimate, fit.ci_low, fit.ci_high)]
    for value, printed in zip(shown, expected, strict=True):
        assert printed is None or value == pytest.approx(printed, abs=6e-5)


# The true maximum ---------------------------------------------------------------------------


def test_reml_is_at_its_boundary_where_a_loose_stopping_rule_ends_early():
    yi, vi = DATA["nielweise2007_raw"]
    assert tau2(yi, vi, "REML").estimate == 0
    best = max(likelihood(yi, vi, t, True) for t in np.geomspace(1e-9, 1e-2, 2000))
    assert likelihood(yi, vi, 0.0, True) > best


@pytest.mark.parametrize("name", TWO_MAXIMA)
def test_the_higher_of_two_maxima_is_taken(name):
    method, yi, vi = TWO_MAXIMA[name]
    yi, vi, restricted = np.array(yi), np.array(vi), method == "REML"
    grid = np.concatenate([[0], np.geomspace(1e-4, 1e2, 3000)])
    heights = np.array([likelihood(yi, vi, t, restricted) for t in grid])
    inner = heights[1:-1]
    assert heights[0] > heights[1] and ((inner > heights[:-2]) & (inner > heights[2:])).any()
    found = tau2(yi, vi, method).estimate
    assert (found == 0) == ("boundary" in name)
    assert likelihood(yi, vi, found, restricted) >= heights.max() - 1e-12


def test_ml_without_isis_4_is_not_the_boundary():
    yi, vi = (np.delete(values, 13) for values in DATA["egger2001"])
    found = tau2(yi, vi, "ML").estimate
    grid = np.geomspace(1e-4, 10, 3000)
    assert found == pytest.approx(
        grid[np.argmax([likelihood(yi, vi, t, False) for t in grid])], rel=5e-3
    )
    assert likelihood(yi, vi, found, False) > likelihood(yi, vi, 0.0, False) + 9


studies = st.lists(
    st.tuples(st.floats(-5, 5), st.floats(-6, 3).map(lambda x: 10 ** (x / 2))),
    min_size=2,
    max_size=9,
).map(lambda rows: tuple(np.array(column) for column in zip(*rows, strict=True)))


@settings(max_examples=60, deadline=None)
@given(studies, st.sampled_from(["ML", "REML"]))
def test_no_tau2_is_likelier_than_the_estimate(data, method):
    yi, vi = data
    restricted = method == "REML"
    reached = likelihood(yi, vi, tau2(yi, vi, method).estimate, restricted)
    for t in [0.0, *np.geomspace(1e-5, 1e3, 60)]:
        assert likelihood(yi, vi, t, restricted) <= reached + 1e-9 * (1 + abs(reached))


@pytest.mark.parametrize("name, method", list(product(DATA, ["ML", "REML"])))
def test_the_score_is_zero_at_the_estimate(name, method):
    yi, vi = DATA[name]
    found = tau2(yi, vi, method).estimate
    value, size = score(yi - yi.mean(), vi, found, method)
    if found > 0:
        assert abs(value) < 1e-10 * size
    else:
        assert value <= 0


@pytest.mark.parametrize("name, method", list(product(DATA, ["PM", "EB"])))
def test_the_paule_mandel_equation_holds(name, method):
    yi, vi = DATA[name]
    found = tau2(yi, vi, method).estimate
    centred, df = yi - yi.mean(), len(yi) - 1
    q = centred @ projection(vi, found) @ centred
    assert q == pytest.approx(df, rel=1e-11) if found > 0 else q <= df


def test_equal_variances_have_closed_forms():
    yi, v, k = np.array([0.3, 1.9, -0.4, 2.2, 0.9]), 0.21, 5
    vi = np.full(k, v)
    between = ((yi - yi.mean()) ** 2).sum()
    for method in ("DL", "HE", "PM", "EB", "REML"):
        assert tau2(yi, vi, method).estimate == pytest.approx(between / (k - 1) - v, rel=1e-13)
    assert tau2(yi, vi, "ML").estimate == pytest.approx(between / k - v, rel=1e-13)
    assert tau2(yi, vi, "HS").estimate == pytest.approx(between / k - v, rel=1e-13)


def test_identical_estimates_have_no_tau2():
    for method in TAU2_METHODS:
        assert tau2([1.5, 1.5, 1.5], [0.1, 0.2, 0.4], method).estimate == 0


def test_a_likelihood_that_is_not_concave_for_long_is_climbed():
    """From the scan's highest point the slope is small, and so is the information."""
    yi = np.array([-0.10134, -1.2292, 4.75034, -22.91729, -83.05149, 2.94547, -7.18254, -2.29342])
    vi = np.array([0.138550, 0.00868839, 173.814, 48.5332, 396.883, 0.01858, 27.9019, 0.0324073])
    found = tau2(yi, vi, "ML").estimate
    value, size = score(yi, vi, found, "ML")
    assert abs(value) < 1e-10 * size
    assert likelihood(yi, vi, found, False) > likelihood(yi, vi, 18.5, False)


def test_too_few_iterations_are_an_error(monkeypatch):
    monkeypatch.setattr(tau2_module, "MAX_ITERATIONS", 1)
    for method in ("PM", "ML", "REML"):
        with pytest.raises(NotConverged, match="1 iterations"):
            tau2(*DATA["bcg"], method)
    assert issubclass(NotConverged, ValueError)


# Invariances --------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(studies, st.floats(-20, 20), st.floats(-3, 3).map(lambda x: 10**x), st.randoms())
@pytest.mark.parametrize("method", TAU2_METHODS)
def test_shift_scale_and_order_do_not_matter(method, data, shift, scale, random):
    yi, vi = data
    order = list(range(len(yi)))
    random.shuffle(order)
    plain = tau2(yi, vi, method).estimate
    moved = tau2((scale * yi + shift * scale)[order], (scale**2 * vi)[order], method).estimate
    # A shift of up to 20 costs digits of y, and with them of tau2: relative to the spread of y.
    # Two maxima of equal height may swap; none of the three may then be preferred.
    if method in ("ML", "REML"):
        heights = [likelihood(yi, vi, t, method == "REML") for t in (plain, moved / scale**2)]
        assert heights[0] == pytest.approx(heights[1], abs=1e-9 * (1 + abs(heights[0])))
    else:
        spread = vi.min() + yi.var()
        assert moved / scale**2 == pytest.approx(plain, rel=1e-9, abs=1e-9 * spread)


# Intervals of the mean --------------------------------------------------------------------------


def test_the_wider_interval_is_that_of_metafor():
    cases = INTERVALS_REFERENCE["wider"]
    expected = set(product(DATA, ["DL", "PM", "REML"]))
    assert {(case["dataset"], case["method"]) for case in cases} == expected
    assert {case["chosen"] for case in cases} == {"z", "knha"}
    for case in cases:
        yi, vi = DATA[case["dataset"]]
        fit = fit_random(yi, vi, case["method"], interval="hartung_knapp_wider")
        assert near(fit.se, case["se"])
        assert near(fit.ci_low, case["ci_low"], fit.se)
        assert near(fit.ci_high, case["ci_high"], fit.se)
        assert near(fit.p_value, case["p_value"])


@settings(max_examples=60, deadline=None)
@given(studies, st.sampled_from(["DL", "REML"]), st.sampled_from([0.5, 0.9, 0.99]))
def test_intervals_are_ordered_by_width(data, method, level):
    widths = {}
    for interval in INTERVALS:
        fit = fit_random(*data, method, level, interval)
        assert fit.ci_low <= fit.estimate <= fit.ci_high
        widths[interval] = fit.ci_high - fit.ci_low
    wald, t, plain, ad_hoc, wider = (widths[interval] for interval in INTERVALS)
    assert wald < t
    assert wider == max(wald, plain)
    assert ad_hoc == pytest.approx(max(t, plain), rel=1e-12)


@pytest.mark.parametrize("interval", INTERVALS)
@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_prediction_intervals_are_of_the_standard_error_that_the_interval_has(interval, prediction):
    yi, vi = DATA["bcg"]
    fit = fit_random(yi, vi, "REML", 0.9, interval, prediction)
    if prediction == "none":
        assert (fit.pi_low, fit.pi_high) == (None, None)
        return
    distribution = {"z": norm, "t_k_minus_1": t_of(12), "t_k_minus_2": t_of(11)}[prediction]
    half = distribution.ppf(0.95) * np.sqrt(fit.se**2 + fit.tau2)
    assert (fit.pi_low, fit.pi_high) == pytest.approx((fit.estimate - half, fit.estimate + half))
    two = fit_random(yi[:2], vi[:2], "REML", 0.9, interval, prediction)
    assert (two.pi_low, two.pi_high) == (None, None)


# Extremes ---------------------------------------------------------------------------------------


def homogeneous(k: int, seed: int = 3, tau: float = 0.4) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    vi = random.gamma(2, 0.1, k) + 0.01
    return random.normal(0.5, np.sqrt(vi + tau**2)), vi


@pytest.mark.parametrize("scale", [1e-12, 1e-6, 1e6, 1e12])
@pytest.mark.parametrize("method", TAU2_METHODS)
def test_tiny_and_huge_variances_are_but_units(method, scale):
    yi, vi = DATA["bcg"]
    plain = fit_random(yi, vi, method)
    other = fit_random(np.sqrt(scale) * yi, scale * vi, method)
    assert other.tau2 / scale == pytest.approx(plain.tau2, rel=1e-10)
    assert other.tau2_se / scale == pytest.approx(plain.tau2_se, rel=1e-10)
    assert other.estimate / np.sqrt(scale) == pytest.approx(plain.estimate, rel=1e-10)
    assert other.p_value == pytest.approx(plain.p_value, rel=1e-8)


@pytest.mark.parametrize("method", TAU2_METHODS)
def test_variances_may_span_many_decades(method):
    yi, vi = np.array([0.3, -0.4, 1.2, 0.1, 0.9]), np.array([1e-12, 1e12, 1e-6, 1.0, 0.01])
    found = tau2(yi, vi, method)
    assert np.isfinite([found.estimate, found.se]).all()
    if method in ("ML", "REML"):
        reached = likelihood(yi, vi, found.estimate, method == "REML")
        for t in [0.0, *np.geomspace(1e-13, 1e3, 500)]:
            assert likelihood(yi, vi, t, method == "REML") <= reached + 1e-9 * (1 + abs(reached))
    if method == "PM":
        q = (yi - yi.mean()) @ projection(vi, found.estimate) @ (yi - yi.mean())
        assert q == pytest.approx(4, rel=1e-9)


# One study with nearly all the weight, two such, and none.
UNEQUAL = {
    "one": ([0.3, -0.4, 1.2, 0.1, 0.9], [1e-12, 0.1, 0.3, 1.0, 0.02]),
    "decades": ([0.3, -0.4, 1.2, 0.1, 0.9], [1e-12, 1e12, 1e-6, 1.0, 0.01]),
    "two": ([0.3, 0.300001, 1.2, -0.7], [1e-12, 2e-12, 0.4, 0.1]),
    "none": ([0.3, -0.4, 1.2, 0.1, 0.9], [0.3, 0.1, 0.3, 1.0, 0.2]),
}


def exact_sums(yi, vi, t):
    """y'Py, y'PPy, tr P and tr PP in fractions: no rounding at all."""
    y, w = [Fraction(value) for value in yi], [1 / (Fraction(v) + Fraction(t)) for v in vi]
    total, k = sum(w), range(len(w))
    p = [[w[i] * (i == j) - w[i] * w[j] / total for j in k] for i in k]
    r = [sum(p[i][j] * y[j] for j in k) for i in k]
    traces = sum(p[i][i] for i in k), sum(p[i][j] ** 2 for i in k for j in k)
    return sum(a * b for a, b in zip(r, y, strict=True)), sum(a * a for a in r), *traces


@pytest.mark.parametrize("name", UNEQUAL)
def test_no_digit_is_lost_where_one_study_has_all_the_weight(name):
    """The score in exact arithmetic changes its sign at the estimate; its information too."""
    yi, vi = UNEQUAL[name]
    found = tau2(yi, vi, "REML")
    assert (found.estimate == 0) == (name == "two")  # of two alike, precise studies
    for side, sign in ((1 - 1e-12, 1), (1 + 1e-12, -1)):
        _, ypp, trace_p, _ = exact_sums(yi, vi, found.estimate * side)
        assert (ypp - trace_p) * (sign if found.estimate else -1) > 0
    *_, trace_pp = exact_sums(yi, vi, found.estimate)
    assert found.se == pytest.approx(np.sqrt(2 / float(trace_pp)), rel=1e-13)
    q, _, trace_p, _ = exact_sums(yi, vi, 0.0)
    closed = float(max(0, (q - len(yi) + 1) / trace_p))
    assert tau2(yi, vi, "DL").estimate == pytest.approx(closed, rel=1e-13)
    solved = tau2(yi, vi, "PM").estimate
    assert float(exact_sums(yi, vi, solved)[0]) == pytest.approx(len(yi) - 1, rel=1e-12)
    for method in ("REML", "DL", "PM"):
        alone = tau2(yi, vi, method).estimate
        assert tau2_batch(yi, vi, method)[0] == pytest.approx(alone, rel=1e-12)


@pytest.mark.parametrize("name", UNEQUAL)
def test_the_se_of_a_quadratic_form_loses_no_digit(name):
    yi, vi = UNEQUAL[name]
    found, k = tau2(yi, vi, "DL"), range(len(vi))
    w = [1 / Fraction(v) for v in vi]
    total = sum(w)
    a = [[w[i] * (i == j) - w[i] * w[j] / total for j in k] for i in k]
    m = [Fraction(v) + Fraction(found.estimate) for v in vi]
    trace = sum(a[i][j] ** 2 * m[i] * m[j] for i in k for j in k)
    c = float(sum(a[i][i] for i in k))
    assert found.se == pytest.approx(np.sqrt(2 * float(trace)) / c, rel=1e-13)


@pytest.mark.parametrize("method", TAU2_METHODS)
def test_five_thousand_studies_are_pooled(method):
    yi, vi = homogeneous(5000)
    fit = fit_random(yi, vi, method)
    # The truth is known, and is not off by five errors; SJ is biased for so small a tau2.
    assert abs(fit.estimate - 0.5) < 5 * fit.se < 0.06
    assert fit.tau2_se < 0.01
    assert abs(fit.tau2 - 0.16) < 5 * fit.tau2_se or method == "SJ"
    if method in ("ML", "REML"):
        total = vi + fit.tau2
        w, s1 = 1 / total, (1 / total).sum()
        r = w * (yi - (w @ yi) / s1)
        expected = s1 - (w @ w) / s1 if method == "REML" else s1
        assert r @ r == pytest.approx(expected, rel=1e-11)


@pytest.mark.parametrize("method", TAU2_METHODS)
def test_the_work_grows_no_faster_than_the_studies(method):
    """No array is larger than the scan's, whose points do not depend on k."""
    peaks = []
    for k in (1000, 8000):
        yi, vi = homogeneous(k)
        tracemalloc.start()
        tau2(yi, vi, method)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 10 * peaks[0]


@pytest.mark.parametrize("method", TAU2_METHODS)
@pytest.mark.parametrize("k", [2, 3, 40])
def test_identical_studies_are_one_of_k_times_the_weight(method, k):
    fit = fit_random(np.full(k, 0.7), np.full(k, 0.2), method, interval="hartung_knapp_ad_hoc")
    assert fit.tau2 == pytest.approx(0, abs=1e-15)
    assert (fit.estimate, fit.se) == (pytest.approx(0.7), pytest.approx(np.sqrt(0.2 / k)))
    assert fit.tau2_se > 0 or method == "SJ"


@pytest.mark.parametrize("method", TAU2_METHODS)
def test_two_studies_have_closed_forms(method):
    """With k = 2 and equal variances, all that there is, is their difference."""
    half, v = 0.9, 0.2
    spread = {"ML": half**2, "HS": half**2, "SJ": half**2 * 2 * half**2 / (v + half**2)}
    expected = spread.get(method, 2 * half**2) - (0 if method == "SJ" else v)
    found = tau2([1 - half, 1 + half], [v, v], method)
    assert found.estimate == pytest.approx(expected, rel=1e-12)


# Few studies and bad input ----------------------------------------------------------------------


def test_one_study_gives_itself():
    fit = fit_common([0.4], [0.09])
    assert (fit.k, fit.estimate, fit.se, fit.weights.tolist()) == (1, 0.4, pytest.approx(0.3), [1])
    assert fit.ci_high - fit.estimate == pytest.approx(1.959963984540054 * 0.3, rel=1e-14)


@pytest.mark.parametrize("call", [fit_common, fit_random, lambda y, v: tau2(y, v, "DL")])
def test_no_study_is_an_error(call):
    with pytest.raises(ValueError, match="not 0"):
        call([], [])


@pytest.mark.parametrize("call", [fit_random, lambda y, v: tau2(y, v, "DL")])
def test_tau2_of_one_study_is_an_error(call):
    with pytest.raises(ValueError, match="2 or more studies are needed, not 1"):
        call([0.4], [0.09])


@pytest.mark.parametrize("vi", [[0.1, 0.0], [0.1, -1.0], [0.1, np.nan], [0.1, np.inf]])
def test_a_variance_must_be_positive(vi):
    for call in (fit_common, fit_random):
        with pytest.raises(ValueError, match="variance"):
            call([1.0, 2.0], vi)


def test_a_missing_estimate_is_an_error():
    with pytest.raises(ValueError, match="estimate"):
        fit_common([1.0, np.nan], [0.1, 0.2])
    with pytest.raises(ValueError, match="one length"):
        fit_common([1.0, 2.0], [0.1])


def test_unknown_choices_are_errors():
    yi, vi = DATA["bcg"]
    for choice in (
        {"tau2_method": "REM"},
        {"interval": "normal"},
        {"prediction": "t"},
        {"level": 95},
        {"given_tau2": -0.1},
        {"given_tau2": np.nan},
    ):
        with pytest.raises(ValueError, match=next(iter(choice)).removeprefix("given_")[:4]):
            fit_random(yi, vi, **choice)


def test_bad_groups_are_errors():
    yi, vi = DATA["bcg"]
    with pytest.raises(ValueError, match="more studies than groups"):
        tau2(yi, vi, "DL", np.arange(13))
    with pytest.raises(ValueError, match="a label for each of 13"):
        tau2(yi, vi, "DL", ["a", "b"])


def test_weights_are_shares():
    yi, vi = DATA["pritz1997_raw"]
    for fit in (fit_common(yi, vi), fit_random(yi, vi, "REML")):
        assert fit.weights.sum() == pytest.approx(1, rel=1e-14)
        assert fit.weights @ yi == pytest.approx(fit.estimate, rel=1e-13)
        assert (fit.weights * (vi + (fit.tau2 or 0))).std() < 1e-14


def test_no_spread_gives_no_p_value_under_hartung_knapp():
    fit = fit_random([1.0, 1.0, 1.0], [0.1, 0.2, 0.3], interval="hartung_knapp")
    assert (fit.se, fit.p_value) == (0, None)


# Q as a function of tau2 --------------------------------------------------------------------


def test_tau2_from_cochran_q_is_dersimonian_laird():
    for yi, vi in DATA.values():
        found = tau2_from_q(generalised_q(yi, vi, 0.0), vi)
        assert found == pytest.approx(tau2(yi, vi, "DL").estimate, rel=1e-12)
    given = fit_random(yi, vi, given_tau2=found)
    assert (given.tau2_method, given.tau2, given.tau2_se) == ("given", found, None)
    assert given.estimate == pytest.approx(fit_random(yi, vi, "DL").estimate, rel=1e-14)


@settings(max_examples=60, deadline=None)
@given(studies, st.floats(0.01, 0.99))
def test_generalised_q_is_inverted(data, part):
    yi, vi = data
    top = generalised_q(yi, vi, 0.0)
    assert solve_generalised_q(yi, vi, top + 1) is None
    # Below, Q is rounding error of estimates that are equal to their last digits.
    if top > 1e-9:
        solved = solve_generalised_q(yi, vi, part * top)
        assert generalised_q(yi, vi, solved) == pytest.approx(part * top, rel=1e-9)
