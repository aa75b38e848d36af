"""Checks a review before anything runs: its declaration, its tables, and how they fit.

Nothing stops at the first fault: `validate_review` looks at everything and returns all of
them. What a table must satisfy by itself is in `sheets`, the keys of config.yaml are in
`config`, and what the declaration and the tables say of each other is in `references`.

The package is slow to import (pandas, pandera): only a review that must be checked does so.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from pathlib import Path

from forestry.faults import BadInput, Fault
from forestry.figures.prisma_flow import PrismaFlow
from forestry.validation.config import DeclarationSchema, duplicate_keys
from forestry.validation.declaration import Declaration
from forestry.validation.reconstructed import reconstructed_faults
from forestry.validation.references import reference_faults
from forestry.validation.tables import Tables, read_review

SCHEMA = Path(__file__).resolve().parents[3] / "schemas" / "config.schema.yaml"


def validate_review(config: Mapping, resources: Path, schema: Path = SCHEMA) -> tuple[Fault, ...]:
    """Every fault of a review, sorted by file, study and column; () where there is none.

    `config` is the content of config.yaml and `resources` the folder of its tables. The
    faults name files from the review's folder on (``resources/figures.csv``).
    `schema` is the JSON Schema of the declaration. Nothing is written, nothing repaired.
    """
    return _validated(config, Path(resources), schema, frozenset())[1]


def _validated(
    config: Mapping, resources: Path, schema: Path, known: Collection[str]
) -> tuple[Tables, tuple[Fault, ...]]:
    """What was read of a review, and its faults; what is in `known` has none by itself."""
    keys = DeclarationSchema.read(schema)
    declared, file = Declaration(config, keys.default_studies), resources.parent / "config.yaml"
    tables, found = read_review(declared, resources, known)
    digest = _digest(config, keys, file)
    tables.digests.add(digest)
    faults = [
        *([] if digest in known else _declaration_faults(config, keys, declared, file)),
        *found,
        *reference_faults(declared, tables),
        *reconstructed_faults(declared, tables, resources),
    ]
    return tables, tuple(sorted(set(faults)))


def _declaration_faults(
    config: Mapping, keys: DeclarationSchema, declared: Declaration, file: Path
) -> list[Fault]:
    """The faults of a declaration by itself."""
    of_keys = keys.faults(config)
    flow = [] if any(fault.column.startswith("prisma") for fault in of_keys) else _flow(declared)
    return [*of_keys, *flow, *duplicate_keys(file)]


def _digest(config: Mapping, keys: DeclarationSchema, file: Path) -> str:
    """Of a declaration: what it says, by which rules; its file tells a key that stands twice."""
    said = repr((config, keys.schema)).encode()
    written = file.read_bytes() if file.is_file() else b""
    return hashlib.sha256(said + written).hexdigest()


def _flow(declared: Declaration) -> list[Fault]:
    """Counts of the flow of records that contradict each other."""
    try:
        PrismaFlow.from_mapping(declared.prisma)
    except ValueError as error:
        return [Fault("config.yaml", "", "prisma", "", str(error).removeprefix("prisma: "))]
    return []


def check_review(
    config: Mapping, resources: Path, schema: Path = SCHEMA, known: Collection[str] = ()
) -> frozenset[str]:
    """Raise BadInput with every fault of a review (see `validate_review`).

    Returns the digests of its declaration and of its tables; those in `known` have been found
    to have no fault by themselves, by the same rules, and are only checked against the others.
    """
    tables, faults = _validated(config, Path(resources), schema, known)
    if faults:
        raise BadInput(faults)
    return frozenset(tables.digests)
