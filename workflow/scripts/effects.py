"""From an outcome's rows to its effects."""

import sys

sys.stderr = open(snakemake.log[0], "w")

from forestry.effects import study_effects
from forestry.records import write_records
from forestry.results import StudyEffect
from forestry.rows import read_rows

write_records(
    snakemake.output.effects,
    StudyEffect,
    study_effects(
        read_rows(snakemake.input.sheet, snakemake.input.solved), snakemake.params.settings
    ),
)
