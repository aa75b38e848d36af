"""How regular rows are: the criterion by which one of several solutions is chosen.

Counts that no source gives are best taken near what the published result says of its studies.
For a proportion the measure is the marginal log-likelihood of a row's events given its total,
the study's logit being normal about that of the published estimate with variance tau2, less
the greatest that this total allows; the difference lets rows of different totals be compared.
For two arms it is the same of the effect under its normal approximation. tau2 is not
published: it is that of the published I2, I2/(1 - I2) times the typical sampling variance
(Higgins and Thompson 2002, eq. 9) at the published estimate.
"""

from __future__ import annotations

import numpy as np
from scipy.special import gammaln, log_expit, logit

from forestry.heterogeneity import typical_variance
from forestry.reconstruction.space import Choices
from forestry.reconstruction.targets import Target
from forestry.reconstruction.windows import on_scale

CRITERION = (
    "fewest patients away from the sheet's totals, then greatest marginal likelihood of the "
    "rows (logit-normal-binomial about the published estimate with the tau2 of the published "
    "I2, relative to the most likely count of each total), then the least counts in the "
    "sheet's order"
)
_NODES = 64  # of the Gauss-Hermite rule: exact to 1e-8 for counts of some hundreds
_SMALLEST = 1e-3  # keeps a published 0 or 100 % on the logit scale


def log_probabilities(choices: Choices, target: Target) -> list[np.ndarray]:
    """Each choice's log-probability given its total(s), (C,) a row, under the published result."""
    if choices.pool.measure != "proportion":
        return _of_effects(choices, target)
    p = float(np.clip(target.estimate.middle, _SMALLEST, 1 - _SMALLEST))
    tau2 = _tau2(target, 1 / (_largest(choices) * p * (1 - p)))
    z, w = np.polynomial.hermite_e.hermegauss(_NODES)
    eta = logit(p) + np.sqrt(tau2) * z
    return [_binomial(cells[:size], eta, w) for cells, size in _rows(choices)]


def relative(choices: Choices, log_probability: list[np.ndarray]) -> list[np.ndarray]:
    """The log-probabilities less the greatest of the same totals, (C,) a row."""
    found = []
    for (cells, size), values in zip(_rows(choices), log_probability, strict=True):
        totals = np.unique(cells[:size, 1::2], axis=0, return_inverse=True)[1].ravel()
        greatest = np.full(totals.max() + 1, -np.inf)
        np.maximum.at(greatest, totals, values)
        found.append(values - greatest[totals])
    return found


def departures(choices: Choices) -> list[np.ndarray]:
    """Participants by which each choice's totals fall short of the sheet's, (C,) a row."""
    columns = choices.pool.columns
    found = []
    for row, (cells, size) in zip(choices.pool.rows, _rows(choices), strict=True):
        short = np.zeros(size, dtype=int)
        for place, column in enumerate(columns):
            stated = getattr(row, column)
            if place % 2 and stated is not None:
                short += np.abs(stated - cells[:size, place])
        found.append(short)
    return found


def _rows(choices: Choices):
    return zip(choices.cells, choices.size, strict=True)


def _largest(choices: Choices) -> np.ndarray:
    return np.array([choices.participants(i).max() for i in range(choices.size.size)], dtype=float)


def _tau2(target: Target, variances: np.ndarray) -> float:
    i2 = float(np.clip(target.i2.middle, 0.0, 0.99)) if target.i2 else 0.0
    return i2 / (1 - i2) * typical_variance(variances)


def _binomial(cells: np.ndarray, eta: np.ndarray, w: np.ndarray) -> np.ndarray:
    x, n = cells[:, 0, None].astype(float), cells[:, 1, None].astype(float)
    terms = x * log_expit(eta) + (n - x) * log_expit(-eta)
    top = terms.max(axis=1, keepdims=True)
    with np.errstate(divide="ignore"):
        integral = np.log((np.exp(terms - top) * w).sum(axis=1) / w.sum()) + top[:, 0]
    return integral + (gammaln(n + 1) - gammaln(x + 1) - gammaln(n - x + 1))[:, 0]


def _of_effects(choices: Choices, target: Target) -> list[np.ndarray]:
    """The same of two-arm rows: log normal densities of yi, with variance vi + tau2."""
    low, high = on_scale(target.estimate, choices.pool.scale)
    median = [np.median(v[:size]) for v, size in zip(choices.vi, choices.size, strict=True)]
    tau2 = _tau2(target, np.array(median))
    found = []
    for yi, vi, size in zip(choices.yi, choices.vi, choices.size, strict=True):
        spread = vi[:size] + tau2
        found.append(-0.5 * ((yi[:size] - (low + high) / 2) ** 2 / spread + np.log(spread)))
    return found
