"""Pooling by the likelihood of the counts: of proportions, and of odds ratios.

What is common to them is that they need no correction of zero cells, estimate tau2 by maximum
likelihood, have two tests of heterogeneity and no weights of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import numpy as np

from forestry import (
    binomial_normal,
    binomial_normal_conditional,
    binomial_normal_unconditional,
    exact_odds_ratio,
    heterogeneity,
    intervals,
    logistic_mixed,
    measures,
)
from forestry.checks import NotConverged
from forestry.logistic_mixed import Limits, NoFiniteMaximum
from forestry.mantel_haenszel import NotEstimable
from forestry.pooled_models import BothModels, Fitted, Pooling, Spread, Studies, Test, spread_of_q

# The binomial-normal models -------------------------------------------------------------------


def pool_unconditional(studies: Studies, pooling: Pooling) -> BothModels:
    model = binomial_normal_unconditional
    return _binomial_normal(studies, pooling, model, {"nodes": pooling.nodes})


def pool_conditional(studies: Studies, pooling: Pooling) -> BothModels:
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
            replace(common, note=note), None, spread_of_q((likelihood_ratio,), pooling.level)
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
    critical = float(intervals.critical_value(pooling.interval, fit.k - 1, pooling.level))
    p_value = intervals.p_values(fit.estimate, fit.se, pooling.interval, fit.k - 1)
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


def pool_logistic_mixed(studies: Studies, pooling: Pooling) -> BothModels:
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
    critical = float(intervals.critical_value(pooling.interval, fit.k - 1, pooling.level))
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
    half = intervals.prediction_half_width(
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
    return spread_of_q(tuple(tests), pooling.level)


def _test(name: str, found: logistic_mixed.Test) -> Test:
    return Test(name, found.statistic, found.df, found.p_value)


def _extreme_spread(events, total, pooling: Pooling) -> Spread:
    """Where each study has only events or only others, there is no finite logit for Wald's Q."""
    return spread_of_q((_likelihood_ratio_test(events, total),), pooling.level)


def _likelihood_ratio_test(events, total) -> Test:
    return _test("likelihood_ratio_q", logistic_mixed.likelihood_ratio_q(events, total))


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
