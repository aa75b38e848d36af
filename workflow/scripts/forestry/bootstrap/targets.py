"""What is bootstrapped in an outcome: its variants, and the differences between subgroups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from forestry.models import Pooling
from forestry.pool import left_out
from forestry.results import StudyEffect

KINDS = ("nonparametric", "parametric")
QUANTITIES = ("estimate", "tau2", "i2")
DIFFERENCE = "subgroup_difference"
CONVERGED = "converged"


@dataclass(frozen=True)
class Target:
    """A variant's studies in one part, or those of a subgroup and of its reference in two.

    `variant` is the subgroup step where there are two; `group` and `reference` are empty
    where there is one.
    """

    variant: str
    group: str
    reference: str
    pooling: Pooling
    parts: tuple[tuple[StudyEffect, ...], ...]

    @property
    def quantities(self) -> tuple[str, ...]:
        return QUANTITIES if len(self.parts) == 1 else (DIFFERENCE,)

    @property
    def k(self) -> int:
        return sum(map(len, self.parts))

    @property
    def k_reconstructed(self) -> int:
        return sum(effect.is_reconstructed for part in self.parts for effect in part)

    def unfit(self, kind: str) -> str:
        """Why there are no replicates of a kind, or "" where there are."""
        fewest = min(map(len, self.parts))
        if fewest < 2:
            if len(self.parts) > 1:
                return "a group of fewer than two studies: not bootstrapped"
            return "one study: not bootstrapped" if fewest else "no study: nothing to bootstrap"
        if kind == "parametric" and self._needs_counts:
            return "effects are drawn, not the counts of two arms that the model needs"
        return ""

    @property
    def _needs_counts(self) -> bool:
        """Whether the model needs two arms' counts for what is bootstrapped."""
        if self.pooling.model.startswith("binomial_normal"):
            return True
        random_alone = self.pooling.select == "random" or len(self.parts) > 1
        by_effects = random_alone and self.pooling.q_about != "mantel_haenszel"
        return self.pooling.model == "mantel_haenszel" and not by_effects


def targets_of(
    effects: Sequence[StudyEffect], subgroup_effects: Sequence[StudyEffect], settings: Mapping
) -> list[Target]:
    """The targets of an outcome, in the order of the declaration.

    `settings` are those of `jobs.resampling.bootstrap_settings`; `subgroup_effects` are the
    outcome's effects on the scale of its subgroups, or none.
    """
    pooling = Pooling(**settings["pooling"])
    whole = [
        Target(name, "", "", pooling, (_kept(effects, variant, pooling),))
        for name, variant in settings["variants"].items()
    ]
    return whole + _differences(subgroup_effects, settings["subgroups"])


def _kept(effects, variant: Mapping, pooling: Pooling) -> tuple[StudyEffect, ...]:
    reasons = left_out(effects, variant, pooling)
    return tuple(effect for effect in effects if effect.study_id not in reasons)


def _differences(effects: Sequence[StudyEffect], subgroups: Mapping | None) -> list[Target]:
    """Each later group of a step against its first."""
    if not subgroups:
        return []
    pooling = Pooling(**subgroups["pooling"])
    kept = _kept(effects, subgroups["variant"], pooling)
    targets = []
    for step in subgroups["steps"]:
        group_of = step["groups"]
        members = {
            group: tuple(effect for effect in kept if group_of.get(effect.study_id) == group)
            for group in step["order"]
        }
        reference, *others = step["order"]
        targets += [
            Target(step["name"], group, reference, pooling, (members[group], members[reference]))
            for group in others
        ]
    return targets
