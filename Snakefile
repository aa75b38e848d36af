from snakemake.utils import min_version

min_version("9.27")


configfile: "config.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/effects.smk"
include: "workflow/rules/pooling.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/audit.smk"


localrules:
    all,


rule all:
    input:
        collect("results/effects/{outcome}.csv", outcome=REVIEW.outcomes),
        "results/estimates.csv",
        "results/weights.csv",
        "results/heterogeneity.csv",
        "results/audit.csv",
        collect(
            "results/figures/{figure}.{format}",
            figure=REVIEW.figures_of("forest"),
            format=["pdf", "svg", "png"],
        ),


onsuccess:
    print(
        f"\nDone. The results are in {Path('results').resolve()}: figures/, estimates.csv, audit.csv"
    )
