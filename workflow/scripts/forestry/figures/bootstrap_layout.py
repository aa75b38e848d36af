"""What a figure of bootstrap replicates shows: their distribution, and the intervals of it.

A band of the panel for each kind of bootstrap: a histogram of the pooled estimate's
replicates, and under it the intervals; at the foot the interval of the model itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from forestry.figures.chart_axis import ChartAxis, effect_axis, padded
from forestry.figures.chart_studies import counted
from forestry.figures.settings import ForestSettings
from forestry.figures.wording import number_format
from forestry.measure_kinds import RATIOS
from forestry.results import BootstrapInterval, Estimate

BINS = 72
OUTERMOST = 0.0005  # share of replicates at either end that the axis may leave out
HISTOGRAM, BAR, GAP = 3.0, 0.62, 0.75  # heights, in the panel's own units
KINDS = {"nonparametric": "Nonparametric", "parametric": "Parametric"}
HOW = {
    "nonparametric": "Nonparametric: studies drawn with replacement.",
    "parametric": "Parametric: the studies’ results drawn from the fitted random-effects model.",
}
INTERVALS = {"percentile": "Percentile", "basic": "Basic", "bca": "BCa"}
MODELS = {
    "wald": "Wald",
    "t": "t",
    "hartung_knapp": "Hartung–Knapp",
    "hartung_knapp_ad_hoc": "Hartung–Knapp, ad hoc",
    "profile_likelihood": "profile likelihood",
    "clopper_pearson": "exact",
}


@dataclass(frozen=True)
class Bar:
    """An interval at a height of the panel; `model` where it is not of the bootstrap."""

    name: str
    low: float
    high: float
    y: float
    model: bool = False


@dataclass(frozen=True)
class Histogram:
    """Replicates in bins of `edges`, as heights from `base` up, the highest HISTOGRAM."""

    kind: str
    edges: tuple[float, ...]
    heights: tuple[float, ...]
    base: float


@dataclass(frozen=True)
class BootstrapLayout:
    """A figure of replicates; all positions along x as the axis has them.

    Without axes there is nothing to draw, and `message` says why.
    """

    title: str
    counted: str
    histograms: tuple[Histogram, ...]
    bars: tuple[Bar, ...]
    estimate: float | None
    x: ChartAxis | None
    y: ChartAxis | None
    level: float
    notes: tuple[str, ...]
    message: str
    width_mm: float


def bootstrap_layout(
    rows: Sequence[BootstrapInterval],
    replicates: Mapping[str, np.ndarray],
    estimates: Sequence[Estimate],
    settings: ForestSettings,
) -> BootstrapLayout:
    """The replicates of the pooled estimate of a variant, with their intervals.

    `rows` are those of bootstrap.csv, `replicates` the estimates of each kind on the scale
    of display, (B,), without missing ones, `estimates` those of the outcome. Other outcomes,
    variants and quantities are passed over.
    """
    key = (settings.outcome, settings.variant, "estimate")
    own = [row for row in rows if (row.outcome, row.variant, row.quantity) == key]
    shown = {kind: values for kind, values in replicates.items() if values.size}
    reported = [row for row in estimates if row.variant == settings.variant and row.selected]
    (model,) = (row for row in reported if not row.group)
    if not shown or model.estimate is None:
        return _without(own, settings)
    place = np.log if settings.measure in RATIOS else np.asarray
    scale = "log" if settings.measure in RATIOS else "raw"
    ends = _ends(shown, own, model)
    low, high = padded(*(float(place(end)) for end in ends), 0.03)
    bands = _Bands(own, model, place, settings.measure)
    histograms = [bands.band(kind, values, (low, high)) for kind, values in shown.items()]
    bands.foot()
    heights, labels = zip(*bands.labels, strict=True)
    return BootstrapLayout(
        title=settings.title,
        counted=_counted(own, shown),
        histograms=tuple(histograms),
        bars=tuple(bands.bars),
        estimate=float(place(model.estimate)),
        x=effect_axis(low, high, settings.measure, scale, settings.effect_name),
        y=ChartAxis(bands.end + BAR, 0.0, heights, labels),
        level=own[0].level,
        notes=tuple(_notes(own, shown, ends)),
        message="",
        width_mm=settings.width_mm,
    )


class _Bands:
    """The bands of the panel, from the top down: `end` is where the last one ends."""

    def __init__(self, own: Sequence[BootstrapInterval], model: Estimate, place, measure: str):
        self._own, self._model, self._place = own, model, place
        known = [(row.ci_low, row.ci_high) for row in own if row.ci_low is not None]
        self._format = number_format(measure, known)
        self.bars: list[Bar] = []
        self.labels: list[tuple[float, str]] = []
        self.end = 0.0

    def band(self, kind: str, values: np.ndarray, ends: tuple[float, float]) -> Histogram:
        """A histogram, and under it the intervals of its kind."""
        base = self.end + GAP + HISTOGRAM
        self.labels.append((base - HISTOGRAM / 2, KINDS[kind]))
        self.end = base
        for row in self._own:
            if row.kind == kind and row.ci_low is not None:
                self._bar(INTERVALS[row.interval], row.ci_low, row.ci_high)
        counts, edges = np.histogram(self._place(values), bins=BINS, range=ends)
        heights = HISTOGRAM * counts / max(counts.max(), 1)
        return Histogram(kind, tuple(edges.tolist()), tuple(heights.tolist()), base)

    def foot(self) -> None:
        """The interval of the model itself."""
        self.end += GAP
        name = MODELS.get(self._model.interval, self._model.interval)
        self._bar(f"Model ({name})", self._model.ci_low, self._model.ci_high, model=True)

    def _bar(self, name: str, low: float, high: float, model: bool = False) -> None:
        self.end += BAR
        self.bars.append(Bar(name, *map(float, self._place((low, high))), self.end, model))
        said = f"{name}  {self._format(low)} to {self._format(high)}"
        self.labels.append((self.end, said))


def _without(own: Sequence[BootstrapInterval], settings: ForestSettings) -> BootstrapLayout:
    reasons = dict.fromkeys(row.note for row in own if row.note)
    said = "; ".join(reasons) or "no replicates"
    message = f"{said[0].upper()}{said[1:]}."
    parts = (settings.title, "", (), (), None, None, None, 0.95, (), message, settings.width_mm)
    return BootstrapLayout(*parts)


def _ends(shown, own, model: Estimate) -> tuple[float, float]:
    """What the axis must hold: all intervals, and all but the outermost replicates."""
    limits = [end for row in (*own, model) for end in (row.ci_low, row.ci_high) if end is not None]
    cuts = [np.quantile(values, (OUTERMOST, 1 - OUTERMOST)) for values in shown.values()]
    return min(*limits, *(low for low, _ in cuts)), max(*limits, *(high for _, high in cuts))


def _counted(own: Sequence[BootstrapInterval], shown: Mapping[str, np.ndarray]) -> str:
    first = own[0]
    each = " of each kind" if len(shown) > 1 else ""
    studies = counted(first.k, {"reconstructed": first.k_reconstructed})
    return f"{studies}, {first.replicates:,} replicates{each}"


def _notes(own: Sequence[BootstrapInterval], shown, ends) -> Iterator[str]:
    yield " ".join(HOW[kind] for kind in shown)
    for kind, values in shown.items():
        missing = next(row.without_value for row in own if row.kind == kind)
        beyond = int(((values < ends[0]) | (values > ends[1])).sum())
        if missing:
            yield f"{KINDS[kind]}: {missing:,} replicates without a value take no part."
        if beyond:
            yield f"{KINDS[kind]}: {beyond:,} replicates lie beyond the axis."
    noted = (row.note.split("; ") for row in own if row.kind in shown and row.note)
    for note in dict.fromkeys(part for parts in noted for part in parts):
        yield f"{note[0].upper()}{note[1:]}."
