"""How Snakemake's report lists what the workflow makes, and what its captions speak of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from forestry.jobs.documents import figure_legend_settings
from forestry.jobs.drawings import Drawing
from forestry.review import Review
from forestry.supplement.model import annexure_title

DIGITS = "0123456789"
FIGURE_SPACE = "\N{FIGURE SPACE}"
ZERO_WIDTH_SPACE = "\N{ZERO WIDTH SPACE}"


@dataclass(frozen=True)
class Caption:
    """A caption: its path below results/captions, its template, and what that speaks of."""

    path: str
    template: str
    drawn: dict[str, str]


SUBCATEGORIES = {
    "prisma_flow": "Flow of records",
    "forest": "Forest plots",
    "subgroup_forest": "Forest plots of subgroups",
    "funnel": "Funnel plots",
    "influence": "Influence plots",
    "baujat": "Baujat plots",
    "bubble": "Meta-regression",
}


def plot_category(review: Review, drawing: Drawing) -> str:
    """The heading under which the report shows a plot of an outcome."""
    if drawing.path in review.figures:
        return figure_category(review, drawing.path)
    return "Diagnostics"


def plot_labels(review: Review, drawing: Drawing) -> dict[str, str]:
    """How the report lists a plot of an outcome."""
    if drawing.path in review.figures:
        return figure_labels(review, drawing.path)
    if drawing.kind == "bubble":
        return _bubble_labels(drawing)
    return {"Outcome": drawing.settings["title"]}


def figure_category(review: Review, figure: str) -> str:
    """The heading under which the report shows a figure: that of the supplement."""
    annexure = review.figures[figure].annexure
    return annexure_title(annexure, review.config.get("annexures", {}))


def figure_labels(review: Review, figure: str) -> dict[str, str]:
    """How the report lists a figure: its number, its outcome, its variant.

    The report sorts numbers as texts, so they are aligned. Where a label has two values,
    each half of the time, it offers them as a switch and fails to show the page if a row
    has but one of them: what no reader sees after a text keeps all values apart.
    """
    drawn = review.figures[figure]
    settings = figure_legend_settings(review, drawn)
    variant = settings.get("variant_label") or "main analysis"
    width = max(len(id) - len(id.rstrip(DIGITS)) for id in review.figures)
    letters = figure.rstrip(DIGITS)
    unseen = ZERO_WIDTH_SPACE * list(review.figures).index(figure)
    return {
        "Figure": letters + figure.removeprefix(letters).rjust(width, FIGURE_SPACE),
        "Outcome": settings["label"] + unseen,
        "Variant": (variant if drawn.variant else "") + unseen,
    }


def _bubble_labels(drawing: Drawing) -> dict[str, str]:
    drawn = drawing.settings["figure"]
    moderator = drawn["moderator_label"] or drawn["moderator"].replace("_", " ")
    return {"Plot": f"{drawn['title']}: {moderator}"}


def captions(
    review: Review, drawings: Iterable[Sequence[Drawing]], data: Iterable[str]
) -> list[Caption]:
    """The captions of all that the report shows and that shares its rule with others.

    `drawings` are those of each outcome, `data` the tables of results as data.
    """
    return [
        *(plot_caption(drawing) for drawn in drawings for drawing in drawn),
        *(table_caption(review, table) for table in review.tables),
        *map(data_caption, data),
    ]


def plot_caption(drawing: Drawing) -> Caption:
    """What the caption of a plot of an outcome speaks of."""
    settings, kind = drawing.settings, drawing.kind
    if kind == "bubble":
        figure, regression = settings["figure"], settings["regression"]
        tau2 = regression["tau2"] or regression["pooling"].get("tau2", "REML")
        moderator = figure["moderator_label"] or figure["moderator"]
        told = {"model": settings["model"], "moderator": moderator, "tau2": tau2}
        settings = figure
    else:
        settings = settings.get("plot", settings)
        told = {"figure": drawing.path}
    words = {key: settings[key] for key in ("title", "outcome", "variant")}
    return Caption(f"figures/{drawing.path}", kind, {**words, **told})


def table_caption(review: Review, table: str) -> Caption:
    """What the caption of a table speaks of."""
    declared = review.config["tables"][table]
    drawn = {"id": table, "title": declared["title"], "kind": declared["kind"]}
    return Caption(f"tables/{table}", "table", drawn)


def data_caption(table: str) -> Caption:
    """What the caption of a table of results as data speaks of."""
    return Caption(table, "data", {"name": f"{table}.csv"})
