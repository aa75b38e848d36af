# Loads and checks the review, and names what the rules ask of it. Holds no rule.
#
# Bad input stops here, before any job: nothing is pooled from a sheet with a fault.

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


wildcard_constraints:
    outcome="|".join(REVIEW.outcomes),


def code(script):
    """The script and the library modules that it imports, as inputs to watch."""
    return [str(file) for file in code_of(SCRIPTS / script)]


def sheet(wildcards):
    return str(REVIEW.sheet(wildcards.outcome))


def effects_settings(wildcards):
    return REVIEW.effects_settings(wildcards.outcome)


def pool_settings(wildcards):
    return REVIEW.pool_settings(wildcards.outcome)


def subgroup_effects_settings(wildcards):
    return REVIEW.subgroup_effects_settings(wildcards.outcome)


def subgroup_settings(wildcards):
    return REVIEW.subgroup_settings(wildcards.outcome)


def forest_settings(wildcards):
    return REVIEW.forest_settings(wildcards.figure)


def of_figure(pattern):
    """An input function: the path of the outcome that a figure draws."""

    def path(wildcards):
        return pattern.format(outcome=REVIEW.figures[wildcards.figure].outcome)

    return path
