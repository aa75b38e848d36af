"""The bootstrap: draws by index, blocks, chunks put together, intervals, and their table."""

import io
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from forestry.bootstrap import draws
from forestry.bootstrap.gathering import (
    INDEX,
    IncompleteReplicates,
    gather,
    replicate_chunk,
    write_chunk,
)
from forestry.bootstrap.intervals import acceleration, bootstrap_limits
from forestry.bootstrap.replicates import BLOCK, Plan, jackknife, observed, replicates
from forestry.bootstrap.table import bootstrap_table
from forestry.bootstrap.targets import DIFFERENCE, targets_of
from forestry.pool import pool_outcome
from forestry.tables.bootstrap import bootstrap_column
from unit.pooling_examples import EVERYONE, MIXED, effects, sheet

EVENTS, TOTAL = (3, 8, 0, 12, 5, 9), (10, 11, 6, 14, 20, 9)
KINDS = ("nonparametric", "parametric")
INTERVALS = ("percentile", "basic", "bca")
REML = {"model": "inverse_variance", "tau2": "REML", "select": "random"}
PLAN = Plan(replicates=2000, seed=7)


def proportions(events=EVENTS, total=TOTAL, pooling=MIXED):
    return effects(sheet("proportion", events=events, total=total), "proportion", pooling)


def targets(found, pooling=MIXED, variants=None, subgroups=None):
    return targets_of(
        found,
        found if subgroups else (),
        {"pooling": pooling, "variants": variants or {"main": EVERYONE}, "subgroups": subgroups},
    )


def table_of(found, plan=PLAN, kinds=KINDS, pooling=MIXED, **declared):
    chosen = targets(found, pooling, **declared)
    records = replicate_chunk("healing", chosen, kinds, plan, "1-of-1")
    return bootstrap_table("healing", chosen, kinds, INTERVALS, records)


# Draws ----------------------------------------------------------------------------------------


@given(st.integers(1, 30), st.integers(0, 50), st.integers(1, 40), st.integers(1, 40))
@settings(max_examples=60, deadline=None)
def test_a_replicate_has_its_numbers_wherever_the_drawing_starts(numbers, start, first, second):
    key = draws.stream_key(3, "healing", "main")
    whole = draws.uniforms(key, 0, start + first + second, numbers)
    parts = [
        draws.uniforms(key, a, b, numbers)
        for a, b in ((0, start), (start, start + first), (start + first, start + first + second))
    ]
    assert np.array_equal(whole, np.concatenate(parts))
    assert ((whole > 0) & (whole < 1)).all()


def test_streams_differ_by_seed_and_by_every_name():
    keys = {draws.stream_key(*key) for key in [(1, "a", "b"), (1, "a", "c"), (2, "a", "b")]}
    assert len(keys | {draws.stream_key(1, "ab", "")}) == 4


def test_uniform_numbers_are_uniform():
    found = draws.uniforms(draws.stream_key(1, "x"), 0, 20_000, 5).ravel()
    assert stats.kstest(found, "uniform").pvalue > 0.001
    assert abs(np.corrcoef(found[:-1], found[1:])[0, 1]) < 0.01


def test_multiplicities_are_those_of_the_studies_drawn():
    uniform = np.array([[0.0, 0.24, 0.25, 0.99], [0.5, 0.5, 0.5, 0.5]])
    assert draws.multiplicities(uniform).tolist() == [[2, 1, 0, 1], [0, 0, 4, 0]]


@pytest.mark.parametrize("n", [1, 7, 60, 2500, 88_391])
def test_binomials_invert_the_distribution(n):
    uniform = np.concatenate([np.linspace(0.0005, 0.9995, 40), [1e-12, 1 - 1e-12]])[:, None]
    p = np.array([1e-9, 0.003, 0.2, 0.5, 0.97, 1 - 1e-9])
    assert np.array_equal(draws.binomials(uniform, n, p), stats.binom.ppf(uniform, n, p))


# Replicates -----------------------------------------------------------------------------------


@pytest.mark.parametrize("chunks", [3, 7, 40])
@pytest.mark.parametrize("pooling", [MIXED, REML], ids=["mixed", "reml"])
def test_the_number_of_chunks_changes_no_byte(chunks, pooling, tmp_path):
    chosen = targets(proportions(pooling=pooling), pooling)
    whole = replicate_chunk("healing", chosen, KINDS, PLAN, "1-of-1")
    paths = []
    for number in range(1, chunks + 1):
        paths.append(tmp_path / f"{number}.npy")
        write_chunk(
            paths[-1], replicate_chunk("healing", chosen, KINDS, PLAN, f"{number}-of-{chunks}")
        )
    assert gather(reversed(paths), PLAN).tobytes() == whole.tobytes()


def test_a_chunk_file_is_the_same_bytes_each_time(tmp_path):
    chosen = targets(proportions())
    files = [tmp_path / name for name in "ab"]
    for file in files:
        write_chunk(file, replicate_chunk("healing", chosen, KINDS, PLAN, "2-of-3"))
    assert files[0].read_bytes() == files[1].read_bytes()


def test_more_replicates_begin_with_the_same_ones():
    (target,) = targets(proportions())
    few = replicates("healing", target, "parametric", Plan(2 * BLOCK, 7), range(2))
    many = replicates("healing", target, "parametric", Plan(4 * BLOCK, 7), range(4))
    for name in few:
        assert np.array_equal(few[name], many[name][: 2 * BLOCK], equal_nan=True)


def test_a_plan_whose_replicates_do_not_fill_the_last_block_has_them_all():
    plan = Plan(BLOCK + 3, 7)
    chunks = [plan.blocks(chunk, 4) for chunk in range(1, 5)]
    assert [block for blocks in chunks for block in blocks] == [0, 1]
    assert plan.bounds(1) == (BLOCK, BLOCK + 3)
    with pytest.raises(ValueError, match="chunk 5 is not one of 4"):
        plan.blocks(5, 4)


def test_the_parametric_bootstrap_is_of_the_fitted_model():
    """Means and variances of effects drawn from N(mu, tau2 + v), under known weights."""
    pooling = {"model": "inverse_variance", "tau2": "REML", "select": "common", "transform": "raw"}
    (target,) = targets(proportions(pooling=pooling), pooling)
    found = replicates("healing", target, "parametric", Plan(20_000, 7), range(20_000 // BLOCK))[
        "estimate"
    ]
    yi, vi = (
        np.array([getattr(effect, name) for effect in target.parts[0]]) for name in ("yi", "vi")
    )
    random = observed(replace(target, pooling=replace(target.pooling, select="random")))
    mean, tau2 = random["estimate"][0], random["tau2"][0]
    assert yi.min() < mean < yi.max() and tau2 > 0
    w = 1 / vi / (1 / vi).sum()
    spread = np.sqrt((w**2 * (tau2 + vi)).sum())
    assert found.mean() == pytest.approx(mean, abs=4 * spread / np.sqrt(20_000))
    assert found.std() == pytest.approx(spread, rel=4 / np.sqrt(2 * 20_000))


def test_counts_are_drawn_with_the_mean_and_variance_of_the_mixed_model():
    p = stats.norm.cdf(draws.normals(draws.uniforms(5, 0, 40_000, 1)))
    counts = draws.binomials(draws.uniforms(6, 0, 40_000, 1), 9, p)
    assert counts.mean() == pytest.approx(4.5, abs=0.06)  # p is uniform: mean n/2
    assert counts.var() == pytest.approx(9 * 11 / 12, rel=0.03)  # of 0..n, each as likely


def test_a_jackknife_is_of_the_studies_but_one():
    found = proportions()
    (target,) = targets(found)
    without = jackknife(target)
    for i in range(len(found)):
        rest = [effect for j, effect in enumerate(found) if j != i]
        (other,) = targets(rest)
        for name, values in observed(other).items():
            if name in without:
                assert without[name][0][i] == pytest.approx(values[0], rel=1e-8, abs=1e-9)


# Chunks put together --------------------------------------------------------------------------


@pytest.fixture
def chunks(tmp_path):
    chosen = targets(proportions(pooling=REML), REML)
    paths = [tmp_path / f"{i}.npy" for i in range(1, 5)]
    for i, path in enumerate(paths, start=1):
        write_chunk(path, replicate_chunk("healing", chosen, KINDS, PLAN, f"{i}-of-4"))
    return paths


def refused(paths, plan=PLAN):
    with pytest.raises(IncompleteReplicates) as error:
        gather(paths, plan)
    return str(error.value)


def test_a_missing_chunk_is_refused(chunks):
    assert refused([*chunks[:1], *chunks[2:]]) == "500 replicates (500 to 999) are missing"
    assert refused([]) == "no chunk of replicates"


def test_overlapping_chunks_are_refused(chunks):
    said = refused([*chunks[:3], chunks[2]])
    assert "500 replicates (1500 to 1999) are missing" in said
    assert "500 replicates (1000 to 1499) are there more than once" in said


def test_replicates_of_another_plan_are_refused(chunks):
    assert "(1500 to 1999) are not among the 1500 declared" in refused(chunks, Plan(1500, 7))
    assert "(2000 to 2499) are missing" in refused(chunks, Plan(2500, 7))


def test_a_chunk_cut_short_is_refused(chunks):
    chunks[1].write_bytes(chunks[1].read_bytes()[:-9])
    assert f"{chunks[1]}: cannot be read" in refused(chunks)
    chunks[1].write_bytes(b"")
    assert f"{chunks[1]}: cannot be read" in refused(chunks)


def test_a_chunk_of_other_columns_is_refused(chunks):
    chosen = targets(proportions(pooling=REML), REML)
    write_chunk(chunks[3], replicate_chunk("healing", chosen, KINDS[:1], PLAN, "4-of-4"))
    assert f"{chunks[3]}: its columns differ" in refused(chunks)
    np.save(chunks[0], np.arange(3))
    assert "not a chunk of replicates" in refused(chunks)


def test_a_chunk_that_holds_python_objects_is_refused(chunks):
    file = io.BytesIO()
    np.save(file, np.array([{}], dtype=object), allow_pickle=True)
    chunks[0].write_bytes(file.getvalue())
    assert "cannot be read" in refused(chunks)


# Intervals ------------------------------------------------------------------------------------


def limits(kind, values, observed=500.0, a=0.0, level=0.95):
    found = bootstrap_limits(kind, np.asarray(values, dtype=float), observed, a, level)
    return found.low, found.high


def test_percentile_limits_are_order_statistics():
    values = np.random.default_rng(1).permutation(np.arange(1.0, 1000.0))
    assert limits("percentile", values) == (25.0, 975.0)
    assert limits("percentile", values, level=0.9) == (50.0, 950.0)
    assert limits("basic", values, observed=510.0) == (45.0, 995.0)


def test_bca_without_bias_and_acceleration_is_percentile():
    values = np.arange(1.0, 1000.0)
    assert limits("bca", values) == limits("percentile", values)
    low, high = limits("bca", values, observed=550.0)
    assert low > 25 and high > 975  # the estimate above the median moves both up


def test_bca_agrees_with_scipys():
    sample = np.random.default_rng(4).gamma(2.0, size=23)
    found = stats.bootstrap(
        (sample,), np.mean, n_resamples=9999, method="BCa", rng=np.random.default_rng(5)
    )
    ordered = np.sort(found.bootstrap_distribution)
    without = [np.delete(sample, i).mean() for i in range(sample.size)]
    a = acceleration([np.array(without)])
    ours = limits("bca", ordered, observed=sample.mean(), a=a)
    theirs = found.confidence_interval
    for own, other in zip(ours, (theirs.low, theirs.high), strict=True):
        # SciPy interpolates between the order statistics.
        assert abs(np.searchsorted(ordered, own) - np.searchsorted(ordered, other)) <= 2


def test_acceleration_of_a_mean_is_its_skewness():
    sample = np.random.default_rng(6).gamma(1.0, size=30)
    without = np.array([np.delete(sample, i).mean() for i in range(30)])
    assert acceleration([without]) == pytest.approx(stats.skew(sample) / 6 / np.sqrt(30))
    assert acceleration([np.full(4, 2.0)]) == 0.0
    assert np.isnan(acceleration([np.array([1.0, np.inf])]))


@given(st.integers(0, 10**6), st.integers(200, 400), st.floats(-0.1, 0.1))
@settings(max_examples=40, deadline=None)
def test_limits_go_with_a_rising_transformation(seed, size, a):
    values = np.random.default_rng(seed).normal(size=size)
    seen = float(values[:20].mean())
    for kind in ("percentile", "bca"):
        plain, risen = limits(kind, values, seen, a), limits(kind, np.exp(values), np.exp(seen), a)
        if None not in plain:
            assert risen == pytest.approx(tuple(np.exp(plain)))


def test_there_is_no_bca_interval_where_all_replicates_lie_to_one_side():
    found = bootstrap_limits("bca", np.arange(300.0), -1.0, 0.0, 0.95)
    assert found.low is None and "one side" in found.note


def test_infinite_replicates_count_at_their_end():
    values = [-np.inf] * 40 + list(range(1, 960))
    assert limits("percentile", values) == (-np.inf, 935.0)
    basic = bootstrap_limits("basic", np.array(values), 500.0, 0.0, 0.95)
    assert basic.low is None and "end of the scale" in basic.note


# The table ------------------------------------------------------------------------------------


def test_every_target_kind_quantity_and_interval_has_a_row():
    rows = table_of(proportions())
    keys = {(row.kind, row.quantity, row.interval) for row in rows}
    assert len(rows) == len(keys) == 2 * 3 * 3
    for row in rows:
        assert row.replicates == 2000 and row.k == 6
        if row.quantity == "estimate":
            assert 0 < row.ci_low < row.estimate < row.ci_high < 1


@pytest.mark.parametrize("events, total, said", [((), (), "no study"), ((3,), (9,), "one study")])
def test_too_few_studies_have_rows_that_say_so(events, total, said):
    rows = table_of(proportions(events, total))
    assert len(rows) == 18
    for row in rows:
        assert row.note.startswith(said) and row.replicates == 0
        assert row.estimate is None and row.ci_low is None and row.ci_high is None


@pytest.mark.parametrize("share", [0, 1])
def test_without_events_there_is_no_interval(share):
    rows = table_of(proportions([share * n for n in TOTAL]))
    for row in rows:
        assert row.ci_low is None and row.note
        if row.quantity == "estimate" and row.kind == "nonparametric":
            assert row.estimate == share and row.at_limit == 2000
            assert row.note == "all replicates are equal: no interval"
        if row.kind == "parametric" or row.quantity != "estimate":
            assert row.without_value == 2000


def test_replicates_without_a_value_are_counted_and_too_many_leave_no_interval():
    """Of two studies, one with events and others: half of the samples hold one study twice."""
    rows = table_of(proportions([0, 4], [9, 8]), kinds=["nonparametric"])
    (tau2,) = (r for r in rows if r.quantity == "tau2" and r.interval == "percentile")
    assert 400 < tau2.without_value < 600  # both draws are the study without events: 1 in 4
    assert tau2.ci_low is None
    assert tau2.note.startswith(f"{tau2.without_value} of 2000 replicates have no value")
    (estimate,) = (r for r in rows if r.quantity == "estimate" and r.interval == "percentile")
    assert estimate.at_limit == tau2.without_value and estimate.ci_low == 0.0
    assert estimate.note == "2 studies have 3 distinct samples: coverage is below the level"


def test_a_basic_interval_of_tau2_ends_at_zero():
    rows = table_of(proportions(pooling=REML), pooling=REML)
    low = [r.ci_low for r in rows if r.quantity in ("tau2", "i2") and r.interval == "basic"]
    assert low and all(end >= 0 for end in low)
    assert all(r.ci_high <= 1 for r in rows if r.quantity == "i2" and r.ci_high is not None)


def test_a_subgroup_difference_is_of_the_groups_means():
    members = {f"s{i}": "b" if i % 2 else "a" for i in range(1, 7)}
    step = {"name": "step1_route", "groups": members, "order": ["a", "b"]}
    steps = {"pooling": REML, "variant": EVERYONE, "steps": [step]}
    found = proportions(pooling=REML)
    rows = table_of(found, pooling=REML, subgroups=steps)
    rows = [row for row in rows if row.quantity == DIFFERENCE]
    assert len(rows) == 6 and {(r.group, r.reference) for r in rows} == {("b", "a")}
    means = []
    for group in "ba":
        (target,) = targets([e for e in found if members[e.study_id] == group], REML)
        means.append(observed(target)["estimate"][0])
    for row in rows:
        assert row.estimate == pytest.approx(means[0] - means[1], abs=1e-12)
        assert row.scale == "raw" and row.ci_low < row.estimate < row.ci_high


def test_a_group_of_one_study_is_not_bootstrapped():
    step = {"name": "s", "groups": {"s1": "a", "s2": "b", "s3": "b"}, "order": ["a", "b"]}
    steps = {"pooling": REML, "variant": EVERYONE, "steps": [step]}
    rows = table_of(proportions(pooling=REML), pooling=REML, subgroups=steps)
    notes = {row.note for row in rows if row.quantity == DIFFERENCE}
    assert notes == {"a group of fewer than two studies: not bootstrapped"}


def test_columns_are_of_the_targets_that_can_be_bootstrapped():
    empty = {"excluded": {f"s{i}": "x" for i in range(1, 7)}, "outliers": None}
    variants = {"main": EVERYONE, "none": {**empty, "leave_one_out": False}}
    chosen = targets(proportions(), variants=variants)
    names = replicate_chunk("healing", chosen, KINDS, PLAN, "1-of-8").dtype.names
    assert names[0] == INDEX and len(names) == 1 + 2 * 4
    assert not any("/none/" in name for name in names)


@pytest.mark.parametrize(
    "pooling, fits",
    [
        ({"model": "mantel_haenszel", "select": "random"}, True),
        ({"model": "mantel_haenszel", "select": "common"}, False),
        ({"model": "mantel_haenszel", "select": "random", "q_about": "mantel_haenszel"}, False),
        ({"model": "binomial_normal_conditional", "select": "random"}, False),
        ({"model": "inverse_variance"}, True),
    ],
    ids=str,
)
def test_what_needs_counts_of_two_arms_has_no_parametric_bootstrap(pooling, fits):
    cells = {"events": (3, 5, 8), "total": (20, 21, 30)}
    arms = cells | {"control_events": (6, 4, 9), "control_total": (22, 20, 33)}
    (target,) = targets(effects(sheet("risk_ratio", **arms), "risk_ratio"), pooling)
    assert (target.unfit("parametric") == "") == fits
    assert target.unfit("nonparametric") == ""


def shown(rows, change=0.0):
    """The column of table S3, of estimates that are `change` apart from those bootstrapped."""
    found = proportions()
    declared = {"outcome": "healing", "measure": "proportion", "pooling": MIXED}
    declared["variants"] = {"main": EVERYONE}
    estimates = [
        replace(row, estimate=row.estimate + change)
        for row in pool_outcome(found, declared).estimates
    ]
    return bootstrap_column(rows, estimates, "nonparametric", "bca")


def test_a_table_shows_the_interval_of_the_estimate_that_is_reported():
    rows = table_of(proportions())
    column = shown(rows)
    (own,) = (
        row
        for row in rows
        if (row.kind, row.quantity, row.interval) == ("nonparametric", "estimate", "bca")
    )
    assert column.limits == {("healing", "main"): (own.ci_low, own.ci_high)}
    assert len(column.notes) == 1 and "BCa interval of 2,000 replicates" in column.notes[0]


def test_a_table_shows_no_interval_of_earlier_numbers():
    column = shown(table_of(proportions()), change=0.001)
    assert column.limits == {}
    assert "are of earlier numbers and are not shown" in column.notes[1]
