"""Both models of many data sets at once, held to those of one data set at a time."""

from dataclasses import fields, replace

import numpy as np
import pytest

from forestry import tau2_batch
from forestry.model_batches import DataSets, ManyModels, fit_many
from forestry.models import Pooling, Studies, pool
from forestry.pool import selected_model, studies_of
from unit.pooling_examples import effects, sheet

EVENTS, TOTAL = (3, 8, 0, 12, 5, 9, 2), (10, 11, 6, 14, 20, 9, 30)
TWO_ARMS = {
    "events": (4, 6, 3, 62, 33),
    "total": (123, 306, 231, 13598, 5069),
    "control_events": (11, 29, 11, 248, 47),
    "control_total": (139, 303, 220, 12867, 5808),
}
TAU2 = ("DL", "HE", "HS", "SJ", "PM", "ML", "REML")
POOLINGS = {
    **{f"raw_{tau2}": {"model": "inverse_variance", "tau2": tau2} for tau2 in TAU2},
    "logit_hk": {
        "model": "inverse_variance",
        "transform": "logit",
        "tau2": "REML",
        "interval": "hartung_knapp",
        "i2": "tau2",
    },
    "mixed": {"model": "logistic_mixed"},
    "mixed_ratio": {"model": "logistic_mixed", "heterogeneity": "likelihood_ratio"},
    "mixed_tau2": {"model": "logistic_mixed", "i2": "tau2", "nodes": 5},
}


def proportions(pooling, events=EVENTS, total=TOTAL):
    table = sheet("proportion", events=events, total=total)
    return studies_of(effects(table, "proportion", pooling))


def repeated(studies: Studies, counts) -> Studies:
    """The studies as often as they count."""
    arrays = {f.name: getattr(studies, f.name) for f in fields(Studies) if f.name != "measure"}
    return replace(studies, **{name: np.repeat(values, counts) for name, values in arrays.items()})


def samples(k, rows=12):
    return np.random.default_rng(k).multinomial(k, np.full(k, 1 / k), size=rows)


def check(studies: Studies, pooling: Pooling, multiplicity) -> None:
    many = fit_many(DataSets(studies, multiplicity), pooling)
    estimates = many.estimate(pooling.select)
    assert many.converged.all()
    for i, counts in enumerate(multiplicity):
        both = pool(repeated(studies, counts), pooling)
        # The spread of equal studies is rounding, whose square root I2 and tau2 may show.
        close = {"rel": 1e-7, "abs": 1e-8}
        if both.common is not None:
            assert many.common[i] == pytest.approx(both.common.estimate, **close)
        assert many.random[i] == pytest.approx(both.random.estimate, **close)
        assert many.random_se[i] == pytest.approx(both.random.se, **close)
        assert many.tau2[i] == pytest.approx(both.random.tau2, **close)
        assert many.i2[i] == pytest.approx(both.spread.i2.i2, abs=1e-7)
        chosen = {"common": both.common, "random": both.random}[selected_model(both, pooling)]
        assert estimates[i] == pytest.approx(chosen.estimate, **close)


@pytest.mark.parametrize("name", POOLINGS)
def test_many_proportions_are_pooled_as_one_by_one(name):
    pooling = POOLINGS[name]
    check(proportions(pooling), Pooling(**pooling), samples(len(EVENTS)))


@pytest.mark.parametrize("measure", ["risk_ratio", "odds_ratio", "risk_difference"])
@pytest.mark.parametrize("select", ["common", "random", "common_if_i2_zero"])
def test_many_two_arm_tables_are_pooled_as_one_by_one(measure, select):
    pooling = {"model": "mantel_haenszel", "tau2": "DL", "select": select}
    studies = studies_of(effects(sheet(measure, **TWO_ARMS), measure, pooling))
    check(studies, Pooling(**pooling), samples(studies.k))


@pytest.mark.parametrize(
    "more",
    [{"q_about": "mantel_haenszel"}, {"mh_exact": False}, {"model": "binomial_normal_conditional"}],
    ids=lambda more: next(iter(more.values())),
)
def test_models_without_a_batch_are_pooled_one_by_one(more):
    pooling = {"model": "mantel_haenszel", "tau2": "DL"} | more
    studies = studies_of(effects(sheet("odds_ratio", **TWO_ARMS), "odds_ratio", pooling))
    check(studies, Pooling(**pooling), samples(studies.k, rows=3))
    alone = fit_many(DataSets(studies, np.eye(studies.k, dtype=int)[:1]), Pooling(**pooling))
    assert np.isnan(alone.random[0]) and alone.converged[0]


def test_without_events_the_estimate_is_its_limit_and_the_random_model_missing():
    pooling = Pooling(**POOLINGS["mixed"])
    studies = proportions(POOLINGS["mixed"], (0, 3, 6), (5, 7, 6))
    found = fit_many(DataSets(studies, np.array([[3, 0, 0], [0, 0, 3], [1, 0, 2]])), pooling)
    assert found.common[:2].tolist() == [-np.inf, np.inf]
    assert np.isnan(found.random).all() and np.isnan(found.tau2).all()
    assert np.isnan(found.i2[:2]).all() and found.converged.all()
    # Each study all or nothing: the common model is reported, as where one is pooled.
    both = pool(repeated(studies, [1, 0, 2]), pooling)
    assert both.random is None
    assert found.estimate("random")[2] == pytest.approx(both.common.estimate)
    assert found.i2[2] == pytest.approx(both.spread.i2.i2)


def test_a_single_study_is_its_own_mean_without_heterogeneity():
    for name in ("raw_REML", "logit_hk", "mixed_tau2"):
        studies = proportions(POOLINGS[name])
        data = DataSets(studies, np.eye(studies.k, dtype=int)[[1, 4]])
        found = fit_many(data, Pooling(**POOLINGS[name]))
        assert found.tau2.tolist() == [0, 0] and found.i2.tolist() == [0, 0]
        assert found.random == pytest.approx(studies.yi[[1, 4]])


def test_a_search_that_fails_costs_its_own_data_set_alone(monkeypatch):
    pooling = Pooling(**POOLINGS["raw_REML"])
    studies, rows = proportions(POOLINGS["raw_REML"]), samples(len(EVENTS))
    whole = fit_many(DataSets(studies, rows), pooling)
    # More iterations than REML has here for some rows, but not for all.
    monkeypatch.setattr(tau2_batch, "MAX_ITERATIONS", 4)
    found = fit_many(DataSets(studies, rows), pooling)
    assert found.converged.any() and not found.converged.all()
    lost = ~found.converged
    assert np.isnan(found.estimate("common_if_i2_zero")[lost]).all()
    assert np.isnan(found.tau2[lost]).all() and np.isnan(found.random[lost]).all()
    for field in fields(ManyModels):
        expected = getattr(whole, field.name)[~lost]
        assert getattr(found, field.name)[~lost] == pytest.approx(expected, rel=1e-12, abs=1e-12)
