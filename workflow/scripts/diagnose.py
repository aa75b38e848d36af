"""What single studies do to an outcome's result, and the tests of small-study effects."""

import sys

sys.stderr = open(snakemake.log[0], "w")

from forestry.diagnostics import (
    InfluenceRow,
    TrimAndFillRow,
    bias_rows,
    influence_rows,
    trim_and_fill_rows,
)
from forestry.records import read_records, write_records
from forestry.results import BiasRecord, StudyEffect, Weight

effects = read_records(snakemake.input.effects, StudyEffect)
weights = read_records(snakemake.input.weights, Weight)
settings = snakemake.params.settings
write_records(
    snakemake.output.influence,
    InfluenceRow,
    influence_rows(effects, weights, settings["influence"]),
)
write_records(snakemake.output.bias, BiasRecord, bias_rows(effects, weights, settings["bias"]))
write_records(
    snakemake.output.trim_and_fill,
    TrimAndFillRow,
    trim_and_fill_rows(effects, weights, settings["trim_and_fill"]),
)
