"""Screens for a search: of very many configurations, those worth pooling in full.

A screen foretells the estimate and standard error of a configuration from sums of what its
studies add at a few values of tau2 about one that is near. Where a common effect is reported
it has them exactly; of random effects by inverse variance it takes the mean at the value that
gives the printed width; of a mixed model, one step of Newton's method from beta* = logit of
the published estimate, where a study's part in the derivatives depends on its counts alone.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from forestry.logistic_mixed.likelihood import in_slabs, rule_of
from forestry.reconstruction.space import Choices
from forestry.reconstruction.windows import Windows

_STEPS = np.array([-0.12, 0.0, 0.12])  # relative to tau
_LEAST_TAU = 0.1  # of a mixed model, on the logit scale
_NEAR = 3.0  # half-widths of the windows from their middle within which all are kept
_ALWAYS = 1  # the nearest of a chunk, kept however far they are


class Screen:
    """Keeps the configurations whose estimate and interval should lie nearest the windows.

    `windows` are those of the whole target, `base` (k,) a configuration of the choices that
    is near, `tau2` its tau2. The last of a screen's parts add up to how far the estimate is
    from the middle of its window, about the base: `window` is where that is looked at.
    """

    window = (-0.004, 0.004)  # on the scale of analysis

    def __init__(self, choices: Choices, windows: Windows, base: np.ndarray, tau2: float):
        self.choices, self.windows, self.base, self.tau2 = choices, windows, base, tau2
        self.middle = sum(windows.mean) / 2

    def parts(self, row: int) -> np.ndarray:
        """What each choice of a row adds to the sums that `random` takes, (F + 1, C)."""
        own = self.own_parts(row)
        return np.concatenate([own, (self.line @ own)[None]])

    @cached_property
    def line(self) -> np.ndarray:
        """The combination of the sums that is the estimate less the middle, (F,)."""
        rows = range(self.base.size)
        return self.line_of(sum(self.own_parts(i)[:, self.base[i]] for i in rows))

    def own_parts(self, row: int) -> np.ndarray:
        """(F, C) for a row."""
        raise NotImplementedError

    def line_of(self, sums: np.ndarray) -> np.ndarray:
        """`line` of the sums (F,) of the base."""
        raise NotImplementedError

    def random(self, sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Estimate and standard error under random effects, of sums (F, S)."""
        raise NotImplementedError

    def keep(self, sums: np.ndarray, q: np.ndarray, own: np.ndarray) -> np.ndarray:
        """The places to go on with: of sums (6, S) as in `enumeration`, their Q, and own sums."""
        windows = self.windows
        mean, se = self.random(own[:-1])
        if windows.can_common:
            common = (q <= windows.df) if windows.by_q else np.ones(q.shape, dtype=bool)
            exact = windows.common(sums)
            mean, se = np.where(common, exact[0], mean), np.where(common, exact[1], se)
        apart = np.maximum(_apart(mean, windows.mean), _apart(se, windows.se))
        kept = apart <= _NEAR
        kept[np.argsort(apart, kind="stable")[:_ALWAYS]] = True
        return np.flatnonzero(kept & np.isfinite(apart))


class WeightScreen(Screen):
    """Of random effects by inverse variance."""

    @property
    def _tau2s(self) -> np.ndarray:
        return self.tau2 * (1 + _STEPS) ** 2

    def own_parts(self, row: int) -> np.ndarray:
        size = self.choices.size[row]
        y = self.choices.yi[row, :size]
        w = 1 / (self.choices.vi[row, :size] + self._tau2s[:, None])
        return np.concatenate([w, w * y])

    def line_of(self, sums: np.ndarray) -> np.ndarray:
        """The mean at the middle tau2 is sum w y / sum w, the latter taken as the base's."""
        line = np.zeros(6)
        line[1], line[4] = -self.middle / sums[1], 1 / sums[1]
        return line

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

    @property
    def _taus(self) -> np.ndarray:
        return max(np.sqrt(self.tau2), _LEAST_TAU) * (1 + _STEPS)

    def own_parts(self, row: int) -> np.ndarray:
        x, n = self.choices.cells[row, : self.choices.size[row]].T.astype(float)
        rule, beta = rule_of(self.choices.pool.pooling.nodes), np.full(x.shape, self.middle)
        taus = (np.full(x.shape, tau) for tau in self._taus)
        return np.concatenate([in_slabs(x, n - x, beta, tau, rule)[0][1:] for tau in taus])

    def line_of(self, sums: np.ndarray) -> np.ndarray:
        """The step in beta at the middle tau, with the base's Hessian."""
        _, _, a, b, c = -sums[5:10]
        line = np.zeros(15)
        line[5:7] = np.array([c, -b]) / (a * c - b * b)
        return line

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
        beta = self.middle + step_beta[nearest, one]
        return beta, se[nearest, one] + slope * step_tau[nearest, one]


def _apart(values: np.ndarray, window: tuple[float, float]) -> np.ndarray:
    """Distances from a window's middle in half-widths; NaN is infinitely far."""
    low, high = window
    with np.errstate(invalid="ignore"):
        apart = np.abs(values - (low + high) / 2) / ((high - low) / 2)
    return np.where(np.isnan(apart), np.inf, apart)
