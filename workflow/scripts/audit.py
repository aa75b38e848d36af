"""The published results: beside the computed ones, and against themselves."""

import sys

sys.stderr = open(snakemake.log[0], "w")

from forestry.audit import AuditRow, audit
from forestry.consistency import Finding, Published, PublishedTest, consistency
from forestry.reconstruction.files import Solution
from forestry.records import read_records, write_records
from forestry.results import Estimate, StudyEffect, Weight
from forestry.rows import read_table

settings = snakemake.params.settings
published = [Published(**row) for row in read_table(snakemake.input.published)]
tests = [PublishedTest(**row) for path in snakemake.input.tests for row in read_table(path)]
estimates = read_records(snakemake.input.estimates, Estimate)
weights = read_records(snakemake.input.weights, Weight)
solutions = [row for path in snakemake.input.solutions for row in read_records(path, Solution)]
effects = {
    outcome: read_records(path, StudyEffect)
    for outcome, path in zip(settings["outcomes"], snakemake.input.effects, strict=True)
}
rows = audit(
    published,
    estimates,
    effects,
    settings["subgroups"],
    refs=settings["refs"],
    weights=weights,
    solutions=solutions,
)
findings = consistency(published, tests, effects, refs=settings["refs"], sizes=settings["sizes"])
write_records(snakemake.output.audit, AuditRow, rows)
write_records(snakemake.output.consistency, Finding, findings)
