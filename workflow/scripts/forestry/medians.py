"""Means and standard deviations from medians with a range, quartiles, or both.

The numbers given choose the scenario: minimum and maximum (range), first and third
quartile, or all five. Half a pair (a maximum without a minimum) cannot be used and is
left aside. The formulas assume normal data; the methods, by name:

- `hozo2005`: Hozo, Djulbegovic and Hozo, BMC Med Res Methodol 5:13. Range only, with
  its recommended steps in n (mean at 25, SD at 15 and 70). Quartiles beside a range are
  not used; quartiles alone have no formula. The paper's finite-sample term in the mean,
  (a - 2m + b) / 4n, is left out, as in its simplified formula and in R's metafor.
- `wan2014`: Wan, Wang, Liu and Tong, BMC Med Res Methodol 14:135. The normal
  quantiles are in closed form for every n. (R's meta reads the paper's table up to
  n = 50: an SD from a range differs by 1.4 % at n = 5, by 0.5 % at 10, by less above.)
- `luo2018`: mean by Luo, Wan, Liu and Tong, Stat Methods Med Res 27:1785; SD by Wan.
- `shi2020`: mean by Luo; SD by Shi et al., Res Synth Methods 11:641 for five numbers, by
  Wan for the other two scenarios, for which Shi has no estimator of its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from scipy.special import ndtri

# Luo, Wan and Shi write n = 4Q + 1 with Q at least 1.
SMALLEST_N_OF_THE_FORMULAS = 5


class NoFormula(ValueError):
    """The method has no formula for the numbers given; the message says what would."""


@dataclass(frozen=True)
class MeanSd:
    """A mean and an SD, in the median's unit, and how they were obtained."""

    mean: float
    sd: float
    method: str
    obtained: str  # e.g. "Hozo 2005 from median and range"
    warning: str  # the skew screen, or a sample too small for it; "" otherwise


@dataclass(frozen=True)
class _Summary:
    n: int
    median: float
    quartiles: tuple[float, float] | None
    range: tuple[float, float] | None

    @property
    def scenario(self) -> str:
        if self.range and self.quartiles:
            return "median, quartiles and range"
        return "median and range" if self.range else "median and quartiles"


def from_median(
    method: str,
    n: int,
    median: float | None,
    q1: float | None = None,
    q3: float | None = None,
    minimum: float | None = None,
    maximum: float | None = None,
) -> MeanSd:
    """A study's mean and SD by `method` (see the module) from its median and spread.

    A significant skew screen (Shi et al. 2023, 5 %) is told in `warning`; the study is
    still transformed (R's metafor would leave it out).

    Raises NoFormula where the method cannot use the numbers given (or there are too
    few: no median, no complete pair, one participant, no spread), and ValueError for an
    unknown method, numbers out of order or not finite, and n not a positive whole number.
    """
    if method not in _FORMULAS:
        raise ValueError(f"method is {method!r}, not one of {', '.join(METHODS)}")
    summary = _summary(n, median, q1, q3, minimum, maximum)
    if method == "hozo2005":
        if summary.range is None:
            others = ", ".join(name for name in METHODS if name != "hozo2005")
            raise NoFormula(
                f"hozo2005 has no formula for a median with quartiles: use one of {others}"
            )
        used = _Summary(summary.n, summary.median, None, summary.range)
    else:
        used = summary
    estimate_mean, estimate_sd, told = _FORMULAS[method]
    sd = estimate_sd(used)
    if sd == 0:
        raise NoFormula(f"no SD from {used.scenario}: the numbers given have no spread")
    obtained = f"{told(used)} from {used.scenario}"
    return MeanSd(estimate_mean(used), sd, method, obtained, _screen(summary))


def skew_statistic(
    n: int,
    median: float,
    q1: float | None = None,
    q3: float | None = None,
    minimum: float | None = None,
    maximum: float | None = None,
) -> tuple[float, float]:
    """The skew test of Shi et al. (2023, Stat Methods Med Res 32:1338): statistic, 5 % point.

    Skewed where the statistic reaches the critical value. Its three forms follow the
    scenario. A pair without spread says nothing of skewness and counts as 0. For n of 5
    or more; errors as in `from_median`.
    """
    return _skew(_summary(n, median, q1, q3, minimum, maximum))


def _summary(n, median, q1, q3, minimum, maximum) -> _Summary:
    if median is None:
        raise NoFormula("no median is given")
    if not (math.isfinite(n) and n >= 1 and n == int(n)):
        raise ValueError(f"n is {n}, not a positive whole number")
    order = {"minimum": minimum, "q1": q1, "median": median, "q3": q3, "maximum": maximum}
    given = {name: value for name, value in order.items() if value is not None}
    for name, value in given.items():
        if not math.isfinite(value):
            raise ValueError(f"{name} is {value}, not a finite number")
    if list(given.values()) != sorted(given.values()):
        told = ", ".join(f"{name} {value:g}" for name, value in given.items())
        raise ValueError(f"not in ascending order: {told}")
    if n == 1:
        raise NoFormula("one participant has no SD")
    quartiles = None if q1 is None or q3 is None else (float(q1), float(q3))
    limits = None if minimum is None or maximum is None else (float(minimum), float(maximum))
    if quartiles is None and limits is None:
        raise NoFormula("a median gives no SD without its range or its quartiles")
    return _Summary(int(n), float(median), quartiles, limits)


def _hozo_mean(s: _Summary) -> float:
    """Hozo 2005: (a + 2m + b) / 4 for n up to 25, then the median."""
    return _wan_mean(s) if s.n <= 25 else s.median


def _hozo_sd(s: _Summary) -> float:
    """Hozo 2005: the formula in a, m and b for n up to 15, range / 4 to 70, then range / 6."""
    low, high = s.range
    if s.n <= 15:
        return math.sqrt(((low - 2 * s.median + high) ** 2 / 4 + (high - low) ** 2) / 12)
    return (high - low) / (4 if s.n <= 70 else 6)


def _wan_mean(s: _Summary) -> float:
    """Wan 2014: range as Hozo for small n; equations 14 (quartiles), 10 (five, Bland's)."""
    if s.range and s.quartiles:
        return (sum(s.range) + 2 * sum(s.quartiles) + 2 * s.median) / 8
    if s.range:
        return (sum(s.range) + 2 * s.median) / 4
    return (sum(s.quartiles) + s.median) / 3


def _wan_sd(s: _Summary) -> float:
    """Wan 2014, equations 9 (range), 16 (quartiles) and 13 (five: the mean of the two)."""
    if s.range and s.quartiles:
        return (_sd_of_range(s) + _sd_of_quartiles(s)) / 2
    return _sd_of_range(s) if s.range else _sd_of_quartiles(s)


def _luo_mean(s: _Summary) -> float:
    """Luo 2018, equations 7 (range), 11 (quartiles) and 15 (five)."""
    if s.range and s.quartiles:
        of_range = 2.2 / (2.2 + s.n**0.75)
        of_quartiles = 0.7 - 0.72 / s.n**0.55
    elif s.range:
        of_range, of_quartiles = 4 / (4 + s.n**0.75), 0.0
    else:
        of_range, of_quartiles = 0.0, 0.7 + 0.39 / s.n
    mean = (1 - of_range - of_quartiles) * s.median
    if s.range:
        mean += of_range * sum(s.range) / 2
    if s.quartiles:
        mean += of_quartiles * sum(s.quartiles) / 2
    return mean


def _shi_sd(s: _Summary) -> float:
    """Shi 2020, equation 10 (five); Wan's SD in the other scenarios."""
    if not (s.range and s.quartiles):
        return _wan_sd(s)
    of_range = 1 / (1 + 0.07 * s.n**0.6)
    return of_range * _sd_of_range(s) + (1 - of_range) * _sd_of_quartiles(s)


def _sd_of_range(s: _Summary) -> float:
    low, high = s.range
    return (high - low) / float(2 * ndtri((s.n - 0.375) / (s.n + 0.25)))


def _sd_of_quartiles(s: _Summary) -> float:
    low, high = s.quartiles
    return (high - low) / float(2 * ndtri((0.75 * s.n - 0.125) / (s.n + 0.25)))


def _told_luo(s: _Summary) -> str:
    return "Luo 2018 (SD: Wan 2014)"


def _told_shi(s: _Summary) -> str:
    sd = "Shi 2020" if s.range and s.quartiles else "Wan 2014"
    return f"Luo 2018 (SD: {sd})"


_Formula = Callable[[_Summary], float]
_FORMULAS: dict[str, tuple[_Formula, _Formula, Callable[[_Summary], str]]] = {
    "hozo2005": (_hozo_mean, _hozo_sd, lambda s: "Hozo 2005"),
    "wan2014": (_wan_mean, _wan_sd, lambda s: "Wan 2014"),
    "luo2018": (_luo_mean, _wan_sd, _told_luo),
    "shi2020": (_luo_mean, _shi_sd, _told_shi),
}
METHODS = tuple(_FORMULAS)


def _screen(s: _Summary) -> str:
    if s.n < SMALLEST_N_OF_THE_FORMULAS:
        return f"{s.n} participants: too few for the formulas' assumptions and the skew screen"
    statistic, critical = _skew(s)
    if statistic < critical:
        return ""
    return (
        f"skewed by the test of Shi 2023 ({statistic:.2f}, critical {critical:.2f}): "
        "the mean and SD assume normal data"
    )


def _skew(s: _Summary) -> tuple[float, float]:
    n = s.n
    if s.range and s.quartiles:
        scaled = 2.65 * math.log(0.6 * n) / math.sqrt(n) * _asymmetry(s.median, s.range)
        statistic = max(scaled, _asymmetry(s.median, s.quartiles))
        return statistic, 3 / math.sqrt(n) - 40 / n**3
    if s.range:
        return _asymmetry(s.median, s.range), 1 / math.log(n + 9) + 2.5 / (n + 1)
    return _asymmetry(s.median, s.quartiles), 2.65 / math.sqrt(n) - 6 / n**2


def _asymmetry(median: float, pair: tuple[float, float]) -> float:
    low, high = pair
    return abs(low + high - 2 * median) / (high - low) if high > low else 0.0
