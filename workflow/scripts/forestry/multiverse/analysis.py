"""An outcome pooled under every specification: the rows of ``multiverse.csv``.

Specifications that differ in the variant alone are data sets of one batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from itertools import groupby

import numpy as np

from forestry.effects import study_effects
from forestry.measure_kinds import scale_of
from forestry.model_batches import DataSets, fit_each, fit_many
from forestry.models import Pooling
from forestry.multiverse.specifications import (
    MANTEL_HAENSZEL,
    Specification,
    meaningful,
    specifications,
)
from forestry.pool import left_out, studies_of
from forestry.results import MultiverseRow, StudyEffect
from forestry.scales import harmonic_mean, to_display


def multiverse_rows(table: Sequence[Mapping[str, str]], settings: Mapping) -> list[MultiverseRow]:
    """Every specification of an outcome, in their order.

    `table` holds the outcome's sheet as texts, `settings` are those of
    `jobs.resampling.multiverse_settings`. A specification with fewer than two studies, or
    whose search does not end, has a row that says so.
    """
    own = Specification(**settings["own"])
    found = specifications(settings["choices"], own, settings["measure"])
    rows: dict[Specification, MultiverseRow] = {}
    for shared, group in groupby(sorted(found, key=_beside_variant), _beside_variant):
        effects = study_effects(table, _effects_settings(shared, settings))
        rows |= _results(list(group), effects, settings)
    mine = meaningful(own, settings["measure"])
    return [replace(rows[one], own=one == mine) for one in found]


def _beside_variant(one: Specification) -> Specification:
    return replace(one, variant="")


def _pooling(one: Specification, settings: Mapping) -> Pooling:
    declared = {key: value for key, value in settings["pooling"].items() if key != "transform"}
    return Pooling(**{**declared, "interval": one.interval, "tau2": one.tau2 or "DL", **_way(one)})


def _way(one: Specification) -> dict[str, str]:
    """The model, and the transform where it has one to choose."""
    return {"model": one.model, **({"transform": one.transform} if one.transform else {})}


def _effects_settings(one: Specification, settings: Mapping) -> dict:
    zero_cells = settings["effects"]["zero_cells"]
    scale = scale_of(settings["measure"], _way(one))
    if scale != "raw":  # where alone the variance may be corrected by itself
        zero_cells = {key: value for key, value in zero_cells.items() if key != "correct"}
    changed = {"scale": scale, "zero_cells": zero_cells}
    if one.medians:
        changed["medians"] = one.medians
    if one.correlation:
        independent = one.correlation == "independent"
        changed["correlation"] = "independent" if independent else float(one.correlation)
    return {**settings["effects"], **changed}


# Results --------------------------------------------------------------------------------------


def _results(
    group: Sequence[Specification], effects: Sequence[StudyEffect], settings: Mapping
) -> dict[Specification, MultiverseRow]:
    """The rows of specifications that share all but the variant."""
    pooling = _pooling(group[0], settings)
    kept = [_kept(effects, settings["variants"][one.variant], pooling) for one in group]
    solved = np.array([effect.is_reconstructed for effect in effects], dtype=bool)
    rows = {
        one: _blank(one, settings["outcome"], int(members.sum()), int((members & solved).sum()))
        for one, members in zip(group, kept, strict=True)
    }
    pooled = [(one, members) for one, members in zip(group, kept, strict=True) if rows[one].k > 1]
    if pooled:
        some = np.any([members for _, members in pooled], axis=0)
        studies = [effect for effect, used in zip(effects, some, strict=True) if used]
        multiplicity = np.array([members[some] for _, members in pooled], dtype=int)
        found = _fitted(studies, multiplicity, pooling)
        rows |= {
            one: replace(rows[one], **result)
            for (one, _), result in zip(pooled, found, strict=True)
        }
    return rows


def _kept(effects: Sequence[StudyEffect], variant: Mapping, pooling: Pooling) -> np.ndarray:
    reasons = left_out(effects, variant, pooling)
    return np.array([effect.study_id not in reasons for effect in effects], dtype=bool)


def _blank(one: Specification, outcome: str, k: int, k_reconstructed: int) -> MultiverseRow:
    note = {0: "no study with numbers: nothing to pool", 1: "one study: not pooled"}.get(k, "")
    counts = {"own": False, "k": k, "k_reconstructed": k_reconstructed, "reported": "none"}
    none = dict.fromkeys(("estimate", "ci_low", "ci_high", "i2"))
    return MultiverseRow(outcome, **asdict(one), **counts, **none, note=note)


def _fitted(
    studies: Sequence[StudyEffect], multiplicity: np.ndarray, pooling: Pooling
) -> Iterator[dict]:
    """The fields of a row that say what was found, a data set after the other."""
    data = DataSets(studies_of(studies), multiplicity)
    fit = fit_each if pooling.model == MANTEL_HAENSZEL else fit_many
    models = fit(data, pooling)
    random = models.selected(pooling.select)
    estimate = models.estimate(pooling.select)
    half = np.where(random, models.random_half, models.common_half)
    for i, members in enumerate(multiplicity):
        if np.isnan(estimate[i]):
            yield {"note": "no estimate" if models.converged[i] else "not converged"}
            continue
        show = _display([s for s, used in zip(studies, members, strict=True) if used])
        has_interval = np.isfinite(half[i])
        yield {
            "reported": "random" if random[i] else "common",
            "estimate": show(estimate[i]),
            "ci_low": show(estimate[i] - half[i]) if has_interval else None,
            "ci_high": show(estimate[i] + half[i]) if has_interval else None,
            "i2": None if np.isnan(models.i2[i]) else float(models.i2[i]),
            "note": "" if has_interval else "no interval",
        }


def _display(studies: Sequence[StudyEffect]):
    scale = studies[0].scale
    n = harmonic_mean([study.total for study in studies]) if scale == "double_arcsine" else None
    return lambda value: float(to_display(value, scale, n))
