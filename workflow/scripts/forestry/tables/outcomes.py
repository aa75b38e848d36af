"""What a table or legend needs of an outcome, and finding its results among many."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from forestry.measure_kinds import unit_of
from forestry.results import Estimate, StudyEffect
from forestry.tables.model import Row, section


@dataclass(frozen=True)
class Outcome:
    """An outcome as a reader knows it; `section` is the heading that it stands under."""

    id: str
    label: str
    unit: str = ""
    section: str = ""
    measure: str = ""  # where results cannot tell it: no study at all

    def titled(self, measure: str) -> str:
        """Its label with what the numbers are in: ``Infection, %``."""
        unit = unit_of(measure or self.measure, self.unit)
        space = "\N{NO-BREAK SPACE}" if unit == "%" else " "
        return f"{self.label},{space}{unit}" if unit else self.label


def of_outcome(estimates: Iterable[Estimate], outcome: str) -> tuple[Estimate, ...]:
    """All results of an outcome as a whole: every variant and model, no subgroups."""
    return tuple(row for row in estimates if row.outcome == outcome and not row.group)


def reported(estimates: Sequence[Estimate], outcome: str, variant: str) -> Estimate:
    """The result that the review reports. Raises ValueError where there is not exactly one."""
    rows = [row for row in of_outcome(estimates, outcome) if row.variant == variant]
    rows = [row for row in rows if row.selected]
    if len(rows) != 1:
        raise ValueError(f"{outcome}, {variant}: {len(rows)} selected estimates, not 1")
    return rows[0]


def random_effects(estimates: Sequence[Estimate], outcome: str, variant: str) -> Estimate | None:
    """The random-effects result, selected or not: tau2 and prediction interval are its."""
    for row in of_outcome(estimates, outcome):
        if row.variant == variant and row.model == "random":
            return row
    return None


def not_public(effects: Iterable[StudyEffect]) -> int:
    """How many studies of an outcome have no public number."""
    return sum(effect.status == "unavailable" for effect in effects)


def in_sections(outcomes: Iterable[Outcome], rows_of) -> list[Row]:
    """The rows of each outcome in turn, under the headings of their sections."""
    rows = []
    for heading, members in groupby(outcomes, key=lambda outcome: outcome.section):
        rows += [section(heading)] if heading else []
        rows += [row for outcome in members for row in rows_of(outcome)]
    return rows
