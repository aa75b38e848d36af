"""The maximum of the log-likelihood over beta and tau, for B data sets at once.

A scan over tau finds the hill, Newton's method its top. What is found for a data set does
not depend, to the last bit, on those beside it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from forestry.logistic_mixed.counts import Common, Counts
from forestry.logistic_mixed.landscape import start_in_landscape
from forestry.logistic_mixed.laplace import start_by_laplace
from forestry.logistic_mixed.likelihood import Point, Rule, evaluate
from forestry.logistic_mixed.scan import Start

NEWTON_STEPS = 200
TINY = 1e-300

# Newton's method ends where its next step, which it takes unseen, is shorter than this many
# standard errors. As it doubles its digits a step, what is returned is far nearer.
TOLERANCE = 1e-9
# Below this many standard errors a step is taken unseen: what it gains is less than rounding.
UNSEEN = 1e-4
# The third derivatives at the start are used where it is so near.
NEAR = 0.05


@dataclass(frozen=True, eq=False)
class Best:
    """Where the search ended, in each of B data sets: `zero` at tau = 0, in closed form."""

    beta: np.ndarray
    tau: np.ndarray
    log_likelihood: np.ndarray
    gradient: np.ndarray
    hessian: np.ndarray
    converged: np.ndarray
    iterations: np.ndarray
    zero: np.ndarray


def maximise(counts: Counts, common: Common, rule: Rule) -> Best:
    """The highest maximum that the scan leads to; `counts` have a finite one."""
    rows = counts.rows
    start_of = start_in_landscape if counts.drawn_from else start_by_laplace
    start = start_of(counts, common, rule)
    best = Best(
        *(np.zeros(rows) for _ in range(3)),
        np.zeros((2, rows)),
        np.zeros((3, rows)),
        start.zero.copy(),
        np.zeros(rows, dtype=int),
        start.zero,
    )
    if start.zero.all():
        return best
    rounding, active = counts.rounding, np.flatnonzero(~start.zero)
    if active.size < rows:
        counts = counts.take(~start.zero)
    _climb(best, active, counts, start, rule)
    higher = common.log_likelihood >= best.log_likelihood - rounding
    best.zero[active] = (common.is_maximum & higher)[active]
    return best


def _climb(best: Best, active, counts: Counts, start: Start, rule: Rule) -> None:
    """Newton's method; where it ends is written into the rows `active` of `best`.

    The log-likelihood is even in tau, so that the search runs over all tau, negative ones
    included, and tau = 0 is a stationary point like any other.
    """
    shorter, rounding = np.ones(active.size), counts.rounding
    beta, tau = start.beta[active], start.tau[active]
    third, sure = np.nan_to_num(start.third[:, active]), start.sure[active]
    at = evaluate(counts, beta, tau, rule)
    for iteration in range(NEWTON_STEPS + 1):
        step, length = _newton_step(at)
        if iteration == 0:
            near = length <= NEAR
            third, sure = third * near, sure * near
        ended = length <= np.maximum(TOLERANCE + rounding, sure)
        if iteration == NEWTON_STEPS or ended.any():
            stop = ended if iteration < NEWTON_STEPS else np.ones_like(ended)
            last = replace(at, hessian=at.hessian + ended * moved(third, step))
            _record(best, active, stop, ended, iteration, (beta, tau) + ended * step, last)
            if stop.all():
                return
            left = ~stop
            active, beta, tau, shorter, length, rounding, sure = (
                a[left] for a in (active, beta, tau, shorter, length, rounding, sure)
            )
            at, step, third = _taken(at, left, left[counts.row]), step[:, left], third[:, left]
            counts = counts.take(left)
        if iteration == 0:
            step = step + bend(at, third, step)
        held = (2 + np.abs(tau)) / np.maximum(np.hypot(*step), TINY)
        move = step * (shorter * np.minimum(1, held))
        new_beta, new_tau = beta + move[0], tau + move[1]
        guess = at.u + (move[:, counts.row] * at.u1).sum(axis=0)
        new = evaluate(counts, new_beta, new_tau, rule, guess)
        rises = new.log_likelihood >= at.log_likelihood - rounding
        accepted = rises | (length <= UNSEEN)
        if accepted.all():
            beta, tau, at = new_beta, new_tau, new
            shorter[:] = 1
        else:
            shorter = np.where(accepted, 1.0, shorter / 2)
            beta = np.where(accepted, new_beta, beta)
            tau = np.where(accepted, new_tau, tau)
            at = _merged(accepted, accepted[counts.row], new, at)


def bend(at: Point, third, step) -> np.ndarray:
    """What the third derivatives add to a short step of Newton's, (2, B)."""
    a, b, c = -at.hessian
    h_bb, h_bt, h_tt = 0.5 * moved(third, step)
    g, h = h_bb * step[0] + h_bt * step[1], h_bt * step[0] + h_tt * step[1]
    determinant = np.where(a * c > b * b, a * c - b * b, np.inf)
    return np.array((c * g - b * h, a * h - b * g)) / determinant


def moved(third, step) -> np.ndarray:
    """What a step (2, B) adds to the Hessian (3, B)."""
    return third[:3] * step[0] + third[1:] * step[1]


def _record(best: Best, active, stop, ended, iteration, place, at: Point) -> None:
    """`place` (2, B) is one step beyond the point `at` in data sets that have `ended`."""
    rows = active[stop]
    best.beta[rows], best.tau[rows] = place[:, stop]
    best.log_likelihood[rows] = at.log_likelihood[stop]
    best.gradient[:, rows], best.hessian[:, rows] = at.gradient[:, stop], at.hessian[:, stop]
    best.converged[rows], best.iterations[rows] = ended[stop], iteration


def _taken(at: Point, rows, studies) -> Point:
    return Point(
        at.log_likelihood[rows],
        at.gradient[:, rows],
        at.hessian[:, rows],
        at.u[studies],
        at.u1[:, studies],
    )


def _merged(rows: np.ndarray, studies: np.ndarray, one: Point, other: Point) -> Point:
    """`one` in the data sets marked, `other` elsewhere."""
    return Point(
        np.where(rows, one.log_likelihood, other.log_likelihood),
        np.where(rows, one.gradient, other.gradient),
        np.where(rows, one.hessian, other.hessian),
        np.where(studies, one.u, other.u),
        np.where(studies, one.u1, other.u1),
    )


def _newton_step(at: Point) -> tuple[np.ndarray, np.ndarray]:
    """The step (2, B), and its length in standard errors, infinite where not concave.

    Where the log-likelihood is not concave its curvatures are taken by their size, so that
    the step goes uphill.
    """
    a, b, c = -at.hessian
    concave = (a > 0) & (a * c - b * b > 0)
    if not concave.all():
        a, b, c = np.where(concave, (a, b, c), with_positive_curvatures(a, b, c))
    g, h = at.gradient
    step = np.array((c * g - b * h, a * h - b * g)) / (a * c - b * b)
    return step, np.where(concave, np.sqrt(np.abs(g * step[0] + h * step[1])), np.inf)


def with_positive_curvatures(a, b, c) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The symmetric matrix [[a, b], [b, c]] with its eigenvalues replaced by their sizes."""
    middle, radius = (a + c) / 2, np.hypot((a - c) / 2, b)
    least = 1e-6 * (np.abs(middle) + radius) + TINY
    high = np.maximum(np.abs(middle + radius), least)
    low = np.maximum(np.abs(middle - radius), least)
    mean, apart = (high + low) / 2, (high - low) / np.maximum(2 * radius, TINY)
    return mean + apart * (a - middle), apart * b, mean + apart * (c - middle)
