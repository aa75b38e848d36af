"""The likelihood of samples that are drawn from the same studies, from tables of these.

A sample counts each of k studies some times, so that its log-likelihood, and all that is
linear in it, is a sum over the studies of what is tabled once: values and derivatives on a
lattice of beta and tau, from which its hills are seen, and polynomials about the maximum of
the studies themselves, on which the sample's own is found. Tables depend on the studies
alone. Of what they do not tell, `laplace` does.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from forestry.logistic_mixed.counts import Common, Counts, common_of, counts_of
from forestry.logistic_mixed.exact_sums import are_summable, summable
from forestry.logistic_mixed.laplace import start_by_laplace
from forestry.logistic_mixed.likelihood import Rule, in_slabs, rule_of
from forestry.logistic_mixed.patches import Patches, Region, Studies, tops_near
from forestry.logistic_mixed.scan import (
    STEEP,
    TINY,
    Profile,
    Start,
    completed,
    cubic,
    lattice_of,
    near_profile,
    start_from,
    top_between,
)

_POINTS = 24  # of the lattice in beta, at each tau
_REACH = 6.0  # standard deviations of beta among samples, either way
_LEAST = 0.3  # of its standard error, that a standard deviation is at least
_FARTHEST = 4.0  # from the middle, in logits
_MISSED = 0.02  # by a cubic whose fourth derivative is as large as its second
_LOW = 1.0  # below the highest: far too low
_LARGE = 4.0  # tau, beyond which a maximum may be one of several
_BELOW, _ABOVE = 8.0, 5.0  # standard deviations of the samples' maxima
_DEEPEST, _HIGHEST = 2.1, 1.1  # from ln(tau) of the studies' own maximum
_SURE = 3e-8  # a first step so short is the last; third derivatives are known to 0.1 %
_AT_ONCE = 2**18  # products in one of matrices: of more, libraries make several threads


@dataclass(frozen=True, eq=False)
class _Lattice:
    """At each of G values of tau, `beta` (G,) and the next ones, `step` (G,) apart.

    `terms` (4, G, k, P) are each study's log-likelihood, its slopes in beta and in tau, and
    the mixed second derivative, at P values of beta.
    """

    tau: np.ndarray
    beta: np.ndarray
    step: np.ndarray
    terms: np.ndarray


@dataclass(frozen=True, eq=False)
class _Seen:
    """The profiles of B samples; where (G, B) they are `clear`, where `low`, else unknown."""

    profile: Profile
    clear: np.ndarray
    low: np.ndarray


def start_in_landscape(counts: Counts, common: Common, rule: Rule) -> Start:
    """As `laplace.start_by_laplace`, in data sets that are samples of the same studies."""
    drawn = counts.drawn_from
    studies = Studies(tuple(drawn.x.tolist()), tuple(drawn.n.tolist()), rule.z.size)
    lattice, patches = _landscape_of(studies)
    rows = np.arange(counts.rows)
    size = max(1, _AT_ONCE // (_POINTS * drawn.x.size))
    parts = np.split(rows, rows[size::size])
    found = [_starts(lattice, patches, drawn.times[part], common.take(part)) for part in parts]
    return completed(found, start_by_laplace, counts, common, rule)


# Tables of the studies --------------------------------------------------------------------------


@lru_cache(maxsize=4)
def _landscape_of(studies: Studies) -> tuple[_Lattice, Patches | None]:
    """Of studies whose likelihood has a finite maximum."""
    counts = counts_of(studies.events, studies.total)
    tau, _ = lattice_of(counts)
    middle = near_profile(counts, tau)
    first, step = _reach(middle[:, 0], _terms(counts, middle, tau, studies.nodes)[:, :, 0])
    beta = first[:, None] + step[:, None] * np.arange(_POINTS)
    terms = _terms(counts, beta, tau, studies.nodes)[[0, 1, 2, 4]]
    lattice = _Lattice(tau, first, step, summable(terms.swapaxes(2, 3)))
    region = _region_of(lattice, counts, studies.nodes)
    return lattice, region and Patches(studies, region)


def _terms(counts: Counts, beta: np.ndarray, tau: np.ndarray, nodes: int) -> np.ndarray:
    """The studies' log-likelihoods and derivatives at beta (G, P), tau (G,): (6, G, P, k)."""
    x, y, b, t = np.broadcast_arrays(counts.x, counts.y, beta[..., None], tau[:, None, None])
    terms, _, _ = in_slabs(*(a.ravel() for a in (x, y, b, t)), rule_of(nodes))
    return terms.reshape(6, *x.shape)


def _reach(middle: np.ndarray, terms: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The lattice's first beta and its step, (G,), such that it holds the samples' profiles.

    By the sandwich estimate of beta's variance among samples of all studies, and of all but
    any one, which may outweigh the others. `terms` (6, G, k) are at `middle` (G,), which is
    near the profile.
    """
    values = np.array((-terms[3], terms[1], terms[1] ** 2))
    whole = values.sum(axis=-1, keepdims=True)
    information, slope, square = np.concatenate((whole, whole - values), axis=-1)
    information = np.maximum(information, 1e-3 * whole[0])
    shift = np.clip(slope / information, -_FARTHEST, _FARTHEST)
    spread = np.sqrt(np.maximum(square, 0)) / information
    spread = np.maximum(spread, _LEAST / np.sqrt(information))
    spread = _REACH * np.minimum(spread, _FARTHEST / _REACH)
    low, high = (shift - spread).min(axis=1), (shift + spread).max(axis=1)
    return middle + low, (high - low) / (_POINTS - 1)


def _region_of(lattice: _Lattice, counts: Counts, nodes: int) -> Region | None:
    """Where samples have their maxima, by the sandwich estimate of how these vary.

    None where the studies' own maximum is at tau = 0, or not seen.
    """
    start, known = _starts(lattice, None, np.ones((1, counts.x.size)), common_of(counts))
    if start.zero[0] or not known[0]:
        return None
    beta, tau = float(start.beta[0]), float(start.tau[0])
    terms = _terms(counts, np.full((1, 1), beta), np.full(1, tau), nodes)[:, 0, 0]
    _, g_b, g_t, h_bb, h_bt, h_tt = terms
    h_bb, h_bs, h_ss = h_bb.sum(), tau * h_bt.sum(), tau * (tau * h_tt + g_t).sum()
    determinant = h_bb * h_ss - h_bs**2
    if not (h_bb < 0 and determinant > 0):
        return None
    moved = np.array((h_ss * g_b - h_bs * tau * g_t, h_bb * tau * g_t - h_bs * g_b)) / determinant
    by_beta, by_tau = np.sqrt((moved**2).sum(axis=1)).tolist()
    return Region(
        beta=beta,
        reach=min(_ABOVE * by_beta, _FARTHEST),
        low=float(np.log(tau)) - min(_BELOW * by_tau, _DEEPEST),
        high=float(np.log(tau)) + min(_ABOVE * by_tau, _HIGHEST),
        variance=float(1 / (1 / counts.logit_variance).mean()),
    )


# Samples --------------------------------------------------------------------------------------


def _starts(
    lattice: _Lattice, patches: Patches | None, times: np.ndarray, common: Common
) -> tuple[Start, np.ndarray]:
    """Where to start in samples `times` (B, k), and in which of them the tables tell it."""
    seen = _seen(lattice, times)
    known = are_summable(times) & seen.clear.any(axis=0) & (seen.clear | seen.low).all(axis=0)
    start = start_from(seen.profile, np.zeros(known.size, dtype=int), common)
    known &= start.tau <= _LARGE
    start.zero[:] &= seen.clear[0]
    climbing = np.flatnonzero(known & ~start.zero)
    if patches is None or not climbing.size:
        return start, known
    beta, log_tau = start.beta[climbing], np.log(start.tau[climbing])
    tops = tops_near(patches, times[climbing], beta, log_tau)
    start.beta[climbing], start.tau[climbing] = tops.beta, np.exp(tops.log_tau)
    start.third[:, climbing] = tops.third
    start.sure[climbing] = np.where(np.isnan(tops.third[0]), 0, _SURE)
    return start, known


def _seen(lattice: _Lattice, times: np.ndarray) -> _Seen:
    """Of samples `times` (B, k), by cubics in beta.

    The log-likelihood is concave in beta, and so nowhere above where its tangents meet.
    """
    at_points = times @ lattice.terms  # (4, G, B, P)
    left = (at_points[1] > 0).sum(axis=-1) - 1  # of the top, the last point
    inside = (left >= 0) & (left < _POINTS - 1)
    left = np.clip(left, 0, _POINTS - 2)
    first = left + _POINTS * np.arange(4 * left.size).reshape(4, *left.shape)
    (h0, g0, t0, m0), (h1, g1, t1, m1) = at_points.ravel().take((first, first + 1))
    width, t = lattice.step[:, None], lattice.tau[:, None]
    bend = np.maximum(g0 - g1, TINY)
    height, f, found = top_between(h0, h1, g0 * width, g1 * width)
    found &= inside
    f = np.where(found, f, 0.5)
    height = np.where(found, height, np.maximum(h0, h1))
    meeting = h0 + g0 * (h1 - h0 - g1 * width) / bend
    clear = found & (width**3 * bend <= 384 * _MISSED)
    low = inside & (meeting < np.where(clear, height, -np.inf).max(axis=0) - _LOW)
    drift = np.clip((m0 + f * (m1 - m0)) * width / bend, -STEEP, STEEP)
    profile = Profile(
        log_tau=np.log(lattice.tau),
        height=height,
        slope=t * cubic(f, t0, t1, m0 * width, m1 * width),
        bend=None,
        beta=lattice.beta[:, None] + width * (left + f),
        beta_slope=t * drift,
    )
    return _Seen(profile, clear, low)
