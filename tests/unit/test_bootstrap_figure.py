"""Figures of bootstrap replicates: what they show, read back from what is drawn."""

import numpy as np
import pytest

from forestry.bootstrap.gathering import replicate_chunk
from forestry.bootstrap.replicates import Plan
from forestry.bootstrap.table import bootstrap_table, estimates_of
from forestry.bootstrap.targets import targets_of
from forestry.figures.bootstrap_layout import BINS, HISTOGRAM, bootstrap_layout
from forestry.figures.bootstrap_plot import draw_bootstrap
from forestry.figures.settings import ForestSettings
from forestry.pool import pool_outcome
from unit.pooling_examples import EVERYONE, MIXED, PLAIN, effects, sheet

KINDS = ("nonparametric", "parametric")
INTERVALS = ("percentile", "basic", "bca")
TABLES = {
    "proportion": {"events": (3, 8, 5, 12, 5, 9), "total": (10, 11, 6, 14, 20, 19)},
    "risk_ratio": {
        "events": (4, 6, 3, 62, 33),
        "total": (123, 306, 231, 13598, 5069),
        "control_events": (11, 29, 11, 248, 47),
        "control_total": (139, 303, 220, 12867, 5808),
    },
    "mean": {"n": (10, 20, 15, 12), "mean": (-4.0, 5.5, 3.9, 6.2), "sd": (1.1, 2, 1.5, 3)},
}


def settings(measure, **given):
    given = {"outcome": "x", "variant": "main", "title": "Title", "labels": {}} | given
    return ForestSettings(measure=measure, **given)


def layout_of(measure="proportion", table=None, kinds=KINDS, **given):
    pooling = MIXED if measure == "proportion" else PLAIN
    found = effects(sheet(measure, **(table or TABLES[measure])), measure, pooling)
    declared = {
        "outcome": "x",
        "measure": measure,
        "pooling": pooling,
        "variants": {"main": EVERYONE},
    }
    chosen = targets_of(found, (), {**declared, "subgroups": None})
    records = replicate_chunk("x", chosen, kinds, Plan(500, 1), "1-of-1")
    rows = bootstrap_table("x", chosen, kinds, INTERVALS, records)
    estimates = pool_outcome(found, declared).estimates
    shown = {kind: estimates_of(chosen[0], kind, records) for kind in kinds}
    return bootstrap_layout(rows, shown, estimates, settings(measure, **given)), rows, estimates


@pytest.mark.parametrize("measure", TABLES)
def test_every_interval_is_drawn_where_it_is(measure):
    layout, rows, estimates = layout_of(measure)
    place = np.log if measure == "risk_ratio" else np.asarray
    figure = draw_bootstrap(layout)
    (panel,) = figure.axes[1:]
    drawn = {gid: [] for gid in ("interval", "interval-model", "estimate")}
    for line in panel.lines:
        if line.get_gid() in drawn:
            drawn[line.get_gid()].append(tuple(line.get_xdata()))
    (model,) = (row for row in estimates if row.selected)
    own = [row for row in rows if row.quantity == "estimate"]
    assert len(drawn["interval"]) == len(own) == 6
    for row, ends in zip(own, drawn["interval"], strict=True):
        assert ends == pytest.approx(tuple(place((row.ci_low, row.ci_high))))
    assert drawn["interval-model"] == [pytest.approx(tuple(place((model.ci_low, model.ci_high))))]
    assert drawn["estimate"] == [pytest.approx((float(place(model.estimate)),) * 2)]
    low, high = panel.get_xlim()
    for ends in drawn["interval"]:
        assert low <= ends[0] <= ends[1] <= high


def test_a_histogram_counts_the_replicates():
    layout, _, _ = layout_of()
    assert [histogram.kind for histogram in layout.histograms] == list(KINDS)
    for histogram in layout.histograms:
        assert len(histogram.heights) == BINS == len(histogram.edges) - 1
        assert max(histogram.heights) == HISTOGRAM
    figure = draw_bootstrap(layout)
    gids = {patch.get_gid() for patch in figure.axes[1].patches}
    assert {"replicates-nonparametric", "replicates-parametric"} <= gids
    assert layout.counted == "6 studies, 500 replicates of each kind"


def test_reconstructed_studies_are_counted():
    status = ("reported", "reconstructed", "reconstructed", "derived", "reported", "reported")
    layout, rows, _ = layout_of(table={**TABLES["proportion"], "status": status})
    assert {row.k_reconstructed for row in rows} == {2}
    assert layout.counted == "6 studies (2 reconstructed), 500 replicates of each kind"


def test_the_intervals_are_told_beside_their_lines():
    layout, rows, _ = layout_of("mean", unit="points")
    first = next(row for row in rows if row.quantity == "estimate")
    said = [label for label in layout.y.tick_labels if label.startswith("Percentile")]
    assert len(said) == 2 and f"to {first.ci_high:.1f}" in said[0]
    assert "Model (Wald)" in layout.y.tick_labels[-1]
    assert layout.x.label == "Mean, points"


@pytest.mark.parametrize(
    "table, message",
    [
        ({"events": (3,), "total": (9,)}, "One study: not bootstrapped."),
        ({"events": (), "total": ()}, "No study: nothing to bootstrap."),
    ],
)
def test_without_replicates_the_figure_says_why(table, message):
    layout, _, _ = layout_of(table=table)
    assert layout.message == message and layout.x is None
    texts = [text.get_text() for text in draw_bootstrap(layout).axes[0].texts]
    assert message in texts


def test_few_studies_and_missing_intervals_are_noted_once():
    layout, _, _ = layout_of(table={"events": (9, 8, 6), "total": (9, 8, 7)})
    notes = " ".join(layout.notes)
    assert notes.count("Without some study there is no estimate: no BCa interval.") == 1
    assert notes.count("3 studies have 10 distinct samples") == 1


def test_all_text_lies_on_the_page():
    for width in (174.0, 85.0):
        layout, _, _ = layout_of(width_mm=width)
        figure = draw_bootstrap(layout)
        figure.draw_without_rendering()
        wide, high = figure.get_size_inches() * 72
        scale = 72 / figure.dpi
        texts = [*figure.axes[0].texts, *figure.axes[1].get_yticklabels()]
        for text in texts:
            box = text.get_window_extent()
            assert box.x0 * scale >= -0.5 and box.x1 * scale <= wide + 0.5, text.get_text()
