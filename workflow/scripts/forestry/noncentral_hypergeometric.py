"""Fisher's noncentral hypergeometric distribution: a two-by-two table given its margins.

The treated arm's events t, given n1, n2 participants and m events in all, have probability
C(n1, t) C(n2, m - t) exp(t theta) / sum, theta the log odds ratio (Fisher 1935; Liao & Rosen
2001, Am Stat 55:366, for the mode). It is an exponential family in theta: its moments are the
derivatives of the logarithm of that sum.

The sum is taken within 12 standard deviations of the mode, over all t where these are few. Where
they are many, it takes every h-th t and counts it h times: by Poisson's summation formula the
two differ by the distribution's characteristic function at 2 pi / h. With sd / h above 2.5 that
is less than rounding, of a Poisson distribution (the least smooth) 1e-21.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, gammaln

_HALF = 60  # terms on either side of the mode
_REACH = 12.0  # standard deviations that these cover
_LARGEST_TABLE = 200_000  # participants, up to which log factorials are looked up


@dataclass(frozen=True, eq=False)
class Moments:
    """Of the log of the sum, and the events' mean and variance; shape (..., k)."""

    log_sum: np.ndarray
    mean: np.ndarray
    variance: np.ndarray


class Margins:
    """The margins of k tables: participants n1, n2 and events m of both arms, shape (k,)."""

    def __init__(self, n1: np.ndarray, n2: np.ndarray, m: np.ndarray):
        self.n1, self.n2, self.m = n1, n2, m
        self.low, self.high = np.maximum(0.0, m - n2), np.minimum(m, n1)
        half = int(min(_HALF, (self.high - self.low).max()))
        self._offsets = np.arange(-half, half + 1.0)
        largest = int(max(n1.max(), n2.max()))
        self._factorials = (
            gammaln(np.arange(largest + 1) + 1.0) if largest <= _LARGEST_TABLE else None
        )
        # Relative error of a probability: that of the log factorials, which it is made of.
        self.rounding = float(8 * np.finfo(float).eps * gammaln(largest + 1.0))
        self._constant = self._log_factorial(n1) + self._log_factorial(n2)

    def log_coefficient(self, t: np.ndarray) -> np.ndarray:
        """ln C(n1, t) C(n2, m - t), for t within the range; shape (..., k)."""
        return self._constant - self._losses(t, self.n1, self.n2, self.m)

    def moments(self, theta: np.ndarray) -> Moments:
        """At theta of shape (..., k)."""
        t, weight = self._terms(theta)
        n1, n2, m = (margin[:, None] for margin in (self.n1, self.n2, self.m))
        here = (t >= self.low[:, None]) & (t <= self.high[:, None])
        inside = np.clip(t, self.low[:, None], self.high[:, None])
        logs = np.where(here, inside * theta[..., None] - self._losses(inside, n1, n2, m), -np.inf)
        top = logs.max(axis=-1)
        shares = np.exp(logs - top[..., None])
        total = shares.sum(axis=-1)
        shares /= total[..., None]
        mean = (shares * inside).sum(axis=-1)
        variance = (shares * (inside - mean[..., None]) ** 2).sum(axis=-1)
        return Moments(self._constant + top + np.log(weight * total), mean, variance)

    def _terms(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The t that are summed, (..., k, J), and how often each counts, (..., k)."""
        mode = np.clip(self._mode(theta), self.low, self.high)
        spread = 1 / sum(1 / (1 + count) for count in self._cells(mode, self.n1, self.n2, self.m))
        stride = np.maximum(1.0, np.ceil(_REACH * np.sqrt(spread) / _HALF))
        return np.rint(mode)[..., None] + stride[..., None] * self._offsets, stride

    def _mode(self, theta: np.ndarray) -> np.ndarray:
        """Where the probabilities of t and t - 1 are the same, t not being whole."""
        p, q = expit(theta), expit(-theta)
        a, c = p - q, p * self.m * self.n1
        b = p * (self.m + self.n1) + q * (self.n2 - self.m)
        root = np.sqrt(np.maximum(b**2 - 4 * a * c, 0.0))
        # Of the two forms of the root, the one that adds numbers of one sign.
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(b >= 0, 2 * c / (b + root), (b - root) / (2 * a))

    @staticmethod
    def _cells(t, n1, n2, m) -> tuple[np.ndarray, ...]:
        return t, n1 - t, m - t, n2 - m + t

    def _losses(self, t, n1, n2, m) -> np.ndarray:
        return sum(self._log_factorial(cell) for cell in self._cells(t, n1, n2, m))

    def _log_factorial(self, count: np.ndarray) -> np.ndarray:
        if self._factorials is None:
            return gammaln(count + 1)
        return self._factorials[count.astype(np.intp)]
