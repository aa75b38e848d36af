"""The captions of the report: each template, told what it speaks of."""

import sys

sys.stderr = open(snakemake.log[0], "w")

from forestry.captions import write_bound_template

drawn = snakemake.params.settings["drawn"]
for template, words, path in zip(
    snakemake.input.templates, drawn, snakemake.output.captions, strict=True
):
    write_bound_template(template, words, path)
