"""Table of the tests of small-study effects."""

import sys

sys.stderr = open(snakemake.log[0], "w")

from forestry.bias import BiasRecord
from forestry.records import read_records
from forestry.tables.bias import bias_table
from forestry.tables.model import write_csv, write_table
from forestry.tables.outcomes import Outcome

settings = snakemake.params.settings
table = bias_table(
    read_records(snakemake.input.bias, BiasRecord),
    [Outcome(**words) for words in settings["outcomes"]],
    settings["variants"],
    id=settings["id"],
    title=settings["title"],
)
write_csv(table, snakemake.output.csv)
write_table(table, snakemake.output.table)
