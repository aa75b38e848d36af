"""Every plot of an outcome, each as PDF, SVG and PNG."""

import gc
import sys

sys.stderr = open(snakemake.log[0], "w")
gc.disable()  # the job is over before its garbage fills much; a tenth of its time

from forestry.figures.outcome import draw
from forestry.figures.save import save_figure

files = zip(snakemake.output.pdf, snakemake.output.svg, snakemake.output.png, strict=True)
for drawing, paths in zip(snakemake.params.settings["drawings"], files, strict=True):
    figure = draw(drawing["kind"], drawing["settings"], dict(snakemake.input.items()))
    save_figure(figure, paths)
