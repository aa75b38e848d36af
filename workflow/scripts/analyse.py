"""From an outcome's rows to its effects, its pooled results and what bears on them."""

import gc
import sys

sys.stderr = open(snakemake.log[0], "w")
gc.disable()  # the job is over before its garbage fills much; a tenth of its time

from forestry.diagnostics import (
    TrimAndFillRow,
    bias_rows,
    influence_rows,
    trim_and_fill_rows,
)
from forestry.effects import study_effects
from forestry.pool import pool_outcome
from forestry.records import write_records
from forestry.results import (
    BiasRecord,
    Estimate,
    HeterogeneityTest,
    InfluenceRow,
    StudyEffect,
    Weight,
)
from forestry.rows import read_rows

settings = snakemake.params.settings
rows = read_rows(snakemake.input.sheet, snakemake.input.solved)
effects = study_effects(rows, settings["effects"])
pooled = pool_outcome(effects, settings["pool"])
influence = influence_rows(effects, pooled.weights, settings["influence"])
bias = bias_rows(effects, pooled.weights, settings["bias"])
trim_and_fill = trim_and_fill_rows(effects, pooled.weights, settings["trim_and_fill"])

write_records(snakemake.output.effects, StudyEffect, effects)
write_records(snakemake.output.estimates, Estimate, pooled.estimates)
write_records(snakemake.output.weights, Weight, pooled.weights)
write_records(snakemake.output.heterogeneity, HeterogeneityTest, pooled.heterogeneity)
write_records(snakemake.output.influence, InfluenceRow, influence)
write_records(snakemake.output.bias, BiasRecord, bias)
write_records(snakemake.output.trim_and_fill, TrimAndFillRow, trim_and_fill)
