"""The rows of a sheet that no source gives, solved from its published results."""

import sys

sys.stderr = open(snakemake.log[0], "w")

from forestry.reconstruction.sheet import solve_sheet
from forestry.reconstruction.solution import write_solution

write_solution(snakemake.output.solved, solve_sheet(snakemake.params.settings))
