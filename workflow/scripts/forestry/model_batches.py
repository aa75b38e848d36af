"""Both models of many data sets at once: what `forestry.models` gives of one, as arrays.

B data sets of the same k studies are rows of arrays (B, k): bootstrap samples, or the
variants of a multiverse. All of a model's fits advance together. What a data set leaves
without a value is NaN in its row, never an error of the others.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import numpy as np
from scipy.special import xlogy

from forestry import batch, logistic_mixed
from forestry.checks import NotConverged
from forestry.intervals import INTERVALS, critical_value
from forestry.mantel_haenszel import NotEstimable
from forestry.models import BothModels, Fitted, Pooling, Studies, pool


@dataclass(frozen=True, eq=False)
class DataSets:
    """B data sets of k studies, each array (k,) or (B, k); what the model does not use is NaN.

    A study of multiplicity m, (B, k), counts m times, as in a bootstrap sample.
    """

    studies: Studies
    multiplicity: np.ndarray

    @property
    def rows(self) -> int:
        return self.multiplicity.shape[0]

    def total(self, values: np.ndarray) -> np.ndarray:
        """Sums over the studies, each as often as it counts, (B,)."""
        return (self.multiplicity * values).sum(axis=-1)


@dataclass(frozen=True, eq=False)
class ManyModels:
    """Both models of B data sets, (B,) each, on the scale of analysis; I2 is 0-1.

    `common` of a mixed model is -inf or inf where no or all participants had the event.
    `random` and `tau2` are NaN where the model has no maximum, or where its search did not
    end (`converged` False); then nothing is known of the data set, `common` neither.
    """

    common: np.ndarray
    common_se: np.ndarray
    common_half: np.ndarray  # half of its confidence interval's width
    random: np.ndarray
    random_se: np.ndarray
    random_half: np.ndarray
    tau2: np.ndarray
    i2: np.ndarray
    converged: np.ndarray

    def selected(self, select: str) -> np.ndarray:
        """Whether the random-effects model is reported, by the rule of `forestry.pool`."""
        by_rule = {"common": False, "random": True, "common_if_i2_zero": self.i2 != 0}[select]
        return (by_rule | np.isnan(self.common)) & ~np.isnan(self.random)

    def estimate(self, select: str) -> np.ndarray:
        """The reported model's estimate, NaN where the search did not end."""
        chosen = np.where(self.selected(select), self.random, self.common)
        return np.where(self.converged, chosen, np.nan)


def fit_many(data: DataSets, pooling: Pooling) -> ManyModels:
    """Both models of each data set. Raises KeyError for a model that is not known.

    Raises ValueError for a data set without studies.
    """
    return MODELS[pooling.model](data, pooling)


# Inverse variance -----------------------------------------------------------------------------


def _inverse_variance(data: DataSets, pooling: Pooling) -> ManyModels:
    yi, vi, m = data.studies.yi, data.studies.vi, data.multiplicity
    fit = batch.fit_random_batch(
        *(yi, vi, pooling.tau2, m, pooling.interval, pooling.level, pooling.i2)
    )
    return ManyModels(
        common=fit.common,
        common_se=fit.common_se,
        common_half=critical_value("wald", 0, pooling.level) * fit.common_se,
        random=fit.estimate,
        random_se=fit.se,
        random_half=fit.ci_high - fit.estimate,
        tau2=fit.tau2,
        i2=fit.i2,
        converged=fit.converged,
    )


def _i2_of_q(q, df) -> np.ndarray:
    """I2 = max(0, (Q - df)/Q); 0 of a single study, and where Q is 0."""
    return np.where(q > df, 1 - df / np.where(q > 0, q, 1.0), 0.0) * (df > 0)


def _i2_of_tau2(tau2, typical) -> np.ndarray:
    """I2 = tau2/(tau2 + v~); 0 of a single study, which has no typical variance."""
    return np.where(np.isfinite(typical), tau2 / (tau2 + typical), 0.0)


def _typical_variance(data: DataSets, vi) -> np.ndarray:
    """Higgins & Thompson 2002, eq. 9; infinite of a single study."""
    s1, s2, k = data.total(1 / vi), data.total(1 / vi**2), data.multiplicity.sum(axis=-1)
    divisor = np.where(k > 1, s1 - s2 / s1, 1.0)
    return np.where(k > 1, (k - 1) / divisor, np.inf)


# Mantel-Haenszel ------------------------------------------------------------------------------


def _mantel_haenszel(data: DataSets, pooling: Pooling) -> ManyModels:
    """Random effects by inverse variance; the common effect has no standard error here."""
    if not pooling.mh_exact or pooling.q_about == "mantel_haenszel":
        return fit_each(data, pooling)
    found = _inverse_variance(data, pooling)
    r, s = _ratio_parts(data.studies)
    r, s = data.total(r), data.total(s)
    with np.errstate(divide="ignore", invalid="ignore"):
        common = r / s
        if data.studies.measure != "risk_difference":
            common = np.where((r > 0) & (s > 0), np.log(common), np.nan)
    none = np.full(data.rows, np.nan)
    return replace(found, common=common, common_se=none, common_half=none)


def _ratio_parts(studies: Studies) -> tuple[np.ndarray, np.ndarray]:
    """Each study's R and S, of which the pooled effect is sum R / sum S."""
    a, n1, c, n2 = studies.events, studies.total, studies.control_events, studies.control_total
    n = n1 + n2
    if studies.measure == "risk_ratio":
        return a * n2 / n, c * n1 / n
    if studies.measure == "odds_ratio":
        return a * (n2 - c) / n, (n1 - a) * c / n
    return (a * n2 - c * n1) / n, n1 * n2 / n


# The logistic mixed model ---------------------------------------------------------------------


def _logistic_mixed(data: DataSets, pooling: Pooling) -> ManyModels:
    x, n, m = data.studies.events, data.studies.total, data.multiplicity
    fits = logistic_mixed.fit_random_batch(x, n, m, nodes=pooling.nodes)
    events, others = data.total(x), data.total(n - x)
    with np.errstate(divide="ignore"):
        common, common_se = np.log(events) - np.log(others), np.sqrt(1 / events + 1 / others)
    known = fits.finite & fits.converged
    tau2, random_se = (np.where(known, values, np.nan) for values in (fits.tau2, fits.se))
    critical = _mixed_critical(data, pooling)
    return ManyModels(
        common=common,
        common_se=common_se,
        common_half=critical * common_se,
        random=np.where(known, fits.beta, np.nan),
        random_se=random_se,
        random_half=critical * random_se,
        tau2=tau2,
        i2=_mixed_i2(data, tau2, pooling),
        converged=fits.converged | ~fits.finite,
    )


def _mixed_critical(data: DataSets, pooling: Pooling) -> np.ndarray:
    """The multiplier of a standard error; NaN for an interval that is not made of one."""
    if pooling.interval not in INTERVALS:
        return np.full(data.rows, np.nan)
    df = data.multiplicity.sum(axis=-1) - 1
    return critical_value(pooling.interval, df, pooling.level)


def _mixed_i2(data: DataSets, tau2, pooling: Pooling) -> np.ndarray:
    """On the pooling's basis; from the likelihood ratio where no logit is finite.

    NaN where no or all participants had the event.
    """
    x, n, m = data.studies.events, data.studies.total, data.multiplicity
    y, df = n - x, m.sum(axis=-1) - 1
    inside = ((x > 0) & (y > 0)) & (m > 0)
    some = inside.any(axis=-1)
    ratio_first = pooling.heterogeneity == "likelihood_ratio"
    needed = not some.all() or (ratio_first and pooling.i2 != "tau2")
    by_ratio = _i2_of_q(_likelihood_ratio_q(data), df) if needed else np.nan
    if pooling.i2 == "tau2":
        half = np.where((x > 0) & (y > 0), 0.0, 0.5)
        typical = _typical_variance(data, 1 / (x + half) + 1 / (y + half))
        first = _i2_of_tau2(tau2, typical)
    else:
        first = by_ratio if ratio_first else _i2_of_q(_wald_q(data, inside, some), df)
    both = (data.total(x) > 0) & (data.total(y) > 0)
    return np.where(both, np.where(some, first, by_ratio), np.nan)


def _wald_q(data: DataSets, inside, some) -> np.ndarray:
    """Q of the uncorrected logits of the studies that have one; 0 where none has."""
    x, y = data.studies.events, data.studies.total - data.studies.events
    x, y = np.where(inside, x, 1.0), np.where(inside, y, 1.0)
    logit, w = np.log(x / y), inside * (x * y / (x + y))
    weights = data.total(w)
    mean = data.total(w * logit) / np.where(some, weights, 1.0)
    return data.total(w * (logit - mean[:, None]) ** 2)


def _likelihood_ratio_q(data: DataSets) -> np.ndarray:
    """2 sum x ln((x/n)/p0) + (n-x) ln((1-x/n)/(1-p0)), p0 = sum x / sum n."""
    x, n = data.studies.events, data.studies.total
    q = np.zeros(data.rows)
    for cells in (x, n - x):
        share = data.total(cells) / data.total(np.broadcast_to(n, cells.shape))
        expected = n * np.where(share > 0, share, 1.0)[:, None]
        q += 2 * data.total(xlogy(cells, cells / expected))
    return np.maximum(q, 0.0)


# The others -------------------------------------------------------------------------------------


def fit_each(data: DataSets, pooling: Pooling) -> ManyModels:
    """As `fit_many`, of any model: a data set after the other, with its studies repeated.

    For models that have no batch, and for Mantel and Haenszel's standard error. A data set
    of one study is NaN.
    """
    rows = []
    for counts in data.multiplicity:
        try:
            rows.append(_row(pool(_repeated(data.studies, counts), pooling)))
        except NotConverged:
            rows.append((*[np.nan] * 8, False))
        except NotEstimable:
            rows.append((*[np.nan] * 8, True))
    return ManyModels(*(np.array(column) for column in zip(*rows, strict=True)))


def _row(both: BothModels) -> tuple:
    """The fields of `ManyModels`, of one data set."""
    random, spread = both.random, both.spread
    numbers = (*_three(both.common), *_three(random), random and random.tau2)
    i2 = spread and spread.i2.i2
    return (*(np.nan if number is None else number for number in (*numbers, i2)), True)


def _three(model: Fitted | None) -> tuple[float | None, ...]:
    """Estimate, standard error, and half of the interval, on the scale of analysis."""
    if model is None:
        return None, None, None
    if model.on_display_scale:
        return (np.inf if model.estimate > 0.5 else -np.inf), None, None
    return model.estimate, model.se, model.ci_high - model.estimate


def _repeated(studies: Studies, counts: np.ndarray) -> Studies:
    """The studies as often as they count. Raises NotEstimable for fewer than two."""
    if counts.sum() < 2:
        raise NotEstimable("one study has no heterogeneity")
    names = [field.name for field in fields(Studies) if field.name != "measure"]
    return replace(studies, **{name: np.repeat(getattr(studies, name), counts) for name in names})


MODELS: dict[str, Callable[[DataSets, Pooling], ManyModels]] = {
    "inverse_variance": _inverse_variance,
    "mantel_haenszel": _mantel_haenszel,
    "logistic_mixed": _logistic_mixed,
    "binomial_normal_unconditional": fit_each,
    "binomial_normal_conditional": fit_each,
}
