"""The legends of all declared figures, from the review's results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from forestry.figures.prisma_flow import PrismaFlow
from forestry.legends import Plot, legend
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
    return [_figure_legend(figure, results) for figure in figures]


def _figure_legend(figure: Mapping, results: Results) -> FigureLegend:
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
    tests = [test for test in results.tests if test.outcome == outcome]
    words = ("label", "variant_label", "variant_text", "reported_variant", "unit")
    words = (*words, "labels", "groups", "pooling", "preset", "unsolved")
    return Plot(
        outcome=outcome,
        variant=variant,
        estimates=results.estimates,
        weights=results.weights,
        effects=effects,
        differences=differences(tests, variant) if in_groups else None,
        **{word: figure[word] for word in words},
    )
