"""Every declared table: its values, the table as set, and all of them in one workbook."""

import sys

sys.stderr = open(snakemake.log[0], "w")

from forestry.supplement.workbook import write_workbook
from forestry.tables.making import Sources, make_table
from forestry.tables.model import write_table

settings, files = snakemake.params.settings, dict(snakemake.input.items())
effects = dict(zip(settings["outcomes"], files.pop("effects", []), strict=True))
sources = Sources(**files, effects=effects)
outputs = zip(snakemake.output.csv, snakemake.output.tables, strict=True)
tables = []
for table, (csv, whole) in zip(settings["tables"], outputs, strict=True):
    tables.append(make_table(table, sources, csv))
    write_table(tables[-1], whole)
write_workbook(tables, snakemake.output.workbook, settings["title"])
