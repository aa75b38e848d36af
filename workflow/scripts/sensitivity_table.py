"""Table of every outcome under every variant."""

import sys

sys.stderr = open(snakemake.log[0], "w")

from forestry.records import read_records, write_records
from forestry.results import Estimate, Weight
from forestry.tables.model import write_table
from forestry.tables.outcomes import Outcome
from forestry.tables.sensitivity import (
    SensitivityRecord,
    sensitivity_records,
    sensitivity_table,
)

settings = snakemake.params.settings
shown = (
    [Outcome(**words) for words in settings["outcomes"]],
    settings["variants"],
    read_records(snakemake.input.estimates, Estimate),
    read_records(snakemake.input.weights, Weight),
)
in_turn = settings["leave_one_out"]
write_records(
    snakemake.output.csv, SensitivityRecord, sensitivity_records(*shown, leave_one_out=in_turn)
)
table = sensitivity_table(
    *shown,
    id=settings["id"],
    title=settings["title"],
    leave_one_out=in_turn,
    labels=settings["labels"],
)
write_table(table, snakemake.output.table)
