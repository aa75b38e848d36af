"""Sequential subgroups: at each step the studies in groups, and the test between them.

A step names the column that it groups by and, after the first, the group of the step
before in which it goes on. The test for subgroup differences is Q between the groups on
groups - 1 degrees of freedom; Q total and Q within are given beside it and labelled so.
All tests are on the scale of analysis.
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
from forestry.models import Pooling
from forestry.outliers import tau2_method_of
from forestry.pool import Part, Pooled, joined, left_out, pool_part
from forestry.results import StudyEffect, SubgroupTest


@dataclass(frozen=True)
class Subgroups:
    """The rows of every step: results as `Pooled`, the step in the place of the variant."""

    pooled: Pooled
    tests: tuple[SubgroupTest, ...]


def pool_steps(effects: Sequence[StudyEffect], settings: Mapping) -> Subgroups:
    """Every step of an outcome's chain. `settings` are those of `Review.subgroup_settings`:

    the outcome, its pooling, the variant that is applied first, and for each step its
    name, what it groups by, and each study's group (studies outside the step have none).
    Where rows are reconstructed, `reported` is the variant without these, by which each
    step's studies are pooled as well, all together, under the step's name for it.
    """
    pooling = Pooling(**settings["pooling"])
    outcome, reasons = settings["outcome"], left_out(effects, settings["variant"], pooling)
    steps = [_step(effects, reasons, step, outcome, pooling) for step in settings["steps"]]
    pooled = [pooled for pooled, _ in steps]
    if settings["reported"]:
        others = left_out(effects, settings["reported"], pooling)
        pooled += [
            pool_part(Part(outcome, step["reported"]), _members(effects, step), others, pooling)
            for step in settings["steps"]
        ]
    return Subgroups(joined(pooled), tuple(test for _, tests in steps for test in tests))


def _members(effects: Sequence[StudyEffect], step: Mapping) -> list[StudyEffect]:
    return [effect for effect in effects if effect.study_id in step["groups"]]


def _step(effects, reasons, step, outcome, pooling) -> tuple[Pooled, tuple[SubgroupTest, ...]]:
    group_of = step["groups"]
    members = _members(effects, step)
    whole = pool_part(Part(outcome, step["name"]), members, reasons, pooling)
    pooled = {
        group: pool_part(
            Part(outcome, step["name"], group),
            [effect for effect in members if group_of[effect.study_id] == group],
            reasons,
            pooling,
        )
        for group in step["order"]
    }
    kept = [effect for effect in members if effect.study_id not in reasons]
    groups = [group_of[effect.study_id] for effect in kept]
    found = _tests(kept, groups, pooled, pooling)
    rows = tuple(_row(outcome, step, groups, *test) for test in found)
    return joined([*pooled.values(), whole]), rows


def _row(outcome, step, groups, name: str, test: QTest | None, note: str) -> SubgroupTest:
    return SubgroupTest(
        outcome=outcome,
        variant=step["name"],
        by=step["by"],
        within=step["within"],
        test=name,
        k=len(groups),
        groups=len(set(groups)),
        statistic=test.q if test else None,
        df=test.df if test else None,
        p_value=test.p if test else None,
        note=note,
    )


Found = tuple[str, QTest | None, str]  # a test's name, its result, a note


def _tests(
    kept: Sequence[StudyEffect],
    groups: Sequence[str],
    pooled: Mapping[str, Pooled],
    pooling: Pooling,
) -> list[Found]:
    """Every test of a step's studies; `groups` are their labels, `pooled` the groups' results."""
    names = list(dict.fromkeys(groups))
    if len(names) < 2:
        return [("between", None, "fewer than two groups with numbers: no test")]
    yi = np.array([effect.yi for effect in kept])
    vi = np.array([effect.vi for effect in kept])
    labels = np.array(groups)
    parts = decompose_q(yi, vi, labels)
    return [
        _between(
            [_group_mean(yi[labels == name], vi[labels == name], pooled[name]) for name in names]
        ),
        _between_common_tau2(yi, vi, labels, tau2_method_of(pooling)),
        ("between_common_effect", parts.between, ""),
        ("within", parts.within, ""),
        ("total", parts.total, ""),
    ]


def _between(means: Sequence[tuple[float, float] | None]) -> Found:
    if None in means:
        return "between", None, "a group's mean has no standard error: no test"
    return "between", between_groups(*zip(*means, strict=True)), ""


def _between_common_tau2(yi, vi, labels, tau2_method: str) -> Found:
    if len(set(labels)) == len(labels):
        return "between_common_tau2", None, "each group is one study: no tau2 to share"
    return "between_common_tau2", between_groups_common_tau2(yi, vi, labels, tau2_method), ""


def _group_mean(yi, vi, pooled: Pooled) -> tuple[float, float] | None:
    """A group's random-effects mean and its standard error; a lone study is its own mean.

    None where they do not exist: all or no participants of the group had the event, or its
    studies agree to the last digit under Hartung and Knapp's standard error, which is then 0.
    """
    if yi.size == 1:
        return float(yi[0]), float(np.sqrt(vi[0]))
    for row in pooled.estimates:
        if row.model == "random" and row.link_se:
            return row.link_estimate, row.link_se
    return None
