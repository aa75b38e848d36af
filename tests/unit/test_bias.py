"""Small-study tests against R (metafor, lm), published figures, and their own invariances."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forestry.bias import (
    BiasRecord,
    begg,
    bias_record,
    egger,
    harbord,
    peters,
    peters_proportion,
    score_proportion,
)
from forestry.records import read_records, write_records

REFERENCE = json.loads((Path(__file__).parents[1] / "reference" / "bias.json").read_text())
CLOSED = 1e-10  # relative, for closed forms in float64

EFFECTS, TWO_ARMS, SINGLE_ARMS = (REFERENCE[key] for key in ("effects", "two_arms", "single_arms"))
MAGNESIUM = TWO_ARMS["egger2001"]
TESTS = {
    "egger": (EFFECTS, lambda d: egger(**d)),
    "begg": (EFFECTS, lambda d: begg(**d)),
    "harbord_odds_ratio": (TWO_ARMS, lambda d: harbord(**d)),
    "harbord_risk_ratio": (TWO_ARMS, lambda d: harbord(**d, measure="risk_ratio")),
    "peters": (TWO_ARMS, lambda d: peters(**d)),
    "peters_proportion": (SINGLE_ARMS, lambda d: peters_proportion(**d)),
    "score_proportion": (SINGLE_ARMS, lambda d: score_proportion(**d)),
}
CASES = [(test, name) for test in TESTS for name in REFERENCE[test]]


def reordered(data, order):
    return {column: np.asarray(values)[order] for column, values in data.items()}


def swapped(d):
    return {
        "events": d["control_events"],
        "total": d["control_total"],
        "control_events": d["events"],
        "control_total": d["total"],
    }


# Against R --------------------------------------------------------------------------------


@pytest.mark.parametrize(("test", "name"), CASES)
def test_agrees_with_r(test, name):
    data, make = TESTS[test]
    result = make(data[name])
    assert result.test == test
    for field, value in REFERENCE[test][name].items():
        if field == "ties":
            assert result.note == ("p by normal approximation: ties" if value else "exact p")
        else:
            assert getattr(result, field) == pytest.approx(value, rel=CLOSED, abs=0), field


def test_reference_holds_exact_and_tied_ranks():
    assert {row["ties"] for row in REFERENCE["begg"].values()} == {0, 1}


# Magnesium and BCG as R's meta and metafor print them; a digit is a digit of theirs.
@pytest.mark.parametrize(
    ("result", "bias", "se", "statistic", "digits"),
    [
        (harbord(**MAGNESIUM), -1.752538, 0.307740, -5.694873, 6),
        (egger(**EFFECTS["egger2001"]), -1.599085, 0.276437, -5.784621, 6),
        (peters(**MAGNESIUM), -115.3057, None, -3.970703, 4),
        (egger(**EFFECTS["bcg"]), None, None, -1.4013, 4),
    ],
)
def test_agrees_with_printed_figures(result, bias, se, statistic, digits):
    half = 0.51 * 10**-digits
    assert result.statistic == pytest.approx(statistic, abs=half, rel=0)
    assert bias is None or result.bias == pytest.approx(bias, abs=half, rel=0)
    assert se is None or result.se == pytest.approx(se, abs=half, rel=0)
    assert result.df == result.k - 2


def test_printed_p_values():
    assert harbord(**MAGNESIUM).p_value == pytest.approx(5.5e-5, abs=0.05e-5)
    assert begg(**EFFECTS["bcg"]).p_value == pytest.approx(0.9524, abs=5e-5)
    assert begg(**EFFECTS["bcg"]).statistic == pytest.approx(0.0256, abs=5e-5)
    assert begg(**EFFECTS["egger2001"]).p_value == pytest.approx(0.4503, abs=5e-5)


def test_risk_ratio_score_with_equal_arms_is_the_figure_of_meta():
    """R's meta takes the arms as equal: V = N/4 E/(N - E), which gives -1.761605, t -5.676978."""
    a, n1, c, n2 = (np.array(MAGNESIUM[column]) for column in MAGNESIUM)
    cases, everyone = a + c, n1 + n2
    score = (a * everyone - cases * n1) / (everyone - cases)
    variance = everyone / 4 * cases / (everyone - cases)
    columns = np.column_stack([np.ones(16), 1 / np.sqrt(variance)]) * np.sqrt(variance)[:, None]
    slope = np.linalg.lstsq(columns, score / np.sqrt(variance), rcond=None)[0][1]
    assert slope == pytest.approx(-1.761605, abs=1e-6)
    exact = harbord(**MAGNESIUM, measure="risk_ratio")
    assert exact.bias == pytest.approx(slope, rel=2e-3)
    assert exact.bias != pytest.approx(slope, rel=1e-4)


# Independent arithmetic -------------------------------------------------------------------


def test_egger_is_the_intercept_of_the_standardized_regression():
    yi, vi = (np.array(EFFECTS["bcg"][column]) for column in ("yi", "vi"))
    columns = np.column_stack([np.ones_like(yi), 1 / np.sqrt(vi)])
    z = yi / np.sqrt(vi)
    coefficients, rss, *_ = np.linalg.lstsq(columns, z, rcond=None)
    se = np.sqrt(rss[0] / (len(yi) - 2) * np.linalg.inv(columns.T @ columns)[0, 0])
    result = egger(yi, vi)
    assert result.bias == pytest.approx(coefficients[0], rel=CLOSED)
    assert result.se == pytest.approx(se, rel=CLOSED)


@pytest.mark.parametrize("k", [3, 4, 5, 6, 7])
def test_exact_rank_p_is_the_share_of_permutations(k):
    """Every order of the deviates, with its own tau: the p of each is counted, not looked up."""
    rng = np.random.default_rng(k)
    yi, vi = rng.normal(size=k), np.sort(rng.uniform(0.5, 2, size=k))
    result = begg(yi, vi)
    signs = [
        sum(np.sign(order[j] - order[i]) for i in range(k) for j in range(i + 1, k))
        for order in itertools.permutations(range(k))
    ]
    score = round(result.statistic * k * (k - 1) / 2)
    nearer = min(np.mean(np.array(signs) >= score), np.mean(np.array(signs) <= score))
    assert result.p_value == pytest.approx(min(1, 2 * nearer), rel=CLOSED)
    assert result.note == "exact p"


def test_exact_rank_p_meets_the_normal_one_in_large_sets():
    from scipy.special import ndtr

    rng = np.random.default_rng(1)
    k = 150
    vi = rng.uniform(0.1, 1, size=k)
    result = begg(rng.normal(size=k) * np.sqrt(vi) + 0.2 * vi, vi)
    z = result.statistic * np.sqrt(9 * k * (k - 1) / (2 * (2 * k + 5)))
    assert 1e-4 < result.p_value < 0.9
    assert result.p_value == pytest.approx(2 * ndtr(-abs(z)), rel=0.01)


def test_score_proportion_is_a_regression_of_the_proportion_on_size():
    x, n = (np.array(SINGLE_ARMS["pritz1997"][column]) for column in ("events", "total"))
    p0 = x.sum() / n.sum()
    design = np.column_stack([np.ones_like(n), 1 / np.sqrt(n)]) * np.sqrt(n)[:, None]
    slope = np.linalg.lstsq(design, (x / n) * np.sqrt(n), rcond=None)[0][1]
    result = score_proportion(x, n)
    assert result.bias == pytest.approx(slope / np.sqrt(p0 * (1 - p0)), rel=CLOSED)
    assert "project's own" in result.note


# Invariances ------------------------------------------------------------------------------


@pytest.mark.parametrize(("test", "name"), CASES)
def test_order_of_studies_is_of_no_account(test, name):
    data, make = TESTS[test]
    result = make(data[name])
    order = np.random.default_rng(0).permutation(len(next(iter(data[name].values()))))
    again = make(reordered(data[name], order))
    assert (again.k, again.df, again.note) == (result.k, result.df, result.note)
    assert again.statistic == pytest.approx(result.statistic, rel=CLOSED)
    assert again.p_value == pytest.approx(result.p_value, rel=CLOSED)


@pytest.mark.parametrize("name", TWO_ARMS)
@pytest.mark.parametrize("measure", ["odds_ratio", "risk_ratio"])
def test_swapped_arms_turn_the_sign_of_harbord(name, measure):
    one = harbord(**TWO_ARMS[name], measure=measure)
    other = harbord(**swapped(TWO_ARMS[name]), measure=measure)
    assert other.bias == pytest.approx(-one.bias, rel=CLOSED)
    assert other.p_value == pytest.approx(one.p_value, rel=CLOSED)


@pytest.mark.parametrize("name", TWO_ARMS)
def test_swapped_outcome_turns_the_sign_of_odds_ratio_tests(name):
    """Counting those without the event inverts every odds ratio (not a risk ratio)."""
    d = TWO_ARMS[name]
    other = {
        **d,
        "events": np.subtract(d["total"], d["events"]),
        "control_events": np.subtract(d["control_total"], d["control_events"]),
    }
    for test in (harbord, peters):
        assert test(**other).bias == pytest.approx(-test(**d).bias, rel=1e-9)


@pytest.mark.parametrize("test", [peters_proportion, score_proportion])
def test_swapped_outcome_turns_the_sign_for_proportions(test):
    x, n = (np.array(SINGLE_ARMS["debruin2009"][column]) for column in ("events", "total"))
    assert test(n - x, n).bias == pytest.approx(-test(x, n).bias, rel=1e-9)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(-5, 5), st.floats(0.01, 4)),
        min_size=3,
        max_size=12,
        unique_by=lambda s: s[1],
    ),
    st.integers(-6, 6),
)
def test_begg_and_egger_do_not_depend_on_the_unit(studies, power):
    """A change of unit by a power of two is exact, so that ranks and t stay what they are."""
    yi, vi = (np.array(column) for column in zip(*studies, strict=True))
    unit = 2.0**power
    assert begg(unit * yi, unit**2 * vi) == begg(yi, vi)
    one, other = egger(yi, vi), egger(unit * yi, unit**2 * vi)
    assert (one.statistic, one.p_value, one.note) == (other.statistic, other.p_value, other.note)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.floats(0.1, 5), st.floats(0.01, 4)), min_size=2, max_size=8))
def test_symmetrical_funnel_has_no_bias(pairs):
    """Each study has its mirror image of the same variance."""
    yi, vi = (np.array(column) for column in zip(*pairs, strict=True))
    result = egger(np.append(0.5 + yi, 0.5 - yi), np.append(vi, vi))
    if result.bias is None:
        assert np.ptp(np.sqrt(vi)) <= 1e-12 * np.sqrt(vi).max()
    elif result.statistic is not None:
        assert result.statistic == pytest.approx(0, abs=1e-6)
        assert result.p_value == pytest.approx(1, abs=1e-6)


def test_symmetrical_funnel_has_no_rank_correlation():
    yi, vi = np.array([0.5, 1.0, 2.0]), np.array([0.1, 0.3, 0.9])
    result = begg(np.append(yi, -yi), np.append(vi, vi))
    assert (result.statistic, result.p_value) == (0.0, 1.0)


def test_mega_trials_do_not_overflow():
    """In ISIS-4 (58 050 patients) n1 n2 E (N - E) is 2e17, in a trial of ten times its size 2e21.

    The second does not fit 64-bit integers either.
    """
    ints = {column: np.array(values, dtype=np.int32) for column, values in MAGNESIUM.items()}
    assert harbord(**ints) == harbord(**MAGNESIUM)
    tenfold = {column: np.array(values) * 10 for column, values in MAGNESIUM.items()}
    one, ten = harbord(**MAGNESIUM), harbord(**tenfold)
    assert ten.bias == pytest.approx(one.bias * np.sqrt(10), rel=0.02)
    assert ten.statistic == pytest.approx(one.statistic, rel=0.02)


# What cannot be tested --------------------------------------------------------------------

NUMBERS = ("bias", "se", "statistic", "df", "p_value")


def assert_no_numbers(result):
    assert [getattr(result, name) for name in NUMBERS] == [None] * 5


@pytest.mark.parametrize("k", [0, 1, 2])
@pytest.mark.parametrize("test", TESTS)
def test_fewer_than_three_studies(test, k):
    data, make = TESTS[test]
    result = make(reordered(next(iter(data.values())), np.arange(k)))
    assert_no_numbers(result)
    assert result.k == k
    assert result.fewer_than_10
    assert result.note.startswith("fewer than 3 studies")


@pytest.mark.parametrize("test", TESTS)
def test_three_studies_are_enough(test):
    data, make = TESTS[test]
    result = make(reordered(data["debruin2009" if data is SINGLE_ARMS else "bcg"], np.arange(3)))
    assert result.statistic is not None
    assert result.fewer_than_10


def test_ten_studies_are_not_fewer_than_ten():
    for k, few in ((9, True), (10, False)):
        assert egger(**reordered(EFFECTS["bcg"], np.arange(k))).fewer_than_10 is few
        assert begg(**reordered(EFFECTS["bcg"], np.arange(k))).fewer_than_10 is few


def test_studies_of_equal_size():
    k = 5
    x = np.array([1.0, 2, 3, 2, 1])
    for result in (
        egger(x, np.full(k, 0.3)),
        begg(x, np.full(k, 0.3)),
        peters(x, np.full(k, 20), x[::-1], np.full(k, 30)),
        peters_proportion(x, np.full(k, 20)),
        score_proportion(x, np.full(k, 20)),
        harbord(x, np.full(k, 20), 6 - x, np.full(k, 30)),
    ):
        assert_no_numbers(result)
        assert "equal size" in result.note
        assert result.k == k


def test_exact_line_has_a_slope_and_no_p():
    vi = np.array([0.04, 0.09, 0.16, 0.25])
    result = egger(1 + 2 * np.sqrt(vi), vi)
    assert result.bias == pytest.approx(2, rel=CLOSED)
    assert (result.se, result.statistic, result.p_value) == (None, None, None)
    assert "no residual variation" in result.note


def test_equal_effects_have_no_ranks():
    assert_no_numbers(begg(np.full(4, 0.3), [0.1, 0.2, 0.3, 0.4]))


def test_trials_without_information_are_left_out_and_counted():
    extra = {
        "events": [*MAGNESIUM["events"], 0, 7],
        "total": [*MAGNESIUM["total"], 20, 7],
        "control_events": [*MAGNESIUM["control_events"], 0, 9],
        "control_total": [*MAGNESIUM["control_total"], 20, 9],
    }
    for test in (harbord, peters):
        result, bare = test(**extra), test(**MAGNESIUM)
        assert (result.k, result.bias, result.p_value) == (16, bare.bias, bare.p_value)
        assert result.note == "2 studies with no event or events only left out"


def test_extreme_proportions():
    x, n = SINGLE_ARMS["pritz1997"]["events"], SINGLE_ARMS["pritz1997"]["total"]
    result = peters_proportion(x, n)
    assert (result.k, result.note) == (12, "2 studies with no event or events only left out")
    assert score_proportion(x, n).k == 14
    assert_no_numbers(score_proportion([0, 0, 0, 0], [5, 10, 15, 20]))
    assert_no_numbers(score_proportion([5, 10, 15], [5, 10, 15]))
    assert_no_numbers(score_proportion([0, 0], [5, 10]))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: egger([1, 2, 3], [1, 2]), "of one length"),
        (lambda: egger([1, 2, np.nan], [1, 2, 3]), r"\(yi\)"),
        (lambda: begg([1, 2, 3], [1, 0, 3]), r"\(vi\)"),
        (lambda: begg([1, 2, 3], [1, np.inf, 3]), r"\(vi\)"),
        (lambda: harbord([1], [2], [1], [2], measure="risk_difference"), "risk_difference"),
        (lambda: harbord([3], [2], [1], [2]), "events must lie"),
        (lambda: harbord([1, 2], [5, 5], [1], [2]), "2 and 1 studies"),
        (lambda: peters([1], [2], [-1], [2]), "control_events must lie"),
        (lambda: peters([0, 1, 1], [5, 6, 7], [2, 2, 2], [5, 6, 7], add=0), "empty cell"),
        (lambda: score_proportion([1.5], [2]), "not whole"),
        (lambda: peters_proportion([0], [0]), "total be 1 or more"),
        (lambda: peters_proportion([np.nan], [3]), "not whole"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_row_of_the_table(tmp_path):
    rows = [
        bias_record("mortality", "main", harbord(**MAGNESIUM)),
        bias_record("mortality", "rct_only", egger([0.1, 0.2], [0.3, 0.4])),
    ]
    assert rows[0].test == "harbord_odds_ratio"
    write_records(tmp_path / "bias.csv", BiasRecord, rows)
    assert read_records(tmp_path / "bias.csv", BiasRecord) == rows
