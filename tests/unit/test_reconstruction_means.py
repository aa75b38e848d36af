"""Solved means: that they print as published, by formulas written out here."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forestry.consistency import read_printed
from forestry.models import Pooling, Studies, pool
from forestry.reconstruction.continuous import PrintedPool, normal_scores, solve_means
from forestry.reconstruction.means import solve_means_sheet
from forestry.reconstruction.sizes import Study, shared, with_sizes

DL = Pooling("inverse_variance", tau2="DL", select="common_if_i2_zero")
Z = 1.959963984540054


def pooled(studies) -> dict[str, float]:
    """DerSimonian and Laird 1986, written out; a common effect where I2 is 0."""
    y = np.array([study.mean for study in studies])
    w = np.array([study.n / study.sd**2 for study in studies])
    df, q = len(y) - 1, float(w @ (y - w @ y / w.sum()) ** 2)
    tau2 = max(0.0, (q - df) / (w.sum() - (w**2).sum() / w.sum()))
    u = 1 / (1 / w + tau2)
    estimate, half = float(u @ y / u.sum()), Z / float(np.sqrt(u.sum()))
    i2 = max(0.0, 100 * (1 - df / q)) if q else 0.0
    return {"estimate": estimate, "ci_low": estimate - half, "ci_high": estimate + half, "i2": i2}


def printed(numbers: dict[str, float], decimals: int = 2, **more) -> PrintedPool:
    texts = {
        name: f"{value:.{0 if name == 'i2' else decimals}f}" for name, value in numbers.items()
    }
    return PrintedPool(**{name: read_printed(text) for name, text in texts.items()}, **more)


def unknown(*sizes: int) -> list[Study]:
    return [Study(f"s{i}", n, None, None) for i, n in enumerate(sizes)]


def reads_as(studies, target: PrintedPool) -> bool:
    return all(getattr(target, name).agrees(value) for name, value in pooled(studies).items())


def blank(study: Study) -> Study:
    return replace(study, mean=None, sd=None)


@settings(max_examples=12, deadline=None)
@given(
    st.lists(st.tuples(st.integers(5, 80), st.floats(-3, 3)), min_size=3, max_size=8),
    st.floats(1.0, 6.0),
    st.integers(0, 2),
)
def test_what_is_solved_prints_as_what_was_blanked(rows, sigma, known):
    truth = [Study(f"s{i}", n, 20 + round(y, 2), sigma) for i, (n, y) in enumerate(rows)]
    target = printed(pooled(truth))
    given_rows = [study if i < known else blank(study) for i, study in enumerate(truth)]
    found = solve_means(given_rows, target, DL)
    assert found.studies[:known] == tuple(truth[:known])
    assert found.is_solved == reads_as(found.studies, target)
    if known == 0:
        assert found.is_solved and found.distance == 0
    assert found == solve_means(given_rows, target, DL)


def test_the_numbers_are_those_of_the_family():
    truth = unknown(20, 31, 12, 11, 14, 18)
    target = PrintedPool(*map(read_printed, ("6.1", "4.01", "8.2", "23", "0.26")))
    found = solve_means(truth, target, DL)
    assert found.is_solved and reads_as(found.studies, target)
    (sigma,) = {study.sd for study in found.studies}
    means = np.array([study.mean for study in found.studies])
    z = normal_scores([study.n for study in found.studies])
    slope, mu = np.polyfit(z, means, 1)
    assert means == pytest.approx(mu + slope * z, abs=0.011)  # two decimals are enough here
    usual = (8.2 - 4.01) / 2 / Z * np.sqrt(106 * (1 - 0.23))  # if all had one weight
    assert sigma == pytest.approx(usual, rel=0.05) and slope > 0


@pytest.mark.parametrize("select", ["random", "common", "common_if_i2_zero"])
@pytest.mark.parametrize("spread", [0.1, 3.0])
def test_pools_as_the_workflow_does(select, spread):
    pooling = Pooling("inverse_variance", tau2="REML", interval="hartung_knapp", select=select)
    studies = [Study(f"s{i}", 10 + i, spread * i**1.5, 2.0 + i) for i in range(5)]
    target = PrintedPool(*map(read_printed, ("1", "0", "2")))
    found = solve_means(studies, target, pooling).computed
    y, sd = (np.array([getattr(study, name) for study in studies]) for name in ("mean", "sd"))
    none = np.full(5, np.nan)
    both = pool(Studies(none, none, none, none, y, sd**2 / np.arange(10, 15), "mean"), pooling)
    common = select == "common" or (select != "random" and both.spread.i2.i2 == 0)
    model = both.common if common else both.random
    wanted = (model.estimate, model.ci_low, model.ci_high, 100 * both.spread.i2.i2)
    names = ("estimate", "ci_low", "ci_high", "i2")
    assert [found[name] for name in names] == pytest.approx(wanted, rel=1e-9, abs=1e-9)
    assert found["p"] == pytest.approx(both.spread.tests[0].p_value)


def test_scores_are_blom_s_and_do_not_go_with_size():
    scores = normal_scores([50, 40, 30, 20, 10])
    # Blom 1958, for five: +-1.18, +-0.50 and 0
    assert scores == pytest.approx([0, 0.497, -0.497, 1.180, -1.180], abs=1e-3)
    assert normal_scores([10, 50, 20, 40, 30])[1] == pytest.approx(0)
    assert list(normal_scores([])) == []


def test_a_known_mean_is_kept_and_gets_a_spread_alone():
    truth = [Study("a", 23, 9.0, None), *unknown(12, 13, 14, 15)]
    target = printed(
        pooled(
            [replace(study, mean=study.mean or 8.0 + i, sd=4.0) for i, study in enumerate(truth)]
        )
    )
    found = solve_means(truth, target, DL)
    assert found.is_solved and found.studies[0].mean == 9.0 and not found.ratio
    assert found.studies[0].sd == found.studies[1].sd


def test_a_known_mean_that_lies_far_off_gets_a_spread_of_its_own():
    """36 beside four others in a pool of 14.67: with one standard deviation no spread will do."""
    studies = [Study("far", 23, 36.0, None), *unknown(8, 15, 11, 18)]
    target = PrintedPool(*map(read_printed, ("14.67", "7.81", "21.54", "95", "<0.01")))
    found = solve_means(studies, target, DL)
    assert found.is_solved and reads_as(found.studies, target)
    assert found.ratio.startswith("far: ") and found.studies[0].sd > 2 * found.studies[1].sd


def test_a_contradiction_gives_the_nearest_and_its_cause():
    """A known row far from the printed interval; without it the rest could be solved."""
    studies = [Study("known", 24, 2.83, 1.9), *unknown(23, 7, 8)]
    target = PrintedPool(*map(read_printed, ("0.78", "0.24", "1.32", "80", "<0.01")))
    found = solve_means(studies, target, DL)
    assert not found.is_solved and found.freed == ("known",)
    off = pooled(found.studies)["estimate"]
    assert "estimate" in found.unmet and found.distance >= 100 * (off - 0.785) - 1e-6 > 0


def test_an_interval_that_is_not_symmetric_has_no_solution():
    studies = unknown(10, 10, 10)
    target = PrintedPool(*map(read_printed, ("7.09", "2.29", "11.09", "98")))
    found = solve_means(studies, target, DL)
    assert not found.is_solved and found.freed == ()
    assert set(found.unmet) <= {"estimate", "ci_low", "ci_high", "i2"}
    # the middle of the limits is 6.69: estimate and limits share the 0.40 by which it is off
    assert found.distance == pytest.approx(3 * (0.40 / 0.02 - 0.5), abs=0.01)


def test_nothing_unknown_is_compared():
    studies = [Study("a", 42, 1.82, 1.38), Study("b", 50, 1.77, 1.32)]
    found = solve_means(studies, PrintedPool(*map(read_printed, ("1.79", "1.52", "2.07", "0"))), DL)
    assert found.is_solved and found.filled == () and found.studies == tuple(studies)


def test_two_numbers_of_one_study_come_back():
    """Li 2016 beside Galimberti 2018: mean and spread are fixed by estimate and interval."""
    studies = [Study("a", 42, 1.82, 1.38), Study("b", 50, None, None)]
    target = PrintedPool(*map(read_printed, ("1.79", "1.52", "2.07", "0", "0.86")), n=92)
    found = solve_means(studies, target, DL)
    assert found.is_solved
    assert found.studies[1].mean == pytest.approx(1.77, abs=0.03)
    assert found.studies[1].sd == pytest.approx(1.32, abs=0.08)


def test_one_study_is_not_pooled():
    with pytest.raises(ValueError, match="one study"):
        solve_means([Study("a", 9, None, None)], PrintedPool(*map(read_printed, "123")), DL)


# Sizes -------------------------------------------------------------------------------------


def study(n, trusted=False, id="s"):
    return Study(id, n, None, None, trusted)


@pytest.mark.parametrize(
    ("sizes", "printed_n", "found", "met"),
    [
        ((12, 16, 50), None, [12, 16, 50], True),
        ((12, 16, 50), 78, [12, 16, 50], True),
        ((12, None, 50), 78, [12, 16, 50], True),
        ((12, None, None), 19, [12, 4, 3], True),
        ((None, 12, 16, 50), 78, [16, 12, 16, 50], False),
        ((6, 12), 9, [3, 6], True),
        ((6, 12), 30, [6, 12], False),
        ((6, 12, None), None, [6, 12, 9], True),
    ],
)
def test_sizes(sizes, printed_n, found, met):
    sized, _, is_met = with_sizes([study(n, id=f"s{i}") for i, n in enumerate(sizes)], printed_n)
    assert ([one.n for one in sized], is_met) == (found, met)


def test_a_trusted_size_is_no_bound():
    sized, said, met = with_sizes([study(6), study(13, True, "b"), study(10, True, "c")], 25)
    assert [one.n for one in sized] == [2, 13, 10] and met and "25" in said


def test_no_size_is_known():
    with pytest.raises(ValueError, match="size"):
        with_sizes([study(None)], 5)


@given(st.integers(0, 60), st.lists(st.integers(1, 50), min_size=1, max_size=8))
def test_a_whole_is_shared_in_whole_parts(extra, bounds):
    total = len(bounds) + extra
    parts = shared(total, np.array(bounds, dtype=float))
    assert sum(parts) == total and min(parts) >= 1


# A sheet -----------------------------------------------------------------------------------

COLUMNS = (
    *("study_id", "status", "basis", "n", "baseline_mean", "baseline_sd", "end_mean", "end_sd"),
    *("change_mean", "change_sd", "change_ci_low", "change_ci_high"),
)
PUBLISHED = {
    **{"outcome": "score", "variant": "main", "statistic": "mean_change", "unit": "points"},
    **{"k": "4", "n": "", "estimate": "5.20", "ci_low": "4.20", "ci_high": "6.20"},
    **{"i2": "40", "p_heterogeneity": ""},
}


def row(id, **numbers):
    return {**dict.fromkeys(COLUMNS, ""), "study_id": id, "status": "unavailable", **numbers}


def task(*rows, **published) -> dict:
    ids = [one["study_id"] for one in rows]
    effects = {
        **{"measure": "mean_change", "scale": "identity", "direction": "fall", "level": 0.95},
        **{"medians": "hozo2005", "correlation": 0.5, "zero_cells": {}, "columns": {}},
        "studies": ids,
    }
    pool = {"published": {**PUBLISHED, **published}, "pooling": {"model": "inverse_variance"}}
    return {
        **{"sheet": "score", "seed": 1, "rows": list(rows), "sizes": {}},
        "pools": [{**pool, "effects": effects, "members": ids}],
    }


KNOWN = row("b", n="20", change_mean="-6", change_sd="4", status="reported", basis="source")
SPREADLESS = row("c", n="25", change_mean="-5", status="reported", basis="source")


def test_a_sheet_s_solved_rows_have_its_signs_and_say_how():
    found = solve_means_sheet(task(row("a", n="15"), KNOWN, SPREADLESS, row("d", n="30")))
    assert [one["study_id"] for one in found.rows] == ["a", "c", "d"]
    assert {one["status"] for one in found.rows} == {"reconstructed"}
    assert {one["basis"] for one in found.rows} == {"published:score"}
    solved = {one["study_id"]: one for one in found.rows}
    assert solved["c"]["change_mean"] == "-5"
    assert all(float(one["change_mean"]) < 0 < float(one["change_sd"]) for one in found.rows)
    assert solved["c"]["evidence"].startswith("standard deviation with which the pool prints 5.20")
    known = Study("b", 20, 6.0, 4.0)
    studies = [
        Study(one["study_id"], int(one["n"]), -float(one["change_mean"]), float(one["change_sd"]))
        for one in found.rows
    ]
    numbers = pooled([*studies, known])
    for name, text in (("estimate", "5.20"), ("ci_low", "4.20"), ("i2", "40")):
        assert read_printed(text).agrees(numbers[name])
    (solution,) = found.solutions
    assert (solution.verdict, solution.k, solution.k_unknown) == ("several", 4, 3)
    assert {(cell.study_id, cell.column) for cell in found.cells} == {
        *((id, column) for id in "ad" for column in ("change_mean", "change_sd")),
        ("c", "change_sd"),
    }


def test_a_result_without_an_interval_is_not_solvable():
    found = solve_means_sheet(task(row("a", n="15"), KNOWN, ci_low=""))
    (solution,) = found.solutions
    assert (solution.verdict, found.rows) == ("not solvable", ())
    assert solution.reason == "the estimate and both limits are not all printed"
