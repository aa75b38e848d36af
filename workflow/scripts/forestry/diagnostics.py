"""What single studies do to an outcome's result, and whether small studies differ.

Influence is that of the random-effects model on the effects of the main variant; the
tests of small-study effects are run in every variant, on the studies that it kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from forestry import bias
from forestry.bias import BiasTest, bias_record
from forestry.influence import influence, leave_one_out
from forestry.inverse_variance import fit_random
from forestry.models import Pooling
from forestry.outliers import interval_of, tau2_method_of
from forestry.results import USUAL_MINIMUM, BiasRecord, InfluenceRow, StudyEffect, Weight
from forestry.scales import harmonic_mean, to_display
from forestry.trim_and_fill import TrimAndFill, trim_and_fill


def influence_rows(
    effects: Sequence[StudyEffect], weights: Sequence[Weight], settings: Mapping
) -> list[InfluenceRow]:
    """The influence of each study that a variant pools; [] for fewer than two.

    `settings` are those of `Review.influence_settings`. tau2 is by the pooling's estimator,
    by REML where that is a mixed model; the results without a study have the pooling's
    interval and basis of I2.
    """
    pooling = Pooling(**settings["pooling"])
    kept = included(effects, weights, settings["variant"])
    if len(kept) < 2:
        return []
    yi, vi = _array(kept, "yi"), _array(kept, "vi")
    method = tau2_method_of(pooling)
    found = influence(yi, vi, method)
    without = leave_one_out(yi, vi, method, interval_of(pooling), pooling.level, pooling.i2)
    shown = _displayed(kept, without)
    return [
        InfluenceRow(
            outcome=settings["outcome"],
            variant=settings["variant"],
            study_id=study.study_id,
            k=len(kept),
            tau2_method=method,
            **{name: float(getattr(found, name)[i]) for name in _MEASURES},
            influential=bool(found.influential[i]),
            estimate_deleted=float(shown[0][i]),
            ci_low_deleted=float(shown[1][i]),
            ci_high_deleted=float(shown[2][i]),
            i2_deleted=float(without.i2[i]),
        )
        for i, study in enumerate(kept)
    ]


_MEASURES = (
    *("rstudent", "dffits", "cook_distance", "cov_ratio", "tau2_deleted"),
    *("q_deleted", "hat", "weight", "dfbetas"),
)


def _displayed(kept, without) -> list[np.ndarray]:
    limits = (without.estimate, without.ci_low, without.ci_high)
    return [_on_display_scale(kept, values) for values in limits]


def _on_display_scale(kept: Sequence[StudyEffect], values: np.ndarray) -> np.ndarray:
    scale = kept[0].scale
    n = harmonic_mean(_array(kept, "total")) if scale == "double_arcsine" else None
    return to_display(values, scale, n)


def included(
    effects: Sequence[StudyEffect], weights: Sequence[Weight], variant: str
) -> list[StudyEffect]:
    """The studies that a variant pools, in the effects' order."""
    kept = {row.study_id for row in weights if row.variant == variant and row.included}
    return [effect for effect in effects if effect.study_id in kept]


def bias_rows(
    effects: Sequence[StudyEffect], weights: Sequence[Weight], settings: Mapping
) -> list[BiasRecord]:
    """The declared tests of small-study effects that the measure allows, in each variant.

    `settings` are those of `Review.bias_settings`. A variant with fewer than
    `fewest_studies` has its rows, without numbers and with a note.
    """
    tests = TESTS.get(settings["measure"], EFFECT_TESTS)
    return [
        bias_record(settings["outcome"], variant, _bias_test(tests[test], kept, settings))
        for variant in settings["variants"]
        for kept in [included(effects, weights, variant)]
        for test in settings["tests"]
        if test in tests
    ]


def _bias_test(test: Test, kept: Sequence[StudyEffect], settings: Mapping) -> BiasTest:
    found, fewest = test(kept), settings["fewest_studies"]
    if len(kept) >= fewest:
        return found
    return BiasTest(
        test=found.test,
        k=len(kept),
        **dict.fromkeys(("bias", "se", "statistic", "df", "p_value")),
        fewer_than_10=len(kept) < USUAL_MINIMUM,
        note=f"fewer than {fewest} studies: not tested",
    )


@dataclass(frozen=True)
class TrimAndFillRow:
    """Duval and Tweedie's trim and fill: a row of ``trim_and_fill.csv``.

    `k` studies were pooled and `k0` more are estimated to be missing on `side`; the
    estimate and its interval are those with them, by random effects, display scale.
    """

    outcome: str
    variant: str
    estimator: str
    side: str
    k: int
    k0: int | None
    k0_se: float | None
    estimate: float | None
    ci_low: float | None
    ci_high: float | None
    tau2: float | None
    fewer_than_10: bool
    note: str


def trim_and_fill_rows(
    effects: Sequence[StudyEffect], weights: Sequence[Weight], settings: Mapping
) -> list[TrimAndFillRow]:
    """Trim and fill in each variant; a row without numbers where it cannot be done.

    `settings` are those of `Review.trim_and_fill_settings`; [] where they name no estimator.
    """
    if not settings["estimator"]:
        return []
    pooling = Pooling(**settings["pooling"])
    return [
        _trim_and_fill_row(variant, included(effects, weights, variant), settings, pooling)
        for variant in settings["variants"]
    ]


def filled(
    kept: Sequence[StudyEffect], estimator: str, side: str | None, pooling: Pooling
) -> TrimAndFill:
    """Studies with those that are missing filled in, tau2 estimated anew at each step.

    Raises ValueError where trim and fill cannot be done.
    """
    fit = partial(
        fit_random,
        tau2_method=tau2_method_of(pooling),
        level=pooling.level,
        interval=interval_of(pooling),
    )
    return trim_and_fill(
        _array(kept, "yi"), _array(kept, "vi"), fit, estimator=estimator, side=side
    )


def points_to_add(
    effects: Sequence[StudyEffect], weights: Sequence[Weight], settings: Mapping
) -> TrimAndFill | None:
    """The points that a funnel plot adds; None where none are asked for or can be had."""
    if not settings["in_funnels"]:
        return None
    kept = included(effects, weights, settings["variant"])
    pooling = Pooling(**settings["pooling"])
    try:
        return filled(kept, settings["estimator"], settings["side"], pooling)
    except ValueError:  # trim_and_fill.csv says why
        return None


def _trim_and_fill_row(variant, kept, settings, pooling: Pooling) -> TrimAndFillRow:
    common = {
        "outcome": settings["outcome"],
        "variant": variant,
        "estimator": settings["estimator"],
        "k": len(kept),
        "fewer_than_10": len(kept) < USUAL_MINIMUM,
    }
    try:
        found = filled(kept, settings["estimator"], settings["side"], pooling)
    except ValueError as error:
        numbers = ("k0", "k0_se", "estimate", "ci_low", "ci_high", "tau2")
        return TrimAndFillRow(**common, side="", note=str(error), **dict.fromkeys(numbers))
    fit = found.fit
    shown = _on_display_scale(kept, np.array([fit.estimate, fit.ci_low, fit.ci_high]))
    return TrimAndFillRow(
        **common,
        side=found.side,
        k0=found.k0,
        k0_se=found.k0_se,
        estimate=float(shown[0]),
        ci_low=float(shown[1]),
        ci_high=float(shown[2]),
        tau2=fit.tau2,
        note=found.note,
    )


def _array(kept: Sequence[StudyEffect], name: str) -> np.ndarray:
    return np.array([getattr(effect, name) for effect in kept], dtype=float)


Test = Callable[[Sequence[StudyEffect]], BiasTest]


def _of(test, *columns, **fixed) -> Test:
    """A test of the library as a test of studies, by the columns that it takes."""
    return lambda kept: test(*(_array(kept, column) for column in columns), **fixed)


_ARMS = ("events", "total", "control_events", "control_total")

EFFECT_TESTS = {"egger": _of(bias.egger, "yi", "vi"), "begg": _of(bias.begg, "yi", "vi")}
PROPORTION_TESTS = {
    "peters": _of(bias.peters_proportion, "events", "total"),
    "score": _of(bias.score_proportion, "events", "total"),
}


def _two_arm_tests(measure: str) -> dict[str, Test]:
    return {
        "harbord": _of(bias.harbord, *_ARMS, measure=measure),
        "peters": _of(bias.peters, *_ARMS),
    }


# Which of the declared tests a measure allows, and what they are for it.
TESTS = {
    "proportion": EFFECT_TESTS | PROPORTION_TESTS,
    "risk_ratio": EFFECT_TESTS | _two_arm_tests("risk_ratio"),
    "odds_ratio": EFFECT_TESTS | _two_arm_tests("odds_ratio"),
    "peto_odds_ratio": EFFECT_TESTS | _two_arm_tests("odds_ratio"),
}
