"""The tables of a review, read, each checked by itself."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from forestry.faults import Fault
from forestry.reconstruction.files import FOLDER
from forestry.reconstruction.files import TABLES as RECONSTRUCTION_TABLES
from forestry.rows import STUDIES as STUDIES_DATA
from forestry.validation import sheets
from forestry.validation.columns import NAME, NAME_RULE
from forestry.validation.declaration import Declaration, text
from forestry.validation.reading import Table, read_sheet
from forestry.validation.sheets import EXTRACTION, FAMILIES_OF, Family, sheet_faults
from forestry.validation.words import unknown

NEEDED = ("studies", "published", "figures")
OPTIONAL = ("quality_rob", "quality_nos", "published_tests")
DECLARED_BONUS = 0.1  # of two families that a header resembles alike, the declared one


@dataclass(frozen=True)
class Tables:
    """What could be read: the tables of resources/ by name, the extraction sheets by theirs.

    `families` has the family of each extraction sheet; `studies_family` that of studies.csv.
    `present` are the extraction files, read or not; `digests` are of the tables that were
    read, by content and by what a table of their family must satisfy.
    """

    folder: str
    studies_family: Family
    tables: dict[str, Table] = field(default_factory=dict)
    extraction: dict[str, Table] = field(default_factory=dict)
    families: dict[str, Family] = field(default_factory=dict)
    present: tuple[str, ...] = ()
    digests: set[str] = field(default_factory=set)


def read_review(
    declared: Declaration, resources: Path, known: Collection[str] = ()
) -> tuple[Tables, list[Fault]]:
    """All tables of a review, and the faults of each by itself.

    Those whose digest is in `known` have none.
    """
    family = sheets.studies_family(declared.studies)
    folder = resources.name or str(resources)
    extraction = sorted((resources / "extraction").glob("*.csv"))
    found = Tables(folder, family, present=tuple(path.stem for path in extraction))
    faults = _read_tables(found, resources, known)
    for path in extraction:
        faults += _read_extraction(found, path, _measures(declared, path.stem), known)
    return found, faults


def _read_tables(found: Tables, resources: Path, known: Collection[str]) -> list[Fault]:
    families = {
        "studies": found.studies_family,
        "published": sheets.PUBLISHED,
        "published_tests": sheets.PUBLISHED_TESTS,
        "figures": sheets.FIGURES,
        "quality_rob": sheets.QUALITY_ROB,
        "quality_nos": sheets.QUALITY_NOS,
    }
    faults = [_stray(path, found.folder) for path in sorted(resources.glob("*.csv"))]
    faults = [fault for fault in faults if fault]
    for name, family in families.items():
        path, file = resources / f"{name}.csv", f"{found.folder}/{name}.csv"
        if path.exists():
            table, own = read_sheet(path, file)
            faults += own
            if table:
                found.tables[name] = table
                faults += _own_faults(found, path, table, family, known)
        elif name in NEEDED:
            faults.append(Fault(file, "", "", "", "the file is missing"))
    if "studies" in found.tables and not found.tables["studies"].rows:
        faults.append(Fault(f"{found.folder}/studies.csv", "", "", "", "there is no study in it"))
    return faults


def _stray(path: Path, folder: str) -> Fault | None:
    known = (*NEEDED, *OPTIONAL)
    if path.stem in known:
        return None
    rule = f"{unknown('table', path.stem, known)}; the outcomes' sheets are in extraction/"
    return Fault(f"{folder}/{path.name}", "", "", "", rule)


def _read_extraction(
    found: Tables, path: Path, measures: Iterable[str], known: Collection[str]
) -> list[Fault]:
    file = f"{found.folder}/extraction/{path.name}"
    table, faults = read_sheet(path, file)
    if not NAME.fullmatch(path.stem):
        faults.append(Fault(file, "", "", "", f"the file's name {NAME_RULE}"))
    if path.stem == STUDIES_DATA:
        faults.append(Fault(file, "", "", "", "the name is taken by resources/studies.csv"))
    if path.stem in RECONSTRUCTION_TABLES:
        taken = f"the name is taken by {found.folder}/{FOLDER}/{path.name}"
        faults.append(Fault(file, "", "", "", taken))
    if table:
        family = _family(table, measures)
        found.extraction[path.stem], found.families[path.stem] = table, family
        faults += _own_faults(found, path, table, family, known)
    return faults


def _own_faults(
    found: Tables, path: Path, table: Table, family: Family, known: Collection[str]
) -> list[Fault]:
    """The faults of a table by itself."""
    said = f"{family.name} {family.declared}\n".encode()
    digest = hashlib.sha256(said + path.read_bytes()).hexdigest()
    found.digests.add(digest)
    return [] if digest in known else sheet_faults(table, family)


def _measures(declared: Declaration, data: str) -> list[str]:
    return [
        text(declared.outcomes[outcome], "measure")
        for outcome, name in declared.sheets()
        if name == data
    ]


def _family(table: Table, measures: Iterable[str]) -> Family:
    """The family whose columns the header resembles most."""
    wanted = [family for measure in measures for family in FAMILIES_OF.get(measure, ())]
    header = set(table.header)

    def likeness(family: Family) -> float:
        names = set(family.by_name)
        return len(header & names) / len(header | names) + DECLARED_BONUS * (family in wanted)

    return max(EXTRACTION, key=likeness)
