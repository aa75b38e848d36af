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


localrules:
    all,
    bootstrap,
    multiverse,


rule all:
    input:
        final_files(),


onsuccess:
    # Snakemake has a few words of its own to say first.
    done = f"\nDone. The results are in {Path('results').resolve()}"
    atexit.register(print, done, file=sys.stderr)
