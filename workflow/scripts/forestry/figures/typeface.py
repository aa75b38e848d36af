"""The typeface's files, and the letters of them that an SVG takes with it."""

from __future__ import annotations

import atexit
from base64 import b64encode
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

PACKAGE = "font_source_sans_pro"
# A program that lacks the first of these shows an SVG's text in the next one.
FAMILIES = ["Source Sans Pro", "Source Sans 3", "Arial", "Helvetica"]
REGULAR, SEMIBOLD = 400, 600
_FILES = {
    (False, False): "Regular",
    (False, True): "It",
    (True, False): "Semibold",
    (True, True): "SemiboldIt",
}
FEATURES = ("kern", "liga")  # how letters stand beside each other


@cache
def font_file(bold: bool, italic: bool) -> Path:
    """The file of a face. Raises ModuleNotFoundError where its package is not installed."""
    return _font_folder() / f"SourceSansPro-{_FILES[bold, italic]}.ttf"


@cache
def _font_folder() -> Path:
    spec = find_spec(PACKAGE)
    if spec is None:
        raise ModuleNotFoundError(f"the figures' typeface is missing: install {PACKAGE}")
    return Path(spec.submodule_search_locations[0]) / "files"


@cache
def typst_fonts():
    """The typeface for typst (a `typst.Fonts`); no font of the machine's.

    The package holds each face twice, as TrueType and as OpenType, and typst, which takes
    fonts by folder, would set in the one that the disk happens to list first.
    """
    from typst import Fonts

    folder = TemporaryDirectory(prefix="forestry-")
    atexit.register(folder.cleanup)  # it is read from as long as there is something to set
    for file in _font_folder().glob("*.ttf"):
        (Path(folder.name) / file.name).symlink_to(file)
    return Fonts(include_system_fonts=False, font_paths=[folder.name])


@cache
def _face(bold: bool, italic: bool):
    import uharfbuzz as harfbuzz

    return harfbuzz.Face(harfbuzz.Blob.from_file_path(font_file(bold, italic)))


def font_face(bold: bool, italic: bool, characters: str) -> str:
    """A CSS rule that holds the typeface's outlines of these characters."""
    import uharfbuzz as harfbuzz

    asked = harfbuzz.SubsetInput()
    asked.unicode_set.update(map(ord, characters))
    asked.flags = harfbuzz.SubsetFlags.NO_HINTING
    features = asked.sets(harfbuzz.SubsetInputSets.LAYOUT_FEATURE_TAG)
    features.clear()
    features.update(int.from_bytes(tag.encode()) for tag in FEATURES)
    letters = b64encode(asked.subset(_face(bold, italic)).blob.data).decode()
    return (
        f"@font-face{{font-family:'{FAMILIES[0]}';"
        f"font-weight:{SEMIBOLD if bold else REGULAR};"
        f"font-style:{'italic' if italic else 'normal'};"
        f"src:url(data:font/ttf;base64,{letters})format('truetype')}}"
    )
