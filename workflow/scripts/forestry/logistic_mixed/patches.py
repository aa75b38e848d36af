"""Log-likelihoods as polynomials in beta and ln(tau), on small patches of a lattice.

Each study's values and derivatives at 3 x 3 neighbours on the lattice make the polynomial of
degree 8 about the middle one, by least squares. A sample's polynomial is the sum of those of
its studies. Places in a patch are counted from its middle in its widths and heights.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from forestry.checks import NotConverged
from forestry.logistic_mixed.exact_sums import summable
from forestry.logistic_mixed.likelihood import in_slabs, rule_of

_DEGREE = 8
_ORDERS = ((0, 0), (1, 0), (0, 1), (2, 0), (1, 1), (0, 2))  # of derivatives in beta, ln(tau)
_POWERS = tuple((i, d - i) for d in range(1, _DEGREE + 1) for i in range(d + 1))
_HEIGHT = 0.12  # in ln(tau)
_WIDTH = 0.2  # in beta, in standard deviations of a typical study's logit
_MOST = 25  # of them on either side of the middle one
_ROWS = 3  # of patches that share a lattice
_STEPS = 3  # of Newton's method
_NEAR = 0.6  # of the middle: where a polynomial is at its best
_FARTHEST = 1.5


@dataclass(frozen=True)
class Studies:
    """Events and totals of k studies, and the nodes that the likelihood is taken with."""

    events: tuple[float, ...]
    total: tuple[float, ...]
    nodes: int


@dataclass(frozen=True)
class Region:
    """beta and its reach either way, ln(tau) from and to, and a typical logit's variance."""

    beta: float
    reach: float
    low: float
    high: float
    variance: float


@dataclass(frozen=True, eq=False)
class Patches:
    """Bands of three rows of patches, of one width in each band, that cover a region."""

    studies: Studies
    region: Region

    @cached_property
    def widths(self) -> np.ndarray:
        """Of each band's patches."""
        region, height = self.region, _ROWS * _HEIGHT
        bands = np.arange(max(1.0, np.ceil((region.high - region.low) / height)))
        middles = np.exp(region.low + height * bands + (_ROWS // 2) * _HEIGHT)
        return _WIDTH * np.sqrt(region.variance + middles**2)

    @cached_property
    def columns(self) -> int:
        """On either side of the middle one, in all bands."""
        return int(min(_MOST, np.ceil(self.region.reach / np.median(self.widths))))

    def band(self, number: int) -> np.ndarray:
        low = self.region.low + _ROWS * _HEIGHT * number
        width = float(self.widths[number])
        return _band(self.studies, self.region.beta, low, width, self.columns)


@dataclass(frozen=True, eq=False)
class Tops:
    """Where the polynomials of samples have their maximum, (B,); where they began without one.

    `third` (4, B) are the third derivatives in (beta, tau): bbb, bbt, btt, ttt; NaN where the
    maximum is too far from the middle of a patch for them.
    """

    beta: np.ndarray
    log_tau: np.ndarray
    third: np.ndarray


# The polynomials of studies -------------------------------------------------------------------


def _design() -> np.ndarray:
    """From coefficients to derivatives at 3 x 3 places, (54, 44); the value in the middle is 0.

    The rows' order is: derivative, place in ln(tau), place in beta.
    """
    at = (-1.0, 0.0, 1.0)
    rows = []
    for by_beta, by_log_tau in _ORDERS:
        for y in at:
            for x in at:
                powers = _powers(x, by_beta), _powers(y, by_log_tau)
                rows.append([powers[0][i] * powers[1][j] for i, j in _POWERS])
    return np.array(rows)


def _powers(x: float, order: int) -> np.ndarray:
    """The derivatives of an order of 1, x, x^2, ..."""
    powers = x ** np.arange(_DEGREE + 1.0)
    for _ in range(order):
        powers = np.arange(_DEGREE + 1) * np.append(0.0, powers[:-1])
    return powers


_FIT = np.linalg.pinv(_design())


@lru_cache(maxsize=32)
def _band(studies: Studies, beta: float, low: float, width: float, columns: int) -> np.ndarray:
    """The coefficients of the patches of a band, (rows, columns, k, 44)."""
    n = np.array(studies.total)
    x = np.array(studies.events)
    betas = beta + width * np.arange(-columns - 1.0, columns + 2.0)
    taus = np.exp(low + _HEIGHT * np.arange(-1.0, _ROWS + 1.0))
    places = np.broadcast_arrays(x, n - x, betas[:, None], taus[:, None, None])
    xs, ys, b, t = (values.ravel() for values in places)
    try:
        terms, _, _ = in_slabs(xs, ys, b, t, rule_of(studies.nodes))
    except NotConverged:  # where no sample is: no polynomial, and so no maximum
        return np.full((_ROWS, 2 * columns + 1, x.size, len(_POWERS)), np.nan)
    value, g_b, g_t, h_bb, h_bt, h_tt = terms
    g_s, h_bs, h_ss = t * g_t, t * h_bt, t * (t * h_tt + g_t)
    scale = np.array([width**i * _HEIGHT**j for i, j in _ORDERS])
    jets = scale[:, None] * np.array((value, g_b, g_s, h_bb, h_bs, h_ss))
    jets = jets.reshape(6, *places[0].shape)
    across = 2 * columns + 1
    around = [jets[:, i : i + _ROWS, j : j + across] for i in range(3) for j in range(3)]
    near = np.stack(around, axis=1)
    near[0] -= near[0, 4].copy()
    # Not by a matrix product, whose last bits might vary with the number of threads.
    fitted = np.einsum("qd,dn->qn", _FIT, near.reshape(len(_FIT[0]), -1))
    return summable(fitted.T.reshape(_ROWS, across, x.size, -1))


# The maxima of samples ------------------------------------------------------------------------


def tops_near(patches: Patches, times: np.ndarray, beta, log_tau) -> Tops:
    """From places near them (B,); `times` (B, k) is how often a study counts in a sample."""
    rows = beta.size
    found = Tops(beta.copy(), log_tau.copy(), np.full((4, rows), np.nan))
    active = np.arange(rows)
    for _ in range(2):
        active = _improve(patches, times, found, active)
    return found


@dataclass(frozen=True, eq=False)
class _Places:
    """Samples and the patches that they are in: bands, rows in these and columns, (B,)."""

    sample: np.ndarray
    band: np.ndarray
    row: np.ndarray
    column: np.ndarray


def _places(patches: Patches, tops: Tops, active: np.ndarray) -> _Places:
    """Of those samples that are in one."""
    row = np.rint((tops.log_tau[active] - patches.region.low) / _HEIGHT)
    inside = (row >= 0) & (row < _ROWS * patches.widths.size)
    active, row = active[inside], row[inside].astype(int)
    band = row // _ROWS
    column = np.rint((tops.beta[active] - patches.region.beta) / patches.widths[band])
    inside = np.abs(column) <= patches.columns
    return _Places(*(a[inside] for a in (active, band, row % _ROWS, column.astype(int))))


def _improve(patches: Patches, times, tops: Tops, active: np.ndarray) -> np.ndarray:
    """Into `tops`; those of `active` whose top is far from the middle of their patch."""
    at = _places(patches, tops, active)
    if not at.sample.size:
        return at.sample
    a, width = _polynomials(patches, times, at), patches.widths[at.band]
    beta = patches.region.beta + width * at.column
    log_tau = patches.region.low + _HEIGHT * (_ROWS * at.band + at.row)
    x, y = (tops.beta[at.sample] - beta) / width, (tops.log_tau[at.sample] - log_tau) / _HEIGHT
    for _ in range(_STEPS):
        dx, dy, _ = _step(_derivatives(a, x, y, 2))
        x, y = x + dx, y + dy
    last = _derivatives(a, x, y, 3)
    dx, dy, concave = _step(last)
    x, y = x + dx, y + dy
    away = np.maximum(np.abs(x), np.abs(y))
    good, near = concave & (away < _FARTHEST), concave & (away <= _NEAR)
    beta, log_tau = beta + width * x, log_tau + _HEIGHT * y
    rows = at.sample[good]
    tops.beta[rows], tops.log_tau[rows] = beta[good], log_tau[good]
    third = _third(last, width, np.exp(log_tau))
    tops.third[:, at.sample] = np.where(near, third, np.nan)
    return at.sample[good & ~near]


def _polynomials(patches: Patches, times: np.ndarray, at: _Places) -> np.ndarray:
    """The sums over the studies, by powers of ln(tau) and of beta: (9, 9, B)."""
    across = 2 * patches.columns + 1
    patch = (at.band * _ROWS + at.row) * across + patches.columns + at.column
    order = np.argsort(patch, kind="stable")
    starts = np.flatnonzero(np.diff(patch[order], prepend=-1))
    sums = np.empty((order.size, len(_POWERS)))
    for rows in np.split(order, starts[1:]):
        i = rows[0]
        band = patches.band(at.band[i])
        coefficients = band[at.row[i], patches.columns + at.column[i]]
        sums[rows] = times[at.sample[rows]] @ coefficients
    a = np.zeros((_DEGREE + 1, _DEGREE + 1, order.size))
    i, j = np.transpose(_POWERS)
    a[j, i] = sums.T
    return a


def _derivatives(a: np.ndarray, x, y, most: int) -> np.ndarray:
    """Of orders up to `most`, 2 or 3, in beta and in ln(tau): (orders, orders, B)."""
    return _horner(_horner(a, y, most).transpose(1, 0, 2), x, most)


def _horner(a: np.ndarray, x, most: int) -> np.ndarray:
    """Derivatives of orders 0 to `most` at x (B,) of n polynomials (9, n, B): (orders, n, B)."""
    d = np.zeros((most + 1, *a.shape[1:]))
    for coefficients in a[::-1]:
        for order in range(most, 0, -1):
            d[order] *= x
            d[order] += d[order - 1]
        d[0] *= x
        d[0] += coefficients
    d[2:] *= np.array((2.0, 6.0))[: most - 1, None, None]
    return d


def _step(d: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Newton's, no longer than 1 in either direction, and whether the polynomial is concave."""
    g, h, a, b, c = d[1, 0], d[0, 1], -d[2, 0], -d[1, 1], -d[0, 2]
    determinant = a * c - b * b
    concave = (a > 0) & (determinant > 0)
    step = np.array((c * g - b * h, a * h - b * g)) * concave
    step /= np.where(concave, determinant, 1)
    step /= np.maximum(1, np.abs(step).max(axis=0))
    return *step, concave


def _third(d: np.ndarray, width, tau) -> np.ndarray:
    """The third derivatives in beta and tau, from those in widths and heights."""
    s = 1 / (_HEIGHT * tau)
    b_ss, sss = d[1, 2] - _HEIGHT * d[1, 1], d[0, 3] - 3 * _HEIGHT * d[0, 2]
    sss += 2 * _HEIGHT**2 * d[0, 1]
    return np.array((d[3, 0] / width**3, d[2, 1] * s / width**2, b_ss * s * s / width, sss * s**3))
