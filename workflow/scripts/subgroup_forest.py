"""A forest plot of one subgroup step."""

import sys

sys.stderr = open(snakemake.log[0], "w")

from forestry.figures.forest import draw_forest
from forestry.figures.forest_layout import forest_layout
from forestry.figures.save import save_figure
from forestry.figures.settings import ForestSettings
from forestry.records import read_records
from forestry.results import Estimate, StudyEffect, Weight
from forestry.subgroups import SubgroupTest, differences, in_step

settings = ForestSettings.from_mapping(snakemake.params.settings)
weights = read_records(snakemake.input.weights, Weight)
effects = read_records(snakemake.input.effects, StudyEffect)
layout = forest_layout(
    in_step(effects, weights, settings.outcome, settings.variant),
    read_records(snakemake.input.estimates, Estimate),
    weights,
    settings,
    differences(read_records(snakemake.input.tests, SubgroupTest), settings.variant),
)
save_figure(draw_forest(layout), snakemake.output)
