"""Means and SDs from medians: printed values, the papers' equations in R, and simulation."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forestry.medians import METHODS, NoFormula, from_median, skew_statistic

REFERENCE = json.loads(
    (Path(__file__).parents[1] / "reference" / "medians.json").read_text(encoding="utf-8")
)
CASES = REFERENCE["cases"]
RANGE = {"minimum": 2, "maximum": 14}
QUARTILES = {"q1": 4, "q3": 10}
FIVE = RANGE | QUARTILES


def spread(case):
    found = {}
    if case["quartiles"]:
        found["q1"], found["q3"] = case["quartiles"]
    if case["range"]:
        found["minimum"], found["maximum"] = case["range"]
    return found


# As R's meta and metafor print them for minimum 2, quartiles 4 and 10, median 6, maximum 14
# (four decimals); n of 10, 20, 50, 100.
PRINTED = [
    ("hozo2005", RANGE, [7, 7, 6, 6], [3.5119, 3, 3, 2]),
    ("wan2014", RANGE, [7, 7, 7, 7], [3.8794, 3.2116, 2.6746, 2.4014]),
    ("luo2018", RANGE, [6.8313, 6.5945, 6.3508, 6.2246], [3.8794, 3.2116, 2.6746, 2.4014]),
    ("shi2020", RANGE, [6.8313, 6.5945, 6.3508, 6.2246], [3.8794, 3.2116, 2.6746, 2.4014]),
    ("wan2014", QUARTILES, [6.6667] * 4, [5.1600, 4.7871, 4.5798, 4.5132]),
    ("luo2018", QUARTILES, [6.7390, 6.7195, 6.7078, 6.7039], [5.1600, 4.7871, 4.5798, 4.5132]),
    ("shi2020", FIVE, [7.0595, 6.9388, 6.8258, 6.7729], [4.1585, 3.6794, 3.4798, 3.5121]),
]


@pytest.mark.parametrize(("method", "given_", "means", "sds"), PRINTED)
def test_printed_values(method, given_, means, sds):
    found = [from_median(method, n, 6, **given_) for n in (10, 20, 50, 100)]
    np.testing.assert_allclose([f.mean for f in found], means, atol=5.1e-5)
    np.testing.assert_allclose([f.sd for f in found], sds, atol=5.1e-5)


def test_luo_example_of_r_metablue():
    """Luo.mean(c(1, 4, 10), n = 30, "S1") in metaBLUE's manual: 4.356748."""
    assert from_median("luo2018", 30, 4, minimum=1, maximum=10).mean == pytest.approx(
        4.356748, abs=5e-7
    )


@pytest.mark.parametrize("method", METHODS)
def test_the_papers_equations(method):
    compared = 0
    for case in CASES:
        if method not in case["estimates"]:
            continue
        found = from_median(method, case["n"], case["median"], **spread(case))
        assert [found.mean, found.sd] == pytest.approx(case["estimates"][method], rel=1e-12)
        compared += 1
    assert compared == (72 if method == "hozo2005" else 108)


def test_skew_statistics_of_the_paper():
    for case in CASES:
        found = skew_statistic(case["n"], case["median"], **spread(case))
        assert found == pytest.approx(case["skew"], rel=1e-12)


def test_closed_form_of_wan_is_near_the_exact_range():
    """A normal sample's mean range, integrated in R: Wan's form is 1.44 % off at n = 5."""
    for case in REFERENCE["range_of_normal"]:
        sd = from_median("wan2014", case["n"], 0, minimum=-1, maximum=1).sd
        assert 2 / sd == pytest.approx(case["range"], rel=0.015)


@pytest.fixture(scope="module", params=[21, 101])
def normal_samples(request):
    """n = 4Q + 1, so that quartiles are order statistics; mean 3, SD 2."""
    n = request.param
    quarter = (n - 1) // 4
    rows = np.sort(np.random.default_rng(20210).normal(3, 2, (4000, n)), axis=1)
    minimum, q1, median, q3, maximum = rows[:, [0, quarter, 2 * quarter, 3 * quarter, n - 1]].T
    return n, median, {"minimum": minimum, "maximum": maximum, "q1": q1, "q3": q3}


@pytest.mark.parametrize(
    "names", [("minimum", "maximum"), ("q1", "q3"), ("minimum", "maximum", "q1", "q3")]
)
@pytest.mark.parametrize("method", ["wan2014", "luo2018", "shi2020"])
def test_unbiased_in_normal_samples(normal_samples, method, names):
    """4000 samples: the standard error of both averages is below 0.014 (mean), 0.011 (SD)."""
    n, medians, columns = normal_samples
    found = [
        from_median(method, n, median, **{name: columns[name][i] for name in names})
        for i, median in enumerate(medians)
    ]
    assert np.mean([f.mean for f in found]) == pytest.approx(3, abs=0.03)
    assert np.mean([f.sd for f in found]) == pytest.approx(2, abs=0.04)


@pytest.mark.parametrize(
    "names", [("minimum", "maximum"), ("q1", "q3"), ("minimum", "maximum", "q1", "q3")]
)
def test_the_skew_screen_flags_one_normal_sample_in_twenty(normal_samples, names):
    n, medians, columns = normal_samples
    flags = []
    for i, median in enumerate(medians):
        statistic, critical = skew_statistic(n, median, **{k: columns[k][i] for k in names})
        flags.append(statistic >= critical)
    # 4000 samples: standard error 0.0034; the paper's critical values are approximations.
    assert np.mean(flags) == pytest.approx(0.05, abs=0.015)


def test_the_screen_warns_and_does_not_exclude():
    calm = from_median("wan2014", 50, 8, minimum=2, maximum=14)
    skewed = from_median("wan2014", 50, 3, minimum=2, maximum=14)
    assert calm.warning == ""
    assert "Shi 2023 (0.83, critical 0.29)" in skewed.warning
    assert skewed.mean == 5.5


def test_below_five_participants_there_is_no_screen_but_a_warning():
    found = from_median("wan2014", 4, 3, minimum=2, maximum=14)
    assert found.warning.startswith("4 participants")
    assert "skewed" not in found.warning


def test_hozo_steps():
    def sd(n):
        return from_median("hozo2005", n, 6, **RANGE).sd

    assert sd(15) != sd(16) == sd(70) == 3.0
    assert sd(71) == 2.0
    assert from_median("hozo2005", 25, 6, **RANGE).mean == 7
    assert from_median("hozo2005", 26, 6, **RANGE).mean == 6


def test_what_was_used_is_told():
    def told(method, **numbers):
        return from_median(method, 20, 6, **numbers).obtained

    assert told("hozo2005", **RANGE) == "Hozo 2005 from median and range"
    assert told("hozo2005", **FIVE) == "Hozo 2005 from median and range"
    assert told("wan2014", **QUARTILES) == "Wan 2014 from median and quartiles"
    assert told("luo2018", **FIVE) == "Luo 2018 (SD: Wan 2014) from median, quartiles and range"
    assert told("shi2020", **FIVE) == "Luo 2018 (SD: Shi 2020) from median, quartiles and range"
    assert told("shi2020", **RANGE) == "Luo 2018 (SD: Wan 2014) from median and range"


@pytest.mark.parametrize("method", METHODS)
def test_half_a_pair_is_left_aside(method):
    whole = from_median(method, 20, 6, **RANGE)
    assert from_median(method, 20, 6, q1=4, **RANGE) == whole


def test_hozo_ignores_quartiles_but_the_screen_does_not():
    five = from_median("hozo2005", 100, 6, minimum=2, maximum=10, q1=5.9, q3=9.5)
    assert five.sd == from_median("hozo2005", 100, 6, minimum=2, maximum=10).sd
    assert "skewed" in five.warning


@pytest.mark.parametrize(
    ("method", "n", "median", "numbers", "message"),
    [
        ("hozo2005", 20, 6, QUARTILES, "use one of wan2014, luo2018, shi2020"),
        ("wan2014", 20, 6, {}, "without its range or its quartiles"),
        ("wan2014", 20, 6, {"q1": 4, "maximum": 14}, "without its range or its quartiles"),
        ("shi2020", 20, None, FIVE, "no median"),
        ("hozo2005", 1, 6, {"minimum": 6, "maximum": 6}, "one participant"),
        ("wan2014", 20, 6, {"minimum": 6, "maximum": 6}, "no spread"),
        ("luo2018", 20, 6, {"q1": 6, "q3": 6}, "no spread"),
    ],
)
def test_no_formula(method, n, median, numbers, message):
    with pytest.raises(NoFormula, match=message):
        from_median(method, n, median, **numbers)


@pytest.mark.parametrize(
    ("method", "n", "median", "numbers", "message"),
    [
        ("hozo", 20, 6, RANGE, "method is 'hozo', not one of hozo2005"),
        ("wan2014", 0, 6, RANGE, "n is 0"),
        ("wan2014", 2.5, 6, RANGE, "n is 2.5"),
        ("wan2014", float("nan"), 6, RANGE, "n is nan"),
        ("wan2014", 20, 1, RANGE, "ascending order: minimum 2, median 1, maximum 14"),
        ("wan2014", 20, 6, {"q1": 7, "q3": 8}, "ascending order"),
        ("wan2014", 20, 6, {"q1": 5, "q3": float("nan")}, "q3 is nan"),
    ],
)
def test_bad_numbers(method, n, median, numbers, message):
    with pytest.raises(ValueError, match=message) as raised:
        from_median(method, n, median, **numbers)
    assert not isinstance(raised.value, NoFormula)


quantiles = st.lists(st.integers(-999, 999), min_size=5, max_size=5, unique=True).map(sorted)


@settings(max_examples=60, deadline=None)
@given(quantiles, st.integers(5, 500), st.sampled_from(METHODS), st.integers(-50, 50))
def test_a_shift_shifts_the_mean_and_keeps_the_sd(values, n, method, shift):
    def of(minimum, q1, median, q3, maximum):
        return from_median(method, n, median, q1, q3, minimum, maximum)

    found, moved = of(*values), of(*(value + shift for value in values))
    assert moved.mean == pytest.approx(found.mean + shift, abs=1e-9)
    assert moved.sd == pytest.approx(found.sd, rel=1e-9)


@settings(max_examples=60, deadline=None)
@given(quantiles, st.integers(5, 500), st.sampled_from(METHODS))
def test_a_mirror_mirrors_the_mean_and_keeps_the_sd(values, n, method):
    def of(minimum, q1, median, q3, maximum):
        return from_median(method, n, median, q1, q3, minimum, maximum)

    found, mirrored = of(*values), of(*(-value for value in reversed(values)))
    assert mirrored.mean == pytest.approx(-found.mean, abs=1e-9)
    assert mirrored.sd == pytest.approx(found.sd, rel=1e-9)
    assert bool(mirrored.warning) == bool(found.warning)


@settings(max_examples=60, deadline=None)
@given(quantiles, st.integers(5, 500), st.sampled_from(METHODS))
def test_the_mean_lies_inside_the_range(values, n, method):
    minimum, q1, median, q3, maximum = values
    found = from_median(method, n, median, q1, q3, minimum, maximum)
    assert minimum < found.mean < maximum
    assert found.sd > 0
