"""What printed results say of themselves: the bundled article, and results made right."""

import csv
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from forestry.consistency import (
    CONSISTENT,
    CONTRADICTION,
    NOT_CHECKABLE,
    Finding,
    Printed,
    Published,
    PublishedTest,
    consistency,
    implied_scales,
    p_from_i2,
    printed_q_between,
    read_printed,
)
from forestry.effects import study_effects
from forestry.jobs.statistics import effects_settings
from forestry.records import read_records, write_records
from forestry.results import StudyEffect
from forestry.review import Review
from forestry.rows import read_table

ROOT = Path(__file__).resolve().parents[2]
PUBLISHED = read_records(ROOT / "resources" / "published.csv", Published)
TESTS = read_records(ROOT / "resources" / "published_tests.csv", PublishedTest)
Z = 1.959963984540054


def result(**cells) -> Published:
    empty = dict.fromkeys(Published.__dataclass_fields__, "")
    named = {"outcome": "response", "variant": "main", "statistic": "proportion", "unit": "percent"}
    return Published(**{**empty, **named, **cells})


def of(outcome: str, variant: str = "main") -> Published:
    (found,) = (row for row in PUBLISHED if (row.outcome, row.variant) == (outcome, variant))
    return found


def check(row: Published, name: str) -> Finding:
    (found,) = (finding for finding in consistency([row]) if finding.check == name)
    return found


def chi2_tail(x: float, df: int) -> float:
    """P(chi-squared > x) in closed form, for an even df."""
    assert df % 2 == 0
    terms = ((x / 2) ** i / math.factorial(i) for i in range(df // 2))
    return math.exp(-x / 2) * sum(terms)


# The bundled article -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def with_sheet() -> dict[tuple[str, str, str], Finding]:
    review = Review(yaml.safe_load((ROOT / "config.yaml").read_text()), ROOT / "resources")
    effects = {
        outcome: study_effects(read_table(review.sheet(outcome)), effects_settings(review, outcome))
        for outcome in review.outcomes
    }
    refs = {study["ref"]: name for name, study in review.studies.items()}
    findings = consistency(PUBLISHED, TESTS, effects, refs)
    return {(f.outcome, f.variant, f.check): f for f in findings}


def test_contradictions_of_the_article_by_itself():
    """Exactly these, from published.csv and published_tests.csv; nothing else is flagged."""
    found = consistency(PUBLISHED, TESTS)
    assert {(f.outcome, f.variant, f.check) for f in found if f.verdict == CONTRADICTION} == {
        ("muscle_pr", "main", "p_from_i2"),  # I2 = 74 % with p = 0.26 at k = 27
        ("time_to_relapse", "main", "interval"),  # not around its mean
        ("prednisolone_stopped", "main", "k_of_references"),  # seven for six
        ("vte", "main", "n_from_interval"),  # 109 against 101 patients
        ("muscle_pr", "step1_route", "test_df"),  # total Q as a test between groups
        ("muscle_pr", "step1_route", "test_statistic"),
        ("muscle_pr", "step2_population", "test_df"),
        ("muscle_pr", "step2_population", "test_statistic"),
        ("muscle_pr", "step2_population", "test_conclusion"),  # not significant
        ("muscle_pr", "step3_assessment", "test_df"),
        ("muscle_pr", "step3_assessment", "test_statistic"),
    }


def test_patients_of_the_article_against_the_sheet(with_sheet):
    pool = with_sheet["muscle_pr_add_on", "main", "n_of_largest_study"]
    assert pool.verdict == CONTRADICTION
    assert pool.explanation == (
        "A pool printed as 65 patients cannot hold marie2010, which has 73."
    )
    larger = [key[0] for key, f in with_sheet.items() if key[2] == "n_of_largest_study"]
    flagged = [
        key[0]
        for key, f in with_sheet.items()
        if key[2] == "n_of_largest_study" and f.verdict == CONTRADICTION
    ]
    assert len(larger) == len(PUBLISHED) and flagged == ["muscle_pr_add_on"]
    # Liu 2021: four of its eight patients were used.
    first_line = with_sheet["muscle_pr_first_line", "main", "n_of_sheet"]
    assert first_line.verdict == CONTRADICTION
    assert first_line.recomputed == "84 patients in 6 studies, 0 of unknown size"


def test_a_size_solved_from_the_result_is_no_check_of_it(with_sheet):
    """The sheet has 39 patients of a study from the thrombosis result itself."""
    assert with_sheet["vte", "main", "n_of_sheet"].verdict == NOT_CHECKABLE


@pytest.mark.parametrize(
    ("outcome", "p"),
    [
        ("muscle_cr", (0.0103, 0.0145)),
        ("muscle_pr_guideline", (0.216, 0.228)),
        ("mmt8_change", (0.255, 0.268)),
        ("relapse", (0.143, 0.158)),
    ],
)
def test_consistent_p_values(outcome, p):
    (row,) = (row for row in PUBLISHED if row.outcome == outcome)
    assert check(row, "p_from_i2").verdict == CONSISTENT
    least, greatest = p_from_i2(read_printed(row.i2), int(row.k))
    assert p[0] < least < greatest < p[1]


@pytest.mark.parametrize("outcome", ["muscle_pr_first_line", "muscle_pr_add_on"])
def test_p_with_its_digits_cut_off(outcome):
    found = check(of(outcome), "p_from_i2")
    assert found.verdict == CONSISTENT
    assert found.explanation.endswith("if its digits were cut off.")


def test_missing_number_of_studies_is_told():
    found = check(of("muscle_pr_guideline_6mo"), "p_from_i2")
    assert found.verdict == NOT_CHECKABLE
    assert found.explanation == "The number of studies is not printed; 4 would fit."


@pytest.mark.parametrize(
    ("scale", "outcomes"),
    [
        (
            "logit",
            "muscle_cr muscle_pr muscle_pr_sc muscle_pr_6mo muscle_pr_guideline dysphagia_pr_6mo "
            "relapse",
        ),
        (
            "raw",
            "muscle_pr_first_line muscle_pr_add_on muscle_pr_guideline_6mo prednisolone_stopped "
            "immunosuppressant_stopped infection",
        ),
        ("arcsine", "vte"),
        ("log", "muscle_pr_vs_control"),
    ],
)
def test_scales_of_the_article(scale, outcomes):
    """The scales of STATISTICS.md, section 2.4, and no other fits."""
    for row in PUBLISHED:
        if row.outcome in outcomes.split() and not row.variant.startswith("subgroup"):
            assert [implied.scale for implied in implied_scales(row)] == [scale], row


@pytest.mark.parametrize(
    ("outcome", "n", "p"), [("muscle_pr_sc", 59, 57 / 59), ("dysphagia_pr_6mo", 102, 94 / 102)]
)
def test_interval_of_one_binomial_sample(outcome, n, p):
    """57/59 and 94/102: the logit's standard error is 1/sqrt(n p (1-p))."""
    row = of(outcome)
    (implied,) = implied_scales(row)
    assert implied.se_low < 1 / math.sqrt(n * p * (1 - p)) < implied.se_high
    assert check(row, "n_from_interval").verdict == CONSISTENT


def test_interval_of_109_patients():
    (implied,) = implied_scales(of("vte"))
    assert implied.se_low < 1 / (2 * math.sqrt(109)) < implied.se_high
    found = check(of("vte"), "n_from_interval")
    assert found.verdict == CONTRADICTION and "of 109 patients" in found.explanation
    assert check(replace(of("vte"), n="109"), "n_from_interval").verdict == CONSISTENT
    # Fewer patients than printed may only be heterogeneity that rounding hides.
    assert check(replace(of("vte"), n="120"), "n_from_interval").verdict == NOT_CHECKABLE


@pytest.mark.parametrize(
    ("step", "q", "df", "p"),
    [(0, "9.4", 1, "0.002"), (1, "0.71", 1, "0.40"), (2, "11.5", 2, "0.003")],
)
def test_q_between_the_printed_groups(step, q, df, p):
    """The values of STATISTICS.md, section 2.4, on the scale of the proportions."""
    groups = [of("muscle_pr", name) for name in TESTS[step].groups.split()]
    found = printed_q_between(groups)[0]
    assert found.scale == "raw" and found.df == df
    assert read_printed(q).agrees(found.q) and read_printed(p).agrees(found.p)
    assert found.q_low < found.q < found.q_high and found.p_low < found.p < found.p_high


def test_q_between_two_groups_by_hand():
    """87 (82-92) and 97 (93-100): halves of 5 and of 4, the end at 100 being clipped."""
    se = 5 / Z, 4 / Z
    groups = [of("muscle_pr", name) for name in TESTS[0].groups.split()]
    by_hand = 10**2 / (se[0] ** 2 + se[1] ** 2)
    assert printed_q_between(groups)[0].q == pytest.approx(by_hand, rel=1e-9)


def test_step_two_is_not_significant():
    found = {(f.variant, f.check): f for f in consistency(PUBLISHED, TESTS)}
    conclusion = found["step2_population", "test_conclusion"]
    assert conclusion.explanation.startswith(
        "The groups do not differ significantly although p = 0.0024 is printed: "
        "Q between them is 0.713 on 1 degree of freedom, p = 0.4"
    )
    assert found["step1_route", "test_conclusion"].verdict == CONSISTENT
    assert found["step3_assessment", "test_conclusion"].verdict == CONSISTENT
    df = found["step1_route", "test_df"].explanation
    assert df.endswith("24 are those of the total heterogeneity of 25 studies.")


def test_range_of_q_between_holds_every_rounding():
    """Groups drawn at random from all that round to the printed ones, and the ends reached."""
    groups = [
        result(estimate="75", ci_low="67", ci_high="84"),
        result(estimate="87", ci_low="81", ci_high="93"),
        result(estimate="81", ci_low="79", ci_high="83"),
    ]
    found = printed_q_between(groups)[0]
    random = np.random.default_rng(1)
    cells = np.array([[float(g.estimate), float(g.ci_low), float(g.ci_high)] for g in groups])
    shift = random.uniform(-0.5, 0.5, (20000, 3, 3))
    shift[::2] = np.sign(shift[::2]) / 2  # half of them at corners
    mu, low, high = np.moveaxis(cells + shift, 2, 0)
    w = (2 * Z / (high - low)) ** 2
    pooled = (w * mu).sum(1) / w.sum(1)
    q = (w * (mu - pooled[:, None]) ** 2).sum(1)
    assert found.q_low <= q.min() and q.max() <= found.q_high * (1 + 1e-6)
    assert found.q_high == pytest.approx(q.max(), rel=1e-5)
    assert found.q_low == pytest.approx(q.min(), rel=0.02)  # its m is inside the ranges


# Results made right are never flagged --------------------------------------------------------

DIGITS = st.integers(0, 2)
SEEDS = st.integers(0, 2**32 - 1)


def rounded(value: float, decimals: int) -> str:
    text = f"{value:.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text  # as R prints


def p_text(p: float, decimals: int) -> str:
    return f"<{10.0**-decimals:g}" if p < 10.0**-decimals else f"{p:.{decimals}f}"


def pooled(yi, vi) -> tuple[float, float, float, float]:
    """Mean, standard error, Q and I2 by DerSimonian and Laird, written out anew."""
    w = 1 / vi
    mean = (w * yi).sum() / w.sum()
    q, df = (w * (yi - mean) ** 2).sum(), len(yi) - 1
    tau2 = max(0.0, (q - df) / (w.sum() - (w**2).sum() / w.sum()))
    w = 1 / (vi + tau2)
    return (w * yi).sum() / w.sum(), w.sum() ** -0.5, q, 0.0 if q <= df else 1 - df / q


def even_p(q: float, k: int) -> float:
    return chi2_tail(q, k - 1)


def printed_result(mean, se, q, i2, k, n, digits, to_display, ceiling=np.inf, **cells):
    shown = [to_display(mean + shift * Z * se) for shift in (0, -1, 1)]
    shown = [min(max(value, -np.inf if ceiling == np.inf else 0), ceiling) for value in shown]
    estimate, low, high = (rounded(value, digits) for value in shown)
    return result(
        estimate=estimate,
        ci_low=low,
        ci_high=high,
        k=str(k),
        n=str(n),
        i2=rounded(100 * i2, digits),
        p_heterogeneity=p_text(even_p(q, k), 2),
        **cells,
    )


def no_contradiction(findings):
    assert [f for f in findings if f.verdict == CONTRADICTION] == []


@settings(max_examples=150, deadline=None)
@given(SEEDS, st.sampled_from([3, 5, 7, 13]), DIGITS, st.sampled_from(["raw", "logit", "arcsine"]))
def test_rightly_pooled_proportions(seed, k, digits, scale):
    random = np.random.default_rng(seed)
    total = random.integers(5, 60, k)
    spread = random.choice([0.0, 0.5, 2.0])
    p = 1 / (1 + np.exp(-random.normal(random.normal(0, 2), spread, k)))
    x = random.binomial(total, p)
    edge = (x == 0) | (x == total)
    x, n = x + 0.5 * edge, total + 1.0 * edge
    if scale == "raw":
        yi, vi, show = x / n, x * (n - x) / n**3, lambda t: 100 * t
    elif scale == "logit":
        yi, vi = np.log(x / (n - x)), 1 / x + 1 / (n - x)
        show = lambda t: 100 / (1 + math.exp(-t))  # noqa: E731
    else:
        yi, vi = np.arcsin(np.sqrt(x / n)), 1 / (4 * total)
        show = lambda t: 100 * math.sin(min(max(t, 0), math.pi / 2)) ** 2  # noqa: E731
    mean, se, q, i2 = pooled(yi, vi)
    row = printed_result(mean, se, q, i2, k, total.sum(), digits, show, 100)
    no_contradiction(consistency([row]))
    assert scale in [implied.scale for implied in implied_scales(row)]


@settings(max_examples=100, deadline=None)
@given(SEEDS, st.sampled_from([3, 5, 11]), DIGITS, st.sampled_from(["mean", "risk_ratio"]))
def test_rightly_pooled_means_and_ratios(seed, k, digits, statistic):
    random = np.random.default_rng(seed)
    vi = random.uniform(0.05, 0.5, k) ** 2
    yi = random.normal(random.normal(0, 1), random.choice([0, 0.3]), k) + random.normal(0, vi**0.5)
    mean, se, q, i2 = pooled(yi, vi)
    show = (lambda t: t) if statistic == "mean" else math.exp
    row = printed_result(
        mean, se, q, i2, k, "", digits + 1, show, statistic=statistic, unit="months"
    )
    no_contradiction(consistency([row]))
    assert ("raw" if statistic == "mean" else "log") in [s.scale for s in implied_scales(row)]


@settings(max_examples=150, deadline=None)
@given(SEEDS, st.sampled_from([3, 5]), DIGITS, st.booleans())
def test_right_tests_between_groups(seed, number, digits, on_logit):
    random = np.random.default_rng(seed)
    if on_logit:
        mu, se = random.normal(0, 1, number), random.uniform(0.1, 1, number)
        show = lambda t: 100 / (1 + math.exp(-t))  # noqa: E731
    else:
        mu, se = random.uniform(0.2, 0.95, number), random.uniform(0.01, 0.2, number)
        show = lambda t: 100 * t  # noqa: E731
    w = se**-2
    q = (w * (mu - (w * mu).sum() / w.sum()) ** 2).sum()
    groups = [
        printed_result(m, s, 1.0, 0.5, 3, "", digits, show, 100, variant=f"group{i}")
        for i, (m, s) in enumerate(zip(mu, se, strict=True))
    ]
    test = PublishedTest(
        outcome="response",
        variant="step1",
        test_claimed="subgroup_differences",
        statistic=rounded(q, 2),
        df=str(number - 1),
        p=p_text(even_p(q, number), 3),
        groups=" ".join(group.variant for group in groups),
        note="",
    )
    found = [f for f in consistency(groups, [test]) if f.check.startswith("test_")]
    assert len(found) == 4
    no_contradiction(found)


def test_a_test_on_another_scale_than_the_first_that_fits():
    """Logits 0.1 (se 0.34) and 2.0 (se 0.11): both intervals, rounded, look symmetric raw too."""
    groups = [
        result(variant="one", estimate="52", ci_low="36", ci_high="68"),
        result(variant="other", estimate="88", ci_low="86", ci_high="90"),
    ]
    q = (2.0 - 0.1) ** 2 / (0.34**2 + 0.11**2)
    by_scale = {found.scale: found for found in printed_q_between(groups)}
    assert by_scale["raw"].q_high < q and by_scale["logit"].q_low < q < by_scale["logit"].q_high
    test = PublishedTest(
        *("response", "step1", "subgroup_differences", f"{q:.2f}", "1", "<0.001", "one other", "")
    )
    no_contradiction(consistency(groups, [test]))


@pytest.mark.parametrize(
    ("estimate", "ci_low", "ci_high", "half"),
    [("3", "0", "10", 0.07), ("97", "90", "100", 0.07), ("3", "-4", "10", 0.07)],
)
def test_limit_beyond_what_a_proportion_can_be(estimate, ci_low, ci_high, half):
    """Clipped there or printed as computed: the untransformed interval fits, with its se."""
    raw = implied_scales(result(estimate=estimate, ci_low=ci_low, ci_high=ci_high))[0]
    assert raw.scale == "raw" and raw.se == pytest.approx(half / Z, rel=1e-12)
    assert raw.clipped == (ci_low != "-4")


# Each check by itself ------------------------------------------------------------------------


def test_p_from_i2_in_closed_form():
    """Q = df/(1 - I2): the range of the p over the roundings of 74 %, df = 26."""
    least, greatest = p_from_i2(Printed(74, 0), 27)
    assert least == pytest.approx(chi2_tail(26 / 0.255, 26), rel=1e-5)  # 1e-6 of slack in I2
    assert greatest == pytest.approx(chi2_tail(26 / 0.265, 26), rel=1e-5)
    assert p_from_i2(Printed(0, 0), 5)[1] == 1.0
    assert p_from_i2(Printed(100, 0), 5)[0] == 0.0
    with pytest.raises(ValueError, match="two studies"):
        p_from_i2(Printed(0, 0), 1)


def test_an_i2_of_zero_needs_a_p_of_that_size():
    """Q is at most df: p at least that of Q = 2 on 2 degrees of freedom, exp(-1)."""
    row = result(k="3", i2="0", p_heterogeneity="0.30")
    assert check(row, "p_from_i2").verdict == CONTRADICTION
    assert check(replace(row, p_heterogeneity="0.37"), "p_from_i2").verdict == CONSISTENT


def test_interval_off_by_one_digit_is_found():
    right = result(estimate="40.00", ci_low="30.00", ci_high="50.00")
    assert [s.scale for s in implied_scales(right)] == ["raw"]
    assert check(replace(right, ci_high="50.04"), "interval").verdict == CONTRADICTION
    (implied,) = implied_scales(right)
    assert implied.se == pytest.approx(0.1 / Z, rel=1e-12) and implied.estimate == 0.4


def test_estimate_outside_its_interval():
    assert check(result(estimate="60", ci_low="30", ci_high="50"), "interval").verdict == (
        CONTRADICTION
    )


def test_repeated_reference():
    found = check(result(k="3", studies="7 8 8"), "k_of_references")
    assert found.verdict == CONTRADICTION
    assert found.explanation == "3 references, 1 repeated are printed for 3 studies."


def test_no_numbers_no_verdict():
    assert {f.verdict for f in consistency([result()])} == {NOT_CHECKABLE}


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("88.52", 88.515, 88.525),
        ("20", 19.5, 20.5),
        ("-1.0", -1.05, -0.95),
        ("<0.01", -np.inf, 0.01),
    ],
)
def test_range_of_a_printed_number(text, low, high):
    printed = read_printed(text)
    assert printed.low == pytest.approx(low, rel=1e-6)
    assert printed.high == pytest.approx(high, rel=1e-6)


def test_cut_off_digits():
    assert read_printed("0.005").cut_off == pytest.approx((0.005, 0.006), rel=1e-6)
    assert read_printed("-0.5").cut_off == pytest.approx((-0.6, -0.5), rel=1e-6)


@pytest.mark.parametrize("text", ["1,340", "about 5", "nan", "inf", "<", "5%"])
def test_not_a_printed_number(text):
    with pytest.raises(ValueError, match="is not a printed number"):
        read_printed(text)


def test_faults_in_a_table_of_tests():
    with pytest.raises(ValueError, match="subgroup9 is no published result"):
        consistency(PUBLISHED, [replace(TESTS[0], groups="subgroup1_iv subgroup9")])
    with pytest.raises(ValueError, match="test_claimed is 'difference'"):
        consistency(PUBLISHED, [replace(TESTS[0], test_claimed="difference")])
    with pytest.raises(ValueError, match="needs two or more"):
        printed_q_between([of("muscle_pr", "subgroup1_iv")])


def test_a_total_q_called_heterogeneity_is_no_fault():
    """38.07 on 17 degrees of freedom is printed with its own p."""
    (found,) = [
        f
        for f in consistency(PUBLISHED, [replace(TESTS[1], test_claimed="heterogeneity")])
        if f.check.startswith("test_")
    ]
    assert (found.check, found.verdict) == ("test_p", CONSISTENT)


def test_wrong_p_of_a_test():
    found = consistency(PUBLISHED, [replace(TESTS[1], p="0.04")])
    (p,) = (f for f in found if f.check == "test_p")
    assert p.verdict == CONTRADICTION


def test_findings_make_a_table(tmp_path):
    findings = consistency(PUBLISHED, TESTS)
    write_records(tmp_path / "consistency.csv", Finding, findings)
    assert read_records(tmp_path / "consistency.csv", Finding) == findings
    with open(tmp_path / "consistency.csv", newline="") as file:
        assert len(list(csv.DictReader(file))) == len(findings)


@pytest.mark.parametrize(
    ("sizes", "verdict"), [({}, NOT_CHECKABLE), ({"response": {"marie2010": 73}}, CONTRADICTION)]
)
def test_a_solved_row_has_the_size_that_its_sheet_gives(sizes, verdict):
    """A reconstructed size is no check of what it was solved from; the sheet's own is one."""
    empty = dict.fromkeys(StudyEffect.__dataclass_fields__)
    state = {"study_id": "marie2010", "status": "reconstructed", "basis": "published:response"}
    row = StudyEffect(**{**empty, **state, "total": 50})
    found = consistency([result(n="65", k="1")], effects={"response": [row]}, sizes=sizes)
    (finding,) = (one for one in found if one.check == "n_of_largest_study")
    assert finding.verdict == verdict
