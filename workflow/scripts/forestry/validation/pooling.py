"""Ways of pooling whose keys go together, and the measures that each can pool."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from forestry.faults import Fault
from forestry.measure_kinds import KINDS
from forestry.presets import NotInPreset, presets, resolved
from forestry.validation.declaration import mapping, text
from forestry.validation.words import either, shown

MIXED, INVERSE, MANTEL_HAENSZEL = "logistic_mixed", "inverse_variance", "mantel_haenszel"
UNCONDITIONAL, CONDITIONAL = "binomial_normal_unconditional", "binomial_normal_conditional"
OF_COUNTS = (MIXED, UNCONDITIONAL, CONDITIONAL)  # likelihoods of the counts as they are
# Measures of counts that a zero may keep from having an effect; Peto's odds ratio never is.
CORRECTED = (
    *("proportion", "risk_ratio", "odds_ratio", "risk_difference"),
    *("incidence_rate", "incidence_rate_ratio", "incidence_rate_difference"),
)

# Which models a key is for, and why not for the others.
KEYS = {
    "transform": ((INVERSE,), "the other models have a scale of their own"),
    "tau2": ((INVERSE, MANTEL_HAENSZEL), "the others estimate it by maximum likelihood"),
    "tau2_interval": (
        (INVERSE, MANTEL_HAENSZEL),
        "the others have their profile likelihood's, or none",
    ),
    "nodes": ((MIXED, UNCONDITIONAL), "only their likelihoods are integrated by a chosen number"),
    "mh_exact": ((MANTEL_HAENSZEL,), "it alone pools tables with or without a correction"),
    "q_about": ((MANTEL_HAENSZEL,), "it alone has a mean of its own"),
}
VALUES = {
    **{
        model: {"heterogeneity": ("wald", "likelihood_ratio"), "interval": ("wald", "t")}
        for model in (UNCONDITIONAL, CONDITIONAL)
    },
    MIXED: {
        "heterogeneity": ("wald", "likelihood_ratio"),
        "interval": ("wald", "t", "profile_likelihood"),
    },
    INVERSE: {"heterogeneity": ("cochran",)},
    MANTEL_HAENSZEL: {"heterogeneity": ("cochran",)},
}
MEASURES = {
    MIXED: ("proportion",),
    UNCONDITIONAL: ("odds_ratio",),
    CONDITIONAL: ("odds_ratio",),
    MANTEL_HAENSZEL: ("risk_ratio", "odds_ratio", "risk_difference"),
}
LIKELIHOODS = ("ML", "REML")
UNCORRECTED = ("arcsine", "double_arcsine", "square_root")


def pooling_faults(place: str, pooling: Mapping) -> Iterator[Fault]:
    """The keys of a way of pooling that contradict its model."""
    model = text(pooling, "model")
    if model not in VALUES:
        return
    for key, (models, why) in KEYS.items():
        if key in pooling and model not in models:
            rule = f"{key} is for {either(models)}, not for {model}: {why}"
            yield _fault(f"{place}.{key}", pooling[key], rule)
    for key, values in VALUES[model].items():
        if text(pooling, key) not in ("", *values):
            rule = f"{key} of {model} must be {either(values)}"
            yield _fault(f"{place}.{key}", pooling[key], rule)
    if text(pooling, "interval") == "profile_likelihood" and model not in OF_COUNTS:
        rule = f"interval: profile_likelihood is for {MIXED}, not for {model}"
        yield _fault(f"{place}.interval", pooling["interval"], rule)
    profiled = text(pooling, "tau2_interval") == "profile_likelihood"
    if profiled and model not in OF_COUNTS and text(pooling, "tau2") not in LIKELIHOODS:
        rule = f"profile_likelihood needs tau2: {either(LIKELIHOODS)}"
        yield _fault(f"{place}.tau2_interval", pooling["tau2_interval"], rule)
    if text(pooling, "q_about") == MANTEL_HAENSZEL and pooling.get("tau2", "DL") != "DL":
        rule = f"only DL's tau2 comes from this Q, not that of {pooling['tau2']}"
        yield _fault(f"{place}.q_about", pooling["q_about"], rule)
    if "zero_cells" in pooling and text(pooling, "transform") in UNCORRECTED:
        rule = f"zero_cells does nothing under the transform {pooling['transform']}"
        yield _fault(f"{place}.zero_cells", "", rule)


def use_faults(place: str, name: str, declared: Mapping, measure: str) -> Iterator[Fault]:
    """What keeps an outcome's measure from being pooled in a declared way, named `name`.

    The keys of a preset depend on the measure, so that they are held against each other here.
    """
    if "preset" in declared and text(declared, "preset") not in presets():
        return  # the schema says which ones there are
    try:
        pooling = resolved(declared, measure)
    except NotInPreset as error:
        yield _fault(f"{place}.pooling", name, str(error))
        return
    if "preset" in declared:
        yield from pooling_faults(f"pooling.{name}", pooling)
    for rule in misfits(pooling, measure):
        yield _fault(f"{place}.pooling", name, rule)


def with_preset(declared: Mapping, measure: str) -> Mapping:
    """A declared way of pooling with its preset's keys; as it is where the preset has none."""
    if "preset" in declared and text(declared, "preset") not in presets():
        return declared
    try:
        return resolved(declared, measure)
    except NotInPreset:
        return declared


def misfits(pooling: Mapping, measure: str) -> Iterator[str]:
    """Why a measure cannot be pooled in this way."""
    model = text(pooling, "model")
    measures = MEASURES.get(model)
    if measures and measure not in measures:
        yield f"{model} pools {either(measures)}, not {measure}"
    yield from _transform_misfits(pooling, KINDS[measure].transforms, measure)
    if "zero_cells" in pooling and measure not in CORRECTED:
        yield f"zero_cells is for counts, not for {measure}"
    zero_cells = mapping(pooling.get("zero_cells"))
    if text(zero_cells, "correct") == "variance" and not _variance_alone(pooling, measure):
        yield "zero_cells.correct: variance is for raw proportions and the risk_difference alone"
    uncorrected = text(zero_cells, "to") == "none" or zero_cells.get("add") == 0
    if model in OF_COUNTS and uncorrected:
        yield (
            f"zero_cells: {model} pools the counts as they are, but a study of 0 or 100 % "
            "needs a correction for the effect that is shown and tested"
        )
    if text(zero_cells, "cells") == "events" and measure != "risk_ratio":
        yield "zero_cells.cells: events is for the risk_ratio alone"


def _transform_misfits(pooling: Mapping, transforms: tuple[str, ...], measure: str):
    if "transform" not in pooling or pooling["transform"] in transforms:
        return
    if transforms:
        yield f"the transform of {measure} must be {either(transforms)}"
    else:
        able = either(name for name, kind in KINDS.items() if kind.transforms)
        yield f"a transform is for {able}, not for {measure}"


def _variance_alone(pooling: Mapping, measure: str) -> bool:
    raw = text(pooling, "model") == INVERSE and pooling.get("transform", "raw") == "raw"
    return measure == "risk_difference" or (measure == "proportion" and raw)


def _fault(place: str, value: object, rule: str) -> Fault:
    return Fault("config.yaml", "", place, shown(value), rule)
