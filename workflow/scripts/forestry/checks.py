"""What every estimator asks of its input, and the error of a search without an end."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike


class NotConverged(ValueError):
    """An iterative estimate did not reach its solution."""


def checked_studies(yi: ArrayLike, vi: ArrayLike, least: int) -> tuple[np.ndarray, np.ndarray]:
    """`yi` and `vi` as float arrays of shape (k,).

    Raises ValueError for fewer than `least` studies, unequal lengths, an estimate that is
    not finite, a variance that is not finite and positive.
    """
    yi, vi = np.asarray(yi, dtype=float), np.asarray(vi, dtype=float)
    if yi.ndim != 1 or yi.shape != vi.shape:
        raise ValueError(f"yi and vi must be of one length, not {yi.shape} and {vi.shape}")
    if yi.size < least:
        raise ValueError(f"{least} or more studies are needed, not {yi.size}")
    check_values(yi, vi)
    return yi, vi


def check_values(yi: np.ndarray, vi: np.ndarray) -> None:
    """Raise ValueError for an estimate or a variance that cannot be pooled."""
    if not np.isfinite(yi).all():
        raise ValueError("an estimate (yi) is missing or not finite")
    if vi.size and not 0 < vi.min() <= vi.max() < np.inf:  # of a NaN, each comparison fails
        raise ValueError("a variance (vi) is missing, not finite or not positive")


def check_choice(name: str, value: str, choices: Sequence[str]) -> None:
    """Raise ValueError, naming all choices, for a value that is not one of them."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, not {value!r}")


def check_level(level: float) -> None:
    """Raise ValueError for a confidence level outside (0, 1)."""
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, not {level}")
