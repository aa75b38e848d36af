# What single studies do to a result, and whether small studies differ.
#
# In:    results/effects/<outcome>.csv, results/pooled/<outcome>/weights.csv
# Out:   results/diagnostics/<outcome>/, results/influence.csv, results/bias.csv
# Steps: diagnose             influence in the main variant, tests of bias in every variant
#        collate_diagnostics  the outcomes' tables, one after the other


rule diagnose:
    input:
        effects="results/effects/{outcome}.csv",
        weights="results/pooled/{outcome}/weights.csv",
        code=code("diagnose.py"),
    output:
        influence="results/diagnostics/{outcome}/influence.csv",
        bias="results/diagnostics/{outcome}/bias.csv",
    log:
        "logs/diagnose/{outcome}.log",
    conda:
        "../envs/forestry.yaml"
    params:
        settings=diagnose_settings,
    script:
        "../scripts/diagnose.py"


use rule collate as collate_diagnostics with:
    input:
        tables=collect(
            "results/diagnostics/{outcome}/{{table}}.csv", outcome=REVIEW.outcomes
        ),
        code=code("collate.py"),
    output:
        table="results/{table}.csv",
    log:
        "logs/collate/{table}.log",
    wildcard_constraints:
        table="influence|bias",
