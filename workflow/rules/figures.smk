# From an outcome's tables to its figures, one job an outcome; and the figures of the review.
#
# In:    results/effects/, results/pooled/, results/diagnostics/, results/subgroups/
# Out:   results/figures/<figure>.pdf, .svg, .png
#        results/figures/diagnostics/<outcome>_influence.*, <outcome>_baujat.*
#        results/figures/metaregression/<outcome>_<model>.*
# Steps: draw_<outcome>         its plots; where it has figures of subgroups, too, only its other figures
#        moderators_<outcome>   its forest plots of subgroups
#        diagnostics_<outcome>  beside these its influence plot, Baujat plot and bubble plots
#        prisma_flow            the flow of records
#        traffic_light          the risk of bias
#
# How many plots an outcome has is declared, so each outcome has rules of its own: a job loads
# the drawing library once, and an edit redraws the plots of the outcomes that it concerns.

for job, (outcome, drawn) in DRAWING_JOBS.items():

    rule:
        name:
            job
        input:
            **drawn_from(outcome, drawn),
        output:
            pdf=[f"results/figures/{drawing.path}.pdf" for drawing in drawn],
            svg=[reported_plot(drawing) for drawing in drawn],
            png=[f"results/figures/{drawing.path}.png" for drawing in drawn],
        log:
            f"logs/figures/{job}.log",
        priority: draw_priority(drawn)
        localrule: True
        conda:
            "../envs/forestry.yaml"
        params:
            settings={"drawings": [asdict(drawing) for drawing in drawn]},
            code=code("draw.py"),
        script:
            "../scripts/draw.py"


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
        code=code("traffic_light.py"),
    script:
        "../scripts/traffic_light.py"
