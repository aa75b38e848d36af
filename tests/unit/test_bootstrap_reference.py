"""The bootstrap's fits held to R's of the same 200 resampled and 200 drawn data sets."""

import json
from dataclasses import replace

import numpy as np
import pytest

from forestry.model_batches import DataSets, fit_many
from forestry.models import Pooling, Studies
from reference.bootstrap_samples import samples
from unit.pooling_examples import ROOT, reference

FITS = reference("bootstrap")
SAMPLES = json.loads((ROOT / "tests/reference/bootstrap_samples.json").read_text(encoding="utf-8"))


def studies(**known) -> Studies:
    names = ("events", "total", "control_events", "control_total", "yi", "vi")
    k = len(next(iter(known.values())))
    given = {name: np.array(known.get(name, [np.nan] * k), dtype=float) for name in names}
    return Studies(**given, measure="proportion" if "events" in known else "risk_ratio")


def drawn(whole: Studies, **columns) -> DataSets:
    values = {name: np.array(rows, dtype=float) for name, rows in columns.items()}
    (shape,) = {rows.shape for rows in values.values()}
    return DataSets(replace(whole, **values), np.ones(shape, dtype=int))


def data_sets(family: str, kind: str) -> DataSets:
    given = SAMPLES[family]
    columns = ("events", "total") if family == "proportions" else ("yi", "vi")
    whole = studies(**{name: given[name] for name in columns})
    if kind == "nonparametric":
        return DataSets(whole, np.array(given["multiplicity"]))
    name = columns[0]
    return drawn(whole, **{name: given[f"drawn_{name}"]})


def theirs(*path: str) -> np.ndarray:
    found = FITS
    for key in path:
        found = found[key]
    return np.array(found, dtype=float)  # null is NaN


def test_the_samples_are_those_that_the_library_draws():
    found = samples()
    for family, given in SAMPLES.items():
        for name, values in given.items():
            assert np.allclose(found[family][name], values, rtol=1e-14, atol=0), name
            assert len(values) == 200 or name in ("events", "total", "yi", "vi")


@pytest.mark.parametrize("kind", ["nonparametric", "parametric"])
@pytest.mark.parametrize("method", ["DL", "REML"])
def test_effects_are_pooled_as_by_rma(method, kind):
    """Both are converged: the worst difference seen is 2e-12 (tau2 by REML)."""
    pooling = Pooling("inverse_variance", tau2=method)
    data = data_sets("ratios", kind)
    found = fit_many(data, pooling)
    close = {"rtol": 1e-6, "atol": 1e-7}
    np.testing.assert_allclose(found.tau2, theirs("normal", kind, method, "tau2"), **close)
    np.testing.assert_allclose(found.random, theirs("normal", kind, method, "estimate"), **close)
    np.testing.assert_allclose(found.random_se, theirs("normal", kind, method, "se"), **close)
    np.testing.assert_allclose(found.i2, theirs("normal", kind, method, "i2_q"), **close)
    by_tau2 = fit_many(data, replace(pooling, i2="tau2"))
    np.testing.assert_allclose(by_tau2.i2, theirs("normal", kind, method, "i2_tau2"), **close)


@pytest.mark.parametrize("kind", ["nonparametric", "parametric"])
def test_counts_are_pooled_at_the_likelihood_s_maximum(kind):
    """The worst difference seen is 8e-10; R's derivatives are numerical."""
    found = fit_many(data_sets("proportions", kind), Pooling("logistic_mixed"))
    assert found.converged.all()
    beta, tau2 = (theirs("mixed", kind, "tight", name) for name in ("beta", "tau2"))
    np.testing.assert_allclose(found.random, beta, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(found.tau2, tau2, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("kind", ["nonparametric", "parametric"])
def test_counts_are_pooled_as_by_rma_glmm_to_its_own_digits(kind):
    """lme4 ends its searches early: the worst of 400 differs by 2e-5."""
    found = fit_many(data_sets("proportions", kind), Pooling("logistic_mixed"))
    beta, tau2 = (theirs("mixed", kind, "rma_glmm", name) for name in ("beta", "tau2"))
    np.testing.assert_allclose(found.random, beta, rtol=0, atol=1e-4)
    np.testing.assert_allclose(found.tau2, tau2, rtol=0, atol=1e-4)
