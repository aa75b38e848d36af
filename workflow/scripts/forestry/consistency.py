"""What a printed result says of itself: checks of a review from its published numbers alone.

A `published.csv` is all that is needed; a `published_tests.csv` (tests that the review
prints) and the study sizes of a sheet add the checks that rest on them. Every check allows
for the rounding of each printed number, so that a result which was computed rightly and then
rounded is never called a contradiction. Numbers stay as texts until they are compared: the
digits are part of what was printed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from itertools import product

import numpy as np
from scipy.special import chdtrc, logit, ndtri

from forestry.results import StudyEffect

CONSISTENT = "consistent"
CONTRADICTION = "contradiction"
NOT_CHECKABLE = "not checkable"
VERDICTS = (CONSISTENT, CONTRADICTION, NOT_CHECKABLE)

SUBGROUP_DIFFERENCES = "subgroup_differences"
HETEROGENEITY = "heterogeneity"
TESTS_CLAIMED = (SUBGROUP_DIFFERENCES, HETEROGENEITY)

MOST_STUDIES = 200  # the largest k tried where a review prints none
SIGNIFICANT = 0.05
_SLACK = 1e-6  # of half a unit of the last digit: floating point, no more


# What is printed -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Published:
    """A pooled result as a review prints it: a row of ``published.csv``, all texts."""

    outcome: str
    variant: str
    statistic: str  # a measure: proportion | mean | mean_change | risk_ratio | ...
    k: str
    n: str
    estimate: str
    ci_low: str
    ci_high: str
    i2: str  # percent
    p_heterogeneity: str  # a number, or <0.01
    unit: str
    display: str
    studies: str  # reference numbers, separated by spaces
    note: str


@dataclass(frozen=True)
class PublishedTest:
    """A test that a review prints: a row of ``published_tests.csv``, all texts.

    `variant` is the figure's (step1_route), `test_claimed` what the review calls the test
    (one of TESTS_CLAIMED), `groups` the variants of the groups' rows in ``published.csv``,
    separated by spaces.
    """

    outcome: str
    variant: str
    test_claimed: str
    statistic: str
    df: str
    p: str
    groups: str
    note: str


@dataclass(frozen=True)
class Printed:
    """A number with its printed decimals; `sign` is "<" or ">" where only a bound is printed."""

    value: float
    decimals: int
    sign: str = ""

    @property
    def low(self) -> float:
        """The least value that is printed like this."""
        return self._range(-0.5)[0]

    @property
    def high(self) -> float:
        """The greatest value that is printed like this."""
        return self._range(-0.5)[1]

    @property
    def cut_off(self) -> tuple[float, float]:
        """The range where the further digits were cut off, towards zero, not rounded."""
        return self._range(0.0 if self.value >= 0 else -1.0)

    def agrees(self, value: float) -> bool:
        """Whether a computed value, rounded to the printed digits, reads the same."""
        return self.low <= value <= self.high

    def _range(self, start: float) -> tuple[float, float]:
        if self.sign:
            return (-np.inf, self.value) if self.sign == "<" else (self.value, np.inf)
        unit = 10.0**-self.decimals
        slack = _SLACK * unit / 2
        return self.value + start * unit - slack, self.value + (start + 1) * unit + slack


def read_printed(text: str) -> Printed | None:
    """A printed number ("88.52", "20", "<0.01") or None for an empty text.

    Raises ValueError for anything else.
    """
    text = text.strip()
    if not text:
        return None
    sign, digits = (text[0], text[1:]) if text[0] in "<>" else ("", text)
    try:
        number = Decimal(digits)
    except InvalidOperation:
        raise ValueError(f"{text!r} is not a printed number") from None
    if not number.is_finite():
        raise ValueError(f"{text!r} is not a printed number")
    return Printed(float(number), -number.as_tuple().exponent, sign)


@dataclass(frozen=True)
class Finding:
    """A check of a printed result and what came of it: a row of ``consistency.csv``."""

    outcome: str
    variant: str
    check: str
    printed: str
    recomputed: str
    verdict: str  # one of VERDICTS
    explanation: str


def consistency(
    published: Sequence[Published],
    tests: Sequence[PublishedTest] = (),
    effects: Mapping[str, Sequence[StudyEffect]] | None = None,
    refs: Mapping[str, str] | None = None,
    sizes: Mapping[str, Mapping[str, int | None]] | None = None,
) -> list[Finding]:
    """Every check of every published result, then of every published test, in their order.

    `effects` holds the studies of each outcome, for the checks of patients against the
    sheet; `refs` the study of each reference number (a reference that it lacks is taken as
    the study's own id); `sizes`, by outcome and study, what the sheet says of rows that were
    solved from published results. Raises ValueError for a text that is no number, a test that is
    claimed to be none of TESTS_CLAIMED, and a group that is no published result.
    """
    sheet = _Sheet(effects or {}, refs or {}, sizes or {})
    findings = []
    for row in published:
        findings += [_p_from_i2(row), _interval(row), _references(row)]
        findings += [_largest_study(row, sheet), _total(row, sheet)]
        findings += [_implied_n(row)] if row.statistic == "proportion" else []
    by_variant = {(row.outcome, row.variant): row for row in published}
    for test in tests:
        findings += _test_findings(test, by_variant)
    return findings


# p from I2 and k -------------------------------------------------------------------------------


def p_from_i2(i2: Printed, k: int) -> tuple[float, float]:
    """Least and greatest p of the heterogeneity test that an I2 (printed in percent) allows.

    Q = df / (1 - I2) on df = k - 1 (Higgins and Thompson 2002, eq. 10 solved for Q), over the
    values that round to the printed one. An I2 of 0 stands for every Q up to df. Raises
    ValueError for fewer than two studies.
    """
    if k < 2:
        raise ValueError(f"heterogeneity needs two studies or more, not {k}")
    share_low, share_high = max(i2.low, 0.0) / 100, min(i2.high, 100.0) / 100
    greatest = 1.0 if share_low == 0 else float(chdtrc(k - 1, (k - 1) / (1 - share_low)))
    least = 0.0 if share_high == 1 else float(chdtrc(k - 1, (k - 1) / (1 - share_high)))
    return least, greatest


def _p_from_i2(row: Published) -> Finding:
    i2, p, k = read_printed(row.i2), read_printed(row.p_heterogeneity), read_printed(row.k)
    printed = _listed(I2=row.i2 and f"{row.i2}%", k=row.k, p=row.p_heterogeneity)
    say = _sayer(row, "p_from_i2", printed)
    if i2 is None or p is None:
        return say("", NOT_CHECKABLE, "I2 and p are not both printed.")
    if k is None:
        fits = _fitting_k(i2, p)
        return say("", NOT_CHECKABLE, f"The number of studies is not printed; {fits}.")
    if k.value < 2:
        return say("", NOT_CHECKABLE, "One study has no heterogeneity.")
    least, greatest = p_from_i2(i2, int(k.value))
    recomputed = _p_text(least, greatest)
    if _meet((least, greatest), p):
        return say(recomputed, CONSISTENT, "The printed p is that of the printed I2.")
    if _overlap((least, greatest), p.cut_off):
        explanation = "The printed p is that of the printed I2 if its digits were cut off."
        return say(recomputed, CONSISTENT, explanation)
    explanation = (
        f"An I2 of {row.i2}% from the Q of {row.k} studies means {recomputed}, "
        f"not {row.p_heterogeneity}."
    )
    return say(recomputed, CONTRADICTION, explanation)


def _fitting_k(i2: Printed, p: Printed) -> str:
    fitting = [k for k in range(2, MOST_STUDIES + 1) if _meet(p_from_i2(i2, k), p)]
    if not fitting:
        return f"none up to {MOST_STUDIES} would fit"
    first, last = fitting[0], fitting[-1]
    return f"{first} would fit" if first == last else f"some from {first} to {last} would fit"


def _meet(span: tuple[float, float], printed: Printed) -> bool:
    return _overlap(span, (printed.low, printed.high))


def _overlap(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return one[0] <= other[1] and other[0] <= one[1]


# The interval ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class ImpliedScale:
    """A scale on which a printed interval is symmetric about its estimate.

    `se` is the standard error that the interval then has (on this scale), between `se_low`
    and `se_high` by the rounding. `clipped` says that a limit stands at the end of what a
    proportion can be, so that only the other half of the interval tells anything.
    """

    scale: str
    estimate: float
    se: float
    se_low: float
    se_high: float
    clipped: bool


@dataclass(frozen=True)
class _Span:
    """A number on a scale: as printed, and the least and greatest that rounding allows."""

    low: float
    printed: float
    high: float


_TO_SCALE: dict[str, Callable[[float], float]] = {
    "raw": lambda x: x,
    "logit": lambda x: float(logit(x)),
    "log": lambda x: float(np.log(x)) if x > 0 else -np.inf,
    "arcsine": lambda x: float(np.arcsin(np.sqrt(x))),
}
_DOMAIN = {
    "raw": (-np.inf, np.inf),
    "logit": (0.0, 1.0),
    "log": (0.0, np.inf),
    "arcsine": (0.0, 1.0),
}


def implied_scales(row: Published, level: float = 0.95) -> list[ImpliedScale]:
    """The scales on which a printed interval is estimate +- z standard errors.

    A proportion may be on the raw, logit, log or arcsine scale (se of the proportion as a
    fraction of 1), anything else on the raw or the log scale. Several can fit; an empty
    list means that none does, whatever the rounding. Raises ValueError where the estimate
    or a limit is not printed.
    """
    found = (_implied(row, scale, level) for scale in _scales_of(row))
    return [implied for implied in found if implied]


def _scales_of(row: Published) -> tuple[str, ...]:
    return tuple(_TO_SCALE) if row.statistic == "proportion" else ("raw", "log")


def _implied(row: Published, scale: str, level: float) -> ImpliedScale | None:
    is_proportion = row.statistic == "proportion"
    spans = [_span(row, name, scale) for name in ("estimate", "ci_low", "ci_high")]
    if None in spans:
        return None
    middle, low, high = spans
    at_floor = is_proportion and _printed_number(row, "ci_low").agrees(0.0)
    at_ceiling = is_proportion and _printed_number(row, "ci_high").agrees(_whole(row))
    # A limit at the end of what is possible may have been clipped there from beyond it.
    least_low = -np.inf if at_floor else low.low
    most_high = np.inf if at_ceiling else high.high
    doubled = (2 * middle.low, 2 * middle.high)
    if not _overlap(doubled, (least_low + high.low, low.high + most_high)):
        return None
    z = float(ndtri((1 + level) / 2))
    if at_floor and at_ceiling:
        return ImpliedScale(scale, middle.printed, np.nan, 0.0, np.inf, True)
    if at_floor:
        low, width = middle, z
    elif at_ceiling:
        high, width = middle, z
    else:
        width = 2 * z
    return ImpliedScale(
        scale,
        middle.printed,
        (high.printed - low.printed) / width,
        max(high.low - low.high, 0.0) / width,
        (high.high - low.low) / width,
        at_floor or at_ceiling,
    )


def _span(row: Published, column: str, scale: str) -> _Span | None:
    """A column's number on a scale; None where the scale has no such number."""
    printed = _printed_number(row, column)
    whole = _whole(row) if row.statistic == "proportion" else 1.0
    least, most = _DOMAIN[scale]
    values = [value / whole for value in (printed.low, printed.value, printed.high)]
    if values[2] < least or values[0] > most:
        return None
    return _Span(*(_TO_SCALE[scale](min(max(value, least), most)) for value in values))


def _whole(row: Published) -> float:
    return 100.0 if row.unit == "percent" else 1.0


def _printed_number(row: Published, column: str) -> Printed:
    printed = read_printed(getattr(row, column))
    if printed is None:
        raise ValueError(f"{row.outcome}, {row.variant}: {column} is not printed")
    return printed


def _interval(row: Published) -> Finding:
    printed = f"{row.estimate} ({row.ci_low} to {row.ci_high})"
    say = _sayer(row, "interval", printed)
    if not (row.estimate and row.ci_low and row.ci_high):
        return say("", NOT_CHECKABLE, "The estimate and both limits are not all printed.")
    fitting = implied_scales(row)
    if not fitting:
        tried = _or(_scales_of(row))
        explanation = (
            f"The interval is not around its estimate on any scale ({tried}): "
            "at least one of the three figures is not what was computed."
        )
        return say(_middles(row), CONTRADICTION, explanation)
    recomputed = "; ".join(
        f"{implied.scale}, se {_range_text(implied.se_low, implied.se_high)}" for implied in fitting
    )
    names = _or([implied.scale for implied in fitting])
    explanation = f"The interval is symmetric about its estimate on the {names} scale"
    if any(implied.clipped for implied in fitting):
        explanation += ", with a limit at the end of what a proportion can be"
    return say(recomputed, CONSISTENT, f"{explanation}.")


def _middles(row: Published) -> str:
    """Where the interval's middle is, in the printed unit."""
    low, high = float(row.ci_low), float(row.ci_high)
    middles = [f"raw middle {(low + high) / 2:.4g}"]
    if low > 0 and high > 0:
        middles.append(f"log middle {np.sqrt(low * high):.4g}")
    return "; ".join(middles)


# Studies and patients --------------------------------------------------------------------------


def _references(row: Published) -> Finding:
    listed = row.studies.split()
    printed = _listed(k=row.k, references=" ".join(listed))
    say = _sayer(row, "k_of_references", printed)
    if not listed or not row.k:
        return say("", NOT_CHECKABLE, "The number of studies and their list are not both printed.")
    repeated = len(listed) - len(set(listed))
    recomputed = _count(len(listed), "reference") + (f", {repeated} repeated" if repeated else "")
    if len(listed) == int(row.k) and not repeated:
        return say(recomputed, CONSISTENT, "As many references as studies are printed.")
    explanation = f"{recomputed} are printed for {_count(int(row.k))}."
    return say(recomputed, CONTRADICTION, explanation)


@dataclass(frozen=True)
class _Sheet:
    effects: Mapping[str, Sequence[StudyEffect]]
    refs: Mapping[str, str]
    unsolved: Mapping[str, Mapping[str, int | None]]

    def sizes(self, row: Published) -> dict[str, int | None] | None:
        """The patients of each study that a result pools, by study; None where it is not known.

        A size that the sheet has from this same published result is no check of it.
        """
        rows = {effect.study_id: effect for effect in self.effects.get(row.outcome, ())}
        listed = [self.refs.get(ref, ref) for ref in row.studies.split()]
        if not rows or not (listed or row.variant == "main"):
            return None
        known = {study: _size(effect, row.outcome) for study, effect in rows.items()}
        known |= self.unsolved.get(row.outcome, {})
        return {study: known.get(study) for study in listed or rows}


def _size(effect: StudyEffect, outcome: str) -> int | None:
    if effect.status == "reconstructed" or effect.basis == f"published:{outcome}":
        return None
    counts = (effect.total, effect.control_total, effect.n, effect.control_n)
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def _largest_study(row: Published, sheet: _Sheet) -> Finding:
    say = _sayer(row, "n_of_largest_study", _listed(n=row.n))
    sizes = sheet.sizes(row)
    known = {study: n for study, n in (sizes or {}).items() if n is not None}
    if not row.n or not known:
        return say("", NOT_CHECKABLE, _why_no_sizes(row, sizes))
    study = max(known, key=known.get)
    recomputed = f"{study}: {known[study]}"
    if known[study] <= int(row.n):
        return say(recomputed, CONSISTENT, "No study is larger than the printed total.")
    explanation = (
        f"A pool printed as {row.n} patients cannot hold {study}, which has {known[study]}."
    )
    return say(recomputed, CONTRADICTION, explanation)


def _total(row: Published, sheet: _Sheet) -> Finding:
    say = _sayer(row, "n_of_sheet", _listed(n=row.n, k=row.k))
    sizes = sheet.sizes(row)
    if not row.n or not sizes or not any(sizes.values()):
        return say("", NOT_CHECKABLE, _why_no_sizes(row, sizes))
    known = [n for n in sizes.values() if n is not None]
    unknown, left = len(sizes) - len(known), int(row.n) - sum(known)
    recomputed = f"{sum(known)} patients in {_count(len(known))}, {unknown} of unknown size"
    other = "one of the two counts other patients"
    held = f"the sheet holds {sum(known)} patients in {_count(len(known))} of this result"
    if not unknown and not left:
        return say(recomputed, CONSISTENT, "The sheet's sizes add up to the printed total.")
    if not unknown:
        explanation = f"{row.n} patients are printed, and {held}: {other}."
        return say(recomputed, CONTRADICTION, explanation)
    if left < unknown:
        explanation = (
            f"{row.n} patients are printed, and {held}, "
            f"which leaves {max(left, 0)} for {unknown} more: {other}."
        )
        return say(recomputed, CONTRADICTION, explanation)
    explanation = f"{left} patients are left for {_count(unknown)} whose size is not known."
    return say(recomputed, NOT_CHECKABLE, explanation)


def _why_no_sizes(row: Published, sizes) -> str:
    if not row.n:
        return "The number of patients is not printed."
    if sizes is None:
        return "Which studies of the sheet the result pools is not known."
    return "The sheet holds no study's size."


# Patients from the interval --------------------------------------------------------------------


def _implied_n(row: Published) -> Finding:
    printed = _listed(
        n=row.n, interval=row.ci_low and row.ci_high and f"{row.ci_low} to {row.ci_high}"
    )
    say = _sayer(row, "n_from_interval", printed)
    i2 = read_printed(row.i2)
    if not (row.n and row.ci_low and row.ci_high):
        return say("", NOT_CHECKABLE, "Patients and interval are not both printed.")
    if i2 is None or i2.value != 0:
        explanation = "Only without heterogeneity does an interval tell the number of patients."
        return say("", NOT_CHECKABLE, explanation)
    fitting = implied_scales(row)
    if len(fitting) != 1:
        return say("", NOT_CHECKABLE, "The scale of the interval is not known.")
    implied = fitting[0]
    if implied.scale not in ("arcsine", "logit") or implied.clipped:
        explanation = "On this scale the interval does not fix the number of patients."
        return say("", NOT_CHECKABLE, explanation)
    least, most = _n_range(row, implied)
    recomputed = f"{least:.1f} to {most:.1f} patients, {implied.scale}"
    if _overlap((least, most), (float(row.n), float(row.n))):
        return say(recomputed, CONSISTENT, "The interval is that of the printed patients.")
    # The double arcsine counts half a patient more a study, and heterogeneity hidden by the
    # rounding of I2 can only widen an interval: one that is narrower has no such excuse. A
    # logit interval is that of the patients only under a logistic model.
    spare = float(row.k) / 2 if row.k else np.inf
    if implied.scale == "arcsine" and least - spare > float(row.n):
        whole = _whole_numbers(least, most)
        explanation = (
            f"The interval is that of {whole} patients on the arcsine scale, "
            f"narrower than {row.n} patients can give."
        )
        return say(recomputed, CONTRADICTION, explanation)
    explanation = (
        f"The interval would be that of {_whole_numbers(least, most)} patients; "
        "another model or a trace of heterogeneity would explain it too."
    )
    return say(recomputed, NOT_CHECKABLE, explanation)


def _n_range(row: Published, implied: ImpliedScale) -> tuple[float, float]:
    """Patients from the standard error: 1/(4n) of the arcsine, 1/(n p (1-p)) of the logit."""
    least, most = 1 / implied.se_high**2, 1 / implied.se_low**2 if implied.se_low else np.inf
    if implied.scale == "arcsine":
        return least / 4, most / 4
    span = _span(row, "estimate", "raw")
    ends = [p * (1 - p) for p in (span.low, span.high)]
    greatest = 0.25 if span.low <= 0.5 <= span.high else max(ends)
    return least / greatest, most / min(ends) if min(ends) > 0 else np.inf


def _whole_numbers(least: float, most: float) -> str:
    first, last = int(np.ceil(least)), np.floor(most)
    if first > last:
        return f"{(least + most) / 2:.1f}"
    return str(first) if first == last else f"{first} to {last:.0f}"


# Printed tests ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class PrintedQ:
    """Q between groups from their printed estimates: as printed, and over their rounding."""

    scale: str
    df: int
    q: float
    q_low: float
    q_high: float
    p: float
    p_low: float
    p_high: float


def printed_q_between(groups: Sequence[Published], level: float = 0.95) -> list[PrintedQ]:
    """The test for subgroup differences that the groups' printed results give.

    Q = sum W_g (mu_g - mu.)^2 with W_g = 1/se_g^2 on G - 1 degrees of freedom (Borenstein et
    al. 2009, ch. 19), on every scale (raw first) on which all their intervals are symmetric;
    a limit at the end of what a proportion can be is mirrored. An empty list means that the
    groups share no scale. Raises ValueError for fewer than two groups.
    """
    if len(groups) < 2:
        raise ValueError(f"a test between groups needs two or more, not {len(groups)}")
    found = [{implied.scale: implied for implied in implied_scales(row, level)} for row in groups]
    shared = [scale for scale in _TO_SCALE if all(scale in implied for implied in found)]
    tests = (_q_on(scale, groups, [implied[scale] for implied in found]) for scale in shared)
    return [test for test in tests if test]


def _q_on(scale: str, groups, implied: Sequence[ImpliedScale]) -> PrintedQ | None:
    if not all(0 < of_group.se <= of_group.se_high < np.inf for of_group in implied):
        return None
    spans = [_span(row, "estimate", scale) for row in groups]
    mu, se, se_low, se_high = (
        np.array([getattr(of_group, name) for of_group in implied])
        for name in ("estimate", "se", "se_low", "se_high")
    )
    df = len(groups) - 1
    q = _spread_of(mu, se)
    q_low, q_high = _least_spread(spans, se_high), _most_spread(spans, se_low)
    p, p_high, p_low = (float(chdtrc(df, value)) for value in (q, q_low, q_high))
    return PrintedQ(scale, df, q, q_low, q_high, p, p_low, p_high)


def _spread_of(mu: np.ndarray, se: np.ndarray) -> float:
    w = 1 / se**2
    return float((w * (mu - (w * mu).sum() / w.sum()) ** 2).sum())


def _least_spread(spans: Sequence[_Span], se: np.ndarray) -> float:
    """The least Q over the groups' ranges: of the distances to one value m, at the best m.

    Q grows with every weight, so `se` are the greatest. Half its derivative in m is piecewise
    linear with corners at the ranges' ends, and vanishes between two of them.
    """
    low, high = (np.array([getattr(span, end) for span in spans]) for end in ("low", "high"))
    corners = np.sort(np.concatenate([low, high]))
    apart = np.maximum(corners[:, None] - high, 0) - np.maximum(low - corners[:, None], 0)
    m = np.interp(0.0, (apart / se**2).sum(axis=1), corners)
    return float(((np.maximum(m - high, 0) + np.maximum(low - m, 0)) ** 2 / se**2).sum())


def _most_spread(spans: Sequence[_Span], se: np.ndarray) -> float:
    """The greatest Q over the groups' ranges; convex in the estimates, so at a corner."""
    if not se.all():
        return np.inf
    corners = product(*((span.low, span.high) for span in spans))
    return max(_spread_of(np.array(corner), se) for corner in corners)


def _test_findings(test: PublishedTest, published: Mapping) -> list[Finding]:
    if test.test_claimed not in TESTS_CLAIMED:
        raise ValueError(
            f"{test.outcome}, {test.variant}: test_claimed is {test.test_claimed!r}, "
            f"not one of {', '.join(TESTS_CLAIMED)}"
        )
    findings = [_test_p(test)]
    if test.test_claimed == SUBGROUP_DIFFERENCES:
        groups = _groups(test, published)
        between = printed_q_between(groups) if _have_intervals(groups) else []
        findings += [_test_df(test, groups), _test_statistic(test, between)]
        findings.append(_test_conclusion(test, between))
    return findings


def _groups(test: PublishedTest, published: Mapping) -> list[Published]:
    missing = [name for name in test.groups.split() if (test.outcome, name) not in published]
    if missing:
        raise ValueError(
            f"{test.outcome}, {test.variant}: {', '.join(missing)} is no published result"
        )
    return [published[test.outcome, name] for name in test.groups.split()]


def _have_intervals(groups: Sequence[Published]) -> bool:
    printed = all(group.estimate and group.ci_low and group.ci_high for group in groups)
    return printed and len(groups) > 1


def _test_text(test: PublishedTest) -> str:
    return _listed(Q=test.statistic, df=test.df, p=test.p)


def _test_p(test: PublishedTest) -> Finding:
    say = _sayer(test, "test_p", _test_text(test))
    q, df, p = (read_printed(text) for text in (test.statistic, test.df, test.p))
    if q is None or df is None or p is None or df.value < 1:
        return say("", NOT_CHECKABLE, "Statistic, degrees of freedom and p are not all printed.")
    span = _p_of_q(df.value, q.low, q.high)
    recomputed = _p_text(*span)
    if _meet(span, p):
        return say(recomputed, CONSISTENT, "The printed p is that of the statistic.")
    cut = _p_of_q(df.value, *q.cut_off)
    if any(_overlap(a, b) for a in (span, cut) for b in ((p.low, p.high), p.cut_off)):
        explanation = "The printed p is that of the statistic if digits were cut off, not rounded."
        return say(recomputed, CONSISTENT, explanation)
    explanation = (
        f"{test.statistic} on {_count(int(df.value), 'degree')} of freedom means {recomputed}, "
        f"not {test.p}."
    )
    return say(recomputed, CONTRADICTION, explanation)


def _p_of_q(df: float, q_low: float, q_high: float) -> tuple[float, float]:
    return float(chdtrc(df, max(q_high, 0.0))), float(chdtrc(df, max(q_low, 0.0)))


def _test_df(test: PublishedTest, groups: Sequence[Published]) -> Finding:
    say = _sayer(test, "test_df", _test_text(test))
    if not test.df or not groups:
        explanation = "Degrees of freedom and groups are not both printed."
        return say("", NOT_CHECKABLE, explanation)
    df, right = int(test.df), len(groups) - 1
    recomputed = f"df = {right}"
    if df == right:
        return say(recomputed, CONSISTENT, "The degrees of freedom are the groups less one.")
    explanation = (
        f"A test for differences between {len(groups)} groups has "
        f"{_count(right, 'degree')} of freedom; {df} are those of the total heterogeneity "
        f"of {df + 1} studies."
    )
    return say(recomputed, CONTRADICTION, explanation)


def _test_statistic(test: PublishedTest, between: Sequence[PrintedQ]) -> Finding:
    say = _sayer(test, "test_statistic", _test_text(test))
    q = read_printed(test.statistic)
    if q is None or not between:
        return say("", NOT_CHECKABLE, _NO_Q_BETWEEN)
    recomputed = _between_text(between)
    if any(_meet((found.q_low, found.q_high), q) for found in between):
        return say(recomputed, CONSISTENT, "Q is that between the printed groups.")
    ranges = [f"{found.q_low:.3g} to {found.q_high:.3g} ({found.scale})" for found in between]
    explanation = f"The printed groups give a Q between them of {_or(ranges)}, not {q.value:g}."
    return say(recomputed, CONTRADICTION, explanation)


def _test_conclusion(test: PublishedTest, between: Sequence[PrintedQ]) -> Finding:
    say = _sayer(test, "test_conclusion", _test_text(test))
    p = read_printed(test.p)
    if p is None or not between:
        return say("", NOT_CHECKABLE, _NO_Q_BETWEEN)
    first, recomputed = between[0], _between_text(between)
    span = min(found.p_low for found in between), max(found.p_high for found in between)
    found = (
        f"Q between them is {first.q:.3g} on {_count(first.df, 'degree')} of freedom, "
        f"p = {first.p:.2g} ({span[0]:.2g} to {span[1]:.2g} by rounding and scale)"
    )
    significant, claimed = _significant(*span), _significant(p.low, p.high)
    if significant is None or claimed is None:
        explanation = f"Rounding leaves the groups' difference on either side of 0.05: {found}."
        return say(recomputed, NOT_CHECKABLE, explanation)
    differ = "differ" if significant else "do not differ"
    if significant == claimed:
        return say(recomputed, CONSISTENT, f"The groups {differ} significantly: {found}.")
    explanation = f"The groups {differ} significantly although p = {test.p} is printed: {found}."
    return say(recomputed, CONTRADICTION, explanation)


def _significant(p_low: float, p_high: float) -> bool | None:
    """Whether p is at most 0.05; None where its range holds both answers."""
    return None if p_low <= SIGNIFICANT < p_high else p_high <= SIGNIFICANT


_NO_Q_BETWEEN = "The groups' printed results do not give a Q between them."


def _between_text(between: Sequence[PrintedQ]) -> str:
    first = between[0]
    p = _p_text(first.p, first.p)
    return f"Q = {first.q:.3g}, df = {first.df}, {p}, {first.scale} scale"


# Words -----------------------------------------------------------------------------------------


def _sayer(row, check: str, printed: str) -> Callable[[str, str, str], Finding]:
    """Makes the finding of a check from what was recomputed, the verdict and the sentence."""
    return lambda recomputed, verdict, explanation: Finding(
        row.outcome, row.variant, check, printed, recomputed, verdict, explanation
    )


def _listed(**numbers: str) -> str:
    return ", ".join(f"{name} = {text}" for name, text in numbers.items() if text)


def _count(number: int, noun: str = "study") -> str:
    if number == 1:
        return f"1 {noun}"
    return f"{number} studies" if noun == "study" else f"{number} {noun}s"


def _p_text(least: float, greatest: float) -> str:
    """ "p = 0.011 to 0.013", "p = 0.26" or "p < 0.0001"."""
    if greatest < 1e-4:
        return "p < 0.0001"
    if least < 1e-4:
        return f"p up to {greatest:.2g}"
    one, other = f"{least:.2g}", f"{greatest:.2g}"
    return f"p = {one}" if one == other else f"p = {one} to {other}"


def _or(words: Sequence[str]) -> str:
    return " or ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def _range_text(low: float, high: float) -> str:
    one, other = f"{low:.3g}", f"{high:.3g}"
    return one if one == other else f"{one} to {other}"
