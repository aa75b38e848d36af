"""Verdicts on published results beside computed ones, and the reasons given."""

from dataclasses import fields, replace

import pytest

from forestry.audit import (
    AGREES,
    BY_CONSTRUCTION,
    DIFFERS,
    NOT_COMPARABLE,
    VERDICTS,
    AuditRow,
    audit,
    audit_summary,
)
from forestry.consistency import Published
from forestry.reconstruction.files import Solution
from forestry.records import read_records, write_records
from forestry.results import Estimate, StudyEffect, Weight

# 57 of 59 in five studies, the article's figure S1: expit(ln(57/2) +- 1.96 sqrt(1/57 + 1/2)).
EXACT = {"estimate": 0.966101695, "ci_low": 0.874344, "ci_high": 0.991528}
PRINTED = Published(
    outcome="response",
    variant="main",
    statistic="proportion",
    k="5",
    n="59",
    estimate="96.61",
    ci_low="87.43",
    ci_high="99.15",
    i2="0",
    p_heterogeneity="1.0",
    unit="percent",
    display="S1",
    studies="8 29 30 39 41",
    note="",
)
REFS = {"8": "a", "29": "b", "30": "c", "39": "d", "41": "e"}
ESTIMATE = Estimate(
    **{
        **dict.fromkeys((field.name for field in fields(Estimate)), None),
        **{"outcome": "response", "variant": "main", "group": "", "measure": "proportion"},
        **{"model": "common", "method": "logistic_mixed", "k": 5, "n": 59, "events": 57},
        **{"i2": 0.0, "q_p": 0.97, "k_reported": 5, "k_derived": 0, "k_reconstructed": 0},
        **{"selected": True, **EXACT},
    }
)
NOTHING = replace(
    ESTIMATE, model="none", method="none", i2=None, q_p=None, **dict.fromkeys(EXACT, None)
)


def study(study_id: str, **cells) -> StudyEffect:
    empty = dict.fromkeys((field.name for field in fields(StudyEffect)), None)
    named = {"study_id": study_id, "status": "reported", "basis": "source", "usable": True}
    counts = {"reason": "", "measure": "proportion", "events": 11, "total": 12}
    return StudyEffect(**{**empty, **named, **counts, **cells})


def not_public(study_id: str, **cells) -> StudyEffect:
    state = {"status": "unavailable", "basis": "", "usable": False, "reason": "not available"}
    return study(study_id, **{**state, "events": None, **cells})


STUDIES = [*map(study, "abcd"), study("e", total=11)]  # 59 patients


def verdict(published=PRINTED, estimate=ESTIMATE, studies=STUDIES, **named) -> AuditRow:
    effects = named.pop("effects", {"response": studies})
    (row,) = audit([published], [estimate], effects, named.pop("groups", {}), refs=REFS, **named)
    return row


# Agreement -----------------------------------------------------------------------------------


def test_all_digits_match():
    row = verdict()
    assert (row.verdict, row.reason, row.differs_in) == (AGREES, "all printed digits match", "")
    assert row.computed_estimate == pytest.approx(96.6101695) and row.computed_i2 == 0
    assert row.difference == pytest.approx(0.0001695)
    assert (row.k_not_public, row.k_reconstructed, row.model) == (0, 0, "common")
    assert row.published_ci_low == "87.43" and row.computed_ci_low == pytest.approx(87.4344)


@pytest.mark.parametrize(
    ("column", "text", "name"),
    [
        ("estimate", "96.62", "estimate"),
        ("estimate", "96.60", "estimate"),
        ("ci_low", "87.44", "ci_low"),
        ("ci_high", "99.1", "ci_high"),  # 99.1528 rounds to 99.2
        ("k", "6", "k"),
        ("n", "60", "n"),
        ("i2", "1", "i2"),
        ("p_heterogeneity", "<0.01", "p"),
    ],
)
def test_one_digit_is_off(column, text, name):
    row = verdict(replace(PRINTED, **{column: text}))
    assert (row.verdict, row.differs_in) == (DIFFERS, name)


@pytest.mark.parametrize(("text", "agrees"), [("96.6", True), ("97", True), ("96", False)])
def test_as_many_digits_as_are_printed(text, agrees):
    row = verdict(replace(PRINTED, estimate=text))
    assert (row.verdict == AGREES) == agrees


def test_what_is_not_printed_is_not_compared():
    blank = replace(PRINTED, k="", n="", i2="", p_heterogeneity="", ci_low="", ci_high="")
    assert verdict(blank, replace(ESTIMATE, i2=0.9, q_p=0.0)).verdict == AGREES


def test_units_other_than_percent_are_left_as_they_are():
    printed = replace(PRINTED, unit="ratio", statistic="risk_ratio", estimate="1.64")
    printed = replace(printed, ci_low="1.3", ci_high="2.06")
    computed = replace(ESTIMATE, measure="risk_ratio", estimate=1.638, ci_low=1.301, ci_high=2.062)
    row = verdict(printed, computed)
    assert (row.verdict, row.computed_estimate) == (AGREES, 1.638)


def test_a_limit_beyond_one_is_printed_as_one():
    row = verdict(replace(PRINTED, ci_high="100"), replace(ESTIMATE, ci_high=1.012))
    assert row.verdict == AGREES and row.computed_ci_high == pytest.approx(101.2)


# Agreement that proves nothing -----------------------------------------------------------------


def test_rows_solved_from_the_result_itself():
    solved = [*STUDIES[:4], study("e", total=11, status="derived", basis="published:response")]
    row = verdict(studies=solved)
    assert row.verdict == BY_CONSTRUCTION
    assert row.reason.endswith("1 of 5 studies derived from published:response")


def test_rows_solved_from_a_result_that_shares_them():
    shared = study("e", total=11, status="derived", basis="published:subset")
    solved = [*STUDIES[:4], shared]
    same = {"response": solved, "subset": [shared]}
    assert verdict(effects=same).verdict == BY_CONSTRUCTION
    # The same patients in another measure, or other numbers of the same study, are no circle.
    ratio = {"response": solved, "subset": [replace(shared, measure="risk_ratio")]}
    assert verdict(effects=ratio).verdict == AGREES
    harm = {"response": solved, "subset": [replace(shared, events=2)]}
    assert verdict(effects=harm).verdict == AGREES


def test_a_row_that_is_not_pooled_makes_no_circle():
    listed = replace(PRINTED, studies="8 29 30 39")
    listed = replace(listed, k="4", n="48")
    solved = [*STUDIES[:4], study("e", total=11, status="derived", basis="published:response")]
    assert verdict(listed, replace(ESTIMATE, k=4, n=48), solved).verdict == AGREES


def test_reconstructed_rows():
    solved = [*STUDIES[:4], study("e", total=11, status="reconstructed", basis="published:x")]
    row = verdict(estimate=replace(ESTIMATE, k_reported=4, k_reconstructed=1), studies=solved)
    assert (row.verdict, row.k_reconstructed, row.k_not_public) == (BY_CONSTRUCTION, 1, 1)
    assert row.reason == "all printed digits match: 1 of 5 studies reconstructed"


def test_other_patients_and_the_same_figures_by_construction():
    """The thrombosis result: 4.32 (1.33-8.91) of 109 patients where 101 are printed."""
    solved = [*STUDIES[:4], study("e", total=11, status="derived", basis="published:response")]
    row = verdict(replace(PRINTED, n="51"), studies=solved)
    assert (row.verdict, row.differs_in) == (DIFFERS, "n")
    assert row.reason == (
        "the sheet holds 59 patients where the article prints 51; the digits of the estimate and "
        "interval match, by construction (1 of 5 studies derived from published:response)"
    )


# Differences and their reasons -----------------------------------------------------------------


def test_studies_without_public_numbers():
    studies = [*STUDIES[:3], not_public("d"), not_public("e", total=None)]
    row = verdict(estimate=replace(ESTIMATE, k=3, n=36, estimate=0.9), studies=studies)
    assert row.verdict == DIFFERS and row.k_not_public == 2
    assert row.difference == pytest.approx(-6.61)
    assert row.differs_in == "estimate k n"
    assert row.reason == (
        "2 of 5 pooled studies have no public numbers; "
        "computed on 36 patients, the article prints 59"
    )


def test_a_listed_study_without_a_row():
    row = verdict(estimate=replace(ESTIMATE, k=4, n=48, estimate=0.9), studies=STUDIES[:4])
    assert row.k_not_public == 1
    assert row.reason.startswith("1 of 5 pooled studies has no public numbers")


def test_studies_that_only_the_printed_number_counts():
    unlisted = replace(PRINTED, studies="", k="7")
    assert verdict(unlisted).k_not_public == 2


def test_sizes_that_the_article_counts_otherwise():
    """Liu 2021: eight patients in the sheet, of whom the article used four."""
    studies = [*STUDIES[:4], study("e", total=15)]
    row = verdict(estimate=replace(ESTIMATE, n=63, estimate=0.9), studies=studies)
    assert row.reason == "the sheet holds 63 patients where the article prints 59"


def test_a_public_row_that_cannot_be_pooled():
    spreadless = study("e", total=11, usable=False, reason="mean without a spread")
    row = verdict(
        estimate=replace(ESTIMATE, k=4, n=48, estimate=0.9), studies=[*STUDIES[:4], spreadless]
    )
    assert row.k_not_public == 0
    assert row.reason == "1 of 5 pooled studies cannot be pooled: mean without a spread"


def test_other_number_of_studies():
    row = verdict(estimate=replace(ESTIMATE, k=4, n=48))
    assert row.differs_in == "k n"
    assert row.reason.startswith("1 of 5 pooled studies left out of the computed result")
    more = verdict(replace(PRINTED, studies=""), replace(ESTIMATE, k=6))
    assert more.reason.startswith("computed on 6 studies, the article pools 5")


def test_the_same_studies_and_other_figures():
    row = verdict(estimate=replace(ESTIMATE, estimate=0.95, ci_low=0.9, q_p=0.2))
    assert row.reason == (
        "the sheet's numbers of the same studies give another estimate, interval and "
        "p of heterogeneity"
    )


# Nothing to compare with -----------------------------------------------------------------------


def reason_of_none(estimate, studies=STUDIES, **named) -> str:
    row = verdict(estimate=estimate, studies=studies, **named)
    assert row.verdict == NOT_COMPARABLE
    assert (row.differs_in, row.difference, row.computed_estimate) == ("", None, None)
    return row.reason


def test_no_public_row():
    none = [not_public(name) for name in "abcde"]
    assert reason_of_none(replace(NOTHING, k=0, n=None), none) == "no public row"


def test_one_public_row():
    one = [study("a"), *(not_public(name) for name in "bcde")]
    row = verdict(estimate=replace(NOTHING, k=1, n=12), studies=one)
    assert (row.reason, row.k_not_public) == ("one public row, nothing pooled", 4)
    bare = study("b", usable=False, reason="mean without a spread")
    two = [study("a"), bare, *(not_public(name) for name in "cde")]
    assert reason_of_none(replace(NOTHING, k=1, n=12), two) == (
        "2 public rows, one with the numbers that pooling needs"
    )
    only = [bare, *(not_public(name) for name in "acde")]
    assert reason_of_none(replace(NOTHING, k=0, n=None), only) == (
        "one public row, without the numbers that pooling needs"
    )


def test_a_variant_that_leaves_nothing():
    assert reason_of_none(replace(NOTHING, k=0, n=None)) == "no study is left to pool"


def test_what_is_not_declared():
    assert reason_of_none(replace(ESTIMATE, outcome="harm")) == "the outcome is not declared"
    assert reason_of_none(ESTIMATE, published=replace(PRINTED, variant="rct_only")) == (
        "the variant rct_only is not declared"
    )
    assert reason_of_none(ESTIMATE, published=replace(PRINTED, variant="subgroup1_iv")) == (
        "the subgroup step is not declared"
    )


def test_another_measure():
    row = verdict(estimate=replace(ESTIMATE, measure="odds_ratio"))
    assert row.verdict == NOT_COMPARABLE
    assert row.reason == "a proportion is published, an odds ratio is computed"


# Subgroups -------------------------------------------------------------------------------------

GROUPS = {"subgroup1_sc": ("step1_route", "sc"), "subgroup1_oral": ("step1_route", "oral")}
IN_GROUP = replace(PRINTED, variant="subgroup1_sc", studies="", k="")


def members(names: str) -> list[Weight]:
    return [
        Weight("response", "step1_route", "sc", name, True, "", None, None, "") for name in names
    ]


def test_a_subgroup_is_compared_with_its_group():
    of_group = replace(ESTIMATE, variant="step1_route", group="sc")
    row = verdict(IN_GROUP, of_group, groups=GROUPS)
    assert (row.verdict, row.k_not_public) == (AGREES, None)


def test_weights_tell_who_is_in_a_subgroup():
    of_group = replace(ESTIMATE, variant="step1_route", group="sc", k=2, n=24, estimate=0.9)
    studies = [study("a"), study("b"), *(not_public(name) for name in "cde"), not_public("x")]
    row = verdict(IN_GROUP, of_group, studies, groups=GROUPS, weights=members("abcde"))
    assert row.k_not_public == 3
    assert row.reason.startswith("3 of 5 pooled studies have no public numbers")


def test_a_group_without_studies():
    of_group = replace(ESTIMATE, variant="step1_route", group="sc")
    row = verdict(replace(IN_GROUP, variant="subgroup1_oral"), of_group, groups=GROUPS)
    assert (row.verdict, row.reason) == (
        NOT_COMPARABLE,
        "no study is in the group oral of step1_route",
    )


# The whole -------------------------------------------------------------------------------------


def test_only_the_selected_model_is_compared():
    other = replace(ESTIMATE, model="random", selected=False, estimate=0.5)
    (row,) = audit([PRINTED], [other, ESTIMATE], {"response": STUDIES}, {}, refs=REFS)
    assert (row.model, row.verdict) == ("common", AGREES)
    with pytest.raises(ValueError, match="response, main: two estimates are selected"):
        audit([PRINTED], [replace(other, selected=True), ESTIMATE], {"response": STUDIES}, {})


def test_summary_counts_every_verdict():
    rows = [verdict(), verdict(replace(PRINTED, n="60")), verdict(replace(PRINTED, n="61"))]
    assert audit_summary(rows) == {
        AGREES: 1,
        BY_CONSTRUCTION: 0,
        DIFFERS: 2,
        NOT_COMPARABLE: 0,
    }
    assert tuple(audit_summary([])) == VERDICTS


def test_rows_make_a_table(tmp_path):
    rows = [verdict(), verdict(estimate=replace(NOTHING, k=0, n=None))]
    write_records(tmp_path / "audit.csv", AuditRow, rows)
    assert read_records(tmp_path / "audit.csv", AuditRow) == rows


# Reconstruction ------------------------------------------------------------------------------


def solution(**cells) -> Solution:
    empty = {field.name: "" for field in fields(Solution)}
    named = {"outcome": "response", "variant": "main", "verdict": "several", "k": 5}
    numbers = {"k_unknown": 1, "solutions": 3, "exhaustive": True, "distance": 0.0}
    return Solution(**{**empty, **named, **numbers, **cells})


SOLVED = [*STUDIES[:4], study("e", total=11, status="reconstructed", basis="published:response")]
RESTING = replace(ESTIMATE, k_reported=4, k_reconstructed=1)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({}, "the reconstructed rows are one of 3 sets that read as published"),
        ({"exhaustive": False}, "the reconstructed rows are one of at least 3 sets"),
        ({"solutions": None}, "the reconstructed rows are one of countless sets"),
        ({"contradicted": "n"}, "the printed n cannot hold beside the other figures"),
        (
            {"verdict": "none", "distance": 2.5, "reason": "the known row of a is far off"},
            "the nearest are 2.5 units of the last printed digits away; the known row of a is far",
        ),
    ],
)
def test_agreement_of_solved_rows_says_how_free_they_are(found, said):
    row = verdict(estimate=RESTING, studies=SOLVED, solutions=[solution(**found)])
    assert row.verdict == BY_CONSTRUCTION and said in row.reason


def test_what_was_found_is_told_where_the_digits_differ():
    found = solution(verdict="none", distance=2.5, reason="why")
    other = replace(RESTING, estimate=0.9)
    row = verdict(estimate=other, studies=SOLVED, solutions=[found])
    assert row.verdict == DIFFERS and row.reason.endswith("digits away; why")


def test_nothing_is_told_of_a_result_without_an_unknown_row():
    assert verdict(solutions=[solution(k_unknown=0)]).reason == "all printed digits match"
    assert verdict(solutions=[solution(outcome="another")]).reason == "all printed digits match"
