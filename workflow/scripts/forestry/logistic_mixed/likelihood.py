"""What each study adds to the log-likelihood, and to its first two derivatives.

Everything is elementwise over N studies, each with its own beta and tau: (N,), or (J, N) over
J nodes. Leading axes of 2 are the directions (beta, tau), of 3 the pairs (beta beta,
beta tau, tau tau). Derivatives are total: the nodes' movement with beta and tau included.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from forestry.checks import NotConverged
from forestry.logistic_mixed.counts import Counts

_MODE_STEPS = 200
_HALLEY_STEPS = 30  # at most, of these
_SLAB = 2**15  # numbers in an array over nodes, at once: such arrays stay in the cache
_TERMS = 7  # that BLAS sums at once
_WILD = 50.0  # a guess at a mode is no guess where its logit is beyond this and beta
_STEEPEST = 700.0  # logits are held within, as exp does not reach further


@dataclass(frozen=True, eq=False)
class Rule:
    """Gauss-Hermite nodes z for a standard normal weight and log(w) + z^2/2, (J, 1) each.

    `powers` (5, J) are z^0 to z^4, `reach` is the farthest of z.
    """

    z: np.ndarray
    log_weight: np.ndarray
    powers: np.ndarray
    reach: float


@lru_cache
def rule_of(nodes: int) -> Rule:
    """Raises ValueError for nodes below 1."""
    if nodes != int(nodes) or nodes < 1:
        raise ValueError(f"nodes must be a whole number of 1 or more, not {nodes}")
    z, w = np.polynomial.hermite_e.hermegauss(int(nodes))
    log_weight = np.log(w / w.sum()) + z**2 / 2
    return Rule(z[:, None], log_weight[:, None], z ** np.arange(5)[:, None], float(z.max()))


def logits(x, y) -> tuple[np.ndarray, np.ndarray]:
    """The observed logits and their sampling variances, 0.5 added to all cells."""
    return np.log((x + 0.5) / (y + 0.5)), 1 / (x + 0.5) + 1 / (y + 0.5)


# The posterior modes --------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Mode:
    """The posterior modes u and, there: p, q = 1-p, r = x - n p, w = n p q, d = 1 + tau^2 w.

    `odds` is p / q.
    """

    u: np.ndarray
    odds: np.ndarray
    p: np.ndarray
    q: np.ndarray
    r: np.ndarray
    w: np.ndarray
    d: np.ndarray


def mode_of(x, y, beta, tau, u, exact: bool = True) -> Mode:
    """Solve tau r(beta + tau u) = u for u, from a first guess. Raises NotConverged.

    By Halley's method; should it take long, by Newton's. The logit then moves by at most 1 a
    step, within which w changes by at most a factor e, so that every step brings the solution
    nearer, wherever it starts. A study that has arrived stays, so that it does not depend on
    the company it is in: where its next step would be less than rounding or, not `exact`,
    less than 1/30,000 of a posterior standard deviation.
    """
    n, tau2, logit, odds_of = x + y, tau * tau, beta + tau * u, np.exp
    if not _largest(np.abs(logit)) < _WILD:
        wild = np.abs(tau * u) > _WILD + np.abs(beta)
        u = np.where(wild, mode_guess(x, y, beta, tau), u)
        logit, odds_of = beta + tau * u, _odds
    away, enough, near = None, 1e-26 if exact else 1e-9, 1 / max(_largest(tau2), 1.0)
    for taken in range(_MODE_STEPS):
        odds = odds_of(logit)
        q = 1 / (1 + odds)
        p = odds * q
        r = x * q - y * p  # not x - n p, which cancels
        w = n * p * q
        tau2_w = tau2 * w
        d = 1 + tau2_w
        gradient = tau * r - u
        step = gradient / d
        size = gradient * step  # the square of the step, in posterior variances
        away = size > enough if away is None else away & (size > enough)
        if not np.logical_or.reduce(away):
            return Mode(u, odds, p, q, r, w, d)
        by_halley = taken < _HALLEY_STEPS
        if by_halley:
            step /= _bend(step, tau, tau2_w * (q - p) / d, not _largest(size) < near)
        else:
            step /= np.maximum(1, np.abs(tau * step))
        u = u + away * step
        logit = beta + tau * u
        away &= size > (1e-10 if by_halley else 1e-16)  # then the error is its cube, or square
    raise NotConverged("the studies' posterior modes were not found")


def _largest(values: np.ndarray | float) -> float:
    """Of an array (N,), or the one number; numpy's own takes twice the time for so few."""
    return np.maximum.reduce(values) if isinstance(values, np.ndarray) else values


def _bend(step, tau, skew, held: bool) -> np.ndarray:
    """What Newton's step is divided by, by Halley's method.

    To be `held` is not to move a logit by more than 2; steps below 1 need it not.
    """
    half = 0.5 * tau * step
    bend = 1 + half * skew
    if not held:
        return bend
    bend = np.minimum(np.maximum(bend, 0.5), 2)
    return bend * np.maximum(1, np.abs(half / bend))


def mode_guess(x, y, beta, tau) -> np.ndarray:
    """About where the posterior modes are: were the logits normal."""
    logit, variance = logits(x, y)
    return tau * (logit - beta) / (variance + tau * tau)


def _odds(logit: np.ndarray) -> np.ndarray:
    return np.exp(np.minimum(np.maximum(logit, -_STEEPEST), _STEEPEST))


# The nodes' movement ----------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Movement:
    """How the nodes v = u + s z of each study move, and ln(s).

    Derivatives of u and s: first (2 directions, 2, N) and second (2, 3 pairs, N), which is
    None where it is left out, out of `log_s2` as well.
    """

    s: np.ndarray
    first: np.ndarray
    second: np.ndarray | None
    log_s1: np.ndarray
    log_s2: np.ndarray


def _movement(mode: Mode, t: np.ndarray, second_too: bool) -> _Movement:
    """By differentiation of t r(eta) = u, eta = beta + t u, and of s = d^-1/2, d = 1 + t^2 w."""
    u, share = mode.u, mode.w / mode.d
    eta1 = np.empty((2, u.size))
    np.divide(1, mode.d, out=eta1[0])
    np.multiply(2 * u, eta1[0], out=eta1[1])  # u = t r
    s = np.sqrt(eta1[0])
    bend = t * share * (mode.q - mode.p)  # of d, relative to it and t
    half = 0.5 * t * bend

    first = np.empty((2, 2, u.size))
    u1 = first[:, 0]
    np.multiply(eta1, -t * mode.w, out=u1)
    u1[1] += mode.r
    log_s1 = eta1 * -half
    log_s1[1] -= t * share
    np.multiply(log_s1, s, out=first[:, 1])
    squares = _pairs(log_s1)
    if not second_too:
        return _Movement(s, first, None, log_s1, np.negative(squares, out=squares))

    second = np.empty((2, 3, u.size))
    mixed, pairs = share * (t * u1 + eta1), _pairs(eta1)
    np.multiply(pairs, -bend, out=second[0])
    _take_from_tau(second[0], mixed)
    log_s2 = pairs * (2 * half * half - 0.5 * t * t * share * (1 - 6 * mode.p * mode.q))
    _take_from_tau(log_s2, half * (u1 - t * mixed) + bend * eta1)
    log_s2[2] -= share
    squares += squares
    log_s2 += squares
    squares *= 0.5
    squares += log_s2
    np.multiply(squares, s, out=second[1])
    return _Movement(s, first, second, log_s1, log_s2)


def _pairs(a: np.ndarray) -> np.ndarray:
    """The products a_b a_b, a_b a_t, a_t a_t of (2, N), (3, N)."""
    products = np.empty((3, a.shape[1]))
    np.multiply(a, a[0], out=products[:2])
    np.multiply(a[1], a[1], out=products[2])
    return products


def _take_from_tau(pairs: np.ndarray, a: np.ndarray) -> None:
    """Subtract from pairs (3, N) the a (2, N) of the one direction where tau is the other."""
    pairs[1:] -= a
    pairs[2] -= a[1]


# The integral -----------------------------------------------------------------------------------


def study_terms(
    x, y, beta, tau, u, rule: Rule, exact: bool = True
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What the studies add to the log-likelihood, gradient (2) and Hessian (3): (6, N).

    Without the binomial coefficient. `beta` and `tau` are (N,) or numbers, `u` (N,) is a guess
    at the modes; these are returned, and their first derivatives (2, N). Not `exact`, the
    modes are rough and the Hessian leaves out what the second movement of the nodes adds: the
    little by which the integral depends on where they are. Raises NotConverged.

    A study's likelihood is s sum_j w_j exp(z_j^2/2 + h_j), h = x ln p + (n-x) ln(1-p) - v^2/2
    at the node v = u + s z, with p at the logit eta = beta + tau v. h is concave with its
    mode at z = 0: beside it no term overflows, nor do all vanish.

    All the derivatives are sums of moments over the nodes.
    """
    mode = mode_of(x, y, beta, tau, u, exact)
    at, u = _movement(mode, tau, exact), mode.u
    peak = x * np.log1p(1 / mode.odds) + y * np.log1p(mode.odds) + u * u / 2
    moments = _moments(x, x + y, tau, at.s, mode, rule)
    whole = moments[0].copy()
    moments /= whole
    terms = np.empty((6, u.size))
    np.log(whole * at.s, out=terms[0])
    terms[0] -= peak
    _derivatives(moments, tau, u, at, terms[1:3], terms[3:])
    return terms, u, at.first[:, 0]


def _derivatives(moments, tau, u, at: _Movement, gradient, hessian) -> None:
    """Those of the logarithm of the integral, into (2, N) and (3, N).

    h has the derivatives r in beta, r v in tau and c = tau r - v in v, which beta and tau move
    as well, by `at.first` of (1, z). A second derivative of h brings in -w where r^2 stands,
    -1 where v meets v, and r where tau and v do. Of `moments`, and of those by v and c, the
    fifth row and the tenth begin what has a factor r, and r^2 - w.
    """
    s, moved = at.s, at.first
    by_v = u * moments[:14] + s * moments[1:]
    by_c = tau * moments[5:] - by_v[:10]
    by_cv = u * by_c[:8] + s * by_c[1:9]
    shift = moved * by_c[:2]
    np.add(shift[:, 0], shift[:, 1], out=gradient)
    gradient[0] += moments[5]
    gradient[1] += by_v[5]

    unmoved = np.empty((2, 2, u.size))  # r and r v, each with c and c z
    unmoved[0] = by_c[5:7]
    np.add(by_cv[5:7], moments[5:7], out=unmoved[1])
    cc = tau * by_c[5:8] - by_cv[:3] - moments[:3]
    whole = unmoved + moved[:, :1] * cc[:2] + moved[:, 1:] * cc[1:]
    shift = moved[0] * whole + moved * unmoved[0]
    np.add(shift[:, 0], shift[:, 1], out=hessian[:2])
    shift = moved[1] * (whole[1] + unmoved[1])
    np.add(shift[0], shift[1], out=hessian[2])
    hessian[0] += moments[10]
    hessian[1] += by_v[10]
    hessian[2] += u * by_v[10] + s * by_v[11]
    hessian -= _pairs(gradient)
    if at.second is not None:
        hessian += at.second[0] * by_c[0] + at.second[1] * by_c[1]
    hessian += at.log_s2
    gradient += at.log_s1


def _moments(x, n, tau, s, mode: Mode, rule: Rule) -> np.ndarray:
    """Sums over the nodes of the weighted integrand times (1, r, r^2 - w) times z^0 to z^4.

    (15, N), the power running fastest; relative to the integrand's value at the mode.
    """
    v = s * rule.z  # from the mode on
    logit = tau * v
    if _largest(abs(tau)) * rule.reach > _STEEPEST:
        np.clip(logit, -_STEEPEST, _STEEPEST, out=logit)
    odds = np.exp(logit, out=logit)  # relative to those at the mode
    fall = odds * mode.p
    fall += mode.q
    weighted = np.empty((3, *v.shape))
    share, r, square = weighted
    np.divide(odds, fall, out=square)
    np.subtract(odds, 1, out=r)
    r /= fall
    square /= fall
    np.log(fall, out=fall)
    fall *= n
    np.multiply(v, -0.5, out=share)
    share += x * tau - mode.u
    share *= v
    share += rule.log_weight
    share -= fall
    np.exp(share, out=share)
    r *= mode.w
    np.subtract(mode.r, r, out=r)
    square *= mode.w
    np.subtract(r * r, square, out=square)
    r *= share
    square *= share
    return _sums_of_powers(rule.powers, weighted)


def _sums_of_powers(powers: np.ndarray, weighted: np.ndarray) -> np.ndarray:
    """The products of (5, J) and (3, J, N), (15, N), which no study's neighbours change.

    BLAS sums few terms in one order, for any number of columns but one; of more terms the
    order, and with it the last bit, hangs on that number.
    """
    nodes, size = weighted.shape[1:]
    if size == 1:
        weighted = np.repeat(weighted, 2, axis=2)
    sums = np.matmul(powers[:, :_TERMS], weighted[:, :_TERMS])
    for start in range(_TERMS, nodes, _TERMS):
        part = slice(start, start + _TERMS)
        sums += np.matmul(powers[:, part], weighted[:, part])
    return sums.reshape(15, -1)[:, :size]


# Of whole data sets -----------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Point:
    """The log-likelihood (B,) without constant, gradient (2, B) and Hessian (3, B: bb, bt, tt).

    `u` (N,) are the posterior modes, `u1` (2, N) their derivatives.
    """

    log_likelihood: np.ndarray
    gradient: np.ndarray
    hessian: np.ndarray
    u: np.ndarray
    u1: np.ndarray


def evaluate(counts: Counts, beta, tau, rule: Rule, u: np.ndarray | None = None) -> Point:
    """The log-likelihood and its derivatives at `beta`, `tau` (B,).

    `u` (N,) is a guess at the modes. Raises NotConverged.
    """
    b, t = beta[counts.row], tau[counts.row]
    terms, u, u1 = in_slabs(counts.x, counts.y, b, t, rule, u)
    sums = counts.sum(terms)
    return Point(sums[0], sums[1:3], sums[3:], u, u1)


def in_slabs(x, y, beta, tau, rule: Rule, u: np.ndarray | None = None, exact: bool = True):
    """`study_terms` of any number of studies, a slab of them after another."""
    if u is None:
        u = mode_guess(x, y, beta, tau)
    slab = max(2, _SLAB // rule.z.size)
    if x.size <= slab:
        return study_terms(x, y, beta, tau, u, rule, exact)
    terms, modes, u1 = np.empty((6, x.size)), np.empty(x.size), np.empty((2, x.size))
    for start in range(0, x.size, slab):
        at = slice(start, start + slab)
        found = study_terms(x[at], y[at], beta[at], tau[at], u[at], rule, exact)
        terms[:, at], modes[at], u1[:, at] = found
    return terms, modes, u1
