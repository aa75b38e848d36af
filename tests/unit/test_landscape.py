"""Samples of the same studies: what their tables tell, held to the likelihood itself."""

import dataclasses
import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from forestry.logistic_mixed import fit_random_batch, landscape, patches, search
from forestry.logistic_mixed.counts import common_of, counts_of
from forestry.logistic_mixed.exact_sums import MOST, are_summable, summable
from forestry.logistic_mixed.likelihood import evaluate, rule_of
from forestry.logistic_mixed.scan import start_of

REFERENCE = json.loads(
    (Path(__file__).parents[1] / "reference" / "logistic_mixed.json").read_text()
)
DATA = REFERENCE["datasets"] | REFERENCE["homogeneous"]
RULE = rule_of(7)
NAMES = ("pritz1997", "hannum2020", "bcg_treated", "egger2001_control", "nielweise2007_treated")


def studies(name):
    return np.array(DATA[name]["events"], float), np.array(DATA[name]["total"], float)


def samples(name, rows, seed=1):
    k = len(DATA[name]["events"])
    return np.random.default_rng(seed).multinomial(k, np.ones(k) / k, size=rows)


def fitted(name, times, **columns):
    return fit_random_batch(*studies(name), times)


def assert_same_bytes(one, other):
    for field in dataclasses.fields(one):
        assert getattr(one, field.name).tobytes() == getattr(other, field.name).tobytes()


# Exact sums -------------------------------------------------------------------------------------


def test_sums_are_exact_in_any_order():
    rng = np.random.default_rng(2)
    table = summable(rng.normal(size=(40, 30)) * 10.0 ** rng.integers(-8, 8, size=30))
    times = rng.multinomial(MOST * 40, np.ones(40) / 40, size=20).astype(float)
    sums = times @ table
    for order in (np.arange(40)[::-1], rng.permutation(40)):
        assert ((times[:, order] @ table[order]) == sums).all()
    for i in range(5):
        exact = sum(Fraction(t) * Fraction(v) for t, v in zip(times[i], table[:, i], strict=True))
        assert Fraction(sums[i, i]) == exact


def test_a_table_is_rounded_by_less_than_its_sums_would_be():
    table = np.random.default_rng(3).normal(size=(35, 9))
    largest = np.abs(table).max(axis=0)
    assert (np.abs(summable(table) - table) <= largest * MOST * 35 * 2.0**-52).all()
    assert not summable(np.zeros((3, 2))).any()


def test_only_whole_and_few_times_sum_up_exactly():
    times = np.array([[1, 2, 0], [0.5, 1, 1], [8, 8, 8], [8, 8, 9]])
    assert are_summable(times).tolist() == [True, False, True, False]


# What is seen from the lattice ------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_profiles_are_known_where_it_is_said(name):
    """Held to the profile by Newton's method at each tau, from where the table puts its top."""
    counts = counts_of(*studies(name), samples(name, 60))
    counts = counts.take(counts.finite)
    lattice, _ = landscape._landscape_of(landscape.Studies(*map(tuple, studies(name)), 7))
    seen = landscape._seen(lattice, counts.drawn_from.times)
    exact = np.empty_like(seen.profile.height)
    for i, tau in enumerate(lattice.tau):
        beta, taus = seen.profile.beta[i], np.full(counts.rows, tau)
        for _ in range(30):
            at = evaluate(counts, beta, taus, RULE)
            beta = beta + np.clip(-at.gradient[0] / at.hessian[0], -0.5, 0.5)
        assert np.abs(at.gradient[0]).max() < 1e-4
        exact[i] = at.log_likelihood
    assert (seen.clear | seen.low).all(axis=0).mean() > 0.9
    assert np.abs(seen.profile.height - exact)[seen.clear].max() < landscape._MISSED
    gap = exact.max(axis=0) - exact
    assert gap[seen.low].min(initial=np.inf) > landscape._LOW - landscape._MISSED


# Polynomials --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_the_start_is_the_maximum_and_third_derivatives_are_right(name):
    """These by differences of the Hessian, over a tenth of a standard error."""
    counts = counts_of(*studies(name), samples(name, 100))
    counts = counts.take(counts.finite)
    start = landscape.start_in_landscape(counts, common_of(counts), RULE)
    known = ~np.isnan(start.third[0])
    assert known.mean() > 0.8
    counts, beta, tau = counts.take(known), start.beta[known], start.tau[known]
    at = evaluate(counts, beta, tau, RULE)
    _, length = search._newton_step(at)
    assert length.max() < 1e-6
    for axis in (0, 1):
        by = 0.02 / np.sqrt(-at.hessian[2 * axis])
        h = [
            evaluate(counts, beta + i * by * (axis == 0), tau + i * by * (axis == 1), RULE).hessian
            for i in (-2, -1, 1, 2)
        ]
        slope = (h[0] - 8 * h[1] + 8 * h[2] - h[3]) / (12 * by)
        scale = np.abs(at.hessian) * np.sqrt(-at.hessian[2 * axis])
        scale = np.maximum(scale, np.sqrt(at.hessian[0] * at.hessian[2]) * np.sqrt(-at.hessian[0]))
        assert (np.abs(start.third[axis : axis + 3, known] - slope) < 1e-3 * scale).all()


def test_a_polynomial_fit_to_one_is_that_one():
    """Of degree 8, from its derivatives at 3 x 3 places."""
    rng = np.random.default_rng(4)
    known = rng.normal(size=len(patches._POWERS))
    assert patches._FIT @ (patches._design() @ known) == pytest.approx(known, rel=1e-9, abs=1e-9)


def test_horner_gives_derivatives():
    polynomial = np.polynomial.Polynomial(np.random.default_rng(5).normal(size=9))
    a, x = polynomial.coef[:, None, None] * np.ones((9, 1, 3)), np.array([-0.4, 0.1, 1.2])
    for most in (2, 3):
        found = patches._horner(a, x, most)[:, 0]
        for order in range(most + 1):
            expected = polynomial.deriv(order)(x) if order else polynomial(x)
            assert found[order] == pytest.approx(expected, rel=1e-12)


# Fits ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*NAMES, "article_57_of_59", "hine1989_control"])
def test_fits_are_those_without_tables(name, monkeypatch):
    times = samples(name, 400, seed=6)
    found = fitted(name, times)
    monkeypatch.setattr(search, "start_in_landscape", start_of)
    expected = fitted(name, times)
    assert (found.converged == expected.converged).all()
    inside = expected.converged
    assert inside.sum() > 100
    assert ((found.tau2 == 0) == (expected.tau2 == 0))[inside].all()
    total = studies(name)[1]
    # A log-likelihood holds binomial coefficients, differences of n ln(n).
    rounding = 2e-15 * float((times @ (total * np.log(total + 1))).max())
    close = {"tau2": (1e-11, 1e-12), "log_likelihood": (0, rounding), "se": (1e-8, 0)}
    for field, (rel, absolute) in close.items():
        one, other = (getattr(fits, field)[inside] for fits in (found, expected))
        assert one == pytest.approx(other, rel=rel, abs=absolute), field
    apart = found.beta[inside] - expected.beta[inside]
    assert (np.abs(apart) < 1e-11 * expected.se[inside]).all()


@pytest.mark.parametrize(("largest", "most"), [(7, 8), (2.5, 11), (1.2, 8), (4, 19)])
def test_of_studies_of_all_sizes_the_maximum_is_that_of_the_scan(largest, most, monkeypatch):
    rng, compared = np.random.default_rng(12), 0
    for _ in range(40):
        k = rng.integers(2, most + 1)
        total = np.floor(10 ** rng.uniform(0, largest, k))
        spread = rng.choice([0.01, 0.3, 1, 3]) * rng.normal(size=k)
        events = rng.binomial(total.astype(int), 1 / (1 + np.exp(2 * rng.normal() + spread)))
        times = rng.multinomial(k, np.ones(k) / k, size=25)
        found = fit_random_batch(events, total, times)
        with monkeypatch.context() as patch:
            patch.setattr(search, "start_in_landscape", start_of)
            expected = fit_random_batch(events, total, times)
        assert (found.converged == expected.converged).all()
        assert (found.converged == found.finite).all()
        gain = (found.log_likelihood - expected.log_likelihood)[found.converged]
        assert (gain > -1e-9 - 1e-13 * (times @ total).max()).all()
        compared += gain.size
    assert compared > 500


@pytest.mark.parametrize("name", ["pritz1997", "hannum2020", "debruin2009"])
def test_most_samples_take_one_evaluation(name):
    found = fitted(name, samples(name, 500, seed=7))
    inside = found.tau2 > 0
    assert (found.iterations[inside] == 0).mean() > 0.9


@pytest.mark.parametrize("name", NAMES)
def test_a_sample_s_numbers_do_not_depend_on_the_others(name):
    times = samples(name, 90, seed=8)
    whole = fitted(name, times)
    backwards = fitted(name, times[::-1])
    for field in dataclasses.fields(whole):
        one, other = getattr(whole, field.name), getattr(backwards, field.name)[::-1]
        assert one.tobytes() == np.ascontiguousarray(other).tobytes()
    for i in range(0, 90, 9):
        alone = fitted(name, times[i : i + 1])
        for field in dataclasses.fields(whole):
            one, other = getattr(alone, field.name), getattr(whole, field.name)[i : i + 1]
            assert one.tobytes() == other.tobytes()


def test_a_table_is_the_same_whatever_was_tabled_before():
    times = samples("debruin2009", 50, seed=9)
    first = fitted("debruin2009", times)
    for name in ("pritz1997", "bcg_treated", "hannum2020", "egger2001_control", "hine1989_control"):
        fitted(name, samples(name, 30))
    landscape._landscape_of.cache_clear()
    patches._band.cache_clear()
    assert_same_bytes(fitted("debruin2009", times), first)


def test_parts_of_studies_and_many_times_are_no_samples_of_tables():
    """They are fitted as without tables, and leave those beside them as they are."""
    times = samples("debruin2009", 6, seed=10).astype(float)
    odd = np.concatenate((times, 0.5 * times, 100 * times))
    found, plain = fitted("debruin2009", odd), fitted("debruin2009", times)
    for field in dataclasses.fields(plain):
        assert getattr(found, field.name)[:6].tobytes() == getattr(plain, field.name).tobytes()
    assert found.converged.all()
    x, n = studies("debruin2009")
    repeated = fit_random_batch(np.repeat(x, 100), np.repeat(n, 100), np.repeat(times, 100, axis=1))
    assert found.beta[12:] == pytest.approx(repeated.beta, rel=1e-9)
    assert found.tau2[12:] == pytest.approx(repeated.tau2, rel=1e-9)


@pytest.mark.parametrize(
    ("events", "total"),
    [
        ([3], [10]),
        ([3, 0], [10, 12]),
        ([0, 0, 1], [3, 900_000, 2]),
        ([0, 0, 0, 518754, 0, 462], [5631669, 370440, 2, 783290, 53, 1146]),
        ([5, 5, 5, 5], [10, 10, 10, 10]),
        ([12, 3, 1, 1966456, 400, 6, 24, 0, 6600802], [12, 3, 7, 4000000, 400, 6, 24, 50, 7000000]),
    ],
)
def test_samples_of_odd_studies_have_a_maximum(events, total):
    k = len(events)
    times = np.random.default_rng(11).multinomial(k, np.ones(k) / k, size=60)
    batch = fit_random_batch(events, total, times)
    known = batch.finite
    assert (batch.converged == known).all() and known.any()
    assert np.abs(batch.score[known, 0] * batch.se[known]).max() < 1e-6
