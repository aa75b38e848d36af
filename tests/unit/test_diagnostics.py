"""Influence and bias rows: the library's own numbers, under the right study and variant."""

import numpy as np
import pytest
from pooling_examples import (
    MIXED,
    PLAIN,
    TWO_ARM,
    bundled,
    bundled_effects,
    effects,
    leaving_out,
    pooled,
    reference,
    review,
    row,
    rows_by_model,
    sheet,
)

from forestry import bias
from forestry.diagnostics import (
    TrimAndFillRow,
    bias_rows,
    included,
    influence_rows,
    points_to_add,
    trim_and_fill_rows,
)
from forestry.influence import influence, leave_one_out
from forestry.inverse_variance import fit_random
from forestry.jobs.statistics import bias_settings, influence_settings, trim_and_fill_settings
from forestry.records import read_records, write_records
from forestry.results import BiasRecord, InfluenceRow
from forestry.scales import harmonic_mean, to_display
from forestry.trim_and_fill import trim_and_fill

REML = PLAIN | {"tau2": "REML"}
MEASURES = ("rstudent", "dffits", "cook_distance", "cov_ratio", "tau2_deleted", "q_deleted",
            "hat", "weight", "dfbetas", "influential")  # fmt: skip
DELETED = {"estimate_deleted": "estimate", "ci_low_deleted": "ci_low", "ci_high_deleted": "ci_high"}
TESTS = ["harbord", "egger", "peters", "begg", "score"]
NUMBERS = ("bias", "se", "statistic", "df", "p_value")


def influence_of(studies, pooling, variant="main", variants=None):
    found = pooled(studies, pooling, **(variants or {}))
    settings = {"outcome": "outcome", "variant": variant, "pooling": pooling}
    return influence_rows(studies, found.weights, settings)


def bias_of(studies, measure, variants=None, tests=TESTS, fewest=3):
    found = pooled(studies, PLAIN, **(variants or {}))
    settings = {"outcome": "outcome", "measure": measure, "tests": tests,
                "variants": list(variants or ["main"]), "fewest_studies": fewest}  # fmt: skip
    return bias_rows(studies, found.weights, settings)


def bcg(measure="risk_ratio"):
    return effects(sheet(measure, **reference("pooling")["tables"]["bcg"]), measure)


def arrays(studies, *names):
    return [np.array([getattr(study, name) for study in studies], dtype=float) for name in names]


# Influence --------------------------------------------------------------------------------

CASES = {
    "risk ratio": ("risk_ratio", REML),
    "odds ratio": ("odds_ratio", {"model": "mantel_haenszel", "tau2": "DL"}),
    "risk difference": ("risk_difference", PLAIN | {"tau2": "PM", "interval": "hartung_knapp"}),
    "mixed": ("proportion", MIXED | {"interval": "t", "level": 0.9}),
    "raw": ("proportion", PLAIN | {"transform": "raw", "i2": "tau2"}),
    "double arcsine": ("proportion", PLAIN | {"transform": "double_arcsine", "tau2": "REML"}),
}


@pytest.mark.parametrize(("measure", "pooling"), CASES.values(), ids=CASES)
def test_influence_is_the_librarys(measure, pooling):
    columns = (
        reference("measures")["counts"]["pritz1997"]
        if measure == "proportion"
        else reference("pooling")["tables"]["bcg"]
    )
    studies = effects(sheet(measure, **columns), measure, pooling)
    rows = influence_of(studies, pooling)
    assert [row.study_id for row in rows] == [study.study_id for study in studies]
    method = "REML" if pooling["model"] == "logistic_mixed" else pooling.get("tau2", "DL")
    assert {(row.k, row.tau2_method) for row in rows} == {(len(studies), method)}
    yi, vi = arrays(studies, "yi", "vi")
    known = influence(yi, vi, method)
    for name in MEASURES:
        assert [getattr(row, name) for row in rows] == getattr(known, name).tolist(), name
    without = leave_one_out(
        yi, vi, method, pooling.get("interval", "wald"), pooling.get("level", 0.95),
        pooling.get("i2", "q"),
    )  # fmt: skip
    assert [row.i2_deleted for row in rows] == without.i2.tolist()
    n = harmonic_mean(columns["total"]) if studies[0].scale == "double_arcsine" else None
    for column, name in DELETED.items():
        shown = to_display(getattr(without, name), studies[0].scale, n)
        assert [getattr(row, column) for row in rows] == shown.tolist()


@pytest.mark.parametrize("pooling", [REML, REML | {"interval": "hartung_knapp", "i2": "tau2"}],
                         ids=["wald", "hartung_knapp"])  # fmt: skip
def test_a_result_without_a_study_is_what_pooling_the_others_gives(pooling):
    studies = bcg()
    for i, found in enumerate(influence_of(studies, pooling)):
        others = rows_by_model(pooled(studies[:i] + studies[i + 1 :], pooling))["random"]
        for column, name in DELETED.items():
            assert getattr(found, column) == pytest.approx(getattr(others, name), rel=1e-9)
        assert found.tau2_deleted == pytest.approx(others.tau2, rel=1e-8)
        assert found.q_deleted == pytest.approx(others.q, rel=1e-10)
        assert found.i2_deleted == pytest.approx(others.i2, rel=1e-8)


def test_influence_of_bcg_has_the_published_figures():
    """STATISTICS.md 5 G: row 4, row 8, leave-one-out row 1; nobody is influential."""
    rows = influence_of(bcg(), REML)
    fourth = [round(getattr(rows[3], name), 4) for name in MEASURES[:7]]
    assert fourth == [-1.4512, -0.5201, 0.2295, 0.9651, 0.2628, 96.5626, 0.0970]
    assert round(rows[3].dfbetas, 4) == -0.5138
    assert round(rows[7].q_deleted, 4) == 67.9858
    assert round(np.log(rows[0].estimate_deleted), 4) == -0.7071
    assert not any(row.influential for row in rows)


def test_influence_is_of_the_studies_that_the_variant_keeps():
    studies = bcg()
    variants = {"fewer": leaving_out({"s2": "named", "s9": "named"})}
    rows = influence_of(studies, REML, "fewer", variants)
    kept = [study for study in studies if study.study_id not in ("s2", "s9")]
    assert [row.study_id for row in rows] == [study.study_id for study in kept]
    assert [row.dffits for row in rows] == [row.dffits for row in influence_of(kept, REML)]
    assert {row.variant for row in rows} == {"fewer"}


@pytest.mark.parametrize("k", [0, 1, 2, 3])
def test_influence_needs_two_studies(k):
    rows = influence_of(bcg()[:k], REML)
    assert len(rows) == (k if k > 1 else 0)
    for found in rows:
        numbers = [getattr(found, name) for name in (*MEASURES, *DELETED, "i2_deleted")]
        assert np.isfinite(numbers).all()
    if k == 2:
        first, second = bcg()[:2]
        assert rows[0].estimate_deleted == pytest.approx(second.estimate, rel=1e-12)
        assert rows[1].ci_low_deleted == pytest.approx(first.ci_low, rel=1e-12)


def test_studies_without_numbers_have_no_influence():
    table = [*sheet("proportion", events=[2, 5, 9], total=[10, 11, 12])]
    table.insert(1, row("absent", "proportion", "unavailable", ""))
    studies = effects(table, "proportion", MIXED)
    found = pooled(studies, MIXED)
    assert [s.study_id for s in included(studies, found.weights, "main")] == ["s1", "s2", "s3"]
    assert [row.study_id for row in influence_of(studies, MIXED)] == ["s1", "s2", "s3"]


# Tests of small-study effects -------------------------------------------------------------


def known_tests(studies, measure):
    """The library's test under each name that a declaration may use."""
    yi, vi = arrays(studies, "yi", "vi")
    known = {"egger": bias.egger(yi, vi), "begg": bias.begg(yi, vi)}
    if measure == "proportion":
        counts = arrays(studies, "events", "total")
        known |= {
            "peters": bias.peters_proportion(*counts),
            "score": bias.score_proportion(*counts),
        }
    if measure in ("risk_ratio", "odds_ratio"):
        cells = arrays(studies, *TWO_ARM)
        known |= {"harbord": bias.harbord(*cells, measure), "peters": bias.peters(*cells)}
    return known


def examples():
    means = reference("measures")["means"]["data"]
    counts = reference("measures")["counts"]["pritz1997"]
    yield from ((measure, bcg(measure)) for measure in ("risk_ratio", "odds_ratio"))
    yield "risk_difference", bcg("risk_difference")
    yield "proportion", effects(sheet("proportion", **counts), "proportion")
    for measure in ("mean_difference", "standardized_mean_difference"):
        yield measure, effects(sheet(measure, **means), measure)
    single = {name: means[name] for name in ("n", "mean", "sd")}
    yield "mean", effects(sheet("mean", **single), "mean")


EXAMPLES = dict(examples())


@pytest.mark.parametrize("measure", EXAMPLES)
def test_the_tests_of_a_measure_are_the_librarys(measure):
    studies = EXAMPLES[measure]
    known = known_tests(studies, measure)
    rows = bias_of(studies, measure)
    assert [row.test for row in rows] == [known[name].test for name in TESTS if name in known]
    for found in rows:
        (one,) = (test for test in known.values() if test.test == found.test)
        assert found == bias.bias_record("outcome", "main", one)
        assert found.fewer_than_10 == (len(studies) < 10)
        assert found.p_value is not None


def test_harbords_test_is_of_the_measure_and_never_of_one_arm():
    names = {
        measure: {row.test for row in bias_of(EXAMPLES[measure], measure)} for measure in EXAMPLES
    }
    assert "harbord_risk_ratio" in names["risk_ratio"]
    assert "harbord_odds_ratio" in names["odds_ratio"]
    assert names["proportion"] == {"egger", "begg", "peters_proportion", "score_proportion"}
    for measure in ("risk_difference", "mean", "mean_difference"):
        assert names[measure] == {"egger", "begg"}


def test_magnesium_has_the_published_figures():
    """STATISTICS.md 5 N: Harbord, Egger and Peters of the odds ratios."""
    cells = reference("pooling")["tables"]["egger2001"]
    rows = {
        r.test: r
        for r in bias_of(effects(sheet("odds_ratio", **cells), "odds_ratio"), "odds_ratio")
    }
    harbord, egger = rows["harbord_odds_ratio"], rows["egger"]
    assert (round(harbord.bias, 6), round(harbord.se, 6)) == (-1.752538, 0.307740)
    assert (round(harbord.statistic, 6), harbord.df) == (-5.694873, 14)
    assert (round(egger.bias, 6), round(egger.se, 6)) == (-1.599085, 0.276437)
    assert (round(rows["peters"].bias, 4), round(rows["peters"].statistic, 6)) == (
        -115.3057,
        -3.970703,
    )


def test_the_declaration_chooses_and_orders_the_tests():
    rows = bias_of(bcg(), "risk_ratio", tests=["begg", "harbord"])
    assert [row.test for row in rows] == ["begg", "harbord_risk_ratio"]
    assert bias_of(bcg(), "risk_ratio", tests=["score"]) == []


def test_each_variant_is_tested_on_its_own_studies():
    excluded = {f"s{i}": "named" for i in range(1, 6)}
    variants = {"main": leaving_out(),
                "fewer": leaving_out(excluded)}  # fmt: skip
    rows = bias_of(bcg(), "risk_ratio", variants, tests=["egger", "begg"])
    assert [(row.variant, row.test, row.k) for row in rows] == [
        ("main", "egger", 13), ("main", "begg", 13), ("fewer", "egger", 8), ("fewer", "begg", 8),
    ]  # fmt: skip
    kept = [study for study in bcg() if study.study_id not in excluded]
    assert rows[2].statistic == bias.egger(*arrays(kept, "yi", "vi")).statistic
    assert [row.fewer_than_10 for row in rows] == [False, False, True, True]


@pytest.mark.parametrize("k", [0, 1, 2, 5, 9, 10, 13])
@pytest.mark.parametrize("fewest", [3, 10, 14])
@pytest.mark.parametrize("measure", ["risk_ratio", "proportion"])
def test_below_the_fewest_studies_nothing_is_tested(measure, fewest, k):
    columns = reference("pooling")["tables"]["bcg"]
    names = TWO_ARM if measure == "risk_ratio" else TWO_ARM[:2]
    table = sheet(measure, **{name: columns[name][:k] for name in names})
    rows = bias_of(effects(table, measure), measure, fewest=fewest)
    assert len(rows) == 4
    for found in rows:
        # One study is not pooled: it counts, and is too few for any test.
        assert (found.k, found.fewer_than_10) == (k, k < 10)
        numbers = [getattr(found, name) for name in NUMBERS]
        if k < fewest:
            assert set(numbers) == {None}
            assert found.note == f"fewer than {fewest} studies: not tested"
        else:
            assert found.p_value is not None and "not tested" not in found.note


# Trim and fill ----------------------------------------------------------------------------


def filling(pooling, estimator="L0", side=None, **more):
    return {"outcome": "outcome", "pooling": pooling, "variants": ["main"], "estimator": estimator,
            "side": side, **more}  # fmt: skip


@pytest.mark.parametrize("interval", ["wald", "hartung_knapp"])
@pytest.mark.parametrize(("estimator", "side"), [("L0", None), ("R0", "left"), ("L0", "right")])
def test_trim_and_fill_is_the_librarys(estimator, side, interval):
    pooling, studies = REML | {"interval": interval}, bcg()
    found = pooled(studies, pooling)
    (row,) = trim_and_fill_rows(studies, found.weights, filling(pooling, estimator, side))
    known = trim_and_fill(
        *arrays(studies, "yi", "vi"),
        lambda yi, vi: fit_random(yi, vi, "REML", interval=interval),
        estimator=estimator,
        side=side,
    )
    assert (row.k, row.k0, row.k0_se, row.side) == (13, known.k0, known.k0_se, known.side)
    shown = np.exp([known.fit.estimate, known.fit.ci_low, known.fit.ci_high])
    assert [row.estimate, row.ci_low, row.ci_high] == shown.tolist()
    assert (row.tau2, row.note, row.fewer_than_10) == (known.fit.tau2, known.note, False)


def test_trim_and_fill_of_bcg_has_the_published_figures():
    """STATISTICS.md 5 G: one study on the right, -.6571 [-1.0070, -.3072]."""
    (row,) = trim_and_fill_rows(bcg(), pooled(bcg(), REML).weights, filling(REML))
    logs = [round(np.log(value), 4) for value in (row.estimate, row.ci_low, row.ci_high)]
    assert (row.side, row.k0, logs) == ("right", 1, [-0.6571, -1.0070, -0.3072])


@pytest.mark.parametrize("k", [0, 1, 2])
def test_trim_and_fill_of_few_studies_says_why_there_is_none(k):
    studies = bcg()[:k]
    weights = pooled(studies, REML).weights
    (row,) = trim_and_fill_rows(studies, weights, filling(REML))
    assert (row.k, row.fewer_than_10, row.side) == (k, True, "")
    assert {row.k0, row.k0_se, row.estimate, row.ci_low, row.ci_high, row.tau2} == {None}
    assert row.note == f"3 or more studies are needed, not {k}"
    settings = filling(REML, variant="main", in_funnels=True)
    assert points_to_add(studies, weights, settings) is None


def test_funnels_have_added_points_only_where_asked_for():
    studies, weights = bcg(), pooled(bcg(), REML).weights
    asked, not_asked = (
        points_to_add(studies, weights, filling(REML, variant="main", in_funnels=wanted))
        for wanted in (True, False)
    )
    assert not_asked is None
    assert (asked.k, asked.k0, asked.filled.sum()) == (13, 1, 1)


def test_without_an_estimator_nothing_is_filled():
    assert trim_and_fill_rows(bcg(), pooled(bcg(), REML).weights, filling(REML, "")) == []


# The bundled review -----------------------------------------------------------------------


@pytest.mark.parametrize("outcome", ["muscle_pr", "vte", "mmt8_change", "time_to_relapse"])
def test_the_bundled_review_has_its_rows(outcome, tmp_path):
    studies, found = bundled_effects(outcome), bundled(outcome)
    rows = influence_rows(studies, found.weights, influence_settings(review(), outcome))
    main = {row.k for row in found.estimates if row.variant == "main"}
    assert {len(rows)} == (main if main > {1} or max(main) > 1 else {0})
    tests = bias_rows(studies, found.weights, bias_settings(review(), outcome))
    assert {row.variant for row in tests} == set(bias_settings(review(), outcome)["variants"])
    added = trim_and_fill_rows(studies, found.weights, trim_and_fill_settings(review(), outcome))
    assert [row.k for row in added] == [row.k for row in tests if row.test == "egger"]
    for record, table in ((InfluenceRow, rows), (BiasRecord, tests), (TrimAndFillRow, added)):
        write_records(tmp_path / "table.csv", record, table)
        assert read_records(tmp_path / "table.csv", record) == table
