# Legends, and tables and figures assembled.
#
# In:    results/*.csv, results/effects/, results/tables/, results/figures/
# Out:   results/legends.csv, results/legends.rst, results/supplement.pdf (_2.pdf and so on),
#        results/supplement.docx, results/captions/
# Steps: legends          each figure's legend, from what was done
#        captions         of the report: each template with what it speaks of
#        supplement_pdf   title page, contents, tables, annexures; in volumes where they are many
#        supplement_docx  the same for journals that want Word


rule legends:
    input:
        estimates="results/estimates.csv",
        weights="results/weights.csv",
        effects=collect("results/effects/{outcome}.csv", outcome=REVIEW.outcomes),
        subgroup_effects=collect(
            "results/subgroups/{outcome}/effects.csv", outcome=REVIEW.subgrouped
        ),
        tests=collect(
            "results/subgroups/{outcome}/tests.csv", outcome=REVIEW.subgrouped
        ),
    output:
        legends="results/legends.csv",
        captions="results/legends.rst",
    log:
        "logs/legends.log",
    priority: OF_ALL
    conda:
        "../envs/forestry.yaml"
    params:
        settings={
            "outcomes": list(REVIEW.outcomes),
            "subgrouped": list(REVIEW.subgrouped),
            "figures": documents.legend_settings(REVIEW),
        },
        code=code("legends.py"),
    script:
        "../scripts/legends.py"


rule captions:
    input:
        **CAPTION_TEMPLATES,
    output:
        captions=directory("results/captions"),
    log:
        "logs/captions.log",
    conda:
        "../envs/forestry.yaml"
    params:
        settings={"captions": [asdict(caption) for caption in CAPTIONS]},
        code=code("captions.py"),
    script:
        "../scripts/captions.py"


rule supplement_pdf:
    input:
        tables=collect("results/tables/{table}.json", table=REVIEW.tables),
        legends="results/legends.csv",
        figures=figures_of_volume,
        template=template("supplement.typ"),
    output:
        supplement="results/supplement{volume}.pdf",
    log:
        "logs/supplement_pdf{volume}.log",
    wildcard_constraints:
        volume=r"(_\d+)?",
    priority: FIRST
    conda:
        "../envs/forestry.yaml"
    params:
        settings={**documents.supplement_settings(REVIEW), "figures": "results/figures"},
        volume=volume,
        code=code("supplement_pdf.py"),
    script:
        "../scripts/supplement_pdf.py"


rule supplement_docx:
    input:
        tables=collect("results/tables/{table}.json", table=REVIEW.tables),
        legends="results/legends.csv",
        figures=collect("results/figures/{figure}.png", figure=REVIEW.figures),
    output:
        supplement="results/supplement.docx",
    log:
        "logs/supplement_docx.log",
    priority: FIRST
    conda:
        "../envs/forestry.yaml"
    params:
        settings={**documents.supplement_settings(REVIEW), "figures": "results/figures"},
        code=code("supplement_docx.py"),
    script:
        "../scripts/supplement_docx.py"
