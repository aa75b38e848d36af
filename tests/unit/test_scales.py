"""The ways back to the display scale, against R (metafor) and Miller's own paper."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forestry.scales import SCALES, double_arcsine, harmonic_mean, to_display

REFERENCE = json.loads(
    (Path(__file__).parents[1] / "reference" / "measures.json").read_text(encoding="utf-8")
)

# Miller 1978: 3/11, 6/17, 10/21, 1/6. He prints the transform without the halving.
MILLER_EVENTS, MILLER_TOTAL = np.array([3, 6, 10, 1]), np.array([11, 17, 21, 6])
PRINTED = 5e-5  # four printed decimals


def test_miller_1978_transforms():
    angles = 2 * double_arcsine(MILLER_EVENTS, MILLER_TOTAL)
    np.testing.assert_allclose(angles, [1.1391, 1.2888, 1.5253, 0.9515], atol=PRINTED)


def test_miller_1978_pooled():
    angles = double_arcsine(MILLER_EVENTS, MILLER_TOTAL)
    n = harmonic_mean(MILLER_TOTAL)
    weighted = np.average(angles, weights=4 * MILLER_TOTAL + 2)
    assert 2 * angles.mean() == pytest.approx(1.2262, abs=PRINTED)
    assert 2 * weighted == pytest.approx(1.3093, abs=PRINTED)
    assert to_display(angles.mean(), "double_arcsine", n) == pytest.approx(0.3164, abs=PRINTED)
    assert to_display(weighted, "double_arcsine", n) == pytest.approx(0.3595, abs=PRINTED)


def test_pooled_proportions_of_metafor_documentation():
    """(0, 4, 9, 16, 20) of (10, 10, 15, 20, 20): metafor's equal-effects result."""
    events, total = np.array([0, 4, 9, 16, 20]), np.array([10, 10, 15, 20, 20])
    weight = 4 * total + 2
    pooled = np.average(double_arcsine(events, total), weights=weight)
    half = 1.959963984540054 / np.sqrt(weight.sum())
    shown = to_display(
        [pooled, pooled - half, pooled + half], "double_arcsine", harmonic_mean(total)
    )
    np.testing.assert_allclose(shown, [0.6886, 0.5734, 0.7943], atol=PRINTED)


@pytest.mark.parametrize("case", REFERENCE["ipft"], ids=lambda case: f"n{case['n_harmonic']:.3g}")
def test_double_arcsine_inverse_is_that_of_metafor(case):
    assert harmonic_mean(case["total"]) == pytest.approx(case["n_harmonic"], rel=1e-12)
    expected = np.array(case["proportion"], dtype=float)
    assert np.isfinite(expected).all()
    shown = to_display(case["angle"], "double_arcsine", harmonic_mean(case["total"]))
    np.testing.assert_allclose(shown, expected, rtol=0, atol=1e-13)
    assert shown.min() == 0.0
    assert shown.max() == 1.0


def test_double_arcsine_of_none_and_of_all_are_0_and_1_exactly():
    total = np.arange(1, 1000)
    assert np.all(to_display(double_arcsine(0, total), "double_arcsine", total) == 0.0)
    assert np.all(to_display(double_arcsine(total, total), "double_arcsine", total) == 1.0)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_double_arcsine_of_a_study_comes_back_at_its_own_total(study):
    events, total = study
    shown = to_display(double_arcsine(events, total), "double_arcsine", total)
    # The inverse takes a root near 0 at p = 1/2, where rounding grows to its square root.
    assert shown == pytest.approx(events / total, abs=5e-8)


FORWARD = {
    "raw": lambda p: p,
    "identity": lambda p: p,
    "log": np.log,
    "logit": lambda p: np.log(p / (1 - p)),
    "arcsine": lambda p: np.arcsin(np.sqrt(p)),
    "square_root": np.sqrt,
    "fisher_z": np.arctanh,
}


@pytest.mark.parametrize("scale", FORWARD)
@settings(max_examples=60, deadline=None)
@given(p=st.floats(1e-6, 1 - 1e-6))
def test_every_inverse_undoes_its_transform(scale, p):
    assert to_display(FORWARD[scale](p), scale) == pytest.approx(p, rel=1e-9)


def test_scales_are_complete():
    assert set(SCALES) == set(FORWARD) | {"double_arcsine"}


@pytest.mark.parametrize("scale", SCALES)
def test_every_inverse_rises_and_keeps_shape_and_nan(scale):
    value = np.linspace(0.05, 1.5, 60).reshape(3, 20)
    shown = to_display(value, scale, n_harmonic=40)
    assert shown.shape == (3, 20)
    assert np.all(np.diff(shown.ravel()) > 0) or scale == "double_arcsine"
    assert np.all(np.diff(shown.ravel()) >= 0)
    assert np.isnan(to_display(np.nan, scale, n_harmonic=40))
    assert np.ndim(to_display(0.5, scale, n_harmonic=40)) == 0


def test_angles_end_where_the_proportion_does():
    assert to_display([-0.3, np.pi / 2 + 0.3], "arcsine").tolist() == [0.0, 1.0]
    assert to_display([-0.3, np.pi / 2 + 0.3], "double_arcsine", 12).tolist() == [0.0, 1.0]


def test_a_square_root_below_zero_is_a_rate_of_zero():
    assert to_display([-0.3, 0.5], "square_root").tolist() == [0.0, 0.25]


def test_raw_and_log_limits_are_not_clipped():
    assert to_display([-0.1, 1.2], "raw").tolist() == [-0.1, 1.2]
    assert to_display(0.2, "log") == pytest.approx(1.2214027581601699, rel=1e-15)


def test_the_input_is_not_changed_and_not_shared():
    value = np.array([0.1, 0.2])
    to_display(value, "raw")[0] = 9
    assert value.tolist() == [0.1, 0.2]


def test_n_harmonic_may_be_an_array():
    events, total = np.array([0, 4, 20]), np.array([10, 10, 20])
    shown = to_display(double_arcsine(events, total), "double_arcsine", total)
    np.testing.assert_allclose(shown, events / total, atol=1e-12)


def test_faults_are_named():
    with pytest.raises(ValueError, match="scale is 'logg', not one of raw"):
        to_display(0.1, "logg")
    with pytest.raises(ValueError, match="needs n_harmonic"):
        to_display(0.1, "double_arcsine")
    with pytest.raises(ValueError, match="n_harmonic must be positive"):
        to_display(0.1, "double_arcsine", 0)
    with pytest.raises(ValueError, match="no totals"):
        harmonic_mean([])
    with pytest.raises(ValueError, match="positive"):
        harmonic_mean([3, 0])
