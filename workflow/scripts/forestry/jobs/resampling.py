"""What the bootstrap's jobs are told: of which studies, how often, from which seed."""

from __future__ import annotations

from forestry.jobs.drawings import words_on_figures
from forestry.jobs.statistics import effects_settings, subgroup_settings
from forestry.review import Review


def bootstrap_settings(review: Review, outcome: str) -> dict:
    """What is bootstrapped of an outcome, and how the replicates are drawn."""
    declared = review.config["bootstrap"]
    grouped = outcome in review.subgrouped
    return {
        "outcome": outcome,
        "pooling": dict(review.pooling(outcome)),
        "variants": {name: review.variant(outcome, name) for name in _variants(review)},
        "subgroups": subgroup_settings(review, outcome) if grouped else None,
        "kinds": list(declared["kinds"]),
        "replicates": declared["replicates"],
        "seed": declared["seed"],
    }


def bootstrap_table_settings(review: Review, outcome: str) -> dict:
    """As `bootstrap_settings`, with the intervals that are made of the replicates."""
    intervals = list(review.config["bootstrap"]["intervals"])
    return {**bootstrap_settings(review, outcome), "intervals": intervals}


def bootstrap_figure_settings(review: Review, outcome: str) -> dict:
    """What the figure of an outcome's replicates shows, and says beside their numbers."""
    words = {**words_on_figures(review, outcome), "labels": {}}  # it names no study
    figure = {"outcome": outcome, "variant": _variants(review)[0], **words}
    return {"bootstrap": bootstrap_settings(review, outcome), "figure": figure}


def _variants(review: Review) -> list[str]:
    main = next(iter(review.config["variants"]))
    return list(review.config["bootstrap"].get("variants", [main]))


def multiverse_settings(review: Review, outcome: str) -> dict:
    """The choices that are combined for an outcome, and the review's own among them."""
    declared = review.config["multiverse"][outcome]
    effects, pooling = effects_settings(review, outcome), dict(review.pooling(outcome))
    main = next(iter(review.config["variants"]))
    variants = dict.fromkeys([main, *declared.get("variant", [])])
    own = {
        "model": pooling["model"],
        "transform": pooling.get("transform", ""),
        "tau2": pooling.get("tau2", ""),
        "interval": pooling.get("interval", "wald"),
        "variant": main,
        "medians": effects["medians"],
        "correlation": str(effects["correlation"]),
    }
    return {
        "outcome": outcome,
        "measure": effects["measure"],
        "effects": effects,
        "pooling": pooling,
        "variants": {name: review.variant(outcome, name) for name in variants},
        "own": own,
        "choices": {choice: list(values) for choice, values in declared.items()},
    }


def multiverse_figure_settings(review: Review, outcome: str) -> dict:
    """What the figure of an outcome's multiverse says beside the numbers."""
    main = next(iter(review.config["variants"]))
    words = {**words_on_figures(review, outcome), "labels": {}}  # it names no study
    return {"figure": {"outcome": outcome, "variant": main, **words}}
