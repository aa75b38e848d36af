"""Outliers by both rules, and those that a rule must not call so."""

import numpy as np
import pytest
from pooling_examples import PLAIN, effects, reference, row, sheet

from forestry.inverse_variance import fit_common, fit_random
from forestry.models import Pooling
from forestry.outliers import outlying, tau2_method_of

Z = 1.959963984540054
REML = Pooling("inverse_variance", tau2="REML")
RESIDUAL = {"rule": "studentized_residual"}
INTERVAL = {"rule": "interval_outside_pooled"}


def means(*pairs):
    """Studies of a mean and its standard error."""
    return effects(
        [row(f"s{i}", "mean", n=4, mean=y, sd=2 * se) for i, (y, se) in enumerate(pairs, 1)], "mean"
    )


def bcg():
    return effects(sheet("risk_ratio", **reference("pooling")["tables"]["bcg"]), "risk_ratio")


def known(method):
    """metafor's rstudent of the trials of BCG."""
    (case,) = (
        case
        for case in reference("pooling")["influences"]
        if (case["dataset"], case["method"], case["interval"]) == ("bcg", method, "wald")
    )
    return case["rstudent"]


@pytest.mark.parametrize("method", ["REML", "DL", "ML", "PM"])
@pytest.mark.parametrize("threshold", [0.8, 1.2, 1.4, 1.96])
def test_residuals_beyond_the_threshold_are_outliers(method, threshold):
    found = outlying(
        bcg(), RESIDUAL | {"threshold": threshold}, Pooling("inverse_variance", tau2=method)
    )
    expected = {
        f"s{i}": f"outlier (studentized residual {residual:.2f})"
        for i, residual in enumerate(known(method), start=1)
        if abs(residual) > threshold
    }
    assert found == expected


def test_thresholds_between_the_residuals_find_each_number_of_outliers():
    sizes = sorted(np.abs(known("REML")), reverse=True)
    counts = []
    for above, below in zip(sizes, sizes[1:], strict=False):
        rule = RESIDUAL | {"threshold": float(above + below) / 2}
        counts.append(len(outlying(bcg(), rule, REML)))
    assert counts == list(range(1, 13))


def test_the_threshold_is_1_96_where_not_given():
    # Three studies of variance 1 at 0 and one at y: tau2 of the three is 0, and the fourth's
    # residual y / sqrt(1 + 1/3), which is 1.96 at 2.2632.
    agreeing = [(0, 1), (0, 1), (0, 1)]
    assert outlying(means(*agreeing, (2.26, 1)), RESIDUAL, REML) == {}
    found = outlying(means(*agreeing, (2.27, 1)), RESIDUAL, REML)
    assert found == {"s4": "outlier (studentized residual 1.97)"}
    below = outlying(means(*agreeing, (-2.27, 1)), RESIDUAL, REML)
    assert below == {"s4": "outlier (studentized residual -1.97)"}


def test_an_interval_apart_from_the_pooled_one_is_an_outlier():
    studies = means((0, 1), (0.2, 1), (-0.2, 1), (0.1, 0.5), (9, 1), (-1, 3))
    pooled = fit_random([study.yi for study in studies], [study.vi for study in studies], "REML")
    expected = {
        study.study_id
        for study in studies
        if study.ci_high < pooled.ci_low or study.ci_low > pooled.ci_high
    }
    found = outlying(studies, INTERVAL, REML)
    assert set(found) == expected == {"s5"}
    assert set(found.values()) == {"outlier (interval outside the pooled interval)"}


def test_intervals_are_of_the_poolings_level_and_kind():
    # tau2 = 0 and a pooled interval of 0.9 -+ z 0.5 / sqrt(3) about: the fourth ends near it.
    studies = means((0, 0.3), (0.1, 0.3), (-0.1, 0.3), (1.05, 0.3))
    yi, vi = [s.yi for s in studies], [s.vi for s in studies]
    for level in (0.5, 0.8, 0.95, 0.99):
        for interval in ("wald", "hartung_knapp"):
            pooling = Pooling("inverse_variance", tau2="REML", level=level, interval=interval)
            pooled = fit_random(yi, vi, "REML", level, interval)
            own = [fit_common([y], [v], level) for y, v in zip(yi, vi, strict=True)]
            expected = {
                study.study_id
                for study, alone in zip(studies, own, strict=True)
                if alone.ci_high < pooled.ci_low or alone.ci_low > pooled.ci_high
            }
            assert set(outlying(studies, INTERVAL, pooling)) == expected
    narrow = Pooling("inverse_variance", tau2="REML", level=0.5)
    assert outlying(studies, INTERVAL, narrow) and not outlying(studies, INTERVAL, REML)


@pytest.mark.parametrize("rule", [RESIDUAL, INTERVAL])
def test_fewer_than_three_studies_have_no_outlier(rule):
    far = [(0, 0.1), (50, 0.1)]
    for studies in ([], means(far[0]), means(*far)):
        assert outlying(studies, rule, REML) == {}
    assert set(outlying(means((0, 0.1), (0.01, 0.1), (50, 0.1)), RESIDUAL, REML)) >= {"s3"}


def test_tau2_is_by_the_rules_estimator_before_the_poolings():
    rule = RESIDUAL | {"threshold": 1.38}
    by_dl, by_reml = (
        outlying(bcg(), rule, Pooling("inverse_variance", tau2=method)) for method in ("DL", "REML")
    )
    assert by_dl != by_reml
    assert outlying(bcg(), rule | {"tau2": "DL"}, REML) == by_dl


def test_a_mixed_models_outliers_are_by_reml():
    assert tau2_method_of(Pooling("logistic_mixed", tau2="DL")) == "REML"
    assert tau2_method_of(Pooling("mantel_haenszel", tau2="PM")) == "PM"
    rule = RESIDUAL | {"threshold": 1.38}
    assert outlying(bcg(), rule, Pooling("logistic_mixed")) == outlying(bcg(), rule, REML)


def test_the_order_of_studies_does_not_matter():
    studies = bcg()
    rule = RESIDUAL | {"threshold": 1.2}
    assert outlying(studies, rule, REML) == outlying(studies[::-1], rule, REML) != {}


@pytest.mark.parametrize("k", [0, 5])
def test_an_unknown_rule_is_an_error(k):
    with pytest.raises(KeyError, match="grubbs"):
        outlying(means(*[(0, 1)] * k), {"rule": "grubbs"}, Pooling(**PLAIN))
