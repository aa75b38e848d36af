# What single studies do to a result, and whether small studies differ.
#
# In:    results/effects/<outcome>.csv, results/pooled/<outcome>/weights.csv
# Out:   results/diagnostics/<outcome>/, results/influence.csv, bias.csv, trim_and_fill.csv,
#        results/figures/diagnostics/<outcome>_influence.*, <outcome>_baujat.*
# Steps: diagnose             influence in the main variant, tests of bias in every variant
#        collate_diagnostics  the outcomes' tables, one after the other
#        diagnostic_plots     influence plot and Baujat plot


rule diagnose:
    input:
        effects="results/effects/{outcome}.csv",
        weights="results/pooled/{outcome}/weights.csv",
    output:
        influence="results/diagnostics/{outcome}/influence.csv",
        bias="results/diagnostics/{outcome}/bias.csv",
        trim_and_fill="results/diagnostics/{outcome}/trim_and_fill.csv",
    log:
        "logs/diagnose/{outcome}.log",
    conda:
        "../envs/forestry.yaml"
    params:
        settings=diagnose_settings,
        code=code("diagnose.py"),
    script:
        "../scripts/diagnose.py"


use rule collate as collate_diagnostics with:
    input:
        tables=collect(
            "results/diagnostics/{outcome}/{{table}}.csv", outcome=REVIEW.outcomes
        ),
    output:
        table=report(
            "results/{table}.csv",
            caption="../report/data.rst",
            category="Tables",
            subcategory="Results as data",
            labels={"Table": "{table}.csv"},
        ),
    log:
        "logs/collate/{table}.log",
    wildcard_constraints:
        table="influence|bias|trim_and_fill",


rule diagnostic_plots:
    input:
        effects="results/effects/{outcome}.csv",
        weights="results/pooled/{outcome}/weights.csv",
        influence="results/diagnostics/{outcome}/influence.csv",
    output:
        influence=[
            "results/figures/diagnostics/{outcome}_influence.pdf",
            report(
                "results/figures/diagnostics/{outcome}_influence.svg",
                caption="../report/influence.rst",
                category="Diagnostics",
                subcategory="Influence plots",
                labels=outcome_labels,
            ),
            "results/figures/diagnostics/{outcome}_influence.png",
        ],
        baujat=[
            "results/figures/diagnostics/{outcome}_baujat.pdf",
            report(
                "results/figures/diagnostics/{outcome}_baujat.svg",
                caption="../report/baujat.rst",
                category="Diagnostics",
                subcategory="Baujat plots",
                labels=outcome_labels,
            ),
            "results/figures/diagnostics/{outcome}_baujat.png",
        ],
    log:
        "logs/figures/diagnostics/{outcome}.log",
    conda:
        "../envs/forestry.yaml"
    params:
        settings=diagnostic_plot_settings,
        code=code("diagnostic_plots.py"),
    script:
        "../scripts/diagnostic_plots.py"
