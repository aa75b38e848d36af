"""What the rows of a pool can be: every count within its bounds, with its effect.

A row is known, or has cells to be found: events from 0 to the total, the total as the sheet
gives it, or from 1 to the most that it can be. Both arms of a comparison alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from forestry import measures
from forestry.models import Pooling
from forestry.reconstruction.results import FIXED
from forestry.reconstruction.targets import Target

ONE_ARM = ("events", "total")
TWO_ARMS = (*ONE_ARM, "control_events", "control_total")
TWO_ARM_MEASURES = ("risk_ratio", "odds_ratio", "risk_difference")
MOST_CHOICES = 500_000  # of a row: its list, with effects, is held in memory


class NotSolvable(ValueError):
    """There is nothing to solve from: a total without any bound, a measure not of counts."""


class TooManyChoices(NotSolvable):
    """A row of two arms can be filled in more ways than can be listed."""


@dataclass(frozen=True)
class CountRow:
    """A row of a sheet of counts; None is a cell to be found.

    `most` and `control_most` bound a total that is not given (None: no bound of its own).
    A total beside unknown events is the study's size, of which the pool may have counted
    fewer, unless it is `trusted` to be what was pooled.
    """

    study_id: str
    events: int | None
    total: int | None
    control_events: int | None = None
    control_total: int | None = None
    most: int | None = None
    control_most: int | None = None
    trusted: bool = False

    def unknown(self, columns: Sequence[str]) -> tuple[str, ...]:
        return tuple(column for column in columns if getattr(self, column) is None)

    def stated(self, columns: Sequence[str]) -> int:
        """The participants that the sheet gives, over the arms."""
        return sum(getattr(self, total) or 0 for total in columns[1::2])


@dataclass(frozen=True)
class CountPool:
    """A published result of counts: its rows and the way of pooling that is declared for it.

    `scale` is that of analysis, as in `measure_kinds.scale_of`.
    """

    target: Target
    measure: str  # proportion | risk_ratio | odds_ratio | risk_difference
    scale: str
    pooling: Pooling
    rows: tuple[CountRow, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        return ONE_ARM if self.measure == "proportion" else TWO_ARMS

    @property
    def unknown(self) -> tuple[int, ...]:
        """The places of the rows with a cell to be found."""
        return tuple(i for i, row in enumerate(self.rows) if row.unknown(self.columns))

    def with_rows(self, rows: dict[int, CountRow]) -> CountPool:
        return replace(self, rows=tuple(rows.get(i, row) for i, row in enumerate(self.rows)))


@dataclass(frozen=True, eq=False)
class Choices:
    """Everything that each of k rows can be, padded to the longest list.

    `size` (k,) is the length of each list; `cells` (k, C, columns) are counts; `yi` and `vi`
    (k, C) the effects on the scale of analysis (of a logistic mixed model, the uncorrected
    logits of the Wald test: `vi` is infinite where there is none). Places beyond a list's
    end repeat its first choice.
    """

    pool: CountPool
    size: np.ndarray
    cells: np.ndarray
    yi: np.ndarray
    vi: np.ndarray

    @property
    def space(self) -> float:
        """How many configurations there are."""
        return float(np.prod(self.size.astype(float)))

    def participants(self, row: int) -> np.ndarray:
        """Of both arms, by choice of a row, (C,)."""
        return self.cells[row, : self.size[row], 1::2].sum(axis=1)

    def least_participants(self, row: int) -> int:
        return int(self.participants(row).min())

    def take(self, index: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Cells (B, k, columns), yi and vi (B, k) of configurations (B, k)."""
        rows = np.arange(self.size.size)
        return self.cells[rows, index], self.yi[rows, index], self.vi[rows, index]

    def narrowed(self, chosen: Sequence[np.ndarray]) -> Choices:
        """The same with the choices (places in the lists) kept for each row."""
        width = max(len(places) for places in chosen)
        padded = np.array(
            [np.r_[p, np.full(width - len(p), p[0] if len(p) else 0)] for p in chosen], dtype=int
        )
        rows = np.arange(len(chosen))[:, None]
        size = np.array([len(places) for places in chosen])
        return replace(
            self,
            size=size,
            cells=self.cells[rows, padded],
            yi=self.yi[rows, padded],
            vi=self.vi[rows, padded],
        )


def choices(pool: CountPool, totals: str = FIXED) -> Choices:
    """All that the rows of a pool can be, with the sheet's totals `fixed` or an `upper bound`.

    Choices without an effect (no events in either arm) are left out: the pool counts them
    not. Raises NotSolvable where a total has no bound, or a row no choice, and for a measure
    or a correction that does not stand for each study alone; TooManyChoices.
    """
    columns = pool.columns
    lists = [_row_choices(row, columns, totals) for row in pool.rows]
    effects = _effects(np.concatenate(lists), pool)
    ends = np.cumsum([len(cells) for cells in lists])[:-1]
    yi, vi = np.split(effects[0], ends), np.split(effects[1], ends)
    kept = [np.flatnonzero(np.isfinite(y)) for y in yi]
    for row, places in zip(pool.rows, kept, strict=True):
        if not places.size:
            raise NotSolvable(f"{row.study_id} has no counts with an effect")
    width = max(len(cells) for cells in lists)
    padded = [np.r_[0 : len(cells), np.zeros(width - len(cells), dtype=int)] for cells in lists]
    whole = Choices(
        pool,
        size=np.array([len(cells) for cells in lists]),
        cells=np.stack([cells[p] for cells, p in zip(lists, padded, strict=True)]),
        yi=np.stack([y[p] for y, p in zip(yi, padded, strict=True)]),
        vi=np.stack([v[p] for v, p in zip(vi, padded, strict=True)]),
    )
    return whole.narrowed(kept)


def _row_choices(row: CountRow, columns: Sequence[str], totals: str) -> np.ndarray:
    arms = [
        _arm_choices(row, *arm, totals) for arm in zip(columns[::2], columns[1::2], strict=True)
    ]
    if len(arms) == 1:
        return np.array(arms[0])
    if (ways := len(arms[0]) * len(arms[1])) > MOST_CHOICES:
        raise TooManyChoices(f"{row.study_id}: its counts can be filled in {ways:,} ways")
    return np.array([(*one, *other) for one, other in product(*arms)])


def _arm_choices(row: CountRow, events: str, total: str, totals: str) -> list[tuple[int, int]]:
    given, stated = getattr(row, events), getattr(row, total)
    if given is not None and stated is not None:
        return [(given, stated)]
    most = stated if stated is not None else getattr(row, total.replace("total", "most"))
    if most is None or most < 1:
        raise NotSolvable(f"{row.study_id}: {total} has no bound")
    is_held = stated is not None and (row.trusted or totals == FIXED)
    sizes = [stated] if is_held else range(1, most + 1)
    pairs = [(x, n) for n in sizes for x in ([given] if given is not None else range(n + 1))]
    return [(x, n) for x, n in pairs if x <= n]


def _effects(cells: np.ndarray, pool: CountPool) -> tuple[np.ndarray, np.ndarray]:
    """yi and vi of counts (C, columns); NaN where the pool has no place for them."""
    if pool.measure == "proportion" and pool.pooling.model == "logistic_mixed":
        return _wald_logits(cells)
    if pool.measure != "proportion" and pool.measure not in TWO_ARM_MEASURES:
        raise NotSolvable(f"{pool.measure} is no measure of counts")
    rule = measures.ZeroCells(**pool.pooling.zero_cells)
    if rule.to == "if_any_affected":
        raise NotSolvable("zero_cells: if_any_affected makes a study's effect depend on others")
    columns = np.asarray(cells, dtype=float).T
    if pool.measure == "proportion":
        found = measures.proportion(*columns, pool.scale, rule)
    else:
        found = getattr(measures, pool.measure)(*columns, rule)
    return found.yi, found.vi


def _wald_logits(cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    x, n = cells[:, 0].astype(float), cells[:, 1].astype(float)
    inside = (x > 0) & (x < n)
    yi, vi = np.zeros(x.shape), np.full(x.shape, np.inf)
    found = measures.proportion(x[inside], n[inside], "logit")
    yi[inside], vi[inside] = found.yi, found.vi
    return yi, vi
