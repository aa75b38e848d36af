"""Outliers by a declared rule, each with the number that makes it one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from forestry.influence import studentized_residuals
from forestry.inverse_variance import fit_random
from forestry.measures import wald_interval
from forestry.models import Pooling
from forestry.results import COUNT_MODELS, StudyEffect

FEWEST = 3  # of two studies, neither can be told to be the outlier
THRESHOLD = 1.96


def outlying(studies: Sequence[StudyEffect], rule: Mapping, pooling: Pooling) -> dict[str, str]:
    """The outlying studies, with the reason of each; {} for fewer than three studies.

    Rules, both on the scale of analysis under the random-effects model (tau2 by the rule's
    own estimator, else the pooling's, else REML):

    - ``studentized_residual``: its externally studentized residual exceeds `threshold`
      (1.96) in size (Viechtbauer and Cheung 2010, Res Synth Methods 1:112).
    - ``interval_outside_pooled``: its Wald interval and the pooled one have no point in
      common (as find.outliers of R's dmetar).

    The pooled interval is of the pooling's kind. Raises KeyError for an unknown rule.
    """
    find = RULES[rule["rule"]]
    if len(studies) < FEWEST:
        return {}
    yi = np.array([study.yi for study in studies])
    vi = np.array([study.vi for study in studies])
    found = find(yi, vi, rule, rule.get("tau2", tau2_method_of(pooling)), pooling)
    return {studies[i].study_id: reason for i, reason in found.items()}


def tau2_method_of(pooling: Pooling) -> str:
    """The estimator of tau2 for effects by inverse variance under a way of pooling."""
    return "REML" if pooling.model in COUNT_MODELS else pooling.tau2


def interval_of(pooling: Pooling) -> str:
    """The interval for effects by inverse variance under a way of pooling.

    They have a standard error, but not the counts' likelihood.
    """
    return "wald" if pooling.interval == "profile_likelihood" else pooling.interval


def _by_residual(yi, vi, rule, tau2_method, pooling: Pooling) -> dict[int, str]:
    residuals = studentized_residuals(yi, vi, tau2_method)
    over = np.flatnonzero(np.abs(residuals) > rule.get("threshold", THRESHOLD))
    return {int(i): f"outlier (studentized residual {residuals[i]:.2f})" for i in over}


def _by_interval(yi, vi, rule, tau2_method, pooling: Pooling) -> dict[int, str]:
    own = wald_interval(yi, vi, pooling.level)
    pooled = fit_random(yi, vi, tau2_method, pooling.level, interval_of(pooling))
    outside = np.flatnonzero((own.high < pooled.ci_low) | (own.low > pooled.ci_high))
    return {int(i): "outlier (interval outside the pooled interval)" for i in outside}


RULES = {"studentized_residual": _by_residual, "interval_outside_pooled": _by_interval}
