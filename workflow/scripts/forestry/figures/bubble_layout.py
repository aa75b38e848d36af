"""What a bubble plot of a meta-regression shows, without a word of how it is drawn.

A continuous moderator gives a line with its confidence band; a categorical one gives a
strip of bubbles a group, with the group's mean.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from forestry.figures.chart_axis import ChartAxis, effect_axis, linear_axis, padded
from forestry.figures.chart_studies import MARKS, Members, members_of
from forestry.figures.settings import SINGLE_COLUMN_MM, ForestSettings
from forestry.figures.wording import Span, Spans, joined, number, p_value, percent, variance
from forestry.intervals import critical_value
from forestry.measure_kinds import DIFFERENCES, KINDS, RATIOS
from forestry.metaregression import INTERCEPT, MetaRegression
from forestry.results import USUAL_MINIMUM, StudyEffect, Weight
from forestry.scales import harmonic_mean

STEPS = 60  # of the line
FEW = f"Fewer than {USUAL_MINIMUM} studies: too few to rely on."


@dataclass(frozen=True)
class BubbleSettings(ForestSettings):
    """As `ForestSettings`, of which the arms are not used.

    `moderator` is its name in the fit, `moderator_label` and `moderator_unit` what a reader
    is told; `groups` names the levels of a categorical one.
    """

    width_mm: float = SINGLE_COLUMN_MM
    moderator: str = ""
    moderator_label: str = ""
    moderator_unit: str = ""

    @property
    def moderator_name(self) -> str:
        name = self.moderator_label or self.moderator.replace("_", " ").capitalize()
        return f"{name}, {self.moderator_unit}" if self.moderator_unit else name

    @property
    def moderator_words(self) -> str:
        """The moderator within a sentence: its name without the unit."""
        return self.moderator_name.split(",")[0].lower()


@dataclass(frozen=True, eq=False)
class Prediction:
    """Means that a meta-regression gives, arrays (m,), with their intervals; link scale."""

    estimate: np.ndarray
    ci_low: np.ndarray
    ci_high: np.ndarray


@dataclass(frozen=True)
class Bubble:
    """A study: `x` is its moderator, or the number of its group; `effect` on the link scale."""

    study_id: str
    x: float
    effect: float
    weight: float  # 1/(v + tau2), as a share of the largest
    mark: str
    hollow: bool


@dataclass(frozen=True)
class Fitted:
    """A point of the line, or a group; link scale."""

    x: float
    estimate: float
    ci_low: float
    ci_high: float


@dataclass(frozen=True)
class BubbleLayout:
    """A bubble plot to draw; `fitted` is a line, or with `groups` one mean a group.

    Without axes there is nothing to draw, and `message` says why.
    """

    title: str
    counted: str
    bubbles: tuple[Bubble, ...]
    x: ChartAxis | None
    y: ChartAxis | None
    fitted: tuple[Fitted, ...]
    groups: tuple[str, ...]
    null: float | None
    level: float
    statistics: tuple[Spans, ...]
    notes: tuple[str, ...]
    width_mm: float
    message: str = ""


def predict(fit: MetaRegression, x: ArrayLike) -> Prediction:
    """The fitted means at rows `x` (m, p) of a design, with intervals at the fit's level.

    The columns are those of `fit.terms`. mean = x b, variance = x V x', and the critical
    value that of the fit's interval (normal, or t on k - p df). Raises ValueError for rows
    of another length.
    """
    x = np.asarray(x, dtype=float)
    if x.ndim != 2 or x.shape[1] != fit.p:
        raise ValueError(f"rows of {fit.p} columns are needed, not of shape {x.shape}")
    mean = x @ np.array([coefficient.estimate for coefficient in fit.coefficients])
    se = np.sqrt(np.einsum("mp,pq,mq->m", x, fit.covariance, x))
    half = critical_value(fit.interval, fit.k - fit.p, fit.level) * se
    return Prediction(mean, mean - half, mean + half)


def bubble_layout(
    effects: Sequence[StudyEffect],
    weights: Sequence[Weight],
    values: Mapping[str, float | str | None],
    fit: MetaRegression | None,
    settings: BubbleSettings,
    why_not: str = "",
) -> BubbleLayout:
    """A bubble plot of a meta-regression on one moderator and an intercept.

    `values` has each pooled study's value of the moderator; a study without one is not
    shown, and counted in a note. Where nothing could be fitted, `fit` is None and the plot
    says `why_not`. Raises ValueError as `members_of` does, for a fit of other terms or
    another number of studies, and for a level that the fit does not know.
    """
    if fit is None:
        return _without_fit(why_not, settings)
    members = members_of(effects, weights, settings)
    shown = [e for e in members.pooled if values.get(e.study_id) not in (None, "")]
    if fit.k != len(shown):
        raise ValueError(f"the fit has {fit.k} studies, {len(shown)} have {settings.moderator}")
    levels = _levels(fit, values, shown, settings)
    places = _places(shown, values, levels)
    bubbles = tuple(_bubbles(shown, places, fit))
    fitted = _group_means(fit) if levels else _line(fit, places)
    null = 0.0 if settings.measure in (*RATIOS, *DIFFERENCES) else None
    y, null = _y_axis(bubbles, fitted, null, shown, settings)
    return BubbleLayout(
        title=settings.title,
        counted=Members(tuple(shown), ()).counted,
        bubbles=bubbles,
        x=_group_axis(levels, places, settings) if levels else _x_axis(places, settings),
        y=y,
        fitted=fitted,
        groups=levels,
        null=null,
        level=fit.level,
        statistics=tuple(_statistics(fit, settings, shown[0].scale, bool(levels))),
        notes=tuple(_notes(fit, len(members.pooled) - len(shown), settings)),
        width_mm=settings.width_mm,
    )


def _without_fit(why_not: str, settings: BubbleSettings) -> BubbleLayout:
    return BubbleLayout(
        title=settings.title,
        counted="",
        bubbles=(),
        x=None,
        y=None,
        fitted=(),
        groups=(),
        null=None,
        level=settings.level,
        statistics=(),
        notes=(),
        width_mm=settings.width_mm,
        message=f"No meta-regression on {settings.moderator_words}: {why_not}.",
    )


# Studies and fit --------------------------------------------------------------------------


def _levels(fit: MetaRegression, values, shown, settings: BubbleSettings) -> tuple[str, ...]:
    """The groups, the reference first; none where the moderator is continuous."""
    name = settings.moderator
    if fit.terms == (INTERCEPT, name):
        return ()
    others = [term.removeprefix(f"{name}: ") for term in fit.terms[1:]]
    if fit.terms != (INTERCEPT, *(f"{name}: {level}" for level in others)):
        raise ValueError(f"the fit is not of {name} alone: its terms are {', '.join(fit.terms)}")
    rest = {str(values[effect.study_id]) for effect in shown} - set(others)
    if len(rest) != 1:
        raise ValueError(f"{name}: {', '.join(sorted(rest)) or 'no level'} is not one reference")
    return (*rest, *others)


def _places(shown, values, levels: tuple[str, ...]) -> list[float]:
    if levels:
        return [float(levels.index(str(values[effect.study_id]))) for effect in shown]
    return [float(values[effect.study_id]) for effect in shown]


def _bubbles(shown: Sequence[StudyEffect], places: list[float], fit) -> Iterator[Bubble]:
    weights = [1 / (effect.vi + fit.tau2) for effect in shown]
    for effect, x, weight in zip(shown, places, weights, strict=True):
        yield Bubble(
            study_id=effect.study_id,
            x=x,
            effect=effect.yi,
            weight=weight / max(weights),
            mark=MARKS.get(effect.status, ""),
            hollow=effect.status == "reconstructed",
        )


def _line(fit: MetaRegression, places: list[float]) -> tuple[Fitted, ...]:
    """Over the values that studies have, and not beyond."""
    x = np.linspace(min(places), max(places), STEPS + 1)
    return _fitted(x, predict(fit, np.column_stack([np.ones_like(x), x])))


def _group_means(fit: MetaRegression) -> tuple[Fitted, ...]:
    design = np.eye(fit.p)
    design[:, 0] = 1.0
    return _fitted(np.arange(fit.p), predict(fit, design))


def _fitted(x: np.ndarray, found: Prediction) -> tuple[Fitted, ...]:
    columns = zip(x, found.estimate, found.ci_low, found.ci_high, strict=True)
    return tuple(Fitted(*map(float, row)) for row in columns)


# Axes -------------------------------------------------------------------------------------


def _x_axis(places: list[float], settings: BubbleSettings) -> ChartAxis:
    return linear_axis(*padded(min(places), max(places), 0.06), settings.moderator_name)


def _group_axis(levels, places: list[float], settings: BubbleSettings) -> ChartAxis:
    labels = tuple(
        f"{settings.groups.get(level, level.replace('_', ' '))}\nk = {places.count(i)}"
        for i, level in enumerate(levels)
    )
    ticks = tuple(map(float, range(len(levels))))
    return ChartAxis(-0.5, len(levels) - 0.5, ticks, labels, settings.moderator_name)


def _y_axis(bubbles, fitted, null, shown, settings) -> tuple[ChartAxis, float | None]:
    """The axis of the effects; and no effect where the axis holds it."""
    values = [bubble.effect for bubble in bubbles]
    values += [limit for point in fitted for limit in (point.ci_low, point.ci_high)]
    low, high = min(values), max(values)
    if null is not None and max(high, null) - min(low, null) <= 2 * (high - low):
        low, high = min(low, null), max(high, null)
    scale = shown[0].scale
    n = harmonic_mean([effect.total for effect in shown]) if scale == "double_arcsine" else None
    low, high = padded(low, high, 0.07)
    axis = effect_axis(low, high, settings.measure, scale, settings.effect_name, n)
    return axis, null if null is not None and low <= null <= high else None


# Words ------------------------------------------------------------------------------------

_EQUALS = "\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}"
_LINKS = {
    "logit": "logit",
    "arcsine": "arcsine",
    "double_arcsine": "double arcsine",
    "square_root": "square root",
    "fisher_z": "Fisher's z",
}


def _statistics(fit: MetaRegression, settings, scale: str, grouped: bool) -> Iterator[Spans]:
    if not grouped:
        yield _slope(fit, settings, scale)
    if fit.moderators is not None:
        test = fit.moderators
        name = Span("F", True) if test.df2 else Span("Q", True)
        df = f"df{_EQUALS}{test.df}" + (f", {test.df2}" if test.df2 else "")
        between = "Differences between groups: " if grouped else "Test of the slope: "
        yield _said(
            Span(between), name, Span(f"{_EQUALS}{number(test.statistic, 2)}, {df}, "), *_p(test)
        )
    r2 = (
        []
        if fit.r2 is None
        else [Span(", "), Span("R", True), Span(f"²{_EQUALS}{percent(fit.r2)}")]
    )
    yield _said(
        Span("Residual heterogeneity: "),
        Span("Q", True),
        Span(f"{_EQUALS}{number(fit.qe, 2)}, df{_EQUALS}{fit.qe_df}, "),
        *_p_spans(fit.qe_p),
        Span(f", τ²{_EQUALS}{variance(fit.tau2)}"),
        *r2,
    )


def _slope(fit: MetaRegression, settings: BubbleSettings, scale: str) -> Spans:
    slope = fit.coefficients[1]
    decimals = _decimals(slope.ci_high - slope.ci_low)
    shown = [number(value, decimals) for value in (slope.estimate, slope.ci_low, slope.ci_high)]
    what = _LINKS.get(scale, settings.effect_name.split(",")[0].lower())
    what = f"log {KINDS[settings.measure].in_text}" if scale == "log" else what
    level = f"{100 * fit.level:g}% CI"
    return _said(
        Span(
            f"Slope of the {what}: {shown[0]} ({level} {shown[1]} to {shown[2]}) "
            f"per unit of {settings.moderator_words}"
        )
    )


def _decimals(length: float) -> int:
    """Those that show two significant digits of half an interval's length."""
    return min(max(1 - math.floor(math.log10(length / 2)), 0), 8) if length > 0 else 3


def _p(test) -> list[Span]:
    return _p_spans(test.p_value)


def _p_spans(p: float) -> list[Span]:
    shown = p_value(p).replace(" ", "\N{NO-BREAK SPACE}")
    return [Span("p", True), Span(f"\N{NO-BREAK SPACE}{shown}")]


def _said(*spans: Span) -> Spans:
    return joined(spans)


def _notes(fit: MetaRegression, missing: int, settings: BubbleSettings) -> Iterator[str]:
    yield f"Mixed-effects meta-regression, τ² by {fit.tau2_method}; areas are weights."
    if fit.k < USUAL_MINIMUM:
        yield FEW
    if missing:
        studies = "One study" if missing == 1 else f"{missing} studies"
        verb = "is" if missing == 1 else "are"
        yield f"{studies} without {settings.moderator_words} {verb} not shown."
