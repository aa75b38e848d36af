"""An outcome's sequential subgroups: each step's groups, and the tests between them."""

import sys

sys.stderr = open(snakemake.log[0], "w")

from forestry.effects import study_effects
from forestry.records import write_records
from forestry.results import Estimate, HeterogeneityTest, StudyEffect, SubgroupTest, Weight
from forestry.rows import read_rows
from forestry.subgroups import pool_steps

settings = snakemake.params.settings
rows = read_rows(snakemake.input.sheet, snakemake.input.solved)
effects = study_effects(rows, settings["effects"])
found = pool_steps(effects, settings["steps"])
write_records(snakemake.output.effects, StudyEffect, effects)
write_records(snakemake.output.estimates, Estimate, found.pooled.estimates)
write_records(snakemake.output.weights, Weight, found.pooled.weights)
write_records(snakemake.output.heterogeneity, HeterogeneityTest, found.pooled.heterogeneity)
write_records(snakemake.output.tests, SubgroupTest, found.tests)
