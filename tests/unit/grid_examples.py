"""The reference grid: what is compared with R, the way to our result, and how near it must be.

`tests/reference/grid.json` (made by `grid.R`) holds public data sets as sheets and R's answers,
`grid_counts.json` (made by `grid_counts.R`) those of the models of counts.
Our side goes the way of a review: rows of a sheet, effects, a declared way of pooling, estimates.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import product

import numpy as np
from pooling_examples import effects, pooled, reference, row, rows_by_model

from forestry.measure_kinds import KINDS
from forestry.results import Estimate, StudyEffect
from forestry.rows import NUMBERS
from forestry.scales import harmonic_mean, to_display

# What the grid is, by construction: the product of these --------------------------------------

DATASETS = {
    "proportion": (
        *("pritz1997", "debruin2009", "hannum2020"),
        *("nielweise2007_treated", "nielweise2007_control", "egger2001_control"),
    ),
    "two_arms": (
        *("bcg", "nielweise2007", "egger2001", "li2007"),
        *("hine1989", "linde2005", "yusuf1985", "collins1985a"),
    ),
    "two_means": ("normand1999", "gibson2002", "curtis1998"),
    "one_mean": ("normand1999_treated", "senn2013_placebo"),
    "rates": (
        *("hart1999_treated", "hart1999_control"),
        *("nielweise2008_treated", "nielweise2008_control"),
    ),
    "two_rates": ("hart1999", "nielweise2008"),
    "correlations": ("molloy2014", "crede2010"),
    "hazards": ("pignon2000",),
    "ratios": ("hackshaw1998",),
    "differences": ("raudenbush1985",),
}
MEASURES = {
    "proportion": (
        *("proportion_raw", "proportion_log", "proportion_logit"),
        *("proportion_arcsine", "proportion_double_arcsine"),
    ),
    "two_arms": ("risk_ratio", "odds_ratio", "risk_difference", "peto_odds_ratio"),
    "two_means": ("mean_difference", "standardized_mean_difference", "ratio_of_means"),
    "one_mean": ("mean",),
    "rates": ("incidence_rate_raw", "incidence_rate_log", "incidence_rate_square_root"),
    "two_rates": ("incidence_rate_ratio", "incidence_rate_difference"),
    "correlations": ("correlation",),
    "hazards": ("hazard_ratio",),
    "ratios": ("generic_ratio",),
    "differences": ("generic_difference",),
}
TAU2_METHODS = ("DL", "HE", "HS", "SJ", "EB", "PM", "ML", "REML")
# Each interval with a convention of prediction: metafor's own, or Riley's.
INTERVALS = {
    "wald": "z",
    "t": "t_k_minus_1",
    "hartung_knapp": "t_k_minus_2",
    "hartung_knapp_ad_hoc": "t_k_minus_1",
}
BLOCKS = tuple(pair for family in DATASETS for pair in product(DATASETS[family], MEASURES[family]))
FITS = tuple(product(BLOCKS, TAU2_METHODS))
MANTEL_HAENSZEL = tuple(
    product(DATASETS["two_arms"], ("risk_ratio", "odds_ratio", "risk_difference"))
)

# How near -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Tolerance:
    """The largest difference allowed, relative as in `difference`, and why no smaller one."""

    limit: float
    why: str


# `docs/agreement.md` prints the worst difference seen beside each limit.
TOLERANCES = {
    "closed_form": Tolerance(
        1e-10,
        "double precision on both sides; the worst are p values far in the tails and data whose "
        "variances span seven orders of magnitude (curtis1998)",
    ),
    "iterative": Tolerance(
        1e-10, "both sides run until their steps are as small as rounding allows"
    ),
    "q_profile": Tolerance(1e-10, "both sides solve for the root to the last digits"),
    "logistic_mixed": Tolerance(
        1e-5,
        "the step of rma.glmm's numerical Hessian, behind its standard error; its optimum, with "
        "the search tightened, is nearer by one digit, and ours is no lower by test",
    ),
}
# Beside those of one-arm models: the same optimiser, or the limits of R's probabilities.
TOLERANCES |= {
    "binomial_normal": Tolerance(
        2e-5, "glmer's deviance is flat to rounding where counts are large (li2007)"
    ),
    "numerical_hessian": Tolerance(
        1e-3,
        "model CM.EL: BiasedUrn's probabilities have seven digits, their second differences three",
    ),
}
ITERATIVE = ("EB", "PM", "ML", "REML")


def kind_of(method: str) -> str:
    """The tolerance of a fit by one of TAU2_METHODS."""
    return "iterative" if method in ITERATIVE else "closed_form"


def difference(ours: float, theirs: float, scale: float = 0.0) -> float:
    """|ours - theirs| relative to theirs, or to `scale` where that is larger.

    `scale` is the standard error for an estimate or a limit, the smallest variance for tau2:
    the size below which a difference from zero means nothing.
    """
    if ours == theirs:
        return 0.0
    return abs(ours - theirs) / max(abs(theirs), scale)


# R's side -------------------------------------------------------------------------------------


@cache
def grid() -> dict:
    return reference("grid")


@cache
def counts_grid() -> dict:
    return reference("grid_counts")


@cache
def block(dataset: str, measure: str) -> dict:
    (found,) = (
        block
        for block in grid()["blocks"]
        if (block["dataset"], block["measure"]) == (dataset, measure)
    )
    return found


@cache
def random_fit(dataset: str, measure: str, method: str) -> dict:
    (found,) = (fit for fit in block(dataset, measure)["random"] if fit["method"] == method)
    return found


# Our side -------------------------------------------------------------------------------------


def declared(measure: str) -> tuple[str, dict]:
    """A measure's name in a sheet, and what it adds to the declaration of pooling."""
    for name, kind in KINDS.items():
        transform = measure.removeprefix(f"{name}_")
        if transform in kind.transforms and measure != name:
            return name, {"transform": transform}
    return measure, {}


def sheet(dataset: str, measure: str) -> list[dict]:
    """A data set as the texts of an extraction sheet."""
    columns = grid()["datasets"][dataset]
    names = [name for name in NUMBERS[measure] if name in columns]
    studies = zip(*(columns[name] for name in names), strict=True)
    return [
        row(f"s{i}", measure, **dict(zip(names, numbers, strict=True)))
        for i, numbers in enumerate(studies, start=1)
    ]


@cache
def study_effects(dataset: str, measure: str, model: str = "inverse_variance"):
    name, transform = declared(measure)
    return tuple(effects(sheet(dataset, name), name, {"model": model, **transform}))


def usable(dataset: str, measure: str) -> list[StudyEffect]:
    return [effect for effect in study_effects(dataset, measure) if effect.usable]


def result(dataset: str, measure: str, **pooling) -> dict[str, Estimate]:
    """The estimates of a data set by model, under a declared way of pooling."""
    declaration = {"model": "inverse_variance", **declared(measure)[1], **pooling}
    if "zero_cells" in pooling:
        name = declared(measure)[0]
        studies = effects(sheet(dataset, name), name, declaration)
    else:
        studies = study_effects(dataset, measure, declaration["model"])
    return rows_by_model(pooled(studies, declaration))


def shown(value: float, dataset: str, measure: str) -> float:
    """A number of R's on the scale of analysis, on the scale of display."""
    studies = usable(dataset, measure)
    scale = studies[0].scale
    n = None
    if scale == "double_arcsine":
        n = harmonic_mean([study.total for study in studies])
    return float(to_display(value, scale, n))


# Differences of a fit, by field ---------------------------------------------------------------


@cache
def effect_differences(dataset: str, measure: str) -> dict[str, float]:
    """Of the studies' effects: the worst of yi and of vi."""
    theirs, ours = block(dataset, measure), usable(dataset, measure)
    se = np.sqrt(theirs["vi"])
    rows = zip(ours, theirs["yi"], theirs["vi"], se, strict=True)
    pairs = [(difference(o.yi, y, s), difference(o.vi, v)) for o, y, v, s in rows]
    return dict(zip(("yi", "vi"), map(max, zip(*pairs, strict=True)), strict=True))


def pooled_differences(
    ours: Estimate, theirs: dict, dataset: str, measure: str
) -> dict[str, float]:
    """Of a pooled result: estimate and standard error on the scale of analysis, limits as shown."""
    low, high = (
        shown(theirs["estimate"] + side * theirs["se"], dataset, measure) for side in (-1, 1)
    )
    se = (high - low) / 2
    found = {
        "estimate": difference(ours.link_estimate, theirs["estimate"], theirs["se"]),
        "se": difference(ours.link_se, theirs["se"]),
    }
    for name in ("ci_low", "ci_high", "pi_low", "pi_high"):
        if theirs.get(name) is not None:
            limit = shown(theirs[name], dataset, measure)
            found[name] = difference(getattr(ours, name), limit, se)
    if ours.p_value is not None:
        found["p_value"] = difference(ours.p_value, theirs["p_value"])
    return found


@cache
def common_differences(dataset: str, measure: str) -> dict[str, float]:
    """Of the common-effect fit, Cochran's Q and I2 on its basis included."""
    theirs, ours = block(dataset, measure), result(dataset, measure)["common"]
    df = len(theirs["yi"]) - 1
    return {
        "q": difference(ours.q, theirs["q"], 1e-3),
        "q_p": difference(ours.q_p, theirs["q_p"]),
        "i2": difference(ours.i2, max(0.0, 1 - df / theirs["q"]), 1e-3),
        **pooled_differences(ours, theirs["common"], dataset, measure),
    }


@cache
def q_profile_differences(dataset: str, measure: str) -> dict[str, float]:
    """Of the Q-profile limits of tau2, and of I2 from tau2."""
    theirs = block(dataset, measure)["q_profile"]
    ours = result(dataset, measure, i2="tau2")["random"]
    smallest = min(block(dataset, measure)["vi"])
    scales = {"tau2_low": smallest, "tau2_high": smallest, "i2_low": 1e-3, "i2_high": 1e-3}
    return {
        name: difference(getattr(ours, name), theirs[name], scale) for name, scale in scales.items()
    }


@cache
def mantel_haenszel_differences(dataset: str, measure: str, add: float) -> dict[str, float]:
    """Of the Mantel-Haenszel effect, with `add` in the cells of a study with a zero cell."""
    (theirs,) = (
        fit
        for fit in counts_grid()["mantel_haenszel"]
        if (fit["dataset"], fit["measure"], fit["add"]) == (dataset, measure, add)
    )
    ours = result(dataset, measure, model="mantel_haenszel", mh_exact=add == 0)["common"]
    return pooled_differences(ours, theirs, dataset, measure)


@cache
def random_differences(dataset: str, measure: str, method: str, interval: str) -> dict[str, float]:
    """Of a random-effects fit, tau2, I2 on its basis, and H2 included."""
    theirs = random_fit(dataset, measure, method)
    ours = result(
        *(dataset, measure),
        tau2=method,
        interval=interval,
        prediction=INTERVALS[interval],
        i2="tau2",
        tau2_interval="none",  # has cases of its own
    )["random"]
    smallest = min(block(dataset, measure)["vi"])
    return {
        "tau2": difference(ours.tau2, theirs["tau2"], smallest),
        "tau2_se": difference(ours.tau2_se, theirs["tau2_se"]),
        "i2": difference(ours.i2, theirs["i2"], 1e-3),
        "h2": difference(ours.h2, theirs["h2"]),
        **pooled_differences(ours, theirs["intervals"][interval], dataset, measure),
    }


@cache
def peto_differences(dataset: str) -> dict[str, float]:
    """Of Peto's pooled odds ratio and his test of heterogeneity."""
    (theirs,) = (fit for fit in counts_grid()["peto"] if fit["dataset"] == dataset)
    ours = result(dataset, "peto_odds_ratio")["common"]
    return {
        "q": difference(ours.q, theirs["q"], 1e-3),
        "q_p": difference(ours.q_p, theirs["q_p"]),
        **pooled_differences(ours, theirs, dataset, "peto_odds_ratio"),
    }


@cache
def wider_differences(dataset: str, measure: str, method: str) -> dict[str, float]:
    """Of the interval that is the wider of Wald's and Hartung and Knapp's, both as R has them."""
    theirs = random_fit(dataset, measure, method)["intervals"]
    both = theirs["wald"], theirs["hartung_knapp"]
    wider = max(both, key=lambda interval: interval["ci_high"] - interval["ci_low"])
    pooling = {"tau2": method, "interval": "hartung_knapp_wider", "tau2_interval": "none"}
    ours = result(dataset, measure, **pooling)["random"]
    low, high = (shown(wider[name], dataset, measure) for name in ("ci_low", "ci_high"))
    return {
        "ci_low": difference(ours.ci_low, low, high - low),
        "ci_high": difference(ours.ci_high, high, high - low),
    }


def about_mantel_haenszel_differences(case: dict) -> dict[str, float]:
    """Of DerSimonian and Laird's model with Q about Mantel and Haenszel's mean."""
    pooling = {"model": "mantel_haenszel", "q_about": "mantel_haenszel"}
    found = result(case["table"], case["measure"], **pooling)
    ours, smallest = found["random"], min(block(case["table"], case["measure"])["vi"])
    return {
        "common": difference(found["common"].link_estimate, case["common"], ours.link_se),
        "q": difference(ours.q, case["q"]),
        "q_p": difference(ours.q_p, case["q_p"]),
        "tau2": difference(ours.tau2, case["tau2"], smallest),
        "estimate": difference(ours.link_estimate, case["random"], ours.link_se),
        "se": difference(ours.link_se, case["random_se"]),
    }


# Mixed models of counts -----------------------------------------------------------------------


@cache
def mixed_fit(dataset: str) -> dict:
    (found,) = (fit for fit in counts_grid()["logistic_mixed"] if fit["dataset"] == dataset)
    return found


@cache
def mixed_result(dataset: str) -> dict[str, Estimate]:
    return _mixed(dataset, i2="tau2")


def _mixed(dataset: str, **pooling) -> dict[str, Estimate]:
    declaration = {"model": "logistic_mixed", **pooling}
    table = sheet(dataset, "proportion")
    return rows_by_model(pooled(effects(table, "proportion", declaration), declaration))


@cache
def mixed_differences(dataset: str) -> dict[str, dict[str, float]]:
    """Of the random-intercept logistic model: what the optimiser decides, and what it does not."""
    theirs, ours = mixed_fit(dataset), mixed_result(dataset)["random"]
    low, high = ours.ci_low, ours.ci_high
    return {
        "optimum": {
            "estimate": difference(ours.link_estimate, theirs["estimate"], theirs["se"]),
            "se": difference(ours.link_se, theirs["se"]),
            "ci_low": difference(low, float(to_display(theirs["ci_low"], "logit")), high - low),
            "ci_high": difference(high, float(to_display(theirs["ci_high"], "logit")), high - low),
            "tau2": difference(ours.tau2, theirs["tau2"]),
            "i2": difference(ours.i2, theirs["i2"]),
        },
        "closed_form": {
            "wald_q": difference(ours.q, theirs["wald_q"]),
            "wald_p": difference(ours.q_p, theirs["wald_p"]),
            **_likelihood_ratio_differences(dataset, theirs),
        },
    }


def _likelihood_ratio_differences(dataset: str, theirs: dict) -> dict[str, float]:
    ours = _mixed(dataset, heterogeneity="likelihood_ratio")["random"]
    return {
        "likelihood_ratio_q": difference(ours.q, theirs["likelihood_ratio_q"]),
        "likelihood_ratio_p": difference(ours.q_p, theirs["likelihood_ratio_p"]),
    }


# Binomial-normal models of odds ratios ---------------------------------------------------------

BINOMIAL_NORMAL = {
    "UM.FS": "binomial_normal_unconditional",
    "CM.EL": "binomial_normal_conditional",
}


@cache
def binomial_normal_cases() -> tuple[dict, ...]:
    """R's random-effects fits (`two_arms.R`) of the grid's data sets."""
    fits = reference("two_arms")["glmm"]
    known = DATASETS["two_arms"]
    return tuple(fit for fit in fits if fit["method"] == "ML" and fit["table"] in known)


def binomial_normal_differences(case: dict) -> dict[str, dict[str, float]]:
    """Of a random-effects fit: its optimum, and the standard error of R's numerical Hessian."""
    pooling = {"model": BINOMIAL_NORMAL[case["model"]], "i2": "tau2"}
    ours = result(case["table"], "odds_ratio", **pooling)["random"]
    return {
        "optimum": {
            "estimate": difference(ours.link_estimate, case["estimate"], case["se"]),
            "tau2": difference(ours.tau2, case["tau2"], case["se"] ** 2),
        },
        "se": {"se": difference(ours.link_se, case["se"])},
    }
