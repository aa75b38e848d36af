"""Table of the reported results of some outcomes."""

import sys

sys.stderr = open(snakemake.log[0], "w")

from forestry.records import read_records
from forestry.results import Estimate, StudyEffect
from forestry.tables.model import write_csv, write_table
from forestry.tables.outcomes import Outcome
from forestry.tables.pooled import pooled_table

settings = snakemake.params.settings
outcomes = [Outcome(**words) for words in settings["outcomes"]]
effects = {
    outcome.id: read_records(path, StudyEffect)
    for outcome, path in zip(outcomes, snakemake.input.effects, strict=True)
}
estimates = read_records(snakemake.input.estimates, Estimate)
table = pooled_table(outcomes, estimates, effects, id=settings["id"], title=settings["title"])
write_csv(table, snakemake.output.csv)
write_table(table, snakemake.output.table)
