"""Table of the studies' quality, by the Cochrane tool or the Newcastle-Ottawa scale."""

import sys

sys.stderr = open(snakemake.log[0], "w")

from forestry.rows import read_table
from forestry.tables.model import write_csv, write_table
from forestry.tables.quality import QUALITY_TABLES

settings = snakemake.params.settings
table = QUALITY_TABLES[settings["kind"]](
    read_table(snakemake.input.judged),
    settings["labels"],
    id=settings["id"],
    title=settings["title"],
)
write_csv(table, snakemake.output.csv)
write_table(table, snakemake.output.table)
