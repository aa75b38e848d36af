"""The legend of every figure, from what was done."""

import sys

sys.stderr = open(snakemake.log[0], "w")

from forestry.captions import write_captions
from forestry.legend_rows import Results, figure_legends
from forestry.records import read_records, write_records
from forestry.results import Estimate, FigureLegend, StudyEffect, SubgroupTest, Weight


def effects_of(outcomes, paths):
    pairs = zip(outcomes, paths, strict=True)
    return {outcome: read_records(path, StudyEffect) for outcome, path in pairs}


settings = snakemake.params.settings
results = Results(
    estimates=read_records(snakemake.input.estimates, Estimate),
    weights=read_records(snakemake.input.weights, Weight),
    effects=effects_of(settings["outcomes"], snakemake.input.effects),
    subgroup_effects=effects_of(settings["subgrouped"], snakemake.input.subgroup_effects),
    tests=[row for path in snakemake.input.tests for row in read_records(path, SubgroupTest)],
)
legends = figure_legends(settings["figures"], results)
write_records(snakemake.output.legends, FigureLegend, legends)
write_captions(snakemake.output.captions, legends)
