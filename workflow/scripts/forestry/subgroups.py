"""Sequential subgroups: at each step the studies in groups, and the test between them.

A step names the column that it groups by and, after the first, the group of the step
before in which it goes on. The test for subgroup differences is Q between the groups on
groups - 1 degrees of freedom; Q total and Q within are given beside it and labelled so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from forestry.heterogeneity import (
    QTest,
    between_groups,
    between_groups_common_tau2,
    decompose_q,
)
from forestry.inverse_variance import fit_random
from forestry.models import Pooling
from forestry.pool import Part, Pooled, joined, left_out, pool_part
from forestry.results import HeterogeneityTest, StudyEffect


@dataclass(frozen=True)
class SubgroupTest:
    """A test of a subgroup step: a row of ``subgroups.csv``.

    Tests, `statistic` being Q on `df`:

    - ``between``: of equal group means, each group with its own tau2 (what a review
      should report as its test for subgroup differences);
    - ``between_common_tau2``: the same with one tau2 for all groups (a mixed model's QM);
    - ``between_common_effect``, ``within``, ``total``: the parts of Cochran's Q, and Q
      itself. ``total`` is heterogeneity, never a test for subgroup differences.
    """

    outcome: str
    variant: str  # the step
    by: str
    within: str
    test: str
    k: int
    groups: int
    statistic: float | None
    df: int | None
    p_value: float | None
    note: str


@dataclass(frozen=True)
class Subgroups:
    pooled: Pooled
    tests: tuple[SubgroupTest, ...]


def pool_steps(effects: Sequence[StudyEffect], settings: Mapping) -> Subgroups:
    """Every step of an outcome's chain. `settings` are those of `Review.subgroup_settings`:

    the outcome, its pooling, the variant that is applied first, and for each step its
    name, what it groups by, and each study's group (studies outside the step have none).
    """
    pooling = Pooling(**settings["pooling"])
    reasons = left_out(effects, settings["variant"], pooling)
    steps = [
        _step(effects, reasons, step, settings["outcome"], pooling) for step in settings["steps"]
    ]
    return Subgroups(
        joined([pooled for pooled, _ in steps]), tuple(test for _, tests in steps for test in tests)
    )


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


def _step(effects, reasons, step, outcome, pooling):
    group_of = step["groups"]
    kept = [effect for effect in effects if effect.study_id in group_of]
    parts = [
        pool_part(
            Part(outcome, step["name"], group),
            [effect for effect in kept if group_of[effect.study_id] == group],
            reasons,
            pooling,
        )
        for group in step["order"]
    ]
    whole = pool_part(Part(outcome, step["name"]), kept, reasons, pooling)
    usable = [effect for effect in kept if effect.study_id not in reasons]
    groups = [group_of[effect.study_id] for effect in usable]
    tests = _tests(usable, groups, step, outcome, pooling)
    return joined([*parts, whole]), tests


def _tests(usable, groups, step, outcome, pooling: Pooling) -> tuple[SubgroupTest, ...]:
    found = _found(usable, groups, pooling.tau2)
    note = "" if found else "fewer than two groups with numbers: no test"
    return tuple(
        SubgroupTest(
            outcome=outcome,
            variant=step["name"],
            by=step["by"],
            within=step["within"],
            test=name,
            k=len(usable),
            groups=len(set(groups)),
            statistic=test.q if test else None,
            df=test.df if test else None,
            p_value=test.p if test else None,
            note=note,
        )
        for name, test in (found or {"between": None}).items()
    )


def _found(usable, groups: Sequence[str], tau2_method: str) -> dict[str, QTest | None]:
    names = list(dict.fromkeys(groups))
    if len(names) < 2:
        return {}
    yi = np.array([effect.yi for effect in usable])
    vi = np.array([effect.vi for effect in usable])
    labels = np.array(groups)
    means = [_group_mean(yi[labels == name], vi[labels == name], tau2_method) for name in names]
    parts = decompose_q(yi, vi, labels)
    shared = len(usable) > len(names)
    return {
        "between": between_groups(*zip(*means, strict=True)),
        "between_common_tau2": between_groups_common_tau2(yi, vi, labels, tau2_method)
        if shared
        else None,
        "between_common_effect": parts.between,
        "within": parts.within,
        "total": parts.total,
    }


def _group_mean(yi, vi, tau2_method: str) -> tuple[float, float]:
    """A group's random-effects mean and its standard error; a lone study is its own mean."""
    if yi.size == 1:
        return float(yi[0]), float(np.sqrt(vi[0]))
    fit = fit_random(yi, vi, tau2_method)
    return fit.estimate, fit.se
