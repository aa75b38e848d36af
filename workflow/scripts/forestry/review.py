"""A review as declared: config.yaml and resources/ resolved to what each job needs.

Read once when the workflow starts, so it imports nothing heavy. What a job gets is
plain and complete: the rows that it uses as a digest, the studies that a variant
leaves out by name and reason. A job therefore reruns exactly when something that it
uses has changed, and a study's label or an unused column changes no number's job.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from forestry.rows import STUDIES, Table, digest, read_table, rows_of
from forestry.selection import left_out

RATIOS = ("risk_ratio", "odds_ratio")
PROPORTION = "proportion"


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

    @property
    def outcomes(self) -> tuple[str, ...]:
        return tuple(self.config["outcomes"])

    @property
    def subgrouped(self) -> tuple[str, ...]:
        """The outcomes with sequential subgroups."""
        return tuple(self.config.get("subgroups", {}))

    @property
    def published_tests(self) -> list[str]:
        """The table of tests that the article prints, where there is one."""
        table = self.resources / "published_tests.csv"
        return [str(table)] if table.exists() else []

    @property
    def is_published(self) -> bool:
        """Whether there are published results to compare with."""
        return (self.resources / "published.csv").exists()

    def figures_of(self, kind: str) -> tuple[str, ...]:
        """The ids of the figures of a kind."""
        return tuple(id for id, figure in self.figures.items() if figure.kind == kind)

    def sheet(self, outcome: str) -> Path:
        """The file that holds an outcome's rows."""
        data = self.config["outcomes"][outcome]["data"]
        folder = self.resources if data == STUDIES else self.resources / "extraction"
        return folder / f"{data}.csv"

    # What a job needs --------------------------------------------------------------------

    def effects_settings(self, outcome: str) -> dict:
        """How an outcome's rows become effects, and a digest of these rows."""
        declared = self.config["outcomes"][outcome]
        effects = self.config.get("effects", {})
        rows = self.rows(outcome)
        return {
            "measure": declared["measure"],
            "scale": scale_of(declared["measure"], self._pooling(outcome)),
            "direction": declared.get("direction", "rise"),
            "medians": declared.get("medians", effects.get("medians", "hozo2005")),
            "correlation": declared.get("correlation", effects.get("correlation", 0.5)),
            "zero_cells": self._pooling(outcome).get("zero_cells", {}),
            "level": self._pooling(outcome).get("level", 0.95),
            "columns": dict(declared.get("columns", {})),
            "studies": [row["study_id"] for row in rows],
            "rows": digest(rows),
        }

    def pool_settings(self, outcome: str) -> dict:
        """How an outcome is pooled, and whom each variant leaves out and why."""
        return {
            "outcome": outcome,
            "measure": self.config["outcomes"][outcome]["measure"],
            "pooling": dict(self._pooling(outcome)),
            "variants": {name: self.variant(outcome, name) for name in self.config["variants"]},
        }

    def forest_settings(self, figure: str) -> dict:
        """What a forest plot says beside its numbers: labels, units, arms."""
        drawn = self.figures[figure]
        declared = self.config["outcomes"][drawn.outcome]
        members = [row["study_id"] for row in self.rows(drawn.outcome)]
        wanted = ("measure", "unit", "direction", "arms", "favours")
        return {
            "outcome": drawn.outcome,
            "variant": drawn.variant,
            "title": declared["label"],
            "labels": {study: self.studies[study]["label"] for study in members},
            **{key: declared[key] for key in wanted if key in declared},
            **self.config.get("figures", {}),
        }

    def influence_settings(self, outcome: str) -> dict:
        """Which variant's studies are looked at one by one, and how they are pooled."""
        main = next(iter(self.config["variants"]))
        pooling = dict(self._pooling(outcome))
        return {"outcome": outcome, "variant": main, "pooling": pooling}

    def bias_settings(self, outcome: str) -> dict:
        """The tests of small-study effects, for every variant."""
        bias = self.config.get("bias", {})
        return {
            "outcome": outcome,
            "measure": self.config["outcomes"][outcome]["measure"],
            "variants": list(self.config["variants"]),
            "tests": list(bias.get("tests", ())),
            "fewest_studies": bias.get("fewest_studies", 10),
        }

    def subgroup_forest_settings(self, figure: str) -> dict:
        """As `forest_settings`, with the names of the groups."""
        declared = self.config["subgroups"][self.figures[figure].outcome]
        return {**self.forest_settings(figure), "groups": dict(declared.get("groups", {}))}

    def audit_settings(self) -> dict:
        """Where the audit finds what was published: subgroups by step, studies by reference."""
        groups = {
            f"subgroup{number}_{group}": [step["name"], group]
            for outcome in self.subgrouped
            for number, step in enumerate(self.subgroup_settings(outcome)["steps"], start=1)
            for group in step["order"]
        }
        refs = {row["ref"]: id for id, row in self.studies.items() if row.get("ref")}
        return {"outcomes": list(self.outcomes), "subgroups": groups, "refs": refs}

    def subgroup_effects_settings(self, outcome: str) -> dict:
        """As `effects_settings`, on the scale of the way of pooling of the subgroups."""
        pooling = self._subgroup_pooling(outcome)
        measure = self.config["outcomes"][outcome]["measure"]
        return {
            **self.effects_settings(outcome),
            "scale": scale_of(measure, pooling),
            "zero_cells": pooling.get("zero_cells", {}),
            "level": pooling.get("level", 0.95),
        }

    def subgroup_settings(self, outcome: str) -> dict:
        """The steps of an outcome's subgroups, with each study's group in each step.

        A step goes on within a group of the steps before it: a study that has left the
        chain at one step is in no later one.
        """
        declared = self.config["subgroups"][outcome]
        members = [self._attributes(row) for row in self.rows(outcome)]
        steps = []
        for number, step in enumerate(declared["steps"], start=1):
            within = step.get("within", {})
            members = [row for row in members if not left_out(row, within, {})]
            steps.append(_step(number, step, members))
        return {
            "outcome": outcome,
            "pooling": dict(self._subgroup_pooling(outcome)),
            "variant": self.variant(outcome, declared.get("variant", "main")),
            "steps": steps,
        }

    def _subgroup_pooling(self, outcome: str) -> Mapping:
        declared = self.config["subgroups"][outcome]
        return self.config["pooling"].get(declared.get("pooling"), self._pooling(outcome))

    # Rows and variants -------------------------------------------------------------------

    def rows(self, outcome: str) -> Table:
        """The rows that an outcome uses: the columns that matter, in the sheet's order."""
        declared = self.config["outcomes"][outcome]
        rows = rows_of(read_table(self.sheet(outcome)), declared["measure"], declared)
        return [row for row in rows if not self._left_out(row, declared)]

    def variant(self, outcome: str, variant: str) -> dict:
        """Whom a variant leaves out of an outcome by selection, and its outlier rule.

        Parts of a combined variant apply together: all selections first, then the
        outlier rule among the studies that remain.
        """
        excluded: dict[str, str] = {}
        outliers = None
        for part in self._parts(variant):
            for row in self.rows(outcome):
                reason = self._left_out(row, part)
                if reason:
                    excluded.setdefault(row["study_id"], reason)
            outliers = part.get("outliers", outliers)
        return {"excluded": excluded, "outliers": outliers}

    def _parts(self, variant: str) -> list[Mapping]:
        declared = self.config["variants"][variant] or {}
        parts = [part for name in declared.get("combine", ()) for part in self._parts(name)]
        return [*parts, declared]

    def _left_out(self, row: dict[str, str], declared: Mapping) -> str:
        if "studies" in declared and row["study_id"] not in declared["studies"]:
            return "not named in the outcome"
        where, exclude = declared.get("where", {}), declared.get("exclude", {})
        return left_out(self._attributes(row), where, exclude)

    def _attributes(self, row: dict[str, str]) -> dict[str, str]:
        return {**self.studies[row["study_id"]], **row}

    def _pooling(self, outcome: str) -> Mapping:
        return self.config["pooling"][self.config["outcomes"][outcome]["pooling"]]


def _step(number: int, step: Mapping, members: Table) -> dict:
    """A step's name, its groups in the studies' order, and the group of each study.

    A study whose column is empty belongs to no group.
    """
    by = step["by"]
    groups = {row["study_id"]: row[by] for row in members if row[by]}
    return {
        "name": f"step{number}_{by}",
        "by": by,
        "within": " and ".join(f"{k} {v}" for k, v in step.get("within", {}).items()),
        "groups": groups,
        "order": list(dict.fromkeys(groups.values())),
    }


def scale_of(measure: str, pooling: Mapping) -> str:
    """The scale on which a measure is analysed under a way of pooling."""
    if measure in RATIOS:
        return "log"
    if measure != PROPORTION:
        return "identity"
    return "logit" if pooling["model"] == "logistic_mixed" else pooling.get("transform", "raw")
