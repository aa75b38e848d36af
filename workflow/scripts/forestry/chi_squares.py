"""Weighted sums of chi-squares, also of normal values about their weighted means."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

_REACH = 6.5  # of the contour: exp(-6.5^2) is below rounding
_DIGITS = 37  # e^-37 too: how far below its value the trapezoid rule may err
_FEWEST, _MOST = 50, 20_000  # points of that rule


def chi_squares_tails(
    q: float, weights: ArrayLike, shares: ArrayLike | None = None
) -> tuple[float, float]:
    """P(S <= q) and P(S >= q) of S = sum of weights times chi-squares of 1 df, for q > 0.

    `weights` are (k,). With `shares`, (G, k), each row of which is not negative and sums to
    1, S is sum weight_i z_i^2 less what the G weighted means take: of Q about the means with
    weights w, where values have variances m, weight_i = w_i m_i and shares are w by group,
    parts of their sum. By the lemma on a determinant and matrices of low rank, the Laplace
    transform of S then is

        prod(1 - 2 weight s)^(-1/2) prod_g (sum_i share_gi / (1 - 2 weight_i s))^(-1/2).

    The smaller tail is the inverse Laplace integral of that times exp(-qs)/s along a parabola
    about the cut on the right, on which the integrand decays as exp(-u^2): a trapezoid rule
    is exact to rounding (Rice 1980, SIAM J Sci Stat Comput 1:438), with steps by the distance
    of the nearest singularity. The pole at 0 lies to one side for either tail.
    """
    weights = np.asarray(weights, dtype=float) / q  # so that the threshold is 1
    shares = np.zeros((0, weights.size)) if shares is None else np.asarray(shares, dtype=float)
    mean, squares = _moments(weights, shares)
    upper = mean < 1
    edge = _edge(weights, shares)
    start = _start(mean, squares, edge, upper)
    # A parabola so wide that S as a normal value has the integrand decay as exp(-u^2) too.
    bend = 1 + abs(start) + 1 / (4 * squares)
    step = _step(start, bend, edge)
    u = (np.arange(int(np.ceil(_REACH / step))) + 0.5) * step
    s = start + u**2 + 2j * np.sqrt(bend) * u
    ds = 2 * u + 2j * np.sqrt(bend)
    tail = float((np.exp(_log_transform(s, weights, shares) - s) / s * ds).imag.sum())
    tail *= step / np.pi
    return (1 - tail, tail) if upper else (-tail, 1 + tail)


def _log_transform(s: np.ndarray, weights: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Above the real axis each factor stays on one side of it: no logarithm leaves its branch."""
    factors = 1 - 2 * s[:, None] * weights
    means = [(share / factors).sum(axis=1) for share in shares]
    return -0.5 * (np.log(factors).sum(axis=1) + sum(np.log(mean) for mean in means))


def _moments(weights: np.ndarray, shares: np.ndarray) -> tuple[float, float]:
    """The mean of S and half its variance: sums of its eigenvalues and of their squares."""
    free = weights[shares.sum(axis=0) == 0]
    parts = [(free.sum(), free @ free)]
    parts += [_moments_left(weights[share > 0], share[share > 0]) for share in shares]
    mean, squares = np.sum(parts, axis=0)
    return float(mean), float(squares)


def _moments_left(weights: np.ndarray, share: np.ndarray) -> tuple[float, float]:
    """Those of a group: the largest share is set apart, which may be nearly all there is."""
    first = share.argmax()
    rest, taken = np.delete(share, first), weights * share
    own = weights * (1 - share)
    own[first] = weights[first] * rest.sum()
    beside = np.delete(taken, first)
    crossed = 2 * taken[first] * beside.sum() + beside.sum() ** 2 - beside @ beside
    return own.sum(), own @ own + crossed


def _start(mean: float, squares: float, edge: float, upper: bool) -> float:
    """About where the integrand is stationary on the real axis, on the tail's side of 0.

    It is there for a gamma distribution of the same mean and variance.
    """
    c = squares / mean
    b = mean - 1 + 2 * c
    root = np.hypot(b, np.sqrt(8 * c))
    if not upper:
        return float(-(b + root) / (4 * c))
    return float(min(2 / (b + root), 0.8 * edge))


def _edge(weights: np.ndarray, shares: np.ndarray) -> float:
    """Where the cut begins: 1/2 over the largest weight, or that which is left by the means.

    This one lies between the two largest weights of a group: the greatest zero of its factor.
    """
    free = weights[shares.sum(axis=0) == 0]
    largest = [free.max()] if free.size else []
    largest += [_largest_left(weights[share > 0], share[share > 0]) for share in shares]
    return 0.5 / max(largest)


def _largest_left(weights: np.ndarray, share: np.ndarray) -> float:
    """The greatest x with sum share / (1 - weight/x) = 0, by halving; 0 of a single value."""
    if weights.size == 1:
        return 0.0
    low, high = np.partition(weights, -2)[-2:]
    for _ in range(30):  # no more digits are needed of a bound
        middle = np.sqrt(low * high)
        if not low < middle < high:
            break
        above = (share * middle / (middle - weights)).sum() > 0
        low, high = (middle, high) if above else (low, middle)
    return float(high)


def _step(start: float, bend: float, edge: float) -> float:
    """By the distances in u of the pole at 0 and of the cut from the real axis."""
    pole = abs(np.sqrt(start + bend) - np.sqrt(bend))
    cut = np.sqrt(bend) - np.sqrt(max(start + bend - edge, 0.0))
    step = 2 * np.pi * min(pole, cut) / _DIGITS
    return float(np.clip(step, _REACH / _MOST, _REACH / _FEWEST))
