"""docs/agreement.md, made from the reference suite, so that no number in it can drift.

To write it anew, from the repository's root:
PYTHONPATH=workflow/scripts:tests:tests/unit python tests/unit/agreement_page.py
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from itertools import product
from math import floor, log10
from pathlib import Path

import numpy as np
from grid_examples import (
    BLOCKS,
    DATASETS,
    FITS,
    INTERVALS,
    ITERATIVE,
    MANTEL_HAENSZEL,
    TAU2_METHODS,
    TOLERANCES,
    about_mantel_haenszel_differences,
    binomial_normal_cases,
    binomial_normal_differences,
    block,
    common_differences,
    counts_grid,
    effect_differences,
    grid,
    mantel_haenszel_differences,
    mixed_differences,
    mixed_fit,
    mixed_result,
    peto_differences,
    q_profile_differences,
    random_differences,
    random_fit,
    result,
    wider_differences,
)
from pooling_examples import reference

from forestry import binomial_normal_conditional
from forestry.bias import harbord
from forestry.logistic_mixed import fit_random, likelihood_ratio_q, wald_q
from forestry.medians import from_median
from forestry.presets import SMD, Way, presets

TEMPLATE = Path(__file__).with_suffix(".md")
PAGE = Path(__file__).resolve().parents[2] / "docs" / "agreement.md"
MINUS = "\N{MINUS SIGN}"


# What agrees ----------------------------------------------------------------------------------


@cache
def agreement() -> dict[str, tuple[str, int, str, float]]:
    """By what is compared: R's call, cases, the kind of tolerance, the worst difference."""
    methods = {
        "closed_form": [m for m in TAU2_METHODS if m not in ITERATIVE],
        "iterative": [m for m in TAU2_METHODS if m in ITERATIVE],
    }
    rows = {
        "effects and variances": ("escalc()", "closed_form", _each(effect_differences, BLOCKS)),
        "common effect, Cochran's Q": (
            'rma(method = "EE")',
            "closed_form",
            _each(common_differences, BLOCKS),
        ),
        **{
            f"random effects by {', '.join(named)}": (
                "rma(), predict()",
                kind,
                _each(random_differences, product_of(BLOCKS, named, INTERVALS)),
            )
            for kind, named in methods.items()
        },
        "the wider of Wald's and Hartung and Knapp's interval": (
            "rma()",
            "closed_form",
            _each(wider_differences, ((*pair, method) for pair, method in FITS)),
        ),
        "Q-profile limits of tau² and I²": (
            "confint()",
            "q_profile",
            _each(q_profile_differences, BLOCKS),
        ),
        "Mantel-Haenszel, corrected or not": (
            "rma.mh()",
            "closed_form",
            _each(mantel_haenszel_differences, product_of(MANTEL_HAENSZEL, (0, 0.5))),
        ),
        "Peto's odds ratio": (
            "rma.peto()",
            "closed_form",
            [peto_differences(name) for name in DATASETS["two_arms"]],
        ),
        "DL with Q about the Mantel-Haenszel mean": (
            "rma.mh(), rma(tau2)",
            "closed_form",
            [about_mantel_haenszel_differences(case) for case in reference("two_arms")["about"]],
        ),
        "logistic mixed model": (
            'rma.glmm(measure = "PLO")',
            "logistic_mixed",
            [mixed_differences(name)["optimum"] for name in DATASETS["proportion"]],
        ),
        "its Wald and likelihood ratio tests": (
            "rma(), dbinom()",
            "closed_form",
            [mixed_differences(name)["closed_form"] for name in DATASETS["proportion"]],
        ),
        "binomial-normal models: estimate, tau²": (
            'rma.glmm(measure = "OR")',
            "binomial_normal",
            [binomial_normal_differences(case)["optimum"] for case in binomial_normal_cases()],
        ),
        "their standard error": (
            'rma.glmm(measure = "OR")',
            "numerical_hessian",
            [binomial_normal_differences(case)["se"] for case in binomial_normal_cases()],
        ),
    }
    return {
        name: (call, len(found), kind, max(max(case.values()) for case in found))
        for name, (call, kind, found) in rows.items()
    }


def product_of(pairs: Iterable[tuple], *others: Iterable) -> Iterator[tuple]:
    """Each pair with each of the others."""
    return ((*pair, *rest) for pair, *rest in product(pairs, *others))


def _each(differences, cases: Iterable[tuple]) -> list[dict[str, float]]:
    return [differences(*case) for case in cases]


def bound(value: float, limit: float) -> str:
    """1, 2 or 5 of a power of ten above a difference, which other rounding will not pass."""
    wanted = max(1.5 * value, 1e-15)
    power = 10.0 ** floor(log10(wanted))
    return f"{min(limit, next(m * power for m in (1, 2, 5, 10) if m * power >= wanted)):.0e}"


def _agreement_rows() -> list[tuple[str, ...]]:
    rows = []
    for name, (call, cases, kind, worst) in agreement().items():
        limit = TOLERANCES[kind].limit
        rows.append((name, f"`{call}`", f"{cases:,}", f"{limit:.0e}", bound(worst, limit)))
    return rows


def cases() -> int:
    """How many results of R are compared in the grid."""
    return sum(row[1] for row in agreement().values())


# What does not agree ----------------------------------------------------------------------------


def _number(value: float, digits: int = 4) -> str:
    return f"{value:.{digits}f}".replace("-", MINUS)


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def _stopping_rows() -> list[tuple[str, ...]]:
    """metafor's own stopping rule against the estimate that its likelihood or equation has."""
    rows = []
    for method in ITERATIVE:
        fits = [(pair, random_fit(*pair, method)) for pair in BLOCKS]
        failed = sum(fit["default_tau2"] is None for _, fit in fits)
        off = [
            (
                abs(fit["default_tau2"] - fit["tau2"]) / max(fit["tau2"], min(block(*pair)["vi"])),
                pair,
                fit,
            )
            for pair, fit in fits
            if fit["default_tau2"] is not None
        ]
        worst, pair, fit = max(off, key=lambda row: row[0])
        rows.append(
            (
                method,
                str(len(fits)),
                str(failed),
                str(sum(size > 1e-6 for size, *_ in off)),
                f"{' '.join(pair).replace('_', ' ')}: {fit['default_tau2']:.4g}"
                f" for {fit['tau2']:.4g}",
            )
        )
    return rows


def _glmm_rows() -> list[tuple[str, ...]]:
    return [
        (
            name.replace("_", " "),
            *(f"{value:.7f}" for value in (fit["default_tau2"], fit["tau2"])),
            f"{mixed_result(name)['random'].tau2:.7f}",
        )
        for name in DATASETS["proportion"]
        for fit in [mixed_fit(name)]
    ]


def _node_rows() -> list[tuple[str, ...]]:
    names = ("pritz1997", "debruin2009", "nielweise2007_treated")
    return [
        (name.replace("_", " "), *(_number(_tau2_of_nodes(name, n)) for n in (1, 3, 7, 15, 51)))
        for name in names
    ]


def _tau2_of_nodes(name: str, nodes: int) -> float:
    columns = grid()["datasets"][name]
    return fit_random(columns["events"], columns["total"], nodes=nodes).tau2


def _conditional_rows() -> list[tuple[str, ...]]:
    """The Wald test of the exact conditional model, where R gives one."""
    two_arms = reference("two_arms")
    return [
        (case["table"], _number(case["wald_q"], 6), _number(_conditional_q(two_arms, case), 6))
        for case in two_arms["glmm"]
        if case["model"] == "CM.EL" and case["method"] == "ML" and case["wald_q"] is not None
    ]


def _conditional_q(two_arms: dict, case: dict) -> float:
    return binomial_normal_conditional.wald_q(*two_arms["tables"][case["table"]].values()).statistic


def _i2_rows() -> list[tuple[str, ...]]:
    def share(*data, **pooling):
        return _percent(result(*data, **pooling)["random"].i2)

    mixed = mixed_result("pritz1997")["random"]
    columns = grid()["datasets"]["pritz1997"]
    tests = [test(columns["events"], columns["total"]) for test in (wald_q, likelihood_ratio_q)]
    of_q = [_percent(max(0.0, 1 - test.df / test.statistic)) for test in tests]
    bcg = ("bcg", "risk_ratio")
    raw = ("pritz1997", "proportion_raw")
    return [
        ("pritz1997, logistic mixed", of_q[0], of_q[1], _percent(mixed.i2)),
        *(
            (words, share(*data, tau2="REML"), "", share(*data, tau2="REML", i2="tau2"))
            for words, data in (("bcg risk ratio, REML", bcg), ("pritz1997 raw, REML", raw))
        ),
        ("bcg risk ratio, DL", share(*bcg), "", share(*bcg, i2="tau2")),
    ]


def _q_rows() -> list[tuple[str, ...]]:
    rows = []
    for measure, about in product(
        ("risk_ratio", "odds_ratio"), ("inverse_variance", "mantel_haenszel")
    ):
        found = result("bcg", measure, model="mantel_haenszel", q_about=about)["random"]
        words = [_number(value) for value in (found.q, found.tau2, found.estimate)]
        rows.append((measure.replace("_", " "), about.replace("_", " "), *words))
    return rows


def _zero_cell_rows() -> list[tuple[str, ...]]:
    half = {"add": 0.5, "to": "only_affected"}
    treated = ("nielweise2007_treated", "proportion_raw")
    cases = [
        ("raw proportion, DL", "estimate and variance (metafor, OpenMeta)", treated, half),
        (
            "raw proportion, DL",
            "variance alone (R's meta)",
            treated,
            half | {"correct": "variance"},
        ),
        (
            "risk ratio, DL",
            "all four cells (metafor, RevMan)",
            ("nielweise2007", "risk_ratio"),
            half,
        ),
        (
            *("risk ratio, DL", "events alone (R's meta)", ("nielweise2007", "risk_ratio")),
            half | {"cells": "events"},
        ),
    ]
    rows = []
    for what, rule, data, zero_cells in cases:
        row = result(*data, zero_cells=zero_cells)["random"]
        rows.append((what, rule, *(map(_number, (row.estimate, row.ci_low, row.ci_high)))))
    return rows


def _prediction_rows() -> list[tuple[str, ...]]:
    names = {
        "z": "normal: metafor with its default test",
        "t_k_minus_1": "t, k \N{MINUS SIGN} 1: R's meta from 8.0; metafor with Hartung and Knapp",
        "t_k_minus_2": "t, k \N{MINUS SIGN} 2: R's meta to 7.0; metafor's \"Riley\"",
    }
    rows = []
    for name, words in names.items():
        row = result("bcg", "risk_ratio", tau2="REML", prediction=name)["random"]
        limits = [_number(float(np.log(limit))) for limit in (row.pi_low, row.pi_high)]
        rows.append((f"`{name}`", words, *limits))
    return rows


def _wan_row() -> tuple[str, str]:
    found = from_median("wan2014", 10, 6, minimum=2, maximum=14)
    return _number(found.sd), "3.8986"


def _harbord_words() -> str:
    columns = grid()["datasets"]["egger2001"]
    found = harbord(**columns, measure="risk_ratio")
    return f"{_number(found.bias, 6)} (t {_number(found.statistic, 6)})"


def _preset_rows() -> list[tuple[str, ...]]:
    return [
        (preset.name, ", ".join(way.measures).replace("_", " "), f"`{way.call}`", _way_words(way))
        for preset in presets().values()
        for way in preset.ways
    ]


def _way_words(way: Way) -> str:
    if way.cannot:
        return f"refused: {way.cannot}"
    shown = ("model", "transform", "tau2", "i2", "interval", "prediction", "select")
    said = [f"{key} {way.pooling[key]}" for key in shown if key in way.pooling]
    said += [f"{key} to be declared" for key in way.declare]
    if SMD in way.measures:
        said.append("Hedges' g {correction}, variance {variance}".format(**way.standardized))
    return ", ".join(said) + (f" (unlike it: {way.unlike})" if way.unlike else "")


# The page ---------------------------------------------------------------------------------------


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def page() -> str:
    """The page's text."""
    made = counts_grid()["made_by"]
    treated = grid()["datasets"]["nielweise2007_treated"]
    wald, ratio = (
        test(treated["events"], treated["total"]).p_value for test in (wald_q, likelihood_ratio_q)
    )
    wan, wan_table = _wan_row()
    return TEMPLATE.read_text(encoding="utf-8").format(
        versions=f"R {made['R']}, metafor {made['metafor']}, lme4 {made['lme4']}",
        cases=f"{cases():,}",
        agreement=table(("what", "R's call", "cases", "allowed", "all within"), _agreement_rows()),
        reasons="\n".join(
            f"- {limit.limit:.0e}, {name.replace('_', ' ')}: {limit.why}."
            for name, limit in TOLERANCES.items()
        ),
        stopping=table(
            ("estimator", "fits", "no convergence", "off by more than 1e-6", "worst tau²"),
            _stopping_rows(),
        ),
        glmm=table(("data", "rma.glmm", "rma.glmm, tightened", "here"), _glmm_rows()),
        nodes=table(("data", "1", "3", "7", "15", "51"), _node_rows()),
        conditional=table(("data", "rma.glmm", "here"), _conditional_rows()),
        i2=table(("data", "Q (Wald)", "Q (likelihood ratio)", "tau²"), _i2_rows()),
        wald=_number(wald),
        ratio=_number(ratio),
        q=table(("bcg", "Q about the mean of", "Q", "tau² (DL)", "random effects"), _q_rows()),
        zero_cells=table(("", "0.5 added to", "estimate", "from", "to"), _zero_cell_rows()),
        prediction=table(("name", "critical value", "from", "to"), _prediction_rows()),
        wan=wan,
        wan_table=wan_table,
        harbord=_harbord_words(),
        presets=table(("preset", "measures", "as", "way"), _preset_rows()),
    )


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
