"""Influence and leave-one-out against metafor, published rows, and one refit after another."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from forestry.heterogeneity import heterogeneity
from forestry.influence import (
    influence,
    leave_one_out,
    studentized_residuals,
)
from forestry.inverse_variance import fit_common, fit_random
from forestry.tau2 import COMMON, TAU2_METHODS

REFERENCE = json.loads(
    (Path(__file__).parents[1] / "reference" / "pooling.json").read_text(encoding="utf-8")
)
DATA = {
    name: (np.array(data["yi"]), np.array(data["vi"]))
    for name, data in REFERENCE["datasets"].items()
}
CASES = REFERENCE["influences"]

# metafor converges to about 1e-13 in these refits; differences of means lose two digits more.
CLOSE = 1e-9


def near(values, expected, scale=1.0):
    expected = np.array(expected, dtype=float)
    return values == pytest.approx(expected, rel=CLOSE, abs=CLOSE * scale)


def our_method(case):
    return COMMON if case["method"] == "EE" else case["method"]


def test_the_reference_is_complete():
    names = {case["dataset"] for case in CASES}
    expected = set(product(names, ["DL", "PM", "ML", "REML"], ["wald", "hartung_knapp"]))
    expected |= {(name, "EE", "wald") for name in names}
    # One study has no Hartung-Knapp variance; metafor misses the maximum in the other case.
    expected -= {case for case in expected if case[0] == "bcg_two" and case[2] != "wald"}
    expected -= {("egger2001", "ML", "wald"), ("egger2001", "ML", "hartung_knapp")}
    cases = [(case["dataset"], case["method"], case["interval"]) for case in CASES]
    assert len(names) == 9 and len(cases) == len(set(cases))
    assert set(cases) == expected


@pytest.mark.parametrize(
    "case", CASES, ids=lambda case: f"{case['dataset']}-{case['method']}-{case['interval']}"
)
def test_agrees_with_metafor(case):
    yi, vi = DATA[case["dataset"]]
    found = influence(yi, vi, our_method(case), case["interval"])
    for field in ("rstudent", "dffits", "cook_distance", "cov_ratio", "hat", "dfbetas"):
        assert near(getattr(found, field), case[field])
    assert near(found.q_deleted, case["q_deleted"])
    assert near(found.tau2_deleted, case["tau2_deleted"], vi.min())
    assert found.influential.tolist() == case["influential"]
    residuals = studentized_residuals(yi, vi, our_method(case), case["interval"])
    assert residuals.tolist() == found.rstudent.tolist()


@pytest.mark.parametrize(
    "case", CASES, ids=lambda case: f"{case['dataset']}-{case['method']}-{case['interval']}"
)
def test_leave_one_out_agrees_with_metafor(case):
    yi, vi = DATA[case["dataset"]]
    basis = "q" if case["method"] == "EE" else "tau2"
    found = leave_one_out(yi, vi, our_method(case), case["interval"], i2_basis=basis)
    scale = np.min(case["se"])
    for field in ("estimate", "se", "ci_low", "ci_high"):
        assert near(getattr(found, field), case[field], scale)
    for field in ("p_value", "q_p", "i2"):
        assert near(getattr(found, field), case[field])


def test_flags_are_raised_in_the_reference():
    flags = [flag for case in CASES for flag in case["influential"]]
    assert 10 < sum(flags) < len(flags) / 2


# Published rows (metafor's influence() of these data) ---------------------------------------------


def test_bcg_as_published():
    found = influence(*DATA["bcg"], "REML")
    row = [found.rstudent, found.dffits, found.cook_distance, found.cov_ratio]
    row += [found.tau2_deleted, found.q_deleted, found.hat, found.dfbetas]
    assert [values[3] for values in row] == pytest.approx(
        [-1.4512, -0.5201, 0.2295, 0.9651, 0.2628, 96.5626, 0.0970, -0.5138], abs=5e-5
    )
    assert found.q_deleted[7] == pytest.approx(67.9858, abs=5e-5)
    assert not found.influential.any()
    without = leave_one_out(*DATA["bcg"], "REML", i2_basis="tau2")
    assert (without.estimate[0], without.se[0], 100 * without.i2[0]) == pytest.approx(
        (-0.7071, 0.1900, 93.2259), abs=5e-5
    )


def test_pritz1997_as_published():
    found = influence(*DATA["pritz1997_logit"], "REML")
    row = [found.rstudent, found.dffits, found.cook_distance, found.cov_ratio, found.hat]
    assert [values[8] for values in row] == pytest.approx(
        [-1.7133, -0.5340, 0.2223, 0.9631, 0.1260], abs=5e-5
    )
    assert not found.influential.any()


# One refit after another ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "method, interval",
    [
        *product(TAU2_METHODS, ["wald", "hartung_knapp", "hartung_knapp_ad_hoc"]),
        (COMMON, "wald"),
    ],
)
@pytest.mark.parametrize("name", ["bcg", "egger2001", "debruin2009_raw"])
def test_the_batch_is_one_refit_after_another(name, method, interval):
    yi, vi = DATA[name]
    found, without = (
        influence(yi, vi, method, interval),
        leave_one_out(yi, vi, method, interval, level=0.9),
    )
    full = refit(yi, vi, method, interval)
    for i in range(len(yi)):
        rest = refit(np.delete(yi, i), np.delete(vi, i), method, interval)
        t = rest.tau2 or 0.0
        factor = rest.se**2 * (1 / (np.delete(vi, i) + t)).sum()
        shift = full.estimate - rest.estimate
        residual = (yi[i] - rest.estimate) / np.sqrt(factor * (vi[i] + t) + rest.se**2)
        assert found.rstudent[i] == pytest.approx(residual, rel=1e-8)
        assert found.cook_distance[i] == pytest.approx((shift / full.se) ** 2, rel=1e-7, abs=1e-12)
        assert found.cov_ratio[i] == pytest.approx((rest.se / full.se) ** 2, rel=1e-9)
        assert found.tau2_deleted[i] == pytest.approx(t, rel=1e-9, abs=1e-9 * vi.min())
        dfbetas = shift / np.sqrt(factor / (1 / (vi + t)).sum())
        assert found.dfbetas[i] == pytest.approx(dfbetas, rel=1e-7, abs=1e-10)
        assert (without.estimate[i], without.se[i]) == pytest.approx(
            (rest.estimate, rest.se), rel=1e-9
        )
        assert (without.ci_low[i], without.ci_high[i]) == pytest.approx(
            (rest.ci_low, rest.ci_high), rel=1e-8
        )
        assert without.p_value[i] == pytest.approx(rest.p_value, rel=1e-7)
    assert found.weight == pytest.approx(full.weights, rel=1e-12)


def refit(yi, vi, method, interval):
    if method == COMMON:
        return fit_common(yi, vi, level=0.9)
    return fit_random(yi, vi, method, level=0.9, interval=interval)


def test_both_bases_of_i2_are_those_of_a_refit():
    yi, vi = DATA["bcg"]
    for basis in ("q", "tau2"):
        without = leave_one_out(yi, vi, "PM", i2_basis=basis)
        for i in range(len(yi)):
            rest = heterogeneity(np.delete(yi, i), np.delete(vi, i), "PM", basis)
            assert (without.i2[i], without.h2[i]) == pytest.approx((rest.i2, rest.h2), rel=1e-10)
            assert (without.q[i], without.q_p[i]) == pytest.approx((rest.q, rest.q_p), rel=1e-10)
        assert without.q_df == 11


def test_ml_without_isis_4_is_at_its_maximum():
    yi, vi = DATA["egger2001"]
    alone = fit_random(np.delete(yi, 13), np.delete(vi, 13), "ML")
    assert influence(yi, vi, "ML").tau2_deleted[13] == pytest.approx(alone.tau2, rel=1e-10)
    assert alone.tau2 > 0.1


# A planted outlier, few studies, bad input --------------------------------------------------------


def test_a_planted_outlier_is_found():
    yi, vi = np.array([0.1, -0.1, 0.05, 0.0, 3.0, 0.12, -0.04]), np.full(7, 0.04)
    found = influence(yi, vi, "DL")
    assert np.flatnonzero(np.abs(found.rstudent) > 1.96).tolist() == [4]
    assert found.influential.tolist() == [i == 4 for i in range(7)]


@pytest.mark.parametrize("call", [influence, studentized_residuals, leave_one_out])
def test_one_study_has_no_others(call):
    assert call([0.3], [0.1]) is None
    with pytest.raises(ValueError, match="not 0"):
        call([], [])


def test_two_studies_are_measured_against_each_other():
    yi, vi = np.array([0.2, 1.4]), np.array([0.04, 0.09])
    for interval in ("wald", "hartung_knapp"):
        found = influence(yi, vi, "REML", interval)
        expected = (yi[0] - yi[1]) / np.sqrt(vi.sum())
        assert found.rstudent == pytest.approx([expected, -expected], rel=1e-14)
        assert found.tau2_deleted.tolist() == [0, 0]
        assert found.q_deleted == pytest.approx([0, 0], abs=1e-25)
        without = leave_one_out(yi, vi, "REML", interval)
        assert without.estimate == pytest.approx(yi[::-1], rel=1e-14)
        assert without.se == pytest.approx(np.sqrt(vi[::-1]), rel=1e-14)
        assert (without.i2.tolist(), without.q_p.tolist(), without.q_df) == ([0, 0], [1, 1], 0)


def test_unknown_choices_are_errors():
    yi, vi = DATA["bcg"]
    with pytest.raises(ValueError, match="tau2 method"):
        influence(yi, vi, "FE")
    with pytest.raises(ValueError, match="interval"):
        studentized_residuals(yi, vi, "DL", "z")
    with pytest.raises(ValueError, match="no I2 on the basis"):
        leave_one_out(yi, vi, "DL", i2_basis="h")
    with pytest.raises(ValueError, match="no I2 on the basis"):
        leave_one_out(yi, vi, COMMON, i2_basis="tau2")
