"""The distribution of an outcome's bootstrap replicates, with the intervals made of them."""

import sys

sys.stderr = open(snakemake.log[0], "w")

from forestry.bootstrap.gathering import gather
from forestry.bootstrap.replicates import Plan
from forestry.bootstrap.table import estimates_of
from forestry.bootstrap.targets import targets_of
from forestry.figures.bootstrap_layout import bootstrap_layout
from forestry.figures.bootstrap_plot import draw_bootstrap
from forestry.figures.save import save_figure
from forestry.figures.settings import ForestSettings
from forestry.records import read_records
from forestry.results import BootstrapInterval, Estimate, StudyEffect

settings = snakemake.params.settings["bootstrap"]
effects = read_records(snakemake.input.effects, StudyEffect)
first = targets_of(effects, (), {**settings, "subgroups": None})[0]
records = gather(snakemake.input.chunks, Plan(settings["replicates"], settings["seed"]))
layout = bootstrap_layout(
    read_records(snakemake.input.intervals, BootstrapInterval),
    {kind: estimates_of(first, kind, records) for kind in settings["kinds"]},
    read_records(snakemake.input.estimates, Estimate),
    ForestSettings.from_mapping(snakemake.params.settings["figure"]),
)
save_figure(draw_bootstrap(layout), snakemake.output)
