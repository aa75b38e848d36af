"""Selections: mappings on columns that say which rows are kept, and why others are not."""

from __future__ import annotations

from collections.abc import Mapping

Row = Mapping[str, str]


def left_out(row: Row, where: Mapping[str, object], exclude: Mapping[str, object]) -> str:
    """Why a row is left out by a selection, or "" where it is kept.

    `where` keeps the rows whose column has one of the values, `exclude` drops those;
    a value is a text or a list of texts.
    """
    for column, wanted in where.items():
        if row[column] not in _values(wanted):
            return f"{column} is {_name(row[column])}, not {_names(wanted)}"
    for column, unwanted in exclude.items():
        if row[column] in _values(unwanted):
            return f"{column} is {_name(row[column])}"
    return ""


def _values(wanted) -> tuple[str, ...]:
    return tuple(wanted) if isinstance(wanted, list | tuple) else (str(wanted),)


def _name(value: str) -> str:
    return value.replace("_", " ") or "unknown"


def _names(wanted) -> str:
    return " or ".join(map(_name, _values(wanted)))
