"""The second bundled review as a bed of tests: its jobs, each by its first output."""

from __future__ import annotations

from runs.harness import ROOT

BCG = ROOT / "reviews/bcg"
SHEET = "resources/extraction/tuberculosis.csv"

OUTCOMES = ("tuberculosis", "tuberculosis_odds", "tuberculosis_unvaccinated")
RATIOS = ("tuberculosis", "tuberculosis_odds")  # from one sheet
FIRST_FIGURES = {
    "tuberculosis": "1",
    "tuberculosis_odds": "3",
    "tuberculosis_unvaccinated": "4",
}
SUBGROUPS = {"results/subgroups/tuberculosis/effects.csv"}
METAREGRESSION = {"results/metaregression/tuberculosis.csv"}
MODERATORS = {"results/figures/5.pdf"}  # the figure of subgroups
DIAGNOSTICS = {"results/figures/diagnostics/tuberculosis_influence.pdf"}  # with the bubble plots
LEGENDS = {"results/legends.csv"}
CAPTIONS = {"results/captions"}
AUDIT = {"results/audit.csv"}
# What holds all outcomes: the results as data, and what is made from them.
AGGREGATES = {"results/estimates.csv", *AUDIT, *LEGENDS}


def analyse(*outcomes: str) -> set[str]:
    return {f"results/effects/{outcome}.csv" for outcome in outcomes}


def draw(*outcomes: str) -> set[str]:
    return {f"results/figures/{FIRST_FIGURES[outcome]}.pdf" for outcome in outcomes}


def whole(*outcomes: str) -> set[str]:
    """All jobs of these outcomes and what holds all outcomes."""
    own = SUBGROUPS | METAREGRESSION | MODERATORS | DIAGNOSTICS
    drawn = analyse(*outcomes) | draw(*outcomes) | AGGREGATES
    return drawn | own if "tuberculosis" in outcomes else drawn
