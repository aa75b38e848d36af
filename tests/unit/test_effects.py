"""From the rows of a sheet to effects: every way in which a row gives its numbers."""

import pytest
from pooling_examples import (
    MIXED,
    PLAIN,
    TWO_ARM,
    effects,
    reference,
    review,
    row,
    sheet,
)
from scipy.special import stdtrit

from forestry.effects import study_effects
from forestry.jobs.statistics import effects_settings
from forestry.measures import PROPORTION_SCALES
from forestry.records import read_records, write_records
from forestry.results import StudyEffect
from forestry.rows import read_table

CLOSED = 1e-12  # closed forms in float64; the references have 15 digits at least
Z = 1.959963984540054
RAW = {"model": "inverse_variance", "transform": "raw"}
NO_EFFECT = ("yi", "vi", "estimate", "ci_low", "ci_high")


def only(table, measure, pooling=PLAIN, **settings) -> StudyEffect:
    (effect,) = effects(table, measure, pooling, **settings)
    return effect


def close(value):
    return pytest.approx(value, rel=CLOSED, abs=1e-14)


# Counts -----------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", PROPORTION_SCALES)
def test_a_proportion_on_every_scale_agrees_with_escalc(scale):
    counts = reference("measures")["counts"]["pritz1997"]
    (known,) = (
        case
        for case in reference("measures")["proportions"]
        if (case["data"], case["scale"], case["to"]) == ("pritz1997", scale, "only_affected")
        and case["add"] == 0.5
    )
    found = effects(sheet("proportion", **counts), "proportion", RAW | {"transform": scale})
    assert [effect.yi for effect in found] == close(known["yi"])
    assert [effect.vi for effect in found] == close(known["vi"])
    assert {effect.scale for effect in found} == {scale}


def test_a_proportion_is_shown_as_counted_with_the_exact_interval():
    for case in reference("measures")["intervals"]:
        found = only(
            [row("a", "proportion", events=case["events"], total=case["total"])],
            "proportion",
            MIXED | {"level": case["level"]},
        )
        assert found.estimate == close(case["events"] / case["total"])
        assert [found.ci_low, found.ci_high] == close(case["clopper_pearson"])
        assert found.interval == "clopper_pearson"


@pytest.mark.parametrize("measure", ["risk_ratio", "odds_ratio", "risk_difference"])
def test_two_arms_agree_with_escalc(measure):
    (known,) = (
        case
        for case in reference("pooling")["mantel_haenszel"]
        if (case["table"], case["measure"], case["add"]) == ("bcg", measure, 0)
    )
    table = sheet(measure, **reference("pooling")["tables"]["bcg"])
    found = effects(table, measure)
    assert [effect.yi for effect in found] == close(known["yi"])
    assert [effect.vi for effect in found] == close(known["vi"])
    assert {effect.obtained for effect in found} == {"as printed"}


def test_a_ratio_is_shown_with_walds_interval_and_not_logged():
    found = only(sheet("risk_ratio", **dict(zip(TWO_ARM, [[4], [10], [2], [10]], strict=True))),
                 "risk_ratio")  # fmt: skip
    factor = 2.718281828459045 ** (Z * found.vi**0.5)
    assert (found.estimate, found.interval) == (close(2.0), "wald")
    assert [found.ci_low, found.ci_high] == close([2 / factor, 2 * factor])


@pytest.mark.parametrize(
    ("rule", "events", "yi", "obtained"),
    [
        ({}, 0, 0.5 / 11, "as printed; 0.5 added to the cells of a study with a zero cell"),
        ({"add": 0.1}, 10, 10.1 / 10.2,
         "as printed; 0.1 added to the cells of a study with a zero cell"),
        ({}, 4, 0.4, "as printed"),
        ({"to": "all"}, 4, 4.5 / 11, "as printed; 0.5 added to the cells of every study"),
        ({"correct": "variance"}, 0, 0.0,
         "as printed; 0.5 added to the cells of a study with a zero cell, for the variance alone"),
    ],
)  # fmt: skip
def test_what_is_added_to_a_zero_cell_is_recorded(rule, events, yi, obtained):
    table = [row("a", "proportion", events=events, total=10)]
    found = only(table, "proportion", RAW | {"zero_cells": rule})
    assert found.usable
    assert found.yi == close(yi)
    assert found.obtained == obtained
    assert (found.events, found.total, found.estimate) == (events, 10, close(events / 10))


def test_events_alone_are_named_where_they_alone_are_corrected():
    table = sheet("risk_ratio", **dict(zip(TWO_ARM, [[0], [10], [3], [10]], strict=True)))
    found = only(table, "risk_ratio", PLAIN | {"zero_cells": {"cells": "events"}})
    assert found.obtained == "as printed; 0.5 added to the events of a study with a zero cell"
    assert found.estimate == close((0.5 / 10.5) / (3.5 / 10.5))


def test_a_zero_cell_without_a_correction_has_no_effect():
    table = [row("a", "proportion", events=0, total=10), row("b", "proportion", events=1, total=10)]
    none, some = effects(table, "proportion", RAW | {"zero_cells": {"to": "none"}})
    assert (none.usable, none.reason) == (False, "a zero cell and no correction for it")
    assert {getattr(none, name) for name in (*NO_EFFECT, "obtained")} == {None, ""}
    assert (some.usable, some.reason) == (True, "")


@pytest.mark.parametrize(
    ("measure", "counts", "reason"),
    [
        ("risk_ratio", (0, 10, 0, 12), "no events in either arm"),
        ("odds_ratio", (0, 10, 0, 12), "no events in either arm"),
        ("odds_ratio", (10, 10, 12, 12), "nothing but events in both arms"),
        ("risk_ratio", (10, 10, 12, 12), ""),
        ("risk_difference", (0, 10, 0, 12), ""),
    ],
)
def test_a_ratio_needs_events_in_an_arm(measure, counts, reason):
    first = row("a", measure, **dict(zip(TWO_ARM, counts, strict=True)))
    other = row("b", measure, **dict(zip(TWO_ARM, (3, 10, 5, 12), strict=True)))
    found, kept = effects([first, other], measure)
    assert (found.usable, found.reason) == (not reason, reason)
    assert (found.events, found.control_total) == (counts[0], 12)
    assert kept.usable and kept.reason == ""
    assert (found.yi is None) == (found.estimate is None) == bool(reason)


# Means ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("measure", "known"),
    [("mean", "MN"), ("mean_difference", "MD"), ("standardized_mean_difference", "SMD")],
)
def test_means_agree_with_escalc(measure, known):
    data, known = reference("measures")["means"]["data"], reference("measures")["means"][known]
    columns = ("n", "mean", "sd") if measure == "mean" else tuple(data)
    found = effects(sheet(measure, **{name: data[name] for name in columns}), measure)
    assert [effect.yi for effect in found] == close(known["yi"])
    assert [effect.vi for effect in found] == close(known["vi"])
    half = Z * found[0].vi ** 0.5
    shown = [found[0].estimate, found[0].ci_low, found[0].ci_high]
    assert shown == close([known["yi"][0], known["yi"][0] - half, known["yi"][0] + half])


SUMMARIES = {"range": ("min", "max"), "quartiles": ("q1", "q3"), "both": ("min", "q1", "q3", "max")}
FIVE = {"min": 2, "q1": 4, "median": 6, "q3": 10, "max": 14}


@pytest.mark.parametrize(
    ("method", "given", "mean", "sd", "obtained"),
    [  # STATISTICS.md 5 P: a = 2, q1 = 4, m = 6, q3 = 10, b = 14, n = 20
        ("hozo2005", "range", 7, 3, "Hozo 2005 from median and range"),
        ("hozo2005", "both", 7, 3, "Hozo 2005 from median and range"),
        ("wan2014", "range", 7, 3.2116, "Wan 2014 from median and range"),
        ("wan2014", "quartiles", 6.6667, 4.7871, "Wan 2014 from median and quartiles"),
        ("luo2018", "range", 6.5945, 3.2116, "Luo 2018 (SD: Wan 2014) from median and range"),
        ("luo2018", "quartiles", 6.7195, 4.7871,
         "Luo 2018 (SD: Wan 2014) from median and quartiles"),
        ("shi2020", "both", 6.9388, 3.6794,
         "Luo 2018 (SD: Shi 2020) from median, quartiles and range"),
    ],
)  # fmt: skip
def test_a_median_is_transformed_by_the_settings_method(method, given, mean, sd, obtained):
    spread = {name: FIVE[name] for name in SUMMARIES[given]}
    found = only([row("a", "mean", n=20, median=6, **spread)], "mean", medians=method)
    assert found.mean == pytest.approx(mean, abs=5e-5)  # printed to four decimals
    assert found.sd == pytest.approx(sd, abs=5e-5)
    assert found.obtained == obtained
    assert (found.yi, found.vi) == (close(found.mean), close(found.sd**2 / 20))


def test_a_skewed_median_is_transformed_and_warned_of():
    given = {"n": 20, "median": 3, "min": 2, "max": 30}
    found = only([row("a", "mean", **given)], "mean")
    assert found.usable and found.warning.startswith("skewed by the test of Shi 2023")
    assert only([row("a", "mean", n=20, median=6, min=2, max=10)], "mean").warning == ""


def test_a_printed_mean_is_preferred_to_a_median():
    found = only([row("a", "mean", n=20, mean=5, sd=2, median=6, min=2, max=14)], "mean")
    assert (found.mean, found.sd, found.obtained) == (5, 2, "as printed")


@pytest.mark.parametrize(
    ("given", "reason", "kept"),
    [
        ({"n": 20, "mean": 5}, "mean without a spread", {"n": 20, "mean": 5}),
        ({"mean": 5, "sd": 2}, "number of patients not available", {"mean": 5, "sd": 2}),
        ({"n": 20}, "not available", {"n": 20}),
        ({"n": 20, "median": 6, "q1": 4, "q3": 10},
         "hozo2005 has no formula for a median with quartiles: "
         "use one of wan2014, luo2018, shi2020", {"n": 20}),
        ({"n": 20, "median": 6, "max": 10},
         "a median gives no SD without its range or its quartiles", {"n": 20}),
    ],
)  # fmt: skip
def test_a_mean_that_cannot_be_pooled_is_kept_with_the_reason(given, reason, kept):
    found = only([row("a", "mean", **given)], "mean")
    assert (found.usable, found.reason, found.obtained) == (False, reason, "")
    assert {name: getattr(found, name) for name in kept} == kept
    assert {getattr(found, name) for name in NO_EFFECT} == {None}


# Changes ----------------------------------------------------------------------------------

PAIR = {"baseline_mean": 20, "baseline_sd": 6, "end_mean": 12, "end_sd": 4}
INDEPENDENT_SD = (36 + 16) ** 0.5


@pytest.mark.parametrize(
    ("given", "correlation", "sd", "obtained"),
    [
        ({"change_mean": -8, "change_sd": 5}, 0.5, 5, "as printed"),
        (PAIR, 0.5, (52 - 24) ** 0.5, "assumed correlation 0.5 of baseline and end"),
        (PAIR, 0.8, (52 - 38.4) ** 0.5, "assumed correlation 0.8 of baseline and end"),
        (PAIR, "independent", INDEPENDENT_SD, "baseline and end taken as independent"),
        # What is printed of the change itself goes before what must be assumed ...
        (PAIR | {"change_mean": -8, "change_sd": 5}, 0.5, 5, "as printed"),
        # ... and what is not printed of it comes from baseline and end.
        (PAIR | {"change_sd": 5}, 0.5, 5, "as printed"),
        (PAIR | {"change_mean": -8}, "independent", INDEPENDENT_SD,
         "baseline and end taken as independent"),
    ],
)  # fmt: skip
def test_a_change_from_what_is_printed(given, correlation, sd, obtained):
    found = only([row("a", "mean_change", n=16, **given)], "mean_change", correlation=correlation)
    assert (found.mean, found.estimate) == (-8, -8)
    assert found.sd == close(sd)
    assert found.vi == close(sd**2 / 16)
    assert found.obtained == obtained


def test_a_changes_interval_is_of_the_t_distribution():
    given = {"n": 47, "change_mean": -9.36, "change_ci_low": -12.52, "change_ci_high": -6.19}
    found = only([row("a", "mean_change", **given)], "mean_change")
    assert found.vi**0.5 == close((12.52 - 6.19) / 2 / stdtrit(46, 0.975))
    assert found.obtained == "standard deviation from the printed interval (t distribution)"


def test_the_interval_of_one_patients_change_gives_no_spread():
    given = {"n": 1, "change_mean": -9, "change_ci_low": -12, "change_ci_high": -6}
    found = only([row("a", "mean_change", **given)], "mean_change")
    assert (found.usable, found.reason) == (False, "mean change without a spread")


def test_where_a_fall_is_counted_the_sign_is_changed():
    table = [
        row("printed", "mean_change", n=16, change_mean=-8, change_ci_low=-10, change_ci_high=-6),
        row("paired", "mean_change", n=16, **PAIR),
        row("bare", "mean_change", n=16, change_mean=3.5),
    ]
    rises = effects(table, "mean_change", direction="rise")
    falls = effects(table, "mean_change", direction="fall")
    assert [effect.mean for effect in rises] == [-8, -8, 3.5]
    for rise, fall in zip(rises, falls, strict=True):
        assert (fall.mean, fall.sd, fall.vi) == (-rise.mean, rise.sd, rise.vi)
        if rise.usable:
            assert (fall.yi, fall.ci_low, fall.ci_high) == (-rise.yi, -rise.ci_high, -rise.ci_low)


@pytest.mark.parametrize(
    ("given", "reason", "mean"),
    [
        ({"n": 16, "change_mean": -8}, "mean change without a spread", -8),
        ({"n": 16, "baseline_mean": 20, "end_mean": 12}, "mean change without a spread", -8),
        ({"change_mean": -8, "change_sd": 5}, "number of patients not available", -8),
        ({"n": 16, "baseline_mean": 20, "baseline_sd": 6}, "not available", None),
        ({"n": 16}, "not available", None),
        ({"n": 16, **PAIR, "end_sd": 6}, "an SD of 0 gives no sampling variance", -8),
    ],
)
def test_a_change_that_cannot_be_pooled_is_kept_with_the_reason(given, reason, mean):
    # A correlation of 1 leaves no spread where the two SDs are equal.
    found = only([row("a", "mean_change", **given)], "mean_change", correlation=1)
    assert (found.usable, found.reason, found.mean) == (False, reason, mean)
    assert {getattr(found, name) for name in NO_EFFECT} == {None}


# Rows -------------------------------------------------------------------------------------


@pytest.mark.parametrize("measure", ["proportion", "risk_ratio", "mean", "mean_change",
                                     "mean_difference"])  # fmt: skip
def test_an_unavailable_row_is_kept_without_an_effect(measure):
    size = "total" if measure in ("proportion", "risk_ratio") else "n"
    table = [row("a", measure, status="unavailable", basis="", **{size: 20}), row("b", measure)]
    for found in effects(table, measure):
        assert (found.usable, found.obtained, found.interval) == (False, "", "")
        assert {getattr(found, name) for name in NO_EFFECT} == {None}
    unavailable = effects(table, measure)[0]
    assert (unavailable.reason, unavailable.status) == ("not available", "unavailable")
    assert getattr(unavailable, size) == 20


def test_status_and_basis_are_handed_on():
    table = [
        row("a", "proportion", events=3, total=9),
        row("b", "proportion", status="derived", basis="published:other", events=3, total=9),
        row("c", "proportion", status="reconstructed", basis="published:it", events=3, total=9),
    ]
    found = effects(table, "proportion", RAW)
    assert [(e.status, e.basis) for e in found] == [
        ("reported", "source"),
        ("derived", "published:other"),
        ("reconstructed", "published:it"),
    ]
    assert all(effect.usable for effect in found)


def test_the_settings_choose_and_order_the_studies():
    table = sheet("proportion", events=[0, 2, 3, 4], total=[9, 9, 9, 9])
    found = effects(table, "proportion", RAW, studies=["s4", "s1", "s2"])
    assert [effect.study_id for effect in found] == ["s4", "s1", "s2"]
    assert [effect.events for effect in found] == [4, 0, 2]
    alone = effects(table[3:], "proportion", RAW)
    assert found[0] == alone[0]


def test_no_rows_have_no_effects():
    assert effects([], "proportion") == []
    assert effects(sheet("mean", n=[3], mean=[1], sd=[1]), "mean", studies=[]) == []


def test_an_unknown_measure_or_study_is_an_error():
    with pytest.raises(KeyError, match="hazard"):
        effects([], "hazard", RAW)
    with pytest.raises(KeyError, match="nobody"):
        effects(sheet("proportion", events=[1], total=[2]), "proportion", RAW, studies=["nobody"])


def test_effects_survive_their_file(tmp_path):
    table = [row("a", "mean", n=7, median=6, min=2, max=14), row("b", "mean", n=3, mean=4)]
    found = effects(table, "mean")
    write_records(tmp_path / "effects.csv", StudyEffect, found)
    assert read_records(tmp_path / "effects.csv", StudyEffect) == found


# The columns of studies.csv ---------------------------------------------------------------

COLUMNS = {"n": "n_ig", "mean": "age_mean", "sd": "age_sd", "median": "age_median",
           "min": "age_min", "max": "age_max"}  # fmt: skip


def study(study_id, **cells):
    names = ("n_ig", "n_status", "age_mean", "age_sd", "age_median", "age_min", "age_max")
    return {"study_id": study_id, "label": study_id, **dict.fromkeys(names, ""), **cells}


STUDIES = [
    study("mean", n_ig="19", n_status="reported", age_mean="52.5", age_sd="12"),
    study("median", n_ig="9", n_status="derived", age_median="50", age_min="30", age_max="70"),
    study("size_only", n_ig="30", n_status="reported"),
    study("no_size", n_status="unavailable", age_mean="61", age_sd="10"),
    study("unsaid", n_ig="8", age_mean="40", age_sd="9"),
]


def test_attributes_of_studies_are_rows_of_an_outcome():
    named = [each["study_id"] for each in STUDIES]
    found = effects(STUDIES, "mean", columns=COLUMNS, studies=named)
    assert [effect.study_id for effect in found] == named
    assert [effect.status for effect in found] == [
        "reported", "derived", "unavailable", "unavailable", "reported",
    ]  # fmt: skip
    assert [effect.reason for effect in found] == ["", "", "not available", "not available", ""]
    mean, median = found[:2]
    assert (mean.yi, mean.vi) == (52.5, close(144 / 19))
    assert median.obtained == "Hozo 2005 from median and range"
    assert (median.mean, median.n) == (50, 9)


@pytest.mark.parametrize("outcome", review().outcomes)
def test_the_bundled_review_has_an_effect_or_a_reason_for_each_row(outcome):
    settings = effects_settings(review(), outcome)
    found = study_effects(read_table(review().sheet(outcome)), settings)
    assert [effect.study_id for effect in found] == settings["studies"]
    for effect in found:
        assert bool(effect.reason) != effect.usable
        numbers = [getattr(effect, name) for name in NO_EFFECT]
        if effect.usable:
            assert effect.vi > 0 and effect.obtained and None not in numbers
            assert effect.ci_low <= effect.estimate <= effect.ci_high
        else:
            assert set(numbers) == {None}
