"""Tables whose sums are exact, and so do not depend on how they are taken.

Of whole multiples of one power of two, below 2^53 of them, any routine finds the same sum in
any order.
"""

from __future__ import annotations

import numpy as np

MOST = 8  # times that a row may count, on average over the rows
_BITS = 52  # of a float's 53; one is left for what rounding adds


def summable(table: np.ndarray) -> np.ndarray:
    """Columns (..., n, columns) rounded such that n whole numbers times them sum up exactly.

    The numbers are at most `MOST` n together.
    """
    bound = np.abs(table).max(axis=-2, keepdims=True) * (MOST * table.shape[-2])
    unit = np.ldexp(1.0, np.frexp(bound)[1] - _BITS)
    return np.rint(table / unit) * unit


def are_summable(times: np.ndarray) -> np.ndarray:
    """Which of the rows (B, n) are such numbers, (B,)."""
    whole = (times == np.floor(times)).all(axis=1)
    return whole & (times.sum(axis=1) <= MOST * times.shape[1])
