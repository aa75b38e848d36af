"""Printed digits as ranges, and what cannot hold beside the rest."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reconstruction_examples import published, rounded
from scipy.stats import chi2

from forestry.reconstruction.targets import target_of


def test_a_percentage_is_a_range_of_proportions():
    bound = target_of(published("vte"), 4).estimate
    assert bound.printed == "4.32"
    assert (bound.low, bound.high, bound.unit) == pytest.approx((0.04315, 0.04325, 0.0001))
    assert bound.met([0.04315, 0.0432, 0.04325]).all()
    assert not bound.met([0.043149, 0.043251, np.nan]).any()
    assert bound.distance([0.0432, 0.04335, 0.0430]) == pytest.approx([0, 1, 1.5], abs=1e-4)
    assert bound.distance(np.nan) == np.inf


@given(st.floats(-1000, 1000), st.integers(0, 4))
def test_what_is_rounded_to_a_number_is_in_its_range(value, decimals):
    row = replace(published("muscle_pr_vs_control"), estimate=rounded(value, decimals))
    assert target_of(row, 4).estimate.met(value)


def test_a_limit_at_the_end_of_what_a_proportion_can_be_may_have_been_clipped():
    row = replace(published("vte"), ci_low="0", ci_high="100")
    target = target_of(row, 4)
    assert target.ci_high.met([0.996, 1.3]).all() and not target.ci_high.met(0.99)
    assert target.ci_low.met([-0.2, 0.004]).all() and not target.ci_low.met(0.01)
    ratio = target_of(replace(published("muscle_pr_vs_control"), ci_high="1.00"), 4)
    assert not ratio.ci_high.met(1.3)


def test_p_may_be_rounded_or_cut_off_or_only_bounded():
    p = target_of(published("vte"), 4).p
    assert p.met([0.716, 0.7256]).all() and not p.met([0.714, 0.731]).any()
    below = target_of(published("muscle_pr_6mo"), 16).p
    assert below.printed == "<0.01" and below.met(0.003) and not below.met(0.02)


def test_a_p_that_is_not_that_of_i2_is_set_aside():
    target = target_of(published("muscle_pr"), 27)
    assert target.p is None
    assert [name for name, _ in target.aside] == ["p"]
    assert target_of(published("muscle_pr"), 27, i2_from_q=False).p is not None
    assert target_of(published("muscle_pr_guideline"), 5).p is not None


def test_the_range_of_q_is_where_i2_and_p_meet():
    target = target_of(replace(published("muscle_pr_guideline"), p_heterogeneity="0.22"), 5)
    low, high = target.q_range(4)
    assert low == pytest.approx(max(4 / (1 - 0.295), chi2.isf(0.23, 4)), rel=1e-6)
    assert high == pytest.approx(min(4 / (1 - 0.305), chi2.isf(0.215, 4)), rel=1e-6)
    bare = target.without(["p", "i2"])
    assert bare.q_range(4) == (0.0, np.inf)
    assert target.without(["p"]).q_range(4)[1] == pytest.approx(4 / (1 - 0.305), rel=1e-6)


def test_what_is_not_printed_bounds_nothing():
    row = replace(published("vte"), n="", i2="", p_heterogeneity="", ci_low="")
    assert set(target_of(row, 4).bounds) == {"k", "estimate", "ci_high"}


def test_a_text_that_is_no_number_is_refused():
    with pytest.raises(ValueError, match="'4,32' is not a printed number"):
        target_of(replace(published("vte"), estimate="4,32"), 4)
