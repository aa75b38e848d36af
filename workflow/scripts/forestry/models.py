"""The ways of pooling that a review can declare, each giving both of its models.

Whatever the way, studies come in as arrays and `BothModels` comes out, on the scale of
analysis (link); what is shown to a reader is `forestry.pool`'s work. A model that the
counts leave without an estimate is missing, and the other one's `note` says why.
"""

from __future__ import annotations

from dataclasses import replace

from forestry import count_models, heterogeneity, inverse_variance, mantel_haenszel
from forestry.heterogeneity import I2
from forestry.mantel_haenszel import NotEstimable
from forestry.measures import ZeroCells
from forestry.pooled_models import BothModels, Fitted, Pooling, Spread, Studies, Test, spread_of_q
from forestry.tau2 import Tau2, tau2_from_q


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
    return random, spread_of_q(tests, pooling.level)


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


MODELS = {
    "inverse_variance": _inverse_variance,
    "mantel_haenszel": _mantel_haenszel,
    "logistic_mixed": count_models.pool_logistic_mixed,
    "binomial_normal_unconditional": count_models.pool_unconditional,
    "binomial_normal_conditional": count_models.pool_conditional,
}
