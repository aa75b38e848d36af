"""Trim and fill against R's metafor, printed figures, and its own invariances."""

import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forestry.inverse_variance import fit_common, fit_random
from forestry.trim_and_fill import trim_and_fill

REFERENCE = json.loads((Path(__file__).parents[1] / "reference" / "bias.json").read_text())
EFFECTS = REFERENCE["effects"]
DL, REML = (partial(fit_random, tau2_method=method) for method in ("DL", "REML"))
FITS = {"FE": fit_common, "DL": DL, "REML": REML}
# Relative; REML stops in R when tau2 moves by less than 1e-12 of the variance of the effects.
TOLERANCE = {"FE": 1e-10, "DL": 1e-10, "REML": 1e-9}


@dataclass(frozen=True)
class Mean:
    estimate: float


def plain_mean(yi, vi):
    return Mean(float(np.mean(yi)))


# Against R --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "row",
    REFERENCE["trim_and_fill"],
    ids=lambda row: "-".join(row[key] for key in ("data", "method", "estimator", "side")),
)
def test_agrees_with_metafor(row):
    data, fit = EFFECTS[row["data"]], FITS[row["method"]]
    choices = {"estimator": row["estimator"], "side": row["side"]}
    if "fails" in row:
        with pytest.raises(ValueError, match="Q0"):
            trim_and_fill(**data, fit=fit, **choices)
        return
    result = trim_and_fill(**data, fit=fit, **choices)
    near = {"rel": TOLERANCE[row["method"]], "abs": 0}
    assert result.k0 == row["k0"]
    assert np.sort(result.yi[result.filled]) == pytest.approx(row["filled"], **near)
    for field in ("estimate", "se", "ci_low", "ci_high"):
        assert getattr(result.fit, field) == pytest.approx(row[field], **near), field
    if row["method"] != "FE":
        assert result.fit.tau2 == pytest.approx(row["tau2"], **near)
    # metafor puts a negative estimate of k0 into the variance; here it is no lower than 0.
    if row["k0"] > 0 or row["estimator"] == "R0":
        assert result.k0_se == pytest.approx(row["k0_se"], rel=1e-10)


def test_reference_covers_every_estimator_and_side_with_studies_missing():
    found = {(r["estimator"], r["side"]) for r in REFERENCE["trim_and_fill"] if r.get("k0", 0) > 0}
    assert found == {(e, s) for e in ("L0", "R0", "Q0") for s in ("left", "right")}


# As metafor prints them: log odds ratios of magnesium, log risk ratios of BCG.
@pytest.mark.parametrize(
    ("name", "fit", "k0", "estimate", "interval"),
    [
        ("egger2001", DL, 7, -0.3655, None),
        ("egger2001", fit_common, 8, 0.0352, None),
        ("bcg", REML, 1, -0.6571, (-1.0070, -0.3072)),
    ],
)
def test_agrees_with_printed_figures(name, fit, k0, estimate, interval):
    result = trim_and_fill(**EFFECTS[name], fit=fit)
    assert (result.side, result.k0, result.estimator, result.note) == ("right", k0, "L0", "")
    assert result.fit.estimate == pytest.approx(estimate, abs=5e-5)
    if interval:
        assert (result.fit.ci_low, result.fit.ci_high) == pytest.approx(interval, abs=5e-5)


def test_trimming_with_the_common_model_and_reporting_the_random_one():
    """R meta's way: the studies added are those of the common model."""
    data = EFFECTS["egger2001"]
    common = trim_and_fill(**data, fit=fit_common)
    mixed = trim_and_fill(**data, fit=DL, trim=fit_common)
    assert mixed.k0 == common.k0 == 8
    assert np.array_equal(mixed.yi, common.yi)
    assert mixed.fit.estimate == DL(common.yi, common.vi).estimate
    assert mixed.fit.estimate != pytest.approx(common.fit.estimate, abs=0.01)


# By hand ----------------------------------------------------------------------------------


def test_by_hand():
    """Worked in the comments from the definitions, with the plain mean as the fit."""
    yi = np.array([-1.0, 0.0, 1.0, 2.0, 4.5, 9.5])
    result = trim_and_fill(yi, np.linspace(0.1, 0.6, 6), fit=plain_mean, side="left")
    # Mean 16/6 = 2.67: distances -3.67 -2.67 -1.67 -.67 1.83 6.83, of ranks 5 4 2 1 3 6;
    # S = 9, L0 = (36 - 42)/11 < 0: nothing is missing.
    assert (result.k0, result.iterations) == (0, 1)
    # gamma = 1 (only 6.83 lies beyond 3.67): R0 = 0.
    assert trim_and_fill(yi, np.ones(6), fit=plain_mean, estimator="R0", side="left").k0 == 0

    yi = np.array([-0.2, -0.1, 0.0, 0.1, 3.0, 4.0, 5.0])
    result = trim_and_fill(yi, np.ones(7), fit=plain_mean, estimator="R0", side="left")
    # Mean 1.686: distances to the left reach 1.886, and 2.314 and 3.314 lie beyond: R0 = 1.
    # Without 5: mean 1.133, left 1.333, beyond: 1.867, 2.867, 3.867, R0 = 2.
    # Without 5 and 4: mean .56, left .76, beyond: three, R0 = 2, settled.
    assert (result.k0, result.iterations) == (2, 3)
    assert result.centre == pytest.approx(0.56, rel=1e-12)
    assert np.sort(result.yi[result.filled]) == pytest.approx([1.12 - 5, 1.12 - 4], rel=1e-12)


def test_l0_and_q0_by_hand():
    yi = np.array([0.0, 1.0, 5.0, 6.0])
    # Ranks about the plain mean 3: -3.5 -1.5 1.5 3.5 (ties share), S = 5 = k(k+1)/4: none.
    for estimator in ("L0", "Q0"):
        result = trim_and_fill(yi, np.ones(4), fit=plain_mean, estimator=estimator, side="left")
        assert (result.k0, result.iterations) == (0, 1)
    # About 0.5 (a centre given, whatever is trimmed): ranks -1.5 1.5 3 4, S = 8.5;
    # L0 = (34 - 20)/7 = 2; Q0 = 3.5 - sqrt(32 - 34 + .25) is not real.
    fixed = lambda yi, vi: Mean(0.5)  # noqa: E731
    result = trim_and_fill(yi, np.ones(4), fit=fixed, side="left")
    assert (result.k0, result.iterations) == (2, 2)
    assert list(result.yi) == [0.0, 1.0, 5.0, 6.0, -4.0, -5.0]
    # var S = (4*5*9 + 80 + 108 + 34 - 18*4*4 - 18*4*2 + 6*16*2)/24 = 162/24
    assert result.k0_se == pytest.approx(4 * np.sqrt(162 / 24) / 7, rel=1e-12)
    with pytest.raises(ValueError, match="Q0 is not a real number"):
        trim_and_fill(yi, np.ones(4), fit=fixed, estimator="Q0", side="left")


# Invariances ------------------------------------------------------------------------------


@pytest.mark.parametrize("estimator", ["L0", "R0"])
@pytest.mark.parametrize("name", EFFECTS)
def test_order_of_studies_is_of_no_account(name, estimator):
    yi, vi = (np.array(EFFECTS[name][column]) for column in ("yi", "vi"))
    one = trim_and_fill(yi, vi, fit=DL, estimator=estimator)
    order = np.random.default_rng(2).permutation(len(yi))
    other = trim_and_fill(yi[order], vi[order], fit=DL, estimator=estimator)
    assert (one.side, one.k0, one.iterations) == (other.side, other.k0, other.iterations)
    assert one.fit.estimate == pytest.approx(other.fit.estimate, rel=1e-10)
    assert np.array_equal(other.yi[: len(yi)], yi[order])


@pytest.mark.parametrize("estimator", ["L0", "R0"])
@pytest.mark.parametrize("name", EFFECTS)
def test_mirror_image_turns_the_side(name, estimator):
    yi, vi = (np.array(EFFECTS[name][column]) for column in ("yi", "vi"))
    one, other = (trim_and_fill(s * yi, vi, fit=DL, estimator=estimator) for s in (1, -1))
    assert {one.side, other.side} == {"left", "right"}
    assert one.k0 == other.k0
    assert np.array_equal(one.yi, -other.yi)
    assert one.fit.estimate == -other.fit.estimate


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 5), st.floats(0.01, 4)), min_size=2, max_size=8),
    st.sampled_from(["L0", "R0", "Q0"]),
    st.sampled_from(["left", "right", None]),
)
def test_symmetrical_funnel_lacks_nothing(pairs, estimator, side):
    yi, vi = (np.array(column) for column in zip(*pairs, strict=True))
    both = np.append(0.5 + yi, 0.5 - yi), np.append(vi, vi)
    result = trim_and_fill(*both, fit=fit_common, estimator=estimator, side=side)
    assert result.k0 == 0
    assert np.array_equal(result.yi, both[0])
    assert not result.filled.any()
    assert result.fit.estimate == pytest.approx(0.5, abs=1e-9)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.floats(-5, 5), st.floats(0.01, 4)), min_size=3, max_size=15),
    st.sampled_from(["L0", "R0"]),
    st.sampled_from(["left", "right", None]),
)
def test_added_studies_mirror_the_outermost(studies, estimator, side):
    yi, vi = (np.array(column) for column in zip(*studies, strict=True))
    try:
        result = trim_and_fill(yi, vi, fit=fit_common, estimator=estimator, side=side)
    except ValueError as error:
        # Both are the method's own, on data without a funnel.
        assert "does not settle" in str(error) or "no funnel is left" in str(error)
        return
    k, added = len(yi), result.yi[result.filled]
    assert len(added) == result.k0 < k
    assert np.array_equal(result.yi[:k], yi) and np.array_equal(result.vi[:k], vi)
    mirrored = np.sort(2 * result.centre - added)
    outermost = np.sort(yi)[k - result.k0 :] if result.side == "left" else np.sort(yi)[: result.k0]
    assert mirrored == pytest.approx(outermost, abs=1e-9)
    assert set(result.vi[result.filled]) <= set(vi)


def test_of_equal_effects_the_less_precise_is_mirrored():
    yi = np.array([0.0, 0.1, -0.1, 0.05, 2.0, 2.0])
    vi = np.array([0.01, 0.01, 0.01, 0.01, 0.5, 0.7])
    for order in (np.arange(6), np.arange(6)[::-1]):
        result = trim_and_fill(yi[order], vi[order], fit=plain_mean, estimator="R0", side="left")
        assert result.k0 == 1
        assert list(result.vi[result.filled]) == [0.7]


# Edges ------------------------------------------------------------------------------------


def test_a_cycle_is_an_error():
    """A fit that makes the number missing go 0, 2, 0, 2 must not run for ever."""
    yi = np.array([0.0, 1.0, 5.0, 6.0])
    restless = lambda yi, vi: Mean(0.5 if len(yi) == 4 else 5.5)  # noqa: E731
    with pytest.raises(ValueError, match="does not settle with L0: 0, 2, 0 studies"):
        trim_and_fill(yi, np.ones(4), fit=restless, side="left")


def test_trimming_all_but_one_is_an_error():
    """0, 1, 1 with weights 2, 1, 1: L0 is .8, then 1.6 about 1/3, and a single study is left."""
    with pytest.raises(ValueError, match="L0 trims 2 of 3 studies"):
        trim_and_fill([0.0, 1.0, 1.0], [0.5, 1.0, 1.0], fit=fit_common, side="left")


def test_equal_variances_leave_the_side_to_convention_and_say_so():
    result = trim_and_fill([0.1, 0.5, 0.2, 0.9], np.full(4, 0.2), fit=fit_common)
    assert result.side == "left"
    assert "by convention" in result.note


def test_equal_effects():
    result = trim_and_fill(np.full(5, 0.3), np.linspace(0.1, 0.5, 5), fit=fit_common)
    assert result.k0 == 0
    assert result.fit.estimate == pytest.approx(0.3, rel=1e-12)


def test_the_fit_sees_the_effects_with_their_own_sign():
    seen = []

    def spying(yi, vi):
        seen.append(np.sort(yi))
        return fit_common(yi, vi)

    data = EFFECTS["egger2001"]
    trim_and_fill(**data, fit=fit_common, trim=spying, side="right")
    assert np.array_equal(seen[0], np.sort(data["yi"]))
    # Studies missing on the right: the outermost on the left are trimmed.
    assert np.array_equal(seen[1], np.sort(data["yi"])[-len(seen[1]) :])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"yi": [1.0, 2.0], "vi": [1.0, 1.0]}, "3 or more studies are needed, not 2"),
        ({"yi": [], "vi": []}, "3 or more studies are needed, not 0"),
        ({"estimator": "L1"}, "L1"),
        ({"side": "up"}, "up"),
        ({"vi": [1.0, 2.0, -1.0]}, r"\(vi\)"),
    ],
)
def test_bad_input(changes, message):
    good = {"yi": [0.1, 0.2, 0.4], "vi": [0.1, 0.2, 0.3], "fit": fit_common}
    with pytest.raises(ValueError, match=message):
        trim_and_fill(**{**good, **changes})
