# From estimates to figures, one rule a kind.
#
# In:    results/effects/, results/pooled/
# Out:   results/figures/<figure>.pdf, .svg, .png
# Steps: forest  a forest plot of one outcome and variant


rule forest:
    input:
        effects=of_figure("results/effects/{outcome}.csv"),
        estimates=of_figure("results/pooled/{outcome}/estimates.csv"),
        weights=of_figure("results/pooled/{outcome}/weights.csv"),
        code=code("forest.py"),
    output:
        pdf="results/figures/{figure}.pdf",
        svg="results/figures/{figure}.svg",
        png="results/figures/{figure}.png",
    log:
        "logs/figures/{figure}.log",
    wildcard_constraints:
        figure="|".join(REVIEW.figures_of("forest")),
    conda:
        "../envs/forestry.yaml"
    params:
        settings=forest_settings,
    script:
        "../scripts/forest.py"
