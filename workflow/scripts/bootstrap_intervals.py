"""An outcome's bootstrap intervals, from all chunks of its replicates."""

import sys

sys.stderr = open(snakemake.log[0], "w")

from forestry.bootstrap.gathering import gather
from forestry.bootstrap.replicates import Plan
from forestry.bootstrap.table import bootstrap_table
from forestry.bootstrap.targets import targets_of
from forestry.records import read_records, write_records
from forestry.results import BootstrapInterval, StudyEffect

settings = snakemake.params.settings
targets = targets_of(
    read_records(snakemake.input.effects, StudyEffect),
    [row for path in snakemake.input.subgroup_effects for row in read_records(path, StudyEffect)],
    settings,
)
rows = bootstrap_table(
    settings["outcome"],
    targets,
    settings["kinds"],
    settings["intervals"],
    gather(snakemake.input.chunks, Plan(settings["replicates"], settings["seed"])),
)
write_records(snakemake.output.intervals, BootstrapInterval, rows)
