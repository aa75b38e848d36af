"""The outcomes' tables of every kind, one after the other."""

import sys

sys.stderr = open(snakemake.log[0], "w")

from forestry.records import collate

for table, output in snakemake.output.items():
    collate(snakemake.input.get(table), output)
