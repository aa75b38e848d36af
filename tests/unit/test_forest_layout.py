"""What a forest plot shows, read from its layout."""

from dataclasses import replace

import forest_examples as examples
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forestry.figures.forest_axis import forest_axis
from forestry.figures.forest_layout import forest_layout
from forestry.figures.settings import ForestSettings
from forestry.figures.wording import (
    heterogeneity,
    number,
    number_format,
    p_value,
    subgroup_differences,
    variance,
)
from forestry.results import HeterogeneityTest


def rows(layout, *kinds):
    return [row for row in layout.rows if row.kind in kinds]


def plain(spans):
    return "".join(span.text for span in spans).replace("\N{NO-BREAK SPACE}", " ")


@pytest.fixture
def layout():
    return forest_layout(*examples.proportions())


# Rows -------------------------------------------------------------------------------------


def test_rows_come_in_the_order_of_the_effects_then_results_then_the_others(layout):
    assert [(row.kind, row.key) for row in layout.rows] == [
        ("study", "adler"),
        ("study", "baker"),
        ("study", "dietz"),
        ("pooled", "common"),
        ("pooled", "random"),
        ("prediction", "prediction"),
        ("section_title", ""),
        ("left_out", "ernst"),
        ("heterogeneity", ""),
        ("unavailable", "cohen"),
        ("unavailable", "fabri"),
    ]


def test_order_follows_the_effects_when_they_are_turned_round():
    effects, *others = examples.proportions()
    turned = forest_layout(effects[::-1], *others)
    assert [row.key for row in rows(turned, "study")] == ["dietz", "baker", "adler"]
    assert [row.key for row in rows(turned, "unavailable")] == ["fabri", "cohen"]


def test_a_study_shows_its_counts_its_interval_in_percent_and_both_weights(layout):
    assert rows(layout, "study")[0].cells == {
        "events": ("8",),
        "total": ("19",),
        "effect": ("42.1", "(20.3", "to", "66.5)"),
        "common": ("36.0",),
        "random": ("40.0",),
    }


def test_marks_and_footnotes_of_derived_and_reconstructed_rows(layout):
    labels = [row.label for row in rows(layout, "study")]
    assert labels == ["Adler 2020", "Baker 2020‡", "Dietz 2020†"]
    assert [row.marker for row in rows(layout, "study")] == ["filled", "filled", "hollow"]
    assert [note[0] for note in layout.footnotes] == ["†", "‡"]


def test_a_left_out_study_is_grey_under_its_reason_and_keeps_its_interval(layout):
    (title,) = rows(layout, "section_title")
    (row,) = rows(layout, "left_out")
    assert title.label == "Left out: studentized residual \N{MINUS SIGN}2.47"
    assert row.muted and row.weight is None
    assert (row.estimate, row.ci_low, row.ci_high) == (0.1, 0.021, 0.265)


def test_an_unavailable_study_says_so_and_shows_what_is_known(layout):
    cohen, fabri = rows(layout, "unavailable")
    assert plain(cohen.spans) == "not available"
    assert cohen.cells == {"total": ("73",)} and fabri.cells == {}
    assert cohen.muted and not cohen.plotted


def test_the_selected_model_is_bold_filled_and_carries_the_totals(layout):
    common, random = rows(layout, "pooled")
    assert (common.bold, common.marker, common.muted) == (False, "hollow", True)
    assert (random.bold, random.marker, random.muted) == (True, "filled", False)
    assert random.cells["events"] == ("50",) and random.cells["total"] == ("71",)
    assert "events" not in common.cells
    assert layout.pooled == 0.71
    emphasis = {column.key: column.emphasis for column in layout.columns}
    assert (emphasis["common"], emphasis["random"]) == ("muted", "strong")
    assert [row.weight for row in rows(layout, "study")] == [0.4, 0.5, 0.1]


def test_weights_follow_the_selected_model():
    layout = forest_layout(*examples.ratios())
    assert [row.weight for row in rows(layout, "study")] == [0.6, 0.39, 0.01]


def test_the_prediction_interval_is_under_the_random_effects_and_can_be_hidden(layout):
    (prediction,) = rows(layout, "prediction")
    assert (prediction.ci_low, prediction.ci_high, prediction.estimate) == (0.08, 0.98, None)
    hidden = forest_layout(*examples.proportions(show_prediction=False))
    assert rows(hidden, "prediction") == []


def test_two_arms_show_both_arms_under_their_names():
    layout = forest_layout(*examples.ratios())
    assert [(column.group, column.title) for column in layout.columns[1:5]] == [
        ("Intravenous immunoglobulin", "Events"),
        ("Intravenous immunoglobulin", "Total"),
        ("Placebo", "Events"),
        ("Placebo", "Total"),
    ]
    common = rows(layout, "pooled")[0]
    assert common.cells["control_events"] == ("63",)


def test_means_show_n_mean_and_sd_with_common_decimals():
    layout = forest_layout(*examples.changes())
    first, second = rows(layout, "study")
    assert first.cells["mean"] == ("9.4", "(10.8)")
    assert second.cells["mean"] == ("\N{MINUS SIGN}4.5", "(7.2)")
    assert layout.axis.label == "Mean fall, CDASI points"


def test_one_study_is_shown_and_not_pooled():
    layout = forest_layout(*examples.single())
    (note,) = rows(layout, "note")
    assert plain(note.spans) == "One study with public numbers: not pooled"
    assert len(rows(layout, "study")) == 1 and rows(layout, "pooled") == []
    assert layout.pooled is None
    assert "common" not in {column.key for column in layout.columns}


@pytest.mark.parametrize("case", [examples.unavailable, examples.nothing])
def test_without_numbers_there_is_no_axis(case):
    layout = forest_layout(*case())
    assert layout.axis is None
    (note,) = rows(layout, "note")
    assert plain(note.spans) == "No study with public numbers: nothing to pool"


def test_a_variant_that_leaves_out_every_study_says_so():
    effects, _, weights, settings = examples.single()
    weights = [replace(row, included=False, reason="design is cohort") for row in weights]
    layout = forest_layout(effects, [examples.not_pooled(0)], weights, settings)
    assert plain(rows(layout, "note")[0].spans) == "No study left in this analysis: nothing to pool"
    assert rows(layout, "section_title")[0].label == "Left out: design is cohort"


def test_what_could_not_be_pooled_says_why():
    effects, _, weights, settings = examples.proportions()
    layout = forest_layout(effects, [examples.not_pooled(3, note="no event")], weights, settings)
    assert plain(rows(layout, "note")[0].spans) == "Not pooled: no event"


def test_subgroups_make_blocks_and_the_whole_comes_last():
    test = HeterogeneityTest(examples.OUTCOME, "main", "", "subgroup", 3, 9.4066, 1, 0.00216)
    layout = forest_layout(*examples.subgroups(), differences=test)
    assert [(row.kind, row.group) for row in layout.rows][:11] == [
        ("group_title", "iv"),
        ("study", "iv"),
        ("study", "iv"),
        ("pooled", "iv"),
        ("pooled", "iv"),
        ("heterogeneity", "iv"),
        ("group_title", "sc"),
        ("study", "sc"),
        ("pooled", "sc"),
        ("heterogeneity", "sc"),
        ("group_title", ""),
    ]
    assert layout.rows[0].label == "Intravenous"
    assert (
        plain(rows(layout, "test")[-1].spans) == "Subgroup differences: Q = 9.41, df = 1, p = 0.002"
    )
    groups = {row.group: row.cells["random"] for row in rows(layout, "pooled") if row.bold}
    assert groups == {"iv": ("90.0",), "sc": ("10.0",), "": ("100.0",)}


def test_a_limit_beyond_the_axis_is_an_arrow_and_keeps_its_value():
    layout = forest_layout(*examples.subgroups())
    (beyond,) = [row for row in rows(layout, "pooled") if row.group == "sc"]
    assert beyond.ci_high == 1.02 and beyond.arrow_high and not beyond.arrow_low
    assert any("arrowhead" in note for note in layout.footnotes)


def test_a_limit_that_is_a_rounding_error_beyond_the_axis_is_none():
    effects, estimates, weights, settings = examples.proportions()
    effects[3] = replace(effects[3], ci_high=1.0 + 1e-15)
    layout = forest_layout(effects, estimates, weights, settings)
    assert not any(row.arrow_high for row in layout.rows)


@pytest.mark.parametrize("case", examples.ALL)
def test_arrows_are_exactly_where_limits_lie_beyond_the_axis(case):
    layout = forest_layout(*case())
    for row in layout.rows:
        if row.plotted:
            assert row.arrow_low == (row.ci_low < layout.axis.low)
            assert row.arrow_high == (row.ci_high > layout.axis.high)
        else:
            assert not row.arrow_low and not row.arrow_high


def test_other_outcomes_and_variants_are_passed_over():
    effects, estimates, weights, settings = examples.proportions()
    others = [replace(row, variant="other", estimate=0.9) for row in estimates]
    weights_too = [replace(row, outcome="other", weight_random=0.9) for row in weights]
    layout = forest_layout(effects, [*others, *estimates], [*weights_too, *weights], settings)
    assert layout == forest_layout(effects, estimates, weights, settings)


# Bad input --------------------------------------------------------------------------------


def test_input_that_does_not_fit_is_refused_by_name():
    effects, estimates, weights, settings = examples.proportions()
    with pytest.raises(ValueError, match="no estimate of outcome response under variant rct"):
        forest_layout(effects, estimates, weights, replace(settings, variant="rct"))
    with pytest.raises(ValueError, match="study adler of response has no weight"):
        forest_layout(effects, estimates, weights[1:], settings)
    with pytest.raises(ValueError, match="no label for study adler"):
        forest_layout(effects, estimates, weights, replace(settings, labels={}))
    with pytest.raises(ValueError, match="effects are proportion, not mean"):
        forest_layout(effects, estimates, weights, replace(settings, measure="mean"))
    bare = [replace(effects[0], ci_low=None), *effects[1:]]
    with pytest.raises(ValueError, match="adler is usable but has no estimate or interval"):
        forest_layout(bare, estimates, weights, settings)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"colour": "red"}, "unknown colour"),
        ({"measure": "hazard"}, "no forest plot for measure 'hazard'"),
        ({"direction": "up"}, "direction is 'up'"),
        ({"width_mm": 40}, "width_mm is 40"),
    ],
)
def test_settings_are_strict(change, message):
    given = {"outcome": "a", "variant": "main", "title": "A", "measure": "mean", "labels": {}}
    with pytest.raises(ValueError, match=message):
        ForestSettings.from_mapping({**given, **change})
    with pytest.raises(ValueError, match="labels missing"):
        ForestSettings.from_mapping({key: given[key] for key in given if key != "labels"})


# The axis ---------------------------------------------------------------------------------


@pytest.mark.parametrize("top, high", [(0.09, 0.1), (0.1, 0.1), (0.11, 0.2), (0.5, 0.5), (0.52, 1)])
def test_proportions_have_a_round_axis_from_zero(top, high):
    axis = forest_axis("proportion", [(top / 2, 0.0, top)], "Proportion, %")
    assert (axis.low, axis.high, axis.ticks[0], axis.ticks[-1]) == (0, high, 0, high)
    assert axis.tick_labels[-1] == f"{100 * high:g}"


def test_ratios_have_a_log_axis_that_holds_one():
    axis = forest_axis("risk_ratio", [(1.8, 1.26, 2.56)], "Risk ratio")
    assert (axis.scale, axis.reference) == ("log", 1.0)
    assert axis.ticks == (1.0, 2.0, 5.0) and axis.tick_labels == ("1", "2", "5")


def test_a_ratio_that_is_not_positive_is_refused():
    with pytest.raises(ValueError, match="must be positive"):
        forest_axis("odds_ratio", [(1.0, 0.0, 2.0)], "Odds ratio")


def test_one_very_wide_interval_does_not_squash_the_others():
    narrow = [(200.0 + i, 180.0 + i, 220.0 + i) for i in range(5)]
    axis = forest_axis("mean_change", [*narrow, (210.0, -5000.0, 5400.0)], "Fall")
    # Estimates from 200 to 210 and three median half-widths of 20 to either side.
    assert axis.low >= 0 and axis.high <= 300
    alone = forest_axis("mean_change", narrow, "Fall")
    assert alone.high >= 224


def test_zero_is_the_reference_of_changes_but_not_of_means():
    intervals = [(9.4, 6.3, 12.4), (4.5, 1.6, 7.4)]
    assert forest_axis("mean_change", intervals, "").reference == 0.0
    assert forest_axis("mean", intervals, "").reference is None
    far = [(100.0, 99.0, 101.0)]
    assert forest_axis("mean_change", far, "").reference is None
    assert forest_axis("mean_change", far, "").low > 90


finite = st.floats(-1e6, 1e6).map(lambda x: round(x, 3))
three = st.tuples(finite, finite, finite).map(sorted).map(lambda x: (x[1], x[0], x[2]))


@given(st.lists(three, min_size=1, max_size=8), st.sampled_from(["mean", "mean_change"]))
def test_every_estimate_lies_on_a_linear_axis(intervals, measure):
    axis = forest_axis(measure, intervals, "")
    assert axis.low == axis.ticks[0] < axis.ticks[-1] == axis.high
    assert all(axis.holds(estimate) for estimate, _, _ in intervals)
    assert len(set(axis.tick_labels)) == len(axis.ticks) <= 8


positive = st.floats(-5, 5).map(lambda x: 10.0 ** round(x, 3))
ratio = st.tuples(positive, positive, positive).map(sorted).map(lambda x: (x[1], x[0], x[2]))


@given(st.lists(ratio, min_size=1, max_size=8))
def test_every_estimate_lies_on_a_log_axis(intervals):
    axis = forest_axis("odds_ratio", intervals, "")
    assert axis.low <= 1 <= axis.high and axis.low < axis.high
    assert all(axis.holds(estimate) for estimate, _, _ in intervals)
    assert 1.0 in axis.ticks and len(axis.ticks) <= 13
    assert axis.position(axis.low) == 0 and axis.position(axis.high) == 1


# Words and numbers ------------------------------------------------------------------------


def test_ratios_at_the_ends_of_the_scale():
    shown = number_format("risk_ratio", [])
    assert [shown(x) for x in (0.0004, 0.005, 1.8, 99.994, 3100.0)] == [
        "0.0004", "0.01", "1.80", "99.99", "3100"
    ]  # fmt: skip


def test_numbers():
    assert number(-2.345, 1) == "\N{MINUS SIGN}2.3"
    assert number(-0.04, 1) == "0.0"
    assert [p_value(p) for p in (0.0004, 0.001, 0.0123, 0.0996, 0.2, 1.0)] == [
        "< 0.001", "= 0.001", "= 0.012", "= 0.10", "= 0.20", "= 1.00"
    ]  # fmt: skip
    assert [variance(v) for v in (0, 0.00003, 0.00213, 0.589, 9.51, 205.4)] == [
        "0", "< 0.0001", "0.0021", "0.59", "9.5", "205"
    ]  # fmt: skip


@pytest.mark.parametrize(
    "measure, interval, text",
    [
        ("proportion", (0.1, 0.2), "12.3"),
        ("risk_ratio", (0.5, 2.0), "0.12"),
        ("mean", (100.0, 200.0), "0"),
        ("mean", (6.3, 12.4), "0.1"),
        ("mean", (0.31, 0.62), "0.12"),
        ("mean", (0.001, 0.002), "0.123"),
    ],
)
def test_decimals_follow_the_width_of_the_intervals(measure, interval, text):
    assert number_format(measure, [interval])(0.1234) == text


@pytest.mark.parametrize(
    "basis, q_name, i2_note",
    [
        ("q", "Q", ""),
        ("wald_q", "Wald Q", ""),
        ("likelihood_ratio_q", "likelihood-ratio Q", ""),
        ("tau2", "Q", " (from τ²)"),
    ],
)
def test_heterogeneity_names_what_it_is_based_on(basis, q_name, i2_note):
    row = examples.estimate("common", 0.5, 0.4, 0.6, i2_basis=basis)
    assert plain(heterogeneity(row, tau2=0.0312)) == (
        f"Heterogeneity: {q_name} = 3.40, df = 2, p = 0.18, I² = 41%{i2_note}, τ² = 0.031"
    )
    italic = [span.text for span in heterogeneity(row) if span.italic]
    assert italic == ["Q", "p", "I"]


def test_heterogeneity_leaves_out_what_does_not_exist():
    row = examples.estimate("random", 0.5, 0.4, 0.6, q=None, i2=None, tau2=None)
    assert heterogeneity(row) == ()
    limits = replace(row, i2=0.69, i2_low=0.5, i2_high=0.84)
    assert plain(heterogeneity(limits)) == "Heterogeneity: I² = 69% (50% to 84%)"
    assert subgroup_differences(HeterogeneityTest("a", "b", "", "t", 0, None, None, None)) == ()


# Reported rows alone -------------------------------------------------------------------------


def with_reported(beside):
    effects, estimates, weights, settings = examples.proportions(
        reported_variant="known", reported_label="Reported rows only"
    )
    estimates = [replace(row, k_reconstructed=1) for row in estimates]
    return forest_layout(effects, [*estimates, *beside], weights, settings)


def test_a_result_of_reconstructed_rows_has_that_of_reported_ones_below_it():
    alone = replace(examples.estimate("common", 0.6, 0.5, 0.7, True), variant="known", k=2)
    layout = with_reported([alone])
    *models, row = rows(layout, "pooled")
    assert [one.key for one in models] == ["common", "random"]
    assert row.label == "Reported rows only (k = 2)"
    assert (row.estimate, row.ci_low, row.ci_high) == (0.6, 0.5, 0.7)
    assert (row.bold, row.muted, row.marker) == (False, True, "hollow")
    assert row.cells["effect"] == ("60.0", "(50.0", "to", "70.0)")
    assert layout.pooled == 0.71


def test_reported_rows_that_are_not_pooled_are_said_to_be_so():
    alone = replace(examples.not_pooled(1), variant="known")
    (row,) = rows(with_reported([alone]), "reported_only")
    assert row.label == "Reported rows only (k = 1)" and plain(row.spans) == "not pooled"
    assert not row.plotted


def test_a_result_without_reconstructed_rows_has_no_such_line(layout):
    effects, estimates, weights, settings = examples.proportions(reported_variant="known")
    alone = replace(estimates[0], variant="known", selected=True)
    plot = forest_layout(effects, [*estimates, alone], weights, settings)
    assert plot.rows == layout.rows
