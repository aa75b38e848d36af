# The tables, one rule a kind: unrounded as CSV, and as set (JSON) for workbook and supplement.
#
# In:    results/estimates.csv, weights.csv, bias.csv, resources/studies.csv, quality_*.csv
# Out:   results/tables/<table>.csv, results/tables/tables.xlsx
# Steps: characteristics_table  the included studies and their patients
#        pooled_table           the reported results of some outcomes
#        quality_table          risk of bias, or Newcastle-Ottawa stars
#        sensitivity_table      every outcome under every variant
#        bias_table             the tests of small-study effects
#        workbook               all of them in one workbook


rule characteristics_table:
    input:
        studies="resources/studies.csv",
        estimates="results/estimates.csv",
        effects=effects_in_table,
    output:
        csv=report(
            "results/tables/{table}.csv",
            caption="../report/table.rst",
            category="Tables",
            subcategory="Of the supplement",
            labels=table_labels,
        ),
        table="results/tables/{table}.json",
    log:
        "logs/tables/{table}.log",
    wildcard_constraints:
        table=one_of(REVIEW.tables_of("characteristics")),
    conda:
        "../envs/forestry.yaml"
    params:
        settings=table_settings,
        code=code("characteristics_table.py"),
    script:
        "../scripts/characteristics_table.py"


rule pooled_table:
    input:
        estimates="results/estimates.csv",
        effects=effects_in_table,
    output:
        csv=report(
            "results/tables/{table}.csv",
            caption="../report/table.rst",
            category="Tables",
            subcategory="Of the supplement",
            labels=table_labels,
        ),
        table="results/tables/{table}.json",
    log:
        "logs/tables/{table}.log",
    wildcard_constraints:
        table=one_of(REVIEW.tables_of("pooled")),
    conda:
        "../envs/forestry.yaml"
    params:
        settings=table_settings,
        code=code("pooled_table.py"),
    script:
        "../scripts/pooled_table.py"


rule quality_table:
    input:
        judged=judged,
    output:
        csv=report(
            "results/tables/{table}.csv",
            caption="../report/table.rst",
            category="Tables",
            subcategory="Of the supplement",
            labels=table_labels,
        ),
        table="results/tables/{table}.json",
    log:
        "logs/tables/{table}.log",
    wildcard_constraints:
        table=one_of(
            REVIEW.tables_of("risk_of_bias") + REVIEW.tables_of("newcastle_ottawa")
        ),
    conda:
        "../envs/forestry.yaml"
    params:
        settings=table_settings,
        code=code("quality_table.py"),
    script:
        "../scripts/quality_table.py"


rule sensitivity_table:
    input:
        estimates="results/estimates.csv",
        weights="results/weights.csv",
    output:
        csv=report(
            "results/tables/{table}.csv",
            caption="../report/table.rst",
            category="Tables",
            subcategory="Of the supplement",
            labels=table_labels,
        ),
        table="results/tables/{table}.json",
    log:
        "logs/tables/{table}.log",
    wildcard_constraints:
        table=one_of(REVIEW.tables_of("sensitivity")),
    conda:
        "../envs/forestry.yaml"
    params:
        settings=table_settings,
        code=code("sensitivity_table.py"),
    script:
        "../scripts/sensitivity_table.py"


rule bias_table:
    input:
        bias="results/bias.csv",
        weights="results/weights.csv",
    output:
        csv=report(
            "results/tables/{table}.csv",
            caption="../report/table.rst",
            category="Tables",
            subcategory="Of the supplement",
            labels=table_labels,
        ),
        table="results/tables/{table}.json",
    log:
        "logs/tables/{table}.log",
    wildcard_constraints:
        table=one_of(REVIEW.tables_of("bias")),
    conda:
        "../envs/forestry.yaml"
    params:
        settings=table_settings,
        code=code("bias_table.py"),
    script:
        "../scripts/bias_table.py"


rule workbook:
    input:
        tables=collect("results/tables/{table}.json", table=REVIEW.tables),
    output:
        workbook=report(
            "results/tables/tables.xlsx",
            caption="../report/workbook.rst",
            category="Tables",
            subcategory="Of the supplement",
            labels={"Table": "All tables in one workbook"},
        ),
    log:
        "logs/tables/workbook.log",
    conda:
        "../envs/forestry.yaml"
    params:
        settings={"title": config["review"]["title"]},
        code=code("workbook.py"),
    script:
        "../scripts/workbook.py"
