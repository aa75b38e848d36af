"""Roots of a function of one number."""

from __future__ import annotations

from collections.abc import Callable


def bracketed_root(
    function: Callable[[float], float],
    low: float,
    high: float,
    xtol: float = 2e-12,
    rtol: float = 8.881784197001252e-16,
) -> float:
    """A root between two points at which a function has different signs, by Brent's method.

    As `scipy.optimize.brentq`, which is imported when first called: most jobs need no root,
    and to import it takes as long as all of the library. Raises ValueError for points of
    the same sign.
    """
    from scipy.optimize import brentq

    return float(brentq(function, low, high, xtol=xtol, rtol=rtol))
