# From the sheet to effects.
#
# In:    resources/extraction/<data>.csv, or resources/studies.csv; where the review reads
#        reconstructed rows, resources/reconstructed/<data>.csv
# Out:   results/effects/<outcome>.csv
# Steps: effects  a study's rows become an effect and its variance, with how it was obtained
#
# Both are sources and ancient: what matters of them is the digest in the settings.


rule effects:
    input:
        sheet=ancient(sheet),
        solved=ancient(solved_rows),
    output:
        effects="results/effects/{outcome}.csv",
    log:
        "logs/effects/{outcome}.log",
    conda:
        "../envs/forestry.yaml"
    params:
        settings=effects_settings,
        code=code("effects.py"),
    script:
        "../scripts/effects.py"
