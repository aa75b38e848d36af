"""A bubble plot of a meta-regression on one moderator."""

import sys

sys.stderr = open(snakemake.log[0], "w")

from forestry.figures.bubble import draw_bubble
from forestry.figures.bubble_layout import BubbleSettings, bubble_layout
from forestry.figures.save import save_figure
from forestry.moderators import fit_model
from forestry.records import read_records
from forestry.results import StudyEffect, Weight

effects = read_records(snakemake.input.effects, StudyEffect)
weights = read_records(snakemake.input.weights, Weight)
settings = snakemake.params.settings
drawn = BubbleSettings.from_mapping(settings["figure"])
model = fit_model(settings["model"], effects, weights, settings["regression"])
values = model.values[drawn.moderator]
layout = bubble_layout(effects, weights, values, model.fit, drawn, model.why_not)
save_figure(draw_bubble(layout), snakemake.output)
