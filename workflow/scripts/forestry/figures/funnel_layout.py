"""What a contour-enhanced funnel plot shows, without a word of how it is drawn.

Effects on the scale of analysis against their standard errors (Sterne & Egger, J Clin
Epidemiol 2001;54:1046), the pseudo-confidence region about the pooled result, and contours
of significance about no effect (Peters, Sutton, Jones, Abrams & Rushton, J Clin Epidemiol
2008;61:991). A proportion or a mean in one arm has no value of no effect: its contours
are pseudo-confidence regions about the pooled result.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import sqrt
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from forestry.figures.chart_axis import ChartAxis, effect_axis, linear_axis, padded
from forestry.figures.chart_studies import MARKS, Members, members_of
from forestry.figures.settings import SINGLE_COLUMN_MM, ForestSettings
from forestry.figures.wording import number_format
from forestry.measure_kinds import DIFFERENCES, KINDS, RATIOS, unit_of
from forestry.results import USUAL_MINIMUM, Estimate, StudyEffect, Weight
from forestry.scales import harmonic_mean, to_display

if TYPE_CHECKING:
    from forestry.trim_and_fill import TrimAndFill

CONTOURS = (0.1, 0.05, 0.01)  # two-sided p values that bound the shades
MODELS = {"common": "Common effect", "random": "Random effects"}
FEW = f"Fewer than {USUAL_MINIMUM} studies: tests of asymmetry have little power."
NULL_BEYOND = "No effect lies beyond the axis; every study is where p < 0.01."
FARTHEST_NULL = 3.0  # how many widths of the data the axis may have to hold no effect


@dataclass(frozen=True)
class FunnelSettings(ForestSettings):
    """As `ForestSettings`, of which the arms are not used.

    `name_outliers` names the studies outside the pseudo-confidence region where there is
    room for all their names.
    """

    width_mm: float = SINGLE_COLUMN_MM
    name_outliers: bool = True


@dataclass(frozen=True)
class FunnelPoint:
    """A study; `effect` and `se` on the scale of analysis."""

    study_id: str  # empty for a point added by trim and fill
    label: str
    effect: float
    se: float
    kind: str  # study | left_out | added
    status: str = ""
    mark: str = ""  # dagger or double dagger
    times: int = 1  # how many studies lie on this very point; 0 on all of these but the first
    among: str = ""  # how many of these have which mark, where not all have the same
    outside: bool = False  # of the pseudo-confidence region

    @property
    def hollow(self) -> bool:
        return self.status == "reconstructed" or self.kind == "added"


@dataclass(frozen=True)
class Contour:
    """The lines on which the two-sided p about `centre` is `p`: centre +- z se."""

    p: float
    z: float
    centre: float


@dataclass(frozen=True)
class FunnelLayout:
    """A funnel plot to draw, on the scale of analysis; without axes `message` says why.

    `about` is what the contours lie about: ``null``, ``pooled`` or nothing. `region` is
    the pseudo-confidence region about the pooled result, None where no model was fitted.
    """

    title: str
    counted: str
    points: tuple[FunnelPoint, ...]
    x: ChartAxis | None
    top: ChartAxis | None  # the scale of analysis, where the axis below is in percent
    y: ChartAxis | None
    centre: float | None
    pooled: str  # the pooled result in words
    filled_centre: float | None  # with the studies that trim and fill added
    filled: str
    added: str  # the key's words for these studies
    region: Contour | None
    level: float
    contours: tuple[Contour, ...]  # the widest first
    about: str
    null: str
    notes: tuple[str, ...]
    message: str
    name_outliers: bool
    width_mm: float


def funnel_layout(
    effects: Sequence[StudyEffect],
    estimates: Sequence[Estimate],
    weights: Sequence[Weight],
    settings: FunnelSettings,
    filled: TrimAndFill | None = None,
) -> FunnelLayout:
    """A funnel plot of the outcome and variant of `settings`, with the points of `filled`.

    `estimates` and `weights` may hold other outcomes, variants and groups, which are
    passed over. Raises ValueError where the variant has no estimate that is selected or
    one of another number of studies, where `members_of` does, and where `filled` is of
    other effects.
    """
    members = members_of(effects, weights, settings)
    selected = _selected(estimates, settings)
    if selected.k != len(members.pooled):
        raise ValueError(
            f"{settings.outcome}, {settings.variant}: the estimate has {selected.k} studies, "
            f"the weights {len(members.pooled)}"
        )
    if filled is not None:
        _check_filled(filled, members)
    funnel = _Funnel(members, selected, settings, filled)
    return funnel.layout() if len(members.pooled) > 1 else funnel.message()


def _selected(estimates: Sequence[Estimate], settings: FunnelSettings) -> Estimate:
    here = (settings.outcome, settings.variant, "")
    mine = [row for row in estimates if (row.outcome, row.variant, row.group) == here]
    chosen = [row for row in mine if row.selected]
    if len(chosen) != 1:
        raise ValueError(f"outcome {here[0]} under variant {here[1]} has no selected estimate")
    return chosen[0]


def _check_filled(filled: TrimAndFill, members: Members) -> None:
    yi = [effect.yi for effect in members.pooled]
    observed = filled.yi[~filled.filled]
    if len(observed) != len(yi) or not np.allclose(observed, yi, rtol=1e-9, atol=1e-12):
        raise ValueError("trim and fill was not made of the studies of this funnel plot")


@dataclass(frozen=True)
class _Funnel:
    """What a funnel plot is made from; its methods give the layout's parts."""

    members: Members
    selected: Estimate
    settings: FunnelSettings
    trim_and_fill: TrimAndFill | None

    def layout(self) -> FunnelLayout:
        points = self._points()
        contours = self._contours()
        x, held = self._x_axis(points, contours)
        return FunnelLayout(
            title=self.settings.title,
            counted=self.members.counted,
            points=points,
            x=x,
            top=self._top_axis(x),
            y=self._y_axis(points),
            centre=self.centre,
            pooled=self._pooled(),
            filled_centre=self._filled_centre,
            filled=self._filled(),
            added=self._added_name(),
            region=self.region,
            level=self.settings.level,
            contours=contours,
            about="" if not contours else "pooled" if self.null is None else "null",
            null=_null_name(self.settings),
            notes=tuple(self._notes(held)),
            message="",
            name_outliers=self.settings.name_outliers,
            width_mm=self.settings.width_mm,
        )

    def message(self) -> FunnelLayout:
        settings = self.settings
        return FunnelLayout(
            title=settings.title,
            counted="",
            points=(),
            x=None,
            top=None,
            y=None,
            centre=None,
            pooled="",
            filled_centre=None,
            filled="",
            added="",
            region=None,
            level=settings.level,
            contours=(),
            about="",
            null="",
            notes=(),
            message=f"{self.members.too_few('funnel plot')}.",
            name_outliers=False,
            width_mm=settings.width_mm,
        )

    # The pooled result and the lines about it ---------------------------------------------

    @property
    def centre(self) -> float | None:
        return self.selected.link_estimate

    @property
    def null(self) -> float | None:
        """No effect on the scale of analysis: zero for log ratios and for differences."""
        has_null = self.settings.measure in (*RATIOS, *DIFFERENCES)
        return 0.0 if has_null else None

    @property
    def region(self) -> Contour | None:
        p = 1 - self.settings.level
        return None if self.centre is None else Contour(p, _z(p), self.centre)

    def _contours(self) -> tuple[Contour, ...]:
        about = self.centre if self.null is None else self.null
        if about is None:
            return ()
        return tuple(Contour(p, _z(p), about) for p in sorted(CONTOURS))

    @property
    def scale(self) -> str:
        return self.members.pooled[0].scale

    @property
    def _n_harmonic(self) -> float | None:
        if self.scale != "double_arcsine":
            return None
        return harmonic_mean([effect.total for effect in self.members.pooled])

    def _pooled(self) -> str:
        """``Random effects: 0.49 (95% CI 0.34 to 0.70)``"""
        row = self.selected
        model = MODELS.get(row.model, "")
        if self.centre is None or None in (row.estimate, row.ci_low, row.ci_high):
            return ""
        show = self._number_format()
        level = f"{100 * self.settings.level:g}% CI"
        low, high = show(row.ci_low), show(row.ci_high)
        unit = "%" if self.settings.measure == "proportion" else ""
        return f"{model}: {show(row.estimate)}{unit} ({level} {low} to {high}{unit})"

    def _number_format(self):
        intervals = [(effect.ci_low, effect.ci_high) for effect in self.members.pooled]
        known = [limits for limits in intervals if None not in limits]
        return number_format(self.settings.measure, known)

    @property
    def _filled_centre(self) -> float | None:
        found = self.trim_and_fill
        return float(found.fit.estimate) if found is not None and found.k0 else None

    def _filled(self) -> str:
        if self._filled_centre is None:
            return ""
        shown = float(to_display(self._filled_centre, self.scale, self._n_harmonic))
        unit = "%" if self.settings.measure == "proportion" else ""
        return f"With those added: {self._number_format()(shown)}{unit}"

    def _added_name(self) -> str:
        found = self.trim_and_fill
        return f"Added by trim and fill ({found.estimator})" if found else ""

    # Points -------------------------------------------------------------------------------

    def _points(self) -> tuple[FunnelPoint, ...]:
        points = [self._study(effect, "study") for effect in self.members.pooled]
        points += [self._study(effect, "left_out") for effect in self.members.left_out]
        return (*_counted(points), *self._added())

    def _study(self, effect: StudyEffect, kind: str) -> FunnelPoint:
        se = sqrt(effect.vi)
        region = self.region
        outside = region is not None and abs(effect.yi - region.centre) > region.z * se
        return FunnelPoint(
            study_id=effect.study_id,
            label=self.settings.label(effect.study_id),
            effect=effect.yi,
            se=se,
            kind=kind,
            status=effect.status,
            mark=MARKS.get(effect.status, "") if kind == "study" else "",
            outside=outside and kind == "study",
        )

    def _added(self) -> Iterator[FunnelPoint]:
        found = self.trim_and_fill
        if found is not None:
            added = zip(found.yi[found.filled], found.vi[found.filled], strict=True)
            yield from (FunnelPoint("", "", float(y), sqrt(v), "added") for y, v in added)

    # Axes ---------------------------------------------------------------------------------

    def _x_axis(self, points, contours) -> tuple[ChartAxis, bool]:
        """The axis of the effects, and whether it holds no effect where there is one."""
        deepest = _deepest(points)
        values = [point.effect for point in points]
        if self._filled_centre is not None:
            values.append(self._filled_centre)
        if self.region is not None:
            values += [self.centre + side * self.region.z * deepest for side in (-1, 1)]
        if self.null is None and contours:
            values += [self.centre + side * contours[0].z * deepest for side in (-1, 1)]
        low, high = self._possible(min(values), max(values))
        held = self.null is None or max(high, 0.0) - min(low, 0.0) <= FARTHEST_NULL * (high - low)
        if held and self.null is not None:
            low, high = min(low, 0.0), max(high, 0.0)
        low, high = padded(low, high, 0.03)
        settings = self.settings
        axis = effect_axis(
            low, high, settings.measure, self.scale, settings.effect_name, self._n_harmonic
        )
        return axis, held

    def _possible(self, low: float, high: float) -> tuple[float, float]:
        """Within the values that a proportion has on its scale."""
        ends = {"raw": (0.0, 1.0), "arcsine": (0.0, np.pi / 2), "double_arcsine": (0.0, np.pi / 2)}
        if self.settings.measure != "proportion" or self.scale not in ends:
            return low, high
        lowest, highest = ends[self.scale]
        effects = [effect.yi for effect in (*self.members.pooled, *self.members.left_out)]
        # Trim and fill may mirror a study beyond the end: it has to be seen.
        added = [float(self.trim_and_fill.yi.min())] if self.trim_and_fill else []
        most = [float(self.trim_and_fill.yi.max())] if self.trim_and_fill else []
        return max(low, min(lowest, *effects, *added)), min(high, max(highest, *effects, *most))

    def _top_axis(self, x: ChartAxis) -> ChartAxis | None:
        names = {
            "logit": "Logit of the proportion",
            "arcsine": "Arcsine of the square root of the proportion",
            "double_arcsine": "Freeman\N{EN DASH}Tukey double arcsine",
            "square_root": "Square root of the incidence rate",
            "fisher_z": "Fisher's z",
        }
        name = names.get(self.scale)
        kind = KINDS[self.settings.measure]
        if self.scale == "log" and not kind.ratio:
            name = f"Log of the {kind.in_text}"
        return linear_axis(x.low, x.high, name, steps=6) if name else None

    def _y_axis(self, points) -> ChartAxis:
        """Standard errors downwards from zero."""
        percent = self.settings.measure == "proportion" and self.scale == "raw"
        return linear_axis(
            1.06 * _deepest(points),
            0.0,
            _se_name(self.scale, self.settings),
            steps=4,
            factor=100.0 if percent else 1.0,
        )

    # Notes --------------------------------------------------------------------------------

    def _notes(self, held: bool) -> Iterator[str]:
        if not held:
            yield NULL_BEYOND
        if self.centre is None:
            said = self.selected.note
            yield "No model was fitted: no funnel." + (f" {_sentence(said)}" if said else "")
        if self.trim_and_fill is not None and not self.trim_and_fill.k0:
            yield f"Trim and fill ({self.trim_and_fill.estimator}) adds no study."
        if len(self.members.pooled) < USUAL_MINIMUM:
            yield FEW


def _z(p: float) -> float:
    return -NormalDist().inv_cdf(p / 2)


def _deepest(points: Sequence[FunnelPoint]) -> float:
    return max(point.se for point in points)


def _counted(points: Sequence[FunnelPoint]) -> Iterator[FunnelPoint]:
    """The points, the first of those that coincide with their number and their marks."""
    places = [(point.kind, f"{point.effect:.6g}", f"{point.se:.6g}") for point in points]
    marks: dict[tuple, Counter] = {}
    for point, place in zip(points, places, strict=True):
        marks.setdefault(place, Counter())[point.mark] += 1
    for point, place in zip(points, places, strict=True):
        here = marks.pop(place, Counter())
        found = replace(point, times=here.total())
        if len(here) > 1:
            said = ", ".join(f"{number}{mark}" for mark, number in here.items() if mark)
            found = replace(found, mark="", among=f"({said})")
        yield found


def _se_name(scale: str, settings: FunnelSettings) -> str:
    if scale == "log":
        return f"Standard error of the log {KINDS[settings.measure].in_text}"
    if scale == "logit":
        return "Standard error of the logit"
    if scale == "fisher_z":
        return "Standard error of Fisher's z"
    if scale in ("arcsine", "double_arcsine", "square_root"):
        return f"Standard error of the {scale.replace('_', ' ')}"
    proportion = settings.measure == "proportion"
    unit = "percentage points" if proportion else unit_of(settings.measure, settings.unit)
    return f"Standard error, {unit}" if unit else "Standard error"


def _null_name(settings: FunnelSettings) -> str:
    kind = KINDS[settings.measure]
    name = kind.in_text if kind.ratio else settings.effect_name.split(",")[0].lower()
    return f"{name} {1 if kind.ratio else 0}"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")
