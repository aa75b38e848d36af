"""By what one solution of several is chosen, and the totals that a search draws."""

from dataclasses import replace

import numpy as np
import pytest
from reconstruction_examples import MIXED, RATIOS, blanked, pool, printed_of
from scipy.integrate import quad
from scipy.special import expit, logit
from scipy.stats import binom, norm

from forestry.reconstruction.regularity import departures, log_probabilities, relative
from forestry.reconstruction.space import choices
from forestry.reconstruction.totals import Totals

CELLS = [[3, 9], [5, 8], [12, 17], [2, 9]]


def solved(totals="fixed", i2="60", n=True, unknown=(1, 2)):
    printed = replace(printed_of("proportion", MIXED, CELLS, n=n), i2=i2, p_heterogeneity="")
    found = pool(printed, MIXED, blanked(CELLS, unknown))
    return choices(found, totals), found.target


def test_the_marginal_probability_is_the_integral_over_the_studys_logit():
    found, target = solved()
    p = target.estimate.middle
    w = np.array([9, 8, 17, 9]) * p * (1 - p)
    typical = 3 / (w.sum() - (w**2).sum() / w.sum())
    tau = np.sqrt(0.6 / 0.4 * typical)
    table = log_probabilities(found, target)
    for events in (0, 5, 17):
        value, _ = quad(
            lambda z, x=events: binom.pmf(x, 17, expit(logit(p) + tau * z)) * norm.pdf(z), -9, 9
        )
        assert table[2][events] == pytest.approx(np.log(value), abs=1e-6)
    assert np.exp(table[2]).sum() == pytest.approx(1, abs=1e-9)


def test_without_heterogeneity_it_is_binomial():
    found, target = solved(i2="0")
    expected = binom.logpmf(np.arange(9), 8, target.estimate.middle)
    assert log_probabilities(found, target)[1] == pytest.approx(expected, abs=1e-9)


def test_the_likeliest_count_of_each_total_stands_at_nought():
    found, target = solved("upper bound")
    cells = found.cells[1, : found.size[1]]
    values = relative(found, log_probabilities(found, target))[1]
    for total in range(1, 9):
        assert values[cells[:, 1] == total].max() == 0
    short = departures(found)[1]
    assert (short == 8 - cells[:, 1]).all()


def test_two_arms_are_likeliest_at_the_published_ratio():
    cells = [[7, 9, 4, 8], [50, 80, 30, 90], [6, 7, 5, 7]]
    found = pool(printed_of("risk_ratio", RATIOS, cells), RATIOS, blanked(cells, [1]))
    every = choices(found)
    best = np.argmax(log_probabilities(every, found.target)[1])
    a, n, c, m = every.cells[1, best]
    assert (a / n) / (c / m) == pytest.approx(found.target.estimate.middle, rel=0.1)


@pytest.mark.parametrize("n", [True, False])
def test_drawn_totals_keep_within_their_bounds_and_meet_n(n):
    found, target = solved("upper bound", n=n)
    if n:
        target = replace(target, n=replace(target.n, low=37.5, high=38.5))
    totals, draw = Totals(found, target), np.random.default_rng(0)
    for keep in (True, False):
        drawn = totals.drawn(draw, keep_stated=keep)
        for _ in range(20):
            assert drawn[[0, 3], 0].tolist() == [9, 9]
            assert (drawn >= 1).all() and (drawn[:, 0] <= [9, 8, 17, 9]).all()
            assert not n or drawn.sum() == 38
            assert all(len(places) for places in totals.places(drawn))
            drawn = totals.moved(drawn, [1, 2], draw)


def test_the_sheets_totals_are_kept_where_they_may_be():
    found, target = solved("upper bound", n=False)
    drawn = Totals(found, target).drawn(np.random.default_rng(0), keep_stated=True)
    assert drawn[:, 0].tolist() == [9, 8, 17, 9]
    held = choices(
        replace(found.pool, rows=tuple(replace(r, trusted=True) for r in found.pool.rows)),
        "upper bound",
    )
    assert held.size.tolist() == [1, 9, 18, 1]
