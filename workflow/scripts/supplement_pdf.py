"""The supplement, or a volume of it, as PDF."""

import sys

sys.stderr = open(snakemake.log[0], "w")

from pathlib import Path

from forestry.assembly import assemble
from forestry.records import read_records
from forestry.results import FigureLegend
from forestry.supplement.pdf import write_pdf
from forestry.supplement.volumes import volume
from forestry.tables.model import read_tables

supplement = assemble(
    snakemake.params.settings,
    read_tables(snakemake.input.tables),
    read_records(snakemake.input.legends, FigureLegend),
    Path(snakemake.params.settings["figures"]),
)
write_pdf(volume(supplement, **snakemake.params.volume), snakemake.output.supplement)
