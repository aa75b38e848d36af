"""What the jobs that write tables, legends and the supplement are told."""

from __future__ import annotations

from pathlib import Path

from forestry.assembly import in_order
from forestry.jobs.drawings import reported_only
from forestry.jobs.statistics import step_of, subgroup_settings
from forestry.provenance import digest_of
from forestry.review import QUALITY_SHEETS, Figure, Review
from forestry.rows import digest, read_table, size_of
from forestry.supplement.model import FigureEntry
from forestry.supplement.volumes import figures_of_volumes, volumes_of
from forestry.tables.model import Table

BY_SOURCE = "the source had left them out, and no rule is applied again"


def label_settings(review: Review) -> dict:
    """How the studies are called."""
    return {"labels": {id: study["label"] for id, study in review.studies.items()}}


# What the tables of a kind are made from, as the fields of `tables.making.Sources`.
TABLE_SOURCES = {
    "characteristics": ("studies", "estimates", "effects"),
    "pooled": ("estimates", "effects"),
    "risk_of_bias": ("risk_of_bias",),
    "newcastle_ottawa": ("newcastle_ottawa",),
    "sensitivity": ("estimates", "weights"),
    "bias": ("bias", "weights"),
}


def table_sources(review: Review) -> dict[str, str | list[str]]:
    """The files that the declared tables are made from; `effects` are those of `tabulated`."""
    sheets = {kind: f"resources/{name}" for kind, name in QUALITY_SHEETS.items()}
    files = {
        "studies": "resources/studies.csv",
        **sheets,
        **{table: f"results/{table}.csv" for table in ("estimates", "weights", "bias")},
        "effects": [f"results/effects/{outcome}.csv" for outcome in tabulated(review)],
    }
    kinds = [table["kind"] for table in review.config.get("tables", {}).values()]
    return {name: files[name] for kind in kinds for name in TABLE_SOURCES[kind]}


def tabulated(review: Review) -> list[str]:
    """The outcomes whose effects a table counts."""
    tables = review.config.get("tables", {}).items()
    counting = [id for id, table in tables if "effects" in TABLE_SOURCES[table["kind"]]]
    return list(dict.fromkeys(outcome for id in counting for outcome in table_outcomes(review, id)))


def table_outcomes(review: Review, table: str) -> tuple[str, ...]:
    """The outcomes that a table shows: those that it names, or all of them."""
    return tuple(review.config["tables"][table].get("outcomes", review.outcomes))


def tables_settings(review: Review) -> dict:
    """What every table is asked to show, and what the workbook is called."""
    return {
        "title": review.config["review"]["title"],
        "outcomes": tabulated(review),
        "tables": [table_settings(review, table) for table in review.tables],
    }


def table_settings(review: Review, table: str) -> dict:
    """What a table is asked to show, and how outcomes, variants and studies are called."""
    declared = review.config["tables"][table]
    return {
        **declared,
        "id": table,
        "outcomes": [_outcome_words(review, id) for id in table_outcomes(review, table)],
        "variants": {name: review.variant_words(name) for name in review.config["variants"]},
        "leave_one_out": review.leaving_one_out,
        **reported_only(review, next(iter(review.config["variants"]))),
        **label_settings(review),
        **(_bootstrap_shown(review) if declared["kind"] == "sensitivity" else {}),
    }


def _bootstrap_shown(review: Review) -> dict:
    """The bootstrap's table and which of its intervals is shown, where there is one by now.

    It is told by its content and is no file that the tables are made from: they are made
    without it, and anew once `snakemake bootstrap` has made it.
    """
    table = review.resources.parent / "results" / "bootstrap.csv"
    if "bootstrap" not in review.config or not table.exists():
        return {}
    declared = review.config["bootstrap"]
    shown = {"kind": declared["kinds"][0], "interval": declared["intervals"][0]}
    return {"bootstrap": {"table": str(table), "content": digest_of([table]), **shown}}


def _outcome_words(review: Review, outcome: str) -> dict:
    declared = review.config["outcomes"][outcome]
    words = {key: declared.get(key, "") for key in ("label", "unit", "section", "measure")}
    return {"id": outcome, **words}


def legend_settings(review: Review) -> list[dict]:
    """What the legend of each figure must know beside the numbers, in the figures' order."""
    return [figure_legend_settings(review, figure) for figure in review.figures.values()]


def _unsolved(review: Review, outcome: str) -> list[str]:
    """The bases of an outcome's rows that are results which no rows were found to give."""
    return sorted(review.unsolved & {row["basis"] for row in review.rows(outcome)})


def figure_legend_settings(review: Review, figure: Figure) -> dict:
    """What the legend of a figure must know beside the numbers."""
    drawn = {key: getattr(figure, key) for key in ("figure", "annexure", "kind", "outcome")}
    if figure.kind == "prisma_flow":
        label = "Selection of the studies"
        return {**drawn, "variant": "", "label": label, "prisma": review.config["prisma"]}
    declared = review.config["outcomes"][figure.outcome]
    is_step = figure.kind == "subgroup_forest"
    groups = review.config.get("subgroups", {}).get(figure.outcome, {}).get("groups", {})
    label = _step_label(review, figure) if is_step else _variant_label(review, figure.variant)
    pooling = review.subgroup_pooling if is_step else review.pooling
    return {
        **drawn,
        "variant": figure.variant,
        "label": declared["label"],
        "variant_label": label,
        "variant_text": "" if is_step else _variant_text(review, figure),
        "reported_variant": _reported_beside(review, figure),
        "unsolved": _unsolved(review, figure.outcome),
        "unit": declared.get("unit", ""),
        "labels": {row["study_id"]: review.label(row) for row in review.rows(figure.outcome)},
        "groups": dict(groups),
        "pooling": dict(pooling(figure.outcome)),
        "preset": review.preset_words(figure.outcome, of_subgroups=is_step),
        "standardized": review.hedges_g(figure.outcome, of_subgroups=is_step),
    }


def _reported_beside(review: Review, figure: Figure) -> str:
    if figure.kind == "subgroup_forest":
        return step_of(review, figure.outcome, figure.variant)["reported"]
    return review.reported_beside(figure.variant)


def _variant_label(review: Review, variant: str) -> str:
    main = next(iter(review.config["variants"]))
    return "" if variant == main else review.variant_words(variant)


def _variant_text(review: Review, figure: Figure) -> str:
    label = _variant_label(review, figure.variant)
    by_source = review.lacks_outliers(figure.outcome) and review.has_outlier_rule(figure.variant)
    return f"{label}: {BY_SOURCE}" if by_source else label


def _step_label(review: Review, figure: Figure) -> str:
    step = step_of(review, figure.outcome, figure.variant)
    return f"subgroups by {step['by'].replace('_', ' ')}"


def supplement_settings(review: Review) -> dict:
    """The title page, and what each annexure is about."""
    described = review.config["review"]
    details = [("Registration", described.get("registration")), ("DOI", described.get("doi"))]
    return {
        "title": described["title"],
        "article": described.get("article", ""),
        "details": [list(pair) for pair in details if pair[1]],
        "annexures": dict(review.config.get("annexures", {})),
    }


def volumes(review: Review) -> list[list[str]]:
    """The figures of each volume of the supplement, by what is declared for it."""
    nothing = Path()
    figures = [
        FigureEntry(figure.figure, figure.annexure, "", "", pdf=nothing, png=nothing)
        for figure in review.figures.values()
    ]
    rows = rows_about(review)
    outline = in_order([Table(table, "", (), ()) for table in rows], figures, {})
    return figures_of_volumes(outline, volumes_of(len(figures), sum(rows.values())), rows)


def rows_about(review: Review) -> dict[str, int]:
    """About how many rows each table has."""
    return {table: _rows_about(review, table) for table in review.tables}


def _rows_about(review: Review, table: str) -> int:
    """About how many rows a table has; several tests of a variant are mostly joined or left out."""
    kind, outcomes = review.config["tables"][table]["kind"], len(table_outcomes(review, table))
    if kind in ("sensitivity", "bias"):
        return outcomes * (1 + len(review.config["variants"]))
    return outcomes if kind == "pooled" else len(review.studies)


def audit_settings(review: Review) -> dict:
    """Where the audit finds what was published: subgroups by step, studies by reference."""
    groups = {
        f"subgroup{number}_{group}": [step["name"], group]
        for outcome in review.subgrouped
        for number, step in enumerate(subgroup_settings(review, outcome)["steps"], start=1)
        for group in step["order"]
    }
    refs = {row["ref"]: id for id, row in review.studies.items() if row.get("ref")}
    return {
        "outcomes": list(review.outcomes),
        "subgroups": groups,
        "refs": refs,
        "solutions": [digest(read_table(path)) for path in review.solutions],
        "sizes": {outcome: _unsolved_sizes(review, outcome) for outcome in review.outcomes},
    }


def _unsolved_sizes(review: Review, outcome: str) -> dict[str, int | None]:
    """The sizes that a sheet itself gives for rows that were solved."""
    if not review.solved(outcome):
        return {}
    solved = {row["study_id"]: row for row in review.rows(outcome)}
    return {
        row["study_id"]: size_of(row)
        for row in review.without_solved().rows(outcome)
        if row != solved[row["study_id"]]
    }
