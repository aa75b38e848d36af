"""Numbers as tables and legends print them: percent with one decimal, true minus signs.

The digits of an effect are those of its figure (`figures.wording.number_format`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import floor, log10

from forestry.figures.wording import NumberFormat, number, number_format
from forestry.results import Estimate

NONE = "\N{EN DASH}"  # a number that does not exist, or is not public
DASH = "\N{EN DASH}"
TIMES = "\N{MULTIPLICATION SIGN}"
# How the convention of a prediction interval is told.
PREDICTIONS = {
    "z": "from the normal distribution",
    "t_k_minus_1": "from the t distribution with k \N{MINUS SIGN} 1 degrees of freedom",
    "t_k_minus_2": "from the t distribution with k \N{MINUS SIGN} 2 degrees of freedom",
}
MODELS = {"common": "Common", "random": "Random", "none": NONE}

SMALL = 0.001
THREE_DECIMALS_BELOW = 0.0995  # what rounds to less than 0.10


def count(value: int | None) -> str:
    return NONE if value is None else str(value)


def counted(value: int, thing: str, things: str = "") -> str:
    """``1 study``, ``5 studies``."""
    return f"{value} {thing if value == 1 else things or thing + 's'}"


def studies(value: int) -> str:
    return counted(value, "study", "studies")


def percent(share: float | None, sign: str = "%") -> str:
    """A share of 1 in percent, with one decimal."""
    return NONE if share is None else number(100 * share, 1) + sign


def p_value(p: float | None) -> str:
    """``<0.001``, or the value: three decimals below 0.1, else two."""
    if p is None:
        return NONE
    if p < SMALL:
        return f"<{SMALL:g}"
    return f"{p:.3f}" if p < THREE_DECIMALS_BELOW else f"{p:.2f}"


def p_equals(p: float) -> str:
    """A p value in a sentence: ``p<0.001``, ``p=0.26``."""
    shown = p_value(p)
    return f"p{shown}" if shown.startswith("<") else f"p={shown}"


def significant(value: float | None, digits: int = 3) -> str:
    """A number of any size with `digits` significant digits, never in powers of ten.

    Digits before the point are all kept; below 0.001 in size only that is told.
    """
    if value is None:
        return NONE
    if value == 0:
        return "0"
    if abs(value) < SMALL:
        return f"<{SMALL:g}" if value > 0 else f">{number(-SMALL, 3)}"
    decimals = digits - 1 - floor(log10(abs(value)))
    return number(value, max(decimals, 0))


def between(low: str, high: str) -> str:
    """A range of two printed numbers: an en dash, or "to" where one of them has a minus sign."""
    negative = not (low[:1] + high[:1]).isdigit()
    return f"{low} to {high}" if negative else f"{low}{DASH}{high}"


def spread(values: Iterable[float | None], show: Callable[[float], str] = str) -> str:
    """The range of those numbers that exist, as printed; one number where they print alike."""
    known = [value for value in values if value is not None]
    if not known:
        return NONE
    low, high = show(min(known)), show(max(known))
    return low if low == high else between(low, high)


def estimate_format(rows: Iterable[Estimate]) -> NumberFormat:
    """The format of an outcome's estimates: one for all of its variants and models."""
    rows = tuple(rows)
    limits = [(row.ci_low, row.ci_high) for row in rows]
    measure = next((row.measure for row in rows if row.measure), "mean")
    return number_format(measure, [pair for pair in limits if None not in pair])


def interval(form: NumberFormat, low: float | None, high: float | None) -> str:
    return NONE if None in (low, high) else between(form(low), form(high))


def with_interval(
    form: NumberFormat, value: float | None, low: float | None, high: float | None
) -> str:
    """``63.6 (47.4–77.2)``; a dash where there is no estimate."""
    if value is None:
        return NONE
    limits = interval(form, low, high)
    return form(value) if limits == NONE else f"{form(value)} ({limits})"


def signed(form: NumberFormat, value: float) -> str:
    """A change with its sign; no sign on what rounds to zero."""
    shown = form(value)
    return f"+{shown}" if value > 0 and float(shown) != 0 else shown


def sentence(text: str) -> str:
    """With a capital letter first."""
    return text[:1].upper() + text[1:]


def lower_first(text: str) -> str:
    """Without the capital letter first, unless it begins an abbreviation or a name's digit."""
    return text if text[1:2].isupper() or not text[1:2].isalpha() else text[:1].lower() + text[1:]


def listed(parts: Iterable[str]) -> str:
    """``a``, ``a and b``, ``a, b, and c``."""
    parts = list(parts)
    if len(parts) < 3:
        return " and ".join(parts)
    return f"{', '.join(parts[:-1])}, and {parts[-1]}"
