"""The pictures of a Word document, which stay in their files until the document is written.

python-docx keeps all of them in memory, compares each with all before it, and looks for a free
number in the whole document: of thousands of figures, that takes hours and gigabytes.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from forestry.atomic import replacing


class Pictures:
    """The PNG files that a document shows, by their names in its archive."""

    def __init__(self, document):
        self.document = document
        self.files: dict[str, Path] = {}

    def drawing(self, file: Path, room_mm: tuple[float, float], words: str):
        """A drawing (`wp:inline`) of a file, described by `words`, for a run to hold.

        At its own size (pixels by dpi), or smaller where `room_mm`, width and height, is.
        """
        from docx.image.image import Image
        from docx.opc.constants import CONTENT_TYPE, RELATIONSHIP_TYPE
        from docx.opc.packuri import PackURI
        from docx.opc.part import Part
        from docx.oxml.shape import CT_Inline
        from docx.shared import Mm

        number = len(self.files) + 1
        name = f"word/media/image{number}.png"
        self.files[name] = file
        held = Part(PackURI(f"/{name}"), CONTENT_TYPE.PNG, b"", self.document.part.package)
        relation = f"picture{number}"
        self.document.part.rels.add_relationship(RELATIONSHIP_TYPE.IMAGE, held, relation)
        image = Image.from_file(str(file))
        width, height = map(Mm, room_mm)
        scale = min(1.0, width / image.width, height / image.height)
        size = (round(image.width * scale), round(image.height * scale))
        inline = CT_Inline.new_pic_inline(number, relation, file.name, *size)
        inline.docPr.set("descr", words)
        return inline


def write_archive(
    archive: bytes, pictures: Mapping[str, Path], date: datetime, output: str | Path
) -> None:
    """Write a document's archive with its pictures, and with one date for all that it holds.

    Pictures are packed already, and read one after the other.
    """
    with (
        replacing(output) as part,
        zipfile.ZipFile(io.BytesIO(archive)) as old,
        zipfile.ZipFile(part, "w") as new,
    ):
        for name in old.namelist():
            member = zipfile.ZipInfo(name, date.timetuple()[:6])
            if name in pictures:
                new.writestr(member, pictures[name].read_bytes(), zipfile.ZIP_STORED)
            else:
                new.writestr(member, old.read(name), zipfile.ZIP_DEFLATED)
