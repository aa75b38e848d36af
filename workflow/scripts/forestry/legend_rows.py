"""The legends of all declared figures, from the review's results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from forestry.figures.prisma_flow import PrismaFlow
from forestry.legends import Plot, legend
from forestry.records import by_outcome
from forestry.results import Estimate, FigureLegend, StudyEffect, SubgroupTest, Weight
from forestry.subgroup_steps import differences, in_step


@dataclass(frozen=True)
class Results:
    """What legends speak of: all estimates, weights and subgroup tests, and the effects.

    `effects` are those of each outcome, `subgroup_effects` those on the scale of its subgroups.
    """

    estimates: Sequence[Estimate]
    weights: Sequence[Weight]
    effects: Mapping[str, Sequence[StudyEffect]]
    subgroup_effects: Mapping[str, Sequence[StudyEffect]]
    tests: Sequence[SubgroupTest]


def figure_legends(figures: Sequence[Mapping], results: Results) -> list[FigureLegend]:
    """The legend of each figure. `figures` are those of `Review.legend_settings`."""
    found = [by_outcome(rows) for rows in (results.estimates, results.weights, results.tests)]
    legends = []
    for figure in figures:
        estimates, weights, tests = (rows.get(figure["outcome"], []) for rows in found)
        own = replace(results, estimates=estimates, weights=weights, tests=tests)
        legends.append(_figure_legend(figure, own))
    return legends


def _figure_legend(figure: Mapping, results: Results) -> FigureLegend:
    """The legend of a figure, from the results of its outcome."""
    said = legend(figure["kind"], _plot(figure, results))
    return FigureLegend(figure["figure"], figure["annexure"], said.title, said.text)


def _plot(figure: Mapping, results: Results) -> Plot:
    kind, outcome, variant = figure["kind"], figure["outcome"], figure["variant"]
    if kind == "prisma_flow":
        return Plot(figure["label"], boxes=PrismaFlow.from_mapping(figure["prisma"]).counts)
    in_groups = kind == "subgroup_forest"
    effects = results.effects[outcome]
    if in_groups:
        effects = in_step(results.subgroup_effects[outcome], results.weights, outcome, variant)
    words = ("label", "variant_label", "variant_text", "reported_variant", "unit")
    words = (*words, "labels", "groups", "pooling", "preset", "standardized", "unsolved")
    return Plot(
        outcome=outcome,
        variant=variant,
        estimates=results.estimates,
        weights=results.weights,
        effects=effects,
        differences=differences(results.tests, variant) if in_groups else None,
        **{word: figure[word] for word in words},
    )
