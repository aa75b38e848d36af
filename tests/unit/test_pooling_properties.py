"""What pooling must leave alone or turn, for any studies: from the rows of a sheet to estimates."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from pooling_examples import EVERYONE, chain, effects, leaving_out, pooled, rows_by_model, sheet

from forestry.model_batches import DataSets, fit_many
from forestry.models import Pooling
from forestry.pool import studies_of
from forestry.tau2 import generalised_q

PROPERTY = settings(
    max_examples=5,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
# Sums are taken in another order, and a search ends within a step of 1e-10 of the other one.
NEAR = 1e-7

# Ways of pooling, each with a measure and the numbers of its sheet ----------------------------

RANDOM = {"select": "random", "prediction": "t_k_minus_1"}
IV = {"model": "inverse_variance", **RANDOM}
MIXED = {"model": "logistic_mixed", **RANDOM}
ONE_ARM = {
    "logistic_mixed": ("proportion", MIXED),
    "raw_REML": ("proportion", {**IV, "transform": "raw", "tau2": "REML"}),
    "logit_ML": ("proportion", {**IV, "transform": "logit", "tau2": "ML", "interval": "t"}),
    "arcsine_DL": ("proportion", {**IV, "transform": "arcsine", "tau2": "DL"}),
    "double_arcsine_PM": ("proportion", {**IV, "transform": "double_arcsine", "tau2": "PM"}),
}
TWO_ARMS = {
    "risk_ratio_REML": ("risk_ratio", {**IV, "tau2": "REML", "interval": "hartung_knapp"}),
    "odds_ratio_SJ": ("odds_ratio", {**IV, "tau2": "SJ"}),
    "risk_difference_HE": ("risk_difference", {**IV, "tau2": "HE"}),
    "peto_DL": ("peto_odds_ratio", {**IV, "tau2": "DL"}),
    "mantel_haenszel_ratio": ("risk_ratio", {**IV, "model": "mantel_haenszel"}),
    "mantel_haenszel_odds": (
        "odds_ratio",
        {**IV, "model": "mantel_haenszel", "mh_exact": False, "q_about": "mantel_haenszel"},
    ),
    "mantel_haenszel_difference": ("risk_difference", {**IV, "model": "mantel_haenszel"}),
    "binomial_normal": ("odds_ratio", {**RANDOM, "model": "binomial_normal_unconditional"}),
}
MEANS = {
    "mean_DL": ("mean", IV),
    "mean_difference_REML": ("mean_difference", {**IV, "tau2": "REML"}),
    "standardized_EB": ("standardized_mean_difference", {**IV, "tau2": "EB"}),
    "ratio_of_means_HS": ("ratio_of_means", {**IV, "tau2": "HS"}),
}
RATES = {
    "rate_log": ("incidence_rate", {**IV, "transform": "log"}),
    "rate_ratio": ("incidence_rate_ratio", {**IV, "tau2": "REML"}),
    "rate_difference": ("incidence_rate_difference", IV),
}
GIVEN = {"correlation": ("correlation", IV), "hazard_ratio": ("hazard_ratio", IV)}
WAYS = {**ONE_ARM, **TWO_ARMS, **MEANS, **RATES, **GIVEN}
RATIOS = ("risk_ratio", "odds_ratio", "peto_odds_ratio", "ratio_of_means", "incidence_rate_ratio")


def floats(low, high):
    """Numbers of three digits, as a sheet has them."""
    return st.integers(int(low * 1000), int(high * 1000)).map(lambda value: value / 1000)


def arm(prefix=""):
    """Events of a total, as two columns."""
    counts = st.integers(4, 200).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
    return counts.map(lambda pair: {f"{prefix}events": pair[0], f"{prefix}total": pair[1]})


def group(prefix=""):
    """Size, mean and standard deviation of a group."""
    return st.fixed_dictionaries(
        {
            f"{prefix}n": st.integers(3, 200),
            f"{prefix}mean": floats(1, 60),
            f"{prefix}sd": floats(0.5, 20),
        }
    )


def rate(prefix=""):
    return st.fixed_dictionaries(
        {f"{prefix}events": st.integers(0, 60), f"{prefix}person_time": floats(5, 2000)}
    )


def both(one):
    """A treated and a control arm."""
    return st.tuples(one(), one("control_")).map(lambda arms: {**arms[0], **arms[1]})


STUDY = {
    "proportion": arm(),
    **dict.fromkeys(("risk_ratio", "odds_ratio", "risk_difference", "peto_odds_ratio"), both(arm)),
    "mean": group(),
    **dict.fromkeys(
        ("mean_difference", "standardized_mean_difference", "ratio_of_means"), both(group)
    ),
    "incidence_rate": rate(),
    **dict.fromkeys(("incidence_rate_ratio", "incidence_rate_difference"), both(rate)),
    "correlation": st.fixed_dictionaries(
        {"n": st.integers(4, 300), "correlation": floats(-0.95, 0.95)}
    ),
    "hazard_ratio": st.fixed_dictionaries({"estimate": floats(0.1, 9), "se": floats(0.05, 2)}),
}


def studies(measure, least=2, most=7):
    """Columns of numbers, as a sheet has them."""
    rows = st.lists(STUDY[measure], min_size=least, max_size=most)
    return rows.map(lambda rows: {name: [row[name] for row in rows] for name in rows[0]})


def results(measure, pooling, columns):
    """Estimates by model of two or more usable studies; others are no example."""
    try:
        found = rows_by_model(chain(measure, pooling, **columns))
    except ValueError as error:  # neither model has an estimate, and the reason is told
        assert str(error)
        found = {}
    assume(found and "none" not in found)
    return found


NUMBERS = (
    *("estimate", "ci_low", "ci_high", "pi_low", "pi_high", "p_value"),
    *("link_estimate", "link_se", "tau2", "i2", "q", "q_p"),
)


def same(ours, theirs, but=()):
    """Two rows of estimates tell the same, up to rounding."""
    for name in NUMBERS:
        if name in but:
            continue
        one, other = getattr(ours, name), getattr(theirs, name)
        assert (one is None) == (other is None), name
        scale = 1.0 if ours.link_se is None else min(1.0, ours.link_se)
        if one is not None:
            assert one == pytest.approx(other, rel=NEAR, abs=NEAR * scale), name
    assert (ours.k, ours.n, ours.events, ours.method) == (
        *(theirs.k, theirs.n, theirs.events, theirs.method),
    )


def both_same(one, other, **but):
    assert one.keys() == other.keys()
    for model in one:
        same(one[model], other[model], **but)


every_way = pytest.mark.parametrize("way", WAYS)
# Without the slowest, where a way's arithmetic has no part.
most_ways = pytest.mark.parametrize("way", [way for way in WAYS if way != "binomial_normal"])


# Nothing depends on the order, the names, or the company of studies ---------------------------


@every_way
@PROPERTY
@given(data=st.data())
def test_the_order_of_the_studies_does_not_matter(way, data):
    measure, pooling = WAYS[way]
    columns = data.draw(studies(measure))
    order = data.draw(st.permutations(range(len(next(iter(columns.values()))))))
    shuffled = {name: [values[i] for i in order] for name, values in columns.items()}
    both_same(results(measure, pooling, columns), results(measure, pooling, shuffled))


@most_ways
@PROPERTY
@given(data=st.data())
def test_the_names_of_the_studies_do_not_matter(way, data):
    """Texts that CSV or an index could split, swap or take for numbers."""
    measure, pooling = WAYS[way]
    columns = data.draw(studies(measure))
    table = sheet(measure, **columns)
    names = ("a b", "a,b", "", "001", "1", "nan", "s1\ns2")
    renamed = [{**row, "study_id": names[i]} for i, row in enumerate(table)]
    found = results(measure, pooling, columns)
    assert rows_by_model(pooled(effects(renamed, measure, pooling), pooling)) == found


@most_ways
@PROPERTY
@given(data=st.data())
def test_a_study_left_out_is_as_one_never_there(way, data):
    measure, pooling = WAYS[way]
    columns = data.draw(studies(measure, least=3))
    kept = results(measure, pooling, {name: values[1:] for name, values in columns.items()})
    found = pooled(
        effects(sheet(measure, **columns), measure, pooling),
        pooling,
        main=EVERYONE,
        without=leaving_out({"s1": "first"}),
    )
    both_same(rows_by_model(found, "without"), kept)


# Units, arms and events turn as they must -----------------------------------------------------


@pytest.mark.parametrize("factor", [1e-6, 0.25, 1e6])
@pytest.mark.parametrize("way", [*MEANS, *RATES])
@PROPERTY
@given(data=st.data())
def test_a_change_of_unit_changes_the_unit_alone(way, factor, data):
    measure, pooling = WAYS[way]
    columns = data.draw(studies(measure))
    scaled = {
        name: [value * factor for value in values]
        if name.endswith(("mean", "sd", "person_time"))
        else values
        for name, values in columns.items()
    }
    one, other = results(measure, pooling, columns), results(measure, pooling, scaled)
    unit = {"mean": factor, "mean_difference": factor, "incidence_rate": 1 / factor}
    unit["incidence_rate_difference"] = 1 / factor
    times = unit.get(measure, 1.0)
    for model, row in one.items():
        theirs = other[model]
        for name in ("estimate", "ci_low", "ci_high", "pi_low", "pi_high"):
            if getattr(row, name) is not None:
                near = pytest.approx(
                    getattr(row, name) * times, rel=NEAR, abs=NEAR * row.link_se * times
                )
                assert getattr(theirs, name) == near, name
        assert (theirs.i2, theirs.q) == pytest.approx((row.i2, row.q), rel=NEAR, abs=NEAR)
        if model == "random":
            of_link = times**2 if measure != "incidence_rate" else 1.0
            assert theirs.tau2 == pytest.approx(row.tau2 * of_link, rel=NEAR, abs=NEAR * of_link)


CONTROL = "control_"


def swapped(columns):
    """The control arm as treated, the treated arm as control."""
    turned = {}
    for name, values in columns.items():
        other = name.removeprefix(CONTROL) if name.startswith(CONTROL) else CONTROL + name
        turned[other] = values
    return {name: turned[name] for name in columns}


@pytest.mark.parametrize(
    "way", [way for way in WAYS if way in TWO_ARMS] + [*MEANS][1:] + [*RATES][1:]
)
@PROPERTY
@given(data=st.data())
def test_a_swap_of_the_arms_turns_the_effect(way, data):
    measure, pooling = WAYS[way]
    columns = data.draw(studies(measure))
    one = results(measure, pooling, columns)
    other = results(measure, pooling, swapped(columns))
    turned(one, other, (lambda x: 1 / x) if measure in RATIOS else (lambda x: -x))


def turned(one, other, turn):
    """Estimate and limits turned, all else alike."""
    assert one.keys() == other.keys()
    for model, row in one.items():
        theirs = other[model]
        pairs = [("estimate", "estimate"), ("ci_low", "ci_high"), ("ci_high", "ci_low")]
        pairs += [("pi_low", "pi_high"), ("pi_high", "pi_low")]
        for name, counterpart in pairs:
            mine, yours = getattr(row, name), getattr(theirs, counterpart)
            assert (mine is None) == (yours is None)
            if mine is not None:
                assert turn(mine) == pytest.approx(yours, rel=1e-6, abs=NEAR)
        but = ("estimate", "ci_low", "ci_high", "pi_low", "pi_high", "link_estimate")
        for name in NUMBERS:
            if name not in but and getattr(row, name) is not None:
                near = pytest.approx(getattr(row, name), rel=1e-6, abs=NEAR)
                assert getattr(theirs, name) == near, name


def opposite(columns):
    """Those without an event as those with one."""
    turned = dict(columns)
    for prefix in ("", CONTROL):
        if f"{prefix}events" in columns:
            pairs = zip(columns[f"{prefix}events"], columns[f"{prefix}total"], strict=True)
            turned[f"{prefix}events"] = [total - events for events, total in pairs]
    return turned


SYMMETRIC = (
    *ONE_ARM,
    *("odds_ratio_SJ", "risk_difference_HE", "peto_DL", "binomial_normal"),
    *("mantel_haenszel_odds", "mantel_haenszel_difference"),
)


@pytest.mark.parametrize("way", SYMMETRIC)
@PROPERTY
@given(data=st.data())
def test_a_swap_of_events_and_the_others_turns_the_effect(way, data):
    measure, pooling = WAYS[way]
    columns = data.draw(studies(measure))
    one, other = (results(measure, pooling, c) for c in (columns, opposite(columns)))
    if measure == "proportion":
        turn = lambda x: 1 - x  # noqa: E731
    else:
        turn = (lambda x: 1 / x) if measure in RATIOS else (lambda x: -x)
    turned(one, other, turn)


# A study that stands m times counts m times ---------------------------------------------------


@pytest.mark.parametrize("way", [*ONE_ARM, *MEANS, "risk_ratio_REML"])
@PROPERTY
@given(data=st.data())
def test_a_study_written_m_times_has_the_multiplicity_m(way, data):
    measure, pooling = WAYS[way]
    columns = data.draw(studies(measure, most=5))
    k = len(next(iter(columns.values())))
    times = data.draw(st.lists(st.integers(0, 3), min_size=k, max_size=k))
    assume(sum(times) > 1)
    repeated = {
        name: [value for value, m in zip(values, times, strict=True) for _ in range(m)]
        for name, values in columns.items()
    }
    rows = results(measure, pooling, repeated)
    assume(rows.keys() == {"common", "random"})
    kept = effects(sheet(measure, **columns), measure, pooling)
    assume(all(effect.usable for effect in kept))
    declared = {key: value for key, value in pooling.items() if key != "zero_cells"}
    many = fit_many(DataSets(studies_of(kept), np.array([times])), Pooling(**declared))
    for model in ("common", "random"):
        se = rows[model].link_se
        assert getattr(many, model)[0] == pytest.approx(
            rows[model].link_estimate, rel=1e-6, abs=1e-6 * se
        )
        assert getattr(many, f"{model}_se")[0] == pytest.approx(se, rel=1e-6)
    assert many.tau2[0] == pytest.approx(rows["random"].tau2, rel=1e-5, abs=1e-7 * se**2)


@pytest.mark.parametrize("way", [*ONE_ARM, *MEANS, *GIVEN, "rate_log", "rate_ratio", "peto_DL"])
@PROPERTY
@given(data=st.data(), m=st.integers(2, 5))
def test_all_studies_m_times_have_the_same_common_effect_more_precisely(way, data, m):
    measure, pooling = WAYS[way]
    columns = data.draw(studies(measure, most=4))
    once = results(measure, pooling, columns)["common"]
    often = results(measure, pooling, {name: values * m for name, values in columns.items()})
    assume(once.link_se is not None)
    assert often["common"].link_estimate == pytest.approx(
        once.link_estimate, rel=NEAR, abs=NEAR * once.link_se
    )
    assert often["common"].link_se * np.sqrt(m) == pytest.approx(once.link_se, rel=NEAR)
    assert often["common"].q == pytest.approx(m * once.q, rel=NEAR, abs=NEAR)


# Extremes -------------------------------------------------------------------------------------


@every_way
@PROPERTY
@given(data=st.data(), k=st.integers(2, 6))
def test_identical_studies_have_no_heterogeneity(way, data, k):
    measure, pooling = WAYS[way]
    columns = data.draw(studies(measure, least=1, most=1))
    found = results(measure, pooling, {name: values * k for name, values in columns.items()})
    row = next(iter(found.values()))
    assume(row.q is not None)
    assert row.q == pytest.approx(0, abs=1e-6)
    assert row.i2 == 0
    if "random" in found and "SJ" not in way:  # SJ's estimate is positive by construction
        assert found["random"].tau2 == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("way", [*ONE_ARM, *TWO_ARMS])
@PROPERTY
@given(
    columns=st.lists(st.integers(1, 50), min_size=2, max_size=6),
    control=st.lists(st.integers(1, 50), min_size=6, max_size=6),
    all_events=st.booleans(),
)
def test_sets_without_events_or_with_nothing_else_have_a_number_or_a_reason(
    way, columns, control, all_events
):
    measure, pooling = WAYS[way]
    totals = {"total": columns}
    if way in TWO_ARMS:
        totals["control_total"] = control[: len(columns)]
    counts = {
        name.replace("total", "events"): values if all_events else [0] * len(values)
        for name, values in totals.items()
    }
    found = rows_by_model(chain(measure, pooling, **totals, **counts))
    for row in found.values():
        numbers = [getattr(row, name) for name in NUMBERS]
        assert all(np.isfinite(value) for value in numbers if value is not None)
        assert row.estimate is not None or row.note
    if way == "logistic_mixed":
        (row,) = found.values()
        n, tail = sum(columns), 0.025
        assert (row.method, row.estimate) == ("exact_total", float(all_events))
        limit = tail ** (1 / n)  # Clopper and Pearson's, in closed form
        assert (row.ci_low if all_events else 1 - row.ci_high) == pytest.approx(limit)


@most_ways
@PROPERTY
@given(data=st.data())
def test_every_number_is_finite_and_in_its_place(way, data):
    measure, pooling = WAYS[way]
    found = results(measure, pooling, data.draw(studies(measure)))
    for row in found.values():
        numbers = [getattr(row, name) for name in NUMBERS]
        assert all(np.isfinite(value) for value in numbers if value is not None)
        assert row.ci_low <= row.estimate <= row.ci_high
        assert row.pi_low is None or row.pi_low <= row.ci_low + NEAR
        assert row.tau2 is None or row.tau2 >= 0
        assert row.i2 is None or 0 <= row.i2 <= 1
        if measure == "proportion" and pooling.get("transform") != "raw":
            assert row.ci_low >= 0 and row.ci_high <= 1


def many_studies(k):
    generator = np.random.default_rng(8)
    total = generator.integers(10, 400, k)
    events = generator.binomial(total, 1 / (1 + np.exp(-generator.normal(-1, 0.7, k))))
    return {"events": events.tolist(), "total": total.tolist()}


def test_five_thousand_studies():
    columns = many_studies(5000)
    for way in ("logistic_mixed", "logit_ML"):
        row = rows_by_model(chain(*WAYS[way], **columns))["random"]
        # The values that they were drawn with, within four standard errors.
        assert abs(row.link_estimate + 1) < 4 * row.link_se + (0.05 if way == "logit_ML" else 0)
        assert row.tau2 == pytest.approx(0.49, rel=0.1)
    pooling = {**IV, "transform": "logit", "tau2": "PM"}
    found = chain("proportion", pooling, **columns)
    studies = [e for e in effects(sheet("proportion", **columns), "proportion", pooling)]
    yi, vi = (np.array([getattr(effect, name) for effect in studies]) for name in ("yi", "vi"))
    tau2 = rows_by_model(found)["random"].tau2
    assert generalised_q(yi, vi, tau2) == pytest.approx(4999, rel=1e-9)


def test_ten_million_participants_a_study():
    """The binomial is normal there: the mixed model is the normal one on the logit."""
    columns = {
        "events": [1_000_000, 1_500_000, 1_200_000, 900_000, 2_000_000],
        "total": [10_000_000] * 5,
    }
    mixed = rows_by_model(chain("proportion", MIXED, **columns))["random"]
    normal = rows_by_model(
        chain("proportion", {**IV, "transform": "logit", "tau2": "ML"}, **columns)
    )["random"]
    assert mixed.link_estimate == pytest.approx(normal.link_estimate, abs=1e-5)
    assert mixed.tau2 == pytest.approx(normal.tau2, rel=1e-4)
    assert mixed.link_se == pytest.approx(normal.link_se, rel=1e-4)


@pytest.mark.parametrize("method", ["DL", "HE", "HS", "SJ", "EB", "PM", "ML", "REML"])
def test_variances_of_nothing_leave_the_spread_of_the_means(method):
    means = [3.0, 5.0, 4.0, 8.0]
    columns = {"n": [1000] * 4, "mean": means, "sd": [1e-6] * 4}
    row = rows_by_model(chain("mean", {**IV, "tau2": method}, **columns))["random"]
    # ML and SJ's start divide by k, Hunter and Schmidt's weights make Q - k of it.
    divisor = 4 if method in ("ML", "HS") else 3
    assert row.tau2 == pytest.approx(np.var(means) * 4 / divisor, rel=1e-9)
    assert row.estimate == pytest.approx(5.0)
