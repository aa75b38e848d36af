"""What is shown of a step of subgroups: its studies, and the test between its groups."""

from __future__ import annotations

from collections.abc import Sequence

from forestry.results import HeterogeneityTest, StudyEffect, SubgroupTest, Weight


def in_step(
    effects: Sequence[StudyEffect], weights: Sequence[Weight], outcome: str, step: str
) -> list[StudyEffect]:
    """The studies of a step, pooled or not: those that have left the chain before are not."""
    here = {row.study_id for row in weights if (row.outcome, row.variant) == (outcome, step)}
    return [effect for effect in effects if effect.study_id in here]


def differences(tests: Sequence[SubgroupTest], step: str) -> HeterogeneityTest | None:
    """The test for subgroup differences of a step; None where it could not be made."""
    for test in tests:
        if test.variant == step and test.test == "between" and test.statistic is not None:
            return HeterogeneityTest(
                outcome=test.outcome,
                variant=step,
                group="",
                test="between",
                k=test.k,
                statistic=test.statistic,
                df=test.df,
                p_value=test.p_value,
            )
    return None
