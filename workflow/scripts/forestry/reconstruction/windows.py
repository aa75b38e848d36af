"""What printed numbers allow the sums of a pool to be, on the scale of analysis.

A necessary condition each, for `enumeration` to pass over what cannot be a solution; none
decides that something is one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import logit

from forestry.intervals import critical_value
from forestry.reconstruction.space import CountPool
from forestry.reconstruction.targets import Bound, Target

Range = tuple[float, float]
SUMMED = ("inverse_variance", "logistic_mixed")  # the models whose results tell of sums
EVERYTHING: Range = (-np.inf, np.inf)

_FROM_DISPLAY = {
    "raw": lambda p: p,
    "identity": lambda x: x,
    "logit": logit,
    "log": np.log,
    "arcsine": lambda p: np.arcsin(np.sqrt(p)),
}
_DOMAIN = {
    "raw": EVERYTHING,
    "identity": EVERYTHING,
    "logit": (0.0, 1.0),
    "log": (0.0, np.inf),
    "arcsine": (0.0, 1.0),
}


@dataclass(frozen=True)
class Windows:
    """Ranges (both ends included) for the sums of k studies.

    `participants` is the printed n where `exact_n`, else infinite. `mean` is that of the
    reported estimate and `se` that of its standard error under a common effect. Where a
    common effect cannot be reported `can_common` is False, and likewise `can_random`: with
    the rule common_if_i2_zero, Q decides. `random_se` is None where random effects tell
    nothing of their sums.
    """

    df: int
    participants: float
    exact_n: bool
    q_low: float
    q_high: float
    by_q: bool  # whether Q says which model is reported
    can_common: bool
    can_random: bool
    is_mixed: bool
    is_costly: bool
    mean: Range
    se: Range
    random_se: Range | None

    @property
    def empty(self) -> bool:
        """Whether nothing at all can meet the target."""
        ranges = ((self.q_low, self.q_high), self.mean, self.se)
        return any(low > high for low, high in ranges) or not (self.can_common or self.can_random)

    @property
    def only_common(self) -> bool:
        """A common effect by inverse variance is what is reported, whatever the counts."""
        return self.can_common and not self.can_random and not self.is_mixed

    @property
    def mean_about(self) -> Range:
        """Where the mean lies that Q is taken about, if that is known."""
        return self.mean if self.only_common else EVERYTHING

    @property
    def common_w(self) -> Range:
        """The sum of the weights 1/vi, if a common effect is reported."""
        if not self.only_common:
            return EVERYTHING
        low, high = self.se
        return (1 / high**2 if high > 0 else np.inf), (1 / low**2 if low > 0 else np.inf)

    def allow(self, sums: np.ndarray, q: np.ndarray, wider: float) -> np.ndarray:
        """Whether sums (6, ...) with their Q may be those of a solution, shape (...)."""
        allowed = (q >= self.q_low * (1 - wider) - wider) & (q <= self.q_high * (1 + wider) + wider)
        random = q > self.df * (1 - wider) if self.by_q else np.ones(q.shape, dtype=bool)
        if self.can_common:
            allowed &= self._common_allowed(sums, wider) | (random & self.can_random)
        else:
            allowed &= random
        if self.is_mixed:
            allowed |= sums[2] == 0  # no study with a finite logit: another test, no tau2
        return allowed & (sums[0] == self.participants) if self.exact_n else allowed

    def common(self, sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Estimate and standard error of a common effect; not finite without it."""
        with np.errstate(divide="ignore", invalid="ignore"):
            if self.is_mixed:
                events, others = sums[1], sums[0] - sums[1]
                return np.log(events / others), np.sqrt(1 / events + 1 / others)
            return sums[3] / sums[2], 1 / np.sqrt(sums[2])

    def _common_allowed(self, sums: np.ndarray, wider: float) -> np.ndarray:
        mean, se = self.common(sums)
        with np.errstate(invalid="ignore"):
            slack = wider * (1 + np.abs(mean))
            near = (mean >= self.mean[0] - slack) & (mean <= self.mean[1] + slack)
        near &= (se >= self.se[0] * (1 - wider)) & (se <= self.se[1] * (1 + wider))
        # All or none of the participants had events: an exact interval, not this one.
        return near | ~np.isfinite(mean)


def windows_of(pool: CountPool, target: Target) -> Windows:
    """The windows of a target for a pool of two rows or more."""
    pooling, df = pool.pooling, len(pool.rows) - 1
    is_mixed = pooling.model == "logistic_mixed"
    vectorised = pooling.i2 == "q" and pooling.model in SUMMED
    known_q = vectorised and (not is_mixed or pooling.heterogeneity == "wald")
    q_low, q_high = target.q_range(df) if known_q else (0.0, np.inf)
    by_q = pooling.select == "common_if_i2_zero"
    can_common = pooling.select == "common" or (by_q and q_low <= df) or not known_q
    # Without both events and others in any study, a mixed model has no random effects.
    can_common |= is_mixed
    can_random = pooling.select == "random" or (by_q and q_high > df) or not known_q
    mean, half = _mean_and_half(pool, target) if vectorised else (EVERYTHING, EVERYTHING)
    shared = "wald" if not is_mixed else pooling.interval
    return Windows(
        df=df,
        participants=target.n.middle if target.n else np.inf,
        exact_n=target.n is not None,
        q_low=q_low,
        q_high=q_high,
        by_q=by_q and known_q,
        can_common=can_common,
        can_random=can_random or (is_mixed and not known_q),
        is_mixed=is_mixed,
        is_costly=not vectorised or (is_mixed and can_random),
        mean=mean,
        se=_over(half, shared, df, pooling.level),
        random_se=_random_se(half, pool, df) if vectorised else None,
    )


def _random_se(half: Range, pool: CountPool, df: int) -> Range | None:
    pooling = pool.pooling
    if pooling.model != "inverse_variance" or pooling.interval not in ("wald", "t"):
        return None
    return _over(half, pooling.interval, df, pooling.level)


def _over(half: Range, interval: str, df: int, level: float) -> Range:
    critical = float(critical_value(interval, df, level))
    return max(half[0], 0.0) / critical, half[1] / critical


def _mean_and_half(pool: CountPool, target: Target) -> tuple[Range, Range]:
    """Ranges of the estimate and of half the width, on the scale of analysis."""
    if pool.scale == "double_arcsine":  # its way back depends on every study's size
        return EVERYTHING, EVERYTHING
    (e0, e1), (l0, l1), (h0, h1) = (
        on_scale(bound, pool.scale) for bound in (target.estimate, target.ci_low, target.ci_high)
    )
    with np.errstate(invalid="ignore"):
        mean = _meet((e0, e1), ((l0 + h0) / 2, (l1 + h1) / 2))
        half = _meet((e0 - l1, e1 - l0), (h0 - e1, h1 - e0))
        half = _meet(half, ((h0 - l1) / 2, (h1 - l0) / 2))
    return mean, half


def on_scale(bound: Bound | None, scale: str) -> Range:
    """A bound's ends on a scale of analysis; beyond the scale's domain they are infinite."""
    if bound is None:
        return EVERYTHING
    least, most = _DOMAIN[scale]
    to_scale = _FROM_DISPLAY[scale]
    low = -np.inf if bound.low <= least else float(to_scale(min(bound.low, most)))
    high = np.inf if bound.high >= most else float(to_scale(max(bound.high, least)))
    return low, high


def _meet(one: Range, other: Range) -> Range:
    """The overlap; an end that is not a number (of opposite infinities) bounds nothing."""
    return float(np.fmax(one[0], other[0])), float(np.fmin(one[1], other[1]))
