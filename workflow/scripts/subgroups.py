"""An outcome's sequential subgroups: each step's groups, and the tests between them."""

import sys

sys.stderr = open(snakemake.log[0], "w")

from forestry.records import read_records, write_records
from forestry.results import Estimate, HeterogeneityTest, StudyEffect, Weight
from forestry.subgroups import SubgroupTest, pool_steps

effects = read_records(snakemake.input.effects, StudyEffect)
found = pool_steps(effects, snakemake.params.settings)
write_records(snakemake.output.estimates, Estimate, found.pooled.estimates)
write_records(snakemake.output.weights, Weight, found.pooled.weights)
write_records(snakemake.output.heterogeneity, HeterogeneityTest, found.pooled.heterogeneity)
write_records(snakemake.output.tests, SubgroupTest, found.tests)
