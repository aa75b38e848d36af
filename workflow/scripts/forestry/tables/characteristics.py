"""Characteristics of the included studies (table 1), and of their patients together.

Which columns of studies.csv are shown, and how their words read, is the caller's: a
review declares it. Columns that no study fills are left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from forestry.results import Estimate, StudyEffect
from forestry.tables.format import (
    NONE,
    between,
    counted,
    estimate_format,
    percent,
    sentence,
    studies,
    with_interval,
)
from forestry.tables.model import Column, Row, Table, Value, section
from forestry.tables.outcomes import Outcome, not_public, of_outcome, reported

Study = Mapping[str, str]
Words = Mapping[str, Mapping[str, str]]

ASSUMED, DERIVED = "\N{DAGGER}", "\N{DOUBLE DAGGER}"
KINDS = ("text", "number", "counts", "summary")


@dataclass(frozen=True)
class Characteristic:
    """A column of table 1, made from one or several columns of studies.csv.

    kind:
        ``text``: the words of `columns`, one after the other;
        ``number``: the number in the one column, marked where `status` says derived;
        ``counts``: the numbers above zero of several columns, each after its heading in
        `names` (``DM 9, IMNM 6``);
        ``summary``: mean (SD) or median [range] from ``<column>_mean``, ``_sd``,
        ``_median``, ``_min`` and ``_max``.
    suffix: a column whose text follows in brackets, as a reference's number follows a label.

    Raises ValueError for an unknown kind.
    """

    head: str
    columns: Sequence[str]
    kind: str = "text"
    names: Sequence[str] = ()
    status: str = ""
    suffix: str = ""
    align: str = "left"
    group: str = ""
    width: float = 1.0

    def __post_init__(self):
        if self.kind not in KINDS:
            raise ValueError(f"{self.head!r}: kind is {self.kind!r}, not one of {', '.join(KINDS)}")
        if self.kind == "counts" and len(self.names) != len(self.columns):
            raise ValueError(f"{self.head!r}: {len(self.columns)} columns, {len(self.names)} names")

    @property
    def sources(self) -> tuple[str, ...]:
        """The columns of studies.csv that it is made from."""
        if self.kind != "summary":
            return tuple(self.columns)
        return tuple(f"{prefix}_{part}" for prefix in self.columns for part in SUMMARY)


SUMMARY = ("mean", "sd", "median", "min", "max")

# What studies.csv may hold in any review; a review that wants others declares its own.
CHARACTERISTICS = (
    Characteristic("Study", ["label"], suffix="ref", width=1.5),
    Characteristic("Country", ["country"], width=1.3),
    Characteristic("Design", ["design", "publication"], width=1.2),
    Characteristic("Population", ["population"], width=1.0),
    Characteristic("Route", ["route"], width=0.9),
    Characteristic("Line", ["line"], width=0.9),
    Characteristic("Assessment", ["assessment"], width=1.15),
)


@dataclass(frozen=True)
class Patients:
    """The outcomes that describe the patients of all studies, with what was pooled."""

    outcomes: Sequence[Outcome] = ()
    estimates: Sequence[Estimate] = ()
    effects: Mapping[str, Sequence[StudyEffect]] = field(default_factory=dict)
    variant: str = "main"
    heading: str = "All studies together: pooled means (95% CI)"


def characteristics_table(
    included: Sequence[Study],
    *,
    id: str,
    title: str,
    columns: Sequence[Characteristic] = CHARACTERISTICS,
    words: Words | None = None,
    patients: Patients | None = None,
    abbreviations: str = "",
) -> Table:
    """The included studies, one a row, then the pooled characteristics of their patients.

    words: how a value of a column reads, by column and value; others read as they stand,
        without their underscores.

    Raises ValueError, naming both, where a study lacks a column that is shown.
    """
    shown = [column for column in columns if any(_filled(study, column) for study in included)]
    rows = [_study(study, shown, words or {}) for study in included]
    patients = patients or Patients()
    pooled = [_pooled(outcome, patients) for outcome in patients.outcomes]
    heads = tuple(
        Column(c.head, c.align, c.group, c.width, "number" if c.kind == "number" else "text")
        for c in shown
    )
    return Table(
        id,
        title,
        heads,
        (*rows, *([section(patients.heading)] if pooled else []), *pooled),
        _notes(rows, shown, abbreviations),
        landscape=True,
    )


def _filled(study: Study, column: Characteristic) -> bool:
    return any(study.get(source, "").strip() for source in column.sources)


# A study's row ----------------------------------------------------------------------------


def _study(study: Study, columns: Sequence[Characteristic], words: Words) -> Row:
    cells = tuple(_cell(study, column, words) for column in columns)
    values: dict[str, Value] = {"study_id": study["study_id"]}
    for column in columns:
        values |= {source: study[source].strip() for source in column.sources if source in study}
    values["assumed"] = study.get("assumed", "")
    return Row(cells, values=values)


def _cell(study: Study, column: Characteristic, words: Words) -> str:
    missing = [name for name in column.columns if column.kind != "summary" and name not in study]
    if missing:
        raise ValueError(f"study {study['study_id']} has no column {', '.join(missing)}")
    text = CELLS[column.kind](study, column, words)
    if not text:
        return NONE
    assumed = set(study.get("assumed", "").split()) & set(column.sources)
    return text + (ASSUMED if assumed else "")


def _text(study: Study, column: Characteristic, words: Words) -> str:
    parts = [_word(study[name].strip(), words.get(name, {})) for name in column.columns]
    text = sentence(", ".join(part for part in parts if part))
    suffix = study.get(column.suffix, "")
    return f"{text} [{suffix}]" if text and suffix else text


def _word(value: str, words: Mapping[str, str]) -> str:
    return words.get(value, value.replace("_", " "))


def _number(study: Study, column: Characteristic, words: Words) -> str:
    text = study[column.columns[0]].strip()
    derived = text and column.status and study[column.status] == "derived"
    return text + (DERIVED if derived else "")


def _counts(study: Study, column: Characteristic, words: Words) -> str:
    """Counts above zero. A count that is not known is not shown, and no count is a dash."""
    found = zip(column.names, (study[name].strip() for name in column.columns), strict=True)
    return ", ".join(f"{name}\N{NO-BREAK SPACE}{n}" for name, n in found if n and int(n) > 0)


def _summary(study: Study, column: Characteristic, words: Words) -> str:
    """The mean (SD), else the median [range], of the first prefix that has numbers."""
    for prefix in column.columns:
        mean, sd, median, low, high = (study.get(f"{prefix}_{part}", "") for part in SUMMARY)
        text = _mean(mean, sd) if mean else _median(median, sd, low, high)
        if text:
            return text
    return ""


def _mean(mean: str, sd: str) -> str:
    return f"{mean} ({sd})" if sd else f"mean {mean}"


def _median(median: str, sd: str, low: str, high: str) -> str:
    spread = [f"[{_range(low, high)}]"] if low or high else []
    spread += [f"(SD {sd})"] if median and sd else []
    if median and not spread:
        return f"median {median}"
    return " ".join([median, *spread] if median else spread)


def _range(low: str, high: str) -> str:
    if low and high:
        return between(low, high)
    return f"≥{low}" if low else f"≤{high}"


CELLS = {"text": _text, "number": _number, "counts": _counts, "summary": _summary}


# Their patients together --------------------------------------------------------------------


def _pooled(outcome: Outcome, patients: Patients) -> Row:
    row = reported(patients.estimates, outcome.id, patients.variant)
    without = not_public(patients.effects[outcome.id])
    own = of_outcome(patients.estimates, outcome.id)
    form = estimate_format(own)
    shown = with_interval(form, row.estimate, row.ci_low, row.ci_high)
    parts = [shown if row.estimate is not None else f"not pooled: {row.note or 'no result'}"]
    members = [studies(row.k)] if row.k else []
    members += [counted(row.n, "participant")] if row.n else []
    parts += [", ".join(members)] if members else []
    if row.estimate is not None:
        parts.append(f"{row.model} effect{'s' if row.model == 'random' else ''}")
    if row.i2 is not None:
        parts[-1] += f", I² {percent(row.i2)}"
    if without:
        parts.append(f"{studies(without)} without a public number")
    values = {
        "pooled": outcome.id,
        "unit": outcome.unit,
        "k": row.k,
        "n": row.n,
        "estimate": row.estimate,
        "ci_low": row.ci_low,
        "ci_high": row.ci_high,
        "model": row.model,
        "i2": row.i2,
        "k_not_public": without,
    }
    return Row((outcome.titled(row.measure), "; ".join(parts)), "span", values)


def _notes(
    rows: Sequence[Row], columns: Sequence[Characteristic], abbreviations: str
) -> tuple[str, ...]:
    cells = [cell for row in rows for cell in row.cells]
    notes = [abbreviations] if abbreviations else []
    if any(column.kind == "summary" for column in columns):
        notes.append(
            "Numbers with a spread are mean (SD) or median [range]; a bound alone is all "
            "that is public."
        )
    if any(cell.endswith(ASSUMED) for cell in cells):
        notes.append(f"{ASSUMED} no public source tells it: a working assumption.")
    if any(DERIVED in cell for cell in cells):
        notes.append(f"{DERIVED} derived by arithmetic from published figures.")
    if NONE in cells:
        notes.append(f"{NONE} not public, or does not apply.")
    return tuple(notes)
