"""The exact conditional interval of an odds ratio that is common to all studies.

Given the margins of each study's table, the treated arms' events of all studies together are a
sum of independent noncentral hypergeometric counts. The limits are the odds ratios at which so
many events or more, or so many or fewer, have half the error's probability (Cornfield 1956; Gart
1970, Biometrika 57:471; Mehta, Patel & Gray 1985, JASA 80:969). They exist also where no study
has a finite odds ratio: one limit is then 0 or infinite.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammaln

from forestry.checks import check_level
from forestry.mantel_haenszel import cells_of
from forestry.roots import bracketed_root

_WIDEST = 700.0  # a log odds ratio that no counts can hold an interval beyond


@dataclass(frozen=True)
class ExactInterval:
    """Limits of the odds ratio, not logged; 0 and infinity where there is none."""

    low: float
    high: float


def exact_interval(
    events: ArrayLike,
    total: ArrayLike,
    control_events: ArrayLike,
    control_total: ArrayLike,
    level: float = 0.95,
) -> ExactInterval:
    """The exact conditional interval of the common odds ratio of studies (k,), k >= 1.

    As R's mantelhaen.test(exact = TRUE). Raises ValueError for what are not counts and a level
    outside (0, 1).
    """
    check_level(level)
    total_of = _Total(*cells_of(events, total, control_events, control_total))
    tail = (1 - level) / 2
    low, high = 0.0, np.inf
    if total_of.observed > 0:
        low = _solve(lambda theta: total_of.upper_tail(theta) - tail)
    if total_of.observed < total_of.most:
        high = _solve(lambda theta: tail - total_of.lower_tail(theta))
    return ExactInterval(low, high)


def _solve(rising) -> float:
    """exp of the root, between bounds that are widened from 0 on."""
    reach = 1.0
    while rising(-reach) > 0 or rising(reach) < 0:
        reach *= 2
        if reach > _WIDEST:
            raise ValueError("the exact interval of the odds ratio is beyond all numbers")
    return float(np.exp(bracketed_root(rising, -reach, reach)))


class _Total:
    """The treated arms' events above the fewest possible: those seen, the most, and their law."""

    def __init__(self, a, b, c, d):
        low, high = np.maximum(0, a - d), np.minimum(a + c, a + b)
        self.observed, self.most = int((a - low).sum()), int((high - low).sum())
        self._ranges = [np.arange(first, last + 1) for first, last in zip(low, high, strict=True)]
        self._logs = [
            _log_coefficients(t, *table)
            for t, *table in zip(self._ranges, a + b, c + d, a + c, strict=True)
        ]
        self._length = 1 << self.most.bit_length()

    def upper_tail(self, theta: float) -> float:
        """The probability of as many events or more."""
        return float(self._shares(theta)[self.observed :].sum())

    def lower_tail(self, theta: float) -> float:
        return float(self._shares(theta)[: self.observed + 1].sum())

    def _shares(self, theta: float) -> np.ndarray:
        """The probabilities of 0 ... most: convolved by Fourier transforms, right to rounding."""
        spectrum = np.ones(self._length // 2 + 1, dtype=complex)
        for t, logs in zip(self._ranges, self._logs, strict=True):
            tilted = logs + t * theta
            shares = np.exp(tilted - tilted.max())
            spectrum *= np.fft.rfft(shares / shares.sum(), self._length)
        return np.fft.irfft(spectrum, self._length)[: self.most + 1]


def _log_coefficients(t, n1, n2, m) -> np.ndarray:
    """ln C(n1, t) C(n2, m - t), but for a constant."""
    return -sum(gammaln(cell + 1) for cell in (t, n1 - t, m - t, n2 - m + t))
