# Rows that no source gives, solved from the published results: a target of its own.
#
# In:    resources/: the sheets with rows to solve, published.csv; config.yaml
# Out:   resources/reconstructed/<sheet>.csv, solutions.csv, cells.csv, manifest.csv
# Steps: solve_sheet  the rows of a sheet, in a file named by all that they are solved from
#        reconstruct  puts them where a review with `reconstructed: true` reads them
#
# The second writes files that are committed, and Snakemake deletes what it knows as an
# output before a job: so it declares none, and runs whenever it is asked for.


rule solve_sheet:
    output:
        solved=".snakemake/forestry/solved/{sheet}-{digest}.json",
    log:
        "logs/reconstruct/{sheet}-{digest}.log",
    wildcard_constraints:
        sheet=r"[A-Za-z]\w*",
        digest=r"[0-9a-f]{16}",
    conda:
        "../envs/forestry.yaml"
    params:
        settings=solve_settings,
        code=code("solve_sheet.py"),
    script:
        "../scripts/solve_sheet.py"


rule reconstruct:
    input:
        solved=solved_sheets,
    log:
        "logs/reconstruct.log",
    conda:
        "../envs/forestry.yaml"
    params:
        settings=reconstruct_settings,
        code=code("reconstruct.py"),
    script:
        "../scripts/reconstruct.py"
