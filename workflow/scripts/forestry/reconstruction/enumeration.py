"""All configurations of a pool's rows that read as published, by exhaustion.

The unknown rows are split into two halves, each listed in full as sums over its studies
(participants, events, w, w yi, w yi^2 with w = 1/vi); then every pair of half lists is looked
at. What is passed over unseen is only what cannot be a solution:

- a half whose participants exceed the printed n, or whose own Q exceeds the greatest that I2
  and p allow (a part's Q is no greater than the whole's);
- a pair whose participants, Q, or, where its common effect would be reported, whose estimate
  or standard error lie outside what the printed numbers allow: these are functions of the sums
  (a mixed model without a single finite logit has another test, and is never passed over);
- under random effects by inverse variance, a configuration whose weighted mean cannot reach
  the printed estimate at any tau2 that gives the printed width (`_reachable`).

Each of these bounds is widened by a relative 1e-9 against rounding. All that remains is pooled
in full (`evaluation.evaluate`), and compared digit by digit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from forestry.reconstruction.evaluation import cochran_q, evaluate, meets
from forestry.reconstruction.screening import Screen
from forestry.reconstruction.space import Choices
from forestry.reconstruction.targets import Target
from forestry.reconstruction.windows import Range, Windows, windows_of

_WIDER = 1e-9
_SLAB = 1_000_000  # pairs looked at, at once
_GROWN = 5  # times a half's limit: what may be listed before it is cut down
_LEAVES = 4_096  # configurations pooled at once
_NEWTON_STEPS = 100
_STRIPS = 128  # of a sorted half, each with its own window in the other
_KEY = 2  # the sum of w, of which a common effect's standard error leaves a window

Block = tuple[int, int, int, int]  # from and to, in either half


class TooLarge(Exception):
    """There are more configurations than the limits allow to look at."""


@dataclass(frozen=True)
class Limits:
    """How much is looked at before a space is called too large: counts, not times."""

    half: int = 1_000_000  # configurations of half the rows
    pairs: float = 4e8  # pairs of halves
    pooled: int = 2_000_000  # configurations pooled in full by inverse variance
    fitted: int = 150_000  # ... by a mixed model's random effects, or one by one
    kept: int = 1_000_000  # solutions; of more, these are a lower bound


def solutions(
    choices: Choices, target: Target, limits: Limits | None = None
) -> Iterator[np.ndarray]:
    """Every configuration that meets the target, in chunks (B, k) of places in the lists.

    Raises TooLarge, possibly after some chunks, where the limits do not let all be seen.
    """
    for index in candidates(choices, target, limits or Limits()):
        found = index[meets(evaluate(choices, index), target)]
        if len(found):
            yield found


def candidates(
    choices: Choices, target: Target, limits: Limits, screen: Screen | None = None
) -> Iterator[np.ndarray]:
    """The configurations that nothing rules out, in chunks (B, k): all solutions and others.

    With a `screen`, those only that it keeps, which is a search and not exhaustive. Raises
    TooLarge as `solutions`.
    """
    windows = windows_of(choices.pool, target)
    if windows.empty:
        return
    one, other = _halves(choices, windows, limits, screen)
    pooled, most = 0, limits.fitted if windows.is_costly else limits.pooled
    for index in _pairs(one, other, windows, limits, screen):
        index = index[_reachable(choices, index, windows)]
        pooled += len(index)
        if pooled > most:
            raise TooLarge(f"more than {most} configurations to pool")
        for start in range(0, len(index), _LEAVES):
            yield index[start : start + _LEAVES]


# Halves ---------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Half:
    """Configurations of some rows: places (S, rows), and their sums (6 + F, S).

    Sums: participants, events of the first arm, w, w yi, w yi^2, the least that the studies
    add to Q about any mean in the window (0 where no window is known), and the screen's F.
    """

    rows: tuple[int, ...]
    places: np.ndarray
    sums: np.ndarray


def _halves(
    choices: Choices, windows: Windows, limits: Limits, screen: Screen | None
) -> tuple[_Half, _Half]:
    """Known rows and single choices in the first, the others shared out by their number."""
    sizes = choices.size
    known = [i for i, size in enumerate(sizes) if size == 1]
    halves, spaces = (known, []), [1.0, 1.0]
    for i in sorted(np.flatnonzero(sizes > 1), key=lambda i: (-sizes[i], i)):
        least = int(spaces[1] < spaces[0])
        halves[least].append(int(i))
        spaces[least] *= sizes[i]
    spare = windows.participants - sum(map(choices.least_participants, range(len(sizes))))
    parts = [_parts_of(choices, row, windows, screen) for row in range(len(sizes))]
    return tuple(_half(choices, rows, parts, windows, spare, limits) for rows in halves)


def _half(choices: Choices, rows: Sequence[int], parts, windows: Windows, spare, limits) -> _Half:
    """`spare`: the participants that all rows together may have beyond their least."""
    half = _Half((), np.zeros((1, 0), dtype=np.int32), np.zeros((len(parts[0]), 1)))
    least = 0.0
    for row in rows:
        sums = parts[row]
        least += choices.least_participants(row)
        if half.sums.shape[1] * sums.shape[1] > _GROWN * limits.half:
            raise TooLarge(f"more than {limits.half} configurations of half the rows")
        grown = (half.sums[:, :, None] + sums[:, None, :]).reshape(len(sums), -1)
        kept = np.flatnonzero(
            (grown[0] <= least + spare)
            & (_q(grown) <= windows.q_high * (1 + _WIDER) + _WIDER)
            & (grown[5] <= windows.q_high * (1 + _WIDER) + _WIDER)
        )
        if kept.size > limits.half:
            raise TooLarge(f"more than {limits.half} configurations of half the rows")
        before, place = np.divmod(kept, sums.shape[1])
        places = np.column_stack([half.places[before], place.astype(np.int32)])
        half = _Half((*half.rows, row), places, grown[:, kept])
    return half


def _parts_of(choices: Choices, row: int, windows: Windows, screen) -> np.ndarray:
    """What each choice of a row adds to the sums, (6 + F, C)."""
    size = choices.size[row]
    cells = choices.cells[row, :size]
    y, w = choices.yi[row, :size], 1 / choices.vi[row, :size]
    low, high = windows.mean_about
    apart = np.maximum(np.maximum(low - y, y - high), 0.0)
    n = cells[:, 1::2].sum(axis=1)
    parts = np.array([n, cells[:, 0], w, w * y, w * y * y, w * apart**2], dtype=float)
    return np.concatenate([parts, screen.parts(row)]) if screen else parts


def _q(sums: np.ndarray) -> np.ndarray:
    w, wy, wyy = sums[2:5]
    return np.maximum(wyy - wy**2 / np.where(w > 0, w, 1.0), 0.0)


# Pairs ----------------------------------------------------------------------------------------


def _pairs(one: _Half, other: _Half, windows: Windows, limits, screen) -> Iterator[np.ndarray]:
    """The configurations (S, k) of pairs that the sums do not rule out."""
    key, window = (_KEY, windows.common_w) if screen is None else (-1, screen.window)
    one, other = _sorted(one, windows, key), _sorted(other, windows, key)
    blocks = list(_blocks(one, other, windows, key, window))
    if sum((b - a) * (d - c) for a, b, c, d in blocks) > limits.pairs:
        raise TooLarge(f"more than {limits.pairs:g} pairs of halves")
    for a, b, c, d in blocks:
        step = max(1, _SLAB // (d - c))
        for start in range(a, b, step):
            end = min(start + step, b)
            sums = one.sums[:5, start:end, None] + other.sums[:5, None, c:d]
            i, j = np.nonzero(windows.allow(sums, _q(sums), _WIDER))
            i, j = start + i, c + j
            if screen and i.size:
                sums = one.sums[:, i] + other.sums[:, j]
                kept = screen.keep(sums[:6], _q(sums), sums[6:])
                i, j = i[kept], j[kept]
            if i.size:
                yield _joined(one, other, i, j)


def _joined(one: _Half, other: _Half, i, j) -> np.ndarray:
    index = np.zeros((len(i), len(one.rows) + len(other.rows)), dtype=np.intp)
    index[:, list(one.rows)] = one.places[i]
    index[:, list(other.rows)] = other.places[j]
    return index


def _sorted(half: _Half, windows: Windows, key: int) -> _Half:
    """By participants (where n is to be met), then by the sum at place `key`."""
    n = half.sums[0] if windows.exact_n else np.zeros(half.sums.shape[1])
    order = np.lexsort((half.sums[key], n))
    return _Half(half.rows, half.places[order], half.sums[:, order])


def _blocks(one: _Half, other: _Half, windows: Windows, key: int, window: Range) -> Iterator[Block]:
    """Ranges of the two sorted halves that may go together: equal n, and the key's sum within
    its window."""
    if not windows.exact_n:
        whole = (0, one.sums.shape[1]), (0, other.sums.shape[1])
        yield from _within(one.sums[key], other.sums[key], *whole, window)
        return
    for n in np.unique(one.sums[0]):
        rest = windows.participants - n
        left = tuple(np.searchsorted(one.sums[0], [n, n + 1]))
        right = tuple(np.searchsorted(other.sums[0], [rest, rest + 1]))
        yield from _within(one.sums[key], other.sums[key], left, right, window)


def _within(one, other, left: tuple, right: tuple, window: Range) -> Iterator[Block]:
    (a, b), (c, d), (low, high) = left, right, window
    if a == b or c == d:
        return
    if low == -np.inf and high == np.inf:
        yield a, b, c, d
        return
    v, w = one[a:b], other[c:d]
    slack = _WIDER * (1 + abs(low) + abs(high) + np.abs(v).max() + np.abs(w).max())
    step = max(1, (b - a) // _STRIPS)
    for start in range(0, b - a, step):
        end = min(start + step, b - a)
        first = np.searchsorted(w, low - v[end - 1] - slack)
        last = np.searchsorted(w, high - v[start] + slack, side="right")
        if first < last:
            yield a + start, a + end, c + int(first), c + int(last)


# Random effects by inverse variance ----------------------------------------------------------


def _reachable(choices: Choices, index: np.ndarray, windows: Windows) -> np.ndarray:
    """Whether random effects can reach the printed estimate with the printed width, (B,).

    The standard error 1/sqrt(sum 1/(v + t)) grows with t = tau2, so the widths that are
    printed alike leave a range of t. Over it the weighted mean moves by no more than the
    range's length times the greatest |y - mean| times the greatest weight, as
    d mean/dt = -sum w^2 (y - mean) / sum w.
    """
    if not windows.random_se or not np.isfinite(windows.random_se[1]) or not len(index):
        return np.ones(len(index), dtype=bool)
    rows = np.arange(choices.size.size)
    yi, vi = choices.yi[rows, index], choices.vi[rows, index]
    least, most = (_tau2_at(vi, se) for se in windows.random_se)
    least, most = np.where(np.isnan(least), 0.0, least), most * (1 + 2 * _WIDER)
    w = 1 / (vi + least[:, None])
    mean = (w * yi).sum(axis=1) / w.sum(axis=1)
    reach = (most - least) * (yi.max(axis=1) - yi.min(axis=1)) * w.max(axis=1)
    slack = _WIDER * (1 + np.abs(mean)) + reach
    low, high = windows.mean
    near = (mean >= low - slack) & (mean <= high + slack) & ~np.isnan(most)
    if not windows.by_q:
        return near
    return near | (cochran_q(yi, vi) <= windows.df * (1 + _WIDER))


def _tau2_at(vi: np.ndarray, se: float) -> np.ndarray:
    """t >= 0 with sum 1/(vi + t) = 1/se^2, (B,); NaN where even t = 0 gives a wider se.

    The sum is convex and falls with t, so that Newton's steps from 0 rise to the solution.
    """
    if not np.isfinite(se):
        return np.full(len(vi), np.inf)
    target, t = (1 / se**2 if se > 0 else np.inf), np.zeros(len(vi))
    reached = (1 / vi).sum(axis=1) >= target * (1 - _WIDER)
    for _ in range(_NEWTON_STEPS):
        w = 1 / (vi + t[:, None])
        step = np.maximum((w.sum(axis=1) - target) / (w * w).sum(axis=1), 0.0)
        t = t + np.where(reached, step, 0.0)
        if (step[reached] <= _WIDER * t[reached]).all():
            break
    return np.where(reached, t, np.nan)
