"""The likelihood seen from afar: where Newton's method is to start.

At each tau of a lattice the height of the profile over beta is read off one point near it,
by the derivatives there. The points lie on a lattice of beta as well, so that data sets made
of the same studies, as bootstrap samples are, share what is evaluated.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from forestry.logistic_mixed.counts import Common, Counts
from forestry.logistic_mixed.likelihood import Rule, in_slabs, logits

_LARGEST = 8.0  # far above what proportions vary by, on the logit scale
_RATIO = 1.5  # of each tau to the next
_AT_ONCE = 2**13  # studies times tau
_NEAR = 0.1  # what heights that are read off may miss


@dataclass(frozen=True, eq=False)
class Start:
    """Where to start, (B,). `zero` where tau = 0 is the maximum and no search is needed."""

    beta: np.ndarray
    tau: np.ndarray
    zero: np.ndarray


@dataclass(frozen=True, eq=False)
class _Heights:
    """The profile at G values of tau, (G, B) each; slopes are per ln(tau)."""

    log_tau: np.ndarray
    height: np.ndarray
    slope: np.ndarray
    beta: np.ndarray
    beta_slope: np.ndarray


def start_of(counts: Counts, common: Common, rule: Rule) -> Start:
    """The highest top of the profile between two taus of the lattice.

    Where it has none, the highest tau. The lattice runs from below the most precise study's
    standard error. tau = 0 is the maximum where it is a local one, the profile falls from
    the first tau on, and no top comes near.
    """
    observed = logits(counts.x, counts.y)
    least = 0.3 * np.sqrt(np.minimum.reduceat(observed[1], counts.first))
    points = np.ceil(np.log(_LARGEST / least) / np.log(_RATIO)).astype(int) + 1
    tau = _LARGEST * _RATIO ** np.arange(1.0 - points.max(), 1.0)
    seen = _heights(counts, _lattice_beta(counts, *observed, tau), tau, rule)
    first, rows = points.max() - points, np.arange(counts.rows)
    before = np.arange(tau.size)[:, None] < first
    best = np.where(before, -np.inf, seen.height).argmax(axis=0)
    tops = _tops(seen, ~before[:-1])
    top = tops.height.argmax(axis=0), rows
    found = np.isfinite(tops.height[top])
    beta = np.where(found, tops.beta[top], seen.beta[best, rows])
    log_tau = np.where(found, tops.log_tau[top], seen.log_tau[best])
    lower = (tops.height[top] < common.log_likelihood - _NEAR) & (
        seen.height[best, rows] <= common.log_likelihood
    )
    zero = common.is_maximum & lower & (seen.slope[first, rows] <= 0)
    return Start(beta, np.exp(log_tau), zero)


def _lattice_beta(counts: Counts, logit, variance, tau: np.ndarray) -> np.ndarray:
    """Near the best beta at each tau, were the logits normal; (G, B).

    Rounded to a power of two that is at most its standard error.
    """
    precision = 1 / (variance + (tau * tau)[:, None])
    whole = counts.sum(precision)
    unit = 2.0 ** np.floor(-np.log2(whole) / 2)
    return np.round(counts.sum(precision * logit) / whole / unit) * unit


def _heights(counts: Counts, beta: np.ndarray, tau: np.ndarray, rule: Rule) -> _Heights:
    if counts.x.size * tau.size <= _AT_ONCE:
        many, taus = counts.repeated(tau.size), np.repeat(tau, counts.rows)
        terms = _alone(many, beta.ravel(), taus, rule).reshape(5, *beta.shape)
    else:
        shared = _shared_of(counts)
        each = zip(beta, tau, strict=True)
        terms = np.stack([_together(counts, shared, *at, rule) for at in each], axis=1)
    height, g_b, g_t, h_bb, h_bt = terms
    curvature = np.where(h_bb < 0, h_bb, -np.inf)
    step = np.clip(-g_b / curvature, -1, 1)
    return _Heights(
        log_tau=np.log(tau),
        height=height + step * (g_b + step * h_bb / 2),
        slope=(g_t + step * h_bt) * tau[:, None],
        beta=beta + step,
        beta_slope=-h_bt / curvature * tau[:, None],
    )


def _alone(counts: Counts, beta: np.ndarray, tau: np.ndarray, rule: Rule) -> np.ndarray:
    """The log-likelihood, its gradient, H_bb and H_bt, (5, B)."""
    terms, _, _ = in_slabs(counts.x, counts.y, beta[counts.row], tau[counts.row], rule)
    return counts.sum(terms[:5])


@dataclass(frozen=True, eq=False)
class _Shared:
    """The distinct studies (P,), and which of them each of the N studies is."""

    x: np.ndarray
    y: np.ndarray
    of: np.ndarray


def _shared_of(counts: Counts) -> _Shared:
    size = counts.n.max() + 1  # x + n size is below 2^53, and exact, for n below 9e7
    _, at, of = np.unique(counts.x + counts.n * size, return_index=True, return_inverse=True)
    return _Shared(counts.x[at], counts.y[at], of)


def _together(counts: Counts, shared: _Shared, beta: np.ndarray, tau, rule: Rule) -> np.ndarray:
    """As `_alone` at one tau; what several data sets need is evaluated once."""
    levels, level = np.unique(beta, return_inverse=True)
    if 2 * shared.x.size * levels.size > counts.x.size:
        return _alone(counts, beta, np.full(beta.size, tau), rule)
    x, y = (np.repeat(values, levels.size) for values in (shared.x, shared.y))
    table, _, _ = in_slabs(x, y, np.tile(levels, shared.x.size), np.full(x.size, tau), rule)
    at = shared.of * levels.size + level[counts.row]
    return counts.sum(table[:5].take(at, axis=1))


@dataclass(frozen=True, eq=False)
class _Tops:
    """Between each tau and the next, (G-1, B): -inf high where the profile has no top there."""

    log_tau: np.ndarray
    height: np.ndarray
    beta: np.ndarray


def _tops(seen: _Heights, allowed: np.ndarray) -> _Tops:
    """The tops of the cubics through two heights and their slopes."""
    width = np.diff(seen.log_tau)[:, None]
    s0, s1 = seen.slope[:-1] * width, seen.slope[1:] * width
    bend = 3 * np.diff(seen.height, axis=0) - s0 - s1
    square = bend * bend - s0 * s1
    root = np.sqrt(np.maximum(square, 0))
    below = s0 - s1 + 2 * root
    f = 1 - (root - s1 - bend) / np.where(below == 0, 1, below)
    inside = allowed & (square > 0) & (f > 0) & (f < 1)
    height = _cubic(f, seen.height, s0, s1)
    beta = _cubic(
        f, seen.beta, *(seen.beta_slope[at] * width for at in (slice(-1), slice(1, None)))
    )
    log_tau = seen.log_tau[:-1, None] + f * width
    return _Tops(log_tau, np.where(inside, height, -np.inf), beta)


def _cubic(f, values, slope0, slope1) -> np.ndarray:
    """At the fraction f from each value to the next one along the first axis."""
    g = 1 - f
    low, high = (1 + 2 * f) * values[:-1] + f * slope0, (1 + 2 * g) * values[1:] - g * slope1
    return g * g * low + f * f * high
