# The published results beside the computed ones.
#
# In:    resources/published.csv, results/estimates.csv, results/effects/
# Out:   results/audit.csv
# Steps: audit  each published result, its computed one, a verdict and its reason


rule audit:
    input:
        published="resources/published.csv",
        estimates="results/estimates.csv",
        effects=collect("results/effects/{outcome}.csv", outcome=REVIEW.outcomes),
        code=code("audit.py"),
    output:
        audit="results/audit.csv",
    log:
        "logs/audit.log",
    conda:
        "../envs/forestry.yaml"
    params:
        settings={"outcomes": list(REVIEW.outcomes)},
    script:
        "../scripts/audit.py"
