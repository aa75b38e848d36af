"""Mixed-effects meta-regression: effects on the studies' own columns.

y = X b + u + e, with u of variance tau2 and e of the known variances v. With w = 1/(v + tau2),
P = W - W X (X'WX)^-1 X'W; its sums come from the QR decomposition of sqrt(W) X, so that no
normal equations are formed. Formulas: Raudenbush, in Cooper, Hedges & Valentine 2009,
chapter 16; Viechtbauer, J Stat Softw 2010;36(3); Knapp & Hartung, Stat Med 2003;22:2693.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import chdtrc, fdtrc

from forestry.checks import NotConverged, check_choice, checked_studies
from forestry.intervals import critical_value, p_values
from forestry.tau2 import Tau2

METHODS = ("DL", "PM", "ML", "REML")
INTERVALS = ("wald", "t", "hartung_knapp", "hartung_knapp_ad_hoc")
INTERCEPT = "intercept"

_SCAN = 64  # points of the likelihood scan, evenly spaced in log(tau2 + smallest v)
_TOLERANCE = 1e-12  # last Newton step, relative to tau2 + smallest v
_MAX_ITERATIONS = 200


@dataclass(frozen=True)
class Categorical:
    """A moderator of levels; each level but `reference` becomes a column of 0 and 1."""

    values: Sequence[str]
    reference: str


@dataclass(frozen=True, eq=False)
class Design:
    """A design matrix `x` (k, p) and the names of its columns."""

    x: np.ndarray
    terms: tuple[str, ...]


@dataclass(frozen=True)
class Coefficient:
    """A coefficient on the scale of analysis; `df` is None where the test is normal."""

    term: str
    estimate: float
    se: float
    statistic: float
    df: int | None
    p_value: float
    ci_low: float
    ci_high: float


@dataclass(frozen=True)
class WaldTest:
    """A test that coefficients are all zero: chi-squared, or F where `df2` is not None."""

    terms: tuple[str, ...]
    statistic: float
    df: int
    df2: int | None
    p_value: float


@dataclass(frozen=True, eq=False)
class MetaRegression:
    """A fitted meta-regression, on the scale of analysis.

    `covariance` (p, p) is that of the coefficients, with the Knapp-Hartung factor where
    the interval has one. `moderators` tests all coefficients but the intercept's (None for
    an intercept alone). `qe`, with `qe_df` = k - p, tests residual heterogeneity at fixed
    weights 1/v. `r2` is the share of tau2 (`tau2_total`, without moderators, by the same
    method) that the moderators explain, no less than 0, and None where `tau2_total` is 0
    or the model has no intercept. `i2` and `h2` are residual, on the basis of tau2.
    """

    k: int
    p: int
    terms: tuple[str, ...]
    tau2_method: str
    interval: str
    level: float
    coefficients: tuple[Coefficient, ...]
    covariance: np.ndarray
    tau2: float
    tau2_se: float
    tau2_total: float | None
    moderators: WaldTest | None
    qe: float
    qe_df: int
    qe_p: float
    r2: float | None
    i2: float
    h2: float


# The design -------------------------------------------------------------------------------


def design_matrix(moderators: Mapping[str, ArrayLike | Categorical]) -> Design:
    """An intercept, then each moderator's column or columns in the order given.

    A sequence of numbers (k,) is continuous and enters as it is; a `Categorical` has a
    column for each level but the reference, in alphabetical order, named ``name: level``.
    Raises ValueError, naming the moderator, for lengths that differ, a value that is
    missing or not finite, a reference that does not occur and a single level.
    """
    if not moderators:
        raise ValueError("a design needs one moderator or more")
    columns = [column for name, given in moderators.items() for column in _columns(name, given)]
    k = len(columns[0][1])
    for term, values in columns:
        if len(values) != k:
            raise ValueError(f"{term} has {len(values)} values, not {k} like the first moderator")
    x = np.column_stack([np.ones(k), *(values for _, values in columns)])
    return Design(x, (INTERCEPT, *(term for term, _ in columns)))


def _columns(name: str, given) -> list[tuple[str, np.ndarray]]:
    if isinstance(given, Categorical):
        return _level_columns(name, given)
    values = np.asarray(given, dtype=float)
    if values.ndim != 1 or not np.isfinite(values).all():
        raise ValueError(f"{name} holds a value that is missing or not finite")
    return [(name, values)]


def _level_columns(name: str, given: Categorical) -> list[tuple[str, np.ndarray]]:
    if any(value is None or value == "" for value in given.values):
        raise ValueError(f"{name} holds a value that is missing")
    levels = sorted(set(given.values))
    if given.reference not in levels:
        raise ValueError(f"{name} has no {given.reference!r}, only {', '.join(levels)}")
    if len(levels) == 1:
        raise ValueError(f"{name} has one level only, {given.reference}")
    values = np.array(given.values)
    others = (level for level in levels if level != given.reference)
    return [(f"{name}: {level}", (values == level).astype(float)) for level in others]


# The fit ----------------------------------------------------------------------------------


def meta_regression(
    yi: ArrayLike,
    vi: ArrayLike,
    design: Design,
    tau2_method: str = "REML",
    interval: str = "wald",
    level: float = 0.95,
) -> MetaRegression:
    """Fit effects `yi` (k,) with variances `vi` (k,), link scale, on the columns of `design`.

    `tau2_method` is one of METHODS; ML and REML are the highest of all maxima over
    tau2 >= 0. `interval` is one of those of `inverse_variance`: "wald" (normal), "t" (k - p
    df), "hartung_knapp" (covariance times y'Py/(k - p), t and F) or
    "hartung_knapp_ad_hoc" (that factor no less than 1).

    Raises ValueError for studies and columns that do not match, no more studies than
    columns, a column that is a combination of those before it, a value that is not finite
    and an unknown choice; NotConverged where tau2 has no solution.
    """
    yi, vi = checked_studies(yi, vi, least=1)
    x = _checked_design(design, yi.size)
    check_choice("interval", interval, INTERVALS)
    k, p = x.shape
    between = _tau2(yi, vi, x, tau2_method)
    at, fixed = _Weighted(yi, vi, x, between.estimate), _Weighted(yi, vi, x, 0.0)
    covariance = at.covariance * _scale(at, interval)
    coefficients = _coefficients(design.terms, at.coefficients, covariance, k - p, interval, level)
    intercept = _intercept(x)
    tested = [j for j in range(p) if j != intercept]
    tau2_total = None
    if intercept is not None:
        tau2_total = _tau2(yi, vi, x[:, [intercept]], tau2_method).estimate
    typical = (k - p) / fixed.trace_p
    fit = MetaRegression(
        k=k,
        p=p,
        terms=tuple(design.terms),
        tau2_method=tau2_method,
        interval=interval,
        level=level,
        coefficients=coefficients,
        covariance=covariance,
        tau2=between.estimate,
        tau2_se=between.se,
        tau2_total=tau2_total,
        moderators=None,
        qe=fixed.q,
        qe_df=k - p,
        qe_p=float(chdtrc(k - p, fixed.q)),
        r2=max(0.0, 1 - between.estimate / tau2_total) if tau2_total else None,
        i2=between.estimate / (between.estimate + typical),
        h2=1 + between.estimate / typical,
    )
    if not tested:
        return fit
    return replace(fit, moderators=wald_test(fit, [design.terms[j] for j in tested]))


def wald_test(fit: MetaRegression, terms: Sequence[str]) -> WaldTest:
    """Test that the coefficients named are all zero, e.g. those of one moderator's levels.

    Chi-squared with as many df as terms; with t intervals, that divided by its df is F on
    those df and k - p. Raises ValueError for no term, a term twice, or one not in the fit.
    """
    terms = tuple(terms)
    unknown = [term for term in terms if term not in fit.terms]
    if not terms or unknown or len(set(terms)) < len(terms):
        raise ValueError(f"{terms} are not different terms of the fit: {', '.join(fit.terms)}")
    rows = [fit.terms.index(term) for term in terms]
    b = np.array([fit.coefficients[row].estimate for row in rows])
    chi2 = float(b @ np.linalg.solve(fit.covariance[np.ix_(rows, rows)], b))
    df = len(terms)
    if fit.interval == "wald":
        return WaldTest(terms, chi2, df, None, float(chdtrc(df, chi2)))
    df2 = fit.k - fit.p
    return WaldTest(terms, chi2 / df, df, df2, float(fdtrc(df, df2, chi2 / df)))


def _scale(at: _Weighted, interval: str) -> float:
    """Knapp and Hartung's factor of the covariance, 1 where the interval has none."""
    if not interval.startswith("hartung_knapp"):
        return 1.0
    factor = at.q / (at.k - at.p)
    return max(1.0, factor) if interval == "hartung_knapp_ad_hoc" else factor


def _coefficients(terms, estimates, covariance, df, interval, level) -> tuple[Coefficient, ...]:
    errors = np.sqrt(np.diag(covariance))
    half = critical_value(interval, df, level) * errors
    p = p_values(estimates, errors, interval, df)
    shown_df = None if interval == "wald" else df
    return tuple(
        Coefficient(term, float(b), float(se), float(b / se), shown_df, float(pb), b - h, b + h)
        for term, b, se, pb, h in zip(
            terms, map(float, estimates), errors, p, map(float, half), strict=True
        )
    )


def _intercept(x: np.ndarray) -> int | None:
    constant = np.flatnonzero((x == x[0]).all(axis=0) & (x[0] != 0))
    return int(constant[0]) if constant.size else None


def _checked_design(design: Design, k: int) -> np.ndarray:
    x = np.asarray(design.x, dtype=float)
    if x.ndim != 2 or x.shape[0] != k:
        raise ValueError(f"the design has shape {x.shape}, not a row for each of {k} studies")
    p = x.shape[1]
    if len(design.terms) != p or len(set(design.terms)) != p or p == 0:
        raise ValueError(f"{p} columns of the design have the names {', '.join(design.terms)}")
    if not np.isfinite(x).all():
        raise ValueError("the design holds a value that is missing or not finite")
    if k <= p:
        raise ValueError(f"{k} studies do not suffice for {p} coefficients")
    for j, term in enumerate(design.terms):
        if _rank(x[:, : j + 1]) <= j:
            raise ValueError(f"{term} is a combination of the columns before it")
    return x


def _rank(x: np.ndarray) -> int:
    norms = np.linalg.norm(x, axis=0)
    return int(np.linalg.matrix_rank(x / np.where(norms > 0, norms, 1.0)))


# Sums at a given tau2 ---------------------------------------------------------------------


class _Weighted:
    """The weighted fit at tau2 = t, and the sums over P that the estimators need."""

    def __init__(self, yi: np.ndarray, vi: np.ndarray, x: np.ndarray, t: float):
        self.k, self.p = x.shape
        self._total = vi + t
        self._w = 1 / self._total
        self._root = np.sqrt(self._w)
        # Columns of one length: their units must not matter to the decomposition.
        self._norms = np.linalg.norm(x * self._root[:, None], axis=0)
        self._q, self._r = np.linalg.qr(x * self._root[:, None] / self._norms)
        self._z = self._root * yi
        self._residual = self._z - self._q @ (self._q.T @ self._z)
        self._py = self._root * self._residual

    @property
    def coefficients(self) -> np.ndarray:
        return np.linalg.solve(self._r, self._q.T @ self._z) / self._norms

    @property
    def covariance(self) -> np.ndarray:
        """(X'WX)^-1"""
        inverse = np.linalg.inv(self._r) / self._norms[:, None]
        return inverse @ inverse.T

    @property
    def q(self) -> float:
        """y'Py"""
        return float(self._residual @ self._residual)

    @property
    def ypp(self) -> float:
        return float(self._py @ self._py)

    @property
    def yppp(self) -> float:
        z = self._root * self._py
        lost = self._q.T @ z
        return float(z @ z - lost @ lost)

    @property
    def sum_w(self) -> float:
        return float(self._w.sum())

    @property
    def sum_w2(self) -> float:
        return float((self._w**2).sum())

    @property
    def trace_p(self) -> float:
        return float(self._w @ self._leftover.diagonal())

    @property
    def trace_pp(self) -> float:
        return float(self._w @ self._leftover**2 @ self._w)

    @cached_property
    def _leftover(self) -> np.ndarray:
        """I - Q Q', so that P = sqrt(W) (I - Q Q') sqrt(W)."""
        return np.eye(self.k) - self._q @ self._q.T

    def weighted_p_trace(self, other: _Weighted) -> float:
        """tr(P V P V) for P here and V = diag(v + t) of `other`."""
        return float(self._scaled(other) @ self._leftover**2 @ self._scaled(other))

    def _scaled(self, other: _Weighted) -> np.ndarray:
        return self._w * other._total

    def log_likelihood(self, restricted: bool) -> float:
        """Profiled over the coefficients, without constants."""
        twice = np.log(self._total).sum() + self.q
        if restricted:
            twice += 2 * (np.log(np.abs(self._r.diagonal())).sum() + np.log(self._norms).sum())
        return -0.5 * float(twice)


# tau2 -------------------------------------------------------------------------------------


def _tau2(yi, vi, x, method: str) -> Tau2:
    check_choice("tau2 method", method, METHODS)
    estimate = _ESTIMATORS[method](yi, vi, x)
    return Tau2(method, estimate, _tau2_se(yi, vi, x, method, estimate))


def _dersimonian_laird(yi, vi, x) -> float:
    at = _Weighted(yi, vi, x, 0.0)
    return max(0.0, (at.q - (at.k - at.p)) / at.trace_p)


def _paule_mandel(yi, vi, x) -> float:
    """Newton on 1/Q, concave and increasing in tau2: the steps from 0 never pass the solution."""
    t, target, smallest = 0.0, len(yi) - x.shape[1], vi.min()
    for _ in range(_MAX_ITERATIONS):
        at = _Weighted(yi, vi, x, t)
        if at.q <= target and t == 0:
            return 0.0
        step = (at.q - target) * at.q / (target * at.ypp)
        t += step
        if abs(step) <= _TOLERANCE * (t + smallest):
            return float(t)
    raise NotConverged(f"Q(tau2) = k - p was not solved in {_MAX_ITERATIONS} iterations")


def _maximum_likelihood(yi, vi, x) -> float:
    return _maximise(yi, vi, x, restricted=False)


def _restricted_maximum_likelihood(yi, vi, x) -> float:
    return _maximise(yi, vi, x, restricted=True)


def _maximise(yi, vi, x, restricted: bool) -> float:
    """The highest maximum over tau2 >= 0: a scan, and each local maximum of it refined."""
    grid = _scan_points(yi, vi, x)
    heights = [_Weighted(yi, vi, x, t).log_likelihood(restricted) for t in grid]
    last = len(grid) - 1
    peaks = [
        i
        for i in range(len(grid))
        if (i == 0 or heights[i] > heights[i - 1]) and (i == last or heights[i] >= heights[i + 1])
    ]
    found = [
        _refine(yi, vi, x, grid[max(i - 1, 0)], grid[i], grid[min(i + 1, last)], restricted)
        for i in peaks
    ]
    return max(found, key=lambda t: _Weighted(yi, vi, x, t).log_likelihood(restricted))


def _scan_points(yi, vi, x) -> np.ndarray:
    """0, then up to a bound beyond which no (restricted) likelihood rises.

    With S the unweighted residual sum of squares, y'PPy <= S/(t + smallest v)^2 and
    tr P >= (k - p)/(t + largest v).
    """
    k, p = x.shape
    unweighted = _Weighted(yi, np.ones(k), x, 0.0).q / (k - p)
    smallest, spread = vi.min(), np.ptp(vi)
    bound = (unweighted + np.sqrt(unweighted**2 + 4 * unweighted * spread)) / 2
    bound = max(1.01 * bound, smallest)
    return smallest * ((bound / smallest) ** np.linspace(0, 1, _SCAN) - 1)


def _refine(yi, vi, x, low, t, high, restricted: bool) -> float:
    """Newton on the score between `low` and `high`, by Fisher scoring where not concave."""
    smallest = vi.min()
    for _ in range(_MAX_ITERATIONS):
        at = _Weighted(yi, vi, x, t)
        first, second = (at.trace_p, at.trace_pp) if restricted else (at.sum_w, at.sum_w2)
        score, observed = at.ypp - first, 2 * at.yppp - second
        low, high = (t, high) if score > 0 else (low, t)
        new = t + score / (observed if observed > 0 else second)
        if not low <= new <= high:
            new = (low + high) / 2
        if abs(new - t) <= _TOLERANCE * (new + smallest):
            return float(new)
        t = new
    raise NotConverged(f"the likelihood of tau2 was not maximised in {_MAX_ITERATIONS} iterations")


_ESTIMATORS = {
    "DL": _dersimonian_laird,
    "PM": _paule_mandel,
    "ML": _maximum_likelihood,
    "REML": _restricted_maximum_likelihood,
}


def _tau2_se(yi, vi, x, method: str, estimate: float) -> float:
    """Large-sample: from the information, or the variance of the quadratic form (DL, PM)."""
    at = _Weighted(yi, vi, x, estimate)
    if method == "REML":
        return float(np.sqrt(2 / at.trace_pp))
    if method == "ML":
        return float(np.sqrt(2 / at.sum_w2))
    if method == "PM":
        return float(np.sqrt(2 * at.k**2 / (at.k - at.p)) / at.sum_w)
    fixed = _Weighted(yi, vi, x, 0.0)
    return float(np.sqrt(2 * fixed.weighted_p_trace(at)) / fixed.trace_p)
