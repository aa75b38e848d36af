# From effects to pooled estimates.
#
# In:    results/effects/<outcome>.csv
# Out:   results/pooled/<outcome>/, results/estimates.csv, weights.csv, heterogeneity.csv
# Steps: pool     every variant of an outcome, by both models
#        collate  the outcomes' tables, one after the other


rule pool:
    input:
        effects="results/effects/{outcome}.csv",
    output:
        estimates="results/pooled/{outcome}/estimates.csv",
        weights="results/pooled/{outcome}/weights.csv",
        heterogeneity="results/pooled/{outcome}/heterogeneity.csv",
    log:
        "logs/pool/{outcome}.log",
    conda:
        "../envs/forestry.yaml"
    params:
        settings=pool_settings,
        code=code("pool.py"),
    script:
        "../scripts/pool.py"


rule collate:
    input:
        tables=[
            *collect(
                "results/pooled/{outcome}/{{table}}.csv", outcome=REVIEW.outcomes
            ),
            *collect(
                "results/subgroups/{outcome}/{{table}}.csv", outcome=REVIEW.subgrouped
            ),
        ],
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
        table="estimates|weights|heterogeneity",
    conda:
        "../envs/forestry.yaml"
    params:
        code=code("collate.py"),
    script:
        "../scripts/collate.py"
