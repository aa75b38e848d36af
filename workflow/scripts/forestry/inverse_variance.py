"""Inverse-variance pooling: tau2 by eight estimators, and the common and random effects models.

Everything is on the scale of analysis (link): `yi` are estimates and `vi` their sampling
variances, known and positive. With w_i = 1/(v_i + t), mu(t) the weighted mean and
P(t) = W - W X (X'WX)^-1 X'W, the estimators of t = tau2 are those of DerSimonian & Laird
1986 (DL), Hedges & Olkin 1985 (HE), Hunter & Schmidt 1990 (HS), Sidik & Jonkman 2005 (SJ),
Paule & Mandel 1982 (PM, equal to Morris' 1983 empirical Bayes, EB), and maximum and
restricted maximum likelihood (ML, REML), as reviewed by Viechtbauer 2005 (J Educ Behav
Stat 30:261) and Veroniki 2016 (Res Synth Methods 7:55).

A data set is held as arrays (B, G, k): B data sets at once, G groups with a mean each
(one, unless groups are given) and k studies with a multiplicity, so that bootstrap
samples, leave-one-out samples and groups are the same arrays with other multiplicities.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr, ndtri, stdtr, stdtrit

TAU2_METHODS = ("DL", "HE", "HS", "SJ", "EB", "PM", "ML", "REML")
INTERVALS = ("wald", "t", "hartung_knapp", "hartung_knapp_ad_hoc")
PREDICTIONS = ("none", "z", "t_k_minus_1", "t_k_minus_2")

_SCAN = 48  # points of the likelihood scan, evenly spaced in log(tau2 + smallest v)
_SLAB = 2**20  # numbers held at once by the scan
_TOLERANCE = 1e-10  # last Newton step, relative to tau2 + smallest v: the error is its square
_MAX_ITERATIONS = 200


class NotConverged(ValueError):
    """An iterative estimate of tau2 did not reach its solution."""


@dataclass(frozen=True)
class Tau2:
    """Between-study variance, on the scale of `vi`; `se` is None where it was given."""

    method: str
    estimate: float
    se: float | None


@dataclass(frozen=True)
class Fit:
    """A pooled result on the scale of analysis.

    `tau2` is None in the common effect model, which has none; `pi_low` and `pi_high` are
    None below three studies, or where no prediction interval was asked for; `p_value` (of
    a mean of zero) is None where the standard error is zero. `weights` are shares of shape
    (k,) that sum to 1, in the order of the studies.
    """

    model: str  # common | random
    k: int
    tau2_method: str  # "none" in the common effect model, "given" for a given value
    interval: str
    level: float
    estimate: float
    se: float
    ci_low: float
    ci_high: float
    p_value: float | None
    tau2: float | None
    tau2_se: float | None
    pi_low: float | None
    pi_high: float | None
    weights: np.ndarray


@dataclass(frozen=True)
class Pooled:
    """Weighted means of B data sets: arrays of shape (B,).

    `scale` is the Hartung-Knapp factor that `se`**2 holds (1 for other intervals), and `k`
    counts studies with their multiplicities.
    """

    estimate: np.ndarray
    se: np.ndarray
    scale: np.ndarray
    k: np.ndarray


# The two models -----------------------------------------------------------------------------


def fit_common(yi: ArrayLike, vi: ArrayLike, level: float = 0.95) -> Fit:
    """The common effect (fixed effect) model with weights 1/v and a Wald interval.

    A single study gives itself. Raises ValueError for no study, or a variance that is not
    positive.
    """
    yi, vi = checked_studies(yi, vi, least=1)
    return _fit("common", yi, vi, None, "wald", "none", level)


def fit_random(
    yi: ArrayLike,
    vi: ArrayLike,
    tau2_method: str = "DL",
    level: float = 0.95,
    interval: str = "wald",
    prediction: str = "z",
    given_tau2: float | None = None,
) -> Fit:
    """The random effects model with weights 1/(v + tau2).

    `interval` is "wald" (normal), "t" (t on k-1 df), "hartung_knapp" (variance
    sum w (y-mu)^2 / ((k-1) sum w), t on k-1 df: Hartung & Knapp 2001, Sidik & Jonkman 2002)
    or "hartung_knapp_ad_hoc" (never narrower than "t": Knapp & Hartung 2003).
    `prediction` gives mu +- c sqrt(se^2 + tau2) with c normal ("z"), t on k-1 or on k-2 df
    (Higgins, Thompson & Spiegelhalter 2009), or "none". With `given_tau2`, tau2 is not
    estimated: e.g. DerSimonian-Laird with Q about a Mantel-Haenszel mean (`tau2_from_q`).

    Raises ValueError for fewer than two studies or an unknown choice, NotConverged where
    tau2 has no solution.
    """
    yi, vi = checked_studies(yi, vi, least=2)
    between = tau2(yi, vi, tau2_method) if given_tau2 is None else _given(given_tau2)
    return _fit("random", yi, vi, between, interval, prediction, level)


def _given(value: float) -> Tau2:
    if not (np.isfinite(value) and value >= 0):
        raise ValueError(f"tau2 must be zero or more, not {value}")
    return Tau2("given", float(value), None)


def _fit(model, yi, vi, between, interval, prediction, level) -> Fit:
    t = between.estimate if between else 0.0
    k = yi.size
    pooled = pool_batch(yi, vi, t, interval)
    estimate, se = float(pooled.estimate[0]), float(pooled.se[0])
    half = float(critical_value(interval, k - 1, level)) * se
    pi_half = prediction_half_width(prediction, k, se, t, level)
    weights = 1 / (vi + t)
    return Fit(
        model=model,
        k=k,
        tau2_method=between.method if between else "none",
        interval=interval,
        level=level,
        estimate=estimate,
        se=se,
        ci_low=estimate - half,
        ci_high=estimate + half,
        p_value=float(p_values(estimate, se, interval, k - 1)) if se > 0 else None,
        tau2=between.estimate if between else None,
        tau2_se=between.se if between else None,
        pi_low=None if pi_half is None else estimate - pi_half,
        pi_high=None if pi_half is None else estimate + pi_half,
        weights=weights / weights.sum(),
    )


def prediction_half_width(
    prediction: str, k: int, se: float, tau2: float, level: float
) -> float | None:
    """Half the prediction interval of one of PREDICTIONS; None below three studies.

    Raises ValueError for an unknown choice.
    """
    if prediction not in PREDICTIONS:
        raise ValueError(f"prediction must be one of {', '.join(PREDICTIONS)}, not {prediction!r}")
    if prediction == "none" or k < 3:
        return None
    reference = {"z": ("wald", k), "t_k_minus_1": ("t", k - 1), "t_k_minus_2": ("t", k - 2)}
    return float(critical_value(*reference[prediction], level) * np.sqrt(se**2 + tau2))


def pool_batch(
    yi: ArrayLike,
    vi: ArrayLike,
    tau2: ArrayLike,
    interval: str = "wald",
    multiplicity: ArrayLike | None = None,
) -> Pooled:
    """Weighted means and standard errors of B data sets.

    `yi`, `vi` and `multiplicity` are (k,) or (B, k) and `tau2` a number or (B,). The
    Hartung-Knapp factor is 1 where a single study is left, which has no spread.
    """
    if interval not in INTERVALS:
        raise ValueError(f"interval must be one of {', '.join(INTERVALS)}, not {interval!r}")
    data = _hold(yi, vi, multiplicity)
    t = np.broadcast_to(np.asarray(tau2, dtype=float), data.rows)
    at = _Weighted(data, t)
    degrees = data.df
    scale = np.ones_like(t)
    if interval.startswith("hartung_knapp"):
        scale = np.where(degrees > 0, at.q / np.where(degrees > 0, degrees, 1), 1.0)
    if interval == "hartung_knapp_ad_hoc":
        scale = np.maximum(scale, 1.0)
    se = np.sqrt(scale / at.s1[:, 0])
    return Pooled(at.mean[:, 0] + data.centre, se, scale, degrees + 1)


def critical_value(interval: str, df: ArrayLike, level: float) -> np.ndarray:
    """Multiplier of the standard error for a two-sided interval; normal where `df` is 0."""
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, not {level}")
    df, upper = np.asarray(df, dtype=float), (1 + level) / 2
    if interval == "wald":
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


# tau2 ---------------------------------------------------------------------------------------


def tau2(yi: ArrayLike, vi: ArrayLike, method: str, groups: ArrayLike | None = None) -> Tau2:
    """tau2 of one data set by one of TAU2_METHODS, truncated at zero.

    With `groups`, labels of shape (k,), each group has a mean of its own and tau2 is
    common to all: the residual heterogeneity of a mixed model.

    The standard error is the large-sample one: sqrt(2)/sqrt(information) for ML and REML,
    that of the quadratic form for DL, HE, HS and SJ, and Morris' for PM and EB. ML and
    REML are the highest of all maxima over tau2 >= 0, the boundary included.

    Raises ValueError for fewer than two studies (or no more studies than groups),
    NotConverged where the search fails.
    """
    yi, vi = checked_studies(yi, vi, least=2)
    data = _hold(yi, vi, None, groups)
    if data.df[0] <= 0:
        raise ValueError("tau2 needs more studies than groups")
    estimate = float(_estimator(method)(data)[0])
    return Tau2(method, estimate, _tau2_se(method, data, estimate))


def tau2_batch(
    yi: ArrayLike,
    vi: ArrayLike,
    method: str,
    multiplicity: ArrayLike | None = None,
    groups: ArrayLike | None = None,
) -> np.ndarray:
    """tau2 of B data sets at once, shape (B,), by any of TAU2_METHODS.

    `yi`, `vi` and `multiplicity` are (k,) or (B, k) and broadcast together; a study of
    multiplicity m counts m times (0: not at all), as in a bootstrap sample. A row with no
    more studies than groups, for which tau2 is not defined, gives 0: its studies are all
    the weight there is.

    Raises ValueError for a row without studies, NotConverged where a search fails.
    """
    data = _hold(yi, vi, multiplicity, groups)
    return np.where(data.df > 0, _estimator(method)(data), 0.0)


def tau2_from_q(q: float, vi: ArrayLike) -> float:
    """DerSimonian-Laird's tau2 from a Q on k-1 df, about whatever mean it was taken.

    With Q about the Mantel-Haenszel mean this is the estimate of RevMan 5 and of R's meta.
    """
    _, vi = checked_studies(np.zeros(np.size(vi)), vi, least=2)
    data = _hold(np.zeros(vi.size), vi, None)
    return max(0.0, (q - (vi.size - 1)) / float(_Weighted(data, np.zeros(1)).trace_p[0]))


def generalised_q(
    yi: ArrayLike, vi: ArrayLike, tau2: float, groups: ArrayLike | None = None
) -> float:
    """Q(tau2) = sum w (y - mu)^2 with w = 1/(v + tau2); Cochran's Q at tau2 = 0.

    With `groups`, mu is each group's own mean.
    """
    data = _hold(*checked_studies(yi, vi, least=1), None, groups)
    return float(_Weighted(data, np.full(1, float(tau2))).q[0])


def solve_generalised_q(
    yi: ArrayLike, vi: ArrayLike, target: float, groups: ArrayLike | None = None
) -> float | None:
    """The tau2 >= 0 at which the generalised Q equals `target`, None where Q(0) is below it.

    Raises ValueError for a target that is not positive.
    """
    if not target > 0:
        raise ValueError(f"Q takes positive values only, not {target}")
    data = _hold(*checked_studies(yi, vi, least=2), None, groups)
    if _Weighted(data, np.zeros(1)).q[0] < target:
        return None
    return float(_solve_q(data, np.full(1, float(target)))[0])


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
    _check_values(yi, vi)
    return yi, vi


def _check_values(yi, vi) -> None:
    if not np.isfinite(yi).all():
        raise ValueError("an estimate (yi) is missing or not finite")
    if not (np.isfinite(vi).all() and (vi > 0).all()):
        raise ValueError("a variance (vi) is missing, not finite or not positive")


# B data sets, held as one -------------------------------------------------------------------


@dataclass(frozen=True)
class _Data:
    """Estimates (centred, for precision), variances and multiplicities: (B, G or 1, k)."""

    y: np.ndarray
    v: np.ndarray
    m: np.ndarray
    centre: np.ndarray  # (B,), subtracted from the estimates
    smallest: np.ndarray  # (B,), smallest variance of a study that counts
    largest: np.ndarray

    @property
    def rows(self) -> int:
        return self.m.shape[0]

    @property
    def k(self) -> np.ndarray:
        return self.m.sum(axis=(1, 2))

    @property
    def df(self) -> np.ndarray:
        """Studies less groups that have any."""
        return self.k - (self.m.sum(axis=2) > 0).sum(axis=1)

    def take(self, rows: np.ndarray) -> _Data:
        return _Data(
            self.y[rows],
            self.v[rows],
            self.m[rows],
            self.centre[rows],
            self.smallest[rows],
            self.largest[rows],
        )


def _hold(yi, vi, multiplicity, groups=None) -> _Data:
    yi, vi = np.asarray(yi, dtype=float), np.asarray(vi, dtype=float)
    m = np.ones(yi.shape[-1:]) if multiplicity is None else np.asarray(multiplicity, dtype=float)
    yi, vi, m = (np.atleast_2d(a) for a in np.broadcast_arrays(yi, vi, m))
    _check_values(yi, vi)
    if not (np.isfinite(m).all() and (m >= 0).all()):
        raise ValueError("a multiplicity is missing, not finite or negative")
    if not (m > 0).any(axis=1).all():
        raise ValueError("a data set without studies cannot be pooled")
    counts = m > 0
    centre = (m * yi).sum(axis=1) / m.sum(axis=1)
    return _Data(
        y=np.where(counts, yi - centre[:, None], 0.0)[:, None],
        v=vi[:, None],
        m=m[:, None] if groups is None else m[:, None] * _memberships(groups, yi.shape[1]),
        centre=centre,
        smallest=np.where(counts, vi, np.inf).min(axis=1),
        largest=np.where(counts, vi, 0.0).max(axis=1),
    )


def _memberships(groups, k) -> np.ndarray:
    labels = np.asarray(groups)
    if labels.shape != (k,):
        raise ValueError(f"groups must hold a label for each of {k} studies, not {labels.shape}")
    return (labels == np.unique(labels)[:, None]).astype(float)


class _Weighted:
    """The sums over studies that the estimators need, at tau2 = t of shape (..., B).

    With r = P y: q = y'Py, ypp = r'r, yppp = r'Pr; trace_p and trace_pp those of P and P^2.
    """

    def __init__(self, data: _Data, t: np.ndarray):
        total = data.v + t[..., None, None]
        self._data, self._total = data, total
        self._w = 1 / total
        self._mw = data.m * self._w
        self.s1 = self._mw.sum(axis=-1)
        # An empty group has sums of zero; dividing them by one leaves it without a part.
        self._divisor = np.where(self.s1 > 0, self.s1, 1.0)
        self.mean = (self._mw * data.y).sum(axis=-1) / self._divisor
        self._residual = data.y - self.mean[..., None]
        self._r = self._w * self._residual

    @property
    def q(self) -> np.ndarray:
        return (self._mw * self._residual**2).sum(axis=(-1, -2))

    @property
    def ypp(self) -> np.ndarray:
        return (self._data.m * self._r**2).sum(axis=(-1, -2))

    @property
    def yppp(self) -> np.ndarray:
        lost = (self._mw * self._r).sum(axis=-1) ** 2 / self._divisor
        return (self._mw * self._r**2).sum(axis=(-1, -2)) - lost.sum(axis=-1)

    @property
    def sum_w(self) -> np.ndarray:
        return self.s1.sum(axis=-1)

    @property
    def sum_w2(self) -> np.ndarray:
        return self._s2.sum(axis=-1)

    @property
    def _s2(self) -> np.ndarray:
        return (self._mw * self._w).sum(axis=-1)

    @property
    def trace_p(self) -> np.ndarray:
        return (self.s1 - self._s2 / self._divisor).sum(axis=-1)

    @property
    def trace_pp(self) -> np.ndarray:
        s2, s3 = self._s2, (self._mw * self._w**2).sum(axis=-1)
        return (s2 - 2 * s3 / self._divisor + (s2 / self._divisor) ** 2).sum(axis=-1)

    def log_likelihood(self, restricted: bool) -> np.ndarray:
        """Profiled over the means, without the constant; restricted: given the residuals."""
        terms = (self._data.m * np.log(self._total)).sum(axis=(-1, -2)) + self.q
        return -0.5 * (terms + np.log(self._divisor).sum(axis=-1) if restricted else terms)


# The estimators: each takes _Data and gives tau2 of shape (B,) ----------------------------------


def _estimator(method: str):
    if method not in _ESTIMATORS:
        raise ValueError(f"tau2 method must be one of {', '.join(TAU2_METHODS)}, not {method!r}")
    return _ESTIMATORS[method]


def _dersimonian_laird(data: _Data) -> np.ndarray:
    at = _Weighted(data, np.zeros(data.rows))
    return _truncate(at.q - data.df, at.trace_p)


def _hunter_schmidt(data: _Data) -> np.ndarray:
    at = _Weighted(data, np.zeros(data.rows))
    return _truncate(at.q - data.k, at.sum_w)


def _hedges(data: _Data) -> np.ndarray:
    """Sum of squares about the unweighted means, less its expectation at tau2 = 0."""
    size = data.m.sum(axis=-1)
    size = np.where(size > 0, size, 1.0)
    mean = (data.m * data.y).sum(axis=-1) / size
    squares = (data.m * (data.y - mean[..., None]) ** 2).sum(axis=(-1, -2))
    expected = ((data.m * data.v).sum(axis=-1) * (1 - 1 / size)).sum(axis=-1)
    return _truncate(squares - expected, data.df)


def _sidik_jonkman(data: _Data) -> np.ndarray:
    start = _total_variance(data)
    return _truncate(start * _Weighted(data, start).q, data.df)


def _total_variance(data: _Data) -> np.ndarray:
    """Variance of the estimates about their overall mean (zero, as they are centred)."""
    return (data.m * data.y**2).sum(axis=(-1, -2)) / data.k


def _truncate(numerator, denominator) -> np.ndarray:
    positive = denominator > 0
    return np.where(positive, np.maximum(numerator, 0) / np.where(positive, denominator, 1), 0.0)


def _paule_mandel(data: _Data) -> np.ndarray:
    return _solve_q(data, np.maximum(data.df, 1))


def _solve_q(data: _Data, target: np.ndarray) -> np.ndarray:
    """t with Q(t) = target, 0 where Q(0) is not above it.

    1/Q is concave and increasing in t (Q is a sum of c/(lambda + t) with c >= 0), so that
    Newton's steps on it from 0 rise to the solution and never pass it.
    """
    t = np.zeros(data.rows)
    for _ in range(_MAX_ITERATIONS):
        at = _Weighted(data, t)
        q, slope = at.q, at.ypp
        step = (q - target) * q / (target * np.where(slope > 0, slope, 1.0))
        new = np.maximum(t + step, 0.0)
        moved, t = np.abs(new - t), new
        if (moved <= _TOLERANCE * (t + data.smallest)).all():
            return t
    raise NotConverged(f"Q(tau2) = target was not solved in {_MAX_ITERATIONS} iterations")


def _maximum_likelihood(data: _Data) -> np.ndarray:
    return _maximise(data, restricted=False)


def _restricted_maximum_likelihood(data: _Data) -> np.ndarray:
    return _maximise(data, restricted=True)


def _maximise(data: _Data, restricted: bool) -> np.ndarray:
    """The highest maximum over t >= 0: a scan, then every local maximum of it refined."""
    grid = _scan_points(data)
    heights = _scan(data, grid, restricted)
    rises = np.vstack([np.ones((1, data.rows), bool), heights[1:] > heights[:-1]])
    falls = np.vstack([heights[:-1] >= heights[1:], np.ones((1, data.rows), bool)])
    rows, points = np.nonzero((rises & falls).T)
    candidates = data.take(rows)
    before = grid[np.maximum(points - 1, 0), rows]
    after = grid[np.minimum(points + 1, len(grid) - 1), rows]
    t = _refine(candidates, before, grid[points, rows], after, restricted)
    reached = _Weighted(candidates, t).log_likelihood(restricted)
    order = np.lexsort((-reached, rows))
    best = order[np.unique(rows[order], return_index=True)[1]]
    _check_highest(reached[best], heights.max(axis=0))
    return t[best]


def _check_highest(reached, scanned) -> None:
    if (reached < scanned - 1e-9 * (1 + np.abs(scanned))).any():
        raise NotConverged("the likelihood of tau2 has maxima too close together to tell apart")


def _scan_points(data: _Data) -> np.ndarray:
    """(points, B): 0, then up to a bound beyond which no (restricted) likelihood rises.

    The score is y'PPy - tr P or less, with y'PPy <= S/(t + smallest v)^2 for S the sum of
    squares about the plain means, and tr P >= df/(t + largest v).
    """
    size = data.m.sum(axis=-1)
    mean = (data.m * data.y).sum(axis=-1) / np.where(size > 0, size, 1.0)
    per_df = (data.m * (data.y - mean[..., None]) ** 2).sum(axis=(-1, -2)) / np.maximum(data.df, 1)
    spread = data.largest - data.smallest
    bound = (per_df + np.sqrt(per_df**2 + 4 * per_df * spread)) / 2
    bound = np.maximum(1.01 * bound, data.smallest)
    steps = np.linspace(0, 1, _SCAN)[:, None]
    return data.smallest * ((bound / data.smallest) ** steps - 1)


def _scan(data: _Data, grid: np.ndarray, restricted: bool) -> np.ndarray:
    slab = max(1, _SLAB // data.m.size)
    return np.concatenate(
        [
            _Weighted(data, grid[start : start + slab]).log_likelihood(restricted)
            for start in range(0, len(grid), slab)
        ]
    )


def _refine(data, before, start, after, restricted) -> np.ndarray:
    """Newton's method on the score, from a scan point that is no lower than its neighbours.

    Kept between the ends of a bracket, and by Fisher scoring where the likelihood is not
    concave; a step out of the bracket is replaced by half of it. A score that is not
    positive at zero leaves zero.
    """
    low, t, high = before, start, after
    for _ in range(_MAX_ITERATIONS):
        score, curvature = _score(data, t, restricted)
        low = np.where(score > 0, t, low)
        high = np.where(score > 0, high, t)
        new = t + score / curvature
        new = np.where((new < low) | (new > high), (low + high) / 2, new)
        moved, t = np.abs(new - t), new
        if (moved <= _TOLERANCE * (t + data.smallest)).all():
            return t
    raise NotConverged(f"the likelihood of tau2 was not maximised in {_MAX_ITERATIONS} iterations")


def _score(data, t, restricted) -> tuple[np.ndarray, np.ndarray]:
    """Twice the score, and its slope downwards: as observed or, where not positive, expected."""
    at = _Weighted(data, t)
    first, second = (at.trace_p, at.trace_pp) if restricted else (at.sum_w, at.sum_w2)
    observed = 2 * at.yppp - second
    curvature = np.where(observed > 0, observed, second)
    return at.ypp - first, np.where(curvature > 0, curvature, 1.0)


_ESTIMATORS = {
    "DL": _dersimonian_laird,
    "HE": _hedges,
    "HS": _hunter_schmidt,
    "SJ": _sidik_jonkman,
    "EB": _paule_mandel,
    "PM": _paule_mandel,
    "ML": _maximum_likelihood,
    "REML": _restricted_maximum_likelihood,
}


# Standard errors of tau2 ----------------------------------------------------------------------


def _tau2_se(method: str, data: _Data, estimate: float) -> float:
    at = _Weighted(data, np.full(1, estimate))
    if method == "REML":
        return float(np.sqrt(2 / at.trace_pp[0]))
    if method == "ML":
        return float(np.sqrt(2 / at.sum_w2[0]))
    if method in ("PM", "EB"):
        return float(np.sqrt(2 * data.k[0] ** 2 / data.df[0]) / at.sum_w[0])
    return _quadratic_form_se(method, data, estimate)


def _quadratic_form_se(method: str, data: _Data, estimate: float) -> float:
    """sqrt(2 tr(AMAM)) / c of tau2 = (y'Ay - const)/c, with M = diag(v + tau2).

    A is P at fixed weights: 1/v for DL and HS, 1 for HE, 1/(v + total variance) for SJ.
    """
    v = data.v[0, 0]
    total_variance = float(_total_variance(data)[0])
    if method == "SJ" and total_variance == 0:
        return 0.0
    w = {"HE": np.ones_like(v), "SJ": 1 / (v + total_variance)}.get(method, 1 / v)
    groups = data.m[0]
    a = np.diag(w) - sum(np.outer(g * w, g * w) / (g * w).sum() for g in groups)
    c = {
        "DL": np.trace(a),
        "HS": w.sum(),
        "HE": data.df[0],
        "SJ": data.df[0] / total_variance if total_variance else np.inf,
    }[method]
    total = v + estimate
    return float(np.sqrt(2 * (a**2 * np.outer(total, total)).sum()) / c)
