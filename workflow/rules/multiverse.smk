# The multiverse, a target of its own: `snakemake multiverse`. Not part of `all`.
#
# In:    the outcome's sheet; where the review reads reconstructed rows, those of the sheet
# Out:   results/multiverse.csv, results/multiverse_choices.csv, results/figures/multiverse/
# Steps: multiverse_outcome    an outcome under every combination of the declared choices
#        collate_multiverse    the outcomes' tables, one after the other
#        multiverse_figure     the specification curve of an outcome


rule multiverse:
    input:
        multiverse_files(),


rule multiverse_outcome:
    input:
        sheet=ancient(sheet),
        solved=ancient(solved_rows),
    output:
        rows="results/multiverse/{outcome}/multiverse.csv",
        choices="results/multiverse/{outcome}/multiverse_choices.csv",
    log:
        "logs/multiverse/{outcome}.log",
    wildcard_constraints:
        outcome=one_of(MULTIVERSE),
    conda:
        "../envs/forestry.yaml"
    params:
        settings=multiverse_settings,
        code=code("multiverse.py"),
    script:
        "../scripts/multiverse.py"


use rule collate as collate_multiverse with:
    input:
        multiverse=of_multiverse("multiverse"),
        multiverse_choices=of_multiverse("multiverse_choices"),
    output:
        multiverse=reported_data("multiverse"),
        multiverse_choices=reported_data("multiverse_choices"),
    log:
        "logs/collate_multiverse.log",


rule multiverse_figure:
    input:
        rows="results/multiverse/{outcome}/multiverse.csv",
        choices="results/multiverse/{outcome}/multiverse_choices.csv",
    output:
        pdf="results/figures/multiverse/{outcome}.pdf",
        svg=report(
            "results/figures/multiverse/{outcome}.svg",
            caption="../report/multiverse.rst",
            category="Multiverse",
            labels=outcome_labels,
        ),
        png="results/figures/multiverse/{outcome}.png",
    log:
        "logs/figures/multiverse/{outcome}.log",
    wildcard_constraints:
        outcome=one_of(MULTIVERSE),
    conda:
        "../envs/forestry.yaml"
    params:
        settings=multiverse_figure_settings,
        code=code("multiverse_figure.py"),
    script:
        "../scripts/multiverse_figure.py"
