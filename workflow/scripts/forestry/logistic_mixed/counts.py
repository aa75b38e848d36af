"""The counts of B data sets as one run of studies, and the model without heterogeneity.

A data set's studies stand side by side, those of multiplicity 0 are left out: N studies in
all, (N,) a column. Sums over the studies of each data set are (B,).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammaln, xlogy


class NoFiniteMaximum(ValueError):
    """The likelihood has no maximum at finite beta and tau."""


@dataclass(frozen=True, eq=False)
class Samples:
    """Of k studies, (k,): how many `times` each counts in B data sets, (B, k)."""

    x: np.ndarray
    n: np.ndarray
    times: np.ndarray

    def take(self, kept: np.ndarray) -> Samples:
        return Samples(self.x, self.n, self.times[kept])


@dataclass(frozen=True, eq=False)
class Counts:
    """Events, non-events, totals, multiplicities and the data set of N studies, (N,) each.

    `first` (B,) is where each data set starts; `row` counts them from 0. `drawn_from` where the
    data sets are samples of the same studies.
    """

    x: np.ndarray
    y: np.ndarray
    n: np.ndarray
    m: np.ndarray
    row: np.ndarray
    first: np.ndarray
    drawn_from: Samples | None = None

    @property
    def rows(self) -> int:
        return self.first.size

    def take(self, kept: np.ndarray) -> Counts:
        """The data sets marked in `kept` (B,)."""
        studies = kept[self.row]
        lengths = np.diff(self.first, append=self.row.size)[kept]
        x, y, n, m = (values[studies] for values in (self.x, self.y, self.n, self.m))
        drawn_from = self.drawn_from and self.drawn_from.take(kept)
        return Counts(x, y, n, m, *_rows_of(lengths), drawn_from)

    def blocks(self, size: int) -> list[Counts]:
        """The data sets in order, in parts of about `size` studies."""
        part = self.first // size
        kept = (part == i for i in np.unique(part)) if part[-1] else ()
        return [self.take(rows) for rows in kept] or [self]

    def repeated(self, times: int) -> Counts:
        """All data sets, one run of them after another, `times` over."""
        x, y, n, m = (np.tile(values, times) for values in (self.x, self.y, self.n, self.m))
        steps = np.arange(times)[:, None]
        row = (self.row + self.rows * steps).ravel()
        return Counts(x, y, n, m, row, (self.first + self.row.size * steps).ravel())

    def sum(self, values: np.ndarray) -> np.ndarray:
        """Over the studies of each data set, each as often as it counts: (..., N) to (..., B)."""
        return np.add.reduceat(values * self.m, self.first, axis=-1)

    def spread(self, values: np.ndarray) -> np.ndarray:
        """Each data set's value to its studies: (..., B) to (..., N), or (..., 1) for the only."""
        return values if self.rows == 1 else values[..., self.row]

    @property
    def k(self) -> np.ndarray:
        """The number of studies, (B,)."""
        return np.add.reduceat(self.m, self.first).astype(int)

    @cached_property
    def finite(self) -> np.ndarray:
        """Data sets with a finite maximum: those with a study of both events and non-events.

        As tau grows, the probability of an inner count vanishes, and that of 0 and of n
        does not. (That the data have both events and non-events is implied.)
        """
        return np.logical_or.reduceat((self.x > 0) & (self.y > 0), self.first)

    @property
    def constant(self) -> np.ndarray:
        """The binomial coefficients' part of the log-likelihood, (B,)."""
        n, x, y = _log_factorial(np.array((self.n, self.x, self.y)))
        return self.sum(n - x - y)

    @cached_property
    def logit(self) -> np.ndarray:
        """The observed logits, 0.5 added to all cells, (N,)."""
        return np.log((self.x + 0.5) / (self.y + 0.5))

    @cached_property
    def logit_variance(self) -> np.ndarray:
        """The sampling variances of `logit`, (N,)."""
        return 1 / (self.x + 0.5) + 1 / (self.y + 0.5)

    @cached_property
    def rounding(self) -> np.ndarray:
        """What rounding leaves undecided of a log-likelihood, (B,)."""
        return 1e-12 + 1e-15 * self.sum(self.n)


def _log_factorial(n: np.ndarray) -> np.ndarray:
    """ln(n!) of whole numbers; from a table of all up to the largest, where that is less work."""
    most = int(n.max())
    if most >= n.size:
        return gammaln(n + 1)
    return gammaln(np.arange(1.0, most + 2))[n.astype(int)]


def _rows_of(lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each study's data set, and where each data set starts, from their lengths."""
    ends = np.cumsum(lengths)
    return np.repeat(np.arange(lengths.size), lengths), ends - lengths


def counts_of(events: ArrayLike, total: ArrayLike, multiplicity: ArrayLike | None = None) -> Counts:
    """The studies of one or more data sets; (k,) or (B, k), broadcast together.

    Raises ValueError for impossible counts and a data set without studies.
    """
    x, n = np.asarray(events, dtype=float), np.asarray(total, dtype=float)
    if x.shape[-1:] != n.shape[-1:] or not x.ndim or not x.size:
        raise ValueError(f"events {x.shape} and total {n.shape} must be of one number of studies")
    _refuse_impossible(x, n)
    if multiplicity is None and x.ndim == n.ndim == 1:
        row = np.zeros(x.size, dtype=int)
        return Counts(x, n - x, n, np.ones(x.size), row, row[:1])
    m = np.ones(()) if multiplicity is None else np.asarray(multiplicity, dtype=float)
    if not (np.isfinite(m).all() and (m >= 0).all()):
        raise ValueError("a multiplicity is missing, not finite or negative")
    studies = (x, n) if x.ndim == n.ndim == 1 else None
    x, n, m = np.atleast_2d(*np.broadcast_arrays(x, n, m))
    drawn_from = studies and Samples(*studies, m)
    counted = m > 0
    lengths = counted.sum(axis=1)
    if not lengths.all():
        raise ValueError("a data set has no studies")
    x, n, m = (values[counted] for values in (x, n, m))
    return Counts(x, n - x, n, m, *_rows_of(lengths), drawn_from)


def _refuse_impossible(x: np.ndarray, n: np.ndarray) -> None:
    """A fault of the counts as a ValueError."""
    possible = (x >= 0) & (x <= n) & (n >= 1) & (n < np.inf)
    if (possible & (np.floor(x) == x) & (np.floor(n) == n)).all():
        return
    if not (np.isfinite(x).all() and np.isfinite(n).all()):
        raise ValueError("events or total hold a number that is missing or not finite")
    if not possible.all():
        raise ValueError("events must lie between 0 and total, and total be 1 or more")
    raise ValueError("events or total hold a number that is not whole")


def several(events: ArrayLike, total: ArrayLike) -> Counts:
    """One data set of two studies or more whose likelihood has a finite maximum.

    Raises ValueError for impossible counts and fewer than two studies; NoFiniteMaximum.
    """
    counts = counts_of(events, total)
    if counts.x.size < 2:
        raise ValueError("tau is not identified from a single study: two or more are needed")
    if not counts.finite[0]:
        refuse_all_or_none(counts)
        raise NoFiniteMaximum(
            "no study has both events and non-events: the likelihood has no maximum in tau"
        )
    return counts


def refuse_all_or_none(counts: Counts) -> None:
    """Raises NoFiniteMaximum without events, and with nothing else."""
    for cells, what in ((counts.x, "no events"), (counts.y, "nothing but events")):
        if not cells.any():
            raise NoFiniteMaximum(f"{what} in any study: the likelihood has no finite maximum")


@dataclass(frozen=True, eq=False)
class Common:
    """tau = 0: beta, its standard error, the log-likelihood without constant; (B,) each.

    tau = 0 `is_maximum`, a local one, where the log-likelihood's second derivative in tau,
    sum r^2 - n p (1-p), is not positive.
    """

    beta: np.ndarray
    se: np.ndarray
    log_likelihood: np.ndarray
    is_maximum: np.ndarray

    def take(self, kept) -> Common:
        return Common(*(getattr(self, f.name)[kept] for f in fields(Common)))


def common_of(counts: Counts) -> Common:
    """One common proportion for each data set; infinite beta where there is no other kind."""
    events, others = counts.sum(np.array((counts.x, counts.y)))
    total = events + others
    p, q = events / total, others / total
    with np.errstate(divide="ignore"):
        beta = np.log(events) - np.log(others)
        se = np.sqrt(1 / events + 1 / others)
    residual = counts.x * counts.spread(q) - counts.y * counts.spread(p)
    rise = counts.sum(residual**2) - events * q
    height = xlogy(events, p) + xlogy(others, q)
    return Common(beta, se, height, rise <= 1e-13 * total)
