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

import yaml

from forestry.rows import STUDIES, Table, digest, read_table, rows_of
from forestry.selection import left_out
from forestry.supplement.model import annexure_title

SCHEMA = Path(__file__).resolve().parents[2] / "schemas" / "config.schema.yaml"
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
RATIOS = ("risk_ratio", "odds_ratio")
PROPORTION = "proportion"
DIGITS = "0123456789"
FIGURE_SPACE = "\N{FIGURE SPACE}"
ZERO_WIDTH_SPACE = "\N{ZERO WIDTH SPACE}"
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

    @property
    def compared(self) -> tuple[str, ...]:
        """The outcomes with two rows or more that are not unavailable: studies to compare."""
        return tuple(outcome for outcome in self.outcomes if self._rows_with_numbers(outcome) > 1)

    def _rows_with_numbers(self, outcome: str) -> int:
        return sum(row["status"] != "unavailable" for row in self.rows(outcome))

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
        return {
            "outcome": drawn.outcome,
            "variant": drawn.variant,
            **self._words_on_figures(drawn.outcome),
            **self.config.get("figures", {}),
        }

    def funnel_settings(self, figure: str) -> dict:
        """What a funnel plot says beside its numbers, and whether it fills in missing studies."""
        drawn = self.figures[figure]
        words = self._words_on_figures(drawn.outcome)
        declared = self.config.get("bias", {}).get("trim_and_fill", {})
        filling = {
            **self.trim_and_fill_settings(drawn.outcome),
            "variant": drawn.variant,
            "in_funnels": declared.get("in_funnels", False),
        }
        plot = {"outcome": drawn.outcome, "variant": drawn.variant, **words}
        return {
            "plot": plot,
            "filling": filling if filling["in_funnels"] else {"in_funnels": False},
        }

    def diagnostic_plot_settings(self, outcome: str) -> dict:
        """What the influence plot and the Baujat plot of an outcome say beside their numbers."""
        main = next(iter(self.config["variants"]))
        return {"outcome": outcome, "variant": main, **self._words_on_figures(outcome)}

    def _words_on_figures(self, outcome: str) -> dict:
        declared = self.config["outcomes"][outcome]
        wanted = ("measure", "unit", "direction", "arms", "favours")
        return {
            "title": declared["label"],
            "labels": {row["study_id"]: self._label(row) for row in self.rows(outcome)},
            **{key: declared[key] for key in wanted if key in declared},
        }

    def label_settings(self) -> dict:
        """How the studies are called."""
        return {"labels": {id: study["label"] for id, study in self.studies.items()}}

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
            "variants": [v for v in self.config["variants"] if v not in self.leaving_one_out],
            "tests": list(bias.get("tests", ())),
            "fewest_studies": bias.get("fewest_studies", 10),
        }

    def subgroup_forest_settings(self, figure: str) -> dict:
        """As `forest_settings`, with the names of the groups."""
        declared = self.config["subgroups"][self.figures[figure].outcome]
        return {**self.forest_settings(figure), "groups": dict(declared.get("groups", {}))}

    # Meta-regression ---------------------------------------------------------------------

    def metaregression_settings(self, outcome: str) -> dict:
        """The models of an outcome, and each study's values of their moderators."""
        return self._regression(outcome, self.config["metaregression"][outcome]["models"])

    def bubble_settings(self, bubble: str) -> dict:
        """The one model that a bubble plot draws, and what the plot says beside its numbers."""
        outcome, model = self.bubbles[bubble]
        declared = self.config["metaregression"][outcome]
        (moderator,) = declared["models"][model]
        regression = self._regression(outcome, {model: [moderator]})
        values = set(regression["moderators"][moderator].values())
        groups = declared.get("groups", {}).items()
        figure = {
            **self._words_on_figures(outcome),
            "labels": {},  # it names no study
            "outcome": outcome,
            "variant": regression["variant"],
            "moderator": moderator,
            "moderator_label": declared.get("labels", {}).get(moderator, ""),
            "moderator_unit": self._study_columns[moderator].get("unit", ""),
            "groups": {value: name for value, name in groups if value in values},
        }
        return {"model": model, "regression": regression, "figure": figure}

    def _regression(self, outcome: str, models: Mapping[str, list[str]]) -> dict:
        """Models with the values that they use: numbers, or the words of categories.

        A study without numbers or left out by the variant's selection is not in them.
        """
        declared = self.config["metaregression"][outcome]
        variant = declared.get("variant", "main")
        excluded = self.variant(outcome, variant)["excluded"]
        known = [row["study_id"] for row in self.rows(outcome) if row["status"] != "unavailable"]
        columns = dict.fromkeys(column for model in models.values() for column in model)
        return {
            "outcome": outcome,
            "variant": variant,
            "tau2": declared.get("tau2", ""),
            "interval": declared.get("interval", ""),
            "pooling": dict(self._pooling(outcome)),
            "models": {name: list(model) for name, model in models.items()},
            "moderators": {
                column: self._values(column, [id for id in known if id not in excluded])
                for column in columns
            },
        }

    def _values(self, column: str, ids: list[str]) -> dict[str, float | str]:
        value = str if self._study_columns[column]["type"] == "category" else float
        texts = {id: self.studies[id][column] for id in ids}
        return {id: value(text) for id, text in texts.items() if text}

    @cached_property
    def _study_columns(self) -> Mapping[str, Mapping]:
        """The columns of studies.csv as declared, or those of a review that declares none."""
        return self.config.get("studies") or _default_columns()

    # Tables, legends, supplement ---------------------------------------------------------

    def tables_of(self, kind: str) -> tuple[str, ...]:
        """The ids of the tables of a kind."""
        declared = self.config.get("tables", {})
        return tuple(id for id, table in declared.items() if table["kind"] == kind)

    @property
    def tables(self) -> tuple[str, ...]:
        return tuple(self.config.get("tables", {}))

    def table_settings(self, table: str) -> dict:
        """What a table is asked to show, and how outcomes, variants and studies are called."""
        declared = self.config["tables"][table]
        outcomes = declared.get("outcomes", self.outcomes)
        return {
            **declared,
            "id": table,
            "outcomes": [self._outcome_words(outcome) for outcome in outcomes],
            "variants": {name: self._variant_words(name) for name in self.config["variants"]},
            "leave_one_out": self.leaving_one_out,
            **self.label_settings(),
        }

    def table_outcomes(self, table: str) -> tuple[str, ...]:
        """The outcomes that a table names; none where it shows all of them."""
        return tuple(self.config["tables"][table].get("outcomes", ()))

    def quality_sheet(self, table: str) -> Path:
        """The sheet that a table of the studies' quality shows."""
        return self.resources / QUALITY_SHEETS[self.config["tables"][table]["kind"]]

    def _outcome_words(self, outcome: str) -> dict:
        declared = self.config["outcomes"][outcome]
        words = {key: declared.get(key, "") for key in ("label", "unit", "section", "measure")}
        return {"id": outcome, **words}

    def _variant_words(self, variant: str) -> str:
        declared = self.config["variants"][variant] or {}
        return declared.get("label", variant.replace("_", " "))

    def legend_settings(self) -> list[dict]:
        """What the legend of each figure must know beside the numbers, in the figures' order."""
        return [self._legend_settings(figure) for figure in self.figures.values()]

    def _legend_settings(self, figure: Figure) -> dict:
        drawn = {key: getattr(figure, key) for key in ("figure", "annexure", "kind", "outcome")}
        if figure.kind == "prisma_flow":
            label = "Selection of the studies"
            return {**drawn, "variant": "", "label": label, "prisma": self.config["prisma"]}
        declared = self.config["outcomes"][figure.outcome]
        is_step = figure.kind == "subgroup_forest"
        groups = self.config.get("subgroups", {}).get(figure.outcome, {}).get("groups", {})
        varied = "" if is_step else self._variant_text(figure.variant)
        pooling = self._subgroup_pooling if is_step else self._pooling
        return {
            **drawn,
            "variant": figure.variant,
            "label": declared["label"],
            "variant_label": self._step_label(figure) if is_step else varied,
            "variant_text": varied,
            "unit": declared.get("unit", ""),
            "labels": {row["study_id"]: self._label(row) for row in self.rows(figure.outcome)},
            "groups": dict(groups),
            "pooling": dict(pooling(figure.outcome)),
        }

    def _label(self, row: dict[str, str]) -> str:
        return self.studies[row["study_id"]]["label"]

    def _variant_text(self, variant: str) -> str:
        main = next(iter(self.config["variants"]))
        return "" if variant == main else self._variant_words(variant)

    def _step_label(self, figure: Figure) -> str:
        steps = self.subgroup_settings(figure.outcome)["steps"]
        (step,) = (step for step in steps if step["name"] == figure.variant)
        return f"subgroups by {step['by'].replace('_', ' ')}"

    # Snakemake's report ------------------------------------------------------------------

    def figure_category(self, figure: str) -> str:
        """The heading under which the report shows a figure: that of the supplement."""
        annexure = self.figures[figure].annexure
        return annexure_title(annexure, self.config.get("annexures", {}))

    def figure_labels(self, figure: str) -> dict[str, str]:
        """How the report lists a figure: its number, its outcome, its variant.

        The report sorts numbers as texts, so they are aligned. Where a label has two values,
        each half of the time, it offers them as a switch and fails to show the page if a row
        has but one of them: what no reader sees after a text keeps all values apart.
        """
        drawn = self.figures[figure]
        settings = self._legend_settings(drawn)
        variant = settings.get("variant_label") or "main analysis"
        width = max(len(id) - len(id.rstrip(DIGITS)) for id in self.figures)
        letters = figure.rstrip(DIGITS)
        unseen = ZERO_WIDTH_SPACE * list(self.figures).index(figure)
        return {
            "Figure": letters + figure.removeprefix(letters).rjust(width, FIGURE_SPACE),
            "Outcome": settings["label"] + unseen,
            "Variant": (variant if drawn.variant else "") + unseen,
        }

    def bubble_labels(self, bubble: str) -> dict[str, str]:
        """How the report lists a bubble plot."""
        drawn = self.bubble_settings(bubble)["figure"]
        moderator = drawn["moderator_label"] or drawn["moderator"].replace("_", " ")
        return {"Plot": f"{drawn['title']}: {moderator}"}

    def supplement_settings(self) -> dict:
        """The title page, and what each annexure is about."""
        review = self.config["review"]
        details = [("Registration", review.get("registration")), ("DOI", review.get("doi"))]
        return {
            "title": review["title"],
            "article": review.get("article", ""),
            "details": [list(pair) for pair in details if pair[1]],
            "annexures": dict(self.config.get("annexures", {})),
        }

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

    def trim_and_fill_settings(self, outcome: str) -> dict:
        """How missing studies are filled in; an empty estimator does nothing."""
        declared = self.config.get("bias", {}).get("trim_and_fill", {})
        return {
            "outcome": outcome,
            "variants": self.bias_settings(outcome)["variants"],
            "pooling": dict(self._pooling(outcome)),
            "estimator": declared.get("estimator", "L0") if declared else "",
            "side": declared.get("side"),
        }

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
        one_by_one = variant in self.leaving_one_out
        return {"excluded": excluded, "outliers": outliers, "leave_one_out": one_by_one}

    @property
    def leaving_one_out(self) -> list[str]:
        """The variants that leave out one study at a time."""
        declared = self.config["variants"].items()
        return [name for name, variant in declared if (variant or {}).get("leave_one_out")]

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


def _default_columns() -> Mapping[str, Mapping]:
    schema = yaml.load(SCHEMA.read_text(encoding="utf-8"), Loader=LOADER)
    return schema["properties"]["studies"]["default"]


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
