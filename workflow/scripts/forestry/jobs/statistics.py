"""What the jobs that compute are told: of whom, how pooled, under which variants."""

from __future__ import annotations

from collections.abc import Mapping

from forestry.measure_kinds import scale_of
from forestry.review import Review
from forestry.rows import Table, digest
from forestry.selection import left_out


def collated(review: Review) -> list[str]:
    """The tables that hold the results of all outcomes, by what is declared."""
    tables = ["estimates", "weights", "heterogeneity", "influence"]
    tables += ["subgroups"] if review.subgrouped else []
    tables += ["bias", "trim_and_fill"] if "bias" in review.config else []
    tables += ["metaregression"] if review.regressed else []
    return tables


def analyse_settings(review: Review, outcome: str) -> dict:
    """All that an outcome's job is told, by what it computes."""
    return {
        "effects": effects_settings(review, outcome),
        "pool": pool_settings(review, outcome),
        "influence": influence_settings(review, outcome),
        "bias": bias_settings(review, outcome),
        "trim_and_fill": trim_and_fill_settings(review, outcome),
    }


def effects_settings(review: Review, outcome: str) -> dict:
    """How an outcome's rows become effects, and a digest of these rows."""
    declared = review.config["outcomes"][outcome]
    effects = review.config.get("effects", {})
    rows = review.rows(outcome)
    return {
        "measure": declared["measure"],
        "scale": scale_of(declared["measure"], review.pooling(outcome)),
        "direction": declared.get("direction", "rise"),
        "medians": declared.get("medians", effects.get("medians", "hozo2005")),
        "correlation": declared.get("correlation", effects.get("correlation", 0.5)),
        "standardized": review.standardized(outcome),
        "zero_cells": review.pooling(outcome).get("zero_cells", {}),
        "level": review.pooling(outcome).get("level", 0.95),
        "columns": dict(declared.get("columns", {})),
        "studies": [row["study_id"] for row in rows],
        "rows": digest(rows),
    }


def pool_settings(review: Review, outcome: str) -> dict:
    """How an outcome is pooled, and whom each variant leaves out and why.

    Beside the declared variants, those of reported rows alone that its forest plots show.
    """
    variants = {name: review.variant(outcome, name) for name in review.config["variants"]}
    return {
        "outcome": outcome,
        "measure": review.config["outcomes"][outcome]["measure"],
        "pooling": dict(review.pooling(outcome)),
        "variants": {**variants, **review.drawn_beside(outcome)},
    }


def influence_settings(review: Review, outcome: str) -> dict:
    """Which variant's studies are looked at one by one, and how they are pooled."""
    main = next(iter(review.config["variants"]))
    pooling = dict(review.pooling(outcome))
    return {"outcome": outcome, "variant": main, "pooling": pooling}


def bias_settings(review: Review, outcome: str) -> dict:
    """The tests of small-study effects, for every variant."""
    bias = review.config.get("bias", {})
    return {
        "outcome": outcome,
        "measure": review.config["outcomes"][outcome]["measure"],
        "variants": [v for v in review.config["variants"] if v not in review.leaving_one_out],
        "tests": list(bias.get("tests", ())),
        "fewest_studies": bias.get("fewest_studies", 10),
    }


def trim_and_fill_settings(review: Review, outcome: str) -> dict:
    """How missing studies are filled in; an empty estimator does nothing."""
    declared = review.config.get("bias", {}).get("trim_and_fill", {})
    return {
        "outcome": outcome,
        "variants": bias_settings(review, outcome)["variants"],
        "pooling": dict(review.pooling(outcome)),
        "estimator": declared.get("estimator", "L0") if declared else "",
        "side": declared.get("side"),
    }


def subgroup_effects_settings(review: Review, outcome: str) -> dict:
    """As `effects_settings`, on the scale of the way of pooling of the subgroups."""
    pooling = review.subgroup_pooling(outcome)
    measure = review.config["outcomes"][outcome]["measure"]
    return {
        **effects_settings(review, outcome),
        "scale": scale_of(measure, pooling),
        "standardized": review.standardized(outcome, of_subgroups=True),
        "zero_cells": pooling.get("zero_cells", {}),
        "level": pooling.get("level", 0.95),
    }


def subgroup_settings(review: Review, outcome: str) -> dict:
    """The steps of an outcome's subgroups, with each study's group in each step.

    A step goes on within a group of the steps before it: a study that has left the
    chain at one step is in no later one.
    """
    declared = review.config["subgroups"][outcome]
    variant = declared.get("variant", "main")
    reported = review.reported_alone(outcome, variant)
    members = [review.attributes(row) for row in review.rows(outcome)]
    steps = []
    for number, step in enumerate(declared["steps"], start=1):
        within = step.get("within", {})
        members = [row for row in members if not left_out(row, within, {})]
        steps.append(_step(number, step, members, bool(reported)))
    return {
        "outcome": outcome,
        "pooling": dict(review.subgroup_pooling(outcome)),
        "variant": review.variant(outcome, variant),
        "reported": reported,
        "steps": steps,
    }


def resampled(review: Review) -> dict[str, list[str]]:
    """The tables of results as data that are targets of their own, and each one's outcomes."""
    tables = {"bootstrap": ["bootstrap"], "multiverse": ["multiverse", "multiverse_choices"]}
    outcomes = {
        "bootstrap": list(review.outcomes),
        "multiverse": list(review.config.get("multiverse", {})),
    }
    return {table: outcomes[key] for key in tables if key in review.config for table in tables[key]}


def metaregression_settings(review: Review, outcome: str) -> dict:
    """The models of an outcome, and each study's values of their moderators."""
    return regression_settings(review, outcome, review.config["metaregression"][outcome]["models"])


def regression_settings(review: Review, outcome: str, models: Mapping[str, list[str]]) -> dict:
    """Models with the values that they use: numbers, or the words of categories.

    A study without numbers or left out by the variant's selection is not in them.
    """
    declared = review.config["metaregression"][outcome]
    variant = declared.get("variant", "main")
    excluded = review.variant(outcome, variant)["excluded"]
    known = [row["study_id"] for row in review.rows(outcome) if row["status"] != "unavailable"]
    columns = dict.fromkeys(column for model in models.values() for column in model)
    return {
        "outcome": outcome,
        "variant": variant,
        "tau2": declared.get("tau2", ""),
        "interval": declared.get("interval", ""),
        "pooling": dict(review.pooling(outcome)),
        "models": {name: list(model) for name, model in models.items()},
        "moderators": {
            column: _values(review, column, [id for id in known if id not in excluded])
            for column in columns
        },
    }


def _values(review: Review, column: str, ids: list[str]) -> dict[str, float | str]:
    value = str if review.study_columns[column]["type"] == "category" else float
    texts = {id: review.studies[id][column] for id in ids}
    return {id: value(text) for id, text in texts.items() if text}


def step_of(review: Review, outcome: str, name: str) -> dict:
    """A step of an outcome's subgroups by its name."""
    (found,) = (s for s in subgroup_settings(review, outcome)["steps"] if s["name"] == name)
    return found


def _step(number: int, step: Mapping, members: Table, has_reported: bool) -> dict:
    """A step's name, its groups in the studies' order, and the group of each study.

    A study whose column is empty belongs to no group. `reported` names the step's result of
    reported rows alone, where it has one.
    """
    by = step["by"]
    name = f"step{number}_{by}"
    groups = {row["study_id"]: row[by] for row in members if row[by]}
    return {
        "name": name,
        "reported": f"{name}_reported" if has_reported else "",
        "by": by,
        "within": " and ".join(f"{k} {v}" for k, v in step.get("within", {}).items()),
        "groups": groups,
        "order": list(dict.fromkeys(groups.values())),
    }
