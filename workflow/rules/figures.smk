# From estimates to figures, one rule a kind.
#
# In:    results/effects/, results/pooled/
# Out:   results/figures/<figure>.pdf, .svg, .png
# Steps: forest           a forest plot of one outcome and variant
#        subgroup_forest  a forest plot of one subgroup step, in blocks
#        funnel           a funnel plot of one outcome and variant
#        prisma_flow      the flow of records


rule forest:
    input:
        effects=of_figure("results/effects/{outcome}.csv"),
        estimates=of_figure("results/pooled/{outcome}/estimates.csv"),
        weights=of_figure("results/pooled/{outcome}/weights.csv"),
    output:
        pdf="results/figures/{figure}.pdf",
        svg=report(
            "results/figures/{figure}.svg",
            caption="../report/forest.rst",
            category=figure_category,
            subcategory="Forest plots",
            labels=figure_labels,
        ),
        png="results/figures/{figure}.png",
    log:
        "logs/figures/{figure}.log",
    wildcard_constraints:
        figure=one_of(REVIEW.figures_of("forest")),
    conda:
        "../envs/forestry.yaml"
    params:
        settings=forest_settings,
        code=code("forest.py"),
    script:
        "../scripts/forest.py"


rule subgroup_forest:
    input:
        effects=of_figure("results/subgroups/{outcome}/effects.csv"),
        estimates=of_figure("results/subgroups/{outcome}/estimates.csv"),
        weights=of_figure("results/subgroups/{outcome}/weights.csv"),
        tests=of_figure("results/subgroups/{outcome}/tests.csv"),
    output:
        pdf="results/figures/{figure}.pdf",
        svg=report(
            "results/figures/{figure}.svg",
            caption="../report/subgroup_forest.rst",
            category=figure_category,
            subcategory="Forest plots of subgroups",
            labels=figure_labels,
        ),
        png="results/figures/{figure}.png",
    log:
        "logs/figures/{figure}.log",
    wildcard_constraints:
        figure=one_of(REVIEW.figures_of("subgroup_forest")),
    conda:
        "../envs/forestry.yaml"
    params:
        settings=subgroup_forest_settings,
        code=code("subgroup_forest.py"),
    script:
        "../scripts/subgroup_forest.py"


rule funnel:
    input:
        effects=of_figure("results/effects/{outcome}.csv"),
        estimates=of_figure("results/pooled/{outcome}/estimates.csv"),
        weights=of_figure("results/pooled/{outcome}/weights.csv"),
    output:
        pdf="results/figures/{figure}.pdf",
        svg=report(
            "results/figures/{figure}.svg",
            caption="../report/funnel.rst",
            category=figure_category,
            subcategory="Funnel plots",
            labels=figure_labels,
        ),
        png="results/figures/{figure}.png",
    log:
        "logs/figures/{figure}.log",
    wildcard_constraints:
        figure=one_of(REVIEW.figures_of("funnel")),
    conda:
        "../envs/forestry.yaml"
    params:
        settings=funnel_settings,
        code=code("funnel.py"),
    script:
        "../scripts/funnel.py"


rule prisma_flow:
    output:
        pdf="results/figures/{figure}.pdf",
        svg=report(
            "results/figures/{figure}.svg",
            caption="../report/prisma_flow.rst",
            category=figure_category,
            subcategory="Flow of records",
            labels=figure_labels,
        ),
        png="results/figures/{figure}.png",
    log:
        "logs/figures/{figure}.log",
    wildcard_constraints:
        figure=one_of(REVIEW.figures_of("prisma_flow")),
    conda:
        "../envs/forestry.yaml"
    params:
        settings=dict(config.get("prisma", {})),
        code=code("prisma_flow.py"),
    script:
        "../scripts/prisma_flow.py"


rule traffic_light:
    input:
        judged="resources/quality_rob.csv",
    output:
        pdf="results/figures/risk_of_bias.pdf",
        svg=report(
            "results/figures/risk_of_bias.svg",
            caption="../report/risk_of_bias.rst",
            category="Tables",
            subcategory="Risk of bias",
            labels={"Plot": "Risk of bias of the randomised trials"},
        ),
        png="results/figures/risk_of_bias.png",
    log:
        "logs/figures/risk_of_bias.log",
    conda:
        "../envs/forestry.yaml"
    params:
        settings=documents.label_settings(REVIEW),
        code=code("quality_plots.py"),
    script:
        "../scripts/quality_plots.py"
