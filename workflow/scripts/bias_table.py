"""Table of the tests of small-study effects."""

import sys

sys.stderr = open(snakemake.log[0], "w")

from forestry.records import read_records, write_records
from forestry.results import BiasRecord, Weight
from forestry.tables.bias import bias_table, declared_tests
from forestry.tables.model import write_table
from forestry.tables.outcomes import Outcome

settings = snakemake.params.settings
shown = (
    read_records(snakemake.input.bias, BiasRecord),
    [Outcome(**words) for words in settings["outcomes"]],
    settings["variants"],
)
write_records(snakemake.output.csv, BiasRecord, declared_tests(*shown))
table = bias_table(
    *shown,
    read_records(snakemake.input.weights, Weight),
    id=settings["id"],
    title=settings["title"],
)
write_table(table, snakemake.output.table)
