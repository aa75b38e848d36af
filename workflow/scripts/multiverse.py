"""An outcome under every combination of the declared choices, and which of them moves it."""

import sys

sys.stderr = open(snakemake.log[0], "w")

from forestry.measure_kinds import RATIOS
from forestry.multiverse.analysis import multiverse_rows
from forestry.multiverse.choices import choice_rows
from forestry.records import write_records
from forestry.results import ChoiceRow, MultiverseRow
from forestry.rows import read_rows

settings = snakemake.params.settings
sheet = read_rows(snakemake.input.sheet, snakemake.input.solved)
rows = multiverse_rows(sheet, settings)
write_records(snakemake.output.rows, MultiverseRow, rows)
moving = choice_rows(rows, settings["measure"] in RATIOS)
write_records(snakemake.output.choices, ChoiceRow, moving)
