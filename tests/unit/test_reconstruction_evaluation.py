"""Many configurations at once are pooled as the review pools each."""

import numpy as np
import pytest
from pooling_examples import TWO_ARM, chain, reported
from reconstruction_examples import ARCSINE, MIXED, RATIOS, RAW, blanked, pool, printed_of

from forestry.reconstruction.evaluation import evaluate
from forestry.reconstruction.space import NotSolvable, choices

HALF = {"add": 0.5, "to": "only_affected"}
ONE_ARM = {
    "mixed": MIXED,
    "mixed, t": {**MIXED, "interval": "t"},
    "mixed, always random": {**MIXED, "select": "random"},
    "mixed, likelihood ratio": {**MIXED, "heterogeneity": "likelihood_ratio"},
    "mixed, I2 of tau2": {**MIXED, "i2": "tau2"},
    "raw": RAW,
    "raw, Hartung-Knapp": {**RAW, "interval": "hartung_knapp", "select": "random"},
    "raw, I2 of tau2": {**RAW, "i2": "tau2"},
    "raw, common": {**RAW, "select": "common"},
    "logit": {**RAW, "transform": "logit", "tau2": "PM", "zero_cells": {"add": 0.5, "to": "all"}},
    "arcsine": ARCSINE,
    "double arcsine": {**ARCSINE, "transform": "double_arcsine"},
}
TWO_ARMS = {
    ("risk_ratio", "inverse variance"): RATIOS,
    ("risk_ratio", "Mantel-Haenszel"): {**RATIOS, "model": "mantel_haenszel"},
    ("odds_ratio", "inverse variance"): RATIOS,
    ("risk_difference", "inverse variance"): {**RATIOS, "tau2": "REML"},
}


def drawn(draw, k, arms, most=14):
    """Counts (k, 2 arms) with zero cells, full cells, and spread from none to much."""
    total = draw.integers(1, most, (k, arms))
    share = np.clip(draw.uniform() + draw.uniform(0, 0.6) * draw.standard_normal((k, 1)), 0, 1)
    cells = np.empty((k, 2 * arms), dtype=int)
    cells[:, ::2], cells[:, 1::2] = draw.binomial(total, share), total
    return cells


def assert_pooled_alike(measure, pooling, cells):
    """All rows open: the place of the given counts among all choices is found and pooled."""
    printed = printed_of(measure, RATIOS if measure != "proportion" else RAW, SOMETHING[measure])
    rows = blanked(cells, range(len(cells)))
    found = choices(pool(printed, pooling, rows))
    index = [
        int(np.flatnonzero((found.cells[i, : found.size[i]] == own).all(axis=1))[0])
        for i, own in enumerate(cells)
    ]
    pooled = evaluate(found, np.array([index, index]))
    expected = reported(
        chain(measure, pooling, **dict(zip(TWO_ARM, cells.T.tolist(), strict=False)))
    )
    for name in ("estimate", "ci_low", "ci_high", "i2"):
        value = getattr(expected, name)
        want = np.nan if value is None else value
        assert getattr(pooled, name) == pytest.approx([want, want], abs=2e-8, nan_ok=True), name
    p = np.nan if expected.q_p is None else expected.q_p
    assert pooled.p == pytest.approx([p, p], abs=1e-10, nan_ok=True)
    assert pooled.n.tolist() == [expected.n, expected.n]
    assert pooled.k.tolist() == [expected.k, expected.k]


SOMETHING = {
    "proportion": [[3, 9], [5, 8]],
    **dict.fromkeys(("risk_ratio", "odds_ratio", "risk_difference"), [[3, 9, 2, 8], [5, 8, 4, 7]]),
}


@pytest.mark.parametrize("way", ONE_ARM)
def test_one_arm_is_pooled_as_the_review_pools_it(way):
    draw = np.random.default_rng(1)
    for _ in range(12):
        assert_pooled_alike("proportion", ONE_ARM[way], drawn(draw, int(draw.integers(2, 7)), 1))
    for extreme in ([[0, 4], [0, 7]], [[4, 4], [7, 7]], [[0, 4], [7, 7]], [[2, 4], [4, 8]]):
        assert_pooled_alike("proportion", ONE_ARM[way], np.array(extreme))


@pytest.mark.parametrize(("measure", "way"), TWO_ARMS)
def test_two_arms_are_pooled_as_the_review_pools_them(measure, way):
    draw = np.random.default_rng(2)
    for _ in range(6):
        cells = drawn(draw, int(draw.integers(2, 4)), 2, most=9)
        # A ratio of no events at all, or of nothing else, is left out of a pool.
        cells[:, 0], cells[:, 3] = np.maximum(cells[:, 0], 1), cells[:, 3] + 1
        assert_pooled_alike(measure, TWO_ARMS[measure, way], cells)


def test_a_correction_that_depends_on_other_studies_is_refused():
    rule = {**RAW, "zero_cells": {"add": 0.5, "to": "if_any_affected"}}
    cells = np.array(SOMETHING["proportion"])
    with pytest.raises(NotSolvable, match="if_any_affected"):
        choices(pool(printed_of("proportion", RAW, cells), rule, blanked(cells, [0])))


def test_counts_without_an_effect_are_no_choice():
    cells = np.array(SOMETHING["risk_ratio"])
    found = choices(pool(printed_of("risk_ratio", RATIOS, cells), RATIOS, blanked(cells, [0])))
    assert found.size[0] == 10 * 9 - 1  # 0 of 9 against 0 of 8 has no ratio
    assert (found.cells[0, : found.size[0], [0, 2]].sum(axis=0) > 0).all()
