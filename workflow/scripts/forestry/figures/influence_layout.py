"""What an influence plot shows: each diagnostic of each study, with its threshold.

Diagnostics and thresholds are those of Viechtbauer & Cheung, Res Synth Methods 2010;1:112.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

from forestry.figures.chart_axis import ChartAxis, linear_axis, padded
from forestry.figures.chart_studies import MARKS, Members, members_of
from forestry.figures.settings import DOUBLE_COLUMN_MM, ForestSettings
from forestry.results import InfluenceRow, StudyEffect, Weight
from forestry.tau2 import COMMON, tau2

OUTLIER = 1.96
CHI_SQUARED_MEDIAN = NormalDist().inv_cdf(0.75) ** 2  # on 1 df
TITLES = {
    "rstudent": "Studentized\nresidual",
    "dffits": "\nDFFITS",
    "cook_distance": "Cook\N{RIGHT SINGLE QUOTATION MARK}s\ndistance",
    "cov_ratio": "Covariance\nratio",
    "tau2_deleted": "τ² without\nthe study",
    "q_deleted": "Q without\nthe study",
    "hat": "\nHat value",
    "dfbetas": "\nDFBETAS",
}


@dataclass(frozen=True)
class InfluenceSettings(ForestSettings):
    """As `ForestSettings`, of which only the outcome, the texts and the width are used.

    `threshold` is the studentized residual beyond which a study is an outlier.
    """

    width_mm: float = DOUBLE_COLUMN_MM
    threshold: float = OUTLIER


@dataclass(frozen=True)
class InfluenceStudy:
    study_id: str
    label: str  # with its dagger, and an asterisk where it is flagged
    flagged: bool
    hollow: bool


@dataclass(frozen=True)
class InfluencePanel:
    """A diagnostic: one value a study, in the studies' order.

    `reference` is where it lies without any influence (all studies' value, or zero), and
    `thresholds` bound what is not flagged.
    """

    key: str
    title: str
    values: tuple[float, ...]
    flagged: tuple[bool, ...]
    reference: float
    thresholds: tuple[float, ...]
    axis: ChartAxis


@dataclass(frozen=True)
class InfluenceLayout:
    """An influence plot to draw; without panels `message` says why."""

    title: str
    counted: str
    studies: tuple[InfluenceStudy, ...]
    panels: tuple[InfluencePanel, ...]
    notes: tuple[str, ...]
    message: str
    width_mm: float


def influence_layout(
    effects: Sequence[StudyEffect],
    weights: Sequence[Weight],
    rows: Sequence[InfluenceRow],
    settings: InfluenceSettings,
) -> InfluenceLayout:
    """An influence plot of the outcome and variant of `settings`.

    `rows` may hold other outcomes and variants. A study is flagged where it is
    `influential` or an outlier. Raises ValueError as `members_of` does, and where the rows
    are not those of the studies pooled.
    """
    members = members_of(effects, weights, settings)
    message = members.too_few("influence plot")
    mine = _of_members(rows, members, settings) if not message else []
    panels = _panels(mine, members, settings) if mine else ()
    return InfluenceLayout(
        title=settings.title,
        counted=members.counted if mine else "",
        studies=tuple(
            _study(effect, row, settings) for effect, row in zip(members.pooled, mine, strict=False)
        ),
        panels=panels,
        notes=_notes(mine, settings),
        message=f"{message}." if message else "",
        width_mm=settings.width_mm,
    )


def _of_members(rows, members: Members, settings: InfluenceSettings) -> list[InfluenceRow]:
    here = (settings.outcome, settings.variant)
    by_study = {row.study_id: row for row in rows if (row.outcome, row.variant) == here}
    pooled = [effect.study_id for effect in members.pooled]
    if set(by_study) != set(pooled):
        odd = ", ".join(sorted(set(by_study) ^ set(pooled)))
        raise ValueError(f"influence of {here[0]}, {here[1]}: not the studies pooled ({odd})")
    return [by_study[study] for study in pooled]


def _study(effect: StudyEffect, row: InfluenceRow, settings: InfluenceSettings) -> InfluenceStudy:
    flagged = _is_flagged(row, settings)
    label = settings.label(effect.study_id) + MARKS.get(effect.status, "")
    return InfluenceStudy(
        effect.study_id, label + " *" * flagged, flagged, effect.status == "reconstructed"
    )


def _panels(
    rows: Sequence[InfluenceRow], members: Members, settings: InfluenceSettings
) -> tuple[InfluencePanel, ...]:
    k = len(rows)
    yi = [effect.yi for effect in members.pooled]
    vi = [effect.vi for effect in members.pooled]
    reach = 3 * sqrt(1 / (k - 1))
    references = {
        "cov_ratio": 1.0,
        "tau2_deleted": _tau2(yi, vi, rows[0].tau2_method),
        "q_deleted": _q(yi, vi),
        "hat": 1 / k,
    }
    thresholds = {
        "rstudent": (-settings.threshold, settings.threshold),
        "dffits": (-reach, reach),
        "cook_distance": (CHI_SQUARED_MEDIAN,),
        # Of two or three studies none can have a hat value beyond 3/k.
        "hat": (3 / k,) if k > 3 else (),
        "dfbetas": (-1.0, 1.0),
    }
    return tuple(
        _panel(key, rows, references.get(key, 0.0), thresholds.get(key, ())) for key in TITLES
    )


def _panel(key: str, rows, reference: float, thresholds: tuple[float, ...]) -> InfluencePanel:
    values = tuple(float(getattr(row, key)) for row in rows)
    shown = (*values, reference, *thresholds)
    low, high = min(shown), max(shown)
    low, high = padded(low, high, 0.09) if high - low > 1e-12 else (low - 0.09, low + 1.09)
    return InfluencePanel(
        key=key,
        title=TITLES[key],
        values=values,
        flagged=tuple(_beyond(value, thresholds) for value in values),
        reference=reference,
        thresholds=thresholds,
        axis=linear_axis(low, high, "", steps=4),
    )


def _beyond(value: float, thresholds: tuple[float, ...]) -> bool:
    if not thresholds:
        return False
    return value > max(thresholds) or (len(thresholds) == 2 and value < min(thresholds))


def _tau2(yi, vi, method: str) -> float:
    return 0.0 if method == COMMON else tau2(yi, vi, method).estimate


def _q(yi, vi) -> float:
    mean = sum(y / v for y, v in zip(yi, vi, strict=True)) / sum(1 / v for v in vi)
    return sum((y - mean) ** 2 / v for y, v in zip(yi, vi, strict=True))


def _notes(rows: Sequence[InfluenceRow], settings: InfluenceSettings) -> tuple[str, ...]:
    if not rows:
        return ()
    method = rows[0].tau2_method
    model = "Common-effect model" if method == COMMON else f"Random-effects model, τ² by {method}"
    outlier = f"an outlier (studentized residual beyond ±{settings.threshold:g})"
    flagged = f"* Influential, or {outlier}."
    if not any(_is_flagged(row, settings) for row in rows):
        flagged = f"No study is influential or {outlier}."
    return (f"{model}; each study against the others. {flagged}",)


def _is_flagged(row: InfluenceRow, settings: InfluenceSettings) -> bool:
    return row.influential or abs(row.rstudent) > settings.threshold
