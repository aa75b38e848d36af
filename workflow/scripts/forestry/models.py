"""The ways of pooling that a review can declare, each giving both of its models.

Whatever the way, studies come in as arrays and `BothModels` comes out, on the scale of
analysis (link); what is shown to a reader is `forestry.pool`'s work.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from scipy.special import ndtri, stdtrit

from forestry import heterogeneity, inverse_variance, logistic_mixed, mantel_haenszel


@dataclass(frozen=True)
class Pooling:
    """A way of pooling as declared in config.yaml; the defaults are the declaration's."""

    model: str  # logistic_mixed | inverse_variance | mantel_haenszel
    transform: str = "raw"
    tau2: str = "DL"
    nodes: int = 7
    zero_cells: Mapping = field(default_factory=dict)
    heterogeneity: str = "wald"  # logistic_mixed only: wald | likelihood_ratio
    i2: str = "q"  # q | tau2
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
    tau2_low: float | None = None
    tau2_high: float | None = None
    on_display_scale: bool = False  # an exact interval has no link scale
    note: str = ""


@dataclass(frozen=True)
class Heterogeneity:
    """I2 with its basis, and the tests: name, statistic, df and p of each, the reported first."""

    i2: float
    i2_low: float | None
    i2_high: float | None
    i2_basis: str
    h2: float
    tests: tuple[tuple[str, float, int, float], ...]


@dataclass(frozen=True)
class BothModels:
    """Common and random effects of the same studies. `random` is None where it has no maximum."""

    common: Fitted
    random: Fitted | None
    heterogeneity: Heterogeneity | None
    note: str = ""


def pool(studies: Studies, pooling: Pooling) -> BothModels:
    """Both models for two or more studies, by the declared way of pooling.

    Raises KeyError for a model that is not known, ValueError for fewer than two studies.
    """
    if studies.k < 2:
        raise ValueError(f"pooling needs two studies or more, not {studies.k}")
    return MODELS[pooling.model](studies, pooling)


# The logistic mixed model --------------------------------------------------------------------


def _logistic_mixed(studies: Studies, pooling: Pooling) -> BothModels:
    events, total = studies.events, studies.total
    if events.sum() in (0, total.sum()):
        return _exact_total(events, total, pooling)
    common = logistic_mixed.fit_common(events, total)
    mixed = logistic_mixed.fit_random(events, total, nodes=pooling.nodes)
    random = _mixed_fit(mixed, events, total, pooling)
    tau2_low, tau2_high = logistic_mixed.profile_tau2_interval(
        events, total, level=pooling.level, nodes=pooling.nodes
    )
    return BothModels(
        common=_mixed_fit(common, events, total, pooling),
        random=_with(random, tau2=mixed.tau2, tau2_low=tau2_low, tau2_high=tau2_high),
        heterogeneity=_mixed_heterogeneity(mixed.tau2, events, total, pooling),
    )


def _mixed_fit(fit, events, total, pooling: Pooling) -> Fitted:
    low, high = _interval(fit.beta, fit.se, pooling, fit.k)
    is_random = fit.tau2 is not None
    return Fitted(
        method="logistic_mixed",
        tau2_method="ML",
        interval=pooling.interval,
        estimate=fit.beta,
        se=fit.se,
        ci_low=low,
        ci_high=high,
        weights=logistic_mixed.information_weights(fit.beta, fit.tau2 or 0.0, events, total),
        weight_basis="approximate_information",
    )


