"""What is solved: rows for a published result, how many ways there are, what is not met.

Counts are whole numbers of participants. A distance is in units of the last printed digit,
beyond the range of values that are printed like the published number; 0 means that a
statistic reads as published.
"""

from __future__ import annotations

from dataclasses import dataclass

UNIQUE = "unique"  # all solutions were counted, and there is one
SEVERAL = "several"
NONE = "none"  # the nearest rows are given instead
NOTHING_UNKNOWN = "nothing unknown"
NOT_SOLVABLE = "not solvable"  # nothing to solve from, or nothing to pool; see `reason`
VERDICTS = (UNIQUE, SEVERAL, NONE, NOTHING_UNKNOWN, NOT_SOLVABLE)

FIXED = "fixed"  # the sheet's totals were held
UPPER_BOUND = "upper bound"  # a total of the sheet was taken as the most that it can be

STATISTICS = ("k", "n", "estimate", "ci_low", "ci_high", "i2", "p")


@dataclass(frozen=True)
class SolvedRow:
    """A study's counts in the chosen solution (or, without one, in the nearest rows)."""

    study_id: str
    events: int
    total: int
    control_events: int | None = None
    control_total: int | None = None


@dataclass(frozen=True)
class Cell:
    """A count that the sheet lacks: its `value` in the chosen solution, and its range.

    `low` and `high` are over every solution found: of an exhaustive search, the cell is
    `fixed` by what was published where they are equal.
    """

    study_id: str
    column: str  # events | total | control_events | control_total
    value: int
    low: int
    high: int
    fixed: bool


@dataclass(frozen=True)
class Statistic:
    """A published number beside that of the chosen solution, on the display scale (0-1, ratio).

    `contradicted` says that it was set aside, because it contradicts the others: its
    `distance` does not count in that of the whole.
    """

    name: str  # one of STATISTICS
    printed: str
    computed: float | None
    met: bool
    distance: float
    contradicted: bool


@dataclass(frozen=True)
class Freed:
    """How many solutions there would be if a row that is given were not: a diagnosis."""

    study_id: str
    columns: str  # events | events total
    solutions: int


@dataclass(frozen=True)
class Solved:
    """A published result and the rows solved for it.

    `solutions` is their number where `exhaustive`, otherwise the number found, a lower bound.
    `space` is the number of ways to fill the unknown cells within their bounds (inf beyond
    what a float holds). `rows` are the chosen solution's, for the studies with unknown cells
    alone, in the sheet's order; empty where there is nothing to solve. `held` names the
    studies whose unknown rows were taken from another result of the same sheet.
    """

    outcome: str
    variant: str
    verdict: str  # one of VERDICTS
    k_unknown: int
    solutions: int
    exhaustive: bool
    space: float
    totals: str  # FIXED | UPPER_BOUND
    rows: tuple[SolvedRow, ...]
    cells: tuple[Cell, ...]
    sums: tuple[Cell, ...]  # events and total of the whole pool; study_id is ""
    statistics: tuple[Statistic, ...]
    distance: float  # summed over the statistics that are not contradicted
    freed: tuple[Freed, ...]
    held: tuple[str, ...]
    criterion: str
    reason: str

    @property
    def unmet(self) -> tuple[str, ...]:
        """The statistics that the rows do not meet, those set aside included."""
        return tuple(found.name for found in self.statistics if not found.met)

    @property
    def contradicted(self) -> tuple[str, ...]:
        """The statistics that were set aside, because they contradict the others."""
        return tuple(found.name for found in self.statistics if found.contradicted)

    @property
    def is_solved(self) -> bool:
        return self.verdict in (UNIQUE, SEVERAL)
