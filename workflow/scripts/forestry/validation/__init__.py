"""Checks a review before anything runs: its declaration, its tables, and how they fit.

Nothing stops at the first fault: `validate_review` looks at everything and returns all of
them. What a table must satisfy by itself is in `sheets`, the keys of config.yaml are in
`config`, and what the declaration and the tables say of each other is in `references`.

The package is slow to import (pandas, pandera): only a review that must be checked does so.
"""

from __future__ import annotations

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
    """What was read of a review, and its faults; sheets in `known` have none by themselves."""
    keys = DeclarationSchema.read(schema)
    declared, of_keys = Declaration(config, keys.default_studies), keys.faults(config)
    tables, found = read_review(declared, resources, known)
    faults = [
        *of_keys,
        *([] if any(fault.column.startswith("prisma") for fault in of_keys) else _flow(declared)),
        *duplicate_keys(resources.parent / "config.yaml"),
        *found,
        *reference_faults(declared, tables),
        *reconstructed_faults(declared, tables, resources),
    ]
    return tables, tuple(sorted(set(faults)))


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

    Returns the digests of its extraction sheets; those in `known` have been found to have no
    fault by themselves, by the same rules, and are only checked against the others.
    """
    tables, faults = _validated(config, Path(resources), schema, known)
    if faults:
        raise BadInput(faults)
    return frozenset(tables.digests)
