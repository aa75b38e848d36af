# What the rules of the bootstrap and of the multiverse ask of the review. Holds no rule.

from forestry.jobs import resampling

BOOTSTRAP = config.get("bootstrap", {})
BOOTSTRAPPED = statistics.resampled(REVIEW).get("bootstrap", [])
BOOTSTRAPPED_NAME = one_of([NAME] if BOOTSTRAP else [])
MULTIVERSE = statistics.resampled(REVIEW).get("multiverse", [])


def bootstrap_settings(wildcards):
    return resampling.bootstrap_settings(REVIEW, wildcards.outcome)


def bootstrap_table_settings(wildcards):
    return resampling.bootstrap_table_settings(REVIEW, wildcards.outcome)


def bootstrap_figure_settings(wildcards):
    return resampling.bootstrap_figure_settings(REVIEW, wildcards.outcome)


def bootstrap_files():
    """What `snakemake bootstrap` makes, where the review declares it."""
    figures = "results/figures/bootstrap/{outcome}.{format}"
    return [
        *(["results/bootstrap.csv", "results/captions"] if BOOTSTRAP else []),
        *collect(figures, outcome=BOOTSTRAPPED, format=FORMATS),
    ]


def effects_of_subgroups(wildcards):
    """The effects on the scale of an outcome's subgroups, where it has any."""
    grouped = wildcards.outcome in REVIEW.subgrouped
    return [f"results/subgroups/{wildcards.outcome}/effects.csv"] if grouped else []


def multiverse_settings(wildcards):
    return resampling.multiverse_settings(REVIEW, wildcards.outcome)


def multiverse_figure_settings(wildcards):
    return resampling.multiverse_figure_settings(REVIEW, wildcards.outcome)


def of_multiverse(table):
    return collect(f"results/multiverse/{{outcome}}/{table}.csv", outcome=MULTIVERSE)


def multiverse_files():
    """What `snakemake multiverse` makes, where the review declares it."""
    tables = ["multiverse.csv", "multiverse_choices.csv", "captions"]
    figures = "results/figures/multiverse/{outcome}.{format}"
    return [
        *collect("results/{table}", table=tables if MULTIVERSE else []),
        *collect(figures, outcome=MULTIVERSE, format=FORMATS),
    ]
