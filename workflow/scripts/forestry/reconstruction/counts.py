"""Rows of counts solved from a published result: `solve`.

What is tried, in this order, until there is a solution: all printed numbers with the sheet's
totals fixed, then with each total beside unknown events as the most that it can be; then the
same with the printed n set aside, with p set aside, with both. What had to be set aside is
named, and is a contradiction between the printed numbers and the rows that are given. A space
is seen in full where it is small enough, and the number of solutions is then exact; otherwise
it is searched, and what is found is a lower bound.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from forestry.reconstruction.enumeration import Limits, TooLarge, solutions
from forestry.reconstruction.evaluation import distance, evaluate
from forestry.reconstruction.reporting import Tally, as_given, none_found, not_solvable, report
from forestry.reconstruction.results import Freed, Solved
from forestry.reconstruction.search import Effort, Searched, search
from forestry.reconstruction.space import CountPool, CountRow, NotSolvable, choices
from forestry.reconstruction.ways import Way, bounded, ways

_SEEN_FOR_NEAREST = 20_000  # configurations pooled to find the nearest by exhaustion
_SEARCHES = 2  # ways of the above that are searched, at most
_DIAGNOSIS = Limits(half=100_000, pairs=2e7, pooled=200_000, fitted=10_000)


@dataclass(frozen=True)
class Settings:
    """What is looked at in full, how long is searched beyond that, and with which seed."""

    limits: Limits = field(default_factory=Limits)
    effort: Effort = field(default_factory=Effort)
    seed: int = 0


def solve(pool: CountPool, settings: Settings | None = None) -> Solved:
    """The rows of a published result that read as published, or the nearest.

    A pool that cannot be solved gets the verdict NOT_SOLVABLE with the reason. Raises
    ValueError for impossible counts among the known rows.
    """
    settings = settings or Settings()
    try:
        if len(pool.rows) < 2:
            raise NotSolvable("fewer than two rows: nothing is pooled")
        if pool.target.estimate is None:
            raise NotSolvable("no estimate is published")
        return _solved(*bounded(pool), settings)
    except NotSolvable as error:
        return not_solvable(pool, str(error))


def _solved(pool: CountPool, assumed: str, settings: Settings) -> Solved:
    if not pool.unknown:
        return as_given(pool)
    tried = ways(pool)
    searched: dict[int, Searched] = {}
    for place, way in enumerate(tried):
        found = Tally(way)
        lots, way.exhausted = _all_solutions(way, settings.limits)
        if not way.exhausted:
            if len(searched) < _SEARCHES:
                searched[place] = _searched(way, settings)
                lots.append(searched[place].solutions)
            lots = [np.unique(np.concatenate(lots), axis=0)]
        for index in lots:
            found.add(index)
        if found.count:
            return report(found, assumed, _freed(pool, way) if way.aside else ())
    return _nearest(tried, searched, assumed, settings)


def _searched(way: Way, settings: Settings) -> Searched:
    return search(way.choices, way.target, settings.seed, settings.effort)


def _all_solutions(way: Way, limits: Limits) -> tuple[list[np.ndarray], bool]:
    """Lots (S, k) of solutions, and whether they are all; a few of very many are enough."""
    lots, count = [np.zeros((0, way.choices.size.size), dtype=np.intp)], 0
    try:
        for index in solutions(way.choices, way.target, limits):
            lots.append(index)
            count += len(index)
            if count > limits.kept:
                return lots, False
    except TooLarge:
        return lots, False
    return lots, True


def _nearest(
    tried: Sequence[Way], searched: Mapping[int, Searched], assumed: str, settings: Settings
) -> Solved:
    """Without a solution: the nearest of the ways that set aside no more than the first."""
    near = [
        (_nearest_of(way, searched.get(place), settings), way)
        for place, way in enumerate(tried)
        if way.aside == tried[0].aside
    ]
    (nearest, _, seen), way = min(near, key=lambda found: found[0][1])
    exhausted = all(way.exhausted for way in tried)
    said = "" if seen else "the nearest is the nearest that was found"
    return none_found(way, nearest, exhausted, _freed(way.pool, way), (assumed, said))


def _nearest_of(way: Way, searched: Searched | None, settings: Settings):
    """The nearest configuration of a way (k,), its distance, and whether all were looked at."""
    if way.choices.space <= _SEEN_FOR_NEAREST:
        return *_nearest_of_all(way), True
    searched = searched or _searched(way, settings)
    return searched.nearest, searched.distance, False


def _nearest_of_all(way: Way) -> tuple[np.ndarray, float]:
    sizes = way.choices.size
    every = np.array(np.unravel_index(np.arange(int(np.prod(sizes))), sizes)).T
    lots = (every[at : at + 4096] for at in range(0, len(every), 4096))
    apart = np.concatenate([distance(evaluate(way.choices, lot), way.target) for lot in lots])
    nearest = int(np.argmin(apart))
    return every[nearest], float(apart[nearest])


# Diagnosis ------------------------------------------------------------------------------------


def _freed(pool: CountPool, way: Way) -> tuple[Freed, ...]:
    """The known rows of which one, if it were not known, would give solutions to all numbers.

    A row's events first, then its total too. Spaces that are too large are passed over.
    """
    found = []
    for i, row in enumerate(pool.rows):
        if row.unknown(pool.columns):
            continue
        for free in _freed_rows(row, pool.columns):
            count = _count(pool.with_rows({i: free}), way.totals)
            if count:
                columns = " ".join(free.unknown(pool.columns))
                found.append(Freed(row.study_id, columns, count))
                break
    return tuple(found)


def _freed_rows(row: CountRow, columns: Sequence[str]) -> list[CountRow]:
    events = dict.fromkeys(columns[::2])
    totals = dict.fromkeys(columns[1::2])
    most = {name.replace("total", "most"): getattr(row, name) for name in totals}
    return [replace(row, **events, trusted=True), replace(row, **events, **totals, **most)]


def _count(pool: CountPool, totals: str) -> int:
    """The solutions of a pool, 0 where they are too many to look at."""
    try:
        found = solutions(choices(pool, totals), pool.target, _DIAGNOSIS)
        return sum(map(len, found))
    except (TooLarge, NotSolvable):
        return 0
