"""From an outcome's effects to its pooled estimates, one set a variant."""

import sys

sys.stderr = open(snakemake.log[0], "w")

from forestry.pool import pool_outcome
from forestry.records import read_records, write_records
from forestry.results import Estimate, HeterogeneityTest, StudyEffect, Weight

effects = read_records(snakemake.input.effects, StudyEffect)
pooled = pool_outcome(effects, snakemake.params.settings)
write_records(snakemake.output.estimates, Estimate, pooled.estimates)
write_records(snakemake.output.weights, Weight, pooled.weights)
write_records(snakemake.output.heterogeneity, HeterogeneityTest, pooled.heterogeneity)
