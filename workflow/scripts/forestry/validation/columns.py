"""The kinds of column: what a cell of each may hold, and the sentence where it does not."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite

from forestry.validation.words import nearest, one_of

NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
WITH_COMMA = re.compile(r"[+-]?[\d.]*(,\d+)+(\.\d+)?", re.ASCII)
ODD_MINUS = re.compile(r"[\u2010-\u2015\u2212]\d", re.ASCII)
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*", re.ASCII)
FIGURE_NAME = re.compile(r"[A-Za-z0-9]+", re.ASCII)
PUBLISHED = re.compile(r"published:(\S+)", re.ASCII)
NOT_KNOWN = {"na", "n/a", "nan", "nr", "nd", "null", "none", "unknown", "-", "--", "?", ".", "inf"}

NAME_RULE = "must be letters, digits and _ alone, a letter first"
SPACES = "has spaces before or after the value"
EMPTY = "must not be empty"


@dataclass(frozen=True)
class Kind:
    """What a cell may hold (`allows`, for the data dictionary), and which rule it breaks."""

    allows: str
    broken: Callable[[str], str]  # of a cell that is not empty, without spaces around it
    numeric: bool = False


@dataclass(frozen=True)
class Column:
    """A column of a table; a `needed` one has no empty cell."""

    name: str
    kind: Kind
    values: tuple[str, ...] = ()
    needed: bool = False

    @property
    def allows(self) -> str:
        """What the data dictionary says that a cell may hold."""
        return f"{self.kind.allows}; needed" if self.needed else self.kind.allows

    @property
    def numeric(self) -> bool:
        return self.kind.numeric

    def broken(self, cell: str) -> str:
        """The rule that a cell breaks, as a sentence; "" where it breaks none."""
        text = cell.strip()
        missing = EMPTY if self.needed else ""
        rule = self.kind.broken(text) if text else missing
        return "; ".join(part for part in (rule, SPACES if text != cell else "") if part)


def number(cell: str) -> float | None:
    """The number that a cell holds; None where it is empty or holds none."""
    text = cell.strip()
    return float(text) if NUMBER.fullmatch(text) and isfinite(float(text)) else None


# Numbers ----------------------------------------------------------------------------------


def _not_a_number(text: str) -> str:
    if number(text) is not None:
        return ""
    if NUMBER.fullmatch(text):
        return "must be a finite number"
    if WITH_COMMA.fullmatch(text):
        return "must be a number with a decimal point and no comma"
    if text.casefold().lstrip("+-") in NOT_KNOWN | {""}:
        return "must be a number; leave the cell empty where it is not known"
    if ODD_MINUS.match(text):
        return "must be a number; its minus sign must be a plain hyphen (-)"
    return "must be a number"


def _numbers(allows: str, holds: Callable[[float], bool], rule: str) -> Kind:
    def broken(text: str) -> str:
        return _not_a_number(text) or ("" if holds(float(text)) else rule)

    return Kind(allows, broken, numeric=True)


def at_least(smallest: float) -> Kind:
    rule = f"must be {smallest:g} or more"
    return _numbers(f"number, {smallest:g} or more", lambda value: value >= smallest, rule)


def above(limit: float) -> Kind:
    return _numbers(
        f"number above {limit:g}", lambda value: value > limit, f"must be above {limit:g}"
    )


def whole(smallest: int) -> Kind:
    def broken(text: str) -> str:
        if rule := _not_a_number(text):
            return rule
        if float(text) < smallest:
            return f"must be {smallest} or more"
        return "" if text.isdecimal() else "must be a whole number, without decimals"

    return Kind(f"whole number, {smallest} or more", broken, numeric=True)


ANY_NUMBER = _numbers("number", lambda value: True, "")
NOT_NEGATIVE, POSITIVE = at_least(0), above(0)
CORRELATION = _numbers("number, -1 to 1", lambda value: -1 <= value <= 1, "must be from -1 to 1")
PERCENT = _numbers("number, 0 to 100", lambda value: 0 <= value <= 100, "must be from 0 to 100")
COUNT, SIZE = whole(0), whole(1)


def _not_a_p_value(text: str) -> str:
    value = number(text[1:] if text[0] in "<>" else text)
    if value is None or " " in text:
        return "must be a number, or < or > and a number (<0.01)"
    return "" if 0 <= value <= 1 else "must be from 0 to 1"


P_VALUE = Kind("number, 0 to 1, or `<` or `>` before it", _not_a_p_value)

# Texts ------------------------------------------------------------------------------------


def _matching(allows: str, pattern: re.Pattern, rule: str) -> Kind:
    return Kind(allows, lambda text: "" if pattern.fullmatch(text) else rule)


TEXT = Kind("text", lambda text: "")
STUDY_ID = _matching("letters, digits and `_`, a letter first", NAME, NAME_RULE)
FIGURE_ID = _matching(
    "letters and digits", FIGURE_NAME, "must be letters and digits alone: it names files"
)
ANNEXURE = _matching(
    "`main`, or a whole number", re.compile(r"main|\d+"), "must be main or a whole number"
)
BASIS = _matching(
    "`source`, or `published:` and an outcome",
    re.compile(rf"source|{PUBLISHED.pattern}"),
    "must be source, or published: and an outcome",
)
DOI = _matching(
    "DOI, without https://doi.org/",
    re.compile(r"10\.\d{4,9}/\S+"),
    "must be a DOI (10.1016/j.autrev.2021.102997), without https://doi.org/",
)
REFERENCES = _matching(
    "whole numbers, a space between",
    re.compile(r"\d+( \d+)*", re.ASCII),
    "must be reference numbers with one space between",
)
NAMES = _matching(
    "names, a space between",
    re.compile(rf"{NAME.pattern}( {NAME.pattern})*", re.ASCII),
    "must be names with one space between",
)


def category(*values: str) -> Kind:
    """One of some words."""

    def broken(text: str) -> str:
        if text in values:
            return ""
        return f"{one_of(values)}; the nearest is {nearest(text, values)}"

    return Kind(", ".join(f"`{value}`" for value in values), broken)
