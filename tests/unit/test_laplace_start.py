"""Starts by Laplace's approximation, in data sets of their own counts, held to the likelihood."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit, gammaln

from forestry.logistic_mixed import fit_random, fit_random_batch, laplace, scan, search
from forestry.logistic_mixed.counts import common_of, counts_of
from forestry.logistic_mixed.likelihood import evaluate, rule_of

REFERENCE = json.loads(
    (Path(__file__).parents[1] / "reference" / "logistic_mixed.json").read_text()
)
DATA = REFERENCE["datasets"] | REFERENCE["homogeneous"]
RULE = rule_of(7)
LARGE = ("debruin2009", "hannum2020", "bcg_treated", "egger2001_control")
SMALL = ("pritz1997", "nielweise2007_treated", "hine1989_control", "article_57_of_59")


def drawn(name, rows, seed=1):
    """From the fitted model."""
    events, total = (np.array(DATA[name][key], float) for key in ("events", "total"))
    fit, rng = fit_random(events, total), np.random.default_rng(seed)
    logits = fit.beta + np.sqrt(fit.tau2) * rng.normal(size=(rows, total.size))
    return rng.binomial(total.astype(int), expit(logits)), total


def finite_counts(name, rows):
    counts = counts_of(*drawn(name, rows))
    return counts.take(counts.finite)


def exact_heights(counts, tau, beta):
    """Of the profile at each tau, by Newton's method from near it."""
    heights = np.empty(beta.shape)
    for i, t in enumerate(tau):
        place, taus = beta[i], np.full(counts.rows, t)
        for _ in range(25):
            at = evaluate(counts, place, taus, RULE)
            place = place + np.clip(-at.gradient[0] / at.hessian[0], -0.5, 0.5)
        assert np.abs(at.gradient[0]).max() < 1e-4
        heights[i] = at.log_likelihood
    return heights


def seen(counts):
    columns, (tau, first) = laplace._columns_of(counts), scan.lattice_of(counts)
    height, beta = laplace._by_normal_theory(columns, tau)
    everywhere = np.ones(height.shape, dtype=bool)
    profile, doubt = laplace._profile(columns, tau, beta, everywhere)
    return columns, tau, first, height, profile, doubt


@pytest.mark.parametrize("name", [*LARGE, *SMALL])
def test_heights_are_as_near_as_they_are_trusted_to_be(name):
    counts = finite_counts(name, 60)
    _, tau, _, _, profile, doubt = seen(counts)
    exact = exact_heights(counts, tau, profile.beta)
    assert (np.abs(profile.height - exact) <= doubt + 1e-6).all()


@pytest.mark.parametrize("name", [*LARGE, *SMALL])
def test_normal_theory_leaves_out_only_what_is_low(name):
    counts = finite_counts(name, 60)
    columns, tau, first, height, profile, _ = seen(counts)
    exact = exact_heights(counts, tau, profile.beta)
    inside = laplace._inside(columns, height, first)
    assert (
        (exact.max(axis=0) - exact)[~inside & (np.arange(tau.size)[:, None] >= first)] > 3
    ).all()


@pytest.mark.parametrize("name", [*LARGE, *SMALL[:3]])
def test_third_derivatives_are_as_good_as_they_are_trusted_to_be(name):
    """What they leave of the standard error, beside the exact ones by differences.

    A step in whatever direction, as long as the last may be.
    """
    counts = finite_counts(name, 150)
    start = laplace.start_by_laplace(counts, common_of(counts), RULE)
    known = start.sure > 0
    assert (np.isnan(start.third[0]) == ~known).all()
    if name in LARGE:
        assert known.mean() > 0.9
    counts, beta, tau = counts.take(known), start.beta[known], start.tau[known]
    at = evaluate(counts, beta, tau, RULE)
    concave = (at.hessian[0] < 0) & (at.hessian[0] * at.hessian[2] > at.hessian[1] ** 2)
    a, b, c = np.where(concave, -at.hessian, np.array([1, 0, 1])[:, None])
    exact = np.empty((4, beta.size))
    for axis in (0, 1):
        by = 0.02 / np.sqrt((a, c)[axis])
        h = [
            evaluate(counts, beta + i * by * (axis == 0), tau + i * by * (axis == 1), RULE).hessian
            for i in (-2, -1, 1, 2)
        ]
        slope = (h[0] - 8 * h[1] + 8 * h[2] - h[3]) / (12 * by)
        exact[axis : axis + 3] = slope
    error, determinant = start.third[:, known] - exact, a * c - b * b
    for angle in np.linspace(0, np.pi, 12, endpoint=False):
        by_tau = np.sin(angle) / np.sqrt(c - b * b / a)
        by_beta = (np.cos(angle) - by_tau * b / np.sqrt(a)) / np.sqrt(a)
        da, db, dc = -search.moved(error, np.array((by_beta, by_tau)))
        relative = 0.5 * (dc / c - (da * c + a * dc - 2 * b * db) / determinant)
        assert (np.abs(relative * start.sure[known])[concave] < 2e-9).all()


@pytest.mark.parametrize("name", LARGE)
def test_of_large_studies_the_start_is_near_and_two_evaluations_are_enough(name):
    counts = finite_counts(name, 200)
    start = laplace.start_by_laplace(counts, common_of(counts), RULE)
    _, length = search._newton_step(evaluate(counts, start.beta, start.tau, RULE))
    inner = ~start.zero
    assert np.median(length[inner]) < 2e-3 and length[inner].max() < 0.1
    batch = fit_random_batch(*drawn(name, 200))
    assert batch.iterations[batch.converged].mean() < 1.6


def test_scores_are_those_of_the_height():
    """By differences of heights to the second order, at studies' modes."""
    counts = finite_counts("bcg_treated", 20)
    columns = laplace._columns_of(counts, np.float64)

    def heights(beta, log_tau):
        t, u = np.exp(log_tau), np.zeros(columns.x.shape)
        for _ in range(60):
            at = laplace._Modes(columns, beta, t, u)
            u = u + at.step / np.maximum(1, np.abs(t * at.step))
        at = laplace._Modes(columns, beta, t, u)
        terms = columns.x * at.logit + columns.n * np.log(at.q) + 0.5 * np.log(at.inverse)
        terms += at.z * t * t * at.inverse * laplace._bracket(at) - 0.5 * u * u
        return columns.sum(terms), at

    beta, log_tau, by = np.full(counts.rows, -3.5), np.full(counts.rows, -0.3), 1e-4
    _, at = heights(beta, log_tau)
    found = laplace._scores(columns, at, np.exp(log_tau))
    for axis in (0, 1):
        moved = [heights(beta + s * (axis == 0), log_tau + s * (axis == 1))[0] for s in (-by, by)]
        slope = (moved[1] - moved[0]) / (2 * by)
        assert found[axis] == pytest.approx(slope, rel=1e-5, abs=1e-4)


@pytest.mark.parametrize("name", [*LARGE, *SMALL])
def test_fits_are_those_from_the_scan(name, monkeypatch):
    events, total = drawn(name, 300, seed=2)
    found = fit_random_batch(events, total)
    monkeypatch.setattr(search, "start_by_laplace", scan.start_of)
    expected = fit_random_batch(events, total)
    assert (found.converged == expected.converged).all()
    inside = expected.converged
    assert ((found.tau2 == 0) == (expected.tau2 == 0))[inside].all()
    apart = found.beta[inside] - expected.beta[inside]
    assert (np.abs(apart) < 1e-11 * expected.se[inside]).all()
    rounding = 2e-15 * float((total * np.log(total + 1)).sum())
    close = {"tau2": (1e-11, 1e-12), "log_likelihood": (0, rounding), "se": (4e-9, 0)}
    for field, (rel, absolute) in close.items():
        one, other = (getattr(fits, field)[inside] for fits in (found, expected))
        assert one == pytest.approx(other, rel=rel, abs=absolute), field


@pytest.mark.parametrize(("largest", "studies"), [(7, 8), (2.5, 11), (1.2, 8), (4, 19)])
def test_of_studies_of_all_sizes_the_maximum_is_that_of_the_scan(largest, studies, monkeypatch):
    rng, compared = np.random.default_rng(6), 0
    for _ in range(40):
        k = rng.integers(2, studies + 1)
        total = np.floor(10 ** rng.uniform(0, largest, k))
        p = expit(2 * rng.normal() + rng.choice([0.01, 0.3, 1, 3]) * rng.normal(size=(25, k)))
        events = rng.binomial(total.astype(int), p)
        found = fit_random_batch(events, total)
        with monkeypatch.context() as patch:
            patch.setattr(search, "start_by_laplace", scan.start_of)
            expected = fit_random_batch(events, total)
        assert (found.converged == expected.converged).all()
        assert (found.converged == found.finite).all()
        gain = (found.log_likelihood - expected.log_likelihood)[found.converged]
        assert (gain > -1e-9 - 1e-13 * total.sum()).all()
        compared += gain.size
    assert compared > 500


def assert_rows_are_the_same(whole, alone, row):
    for field in dataclasses.fields(whole):
        one, other = getattr(alone, field.name), getattr(whole, field.name)[row : row + 1]
        assert one.tobytes() == np.ascontiguousarray(other).tobytes(), field.name


@pytest.mark.parametrize("name", ["hannum2020", "pritz1997", "hine1989_control"])
def test_a_data_set_s_numbers_do_not_depend_on_the_others(name):
    """Of all studies, and of some of them only, beside which others have more."""
    events, total = drawn(name, 60, seed=3)
    times = np.random.default_rng(4).integers(0, 3, size=events.shape)
    times[:, 0] += 1
    for multiplicity in (np.ones_like(times), times):
        whole = fit_random_batch(events, total, multiplicity)
        backwards = fit_random_batch(events[::-1], total, multiplicity[::-1])
        for row in range(0, 60, 7):
            alone = fit_random_batch(events[row], total[None], multiplicity[row])
            assert_rows_are_the_same(whole, alone, row)
            assert_rows_are_the_same(backwards, alone, 59 - row)


def test_sums_run_down_columns_in_order():
    values = np.random.default_rng(5).normal(size=(35, 40)) * 10.0 ** np.arange(-17, 18)[:, None]
    columns = laplace._Columns(*[np.ones((35, 40))] * 6)
    expected = values[0].copy()
    for row in values[1:]:
        expected += row
    assert columns.sum(values).tobytes() == expected.tobytes()
    one = columns.take(np.arange(1)).sum(values[:, :1])
    assert one.tobytes() == expected[:1].tobytes()


def test_many_studies_start_as_near_as_few():
    rng = np.random.default_rng(7)
    total = rng.integers(10, 300, size=400)
    events = rng.binomial(total, expit(-1 + 0.7 * rng.normal(size=(20, 400))))
    batch = fit_random_batch(events, total)
    assert batch.converged.all() and batch.iterations.max() <= 2
    assert np.abs(batch.score[:, 0] * batch.se).max() < 1e-6


def test_binomial_coefficients_are_those_of_single_fits():
    """Of few large and of many small counts."""
    for total in ([9, 12, 40], [900_000, 12, 40]):
        x, n = np.array([[3, 5, 9]] * 30), np.array(total)
        expected = (gammaln(n + 1) - gammaln(x[0] + 1) - gammaln(n - x[0] + 1)).sum()
        close = {"rel": 1e-14, "abs": 2e-15 * float((n * np.log(n)).sum())}
        assert counts_of(x, n).constant == pytest.approx([expected] * 30, **close)
        one = fit_random(x[0], n).log_likelihood
        assert fit_random_batch(x, n).log_likelihood == pytest.approx([one] * 30, **close)
