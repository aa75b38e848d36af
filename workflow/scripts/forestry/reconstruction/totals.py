"""Totals that a search draws within their bounds, so that it has the events alone to look for.

Totals are arrays (k, arms). As the sheet gives them or, where it gives none, at random up to
the median of the others; where n is printed, it is met.
"""

from __future__ import annotations

import numpy as np

from forestry.reconstruction.space import Choices
from forestry.reconstruction.targets import Target

_TRANSFERS = 6  # the most participants moved at once


class Totals:
    """The totals of a pool's rows: those given, and those to be drawn."""

    def __init__(self, choices: Choices, target: Target):
        rows = range(choices.size.size)
        self._choices, self._n = choices, target.n and int(round(target.n.middle))
        self._totals = [choices.cells[i, : choices.size[i], 1::2] for i in rows]
        self._least = np.array([totals.min(axis=0) for totals in self._totals])
        self._most = np.array([totals.max(axis=0) for totals in self._totals])
        columns = choices.pool.columns[1::2]
        stated = [[getattr(row, column) for column in columns] for row in choices.pool.rows]
        self._stated = np.array(stated, dtype=float)

    @property
    def _free(self) -> np.ndarray:
        return self._least < self._most

    def of(self, index: np.ndarray) -> np.ndarray:
        """The totals of a configuration (k,)."""
        return self._choices.take(index[None])[0][0][:, 1::2]

    def places(self, totals: np.ndarray) -> list[np.ndarray]:
        """The places of each row's choices with these totals."""
        return [
            np.flatnonzero((all_totals == own).all(axis=1))
            for all_totals, own in zip(self._totals, totals, strict=True)
        ]

    def drawn(self, draw: np.random.Generator, keep_stated: bool) -> np.ndarray:
        """Totals to start from; without a printed n, `keep_stated` keeps the sheet's."""
        known = ~np.isnan(self._stated)
        usual = max(1, int(np.median(self._stated[known]))) if known.any() else 1
        drawn = draw.integers(1, usual + 1, self._stated.shape)
        chosen = np.clip(np.where(known, self._stated, drawn), self._least, self._most).astype(int)
        if self._n is not None:
            return self._with_n(chosen, np.arange(len(chosen)), draw)
        return chosen if keep_stated else self._fewer(chosen, self._free, draw)

    def moved(self, totals: np.ndarray, rows: list[int], draw: np.random.Generator) -> np.ndarray:
        """Totals with some participants of some rows moved between them, or left out."""
        free = np.zeros_like(self._free)
        free[rows] = self._free[rows]
        if not free.any():
            return totals
        if self._n is None:
            return self._fewer(np.where(free, self._most, totals), free, draw)
        taken, places = totals.copy(), np.argwhere(free)
        for _ in range(int(draw.integers(0, _TRANSFERS + 1))):
            row, arm = places[draw.integers(len(places))]
            taken[row, arm] -= taken[row, arm] > self._least[row, arm]
        return self._with_n(taken, rows, draw)

    def _fewer(self, totals: np.ndarray, free: np.ndarray, draw) -> np.ndarray:
        """About half of the free totals, at random down to half their size."""
        fewer = draw.integers(np.maximum(self._least, (totals + 1) // 2), totals + 1)
        return np.where(free & (draw.random(totals.shape) < 0.5), fewer, totals)

    def _with_n(self, totals: np.ndarray, rows, draw) -> np.ndarray:
        """Participants taken from or added to some rows at random until n is met."""
        totals, chosen = totals.copy(), np.zeros_like(self._free)
        chosen[rows] = True
        while (excess := int(totals.sum()) - self._n) != 0:
            room = np.where(chosen, totals - self._least if excess > 0 else self._most - totals, 0)
            if not room.any():
                break
            place = draw.choice(room.size, p=(room / room.sum()).ravel())
            totals.ravel()[place] -= np.sign(excess)
        return totals
