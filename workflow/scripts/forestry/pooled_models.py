"""What a way of pooling takes and gives, whatever the model: on the scale of analysis (link)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from forestry import heterogeneity
from forestry.heterogeneity import I2


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


def spread_of_q(tests: tuple[Test, ...], level: float) -> Spread:
    """I2 from the Q of the first test."""
    first = tests[0]
    return Spread(heterogeneity.i2_from_q(first.statistic, first.df, level), first.name, tests)
