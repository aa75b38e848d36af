"""All tables in one workbook."""

import sys

sys.stderr = open(snakemake.log[0], "w")

from forestry.supplement.workbook import write_workbook
from forestry.tables.model import read_tables

tables = read_tables(snakemake.input.tables)
write_workbook(tables, snakemake.output.workbook, snakemake.params.settings["title"])
