"""The captions of the report: each template, told what it speaks of."""

import sys

sys.stderr = open(snakemake.log[0], "w")

from pathlib import Path

from forestry.captions import write_bound_template

for caption in snakemake.params.settings["captions"]:
    path = Path(snakemake.output.captions, f"{caption['path']}.rst")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bound_template(snakemake.input[caption["template"]], caption["drawn"], path)
