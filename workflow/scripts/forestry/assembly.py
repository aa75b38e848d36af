"""The parts of the supplement put together: every figure's legend, and the whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from forestry.figures.prisma_flow import PrismaFlow
from forestry.legends import Plot, legend
from forestry.results import Estimate, StudyEffect, Weight
from forestry.subgroups import SubgroupTest, differences, in_step
from forestry.supplement.model import FigureEntry, Section, Supplement, annexures
from forestry.tables.model import Table


@dataclass(frozen=True)
class FigureLegend:
    """A figure's legend: a row of ``legends.csv``."""

    figure: str
    annexure: str
    title: str
    text: str


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
    words = (*words, "labels", "groups", "pooling")
    return Plot(
        outcome=outcome,
        variant=variant,
        estimates=results.estimates,
        weights=results.weights,
        effects=effects,
        differences=differences(tests, variant) if in_groups else None,
        **{word: figure[word] for word in words},
    )


def assemble(
    settings: Mapping,
    tables: Sequence[Table],
    legends: Sequence[FigureLegend],
    figures: Path,
) -> Supplement:
    """The supplement: the tables of the main text, its figures, the others, the annexures.

    `settings` are those of `Review.supplement_settings`; `figures` is the folder in which
    each figure stands under its id. A table belongs to the supplementary ones where its id
    does not begin with a digit.
    """
    entries = [
        FigureEntry(
            *(row.figure, row.annexure, row.title, row.text),
            pdf=figures / f"{row.figure}.pdf",
            png=figures / f"{row.figure}.png",
        )
        for row in legends
    ]
    main, *others = annexures(entries, settings["annexures"])
    own = tuple(table for table in tables if table.id[0].isdigit())
    extra = tuple(table for table in tables if table not in own)
    parts = (Section("Tables of the main text", own), main, Section("Supplementary tables", extra))
    return Supplement(
        title=settings["title"],
        article=settings["article"],
        details=tuple(tuple(pair) for pair in settings["details"]),
        summary=SUMMARY,
        made_with=MADE_WITH,
        sections=tuple(part for part in (*parts, *others) if part.tables or part.figures),
    )


SUMMARY = (
    "All tables and figures of the review, computed from the study-level numbers of its "
    "extraction sheet. Studies without a public number are named where they belong and are "
    "not pooled."
)
MADE_WITH = (
    "Made with Forestry from the extraction sheet: every number and every legend is computed."
)
