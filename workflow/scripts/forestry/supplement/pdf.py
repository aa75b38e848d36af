"""The supplement as PDF, set by typst from `supplement.typ` and the content as JSON.

Texts reach typst as data, never as markup: no cell or legend can change the document.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import asdict
from pathlib import Path

from forestry.atomic import write_whole
from forestry.figures.typeface import typst_fonts
from forestry.supplement.model import FigureEntry, Section, Supplement

TEMPLATE = Path(__file__).with_name("supplement.typ")


def write_pdf(supplement: Supplement, output: str | Path) -> None:
    """Write the supplement as PDF. The same content gives the same bytes.

    Raises ValueError, naming the figure, where a figure's PDF is missing.
    """
    import typst

    with tempfile.TemporaryDirectory() as folder:
        room = Path(folder)
        shutil.copyfile(TEMPLATE, room / TEMPLATE.name)
        content = json.dumps(_content(supplement, room), ensure_ascii=False)
        (room / "supplement.json").write_text(content, encoding="utf-8")
        pdf = typst.compile(
            room / TEMPLATE.name,
            root=room,
            font_paths=typst_fonts(),
            timestamp=0,
        )
    write_whole(output, pdf)


def _content(supplement: Supplement, room: Path) -> dict:
    """The supplement as plain data, with its figures copied into typst's folder."""
    content = asdict(supplement)
    content["sections"] = [_section(section, room) for section in supplement.sections]
    return content


def _section(section: Section, room: Path) -> dict:
    return {
        "title": section.title,
        "intro": section.intro,
        "tables": [asdict(table) | {"name": table.name} for table in section.tables],
        "figures": [_figure(figure, room) for figure in section.figures],
    }


def _figure(figure: FigureEntry, room: Path) -> dict:
    if not Path(figure.pdf).is_file():
        raise ValueError(f"{figure.name}: no file {figure.pdf}")
    image = f"figure-{figure.id}.pdf"
    shutil.copyfile(figure.pdf, room / image)
    return {
        "id": figure.id,
        "name": figure.name,
        "title": figure.title,
        "legend": figure.legend,
        "image": image,
    }
