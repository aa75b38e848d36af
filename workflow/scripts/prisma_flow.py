"""The flow of records, from declared counts."""

import sys

sys.stderr = open(snakemake.log[0], "w")

from forestry.figures.prisma import draw_prisma
from forestry.figures.prisma_flow import PrismaFlow
from forestry.figures.prisma_layout import prisma_layout
from forestry.figures.save import save_figure

flow = PrismaFlow.from_mapping(snakemake.params.settings)
save_figure(draw_prisma(prisma_layout(flow)), snakemake.output)
