"""The ways to look at a pool of counts: with totals fixed or bounded, some numbers set aside."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace

from forestry.reconstruction.results import FIXED, UPPER_BOUND
from forestry.reconstruction.space import Choices, CountPool, TooManyChoices, choices
from forestry.reconstruction.targets import Target

SETS_ASIDE = ((), ("n",), ("p",), ("n", "p"))


def bounded(pool: CountPool) -> tuple[CountPool, str]:
    """Each total that is not given with its bound, and what was assumed to have one.

    The bound is the row's own, and no more than the printed n leaves beside the others. A
    row without either takes the largest size that the sheet states in this pool.
    """
    columns = pool.columns
    largest = max(row.stated(columns) for row in pool.rows)
    room = _room(pool)
    rows, assumed = {}, []
    for i, row in enumerate(pool.rows):
        lacking = [column for column in columns[1::2] if getattr(row, column) is None]
        names = [column.replace("total", "most") for column in lacking]
        own = {name: getattr(row, name) for name in names}
        bounds = {name: [b for b in (most, room) if b is not None] for name, most in own.items()}
        assumed += [row.study_id] if not all(bounds.values()) else []
        rows[i] = replace(row, **{name: min(b, default=largest) for name, b in bounds.items()})
    if not assumed:
        return pool.with_rows(rows), ""
    names = ", ".join(assumed)
    return pool.with_rows(rows), f"no size is known of {names}: at most {largest} was assumed"


def _room(pool: CountPool) -> int | None:
    """The most that n leaves for one total beside the least of all others, if it says so."""
    if pool.target.n is None or _n_is_too_small(pool):
        return None
    return int(round(pool.target.n.middle)) - _least(pool) + 1


def _least(pool: CountPool) -> int:
    """The fewest participants: the totals of known events, and one for any other."""
    pairs = list(zip(pool.columns[::2], pool.columns[1::2], strict=True))
    return sum(
        getattr(row, total) if None not in (getattr(row, events), getattr(row, total)) else 1
        for row in pool.rows
        for events, total in pairs
    )


def _n_is_too_small(pool: CountPool) -> bool:
    """Whether the printed n is below what a single study has, or all have at the least."""
    n = pool.target.n
    if n is None:
        return False
    largest = max(row.stated(pool.columns) for row in pool.rows)
    return n.high < largest or n.high < _least(pool)


@dataclass(eq=False)
class Way:
    """One way to look at a pool: totals fixed or bounded, some statistics set aside."""

    pool: CountPool
    totals: str
    aside: tuple[str, ...]
    target: Target
    choices: Choices
    exhausted: bool = False


def ways(pool: CountPool) -> list[Way]:
    """What is tried, in order; a printed n that the totals cannot reach is not tried."""
    events, totals = pool.columns[::2], pool.columns[1::2]
    is_bounded = any(
        not row.trusted and getattr(row, x) is None and getattr(row, n) is not None
        for row in pool.rows
        for x, n in zip(events, totals, strict=True)
    )
    target = pool.target
    if target.k is not None and not target.k.met(len(pool.rows)):
        target = target.without(["k"])  # of the sheet's rows, not of their counts
    every = {FIXED: choices(pool, FIXED)}
    if is_bounded:
        # Where fewer patients than the sheet's are too many cases, the sheet's are held.
        with suppress(TooManyChoices):
            every[UPPER_BOUND] = choices(pool, UPPER_BOUND)
    return [
        Way(pool, totals, aside, target.without(aside), every[totals])
        for aside in SETS_ASIDE
        if all(name in pool.target.bounds for name in aside)
        for totals in every
        if "n" in aside or _n_is_reachable(pool, every[totals])
    ]


def _n_is_reachable(pool: CountPool, all_choices: Choices) -> bool:
    if pool.target.n is None:
        return True
    if _n_is_too_small(pool):
        return False
    sizes = [all_choices.participants(i) for i in range(len(pool.rows))]
    return sum(map(min, sizes)) <= pool.target.n.high and sum(map(max, sizes)) >= pool.target.n.low
