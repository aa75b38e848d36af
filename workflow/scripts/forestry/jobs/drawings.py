"""What the jobs that draw are told beside the numbers: names, units, arms, groups."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from forestry.jobs.statistics import regression_settings, step_of, trim_and_fill_settings
from forestry.review import Review

BESIDE_FIGURES = ("influence", "baujat", "bubble")  # kinds of plots that are no declared figure
POOLED = ("effects", "estimates", "weights")
# The tables of an outcome that each kind is drawn from.
TABLES = {
    "forest": POOLED,
    "funnel": POOLED,
    "influence": ("effects", "weights", "influence"),
    "baujat": ("effects", "weights"),
    "bubble": ("effects", "weights"),
    "subgroup_forest": tuple(f"subgroup_{table}" for table in (*POOLED, "tests")),
}


@dataclass(frozen=True)
class Drawing:
    """A plot of an outcome: its path below results/figures, its kind, and what it is told."""

    path: str
    kind: str  # forest | subgroup_forest | funnel | influence | baujat | bubble
    settings: dict


def drawings_by_outcome(review: Review) -> dict[str, tuple[Drawing, ...]]:
    """The plots of each outcome that has any."""
    drawn = {outcome: drawings_of(review, outcome) for outcome in review.outcomes}
    return {outcome: drawings for outcome, drawings in drawn.items() if drawings}


def drawn_together(drawings: Sequence[Drawing]) -> Iterator[tuple[str, tuple[Drawing, ...]]]:
    """The plots of an outcome that one job draws, under what they show.

    One job loads the drawing library once. An outcome with figures of subgroups has many plots:
    these figures are drawn beside its others, and apart from both what no figure shows, for
    which the supplement need not wait.
    """
    job_of = {"subgroup_forest": "moderators", **dict.fromkeys(BESIDE_FIGURES, "diagnostics")}
    many = any(drawing.kind == "subgroup_forest" for drawing in drawings)
    apart: dict[str, list[Drawing]] = {}
    for drawing in drawings:
        job = job_of.get(drawing.kind, "draw") if many else "draw"
        apart.setdefault(job, []).append(drawing)
    yield from ((name, tuple(drawn)) for name, drawn in apart.items())


def drawings_of(review: Review, outcome: str) -> tuple[Drawing, ...]:
    """Every plot of an outcome: its figures, its diagnostic plots, its bubble plots."""
    told = {
        "forest": forest_settings,
        "subgroup_forest": subgroup_forest_settings,
        "funnel": funnel_settings,
    }
    figures = [
        Drawing(figure.figure, figure.kind, told[figure.kind](review, figure.figure))
        for figure in review.figures_by_outcome.get(outcome, ())
    ]
    diagnostics = [
        Drawing(f"diagnostics/{outcome}_{kind}", kind, diagnostic_plot_settings(review, outcome))
        for kind in ("influence", "baujat")
        if outcome in review.compared
    ]
    bubbles = [
        Drawing(f"metaregression/{bubble}", "bubble", bubble_settings(review, bubble))
        for bubble, (of, _) in review.bubbles.items()
        if of == outcome
    ]
    return (*figures, *diagnostics, *bubbles)


def forest_settings(review: Review, figure: str) -> dict:
    """What a forest plot says beside its numbers: labels, units, arms."""
    drawn = review.figures[figure]
    return {
        "outcome": drawn.outcome,
        "variant": drawn.variant,
        **words_on_figures(review, drawn.outcome),
        **reported_only(review, drawn.variant),
        **review.config.get("figures", {}),
    }


def reported_only(review: Review, variant: str) -> dict[str, str]:
    """The variant that shows what reported rows alone give, and its name, where there is one."""
    return reported_words(review, review.reported_beside(variant))


def reported_words(review: Review, beside: str) -> dict[str, str]:
    """A variant of reported rows alone, "" for none, and its name."""
    if not beside:
        return {}
    words = review.variant_words(beside)
    return {"reported_variant": beside, "reported_label": words[:1].upper() + words[1:]}


def funnel_settings(review: Review, figure: str) -> dict:
    """What a funnel plot says beside its numbers, and whether it fills in missing studies."""
    drawn = review.figures[figure]
    words = words_on_figures(review, drawn.outcome)
    declared = review.config.get("bias", {}).get("trim_and_fill", {})
    filling = {
        **trim_and_fill_settings(review, drawn.outcome),
        "variant": drawn.variant,
        "in_funnels": declared.get("in_funnels", False),
    }
    plot = {"outcome": drawn.outcome, "variant": drawn.variant, **words}
    return {
        "plot": plot,
        "filling": filling if filling["in_funnels"] else {"in_funnels": False},
    }


def diagnostic_plot_settings(review: Review, outcome: str) -> dict:
    """What the influence plot and the Baujat plot of an outcome say beside their numbers."""
    main = next(iter(review.config["variants"]))
    return {"outcome": outcome, "variant": main, **words_on_figures(review, outcome)}


def subgroup_forest_settings(review: Review, figure: str) -> dict:
    """As `forest_settings`, with the names of the groups."""
    drawn = review.figures[figure]
    groups = review.config["subgroups"][drawn.outcome].get("groups", {})
    beside = step_of(review, drawn.outcome, drawn.variant)["reported"]
    told = {"groups": dict(groups), **reported_words(review, beside)}
    return {**forest_settings(review, figure), **told}


def bubble_settings(review: Review, bubble: str) -> dict:
    """The one model that a bubble plot draws, and what the plot says beside its numbers."""
    outcome, model = review.bubbles[bubble]
    declared = review.config["metaregression"][outcome]
    (moderator,) = declared["models"][model]
    regression = regression_settings(review, outcome, {model: [moderator]})
    values = set(regression["moderators"][moderator].values())
    groups = declared.get("groups", {}).items()
    figure = {
        **words_on_figures(review, outcome),
        "labels": {},  # it names no study
        "outcome": outcome,
        "variant": regression["variant"],
        "moderator": moderator,
        "moderator_label": declared.get("labels", {}).get(moderator, ""),
        "moderator_unit": review.study_columns[moderator].get("unit", ""),
        "groups": {value: name for value, name in groups if value in values},
    }
    return {"model": model, "regression": regression, "figure": figure}


def words_on_figures(review: Review, outcome: str) -> dict:
    declared = review.config["outcomes"][outcome]
    wanted = ("measure", "unit", "direction", "arms", "favours")
    return {
        "title": declared["label"],
        "labels": {row["study_id"]: review.label(row) for row in review.rows(outcome)},
        **{key: declared[key] for key in wanted if key in declared},
    }
