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
_SLAB = 2**14  # numbers in an array over nodes, at once: such arrays stay in the cache
_WILD = 50.0  # a guess at a mode is no guess where its logit is beyond this and beta
_STEEPEST = 700.0  # logits are held within, as exp does not reach further


@dataclass(frozen=True, eq=False)
class Rule:
    """Gauss-Hermite nodes z for a standard normal weight and log(w) + z^2/2, (J, 1) each.

    `powers` (5, J) are z^0 to z^4.
    """

    z: np.ndarray
    log_weight: np.ndarray
    powers: np.ndarray


@lru_cache
def rule_of(nodes: int) -> Rule:
    """Raises ValueError for nodes below 1."""
    if nodes != int(nodes) or nodes < 1:
        raise ValueError(f"nodes must be a whole number of 1 or more, not {nodes}")
    z, w = np.polynomial.hermite_e.hermegauss(int(nodes))
    log_weight = np.log(w / w.sum()) + z**2 / 2
    return Rule(z[:, None], log_weight[:, None], z ** np.arange(5)[:, None])


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


def mode_of(x, y, beta, tau, u) -> Mode:
    """Solve tau r(beta + tau u) = u for u, from a first guess. Raises NotConverged.

    By Halley's method; should it take long, by Newton's. The logit then moves by at most 1 a
    step, within which w changes by at most a factor e, so that every step brings the solution
    nearer, wherever it starts. A study that has arrived stays, so that it does not depend on
    the company it is in.
    """
    n, tau2 = x + y, tau * tau
    wild = np.abs(tau * u) > _WILD + np.abs(beta)
    if wild.any():
        u = np.where(wild, mode_guess(x, y, beta, tau), u)
    # In posterior variances; rounding of the logit, a sum with beta, is felt sqrt(n) / 2 times.
    enough = (1e-12 + 1e-15 * np.sqrt(n) * (4 + np.abs(beta))) ** 2
    for taken in range(_MODE_STEPS):
        odds = _odds(beta + tau * u)
        q = 1 / (1 + odds)
        p = odds * q
        r = x * q - y * p  # not x - n p, which cancels
        w = n * p * q
        tau2_w = tau2 * w
        d = 1 + tau2_w
        gradient = tau * r - u
        moving = gradient * gradient > enough * d
        if not moving.any():
            return Mode(u, odds, p, q, r, w, d)
        step = moving * gradient / d
        if taken < _HALLEY_STEPS:
            bend = 1 + (0.5 * tau) * step * tau2_w * (q - p) / d
            step /= np.minimum(np.maximum(bend, 0.5), 2)
            step /= np.maximum(1, np.abs(0.5 * tau * step))
        else:
            step /= np.maximum(1, np.abs(tau * step))
        u = u + step
    raise NotConverged("the studies' posterior modes were not found")


def mode_guess(x, y, beta, tau) -> np.ndarray:
    """About where the posterior modes are: were the logits normal."""
    logit, variance = logits(x, y)
    return tau * (logit - beta) / (variance + tau * tau)


def _odds(logit: np.ndarray) -> np.ndarray:
    np.maximum(logit, -_STEEPEST, out=logit)
    np.minimum(logit, _STEEPEST, out=logit)
    return np.exp(logit, out=logit)


def _pairs(a: np.ndarray) -> np.ndarray:
    """The products a_b a_b, a_b a_t, a_t a_t of (2, ...), (3, ...)."""
    products = np.empty((3, *a.shape[1:]))
    np.multiply(a, a[0], out=products[:2])
    np.multiply(a[1], a[1], out=products[2])
    return products


@dataclass(frozen=True, eq=False)
class _Movement:
    """How the nodes u + s z of each study move, and the logit at the mode, eta.

    Suffixes 1 and 2 are first and second derivatives, (2, N) and (3, N).
    """

    eta1: np.ndarray
    u1: np.ndarray
    u2: np.ndarray
    s: np.ndarray
    s1: np.ndarray
    s2: np.ndarray
    log_s1: np.ndarray
    log_s2: np.ndarray


def _movement(mode: Mode, t: np.ndarray) -> _Movement:
    """By differentiation of t r(eta) = u, eta = beta + t u, and of s = d^-1/2, d = 1 + t^2 w."""
    u, w, d = mode.u, mode.w, mode.d
    tw = t * w
    tw1 = tw * (mode.q - mode.p)  # t dw/d eta
    eta1 = np.empty((2, u.size))
    eta1[0], eta1[1] = 1 / d, 2 * u / d  # u = t r
    u1 = eta1 * -tw
    u1[1] += mode.r
    tu1 = t * u1
    bent = _pairs(eta1)
    u2 = bent * tw1
    u2[1:] += w * (tu1 + eta1)
    u2[2] += w * (tu1[1] + eta1[1])
    u2 /= -d
    eta2 = t * u2
    eta2[1:] += u1
    eta2[2] += u1[1]

    half = t / (2 * d)
    d1 = eta1 * (tw1 * half)  # of d, halved and relative to d
    d1[1] += 2 * w * half
    d2 = bent * (tw * (1 - 6 * mode.p * mode.q)) + eta2 * tw1
    d2[1:] += 2 * w * (mode.q - mode.p) * eta1
    d2[2] += 2 * w * (mode.q - mode.p) * eta1[1]
    d2 *= half
    d2[2] += w / d
    s, dd = 1 / np.sqrt(d), _pairs(d1)
    return _Movement(eta1, u1, u2, s, -s * d1, s * (3 * dd - d2), -d1, 2 * dd - d2)


# The integral -----------------------------------------------------------------------------------


def _gram() -> np.ndarray:
    """Where the means of the products of (r, r z, 1, z, z^2) stand among 15 moments, (5, 5).

    The moments are those of (1, r, r^2 - w), each times z^0 to z^4.
    """
    kind, power = np.array([1, 1, 0, 0, 0]), np.array([0, 1, 0, 1, 2])
    return 3 * (power[:, None] + power) + kind[:, None] + kind


_GRAM = _gram()
_FIRST = _GRAM[2]


def study_terms(x, y, beta, tau, u, rule: Rule) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What the studies add to the log-likelihood, gradient (2) and Hessian (3): (6, N).

    Without the binomial coefficient. `u` (N,) is a guess at the modes; these are returned,
    and their first derivatives (2, N). Raises NotConverged.

    A study's likelihood is s sum_j w_j exp(z_j^2/2 + h_j), h = x ln p + (n-x) ln(1-p) - v^2/2
    at the node v = u + s z, with p at the logit eta = beta + tau v. h is concave with its
    mode at z = 0: beside it no term overflows, nor do all vanish. The derivatives of h are
    r eta_a - v v_a, and eta_a, v_a are linear in z, so that the means over the nodes are sums
    of moments of r and z.
    """
    mode = mode_of(x, y, beta, tau, u)
    at, u = _movement(mode, tau), mode.u
    peak = x * np.log1p(1 / mode.odds) + y * np.log1p(mode.odds) + u * u / 2
    moments = _moments(x, y, beta, tau, u, at.s, peak, rule)
    whole = moments[0].copy()
    moments /= whole

    s, s1, u1 = at.s, at.s1, at.u1
    slope = np.empty((2, 5, u.size))  # the derivatives of h, in r, r z, 1, z, z^2
    slope[:, 0] = at.eta1
    slope[:, 1] = tau * s1
    slope[1, 1] += s
    slope[:, 2] = -u * u1
    slope[:, 3] = -(u * s1 + s * u1)
    slope[:, 4] = -s * s1
    mean = np.einsum("ain,in->an", slope, moments[_FIRST])
    products = np.einsum("ain,ijn->ajn", slope, moments[_GRAM])

    terms = np.empty((6, u.size))
    terms[0] = np.log(whole * s) - peak
    terms[1:3] = mean + at.log_s1
    second = terms[3:]
    np.einsum("ain,in->an", slope, products[0], out=second[:2])
    np.einsum("in,in->n", slope[1], products[1], out=second[2])
    second += at.log_s2 - _pairs(mean)
    # h's own second derivatives beside -w eta_a eta_b, which r^2 - w has brought in.
    z1, z2, r0, r1 = moments[3], moments[6], moments[1], moments[4]
    second += (tau * r0 - u - s * z1) * at.u2 + (tau * r1 - u * z1 - s * z2) * at.s2
    second -= _pairs(u1 + s1 * z1) + (z2 - z1 * z1) * _pairs(s1)
    rv = u1 * r0 + s1 * r1
    second[1:] += rv
    second[2] += rv[1]
    return terms, u, u1


def _moments(x, y, beta, tau, u, s, peak, rule: Rule) -> np.ndarray:
    """Sums over the nodes of the weighted integrand times z^0 to z^4 times (1, r, r^2 - w).

    (15, N), the kind running fastest; relative to the integrand's value at the mode.
    """
    v = s * rule.z
    v += u
    odds = _odds(beta + tau * v)
    fall = np.log1p(odds)
    fall *= y
    q = 1 / (1 + odds)
    p = odds * q
    np.divide(1, odds, out=odds)
    np.log1p(odds, out=odds)
    odds *= x
    fall += odds
    v *= v
    v *= 0.5
    fall += v
    np.subtract(peak + rule.log_weight, fall, out=fall)
    weighted = np.empty((rule.z.size, 3, u.size))
    share = np.exp(fall, out=weighted[:, 0])
    r = x * q
    r -= y * p
    np.multiply(share, r, out=weighted[:, 1])
    r *= r
    p *= q
    p *= x + y
    r -= p
    np.multiply(share, r, out=weighted[:, 2])
    sums = rule.powers @ weighted.reshape(rule.z.size, -1)
    return sums.reshape(15, u.size)


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


def in_slabs(x, y, beta, tau, rule: Rule, u: np.ndarray | None = None):
    """`study_terms` of any number of studies, a slab of them after another."""
    if u is None:
        u = mode_guess(x, y, beta, tau)
    slab = max(2, _SLAB // rule.z.size)
    if x.size <= slab:
        return study_terms(x, y, beta, tau, u, rule)
    terms, modes, u1 = np.empty((6, x.size)), np.empty(x.size), np.empty((2, x.size))
    for start in range(0, x.size, slab):
        at = slice(start, start + slab)
        found = study_terms(x[at], y[at], beta[at], tau[at], u[at], rule)
        terms[:, at], modes[at], u1[:, at] = found
    return terms, modes, u1
