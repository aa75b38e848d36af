"""Hundreds of tests spoil one cell each: the tables they leave alone are checked only once."""

import pytest

from forestry.validation import tables
from forestry.validation.config import DeclarationSchema


@pytest.fixture(scope="module", autouse=True)
def unchanged_tables_checked_once():
    """Remember the faults of a table by its content and its columns, and the schema."""
    known, schemas = {}, {}
    check, read = tables.sheet_faults, DeclarationSchema.read

    def remembered(table, family):
        columns = tuple((column.name, column.allows) for column in family.columns)
        rows = tuple(tuple(row.items()) for row in table.rows)
        key = (family.name, columns, table.file, table.header, rows, table.lines)
        if key not in known:
            known[key] = check(table, family)
        return known[key]

    def read_once(path):
        if path not in schemas:
            schemas[path] = read(path)
        return schemas[path]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "sheet_faults", remembered)
        patch.setattr(DeclarationSchema, "read", read_once)
        yield
