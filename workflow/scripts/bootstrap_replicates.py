"""A chunk of an outcome's bootstrap replicates."""

import sys

sys.stderr = open(snakemake.log[0], "w")

from forestry.bootstrap.gathering import replicate_chunk, write_chunk
from forestry.bootstrap.replicates import Plan
from forestry.bootstrap.targets import targets_of
from forestry.records import read_records
from forestry.results import StudyEffect

settings = snakemake.params.settings
targets = targets_of(
    read_records(snakemake.input.effects, StudyEffect),
    [row for path in snakemake.input.subgroup_effects for row in read_records(path, StudyEffect)],
    settings,
)
records = replicate_chunk(
    settings["outcome"],
    targets,
    settings["kinds"],
    Plan(settings["replicates"], settings["seed"]),
    snakemake.wildcards.scatteritem,
)
write_chunk(snakemake.output.replicates, records)
