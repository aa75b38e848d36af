"""Profile likelihood intervals of tau2, against metafor and their own equations."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import chdtri

from forestry.heterogeneity import heterogeneity
from forestry.tau2 import LIKELIHOODS, log_likelihood, tau2
from forestry.tau2_limits import TAU2_INTERVALS, tau2_limits

FOLDER = Path(__file__).parents[1] / "reference"
REFERENCE = json.loads((FOLDER / "tau2_intervals.json").read_text(encoding="utf-8"))
DATA = {
    name: (np.array(data["yi"]), np.array(data["vi"]))
    for name, data in json.loads((FOLDER / "pooling.json").read_text())["datasets"].items()
}
LEVELS = (0.9, 0.95)

# A root is where the likelihood, good to rounding of itself, has fallen by about 1: R's
# likelihoods are of size 100, and its limits good to 1e-12 of themselves at best.
CLOSE = 1e-9


def limits(yi, vi, method, level=0.95, groups=None):
    return tau2_limits(yi, vi, "profile_likelihood", level, groups, method)


def test_the_reference_grid_is_complete():
    cases = {(c["dataset"], c["method"], c["level"]) for c in REFERENCE["profiles"]}
    assert cases == {(name, m, level) for name in DATA for m in LIKELIHOODS for level in LEVELS}
    assert len(REFERENCE["profiles"]) == len(cases)


@pytest.mark.parametrize(
    "case", REFERENCE["profiles"], ids=lambda c: f"{c['dataset']}-{c['method']}-{c['level']}"
)
def test_agrees_with_metafor(case):
    yi, vi = DATA[case["dataset"]]
    found = heterogeneity(yi, vi, case["method"], "tau2", "profile_likelihood", case["level"])
    for name in ("tau2_low", "tau2_high", "i2_low", "i2_high", "h2_low", "h2_high"):
        scale = vi.min() if name.startswith("tau2") else 1
        assert getattr(found, name) == pytest.approx(case[name], rel=CLOSE, abs=CLOSE * scale), name
    assert found.tau2_low <= found.tau2 <= found.tau2_high


@pytest.mark.parametrize("method", LIKELIHOODS)
@pytest.mark.parametrize("name", DATA)
def test_the_likelihood_at_the_ends_is_what_the_level_leaves(name, method):
    yi, vi = DATA[name]
    top = log_likelihood(yi, vi, tau2(yi, vi, method).estimate, method)
    for level in LEVELS:
        low, high = limits(yi, vi, method, level)
        least = top - chdtri(1, 1 - level) / 2
        assert log_likelihood(yi, vi, high, method) == pytest.approx(least, abs=1e-10)
        if low > 0:
            assert log_likelihood(yi, vi, low, method) == pytest.approx(least, abs=1e-10)
        else:
            assert log_likelihood(yi, vi, 0.0, method) >= least - 1e-12


studies = st.lists(
    st.tuples(st.floats(-5, 5), st.floats(-3, 2).map(lambda x: 10**x)), min_size=2, max_size=8
).map(lambda rows: tuple(np.array(column) for column in zip(*rows, strict=True)))


@settings(max_examples=60, deadline=None)
@given(studies, st.sampled_from(LIKELIHOODS))
def test_no_tau2_outside_is_likely_enough(data, method):
    yi, vi = data
    low, high = limits(yi, vi, method)
    least = log_likelihood(yi, vi, tau2(yi, vi, method).estimate, method) - chdtri(1, 0.05) / 2
    outside = [
        *np.linspace(0, low, 20, endpoint=False),
        *(high + vi.min() * np.geomspace(0.01, 1e4)),
    ]
    for t in outside:
        if t < low or t > high:
            assert log_likelihood(yi, vi, t, method) <= least + 1e-8


@settings(max_examples=40, deadline=None)
@given(studies, st.sampled_from(LIKELIHOODS), st.integers(-8, 8))
def test_units_and_order_do_not_matter(data, method, power):
    yi, vi = data
    scale = 2.0**power  # exact, so that two maxima of one height do not swap
    low, high = limits(yi, vi, method)
    other = limits(scale * yi[::-1], scale**2 * vi[::-1], method)
    spread = vi.min() + yi.var()
    assert np.array(other) / scale**2 == pytest.approx((low, high), rel=1e-6, abs=1e-7 * spread)


def test_with_two_maxima_the_interval_has_both():
    """The likelihood falls below the limit between them: what is likely is not one stretch."""
    yi = np.array([-0.01, -1.46, 1.64, 0.13, -0.27, -0.02])
    vi = np.array([0.003, 2.845, 0.243, 0.324, 0.584, 0.007])
    estimate = tau2(yi, vi, "REML").estimate
    least = log_likelihood(yi, vi, estimate, "REML") - chdtri(1, 0.5) / 2
    between = [log_likelihood(yi, vi, t, "REML") for t in np.geomspace(1e-3, estimate, 50)]
    assert min(between) < least < log_likelihood(yi, vi, 0.0, "REML")
    low, high = limits(yi, vi, "REML", 0.5)
    assert low == 0 < estimate < high


def test_groups_have_a_mean_each():
    yi, vi = DATA["bcg"]
    groups = json.loads((FOLDER / "pooling.json").read_text())["groups"]["bcg"]
    low, high = limits(yi, vi, "REML", groups=groups)
    estimate = tau2(yi, vi, "REML", groups).estimate
    fall = [log_likelihood(yi, vi, t, "REML", groups) for t in (estimate, low, high)]
    assert np.subtract(fall[0], fall[1:]) == pytest.approx([chdtri(1, 0.05) / 2] * 2, rel=1e-9)
    assert low < estimate < high


def test_few_or_equal_studies():
    low, high = limits([1.0, 1.0], [0.1, 0.1], "REML")
    # With equal variances, ll = -log(v + tau2)/2 without spread: it falls by chi2/2 at v e^chi2.
    assert (low, high) == (0, pytest.approx(0.1 * np.expm1(chdtri(1, 0.05)), rel=1e-10))
    assert limits([0.0, 30.0], [1e-12, 1e-12], "ML")[0] > 1


def test_unknown_choices_are_errors():
    yi, vi = DATA["bcg"]
    with pytest.raises(ValueError, match="one of ML, REML, not 'DL'"):
        limits(yi, vi, "DL")
    with pytest.raises(ValueError, match="level"):
        limits(yi, vi, "REML", 95)
    with pytest.raises(ValueError, match="2 or more"):
        limits([0.1], [0.2], "REML")
    assert TAU2_INTERVALS == ("none", "q_profile", "generalised_q", "profile_likelihood")
