from dataclasses import replace

import pytest

from forestry.legends import (
    LEGENDS,
    VARIANCES,
    Legend,
    Plot,
    legend,
)
from forestry.measures.means import SMD_VARIANCES
from forestry.results import Estimate, HeterogeneityTest, StudyEffect, Weight

EMPTY = dict.fromkeys(Estimate.__annotations__)


def estimate(**given):
    base = EMPTY | {
        "outcome": "pr",
        "variant": "main",
        "group": "",
        "k": 2,
        "n": 42,
        "events": 24,
        "measure": "proportion",
        "model": "random",
        "method": "logistic_mixed",
        "tau2_method": "ML",
        "interval": "wald",
        "estimate": 0.6357,
        "ci_low": 0.4742,
        "ci_high": 0.7716,
        "i2": 0.523,
        "i2_basis": "wald_q",
        "selected": True,
        "note": "",
    }
    return Estimate(**(base | given))


def nothing(k, **given):
    numbers = dict.fromkeys(["estimate", "ci_low", "ci_high", "i2"])
    return estimate(k=k, model="none", method="none", **(numbers | given))


def effect(study, status="reported", **given):
    base = dict.fromkeys(StudyEffect.__annotations__) | {
        "study_id": study,
        "status": status,
        "basis": "source",
        "usable": status != "unavailable",
        "reason": "" if status != "unavailable" else "not available",
        "scale": "logit",
        "obtained": "as printed",
    }
    return StudyEffect(**(base | given))


def weight(study, included=True, reason="", **given):
    base = {"outcome": "pr", "variant": "main", "group": ""}
    return Weight(**(base | given), study_id=study, included=included, reason=reason,
                  weight_common=None, weight_random=None, weight_basis="")  # fmt: skip


LABELS = {"a": "Lim 2020", "b": "Liu 2021", "c": "Ohad 2020", "d": "Femia 2013"}


def plot(*estimates, **given):
    base = {
        "label": "Complete response",
        "outcome": "pr",
        "estimates": estimates or (estimate(),),
        "effects": (effect("a"), effect("b")),
        "weights": (weight("a"), weight("b")),
        "labels": LABELS,
        "pooling": {"select": "common_if_i2_zero"},
    }
    return Plot(**(base | given))


def text(kind, *estimates, **given):
    return legend(kind, plot(*estimates, **given)).text


# What was pooled, and how ------------------------------------------------------------------


def test_a_forest_plot_of_a_mixed_model():
    made = legend("forest", plot())
    assert made.title == "Forest plot of complete response"
    assert made.text == (
        "The 2 studies (42 participants, 24 events) were pooled by random-intercept logistic "
        "regression (maximum likelihood); the random-effects model is reported because I² is "
        "above zero (52.3%, from the Wald Q). The pooled estimate is 63.6% (95% CI 47.4–77.2)."
    )
    assert str(made) == f"{made.title}. {made.text}"


def test_the_common_model_is_reported_because_i2_is_zero():
    rows = [estimate(model="common", i2=0.0), estimate(selected=False, i2=0.0)]
    said = text("forest", *rows)
    assert "pooled by logistic regression with one common proportion" in said
    assert "the common-effect model is reported because I² is zero, from the Wald Q." in said


def test_the_common_model_where_the_random_one_has_no_fit():
    assert "because the random-effects model could not be fitted" in text(
        "forest", estimate(model="common", i2=0.4)
    )


def test_a_model_by_declaration():
    assert "is reported as declared for this analysis" in text(
        "forest", pooling={"select": "random"}
    )


@pytest.mark.parametrize(
    ("correction", "variance", "phrase"),
    [
        ("exact", "LS", "the exact correction and the large-sample variance (LS)."),
        ("exact", "LS2", "the exact correction and the variance of d, corrected (LS2)."),
        ("approximate", "UB", "the approximate correction and the unbiased variance (UB)."),
        ("approximate", "revman", "the approximate correction and RevMan's variance."),
    ],
)
@pytest.mark.parametrize("kind", ["forest", "subgroup_forest", "funnel"])
def test_a_legend_says_which_of_hedges_g_it_is(kind, correction, variance, phrase):
    row = estimate(measure="standardized_mean_difference", method="inverse_variance")
    told = {"correction": correction, "variance": variance}
    assert f"Effects are Hedges' g with {phrase}" in text(kind, row, standardized=told)
    none = [effect(study, "unavailable") for study in "ab"]
    assert "Hedges" not in text(kind, nothing(0), standardized=told, effects=none)
    assert "Hedges" not in text(kind, row)


def test_every_variance_of_hedges_g_has_words():
    assert set(VARIANCES) == set(SMD_VARIANCES)


@pytest.mark.parametrize(
    ("row", "scale", "phrase"),
    [
        (
            {"tau2_method": "REML"},
            "raw",
            "inverse-variance weighting of untransformed proportions with the between-study "
            "variance by restricted maximum likelihood",
        ),
        ({"tau2_method": "none", "model": "common"}, "arcsine", "arcsine-square-root-transformed"),
        ({"measure": "mean_change", "tau2_method": "DL"}, "identity", "weighting of mean changes"),
        ({"measure": "risk_ratio", "tau2_method": "PM"}, "log", "log risk ratios with the"),
        ({"interval": "hartung_knapp"}, "raw", "with Hartung–Knapp intervals"),
    ],
)
def test_inverse_variance_tells_scale_and_tau2(row, scale, phrase):
    effects = (effect("a", scale=scale), effect("b", scale=scale))
    said = text("forest", estimate(method="inverse_variance", **row), effects=effects)
    assert phrase in said


def test_mantel_haenszel_ratios():
    row = estimate(
        method="mantel_haenszel",
        model="common",
        measure="risk_ratio",
        i2=0.0,
        i2_basis="q",
        estimate=1.64,
        ci_low=1.3,
        ci_high=2.06,
    )
    said = text("forest", row, estimate(selected=False))
    assert "by the Mantel–Haenszel method" in said
    assert "The pooled estimate is 1.64 (95% CI 1.30–2.06)." in said


def test_the_prediction_interval_is_told_with_its_distribution():
    random = estimate(selected=False, prediction="t_k_minus_2", pi_low=0.2, pi_high=0.9)
    said = text("forest", estimate(model="common", prediction=""), random)
    assert "The prediction interval is from the t distribution with k − 2 degrees" in said
    assert "prediction" not in text("forest", estimate(prediction=""))
    assert "is from the normal distribution." in text("forest", estimate(prediction="z"))


def test_units_and_negative_limits():
    row = estimate(measure="mean_change", estimate=6.1, ci_low=-0.4, ci_high=12.6, events=None)
    said = text("forest", row, unit="points")
    assert "is 6.1 points (95% CI −0.4 to 12.6)." in said
    assert "(42 participants)" in said


def test_every_tau2_estimator_and_interval_of_the_library_has_words():
    from forestry import logistic_mixed
    from forestry.intervals import INTERVALS
    from forestry.intervals import PREDICTIONS as PREDICTION_INTERVALS
    from forestry.legends import INTERVALS as INTERVAL_WORDS
    from forestry.legends import PREDICTIONS, SCALES, TAU2
    from forestry.measures import PROPORTION_SCALES
    from forestry.tau2 import TAU2_METHODS

    assert {*TAU2_METHODS, "DL_mantel_haenszel"} == set(TAU2)
    assert {*INTERVALS, *logistic_mixed.INTERVALS} - {"wald"} == set(INTERVAL_WORDS)
    assert set(PREDICTION_INTERVALS) - {"none"} == set(PREDICTIONS)
    assert set(PROPORTION_SCALES) <= set(SCALES)


@pytest.mark.parametrize("kind", ["forest", "funnel", "subgroup_forest"])
@pytest.mark.parametrize("k", [0, 1])
def test_nothing_or_one_study_pooled(kind, k):
    effects = (effect("a"), effect("d", "unavailable"))[1 - k :]
    row = nothing(k, n=20 if k else None, events=8 if k else None)
    rows = [weight(one.study_id, one.usable) for one in effects]
    said = text(kind, row, effects=effects, weights=rows)
    assert "pooled estimate" not in said and "None" not in said
    assert "No public number was found for 1 study." in said
    if kind != "funnel":
        assert said.startswith("One study (20 participants, 8 events)" if k else "No study has")


def test_two_selected_results_are_refused():
    with pytest.raises(ValueError, match="pr, main: 2 selected"):
        text("forest", estimate(), estimate())


def test_other_outcomes_and_variants_are_passed_over():
    others = [estimate(outcome="cr", k=9), estimate(variant="less", k=8)]
    assert text("forest", estimate(), *others) == text("forest", estimate())


# Rows ------------------------------------------------------------------------------------


def test_derived_reconstructed_converted_and_hidden_rows_are_counted():
    effects = (
        effect("a", "derived", basis="published:pr"),
        effect("b", "derived", obtained="Hozo 2005 from median and range; 0.5 added"),
        effect("c", "reconstructed"),
        effect("d", "unavailable"),
        effect("e", usable=False, reason="mean without a spread"),
        effect("another step's", "unavailable"),
    )
    rows = [weight(study, study in "abc") for study in "abcde"]
    said = text("forest", effects=effects, weights=rows)
    assert "Not as printed: Hozo 2005 from median and range (1 study); 0.5 added (1 study)." in said
    assert (
        "The numbers of 2 studies were derived by arithmetic from published figures, "
        "1 of them from a pooled result of the article." in said
    )
    assert (
        "The numbers of 1 study (†) were reconstructed from a published pooled result, with "
        "which agreement is no evidence." in said
    )
    assert "No public number was found for 1 study." in said
    assert "Not pooled: e (mean without a spread)." in said


def test_rows_that_do_not_give_the_published_result_are_said_to_be_the_nearest():
    rows = [weight(study) for study in "abc"]
    effects = (
        effect("a", "reconstructed", basis="published:pr"),
        effect("b", "reconstructed", basis="published:other"),
        effect("c"),
    )
    start = "were reconstructed from a published pooled result, "
    for unsolved, end in {
        (): "with which agreement is no evidence.",
        ("published:pr",): "which no numbers were found to give: those of 1 study are the nearest.",
        ("published:pr", "published:other"): "which no numbers were found to give: they are the "
        "nearest.",
    }.items():
        assert start + end in text("forest", effects=effects, weights=rows, unsolved=unsolved)


def test_a_model_of_counts_needs_no_correction_but_a_point_does():
    added = "0.5 added to the cells of a study with a zero cell"
    effects = (effect("a", obtained=f"as printed; {added}"), effect("b"))
    assert added not in text("forest", effects=effects)
    told = f"Not as printed: {added} (1 study)."
    assert told in text("funnel", effects=effects)
    assert told in text("forest", estimate(method="inverse_variance"), effects=effects)


def test_derived_rows_that_are_left_out_are_not_counted():
    effects = (effect("a"), effect("b", "derived"))
    weights = (weight("a"), weight("b", False, "publication is abstract"))
    assert "derived" not in text("forest", effects=effects, weights=weights)


def test_a_variant_tells_whom_it_left_out_and_why():
    given = {
        "variant": "less",
        "variant_label": "sensitivity",
        "variant_text": "Without conference abstracts",
        "effects": [effect(study) for study in "abcd"],
        "weights": [
            weight("a", variant="less"),
            weight("b", False, "publication is abstract", variant="less"),
            weight("c", False, "outlier (studentized residual -2.41)", variant="less"),
            weight("d", False, "outlier (studentized residual 3.02)", variant="less"),
        ],
    }
    made = legend("forest", plot(estimate(variant="less"), **given))
    assert made.title == "Forest plot of complete response (sensitivity)"
    assert made.text.endswith(
        "Without conference abstracts. Left out: Liu 2021 (publication is abstract); "
        "Ohad 2020 and Femia 2013 (outlier)."
    )


def test_many_left_out_are_counted():
    effects = [effect(str(i)) for i in range(7)]
    weights = [weight(str(i), i < 2, "" if i < 2 else "design is retrospective") for i in range(7)]
    assert "Left out: 5 studies (design is retrospective)." in text(
        "forest", effects=effects, weights=weights
    )


def test_a_variant_that_leaves_none_out_says_so():
    said = text("forest", variant_text="Without conference abstracts")
    assert said.endswith("Without conference abstracts. This leaves no study out.")


def test_a_variant_of_nothing_does_not_claim_to_leave_none_out():
    effects = (effect("d", "unavailable"),)
    said = text("forest", nothing(0), variant_text="All", effects=effects, weights=())
    assert "All." in said and "leaves" not in said


# Other kinds ----------------------------------------------------------------------------


def test_a_funnel_tells_scale_lines_and_the_few():
    said = text("funnel", contours=(0.1, 0.05), filled=3)
    assert said.startswith(
        "Each of the 2 studies (42 participants, 24 events) is shown by its effect on the logit "
        "scale and its standard error. The funnel is the pseudo-95% confidence region about the "
        "random-effects estimate."
    )
    assert "Shades end where a study differs from it with p=0.1 and 0.05." in said
    row = estimate(measure="risk_ratio", method="mantel_haenszel")
    assert "differs from no effect with p=0.05." in text("funnel", row, contours=(0.05,))
    assert "Trim and fill added 3 studies, shown as open points." in said
    assert said.endswith("With fewer than 10 studies, asymmetry cannot be told from chance.")


def test_a_funnel_of_ten_studies_has_no_warning():
    said = text("funnel", estimate(k=10))
    assert "fewer than" not in said and "Trim" not in said and "Shades" not in said


def test_a_funnel_of_one_study_has_no_funnel():
    said = text("funnel", nothing(1), effects=(effect("a"),), weights=(weight("a"),))
    assert said.endswith("Nothing was pooled, so no funnel is drawn.")


def test_subgroups_and_the_test_between_them():
    rows = [estimate(), estimate(group="iv", k=19), estimate(group="sc", k=5)]
    test = HeterogeneityTest("pr", "main", "", "between", 24, 9.4012, 1, 0.0022)
    said = text(
        "subgroup_forest",
        *rows,
        groups={"iv": "intravenous", "sc": "subcutaneous"},
        differences=test,
    )
    assert "of its own: intravenous (k=19) and subcutaneous (k=5)." in said
    assert "The test for subgroup differences gives Q between groups 9.40, df 1, p=0.002." in said
    missing = replace(test, statistic=None, p_value=None)
    assert "subgroup differences" not in text("subgroup_forest", *rows, differences=missing)


def test_prisma_counts_and_what_is_not_public():
    boxes = {"Records identified": 2782, "Duplicates removed": None, "Studies included": 29}
    made = legend("prisma_flow", Plot("Selection of the studies", boxes=boxes))
    assert made == Legend(
        "Selection of the studies",
        "Records identified: 2782; studies included: 29. "
        "The number of one box is not public and not filled in.",
    )


def test_an_unknown_kind_is_named():
    with pytest.raises(ValueError, match="'pie'"):
        legend("pie", plot())


def test_legends_are_sentences():
    for kind in LEGENDS:
        said = text(kind, boxes={"Studies included": 29})
        assert said[0].isupper() and said.endswith(".") and ".." not in said and "  " not in said


def test_reported_rows_alone_are_told_beside_reconstructed_ones():
    effects = (effect("a"), effect("b", "reconstructed"))
    alone = replace(estimate(k=7), variant="known")
    said = text("forest", estimate(), alone, effects=effects, reported_variant="known")
    assert "is no evidence; reported rows alone (k=7) give 63.6 (47.4–77.2)." in said
    alone = nothing(1, variant="known")
    said = text("forest", estimate(), alone, effects=effects, reported_variant="known")
    assert "is no evidence; reported rows alone (k=1) are not pooled." in said
    assert "reported rows" not in text("forest", estimate(), alone, effects=effects)
