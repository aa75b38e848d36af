"""A declared table made from the review's results: a function a kind.

Each writes the values behind the table, unrounded, and gives the table as it is set.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from forestry.records import read_records, write_records
from forestry.results import BiasRecord, BootstrapInterval, Estimate, StudyEffect, Weight
from forestry.rows import read_table as read_sheet
from forestry.tables.bias import bias_table, declared_tests
from forestry.tables.bootstrap import BootstrapColumn, bootstrap_column
from forestry.tables.characteristics import Characteristic, Patients, characteristics_table
from forestry.tables.model import Table, write_csv
from forestry.tables.outcomes import Outcome
from forestry.tables.pooled import pooled_table
from forestry.tables.quality import QUALITY_TABLES
from forestry.tables.sensitivity import SensitivityRecord, sensitivity_records, sensitivity_table


@dataclass(frozen=True)
class Sources:
    """The files that tables are made from; one that no table of a review needs is ''.

    `effects` are those of each outcome; `risk_of_bias` and `newcastle_ottawa` are sheets.
    """

    estimates: str = ""
    weights: str = ""
    bias: str = ""
    studies: str = ""
    risk_of_bias: str = ""
    newcastle_ottawa: str = ""
    effects: Mapping[str, str] = field(default_factory=dict)


def make_table(settings: Mapping, sources: Sources, csv: str | Path) -> Table:
    """A table as its settings declare it; its values are written to `csv`.

    `settings` are those of `forestry.jobs.documents.table_settings`. Raises KeyError for an
    unknown kind.
    """
    return KINDS[settings["kind"]](settings, sources, csv)


def _characteristics(settings: Mapping, sources: Sources, csv: str | Path) -> Table:
    outcomes = _outcomes(settings)
    estimates = read_records(sources.estimates, Estimate)
    table = characteristics_table(
        read_sheet(sources.studies),
        id=settings["id"],
        title=settings["title"],
        columns=[Characteristic(**column) for column in settings["columns"]],
        words=settings.get("words"),
        patients=Patients(outcomes, estimates, _effects(outcomes, sources)),
        abbreviations=settings.get("abbreviations", ""),
    )
    write_csv(table, csv)
    return table


def _pooled(settings: Mapping, sources: Sources, csv: str | Path) -> Table:
    outcomes = _outcomes(settings)
    estimates = read_records(sources.estimates, Estimate)
    effects = _effects(outcomes, sources)
    table = pooled_table(
        *(outcomes, estimates, effects),
        id=settings["id"],
        title=settings["title"],
        reported_variant=settings.get("reported_variant", ""),
        reported_label=settings.get("reported_label", ""),
    )
    write_csv(table, csv)
    return table


def _quality(settings: Mapping, sources: Sources, csv: str | Path) -> Table:
    kind = settings["kind"]
    table = QUALITY_TABLES[kind](
        read_sheet(getattr(sources, kind)),
        settings["labels"],
        id=settings["id"],
        title=settings["title"],
    )
    write_csv(table, csv)
    return table


def _sensitivity(settings: Mapping, sources: Sources, csv: str | Path) -> Table:
    estimates = read_records(sources.estimates, Estimate)
    shown = (
        _outcomes(settings),
        settings["variants"],
        estimates,
        read_records(sources.weights, Weight),
    )
    in_turn = settings["leave_one_out"]
    records = sensitivity_records(*shown, leave_one_out=in_turn)
    write_records(csv, SensitivityRecord, records)
    return sensitivity_table(
        *shown,
        id=settings["id"],
        title=settings["title"],
        leave_one_out=in_turn,
        labels=settings["labels"],
        bootstrap=_bootstrap(settings.get("bootstrap"), estimates),
    )


def _bootstrap(settings: Mapping | None, estimates: list[Estimate]) -> BootstrapColumn | None:
    """The bootstrap's intervals of these estimates, where it was made."""
    if settings is None:
        return None
    rows = read_records(settings["table"], BootstrapInterval)
    return bootstrap_column(rows, estimates, settings["kind"], settings["interval"])


def _bias(settings: Mapping, sources: Sources, csv: str | Path) -> Table:
    shown = (read_records(sources.bias, BiasRecord), _outcomes(settings), settings["variants"])
    write_records(csv, BiasRecord, declared_tests(*shown))
    weights = read_records(sources.weights, Weight)
    solved = {
        (row.outcome, row.variant): row.k_reconstructed
        for row in read_records(sources.estimates, Estimate)
        if row.selected and not row.group
    }
    return bias_table(
        *shown, weights, id=settings["id"], title=settings["title"], reconstructed=solved
    )


KINDS = {
    "characteristics": _characteristics,
    "pooled": _pooled,
    "risk_of_bias": _quality,
    "newcastle_ottawa": _quality,
    "sensitivity": _sensitivity,
    "bias": _bias,
}


def _outcomes(settings: Mapping) -> list[Outcome]:
    return [Outcome(**words) for words in settings["outcomes"]]


def _effects(outcomes: list[Outcome], sources: Sources) -> dict[str, list[StudyEffect]]:
    return {
        outcome.id: read_records(sources.effects[outcome.id], StudyEffect) for outcome in outcomes
    }
