"""Means and mean changes that a published pooled result allows, in the smallest family.

Studies without numbers get y_i = mu + spread z_i, with z Blom's normal scores (Blom 1958:
the normal quantiles of (i - 3/8) / (m + 1/4)), and one standard deviation sigma in common,
v_i = sigma^2 / n_i; a study whose mean is known keeps it and gets sigma alone. The numbers
mu, spread and sigma are solved for the printed estimate, interval and I2 by the outcome's
own way of pooling. Where no such three exist, the studies of known mean get a standard
deviation of their own, the nearest to sigma that will do. Nothing else is claimed for
these numbers: three figures cannot fix the results of several studies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from scipy.optimize import least_squares
from scipy.special import ndtri

from forestry.consistency import Printed
from forestry.heterogeneity import cochran_q, i2_from_tau2, typical_variance
from forestry.inverse_variance import fit_common, fit_random
from forestry.models import Pooling
from forestry.reconstruction.sizes import Study, with_sizes

PRINTED = ("estimate", "ci_low", "ci_high", "i2", "p")
MOST_DECIMALS = 8
_MET = 1e-9  # residuals in half widths of the interval, and I2 as a share
_WITHIN = 0.9  # of the half unit of the last digit, where only the digits can be met
_PULL = 1e-4  # of the logarithm of the ratio, against the other residuals
_BEST = 3  # fits that a second search starts from
_MOST_EVALUATIONS = 60
_TINY = 1e-3
_FAR = np.log(100)  # how far a standard deviation is looked for from where a search starts
_SHARES, _TIMES = (1.0, 0.2, 3.0, 0.0), (1.0, 2.5, 0.4, 8.0)  # where searches start


@dataclass(frozen=True)
class PrintedPool:
    """What is printed of a pooled mean, in the outcome's unit; I2 in percent."""

    estimate: Printed
    ci_low: Printed
    ci_high: Printed
    i2: Printed | None = None
    p: Printed | None = None
    n: int | None = None


@dataclass(frozen=True)
class SolvedMeans:
    """The studies with all their numbers, and how the pooled result compares with the print.

    `computed` are the pooled numbers by PRINTED, with n. `distance` is how far they lie
    outside the range of their printed digits, in units of the last digit, summed: 0 where
    all are met. `unmet` names those that are not, ``n`` among them where the sizes cannot
    add up to the printed number. `sizes` and `ratio` tell how sizes were taken that are not
    known, and whose standard deviation is not the common one. `freed` names the studies
    with known numbers without which (any one of them) the rest could be solved.
    """

    studies: tuple[Study, ...]
    filled: tuple[str, ...]  # whose mean or standard deviation was solved
    computed: dict[str, float]
    distance: float
    unmet: tuple[str, ...]
    sizes: str
    ratio: str
    freed: tuple[str, ...] = ()

    @property
    def is_solved(self) -> bool:
        """Whether the pooled result prints the published estimate, interval, I2 and p."""
        return not set(self.unmet) - {"n"}


def solve_means(studies: Sequence[Study], printed: PrintedPool, pooling: Pooling) -> SolvedMeans:
    """Numbers for the studies that lack them, with which the pool prints as published.

    Deterministic: the first of a fixed set of starts that leads to a solution. The numbers
    have the fewest decimals with which the pooled result prints no worse than unrounded.
    Where no member of the family prints as published, the nearest with the sigma that studies
    of equal weight would have is given, with its distance: that of the least sum of squares
    of estimate and half width, in half widths, and of I2 as a share. Where no number is
    missing the studies are compared as they are. Raises ValueError for fewer than two
    studies, or where no study's size is known.
    """
    sized, sizes, n_met = with_sizes(studies, printed.n)
    family = _Family(tuple(sized), printed, pooling)
    if len(sized) < 2:
        raise ValueError("one study is not pooled")
    found, met = _search(family) if family.is_open else (np.zeros(4), True)
    rounded, excesses = _rounded(family, found)
    unmet = tuple(name for name, excess in excesses.items() if excess > 0)
    return SolvedMeans(
        studies=rounded,
        filled=tuple(study.study_id for study in sized if None in (study.mean, study.sd)),
        computed={**family.computed(rounded), "n": sum(study.n for study in rounded)},
        distance=sum(excesses.values()),
        unmet=(*unmet, *(() if n_met else ("n",))),
        sizes=sizes,
        ratio=family.ratio_told(found),
        freed=() if met else _freed(family),
    )


# The family --------------------------------------------------------------------------------


def normal_scores(sizes: Sequence[int]) -> np.ndarray:
    """Blom's normal scores of studies, so dealt that they do not go with size.

    The largest study gets the score nearest to zero, the next ones those on either side
    in turn: the smallest have the extremes, on both sides.
    """
    m = len(sizes)
    scores = ndtri((np.arange(1, m + 1) - 0.375) / (m + 0.25))
    outward = sorted(scores, key=lambda score: (round(abs(score), 9), -score))
    by_size = np.argsort([-size for size in sizes], kind="stable")
    dealt = np.empty(m)
    dealt[by_size] = outward
    return dealt


@dataclass(frozen=True)
class _Family:
    """Parameters (mu, spread, log sigma, log ratio) to studies, and to what is pooled of them."""

    studies: tuple[Study, ...]
    printed: PrintedPool
    pooling: Pooling

    @property
    def is_open(self) -> bool:
        return any(study.sd is None for study in self.studies)

    @property
    def keeping(self) -> list[Study]:
        """The studies whose mean is known, and whose standard deviation is not."""
        return [s for s in self.studies if s.sd is None and s.mean is not None]

    @property
    def has_ratio(self) -> bool:
        """Whether their standard deviation can differ from that of other studies."""
        return bool(self.keeping) and any(s.mean is None for s in self.studies)

    def ratio_told(self, parameters: np.ndarray) -> str:
        if parameters[3] == 0:
            return ""
        names = ", ".join(study.study_id for study in self.keeping)
        return f"{names}: {np.exp(parameters[3]):.3g} times the common standard deviation"

    def filled(self, parameters: np.ndarray) -> tuple[Study, ...]:
        mu, spread, sigma = parameters[0], parameters[1], np.exp(parameters[2])
        own = sigma * np.exp(parameters[3])
        scores = iter(normal_scores([s.n for s in self.studies if s.mean is None]))
        return tuple(
            replace(study, mean=float(mu + spread * next(scores)), sd=float(sigma))
            if study.mean is None
            else replace(study, sd=float(own))
            if study.sd is None
            else study
            for study in self.studies
        )

    def _pool(self, studies: Sequence[Study]) -> tuple[dict[str, float], float]:
        """The pooled numbers, and 1 - df / Q, which is I2 but for being below zero.

        As `models.pool` gives them, without what is not printed: intervals of tau2 and I2.
        """
        yi = np.array([study.mean for study in studies])
        vi = np.array([study.sd**2 / study.n for study in studies])
        level, rule = self.pooling.level, self.pooling.select
        test = cochran_q(yi, vi)
        excess = 1 - test.df / max(test.q, 1e-12)
        i2 = max(excess, 0.0)
        random = fit_random(yi, vi, self.pooling.tau2, level, self.pooling.interval, "none")
        if self.pooling.i2 == "tau2":
            i2 = excess = i2_from_tau2(random.tau2, typical_variance(vi)).i2
        is_common = rule == "common" or (rule == "common_if_i2_zero" and i2 == 0)
        fit = fit_common(yi, vi, level) if is_common else random
        values = (fit.estimate, fit.ci_low, fit.ci_high, 100 * i2, test.p)
        return dict(zip(PRINTED, map(float, values), strict=True)), excess

    def computed(self, studies: Sequence[Study]) -> dict[str, float]:
        """The pooled numbers by PRINTED, of the model that the outcome's rule selects."""
        return self._pool(studies)[0]

    def aim(self) -> tuple[float, float]:
        """The estimate and half width that lie deepest within the printed digits of all three."""
        middle, low, high = (getattr(self.printed, name) for name in PRINTED[:3])
        units = [10.0**-number.decimals for number in (middle, low, high)]
        off = (low.value + high.value) / 2 - middle.value
        share = off / (units[0] + (units[1] + units[2]) / 2)
        width = (high.value - share * units[2]) - (low.value - share * units[1])
        return middle.value + share * units[0], width / 2

    @property
    def usual_sigma(self) -> float:
        """The standard deviation if all studies had one weight: se sqrt(N (1 - I2)).

        Of k such studies se^2 = (tau2 + v) / k and I2 = tau2 / (tau2 + v).
        """
        se = self.aim()[1] / float(ndtri((1 + self.pooling.level) / 2))
        within = 1 - min(self.printed.i2.value if self.printed.i2 else 0.0, 99.5) / 100
        return se * float(np.sqrt(within * sum(study.n for study in self.studies)))

    def misses(self, parameters: np.ndarray) -> np.ndarray:
        """What is computed less what is aimed at: zero where the family can meet all three."""
        at, excess = self._pool(self.filled(parameters))
        estimate, half = self.aim()
        width = (at["ci_high"] - at["ci_low"]) / 2
        spread = self._spread_miss(at["p"], excess)
        return np.array([(at["estimate"] - estimate) / half, (width - half) / half, spread])

    def _spread_miss(self, p_value: float, excess: float) -> float:
        """Of I2; where 0 % is printed of many values of Q, of the printed p of Q."""
        i2, p = self.printed.i2, self.printed.p
        if i2 is None:
            return 0.0
        if i2.value > 0:
            return excess - i2.value / 100
        return max(excess, 0.0) if p is None or p.sign else p_value - p.value

    def excesses(self, studies: Sequence[Study]) -> dict[str, float]:
        """How far each number lies outside its printed digits, in units of the last one."""
        return {
            name: max(number.low - value, value - number.high, 0.0) * 10.0**number.decimals
            for name, value in self.computed(studies).items()
            if (number := getattr(self.printed, name)) is not None
        }

    def beyond(self, parameters: np.ndarray) -> np.ndarray:
        """Distances from well within the printed digits, in half units of the last one."""
        computed = self.computed(self.filled(parameters))
        numbers = {name: getattr(self.printed, name) for name in PRINTED[:4]}
        off = np.array(
            [
                (computed[name] - number.value) * 2 * 10.0**number.decimals
                for name, number in numbers.items()
                if number is not None
            ]
        )
        return np.sign(off) * np.maximum(np.abs(off) - _WITHIN, 0.0)


# Searches ----------------------------------------------------------------------------------

Residuals = Callable[[np.ndarray], np.ndarray]


def _search(family: _Family) -> tuple[np.ndarray, bool]:
    """Parameters that meet the aim, or else the printed digits, or else the nearest; if met."""
    fits = []
    for fit in _fits(family.misses, _starts(family), 3):
        if _is_zero(fit):
            return fit.x, True
        fits.append(fit)
    best = [fit.x for fit in sorted(fits, key=lambda fit: fit.cost)][:_BEST]
    met = next((fit.x for fit in _fits(family.beyond, best, 3) if _is_zero(fit)), None)
    if met is None and family.has_ratio:
        met = _with_ratio(family, best)
    return (_nearest(family), False) if met is None else (met, True)


def _nearest(family: _Family) -> np.ndarray:
    """The best mu and spread beside the usual sigma: a free one may end in no spread at all."""
    return min(_fits(family.misses, _starts(family)[: len(_SHARES)], 2), key=lambda fit: fit.cost).x


def _with_ratio(family: _Family, starts: Sequence[np.ndarray]) -> np.ndarray | None:
    """The solution whose ratio is nearest to 1: pulled there, then held to three digits."""

    def pulled(parameters: np.ndarray) -> np.ndarray:
        return np.append(family.misses(parameters), _PULL * parameters[3])

    fits = [fit.x for fit in _fits(pulled, starts, 4)]
    for x in sorted(fits, key=lambda x: abs(x[3])):
        held = np.append(x[:3], np.log(float(f"{np.exp(x[3]):.3g}")))
        for residuals in (family.misses, family.beyond):
            fit = next(_fits(residuals, [held], 3))
            if _is_zero(fit):
                return fit.x
    return None


def _freed(family: _Family) -> tuple[str, ...]:
    """The known studies of which any one, if it were not known, would leave a solution."""
    known = [study for study in family.studies if None not in (study.mean, study.sd)]
    found = []
    for study in known:
        others = [
            replace(other, mean=None, sd=None) if other is study else other
            for other in family.studies
        ]
        if _search(replace(family, studies=tuple(others)))[1]:
            found.append(study.study_id)
    return tuple(found)


def _starts(family: _Family) -> list[np.ndarray]:
    """The first with the usual sigma."""
    estimate, half = family.aim()
    spread = half / 2 * np.sqrt(len(family.studies))
    return [
        np.array([estimate, share * spread, np.log(family.usual_sigma * times), 0.0])
        for times, share in product(_TIMES, _SHARES)
    ]


def _fits(residuals: Residuals, starts: Sequence[np.ndarray], free: int) -> Iterator:
    """Fits of the first `free` parameters from each start; `x` of each holds all four.

    mu and spread are told in units of their starting values' order, so that steps are alike.
    """
    for start in starts:
        held = start[free:]
        around = np.array([np.inf, np.inf, _FAR, _FAR])
        least, most = start - around, start + around
        least[1] = 0.0
        fit = least_squares(
            lambda x, held=held: residuals(np.append(x, held)),
            start[:free],
            bounds=(least[:free], most[:free]),
            x_scale=np.maximum(np.abs(start[:free]), _TINY * np.abs(start[0]) + _TINY),
            max_nfev=_MOST_EVALUATIONS,
            **dict.fromkeys(("xtol", "ftol", "gtol"), 1e-14),
        )
        fit.x = np.append(fit.x, held)
        yield fit


def _is_zero(fit) -> bool:
    return bool(np.abs(fit.fun).max() < _MET)


# Rounding ----------------------------------------------------------------------------------


def _rounded(family: _Family, best: np.ndarray) -> tuple[tuple[Study, ...], dict[str, float]]:
    """The studies with the fewest decimals that print no worse, and how far off they are."""
    exact = family.filled(best)
    limits = family.excesses(exact)
    for decimals in range(MOST_DECIMALS + 1):
        pairs = zip(exact, family.studies, strict=True)
        studies = tuple(_round(study, given, decimals) for study, given in pairs)
        if not all(study.sd for study in studies):
            continue
        excesses = family.excesses(studies)
        if all(excesses[name] <= 1.02 * limit for name, limit in limits.items()):
            return studies, excesses
    return exact, limits


def _round(study: Study, given: Study, decimals: int) -> Study:
    return replace(
        study,
        mean=round(study.mean, decimals) + 0.0 if given.mean is None else study.mean,
        sd=round(study.sd, decimals) if given.sd is None else study.sd,
    )
