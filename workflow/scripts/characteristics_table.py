"""Table of the included studies and their patients."""

import sys

sys.stderr = open(snakemake.log[0], "w")

from forestry.records import read_records
from forestry.results import Estimate, StudyEffect
from forestry.rows import read_table
from forestry.tables.characteristics import Characteristic, Patients, characteristics_table
from forestry.tables.model import write_csv, write_table
from forestry.tables.outcomes import Outcome

settings = snakemake.params.settings
outcomes = [Outcome(**words) for words in settings["outcomes"]]
effects = {
    outcome.id: read_records(path, StudyEffect)
    for outcome, path in zip(outcomes, snakemake.input.effects, strict=True)
}
table = characteristics_table(
    read_table(snakemake.input.studies),
    id=settings["id"],
    title=settings["title"],
    columns=[Characteristic(**column) for column in settings["columns"]],
    words=settings.get("words"),
    patients=Patients(outcomes, read_records(snakemake.input.estimates, Estimate), effects),
    abbreviations=settings.get("abbreviations", ""),
)
write_csv(table, snakemake.output.csv)
write_table(table, snakemake.output.table)
