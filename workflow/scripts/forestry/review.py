"""A review as declared: config.yaml and resources/, and what they say of rows and variants.

Read once when the workflow starts, so it imports nothing heavy. What each job is told
of a review is in `forestry.jobs`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path

import yaml

from forestry.presets import resolved, said_of, standardized_of
from forestry.rows import STUDIES, UNAVAILABLE, Table, read_rows, read_table, rows_of
from forestry.selection import left_out

SCHEMA = Path(__file__).resolve().parents[2] / "schemas" / "config.schema.yaml"
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
REPORTED, RECONSTRUCTED = "reported", "reconstructed"
FOREST = "forest"
REPORTED_ROWS = "reported rows only"
LEFT_OUT_BY_SOURCE = "left_out_by_source"
# Hedges' correction and variance, where neither the review nor a preset has others.
STANDARDIZED = {"correction": "exact", "variance": "LS"}
QUALITY_SHEETS = {"risk_of_bias": "quality_rob.csv", "newcastle_ottawa": "quality_nos.csv"}


@dataclass(frozen=True)
class Figure:
    """A figure of the declared list (figures.csv)."""

    figure: str
    annexure: str
    kind: str
    outcome: str
    variant: str


@dataclass(frozen=True)
class Review:
    """The declaration `config` and the folder `resources` that it speaks of."""

    config: Mapping
    resources: Path

    # Tables ------------------------------------------------------------------------------

    @cached_property
    def studies(self) -> dict[str, dict[str, str]]:
        """Each included study's attributes, by id, in the file's order."""
        return {row["study_id"]: row for row in read_table(self.resources / "studies.csv")}

    @cached_property
    def figures(self) -> dict[str, Figure]:
        """The declared figures, by id, in the file's order."""
        rows = read_table(self.resources / "figures.csv")
        return {row["figure"]: Figure(**row) for row in rows}

    @cached_property
    def figures_by_outcome(self) -> dict[str, list[Figure]]:
        """The declared figures of each outcome that has any, in the file's order."""
        found: dict[str, list[Figure]] = {}
        for figure in self.figures.values():
            if figure.outcome:
                found.setdefault(figure.outcome, []).append(figure)
        return found

    @property
    def outcomes(self) -> tuple[str, ...]:
        return tuple(self.config["outcomes"])

    @property
    def subgrouped(self) -> tuple[str, ...]:
        """The outcomes with sequential subgroups."""
        return tuple(self.config.get("subgroups", {}))

    @property
    def regressed(self) -> tuple[str, ...]:
        """The outcomes with meta-regressions."""
        return tuple(self.config.get("metaregression", {}))

    @cached_property
    def bubbles(self) -> dict[str, tuple[str, str]]:
        """The outcome and the model of each bubble plot: of every model of one moderator."""
        return {
            f"{outcome}_{model}": (outcome, model)
            for outcome in self.regressed
            for model, columns in self.config["metaregression"][outcome]["models"].items()
            if len(columns) == 1
        }

    @property
    def published_tests(self) -> list[str]:
        """The table of tests that the article prints, where there is one."""
        table = self.resources / "published_tests.csv"
        return [str(table)] if table.exists() else []

    @property
    def is_published(self) -> bool:
        """Whether there are published results to compare with."""
        return (self.resources / "published.csv").exists()

    @cached_property
    def compared(self) -> tuple[str, ...]:
        """The outcomes with two rows or more that are not unavailable: studies to compare."""
        return tuple(outcome for outcome in self.outcomes if self._rows_with_numbers(outcome) > 1)

    def _rows_with_numbers(self, outcome: str) -> int:
        return sum(row["status"] != UNAVAILABLE for row in self.rows(outcome))

    def figures_of(self, kind: str) -> tuple[str, ...]:
        """The ids of the figures of a kind."""
        return tuple(id for id, figure in self.figures.items() if figure.kind == kind)

    def sheet(self, outcome: str) -> Path:
        """The file that holds an outcome's rows."""
        data = self.config["outcomes"][outcome]["data"]
        folder = self.resources if data == STUDIES else self.resources / "extraction"
        return folder / f"{data}.csv"

    @property
    def is_reconstructed(self) -> bool:
        """Whether rows that no source gives are filled from resources/reconstructed/."""
        return self.config.get("reconstructed") is True

    def solved(self, outcome: str) -> list[Path]:
        """The file of numbers solved for an outcome's sheet, where it is used and there is one."""
        data = self.config["outcomes"][outcome]["data"]
        path = self.resources / "reconstructed" / f"{data}.csv"
        return [path] if self.is_reconstructed and data != STUDIES and path.exists() else []

    def without_solved(self) -> Review:
        """The same review, reading nothing that was solved."""
        return replace(self, config={**self.config, "reconstructed": False})

    @property
    def solutions(self) -> list[Path]:
        """What was solved for each published result, where the review reads solved rows."""
        path = self.resources / "reconstructed" / "solutions.csv"
        return [path] if self.is_reconstructed and path.exists() else []

    @cached_property
    def unsolved(self) -> frozenset[str]:
        """The bases of solved rows that are results which no rows were found to give."""
        results = [row for path in self.solutions for row in read_table(path)]
        without = [row["outcome"] for row in results if row["verdict"] == "none"]
        return frozenset(f"published:{outcome}" for outcome in without)

    @cached_property
    def study_columns(self) -> Mapping[str, Mapping]:
        """The columns of studies.csv as declared, or those of a review that declares none."""
        return self.config.get("studies") or _default_columns()

    def tables_of(self, kind: str) -> tuple[str, ...]:
        """The ids of the tables of a kind."""
        declared = self.config.get("tables", {})
        return tuple(id for id, table in declared.items() if table["kind"] == kind)

    @property
    def tables(self) -> tuple[str, ...]:
        return tuple(self.config.get("tables", {}))

    # Words -------------------------------------------------------------------------------

    def variant_words(self, variant: str) -> str:
        """How a variant is called in tables and legends."""
        if variant not in self.config["variants"]:
            return REPORTED_ROWS
        declared = self.config["variants"][variant] or {}
        return declared.get("label", variant.replace("_", " "))

    def label(self, row: dict[str, str]) -> str:
        """How a row's study is called."""
        return self.studies[row["study_id"]]["label"]

    # Ways of pooling ---------------------------------------------------------------------

    def pooling(self, outcome: str) -> Mapping:
        """How an outcome is pooled, as declared; a preset gives the keys that are not."""
        return resolved(self._declared_pooling(outcome), self._measure(outcome))

    def subgroup_pooling(self, outcome: str) -> Mapping:
        """How the subgroups of an outcome are pooled: as declared, or as the outcome is."""
        return resolved(self._declared_subgroup_pooling(outcome), self._measure(outcome))

    def preset_words(self, outcome: str, of_subgroups: bool = False) -> str:
        """Whose defaults are followed, for a legend; "" where no preset is declared."""
        declared = self._pooling_section(outcome, of_subgroups)
        return said_of(declared, self._measure(outcome), self._declared_standardized(outcome))

    def standardized(self, outcome: str, of_subgroups: bool = False) -> dict[str, str]:
        """Which of Hedges' g an outcome has: as declared, or as the preset has it."""
        declared = self._pooling_section(outcome, of_subgroups)
        of_preset = standardized_of(declared, self._measure(outcome))
        return {**STANDARDIZED, **of_preset, **self._declared_standardized(outcome)}

    def hedges_g(self, outcome: str, of_subgroups: bool = False) -> dict[str, str]:
        """As `standardized`; {} where the measure is another."""
        is_one = self._measure(outcome) == "standardized_mean_difference"
        return self.standardized(outcome, of_subgroups) if is_one else {}

    def _declared_standardized(self, outcome: str) -> dict[str, str]:
        of_all = self.config.get("effects", {}).get("standardized", {})
        return {**of_all, **self.config["outcomes"][outcome].get("standardized", {})}

    def _pooling_section(self, outcome: str, of_subgroups: bool) -> Mapping:
        of_part = self._declared_subgroup_pooling if of_subgroups else self._declared_pooling
        return of_part(outcome)

    def _declared_pooling(self, outcome: str) -> Mapping:
        return self.config["pooling"][self.config["outcomes"][outcome]["pooling"]]

    def _declared_subgroup_pooling(self, outcome: str) -> Mapping:
        name = self.config["subgroups"][outcome].get("pooling")
        return self.config["pooling"].get(name, self._declared_pooling(outcome))

    def _measure(self, outcome: str) -> str:
        return self.config["outcomes"][outcome]["measure"]

    # Rows and variants -------------------------------------------------------------------

    def rows(self, outcome: str) -> Table:
        """The rows that an outcome uses: the columns that matter, in the sheet's order."""
        return self._rows_of(outcome)

    # Each sheet is read once, and each outcome's rows found once, however often asked for.

    @cached_property
    def _read(self) -> Callable[[Path, tuple[Path, ...]], Table]:
        return cache(read_rows)

    @cached_property
    def _rows_of(self) -> Callable[[str], Table]:
        return cache(self._find_rows)

    def _find_rows(self, outcome: str) -> Table:
        declared = self.config["outcomes"][outcome]
        table = self._read(self.sheet(outcome), tuple(self.solved(outcome)))
        rows = rows_of(table, declared["measure"], declared)
        return [row for row in rows if not self._left_out(row, declared)]

    def variant(self, outcome: str, variant: str) -> dict:
        """Whom a variant leaves out of an outcome by selection, and its outlier rule.

        Parts of a combined variant apply together: all selections first, then the
        outlier rule among the studies that remain; none where the source had left
        its outliers out.
        """
        excluded: dict[str, str] = {}
        outliers = None
        for part in self._parts(variant):
            for row in self.rows(outcome):
                reason = self._left_out(row, part)
                if reason:
                    excluded.setdefault(row["study_id"], reason)
            outliers = part.get("outliers", outliers)
        outliers = None if self.lacks_outliers(outcome) else outliers
        one_by_one = variant in self.leaving_one_out
        return {"excluded": excluded, "outliers": outliers, "leave_one_out": one_by_one}

    def lacks_outliers(self, outcome: str) -> bool:
        """Whether the source had left out the outliers of an outcome."""
        return self.config["outcomes"][outcome].get("outliers") == LEFT_OUT_BY_SOURCE

    def has_outlier_rule(self, variant: str) -> bool:
        """Whether a variant, or a part of it, leaves out outliers by a rule."""
        return any("outliers" in part for part in self._parts(variant))

    @property
    def leaving_one_out(self) -> list[str]:
        """The variants that leave out one study at a time."""
        declared = self.config["variants"].items()
        return [name for name, variant in declared if (variant or {}).get("leave_one_out")]

    def reported_beside(self, variant: str) -> str:
        """The variant that is another with its reported rows alone; "" where none is.

        A declared one; where the review reads solved rows and declares none, one of its own.
        """
        if variant not in self.config["variants"]:
            return ""
        wanted = [*self._selections(variant), {"where": {"status": REPORTED}}]
        names = (name for name in self.config["variants"] if name != variant)
        own = f"{variant}_reported" if self.is_reconstructed else ""
        return next((name for name in names if self._selections(name) == wanted), own)

    def drawn_beside(self, outcome: str) -> dict[str, dict]:
        """The undeclared variants of reported rows alone that an outcome's forest plots show."""
        drawn = [f.variant for f in self.figures_by_outcome.get(outcome, ()) if f.kind == FOREST]
        beside = {variant: self.reported_beside(variant) for variant in drawn}
        alone = {variant: self.reported_alone(outcome, variant) for variant in drawn}
        return {
            name: alone[variant]
            for variant, name in beside.items()
            if alone[variant] and name and name not in self.config["variants"]
        }

    def reported_alone(self, outcome: str, variant: str) -> dict:
        """A variant of reported rows alone; {} where no row of the outcome is reconstructed."""
        rows = self.rows(outcome)
        if not any(row["status"] == RECONSTRUCTED for row in rows):
            return {}
        others = {
            row["study_id"]: f"status is {row['status']}"
            for row in rows
            if row["status"] != REPORTED
        }
        one = self.variant(outcome, variant)
        return {**one, "excluded": {**others, **one["excluded"]}}

    def _selections(self, variant: str) -> list[Mapping]:
        """What a variant does, without its words."""
        words = ("label", "combine")
        parts = [
            {key: value for key, value in part.items() if key not in words}
            for part in self._parts(variant)
        ]
        return [part for part in parts if part]

    def _parts(self, variant: str) -> list[Mapping]:
        declared = self.config["variants"][variant] or {}
        parts = [part for name in declared.get("combine", ()) for part in self._parts(name)]
        return [*parts, declared]

    def _left_out(self, row: dict[str, str], declared: Mapping) -> str:
        if "studies" in declared and row["study_id"] not in declared["studies"]:
            return "not named in the outcome"
        where, exclude = declared.get("where", {}), declared.get("exclude", {})
        return left_out(self.attributes(row), where, exclude)

    def attributes(self, row: dict[str, str]) -> dict[str, str]:
        """A row with the attributes of its study."""
        return {**self.studies[row["study_id"]], **row}


def _default_columns() -> Mapping[str, Mapping]:
    schema = yaml.load(SCHEMA.read_text(encoding="utf-8"), Loader=LOADER)
    return schema["properties"]["studies"]["default"]
