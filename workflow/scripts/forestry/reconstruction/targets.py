"""A published result as constraints: what each printed number allows a computed one to be.

A number printed with d decimals allows half a unit of the last digit on either side of it,
both ends included (programs differ in how they round a tie). Whether the printed numbers can hold
at once is asked of `forestry.consistency`; what contradicts the others is set aside by name,
never silently.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import chdtri

from forestry.consistency import Printed, Published, p_from_i2, read_printed
from forestry.reconstruction.results import STATISTICS

PERCENT = "percent"


@dataclass(frozen=True)
class Bound:
    """The computed values that read as printed: `low` to `high`, on the display scale.

    `unit` is one unit of the last printed digit on that scale.
    """

    printed: str
    low: float
    high: float
    unit: float

    @property
    def middle(self) -> float:
        """The printed value; of a bound alone (<0.01), its end."""
        ends = [end for end in (self.low, self.high) if np.isfinite(end)]
        return sum(ends) / len(ends)

    def met(self, values: ArrayLike) -> NDArray[np.bool_]:
        """Whether values (any shape) read as printed; a value that does not exist does not."""
        values = np.asarray(values, dtype=float)
        return (values >= self.low) & (values <= self.high)

    def distance(self, values: ArrayLike) -> NDArray[np.float64]:
        """How far beyond the range values are, in units; infinite for one that does not exist."""
        values = np.asarray(values, dtype=float)
        beyond = np.maximum(np.maximum(self.low - values, values - self.high), 0.0)
        return np.where(np.isnan(values), np.inf, beyond / self.unit)


@dataclass(frozen=True)
class Target:
    """A published result as bounds; None for a number that is not printed.

    `aside` holds the bounds that were set aside because they contradict the others.
    """

    outcome: str
    variant: str
    k: Bound | None
    n: Bound | None
    estimate: Bound | None
    ci_low: Bound | None
    ci_high: Bound | None
    i2: Bound | None
    p: Bound | None
    aside: tuple[tuple[str, Bound], ...] = ()

    @property
    def bounds(self) -> dict[str, Bound]:
        """What is to be met, by statistic."""
        found = {name: getattr(self, name) for name in STATISTICS}
        return {name: bound for name, bound in found.items() if bound is not None}

    def without(self, names: Iterable[str]) -> Target:
        """The target with some statistics set aside."""
        chosen = {name: self.bounds[name] for name in names if name in self.bounds}
        return replace(self, **dict.fromkeys(chosen), aside=(*self.aside, *chosen.items()))

    def q_range(self, df: int) -> tuple[float, float]:
        """The least and greatest Q on `df` that I2 and p allow: an empty range if none does."""
        low, high = 0.0, np.inf
        if self.i2 is not None:
            share_low, share_high = max(self.i2.low, 0.0), min(self.i2.high, 1.0)
            low = df / (1 - share_low) if share_low > 0 else 0.0
            high = df / (1 - share_high) if share_high < 1 else np.inf
        if self.p is not None:
            low = max(low, _q_of_p(df, self.p.high))
            high = min(high, _q_of_p(df, self.p.low))
        return low, high


def _q_of_p(df: int, p: float) -> float:
    if p <= 0:
        return np.inf
    return 0.0 if p >= 1 else float(chdtri(df, p))


def target_of(published: Published, k: int, i2_from_q: bool = True) -> Target:
    """The constraints of a published result that pools `k` rows.

    A limit printed at the end of what a proportion can be may have been clipped there, and
    allows anything beyond. A p allows what is rounded to it and what is cut off to it; one
    that is not that of the printed I2 and k is set aside, where `i2_from_q` says that I2
    comes from the Q of the test.

    Raises ValueError for a text that is no number.
    """
    share = 0.01 if published.unit == PERCENT else 1.0
    numbers = {name: getattr(published, name) for name in ("estimate", "ci_low", "ci_high")}
    bounds = {name: _bound(text, share) for name, text in numbers.items()}
    if published.statistic == "proportion":
        bounds = {name: bound and _unclipped(bound, name) for name, bound in bounds.items()}
    target = Target(
        published.outcome,
        published.variant,
        k=_bound(published.k, 1.0),
        n=_bound(published.n, 1.0),
        **bounds,
        i2=_bound(published.i2, 0.01),
        p=_bound_of_p(published.p_heterogeneity),
    )
    fits = not i2_from_q or _fits_i2(target, read_printed(published.i2), k)
    return target if fits else target.without(["p"])


def _bound(text: str, share: float) -> Bound | None:
    printed = read_printed(text)
    return printed and _ranged(text.strip(), printed, (printed.low, printed.high), share)


def _ranged(text: str, printed: Printed, ends: tuple[float, float], share: float) -> Bound:
    return Bound(text, ends[0] * share, ends[1] * share, 10.0**-printed.decimals * share)


def _unclipped(bound: Bound, name: str) -> Bound:
    if name == "ci_high" and bound.low <= 1.0 <= bound.high:
        return replace(bound, high=np.inf)
    if name == "ci_low" and bound.low <= 0.0 <= bound.high:
        return replace(bound, low=-np.inf)
    return bound


def _bound_of_p(text: str) -> Bound | None:
    """As printed by rounding or by cutting off: reviews do either."""
    printed = read_printed(text)
    if printed is None:
        return None
    (low, high), (cut_low, cut_high) = (printed.low, printed.high), printed.cut_off
    return _ranged(text.strip(), printed, (min(low, cut_low), max(high, cut_high)), 1.0)


def _fits_i2(target: Target, i2: Printed | None, k: int) -> bool:
    if i2 is None or target.p is None or k < 2:
        return True
    least, greatest = p_from_i2(i2, k)
    return least <= target.p.high and target.p.low <= greatest
