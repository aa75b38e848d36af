"""Which studies a chart shows, and how they are marked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from forestry.figures.settings import ForestSettings
from forestry.results import StudyEffect, Weight

DAGGER, DOUBLE_DAGGER = "\N{DAGGER}", "\N{DOUBLE DAGGER}"
MARKS = {"reconstructed": DAGGER, "derived": DOUBLE_DAGGER}


@dataclass(frozen=True)
class Members:
    """The studies with numbers: those pooled, and those that the variant left out."""

    pooled: tuple[StudyEffect, ...]
    left_out: tuple[StudyEffect, ...]

    @property
    def counted(self) -> str:
        """``13 studies (2 reconstructed, 1 derived)``"""
        statuses = [effect.status for effect in self.pooled]
        return counted(len(statuses), {mark: statuses.count(mark) for mark in MARKS})

    def too_few(self, chart: str) -> str:
        """Why there is no such chart of fewer than two studies; empty where there is."""
        if len(self.pooled) > 1:
            return ""
        number = "One study" if self.pooled else "No study"
        where = "left in this analysis" if self.left_out else "with public numbers"
        return f"{number} {where}: no {chart}"


def counted(k: int, marked: Mapping[str, int]) -> str:
    """A number of studies, and how many of them have which mark."""
    marks = ", ".join(f"{number} {mark}" for mark, number in marked.items() if number)
    return f"{k} {'study' if k == 1 else 'studies'}" + (f" ({marks})" if marks else "")


def members_of(
    effects: Sequence[StudyEffect], weights: Sequence[Weight], settings: ForestSettings
) -> Members:
    """The studies of the outcome and variant of `settings`, in the order of `effects`.

    `weights` may hold other outcomes, variants and groups, which are passed over. Raises
    ValueError where an effect has another measure, or a usable study no weight, no effect
    or no variance.
    """
    if strange := {effect.measure for effect in effects} - {settings.measure}:
        raise ValueError(f"effects are {', '.join(sorted(strange))}, not {settings.measure}")
    here = (settings.outcome, settings.variant, "")
    included = {
        row.study_id: row.included
        for row in weights
        if (row.outcome, row.variant, row.group) == here
    }
    usable = [effect for effect in effects if effect.usable]
    for effect in usable:
        if effect.study_id not in included:
            raise ValueError(f"study {effect.study_id} of {settings.outcome} has no weight")
        if effect.yi is None or effect.vi is None:
            raise ValueError(f"study {effect.study_id} is usable but has no effect or variance")
    return Members(
        tuple(effect for effect in usable if included[effect.study_id]),
        tuple(effect for effect in usable if not included[effect.study_id]),
    )
