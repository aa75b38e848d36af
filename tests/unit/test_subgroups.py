"""Subgroup steps: which test is the one between groups, and chains that run out of studies."""

from dataclasses import replace

import numpy as np
import pytest
from pooling_examples import (
    EVERYONE,
    MIXED,
    PLAIN,
    ROOT,
    TWO_ARM,
    effects,
    leaving_out,
    pooled,
    reference,
    review,
    row,
    rows_by_model,
    sheet,
)
from scipy.special import chdtrc

from forestry.effects import study_effects
from forestry.heterogeneity import between_groups_common_tau2
from forestry.jobs.statistics import subgroup_effects_settings, subgroup_settings
from forestry.models import Pooling
from forestry.pool import left_out
from forestry.records import read_records, write_records
from forestry.results import SubgroupTest
from forestry.rows import read_table
from forestry.subgroup_steps import differences, in_step
from forestry.subgroups import pool_steps

CLOSED = 1e-11  # closed forms, and REML, which both programs take to the last digits
BCG = ROOT / "reviews/bcg"
REML = PLAIN | {"tau2": "REML"}
RAW = {"model": "inverse_variance", "transform": "raw"}
TESTS = ("between", "between_common_tau2", "between_common_effect", "within", "total")


def close(value):
    return pytest.approx(value, rel=CLOSED, abs=1e-13)


def step(groups, name="step1_by", within=""):
    """A step of the groups {study: group}."""
    return {"name": name, "by": "by", "within": within, "groups": groups,
            "order": list(dict.fromkeys(groups.values())),
            "reported": f"{name}_reported"}  # fmt: skip


def steps(studies, *chain, pooling=PLAIN, variant=EVERYONE, reported=None):
    settings = {"outcome": "outcome", "pooling": pooling, "variant": variant, "steps": chain}
    return pool_steps(studies, {**settings, "reported": reported or {}})


def by_name(found, name="step1_by"):
    return {test.test: test for test in found.tests if test.variant == name}


def bcg_studies():
    return effects(sheet("risk_ratio", **reference("pooling")["tables"]["bcg"]), "risk_ratio", REML)


def bcg_groups():
    allocation = reference("pooling")["groups"]["bcg"]
    return {f"s{i}": group for i, group in enumerate(allocation, start=1)}


def bundled_steps(outcome, folder=ROOT):
    declared = review(folder)
    studies = study_effects(
        read_table(declared.sheet(outcome)), subgroup_effects_settings(declared, outcome)
    )
    return studies, subgroup_settings(declared, outcome)


# BCG by allocation ------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["REML", "DL"])
def test_bcg_by_allocation_agrees_with_metafor(method):
    pooling = PLAIN | {"tau2": method}
    found = steps(bcg_studies(), step(bcg_groups()), pooling=pooling)
    tests = by_name(found)
    assert tuple(tests) == TESTS
    assert {(test.k, test.groups, test.by) for test in tests.values()} == {(13, 3, "by")}

    separate = reference("chain")["between"][method]
    between = tests["between"]
    assert (between.statistic, between.df) == (close(separate["q"]), separate["df"])
    assert between.p_value == close(separate["p"])
    for group, estimate in separate["estimate"].items():
        random = rows_by_model(found.pooled, "step1_by", group)["random"]
        assert random.link_estimate == close(estimate)
        assert random.tau2 == close(separate["tau2"][group])

    (known,) = (
        case
        for case in reference("pooling")["subgroups"]
        if (case["dataset"], case["method"]) == ("bcg", method)
    )
    common, within = tests["between_common_tau2"], tests["within"]
    assert (common.statistic, common.df) == (close(known["qm"]), 2)
    assert common.p_value == close(known["qm_p"])
    assert (within.statistic, within.df) == (close(known["qe"]), 10)
    assert within.p_value == close(known["qe_p"])


def test_bcg_by_allocation_has_the_published_figures():
    """STATISTICS.md 5 G, through the second review's own declaration."""
    studies, settings = bundled_steps("tuberculosis", BCG)
    tests = by_name(pool_steps(studies, settings), "step1_allocation")
    for name, figures in {
        "between": (1.8614, 2, 0.3943),
        "between_common_tau2": (1.7675, 2, 0.4132),
        "within": (132.3676, 10, 0.0),
        "total": (152.2330, 12, 0.0),
    }.items():
        test = tests[name]
        assert (round(test.statistic, 4), test.df, round(test.p_value, 4)) == figures


def test_total_heterogeneity_is_never_a_test_between_groups():
    """The article's error: Q of all studies, on k - 1 df, printed as subgroup differences."""
    for pooling in (REML, PLAIN, PLAIN | {"interval": "hartung_knapp"}):
        found = steps(bcg_studies(), step(bcg_groups()), pooling=pooling)
        tests = by_name(found)
        total = rows_by_model(found.pooled, "step1_by")["random"]
        assert (total.q, total.q_df) == (close(tests["total"].statistic), 12)
        for name, test in tests.items():
            if name.startswith("between"):
                assert test.df == test.groups - 1 == 2
                assert test.statistic < 0.2 * total.q
        shown = differences(found.tests, "step1_by")
        assert (shown.test, shown.statistic, shown.df, shown.p_value, shown.k) == (
            "between", tests["between"].statistic, 2, tests["between"].p_value, 13,
        )  # fmt: skip


def test_q_is_the_sum_of_its_parts():
    tests = by_name(steps(bcg_studies(), step(bcg_groups())))
    parts = [tests[name] for name in ("between_common_effect", "within")]
    assert tests["total"].statistic == close(sum(part.statistic for part in parts))
    assert tests["total"].df == sum(part.df for part in parts)


# Groups as they are pooled ----------------------------------------------------------------


def by_hand(rows):
    """Q between groups from the estimates and standard errors of their rows."""
    means = np.array([[row.link_estimate, row.link_se] for row in rows])
    weights = means[:, 1] ** -2
    centre = (weights * means[:, 0]).sum() / weights.sum()
    return (weights * (means[:, 0] - centre) ** 2).sum()


@pytest.mark.parametrize(
    "pooling",
    [MIXED, RAW, RAW | {"tau2": "REML", "interval": "hartung_knapp"}],
    ids=["mixed", "raw", "hartung_knapp"],
)
def test_the_test_between_groups_is_of_the_results_shown(pooling):
    counts = reference("measures")["counts"]["pritz1997"]
    studies = effects(sheet("proportion", **counts), "proportion", pooling)
    groups = {study.study_id: "ab"[i % 2] for i, study in enumerate(studies)}
    found = steps(studies, step(groups), pooling=pooling)
    rows = [rows_by_model(found.pooled, "step1_by", group)["random"] for group in "ab"]
    between = by_name(found)["between"]
    assert between.statistic == close(by_hand(rows))
    assert between.p_value == close(chdtrc(1, by_hand(rows)))


def test_a_shared_tau2_is_by_reml_where_the_groups_are_pooled_by_the_mixed_model():
    counts = reference("measures")["counts"]["pritz1997"]
    studies = effects(sheet("proportion", **counts), "proportion", MIXED)
    labels = ["ab"[i % 2] for i in range(len(studies))]
    groups = dict(zip((study.study_id for study in studies), labels, strict=True))
    yi, vi = [study.yi for study in studies], [study.vi for study in studies]
    found = by_name(steps(studies, step(groups), pooling=MIXED))["between_common_tau2"]
    assert found.statistic == between_groups_common_tau2(yi, vi, labels, "REML").q
    assert found.statistic != between_groups_common_tau2(yi, vi, labels, "DL").q


def test_groups_and_the_whole_are_pooled_as_if_alone():
    studies, groups = bcg_studies(), bcg_groups()
    found = steps(studies, step(groups), pooling=REML)
    assert {row.variant for row in found.pooled.estimates} == {"step1_by"}
    assert list(dict.fromkeys(row.group for row in found.pooled.estimates)) == [
        "random", "alternate", "systematic", "",
    ]  # fmt: skip
    for group in ("random", ""):
        members = [study for study in studies if group in ("", groups[study.study_id])]
        alone = rows_by_model(pooled(members, REML))["random"]
        here = rows_by_model(found.pooled, "step1_by", group)["random"]
        assert (here.k, here.n, here.estimate, here.tau2) == (
            alone.k, alone.n, alone.estimate, alone.tau2,
        )  # fmt: skip
        shares = [w.weight_random for w in found.pooled.weights if w.group == group]
        assert len(shares) == len(members) and sum(shares) == close(1.0)


# Chains, lone studies, lone groups --------------------------------------------------------


def proportions(*counts):
    return effects(
        [row(f"s{i}", "proportion", events=e, total=n) for i, (e, n) in enumerate(counts, 1)],
        "proportion",
        RAW,
    )


FIVE = ((3, 10), (9, 20), (12, 15), (22, 25), (17, 30))


def test_a_lone_study_is_its_groups_mean():
    studies = proportions(*FIVE)
    found = steps(studies, step({"s1": "a", "s2": "a", "s3": "a", "s4": "b"}), pooling=RAW)
    (row,) = (row for row in found.pooled.estimates if row.group == "b")
    assert (row.model, row.k, row.note) == ("none", 1, "one study: not pooled")
    first = rows_by_model(found.pooled, "step1_by", "a")["random"]
    lone = studies[3]
    spread = first.link_se**2 + lone.vi
    between = by_name(found)["between"]
    assert between.statistic == close((first.link_estimate - lone.yi) ** 2 / spread)
    assert (between.k, between.df) == (4, 1)
    assert by_name(found)["between_common_tau2"].statistic is not None
    assert "s5" not in {weight.study_id for weight in found.pooled.weights}


def test_groups_of_one_study_each_share_no_tau2():
    studies = proportions(*FIVE[:2])
    tests = by_name(steps(studies, step({"s1": "a", "s2": "b"}), pooling=RAW))
    common = tests["between_common_tau2"]
    assert (common.statistic, common.df, common.p_value) == (None, None, None)
    assert common.note == "each group is one study: no tau2 to share"
    q = (studies[0].yi - studies[1].yi) ** 2 / (studies[0].vi + studies[1].vi)
    assert [tests[name].statistic for name in ("between", "total")] == close([q, q])
    assert (tests["within"].statistic, tests["within"].df, tests["within"].p_value) == (0, 0, None)


@pytest.mark.parametrize(
    ("groups", "k", "count"),
    [
        ({"s1": "a", "s2": "a"}, 2, 1),
        ({"s1": "a"}, 1, 1),
        ({"s1": "a", "s6": "b"}, 1, 1),
        ({}, 0, 0),
    ],
    ids=["two studies", "one study", "the other without numbers", "nobody"],
)
def test_a_single_group_is_not_tested(groups, k, count):
    table = [row(f"s{i}", "proportion", events=e, total=n) for i, (e, n) in enumerate(FIVE, 1)]
    table += [row("s6", "proportion", "unavailable", "", total=12)]
    studies = effects(table, "proportion", RAW)
    found = steps(studies, step(groups), pooling=RAW)
    (test,) = found.tests
    assert (test.test, test.k, test.groups) == ("between", k, count)
    assert (test.statistic, test.df, test.p_value) == (None, None, None)
    assert test.note == "fewer than two groups with numbers: no test"
    assert differences(found.tests, "step1_by") is None
    (whole, *_) = (row for row in found.pooled.estimates if row.group == "")
    assert (whole.k, whole.model == "none") == (k, k < 2)


@pytest.mark.parametrize(
    ("pooling", "second"),
    [
        (MIXED, ((15, 15), (25, 25))),  # nothing but events: a total, no mean on the logit scale
        (RAW | {"interval": "hartung_knapp"}, ((5, 10), (5, 10))),  # a standard error of 0
    ],
)
def test_a_group_without_a_standard_error_is_not_tested(pooling, second):
    table = [(3, 10), (9, 20), *second]
    studies = effects(
        [row(f"s{i}", "proportion", events=e, total=n) for i, (e, n) in enumerate(table, 1)],
        "proportion",
        pooling,
    )
    found = steps(studies, step(dict(s1="a", s2="a", s3="b", s4="b")), pooling=pooling)
    tests = by_name(found)
    assert (tests["between"].statistic, tests["between"].p_value) == (None, None)
    assert tests["between"].note == "a group's mean has no standard error: no test"
    assert tests["total"].df == 3 and tests["between_common_tau2"].df == 1


def test_each_step_has_its_own_groups_and_tests():
    first = step(dict(s1="iv", s2="iv", s3="iv", s4="sc", s5="sc"), "step1_route")
    second = step(dict(s1="adult", s2="adult", s3="child"), "step2_age", "route iv")
    found = steps(proportions(*FIVE), first, second, pooling=RAW)
    assert [(t.variant, t.within, t.k) for t in found.tests if t.test == "between"] == [
        ("step1_route", "", 5),
        ("step2_age", "route iv", 3),
    ]
    assert differences(found.tests, "step1_route") != differences(found.tests, "step2_age")
    assert differences(found.tests, "step3_none") is None
    iv = rows_by_model(found.pooled, "step1_route", "iv")["random"]
    whole = rows_by_model(found.pooled, "step2_age")["random"]
    assert (iv.estimate, iv.q) == (whole.estimate, whole.q)


def test_the_bundled_chain_goes_on_within_the_group_before():
    studies, settings = bundled_steps("muscle_pr")
    found = pool_steps(studies, settings)
    names = [each["name"] for each in settings["steps"]]
    assert names == ["step1_route", "step2_population", "step3_assessment"]
    attributes, gone = (
        review().studies,
        left_out(studies, settings["variant"], Pooling(**settings["pooling"])),
    )
    wanted = [{}, {"route": "iv"}, {"route": "iv", "population": "adult"}]
    for name, within in zip(names, wanted, strict=True):
        inside = {
            study.study_id
            for study in studies
            if all(attributes[study.study_id][key] == value for key, value in within.items())
        }
        by = name.split("_", 1)[1]
        inside = {study for study in inside if attributes[study][by]}
        whole = {w.study_id for w in found.pooled.weights if (w.variant, w.group) == (name, "")}
        assert whole == inside
        assert by_name(found, name)["total"].k == len(inside - set(gone))
        for test in by_name(found, name).values():
            assert test.within == {0: "", 1: "route iv", 2: "population adult"}[names.index(name)]


def test_a_variant_is_applied_before_the_steps():
    variant = leaving_out({"s2": "retrospective"})
    groups = dict(s1="a", s2="a", s3="a", s4="b", s5="b")
    found = steps(proportions(*FIVE), step(groups), pooling=RAW, variant=variant)
    assert {test.k for test in found.tests} == {4}
    reasons = {(w.group, w.reason) for w in found.pooled.weights if w.study_id == "s2"}
    assert reasons == {("a", "retrospective"), ("", "retrospective")}


def test_the_reported_rows_of_a_step_are_pooled_beside():
    groups = dict(s1="a", s2="a", s3="a", s4="b")  # the fifth study is in no group
    studies = proportions(*FIVE)
    found = steps(studies, step(groups), pooling=RAW, reported=leaving_out({"s2": "status"}))
    beside = [row for row in found.pooled.estimates if row.variant == "step1_by_reported"]
    alone = steps(studies, step(groups), pooling=RAW, variant=leaving_out({"s2": "status"}))
    whole = [row for row in alone.pooled.estimates if not row.group]
    assert {row.k for row in beside} == {3}
    assert [replace(row, variant="step1_by") for row in beside] == whole
    assert {test.variant for test in found.tests} == {"step1_by"}
    without = steps(studies, step(groups), pooling=RAW)
    assert "step1_by_reported" not in {row.variant for row in without.pooled.estimates}


def test_two_arms_and_mantel_haenszel_are_tested_by_inverse_variance():
    pooling = {"model": "mantel_haenszel"}
    table = sheet("risk_ratio", **reference("pooling")["tables"]["bcg"])
    studies = effects(table, "risk_ratio", pooling)
    found = by_name(steps(studies, step(bcg_groups()), pooling=pooling))
    assert found["between"].statistic == close(reference("chain")["between"]["DL"]["q"])
    assert set(TWO_ARM) <= set(table[0])


def test_tests_survive_their_file(tmp_path):
    found = steps(bcg_studies(), step(bcg_groups()), step({}, "step2_none")).tests
    write_records(tmp_path / "subgroups.csv", SubgroupTest, found)
    assert tuple(read_records(tmp_path / "subgroups.csv", SubgroupTest)) == found


def test_a_step_holds_its_studies_alone_pooled_or_not():
    bundled = review(ROOT)
    table = read_table(bundled.sheet("muscle_pr"))
    studies = study_effects(table, subgroup_effects_settings(bundled, "muscle_pr"))
    settings = subgroup_settings(bundled, "muscle_pr")
    weights = pool_steps(studies, settings).pooled.weights
    for step in settings["steps"]:
        held = in_step(studies, weights, "muscle_pr", step["name"])
        assert {study.study_id for study in held} == set(step["groups"])
        assert not all(study.usable for study in held)
