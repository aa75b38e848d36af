"""The random-intercept logistic model for proportions, fitted by maximum likelihood.

Study i has events_i ~ Binomial(total_i, expit(beta + tau u_i)), u_i ~ N(0, 1): Stijnen,
Hamza & Ozdemir 2010 (Stat Med 29:3046); Hamza, van Houwelingen & Stijnen 2008 (J Clin
Epidemiol 61:41). `beta` and `tau` are on the logit (link) scale; tau = 0 is one common
proportion.

The integral over u_i is taken by adaptive Gauss-Hermite quadrature (Liu & Pierce 1994,
Biometrika 81:624; Pinheiro & Bates 1995, J Comput Graph Stat 4:12): nodes u + s z_j about
the posterior mode u, with s = (1 + tau^2 n p (1-p))^-1/2 at the mode. One node is Laplace's
approximation. The mode and s move with (beta, tau); the derivatives of the log-likelihood
here are exact for the chosen number of nodes, that movement included.

B data sets are worked on at once, as arrays (B, k), and (J, B, k) over J nodes: all Newton
iterations advance together, and each data set stops for itself. A single fit is B = 1.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import chdtri, expit, gammaln, xlogy

from forestry import heterogeneity, measures
from forestry.inverse_variance import NotConverged

_SCAN_POINTS = 12  # values of tau at which the likelihood is looked at before Newton's method
_SCAN_STEPS = 4  # towards the joint mode of beta and the intercepts, at each of them
_MODE_STEPS = 200
_NEWTON_STEPS = 200
_SLAB = 2**15  # numbers in an array over nodes, at once
_TINY = 1e-300  # keeps a logarithm finite where no maximum is

# Newton's method ends where its next step is shorter than this many standard errors. It
# doubles its digits a step, so what is returned is nearer still.
_TOLERANCE = 1e-9
# Below this many standard errors a step is taken unseen: what it gains is less than rounding.
_UNSEEN = 1e-4


class NoFiniteMaximum(ValueError):
    """The likelihood has no maximum at finite beta and tau."""


@dataclass(frozen=True)
class LogisticFit:
    """A fitted model, on the logit scale.

    `se` is sqrt([-H^-1]_11), H the full Hessian of the log-likelihood in (beta, tau): not
    conditional on tau. At tau2 = 0 it is 1/sqrt(sum n p (1-p)). `log_likelihood` includes
    the binomial coefficients. `score` is the gradient (beta, tau) where the fit ended.
    """

    beta: float
    se: float
    tau2: float
    log_likelihood: float
    converged: bool
    iterations: int
    score: tuple[float, float]
    k: int


@dataclass(frozen=True, eq=False)
class LogisticBatch:
    """The fits of B data sets: the fields of `LogisticFit`, shape (B,), and score (B, 2).

    `finite` is False where the likelihood has no finite maximum. Without events, or with
    nothing else, beta is then its limit, -inf or inf, so that expit(beta) is 0 or 1; where
    each study has only events or only non-events, it is NaN. The other numbers are NaN,
    and `converged` is False.
    """

    beta: np.ndarray
    se: np.ndarray
    tau2: np.ndarray
    log_likelihood: np.ndarray
    converged: np.ndarray
    iterations: np.ndarray
    score: np.ndarray
    k: np.ndarray
    finite: np.ndarray


@dataclass(frozen=True)
class Test:
    """A test of heterogeneity, chi-squared on `df`; `p_value` is None on none."""

    statistic: float
    df: int
    p_value: float | None


@dataclass(frozen=True)
class Limits:
    """An interval's limits, on the scale of what it is an interval of."""

    low: float
    high: float


@dataclass(frozen=True)
class ExactTotal:
    """The proportion of the total and its exact interval, on the display scale (0-1)."""

    estimate: float
    ci_low: float
    ci_high: float


# Fits ---------------------------------------------------------------------------------------


def fit_common(events: ArrayLike, total: ArrayLike) -> LogisticFit:
    """One common proportion, tau2 = 0: beta = logit(sum x / sum n), in closed form.

    `events`, `total` (k,), k >= 1. Raises ValueError for impossible counts, NoFiniteMaximum
    where there are no events, or nothing else.
    """
    counts = _counts(events, total, None)
    _refuse_all_or_none(counts)
    common = _Common(counts)
    return LogisticFit(
        beta=float(common.beta[0]),
        se=float(common.se[0]),
        tau2=0.0,
        log_likelihood=float(common.log_likelihood[0] + counts.constant[0]),
        converged=True,
        iterations=0,
        score=(0.0, 0.0),
        k=counts.x.shape[1],
    )


def fit_random(events: ArrayLike, total: ArrayLike, nodes: int = 7) -> LogisticFit:
    """The maximum of the likelihood over beta and tau >= 0.

    `events`, `total` (k,), k >= 2. The boundary tau = 0 is returned where it is the higher
    maximum. As R's rma.glmm(measure = "PLO", method = "ML", nAGQ = nodes), converged.

    Seven nodes give the log-likelihood to 1e-3 or better at usual heterogeneity. Where tau runs
    beyond about 5 (nearly all studies at 0 or 100 %) no number of nodes does, posteriors
    being one-sided; the likelihood so approximated may have several maxima there, of which
    this is the one above the highest point of a scan.

    Raises ValueError for impossible counts, fewer than two studies (tau is not identified)
    and nodes below 1; NoFiniteMaximum without events, with nothing else, and where no study
    has both (the likelihood then rises, or is flat, towards an infinite tau); NotConverged.
    """
    counts = _several(events, total)
    _refuse_all_or_none(counts)
    if not counts.finite[0]:
        raise NoFiniteMaximum(
            "no study has both events and non-events: the likelihood has no maximum in tau"
        )
    batch = _fit(counts, _rule(nodes))
    if not batch.converged[0]:
        raise NotConverged("the random-intercept logistic likelihood was not maximised")
    values = {f.name: getattr(batch, f.name)[0].tolist() for f in fields(LogisticFit)}
    return LogisticFit(**values | {"score": tuple(values["score"])})


def fit_random_batch(
    events: ArrayLike, total: ArrayLike, multiplicity: ArrayLike | None = None, nodes: int = 7
) -> LogisticBatch:
    """The fits of B data sets at once; as `fit_random`, but flagged instead of raised.

    `events`, `total` and `multiplicity` are (k,) or (B, k) and broadcast together; a study
    of multiplicity m counts m times (0: not at all), as in a bootstrap sample. A data set
    of a single study has its maximum at tau2 = 0.

    Raises ValueError for impossible counts and for a data set without studies.
    """
    counts, rule = _counts(events, total, multiplicity), _rule(nodes)
    rows, k = counts.x.shape
    slab = max(1, _SLAB // (k * rule.z.size))
    parts = [_fit(counts.take(slice(at, at + slab)), rule) for at in range(0, rows, slab)]
    columns = {f.name: [getattr(part, f.name) for part in parts] for f in fields(LogisticBatch)}
    return LogisticBatch(**{name: np.concatenate(column) for name, column in columns.items()})


def log_likelihood(
    beta: ArrayLike, tau2: ArrayLike, events: ArrayLike, total: ArrayLike, nodes: int = 7
) -> np.ndarray:
    """The log-likelihood at given parameters, binomial coefficients included.

    `beta`, `tau2` are numbers or (B,); `events`, `total` (k,). Shape (B,). Raises
    ValueError for impossible counts and a negative tau2.
    """
    beta, tau2 = np.broadcast_arrays(*np.atleast_1d(beta, tau2))
    if not (tau2 >= 0).all():
        raise ValueError("tau2 must be zero or more")
    counts = _counts(events, total, np.ones((beta.size, 1)))
    beta, tau = beta.astype(float), np.sqrt(tau2)
    at = _evaluate(counts, beta, tau, np.zeros_like(counts.x), _rule(nodes))
    return at.log_likelihood + counts.constant


def profile_tau2_interval(
    events: ArrayLike, total: ArrayLike, level: float = 0.95, nodes: int = 7
) -> Limits:
    """The profile likelihood interval of tau2: twice the log-likelihood falls by chi2_1(level).

    The limits are the nearest to the estimate on either side; `low` is 0 where the profile
    does not fall so far above tau2 = 0. Chi-squared on one degree of freedom is kept at the
    boundary, where it is conservative (Self & Liang 1987, JASA 82:605). Raises as
    `fit_random`, and ValueError for a level outside (0, 1).
    """
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, not {level}")
    fit, counts, rule = fit_random(events, total, nodes), _several(events, total), _rule(nodes)
    drop, tau = float(chdtri(1, 1 - level)) / 2, float(np.sqrt(fit.tau2))
    top = _evaluate(counts, np.full(1, fit.beta), np.full(1, tau), np.zeros_like(counts.x), rule)
    common, high = _Common(counts), _profile_limit(counts, top, fit.beta, tau, drop, rule, +1)
    if top.log_likelihood[0] - common.log_likelihood[0] <= drop:
        return Limits(0.0, high**2)
    return Limits(_profile_limit(counts, top, fit.beta, tau, drop, rule, -1) ** 2, high**2)


# Tests of heterogeneity, and what I2 is made of ---------------------------------------------


def likelihood_ratio_q(events: ArrayLike, total: ArrayLike) -> Test:
    """The likelihood ratio test of one common proportion, df = k - 1.

    Q = 2 sum x ln((x/n)/p0) + (n-x) ln((1-x/n)/(1-p0)), p0 = sum x / sum n. `events`,
    `total` (k,); zero where all proportions are equal. Raises ValueError for impossible
    counts.
    """
    counts = _counts(events, total, None)
    x, y, n = counts.x[0], counts.y[0], counts.n[0]
    p = x.sum() / n.sum()
    terms = (xlogy(a, a / (n * q)) for a, q in ((x, p), (y, y.sum() / n.sum())) if q > 0)
    return _test(max(0.0, 2 * float(sum(terms).sum())), x.size - 1)


def wald_q(events: ArrayLike, total: ArrayLike) -> Test:
    """The inverse-variance Q of the uncorrected logits, over the studies with 0 < x < n.

    The df are k - 1 over all k studies nonetheless, as in R's metafor and meta: the test is
    conservative where studies of 0 or 100 % are left out. Raises ValueError for impossible
    counts, and where no study has a finite logit.
    """
    counts = _counts(events, total, None)
    inside = counts.inside[0]
    if not inside.any():
        raise ValueError("no study has both events and non-events: none has a finite logit")
    x, n = counts.x[0], counts.n[0]
    logits = measures.proportion(x[inside], n[inside], "logit")
    q = heterogeneity.cochran_q(logits.yi, logits.vi).q
    return _test(q, x.size - 1)


def _test(statistic: float, df: int) -> Test:
    test = heterogeneity.q_test(statistic, df)
    return Test(test.q, test.df, test.p)


def typical_variance(events: ArrayLike, total: ArrayLike) -> float:
    """The typical sampling variance of the logits, 0.5 added to studies of 0 or 100 %.

    For I2 = tau2/(tau2 + v~) with the model's tau2, as R's metafor. Raises ValueError for
    impossible counts and fewer than two studies.
    """
    return heterogeneity.typical_variance(measures.proportion(events, total, "logit").vi)


def i2_from_tau2(tau2: float, events: ArrayLike, total: ArrayLike) -> float:
    """I2 = tau2/(tau2 + v~), 0-1, with `typical_variance`'s v~."""
    return heterogeneity.i2_from_tau2(tau2, typical_variance(events, total)).i2


# What is said of single studies, and of the total -------------------------------------------


def information_weights(
    beta: float, tau2: float, events: ArrayLike, total: ArrayLike
) -> np.ndarray:
    """Each study's share in the estimate, (k,), summing to 1: an approximation of ours.

    The model has no weights. These are w = 1/(tau2 + 1/(n p (1-p))), p = expit(beta): the
    information on beta were the logits normal. At tau2 = 0 they are exact, n / sum n.
    Raises ValueError for impossible counts and a negative tau2.
    """
    if not (np.isfinite(beta) and tau2 >= 0):
        raise ValueError(f"beta must be finite and tau2 zero or more, not {beta} and {tau2}")
    n = _counts(events, total, None).n[0]
    # Multiplied by p (1-p), so that no p is too near 0 or 1.
    weights = 1 / (tau2 * expit(beta) * expit(-beta) + 1 / n)
    return weights / weights.sum()


def study_modes(beta: float, tau2: float, events: ArrayLike, total: ArrayLike) -> np.ndarray:
    """The studies' logits at their posterior modes given the fit, (k,): empirical Bayes.

    Raises ValueError for impossible counts and a negative tau2.
    """
    if not tau2 >= 0:
        raise ValueError(f"tau2 must be zero or more, not {tau2}")
    counts = _counts(events, total, None)
    tau = float(np.sqrt(tau2))
    at = _mode(counts, np.full((1, 1), float(beta)), np.full((1, 1), tau), np.zeros_like(counts.x))
    return beta + tau * at.u[0]


def exact_total(events: ArrayLike, total: ArrayLike, level: float = 0.95) -> ExactTotal:
    """The total's proportion with its Clopper-Pearson interval, on the display scale (0-1).

    For all or no events, where no model has a finite maximum. It takes the studies as one:
    heterogeneity is not allowed for. Raises ValueError for impossible counts or levels.
    """
    counts = _counts(events, total, None)
    x, n = float(counts.x.sum()), float(counts.n.sum())
    interval = measures.clopper_pearson([x], [n], level)
    return ExactTotal(x / n, float(interval.low[0]), float(interval.high[0]))


# Counts -------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Counts:
    """Events, non-events, totals and multiplicities of B data sets, (B, k) each."""

    x: np.ndarray
    y: np.ndarray
    n: np.ndarray
    m: np.ndarray

    def take(self, rows) -> _Counts:
        return _Counts(self.x[rows], self.y[rows], self.n[rows], self.m[rows])

    def sum(self, values: np.ndarray) -> np.ndarray:
        """Over the studies, each as often as it counts: (..., B, k) to (..., B)."""
        return np.vecdot(self.m, values)

    @property
    def inside(self) -> np.ndarray:
        """Studies with both events and non-events."""
        return (self.x > 0) & (self.y > 0)

    @property
    def finite(self) -> np.ndarray:
        """Data sets with a finite maximum: those with such a study.

        As tau grows, the probability of an inner count vanishes, and that of 0 and of n
        does not. (That the data have both events and non-events is implied.)
        """
        return (self.inside & (self.m > 0)).any(axis=1)

    @property
    def constant(self) -> np.ndarray:
        """The binomial coefficients' part of the log-likelihood, (B,)."""
        return self.sum(gammaln(self.n + 1) - gammaln(self.x + 1) - gammaln(self.y + 1))

    @property
    def rounding(self) -> np.ndarray:
        """What rounding leaves undecided of a log-likelihood, (B,)."""
        return 1e-12 + 1e-15 * self.sum(self.n)


def _counts(events: ArrayLike, total: ArrayLike, multiplicity: ArrayLike | None) -> _Counts:
    x, n = np.asarray(events, dtype=float), np.asarray(total, dtype=float)
    m = np.ones(()) if multiplicity is None else np.asarray(multiplicity, dtype=float)
    if x.shape[-1:] != n.shape[-1:] or not x.ndim or not x.size:
        raise ValueError(f"events {x.shape} and total {n.shape} must be of one number of studies")
    if not (np.isfinite(x).all() and np.isfinite(n).all()):
        raise ValueError("events or total hold a number that is missing or not finite")
    if (n < 1).any() or (x < 0).any() or (x > n).any():
        raise ValueError("events must lie between 0 and total, and total be 1 or more")
    if (x != np.floor(x)).any() or (n != np.floor(n)).any():
        raise ValueError("events or total hold a number that is not whole")
    if not (np.isfinite(m).all() and (m >= 0).all()):
        raise ValueError("a multiplicity is missing, not finite or negative")
    x, n, m = np.atleast_2d(*np.broadcast_arrays(x, n, m))
    if not m.any(axis=1).all():
        raise ValueError("a data set has no studies")
    return _Counts(*(np.ascontiguousarray(values) for values in (x, n - x, n, m)))


def _several(events: ArrayLike, total: ArrayLike) -> _Counts:
    counts = _counts(events, total, None)
    if counts.x.shape[1] < 2:
        raise ValueError("tau is not identified from a single study: two or more are needed")
    return counts


def _refuse_all_or_none(counts: _Counts) -> None:
    for cells, what in ((counts.x, "no events"), (counts.y, "nothing but events")):
        if not cells.any():
            raise NoFiniteMaximum(f"{what} in any study: the likelihood has no finite maximum")


class _Common:
    """tau = 0: beta, its standard error, the log-likelihood without constant; (B,) each.

    `rise` is the log-likelihood's second derivative in tau, sum r^2 - n p (1-p): zero is a
    local maximum where it is not positive.
    """

    def __init__(self, counts: _Counts):
        events, others = counts.sum(counts.x), counts.sum(counts.y)
        p, q = events / (events + others), others / (events + others)
        with np.errstate(divide="ignore"):
            self.beta = np.log(events) - np.log(others)
            self.se = np.sqrt(1 / events + 1 / others)
        self.log_likelihood = xlogy(events, p) + xlogy(others, q)
        residual = counts.x * q[:, None] - counts.y * p[:, None]
        self.rise = counts.sum(residual**2) - events * q


# The log-likelihood and its derivatives -----------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Rule:
    """Gauss-Hermite nodes for a standard normal weight, and log(w) + z^2/2: (J, 1, 1)."""

    z: np.ndarray
    log_weight: np.ndarray


@lru_cache
def _rule(nodes: int) -> _Rule:
    if nodes != int(nodes) or nodes < 1:
        raise ValueError(f"nodes must be a whole number of 1 or more, not {nodes}")
    z, w = np.polynomial.hermite_e.hermegauss(int(nodes))
    log_weight = np.log(w / w.sum()) + z**2 / 2
    return _Rule(z[:, None, None], log_weight[:, None, None])


@dataclass(frozen=True, eq=False)
class _Mode:
    """The posterior modes u and, there: p, q = 1-p, r = x - n p, w = n p q, d = 1 + tau^2 w."""

    u: np.ndarray
    p: np.ndarray
    q: np.ndarray
    r: np.ndarray
    w: np.ndarray
    d: np.ndarray


def _mode(counts: _Counts, beta, tau, u) -> _Mode:
    """Solve tau r(beta + tau u) = u for u, (B, k), from a first guess.

    The logit moves by at most 1 a step, within which w changes by at most a factor e: so
    every step of Newton's method brings the solution nearer, wherever it starts.
    """
    x, y, n = counts.x, counts.y, counts.n
    tau2 = tau * tau
    enough = 1e-12 + 4e-15 * np.sqrt(n.max())  # posterior standard deviations
    for _ in range(_MODE_STEPS):
        eta = beta + tau * u
        p, q = expit(eta), expit(-eta)
        r = x * q - y * p  # not x - n p, which cancels
        w = n * p * q
        d = 1 + tau2 * w
        gradient = tau * r - u
        if (gradient * gradient <= enough**2 * d).all():
            return _Mode(u, p, q, r, w, d)
        step = gradient / d
        u = u + step / np.maximum(1, np.abs(tau * step))
    raise NotConverged("the studies' posterior modes were not found")


@dataclass(frozen=True, eq=False)
class _Movement:
    """How the nodes u + s z of each study move with beta and tau: (B, k) each.

    Suffixes _b, _t, _bb, _bt, _tt are total derivatives in beta and tau. Those of d are
    halved and relative to d, the first being those of -ln s.
    """

    u: np.ndarray
    u_b: np.ndarray
    u_t: np.ndarray
    u_bb: np.ndarray
    u_bt: np.ndarray
    u_tt: np.ndarray
    s: np.ndarray
    s_b: np.ndarray
    s_t: np.ndarray
    s_bb: np.ndarray
    s_bt: np.ndarray
    s_tt: np.ndarray
    d_b: np.ndarray
    d_t: np.ndarray
    d_bb: np.ndarray
    d_bt: np.ndarray
    d_tt: np.ndarray


def _movement(mode: _Mode, t: np.ndarray) -> _Movement:
    """By differentiation of t r(eta) = u, eta = beta + t u, and of s = d^-1/2, d = 1 + t^2 w."""
    u, r, w, d = mode.u, mode.r, mode.w, mode.d
    tw = t * w
    tw1 = tw * (mode.q - mode.p)  # t dw/d eta
    ttw1, ttw2 = t * tw1, t * tw * (1 - 6 * mode.p * mode.q)
    eta_b, eta_t = 1 / d, (u + t * r) / d
    u_b, u_t = -tw * eta_b, (r - tw * u) / d
    u_bb = -tw1 * eta_b * eta_b / d
    u_bt = -(w * eta_b + tw1 * eta_b * eta_t + tw * u_b) / d
    u_tt = -(2 * w * eta_t + tw1 * eta_t * eta_t + 2 * tw * u_t) / d
    half = 0.5 / d
    d_b = ttw1 * eta_b * half
    d_t = (2 * tw + ttw1 * eta_t) * half
    d_bb = (ttw2 * eta_b * eta_b + ttw1 * (t * u_bb)) * half
    d_bt = (2 * tw1 * eta_b + ttw2 * eta_b * eta_t + ttw1 * (u_b + t * u_bt)) * half
    d_tt = ttw2 * eta_t * eta_t + ttw1 * (2 * u_t + t * u_tt)
    d_tt = (2 * w + 4 * tw1 * eta_t + d_tt) * half
    s = 1 / np.sqrt(d)
    s_b, s_t = -s * d_b, -s * d_t
    s_bb = s * (3 * d_b * d_b - d_bb)
    s_bt = s * (3 * d_b * d_t - d_bt)
    s_tt = s * (3 * d_t * d_t - d_tt)
    firsts_and_seconds = (u_b, u_t, u_bb, u_bt, u_tt, s, s_b, s_t, s_bb, s_bt, s_tt)
    return _Movement(u, *firsts_and_seconds, d_b, d_t, d_bb, d_bt, d_tt)


def _integrand(counts: _Counts, eta, u, rule: _Rule):
    """p, 1-p and the log of the weighted integrand at the nodes, (J, B, k)."""
    p, q = expit(eta), expit(-eta)
    log_p, log_q = np.log(np.maximum(p, _TINY)), np.log(np.maximum(q, _TINY))
    return p, q, counts.x * log_p + counts.y * log_q - u * u / 2 + rule.log_weight


@dataclass(frozen=True, eq=False)
class _Point:
    """The log-likelihood (B,) without constant, gradient (2, B) and Hessian (3, B: bb, bt, tt).

    `u` (B, k) are the posterior modes, `u_b` and `u_t` their derivatives.
    """

    log_likelihood: np.ndarray
    gradient: np.ndarray
    hessian: np.ndarray
    u: np.ndarray
    u_b: np.ndarray
    u_t: np.ndarray


def _height(counts: _Counts, beta, tau, u, rule: _Rule) -> np.ndarray:
    """The log-likelihood alone, (B,), without constant."""
    beta, tau = beta[:, None], tau[:, None]
    at = _mode(counts, beta, tau, u)
    nodes = at.u + rule.z / np.sqrt(at.d)
    _, _, height = _integrand(counts, beta + tau * nodes, nodes, rule)
    top = height.max(axis=0)
    return counts.sum(np.log(np.exp(height - top).sum(axis=0)) + top - np.log(at.d) / 2)


def _evaluate(counts: _Counts, beta, tau, u, rule: _Rule) -> _Point:
    """The log-likelihood and its first two derivatives at `beta`, `tau` (B,).

    A study's likelihood is s sum_j w_j exp(z_j^2/2 + h_j), h = x ln p + (n-x) ln(1-p) - v^2/2
    at the node v = u + s z, with p at the logit eta = beta + tau v.
    """
    b, t = beta[:, None], tau[:, None]
    at, z = _movement(_mode(counts, b, t, u), t), rule.z
    v, v_b, v_t = at.u + at.s * z, at.u_b + at.s_b * z, at.u_t + at.s_t * z
    p, q, height = _integrand(counts, b + t * v, v, rule)
    top = height.max(axis=0)
    share = np.exp(height - top)
    whole = share.sum(axis=0)
    share /= whole

    r, w = counts.x * q - counts.y * p, counts.n * p * q
    e = t * r - v  # derivative of h in v
    eta_b, eta_t = 1 + t * v_b, v + t * v_t
    h_b, h_t = r + e * v_b, r * v + e * v_t
    w_eta_b = w * eta_b

    def mean(values):
        return np.einsum("jbk,jbk->bk", share, values)

    m_b, m_t, m_e, m_ez = mean(h_b), mean(h_t), mean(e), mean(e * z)
    # Of h_ab + h_a h_b, but for what v's own second derivatives add, which m_e and m_ez do.
    m_bb = mean(h_b * h_b - w_eta_b * eta_b - v_b * v_b)
    m_bt = mean(h_b * h_t - w_eta_b * eta_t - v_b * v_t + r * v_b)
    m_tt = mean(h_t * h_t - w * eta_t * eta_t - v_t * v_t + 2 * r * v_t)

    parts = np.empty((6, *top.shape))
    parts[0] = np.log(whole * at.s) + top
    parts[1] = m_b - at.d_b
    parts[2] = m_t - at.d_t
    parts[3] = m_bb - m_b * m_b + m_e * at.u_bb + m_ez * at.s_bb + 2 * at.d_b * at.d_b - at.d_bb
    parts[4] = m_bt - m_b * m_t + m_e * at.u_bt + m_ez * at.s_bt + 2 * at.d_b * at.d_t - at.d_bt
    parts[5] = m_tt - m_t * m_t + m_e * at.u_tt + m_ez * at.s_tt + 2 * at.d_t * at.d_t - at.d_tt
    sums = counts.sum(parts)
    return _Point(sums[0], sums[1:3], sums[3:], at.u, at.u_b, at.u_t)


# Maximisation -------------------------------------------------------------------------------


def _fit(counts: _Counts, rule: _Rule) -> LogisticBatch:
    """The fits of those data sets that have a finite maximum, NaN in the others."""
    finite = counts.finite
    if not finite.all():
        return _fit_finite(counts, finite, rule)
    common, best = _Common(counts), _maximise(counts, rule)
    zero = _at_zero(common, best, counts)
    a, b, c = -best.hessian
    with np.errstate(divide="ignore", invalid="ignore"):
        se = np.where(best.converged, np.sqrt(c / (a * c - b * b)), np.nan)
    return LogisticBatch(
        beta=np.where(zero, common.beta, best.beta),
        se=np.where(zero, common.se, se),
        tau2=np.where(zero, 0.0, best.tau**2),
        log_likelihood=np.where(zero, common.log_likelihood, best.log_likelihood) + counts.constant,
        converged=best.converged,
        iterations=best.iterations,
        score=np.where(zero, 0.0, best.gradient).T,
        k=counts.m.sum(axis=1).astype(int),
        finite=finite,
    )


def _fit_finite(counts: _Counts, finite: np.ndarray, rule: _Rule) -> LogisticBatch:
    rows = finite.size
    beta = _Common(counts).beta
    fits = LogisticBatch(
        *(np.where(np.isfinite(beta), np.nan, beta), *(np.full(rows, np.nan) for _ in range(3))),
        converged=np.zeros(rows, dtype=bool),
        iterations=np.zeros(rows, dtype=int),
        score=np.full((rows, 2), np.nan),
        k=counts.m.sum(axis=1).astype(int),
        finite=finite,
    )
    if finite.any():
        some = _fit(counts.take(finite), rule)
        for f in fields(LogisticBatch):
            getattr(fits, f.name)[finite] = getattr(some, f.name)
    return fits


def _at_zero(common: _Common, best: _Best, counts: _Counts) -> np.ndarray:
    """Where tau = 0 is a local maximum, and none that was found is higher."""
    local = common.rise <= 1e-13 * counts.sum(counts.n)
    return local & (common.log_likelihood >= best.log_likelihood - counts.rounding)


@dataclass(frozen=True, eq=False)
class _Best:
    """Where the search ended, in each of B data sets."""

    beta: np.ndarray
    tau: np.ndarray
    log_likelihood: np.ndarray
    gradient: np.ndarray
    hessian: np.ndarray
    converged: np.ndarray
    iterations: np.ndarray


def _maximise(counts: _Counts, rule: _Rule) -> _Best:
    """Newton's method from the best point of a scan.

    The log-likelihood is even in tau, so that the search runs over all tau, negative ones
    included, and tau = 0 is a stationary point like any other.
    """
    rows = counts.x.shape[0]
    best = _Best(
        *(np.empty(rows) for _ in range(3)),
        np.empty((2, rows)),
        np.empty((3, rows)),
        np.zeros(rows, dtype=bool),
        np.zeros(rows, dtype=int),
    )
    active, shorter, rounding = np.arange(rows), np.ones(rows), counts.rounding
    beta, tau, u = _scan(counts, rule)
    at = _evaluate(counts, beta, tau, u, rule)
    for iteration in range(_NEWTON_STEPS + 1):
        step, length = _newton_step(at)
        ended = length <= _TOLERANCE + rounding
        if iteration == _NEWTON_STEPS or ended.any():
            stop = ended if iteration < _NEWTON_STEPS else np.ones_like(ended)
            _record(best, active, stop, ended, iteration, beta, tau, at)
            if stop.all():
                return best
            active, beta, tau, shorter, length, rounding = (
                a[~stop] for a in (active, beta, tau, shorter, length, rounding)
            )
            counts, at, step = counts.take(~stop), _taken(at, ~stop), step[:, ~stop]
        held = (2 + np.abs(tau)) / np.maximum(np.hypot(*step), _TINY)
        move = step * (shorter * np.minimum(1, held))
        new_beta, new_tau = beta + move[0], tau + move[1]
        guess = at.u + move[0][:, None] * at.u_b + move[1][:, None] * at.u_t
        new = _evaluate(counts, new_beta, new_tau, guess, rule)
        rises = new.log_likelihood >= at.log_likelihood - rounding
        accepted = rises | (length <= _UNSEEN)
        shorter = np.where(accepted, 1.0, shorter / 2)
        beta = np.where(accepted, new_beta, beta)
        tau = np.where(accepted, new_tau, tau)
        at = new if accepted.all() else _merged(accepted, new, at)
    raise AssertionError("the last step ends every data set")


def _record(best: _Best, active, stop, ended, iteration, beta, tau, at: _Point) -> None:
    rows = active[stop]
    best.beta[rows], best.tau[rows] = beta[stop], tau[stop]
    best.log_likelihood[rows] = at.log_likelihood[stop]
    best.gradient[:, rows], best.hessian[:, rows] = at.gradient[:, stop], at.hessian[:, stop]
    best.converged[rows], best.iterations[rows] = ended[stop], iteration


def _taken(at: _Point, rows) -> _Point:
    return _Point(
        at.log_likelihood[rows],
        at.gradient[:, rows],
        at.hessian[:, rows],
        at.u[rows],
        at.u_b[rows],
        at.u_t[rows],
    )


def _merged(first: np.ndarray, one: _Point, other: _Point) -> _Point:
    """`one` in the data sets marked `first`, `other` elsewhere."""
    wide = first[:, None]
    return _Point(
        np.where(first, one.log_likelihood, other.log_likelihood),
        np.where(first, one.gradient, other.gradient),
        np.where(first, one.hessian, other.hessian),
        np.where(wide, one.u, other.u),
        np.where(wide, one.u_b, other.u_b),
        np.where(wide, one.u_t, other.u_t),
    )


def _newton_step(at: _Point) -> tuple[np.ndarray, np.ndarray]:
    """The step (2, B), and its length in standard errors, infinite where not concave.

    Where the log-likelihood is not concave its curvatures are taken by their size, so that
    the step goes uphill.
    """
    a, b, c = -at.hessian
    concave = (a > 0) & (a * c - b * b > 0)
    if not concave.all():
        a, b, c = np.where(concave, (a, b, c), _with_positive_curvatures(a, b, c))
    g, h = at.gradient
    step = np.array((c * g - b * h, a * h - b * g)) / (a * c - b * b)
    return step, np.where(concave, np.sqrt(np.abs(g * step[0] + h * step[1])), np.inf)


def _with_positive_curvatures(a, b, c) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The symmetric matrix [[a, b], [b, c]] with its eigenvalues replaced by their sizes."""
    middle, radius = (a + c) / 2, np.hypot((a - c) / 2, b)
    least = 1e-6 * (np.abs(middle) + radius) + _TINY
    high = np.maximum(np.abs(middle + radius), least)
    low = np.maximum(np.abs(middle - radius), least)
    mean, apart = (high + low) / 2, (high - low) / np.maximum(2 * radius, _TINY)
    return mean + apart * (a - middle), apart * b, mean + apart * (c - middle)


def _scan(counts: _Counts, rule: _Rule) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The highest of some points (beta, tau) with their u: (B,), (B,), (B, k).

    tau runs from below the most precise study's standard error to far above what
    proportions vary by; beta and u are near their joint mode given tau.
    """
    rows = counts.x.shape[0]
    vi = 1 / (counts.x + 0.5) + 1 / (counts.y + 0.5)
    least = 0.3 * np.sqrt(np.where(counts.m > 0, vi, np.inf).min(axis=1))
    grid = least * (8 / least) ** np.linspace(0, 1, _SCAN_POINTS)[:, None]
    all_counts = counts.take(np.tile(np.arange(rows), _SCAN_POINTS))
    tau = grid.ravel()
    beta, u = _joint_mode(all_counts, tau)
    heights = _height(all_counts, beta, tau, u, rule).reshape(grid.shape)
    best = heights.argmax(axis=0) * rows + np.arange(rows)
    return beta[best], tau[best], u[best]


def _joint_mode(counts: _Counts, tau: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """beta (B,) and u (B, k) near the mode of their joint density, given tau (B,)."""
    x, y, n = counts.x, counts.y, counts.n
    t = tau[:, None]
    logit, vi = np.log((x + 0.5) / (y + 0.5)), 1 / (x + 0.5) + 1 / (y + 0.5)
    precision = 1 / (vi + t * t)
    beta = (counts.sum(precision * logit) / counts.sum(precision))[:, None]
    u = t * precision * (logit - beta)
    for _ in range(_SCAN_STEPS):
        eta = beta + t * u
        p, q = expit(eta), expit(-eta)
        r, w = x * q - y * p, n * p * q
        d = 1 + t * t * w
        gradient = t * r - u
        step_beta = counts.sum(r - t * w * gradient / d) / (counts.sum(w / d) + _TINY)
        step_u = (gradient - t * w * step_beta[:, None]) / d
        moved = np.abs(step_beta[:, None] + t * step_u).max(axis=1, keepdims=True)
        share = 1 / np.maximum(1, moved)
        beta, u = beta + share * step_beta[:, None], u + share * step_u
    return beta[:, 0], u


# The profile of tau -------------------------------------------------------------------------


def _profile_limit(counts: _Counts, start: _Point, beta, tau, drop, rule: _Rule, side) -> float:
    """tau where the profile is `drop` below the maximum, above (`side` 1) or below (-1) it.

    Newton's method on the root of the fall, which is nearly straight in ln tau, kept between
    the ends of a bracket.
    """
    low, high = (tau, np.inf) if side > 0 else (0.0, tau)
    height, u = float(start.log_likelihood[0]), start.u
    enough = _TOLERANCE + float(counts.rounding[0])
    tau = 1.5 * tau + 0.1 if side > 0 else tau / 2
    for _ in range(_NEWTON_STEPS):
        beta, at = _profile(counts, beta, tau, u, rule)
        u = at.u
        root = np.sqrt(2 * max(0.0, height - float(at.log_likelihood[0])))
        gap = root - np.sqrt(2 * drop)
        if abs(gap) <= enough:
            return tau
        low, high = (low, tau) if gap * side > 0 else (tau, high)
        # d root / d ln tau, and the step in ln tau
        slope = -float(at.gradient[1, 0]) * tau / root if root > 0 else 0.0
        new = tau * np.exp(np.clip(-gap / slope, -1.5, 1.5)) if slope * side > 0 else np.inf
        if not low < new < high:
            new = (low + high) / 2 if np.isfinite(high) else 2 * tau
        tau = float(new)
    raise NotConverged("the profile likelihood's limit of tau2 was not found")


def _profile(counts: _Counts, beta: float, tau: float, u, rule: _Rule) -> tuple[float, _Point]:
    """The maximum over beta at a given tau."""
    taus = np.full(1, tau)
    for _ in range(_NEWTON_STEPS):
        at = _evaluate(counts, np.full(1, beta), taus, u, rule)
        slope, curvature = float(at.gradient[0, 0]), -float(at.hessian[0, 0])
        step = slope / curvature if curvature > 0 else np.sign(slope)
        if abs(slope * step) <= _TOLERANCE**2:
            return beta, at
        beta, u = beta + float(np.clip(step, -1, 1)), at.u
    raise NotConverged("the profile likelihood of tau2 was not maximised over beta")
