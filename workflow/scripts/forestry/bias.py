"""Tests of small-study effects: does a study's effect go with its precision?

Egger's, Harbord's and Peters' tests are one weighted linear regression with different
columns; Begg and Mazumdar's is a rank correlation. Everything is in float64: Harbord's
variance of a trial with tens of thousands of patients does not fit 32-bit integers.

A test that cannot be made has None for numbers, and a note that says why.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from math import fsum, sqrt

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr, stdtr

from forestry.checks import checked_studies
from forestry.results import USUAL_MINIMUM, BiasRecord

FEWEST_STUDIES = 3

TOO_FEW = f"fewer than {FEWEST_STUDIES} studies"
SAME_SIZE = "studies of equal size: the covariate does not vary"

# Covariates closer than this, relative to the largest, are one value; so is a residual
# sum of squares this small relative to its data (it is the rounding of an exact fit).
EQUAL = 1e-12


@dataclass(frozen=True)
class BiasTest:
    """A test of small-study effects.

    `bias` is the slope of a regression test and `statistic` its t with `df` = k - 2;
    the rank test has Kendall's tau-b as `statistic`, and neither slope nor df. `k` counts
    the studies that enter the test. Numbers are None where the test cannot be made.
    """

    test: str  # egger | harbord_odds_ratio | harbord_risk_ratio | peters | peters_proportion
    # | begg | score_proportion
    k: int
    bias: float | None
    se: float | None
    statistic: float | None
    df: int | None
    p_value: float | None  # two-sided
    fewer_than_10: bool
    note: str


def bias_record(outcome: str, variant: str, result: BiasTest) -> BiasRecord:
    """The row of ``bias.csv`` for a test of an outcome under a variant."""
    return BiasRecord(outcome, variant, **asdict(result))


# The tests --------------------------------------------------------------------------------


def egger(yi: ArrayLike, vi: ArrayLike) -> BiasTest:
    """Egger's regression test in its classic, weighted form.

    `yi`, `vi` (k,): effects and their variances, link scale. Regresses yi on sqrt(vi) with
    weights 1/vi and a multiplicative dispersion; the slope is the intercept of Egger's
    regression of yi/sqrt(vi) on 1/sqrt(vi). Raises ValueError for arrays that differ in
    length, numbers that are not finite and variances that are not positive.

    Source: Egger, Davey Smith, Schneider & Minder, BMJ 1997;315:629.
    """
    yi, vi = checked_studies(yi, vi, least=0)
    return _regression_test("egger", yi, np.sqrt(vi), 1 / vi)


def harbord(
    events: ArrayLike,
    total: ArrayLike,
    control_events: ArrayLike,
    control_total: ArrayLike,
    measure: str = "odds_ratio",
) -> BiasTest:
    """Harbord's modified test for two arms, from the score Z and its variance V.

    Counts are (k,) each. Regresses Z/V on 1/sqrt(V) with weights V. `measure` is
    ``odds_ratio`` (Z and V of the hypergeometric likelihood) or ``risk_ratio``. Trials in
    which nobody or everybody had the event have no information and are left out; the note
    counts them. No continuity correction is made. Raises ValueError for another measure,
    and for counts that are not whole, negative or greater than their totals.

    Source: Harbord, Egger & Sterne, Stat Med 2006;25:3443; the risk ratio: Harbord, Harris
    & Sterne, Stata J 2009;9:197.
    """
    if measure not in SCORES:
        raise ValueError(f"measure is {measure!r}, not one of {', '.join(SCORES)}")
    arms = _two_arms(events, total, control_events, control_total)
    arms, note = _with_both_outcomes(*arms)
    score, variance = SCORES[measure](*arms)
    return _score_test(f"harbord_{measure}", score, variance, note)


def peters(
    events: ArrayLike,
    total: ArrayLike,
    control_events: ArrayLike,
    control_total: ArrayLike,
    add: float = 0.5,
) -> BiasTest:
    """Peters' test for two arms: the log odds ratio against the inverse of the sample size.

    Counts are (k,) each. The weights are E (N - E) / N, with E events among the N of both
    arms. `add` goes to the four cells of a trial with an empty cell, for its odds ratio
    only. Trials in which nobody or everybody had the event have weight zero and are left
    out; the note counts them. Raises ValueError as `harbord` does, and where a log odds
    ratio is infinite because `add` is zero.

    Source: Peters, Sutton, Jones, Abrams & Rushton, JAMA 2006;295:676.
    """
    arms = _two_arms(events, total, control_events, control_total)
    (a, n1, c, n2), note = _with_both_outcomes(*arms)
    cells = np.stack([a, n1 - a, c, n2 - c])
    empty = (cells == 0).any(axis=0)
    if empty.any() and not add > 0:
        raise ValueError("a trial with an empty cell needs a positive add for its odds ratio")
    treated, untreated, control, uncontrol = cells + np.where(empty, add, 0.0)
    log_odds_ratio = np.log(treated * uncontrol / (untreated * control))
    everyone, cases = n1 + n2, a + c
    weights = cases * (everyone - cases) / everyone
    return _regression_test("peters", log_odds_ratio, 1 / everyone, weights, note)


def peters_proportion(events: ArrayLike, total: ArrayLike) -> BiasTest:
    """Peters' test carried to single arms: the logit against the inverse of the sample size.

    `events`, `total` (k,). The weights are x (n - x) / n, the inverse of 1/x + 1/(n - x).
    A study with no event or with events only has an infinite variance and is left out; the
    note counts them. Raises ValueError for counts that are not whole, negative or greater
    than their totals.

    Source: the form that R's meta gives to Peters et al. 2006 for single proportions.
    """
    x, n = _single_arm(events, total)
    (x, n), note = _kept((x > 0) & (x < n), x, n)
    logits = np.log(x / (n - x))
    return _regression_test("peters_proportion", logits, 1 / n, x * (n - x) / n, note)


def score_proportion(events: ArrayLike, total: ArrayLike) -> BiasTest:
    """A score test for single arms in Harbord's manner: this project's own, not published.

    `events`, `total` (k,). With p0 the proportion of all patients together, a study's score
    is Z = x - n p0 and its variance V = n p0 (1 - p0); Z/V is regressed on 1/sqrt(V) with
    weights V. As Z/V is (x/n - p0) / (p0 (1 - p0)), that is a regression of the proportion
    on 1/sqrt(n) with weights n: the variance does not depend on the study's own proportion,
    so a study without events, or with events only, needs no correction and makes no
    artefact. Raises ValueError as `peters_proportion` does.
    """
    x, n = _single_arm(events, total)
    if len(n) < FEWEST_STUDIES:
        return _no_test("score_proportion", len(n), TOO_FEW)
    overall = x.sum() / n.sum()
    if overall in (0.0, 1.0):
        reason = "no study has an event" if overall == 0 else "every patient had the event"
        return _no_test("score_proportion", len(n), reason)
    variance = n * overall * (1 - overall)
    return _score_test("score_proportion", x - n * overall, variance, "project's own test")


def begg(yi: ArrayLike, vi: ArrayLike) -> BiasTest:
    """Begg and Mazumdar's rank correlation test.

    `yi`, `vi` (k,): effects and their variances, link scale. Kendall's tau-b of
    (yi - mu) / sqrt(vi - 1/sum(w)) with vi, mu the common-effect mean and w = 1/vi.
    Without ties p is exact, for any k; with ties it comes from the normal approximation
    with the variance corrected for ties and no correction for continuity. The note says
    which. Raises ValueError as `egger` does.

    Source: Begg & Mazumdar, Biometrics 1994;50:1088; Kendall, Rank Correlation Methods,
    4th ed. 1970.
    """
    yi, vi = checked_studies(yi, vi, least=0)
    k = len(yi)
    if k < FEWEST_STUDIES:
        return _no_test("begg", k, TOO_FEW)
    if _constant(vi):
        return _no_test("begg", k, SAME_SIZE)
    if _constant(yi):
        return _no_test("begg", k, "all effects are equal")
    tau, p_value, note = _kendall(_standardized_deviates(yi, vi), vi)
    return BiasTest("begg", k, None, None, tau, None, p_value, k < USUAL_MINIMUM, note)


# Columns ----------------------------------------------------------------------------------


def _odds_ratio_score(a, n1, c, n2) -> tuple[np.ndarray, np.ndarray]:
    cases, everyone = a + c, n1 + n2
    score = a - cases * n1 / everyone
    variance = n1 * n2 * cases * (everyone - cases) / (everyone**2 * (everyone - 1))
    return score, variance


def _risk_ratio_score(a, n1, c, n2) -> tuple[np.ndarray, np.ndarray]:
    cases, everyone = a + c, n1 + n2
    score = (a * everyone - cases * n1) / (everyone - cases)
    variance = n1 * n2 * cases / (everyone * (everyone - cases))
    return score, variance


Score = Callable[..., tuple[np.ndarray, np.ndarray]]
SCORES: dict[str, Score] = {"odds_ratio": _odds_ratio_score, "risk_ratio": _risk_ratio_score}


def _standardized_deviates(yi: np.ndarray, vi: np.ndarray) -> np.ndarray:
    # Exact sums: the order of the studies must not break a tie.
    weights = 1 / vi
    total = fsum(weights)
    mean = fsum(weights * yi) / total
    return (yi - mean) / np.sqrt(vi - 1 / total)


# Regression -------------------------------------------------------------------------------


def _score_test(test: str, score: np.ndarray, variance: np.ndarray, note: str) -> BiasTest:
    return _regression_test(test, score / variance, 1 / np.sqrt(variance), variance, note)


def _regression_test(
    test: str, y: np.ndarray, x: np.ndarray, weights: np.ndarray, note: str = ""
) -> BiasTest:
    """The slope of y on x by weighted least squares, with its t test."""
    k = len(y)
    if k < FEWEST_STUDIES:
        return _no_test(test, k, TOO_FEW, note)
    if _constant(x):
        return _no_test(test, k, SAME_SIZE, note)
    slope, residuals, spread = _weighted_line(y, x, weights)
    left = (weights * residuals**2).sum()
    few = k < USUAL_MINIMUM
    if left <= EQUAL**2 * (weights * y**2).sum():
        note = _joined("no residual variation", note)
        return BiasTest(test, k, slope, None, None, k - 2, None, few, note)
    se = sqrt(left / (k - 2) / spread)
    t = slope / se
    return BiasTest(test, k, slope, se, t, k - 2, float(2 * stdtr(k - 2, -abs(t))), few, note)


def _weighted_line(y, x, weights) -> tuple[float, np.ndarray, float]:
    """Slope, residuals and weighted sum of squares of x about its mean."""
    total = weights.sum()
    x_centred = x - (weights * x).sum() / total
    y_centred = y - (weights * y).sum() / total
    spread = (weights * x_centred**2).sum()
    slope = (weights * x_centred * y_centred).sum() / spread
    return float(slope), y_centred - slope * x_centred, float(spread)


def _no_test(test: str, k: int, reason: str, note: str = "") -> BiasTest:
    note = _joined(reason, note)
    return BiasTest(test, k, None, None, None, None, None, k < USUAL_MINIMUM, note)


def _joined(*notes: str) -> str:
    return "; ".join(note for note in notes if note)


def _constant(values: np.ndarray) -> bool:
    return bool(np.ptp(values) <= EQUAL * np.abs(values).max())


# Rank correlation -------------------------------------------------------------------------


def _kendall(x: np.ndarray, y: np.ndarray) -> tuple[float, float, str]:
    """Kendall's tau-b, its two-sided p, and how p was obtained."""
    k = len(x)
    above = np.triu_indices(k, 1)
    x_signs = np.sign(x[:, None] - x)[above]
    y_signs = np.sign(y[:, None] - y)[above]
    score = int((x_signs * y_signs).sum())
    tau = score / sqrt(np.count_nonzero(x_signs) * np.count_nonzero(y_signs))
    if x_signs.all() and y_signs.all():
        return tau, _exact_kendall_p(score, k), "exact p"
    z = score / sqrt(_score_variance(x, y))
    return tau, float(2 * ndtr(-abs(z))), "p by normal approximation: ties"


def _exact_kendall_p(score: int, k: int) -> float:
    """Two-sided p of Kendall's score without ties.

    The number of discordant pairs under independence is a sum of independent uniform
    variables on 0..i-1, i = 2..k; only the nearer tail is needed.
    """
    pairs = k * (k - 1) // 2
    nearer = (pairs - abs(score)) // 2
    chances = np.zeros(nearer + 1)
    chances[0] = 1.0
    for i in range(2, k + 1):
        sums = np.cumsum(chances)
        sums[i:] -= sums[:-i].copy()
        chances = sums / i
    return float(min(1.0, 2 * chances.sum()))


def _score_variance(x: np.ndarray, y: np.ndarray) -> float:
    """The variance of Kendall's score with ties in x and y (Kendall 1970)."""
    k = len(x)
    t = np.unique(x, return_counts=True)[1].astype(float)
    u = np.unique(y, return_counts=True)[1].astype(float)

    def fives(n):
        return (n * (n - 1) * (2 * n + 5)).sum()

    def pairs(n):
        return (n * (n - 1)).sum()

    def triples(n):
        return (n * (n - 1) * (n - 2)).sum()

    everyone = np.array([k], dtype=float)
    return float(
        (fives(everyone) - fives(t) - fives(u)) / 18
        + pairs(t) * pairs(u) / (2 * pairs(everyone))
        + triples(t) * triples(u) / (9 * triples(everyone))
    )


# Input ------------------------------------------------------------------------------------


def _two_arms(events, total, control_events, control_total) -> tuple[np.ndarray, ...]:
    treated = _single_arm(events, total)
    control = _single_arm(control_events, control_total, "control_events", "control_total")
    if treated[0].shape != control[0].shape:
        raise ValueError(f"the arms have {len(treated[0])} and {len(control[0])} studies")
    return *treated, *control


def _single_arm(events, total, x_name="events", n_name="total") -> tuple[np.ndarray, np.ndarray]:
    x, n = np.asarray(events, dtype=float), np.asarray(total, dtype=float)
    if x.ndim != 1 or x.shape != n.shape:
        raise ValueError(f"{x_name} and {n_name} have shapes {x.shape} and {n.shape}, not one (k,)")
    for name, counts in ((x_name, x), (n_name, n)):
        if not (np.isfinite(counts) & (counts == np.floor(counts))).all():
            raise ValueError(f"{name} holds a number that is not whole")
    if (x < 0).any() or (n < 1).any() or (x > n).any():
        raise ValueError(f"{x_name} must lie between 0 and {n_name}, and {n_name} be 1 or more")
    return x, n


def _with_both_outcomes(a, n1, c, n2) -> tuple[tuple[np.ndarray, ...], str]:
    """The trials in which some had the event and some not, and a note on the others."""
    cases = a + c
    return _kept((cases > 0) & (cases < n1 + n2), a, n1, c, n2)


def _kept(keep: np.ndarray, *columns: np.ndarray) -> tuple[tuple[np.ndarray, ...], str]:
    dropped = int((~keep).sum())
    studies = "study" if dropped == 1 else "studies"
    note = f"{dropped} {studies} with no event or events only left out" if dropped else ""
    return tuple(column[keep] for column in columns), note
