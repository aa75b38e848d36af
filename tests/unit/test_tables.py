import csv
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forestry.records import read_records, write_records
from forestry.results import BiasRecord, Estimate, StudyEffect, Weight
from forestry.tables.bias import bias_table, declared_tests
from forestry.tables.bootstrap import BootstrapColumn
from forestry.tables.characteristics import (
    Characteristic,
    Patients,
    characteristics_table,
)
from forestry.tables.format import (
    between,
    estimate_format,
    listed,
    lower_first,
    p_equals,
    p_value,
    percent,
    significant,
    spread,
    with_interval,
)
from forestry.tables.model import (
    Column,
    Row,
    Table,
    read_table,
    section,
    write_csv,
    write_table,
)
from forestry.tables.outcomes import Outcome
from forestry.tables.pooled import pooled_table
from forestry.tables.quality import (
    DOMAINS,
    NOS_ITEMS,
    newcastle_ottawa_table,
    risk_of_bias_table,
)
from forestry.tables.sensitivity import SensitivityRecord, sensitivity_records, sensitivity_table

EMPTY = dict.fromkeys(Estimate.__annotations__)


def estimate(outcome="pr", variant="main", **given):
    """A reported random-effects proportion of five studies, but for what is given."""
    base = EMPTY | {
        "outcome": outcome,
        "variant": variant,
        "group": "",
        "k": 5,
        "n": 100,
        "measure": "proportion",
        "model": "random",
        "method": "logistic_mixed",
        "estimate": 0.6357,
        "ci_low": 0.4742,
        "ci_high": 0.7716,
        "pi_low": 0.2,
        "pi_high": 0.9,
        "i2": 0.523,
        "i2_basis": "wald_q",
        "tau2": 0.8612,
        "q_p": 0.0132,
        "k_reported": 3,
        "k_derived": 2,
        "k_reconstructed": 0,
        "selected": True,
        "note": "",
    }
    return Estimate(**(base | given))


def not_pooled(outcome="pr", variant="main", k=0, **given):
    numbers = dict.fromkeys(
        ["estimate", "ci_low", "ci_high", "pi_low", "pi_high", "i2", "tau2", "q_p"]
    )
    note = "one study: not pooled" if k else "no study with numbers: nothing to pool"
    return estimate(outcome, variant, k=k, model="none", note=note, **(numbers | given))


def effect(study, status="reported"):
    empty = dict.fromkeys(StudyEffect.__annotations__)
    told = {"study_id": study, "status": status, "usable": status != "unavailable"}
    return StudyEffect(**(empty | told))


def weights(outcome, variant, included, left_out=()):
    rows = [(study, True, "") for study in included]
    rows += [(study, False, "publication is abstract") for study in left_out]
    return [Weight(outcome, variant, "", *row, None, None, "") for row in rows]


def cells(table, label):
    (row,) = [row for row in table.rows if row.cells[0] == label]
    return row.cells


# Numbers ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("p", "shown"),
    [(0.0009, "<0.001"), (0.001, "0.001"), (0.0994, "0.099"), (0.0996, "0.10"), (1.0, "1.00")],
)
def test_p_values(p, shown):
    assert p_value(p) == shown


def test_p_in_a_sentence():
    assert (p_equals(1e-9), p_equals(0.26)) == ("p<0.001", "p=0.26")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "–"),
        (0, "0"),
        (0.8612, "0.861"),
        (12.345, "12.3"),
        (123456.7, "123457"),
        (-1.7525, "−1.75"),
        (0.0004, "<0.001"),
        (-0.0004, ">−0.001"),
        (0.00123456, "0.00123"),
    ],
)
def test_significant_digits(value, shown):
    assert significant(value) == shown


@given(st.floats(1e-3, 1e9), st.booleans())
def test_three_significant_digits_are_within_half_a_unit_of_the_third(value, negative):
    value = -value if negative else value
    shown = float(significant(value).replace("−", "-"))
    assert abs(shown - value) <= 0.00501 * abs(value)


def test_a_range_with_a_minus_sign_has_no_dash():
    assert between("1.0", "2.0") == "1.0–2.0"
    assert between("−1.0", "2.0") == "−1.0 to 2.0"


def test_a_spread_is_of_the_numbers_that_exist():
    assert spread([3, None, 1, 2]) == "1–3"
    assert spread([0.52, 0.48], "{:.1f}".format) == "0.5"
    assert spread([None]) == spread([]) == "–"
    assert spread([0]) == "0"


def test_percent_and_intervals():
    form = estimate_format([estimate()])
    assert with_interval(form, 0.6357, 0.4742, 0.7716) == "63.6 (47.4–77.2)"
    assert with_interval(form, 0.6357, None, None) == "63.6"
    assert with_interval(form, None, None, None) == "–"
    assert percent(0.523) == "52.3%"
    assert percent(None) == "–"


def test_words():
    assert lower_first("Complete response") == "complete response"
    assert lower_first("MMT-8 score") == "MMT-8 score"
    assert listed("ab") == "a and b"
    assert listed("abc") == "a, b, and c"


# The model ----------------------------------------------------------------------------------


def table_of(rows, columns=("Study", "n")):
    return Table("S9", "A table", tuple(Column(name) for name in columns), tuple(rows))


def test_a_row_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="table S9: 1 cells, not 2"):
        table_of([Row(("Lim 2020",))])
    with pytest.raises(ValueError, match="row kind 'heading'"):
        table_of([Row(("Lim 2020", "20"), "heading")])


def test_unknown_alignment_and_kind_are_refused():
    with pytest.raises(ValueError, match="align is 'middle'"):
        Column("n", "middle")
    with pytest.raises(ValueError, match="kind is 'date'"):
        Column("n", kind="date")


def test_groups_join_neighbours_only():
    columns = tuple(Column(str(i), group=group) for i, group in enumerate(["", "a", "a", "", "a"]))
    table = Table("1", "", columns, ())
    assert table.groups == (("", 1), ("a", 2), ("", 1), ("a", 1))


def test_a_csv_has_the_values_unrounded_and_no_headings(tmp_path):
    values = {"study": "Lim, 2020", "share": 1 / 3, "k": 2, "same": True, "p": None}
    more = {"study": "x", "extra": -1}
    table = table_of(
        [section("Part"), Row(("a", "33.3"), values=values), Row(("b", ""), values=more)]
    )
    write_csv(table, tmp_path / "t.csv")
    with open(tmp_path / "t.csv", encoding="utf-8", newline="") as file:
        first, second = csv.DictReader(file)
    assert float(first["share"]) == 1 / 3
    assert (first["study"], first["k"], first["same"], first["p"]) == ("Lim, 2020", "2", "true", "")
    assert second == {"study": "x", "share": "", "k": "", "same": "", "p": "", "extra": "-1"}


def test_a_csv_without_values_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no values"):
        write_csv(table_of([Row(("a", "1"))]), tmp_path / "t.csv")


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@given(st.lists(st.tuples(texts, texts), max_size=4), st.lists(texts, max_size=2))
def test_a_table_comes_back_whole(tmp_path_factory, rows, notes):
    path = tmp_path_factory.mktemp("table") / "t.json"
    table = replace(
        table_of([Row(row, values={"a": row[0], "b": None, "c": 0.1}) for row in rows]),
        notes=tuple(notes),
        landscape=True,
    )
    write_table(table, path)
    assert read_table(path) == table


# Table 1 -----------------------------------------------------------------------------------

STUDY = {
    "study_id": "lim2020",
    "label": "Lim 2020",
    "ref": "1",
    "design": "prospective",
    "publication": "full",
    "line": "first_line",
    "n_ig": "20",
    "n_status": "reported",
    "n_dm": "9",
    "n_pm": "0",
    "n_om": "",
    "age_mean": "50.6",
    "age_sd": "13.1",
    "age_median": "49",
    "age_min": "27",
    "age_max": "69",
    "dose": "",
    "assumed": "",
}
SHOWN = (
    Characteristic("Study", ["label"], suffix="ref"),
    Characteristic("Design", ["design", "publication"]),
    Characteristic("Line", ["line"]),
    Characteristic("Patients", ["n_ig"], "number", status="n_status", align="right"),
    Characteristic("Subtypes", ["n_dm", "n_pm", "n_om"], "counts", names=["DM", "PM", "OM"]),
    Characteristic("Age", ["age"], "summary"),
    Characteristic("Dose", ["dose"]),
)


def characteristics(*studies, **more):
    return characteristics_table(studies, id="1", title="Studies", columns=SHOWN, **more)


def test_a_study_is_told_from_its_columns():
    table = characteristics(STUDY, words={"publication": {"full": "full text"}})
    assert table.rows[0].cells == (
        "Lim 2020 [1]",
        "Prospective, full text",
        "First line",
        "20",
        "DM\N{NO-BREAK SPACE}9",
        "50.6 (13.1)",
    )
    assert table.rows[0].values["n_om"] == ""


def test_a_column_that_no_study_fills_is_left_out():
    assert "Dose" not in [column.name for column in characteristics(STUDY).columns]
    two = characteristics(STUDY, STUDY | {"dose": "2 g/kg"})
    assert [row.cells[-1] for row in two.rows] == ["–", "2 g/kg"]


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ({"age_sd": ""}, "mean 50.6"),
        ({"age_mean": ""}, "49 [27–69] (SD 13.1)"),
        ({"age_mean": "", "age_sd": ""}, "49 [27–69]"),
        ({"age_mean": "", "age_sd": "", "age_min": "", "age_max": ""}, "median 49"),
        ({"age_mean": "", "age_sd": "", "age_median": "", "age_max": ""}, "[≥27]"),
        ({"age_mean": "", "age_sd": "", "age_median": "", "age_min": ""}, "[≤69]"),
    ],
)
def test_summaries_say_what_they_are(given, shown):
    assert characteristics(STUDY | given).rows[0].cells[5] == shown


def test_an_unknown_number_is_a_dash_and_never_a_zero():
    cells = characteristics(STUDY, STUDY | {"n_ig": "", "n_dm": "", "n_pm": ""}).rows[1].cells
    assert cells[3:5] == ("–", "–")


def test_assumed_and_derived_are_marked_and_explained():
    table = characteristics(STUDY | {"assumed": "publication", "n_status": "derived"})
    assert table.rows[0].cells[1] == "Prospective, full†"
    assert table.rows[0].cells[2] == "First line"
    assert table.rows[0].cells[3] == "20‡"
    assert [note[0] for note in table.notes if note[0] in "†‡"] == ["†", "‡"]
    assert not [note for note in characteristics(STUDY).notes if note[0] in "†‡"]


def test_a_missing_column_is_named():
    study = {name: value for name, value in STUDY.items() if name != "publication"}
    with pytest.raises(ValueError, match="lim2020 has no column publication"):
        characteristics(study)


def test_patients_of_all_studies():
    row = estimate("age", measure="mean", estimate=49.86, ci_low=46.1, ci_high=53.5)
    patients = Patients(
        [Outcome("age", "Age of adults", "years"), Outcome("cycles", "Cycles")],
        [row, not_pooled("cycles", measure="mean", k=1, n=12)],
        {"age": [effect("a"), effect("b", "unavailable")], "cycles": [effect("a")]},
    )
    table = characteristics(STUDY, patients=patients)
    heading, age, cycles = table.rows[1:]
    assert heading.kind == "section"
    assert age.cells == (
        "Age of adults, years",
        "49.9 (46.1–53.5); 5 studies, 100 participants; random effects, I² 52.3%; "
        "1 study without a public number",
    )
    assert cycles.cells[1] == "not pooled: one study: not pooled; 1 study, 12 participants"
    assert age.values["estimate"] == 49.86
    assert cycles.values["estimate"] is None


def test_an_unknown_kind_of_characteristic_is_refused():
    with pytest.raises(ValueError, match="kind is 'words'"):
        Characteristic("Study", ["label"], "words")


# Risk of bias -------------------------------------------------------------------------------


def rob(**given):
    return {"study_id": "a"} | dict.fromkeys(DOMAINS, "low") | {"basis": "seen;"} | given


def nos(**given):
    return {"study_id": "a"} | dict.fromkeys(NOS_ITEMS, "1") | {"basis": ""} | given


LABELS = {"a": "Lim 2020"}


def test_judgements_and_what_could_not_be_judged():
    table = risk_of_bias_table(
        [rob(other="unclear", incomplete_data="")], LABELS, id="S1", title=""
    )
    assert table.rows[0].cells == (
        *("Lim 2020", "Low", "Low", "Low", "Low", "–", "Low", "Unclear", "Seen."),
    )
    assert table.rows[0].values["incomplete_data"] == ""
    assert len(table.notes) == 1


def test_an_unknown_judgement_is_named():
    with pytest.raises(ValueError, match="a, other: 'some' is no judgement"):
        risk_of_bias_table([rob(other="some")], LABELS, id="S1", title="")


def test_stars_that_could_not_be_judged_are_not_zero():
    row = nos(comparability="2", outcome1="0", outcome2="", outcome3="")
    table = newcastle_ottawa_table([row], LABELS, id="S2", title="")
    shown = table.rows[0]
    assert shown.cells[1:11] == ("★", "★", "★", "★", "★★", "0", "?", "?", "6", "6 of 8")
    assert shown.values["outcome2"] is None
    assert shown.values["outcome1"] == 0
    assert (shown.values["stars"], shown.values["items_judged"]) == (6, 6)
    assert any(note.startswith("?") for note in table.notes)


def test_a_study_of_which_nothing_could_be_judged_has_no_total():
    row = {"study_id": "a"} | dict.fromkeys(NOS_ITEMS, "")
    shown = newcastle_ottawa_table([row], LABELS, id="S2", title="").rows[0]
    assert shown.cells[9:11] == ("–", "0 of 8")
    assert shown.values["stars"] is None


@pytest.mark.parametrize(("item", "stars"), [("selection1", "2"), ("comparability", "3")])
def test_more_stars_than_an_item_has_are_refused(item, stars):
    with pytest.raises(ValueError, match=f"a, {item}: '{stars}' is not 0 to"):
        newcastle_ottawa_table([nos(**{item: stars})], LABELS, id="S2", title="")


def test_a_study_without_a_label_is_named():
    with pytest.raises(ValueError, match="no label for study a"):
        newcastle_ottawa_table([nos()], {}, id="S2", title="")


# Table 2 -----------------------------------------------------------------------------------


def test_pooled_results_of_the_declared_outcomes():
    rows = [
        estimate(model="common", selected=True, i2=0.0, tau2=None, pi_low=None, pi_high=None),
        estimate(selected=False, tau2=0.0, pi_low=0.41, pi_high=0.82, prediction="t_k_minus_1"),
        estimate(group="iv"),
        estimate(variant="other", k=2),
        not_pooled("ild"),
    ]
    effects = {"pr": [effect("a"), effect("b", "unavailable")], "ild": [effect("c", "unavailable")]}
    outcomes = [Outcome("pr", "Response", section="Skin"), Outcome("ild", "Stable", section="Lung")]
    table = pooled_table(outcomes, rows, effects, id="2", title="Results")
    assert [row.cells[0] for row in table.rows if row.kind == "section"] == ["Skin", "Lung"]
    assert cells(table, "Response,\N{NO-BREAK SPACE}%") == (
        "Response,\N{NO-BREAK SPACE}%",
        *("5", "2", "1", "100", "63.6 (47.4–77.2)", "Common", "0.0", "0", "0.013", "41.0–82.0"),
    )
    assert cells(table, "Stable,\N{NO-BREAK SPACE}%")[1:] == (
        *("0", "2", "1", "100", "–", "–", "–", "–", "–", "–"),
    )
    told = "Prediction intervals are from the t distribution with k − 1 degrees of freedom."
    assert table.notes[-1] == told and table.rows[1].values["prediction"] == "t_k_minus_1"
    assert table.rows[1].values["estimate"] == 0.6357
    assert table.rows[3].values["estimate"] is None


def test_an_outcome_without_a_reported_result_is_named():
    with pytest.raises(ValueError, match="pr, main: 0 selected estimates"):
        pooled_table(
            [Outcome("pr", "Response")], [estimate(selected=False)], {"pr": []}, id="2", title=""
        )


def test_an_outcome_without_any_row_keeps_its_unit():
    assert Outcome("ild", "Stable", measure="proportion").titled("").endswith("%")
    assert Outcome("ck", "Creatine kinase", "IU/L").titled("") == "Creatine kinase, IU/L"


def test_reconstructed_rows_are_marked():
    table = pooled_table(
        [Outcome("pr", "R")], [estimate(k_reconstructed=2)], {"pr": []}, id="2", title=""
    )
    assert table.rows[0].cells[0].endswith("(2†)")
    assert any(note.startswith("† 2 of the pooled rows") for note in table.notes)


def test_reported_rows_stand_under_a_result_of_reconstructed_ones():
    rows = [estimate(k_reconstructed=2), not_pooled(variant="known", k=1)]
    named = {"reported_variant": "known", "reported_label": "reported rows only"}
    table = pooled_table([Outcome("pr", "R")], rows, {"pr": []}, id="2", title="", **named)
    first, beside = table.rows
    assert beside.cells[:2] == ("Reported rows only", "1") and beside.kind == "quiet"
    assert (first.values["k_reconstructed"], beside.values["variant"]) == (2, "known")
    rows = [estimate(), not_pooled(variant="known", k=1)]
    assert (
        len(pooled_table([Outcome("pr", "R")], rows, {"pr": []}, id="2", title="", **named).rows)
        == 1
    )


# Table S3 ------------------------------------------------------------------------------------

VARIANTS = {"main": "Main", "same": "No abstracts", "less": "No outliers", "one": "Trials only"}
TITLED = "Response,\N{NO-BREAK SPACE}%"


def of_sensitivity():
    """The arguments of one outcome under each of `VARIANTS`."""
    estimates = [
        estimate(),
        estimate(variant="same"),
        estimate(variant="less", k=4, estimate=0.6, ci_low=0.4, ci_high=0.7, i2=0.1),
        not_pooled(variant="one", k=1),
    ]
    shares = [
        *weights("pr", "main", "abcde"),
        *weights("pr", "same", "abcde"),
        *weights("pr", "less", "abcd", "e"),
        *weights("pr", "one", "a", "bcde"),
    ]
    return [Outcome("pr", "Response")], VARIANTS, estimates, shares


def sensitivity(**more):
    return sensitivity_table(*of_sensitivity(), id="S3", title="Sensitivity", **more)


def variants_of_one(names, estimates, shares=(), **more):
    """The table of one outcome; the variants are named by `names`."""
    names = {"main": "Main", **names}
    return sensitivity_table(
        [Outcome("pr", "Response")], names, estimates, shares, id="S3", title="", **more
    )


def test_every_variant_is_told_beside_the_main_analysis():
    table = sensitivity()
    assert table.rows[0].kind == "section"
    assert cells(table, "Main")[1:] == ("5", "100", "63.6 (47.4–77.2)", "52.3", "", "")
    assert cells(table, "No outliers")[3:] == ("60.0 (40.0–70.0)", "10.0", "−3.6", "")


def test_records_have_every_variant_unrounded():
    main, same, less, one = sensitivity_records(*of_sensitivity())
    assert (main.change, main.same_studies) == (None, None)
    assert (same.change, same.same_studies) == (0, True)
    assert less.change == pytest.approx(0.6 - 0.6357, rel=1e-12)
    assert (less.change_kind, less.same_studies) == ("difference", False)
    assert (one.k, one.estimate, one.change) == (1, None, None)


def test_a_variant_that_changes_nothing_says_so():
    table = sensitivity()
    assert cells(table, "No abstracts")[1:] == ("5", "100", "", "", "", "Same studies as main")
    assert table.rows[2].kind == "quiet"


def test_the_same_number_of_other_studies_is_not_the_same():
    shares = [*weights("pr", "main", "ab"), *weights("pr", "less", "ac")]
    table = variants_of_one(
        {"less": "Less"}, [estimate(k=2), estimate(variant="less", k=2)], shares
    )
    assert cells(table, "Less")[-1] == ""


def test_fewer_than_two_studies_are_told():
    assert cells(sensitivity(), "Trials only")[3:] == ("–", "–", "–", "One study left: not pooled")
    assert sensitivity().rows[-1].kind == "quiet"


def test_neighbours_that_tell_nothing_share_a_row():
    names = {"a": "A", "b": "B", "c": "C", "d": "D", "e": "E", "f": "F"}
    shares = [row for v in ("main", "a", "b", "f") for row in weights("pr", v, "xy")]
    rows = [
        *[estimate(variant=variant, k=2) for variant in ("main", "a", "b", "f")],
        not_pooled(variant="c", k=1, n=12),
        not_pooled(variant="d", k=1, n=7),
        not_pooled(variant="e", n=None),
    ]
    table = variants_of_one(names, rows, shares)
    assert [(row.cells[0], row.cells[1:3], row.cells[-1]) for row in table.rows[2:]] == [
        ("A; B", ("2", "100"), "Same studies as main"),
        ("C; D", ("1", "7–12"), "One study left: not pooled"),
        ("E", ("0", "–"), "No study left: nothing to pool"),
        ("F", ("2", "100"), "Same studies as main"),
    ]
    assert {row.kind for row in table.rows[2:]} == {"quiet"}


def test_groups_of_a_variant_do_not_count_as_its_studies():
    shares = [*weights("pr", "main", "ab"), *weights("pr", "less", "a")]
    shares.append(replace(shares[1], variant="less", group="x"))
    table = variants_of_one(
        {"less": "Less"}, [estimate(k=2), estimate(variant="less", k=1)], shares
    )
    assert cells(table, "Less")[-1] != "Same studies as main"


def test_a_main_analysis_without_a_result_keeps_its_row():
    names = {"a": "A", "wide": "Wide"}
    rows = [not_pooled(k=1), not_pooled(variant="a", k=1), estimate(variant="wide")]
    shares = [
        row
        for v, who in zip(("main", "a", "wide"), "xyz", strict=True)
        for row in weights("pr", v, who)
    ]
    table = variants_of_one(names, rows, shares)
    assert [(row.cells[0], row.cells[-1]) for row in table.rows[1:]] == [
        ("Main", "One study: not pooled"),
        ("A", "One study: not pooled"),
        ("Wide", "Main analysis has no estimate"),
    ]


def test_all_variants_beside_main_are_named_as_such():
    shares = [row for v in ("main", "a", "b") for row in weights("pr", v, "xy")]
    rows = [estimate(variant=variant, k=2) for variant in ("main", "a", "b")]
    table = variants_of_one({"a": "A", "b": "B"}, rows, shares)
    assert [row.cells[0] for row in table.rows[1:]] == ["Main", "all other variants"]


def test_variants_with_results_do_not_share_a_row():
    rows = [estimate(variant=variant, k=2) for variant in ("main", "a", "b")]
    shares = [row for i, v in enumerate(("main", "a", "b")) for row in weights("pr", v, f"x{i}")]
    assert len(variants_of_one({"a": "A", "b": "B"}, rows, shares).rows) == 4


@pytest.mark.parametrize(
    ("k_main", "k", "studies", "remark"),
    [
        (1, 1, "1", "One study: not pooled"),
        (1, 0, "0–1", "One study: not pooled"),
        (0, 1, "0–1", "One study: not pooled"),
        (0, 0, "0", "No study: nothing to pool"),
    ],
)
def test_an_outcome_that_is_never_pooled_has_one_row_at_the_end(k_main, k, studies, remark):
    shares = [*weights("pr", "main", "x" * k_main), *weights("pr", "v", "x" * k)]
    rows = [
        not_pooled(k=k_main),
        not_pooled(variant="v", k=k),
        estimate("cr"),
        estimate("cr", variant="v", k=4),
    ]
    table = sensitivity_table(
        [Outcome("pr", "Response"), Outcome("cr", "Remission")],
        {"main": "Main", "v": "V"},
        rows,
        [*shares, *weights("cr", "main", "xyzuv"), *weights("cr", "v", "xyzu")],
        id="S3",
        title="",
    )
    assert [row.kind for row in table.rows] == ["section", "body", "body", "section", "quiet"]
    assert table.rows[-1].cells == (TITLED, studies, "100", "–", "–", "–", remark)


def test_an_outcome_that_is_never_pooled_tells_why_wherever_main_stands():
    rows = [not_pooled(variant="v", k=1), not_pooled(k=1)]
    shares = [*weights("pr", "v", "x"), *weights("pr", "main", "x")]
    names = {"v": "V", "main": "Main"}
    table = sensitivity_table([Outcome("pr", "R")], names, rows, shares, id="S3", title="")
    assert table.rows[-1].cells[-1] == "One study: not pooled"


def test_several_studies_that_could_not_be_pooled_keep_their_reason():
    table = variants_of_one({}, [replace(not_pooled(k=3), note="all variances are zero")])
    (_, row) = table.rows
    assert row.cells[-1] == "All variances are zero"


def test_ratios_change_by_a_factor():
    given = {"measure": "risk_ratio", "estimate": 1.6, "ci_low": 1.3, "ci_high": 2.0}
    rows = [estimate(**given), estimate(variant="less", **(given | {"estimate": 1.2}))]
    shares = [*weights("pr", "main", "ab"), *weights("pr", "less", "a", "b")]
    assert cells(variants_of_one({"less": "L"}, rows, shares), "L")[5] == "×0.75"
    arguments = ([Outcome("pr", "R")], {"main": "Main", "less": "L"}, rows, shares)
    assert sensitivity_records(*arguments)[1].change_kind == "ratio"


def test_bootstrap_limits_are_a_column_where_given():
    table = sensitivity(bootstrap=BootstrapColumn({("pr", "main"): (0.45, 0.79)}, ("A note.",)))
    assert "A note." in table.notes
    assert table.columns[-2].name == "Bootstrap 95% CI"
    assert cells(table, "Main")[-2] == "45.0–79.0"
    assert cells(table, "No outliers")[-2] == "–"


def test_a_variant_without_a_result_is_named():
    with pytest.raises(ValueError, match="pr, more: 0 selected"):
        variants_of_one({"more": "More"}, [estimate()])


# Leave-one-out -------------------------------------------------------------------------------

STUDIES = {"a": "Lim 2020", "b": "Ohad 2020", "c": "Levy 2010", "d": "Speth 2016"}


def without(study, value=None, **given):
    """The selected result without a study; not pooled where no value is given."""
    base = {"variant": "turn", "group": study}
    if value is None:
        return not_pooled(**(base | {"k": 1} | given))
    return estimate(**(base | {"k": 2, "estimate": value} | given))


def in_turn(*rows, main=None, **more):
    shares = weights("pr", "main", "abc")
    return variants_of_one(
        {"turn": "Each in turn"},
        [main or estimate(k=3), *rows],
        shares,
        leave_one_out=["turn"],
        **({"labels": STUDIES} | more),
    )


def test_leaving_out_each_study_is_a_row_of_ranges():
    table = in_turn(
        without("a", 0.621, n=70, i2=0.0),
        without("b", 0.714, n=60, i2=0.61),
        without("c", 0.65, n=80, i2=0.3),
        without("c", 0.99, selected=False),
    )
    assert cells(table, "Each in turn")[1:] == (
        *("2", "60–80", "62.1–71.4", "0.0–61.0", "−1.5 to +7.8"),
        "Lowest without Lim 2020, highest without Ohad 2020",
    )
    assert table.rows[2].kind == "body"
    assert any("left out in turn" in note for note in table.notes)
    assert not any("left out in turn" in note for note in sensitivity().notes)


def test_records_have_each_study_that_is_left_out():
    rows = [estimate(k=3), without("a", 0.6), without("b", 0.7), without("c", None)]
    found = sensitivity_records(
        [Outcome("pr", "R")], {"main": "", "turn": ""}, rows, [], leave_one_out=["turn"]
    )
    assert [(one.left_out, one.estimate) for one in found[1:]] == [
        ("a", 0.6),
        ("b", 0.7),
        ("c", None),
    ]
    assert found[1].change == pytest.approx(0.6 - 0.6357, rel=1e-12)
    assert found[1].same_studies is False


def test_studies_that_make_the_same_printed_number_are_all_named():
    remark = cells(
        in_turn(without("a", 0.62101), without("b", 0.714), without("c", 0.62099)), "Each in turn"
    )[-1]
    assert remark == "Lowest without Lim 2020 or Levy 2010, highest without Ohad 2020"
    many = [without("a", 0.6), without("b", 0.6), without("c", 0.6), without("d", 0.7)]
    assert cells(in_turn(*many), "Each in turn")[-1] == (
        "Lowest without any of 3 studies, highest without Speth 2016"
    )


def test_studies_that_change_nothing_have_one_number():
    shown = cells(in_turn(without("a", 0.6357), without("b", 0.6357)), "Each in turn")
    assert shown[3:] == ("63.6", "52.3", "0.0", "The same without any of them")


def test_ratios_without_each_study_change_by_factors():
    given = {"measure": "risk_ratio", "ci_low": 1.0, "ci_high": 2.0}
    shown = cells(
        in_turn(
            without("a", 1.2, **given),
            without("b", 1.6, **given),
            main=estimate(k=3, estimate=1.6, **given),
        ),
        "Each in turn",
    )
    assert shown[5] == "×0.75 to ×1.00"


def test_what_cannot_be_pooled_without_a_study_is_told():
    shown = cells(in_turn(without("a", 0.6), without("b", 0.7), without("c")), "Each in turn")
    assert shown[-1].endswith("; without Levy 2010: not pooled")


def test_nothing_left_to_pool_without_either_of_two_studies():
    table = in_turn(without("a", n=70), without("b", n=60), main=estimate(k=2))
    assert table.rows[2].kind == "quiet"
    assert cells(table, "Each in turn")[1:] == (
        *("1", "60–70", "–", "–", "–", "One study left: not pooled"),
    )


def test_fewer_than_two_studies_have_the_whole_instead():
    table = in_turn(not_pooled(variant="turn", k=1), main=not_pooled(k=1))
    assert [row.cells[0] for row in table.rows[1:]] == [TITLED]
    assert table.rows[1].cells[-1] == "One study: not pooled"


def test_a_study_left_out_without_a_label_is_named():
    with pytest.raises(ValueError, match="no label for study a"):
        in_turn(without("a", 0.6), without("b", 0.7), labels={"b": "Ohad 2020"})


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "pr, turn: 0 selected"),
        ([without("a", 0.6, selected=False)], "pr, turn: 0 selected estimates without a"),
        ([without("a", 0.6), without("a", 0.7)], "pr, turn: 2 selected estimates without a"),
        ([without("a", 0.6), without("", 0.7)], "pr, turn: 1 selected estimates of the whole"),
    ],
)
def test_results_that_are_not_one_a_study_are_refused(rows, message):
    with pytest.raises(ValueError, match=message):
        in_turn(*rows)


def test_the_records_of_the_table_are_written(tmp_path):
    records = sensitivity_records(*of_sensitivity())
    write_records(tmp_path / "S3.csv", SensitivityRecord, records)
    assert read_records(tmp_path / "S3.csv", SensitivityRecord) == records


# Table S4 ------------------------------------------------------------------------------------


def bias_test(test="egger", variant="main", k=14, **given):
    """Egger's test of an outcome, as made; few studies are flagged."""
    base = {
        "outcome": "pr",
        "bias": -1.7525,
        "se": 0.30774,
        "statistic": -5.694873,
        "df": k - 2,
        "p_value": 5.5e-5,
        "fewer_than_10": k < 10,
        "note": "",
    }
    return BiasRecord(test=test, variant=variant, k=k, **(base | given))


def no_test(variant="main", k=0, note="fewer than 3 studies: not tested", **given):
    numbers = dict.fromkeys(["bias", "se", "statistic", "df", "p_value"])
    return bias_test(variant=variant, k=k, note=note, **(numbers | given))


def bias_of_one(tests, names=(), shares=()):
    """The table of one outcome; the variants are named by their ids in capitals."""
    names = {name: name.upper() for name in ("main", *names)}
    return bias_table(tests, [Outcome("pr", "Response")], names, shares, id="S4", title="")


def test_tests_are_shown_by_variant_and_flagged_where_studies_are_few():
    rank = {"bias": None, "se": None, "df": None, "note": "exact p"}
    tests = [
        bias_test("begg", "less", k=7, **rank),
        bias_test(),
        bias_test("score_proportion", note="project's own test; equal sizes"),
        bias_test(outcome="another"),
        bias_test(variant="undeclared"),
    ]
    table = bias_of_one(tests, ["less"])
    numbers = ("14", "−1.75 (0.308)", "−5.69", "12", "<0.001")
    assert [row.cells for row in table.rows] == [
        ("Response",),
        ("MAIN", "Egger", *numbers, ""),
        ("", "Score test, proportion*", *numbers, "Equal sizes"),
        ("LESS", "Begg and Mazumdar†", "7", "–", "−5.69", "–", "<0.001", "Exact p"),
    ]
    assert [note[0] for note in table.notes if note[0] in "*†"] == ["*", "†"]
    assert not [note for note in bias_of_one([bias_test()]).notes if note[0] in "*†"]


@pytest.mark.parametrize("numbers", [{}, {"se": None, "statistic": None, "p_value": None}])
def test_a_number_from_few_studies_is_marked_and_the_note_does_not_repeat_it(numbers):
    note = "fewer than 10 studies; no residual variation"
    table = bias_of_one([bias_test(k=9, note=note, **numbers)])
    assert table.rows[1].cells[1] == "Egger†"
    assert table.rows[1].cells[-1] == "No residual variation"


def test_a_test_that_cannot_be_made_beside_others_keeps_its_row():
    tests = [bias_test(k=3), no_test(k=2, test="peters", note="fewer than 3 studies; 1 study out")]
    table = bias_of_one(tests)
    assert table.rows[2].kind == "quiet"
    assert table.rows[2].cells == (
        *("", "Peters", "2", "–", "–", "–", "–", "Fewer than 3 studies; 1 study out"),
    )


def test_neighbouring_variants_without_a_test_share_a_row():
    equal = "studies of equal size: the covariate does not vary"
    tests = [
        bias_test(k=5),
        *[no_test("a", 2), no_test("a", 1, test="peters")],
        no_test("b", 0),
        no_test("c", 4, note=equal),
        no_test("d", 2),
    ]
    table = bias_of_one(tests, "abcd")
    assert [(row.cells[0], row.cells[2], row.cells[-1]) for row in table.rows[2:]] == [
        ("A; B", "0–2", "Fewer than 3 studies"),
        ("C", "4", "Studies of equal size: the covariate does not vary"),
        ("D", "2", "Fewer than 3 studies"),
    ]
    assert {row.kind for row in table.rows[2:]} == {"quiet"}


def test_each_reason_of_a_variant_is_told_once():
    equal = "studies of equal size: the covariate does not vary"
    tests = [no_test(k=3, note=equal), no_test(k=3, test="peters", note=equal), no_test(k=2)]
    remark = bias_of_one(tests).rows[-1].cells[-1]
    assert remark == "Studies of equal size: the covariate does not vary; fewer than 3 studies"


def test_variants_with_the_studies_of_main_are_not_tested_again():
    tests = [bias_test(variant=variant, k=3) for variant in ("main", "a", "b", "c")]
    shares = [row for v in ("main", "a", "b") for row in weights("pr", v, "xyz", "u")]
    shares += weights("pr", "c", "xyu", "z")
    table = bias_of_one(tests, "abc", shares)
    assert table.rows[2].cells == ("A; B", "", "3", "", "", "", "", "Same studies as main")
    assert table.rows[3].cells[:3] == ("C", "Egger†", "3")
    assert [row.cells[0] for row in bias_of_one(tests, "abc").rows[1:]] == ["MAIN", *"ABC"]


def test_all_variants_with_the_studies_of_main_are_named_as_such():
    tests = [bias_test(variant=variant) for variant in ("main", "a", "b")]
    shares = [row for v in ("main", "a", "b") for row in weights("pr", v, "xyz")]
    table = bias_of_one(tests, "ab", shares)
    assert [row.cells[0] for row in table.rows[1:]] == ["MAIN", "all other variants"]


def test_outcomes_without_any_test_have_one_row_each_at_the_end():
    tests = [
        no_test(outcome="x"),
        no_test("less", 2, outcome="x"),
        bias_test(),
        no_test(outcome="y"),
    ]
    outcomes = [Outcome("x", "First"), Outcome("pr", "Response"), Outcome("y", "Last")]
    table = bias_table(tests, outcomes, {"main": "Main", "less": "Less"}, id="S4", title="")
    assert [row.kind for row in table.rows] == ["section", "body", "section", "quiet", "quiet"]
    none = ("–", "–", "–", "–", "Fewer than 3 studies")
    assert [row.cells for row in table.rows[3:]] == [
        ("First", "", "0–2", *none),
        ("Last", "", "0", *none),
    ]


def test_every_declared_test_is_a_record_in_the_order_of_outcomes_and_variants():
    tests = [
        bias_test(variant="b"),
        no_test("a", outcome="x"),
        bias_test("begg", "b"),
        bias_test(),
        bias_test(variant="undeclared"),
        bias_test(outcome="undeclared"),
    ]
    outcomes = [Outcome("x", "First"), Outcome("pr", "Response")]
    found = declared_tests(tests, outcomes, {"main": "", "a": "", "b": ""})
    assert found == [tests[i] for i in (1, 3, 0, 2)]
