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
        solutions=ancient([str(path) for path in REVIEW.solutions]),
        estimates="results/estimates.csv",
        weights="results/weights.csv",
        effects=collect("results/effects/{outcome}.csv", outcome=REVIEW.outcomes),
    output:
        audit=report(
            "results/audit.csv",
            caption="../report/audit.rst",
            category="Audit",
            labels={"Table": "Published beside computed (audit.csv)"},
        ),
        consistency=report(
            "results/consistency.csv",
            caption="../report/consistency.rst",
            category="Audit",
            labels={"Table": "The printed numbers by themselves (consistency.csv)"},
        ),
    log:
        "logs/audit.log",
    conda:
        "../envs/forestry.yaml"
    params:
        settings=documents.audit_settings(REVIEW),
        code=code("audit.py"),
    script:
        "../scripts/audit.py"
