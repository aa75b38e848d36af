"""Enumeration passes over nothing that reads as published."""

from itertools import product

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from reconstruction_examples import ARCSINE, MIXED, RATIOS, RAW, blanked, pool, printed_of

from forestry.reconstruction.enumeration import Limits, TooLarge, solutions
from forestry.reconstruction.evaluation import distance, evaluate, meets
from forestry.reconstruction.space import choices

WAYS = {
    "mixed": MIXED,
    "mixed, always random": {**MIXED, "select": "random"},
    "mixed, likelihood ratio": {**MIXED, "heterogeneity": "likelihood_ratio"},
    "raw": RAW,
    "raw, DL": {**RAW, "tau2": "DL"},
    "raw, t": {**RAW, "interval": "t"},
    "raw, Hartung-Knapp": {**RAW, "interval": "hartung_knapp"},
    "raw, common": {**RAW, "select": "common"},
    "raw, random": {**RAW, "select": "random"},
    "arcsine": ARCSINE,
    "double arcsine": {**ARCSINE, "transform": "double_arcsine"},
}


def all_of(found):
    return np.array(list(product(*(range(size) for size in found.size))), dtype=np.intp)


def enumerated(found, target, limits=None):
    lots = list(solutions(found, target, limits))
    index = np.concatenate([np.zeros((0, found.size.size), dtype=np.intp), *lots])
    return sorted(map(tuple, index.tolist()))


def by_brute_force(found, target):
    index = all_of(found)
    return sorted(map(tuple, index[meets(evaluate(found, index), target)].tolist()))


def assert_all_found(measure, way, cells, unknown, decimals, totals="fixed", n=True):
    printed = printed_of(measure, way, cells, decimals, n=n)
    solved = pool(printed, way, blanked(cells, unknown))
    found = choices(solved, totals)
    expected = by_brute_force(found, solved.target)
    assert enumerated(found, solved.target) == expected
    truth = [
        int(np.flatnonzero((found.cells[i, : found.size[i]] == own).all(axis=1))[0])
        for i, own in enumerate(np.asarray(cells))
    ]
    assert tuple(truth) in expected
    return expected


@pytest.mark.parametrize("way", WAYS)
def test_all_solutions_are_found_and_no_others(way):
    draw = np.random.default_rng(3)
    several = 0
    for decimals in (0, 0, 1, 1):
        total = draw.integers(4, 12, 4)
        share = np.clip(draw.uniform(0.1, 0.9) + draw.uniform(0, 0.4) * draw.normal(size=4), 0, 1)
        events = np.clip(draw.binomial(total, share), 1, total - 1)
        cells = np.column_stack([events, total])
        several += len(assert_all_found("proportion", WAYS[way], cells, [1, 2, 3], decimals)) > 1
    assert several


@pytest.mark.parametrize("way", ["mixed", "raw", "arcsine"])
@pytest.mark.parametrize("n", [True, False])
def test_totals_may_be_bounded_only(way, n):
    cells = [[3, 9], [2, 5], [4, 6], [9, 11]]
    assert_all_found("proportion", WAYS[way], cells, [1, 2], 1, "upper bound", n)


@pytest.mark.parametrize("model", ["inverse_variance", "mantel_haenszel"])
def test_two_arms(model):
    cells = [[7, 9, 4, 8], [5, 8, 3, 9], [6, 7, 5, 7]]
    assert_all_found("risk_ratio", {**RATIOS, "model": model}, cells, [1], 1)


@pytest.mark.parametrize(
    "cells",
    [[[0, 4], [0, 7], [1, 5]], [[4, 4], [7, 7], [6, 6]], [[0, 4], [7, 7], [6, 6]]],
)
@pytest.mark.parametrize("way", ["mixed", "raw"])
def test_rows_of_nought_and_all(way, cells):
    assert_all_found("proportion", WAYS[way], cells, [0, 1], 1)


@st.composite
def counts(draw):
    total = draw(st.lists(st.integers(1, 40), min_size=2, max_size=6))
    return [[draw(st.integers(0, n)), n] for n in total]


@given(
    way=st.sampled_from(["mixed", "raw", "arcsine"]),
    cells=counts(),
    unknown=st.sets(st.integers(0, 5), min_size=1, max_size=2),
)
@example(way="mixed", cells=[[0, 1], [1, 1]], unknown={0})
@settings(max_examples=40, deadline=None)
def test_the_truth_is_among_the_solutions(way, cells, unknown):
    printed = printed_of("proportion", WAYS[way], cells)
    solved = pool(printed, WAYS[way], blanked(cells, unknown))
    truth = tuple(events if i in unknown else 0 for i, (events, _) in enumerate(cells))
    assert truth in enumerated(choices(solved), solved.target)


def test_a_target_that_nothing_can_meet_has_no_solution():
    cells = [[3, 9], [2, 5], [4, 6]]
    solved = pool(printed_of("proportion", RAW, cells), RAW, blanked(cells, [0, 1]))
    found = choices(solved)
    wide = solved.target.without(["ci_low"])
    assert enumerated(found, wide)
    far = pool(printed_of("proportion", RAW, [[8, 9], [5, 5], [6, 6]]), RAW, blanked(cells, [0]))
    assert enumerated(choices(far), far.target) == []
    assert (distance(evaluate(found, all_of(found)), far.target) > 0).all()


def test_what_is_too_large_is_said_to_be():
    cells = [[3, 9], [2, 5], [4, 6], [9, 11]]
    solved = pool(printed_of("proportion", RAW, cells, 0), RAW, blanked(cells, [0, 1, 2]))
    found = choices(solved)
    for limits in (Limits(half=5), Limits(pairs=10), Limits(pooled=1)):
        with pytest.raises(TooLarge):
            enumerated(found, solved.target, limits)
