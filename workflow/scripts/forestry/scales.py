"""The scales of analysis, and the way back from each to the scale of display.

| scale            | of analysis                              | of display             |
|------------------|------------------------------------------|------------------------|
| `raw`            | the proportion or the risk difference    | the same               |
| `log`            | ln of a proportion or of a ratio         | exp                    |
| `logit`          | ln(p / (1 - p))                          | the proportion         |
| `arcsine`        | asin(sqrt(p))                            | sin^2                  |
| `double_arcsine` | Freeman and Tukey's, as a half-angle     | Miller's (1978) inverse|
| `square_root`    | sqrt of an incidence rate                | its square             |
| `fisher_z`       | atanh of a correlation                   | tanh                   |
| `identity`       | the mean, or a difference of means       | the same               |

Two scales reach values that no proportion has, and these are left as they are: on
`raw` a Wald limit falls below 0 or above 1, on `log` the limit of a proportion exceeds
1. To clip them is for a drawing, not for a table. The angles do end where the
proportion does: outside their range they stand for 0 or 1, and below 0 a square root
stands for 0.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

SCALES = (
    *("raw", "log", "logit", "arcsine", "double_arcsine"),
    *("square_root", "fisher_z", "identity"),
)


def to_display(
    value: ArrayLike, scale: str, n_harmonic: ArrayLike | None = None
) -> NDArray[np.float64] | np.float64:
    """Values (any shape) from a scale of analysis to the scale of display.

    `n_harmonic`, which `double_arcsine` needs and the others ignore, is the sample size
    at which the double arcsine is inverted: for a pooled value the `harmonic_mean` of
    the totals, for a study's own value its total (the proportion then comes back
    exactly). A number or an array that broadcasts against `value`. NaN stays NaN.

    Raises ValueError for an unknown scale, and where `n_harmonic` is needed and absent
    or not positive.
    """
    value = np.asarray(value, dtype=float)
    if scale in ("raw", "identity"):
        display = value.copy()
    elif scale == "log":
        display = np.exp(value)
    elif scale == "logit":
        display = _proportion(value)
    elif scale == "arcsine":
        display = np.sin(np.clip(value, 0.0, np.pi / 2)) ** 2
    elif scale == "square_root":
        display = np.maximum(value, 0.0) ** 2
    elif scale == "fisher_z":
        display = np.tanh(value)
    elif scale == "double_arcsine":
        display = _invert_double_arcsine(value, n_harmonic)
    else:
        raise ValueError(f"scale is {scale!r}, not one of {', '.join(SCALES)}")
    return display[()]


def double_arcsine(events: ArrayLike, total: ArrayLike) -> NDArray[np.float64]:
    """Freeman and Tukey's (1950) double arcsine, halved so that it is near asin(sqrt(p)).

    [asin sqrt(x / (n + 1)) + asin sqrt((x + 1) / (n + 1))] / 2, variance 1 / (4n + 2).
    Arrays that broadcast; radians. Miller (1978) prints it without the halving.
    """
    events, total = np.asarray(events, dtype=float), np.asarray(total, dtype=float)
    below = np.arcsin(np.sqrt(events / (total + 1)))
    above = np.arcsin(np.sqrt((events + 1) / (total + 1)))
    return (below + above) / 2


def harmonic_mean(total: ArrayLike) -> float:
    """The harmonic mean of the studies' totals, shape (k,): k / sum(1 / n).

    Raises ValueError where there is no study or a total is not positive.
    """
    total = np.asarray(total, dtype=float)
    if total.size == 0:
        raise ValueError("the harmonic mean of no totals does not exist")
    if not np.all(total > 0):
        raise ValueError(f"every total must be positive: {total.tolist()}")
    return float(total.size / np.sum(1 / total))


def _proportion(logit):
    """1 / (1 + exp(-x)), without overflow where x is far below zero.

    Not scipy.special's expit: its import takes as long as a plot to draw.
    """
    odds_against = np.exp(-np.abs(logit))
    return np.where(logit >= 0, 1.0, odds_against) / (1 + odds_against)


def _invert_double_arcsine(angle, n):
    """Miller (1978), The American Statistician 32:138.

    An angle outside those of 0 and n events in n participants is no image of a
    proportion; the formula would turn back, so such an angle stands for 0 or 1.
    """
    if n is None:
        raise ValueError("double_arcsine needs n_harmonic, the harmonic mean of the totals")
    n = np.asarray(n, dtype=float)
    if not np.all(n > 0):
        raise ValueError(f"n_harmonic must be positive: {n.tolist()}")
    inside = np.clip(angle, double_arcsine(0.0, n), double_arcsine(n, n))
    sine = np.sin(2 * inside)
    # Around 1/2 the root's argument is near 0, and rounding may take it below.
    root = np.sqrt(np.maximum(1 - (sine + (sine - 1 / sine) / n) ** 2, 0.0))
    return (1 - np.sign(np.cos(2 * inside)) * root) / 2
