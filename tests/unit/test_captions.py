"""Captions of Snakemake's report, as docutils reads them."""

from __future__ import annotations

import pytest
from docutils.core import publish_doctree
from jinja2 import Template

from forestry.captions import write_bound_template, write_captions
from forestry.results import FigureLegend

PLAIN = FigureLegend("1", "main", "Forest plot of relapse", "The 3 studies were pooled. I² is 0%.")
TENTH = FigureLegend("11", "main", "Forest plot of vte", "The 2 studies were pooled.")
OTHER = FigureLegend("S1", "1", "Funnel plot of relapse", "See figure 1.")
MARKED = FigureLegend("2", "main", "Odd *title*", r"a_b `c` |d| e\f **g** h_ and k < 3 & more")
LEGENDS = [OTHER, TENTH, PLAIN, MARKED]


@pytest.mark.parametrize("legend", LEGENDS, ids=lambda legend: legend.figure)
def test_a_caption_includes_its_legend_alone(legend, tmp_path):
    write_captions(tmp_path / "legends.rst", LEGENDS)
    document = publish_doctree(
        f".. include:: {tmp_path}/legends.rst\n"
        f"   :start-after: begin {legend.figure}.\n"
        f"   :end-before: .. end {legend.figure}.\n",
        settings_overrides={"halt_level": 2},
    )
    (paragraph,) = document.children
    assert paragraph.astext() == f"Figure {legend.figure}. {legend.title}. {legend.text}"
    assert paragraph.children[0].tagname == "strong"


def test_a_bound_template_speaks_of_what_it_is_told(tmp_path):
    (tmp_path / "forest.rst").write_text("Figure {{ drawn.figure }}: {{ drawn.title }}.\n")
    drawn = {"figure": "S1", "title": 'A "quoted" {{ title }} \\ of 100% {% if %} µ'}
    write_bound_template(tmp_path / "forest.rst", drawn, tmp_path / "S1.rst")
    shown = Template((tmp_path / "S1.rst").read_text(encoding="utf-8")).render()
    assert shown.strip() == f"Figure S1: {drawn['title']}."
