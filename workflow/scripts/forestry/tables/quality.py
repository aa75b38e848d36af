"""Risk of bias: the Cochrane tool's judgements (trials), Newcastle-Ottawa stars (cohorts).

An item that could not be judged is shown as such: it is no zero, and a total says of how
many items it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from forestry.tables.format import NONE, sentence
from forestry.tables.model import Column, Row, Table

Sheet = Sequence[Mapping[str, str]]

JUDGEMENTS = ("low", "unclear", "high")
DOMAINS = {  # Higgins et al. 2011, BMJ 343:d5928
    "random_sequence": "Random sequence",
    "allocation_concealment": "Allocation concealment",
    "blinding_participants": "Blinding of participants",
    "blinding_outcome": "Blinding of assessment",
    "incomplete_data": "Incomplete data",
    "selective_reporting": "Selective reporting",
    "other": "Other bias",
}

NOS_ITEMS = {  # Wells et al., for cohort studies: heading, group, most stars
    "selection1": ("Represen\u00adtative cohort", "Selection", 1),
    "selection2": ("Unexposed cohort", "Selection", 1),
    "selection3": ("Exposure", "Selection", 1),
    "selection4": ("Absent at start", "Selection", 1),
    "comparability": ("Compar\u00adability", "", 2),
    "outcome1": ("Assess\u00adment", "Outcome", 1),
    "outcome2": ("Length of follow-up", "Outcome", 1),
    "outcome3": ("Complete follow-up", "Outcome", 1),
}
STAR = "\N{BLACK STAR}"
NOT_JUDGED = "?"


def risk_of_bias_table(judged: Sheet, labels: Mapping[str, str], *, id: str, title: str) -> Table:
    """The rows of quality_rob.csv: low, unclear or high in each domain, with the basis.

    Raises ValueError, naming study and domain, for any other judgement; an empty one
    could not be judged.
    """
    rows = [_judgements(row, _label(row, labels)) for row in judged]
    domains = [Column(name, "center", width=1, kind="judgement") for name in DOMAINS.values()]
    columns = (Column("Study", width=1.2), *domains, Column("Basis", width=5))
    some_empty = any(NONE in row.cells for row in rows)
    notes = [f"{NONE} could not be judged from what is public."] if some_empty else []
    return Table(id, title, columns, tuple(rows), tuple(notes), landscape=True)


def _judgements(row: Mapping[str, str], label: str) -> Row:
    found = {domain: row[domain].strip() for domain in DOMAINS}
    for domain, judgement in found.items():
        if judgement not in (*JUDGEMENTS, ""):
            raise ValueError(f"{row['study_id']}, {domain}: {judgement!r} is no judgement")
    basis = row.get("basis", "")
    cells = (label, *(sentence(judgement) or NONE for judgement in found.values()), _prose(basis))
    return Row(cells, values={"study": label, **found, "basis": basis})


def newcastle_ottawa_table(
    judged: Sheet, labels: Mapping[str, str], *, id: str, title: str
) -> Table:
    """The rows of quality_nos.csv: stars by item, their total, and the number of items judged.

    An empty item could not be judged: it is shown as ? and counts neither as a star nor
    as judged. Raises ValueError, naming study and item, for a number of stars that the
    item cannot have.
    """
    rows = [_stars(row, _label(row, labels)) for row in judged]
    items = [Column(name, "center", group=group, width=1) for name, group, _ in NOS_ITEMS.values()]
    totals = [
        Column("Stars", "center", group="Total", width=0.7, kind="number"),
        Column("Items judged", "center", group="Total", width=0.9),
    ]
    columns = (Column("Study", width=1.7), *items, *totals, Column("Basis", width=7))
    return Table(id, title, columns, tuple(rows), _nos_notes(rows), landscape=True)


def _nos_notes(rows: Sequence[Row]) -> tuple[str, ...]:
    most = sum(stars for *_, stars in NOS_ITEMS.values())
    notes = [
        f"{STAR} a star, 0 judged and no star; comparability has up to two stars. "
        f"The most that a study can have is {most} stars of {len(NOS_ITEMS)} items."
    ]
    if any(NOT_JUDGED in row.cells for row in rows):
        notes.append(
            f"{NOT_JUDGED} could not be judged from what is public: not counted as zero. "
            "Totals of studies with different numbers of judged items do not compare."
        )
    return tuple(notes)


def _stars(row: Mapping[str, str], label: str) -> Row:
    stars = {item: _stars_of(row, item) for item in NOS_ITEMS}
    known = [number for number in stars.values() if number is not None]
    total = sum(known) if known else None
    cells = [NOT_JUDGED if n is None else STAR * n or "0" for n in stars.values()]
    judged = f"{len(known)} of {len(NOS_ITEMS)}"
    basis = row.get("basis", "")
    total_cell = NONE if total is None else str(total)
    return Row(
        (label, *cells, total_cell, judged, _prose(basis)),
        values={
            "study": label,
            **stars,
            "stars": total,
            "items_judged": len(known),
            "basis": basis,
        },
    )


def _stars_of(row: Mapping[str, str], item: str) -> int | None:
    text, most = row[item].strip(), NOS_ITEMS[item][2]
    if text and text not in map(str, range(most + 1)):
        raise ValueError(f"{row['study_id']}, {item}: {text!r} is not 0 to {most} stars")
    return int(text) if text else None


def _label(row: Mapping[str, str], labels: Mapping[str, str]) -> str:
    if row["study_id"] not in labels:
        raise ValueError(f"no label for study {row['study_id']}")
    return labels[row["study_id"]]


def _prose(text: str) -> str:
    """A remark as a sentence: a capital first, a full stop last."""
    text = text.strip().rstrip(";,.")
    return f"{sentence(text)}." if text else ""


# The tables by the kind that a review declares.
QUALITY_TABLES = {
    "risk_of_bias": risk_of_bias_table,
    "newcastle_ottawa": newcastle_ottawa_table,
}
