"""The binomial-normal models of odds ratios: against rma.glmm, their scores, their symmetries.

R's fits are as tight as its optimisers and numerical Hessians allow; `score` being zero at our
optimum, and our log-likelihood being no lower, are the checks that do not depend on them.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pooling_examples import TWO_ARM, chain, reference, reported, rows_by_model
from scipy import stats
from scipy.optimize import approx_fprime, minimize_scalar
from scipy.special import comb, expit

from forestry import binomial_normal, binomial_normal_conditional, binomial_normal_unconditional
from forestry.heterogeneity import cochran_q
from forestry.logistic_mixed import NoFiniteMaximum
from forestry.noncentral_hypergeometric import Margins

REFERENCE = reference("two_arms")
TABLES = {name: [np.array(t[c], float) for c in TWO_ARM] for name, t in REFERENCE["tables"].items()}
MODELS = {"UM.FS": binomial_normal_unconditional, "CM.EL": binomial_normal_conditional}
NAMES = {"UM.FS": "binomial_normal_unconditional", "CM.EL": "binomial_normal_conditional"}
BOTH = list(MODELS.values())

# How near R itself comes to its maximum. glmer's deviance is flat to rounding where counts are
# large, and its Hessian numerical; CM.EL's probabilities are BiasedUrn's, which has them to 1e-7,
# so that their numerical second derivatives hold three digits. Ours are tested below.
ESTIMATE = {"UM.FS": 1e-6, "CM.EL": 1e-6}
ESTIMATE_OF_LARGE_COUNTS = {"bcg": 2e-6, "li2007": 1e-5}
TAU2 = 1e-5
SE = {"UM.FS": 5e-5, "CM.EL": 1e-3}
LIKELIHOOD_RATIO, WALD = 1e-9, 1e-7


cases = pytest.mark.parametrize(
    "case", REFERENCE["glmm"], ids=lambda c: f"{c['model']}-{c['method']}-{c['table']}"
)


def test_the_reference_is_complete():
    found = {(c["model"], c["method"], c["table"]) for c in REFERENCE["glmm"]}
    wanted = {("UM.FS", method, table) for method in ("EE", "ML") for table in TABLES}
    wanted |= {
        ("CM.EL", "EE", table) for table in ("bcg", "nielweise2007", "hine1989", "homogeneous")
    }
    wanted |= {
        ("CM.EL", "ML", table) for table in ("bcg", "nielweise2007", "collins1985a", "linde2005")
    }
    assert found == wanted
    assert {case["tau2"] > 1e-6 for case in REFERENCE["glmm"] if case["method"] == "ML"} == {
        True,
        False,
    }


@cases
def test_fits_agree_with_rma_glmm(case):
    model, table = MODELS[case["model"]], TABLES[case["table"]]
    fit = (model.fit_common if case["method"] == "EE" else model.fit_random)(*table)
    limit = ESTIMATE_OF_LARGE_COUNTS.get(case["table"], ESTIMATE[case["model"]])
    assert fit.estimate == pytest.approx(case["estimate"], abs=limit)
    assert fit.se == pytest.approx(case["se"], rel=SE[case["model"]])
    assert fit.tau2 == pytest.approx(case["tau2"], abs=TAU2)
    assert np.abs(fit.score).max() < 1e-7
    assert fit.k == case["k"]


@cases
def test_tests_of_heterogeneity_agree_with_rma_glmm(case):
    """But for CM.EL's Wald test, whose numerical Hessian R has wrong: see the test below."""
    model, table = MODELS[case["model"]], TABLES[case["table"]]
    if case["likelihood_ratio_q"] is not None:
        found = model.likelihood_ratio_q(*table)
        assert found.statistic == pytest.approx(case["likelihood_ratio_q"], rel=LIKELIHOOD_RATIO)
        assert found.df == case["q_df"]
    if case["model"] == "UM.FS":
        assert model.wald_q(*table).statistic == pytest.approx(case["wald_q"], rel=WALD)


def test_the_conditional_wald_test_is_q_of_scipys_conditional_odds_ratios():
    a, n1, c, n2 = (column.astype(int) for column in TABLES["yusuf1985"])
    inside = (a > 0) & (c > 0)
    theta, variance = [], []
    for x, n, y, m in zip(*(column[inside] for column in (a, n1, c, n2)), strict=True):
        cells = [[x, y], [n - x, m - y]]
        odds = stats.contingency.odds_ratio(cells, kind="conditional").statistic
        law = stats.nchypergeom_fisher(n + m, n, x + y, odds)
        theta.append(np.log(odds))
        variance.append(1 / law.var())
    found = binomial_normal_conditional.wald_q(a, n1, c, n2)
    assert found.statistic == pytest.approx(cochran_q(theta, variance).q, rel=1e-6)
    assert found.df == (a + c > 0).sum() - 1


@pytest.mark.parametrize("case", REFERENCE["exact"], ids=lambda case: case["table"])
def test_the_conditional_common_effect_is_mantelhaen_tests(case):
    fit = binomial_normal_conditional.fit_common(*TABLES[case["table"]])
    assert np.exp(fit.estimate) == pytest.approx(case["estimate"], rel=3e-5)  # uniroot's limit


@pytest.mark.parametrize(
    ("model", "stijnen"), [("CM.EL", (-1.353, 0.351, 0.693))], ids=["conditional"]
)
def test_as_published(model, stijnen):
    """Stijnen, Hamza & Ozdemir 2010, catheter infections: the conditional model, to 3 decimals."""
    fit = MODELS[model].fit_random(*TABLES["nielweise2007"])
    assert (fit.estimate, fit.se, fit.tau2) == pytest.approx(stijnen, abs=6e-4)


# The likelihoods, written out again ------------------------------------------------------------

U = np.linspace(-9, 9, 4001)  # the trapezoid rule on it is exact to rounding for these studies
PRIOR = stats.norm.pdf(U) * (U[1] - U[0])


def conditional_log_likelihood(theta, tau, a, n1, c, n2):
    t = np.arange(max(0, a + c - n2), min(n1, a + c) + 1)
    ways = comb(n1, t) * comb(n2, a + c - t)
    shares = ways[:, None] * np.exp(np.outer(t, theta + tau * U))
    return np.log((shares[t == a][0] / shares.sum(axis=0) * PRIOR).sum())


def unconditional_log_likelihood(alpha, theta, tau, a, n1, c, n2):
    half = (theta + tau * U) / 2
    treated = stats.binom.pmf(a, n1, expit(alpha + half))
    return np.log((treated * stats.binom.pmf(c, n2, expit(alpha - half)) * PRIOR).sum())


@pytest.mark.parametrize(("theta", "tau"), [(-1.2, 0.8), (0.3, 2.5), (0.0, 0.05)])
def test_the_conditional_likelihood_and_its_derivatives(theta, tau):
    table = TABLES["nielweise2007"]
    tables = binomial_normal.random_tables(*table)
    margins = Margins(tables.a + tables.b, tables.c + tables.d, tables.a + tables.c)

    def at(theta, tau):
        start = np.zeros(tables.a.size)
        return binomial_normal_conditional._evaluate(tables, margins, theta, tau, start)

    found = at(theta, tau)
    rows = zip(*(column[tables.informative] for column in table), strict=True)
    expected = sum(conditional_log_likelihood(theta, tau, *row) for row in rows)
    assert found.log_likelihood == pytest.approx(expected, rel=1e-11)
    step = 1e-5
    sides = [
        (at(theta + step, tau), at(theta - step, tau)),
        (at(theta, tau + step), at(theta, tau - step)),
    ]
    for i, (up, down) in enumerate(sides):
        slope = (up.log_likelihood - down.log_likelihood) / (2 * step)
        assert found.gradient[i] == pytest.approx(slope, rel=1e-6, abs=1e-7)
        curve = (up.gradient - down.gradient) / (2 * step)
        assert found.hessian[i] == pytest.approx(curve, rel=1e-6, abs=1e-7)


def test_the_unconditional_likelihood_tends_to_its_integral():
    """With many nodes the maximum over the levels is that of the integral itself."""
    table = [column[:5] for column in TABLES["nielweise2007"]]
    fit = binomial_normal_unconditional.fit_random(*TABLES["nielweise2007"], nodes=40)
    tables = binomial_normal.random_tables(*table)
    level = np.log((tables.a + tables.c) / (tables.b + tables.d))
    rule, tau = binomial_normal_unconditional._Rule.of(40), fit.tau2**0.5
    found = binomial_normal_unconditional._profile(
        tables, rule, fit.estimate, tau, (level, np.zeros(5))
    )
    expected = 0.0
    for start, *row in zip(level, *table, strict=True):
        best = minimize_scalar(
            lambda x, row=row: -unconditional_log_likelihood(x, fit.estimate, tau, *row),
            bracket=(start - 0.5, start + 0.5),
            tol=1e-8,
        )
        expected -= best.fun
    assert found.log_likelihood == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("table", ["nielweise2007", "bcg", "li2007"])
def test_derivatives_of_the_unconditional_likelihood_are_exact(table):
    tables = binomial_normal.random_tables(*TABLES[table])
    rule = binomial_normal_unconditional._Rule.of(7)
    level = np.log((tables.a + tables.c) / (tables.b + tables.d)) + 0.1

    def value(x):
        shifted = level + x[0]
        found, _ = binomial_normal_unconditional._integrated(
            tables, rule, shifted, x[1], x[2], np.zeros(level.size)
        )
        return found

    at = np.array([0.0, -0.7, 0.6])
    found = value(at)
    numeric = [approx_fprime(at, lambda x: value(x).value.sum(), 1e-7)]
    assert found.gradient.sum(axis=1) == pytest.approx(numeric[0], rel=2e-4, abs=1e-3)
    step = 1e-5
    for i in range(3):
        move = step * np.eye(3)[i]
        change = (value(at + move).gradient - value(at - move).gradient) / (2 * step)
        assert found.hessian[i].sum(axis=-1) == pytest.approx(
            change.sum(axis=-1), rel=1e-6, abs=1e-5
        )


def test_moments_of_the_noncentral_hypergeometric_are_scipys():
    n1, n2, m = np.array([12.0, 30, 7]), np.array([15.0, 9, 40]), np.array([10.0, 20, 3])
    for theta in (-30.0, -2.0, 0.0, 0.4, 5.0, 30.0):
        found = Margins(n1, n2, m).moments(np.full(3, theta))
        for i in range(3):
            law = stats.nchypergeom_fisher(int(n1[i] + n2[i]), int(n1[i]), int(m[i]), np.exp(theta))
            assert found.mean[i] == pytest.approx(law.mean(), rel=1e-9, abs=1e-9)
            assert found.variance[i] == pytest.approx(law.var(), rel=1e-6, abs=1e-9)


def test_a_sum_over_every_hth_term_is_the_sum_over_all():
    n1, n2, m = np.array([3000.0]), np.array([5000.0]), np.array([2500.0])
    margins = Margins(n1, n2, m)
    t = np.arange(0, 2501.0)
    for theta in (-3.0, 0.0, 1.5):
        logs = margins.log_coefficient(t[:, None])[:, 0] + t * theta
        top = logs.max()
        shares = np.exp(logs - top)
        found = margins.moments(np.array([theta]))
        assert found.log_sum[0] == pytest.approx(top + np.log(shares.sum()), rel=1e-14)
        mean = (shares * t).sum() / shares.sum()
        assert found.mean[0] == pytest.approx(mean, rel=1e-12)
        assert found.variance[0] == pytest.approx(
            (shares * (t - mean) ** 2).sum() / shares.sum(), rel=1e-11
        )


# The profile interval of tau2 ------------------------------------------------------------------


def rows_of(name):
    return [row for row in zip(*TABLES[name], strict=True) if row[0] + row[2] > 0]


@pytest.mark.parametrize("table", ["nielweise2007", "hine1989"])
def test_the_limits_of_tau2_are_where_the_profile_falls_by_its_chi_square(table):
    model = binomial_normal_conditional
    fit = model.fit_random(*TABLES[table])
    limits = model.profile_tau2_interval(fit, *TABLES[table], level=0.9)

    def profile(tau):
        found = minimize_scalar(
            lambda theta: (
                -sum(conditional_log_likelihood(theta, tau, *row) for row in rows_of(table))
            ),
            bracket=(fit.estimate - 0.2, fit.estimate + 0.2),
        )
        return -found.fun

    drop = stats.chi2.ppf(0.9, 1) / 2
    assert profile(limits.high**0.5) == pytest.approx(fit.log_likelihood - drop, abs=1e-8)
    if limits.low == 0:
        assert fit.log_likelihood - model.fit_common(*TABLES[table]).log_likelihood <= drop
    else:
        assert profile(limits.low**0.5) == pytest.approx(fit.log_likelihood - drop, abs=1e-8)


def test_the_two_models_limits_of_tau2_are_like_each_other():
    """Where counts are large, conditioning on the margins loses little."""
    ends = []
    for model in BOTH:
        fit = model.fit_random(*TABLES["bcg"])
        limits = model.profile_tau2_interval(fit, *TABLES["bcg"])
        assert limits.low < fit.tau2 < limits.high
        ends.append((limits.low, limits.high))
    assert ends[0] == pytest.approx(ends[1], rel=0.12)


# Symmetries ---------------------------------------------------------------------------------


@pytest.mark.parametrize("model", BOTH)
@pytest.mark.parametrize("table", ["nielweise2007", "bcg", "hine1989"])
def test_arms_and_events_may_be_swapped_and_studies_reordered(model, table):
    a, n1, c, n2 = TABLES[table]
    fit = model.fit_random(a, n1, c, n2)
    for other, sign in (
        (model.fit_random(c, n2, a, n1), -1),
        (model.fit_random(n1 - a, n1, n2 - c, n2), -1),
        (model.fit_random(a[::-1], n1[::-1], c[::-1], n2[::-1]), 1),
    ):
        assert sign * other.estimate == pytest.approx(fit.estimate, abs=1e-8)
        assert other.se == pytest.approx(fit.se, rel=1e-8)
        assert other.tau2 == pytest.approx(fit.tau2, abs=1e-8)
        assert other.log_likelihood == pytest.approx(fit.log_likelihood, rel=1e-11)


counts = st.tuples(st.integers(0, 12), st.integers(1, 14), st.integers(0, 12), st.integers(1, 14))


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.lists(counts, min_size=2, max_size=7))
@pytest.mark.parametrize("model", BOTH)
def test_small_and_rare_counts_have_a_maximum_or_say_why_not(model, rows):
    a, b, c, d = np.array(rows, dtype=float).T
    table = (a, a + b, c, c + d)
    try:
        fit = model.fit_random(*table)
    except NoFiniteMaximum as error:
        informative = (a + c > 0) & (b + d > 0)
        low, high = ((a == 0) | (d == 0))[informative], ((b == 0) | (c == 0))[informative]
        assert informative.sum() < 2 or low.all() or high.all() or (low | high).all(), str(error)
        return
    assert np.isfinite([fit.estimate, fit.se, fit.tau2, fit.log_likelihood]).all()
    assert abs(fit.score[0]) < 1e-6
    assert abs(fit.score[1]) < 1e-6
    assert fit.log_likelihood >= model.fit_common(*table).log_likelihood - 1e-9


@pytest.mark.parametrize("model", BOTH)
def test_studies_that_tell_nothing_change_nothing(model):
    a, n1, c, n2 = TABLES["hine1989"]
    more = [
        np.append(x, y)
        for x, y in zip((a, n1, c, n2), ([0, 9], [9, 9], [0, 8], [7, 8]), strict=True)
    ]
    fit, other = model.fit_random(a, n1, c, n2), model.fit_random(*more)
    assert (other.estimate, other.se, other.tau2, other.k) == (
        fit.estimate,
        fit.se,
        fit.tau2,
        fit.k,
    )
    weights = binomial_normal.information_weights(other)
    assert weights[-2:].tolist() == [0, 0]
    assert weights.sum() == pytest.approx(1, rel=1e-14)


@pytest.mark.parametrize("model", BOTH)
def test_identical_studies_have_no_heterogeneity_and_the_common_effect(model):
    table = [np.full(6, n) for n in (4, 30, 9, 31)]
    fit = model.fit_random(*table)
    one = model.fit_common(*[column[:1] for column in table])
    assert fit.tau2 == 0
    assert fit.estimate == pytest.approx(one.estimate, abs=1e-9)
    assert fit.se == pytest.approx(one.se / 6**0.5, rel=1e-9)


@pytest.mark.parametrize("model", BOTH)
def test_millions_of_participants(model):
    table = [
        np.array(x) for x in ([3e5, 2e6, 5e4], [1e7, 1e7, 1e6], [4e5, 2.4e6, 4e4], [1e7, 1e7, 1e6])
    ]
    fit = model.fit_random(*table)
    a, n1, c, n2 = table
    log_odds = np.log(a * (n2 - c) / (c * (n1 - a)))
    # The counts fix each study's odds ratio: what is left is their mean and variance.
    assert fit.estimate == pytest.approx(log_odds.mean(), abs=1e-4)
    assert fit.tau2 == pytest.approx(log_odds.var(), rel=1e-3)


@pytest.mark.parametrize("model", BOTH)
@pytest.mark.parametrize(
    ("table", "message"),
    [
        (([0, 0], [9, 8], [0, 0], [7, 8]), "no study has both events"),
        (([0, 0], [9, 8], [3, 1], [7, 8]), "the odds ratio is 0"),
        (([3, 1], [9, 8], [0, 0], [7, 8]), "the odds ratio is infinite"),
        (([3, 9], [9, 9], [2, 9], [7, 9]), "one study tells"),
        (([3, 0], [9, 8], [0, 4], [7, 8]), "each study has a zero cell"),
    ],
)
def test_what_has_no_maximum_says_why(model, table, message):
    with pytest.raises(NoFiniteMaximum, match=message):
        model.fit_random(*table)


# Through the chain ----------------------------------------------------------------------------


@pytest.mark.parametrize("model", NAMES)
def test_from_the_sheet_to_the_estimates(model):
    (case,) = (
        c
        for c in REFERENCE["glmm"]
        if (c["model"], c["table"], c["method"]) == (model, "nielweise2007", "ML")
    )
    columns = {
        name: [int(n) for n in REFERENCE["tables"]["nielweise2007"][name]] for name in TWO_ARM
    }
    pooling = {"model": NAMES[model], "i2": "tau2", "heterogeneity": "likelihood_ratio"}
    found = chain("odds_ratio", pooling, **columns)
    random = rows_by_model(found)["random"]
    assert (random.k, random.method, random.tau2_method) == (17, NAMES[model], "ML")
    assert np.log([random.estimate, random.ci_low, random.ci_high]) == pytest.approx(
        [case["estimate"], case["ci_low"], case["ci_high"]], abs=2 * SE[model] * case["se"]
    )
    assert random.i2 == pytest.approx(case["i2"], abs=1e-5)
    assert [test.test for test in found.heterogeneity] == ["likelihood_ratio_q", "wald_q"]
    left_out = [weight for weight in found.weights if not weight.included]
    assert [weight.reason for weight in left_out] == ["no events in either arm"]


@pytest.mark.parametrize("model", NAMES.values())
def test_no_events_in_one_arm_of_all_studies_are_not_estimable(model):
    columns = dict(zip(TWO_ARM, ([0, 0], [20, 30], [3, 2], [21, 31]), strict=True))
    row = reported(chain("odds_ratio", {"model": model}, **columns))
    assert (row.model, row.estimate, row.k) == ("none", None, 2)
    assert row.note.startswith("not estimable: the odds ratio is 0")


@pytest.mark.parametrize("model", NAMES.values())
def test_without_a_maximum_in_tau_the_common_effect_says_so(model):
    columns = dict(zip(TWO_ARM, ([0, 4], [20, 30], [3, 0], [21, 31]), strict=True))
    row = reported(chain("odds_ratio", {"model": model}, **columns))
    assert row.model == "common"
    assert row.note == (
        "no random effects: each study has a zero cell: the likelihood has no maximum in tau"
    )
