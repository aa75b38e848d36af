"""The random-intercept logistic model against R, independent quadrature, and itself."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.special import expit, gammaln, logsumexp

from forestry.checks import NotConverged
from forestry.logistic_mixed import (
    NoFiniteMaximum,
    exact_total,
    fit_common,
    fit_random,
    fit_random_batch,
    fits,
    i2_from_tau2,
    information_weights,
    likelihood,
    likelihood_ratio_q,
    log_likelihood,
    profile_beta_interval,
    profile_common_interval,
    profile_tau2_interval,
    search,
    single,
    study_modes,
    typical_variance,
    wald_q,
)

REFERENCE = json.loads(
    (Path(__file__).parents[1] / "reference" / "logistic_mixed.json").read_text()
)
DATASETS, HOMOGENEOUS = REFERENCE["datasets"], REFERENCE["homogeneous"]
ALL = DATASETS | HOMOGENEOUS
TIGHT = [(name, fit) for name, data in DATASETS.items() for fit in data["tight"]]
TIGHT_IDS = [f"{name}-{fit['nodes']}" for name, fit in TIGHT]

CLOSED = 1e-10  # relative, for closed forms in float64
Z = 1.959963984540054
QUANTILE = {0.95: 3.841458820694124, 0.8: 1.642374415149817}  # of chi-squared on 1 df


def counts(data):
    return np.array(data["events"]), np.array(data["total"])


def rounding(total):
    """Of a log-likelihood, whose binomial coefficients are differences of n ln n."""
    return 1e-15 * float((total * np.log(total + 1)).sum())


# Against R ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "reference"), TIGHT, ids=TIGHT_IDS)
def test_agrees_with_a_converged_fit_in_r(name, reference):
    """Both climb to a step of 1e-9 standard errors; R's Hessian is good to some 1e-9."""
    events, total = counts(DATASETS[name])
    fit = fit_random(events, total, nodes=reference["nodes"])
    assert fit.converged and fit.k == len(DATASETS[name]["events"])
    assert abs(fit.beta - reference["beta"]) < 1e-9 * fit.se
    assert fit.tau2 == pytest.approx(reference["tau2"], rel=1e-9)
    assert fit.se == pytest.approx(reference["se"], rel=1e-8)
    exactly = {"rel": 1e-13, "abs": rounding(total)}
    assert fit.log_likelihood == pytest.approx(reference["log_likelihood"], **exactly)


@pytest.mark.parametrize(("name", "reference"), TIGHT, ids=TIGHT_IDS)
def test_is_the_function_that_lme4_maximises(name, reference):
    """Differences of lme4's deviance. Its modes are rough, which few nodes feel more."""
    tau, beta = np.transpose(reference["points"])
    ours = log_likelihood(beta, tau**2, *counts(DATASETS[name]), nodes=reference["nodes"])
    theirs = -np.array(reference["deviance"]) / 2
    rough = 2e-7 if reference["nodes"] < 7 else 1e-9
    assert ours - ours[0] == pytest.approx(theirs - theirs[0], rel=0, abs=rough)


@pytest.mark.parametrize("name", DATASETS)
def test_agrees_with_rma_glmm_which_stops_lower(name):
    data, reference = counts(DATASETS[name]), DATASETS[name]["rma_glmm"]
    fit = fit_random(*data)
    assert abs(fit.beta - reference["beta"]) < 5e-5 * fit.se
    assert fit.se == pytest.approx(reference["se"], rel=5e-5)
    assert fit.tau2 == pytest.approx(reference["tau2"], rel=5e-5)
    theirs = log_likelihood(reference["beta"], reference["tau2"], *data)[0]
    assert theirs < fit.log_likelihood < theirs + 1e-8


@pytest.mark.parametrize("name", ALL)
def test_heterogeneity_agrees_with_metafor(name):
    data, reference = counts(ALL[name]), ALL[name]["rma_glmm"]
    wald, ratio = wald_q(*data), likelihood_ratio_q(*data)
    assert wald.statistic == pytest.approx(ALL[name]["wald"], rel=CLOSED)
    assert ratio.statistic == pytest.approx(reference["lrt"], rel=CLOSED)
    assert wald.df == ratio.df == reference["df"]
    assert ratio.p_value == pytest.approx(reference["lrt_p"], rel=1e-8)
    # rma.glmm's Wald statistic goes through a fit that is iterative, and of the studies at
    # 0 or 100 % as well.
    assert wald.statistic == pytest.approx(reference["wald"], rel=1e-6, abs=1e-6)
    assert wald.p_value == pytest.approx(reference["wald_p"], rel=1e-6)
    assert i2_from_tau2(reference["tau2"], *data) == pytest.approx(reference["i2"], rel=CLOSED)


@pytest.mark.parametrize("name", ALL)
def test_common_proportion_agrees_with_glm(name):
    fit, reference = fit_common(*counts(ALL[name])), ALL[name]["common"]
    assert fit.tau2 == 0 and fit.k == len(ALL[name]["events"])
    assert fit.beta == pytest.approx(reference["beta"], rel=CLOSED)
    assert fit.se == pytest.approx(reference["se"], rel=CLOSED)
    assert fit.log_likelihood == pytest.approx(reference["log_likelihood"], rel=CLOSED)


@pytest.mark.parametrize("name", HOMOGENEOUS)
def test_no_heterogeneity_is_the_common_proportion(name):
    data = counts(HOMOGENEOUS[name])
    common, fit = fit_common(*data), fit_random(*data)
    assert HOMOGENEOUS[name]["rma_glmm"]["tau2"] == fit.tau2 == 0
    assert (fit.beta, fit.se, fit.score) == (common.beta, common.se, (0, 0))
    assert fit.log_likelihood == pytest.approx(common.log_likelihood, rel=1e-14)


@pytest.mark.parametrize("case", REFERENCE["clopper_pearson"], ids=lambda c: f"{c['events']}")
def test_exact_total_agrees_with_binom_test(case):
    events, total = case["events"], case["total"]
    split = [events // 2, events - events // 2], [total // 2, total - total // 2]
    exact = exact_total(*(split if total > 1 else ([events], [total])), case["level"])
    assert exact.estimate == events / total
    assert (exact.ci_low, exact.ci_high) == pytest.approx(case["limits"], rel=CLOSED)


# Published values -----------------------------------------------------------------------------

PUBLISHED = {  # Stijnen 2010, table II; metafor's tests; R meta, as they print them
    "nielweise2007_treated": (-4.8121, 0.3555, 0.8265, 0.0081, 0.0040, 0.0161),
    "nielweise2007_control": (-3.4964, 0.2570, 0.8124, 0.0294, 0.0180, 0.0478),
    "pritz1997": (1.3766, 0.2884, 0.5893, 0.7984, 0.6924, 0.8746),
    "debruin2009": (-0.1118, 0.1880, 0.3787, 0.4721, 0.3822, 0.5638),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_values(name):
    fit = fit_random(*counts(DATASETS[name]))
    limits = expit(fit.beta + np.array([0, -1, 1]) * Z * fit.se)
    found = np.round([fit.beta, fit.se, fit.tau2, *limits], 4)
    assert found.tolist() == list(PUBLISHED[name])


@pytest.mark.parametrize(
    ("events", "total", "expected"),
    [
        ([10, 11, 12, 12, 12], [10, 12, 12, 12, 13], (0.9661, 0.8743, 0.9915)),
        ([19, 19, 19], [20, 20, 19], (0.9661, 0.8743, 0.9915)),
        ([18, 19, 19, 20, 18], [20, 20, 21, 21, 20], (0.9216, 0.8509, 0.9603)),
    ],
)
def test_the_articles_pooled_proportions(events, total, expected):
    fit = fit_random(events, total)
    assert fit.tau2 == 0
    limits = expit(fit.beta + np.array([0, -1, 1]) * Z * fit.se)
    assert np.round(limits, 4).tolist() == list(expected)


# Against quadrature that shares nothing with the module's ---------------------------------------


def exact_log_likelihood(beta, tau, events, total):
    """By the trapezoid rule over u, which for such integrands errs by less than rounding."""
    u = np.linspace(-12, 12, 6001)[:, None]
    eta = beta + tau * u
    terms = -events * np.logaddexp(0, -eta) - (total - events) * np.logaddexp(0, eta) - u**2 / 2
    constant = gammaln(total + 1) - gammaln(events + 1) - gammaln(total - events + 1)
    step = np.log(u[1, 0] - u[0, 0]) - np.log(2 * np.pi) / 2
    return float((logsumexp(terms, axis=0) + constant + step).sum())


def slopes(function, at, step=1e-3):
    """First derivatives by fourth-order differences."""
    found = []
    for direction in np.eye(len(at)) * step:
        f = [function(*(at + i * direction)) for i in (-2, -1, 1, 2)]
        found.append((f[0] - 8 * f[1] + 8 * f[2] - f[3]) / (12 * step))
    return np.array(found)


@pytest.mark.parametrize("name", ["nielweise2007_treated", "pritz1997", "debruin2009"])
def test_with_many_nodes_is_the_exact_maximum(name):
    data = counts(DATASETS[name])
    fit = fit_random(*data, nodes=60)
    at = np.array([fit.beta, np.sqrt(fit.tau2)])
    assert fit.log_likelihood == pytest.approx(exact_log_likelihood(*at, *data), rel=1e-11)
    assert slopes(lambda b, t: exact_log_likelihood(b, t, *data), at) == pytest.approx(0, abs=1e-7)


@pytest.mark.parametrize("name", DATASETS)
def test_score_is_zero(name):
    fit = fit_random(*counts(DATASETS[name]))
    assert np.abs(fit.score).max() < 1e-7


def hessian_se(fit, data, nodes):
    def gradient(beta, tau):
        return slopes(lambda b, t: log_likelihood(b, t**2, *data, nodes)[0], np.array([beta, tau]))

    at = np.array([fit.beta, np.sqrt(fit.tau2)])
    hessian = slopes(gradient, at, 2e-3)
    return np.sqrt(np.linalg.inv(-hessian)[0, 0])


@pytest.mark.parametrize("nodes", [1, 2, 7, 30])
def test_se_is_of_the_full_hessian(nodes):
    data = counts(DATASETS["nielweise2007_treated"])
    fit = fit_random(*data, nodes=nodes)
    assert fit.se == pytest.approx(hessian_se(fit, data, nodes), rel=1e-6)


# Properties -------------------------------------------------------------------------------------


@st.composite
def studies(draw, largest=40):
    total = np.array(draw(st.lists(st.integers(1, largest), min_size=2, max_size=8)))
    shares = draw(st.lists(st.floats(0, 1), min_size=total.size, max_size=total.size))
    events = np.round(total * np.array(shares)).astype(int)
    assume(((events > 0) & (events < total)).any())
    return events, total


def same(one, other, total, sign=1):
    assert sign * one.beta == pytest.approx(other.beta, abs=1e-7 * other.se)
    assert one.se == pytest.approx(other.se, rel=1e-6)
    assert one.tau2 == pytest.approx(other.tau2, rel=1e-7, abs=1e-9)
    exactly = {"rel": 1e-13, "abs": rounding(total)}
    assert one.log_likelihood == pytest.approx(other.log_likelihood, **exactly)


@pytest.mark.parametrize("name", ALL)
def test_order_of_studies_does_not_matter(name):
    events, total = counts(ALL[name])
    order = np.random.default_rng(1).permutation(events.size)
    same(fit_random(events[order], total[order]), fit_random(events, total), total)


@pytest.mark.parametrize("nodes", [1, 7, 9, 25])
def test_a_study_adds_the_same_alone_as_among_others(nodes):
    """To the last bit, at whatever place in a slab of any width."""
    rule, draw = likelihood.rule_of(nodes), np.random.default_rng(1)
    slab = likelihood._SLAB // nodes
    width = slab + 1  # of which the last slab holds one
    n = draw.integers(1, 60, width)
    x = draw.binomial(n, draw.uniform(size=width)).astype(float)
    y, beta, tau = n - x, draw.normal(size=width), draw.uniform(0, 3, width)
    terms, modes, _ = likelihood.in_slabs(x, y, beta, tau, rule)
    for i in (0, 1, slab // 2, slab - 1, slab):
        alone, mode, _ = likelihood.in_slabs(*(v[i : i + 1] for v in (x, y, beta, tau)), rule)
        assert np.array_equal(alone[:, 0], terms[:, i]) and mode[0] == modes[i]


@pytest.mark.parametrize("name", ALL)
def test_events_and_non_events_swap_the_sign(name):
    events, total = counts(ALL[name])
    same(fit_random(total - events, total), fit_random(events, total), total, sign=-1)


# Its scan ends at the maximum but for what is rough there, above which no exact height is.
AT_ITS_START = ([0, 28, 10, 1, 1, 1, 2, 2], [15, 28, 11, 2, 2, 2, 17, 28])


@settings(deadline=None, max_examples=40)
@given(studies())
@example(AT_ITS_START)
def test_no_point_of_a_grid_is_higher(data):
    fit = fit_random(*data)
    beta, tau = np.meshgrid(np.linspace(-6, 6, 49), np.geomspace(0.01, 3, 24))
    heights = log_likelihood(beta.ravel(), tau.ravel() ** 2, *data)
    assert fit.log_likelihood >= heights.max() - 1e-9
    assert fit.log_likelihood >= fit_common(*data).log_likelihood - 1e-9
    assert np.isfinite(fit.se) and fit.se > 0


@settings(deadline=None, max_examples=40)
@given(studies())
def test_boundary_is_decided_by_the_curvature_at_zero(data):
    """d2/dtau2 at tau = 0 is sum r^2 - n p (1-p): where positive, tau2 is positive."""
    events, total = data
    p = events.sum() / total.sum()
    curvature = ((events - total * p) ** 2 - total * p * (1 - p)).sum()
    assume(abs(curvature) > 1e-6)
    fit = fit_random(*data)
    if curvature > 0:
        assert fit.tau2 > 0
    elif fit.tau2 > 0:  # a second maximum, which must then be the higher
        assert fit.log_likelihood > fit_common(*data).log_likelihood + 1e-9
    assert np.abs(fit.score).max() < 1e-6


@pytest.mark.parametrize(
    ("events", "at_zero"),
    [([5, 5, 7, 10], True), ([4, 6, 9, 9], True), ([7, 9, 11, 13], True), ([6, 8, 10, 12], False)],
)
def test_boundary_is_found_from_both_sides(events, at_zero):
    """sum r^2 / sum n p (1-p) is 0.94, 0.99, 1 and 1.01."""
    assert (fit_random(events, [20] * 4).tau2 == 0) == at_zero


def test_identical_studies_have_no_heterogeneity():
    fit = fit_random([3] * 6, [10] * 6)
    assert fit.tau2 == 0 and fit.beta == pytest.approx(np.log(3 / 7), rel=1e-14)
    assert likelihood_ratio_q([3] * 6, [10] * 6).statistic == pytest.approx(0, abs=1e-12)


def test_splitting_homogeneous_studies_changes_nothing():
    whole, split = fit_random([6, 9], [20, 30]), fit_random([3] * 5, [10] * 5)
    assert whole.tau2 == split.tau2 == 0
    assert (split.beta, split.se) == pytest.approx((whole.beta, whole.se), rel=1e-14)


# Batches ----------------------------------------------------------------------------------------


def test_batch_is_the_single_fits():
    events, total = counts(DATASETS["pritz1997"])
    rng = np.random.default_rng(2)
    samples = rng.binomial(total, expit(1.4 + 0.2 * rng.normal(size=(60, total.size))))
    batch = fit_random_batch(samples, total)
    singles = [fit_random(sample, total) for sample in samples]
    assert batch.converged.all() and batch.finite.all()
    assert (batch.tau2 == 0).any() and (batch.tau2 > 0).any()
    # They start elsewhere, and the curvature is that before the last step of 1e-9.
    near = {"se": 2e-9, "tau2": 1e-11, "beta": 1e-12, "log_likelihood": 1e-13, "k": 0}
    for name, tolerance in near.items():
        expected = np.array([getattr(fit, name) for fit in singles])
        assert getattr(batch, name) == pytest.approx(expected, rel=tolerance, abs=tolerance)
    assert batch.score == pytest.approx(np.array([fit.score for fit in singles]), abs=1e-7)


def test_multiplicity_is_repetition():
    events, total = counts(DATASETS["nielweise2007_control"])
    samples = np.random.default_rng(3).multinomial(events.size, np.ones(18) / 18, size=20)
    batch = fit_random_batch(events, total, samples)
    for i, sample in enumerate(samples):
        alone = fit_random(np.repeat(events, sample), np.repeat(total, sample))
        assert batch.k[i] == alone.k == 18
        assert abs(batch.beta[i] - alone.beta) < 1e-8 * alone.se
        assert batch.se[i] == pytest.approx(alone.se, rel=1e-7)
        assert batch.tau2[i] == pytest.approx(alone.tau2, rel=1e-7)
        assert batch.log_likelihood[i] == pytest.approx(alone.log_likelihood, rel=1e-12)


def test_batch_leaves_one_out():
    events, total = counts(DATASETS["debruin2009"])
    batch = fit_random_batch(events, total, 1 - np.eye(13))
    alone = [fit_random(np.delete(events, i), np.delete(total, i)) for i in range(13)]
    assert batch.beta == pytest.approx([fit.beta for fit in alone], rel=1e-8)
    assert batch.se == pytest.approx([fit.se for fit in alone], rel=1e-8)


def same_bytes(one, other):
    """Every number of two batches, to the last bit."""
    return all(
        getattr(one, f.name).tobytes() == getattr(other, f.name).tobytes()
        for f in dataclasses.fields(one)
    )


def test_slabs_do_not_show(monkeypatch):
    events, total = counts(DATASETS["debruin2009"])
    samples = np.random.default_rng(4).multinomial(13, np.ones(13) / 13, size=30)
    whole = fit_random_batch(events, total, samples)
    monkeypatch.setattr(likelihood, "_SLAB", 7 * 13 * 4)
    monkeypatch.setattr(fits, "_BLOCK", 100)
    parts = fit_random_batch(events, total, samples)
    assert same_bytes(parts, whole)


@pytest.mark.parametrize("name", ["nielweise2007_treated", "bcg_treated", "hine1989_control"])
@pytest.mark.parametrize("parametric", [False, True])
def test_the_numbers_of_a_data_set_do_not_depend_on_the_batch(name, parametric):
    """To the last bit, for any division of the replicates."""
    events, total = counts(ALL[name])
    rng = np.random.default_rng(8)
    drawn = rng.multinomial(total.size, np.ones(total.size) / total.size, size=120)
    if parametric:
        logits = np.log(events.sum() / (total - events).sum()) + 0.5 * rng.normal(size=drawn.shape)
        drawn = rng.binomial(total, expit(logits))

    def fitted(rows):
        if parametric:
            return fit_random_batch(drawn[rows], total)
        return fit_random_batch(events, total, drawn[rows])

    whole = fitted(np.arange(120))
    for parts in (7, 40):
        several = [fitted(rows) for rows in np.array_split(np.arange(120), parts)]
        for field in dataclasses.fields(whole):
            joined = np.concatenate([getattr(part, field.name) for part in several])
            assert joined.tobytes() == getattr(whole, field.name).tobytes()


def test_the_higher_of_two_maxima_is_found():
    """Both programs' descents from one start end at tau = 0, or at the lower hill."""
    events, total = counts(DATASETS["egger2001_treated"])
    samples = np.random.default_rng(1).multinomial(events.size, np.ones(16) / 16, size=700)
    batch = fit_random_batch(events, total, samples)
    beta, tau = np.meshgrid(np.linspace(-4.5, -2, 51), np.geomspace(0.02, 2, 40))
    for i in (423, 637, *np.flatnonzero(batch.tau2 == 0)[:10]):
        x, n = np.repeat(events, samples[i]), np.repeat(total, samples[i])
        heights = log_likelihood(beta.ravel(), tau.ravel() ** 2, x, n)
        assert batch.log_likelihood[i] >= heights.max() - 1e-9
        assert batch.log_likelihood[i] >= fit_common(x, n).log_likelihood - 1e-9


def test_score_is_zero_at_every_maximum_of_a_batch():
    for name in ("pritz1997", "hasselblad1998_no_contact", "article_57_of_59"):
        events, total = counts(ALL[name])
        k = events.size
        samples = np.random.default_rng(9).multinomial(k, np.ones(k) / k, size=200)
        batch = fit_random_batch(events, total, samples)
        known, inner = batch.converged, batch.converged & (batch.tau2 > 0)
        assert (known == batch.finite).all() and known.sum() > 150
        assert np.abs(batch.score[known]).max() < 1e-6
        for i in np.flatnonzero(inner)[:5]:
            x, n = np.repeat(events, samples[i]), np.repeat(total, samples[i])
            at = np.array([batch.beta[i], np.sqrt(batch.tau2[i])])
            found = slopes(lambda b, t, x=x, n=n: log_likelihood(b, t**2, x, n)[0], at)
            assert found == pytest.approx(0, abs=1e-7)


def test_batch_flags_what_has_no_maximum():
    events = [[0, 0, 0], [5, 6, 7], [0, 6, 0], [1, 2, 3]]
    batch = fit_random_batch(events, [5, 6, 7])
    assert batch.finite.tolist() == batch.converged.tolist() == [False] * 3 + [True]
    assert batch.beta[:2].tolist() == [-np.inf, np.inf] and np.isnan(batch.beta[2])
    for name in ("se", "tau2", "log_likelihood"):
        assert np.isnan(getattr(batch, name)).tolist() == [True] * 3 + [False]
    assert batch.beta[3] == pytest.approx(fit_random([1, 2, 3], [5, 6, 7]).beta, rel=1e-12)
    assert batch.k.tolist() == [3] * 4


def test_a_study_left_out_is_no_evidence():
    batch = fit_random_batch([0, 5, 3], [5, 5, 6], [[1, 1, 0], [1, 1, 1]])
    assert batch.finite.tolist() == batch.converged.tolist() == [False, True]
    assert batch.k.tolist() == [2, 3]


def test_batch_of_nothing_finite():
    batch = fit_random_batch([0, 0], [3, 4])
    assert batch.beta.tolist() == [-np.inf] and not batch.finite.any()


# Extremes ---------------------------------------------------------------------------------------


def test_huge_counts():
    total = np.array([10_000_000, 8_000_000, 9_500_000, 7_000_000])
    logits = np.array([-1.01, -0.99, -1.02, -0.97])
    events = np.round(total * expit(logits)).astype(int)
    fit = fit_random(events, total)
    # So precise are the studies that their logits are data, and tau2 their variance.
    observed = np.log(events / (total - events))
    assert fit.beta == pytest.approx(observed.mean(), abs=1e-4)
    assert fit.tau2 == pytest.approx(observed.var(), rel=1e-2)
    assert fit.se == pytest.approx(np.sqrt(observed.var() / 4), rel=1e-2)


def test_huge_and_tiny_studies_together():
    fit = fit_random([3_000_000, 1, 0, 4], [10_000_000, 3, 5, 6])
    assert fit.converged and np.abs(fit.score).max() < 1e-6


@pytest.mark.parametrize(
    ("events", "total"),
    [
        ([12, 3, 1, 1966456, 400, 6, 24, 0, 6600802], [12, 3, 7, 4000000, 400, 6, 24, 50, 7000000]),
        ([21, 4, 0, 3688820, 300, 11], [21, 4, 3, 4000000, 300, 40]),
        ([960248, 3572704, 0, 599, 600, 30334], [1000000, 5000000, 9, 600, 600, 80000]),
    ],
)
def test_far_apart_studies_of_all_sizes(events, total):
    """Far from concave where the search starts: steps that are not held back end nowhere."""
    for multiplicity in (np.ones(len(events)), np.arange(len(events)) % 3 + 1):
        batch = fit_random_batch(events, total, multiplicity)
        assert batch.converged.all() and np.abs(batch.score).max() < 1e-6
        assert batch.tau2[0] > 1


def test_tiny_heterogeneity_against_normal_theory():
    """Logits a little more apart than chance: maximum likelihood of the normal model."""
    total = np.full(40, 1_000_000)
    shift = 0.0025 * np.where(np.arange(40) % 2, 1, -1)
    events = np.round(total * expit(shift)).astype(int)
    fit = fit_random(events, total)
    assert fit.tau2 == pytest.approx(0.0025**2 - 4 / 1e6, rel=1e-2)
    assert fit.se == pytest.approx(0.0025 / np.sqrt(40), rel=1e-2)


def test_thousands_of_studies():
    rng = np.random.default_rng(5)
    total = rng.integers(5, 60, size=5000)
    events = rng.binomial(total, expit(-1 + 0.6 * rng.normal(size=5000)))
    fit = fit_random(events, total)
    assert abs(fit.beta + 1) < 4 * fit.se
    assert fit.tau2 == pytest.approx(0.36, abs=0.04)


def test_studies_of_all_sizes_have_a_maximum_or_an_error():
    """From one participant to 10^7, events rare, common or the rule; never a warning."""
    rng = np.random.default_rng(3)
    found = 0
    for _ in range(400):
        k = rng.integers(2, 9)
        total = np.floor(10 ** rng.uniform(0, 7, k)).astype(int)
        events = np.round(total * rng.random(k) * rng.choice([0, 1, 1, 0.1], k)).astype(int)
        if not ((events > 0) & (events < total)).any():
            continue
        fit = fit_random(events, total)
        swapped = fit_random(total - events, total)
        assert fit.converged and np.abs(fit.score).max() < 1e-5
        assert fit.log_likelihood >= fit_common(events, total).log_likelihood - rounding(total)
        if fit.tau2 < 9:  # beyond, the approximation may have several maxima
            found += 1
            assert swapped.beta == pytest.approx(-fit.beta, abs=1e-6 * fit.se)
    assert found > 50


def test_more_nodes_settle_where_tau_is_large():
    """Of studies at either end, what few nodes leave out shrinks with their number."""
    data = [0, 1, 30, 29, 0, 30, 15], [30] * 7
    found = [fit_random(*data, nodes=nodes) for nodes in (7, 25, 61, 121)]
    apart = np.abs(np.diff([fit.log_likelihood for fit in found]))
    assert apart[0] > apart[1] > apart[2] and apart[2] < 1e-3
    assert all(fit.converged and fit.tau2 > 4 for fit in found)


def test_one_study_in_a_batch_has_no_heterogeneity():
    batch = fit_random_batch([[3], [7]], [[10], [20]])
    assert batch.converged.all() and (batch.tau2 == 0).all() and batch.k.tolist() == [1, 1]
    assert batch.beta == pytest.approx(np.log([3 / 7, 7 / 13]), rel=1e-13)


# Refusals -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("events", "total", "error", "message"),
    [
        ([0, 0], [4, 5], NoFiniteMaximum, "no events"),
        ([4, 5], [4, 5], NoFiniteMaximum, "nothing but events"),
        ([0, 5], [4, 5], NoFiniteMaximum, "no study has both"),
        ([0, 1, 1], [1, 1, 1], NoFiniteMaximum, "no study has both"),
        ([3], [5], ValueError, "tau is not identified"),
        ([], [], ValueError, "number of studies"),
        ([1, 2, 3], [4, 5], ValueError, "number of studies"),
        ([1, 6], [4, 5], ValueError, "between 0 and total"),
        ([1, -1], [4, 5], ValueError, "between 0 and total"),
        ([0, 0], [0, 5], ValueError, "between 0 and total"),
        ([1, np.nan], [4, 5], ValueError, "missing or not finite"),
        ([1, 1.5], [4, 5], ValueError, "not whole"),
    ],
)
def test_refuses(events, total, error, message):
    for use in (fit_random, profile_beta_interval, profile_tau2_interval):
        with pytest.raises(error, match=message):
            use(events, total)


@pytest.mark.parametrize("nodes", [0, -1, 2.5])
def test_refuses_nodes(nodes):
    with pytest.raises(ValueError, match="nodes"):
        fit_random([1, 2], [4, 5], nodes=nodes)


@pytest.mark.parametrize("level", [0, 1, 95, float("nan")])
def test_refuses_levels(level):
    for use in (
        profile_beta_interval,
        profile_common_interval,
        profile_tau2_interval,
        exact_total,
    ):
        with pytest.raises(ValueError, match="level"):
            use([1, 2], [4, 5], level)


def test_refuses_multiplicities():
    for wrong, message in ([-1, 1], "negative"), ([np.nan, 1], "missing"), ([0, 0], "no studies"):
        with pytest.raises(ValueError, match=message):
            fit_random_batch([1, 2], [4, 5], wrong)


def test_common_of_one_study_and_its_refusals():
    fit = fit_common([3], [10])
    assert (fit.beta, fit.se) == pytest.approx((np.log(3 / 7), np.sqrt(1 / 3 + 1 / 7)), rel=1e-14)
    for events in ([0, 0], [4, 5]):
        with pytest.raises(NoFiniteMaximum):
            fit_common(events, [4, 5])


def test_a_search_cut_short_is_not_passed_off(monkeypatch):
    for module in (search, single):
        monkeypatch.setattr(module, "NEWTON_STEPS", 1)
    data = counts(DATASETS["pritz1997"])
    with pytest.raises(NotConverged):
        fit_random(*data)
    batch = fit_random_batch(*data)
    assert batch.finite.all() and not batch.converged.any() and np.isnan(batch.se).all()


# Tests of heterogeneity, intervals, single studies ------------------------------------------------


def test_tests_of_heterogeneity_by_hand():
    events, total = [0, 3, 6], [10, 10, 10]
    ratio = likelihood_ratio_q(events, total)
    g = 2 * (
        10 * np.log(1 / 0.7)
        + (3 * np.log(1) + 7 * np.log(1))
        + (6 * np.log(0.6 / 0.3) + 4 * np.log(0.4 / 0.7))
    )
    assert ratio.statistic == pytest.approx(g, rel=1e-13) and ratio.df == 2
    y, w = np.log([3 / 7, 6 / 4]), 1 / np.array([1 / 3 + 1 / 7, 1 / 6 + 1 / 4])
    wald = wald_q(events, total)
    assert wald.statistic == pytest.approx((y[0] - y[1]) ** 2 * w.prod() / w.sum(), rel=1e-13)
    assert wald.df == 2
    assert wald.p_value == pytest.approx(np.exp(-wald.statistic / 2), rel=1e-13)


def test_tests_of_heterogeneity_at_the_edges():
    assert likelihood_ratio_q([0, 0], [3, 4]).statistic == 0
    assert likelihood_ratio_q([3, 4], [3, 4]).p_value == 1
    one = likelihood_ratio_q([3], [10])
    assert (one.statistic, one.df, one.p_value) == (pytest.approx(0, abs=1e-14), 0, None)
    with pytest.raises(ValueError, match="no study has both"):
        wald_q([0, 4], [3, 4])


def test_typical_variance_takes_half_from_empty_cells_only():
    v = np.array([1 / 0.5 + 1 / 10.5, 1 / 3 + 1 / 7])
    w = 1 / v
    expected = w.sum() / (w.sum() ** 2 - (w**2).sum())
    assert typical_variance([0, 3], [10, 10]) == pytest.approx(expected, rel=1e-13)


def profile(tau, events, total):
    """By a scalar search that shares nothing with the module's."""

    def lowered(beta):
        return -log_likelihood(beta, tau**2, events, total)[0]

    return -minimize_scalar(lowered, bracket=(-2, 2), tol=1e-10).fun


@pytest.mark.parametrize("name", ["nielweise2007_treated", "pritz1997", "article_57_of_59"])
@pytest.mark.parametrize("level", [0.95, 0.8])
def test_profile_interval_ends_where_the_profile_has_fallen(name, level):
    data = counts(ALL[name])
    fit, limits = fit_random(*data), profile_tau2_interval(*data, level)
    half_quantile = QUANTILE[level] / 2
    assert limits.low <= fit.tau2 < limits.high
    for tau2 in {limits.low, limits.high} - {0.0}:
        fall = fit.log_likelihood - profile(np.sqrt(tau2), *data)
        assert fall == pytest.approx(half_quantile, abs=1e-7)
    common = fit_common(*data)
    assert (limits.low == 0) == (fit.log_likelihood - common.log_likelihood <= half_quantile)


@pytest.mark.parametrize("name", ALL)
def test_profile_intervals_agree_with_r(name):
    """R's by optimize and uniroot, whose limits are good to some 1e-10."""
    data, reference = counts(ALL[name]), ALL[name]["profile"]
    beta, tau2 = profile_beta_interval(*data), profile_tau2_interval(*data)
    assert [beta.low, beta.high] == pytest.approx(reference["beta"], rel=0, abs=1e-8)
    assert [tau2.low, tau2.high] == pytest.approx(reference["tau2"], rel=1e-7)


@pytest.mark.parametrize("name", ["nielweise2007_treated", "pritz1997", "article_57_of_59"])
@pytest.mark.parametrize("level", [0.95, 0.8])
def test_profile_interval_of_beta_ends_where_the_profile_has_fallen(name, level):
    data = counts(ALL[name])
    fit, limits = fit_random(*data), profile_beta_interval(*data, level)
    assert limits.low < fit.beta < limits.high
    for beta in (limits.low, limits.high):
        grid = log_likelihood(np.full(400, beta), np.linspace(0, 4, 400) ** 2, *data)
        tau = np.linspace(0, 4, 400)[grid.argmax()]
        top = minimize_scalar(
            lambda t, b=beta: -log_likelihood(b, t**2, *data)[0],
            bounds=(max(0, tau - 0.02), tau + 0.02),
            options={"xatol": 1e-9},
        )
        fall = fit.log_likelihood - max(-top.fun, grid.max())
        assert fall == pytest.approx(QUANTILE[level] / 2, abs=1e-7)


@pytest.mark.parametrize("name", ALL)
def test_profile_intervals_are_about_those_of_lme4(name):
    """By splines through a rough likelihood, the rougher where tau is 0."""
    data, reference = counts(ALL[name]), ALL[name]["lme4_profile"]
    beta, tau2 = profile_beta_interval(*data), profile_tau2_interval(*data)
    rough = 1e-4 if name in DATASETS else 3e-3
    assert [beta.low, beta.high] == pytest.approx(reference["beta"], abs=rough)
    assert np.sqrt([tau2.low, tau2.high]) == pytest.approx(reference["tau"], abs=rough)


def test_a_profile_that_does_not_fall_has_no_interval():
    with pytest.raises(NotConverged, match="does not fall to a limit"):
        profile_beta_interval([0, 13, 0], [22, 20, 35])


def test_profile_intervals_swap_with_events_and_lie_within_each_other():
    events, total = counts(DATASETS["pritz1997"])
    wide, narrow = (profile_beta_interval(events, total, level) for level in (0.95, 0.9))
    assert wide.low < narrow.low < narrow.high < wide.high
    swapped = profile_beta_interval(total - events, total)
    assert (-swapped.high, -swapped.low) == pytest.approx((wide.low, wide.high), abs=1e-8)
    common = profile_common_interval(events, total)
    swapped = profile_common_interval(total - events, total)
    assert (-swapped.high, -swapped.low) == pytest.approx((common.low, common.high), abs=1e-9)


@pytest.mark.parametrize("level", [0.95, 0.8])
def test_profile_interval_of_one_proportion(level):
    limits = profile_common_interval([2, 5], [20, 30], level)
    p, at = 7 / 50, expit(np.array([limits.low, limits.high]))
    fall = 2 * (7 * np.log(p / at) + 43 * np.log((1 - p) / (1 - at)))
    assert fall == pytest.approx(QUANTILE[level], rel=1e-8)
    assert at[0] < p < at[1]


def test_profile_interval_of_huge_counts():
    total = np.array([10_000_000, 12_000_000, 9_000_000])
    limits = profile_tau2_interval(np.round(total * [0.30, 0.31, 0.305]), total)
    assert 0 < limits.low < fit_random(np.round(total * [0.30, 0.31, 0.305]), total).tau2
    assert limits.high < 1
    beta = profile_beta_interval(np.round(total * [0.30, 0.31, 0.305]), total)
    fit = fit_random(np.round(total * [0.30, 0.31, 0.305]), total)
    assert beta.low < fit.beta - 1.96 * fit.se and beta.high > fit.beta + 1.96 * fit.se


def test_information_weights():
    assert information_weights(0.3, 0.0, [1, 2], [30, 10]) == pytest.approx([0.75, 0.25], rel=1e-14)
    p = expit(-1.2)
    expected = 1 / (0.4 + 1 / (np.array([30, 10]) * p * (1 - p)))
    shares = information_weights(-1.2, 0.4, [1, 2], [30, 10])
    assert shares == pytest.approx(expected / expected.sum(), rel=1e-13)
    with pytest.raises(ValueError, match="tau2"):
        information_weights(0.0, -0.1, [1, 2], [30, 10])


def test_study_modes_are_shrunk_and_stationary():
    events, total = counts(DATASETS["nielweise2007_treated"])
    fit = fit_random(events, total)
    modes = study_modes(fit.beta, fit.tau2, events, total)
    # The posterior's derivative in the logit: x - n p - (logit - beta) / tau2 = 0.
    slope = events - total * expit(modes) - (modes - fit.beta) / fit.tau2
    assert slope == pytest.approx(0, abs=1e-8)
    assert ((modes < fit.beta) == (events < total * expit(fit.beta))).all()
    assert study_modes(0.7, 0.0, events, total) == pytest.approx(0.7, rel=1e-15)
