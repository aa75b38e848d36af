# The bootstrap, a target of its own: `snakemake bootstrap`. Not part of `all`.
#
# In:    results/effects/<outcome>.csv, results/subgroups/<outcome>/effects.csv
# Out:   results/bootstrap.csv, results/figures/bootstrap/<outcome>.*
# Steps: bootstrap_replicates  a chunk of an outcome's replicates
#        bootstrap_intervals   all chunks of an outcome put together, and their intervals
#        collate_bootstrap     the outcomes' intervals, one after the other
#        bootstrap_figure      the distribution of an outcome's replicates, with the intervals
#
# A replicate is drawn by its index, so that the number of chunks changes no result:
# `snakemake bootstrap --set-scatter bootstrap=40`.


scattergather:
    bootstrap=BOOTSTRAP.get("chunks", 1),


rule bootstrap:
    input:
        bootstrap_files(),


rule bootstrap_replicates:
    input:
        effects="results/effects/{outcome}.csv",
        subgroup_effects=effects_of_subgroups,
    output:
        replicates="results/bootstrap/{outcome}/replicates-{scatteritem}.npy",
    log:
        "logs/bootstrap/{outcome}/replicates-{scatteritem}.log",
    wildcard_constraints:
        outcome=BOOTSTRAPPED_NAME,
    group:
        "bootstrap"
    conda:
        "../envs/forestry.yaml"
    resources:
        mem_mb=1000,
        runtime=15,
    params:
        settings=bootstrap_settings,
        code=code("bootstrap_replicates.py"),
    script:
        "../scripts/bootstrap_replicates.py"


rule bootstrap_intervals:
    input:
        chunks=gather.bootstrap(
            "results/bootstrap/{{outcome}}/replicates-{scatteritem}.npy"
        ),
        effects="results/effects/{outcome}.csv",
        subgroup_effects=effects_of_subgroups,
    output:
        intervals="results/bootstrap/{outcome}/intervals.csv",
    log:
        "logs/bootstrap/{outcome}/intervals.log",
    wildcard_constraints:
        outcome=BOOTSTRAPPED_NAME,
    conda:
        "../envs/forestry.yaml"
    params:
        settings=bootstrap_table_settings,
        code=code("bootstrap_intervals.py"),
    script:
        "../scripts/bootstrap_intervals.py"


use rule collate as collate_bootstrap with:
    input:
        bootstrap=collect(
            "results/bootstrap/{outcome}/intervals.csv", outcome=BOOTSTRAPPED
        ),
    output:
        bootstrap=reported_data("bootstrap"),
    log:
        "logs/collate_bootstrap.log",


rule bootstrap_figure:
    input:
        chunks=gather.bootstrap(
            "results/bootstrap/{{outcome}}/replicates-{scatteritem}.npy"
        ),
        effects="results/effects/{outcome}.csv",
        intervals="results/bootstrap/{outcome}/intervals.csv",
        estimates="results/pooled/{outcome}/estimates.csv",
    output:
        pdf="results/figures/bootstrap/{outcome}.pdf",
        svg=report(
            "results/figures/bootstrap/{outcome}.svg",
            caption="../report/bootstrap.rst",
            category="Bootstrap",
            labels=outcome_labels,
        ),
        png="results/figures/bootstrap/{outcome}.png",
    log:
        "logs/figures/bootstrap/{outcome}.log",
    wildcard_constraints:
        outcome=BOOTSTRAPPED_NAME,
    conda:
        "../envs/forestry.yaml"
    params:
        settings=bootstrap_figure_settings,
        code=code("bootstrap_figure.py"),
    script:
        "../scripts/bootstrap_figure.py"
