# Loads and checks the review, and names what the rules ask of it. Holds no rule.
#
# Bad input stops here, before any job: nothing is pooled from a sheet with a fault.

import os
import sys
from pathlib import Path

SCRIPTS = Path(workflow.basedir) / "workflow/scripts"
sys.path.insert(0, str(SCRIPTS))

from forestry.gate import GateClosed, pass_gate
from forestry.provenance import code_of
from forestry.review import Review

RESOURCES = Path("resources")
SCHEMA = Path(workflow.basedir) / "workflow/schemas/config.schema.yaml"

try:
    pass_gate(config, RESOURCES, SCHEMA, Path(".snakemake/forestry"))
except GateClosed as closed:
    raise WorkflowError(str(closed))

REVIEW = Review(config, RESOURCES)
KINDS = ["forest", "subgroup_forest"]


wildcard_constraints:
    outcome="|".join(REVIEW.outcomes),


def one_of(names):
    """A wildcard constraint: one of the names; of none, nothing matches."""
    return "|".join(names) or "(?!)"


def code(script):
    """The script and the library modules that it imports, as inputs to watch.

    Relative to the review's folder, so that a project that has moved is not made anew.
    """
    return [os.path.relpath(file) for file in code_of(SCRIPTS / script)]


def sheet(wildcards):
    return str(REVIEW.sheet(wildcards.outcome))


def effects_settings(wildcards):
    return REVIEW.effects_settings(wildcards.outcome)


def pool_settings(wildcards):
    return REVIEW.pool_settings(wildcards.outcome)


def diagnose_settings(wildcards):
    return {
        "influence": REVIEW.influence_settings(wildcards.outcome),
        "bias": REVIEW.bias_settings(wildcards.outcome),
    }


def subgroup_effects_settings(wildcards):
    return REVIEW.subgroup_effects_settings(wildcards.outcome)


def subgroup_settings(wildcards):
    return REVIEW.subgroup_settings(wildcards.outcome)


def forest_settings(wildcards):
    return REVIEW.forest_settings(wildcards.figure)


def subgroup_forest_settings(wildcards):
    return REVIEW.subgroup_forest_settings(wildcards.figure)


def of_figure(pattern):
    """An input function: the path of the outcome that a figure draws."""

    def path(wildcards):
        return pattern.format(outcome=REVIEW.figures[wildcards.figure].outcome)

    return path


def final_files():
    """Everything that a run makes for a reader."""
    tables = ["estimates", "weights", "heterogeneity", "influence"]
    tables += ["subgroups"] if REVIEW.subgrouped else []
    tables += ["bias"] if "bias" in config else []
    tables += ["audit", "consistency"] if REVIEW.is_published else []
    return [
        *collect("results/{table}.csv", table=tables),
        *collect(
            "results/figures/{figure}.{format}",
            figure=[figure for kind in KINDS for figure in REVIEW.figures_of(kind)],
            format=["pdf", "svg", "png"],
        ),
    ]
