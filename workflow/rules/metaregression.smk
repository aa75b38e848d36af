# Effects on the studies' own columns, of the outcomes that declare it.
#
# In:    results/effects/<outcome>.csv, results/pooled/<outcome>/weights.csv
# Out:   results/metaregression.csv, results/figures/metaregression/<outcome>_<model>.*
# Steps: metaregression          every model of an outcome, a row a coefficient
#        collate_metaregression  the outcomes' tables, one after the other
#        bubble                  the bubble plot of a model of one moderator


rule metaregression:
    input:
        effects="results/effects/{outcome}.csv",
        weights="results/pooled/{outcome}/weights.csv",
    output:
        terms="results/metaregression/{outcome}.csv",
    log:
        "logs/metaregression/{outcome}.log",
    wildcard_constraints:
        outcome=one_of(REVIEW.regressed),
    conda:
        "../envs/forestry.yaml"
    params:
        settings=metaregression_settings,
        code=code("metaregression.py"),
    script:
        "../scripts/metaregression.py"


use rule collate as collate_metaregression with:
    input:
        tables=collect("results/metaregression/{outcome}.csv", outcome=REVIEW.regressed),
    output:
        table=report(
            "results/metaregression.csv",
            caption="../report/data.rst",
            category="Tables",
            subcategory="Results as data",
            labels={"Table": "metaregression.csv"},
        ),
    log:
        "logs/collate/metaregression.log",


rule bubble:
    input:
        effects=of_bubble("results/effects/{outcome}.csv"),
        weights=of_bubble("results/pooled/{outcome}/weights.csv"),
    output:
        pdf="results/figures/metaregression/{bubble}.pdf",
        svg=report(
            "results/figures/metaregression/{bubble}.svg",
            caption="../report/bubble.rst",
            category="Diagnostics",
            subcategory="Meta-regression",
            labels=bubble_labels,
        ),
        png="results/figures/metaregression/{bubble}.png",
    log:
        "logs/figures/metaregression/{bubble}.log",
    wildcard_constraints:
        bubble=one_of(REVIEW.bubbles),
    conda:
        "../envs/forestry.yaml"
    params:
        settings=bubble_settings,
        code=code("bubble.py"),
    script:
        "../scripts/bubble.py"
