"""The likelihood seen from afar: where Newton's method is to start.

At each tau of a lattice the height of the profile over beta is read off one point near it, by
the derivatives there. Where `landscape` and `laplace` know of a start, this is not needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from math import log

import numpy as np

from forestry.logistic_mixed.counts import Common, Counts
from forestry.logistic_mixed.likelihood import Rule, evaluate

_LARGEST = 8.0  # far above what proportions vary by, on the logit scale
_RATIO = 2.0  # of each tau to the next
_AT_ONCE = 2**13  # studies times tau
_STEPS = 2  # towards the joint mode of beta and the intercepts
TINY = 1e-300
STEEP = 20.0  # the best beta moves no faster with tau
NEAR = 0.1  # what heights that are read off may miss


@dataclass(frozen=True, eq=False)
class Start:
    """Where to start, (B,). `zero` where tau = 0 is the maximum and no search is needed.

    `third` (4, B) are about the third derivatives (bbb, bbt, btt, ttt), or NaN: good enough for
    the Hessian after a step of Newton's method of up to `sure` standard errors.
    """

    beta: np.ndarray
    tau: np.ndarray
    zero: np.ndarray
    third: np.ndarray
    sure: np.ndarray


@dataclass(frozen=True, eq=False)
class Profile:
    """The profile at G values of tau, (G, B) each; slopes and bends are per ln(tau)."""

    log_tau: np.ndarray
    height: np.ndarray
    slope: np.ndarray
    bend: np.ndarray | None
    beta: np.ndarray
    beta_slope: np.ndarray


def start_of(counts: Counts, common: Common, rule: Rule) -> Start:
    """The highest top of the profile between two taus of the lattice.

    Where it has none, the highest tau. The lattice runs from below the most precise study's
    standard error. tau = 0 is the maximum where it is a local one, the profile falls from
    the first tau on, and no top comes near.
    """
    tau, first = lattice_of(counts)
    return start_from(_profile_of(counts, tau, rule), first, common)


def start_from(seen: Profile, first: np.ndarray, common: Common) -> Start:
    """As `start_of`, of a profile that concerns each data set from the tau `first` (B,) on."""
    tau, rows = np.exp(seen.log_tau), np.arange(first.size)
    before = np.arange(tau.size)[:, None] < first
    best = np.where(before, -np.inf, seen.height).argmax(axis=0)
    height, part = tops(seen.log_tau, seen.height, seen.slope, ~before[:-1])
    low = height.argmax(axis=0)
    top = height[low, rows]
    beta, log_tau = refined(seen, low, part[low, rows], rows)
    found = np.isfinite(top)
    start = np.where(found, (beta, log_tau), (seen.beta[best, rows], seen.log_tau[best]))
    zero = (top < common.log_likelihood - NEAR) & (seen.slope[first, rows] <= 0)
    zero &= common.is_maximum & (seen.height[best, rows] <= common.log_likelihood)
    unknown = np.full((4, rows.size), np.nan)
    return Start(start[0], np.exp(start[1]), zero, unknown, np.zeros(rows.size))


def completed(found: Sequence[tuple[Start, np.ndarray]], rest, counts, common, rule) -> Start:
    """The starts of all data sets, from those of parts and in which of these they are known.

    Those that are not known are by `rest`, as `start_of`.
    """
    starts, known = zip(*found, strict=True)
    columns = [
        np.concatenate([getattr(start, f.name) for start in starts], axis=-1) for f in fields(Start)
    ]
    unknown = ~np.concatenate(known)
    if unknown.any():
        others = rest(counts.take(unknown), common.take(unknown), rule)
        for f, column in zip(fields(Start), columns, strict=True):
            column[..., unknown] = getattr(others, f.name)
    return Start(*columns)


def lattice_of(counts: Counts, largest: float = _LARGEST) -> tuple[np.ndarray, np.ndarray]:
    """Rising values of tau (G,), and from which of them on they concern each data set (B,)."""
    least = 0.3 * np.sqrt(np.minimum.reduceat(counts.logit_variance, counts.first))
    points = np.ceil(np.log(largest / least) / log(_RATIO)).astype(int) + 1
    most = int(np.maximum.reduce(points))
    return largest * _RATIO ** np.arange(1.0 - most, 1.0), most - points


# The profile over beta --------------------------------------------------------------------------


def _profile_of(counts: Counts, tau: np.ndarray, rule: Rule) -> Profile:
    """By the parabola in beta at one point of each data set."""
    beta, terms = terms_near_profile(counts, tau, rule)
    height, g_b, g_t, h_bb, h_bt, h_tt = terms
    curvature = np.minimum(h_bb, -TINY)
    step = np.clip(-g_b / curvature, -1, 1)
    t, drift = tau[:, None], np.clip(-h_bt / curvature, -STEEP, STEEP)
    slope = t * (g_t + step * h_bt)
    return Profile(
        log_tau=np.log(tau),
        height=height + step * (g_b + step * h_bb / 2),
        slope=slope,
        bend=t * t * (h_tt + h_bt * drift) + slope,
        beta=beta + step,
        beta_slope=t * drift,
    )


def terms_near_profile(counts: Counts, tau: np.ndarray, rule: Rule) -> tuple[np.ndarray, ...]:
    """A beta near the best one at each tau, (G, B), and there the log-likelihood and derivatives.

    These are (6, G, B): the gradient, then the Hessian.
    """
    beta, _, u = _in_parts(counts, tau)
    many, taus = counts.repeated(tau.size), np.repeat(tau, counts.rows)
    at = evaluate(many, beta.ravel(), taus, rule, u.ravel())
    terms = np.concatenate((at.log_likelihood[None], at.gradient, at.hessian))
    return beta, terms.reshape(6, *beta.shape)


def near_profile(counts: Counts, tau: np.ndarray) -> np.ndarray:
    """A beta near the best one at each tau, (G, B)."""
    return _in_parts(counts, tau)[0]


def _in_parts(counts: Counts, tau: np.ndarray) -> tuple[np.ndarray, ...]:
    """`joint_modes` of a few taus at once."""
    size = max(1, _AT_ONCE // counts.x.size)
    parts = [joint_modes(counts, tau[i : i + size, None]) for i in range(0, tau.size, size)]
    return tuple(np.concatenate(values) for values in zip(*parts, strict=True))


def joint_modes(counts: Counts, t: np.ndarray) -> tuple[np.ndarray, ...]:
    """beta and u near the top of Laplace's approximation, given tau (G, 1).

    beta (G, B), the information on it, and u (G, N). From what they were, were the logits
    normal.
    """
    x, y, t2, half = counts.x, counts.y, t * t, 0.5 * t
    precision = 1 / (counts.logit_variance + t2)
    beta = counts.sum(precision * counts.logit) / counts.sum(precision)
    u = t * precision * (counts.logit - counts.spread(beta))
    for _ in range(_STEPS):
        odds = np.exp(_held(counts.spread(beta) + t * u, 30))
        q = 1 / (1 + odds)
        p = odds * q
        r, w = x * q - y * p, counts.n * p * q
        d = 1 + t2 * w
        share, gradient = w / d, t * r - u
        information = counts.sum(share)
        share *= t
        fall = share * (gradient + half * (q - p) / d)  # of ln(d) / 2 as well
        step = _held(counts.sum(r - fall) / information, 1)
        u += _held(t * (gradient / d - share * counts.spread(step)), 3) / t
        beta += step
    return beta, information, u


def _held(values: np.ndarray, most: float) -> np.ndarray:
    return np.minimum(np.maximum(values, -most), most)


# Between two points -----------------------------------------------------------------------------


def tops(log_tau, height, slope, allowed) -> tuple[np.ndarray, np.ndarray]:
    """The tops of the cubics through heights (G, B) and their slopes per ln(tau), (G-1, B).

    Their height, -inf where there is none, and where they are between one tau and the next.
    """
    width = np.diff(log_tau)[:, None]
    top, f, inside = top_between(height[:-1], height[1:], slope[:-1] * width, slope[1:] * width)
    return np.where(allowed & inside, top, -np.inf), f


def top_between(low, high, s0, s1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The top of the cubic through two heights with slopes: how high, how far, and whether."""
    bend = 3 * (high - low) - s0 - s1
    square = bend * bend - s0 * s1
    root = np.sqrt(np.maximum(square, 0))
    below = s0 - s1 + 2 * root
    f = 1 - (root - s1 - bend) / np.where(below == 0, 1, below)
    inside = (square > 0) & (f > 0) & (f < 1)
    return cubic(f, low, high, s0, s1), f, inside


def refined(seen: Profile, low, f, rows) -> tuple[np.ndarray, np.ndarray]:
    """beta and ln(tau) where the cubic through two slopes and their bends is zero, near f."""
    at0, at1 = (low, rows), (low + 1, rows)
    width = seen.log_tau[low + 1] - seen.log_tau[low]
    slopes = seen.beta_slope[at0] * width, seen.beta_slope[at1] * width
    if seen.bend is None:
        return cubic(f, seen.beta[at0], seen.beta[at1], *slopes), seen.log_tau[low] + f * width
    ends = seen.slope[at0], seen.slope[at1], seen.bend[at0] * width, seen.bend[at1] * width
    with np.errstate(divide="ignore", invalid="ignore"):
        finer = root(f, *ends)
    f = np.where((finer >= 0) & (finer <= 1), finer, f)
    return cubic(f, seen.beta[at0], seen.beta[at1], *slopes), seen.log_tau[low] + f * width


def root(f, *ends) -> np.ndarray:
    """Two steps of Newton's method towards a zero of the cubic."""
    for _ in range(2):
        f = f - cubic(f, *ends) / cubic_slope(f, *ends)
    return f


def cubic(f, low, high, low_slope, high_slope) -> np.ndarray:
    """Hermite's cubic at the fraction f of the way, on which the slopes are as well."""
    g = 1 - f
    return g * g * ((1 + 2 * f) * low + f * low_slope) + f * f * (
        (1 + 2 * g) * high - g * high_slope
    )


def cubic_slope(f, low, high, low_slope, high_slope) -> np.ndarray:
    g = 1 - f
    return 6 * f * g * (high - low) + g * (1 - 3 * f) * low_slope + f * (3 * f - 2) * high_slope
