"""Where Newton's method is to start, by Laplace's approximation to the second order.

Of a study's integral over u, with the integrand's logarithm h and d = -h'' at its mode, the
logarithm is h - ln(d)/2 + h''''/(8 d^2) + 5 h'''^2/(24 d^3): Shun & McCullagh 1995 (J R Stat
Soc B 57:749); Raudenbush, Yang & Yosef 2000 (J Comput Graph Stat 9:141). The last two terms
together are also what such a height is trusted to. Of what it does not tell, `scan` does.

Arrays are (k, B): the studies of a data set are a column, and sums run down it. They are of
single precision, which is enough for a start, and half the work.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from forestry.logistic_mixed.counts import Common, Counts
from forestry.logistic_mixed.likelihood import Rule
from forestry.logistic_mixed.scan import (
    STEEP,
    Profile,
    Start,
    completed,
    lattice_of,
    refined,
    start_of,
    tops,
)

_AT_ONCE = 2**15  # studies
_SINGLE = np.float32
_ROUNDING = 2.0**-22  # of terms in a height
_STEPS = 2  # towards the top of the profile at a tau
_POLISHING = 3  # towards the maximum
# So short a step may be, over the square of what the first order neglects, and in any case, for
# third derivatives of the first order to give the Hessian after it.
_SURE, _SUREST = 5e-11, 3e-8
_CURVED = 4.0  # in ln(tau), at least: nearer tau = 0 these derivatives are of another kind
# Heights by normal theory miss less than a constant and so many times the sampling variances,
# each of these at most `_WIDEST`.
_MISSED, _PER_VARIANCE, _WIDEST = 4.0, 3.0, 2.0
_DOUBTED = 0.1  # is a height that misses more for each study
_ASIDE = 0.2  # of the two taus about it, in ln(tau), that a maximum may be
_STEEPEST = 30.0  # logits are held within


@dataclass(frozen=True, eq=False)
class _Columns:
    """Events, non-events, totals, observed logits, their variances, multiplicities: (k, B)."""

    x: np.ndarray
    y: np.ndarray
    n: np.ndarray
    logit: np.ndarray
    variance: np.ndarray
    m: np.ndarray

    def take(self, columns: np.ndarray) -> _Columns:
        # Not by an index, which may turn the layout and with it the order of sums.
        return _Columns(*(getattr(self, f.name).take(columns, axis=1) for f in fields(_Columns)))

    def sum(self, values: np.ndarray) -> np.ndarray:
        """Down each column, one study after the other whatever the number of columns."""
        values = values * self.m
        if values.shape[1] > 1:
            return np.add.reduce(values, axis=0)
        return np.add.accumulate(values, axis=0)[-1]


def start_by_laplace(counts: Counts, common: Common, rule: Rule) -> Start:
    """As `scan.start_of`, which is asked where this approximation does not tell."""
    columns, (tau, first) = _columns_of(counts), lattice_of(counts)
    parts = [
        _starts(columns.take(part), common.take(part), tau, first[part])
        for part in _parts(counts.rows, columns)
    ]
    return completed(parts, start_of, counts, common, rule)


def _parts(number: int, columns: _Columns) -> list[np.ndarray]:
    """So many columns, a few at once."""
    size = max(1, _AT_ONCE // columns.x.shape[0])
    return np.split(np.arange(number), np.arange(size, number, size))


def _columns_of(counts: Counts, kind: type = _SINGLE) -> _Columns:
    """Columns of fewer studies than others end in some that do not count."""
    k, number = np.diff(counts.first, append=counts.row.size), counts.row.size
    given = counts.x, counts.y, counts.n, counts.logit, counts.logit_variance, counts.m
    given = [values.astype(kind) for values in given]
    if k.max() * counts.rows == number:
        return _Columns(*(np.ascontiguousarray(values.reshape(-1, k[0]).T) for values in given))
    place = np.arange(number) - counts.first[counts.row]
    columns = _Columns(*(np.zeros((k.max(), counts.rows), kind) for _ in range(6)))
    columns.variance[:] = 1
    for f, values in zip(fields(_Columns), given, strict=True):
        getattr(columns, f.name)[place, counts.row] = values
    return columns


def _starts(columns: _Columns, common: Common, tau, first) -> tuple[Start, np.ndarray]:
    """Where to start, and in which data sets that is known."""
    rows = np.arange(first.size)
    height, beta = _by_normal_theory(columns, tau)
    inside, number = _inside(columns, height, first), np.arange(tau.size)[:, None]
    profile, doubt = _profile(columns, tau, beta, inside)
    top, part = tops(profile.log_tau, profile.height, profile.slope, inside[1:] & inside[:-1])
    low = top.argmax(axis=0)
    highest = top[low, rows]
    away = (number < low) | (number > low + 1)
    rival = (profile.height + doubt >= highest) & away & inside
    one = (np.isfinite(top).sum(axis=0) == 1) & ~rival.any(axis=0)
    doubts = np.maximum(doubt[low, rows], doubt[low + 1, rows])
    one &= doubts <= _DOUBTED * columns.sum(np.ones_like(columns.m))
    higher = (profile.height + doubt > common.log_likelihood) & inside
    zero = common.is_maximum & ~np.isfinite(highest) & ~higher.any(axis=0)
    zero &= inside.all(axis=0, where=number >= first)
    start = Start(
        *refined(profile, low, np.where(one, part[low, rows], 0.5), rows),
        zero,
        np.full((4, rows.size), np.nan),
        np.zeros(rows.size),
    )
    climbing = np.flatnonzero(one)
    if climbing.size:
        polished = _polished(columns.take(climbing), start.beta[climbing], start.tau[climbing])
        start.beta[climbing], start.tau[climbing], start.third[:, climbing] = polished[:3]
        start.sure[climbing] = polished[3]
    left, right = profile.log_tau[low] - _ASIDE, profile.log_tau[low + 1] + _ASIDE
    one &= (start.tau >= left) & (start.tau <= right)
    start.tau[:] = np.exp(start.tau)
    return start, one | zero


def _by_normal_theory(columns: _Columns, tau: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The profile at each tau, up to a constant, were the logits normal, and its beta: (G, B)."""
    height, beta = np.empty((2, tau.size, columns.x.shape[1]), columns.x.dtype)
    for i, t in enumerate(tau.tolist()):
        precision = 1 / (columns.variance + t * t)
        beta[i] = columns.sum(precision * columns.logit) / columns.sum(precision)
        residual = columns.logit - beta[i]
        fall = precision * residual * residual - np.log(precision * columns.variance)
        height[i] = -0.5 * columns.sum(fall)
    return height, beta


def _inside(columns: _Columns, height: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Which taus may be as high as the highest, which normal theory sees; its neighbours too."""
    number, highest = np.arange(len(height))[:, None], height.argmax(axis=0)
    allowed = _MISSED + _PER_VARIANCE * columns.sum(np.minimum(columns.variance, _WIDEST))
    inside = (height >= height.max(axis=0) - allowed) | (np.abs(number - highest) <= 1)
    return inside & (number >= first)


# At studies' modes --------------------------------------------------------------------------------


class _Modes:
    """The studies at logits beta + t u, (k, B), u near their modes.

    `mode` is one step of Newton's method on, `share` is w/d, `z` is 1 - 1/d. `score` is that of
    beta, and `turn` the logit's move with ln(tau).
    """

    def __init__(self, columns: _Columns, beta, t, u):
        self.logit = beta + t * u
        odds = np.exp(np.clip(self.logit, -_STEEPEST, _STEEPEST))
        self.q = 1 / (1 + odds)
        p = odds * self.q
        r = columns.x * self.q - columns.y * p
        self.pq = p * self.q
        self.apart = self.q - p
        self.w = columns.n * self.pq
        self.tau2_w = t * t * self.w
        self.inverse = 1 / (1 + self.tau2_w)
        self.share = self.w * self.inverse
        self.z = self.tau2_w * self.inverse
        self.gradient = t * r - u
        self.step = self.gradient * self.inverse
        self.mode = u + self.step
        self.half = 0.5 * self.z * self.apart  # of d's derivative in the logit, over d
        self.score = r - t * self.share * self.gradient - self.half * self.inverse
        self.turn = 2 * t * self.mode * self.inverse


def _profile(columns: _Columns, tau, beta, inside) -> tuple[Profile, np.ndarray]:
    """Where `inside` (G, B), and what its heights are trusted to; NaN elsewhere."""
    which, row = np.nonzero(inside)
    found, start = np.full((5, *inside.shape), np.nan), beta[inside]
    for part in _parts(row.size, columns):
        t = tau[which[part]].astype(columns.x.dtype)
        values = _tops_over_beta(columns.take(row[part]), start[part], t)
        found[:, which[part], row[part]] = values
    height, slope, best, drift, doubt = found
    return Profile(np.log(tau), height, slope, None, best, drift), doubt


def _tops_over_beta(columns: _Columns, beta, t) -> tuple[np.ndarray, ...]:
    """At tau t (B,): the height, its slope and beta's per ln(tau), beta, the height's doubt.

    In the order of `_profile`.
    """
    u = t / (columns.variance + t * t) * (columns.logit - beta)
    for _ in range(_STEPS):
        at = _Modes(columns, beta, t, u)
        step = np.clip(columns.sum(at.score) / columns.sum(at.share), -1, 1)
        u = u + np.clip(at.step - t * at.share * step, -3 / t, 3 / t)
        beta = beta + step
    at = _Modes(columns, beta, t, u)
    score, information = columns.sum(at.score), columns.sum(at.share)
    terms = columns.x * at.logit + columns.n * np.log(at.q) + 0.5 * np.log(at.inverse)
    size = columns.sum(np.abs(columns.x * at.logit) + columns.n)
    rise, more = 0.5 * at.gradient * at.step, 0.5 * score * score / information
    second = at.z * t * t * at.inverse * _bracket(at)
    return (
        columns.sum(terms - 0.5 * u * u + rise + second) + more,
        columns.sum(at.mode * at.mode - at.z - at.half * at.turn),
        beta + score / information,
        np.clip(-columns.sum(at.w * at.turn) / information, -STEEP, STEEP),
        columns.sum(np.abs(second) + rise) + more + _ROUNDING * size,
    )


def _bracket(at: _Modes) -> np.ndarray:
    """The second order's terms over z t^2 / d."""
    return 5 / 24 * at.z * at.apart**2 - 0.125 * (1 - 6 * at.pq)


def _polished(columns: _Columns, beta, log_tau) -> tuple[np.ndarray, ...]:
    """Near the maximum in beta and ln(tau): these, and `third` and `sure` of a `Start`."""
    beta, log_tau = (values.astype(columns.x.dtype) for values in (beta, log_tau))
    t = np.exp(log_tau)
    u = t / (columns.variance + t * t) * (columns.logit - beta)
    for _ in range(_POLISHING):
        at = _Modes(columns, beta, t, u)
        score, slope = _scores(columns, at, t)
        bb, bs, ss = (columns.sum(values) for values in _curvatures(at, t))
        concave = (ss > 0) & (bb * ss > bs * bs)
        determinant = np.where(concave, bb * ss - bs * bs, 1)
        by_beta = np.where(concave, (ss * score - bs * slope) / determinant, score / bb)
        by_log_tau = np.where(concave, (bb * slope - bs * score) / determinant, 0)
        by_beta, by_log_tau = np.clip(by_beta, -1, 1), np.clip(by_log_tau, -0.5, 0.5)
        u = at.mode - t * at.share * by_beta
        u += at.mode * (1 - at.tau2_w) * at.inverse * by_log_tau
        beta, log_tau = beta + by_beta, log_tau + by_log_tau
        tau, t = t, np.exp(log_tau)
    neglected = tau * tau * columns.sum(at.share * at.z * at.inverse) / bb
    sure = np.minimum(_SURE / np.maximum(neglected, 1e-9) ** 2, _SUREST) * (ss > _CURVED)
    third = np.where(sure > 0, _third(columns, at, tau), np.nan)
    return beta, log_tau, third, sure


def _scores(columns: _Columns, at: _Modes, t) -> tuple[np.ndarray, np.ndarray]:
    """The slopes in beta and in ln(tau), (B,)."""
    front, bracket, a = at.z * t * t * at.inverse, _bracket(at), at.apart
    by_logit = bracket * (at.inverse - at.z)
    by_logit += 5 / 24 * at.z * (at.inverse * a * a - 4 * at.pq) + 0.75 * at.pq
    by_logit *= front * a
    by_log_tau = front * at.inverse * (4 * bracket + 5 / 12 * at.z * a * a)
    slope = at.mode * at.mode - at.z + by_log_tau + (by_logit - at.half) * at.turn
    return columns.sum(at.score + by_logit * at.inverse), columns.sum(slope)


def _curvatures(at: _Modes, t) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each study, in (beta beta), (beta ln tau), (ln tau ln tau), to the first order."""
    across = 2 * (at.z - at.mode * at.mode * (1 - at.tau2_w)) * at.inverse
    return at.share, at.w * at.turn, across


def _third(columns: _Columns, at: _Modes, t) -> np.ndarray:
    """The third derivatives in (beta, tau), to the first order, (4, B)."""
    u, e, inverse = at.mode, at.tau2_w, at.inverse
    by_turn = at.apart * at.turn
    e_s = e * (2 + by_turn)
    share_s = at.share * (by_turn - 2 * e) * inverse
    moved = u * (1 - e) * inverse
    bb_s, bs = -share_s, -at.w * at.turn
    bs_s = -2 * t * (share_s * u + at.share * (u + moved))
    ss = -_curvatures(at, t)[2]
    ss_s = 4 * (moved * moved - u * u * e_s * inverse**2) - 2 * e_s * (1 - e) * inverse**3
    bbb = -at.share * at.apart * inverse**2
    in_tau = bbb, bb_s / t, (bs_s - bs) / t**2, (ss_s - 3 * ss) / t**3
    return np.array([columns.sum(values) for values in in_tau])
