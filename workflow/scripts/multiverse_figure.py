"""The specification curve of an outcome's multiverse."""

import sys

sys.stderr = open(snakemake.log[0], "w")

from forestry.figures.multiverse_layout import multiverse_layout
from forestry.figures.multiverse_plot import draw_multiverse
from forestry.figures.save import save_figure
from forestry.figures.settings import ForestSettings
from forestry.records import read_records
from forestry.results import ChoiceRow, MultiverseRow

layout = multiverse_layout(
    read_records(snakemake.input.rows, MultiverseRow),
    read_records(snakemake.input.choices, ChoiceRow),
    ForestSettings.from_mapping(snakemake.params.settings["figure"]),
)
save_figure(draw_multiverse(layout), snakemake.output)
