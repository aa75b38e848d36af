# What the bootstrap's rules ask of the review. Holds no rule.

from forestry.jobs import resampling

BOOTSTRAP = config.get("bootstrap", {})
BOOTSTRAPPED = REVIEW.outcomes if BOOTSTRAP else []


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
        *(["results/bootstrap.csv"] if BOOTSTRAP else []),
        *collect(figures, outcome=BOOTSTRAPPED, format=FORMATS),
    ]


def effects_of_subgroups(wildcards):
    """The effects on the scale of an outcome's subgroups, where it has any."""
    grouped = wildcards.outcome in REVIEW.subgrouped
    return [f"results/subgroups/{wildcards.outcome}/effects.csv"] if grouped else []
