# Loads and checks the review, and names what the rules ask of it. Holds no rule.
#
# Bad input stops here, before any job: nothing is pooled from a sheet with a fault.

import os
import sys
from functools import cache
from pathlib import Path

SCRIPTS = Path(workflow.basedir) / "workflow/scripts"
sys.path.insert(0, str(SCRIPTS))

from forestry.gate import GateClosed, pass_gate
from forestry.jobs import documents, drawings, reconstruction, statistics
from forestry.provenance import code_of, digest_of
from forestry.reconstruction.files import digest_of as digest_of_task
from forestry.reconstruction.files import refusal, stale
from forestry.review import Review
from forestry.running import StillAtWork, enter

RESOURCES = Path("resources")
SCHEMA = Path(workflow.basedir) / "workflow/schemas/config.schema.yaml"
MARKS = Path(".snakemake/forestry")

try:
    if workflow.is_main_process and enter(Path(), MARKS):
        print(
            "A run here was killed: what it left unfinished is made again.",
            file=sys.stderr,
        )
    pass_gate(config, RESOURCES, SCHEMA, MARKS)
except (GateClosed, StillAtWork) as stopped:
    raise WorkflowError(str(stopped))

REVIEW = Review(config, RESOURCES)
KINDS = ["prisma_flow", "forest", "subgroup_forest", "funnel"]
FORMATS = ["pdf", "svg", "png"]


wildcard_constraints:
    outcome="|".join(REVIEW.outcomes),


def one_of(names):
    """A wildcard constraint: one of the names; of none, nothing matches."""
    return "|".join(names) or "(?!)"


def code(script):
    """A digest of the script and of the library modules that it imports, as a param.

    Snakemake does not see what a script imports; as a param, an edit there reruns the
    job, a `touch` does not, and what the terminal says of a job stays readable.
    """
    return digest_of(code_of(SCRIPTS / script))


def template(name):
    """A template of the supplement, as an input to watch."""
    return os.path.relpath(SCRIPTS / "forestry/supplement" / name)


def sheet(wildcards):
    return str(REVIEW.sheet(wildcards.outcome))


@cache
def tasks():
    """What is to be solved, by sheet."""
    return reconstruction.tasks(REVIEW)


@cache
def refuse_stale():
    """Stop where the review reads reconstructed rows that are not those of its sheets.

    Asked for by what reads them, not when the workflow is read: `reconstruct` must run.
    """
    sheets = stale(tasks(), RESOURCES) if REVIEW.is_reconstructed else []
    if sheets:
        raise WorkflowError(refusal(sheets))


def solved_rows(wildcards):
    """The file of solved rows of an outcome's sheet, if the review reads one."""
    refuse_stale()
    return [str(path) for path in REVIEW.solved(wildcards.outcome)]


def solved_sheets(wildcards):
    return [
        f".snakemake/forestry/solved/{sheet}-{digest_of_task(task)}.json"
        for sheet, task in tasks().items()
    ]


def solve_settings(wildcards):
    return tasks()[wildcards.sheet]


def reconstruct_settings(wildcards):
    return reconstruction.reconstruct_settings(REVIEW)


def effects_settings(wildcards):
    return statistics.effects_settings(REVIEW, wildcards.outcome)


def pool_settings(wildcards):
    return statistics.pool_settings(REVIEW, wildcards.outcome)


def diagnose_settings(wildcards):
    return {
        "influence": statistics.influence_settings(REVIEW, wildcards.outcome),
        "bias": statistics.bias_settings(REVIEW, wildcards.outcome),
        "trim_and_fill": statistics.trim_and_fill_settings(REVIEW, wildcards.outcome),
    }


def subgroup_effects_settings(wildcards):
    return statistics.subgroup_effects_settings(REVIEW, wildcards.outcome)


def subgroup_settings(wildcards):
    return statistics.subgroup_settings(REVIEW, wildcards.outcome)


def forest_settings(wildcards):
    return drawings.forest_settings(REVIEW, wildcards.figure)


def funnel_settings(wildcards):
    return drawings.funnel_settings(REVIEW, wildcards.figure)


def diagnostic_plot_settings(wildcards):
    return drawings.diagnostic_plot_settings(REVIEW, wildcards.outcome)


def subgroup_forest_settings(wildcards):
    return drawings.subgroup_forest_settings(REVIEW, wildcards.figure)


def metaregression_settings(wildcards):
    return statistics.metaregression_settings(REVIEW, wildcards.outcome)


def bubble_settings(wildcards):
    return drawings.bubble_settings(REVIEW, wildcards.bubble)


def table_settings(wildcards):
    return documents.table_settings(REVIEW, wildcards.table)


def figure_category(wildcards):
    return documents.figure_category(REVIEW, wildcards.figure)


def figure_labels(wildcards):
    return documents.figure_labels(REVIEW, wildcards.figure)


def outcome_labels(wildcards):
    return {"Outcome": config["outcomes"][wildcards.outcome]["label"]}


def bubble_labels(wildcards):
    return documents.bubble_labels(REVIEW, wildcards.bubble)


def table_labels(wildcards):
    title = config["tables"][wildcards.table]["title"]
    return {"Table": f"{wildcards.table}. {title}"}


def effects_in_table(wildcards):
    """The effects of the outcomes that a table names."""
    outcomes = REVIEW.table_outcomes(wildcards.table)
    return [f"results/effects/{outcome}.csv" for outcome in outcomes]


def judged(wildcards):
    """The sheet of quality that a table shows."""
    return str(REVIEW.quality_sheet(wildcards.table))


def of_figure(pattern):
    """An input function: the path of the outcome that a figure draws."""

    def path(wildcards):
        return pattern.format(outcome=REVIEW.figures[wildcards.figure].outcome)

    return path


def of_bubble(pattern):
    """An input function: the path of the outcome that a bubble plot draws."""

    def path(wildcards):
        return pattern.format(outcome=REVIEW.bubbles[wildcards.bubble][0])

    return path


def final_files():
    """Everything that a run makes for a reader."""
    tables = ["estimates", "weights", "heterogeneity", "influence"]
    tables += ["subgroups"] if REVIEW.subgrouped else []
    tables += ["bias", "trim_and_fill"] if "bias" in config else []
    tables += ["metaregression"] if REVIEW.regressed else []
    tables += ["audit", "consistency"] if REVIEW.is_published else []
    return [
        *supplement_files(),
        *collect("results/legends.{format}", format=["csv", "rst"]),
        *collect("results/{table}.csv", table=tables),
        *collect(
            "results/figures/{figure}.{format}",
            figure=[figure for kind in KINDS for figure in REVIEW.figures_of(kind)],
            format=FORMATS,
        ),
        *collect(
            "results/figures/diagnostics/{outcome}_{plot}.{format}",
            outcome=REVIEW.compared,
            plot=["influence", "baujat"],
            format=FORMATS,
        ),
        *collect(
            "results/figures/metaregression/{bubble}.{format}",
            bubble=REVIEW.bubbles,
            format=FORMATS,
        ),
    ]


def supplement_files():
    """The tables as set and the supplement, where the review declares tables."""
    if not REVIEW.tables:
        return []
    return [
        "results/supplement.pdf",
        "results/supplement.docx",
        "results/tables/tables.xlsx",
        *collect("results/tables/{table}.csv", table=REVIEW.tables),
        *collect(
            "results/figures/risk_of_bias.{format}",
            format=FORMATS if REVIEW.tables_of("risk_of_bias") else [],
        ),
    ]
