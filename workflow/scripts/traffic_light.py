"""The risk of bias of the trials as traffic lights."""

import sys

sys.stderr = open(snakemake.log[0], "w")

from forestry.figures.save import save_figure
from forestry.figures.traffic_light import draw_matrix
from forestry.figures.traffic_light_layout import TrafficLightSettings, traffic_light_layout
from forestry.rows import read_table
from forestry.tables.quality import DOMAINS

settings = TrafficLightSettings(labels=snakemake.params.settings["labels"], domains=DOMAINS)
layout = traffic_light_layout(read_table(snakemake.input.judged), settings)
save_figure(draw_matrix(layout), snakemake.output)
