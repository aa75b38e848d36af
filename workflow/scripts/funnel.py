"""A funnel plot of one outcome and variant."""

import sys

sys.stderr = open(snakemake.log[0], "w")

from forestry.diagnostics import points_to_add
from forestry.figures.funnel import draw_funnel
from forestry.figures.funnel_layout import FunnelSettings, funnel_layout
from forestry.figures.save import save_figure
from forestry.records import read_records
from forestry.results import Estimate, StudyEffect, Weight

settings = snakemake.params.settings
effects = read_records(snakemake.input.effects, StudyEffect)
weights = read_records(snakemake.input.weights, Weight)
layout = funnel_layout(
    effects,
    read_records(snakemake.input.estimates, Estimate),
    weights,
    FunnelSettings.from_mapping(settings["plot"]),
    points_to_add(effects, weights, settings["filling"]),
)
save_figure(draw_funnel(layout), snakemake.output)
