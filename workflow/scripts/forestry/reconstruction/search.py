"""Solutions of a space too large to see all of: a seeded search, and what it found.

Each restart begins with totals drawn within their bounds and events that stand for the spread
of studies that was published (the quantiles of each row's distribution at normal scores).
First it comes near: a few rows are freed, what each of their counts alone would do to the
pooled numbers is computed, all their combinations are ranked by the sum of these changes, and
the best are pooled in full; the nearest is where the next step starts. Then it gathers: some
rows of what is nearest are freed, participants are moved between their totals where these are
not given, and all their counts are enumerated (of a mixed model, those that `screening`
keeps). The seed, the restart and the step decide every draw: a search can be repeated.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, fields
from functools import reduce

import numpy as np

from forestry.batch import fit_random_batch
from forestry.logistic_mixed import fit_random_batch as fit_mixed_batch
from forestry.reconstruction.enumeration import Limits, TooLarge, candidates
from forestry.reconstruction.evaluation import Pools, distance, evaluate
from forestry.reconstruction.regularity import log_probabilities
from forestry.reconstruction.screening import NewtonScreen, Screen, WeightScreen
from forestry.reconstruction.space import Choices
from forestry.reconstruction.targets import Target
from forestry.reconstruction.totals import Totals
from forestry.reconstruction.windows import SUMMED, windows_of

_COMBINATIONS = 200_000  # of the rows freed in a step
_LIMITS = Limits(half=300_000, pairs=1e7, pooled=200_000, fitted=50_000)


@dataclass(frozen=True)
class Effort:
    """How long a search goes on.

    It ends before with `enough` solutions, and after half of its restarts where the nearest
    is still farther than `hopeless`.
    """

    restarts: int = 10
    steps: int = 12  # towards the target, of each restart
    freed: int = 4  # rows freed in such a step
    pooled: int = 128  # combinations pooled in full in such a step
    gatherings: int = 20  # of each restart
    combinations: float = 1e8  # of the rows freed to gather
    enough: int = 40
    hopeless: float = 12.0


@dataclass(frozen=True, eq=False)
class Searched:
    """Solutions (S, k), each once, and the nearest configuration (k,) with its distance."""

    solutions: np.ndarray
    nearest: np.ndarray
    distance: float


def search(choices: Choices, target: Target, seed: int, effort: Effort | None = None) -> Searched:
    """Look for solutions from several starts; `seed` is a whole number of 0 or more."""
    effort = effort or Effort()
    found = _Found(choices, target)
    totals = Totals(choices, target)
    probabilities = log_probabilities(choices, target)
    for restart in range(effort.restarts):
        draw = np.random.default_rng(np.random.SeedSequence([seed, restart]))
        allowed = totals.places(totals.drawn(draw, keep_stated=restart % 2 == 0))
        start = _start(choices, allowed, probabilities, draw)
        base = _come_near(found, allowed, start, draw, effort)
        _gather(found, totals, base, draw, effort)
        far = found.distance > effort.hopeless and 2 * (restart + 1) >= effort.restarts
        if found.count >= effort.enough or far:
            break
    return Searched(found.solutions, found.nearest, found.distance)


class _Found:
    """What is looked at is kept here: the solutions, and the nearest so far."""

    def __init__(self, choices: Choices, target: Target):
        self.choices, self.target = choices, target
        self.nearest, self.distance, self.count = None, np.inf, 0
        self._lots = [np.zeros((0, choices.size.size), dtype=np.intp)]

    def look(self, index: np.ndarray) -> tuple[np.ndarray, float]:
        """Pool configurations (B, k); the one that is best to go on from, and how far it is.

        How far is the sum of ln(1 + distance), so that no statistic outweighs the others for
        being printed with more digits; 0 is a solution.
        """
        pooled = evaluate(self.choices, index)
        apart = distance(pooled, self.target)
        solved = index[apart == 0]
        self._lots.append(solved)
        self.count += len(solved)
        if self.nearest is None or apart.min() < self.distance:
            self.nearest, self.distance = index[int(np.argmin(apart))], float(apart.min())
        away = _log_distance(pooled, self.target)
        best = int(np.argmin(away))
        return index[best], float(away[best])

    @property
    def solutions(self) -> np.ndarray:
        return np.unique(np.concatenate(self._lots), axis=0)


def _log_distance(pooled: Pools, target: Target) -> np.ndarray:
    parts = [
        np.log1p(bound.distance(getattr(pooled, name))) for name, bound in target.bounds.items()
    ]
    return np.sum(parts, axis=0)


def _start(choices: Choices, allowed, probabilities, draw) -> np.ndarray:
    """Quantiles of each row's distribution at normal scores, dealt out at random."""
    free = _free(allowed)
    shares = (np.arange(free.size) + 0.5) / max(1, free.size)
    base = np.array([places[0] for places in allowed])
    for i, share in zip(free, draw.permutation(shares), strict=True):
        order = allowed[i][np.argsort(_effect_order(choices.cells[i, allowed[i]]), kind="stable")]
        chance = np.cumsum(np.exp(probabilities[i][order]))
        base[i] = order[np.searchsorted(chance, share * chance[-1])]
    return base


def _effect_order(cells: np.ndarray) -> np.ndarray:
    """The proportion, or the difference between the arms' proportions."""
    treated = cells[:, 0] / cells[:, 1]
    return treated if cells.shape[1] == 2 else treated - cells[:, 2] / cells[:, 3]


def _free(allowed) -> np.ndarray:
    return np.array([i for i, places in enumerate(allowed) if len(places) > 1], dtype=int)


def _freed(free: np.ndarray, allowed, draw, most: int, combinations: float) -> list[int]:
    """Some free rows at random, fewer where their combinations are too many."""
    rows: list[int] = []
    for i in draw.permutation(free).tolist():
        sizes = [float(len(allowed[j])) for j in (*rows, i)]
        if len(rows) < most and np.prod(sizes) <= combinations:
            rows.append(i)
    return rows or [int(free[0])]


# Coming near ----------------------------------------------------------------------------------


def _come_near(found: _Found, allowed, base, draw, effort: Effort) -> np.ndarray:
    """Where the steps end, (k,)."""
    free = _free(allowed)
    base, away = found.look(base[None])
    for _ in range(effort.steps if free.size else 0):
        rows = _freed(free, allowed, draw, effort.freed, _COMBINATIONS)
        best, apart = found.look(_promising(found, allowed, base, rows, effort.pooled))
        if apart < away:
            base, away = best, apart
        if away == 0:
            break
    return base


def _promising(found: _Found, allowed, base, rows, most: int) -> np.ndarray:
    """The combinations (B, k) of some rows that should come nearest, by adding up changes."""
    singles = [_changed(base, {row: allowed[row]}) for row in rows]
    pooled = evaluate(found.choices, np.concatenate([base[None], *singles]))
    away = _log_distance(_added(pooled, [len(s) for s in singles]), found.target)
    order = np.argsort(away, kind="stable")[:most]
    places = np.unravel_index(order, [len(allowed[row]) for row in rows])
    return _changed(base, {row: allowed[row][p] for row, p in zip(rows, places, strict=True)})


def _changed(base: np.ndarray, places: dict[int, np.ndarray]) -> np.ndarray:
    index = np.tile(base, (len(next(iter(places.values()))), 1))
    for row, chosen in places.items():
        index[:, row] = chosen
    return index


def _added(pooled: Pools, lengths: list[int]) -> Pools:
    """The base's numbers (the first) plus every sum of one change of each row.

    I2 is added up as Q/df = 1/(1 - I2), and p on the logarithmic scale, both nearly straight.
    """
    ends = np.cumsum([1, *lengths])

    def total(values: np.ndarray) -> np.ndarray:
        first = values[0]
        parts = [values[a:b] - first for a, b in zip(ends[:-1], ends[1:], strict=True)]
        return first + reduce(np.add.outer, parts).ravel()

    numbers = {f.name: getattr(pooled, f.name) for f in fields(Pools)}
    sums = {name: total(values) for name, values in numbers.items() if name not in ("i2", "p")}
    h2 = total(1 / (1 - numbers["i2"]))
    log_p = total(np.log(np.maximum(numbers["p"], 1e-300)))
    return Pools(**sums, i2=1 - 1 / np.maximum(h2, 1.0), p=np.exp(np.minimum(log_p, 0.0)))


# Gathering ------------------------------------------------------------------------------------


def _gather(found: _Found, totals: Totals, base, draw, effort: Effort) -> None:
    """All counts of some rows, one lot after the other, each about the best so far."""
    base, away = found.look(base[None])
    for _ in range(effort.gatherings):
        sizes = totals.of(base)
        allowed = totals.places(sizes)
        free = _free(allowed)
        if not free.size:
            return
        rows = _freed(free, allowed, draw, free.size, effort.combinations)
        allowed = totals.places(totals.moved(sizes, rows, draw))
        places = [allowed[i] if i in rows else base[i : i + 1] for i in range(base.size)]
        for index in _lot(found, base, places):
            best, apart = found.look(index)
            if apart < away:
                base, away = best, apart
        if found.count >= effort.enough:
            return


def _lot(found: _Found, base, places) -> Iterator[np.ndarray]:
    """Configurations (B, k) that have the printed Q and n and should come nearest."""
    narrow = found.choices.narrowed(places)
    screen = _screen(found.choices, base, narrow, places, found.target)
    relaxed = found.target.without(("estimate", "ci_low", "ci_high"))
    lots = []
    with suppress(TooLarge):
        lots = [index for index in candidates(narrow, relaxed, _LIMITS, screen) if len(index)]
    if lots:
        index = np.concatenate(lots)
        yield np.stack([p[index[:, i]] for i, p in enumerate(places)], axis=1)


def _screen(choices: Choices, base, narrow: Choices, places, target: Target) -> Screen | None:
    """A screen about a configuration (k,); None for what is not pooled from sums.

    Of a row whose totals were moved it stands for the choice with the nearest share of events.
    """
    pooling = choices.pool.pooling
    if pooling.i2 != "q" or pooling.model not in SUMMED:
        return None
    windows = windows_of(choices.pool, target)
    cells, yi, vi = choices.take(base[None])
    shares = _effect_order(cells[0])
    near = np.array(
        [
            int(np.argmin(np.abs(_effect_order(choices.cells[i, own]) - shares[i])))
            for i, own in enumerate(places)
        ]
    )
    if pooling.model == "inverse_variance":
        tau2 = float(np.nan_to_num(fit_random_batch(yi, vi, pooling.tau2).tau2[0]))
        return WeightScreen(narrow, windows, near, max(tau2, 0.1 * float(np.median(vi))))
    tau2 = fit_mixed_batch(*cells[0].T, nodes=pooling.nodes).tau2[0]
    return NewtonScreen(narrow, windows, near, float(np.nan_to_num(tau2)))
