"""What a Baujat plot shows: who makes the heterogeneity, and who moves the pooled result.

Source: Baujat, Mahé, Pignon & Hill, Stat Med 2002;21:2641.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from forestry.checks import checked_studies
from forestry.figures.chart_axis import ChartAxis, linear_axis
from forestry.figures.chart_studies import MARKS, members_of
from forestry.figures.settings import SINGLE_COLUMN_MM, ForestSettings
from forestry.results import StudyEffect, Weight

X_LABEL = "Contribution to Cochran\N{RIGHT SINGLE QUOTATION MARK}s Q"
Y_LABEL = "Influence on the pooled result"


@dataclass(frozen=True)
class BaujatSettings(ForestSettings):
    """As `ForestSettings`, of which only the outcome, the texts and the width are used."""

    width_mm: float = SINGLE_COLUMN_MM


@dataclass(frozen=True, eq=False)
class Baujat:
    """Of each study, arrays (k,): its part of Q, and its influence on the pooled mean."""

    contribution: np.ndarray
    influence: np.ndarray


@dataclass(frozen=True)
class BaujatPoint:
    study_id: str
    label: str  # with its dagger
    contribution: float
    influence: float
    hollow: bool


@dataclass(frozen=True)
class BaujatLayout:
    """A Baujat plot to draw; without axes `message` says why."""

    title: str
    counted: str
    points: tuple[BaujatPoint, ...]
    x: ChartAxis | None
    y: ChartAxis | None
    notes: tuple[str, ...]
    message: str
    width_mm: float


def baujat(yi: ArrayLike, vi: ArrayLike) -> Baujat:
    """Contribution to Q and influence under the common-effect model.

    `yi`, `vi` (k,): effects and their variances, link scale. The contribution is
    (y_i - mu)^2 / v_i, the influence (mu - mu(-i))^2 / var(mu(-i)), with mu(-i) the mean
    without study i. Raises ValueError for fewer than two studies.
    """
    yi, vi = checked_studies(yi, vi, least=2)
    w = 1 / vi
    mean = w @ yi / w.sum()
    others = w.sum() - w
    without = (w @ yi - w * yi) / others
    return Baujat(w * (yi - mean) ** 2, others * (mean - without) ** 2)


def baujat_layout(
    effects: Sequence[StudyEffect], weights: Sequence[Weight], settings: BaujatSettings
) -> BaujatLayout:
    """A Baujat plot of the studies that are pooled. Raises ValueError as `members_of` does."""
    members = members_of(effects, weights, settings)
    message = members.too_few("Baujat plot")
    points = () if message else tuple(_points(members.pooled, settings))
    return BaujatLayout(
        title=settings.title,
        counted=members.counted if points else "",
        points=points,
        x=_axis([point.contribution for point in points], X_LABEL) if points else None,
        y=_axis([point.influence for point in points], Y_LABEL) if points else None,
        notes=("Both under the common-effect model.",) if points else (),
        message=f"{message}." if message else "",
        width_mm=settings.width_mm,
    )


def _points(pooled: Sequence[StudyEffect], settings: BaujatSettings) -> Iterator[BaujatPoint]:
    found = baujat([effect.yi for effect in pooled], [effect.vi for effect in pooled])
    for i, effect in enumerate(pooled):
        yield BaujatPoint(
            study_id=effect.study_id,
            label=settings.label(effect.study_id) + MARKS.get(effect.status, ""),
            contribution=float(found.contribution[i]),
            influence=float(found.influence[i]),
            hollow=effect.status == "reconstructed",
        )


def _axis(values: Sequence[float], label: str) -> ChartAxis:
    """From a little below zero; to one where all values are zero but for rounding."""
    high = max(values) if max(values) > 1e-12 else 1.0
    return linear_axis(-0.04 * high, 1.06 * high, label)
