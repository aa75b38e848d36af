"""An outcome's influence plot and Baujat plot."""

import sys

sys.stderr = open(snakemake.log[0], "w")

from forestry.diagnostics import InfluenceRow
from forestry.figures.baujat import draw_baujat
from forestry.figures.baujat_layout import BaujatSettings, baujat_layout
from forestry.figures.influence_layout import InfluenceSettings, influence_layout
from forestry.figures.influence_plot import draw_influence
from forestry.figures.save import save_figure
from forestry.records import read_records
from forestry.results import StudyEffect, Weight

effects = read_records(snakemake.input.effects, StudyEffect)
weights = read_records(snakemake.input.weights, Weight)
influence = influence_layout(
    effects,
    weights,
    read_records(snakemake.input.influence, InfluenceRow),
    InfluenceSettings.from_mapping(snakemake.params.settings),
)
baujat = baujat_layout(effects, weights, BaujatSettings.from_mapping(snakemake.params.settings))
save_figure(draw_influence(influence), snakemake.output.influence)
save_figure(draw_baujat(baujat), snakemake.output.baujat)
