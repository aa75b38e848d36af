"""Meta-regression against metafor's rma(mods = ), its own equations, and its invariances."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forestry.inverse_variance import fit_random
from forestry.metaregression import (
    METHODS,
    Categorical,
    Design,
    design_matrix,
    meta_regression,
    wald_test,
)
from forestry.tau2 import tau2 as tau2_of_means

REFERENCE = json.loads(
    (Path(__file__).parents[1] / "reference" / "metaregression.json").read_text()
)
INTERVALS = {"z": "wald", "t": "t", "knha": "hartung_knapp", "adhoc": "hartung_knapp_ad_hoc"}
# Relative. ML and REML stop in R when tau2 moves by less than 1e-13 of the effects' variance,
# far from the solution by up to 1/(1 - rate) such steps of Fisher's linear convergence.
TOLERANCE = {"DL": 1e-10, "PM": 1e-10, "ML": 1e-9, "REML": 1e-9}


def studies(name):
    case = REFERENCE["cases"][name]
    moderators = {
        column: Categorical(values, case["reference"][column])
        if column in case["reference"]
        else values
        for column, values in case["moderators"].items()
    }
    return np.array(case["yi"]), np.array(case["vi"]), design_matrix(moderators)


def p_matrix(vi, x, tau2):
    """P by its definition, from the normal equations."""
    w = np.diag(1 / (vi + tau2))
    return w - w @ x @ np.linalg.inv(x.T @ w @ x) @ x.T @ w


# Against R --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "row", REFERENCE["fits"], ids=lambda row: "-".join((row["data"], row["method"], row["test"]))
)
def test_agrees_with_metafor(row):
    fit = meta_regression(*studies(row["data"]), row["method"], INTERVALS[row["test"]])
    near = {"rel": TOLERANCE[row["method"]], "abs": 0}
    assert (fit.k, fit.p) == (row["k"], row["p"])
    for field in ("estimate", "se", "statistic", "p_value", "ci_low", "ci_high"):
        found = [getattr(coefficient, field) for coefficient in fit.coefficients]
        assert found == pytest.approx(row[field], **near), field
    assert fit.covariance.ravel() == pytest.approx(row["covariance"], **near)
    # A tau2 of zero is left at up to 1e-14 by R's scoring.
    assert (fit.tau2, fit.i2) == pytest.approx((row["tau2"], row["i2"]), **{**near, "abs": 1e-12})
    for field in ("tau2_se", "tau2_total", "qe", "qe_p", "h2"):
        assert getattr(fit, field) == pytest.approx(row[field], **near), field
    assert fit.moderators.statistic == pytest.approx(row["qm"], **near)
    assert fit.moderators.p_value == pytest.approx(row["qm_p"], **near)
    assert (fit.moderators.df, fit.moderators.df2) == (row["qm_df"], row["qm_df2"])


@pytest.mark.parametrize("row", REFERENCE["fits"], ids=lambda row: f"{row['data']}-{row['method']}")
def test_r2_agrees_with_metafor(row):
    """metafor's own R2 rests on a fit without moderators that ends early, at 1e-5 of tau2."""
    fit = meta_regression(*studies(row["data"]), row["method"])
    assert fit.r2 == pytest.approx(row["r2"], abs=1e-3 if row["method"] in ("ML", "REML") else 1e-9)
    assert fit.r2 == max(0.0, 1 - fit.tau2 / fit.tau2_total)


def test_reference_covers_the_boundaries():
    assert any(row["tau2"] < 1e-13 for row in REFERENCE["fits"])
    assert any(row["tau2"] > row["tau2_total"] for row in REFERENCE["fits"])  # R2 = 0
    assert any(row["p"] >= 4 for row in REFERENCE["fits"])


def test_subgroups_of_bcg_as_printed():
    """Common tau2 by allocation: QM 1.7675, df 2, p .4132; QE 132.3676, df 10."""
    fit = meta_regression(*studies("bcg_alloc"))
    assert fit.moderators.statistic == pytest.approx(1.7675, abs=5e-5)
    assert fit.moderators.p_value == pytest.approx(0.4132, abs=5e-5)
    assert (fit.moderators.df, fit.qe_df) == (2, 10)
    assert fit.qe == pytest.approx(132.3676, abs=5e-5)


def test_levels_of_one_moderator_among_others():
    expected = REFERENCE["alloc_given_ablat"]
    fit = meta_regression(*studies("bcg_alloc_ablat"))
    test = wald_test(fit, ["alloc: random", "alloc: systematic"])
    assert test.statistic == pytest.approx(expected["statistic"], rel=1e-9)
    assert test.p_value == pytest.approx(expected["p_value"], rel=1e-9)
    assert (test.df, test.df2) == (expected["df"], None)


# Its own equations ------------------------------------------------------------------------


@pytest.mark.parametrize("name", REFERENCE["cases"])
@pytest.mark.parametrize("method", METHODS)
def test_tau2_solves_its_equation(name, method):
    yi, vi, design = studies(name)
    fit = meta_regression(yi, vi, design, method)
    x, k, p = design.x, fit.k, fit.p
    solution, start = p_matrix(vi, x, fit.tau2), p_matrix(vi, x, 0.0)
    w = 1 / (vi + fit.tau2)
    residual = {
        "DL": yi @ start @ yi - (k - p) - fit.tau2 * np.trace(start),
        "PM": yi @ solution @ yi - (k - p),
        "ML": yi @ solution @ solution @ yi - w.sum(),
        "REML": yi @ solution @ solution @ yi - np.trace(solution),
    }[method]
    scale = {"DL": k, "PM": k, "ML": w.sum(), "REML": w.sum()}[method]
    if fit.tau2 > 0:
        assert residual == pytest.approx(0, abs=1e-8 * scale)
    else:
        assert residual < 0


@pytest.mark.parametrize("restricted", [False, True])
@pytest.mark.parametrize("name", REFERENCE["cases"])
def test_likelihood_is_lower_everywhere_else(name, restricted):
    yi, vi, design = studies(name)
    x = design.x
    fit = meta_regression(yi, vi, design, "REML" if restricted else "ML")

    def height(t):
        w = np.diag(1 / (vi + t))
        value = -0.5 * (np.log(vi + t).sum() + yi @ p_matrix(vi, x, t) @ yi)
        return value - restricted * 0.5 * np.linalg.slogdet(x.T @ w @ x)[1]

    others = np.concatenate([[0.0], np.geomspace(1e-6, 100, 200) * np.var(yi)])
    assert height(fit.tau2) >= max(height(t) for t in others) - 1e-9


@pytest.mark.parametrize("name", ["bcg_alloc_ablat", "writing"])
def test_coefficients_are_weighted_least_squares(name):
    yi, vi, design = studies(name)
    fit = meta_regression(yi, vi, design)
    root = 1 / np.sqrt(vi + fit.tau2)
    expected = np.linalg.lstsq(design.x * root[:, None], yi * root, rcond=None)[0]
    assert [c.estimate for c in fit.coefficients] == pytest.approx(expected, rel=1e-9)


def test_the_higher_of_two_maxima():
    """Precise studies that agree and imprecise ones that do not: a maximum near 0, and another."""
    rng = np.random.default_rng(4)
    x = np.column_stack([np.ones(8), np.tile(np.arange(4.0), 2)])
    vi = np.repeat([0.001, 1.0], 4)
    grid = np.concatenate([[0.0], np.geomspace(1e-5, 100, 150)])
    far = []
    for _ in range(30):
        yi = rng.normal(size=8) * np.repeat([0.02, 3.0], 4)
        heights = np.array([_restricted(yi, vi, x, t) for t in grid])
        inner = (heights[1:-1] > heights[:-2]) & (heights[1:-1] > heights[2:])
        if inner.sum() + (heights[0] > heights[1]) < 2:
            continue
        fit = meta_regression(yi, vi, Design(x, ("intercept", "slope")))
        assert _restricted(yi, vi, x, fit.tau2) >= heights.max() - 1e-9
        far.append(fit.tau2 > 0.1)
    assert any(far) and not all(far)


def _restricted(yi, vi, x, t):
    w = 1 / (vi + t)
    xwx = x.T @ (w[:, None] * x)
    b = np.linalg.solve(xwx, x.T @ (w * yi))
    r = yi - x @ b
    return -0.5 * (np.log(vi + t).sum() + (w * r**2).sum() + np.linalg.slogdet(xwx)[1])


# An intercept alone, and groups -----------------------------------------------------------


@pytest.mark.parametrize("interval", INTERVALS.values())
@pytest.mark.parametrize("method", METHODS)
def test_an_intercept_alone_is_the_random_effects_model(method, interval):
    yi, vi, _ = studies("bcg_ablat")
    fit = meta_regression(
        yi, vi, Design(np.ones((13, 1)), ("intercept",)), method, interval=interval
    )
    mean, (only,) = fit_random(yi, vi, method, interval=interval), fit.coefficients
    for field in ("estimate", "se", "ci_low", "ci_high", "p_value"):
        assert getattr(only, field) == pytest.approx(getattr(mean, field), rel=1e-9)
    assert (fit.tau2, fit.tau2_se) == pytest.approx((mean.tau2, mean.tau2_se), rel=1e-9)
    assert fit.moderators is None
    assert fit.r2 == 0


@pytest.mark.parametrize("method", METHODS)
def test_a_factor_has_the_common_tau2_of_its_groups(method):
    yi, vi, design = studies("bcg_alloc")
    groups = REFERENCE["cases"]["bcg_alloc"]["moderators"]["alloc"]
    expected = tau2_of_means(yi, vi, method, groups=np.array(groups))
    assert meta_regression(yi, vi, design, method).tau2 == pytest.approx(
        expected.estimate, rel=1e-9
    )


def test_without_an_intercept_each_level_is_its_own_mean():
    yi, vi, design = studies("bcg_alloc")
    x = design.x.copy()
    x[:, 0] -= x[:, 1:].sum(axis=1)
    means = meta_regression(yi, vi, Design(x, ("alternate", "random", "systematic")))
    coded = meta_regression(yi, vi, design)
    assert means.tau2 == pytest.approx(coded.tau2, rel=1e-10)
    alternate, random, _ = (c.estimate for c in means.coefficients)
    assert random - alternate == pytest.approx(coded.coefficients[1].estimate, rel=1e-9)
    assert means.moderators.df == 3
    assert (means.r2, means.tau2_total) == (None, None)


# Invariances ------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ["bcg_alloc_ablat", "smoke_design", "teachers_weeks"])
def test_order_of_studies_is_of_no_account(name, method):
    yi, vi, design = studies(name)
    order = np.random.default_rng(0).permutation(len(yi))
    one = meta_regression(yi, vi, design, method)
    other = meta_regression(yi[order], vi[order], Design(design.x[order], design.terms), method)
    assert other.tau2 == pytest.approx(one.tau2, rel=1e-9)
    assert other.covariance == pytest.approx(one.covariance, rel=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_the_reference_level_is_a_matter_of_names(method):
    one = meta_regression(*studies("bcg_alloc"), method)
    other = meta_regression(*studies("bcg_alloc_random"), method)
    assert other.moderators.statistic == pytest.approx(one.moderators.statistic, rel=1e-9)
    assert other.coefficients[1].term == "alloc: alternate"
    assert other.coefficients[1].estimate == pytest.approx(-one.coefficients[1].estimate, rel=1e-9)


@settings(max_examples=25, deadline=None)
@given(st.floats(-3000, 3000), st.floats(0.01, 100), st.floats(-5, 5), st.sampled_from(METHODS))
def test_units_and_origins_carry_through(origin, unit, shift, method):
    """x -> (x - origin)/unit and y -> y + shift: the slope in its unit, the tests the same."""
    yi, vi, design = studies("bcg_ablat")
    ablat = design.x[:, 1]
    one = meta_regression(yi, vi, design, method)
    moved = design_matrix({"ablat": (ablat - origin) / unit})
    other = meta_regression(yi + shift, vi, moved, method)
    assert other.tau2 == pytest.approx(one.tau2, rel=1e-8)
    assert other.coefficients[1].estimate == pytest.approx(
        unit * one.coefficients[1].estimate, rel=1e-7
    )
    assert other.moderators.statistic == pytest.approx(one.moderators.statistic, rel=1e-7)
    assert other.qe == pytest.approx(one.qe, rel=1e-8)


def test_exact_data_have_no_tau2():
    x = np.arange(6.0)
    fit = meta_regression(1 + 2 * x, np.linspace(0.1, 0.6, 6), design_matrix({"x": x}))
    assert [c.estimate for c in fit.coefficients] == pytest.approx([1, 2], rel=1e-12)
    assert (fit.tau2, fit.i2) == (0, 0)
    assert fit.qe == pytest.approx(0, abs=1e-20)
    assert fit.qe_p == pytest.approx(1, abs=1e-12)
    assert fit.r2 == 1


def test_no_heterogeneity_to_explain_has_no_r2():
    fit = meta_regression(
        [0.1, 0.11, 0.1, 0.12], np.full(4, 0.5), design_matrix({"x": [1, 2, 3, 5]})
    )
    assert (fit.tau2_total, fit.tau2, fit.r2) == (0, 0, None)


# The design -------------------------------------------------------------------------------


def test_design_matrix():
    design = design_matrix({"dose": [1, 2, 4], "route": Categorical(["sc", "iv", "im"], "iv")})
    assert design.terms == ("intercept", "dose", "route: im", "route: sc")
    assert design.x.tolist() == [[1, 1, 0, 1], [1, 2, 0, 0], [1, 4, 1, 0]]


@pytest.mark.parametrize(
    ("moderators", "message"),
    [
        ({}, "one moderator or more"),
        ({"dose": [1, np.nan]}, "dose holds"),
        ({"dose": [1, 2], "age": [1, 2, 3]}, "age has 3 values, not 2"),
        ({"route": Categorical(["iv", ""], "iv")}, "route holds"),
        ({"route": Categorical(["iv", None], "iv")}, "route holds"),
        ({"route": Categorical(["iv", "sc"], "im")}, "route has no 'im', only iv, sc"),
        ({"route": Categorical(["iv", "iv"], "iv")}, "one level only"),
    ],
)
def test_bad_design(moderators, message):
    with pytest.raises(ValueError, match=message):
        design_matrix(moderators)


X = np.column_stack([np.ones(6), np.arange(6.0)])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"design": Design(X[:4], ("a", "b"))}, "a row for each of 6"),
        ({"design": Design(X, ("a",))}, "names"),
        ({"design": Design(X, ("a", "a"))}, "names"),
        ({"design": Design(np.zeros((6, 0)), ())}, "names"),
        ({"design": Design(X * np.nan, ("a", "b"))}, "not finite"),
        ({"design": Design(np.eye(6), tuple("abcdef"))}, "6 studies do not suffice for 6"),
        ({"design": Design(np.column_stack([X, 3 - 1e3 * X[:, 1]]), ("a", "b", "c"))}, "c is a"),
        ({"design": Design(np.column_stack([X, 0 * X[:, 1]]), ("a", "b", "c"))}, "c is a"),
        ({"tau2_method": "HE"}, "HE"),
        ({"interval": "z"}, "'z'"),
        ({"vi": [0, 1, 1, 1, 1, 1]}, r"\(vi\)"),
        ({"yi": [1, 2, 3]}, "one length"),
    ],
)
def test_bad_input(changes, message):
    good = {"yi": [0.1, 0.4, 0.2, 0.9, 0.3, 0.2], "vi": np.full(6, 0.1)}
    with pytest.raises(ValueError, match=message):
        meta_regression(**{**good, "design": Design(X, ("intercept", "x")), **changes})


@pytest.mark.parametrize("terms", [[], ["ablat", "ablat"], ["year"]])
def test_bad_terms(terms):
    with pytest.raises(ValueError, match="not different terms"):
        wald_test(meta_regression(*studies("bcg_ablat")), terms)
