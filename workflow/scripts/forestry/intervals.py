"""Critical values, p-values and prediction intervals, by the names that a review declares."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr, ndtri, stdtr, stdtrit

from forestry.checks import check_choice, check_level

INTERVALS = ("wald", "t", "hartung_knapp", "hartung_knapp_ad_hoc", "hartung_knapp_wider")
PREDICTIONS = ("none", "z", "t_k_minus_1", "t_k_minus_2")


def critical_value(interval: str, df: ArrayLike, level: float) -> np.ndarray:
    """Multiplier of the standard error for a two-sided interval; normal where `df` is 0."""
    check_level(level)
    df, upper = np.asarray(df, dtype=float), (1 + level) / 2
    if interval == "wald" or not df.any():
        return np.full(df.shape, ndtri(upper))
    return np.where(df > 0, stdtrit(np.maximum(df, 1), upper), ndtri(upper))


def p_values(estimate: ArrayLike, se: ArrayLike, interval: str, df: ArrayLike) -> np.ndarray:
    """Two-sided p of a mean of zero; normal where `interval` is "wald" or `df` is 0."""
    statistic = -np.abs(np.asarray(estimate) / np.asarray(se))
    normal = 2 * ndtr(statistic)
    if interval == "wald":
        return normal
    df = np.asarray(df, dtype=float)
    return np.where(df > 0, 2 * stdtr(np.maximum(df, 1), statistic), normal)


def prediction_half_width(
    prediction: str, k: int, se: float, tau2: float, level: float
) -> float | None:
    """Half the prediction interval of one of PREDICTIONS; None below three studies.

    Raises ValueError for an unknown choice.
    """
    check_choice("prediction", prediction, PREDICTIONS)
    if prediction == "none" or k < 3:
        return None
    reference = {"z": ("wald", k), "t_k_minus_1": ("t", k - 1), "t_k_minus_2": ("t", k - 2)}
    return float(critical_value(*reference[prediction], level) * np.sqrt(se**2 + tau2))
