"""Numbers and statistics as a figure prints them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

from forestry.measure_kinds import KINDS
from forestry.results import Estimate, HeterogeneityTest

MINUS = "\N{MINUS SIGN}"


@dataclass(frozen=True)
class Span:
    """A piece of a line of text: statistical symbols are italic."""

    text: str
    italic: bool = False


Spans = tuple[Span, ...]


@dataclass(frozen=True)
class NumberFormat:
    """How a measure's values are printed: `factor` 100 for proportions in percent.

    A ratio of 100 or more has no decimals, and one that would read 0.00 has as many as
    it needs.
    """

    decimals: int
    factor: float = 1.0
    ratio: bool = False

    def __call__(self, value: float) -> str:
        decimals = self.decimals
        if self.ratio and value >= 100:
            decimals = 0
        elif self.ratio and 0 < value < 0.005:
            decimals = -math.floor(math.log10(value))
        return number(value * self.factor, decimals)


def number(value: float, decimals: int) -> str:
    """A number with a true minus sign, and no sign on a zero."""
    text = f"{abs(value):.{decimals}f}"
    return MINUS + text if value < 0 and float(text) != 0 else text


def number_format(measure: str, intervals: Iterable[tuple[float, float]]) -> NumberFormat:
    """The format of a measure's estimates and limits (display scale).

    Proportions are percent with one decimal; ratios, risk differences, standardized
    differences and correlations have two. Other measures get the decimals that show two
    significant digits of the median half-width of `intervals`, at most three.
    """
    kind = KINDS[measure]
    if kind.decimals is not None:
        factor = 100.0 if measure == "proportion" else 1.0
        return NumberFormat(decimals=kind.decimals, factor=factor, ratio=kind.ratio)
    widths = [(high - low) / 2 for low, high in intervals if high > low]
    decimals = 1 - math.floor(math.log10(median(widths))) if widths else 1
    return NumberFormat(decimals=min(max(decimals, 0), 3))


def percent(share: float, decimals: int = 0) -> str:
    return f"{number(100 * share, decimals)}%"


def p_value(p: float) -> str:
    """``< 0.001``, or ``= `` and the value: three decimals below 0.1, else two."""
    if p < 0.001:
        return "< 0.001"
    return f"= {p:.3f}" if p < 0.0995 else f"= {p:.2f}"


def variance(value: float) -> str:
    """A variance with two significant digits, at most four decimals."""
    if value == 0:
        return "0"
    if value < 0.0001:
        return "< 0.0001"
    return number(value, min(max(1 - math.floor(math.log10(value)), 0), 4))


# Lines of statistics ----------------------------------------------------------------------

_Q_NAMES = {
    "mantel_haenszel_q": "Mantel\N{EN DASH}Haenszel\N{NO-BREAK SPACE}",
    "wald_q": "Wald\N{NO-BREAK SPACE}",
    "likelihood_ratio_q": "likelihood-ratio\N{NO-BREAK SPACE}",
}
_I2_BASES = {"tau2": " (from τ²)"}
_EQUALS = "\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}"


def heterogeneity(selected: Estimate, tau2: float | None = None) -> Spans:
    """Q, df, p, I² with its basis where this is not Cochran's Q, and τ².

    `tau2` is that of the random-effects row where another one is selected. A statistic
    that does not exist is left out; all missing gives an empty line.
    """
    parts = [*_q(selected), *_i2(selected)]
    tau2 = selected.tau2 if tau2 is None else tau2
    if tau2 is not None:
        shown = variance(tau2)
        parts.append(
            [Span(f"τ²\N{NO-BREAK SPACE}{shown}" if shown[0] == "<" else f"τ²{_EQUALS}{shown}")]
        )
    return _line("Heterogeneity: ", parts)


def _q(row: Estimate) -> list[list[Span]]:
    if row.q is None:
        return []
    name = _Q_NAMES.get(row.i2_basis, "")
    parts = [[Span(name), Span("Q", italic=True), Span(f"{_EQUALS}{number(row.q, 2)}")]]
    return parts + _df_and_p(row.q_df, row.q_p)


def _df_and_p(df: int | None, p: float | None) -> list[list[Span]]:
    parts = []
    if df is not None:
        parts.append([Span(f"df{_EQUALS}{df}")])
    if p is not None:
        shown = p_value(p).replace(" ", "\N{NO-BREAK SPACE}")
        parts.append([Span("p", italic=True), Span(f"\N{NO-BREAK SPACE}{shown}")])
    return parts


def _i2(row: Estimate) -> list[list[Span]]:
    if row.i2 is None:
        return []
    limits = ""
    if row.i2_low is not None and row.i2_high is not None:
        limits = f" ({percent(row.i2_low)} to {percent(row.i2_high)})"
    basis = _I2_BASES.get(row.i2_basis, "")
    return [[Span("I", italic=True), Span(f"²{_EQUALS}{percent(row.i2)}{limits}{basis}")]]


def overall_effect(selected: Estimate) -> Spans:
    """The test of no effect; empty where the measure has none."""
    if selected.p_value is None:
        return ()
    return _line("Test of no effect: ", _df_and_p(None, selected.p_value))


def subgroup_differences(test: HeterogeneityTest) -> Spans:
    """The test for subgroup differences: between-groups Q with its df and p."""
    if test.statistic is None:
        return ()
    statistic = [Span("Q", italic=True), Span(f"{_EQUALS}{number(test.statistic, 2)}")]
    return _line("Subgroup differences: ", [statistic, *_df_and_p(test.df, test.p_value)])


def _line(title: str, parts: list[list[Span]]) -> Spans:
    if not parts:
        return ()
    spans = [Span(title)]
    for i, part in enumerate(parts):
        spans += [Span(", ")] * (i > 0) + part
    return joined(spans)


def joined(spans: Iterable[Span]) -> Spans:
    """Neighbours of one style as one span, empty ones gone."""
    line: list[Span] = []
    for span in spans:
        if line and line[-1].italic == span.italic:
            line[-1] = Span(line[-1].text + span.text, span.italic)
        elif span.text:
            line.append(span)
    return tuple(line)
