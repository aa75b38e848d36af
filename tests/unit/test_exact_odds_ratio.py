"""The exact interval of a common odds ratio: by enumeration, against scipy and R."""

from __future__ import annotations

from itertools import product
from math import comb, inf

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pooling_examples import TWO_ARM, chain, reference, reported
from scipy.stats.contingency import odds_ratio

from forestry.exact_odds_ratio import exact_interval


def tails(psi, a, n1, c, n2):
    """P(T >= sum a) and P(T <= sum a) at a common odds ratio, every table enumerated."""
    ranges = [
        range(max(0, x + y - m), min(x + y, n) + 1) for x, n, y, m in zip(a, n1, c, n2, strict=True)
    ]
    shares = {}
    for tables in product(*ranges):
        weight = 1.0
        for t, x, n, y, m in zip(tables, a, n1, c, n2, strict=True):
            weight *= comb(n, t) * comb(m, x + y - t) * psi**t
        shares[sum(tables)] = shares.get(sum(tables), 0.0) + weight
    whole, seen = sum(shares.values()), sum(a)
    return (
        sum(share for t, share in shares.items() if t >= seen) / whole,
        sum(share for t, share in shares.items() if t <= seen) / whole,
    )


counts = st.tuples(st.integers(0, 5), st.integers(1, 6), st.integers(0, 5), st.integers(1, 6))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(counts, min_size=1, max_size=3), st.sampled_from([0.8, 0.95]))
def test_the_limits_have_half_the_error_in_each_tail(rows, level):
    a, b, c, d = (list(column) for column in zip(*rows, strict=True))
    table = (
        a,
        [x + y for x, y in zip(a, b, strict=True)],
        c,
        [x + y for x, y in zip(c, d, strict=True)],
    )
    found = exact_interval(*table, level)
    fewest = sum(max(0, x + y - m) for x, y, m in zip(a, c, table[3], strict=True))
    most = sum(min(x + y, n) for x, y, n in zip(a, c, table[1], strict=True))
    assert (found.low == 0) == (sum(a) == fewest)
    assert (found.high == inf) == (sum(a) == most)
    if found.low > 0:
        assert tails(found.low, *table)[0] == pytest.approx((1 - level) / 2, rel=1e-9)
    if found.high < inf:
        assert tails(found.high, *table)[1] == pytest.approx((1 - level) / 2, rel=1e-9)


@pytest.mark.parametrize("cells", [(3, 10, 7, 12), (0, 10, 7, 12), (40, 50, 30, 60)])
def test_one_table_has_scipys_interval(cells):
    a, n1, c, n2 = cells
    found = exact_interval([a], [n1], [c], [n2])
    known = odds_ratio([[a, c], [n1 - a, n2 - c]], kind="conditional").confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((known.low, known.high), rel=1e-5)


@pytest.mark.parametrize("case", reference("two_arms")["exact"], ids=lambda case: case["table"])
def test_strata_have_the_interval_of_mantelhaen_test(case):
    table = [reference("two_arms")["tables"][case["table"]][name] for name in TWO_ARM]
    found = exact_interval(*table)
    known = (case["ci_low"], case["ci_high"])
    assert (found.low, found.high) == pytest.approx(known, rel=3e-4)  # uniroot's limit


def test_swapped_arms_invert_the_interval_and_large_counts_have_one():
    table = [np.array(x) for x in ([12, 400], [60, 9000], [20, 300], [55, 8000])]
    a, n1, c, n2 = table
    found, swapped = exact_interval(*table), exact_interval(c, n2, a, n1)
    assert (swapped.low, swapped.high) == pytest.approx((1 / found.high, 1 / found.low), rel=1e-10)


def test_no_odds_ratio_at_all():
    found = exact_interval([0, 3], [5, 3], [0, 4], [6, 4])
    assert (found.low, found.high) == (0, inf)
    with pytest.raises(ValueError, match="level"):
        exact_interval([1], [5], [1], [6], level=1)


@pytest.mark.parametrize("model", ["binomial_normal_conditional", "binomial_normal_unconditional"])
def test_a_set_without_an_estimate_tells_its_exact_interval(model):
    columns = dict(zip(TWO_ARM, ([0, 0], [20, 30], [3, 2], [21, 31]), strict=True))
    high = exact_interval(*columns.values()).high
    row = reported(chain("odds_ratio", {"model": model}, **columns))
    assert row.note.endswith(f"; exact 95% interval of a common odds ratio: 0 to {high:.3g}")
    columns = dict(zip(TWO_ARM, ([3, 2], [21, 31], [0, 0], [20, 30]), strict=True))
    row = reported(chain("odds_ratio", {"model": model}, **columns))
    assert row.note.endswith(f"odds ratio: {1 / high:.3g} to infinity")
