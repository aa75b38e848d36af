"""Screens for a search: of very many configurations, those worth pooling in full.

A screen foretells the estimate and standard error of a configuration from sums of what its
studies add at a few values of tau2 about one that is near. Where a common effect is reported
it has them exactly; of random effects by inverse variance it takes the mean at the value that
gives the printed width; of a mixed model, one step of Newton's method from beta* = logit of
the published estimate, where a study's part in the derivatives depends on its counts alone.
"""

from __future__ import annotations

import numpy as np

from forestry.logistic_mixed.likelihood import in_slabs, rule_of
from forestry.reconstruction.space import Choices
from forestry.reconstruction.windows import Windows

_STEPS = np.array([-0.12, 0.0, 0.12])  # relative to tau
_LEAST_TAU = 0.1  # of a mixed model, on the logit scale
_KEPT = 64  # the nearest of a chunk


class Screen:
    """Keeps the configurations whose estimate and interval should lie nearest the windows.

    `windows` are those of the whole target, `tau2` that of a configuration that is near.
    """

    def __init__(self, choices: Choices, windows: Windows, tau2: float):
        self.choices, self.windows, self.tau2 = choices, windows, tau2

    def parts(self, row: int) -> np.ndarray:
        """What each choice of a row adds to the sums that `random` takes, (F, C)."""
        raise NotImplementedError

    def random(self, sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Estimate and standard error under random effects, of sums (F, S)."""
        raise NotImplementedError

    def keep(self, sums: np.ndarray, q: np.ndarray, own: np.ndarray) -> np.ndarray:
        """The places to go on with: of sums (6, S) as in `enumeration`, their Q, and own sums."""
        windows = self.windows
        mean, se = self.random(own)
        if windows.can_common:
            common = (q <= windows.df) if windows.by_q else np.ones(q.shape, dtype=bool)
            exact = windows.common(sums)
            mean, se = np.where(common, exact[0], mean), np.where(common, exact[1], se)
        apart = np.maximum(_apart(mean, windows.mean), _apart(se, windows.se))
        order = np.argsort(apart, kind="stable")[:_KEPT]
        return np.sort(order[np.isfinite(apart[order])])


class WeightScreen(Screen):
    """Of random effects by inverse variance."""

    def __init__(self, choices: Choices, windows: Windows, tau2: float):
        super().__init__(choices, windows, tau2)
        self._tau2s = tau2 * (1 + _STEPS) ** 2

    def parts(self, row: int) -> np.ndarray:
        size = self.choices.size[row]
        y = self.choices.yi[row, :size]
        w = 1 / (self.choices.vi[row, :size] + self._tau2s[:, None])
        return np.concatenate([w, w * y])

    def random(self, sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        w, wy = sums[:3], sums[3:]
        se = 1 / np.sqrt(w)
        nearest = np.argmin(_apart(se, self.windows.se), axis=0)
        one = np.arange(sums.shape[1])
        # Between the three values of tau2 any width is reached.
        within = np.clip(sum(self.windows.se) / 2, se[0], se[2])
        return (wy / w)[nearest, one], within


class NewtonScreen(Screen):
    """Of the mixed model's random effects: the step from the nearest of three tau is believed."""

    def __init__(self, choices: Choices, windows: Windows, tau2: float):
        super().__init__(choices, windows, tau2)
        self._taus = max(np.sqrt(tau2), _LEAST_TAU) * (1 + _STEPS)
        self._beta = sum(windows.mean) / 2

    def parts(self, row: int) -> np.ndarray:
        x, n = self.choices.cells[row, : self.choices.size[row]].T.astype(float)
        rule, beta = rule_of(self.choices.pool.pooling.nodes), np.full(x.shape, self._beta)
        taus = (np.full(x.shape, tau) for tau in self._taus)
        return np.concatenate([in_slabs(x, n - x, beta, tau, rule)[0][1:] for tau in taus])

    def random(self, sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        derivatives = sums.reshape(3, 5, -1)
        g, h = derivatives[:, 0], derivatives[:, 1]
        a, b, c = -derivatives[:, 2], -derivatives[:, 3], -derivatives[:, 4]
        with np.errstate(divide="ignore", invalid="ignore"):
            det = a * c - b * b
            step_beta, step_tau = (c * g - b * h) / det, (a * h - b * g) / det
            se = np.sqrt(c / det)
        nearest = np.argmin(np.where(np.isnan(se), np.inf, np.abs(step_tau)), axis=0)
        one = np.arange(sums.shape[1])
        slope = (se[2] - se[0]) / (self._taus[2] - self._taus[0])
        beta = self._beta + step_beta[nearest, one]
        return beta, se[nearest, one] + slope * step_tau[nearest, one]


def _apart(values: np.ndarray, window: tuple[float, float]) -> np.ndarray:
    """Distances from a window's middle in half-widths; NaN is infinitely far."""
    low, high = window
    with np.errstate(invalid="ignore"):
        apart = np.abs(values - (low + high) / 2) / ((high - low) / 2)
    return np.where(np.isnan(apart), np.inf, apart)
