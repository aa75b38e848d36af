"""Effects that a source gives as such: correlations, and estimates with an interval or an error."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

from forestry.measures.common import (
    Effects,
    check_not_negative,
    columns_of,
    effects_of,
    missing_in,
    refuse_where,
    upper_tail,
)


def correlation(n: ArrayLike, correlation: ArrayLike) -> Effects:
    """A correlation as Fisher's z (metafor's ZCOR): atanh r, v = 1 / (n - 3) (Fisher 1921).

    n pairs; needs 4 or more, and a correlation that is not -1 or 1. Raises ValueError for n below
    1 and a correlation beyond -1 or 1.
    """
    n, r = columns_of(n=n, correlation=correlation)
    refuse_where(n < 1, "n must be 1 or more", n)
    refuse_where(np.abs(r) > 1, "a correlation must lie between -1 and 1", r)
    with np.errstate(divide="ignore", invalid="ignore"):
        yi, vi = np.arctanh(r), np.where(n > 3, 1 / (n - 3), np.nan)
    perfect = (np.abs(r) == 1, "a correlation of -1 or 1 has no Fisher's z")
    return effects_of(
        yi, vi, missing_in(n=n, correlation=r), perfect, (n <= 3, "fewer than 4 pairs")
    )


def estimate(estimate: ArrayLike, se: ArrayLike, ratio: bool) -> Effects:
    """An estimate with its standard error (generic inverse variance): v = se^2.

    Of a `ratio` the estimate is given as it is read, and `se` is that of its logarithm. Raises
    ValueError for a negative standard error, and a ratio that is not positive.
    """
    value, se = columns_of(estimate=estimate, se=se)
    check_not_negative("se", se)
    if ratio:
        refuse_where(value <= 0, "a ratio must be above 0", value)
    yi = np.log(value) if ratio else value
    none = (se == 0, "a standard error of 0 gives no sampling variance")
    return effects_of(yi, se**2, missing_in(estimate=value, se=se), none)


def se_from_interval(
    low: ArrayLike, high: ArrayLike, ratio: bool, level: float = 0.95
) -> np.ndarray:
    """The standard error behind an estimate's interval: its length over 2 z, shape (k,).

    Of a `ratio` both are those of the logarithm (Cochrane Handbook 6.3.2). NaN where a limit is
    missing. Raises ValueError for a ratio's limit that is not positive, an upper limit below the
    lower, and a level outside (0, 1).
    """
    z = ndtri(upper_tail(level))
    low, high = columns_of(low=low, high=high)
    refuse_where(high < low, "the upper limit must not be below the lower", high)
    if ratio:
        refuse_where(low <= 0, "a ratio's limit must be above 0", low)
        low, high = np.log(low), np.log(high)
    return (high - low) / (2 * z)


def off_centre(estimate: ArrayLike, low: ArrayLike, high: ArrayLike, ratio: bool) -> np.ndarray:
    """How far an estimate lies from its interval's middle, in half lengths, shape (k,).

    0 is in the middle; NaN where a number is missing or the interval has no length. On the
    logarithm of a `ratio`.
    """
    columns = columns_of(estimate=estimate, low=low, high=high)
    with np.errstate(divide="ignore", invalid="ignore"):
        value, low, high = map(np.log, columns) if ratio else columns
        return np.abs(2 * value - low - high) / (high - low)
