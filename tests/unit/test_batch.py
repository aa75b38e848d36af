"""Many data sets at once: each row is the data set alone, to the last bit whatever its company."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forestry import tau2_batch as module
from forestry.batch import BatchFit, fit_random_batch, tau2_batch
from forestry.checks import NotConverged
from forestry.heterogeneity import heterogeneity
from forestry.intervals import INTERVALS
from forestry.inverse_variance import fit_random
from forestry.tau2 import TAU2_METHODS, log_likelihood, tau2

REFERENCE = json.loads(
    (Path(__file__).parents[1] / "reference" / "pooling.json").read_text(encoding="utf-8")
)
DATA = {
    name: (np.array(data["yi"]), np.array(data["vi"]))
    for name, data in REFERENCE["datasets"].items()
}
FIELDS = [field.name for field in fields(BatchFit)]


def resamples(k: int, rows: int, seed: int = 7) -> np.ndarray:
    return np.random.default_rng(seed).multinomial(k, np.full(k, 1 / k), size=rows)


def own_rows(rows: int, k: int = 8, seed: int = 11) -> tuple[np.ndarray, np.ndarray]:
    """Estimates and variances that no two rows share."""
    random = np.random.default_rng(seed)
    return random.normal(0, 1, (rows, k)), random.gamma(1, 0.3, (rows, k)) + 0.01


def same_bytes(whole: BatchFit, part: BatchFit, rows) -> bool:
    return all(
        getattr(whole, name)[rows].tobytes() == getattr(part, name).tobytes() for name in FIELDS
    )


# Rows are data sets -------------------------------------------------------------------------


@pytest.mark.parametrize("method", TAU2_METHODS)
@pytest.mark.parametrize("name", ["egger2001", "bcg", "nielweise2007_raw"])
def test_a_multiplicity_is_a_study_repeated(name, method):
    yi, vi = DATA[name]
    samples = resamples(len(yi), 40)
    together = fit_random_batch(yi, vi, method, samples, i2_basis="tau2")
    assert together.converged.all()
    assert together.tau2 == pytest.approx(tau2_batch(yi, vi, method, samples), rel=0)
    for i, times in enumerate(samples):
        y, v = np.repeat(yi, times), np.repeat(vi, times)
        alone = fit_random(y, v, method)
        spread = heterogeneity(y, v, method, "tau2", "none")
        # Newton's last step may be taken from two sides of a root.
        assert together.tau2[i] == pytest.approx(alone.tau2, rel=1e-10, abs=1e-10 * v.min())
        assert together.estimate[i] == pytest.approx(alone.estimate, abs=1e-10 * alone.se)
        assert together.se[i] == pytest.approx(alone.se, rel=1e-10)
        assert together.ci_low[i] == pytest.approx(alone.ci_low, abs=1e-9 * alone.se)
        assert together.ci_high[i] == pytest.approx(alone.ci_high, abs=1e-9 * alone.se)
        assert together.q[i] == pytest.approx(spread.q, rel=1e-11)
        assert together.i2[i] == pytest.approx(spread.i2, abs=1e-10)
        assert together.k[i] == len(y)


@pytest.mark.parametrize("method", ["DL", "PM", "ML", "REML"])
@pytest.mark.parametrize("shared", ["nothing", "variances", "estimates"])
def test_rows_may_have_their_own_estimates_and_variances(shared, method):
    yi, vi = own_rows(40)
    yi, vi = (yi[0] if shared == "estimates" else yi), (vi[0] if shared == "variances" else vi)
    together = tau2_batch(yi, vi, method)
    assert together.shape == (40,)
    rows = zip(np.broadcast_to(yi, (40, 8)), np.broadcast_to(vi, (40, 8)), strict=True)
    alone = [tau2(y, v, method).estimate for y, v in rows]
    assert together == pytest.approx(alone, rel=1e-10, abs=1e-12)
    assert (0 in alone or shared == "estimates") and max(alone) > 0.3


@pytest.mark.parametrize("interval", INTERVALS)
def test_intervals_are_those_of_a_single_fit(interval):
    yi, vi = DATA["pritz1997_logit"]
    samples = resamples(len(yi), 60)
    together = fit_random_batch(yi, vi, "DL", samples, interval, level=0.9)
    for i, times in enumerate(samples):
        y, v = np.repeat(yi, times), np.repeat(vi, times)
        alone = fit_random(y, v, "DL", 0.9, interval)
        assert together.se[i] == pytest.approx(alone.se, rel=1e-12)
        limits = (together.ci_low[i], together.ci_high[i])
        assert limits == pytest.approx((alone.ci_low, alone.ci_high), abs=1e-11 * alone.se)


def test_i2_is_on_the_basis_asked_for():
    yi, vi = DATA["bcg"]
    samples = resamples(13, 30)
    by_q = fit_random_batch(yi, vi, "REML", samples)
    assert by_q.i2 == pytest.approx(np.maximum(0, 1 - 12 / by_q.q), rel=1e-14)
    by_tau2 = fit_random_batch(yi, vi, "DL", samples, i2_basis="tau2")
    assert by_tau2.i2 == pytest.approx(by_q.i2, abs=1e-12)  # one and the same for DL


studies = st.lists(
    st.tuples(st.floats(-5, 5), st.floats(-6, 3).map(lambda x: 10 ** (x / 2))),
    min_size=2,
    max_size=9,
).map(lambda rows: tuple(np.array(column) for column in zip(*rows, strict=True)))


@settings(max_examples=60, deadline=None)
@given(studies, st.sampled_from(["ML", "REML"]), st.integers(0, 99))
def test_no_row_has_a_likelier_tau2(data, method, seed):
    yi, vi = data
    samples = resamples(len(yi), 5, seed)
    for times, found in zip(samples, tau2_batch(yi, vi, method, samples), strict=True):
        y, v = np.repeat(yi, times), np.repeat(vi, times)
        reached = log_likelihood(y, v, found, method)
        for t in [0.0, *np.geomspace(1e-5, 1e3, 60)]:
            assert log_likelihood(y, v, t, method) <= reached + 1e-9 * (1 + abs(reached))


# The same bytes in whatever company -----------------------------------------------------------


@pytest.mark.parametrize("method", TAU2_METHODS)
@pytest.mark.parametrize("rows", ["resampled", "own estimates", "own estimates and variances"])
def test_chunks_change_no_bit(monkeypatch, method, rows):
    yi, vi = own_rows(47, k=13)
    if rows == "resampled":
        (yi, vi), samples = DATA["bcg"], resamples(13, 47)
    elif rows == "own estimates":
        vi, samples = vi[0], np.ones((47, 13))
    else:
        samples = np.ones((47, 13))
    whole = fit_random_batch(yi, vi, method, samples, "hartung_knapp_wider")
    for size in (1, 2, 7, 40):
        for start in range(0, 47, size):
            here = slice(start, start + size)
            part = [values[here] if values.ndim == 2 else values for values in (yi, vi)]
            chunk = fit_random_batch(*part, method, samples[here], "hartung_knapp_wider")
            assert same_bytes(whole, chunk, here)
    monkeypatch.setattr(module, "_SLAB", 1)
    assert same_bytes(whole, fit_random_batch(yi, vi, method, samples, "hartung_knapp_wider"), ...)


# Convergence --------------------------------------------------------------------------------


def test_a_row_that_does_not_converge_is_no_number(monkeypatch):
    yi, vi = DATA["bcg"]
    samples = resamples(13, 200)
    whole = fit_random_batch(yi, vi, "REML", samples, "hartung_knapp_ad_hoc", i2_basis="tau2")
    monkeypatch.setattr(module, "MAX_ITERATIONS", 3)
    cut = fit_random_batch(yi, vi, "REML", samples, "hartung_knapp_ad_hoc", i2_basis="tau2")
    failed = ~cut.converged
    assert whole.converged.all() and 0 < failed.sum() < 200
    for name in ("estimate", "se", "ci_low", "ci_high", "tau2", "i2"):
        values = getattr(cut, name)
        assert (np.isnan(values) == failed).all()
        assert (values[~failed] == getattr(whole, name)[~failed]).all()
    assert (cut.q == whole.q).all() and (cut.k == 13).all()
    with pytest.raises(NotConverged, match=f"tau2 of {failed.sum()} data sets"):
        tau2_batch(yi, vi, "REML", samples)


# Few studies and bad input --------------------------------------------------------------------


def test_a_row_of_one_study_cannot_differ_from_itself():
    yi, vi = DATA["bcg"]
    alone = np.eye(13)[:2]
    for method in TAU2_METHODS:
        assert tau2_batch(yi, vi, method, alone).tolist() == [0, 0]
    for basis in ("q", "tau2"):
        fit = fit_random_batch(yi, vi, "REML", alone, "hartung_knapp", i2_basis=basis)
        assert fit.estimate == pytest.approx(yi[:2])
        assert fit.se == pytest.approx(np.sqrt(vi[:2]))
        assert (fit.ci_high - fit.estimate) / fit.se == pytest.approx([1.959963984540054] * 2)
        assert (fit.k.tolist(), fit.i2.tolist()) == ([1, 1], [0, 0])
        assert fit.q == pytest.approx([0, 0], abs=1e-25)


def test_one_study_drawn_again_and_again_has_no_spread():
    yi, vi = DATA["bcg"]
    for method in TAU2_METHODS:
        fit = fit_random_batch(yi, vi, method, 13 * np.eye(13))
        assert fit.converged.all() and fit.tau2 == pytest.approx(np.zeros(13), abs=1e-25)
        assert fit.estimate == pytest.approx(yi, rel=1e-13)
        assert fit.se == pytest.approx(np.sqrt(vi / 13), rel=1e-13)


def test_what_cannot_be_pooled_is_an_error():
    yi, vi = DATA["bcg"]
    with pytest.raises(ValueError, match="multiplicity"):
        tau2_batch(yi, vi, "DL", -np.ones(13))
    with pytest.raises(ValueError, match="multiplicity"):
        tau2_batch(yi, vi, "DL", np.full(13, np.nan))
    with pytest.raises(ValueError, match="multiplicity"):
        tau2_batch(yi, vi, "DL", np.full(13, 0.5))
    with pytest.raises(ValueError, match="without studies"):
        tau2_batch(yi, vi, "DL", np.zeros((2, 13)))
    with pytest.raises(ValueError, match="without studies"):
        tau2_batch([], [], "DL")
    for bad in ([0.1, 0.0], [0.1, -1.0], [0.1, np.nan], [0.1, np.inf]):
        with pytest.raises(ValueError, match="variance"):
            tau2_batch([1.0, 2.0], bad, "DL")
    with pytest.raises(ValueError, match="estimate"):
        tau2_batch([[1.0, 2.0], [1.0, np.nan]], [0.1, 0.2], "DL")
    for choice in ({"tau2_method": "x"}, {"interval": "x"}, {"i2_basis": "x"}, {"level": 95}):
        with pytest.raises(ValueError, match=next(iter(choice))[:4]):
            fit_random_batch(yi, vi, **choice)
