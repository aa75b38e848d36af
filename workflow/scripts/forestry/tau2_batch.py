"""tau2 of many data sets at once: bootstrap and leave-one-out samples.

Formulas and sources are those of `forestry.tau2`. B data sets of k studies are rows of
arrays (B, k), each study with a multiplicity: a study of multiplicity m counts m times (0:
not at all), so that a resample of the same studies is the same arrays with other
multiplicities. What all rows share is held once, (1, k). A row's result does not depend on
the other rows, to the last bit: rows are summed alone, and leave a search as they end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from forestry.checks import NotConverged, check_choice, check_values
from forestry.tau2 import (
    HALVINGS,
    MAX_ITERATIONS,
    TAU2_METHODS,
    TOLERANCE,
    likelihood_bound,
    parabola_vertex,
    scan_points,
)
from forestry.weighted_sums import projection_traces

_SLAB = 2**15  # numbers in an array of some rows, so that those in use stay in the cache


def tau2_batch(
    yi: ArrayLike, vi: ArrayLike, method: str, multiplicity: ArrayLike | None = None
) -> np.ndarray:
    """tau2 of B data sets at once, shape (B,), by any of TAU2_METHODS.

    `yi`, `vi` and `multiplicity` are (k,) or (B, k) and broadcast together. A row of one
    study gives 0: it is all the weight there is.

    Raises ValueError for a row without studies, NotConverged where a search fails.
    """
    check_choice("tau2 method", method, TAU2_METHODS)
    found = [tau2_of(rows, method) for rows in slabs(hold(yi, vi, multiplicity))]
    failed = sum(int((~converged).sum()) for _, converged in found)
    if failed:
        raise NotConverged(f"tau2 of {failed} data sets was not found by {method}")
    return np.concatenate([estimate for estimate, _ in found])


# Data sets, held as one -------------------------------------------------------------------------


@dataclass(frozen=True)
class DataSets:
    """B data sets, as arrays (B, k) and (B,), or (1, k) and (1,) where all rows are alike.

    As in `weighted_sums.Part`, a study of the smallest variance that a row has is set apart:
    `y` are the estimates less its own, which is `centre`; `v` are all variances, `apart` is
    its; `others` are the multiplicities without one of it. `smallest` and `largest` are of all
    variances that the row holds, of studies drawn or not, so that rows with the same studies
    are scanned at the same points.
    """

    y: np.ndarray  # (B, k)
    v: np.ndarray
    others: np.ndarray
    apart: np.ndarray
    centre: np.ndarray  # (B,)
    k: np.ndarray  # (B,), with multiplicities
    smallest: np.ndarray
    largest: np.ndarray

    @property
    def rows(self) -> int:
        return self.k.size

    @property
    def df(self) -> np.ndarray:
        return self.k - 1

    @cached_property
    def fixed(self) -> Weighted:
        """The sums at tau2 = 0, which several results need."""
        return Weighted(self, np.zeros(1))

    def take(self, rows: np.ndarray | slice) -> DataSets:
        """Some of the rows; what all share stays as it is."""
        return DataSets(*(self._take(getattr(self, f.name), rows) for f in fields(self)))

    def _take(self, values: np.ndarray, rows) -> np.ndarray:
        return values[rows] if values.shape[0] == self.rows else values


def hold(yi: ArrayLike, vi: ArrayLike, multiplicity: ArrayLike | None) -> DataSets:
    """Estimates, variances and whole multiplicities, (k,) or (B, k), broadcast together.

    Raises ValueError for values that cannot be pooled and a row without studies.
    """
    y, v = (np.atleast_2d(np.asarray(values, dtype=float)) for values in (yi, vi))
    if y.shape[1] == 0:
        raise ValueError("a data set without studies cannot be pooled")
    check_values(y, v)
    m = np.atleast_2d(np.ones(v.shape[1:]) if multiplicity is None else multiplicity)
    whole = np.issubdtype(m.dtype, np.integer) or (m == np.floor(m)).all()
    if not (whole and 0 <= m.min() <= m.max() < np.inf):  # NaN compares false
        raise ValueError("a multiplicity is missing, not whole or negative")
    m = m.astype(float)
    k = _dot(m)
    if not k.min() > 0:
        raise ValueError("a data set without studies cannot be pooled")
    first = _first_drawn(m, v)[:, None]
    others = np.broadcast_to(m, (first.size, m.shape[1])).copy()
    np.put_along_axis(others, first, np.take_along_axis(others, first, 1) - 1, 1)
    rows, width = np.broadcast_shapes(y.shape, others.shape)
    centre = np.take_along_axis(
        np.broadcast_to(y, (rows, width)), np.broadcast_to(first, (rows, 1)), 1
    )
    return DataSets(
        y=y - centre,
        v=v,
        others=others,
        apart=np.take_along_axis(np.broadcast_to(v, others.shape), first, 1)[:, 0],
        centre=centre[:, 0],
        k=np.broadcast_to(k, rows),
        smallest=v.min(axis=1),
        largest=v.max(axis=1),
    )


def _first_drawn(m: np.ndarray, v: np.ndarray) -> np.ndarray:
    """The study of the smallest variance that each row has, (B,) or (1,)."""
    if v.shape[0] > 1:
        return np.where(m > 0, v, np.inf).argmin(axis=1)
    order = v[0].argsort()
    return order[(m > 0)[:, order].argmax(axis=1)]


def slabs(data: DataSets) -> Iterator[DataSets]:
    height = max(1, _SLAB // data.v.shape[1])
    for start in range(0, data.rows, height):
        yield data.take(slice(start, start + height))


# Sums over the studies of each row, at a tau2 = t of each: t is (B,) or (1,) ---------------------


class Weighted:
    """With r = P y: q = y'Py, ypp = r'r, yppp = r'Pr, and the traces of P and P^2."""

    def __init__(self, data: DataSets, t: np.ndarray):
        self._data, self._t = data, t
        self._w = 1 / (data.v + t[:, None])
        self._mw = data.others * self._w
        self._first, self._r1 = 1 / (data.apart + t), _dot(self._mw)
        self.s1 = self._first + self._r1
        self.mean = _dot(self._mw, data.y) / self.s1

    @cached_property
    def _residual(self) -> np.ndarray:
        return self._data.y - self.mean[:, None]

    @cached_property
    def q(self) -> np.ndarray:
        return _dot(self._mw, self._residual, self._residual) + self._first * self.mean**2

    @property
    def q_and_ypp(self) -> tuple[np.ndarray, np.ndarray]:
        weighted = self._mw * self._residual
        q = _dot(weighted, self._residual) + self._first * self.mean**2
        return q, _dot(weighted, self._w, self._residual) + (self._first * self.mean) ** 2

    @property
    def trace_p(self) -> np.ndarray:
        return projection_traces(self._first, self.s1, self._r1, self._r2, 0.0)[0]

    @property
    def _r2(self) -> np.ndarray:
        return _dot(self._mw, self._w)

    def scores(self, restricted: bool) -> tuple[np.ndarray, np.ndarray]:
        """Twice the score of t, and its slope downwards: not positive where not concave."""
        r, first = self._w * self._residual, -self._first * self.mean
        ypp = _dot(self._data.others, r, r) + first**2
        r -= first[:, None]
        wr, r2 = self._mw * r, self._r2
        yppp = _dot(wr, r) - _dot(wr) ** 2 / self.s1
        if restricted:
            r3 = _dot(self._mw, self._w, self._w)
            expected, slope = projection_traces(self._first, self.s1, self._r1, r2, r3)
        else:
            expected, slope = self.s1, self._first**2 + r2
        return ypp - expected, 2 * yppp - slope

    def log_likelihood(self, restricted: bool) -> np.ndarray:
        """Profiled over the means, without the constant; restricted: given the residuals."""
        totals = np.log(self._data.v + self._t[:, None])
        terms = _dot(self._data.others, totals) + np.log(self._data.apart + self._t) + self.q
        return -0.5 * (terms + np.log(self.s1) if restricted else terms)


def _dot(*factors: np.ndarray) -> np.ndarray:
    """The sum of products along each row. Not by BLAS, whose last bit hangs on the other rows."""
    return np.einsum(",".join(["bk"] * len(factors)) + "->b", *factors)


# The estimators: each gives tau2 (B,) and whether it was found (B,) ----------------------------


def tau2_of(data: DataSets, method: str) -> tuple[np.ndarray, np.ndarray]:
    several = data.df > 0
    if several.all():
        return _ESTIMATORS[method](data)
    estimate, converged = np.zeros(data.rows), np.ones(data.rows, dtype=bool)
    if several.any():
        estimate[several], converged[several] = _ESTIMATORS[method](data.take(several))
    return estimate, converged


def _closed(formula: Callable[[DataSets], np.ndarray]):
    """An estimator without a search, truncated at zero."""

    def estimator(data: DataSets) -> tuple[np.ndarray, np.ndarray]:
        estimate = np.maximum(np.broadcast_to(formula(data), data.rows), 0.0)
        return estimate, np.ones(data.rows, dtype=bool)

    return estimator


@_closed
def _dersimonian_laird(data: DataSets) -> np.ndarray:
    return (data.fixed.q - data.df) / data.fixed.trace_p


@_closed
def _hunter_schmidt(data: DataSets) -> np.ndarray:
    return (data.fixed.q - data.k) / data.fixed.s1


@_closed
def _hedges(data: DataSets) -> np.ndarray:
    expected = (_dot(data.others, data.v) + data.apart) * (1 - 1 / data.k)
    return (_squares(data) - expected) / data.df


@_closed
def _sidik_jonkman(data: DataSets) -> np.ndarray:
    start = _squares(data) / data.k
    return start * Weighted(data, start).q / data.df


def _squares(data: DataSets) -> np.ndarray:
    """Sums of squares about the plain means."""
    mean = _dot(data.others, data.y) / data.k
    residual = data.y - mean[:, None]
    return _dot(data.others, residual, residual) + mean**2


def _paule_mandel(data: DataSets) -> tuple[np.ndarray, np.ndarray]:
    """Newton's method on 1/Q from 0, whose steps never pass the solution; see `forestry.tau2`."""

    def step(rows: DataSets, t: np.ndarray):
        q, ypp = Weighted(rows, t).q_and_ypp
        return (q - rows.df) * q / (rows.df * np.where(ypp > 0, ypp, np.inf))

    return _search(data, np.zeros(data.rows), lambda rows, t, _: np.maximum(t + step(rows, t), 0))


def _search(data: DataSets, start: np.ndarray, improve, state=()) -> tuple[np.ndarray, np.ndarray]:
    """Improve each row's t until it moves no more; a row that has ended is left alone.

    `state` are arrays (B,) that `improve` takes the rows' part of, and may write to.
    """
    t, converged = start.copy(), np.zeros(data.rows, dtype=bool)
    active = np.arange(data.rows)
    for _ in range(MAX_ITERATIONS):
        new = improve(data, start, state)
        done = np.abs(new - start) <= TOLERANCE * (new + data.smallest)
        t[active[done]], converged[active[done]] = new[done], True
        if done.all():
            return t, converged
        if done.any():
            active, start, data = active[~done], new[~done], data.take(~done)
            state = tuple(values[~done] for values in state)
        else:
            start = new
    return t, converged


# The likelihoods --------------------------------------------------------------------------------


def _maximum_likelihood(data: DataSets) -> tuple[np.ndarray, np.ndarray]:
    return _maximise(data, restricted=False)


def _restricted_maximum_likelihood(data: DataSets) -> tuple[np.ndarray, np.ndarray]:
    return _maximise(data, restricted=True)


def _maximise(data: DataSets, restricted: bool) -> tuple[np.ndarray, np.ndarray]:
    """The highest maximum over t >= 0: a scan, then every local maximum of it refined."""
    grid = _scan_points(data)
    heights = np.stack([Weighted(data, t).log_likelihood(restricted) for t in grid])
    rows, points = _peaks(heights)
    peaks = data if rows.size == data.rows else data.take(rows)
    t, converged = _refine(peaks, grid, heights, rows, points, restricted)
    if rows.size == data.rows:  # one a row, in their order
        return t, converged
    reached = Weighted(peaks, t).log_likelihood(restricted)
    order = np.lexsort((-reached, rows))
    best = order[np.unique(rows[order], return_index=True)[1]]
    failed = np.bincount(rows, ~converged, data.rows) > 0  # a higher one may be among them
    return t[best], ~failed


def _scan_points(data: DataSets) -> np.ndarray:
    """(points, B) or (points, 1): as `tau2.scan_points`, to the highest bound of a row.

    A row has no maximum beyond its own bound: more points do not change what is found.
    """
    bound = likelihood_bound(_squares(data), data.df, data.largest - data.smallest)
    return scan_points(max((bound / data.smallest).max(), 1.0))[:, None] * data.smallest


def _peaks(heights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows and points, in the rows' order, that are no lower than those beside them."""
    edge = np.ones_like(heights[:1], dtype=bool)
    rises = np.concatenate([edge, heights[1:] > heights[:-1]])
    falls = np.concatenate([heights[:-1] >= heights[1:], edge])
    return np.nonzero((rises & falls).T)


def _refine(data, grid, heights, rows, points, restricted) -> tuple[np.ndarray, np.ndarray]:
    """As `tau2._refine`, each peak between the points beside it."""
    last = len(grid) - 1
    grid = np.broadcast_to(grid, heights.shape)
    below, above = np.maximum(points - 1, 0), np.minimum(points + 1, last)
    low, at, high = (grid[where, rows] for where in (below, points, above))
    around = (heights[where, rows] for where in (below, points, above))
    vertex = parabola_vertex(at, data.smallest, *around)
    start = np.where((points > HALVINGS + 1) & (points < last), vertex, at)

    def improve(part: DataSets, t: np.ndarray, bracket):
        low, high = bracket
        score, curvature = Weighted(part, t).scores(restricted)
        np.copyto(low, t, where=score > 0)
        np.copyto(high, t, where=score <= 0)
        concave = curvature > 0
        new = t + score / np.where(concave, curvature, 1.0)
        return np.where(concave & (low <= new) & (new <= high), new, (low + high) / 2)

    return _search(data, start, improve, (low, high))


_ESTIMATORS = {
    "DL": _dersimonian_laird,
    "HE": _hedges,
    "HS": _hunter_schmidt,
    "SJ": _sidik_jonkman,
    "EB": _paule_mandel,
    "PM": _paule_mandel,
    "ML": _maximum_likelihood,
    "REML": _restricted_maximum_likelihood,
}
