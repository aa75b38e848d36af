# The published results, beside the computed ones and against themselves.
#
# In:    resources/published.csv, published_tests.csv where there is one, results/
# Out:   results/audit.csv, results/consistency.csv
# Steps: audit  each published result, its computed one, a verdict and its reason; and what
#               the printed numbers say of each other


rule audit:
    input:
        published="resources/published.csv",
        tests=REVIEW.published_tests,
        estimates="results/estimates.csv",
        weights="results/weights.csv",
        effects=collect("results/effects/{outcome}.csv", outcome=REVIEW.outcomes),
    output:
        audit="results/audit.csv",
        consistency="results/consistency.csv",
    log:
        "logs/audit.log",
    conda:
        "../envs/forestry.yaml"
    params:
        settings=REVIEW.audit_settings(),
        code=code("audit.py"),
    script:
        "../scripts/audit.py"
