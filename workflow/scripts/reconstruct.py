"""The solved rows of all sheets, and what is known of them, where a review reads them."""

import sys
from pathlib import Path

sys.stderr = open(snakemake.log[0], "w")

from forestry.reconstruction.solution import read_solution
from forestry.reconstruction.write import write_reconstruction

solved = [read_solution(path) for path in snakemake.input.solved]
write_reconstruction(Path("resources"), snakemake.params.settings, solved)
