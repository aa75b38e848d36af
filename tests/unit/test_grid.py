"""Every data set x measure x estimator x interval against R, and each optimum by its own equations.

Nothing here is below the public path: a sheet's rows, effects, a declared way of pooling.
"""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from grid_examples import (
    BINOMIAL_NORMAL,
    BLOCKS,
    DATASETS,
    FITS,
    INTERVALS,
    MANTEL_HAENSZEL,
    TAU2_METHODS,
    TOLERANCES,
    about_mantel_haenszel_differences,
    binomial_normal_cases,
    binomial_normal_differences,
    block,
    common_differences,
    counts_grid,
    effect_differences,
    grid,
    kind_of,
    mantel_haenszel_differences,
    mixed_differences,
    mixed_fit,
    mixed_result,
    peto_differences,
    q_profile_differences,
    random_differences,
    result,
    study_effects,
    wider_differences,
)
from pooling_examples import reference

from forestry import logistic_mixed

NAME = "-".join


def within(differences: dict[str, float], kind: str, method: str = ""):
    """Every difference within the one tolerance of its kind; NaN is not."""
    limit = TOLERANCES[kind].limit
    too_large = {name: found for name, found in differences.items() if not found <= limit}
    assert not too_large, f"above {limit:g} ({kind}) {method}"


# The grid is complete: it cannot shrink to the cases that happen to pass ----------------------


def test_the_grid_is_the_declared_product():
    made = [(found["dataset"], found["measure"]) for found in grid()["blocks"]]
    assert sorted(made) == sorted(BLOCKS)
    for found in grid()["blocks"]:
        assert tuple(fit["method"] for fit in found["random"]) == TAU2_METHODS
        assert all(tuple(fit["intervals"]) == tuple(INTERVALS) for fit in found["random"])
        assert {"estimate", "se", "ci_low", "ci_high", "p_value"} == set(found["common"])
    pairs = [
        (fit["dataset"], fit["measure"], fit["add"]) for fit in counts_grid()["mantel_haenszel"]
    ]
    assert sorted(pairs) == sorted((*pair, add) for pair, add in product(MANTEL_HAENSZEL, (0, 0.5)))
    assert [fit["dataset"] for fit in counts_grid()["peto"]] == list(DATASETS["two_arms"])
    assert [fit["dataset"] for fit in counts_grid()["logistic_mixed"]] == list(
        DATASETS["proportion"]
    )
    assert len(FITS) * len(INTERVALS) + len(BLOCKS) >= 3000


def test_every_data_set_is_used():
    assert set(grid()["datasets"]) == {name for names in DATASETS.values() for name in names}


def test_the_calls_and_versions_are_recorded():
    for made in (grid(), counts_grid()):
        assert {"R", "metafor", "metadat", "lme4"} < set(made["made_by"])
        assert all(isinstance(text, str) and text for text in made["made_by"].values())


# Effects --------------------------------------------------------------------------------------


@pytest.mark.parametrize("pair", BLOCKS, ids=NAME)
def test_the_effects_are_those_of_escalc(pair):
    ours = [effect.usable for effect in study_effects(*pair)]
    assert ours == block(*pair)["used"]
    within(effect_differences(*pair), "closed_form")


# Inverse variance -----------------------------------------------------------------------------


@pytest.mark.parametrize("pair", BLOCKS, ids=NAME)
def test_the_common_effect_and_cochran_q_are_those_of_rma(pair):
    within(common_differences(*pair), "closed_form")


@pytest.mark.parametrize("pair", BLOCKS, ids=NAME)
def test_the_q_profile_limits_are_those_of_confint(pair):
    within(q_profile_differences(*pair), "q_profile")


@pytest.mark.parametrize("interval", INTERVALS)
@pytest.mark.parametrize("pair", BLOCKS, ids=NAME)
def test_the_random_effects_are_those_of_rma(pair, interval):
    for method in TAU2_METHODS:
        within(random_differences(*pair, method, interval), kind_of(method), method)


@pytest.mark.parametrize("pair", BLOCKS, ids=NAME)
def test_the_wider_interval_is_the_wider_of_those_of_rma(pair):
    for method in TAU2_METHODS:
        within(wider_differences(*pair, method), kind_of(method), method)


# Mantel-Haenszel ------------------------------------------------------------------------------


@pytest.mark.parametrize("add", [0, 0.5])
@pytest.mark.parametrize("pair", MANTEL_HAENSZEL, ids=NAME)
def test_the_mantel_haenszel_effect_is_that_of_rma_mh(pair, add):
    within(mantel_haenszel_differences(*pair, add), "closed_form")


@pytest.mark.parametrize("dataset", DATASETS["two_arms"])
def test_the_peto_effect_is_that_of_rma_peto(dataset):
    within(peto_differences(dataset), "closed_form")


@pytest.mark.parametrize(
    "case", reference("two_arms")["about"], ids=lambda case: f"{case['table']}-{case['measure']}"
)
def test_q_about_the_mantel_haenszel_mean_is_that_of_rma_mh(case):
    within(about_mantel_haenszel_differences(case), "closed_form")


# Mixed models of counts -----------------------------------------------------------------------


@pytest.mark.parametrize("dataset", DATASETS["proportion"])
def test_the_logistic_mixed_model_is_that_of_rma_glmm(dataset):
    found = mixed_differences(dataset)
    within(found["optimum"], "logistic_mixed")
    within(found["closed_form"], "closed_form")


@pytest.mark.parametrize("dataset", DATASETS["proportion"])
def test_no_optimum_of_rma_glmm_is_higher(dataset):
    """By one log-likelihood at both optima, up to the rounding of its sums."""
    ours, theirs = mixed_result(dataset)["random"], mixed_fit(dataset)
    beta = np.array([ours.link_estimate, theirs["estimate"]])
    heights = _mixed_height(dataset, beta, np.array([ours.tau2, theirs["tau2"]]))
    assert heights[0] >= heights[1] - 1e-12 * abs(heights[1])


def _mixed_height(dataset, beta, tau2):
    columns = grid()["datasets"][dataset]
    return logistic_mixed.log_likelihood(beta, tau2, columns["events"], columns["total"])


@pytest.mark.parametrize(
    "case", binomial_normal_cases(), ids=lambda case: f"{case['table']}-{case['model']}"
)
def test_the_binomial_normal_models_are_those_of_rma_glmm(case):
    found = binomial_normal_differences(case)
    within(found["optimum"], "binomial_normal")
    within(found["se"], "numerical_hessian")


def test_both_binomial_normal_models_are_compared():
    assert {case["model"] for case in binomial_normal_cases()} == set(BINOMIAL_NORMAL)
    assert len(binomial_normal_cases()) == 11


@pytest.mark.parametrize("dataset", DATASETS["proportion"])
def test_the_mixed_model_has_no_slope_at_its_optimum(dataset):
    """Central differences in beta and tau; the Newton step they ask for, in standard errors."""
    ours = mixed_result(dataset)["random"]
    beta, tau, step = ours.link_estimate, np.sqrt(ours.tau2), 1e-3
    # A five-point rule, whose error is of the fourth order in the step.
    at, weight = np.array([-2, -1, 1, 2]) * step, np.array([1, -8, 8, -1]) / (12 * step)
    slopes = [
        weight @ _mixed_height(dataset, beta + at, np.full(4, tau**2)),
        weight @ _mixed_height(dataset, np.full(4, beta), (tau + at) ** 2),
    ]
    assert np.abs(slopes).max() * ours.link_se < 1e-6


# Likelihoods: the optimum solves its own equations, whatever R says ---------------------------


LIKELIHOODS = [(*pair, method) for pair in BLOCKS for method in ("ML", "REML")]
FIXED_POINTS = [(*pair, method) for pair in BLOCKS for method in ("PM", "EB")]


def _projection(vi, t):
    w = 1 / (vi + t)
    return np.diag(w) - np.outer(w, w) / w.sum()


def _height(yi, vi, t, restricted):
    """The profile log-likelihood, without its constant, over an array of tau2."""
    w = 1 / (vi + t[:, None])
    mean = (w * yi).sum(axis=1) / w.sum(axis=1)
    terms = np.log(w).sum(axis=1) - (w * (yi - mean[:, None]) ** 2).sum(axis=1)
    return (terms - np.log(w.sum(axis=1)) if restricted else terms) / 2


def _studies(dataset, measure):
    found = block(dataset, measure)
    return np.array(found["yi"]), np.array(found["vi"])


def _tau2(dataset, measure, method):
    return result(dataset, measure, tau2=method, tau2_interval="none")["random"].tau2


@pytest.mark.parametrize("case", LIKELIHOODS, ids=NAME)
def test_the_score_is_zero_at_the_optimum(case):
    *pair, method = case
    yi, vi = _studies(*pair)
    t = _tau2(*case)
    p = _projection(vi, t)
    expected = np.trace(p) if method == "REML" else (1 / (vi + t)).sum()
    score = (yi - yi.mean()) @ p @ p @ (yi - yi.mean()) / expected - 1
    assert abs(score) < 1e-9 if t > 0 else score <= 0


@pytest.mark.parametrize("case", LIKELIHOODS, ids=NAME)
def test_no_other_tau2_is_more_likely(case):
    *pair, method = case
    yi, vi = _studies(*pair)
    widest = 100 * (vi.max() + yi.var())
    others = np.concatenate([[0.0], np.geomspace(vi.min() / 1000, widest, 500)])
    heights = _height(yi, vi, np.append(others, _tau2(*case)), method == "REML")
    assert heights[-1] >= heights[:-1].max() - 1e-12 * np.abs(heights).max()


@pytest.mark.parametrize("case", FIXED_POINTS, ids=NAME)
def test_the_generalised_q_is_its_degrees_of_freedom(case):
    *pair, _ = case
    yi, vi = _studies(*pair)
    t = _tau2(*case)
    w = 1 / (vi + t)
    q = (w * (yi - (w @ yi) / w.sum()) ** 2).sum() / (yi.size - 1)
    assert abs(q - 1) < 1e-10 if t > 0 else q <= 1
