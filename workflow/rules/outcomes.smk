# From the sheets to every number of an outcome, one job an outcome.
#
# In:    resources/extraction/<data>.csv, or resources/studies.csv; where the review reads
#        reconstructed rows, resources/reconstructed/<data>.csv
# Out:   results/effects/<outcome>.csv, results/pooled/<outcome>/, results/diagnostics/<outcome>/,
#        results/subgroups/<outcome>/, results/metaregression/<outcome>.csv,
#        results/estimates.csv, weights.csv, heterogeneity.csv, influence.csv, ...
# Steps: analyse         effects of the studies; every variant pooled, by both models; influence
#                        in the main variant, tests of bias in every variant
#        subgroups       effects on the subgroups' scale; every step, and the tests between and
#                        within its groups; of the outcomes that declare them
#        metaregression  every model, a row a coefficient; of the outcomes that declare them
#        collate         the outcomes' tables, one after the other
#
# Both are sources and ancient: what matters of them is the digest in the settings.


rule analyse:
    input:
        sheet=ancient(sheet),
        solved=ancient(solved_rows),
    output:
        effects="results/effects/{outcome}.csv",
        estimates="results/pooled/{outcome}/estimates.csv",
        weights="results/pooled/{outcome}/weights.csv",
        heterogeneity="results/pooled/{outcome}/heterogeneity.csv",
        influence="results/diagnostics/{outcome}/influence.csv",
        bias="results/diagnostics/{outcome}/bias.csv",
        trim_and_fill="results/diagnostics/{outcome}/trim_and_fill.csv",
    log:
        "logs/analyse/{outcome}.log",
    priority: analyse_priority
    conda:
        "../envs/forestry.yaml"
    params:
        settings=analyse_settings,
        code=code("analyse.py"),
    script:
        "../scripts/analyse.py"


rule subgroups:
    input:
        sheet=ancient(sheet),
        solved=ancient(solved_rows),
    output:
        effects="results/subgroups/{outcome}/effects.csv",
        estimates="results/subgroups/{outcome}/estimates.csv",
        weights="results/subgroups/{outcome}/weights.csv",
        heterogeneity="results/subgroups/{outcome}/heterogeneity.csv",
        tests="results/subgroups/{outcome}/tests.csv",
    log:
        "logs/subgroups/{outcome}.log",
    wildcard_constraints:
        outcome=one_of(REVIEW.subgrouped),
    priority: analyse_priority
    conda:
        "../envs/forestry.yaml"
    params:
        settings=subgroup_settings,
        code=code("subgroups.py"),
    script:
        "../scripts/subgroups.py"


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
    priority: FIRST
    conda:
        "../envs/forestry.yaml"
    params:
        settings=metaregression_settings,
        code=code("metaregression.py"),
    script:
        "../scripts/metaregression.py"


rule collate:
    input:
        **COLLATED,
    output:
        **{table: reported_data(table) for table in COLLATED},
    log:
        "logs/collate.log",
    priority: OF_ALL
    conda:
        "../envs/forestry.yaml"
    params:
        code=code("collate.py"),
    script:
        "../scripts/collate.py"
