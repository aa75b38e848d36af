"""What the jobs that write tables, legends, the supplement and the report are told."""

from __future__ import annotations

from forestry.jobs.drawings import bubble_settings, reported_only
from forestry.jobs.statistics import subgroup_settings
from forestry.review import Figure, Review
from forestry.rows import digest, read_table
from forestry.supplement.model import annexure_title

DIGITS = "0123456789"
FIGURE_SPACE = "\N{FIGURE SPACE}"
ZERO_WIDTH_SPACE = "\N{ZERO WIDTH SPACE}"


def label_settings(review: Review) -> dict:
    """How the studies are called."""
    return {"labels": {id: study["label"] for id, study in review.studies.items()}}


def table_settings(review: Review, table: str) -> dict:
    """What a table is asked to show, and how outcomes, variants and studies are called."""
    declared = review.config["tables"][table]
    outcomes = declared.get("outcomes", review.outcomes)
    return {
        **declared,
        "id": table,
        "outcomes": [_outcome_words(review, outcome) for outcome in outcomes],
        "variants": {name: review.variant_words(name) for name in review.config["variants"]},
        "leave_one_out": review.leaving_one_out,
        **reported_only(review, next(iter(review.config["variants"]))),
        **label_settings(review),
    }


def _outcome_words(review: Review, outcome: str) -> dict:
    declared = review.config["outcomes"][outcome]
    words = {key: declared.get(key, "") for key in ("label", "unit", "section", "measure")}
    return {"id": outcome, **words}


def legend_settings(review: Review) -> list[dict]:
    """What the legend of each figure must know beside the numbers, in the figures' order."""
    return [_legend_settings(review, figure) for figure in review.figures.values()]


def _legend_settings(review: Review, figure: Figure) -> dict:
    drawn = {key: getattr(figure, key) for key in ("figure", "annexure", "kind", "outcome")}
    if figure.kind == "prisma_flow":
        label = "Selection of the studies"
        return {**drawn, "variant": "", "label": label, "prisma": review.config["prisma"]}
    declared = review.config["outcomes"][figure.outcome]
    is_step = figure.kind == "subgroup_forest"
    groups = review.config.get("subgroups", {}).get(figure.outcome, {}).get("groups", {})
    varied = "" if is_step else _variant_text(review, figure.variant)
    pooling = review.subgroup_pooling if is_step else review.pooling
    return {
        **drawn,
        "variant": figure.variant,
        "label": declared["label"],
        "variant_label": _step_label(review, figure) if is_step else varied,
        "variant_text": varied,
        "reported_variant": review.reported_beside(figure.variant),
        "unit": declared.get("unit", ""),
        "labels": {row["study_id"]: review.label(row) for row in review.rows(figure.outcome)},
        "groups": dict(groups),
        "pooling": dict(pooling(figure.outcome)),
    }


def _variant_text(review: Review, variant: str) -> str:
    main = next(iter(review.config["variants"]))
    return "" if variant == main else review.variant_words(variant)


def _step_label(review: Review, figure: Figure) -> str:
    steps = subgroup_settings(review, figure.outcome)["steps"]
    (step,) = (step for step in steps if step["name"] == figure.variant)
    return f"subgroups by {step['by'].replace('_', ' ')}"


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
    settings = _legend_settings(review, drawn)
    variant = settings.get("variant_label") or "main analysis"
    width = max(len(id) - len(id.rstrip(DIGITS)) for id in review.figures)
    letters = figure.rstrip(DIGITS)
    unseen = ZERO_WIDTH_SPACE * list(review.figures).index(figure)
    return {
        "Figure": letters + figure.removeprefix(letters).rjust(width, FIGURE_SPACE),
        "Outcome": settings["label"] + unseen,
        "Variant": (variant if drawn.variant else "") + unseen,
    }


def bubble_labels(review: Review, bubble: str) -> dict[str, str]:
    """How the report lists a bubble plot."""
    drawn = bubble_settings(review, bubble)["figure"]
    moderator = drawn["moderator_label"] or drawn["moderator"].replace("_", " ")
    return {"Plot": f"{drawn['title']}: {moderator}"}


def supplement_settings(review: Review) -> dict:
    """The title page, and what each annexure is about."""
    described = review.config["review"]
    details = [("Registration", described.get("registration")), ("DOI", described.get("doi"))]
    return {
        "title": described["title"],
        "article": described.get("article", ""),
        "details": [list(pair) for pair in details if pair[1]],
        "annexures": dict(review.config.get("annexures", {})),
    }


def audit_settings(review: Review) -> dict:
    """Where the audit finds what was published: subgroups by step, studies by reference."""
    groups = {
        f"subgroup{number}_{group}": [step["name"], group]
        for outcome in review.subgrouped
        for number, step in enumerate(subgroup_settings(review, outcome)["steps"], start=1)
        for group in step["order"]
    }
    refs = {row["ref"]: id for id, row in review.studies.items() if row.get("ref")}
    return {
        "outcomes": list(review.outcomes),
        "subgroups": groups,
        "refs": refs,
        "solutions": [digest(read_table(path)) for path in review.solutions],
    }
