"""What is reported of a pool's solutions: their number and ranges, and the one that is chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from forestry.reconstruction.evaluation import evaluate
from forestry.reconstruction.regularity import CRITERION, departures, log_probabilities, relative
from forestry.reconstruction.results import (
    FIXED,
    NONE,
    NOT_SOLVABLE,
    NOTHING_UNKNOWN,
    SEVERAL,
    STATISTICS,
    UNIQUE,
    Cell,
    Freed,
    Solved,
    SolvedRow,
    Statistic,
)
from forestry.reconstruction.space import CountPool, choices
from forestry.reconstruction.ways import Way

NEAREST = "least distance from the printed numbers, in units of their last digits"


class Tally:
    """Number, ranges and the most regular of the solutions that are added."""

    def __init__(self, way: Way):
        self.way, self.count = way, 0
        log_probability = log_probabilities(way.choices, way.target)
        self._regular = _padded(relative(way.choices, log_probability))
        self._departure = _padded(departures(way.choices))
        self._best: tuple | None = None
        self.low = self.high = self.sum_low = self.sum_high = None

    def add(self, index: np.ndarray) -> None:
        if not len(index):
            return
        cells, rows = self.way.choices.take(index)[0], np.arange(index.shape[1])
        sums = cells.sum(axis=1)
        self.count += len(index)
        self.low, self.high = _spanned(self.low, self.high, cells)
        self.sum_low, self.sum_high = _spanned(self.sum_low, self.sum_high, sums)
        departure = self._departure[rows, index].sum(axis=1)
        regular = np.round(self._regular[rows, index].sum(axis=1), 9)
        flat = cells.reshape(len(cells), -1)
        first = np.lexsort((*flat.T[::-1], -regular, departure))[0]
        key = (departure[first], -regular[first], tuple(flat[first].tolist()))
        if self._best is None or key < self._best[0]:
            self._best = (key, index[first])

    @property
    def chosen(self) -> np.ndarray:
        """The most regular solution, (k,) places in the choices' lists."""
        return self._best[1]


def _padded(lists: Sequence[np.ndarray]) -> np.ndarray:
    width = max(map(len, lists))
    return np.array([np.pad(np.asarray(v, dtype=float), (0, width - len(v))) for v in lists])


def _spanned(low, high, values: np.ndarray):
    least, most = values.min(axis=0), values.max(axis=0)
    if low is None:
        return least, most
    return np.minimum(low, least), np.maximum(high, most)


# Reports --------------------------------------------------------------------------------------


def report(found: Tally, assumed: str, freed: tuple[Freed, ...]) -> Solved:
    way = found.way
    unique = way.exhausted and found.count == 1
    reasons = [assumed, _said_of_totals(way), _said_of_aside(way)]
    if not way.exhausted:
        reasons.append("the space is too large to see in full: at least so many solutions")
    return replace(
        with_rows(way, found.chosen),
        verdict=UNIQUE if unique else SEVERAL,
        solutions=found.count,
        exhaustive=way.exhausted,
        cells=_cells(way, found.chosen, found.low, found.high, way.exhausted),
        sums=_sums(way, found.chosen, found.sum_low, found.sum_high, way.exhausted),
        freed=freed,
        criterion="" if unique else CRITERION,
        reason="; ".join(filter(None, reasons)),
    )


def none_found(
    way: Way, nearest: np.ndarray, exhausted: bool, freed: tuple[Freed, ...], notes: Sequence[str]
) -> Solved:
    """No solution: the nearest configuration (k,) that was seen, and whether all were."""
    cells = way.choices.take(nearest[None])[0][0]
    sums = cells.sum(axis=0)
    said = "no counts within the bounds read as published" if exhausted else "none was found"
    return replace(
        with_rows(way, nearest),
        verdict=NONE,
        exhaustive=exhausted,
        cells=_cells(way, nearest, cells, cells, False),
        sums=_sums(way, nearest, sums, sums, False),
        freed=freed,
        criterion=NEAREST,
        reason="; ".join(filter(None, [said, _said_of_totals(way), *notes])),
    )


def as_given(pool: CountPool) -> Solved:
    way = Way(pool, FIXED, (), pool.target, choices(pool))
    only = with_rows(way, np.zeros(len(pool.rows), dtype=np.intp))
    met = not only.distance
    return replace(only, verdict=NOTHING_UNKNOWN, solutions=int(met), exhaustive=True)


def not_solvable(pool: CountPool, reason: str) -> Solved:
    return Solved(
        outcome=pool.target.outcome,
        variant=pool.target.variant,
        verdict=NOT_SOLVABLE,
        k_unknown=len(pool.unknown),
        solutions=0,
        exhaustive=False,
        space=np.nan,
        totals=FIXED,
        rows=(),
        cells=(),
        sums=(),
        statistics=(),
        distance=np.nan,
        freed=(),
        held=(),
        criterion="",
        reason=reason,
    )


def with_rows(way: Way, index: np.ndarray) -> Solved:
    """The unknown rows filled as chosen, and what then is computed of each statistic."""
    pool = way.pool
    cells = way.choices.take(index[None])[0][0]
    statistics = _statistics(way, index)
    rows = [
        SolvedRow(pool.rows[i].study_id, **dict(zip(pool.columns, map(int, cells[i]), strict=True)))
        for i in pool.unknown
    ]
    return replace(
        not_solvable(pool, ""),
        space=way.choices.space,
        totals=way.totals,
        rows=tuple(rows),
        statistics=statistics,
        distance=float(sum(s.distance for s in statistics if not s.contradicted)),
    )


def _statistics(way: Way, index: np.ndarray) -> tuple[Statistic, ...]:
    found = evaluate(way.choices, index[None])
    aside = dict(way.target.aside)
    printed = {**way.target.bounds, **aside}
    statistics = []
    for name in (name for name in STATISTICS if name in printed):
        bound, value = printed[name], float(getattr(found, name)[0])
        computed = None if np.isnan(value) else value
        met, apart = bool(bound.met(value)), float(bound.distance(value))
        statistics.append(Statistic(name, bound.printed, computed, met, apart, name in aside))
    return tuple(statistics)


def _cells(way: Way, index, low, high, exhaustive: bool) -> tuple[Cell, ...]:
    pool, chosen = way.pool, way.choices.take(index[None])[0][0]
    return tuple(
        _cell(pool.rows[i].study_id, column, chosen[i, c], low[i, c], high[i, c], exhaustive)
        for i in pool.unknown
        for c, column in enumerate(pool.columns)
        if len(np.unique(way.choices.cells[i, : way.choices.size[i], c])) > 1
    )


def _sums(way: Way, index, low, high, exhaustive: bool) -> tuple[Cell, ...]:
    chosen = way.choices.take(index[None])[0][0].sum(axis=0)
    return tuple(
        _cell("", column, chosen[c], low[c], high[c], exhaustive)
        for c, column in enumerate(way.pool.columns)
    )


def _cell(study_id: str, column: str, value, low, high, exhaustive: bool) -> Cell:
    fixed = exhaustive and bool(low == high)
    return Cell(study_id, column, int(value), int(low), int(high), fixed)


def _said_of_totals(way: Way) -> str:
    if way.totals == FIXED:
        return ""
    return "the sheet's totals beside unknown events were taken as the most that they can be"


def _said_of_aside(way: Way) -> str:
    if not way.aside:
        return ""
    return f"no solution meets the printed {' and '.join(way.aside)} as well: set aside"
