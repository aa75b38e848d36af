# Sequential subgroups of the outcomes that declare them.
#
# In:    the outcome's sheet
# Out:   results/subgroups/<outcome>/, results/subgroups.csv
# Steps: subgroup_effects  effects on the scale on which the subgroups are pooled
#        subgroups         every step: its groups, and the tests between and within them
#        collate_subgroups the outcomes' tests, one after the other


use rule effects as subgroup_effects with:
    output:
        effects="results/subgroups/{outcome}/effects.csv",
    log:
        "logs/subgroups/{outcome}-effects.log",
    params:
        settings=subgroup_effects_settings,
        code=code("effects.py"),


rule subgroups:
    input:
        effects="results/subgroups/{outcome}/effects.csv",
    output:
        estimates="results/subgroups/{outcome}/estimates.csv",
        weights="results/subgroups/{outcome}/weights.csv",
        heterogeneity="results/subgroups/{outcome}/heterogeneity.csv",
        tests="results/subgroups/{outcome}/tests.csv",
    log:
        "logs/subgroups/{outcome}.log",
    conda:
        "../envs/forestry.yaml"
    params:
        settings=subgroup_settings,
        code=code("subgroups.py"),
    script:
        "../scripts/subgroups.py"


use rule collate as collate_subgroups with:
    input:
        tables=collect(
            "results/subgroups/{outcome}/tests.csv", outcome=REVIEW.subgrouped
        ),
    output:
        table=report(
            "results/subgroups.csv",
            caption="../report/data.rst",
            category="Tables",
            subcategory="Results as data",
            labels={"Table": "subgroups.csv"},
        ),
    log:
        "logs/collate/subgroups.log",
