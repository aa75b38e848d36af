"""The outcomes' tables, one after the other."""

import sys

sys.stderr = open(snakemake.log[0], "w")

from forestry.records import collate

collate(snakemake.input.tables, snakemake.output.table)
