"""An outcome's pooled results: every variant by both models, and who was left out and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from forestry.mantel_haenszel import NotEstimable
from forestry.measure_kinds import WITHOUT_NULL
from forestry.models import BothModels, Fitted, Pooling, Spread, Studies, pool
from forestry.outliers import outlying
from forestry.results import Estimate, HeterogeneityTest, StudyEffect, Weight
from forestry.scales import harmonic_mean, to_display

IN_TURN = "left out in turn"


@dataclass(frozen=True)
class Pooled:
    """Rows of estimates.csv, weights.csv and heterogeneity.csv."""

    estimates: tuple[Estimate, ...]
    weights: tuple[Weight, ...]
    heterogeneity: tuple[HeterogeneityTest, ...]


@dataclass(frozen=True)
class Part:
    """What is pooled together: a variant of an outcome, or a group of its studies.

    In a variant that leaves out one study at a time, the group is the study left out.
    """

    outcome: str
    variant: str
    group: str = ""


def pool_outcome(effects: Sequence[StudyEffect], settings: Mapping) -> Pooled:
    """Every variant of an outcome. `settings` are those of `Review.pool_settings`.

    A variant that leaves out one study at a time gives a group for each, named by the
    study that is left out, and no result of the whole; of fewer than two studies it gives
    the whole's row, which says that nothing is pooled.
    """
    pooling = Pooling(**settings["pooling"])
    outcome = settings["outcome"]
    return joined(
        [
            pool_part(part, effects, reasons, pooling)
            for name, variant in settings["variants"].items()
            for part, reasons in _parts(Part(outcome, name), effects, variant, pooling)
        ]
    )


def _parts(
    whole: Part, effects: Sequence[StudyEffect], variant: Mapping, pooling: Pooling
) -> list[tuple[Part, dict[str, str]]]:
    """What is pooled in a variant: the whole, or the whole without each study in turn."""
    reasons = left_out(effects, variant, pooling)
    kept = [effect.study_id for effect in effects if effect.study_id not in reasons]
    if not variant["leave_one_out"] or len(kept) < 2:
        return [(whole, reasons)]
    return [(replace(whole, group=study), {**reasons, study: IN_TURN}) for study in kept]


def joined(parts: Sequence[Pooled]) -> Pooled:
    """The rows of several parts, one after the other."""
    return Pooled(
        tuple(row for part in parts for row in part.estimates),
        tuple(row for part in parts for row in part.weights),
        tuple(row for part in parts for row in part.heterogeneity),
    )


def left_out(effects: Sequence[StudyEffect], variant: Mapping, pooling: Pooling) -> dict[str, str]:
    """The studies that are not pooled in a variant, with the reason of each.

    First those without numbers and those that the variant's selection leaves out, then,
    among the rest, those that its outlier rule does.
    """
    reasons = dict(variant["excluded"])
    reasons |= {effect.study_id: effect.reason for effect in effects if not effect.usable}
    if variant["outliers"]:
        kept = [effect for effect in effects if effect.study_id not in reasons]
        reasons |= outlying(kept, variant["outliers"], pooling)
    return reasons


def pool_part(
    part: Part, effects: Sequence[StudyEffect], reasons: Mapping[str, str], pooling: Pooling
) -> Pooled:
    """Pool the studies without a reason against it; fewer than two are not pooled.

    Where the counts of all together have no estimate, the row says so.
    """
    kept = [effect for effect in effects if effect.study_id not in reasons]
    models, note = _models(kept, effects, pooling)
    return Pooled(
        _estimates(part, kept, models, pooling)
        if models
        else (_not_pooled(part, effects, kept, note),),
        _weights(part, effects, reasons, models),
        _tests(part, len(kept), models),
    )


def _models(kept, effects, pooling: Pooling) -> tuple[BothModels | None, str]:
    """Both models, or None and why nothing is pooled."""
    if not kept:
        return None, _nothing(effects)
    if len(kept) == 1:
        return None, "one study: not pooled"
    try:
        return pool(studies_of(kept), pooling), ""
    except NotEstimable as error:
        return None, f"not estimable: {error}"


def _nothing(effects: Sequence[StudyEffect]) -> str:
    """Where counts are known and give no effect, that is why nothing is pooled."""
    known = [effect for effect in effects if None not in (effect.events, effect.total)]
    reasons = dict.fromkeys(effect.reason for effect in known if not effect.usable)
    if reasons and not any(effect.usable for effect in effects):
        return f"not estimable: {'; '.join(reasons)}"
    return "no study with numbers: nothing to pool"


def studies_of(kept: Sequence[StudyEffect]) -> Studies:
    """The arrays of studies to pool, one or more, all of one measure."""
    columns = ("events", "total", "control_events", "control_total", "yi", "vi")
    arrays = {name: _column(kept, name) for name in columns}
    return Studies(**arrays, measure=kept[0].measure)


def _column(kept: Sequence[StudyEffect], name: str) -> np.ndarray:
    values = [getattr(effect, name) for effect in kept]
    return np.array([np.nan if value is None else value for value in values], dtype=float)


# Estimates -------------------------------------------------------------------------------------


def _estimates(part, kept, models: BothModels, pooling: Pooling) -> tuple[Estimate, ...]:
    selected = selected_model(models, pooling)
    fitted = {"common": models.common, "random": models.random}
    return tuple(
        _estimate(part, kept, name, model, models, selected == name, pooling)
        for name, model in fitted.items()
        if model is not None
    )


def selected_model(models: BothModels, pooling: Pooling) -> str:
    """Which model the review reports: of two that exist, that of its rule.

    ``common_if_i2_zero`` is the article's: the data choose, by I2 on the pooling's basis.
    """
    if models.random is None:
        return "common"
    if models.common is None:
        return "random"
    if pooling.select == "common_if_i2_zero":
        return "common" if models.spread.i2.i2 == 0 else "random"
    return pooling.select


def _estimate(part, kept, name, model: Fitted, models, selected, pooling) -> Estimate:
    show = _display(model, kept)
    measure = kept[0].measure
    return Estimate(
        **_counts(part, kept),
        measure=measure,
        model=name,
        method=model.method,
        tau2_method=model.tau2_method,
        interval=model.interval,
        estimate=show(model.estimate),
        ci_low=show(model.ci_low),
        ci_high=show(model.ci_high),
        pi_low=show(model.pi_low),
        pi_high=show(model.pi_high),
        prediction="" if model.pi_low is None else pooling.prediction,
        p_value=None if measure in WITHOUT_NULL else _number(model.p_value),
        link_estimate=None if model.on_display_scale else _number(model.estimate),
        link_se=_number(model.se),
        tau2=_number(model.tau2),
        tau2_se=_number(model.tau2_se),
        tau2_low=_number(model.tau2_low),
        tau2_high=_number(model.tau2_high),
        tau2_interval=model.tau2_interval,
        **_spread(models.spread),
        selected=selected,
        note=model.note,
    )


def _display(model: Fitted, kept: Sequence[StudyEffect]):
    """From the scale of analysis to that of display; None stays None."""
    scale = "identity" if model.on_display_scale else kept[0].scale
    n = harmonic_mean(_column(kept, "total")) if scale == "double_arcsine" else None
    return lambda value: None if value is None else float(to_display(value, scale, n))


def _spread(found: Spread | None) -> dict:
    if found is None:
        empty = ("i2", "i2_low", "i2_high", "q", "q_df", "q_p", "h2", "h2_low", "h2_high")
        return {**dict.fromkeys(empty), "i2_basis": ""}
    test = found.tests[0]
    return {
        "i2": _number(found.i2.i2),
        "i2_low": _number(found.i2.i2_low),
        "i2_high": _number(found.i2.i2_high),
        "i2_basis": found.i2_basis,
        "q": test.statistic,
        "q_df": test.df,
        "q_p": test.p_value,
        "h2": _number(found.i2.h2),
        "h2_low": _number(found.i2.h2_low),
        "h2_high": _number(found.i2.h2_high),
    }


def _not_pooled(part: Part, effects, kept, note: str) -> Estimate:
    numbers = (
        *("estimate", "ci_low", "ci_high", "pi_low", "pi_high", "p_value"),
        *("link_estimate", "link_se", "tau2", "tau2_se", "tau2_low", "tau2_high"),
    )
    return Estimate(
        **_counts(part, kept),
        measure=effects[0].measure if effects else "",
        model="none",
        method="none",
        tau2_method="",
        interval="",
        tau2_interval="",
        prediction="",
        **dict.fromkeys(numbers),
        **_spread(None),
        selected=True,
        note=note,
    )


def _counts(part: Part, kept: Sequence[StudyEffect]) -> dict:
    """Studies, participants and events of both arms; None where there are none to count."""
    statuses = [effect.status for effect in kept]
    return {
        "outcome": part.outcome,
        "variant": part.variant,
        "group": part.group,
        "k": len(kept),
        "n": _sum(kept, "total", "control_total", "n", "control_n"),
        "events": _sum(kept, "events", "control_events"),
        "k_reported": statuses.count("reported"),
        "k_derived": statuses.count("derived"),
        "k_reconstructed": statuses.count("reconstructed"),
    }


def _sum(kept: Sequence[StudyEffect], *names: str) -> int | None:
    known = [getattr(effect, name) for effect in kept for name in names]
    known = [count for count in known if count is not None]
    return sum(known) if known else None


def _number(value) -> float | None:
    return None if value is None else float(value)


# Weights and tests -----------------------------------------------------------------------------


def _weights(part, effects, reasons, models: BothModels | None) -> tuple[Weight, ...]:
    kept = [effect.study_id for effect in effects if effect.study_id not in reasons]
    common = _shares(kept, models and models.common)
    random = _shares(kept, models and models.random)
    basis = ", ".join(_bases(models)) if models else ""
    return tuple(
        Weight(
            outcome=part.outcome,
            variant=part.variant,
            group=part.group,
            study_id=effect.study_id,
            included=effect.study_id in kept,
            reason=reasons.get(effect.study_id, ""),
            weight_common=common.get(effect.study_id),
            weight_random=random.get(effect.study_id),
            weight_basis=basis if effect.study_id in kept else "",
        )
        for effect in effects
    )


def _shares(kept: Sequence[str], model: Fitted | None) -> dict[str, float]:
    return dict(zip(kept, map(float, model.weights), strict=True)) if model else {}


def _bases(models: BothModels) -> list[str]:
    bases = [model.weight_basis for model in (models.common, models.random) if model]
    return list(dict.fromkeys(bases))


def _tests(part: Part, k: int, models: BothModels | None) -> tuple[HeterogeneityTest, ...]:
    if models is None or models.spread is None:
        return ()
    return tuple(
        HeterogeneityTest(
            outcome=part.outcome,
            variant=part.variant,
            group=part.group,
            test=test.name,
            k=k,
            statistic=test.statistic,
            df=test.df,
            p_value=test.p_value,
        )
        for test in models.spread.tests
    )
