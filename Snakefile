import atexit
import sys

from snakemake.utils import min_version

min_version("9.27")


configfile: "config.yaml"


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/outcomes.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/audit.smk"
include: "workflow/rules/tables.smk"
include: "workflow/rules/supplement.smk"
include: "workflow/rules/resampling.smk"
include: "workflow/rules/bootstrap.smk"
include: "workflow/rules/multiverse.smk"
include: "workflow/rules/reconstruct.smk"


# On a cluster, what takes a few seconds runs where Snakemake does.
localrules:
    all,
    analyse,
    subgroups,
    metaregression,
    collate,
    prisma_flow,
    traffic_light,
    audit,
    tables,
    legends,
    captions,
    supplement_pdf,
    supplement_docx,
    bootstrap,
    bootstrap_intervals,
    collate_bootstrap,
    bootstrap_figure,
    multiverse,
    multiverse_outcome,
    collate_multiverse,
    multiverse_figure,


rule all:
    input:
        final_files(),


onstart:
    # Here the cores are the limit. That of jobs a second has the scheduler look at all waiting
    # jobs again a second after each look, and a finished run wait for the last of these.
    if workflow.local_exec:
        workflow.scheduler.job_rate_limiter = None


onsuccess:
    # Snakemake has a few words of its own to say first.
    atexit.register(print, last_words(), file=sys.stderr)
