"""What a forest plot shows, row by row, without a word of how it is drawn.

From top to bottom: the pooled studies in the order of the sheet (in blocks where the
estimates have groups), the pooled results, the studies that the variant left out under
their reason, the lines of statistics, the studies without usable numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import log10
from statistics import median

from forestry import measure_kinds as kinds
from forestry.figures.forest_axis import Axis, forest_axis
from forestry.figures.forest_rows import Cells, Column, ForestLayout, Row
from forestry.figures.settings import ForestSettings
from forestry.figures.wording import (
    MINUS,
    NumberFormat,
    Span,
    heterogeneity,
    number,
    number_format,
    overall_effect,
    subgroup_differences,
)
from forestry.results import Estimate, HeterogeneityTest, StudyEffect, Weight

DAGGER, DOUBLE_DAGGER = "\N{DAGGER}", "\N{DOUBLE DAGGER}"
MARKS = {"reconstructed": DAGGER, "derived": DOUBLE_DAGGER}
RECONSTRUCTED = f"{DAGGER} Reconstructed from the published pooled result: hollow marker."
DERIVED = f"{DOUBLE_DAGGER} Derived by arithmetic from published figures."
APPROXIMATE = "Weights are approximate: a mixed model has none of its own."
BEYOND = "An arrowhead marks an interval that goes on beyond the axis."
NOTHING = "No study with public numbers: nothing to pool"
NOTHING_LEFT = "No study left in this analysis: nothing to pool"
ONE = "One study with public numbers: not pooled"
ONE_LEFT = "One study left in this analysis: not pooled"
NOT_AVAILABLE = "not available"
NOT_POOLED = "not pooled"
MODELS = {"common": "Common effect", "random": "Random effects"}
DASH = "\N{EN DASH}"


def forest_layout(
    effects: Sequence[StudyEffect],
    estimates: Sequence[Estimate],
    weights: Sequence[Weight],
    settings: ForestSettings,
    differences: HeterogeneityTest | None = None,
) -> ForestLayout:
    """A forest plot of the outcome and variant of `settings`.

    `estimates` and `weights` may hold other outcomes and variants, which are passed over.
    Estimates with a group make blocks of their own, in their order; `differences` is the
    test between the groups. Raises ValueError where the variant has no estimate, a usable
    study no weight, a study no label, or an effect another measure.
    """
    here = (settings.outcome, settings.variant)
    if strange := {effect.measure for effect in effects} - {settings.measure}:
        raise ValueError(f"effects are {', '.join(sorted(strange))}, not {settings.measure}")
    mine = [row for row in estimates if (row.outcome, row.variant) == here]
    if not mine:
        raise ValueError(f"no estimate of outcome {here[0]} under variant {here[1]}")
    shares = [row for row in weights if (row.outcome, row.variant) == here]
    beside = [
        row
        for row in estimates
        if (row.outcome, row.variant, row.group) == (here[0], settings.reported_variant, "")
    ]
    forest = _Forest(
        *(tuple(effects), tuple(mine), tuple(shares), settings, differences, _selected(beside))
    )
    rows = [row for row in forest.rows() if row.cells or row.label or row.spans]
    axis = _axis(rows, settings)
    rows = [_clipped(row, axis) for row in rows]
    return ForestLayout(
        title=settings.title,
        columns=tuple(forest.columns(axis is not None)),
        rows=tuple(rows),
        axis=axis,
        pooled=forest.selected.estimate if forest.selected else None,
        footnotes=tuple(forest.footnotes(rows)),
        width_mm=settings.width_mm,
    )


# Columns ----------------------------------------------------------------------------------

EVENTS = ("events", "Events", ("right",))
TOTAL = ("total", "Total", ("right",))
PATIENTS = ("n", "n", ("right",))
MEAN = ("mean", "Mean (SD)", ("right", "right"))
PERSON_TIME = ("person_time", "Person-time", ("right",))
COUNTS = ("counts", "n/N", ("right", "center", "left"))  # events and total where room is scarce
ESTIMATE_PARTS = ("right", "right", "center", "right")  # 12.3  (4.5  to  6.7)

DATA_COLUMNS = {  # by the columns of the sheet
    kinds.COUNTS: (EVENTS, TOTAL),
    kinds.TWO_ARM_COUNTS: (EVENTS, TOTAL),
    kinds.MEANS: (PATIENTS, MEAN),
    kinds.CHANGES: (PATIENTS, MEAN),
    kinds.TWO_ARM_MEANS: (PATIENTS, MEAN),
    kinds.RATES: (EVENTS, PERSON_TIME),
    kinds.TWO_ARM_RATES: (EVENTS, PERSON_TIME),
    kinds.CORRELATIONS: (PATIENTS,),
    kinds.ESTIMATES: (),
}
ARMS = ("", "control_")  # prefixes of the fields of StudyEffect


@dataclass(frozen=True)
class _Forest:
    """What a forest plot is made from; its methods give the layout's parts."""

    effects: tuple[StudyEffect, ...]
    estimates: tuple[Estimate, ...]
    weights: tuple[Weight, ...]
    settings: ForestSettings
    differences: HeterogeneityTest | None
    reported_only: Estimate | None  # the whole of reported rows alone

    # Who is where -------------------------------------------------------------------------

    @cached_property
    def groups(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(row.group for row in self.estimates if row.group))

    @cached_property
    def whole(self) -> tuple[Estimate, ...]:
        return self.pooled("")

    @cached_property
    def selected(self) -> Estimate | None:
        return _selected(self.whole)

    @cached_property
    def share(self) -> dict[tuple[str, str], Weight]:
        """Weights by group and study."""
        return {(row.group, row.study_id): row for row in self.weights}

    def pooled(self, group: str) -> tuple[Estimate, ...]:
        """The pooled rows of a group, common before random; none where nothing was pooled."""
        rows = [row for row in self.estimates if row.group == group and row.model in MODELS]
        return tuple(sorted(rows, key=lambda row: list(MODELS).index(row.model)))

    def members(self, group: str) -> list[StudyEffect]:
        """The studies pooled in a group (of all studies, where it is empty)."""
        return [effect for effect in self.effects if self._included(effect, group)]

    @cached_property
    def shown(self) -> list[StudyEffect]:
        """The studies that are pooled somewhere in the figure."""
        groups = self.groups or ("",)
        return [e for e in self.effects if any(self._included(e, group) for group in groups)]

    def _included(self, effect: StudyEffect, group: str) -> bool:
        weight = self.share.get((group, effect.study_id))
        if weight is None and effect.usable and not group and not self.groups:
            raise ValueError(f"study {effect.study_id} of {self.settings.outcome} has no weight")
        return effect.usable and weight is not None and weight.included

    # Columns ------------------------------------------------------------------------------

    @cached_property
    def data_columns(self) -> tuple[Column, ...]:
        measure = self.settings.measure
        if measure == "proportion" and self.settings.narrow:
            return (Column(*COUNTS, dispensable=1),)
        kind = kinds.KINDS[measure]
        columns = DATA_COLUMNS[kind.columns]
        if kind.arms == 1:
            return tuple(Column(*column, dispensable=1) for column in columns)
        names = (self.settings.treated, self.settings.control)
        return tuple(
            Column(prefix + key, title, parts, group=name, dispensable=2)
            for prefix, name in zip(ARMS, names, strict=True)
            for key, title, parts in columns
        )

    @cached_property
    def weight_columns(self) -> tuple[Column, ...]:
        models = [row.model for row in self.whole or self._first_pooled_group]
        if len(models) == 1:
            return (Column(models[0], "Weight, %", ("right",), dispensable=3),)
        return tuple(
            Column(
                model,
                MODELS[model].split()[0],
                ("right",),
                group="Weight, %",
                emphasis="strong" if model == self.model else "muted",
                dispensable=3 if model == self.model else 4,
            )
            for model in models
        )

    @cached_property
    def _first_pooled_group(self) -> tuple[Estimate, ...]:
        return next((rows for rows in map(self.pooled, self.groups) if rows), ())

    @cached_property
    def model(self) -> str:
        """The model whose weights the squares show."""
        selected = self.selected or _selected(self._first_pooled_group)
        return selected.model if selected else ""

    def columns(self, plotted: bool) -> Iterator[Column]:
        if not self.effects:
            return
        yield Column("label", "Study", ("left",))
        yield from self.data_columns
        if plotted:
            yield Column("plot", "", ())
            level = f"{100 * self.settings.level:g}"
            name, _, per = self.settings.effect_name.partition(", per ")
            title = f"{name}\nper {per} ({level}% CI)" if per else f"{name}\n({level}% CI)"
            yield Column("effect", title, ESTIMATE_PARTS)
            yield from self.weight_columns
        else:
            yield Column("plot", "", ())

    # Rows ---------------------------------------------------------------------------------

    def rows(self) -> Iterator[Row]:
        for group in self.groups:
            yield Row("group_title", key=group, group=group, label=self._group_label(group))
            yield from (self._study(effect, group) for effect in self.members(group))
            yield from self._results(group)
            yield from self._statistics(group)
        if not self.groups:
            yield from (self._study(effect, "") for effect in self.members(""))
        elif self.whole:
            yield Row("group_title", label="All studies")
        yield from self._results("")
        if self.selected and self.selected.k_reconstructed and self.reported_only:
            yield self._reported_row(self.reported_only)
        yield from self._left_out()
        yield from self._statistics("")
        if self.differences is not None:
            yield Row("test", spans=subgroup_differences(self.differences))
        for effect in self.effects:
            if not effect.usable:
                reason = (Span(effect.reason or NOT_AVAILABLE),)
                row = self._row("unavailable", effect, "", muted=True)
                yield replace(row, spans=reason)

    def _group_label(self, group: str) -> str:
        return self.settings.groups.get(group, group)

    def _row(self, kind: str, effect: StudyEffect, group: str, **more) -> Row:
        return Row(
            kind,
            key=effect.study_id,
            group=group,
            label=self.settings.label(effect.study_id) + MARKS.get(effect.status, ""),
            cells=self._data_cells(effect),
            **more,
        )

    def _interval_row(self, kind: str, effect: StudyEffect, group: str, **more) -> Row:
        row = self._row(kind, effect, group, **more)
        limits = (effect.estimate, effect.ci_low, effect.ci_high)
        if None in limits:
            raise ValueError(f"study {effect.study_id} is usable but has no estimate or interval")
        return replace(
            row,
            cells={**row.cells, "effect": self._effect_cell(*limits)},
            estimate=effect.estimate,
            ci_low=effect.ci_low,
            ci_high=effect.ci_high,
            marker="hollow" if effect.status == "reconstructed" else "filled",
        )

    def _study(self, effect: StudyEffect, group: str) -> Row:
        row = self._interval_row("study", effect, group)
        weight = self.share.get(("", effect.study_id)) or self.share[group, effect.study_id]
        shares = {column.key: _share(weight, column.key) for column in self.weight_columns}
        cells = {key: (_weight(share),) for key, share in shares.items()}
        return replace(row, cells={**row.cells, **cells}, weight=_share(weight, self.model))

    def _left_out(self) -> Iterator[Row]:
        """The usable studies that the variant left out, under each reason in turn."""
        shown = {effect.study_id for effect in self.shown}
        left = [e for e in self.effects if e.usable and e.study_id not in shown]
        reasons = {effect.study_id: self._reason(effect) for effect in left}
        for reason in dict.fromkeys(reasons.values()):
            yield Row("section_title", label=f"Left out: {reason}", muted=True)
            for effect in left:
                if reasons[effect.study_id] == reason:
                    yield self._interval_row("left_out", effect, "", muted=True)

    def _reason(self, effect: StudyEffect) -> str:
        rows = [row for row in self.weights if row.study_id == effect.study_id and row.reason]
        return re.sub(r"(?<!\w)-(?=\d)", MINUS, rows[0].reason) if rows else "not in this analysis"

    def _results(self, group: str) -> Iterator[Row]:
        for estimate in self.pooled(group):
            yield self._pooled_row(estimate)
            if estimate.model == "random" and self._has_prediction(estimate):
                yield self._prediction_row(estimate)

    def _has_prediction(self, estimate: Estimate) -> bool:
        return self.settings.show_prediction and None not in (estimate.pi_low, estimate.pi_high)

    def _pooled_row(self, estimate: Estimate) -> Row:
        limits = (estimate.estimate, estimate.ci_low, estimate.ci_high)
        totals = self._totals(self.members(estimate.group) or self.shown)
        return Row(
            "pooled",
            key=estimate.model,
            group=estimate.group,
            label=MODELS[estimate.model],
            cells={
                **(totals if estimate.selected else {}),
                "effect": self._effect_cell(*limits),
                estimate.model: (self._weight_of(estimate),),
            },
            estimate=estimate.estimate,
            ci_low=estimate.ci_low,
            ci_high=estimate.ci_high,
            marker="filled" if estimate.selected else "hollow",
            bold=estimate.selected,
            muted=not estimate.selected,
        )

    def _reported_row(self, estimate: Estimate) -> Row:
        """What the reported rows alone give, beside a result that rests on reconstructed ones."""
        label = f"{self.settings.reported_label} (k = {estimate.k})"
        limits = (estimate.estimate, estimate.ci_low, estimate.ci_high)
        if None in limits:
            return Row("reported_only", label=label, spans=(Span(NOT_POOLED),), muted=True)
        return Row(
            "pooled",
            key="reported_only",
            label=label,
            cells={"effect": self._effect_cell(*limits)},
            **dict(zip(("estimate", "ci_low", "ci_high"), limits, strict=True)),
            marker="hollow",
            muted=True,
        )

    def _prediction_row(self, estimate: Estimate) -> Row:
        return Row(
            "prediction",
            key="prediction",
            group=estimate.group,
            label="Prediction interval",
            cells={"effect": ("", *self._effect_cell(0.0, estimate.pi_low, estimate.pi_high)[1:])},
            ci_low=estimate.pi_low,
            ci_high=estimate.pi_high,
            muted=not estimate.selected,
        )

    def _statistics(self, group: str) -> Iterator[Row]:
        rows = self.pooled(group)
        selected = _selected(rows)
        if selected is None:
            if group or not self.groups:
                yield Row("note", group=group, spans=(Span(self._why_not_pooled(group)),))
            return
        tau2 = next((row.tau2 for row in rows if row.model == "random"), None)
        yield Row("heterogeneity", group=group, spans=heterogeneity(selected, tau2))
        if not group:
            yield Row("test", spans=overall_effect(selected))

    def _why_not_pooled(self, group: str) -> str:
        usable = len(self.members(group))
        if usable > 1:
            note = next((row.note for row in self.estimates if row.group == group), "")
            return f"Not pooled: {note}" if note else "Not pooled"
        all_usable = usable == sum(effect.usable for effect in self.effects)
        if usable == 1:
            return ONE if all_usable else "One study: not pooled" if group else ONE_LEFT
        return NOTHING if all_usable else NOTHING_LEFT

    # Cells --------------------------------------------------------------------------------

    @cached_property
    def format(self) -> NumberFormat:
        limits = [(e.ci_low, e.ci_high) for e in (*self.effects, *self.estimates)]
        return number_format(self.settings.measure, [x for x in limits if None not in x])

    @cached_property
    def mean_decimals(self) -> int:
        """Decimals of means and SDs: two significant digits of the median SD, at most two."""
        spreads = [e.sd for e in self.effects if e.sd] or [1.0]
        return min(max(int(1 - log10(median(spreads)) // 1), 0), 2)

    @cached_property
    def time_decimals(self) -> int:
        """Decimals that person-times are given with, at most two."""
        times = [t for e in self.effects for t in (e.person_time, e.control_person_time) if t]
        return next((d for d in (0, 1) if all(round(t, d) == t for t in times)), 2)

    def _effect_cell(self, estimate: float, low: float, high: float) -> tuple[str, ...]:
        return self.format(estimate), f"({self.format(low)}", "to", f"{self.format(high)})"

    def _data_cells(self, effect: StudyEffect) -> Cells:
        return {
            column.key: cell
            for column in self.data_columns
            if (cell := self._data_cell(effect, column.key)) is not None
        }

    def _data_cell(self, effect: StudyEffect, key: str) -> tuple[str, ...] | None:
        if key == "counts":
            return _counts(effect.events, effect.total)
        value = getattr(effect, key)
        if value is None:
            return None
        if isinstance(value, int):
            return (str(value),)
        if key.endswith("person_time"):
            return (number(value, self.time_decimals),)
        sd = getattr(effect, key.replace("mean", "sd"))
        mean = number(value, self.mean_decimals)
        return mean, "" if sd is None else f"({number(sd, self.mean_decimals)})"

    def _totals(self, effects: Iterable[StudyEffect]) -> Cells:
        """Sums of the counts of the pooled studies."""
        effects = tuple(effects)
        if COUNTS[0] in {column.key for column in self.data_columns}:
            sums = [sum(getattr(effect, key) for effect in effects) for key in ("events", "total")]
            return {COUNTS[0]: _counts(*sums)}
        counts = [column.key for column in self.data_columns if len(column.parts) == 1]
        sums = {key: sum(getattr(effect, key) for effect in effects) for key in counts}
        return {
            key: (number(value, self.time_decimals) if key.endswith("time") else str(value),)
            for key, value in sums.items()
        }

    def _weight_of(self, estimate: Estimate) -> str:
        """A pooled row's share of the whole: 100 but for a group."""
        shares = [
            _share(
                self.share.get(("", e.study_id)) or self.share[estimate.group, e.study_id],
                estimate.model,
            )
            for e in self.members(estimate.group) or self.shown
        ]
        return "" if None in shares or not shares else _weight(sum(shares))

    # Footnotes ----------------------------------------------------------------------------

    def footnotes(self, rows: Sequence[Row]) -> Iterator[str]:
        if any(DAGGER in row.label for row in rows):
            yield RECONSTRUCTED
        if any(DOUBLE_DAGGER in row.label for row in rows):
            yield DERIVED
        if any(row.arrow_low or row.arrow_high for row in rows):
            yield BEYOND
        timed = any(column.key == PERSON_TIME[0] for column in self.data_columns)
        if timed and self.settings.unit:
            yield f"Person-time is in {self.settings.unit}."
        approximate = any(row.weight_basis == "approximate_information" for row in self.weights)
        if approximate and self.weight_columns:
            yield APPROXIMATE


def _selected(rows: Sequence[Estimate]) -> Estimate | None:
    """The row that the review reports, or the last one where none is marked."""
    return next((row for row in rows if row.selected), rows[-1] if rows else None)


def _share(weight: Weight, model: str) -> float | None:
    return {"common": weight.weight_common, "random": weight.weight_random}.get(model)


def _weight(share: float | None) -> str:
    return DASH if share is None else number(100 * share, 1)


def _counts(events: int | None, total: int | None) -> tuple[str, ...] | None:
    if events is None and total is None:
        return None
    return tuple(DASH if x is None else str(x) for x in (events, "/", total))


def _axis(rows: Sequence[Row], settings: ForestSettings) -> Axis | None:
    shown = [(row.estimate, row.ci_low, row.ci_high) for row in rows if row.plotted]
    favours = [
        f"Favours {who}" if who else "" for who in (settings.favours_below, settings.favours_above)
    ]
    return forest_axis(settings.measure, shown, settings.effect_name, *favours)


def _clipped(row: Row, axis: Axis | None) -> Row:
    if axis is None or not row.plotted:
        return row
    return replace(
        row,
        arrow_low=row.ci_low < axis.low and not axis.holds(row.ci_low),
        arrow_high=row.ci_high > axis.high and not axis.holds(row.ci_high),
    )
