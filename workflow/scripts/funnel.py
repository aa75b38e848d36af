"""A funnel plot of one outcome and variant."""

import sys

sys.stderr = open(snakemake.log[0], "w")

from forestry.figures.funnel import draw_funnel
from forestry.figures.funnel_layout import FunnelSettings, funnel_layout
from forestry.figures.save import save_figure
from forestry.records import read_records
from forestry.results import Estimate, StudyEffect, Weight

layout = funnel_layout(
    read_records(snakemake.input.effects, StudyEffect),
    read_records(snakemake.input.estimates, Estimate),
    read_records(snakemake.input.weights, Weight),
    FunnelSettings.from_mapping(snakemake.params.settings),
)
save_figure(draw_funnel(layout), snakemake.output)
