"""The flow of records through a review, as declared: PRISMA 2020 (Page et al. 2021, BMJ 372:n71).

A count that is not given is not public. It is never worked out from the others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from difflib import get_close_matches

LABELS = {  # the boxes in the order of the flow, by their key in config.yaml
    "records_identified": "Records identified",
    "records_removed": "Records removed before screening",
    "records_screened": "Records screened",
    "records_excluded": "Records excluded",
    "reports_sought": "Reports sought for retrieval",
    "reports_not_retrieved": "Reports not retrieved",
    "reports_assessed": "Reports assessed for eligibility",
    "reports_excluded": "Reports excluded",
    "studies_included": "Studies included in review",
    "reports_included": "Reports of included studies",
}
SOURCES = {"databases": "Databases", "registers": "Registers"}
REMOVED = {
    "duplicates": "Duplicate records",
    "automation": "Marked as ineligible by automation tools",
    "other": "Removed for other reasons",
}
BREAKDOWNS = {  # what may be told apart within a box
    "records_identified": tuple(SOURCES),
    "records_removed": tuple(REMOVED),
    "reports_excluded": ("reasons",),
}
STEPS = (  # what arrives at a stage, and what leaves it before the next one
    ("records_identified", "records_removed"),
    ("records_screened", "records_excluded"),
    ("reports_sought", "reports_not_retrieved"),
    ("reports_assessed", "reports_excluded"),
    ("reports_included", ""),
)


@dataclass(frozen=True)
class Part:
    """A line within a box: a database, a reason."""

    label: str
    count: int | None


@dataclass(frozen=True)
class Tally:
    """What a box counts: its total and its parts, None where the number is not public."""

    total: int | None = None
    parts: tuple[Part, ...] = ()

    @property
    def at_least(self) -> int:
        """The total, or the sum of the parts that are known."""
        if self.total is not None:
            return self.total
        return sum(part.count for part in self.parts if part.count is not None)


@dataclass(frozen=True)
class PrismaFlow:
    """The counts of a PRISMA 2020 flow diagram (databases and registers only).

    Raises ValueError, naming the boxes, where the numbers that are given contradict each
    other: parts beyond their total, or a stage with more than the stage before it had left.
    Where every number between two stages is given, the later one must be just what is
    left. Studies are not held to reports: one report may describe several studies.
    """

    records_identified: Tally = field(default_factory=Tally)
    records_removed: Tally = field(default_factory=Tally)
    records_screened: Tally = field(default_factory=Tally)
    records_excluded: Tally = field(default_factory=Tally)
    reports_sought: Tally = field(default_factory=Tally)
    reports_not_retrieved: Tally = field(default_factory=Tally)
    reports_assessed: Tally = field(default_factory=Tally)
    reports_excluded: Tally = field(default_factory=Tally)
    studies_included: Tally = field(default_factory=Tally)
    reports_included: Tally = field(default_factory=Tally)
    note: str = ""

    def __post_init__(self) -> None:
        if wrong := [*self._parts_beyond_totals(), *self._stages_beyond_what_was_left()]:
            raise ValueError(f"prisma: {'; '.join(wrong)}")

    @classmethod
    def from_mapping(cls, declared: Mapping) -> PrismaFlow:
        """The flow as the section `prisma` of config.yaml declares it.

        A box is a count, or nothing. Those of BREAKDOWNS are mappings: a `total`, and
        `databases` and `registers` (a count, or counts by name), or `duplicates`,
        `automation` and `other`, or `reasons` (counts by reason). Raises ValueError for an
        unknown key, for what is no count, and for counts that contradict each other.
        """
        _only_known(declared, [one.name for one in fields(cls)], "prisma")
        boxes = {key: _tally(key, declared.get(key)) for key in LABELS}
        note = declared.get("note") or ""
        if not isinstance(note, str):
            raise ValueError(f"prisma.note is {note!r}, not a text")
        return cls(**boxes, note=note)

    def __getitem__(self, key: str) -> Tally:
        return getattr(self, key)

    @property
    def counts(self) -> dict[str, int | None]:
        """The count of each box by its label; None where it is not public."""
        return {label: self[key].total for key, label in LABELS.items()}

    def _parts_beyond_totals(self) -> Iterator[str]:
        for key in BREAKDOWNS:
            total, parts = self[key].total, Tally(parts=self[key].parts).at_least
            if total is not None and parts > total:
                yield f"the parts of {key} add up to {parts}, more than its total ({total})"

    def _stages_beyond_what_was_left(self) -> Iterator[str]:
        """Each stage against the last one before it that is known, less what left between."""
        before, left, lost, exact = "", 0, [], True
        for stage, leaving in STEPS:
            count = self[stage].total
            if before and count is not None and (count > left or exact and count != left):
                relation = "more than" if count > left else "not"
                rest = f"the {left} that {before} less {' and '.join(lost)} leaves"
                yield f"{stage} ({count}) is {relation} {rest if lost else before}"
            if count is not None:
                before, left, lost, exact = f"{stage} ({count})", count, [], True
            if not before or not leaving:
                continue
            left -= self[leaving].at_least
            exact = exact and self[leaving].total is not None
            if self[leaving].at_least:
                lost.append(f"{leaving} ({self[leaving].at_least})")
            if left < 0:
                yield f"{' and '.join(lost)} is more than {before}"
                return


def _tally(key: str, declared: object) -> Tally:
    place = f"prisma.{key}"
    if key not in BREAKDOWNS:
        return Tally(_count(place, declared))
    if declared is None:
        return Tally()
    if not isinstance(declared, Mapping):
        raise ValueError(f"{place} is {declared!r}, not a mapping with a total")
    _only_known(declared, ("total", *BREAKDOWNS[key]), place)
    parts = [
        part
        for name in BREAKDOWNS[key]
        if name in declared
        for part in _parts(f"{place}.{name}", name, declared[name])
    ]
    return Tally(_count(f"{place}.total", declared.get("total")), tuple(parts))


def _parts(place: str, name: str, declared: object) -> Iterator[Part]:
    """Counts by name are a part each; one count is a part of its own."""
    if isinstance(declared, Mapping) and name not in REMOVED:
        for label, count in declared.items():
            yield Part(str(label), _count(f"{place}.{label}", count))
    elif name in REMOVED or name in SOURCES:
        yield Part((REMOVED | SOURCES)[name], _count(place, declared))
    elif declared is not None:
        raise ValueError(f"{place} is {declared!r}, not counts by reason")


def _count(place: str, declared: object) -> int | None:
    if declared is None:
        return None
    if isinstance(declared, bool) or not isinstance(declared, int) or declared < 0:
        raise ValueError(f"{place} is {declared!r}, not a count")
    return declared


def _only_known(declared: Mapping, known: Sequence[str], place: str) -> None:
    for key in declared:
        if key not in known:
            near = get_close_matches(str(key), known, 1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
            raise ValueError(f"{place}: unknown key {key!r}; {hint}")
