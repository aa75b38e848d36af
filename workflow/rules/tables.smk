# The tables: unrounded as CSV, as set (JSON) for the supplement, and all in one workbook.
#
# In:    results/*.csv, results/effects/, resources/studies.csv, quality_*.csv
# Out:   results/tables/<table>.csv, <table>.json, tables.xlsx
# Steps: tables  the included studies and their patients; the reported results of some outcomes;
#                risk of bias and Newcastle-Ottawa stars; every outcome under every variant; the
#                tests of small-study effects


rule tables:
    input:
        **documents.table_sources(REVIEW),
    output:
        csv=[reported_table(table) for table in REVIEW.tables],
        tables=collect("results/tables/{table}.json", table=REVIEW.tables),
        workbook=report(
            "results/tables/tables.xlsx",
            caption="../report/workbook.rst",
            category="Tables",
            subcategory="Of the supplement",
            labels={"Table": "All tables in one workbook"},
        ),
    log:
        "logs/tables.log",
    priority: OF_ALL
    conda:
        "../envs/forestry.yaml"
    params:
        settings=documents.tables_settings(REVIEW),
        code=code("tables.py"),
    script:
        "../scripts/tables.py"
