"""Table of every outcome under every variant."""

import sys

sys.stderr = open(snakemake.log[0], "w")

from forestry.records import read_records
from forestry.results import Estimate, Weight
from forestry.tables.model import write_csv, write_table
from forestry.tables.outcomes import Outcome
from forestry.tables.sensitivity import sensitivity_table

settings = snakemake.params.settings
table = sensitivity_table(
    [Outcome(**words) for words in settings["outcomes"]],
    settings["variants"],
    read_records(snakemake.input.estimates, Estimate),
    read_records(snakemake.input.weights, Weight),
    id=settings["id"],
    title=settings["title"],
)
write_csv(table, snakemake.output.csv)
write_table(table, snakemake.output.table)
