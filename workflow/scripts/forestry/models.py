"""The ways of pooling that a review can declare, each giving both of its models.

Whatever the way, studies come in as arrays and `BothModels` comes out, on the scale of
analysis (link); what is shown to a reader is `forestry.pool`'s work. A model that the
counts leave without an estimate is missing, and the other one's `note` says why.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from forestry import (
    binomial_normal,
    binomial_normal_conditional,
    binomial_normal_unconditional,
    exact_odds_ratio,
    heterogeneity,
    inverse_variance,
    logistic_mixed,
    mantel_haenszel,
    measures,
)
from forestry.checks import NotConverged
from forestry.heterogeneity import I2
from forestry.logistic_mixed import Limits, NoFiniteMaximum
from forestry.mantel_haenszel import NotEstimable
from forestry.measures import ZeroCells
from forestry.tau2 import Tau2, tau2_from_q


@dataclass(frozen=True)
class Pooling:
    """A way of pooling as declared in config.yaml; the defaults are the declaration's."""

    model: str  # a key of MODELS
    transform: str = "raw"
    tau2: str = "DL"
    nodes: int = 7
    zero_cells: Mapping = field(default_factory=dict)
    mh_exact: bool = True  # mantel_haenszel only: without the correction of zero_cells
    q_about: str = "inverse_variance"  # the mean of Cochran's Q; or mantel_haenszel
    heterogeneity: str = "wald"  # models of counts only: wald | likelihood_ratio
    i2: str = "q"  # q | tau2
    tau2_interval: str = "q_profile"
    interval: str = "wald"
    prediction: str = "t_k_minus_2"
    level: float = 0.95
    select: str = "common_if_i2_zero"  # common | random | common_if_i2_zero


@dataclass(frozen=True)
class Studies:
    """The studies to pool: arrays of shape (k,), counts as float, NaN where not of the measure."""

    events: np.ndarray
    total: np.ndarray
    control_events: np.ndarray
    control_total: np.ndarray
    yi: np.ndarray
    vi: np.ndarray
    measure: str

    @property
    def k(self) -> int:
        return self.yi.size


@dataclass(frozen=True)
class Fitted:
    """A model's result on the scale of analysis; `weights` are shares that sum to 1."""

    method: str
    tau2_method: str
    interval: str
    estimate: float
    se: float | None
    ci_low: float
    ci_high: float
    weights: np.ndarray
    weight_basis: str
    p_value: float | None = None
    pi_low: float | None = None
    pi_high: float | None = None
    tau2: float | None = None
    tau2_se: float | None = None
    tau2_low: float | None = None
    tau2_high: float | None = None
    tau2_interval: str = ""
    on_display_scale: bool = False  # an exact interval has no link scale
    note: str = ""


@dataclass(frozen=True)
class Test:
    """A test of heterogeneity: cochran_q | mantel_haenszel_q | wald_q | likelihood_ratio_q."""

    name: str
    statistic: float
    df: int
    p_value: float | None


@dataclass(frozen=True)
class Spread:
    """I2 with its basis, and the tests of heterogeneity, the one to report first."""

    i2: I2
    i2_basis: str  # q | mantel_haenszel_q | wald_q | likelihood_ratio_q | tau2
    tests: tuple[Test, ...]


@dataclass(frozen=True)
class BothModels:
    """Common and random effects of the same studies; at least one of the two exists.

    `random` is None where the mixed model has no maximum, `common` where Mantel and
    Haenszel's estimate does not exist, `spread` where all or no participants had the event.
    """

    common: Fitted | None
    random: Fitted | None
    spread: Spread | None


def pool(studies: Studies, pooling: Pooling) -> BothModels:
    """Both models for two or more studies, by the declared way of pooling.

    Raises KeyError for a model that is not known, ValueError for fewer than two studies,
    NotEstimable where neither model has an estimate, NotConverged where a search fails.
    """
    if studies.k < 2:
        raise ValueError(f"pooling needs two studies or more, not {studies.k}")
    return MODELS[pooling.model](studies, pooling)


# Inverse variance -----------------------------------------------------------------------------


def _inverse_variance(studies: Studies, pooling: Pooling) -> BothModels:
    yi, vi = studies.yi, studies.vi
    common = _fitted(inverse_variance.fit_common(yi, vi, pooling.level), "inverse_variance")
    return BothModels(common, *_random_effects(yi, vi, pooling))


def _random_effects(yi, vi, pooling: Pooling) -> tuple[Fitted, Spread]:
    """The random-effects model by inverse variance, and what is said of heterogeneity."""
    fit = inverse_variance.fit_random(
        yi, vi, pooling.tau2, pooling.level, pooling.interval, pooling.prediction
    )
    found = heterogeneity.heterogeneity(
        *(yi, vi, pooling.tau2, pooling.i2, pooling.tau2_interval, pooling.level),
        between=Tau2(pooling.tau2, fit.tau2, fit.tau2_se),
    )
    limits = {
        "tau2_low": found.tau2_low,
        "tau2_high": found.tau2_high,
        "tau2_interval": found.tau2_interval,
    }
    shares = (found.i2, found.i2_low, found.i2_high, found.h2, found.h2_low, found.h2_high)
    test = Test("cochran_q", found.q, found.q_df, found.q_p)
    spread = Spread(I2(*shares), found.i2_basis, (test,))
    return replace(_fitted(fit, "inverse_variance"), **limits), spread


def _fitted(fit: inverse_variance.Fit, method: str) -> Fitted:
    return Fitted(
        method=method,
        tau2_method=fit.tau2_method if fit.model == "random" else "",
        interval=fit.interval,
        estimate=fit.estimate,
        se=fit.se,
        ci_low=fit.ci_low,
        ci_high=fit.ci_high,
        weights=fit.weights,
        weight_basis=method,
        p_value=fit.p_value,
        pi_low=fit.pi_low,
        pi_high=fit.pi_high,
        tau2=fit.tau2,
        tau2_se=fit.tau2_se,
    )


# Mantel-Haenszel ------------------------------------------------------------------------------


def _mantel_haenszel(studies: Studies, pooling: Pooling) -> BothModels:
    """The common effect of Mantel and Haenszel; random effects by inverse variance."""
    try:
        common = _mantel_haenszel_common(studies, pooling)
    except NotEstimable as error:
        random, spread = _random_effects(studies.yi, studies.vi, pooling)
        return BothModels(None, replace(random, note=f"no common effect: {error}"), spread)
    if pooling.q_about == "mantel_haenszel":
        return BothModels(common, *_about_mantel_haenszel(studies, common.estimate, pooling))
    return BothModels(common, *_random_effects(studies.yi, studies.vi, pooling))


def _about_mantel_haenszel(studies: Studies, mean: float, pooling: Pooling):
    """Random effects with DerSimonian and Laird's tau2 from Q about Mantel and Haenszel's mean.

    As RevMan 5 and R's meta (Q.Cochrane = TRUE) have them by default. The interval of tau2 is
    of Cochran's own Q and is left out.
    """
    yi, vi = studies.yi, studies.vi
    test = heterogeneity.q_about(yi, vi, mean)
    tau2 = tau2_from_q(test.q, vi)
    fit = inverse_variance.fit_random(
        yi, vi, "DL", pooling.level, pooling.interval, pooling.prediction, given_tau2=tau2
    )
    random = replace(_fitted(fit, "inverse_variance"), tau2_method="DL_mantel_haenszel")
    tests = (Test("mantel_haenszel_q", test.q, test.df, test.p),)
    if pooling.i2 == "tau2":
        typical = heterogeneity.typical_variance(vi)
        return random, Spread(heterogeneity.i2_from_tau2(tau2, typical), "tau2", tests)
    return random, _spread_of_q(tests, pooling.level)


def _mantel_haenszel_common(studies: Studies, pooling: Pooling) -> Fitted:
    rule = ZeroCells(**pooling.zero_cells)
    correction = {} if pooling.mh_exact else {"add": rule.add, "to": rule.to}
    fit = mantel_haenszel.fit_mantel_haenszel(
        *(studies.events, studies.total, studies.control_events, studies.control_total),
        measure=studies.measure,
        level=pooling.level,
        **correction,
    )
    return Fitted(
        method="mantel_haenszel",
        tau2_method="",
        interval="wald",
        estimate=fit.estimate,
        se=fit.se,
        ci_low=fit.ci_low,
        ci_high=fit.ci_high,
        weights=fit.weights,
        weight_basis="mantel_haenszel",
        p_value=fit.p_value,
    )


# The binomial-normal models -------------------------------------------------------------------


def _unconditional(studies: Studies, pooling: Pooling) -> BothModels:
    model = binomial_normal_unconditional
    return _binomial_normal(studies, pooling, model, {"nodes": pooling.nodes})


def _conditional(studies: Studies, pooling: Pooling) -> BothModels:
    return _binomial_normal(studies, pooling, binomial_normal_conditional, {})


def _binomial_normal(studies: Studies, pooling: Pooling, model, options: Mapping) -> BothModels:
    counts = (studies.events, studies.total, studies.control_events, studies.control_total)
    try:
        common = _binomial_normal_fit(model.fit_common(*counts), pooling)
    except NoFiniteMaximum as error:
        raise NotEstimable(f"{error}{_exact(counts, pooling.level)}") from error
    likelihood_ratio = _test("likelihood_ratio_q", model.likelihood_ratio_q(*counts))
    try:
        fit = model.fit_random(*counts, **options)
    except NoFiniteMaximum as error:
        note = f"no random effects: {error}"
        return BothModels(
            replace(common, note=note), None, _spread_of_q((likelihood_ratio,), pooling.level)
        )
    random = replace(
        _binomial_normal_fit(fit, pooling),
        tau2_method="ML",
        tau2=fit.tau2,
        **_profile_limits(
            lambda: model.profile_tau2_interval(fit, *counts, pooling.level, **options)
        ),
        **_prediction(fit.estimate, fit, pooling),
    )
    tests = [_test("wald_q", model.wald_q(*counts)), likelihood_ratio]
    return BothModels(common, random, _count_spread(fit.tau2, tests, studies.vi, pooling))


def _exact(counts, level: float) -> str:
    """The interval that a common odds ratio has where it has no estimate, for the reader."""
    found = exact_odds_ratio.exact_interval(*counts, level)
    if (found.low, found.high) == (0, np.inf):
        return ""
    high = "infinity" if found.high == np.inf else f"{found.high:.3g}"
    return f"; exact {100 * level:g}% interval of a common odds ratio: {found.low:.3g} to {high}"


def _binomial_normal_fit(fit: binomial_normal.BinomialNormal, pooling: Pooling) -> Fitted:
    critical = float(inverse_variance.critical_value(pooling.interval, fit.k - 1, pooling.level))
    p_value = inverse_variance.p_values(fit.estimate, fit.se, pooling.interval, fit.k - 1)
    return Fitted(
        method=pooling.model,
        tau2_method="",
        interval=pooling.interval,
        estimate=fit.estimate,
        se=fit.se,
        ci_low=fit.estimate - critical * fit.se,
        ci_high=fit.estimate + critical * fit.se,
        weights=binomial_normal.information_weights(fit),
        weight_basis="approximate_information",
        p_value=float(p_value),
    )


# The logistic mixed model ---------------------------------------------------------------------


def _logistic_mixed(studies: Studies, pooling: Pooling) -> BothModels:
    events, total = studies.events, studies.total
    if events.sum() in (0, total.sum()):
        return BothModels(_exact_total(events, total, pooling), None, None)
    fit, profile = logistic_mixed.fit_common(events, total), logistic_mixed.profile_common_interval
    common = _mixed_fit(fit, events, total, pooling, profile)
    try:
        random = _mixed_random(events, total, pooling)
    except NoFiniteMaximum as error:
        note = f"no random effects: {error}"
        return BothModels(replace(common, note=note), None, _extreme_spread(events, total, pooling))
    return BothModels(common, random, _mixed_spread(random.tau2, events, total, pooling))


def _mixed_random(events, total, pooling: Pooling) -> Fitted:
    fit = logistic_mixed.fit_random(events, total, nodes=pooling.nodes)
    profile = partial(logistic_mixed.profile_beta_interval, nodes=pooling.nodes)
    return replace(
        _mixed_fit(fit, events, total, pooling, profile),
        tau2_method="ML",
        tau2=fit.tau2,
        **_profile_limits(
            lambda: logistic_mixed.profile_tau2_interval(
                events, total, pooling.level, pooling.nodes
            )
        ),
        **_prediction(fit.beta, fit, pooling),
    )


def _logit_limits(fit, events, total, pooling: Pooling, profile) -> Limits:
    if pooling.interval == "profile_likelihood":
        return profile(events, total, pooling.level)
    critical = float(inverse_variance.critical_value(pooling.interval, fit.k - 1, pooling.level))
    return Limits(fit.beta - critical * fit.se, fit.beta + critical * fit.se)


def _profile_limits(interval: Callable[[], Limits]) -> dict:
    """The profile interval of tau2; of a few events in one study its end may not be found."""
    try:
        limits = interval()
    except NotConverged as error:
        return {"note": f"no interval of tau2: {error}"}
    return {
        "tau2_low": limits.low,
        "tau2_high": limits.high,
        "tau2_interval": "profile_likelihood",
    }


def _mixed_fit(fit, events, total, pooling: Pooling, profile) -> Fitted:
    """`profile` is the likelihood interval of the model fitted."""
    limits = _logit_limits(fit, events, total, pooling, profile)
    return Fitted(
        method="logistic_mixed",
        tau2_method="",
        interval=pooling.interval,
        estimate=fit.beta,
        se=fit.se,
        ci_low=limits.low,
        ci_high=limits.high,
        weights=logistic_mixed.information_weights(fit.beta, fit.tau2, events, total),
        weight_basis="approximate_information",
    )


def _prediction(mean: float, fit, pooling: Pooling) -> dict:
    half = inverse_variance.prediction_half_width(
        pooling.prediction, fit.k, fit.se, fit.tau2, pooling.level
    )
    return {} if half is None else {"pi_low": mean - half, "pi_high": mean + half}


def _mixed_spread(tau2: float, events, total, pooling: Pooling) -> Spread:
    tests = [
        _test("wald_q", logistic_mixed.wald_q(events, total)),
        _likelihood_ratio_test(events, total),
    ]
    variances = measures.proportion(events, total, "logit").vi
    return _count_spread(tau2, tests, variances, pooling)


def _count_spread(tau2: float, tests: list[Test], vi: np.ndarray, pooling: Pooling) -> Spread:
    """Of a model of counts: Wald's test and the likelihood ratio test, the declared one first.

    `vi` are the corrected variances of the studies' own effects, for I2 from tau2.
    """
    if pooling.heterogeneity == "likelihood_ratio":
        tests = tests[::-1]
    if pooling.i2 == "tau2":
        typical = heterogeneity.typical_variance(vi)
        return Spread(heterogeneity.i2_from_tau2(tau2, typical), "tau2", tuple(tests))
    return _spread_of_q(tuple(tests), pooling.level)


def _test(name: str, found: logistic_mixed.Test) -> Test:
    return Test(name, found.statistic, found.df, found.p_value)


def _extreme_spread(events, total, pooling: Pooling) -> Spread:
    """Where each study has only events or only others, there is no finite logit for Wald's Q."""
    return _spread_of_q((_likelihood_ratio_test(events, total),), pooling.level)


def _likelihood_ratio_test(events, total) -> Test:
    return _test("likelihood_ratio_q", logistic_mixed.likelihood_ratio_q(events, total))


def _spread_of_q(tests: tuple[Test, ...], level: float) -> Spread:
    first = tests[0]
    return Spread(heterogeneity.i2_from_q(first.statistic, first.df, level), first.name, tests)


def _exact_total(events, total, pooling: Pooling) -> Fitted:
    """All or no events: no model has a maximum, so the exact interval of the total."""
    exact = logistic_mixed.exact_total(events, total, pooling.level)
    return Fitted(
        method="exact_total",
        tau2_method="",
        interval="clopper_pearson",
        estimate=exact.estimate,
        se=None,
        ci_low=exact.ci_low,
        ci_high=exact.ci_high,
        weights=total / total.sum(),
        weight_basis="participants",
        on_display_scale=True,
        note="all or no participants had the event: exact interval of the total, no model fitted",
    )


MODELS = {
    "inverse_variance": _inverse_variance,
    "mantel_haenszel": _mantel_haenszel,
    "logistic_mixed": _logistic_mixed,
    "binomial_normal_unconditional": _unconditional,
    "binomial_normal_conditional": _conditional,
}
