"""tau2, the variance between studies, of one data set, by eight estimators.

Everything is on the scale of analysis (link): `yi` are estimates and `vi` their sampling
variances, known and positive. With w_i = 1/(v_i + t), mu(t) the weighted mean and
P(t) = W - W X (X'WX)^-1 X'W, the estimators of t = tau2 are those of DerSimonian & Laird
1986 (DL), Hedges & Olkin 1985 (HE), Hunter & Schmidt 1990 (HS), Sidik & Jonkman 2005 (SJ),
Paule & Mandel 1982 (PM, equal to Morris' 1983 empirical Bayes, EB), and maximum and
restricted maximum likelihood (ML, REML), as reviewed by Viechtbauer 2005 (J Educ Behav
Stat 30:261) and Veroniki 2016 (Res Synth Methods 7:55).

Many data sets at once are `forestry.tau2_batch`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from forestry.checks import NotConverged, check_choice, checked_studies
from forestry.weighted_sums import (
    Parts,
    degrees,
    largest_variance,
    parts_of,
    profile_log_likelihood,
    q_and_ypp,
    scores,
    smallest_variance,
    squares,
    studies,
    traces,
)

COMMON = "none"  # the method of the common effect model, which has no tau2

# The scan of the likelihood, in log(tau2 + smallest v): a term of it changes over one to two
# units there. A maximum beside a lower one at zero can be nearer than a step, and rises
# over a factor of three in tau2 or more: the first step is halved towards zero.
SCAN_STEP = 0.5
HALVINGS = 6
TOLERANCE = 1e-9  # last Newton step, relative to tau2 + smallest v: the error is its square
MAX_ITERATIONS = 200


@dataclass(frozen=True)
class Tau2:
    """Between-study variance, on the scale of `vi`; `se` is None where it was given."""

    method: str
    estimate: float
    se: float | None


def tau2(yi: ArrayLike, vi: ArrayLike, method: str, groups: ArrayLike | None = None) -> Tau2:
    """tau2 of one data set, shape (k,), by one of TAU2_METHODS, truncated at zero.

    With `groups`, labels of shape (k,), each group has a mean of its own and tau2 is
    common to all: the residual heterogeneity of a mixed model.

    The standard error is the large-sample one: sqrt(2)/sqrt(information) for ML and REML,
    that of the quadratic form for DL, HE, HS and SJ, and Morris' for PM and EB. ML and
    REML are the highest of all maxima over tau2 >= 0, the boundary included.

    Raises ValueError for fewer than two studies (or no more studies than groups),
    NotConverged where the search fails.
    """
    check_choice("tau2 method", method, TAU2_METHODS)
    yi, vi = checked_studies(yi, vi, least=2)
    parts = parts_of(yi, vi, groups)
    if degrees(parts) <= 0:
        raise ValueError("tau2 needs more studies than groups")
    estimate = float(_ESTIMATORS[method](parts))
    return Tau2(method, estimate, float(_STANDARD_ERRORS[method](parts, estimate)))


def tau2_from_q(q: float, vi: ArrayLike) -> float:
    """DerSimonian-Laird's tau2 from a Q on k-1 df, about whatever mean it was taken.

    With Q about the Mantel-Haenszel mean this is the estimate of RevMan 5 and of R's meta.
    """
    none, vi = checked_studies(np.zeros(np.size(vi)), vi, least=2)
    trace_p = traces(parts_of(none, vi, None), 0.0)[0]
    return max(0.0, float((q - (vi.size - 1)) / trace_p))


def generalised_q(
    yi: ArrayLike, vi: ArrayLike, tau2: float, groups: ArrayLike | None = None
) -> float:
    """Q(tau2) = sum w (y - mu)^2 with w = 1/(v + tau2); Cochran's Q at tau2 = 0.

    With `groups`, mu is each group's own mean.
    """
    return float(q_and_ypp(parts_of(*checked_studies(yi, vi, least=1), groups), float(tau2))[0])


def solve_generalised_q(
    yi: ArrayLike, vi: ArrayLike, target: float, groups: ArrayLike | None = None
) -> float | None:
    """The tau2 >= 0 at which the generalised Q equals `target`, None where Q(0) is below it.

    Raises ValueError for a target that is not positive, NotConverged where the search fails.
    """
    if not target > 0:
        raise ValueError(f"Q takes positive values only, not {target}")
    parts = parts_of(*checked_studies(yi, vi, least=2), groups)
    if q_and_ypp(parts, 0.0)[0] < target:
        return None
    return float(_solve_q(parts, target))


def log_likelihood(
    yi: ArrayLike, vi: ArrayLike, tau2: float, method: str, groups: ArrayLike | None = None
) -> float:
    """That of tau2 by "ML" or "REML", at its maximum over the means and without its constant."""
    check_choice("likelihood", method, LIKELIHOODS)
    parts = parts_of(*checked_studies(yi, vi, least=1), groups)
    return float(profile_log_likelihood(parts, float(tau2), method == "REML"))


def likelihood_scan(
    yi: ArrayLike, vi: ArrayLike, method: str, groups: ArrayLike | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Values of tau2 from 0, beyond the last of which no likelihood rises, and `log_likelihood`
    at each: shapes (points,).
    """
    check_choice("likelihood", method, LIKELIHOODS)
    return _scan(parts_of(*checked_studies(yi, vi, least=2), groups), method == "REML")


# The estimators ---------------------------------------------------------------------------------


def _dersimonian_laird(parts: Parts) -> float:
    return max(0.0, (q_and_ypp(parts, 0.0)[0] - degrees(parts)) / traces(parts, 0.0)[0])


def _hunter_schmidt(parts: Parts) -> float:
    return max(0.0, (q_and_ypp(parts, 0.0)[0] - studies(parts)) / traces(parts, 0.0)[2])


def _hedges(parts: Parts) -> float:
    """Sum of squares about the unweighted means, less its expectation at tau2 = 0."""
    expected = sum(part.v.sum() * (1 - 1 / part.v.size) for part in parts)
    return max(0.0, (squares(parts) - expected) / degrees(parts))


def _sidik_jonkman(parts: Parts) -> float:
    start = _total_variance(parts)
    return start * q_and_ypp(parts, start)[0] / degrees(parts)


def _total_variance(parts: Parts) -> float:
    """Variance of the estimates about the mean of all, of whatever group."""
    return sum(float(((part.y + part.offset) ** 2).sum()) for part in parts) / studies(parts)


def _paule_mandel(parts: Parts) -> float:
    target = degrees(parts)
    return 0.0 if q_and_ypp(parts, 0.0)[0] <= target else _solve_q(parts, target)


def _solve_q(parts: Parts, target: float) -> float:
    """t with Q(t) = target, where Q(0) is not below it.

    1/Q is concave and increasing in t (Q is a sum of c/(lambda + t) with c >= 0), so that
    Newton's steps on it from 0 rise to the solution and never pass it.
    """
    t, smallest = 0.0, smallest_variance(parts)
    for _ in range(MAX_ITERATIONS):
        q, ypp = q_and_ypp(parts, t)
        if ypp == 0:
            return t
        step = (q - target) * q / (target * ypp)
        t = max(0.0, t + step)
        if abs(step) <= TOLERANCE * (t + smallest):
            return t
    raise NotConverged(f"Q(tau2) = target was not solved in {MAX_ITERATIONS} iterations")


def _maximum_likelihood(parts: Parts) -> float:
    return _maximise(parts, restricted=False)


def _restricted_maximum_likelihood(parts: Parts) -> float:
    return _maximise(parts, restricted=True)


def _maximise(parts: Parts, restricted: bool) -> float:
    """The highest maximum over t >= 0: a scan, then every local maximum of it refined."""
    grid, heights = (values.tolist() for values in _scan(parts, restricted))
    found = [_refine(parts, grid, heights, i, restricted) for i in _peaks(heights)]
    if len(found) == 1:
        return found[0]
    return max(found, key=lambda t: profile_log_likelihood(parts, t, restricted))


def _scan(parts: Parts, restricted: bool) -> tuple[np.ndarray, np.ndarray]:
    """tau2 from 0 to its bound, even in log(tau2 + smallest v), and the likelihood there."""
    smallest = smallest_variance(parts)
    bound = likelihood_bound(squares(parts), degrees(parts), largest_variance(parts) - smallest)
    points = scan_points(max(bound / smallest, 1.0)) * smallest
    return points, profile_log_likelihood(parts, points, restricted)


def scan_points(bound: float) -> np.ndarray:
    """0, its halved first step, and even steps to `bound`, in units of the smallest variance."""
    steps = int(np.ceil(np.log1p(bound) / SCAN_STEP))
    halved = 0.5 ** np.arange(HALVINGS, 0, -1)
    return np.expm1(SCAN_STEP * np.concatenate([[0.0], halved, np.arange(1, steps + 1)]))


def likelihood_bound(squares, df, spread):
    """A tau2 beyond which no (restricted) likelihood rises.

    Its score is y'PPy - tr P or less, with y'PPy <= S/(t + smallest v)^2 for S the sum of
    squares about the plain means, and tr P >= df/(t + largest v); `spread` is the difference
    between these variances.
    """
    per_df = squares / df
    return (per_df + np.sqrt(per_df * (per_df + 4 * spread))) / 2


def _peaks(heights: Sequence[float]) -> list[int]:
    """Points no lower than those beside them, the ends included."""
    last = len(heights) - 1
    return [
        i
        for i, height in enumerate(heights)
        if (i == 0 or height > heights[i - 1]) and (i == last or height >= heights[i + 1])
    ]


def _refine(parts, grid, heights, i, restricted) -> float:
    """Newton's method on the score, from the vertex of the parabola through a peak.

    Kept between the ends of a bracket, of which it takes the middle where a step leads out
    or the likelihood is not concave. A score that is not positive at zero leaves zero.
    """
    last, smallest = len(grid) - 1, smallest_variance(parts)
    low, t, high = grid[max(i - 1, 0)], grid[i], grid[min(i + 1, last)]
    if HALVINGS + 1 < i < last:  # where the points are even
        t = parabola_vertex(t, smallest, *heights[i - 1 : i + 2])
    for _ in range(MAX_ITERATIONS):
        score, curvature = scores(parts, t, restricted)
        low, high = (t, high) if score > 0 else (low, t)
        new = t + score / curvature if curvature > 0 else -1.0
        if not low <= new <= high:
            new = (low + high) / 2
        if abs(new - t) <= TOLERANCE * (new + smallest):
            return float(new)
        t = new
    raise NotConverged(f"the likelihood of tau2 was not maximised in {MAX_ITERATIONS} iterations")


def parabola_vertex(t, smallest, before, at, after):
    """Where a parabola in log(tau2 + smallest v) through three scan points has its vertex."""
    bend = 2 * at - before - after
    step = 0.5 * (after - before) / np.where(bend > 0, bend, np.inf)
    return (t + smallest) * np.exp(SCAN_STEP * step) - smallest


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
TAU2_METHODS = tuple(_ESTIMATORS)
LIKELIHOODS = ("ML", "REML")


# Standard errors --------------------------------------------------------------------------------
# sqrt(2 tr(AMAM)) / c where tau2 = (y'Ay - const)/c, with M = diag(v + tau2) and A = P at
# fixed weights: 1/v for DL and HS, 1 for HE, 1/(v + total variance) for SJ.


def _dersimonian_laird_se(parts: Parts, estimate: float) -> float:
    fixed = [1 / part.v for part in parts]
    return _quadratic_form_se(parts, estimate, fixed, traces(parts, 0.0)[0])


def _hunter_schmidt_se(parts: Parts, estimate: float) -> float:
    fixed = [1 / part.v for part in parts]
    return _quadratic_form_se(parts, estimate, fixed, traces(parts, 0.0)[2])


def _hedges_se(parts: Parts, estimate: float) -> float:
    equal = [np.ones_like(part.v) for part in parts]
    return _quadratic_form_se(parts, estimate, equal, degrees(parts))


def _sidik_jonkman_se(parts: Parts, estimate: float) -> float:
    start = _total_variance(parts)
    if start == 0:
        return 0.0
    fixed = [1 / (part.v + start) for part in parts]
    return _quadratic_form_se(parts, estimate, fixed, degrees(parts) / start)


def _quadratic_form_se(parts: Parts, estimate: float, weights, c: float) -> float:
    trace = 0.0
    for (_, v, _), w in zip(parts, weights, strict=True):
        total, s1, others = v + estimate, w.sum(), w[1:].sum()
        diagonal = w * np.concatenate([[others], s1 - w[1:]]) / s1 * total
        beside = w * w * total / s1
        rest = beside[1:]
        crossed = 2 * beside[0] * rest.sum() + rest.sum() ** 2 - rest @ rest
        trace += diagonal @ diagonal + crossed
    return np.sqrt(2 * trace) / c


def _morris_se(parts: Parts, estimate: float) -> float:
    k = studies(parts)
    return np.sqrt(2 * k**2 / degrees(parts)) / traces(parts, estimate)[2]


def _maximum_likelihood_se(parts: Parts, estimate: float) -> float:
    return np.sqrt(2 / traces(parts, estimate)[3])


def _restricted_se(parts: Parts, estimate: float) -> float:
    return np.sqrt(2 / traces(parts, estimate)[1])


_STANDARD_ERRORS = {
    "DL": _dersimonian_laird_se,
    "HE": _hedges_se,
    "HS": _hunter_schmidt_se,
    "SJ": _sidik_jonkman_se,
    "EB": _morris_se,
    "PM": _morris_se,
    "ML": _maximum_likelihood_se,
    "REML": _restricted_se,
}
