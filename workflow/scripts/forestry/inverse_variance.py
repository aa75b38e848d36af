"""Inverse-variance pooling: the common and the random effects model of one data set.

Everything is on the scale of analysis (link): `yi` are estimates and `vi` their sampling
variances, known and positive. tau2 is `forestry.tau2`'s, and many data sets at once are
pooled by `forestry.batch`.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite, sqrt

import numpy as np
from numpy.typing import ArrayLike

from forestry.checks import check_choice, checked_studies
from forestry.intervals import (
    INTERVALS,
    critical_value,
    p_values,
    prediction_half_width,
)
from forestry.tau2 import Tau2, tau2


@dataclass(frozen=True)
class Fit:
    """A pooled result on the scale of analysis.

    `tau2` is None in the common effect model, which has none; `pi_low` and `pi_high` are
    None below three studies, or where no prediction interval was asked for; `p_value` (of
    a mean of zero) is None where the standard error is zero. `weights` are shares of shape
    (k,) that sum to 1, in the order of the studies.
    """

    model: str  # common | random
    k: int
    tau2_method: str  # "none" in the common effect model, "given" for a given value
    interval: str
    level: float
    estimate: float
    se: float
    ci_low: float
    ci_high: float
    p_value: float | None
    tau2: float | None
    tau2_se: float | None
    pi_low: float | None
    pi_high: float | None
    weights: np.ndarray


# The two models -----------------------------------------------------------------------------


def fit_common(yi: ArrayLike, vi: ArrayLike, level: float = 0.95) -> Fit:
    """The common effect (fixed effect) model with weights 1/v and a Wald interval.

    A single study gives itself. Raises ValueError for no study, or a variance that is not
    positive.
    """
    yi, vi = checked_studies(yi, vi, least=1)
    return _fit("common", yi, vi, None, "wald", "none", level)


def fit_random(
    yi: ArrayLike,
    vi: ArrayLike,
    tau2_method: str = "DL",
    level: float = 0.95,
    interval: str = "wald",
    prediction: str = "z",
    given_tau2: float | None = None,
) -> Fit:
    """The random effects model with weights 1/(v + tau2).

    `interval` is "wald" (normal), "t" (t on k-1 df), "hartung_knapp" (variance
    sum w (y-mu)^2 / ((k-1) sum w), t on k-1 df: Hartung & Knapp 2001, Sidik & Jonkman 2002),
    "hartung_knapp_ad_hoc" (never narrower than "t": Knapp & Hartung 2003) or
    "hartung_knapp_wider" (the wider of the intervals "hartung_knapp" and "wald", with its
    standard error and p: Wiksten, Rücker & Schwarzer 2016, Stat Med 35:2503).
    `prediction` gives mu +- c sqrt(se^2 + tau2) with c normal ("z"), t on k-1 or on k-2 df
    (Higgins, Thompson & Spiegelhalter 2009), or "none". With `given_tau2`, tau2 is not
    estimated: e.g. DerSimonian-Laird with Q about a Mantel-Haenszel mean (`tau2_from_q`).

    Raises ValueError for fewer than two studies or an unknown choice, NotConverged where
    tau2 has no solution.
    """
    yi, vi = checked_studies(yi, vi, least=2)
    between = tau2(yi, vi, tau2_method) if given_tau2 is None else _given(given_tau2)
    return _fit("random", yi, vi, between, interval, prediction, level)


def _given(value: float) -> Tau2:
    if not (isfinite(value) and value >= 0):
        raise ValueError(f"tau2 must be zero or more, not {value}")
    return Tau2("given", float(value), None)


def _fit(model, yi, vi, between, interval, prediction, level) -> Fit:
    t = between.estimate if between else 0.0
    k = yi.size
    weights = 1 / (vi + t)
    total = float(weights.sum())
    weights /= total
    middle = yi.sum() / k  # the mean is taken about it, for precision
    estimate = float(middle + weights @ (yi - middle))
    se, df = _se_and_df(yi, weights, total, estimate, interval, level)
    half = float(critical_value("t", df, level)) * se
    pi_half = prediction_half_width(prediction, k, se, t, level)
    return Fit(
        model=model,
        k=k,
        tau2_method=between.method if between else "none",
        interval=interval,
        level=level,
        estimate=estimate,
        se=se,
        ci_low=estimate - half,
        ci_high=estimate + half,
        p_value=float(p_values(estimate, se, "t", df)) if se > 0 else None,
        tau2=between.estimate if between else None,
        tau2_se=between.se if between else None,
        pi_low=None if pi_half is None else estimate - pi_half,
        pi_high=None if pi_half is None else estimate + pi_half,
        weights=weights,
    )


def _se_and_df(yi, weights, total, estimate, interval, level) -> tuple[float, int]:
    """The mean's standard error, and the df of its t distribution: 0 where that is normal.

    `weights` are shares and `total` is their sum before. One study has no spread, and so
    no Hartung-Knapp factor.
    """
    check_choice("interval", interval, INTERVALS)
    df, classic = yi.size - 1, sqrt(1 / total)
    if interval == "wald":
        return classic, 0
    if interval == "t" or df == 0:
        return classic, df
    factor = sqrt(float(weights @ (yi - estimate) ** 2) * total / df)
    if interval == "hartung_knapp_ad_hoc":
        return max(factor, 1.0) * classic, df
    if interval == "hartung_knapp_wider":
        normal, t = critical_value("t", [0, df], level)
        if t * factor < normal:
            return classic, 0
    return factor * classic, df
