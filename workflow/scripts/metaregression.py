"""An outcome's meta-regressions: every declared model, a row a coefficient."""

import sys

sys.stderr = open(snakemake.log[0], "w")

from forestry.moderators import RegressionTerm, regression_terms
from forestry.records import read_records, write_records
from forestry.results import StudyEffect, Weight

rows = regression_terms(
    read_records(snakemake.input.effects, StudyEffect),
    read_records(snakemake.input.weights, Weight),
    snakemake.params.settings,
)
write_records(snakemake.output.terms, RegressionTerm, rows)
