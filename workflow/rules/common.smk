# Loads and checks the review, and names what the rules ask of it. Holds no rule.
#
# Bad input stops here, before any job: nothing is pooled from a sheet with a fault.

import atexit
import gc
import os
import sys
from dataclasses import asdict
from functools import cache, partial
from pathlib import Path

# A run makes many objects and lets go of few: to look for garbage as often as Python does by
# itself takes a tenth of the time until the first job, and a last look a sixth of a second.
gc.set_threshold(100_000)
atexit.register(gc.freeze)

SCRIPTS = Path(workflow.basedir) / "workflow/scripts"
sys.path.insert(0, str(SCRIPTS))

from forestry.gate import GateClosed, pass_gate
from forestry.jobs import (
    documents,
    drawings,
    reconstruction,
    report_entries,
    statistics,
)
from forestry.leftovers import leftovers, outdated
from forestry.provenance import code_of, digest_of
from forestry.reconstruction.files import digest_of as digest_of_task
from forestry.reconstruction.files import refusal, stale
from forestry.review import Review
from forestry.running import StillAtWork, enter

RESOURCES = Path("resources")
SCHEMA = Path(workflow.basedir) / "workflow/schemas/config.schema.yaml"
MARKS = Path(".snakemake/forestry")

# The gate's pandera imports hypothesis where it finds it, to invent tables, which nobody asks for.
sys.modules.setdefault("hypothesis", None)

try:
    if workflow.is_main_process and enter(Path(), MARKS):
        print(
            "A run here was killed: what it left unfinished is made again.",
            file=sys.stderr,
        )
    pass_gate(config, RESOURCES, SCHEMA, MARKS)
except (GateClosed, StillAtWork) as stopped:
    raise WorkflowError(str(stopped))

# To compare params, Snakemake imports pandas where it finds it, at every start and for longer
# than all else takes here: a param might be a table of pandas. None of this workflow is.
sys.modules.setdefault("pandas", None)

REVIEW = Review(config, RESOURCES)
FORMATS = ["pdf", "svg", "png"]
# Priorities: first the outcomes' numbers, for which all others wait, and the supplement as soon
# as it can be made; then the plots that it shows, of these the jobs with most; then all else.
# What holds all outcomes takes as long as a job of two plots.
FIRST, SHOWN = 1000, 100
OF_ALL = SHOWN + 2

# An outcome's id, as the schema has it. A list of all ids would stand in the pattern of each
# output and be read again for each job: the time for the graph would grow with its square.
NAME = r"[A-Za-z]\w*"


wildcard_constraints:
    outcome=NAME,


def one_of(names):
    """A wildcard constraint: one of the names; of none, nothing matches."""
    return "|".join(names) or "(?!)"


@cache
def code(script):
    """A digest of the script and of the library modules that it imports, as a param.

    Snakemake does not see what a script imports; as a param, an edit there reruns the
    job, a `touch` does not, and what the terminal says of a job stays readable.
    """
    return digest_of(code_of(SCRIPTS / script))


# What a job of an outcome is told ----------------------------------------------------------


def sheet(wildcards):
    if wildcards.outcome not in config["outcomes"]:
        raise WorkflowError(f"config.yaml declares no outcome {wildcards.outcome}.")
    return str(REVIEW.sheet(wildcards.outcome))


@cache
def tasks():
    """What is to be solved, by sheet."""
    return reconstruction.tasks(REVIEW)


@cache
def refuse_stale():
    """Stop where the review reads reconstructed rows that are not those of its sheets.

    Asked for by what reads them, not when the workflow is read: `reconstruct` must run. By a
    param and not by an input: of a job whose input function fails Snakemake takes the outputs
    that exist for sources, and says nothing.
    """
    sheets = stale(tasks(), RESOURCES) if REVIEW.is_reconstructed else []
    if sheets:
        raise WorkflowError(refusal(sheets))


def solved_rows(wildcards):
    """The file of solved rows of an outcome's sheet, if the review reads one."""
    return [str(path) for path in REVIEW.solved(wildcards.outcome)]


def solved_sheets(wildcards):
    return [
        f".snakemake/forestry/solved/{sheet}-{digest_of_task(task)}.json"
        for sheet, task in tasks().items()
    ]


def solve_settings(wildcards):
    return tasks()[wildcards.sheet]


def reconstruct_settings(wildcards):
    return reconstruction.reconstruct_settings(REVIEW)


def analyse_settings(wildcards):
    refuse_stale()
    return statistics.analyse_settings(REVIEW, wildcards.outcome)


def analyse_priority(wildcards):
    """Before all others the outcomes with most plots: these take longest."""
    return FIRST + len(DRAWINGS.get(wildcards.outcome, ()))


def subgroup_settings(wildcards):
    refuse_stale()
    return {
        "effects": statistics.subgroup_effects_settings(REVIEW, wildcards.outcome),
        "steps": statistics.subgroup_settings(REVIEW, wildcards.outcome),
    }


def metaregression_settings(wildcards):
    return statistics.metaregression_settings(REVIEW, wildcards.outcome)


# Results as data: the outcomes' tables of each kind, which become one ----------------------


def of_outcomes(folder, table):
    return collect(f"results/{folder}/{{outcome}}/{table}.csv", outcome=REVIEW.outcomes)


def of_subgroups(table):
    return collect(
        f"results/subgroups/{{outcome}}/{table}.csv", outcome=REVIEW.subgrouped
    )


COLLATED = {
    "estimates": of_outcomes("pooled", "estimates") + of_subgroups("estimates"),
    "weights": of_outcomes("pooled", "weights") + of_subgroups("weights"),
    "heterogeneity": of_outcomes("pooled", "heterogeneity")
    + of_subgroups("heterogeneity"),
    "influence": of_outcomes("diagnostics", "influence"),
    "subgroups": of_subgroups("tests"),
    "bias": of_outcomes("diagnostics", "bias"),
    "trim_and_fill": of_outcomes("diagnostics", "trim_and_fill"),
    "metaregression": collect(
        "results/metaregression/{outcome}.csv", outcome=REVIEW.regressed
    ),
}
COLLATED = {table: COLLATED[table] for table in statistics.collated(REVIEW)}


# Plots -------------------------------------------------------------------------------------

DRAWINGS = drawings.drawings_by_outcome(REVIEW)
DRAWING_JOBS = {
    f"{name}_{outcome}": (outcome, drawn)
    for outcome, drawings_of_it in DRAWINGS.items()
    for name, drawn in drawings.drawn_together(drawings_of_it)
}


def draw_priority(drawn):
    shown = any(drawing.path in REVIEW.figures for drawing in drawn)
    return len(drawn) + SHOWN * shown


def drawn_from(outcome, drawn):
    """The tables that some of an outcome's plots are drawn from, by what they hold."""
    paths = {
        "effects": f"results/effects/{outcome}.csv",
        "estimates": f"results/pooled/{outcome}/estimates.csv",
        "weights": f"results/pooled/{outcome}/weights.csv",
        "influence": f"results/diagnostics/{outcome}/influence.csv",
    }
    for table in ("effects", "estimates", "weights", "tests"):
        paths[f"subgroup_{table}"] = f"results/subgroups/{outcome}/{table}.csv"
    needed = {table for drawing in drawn for table in drawings.TABLES[drawing.kind]}
    return {table: path for table, path in paths.items() if table in needed}


# What the report shows, with where and how it lists it -------------------------------------

CAPTIONS = report_entries.captions(
    REVIEW, DRAWINGS.values(), [*COLLATED, *statistics.resampled(REVIEW)]
)


# Each template as an input to watch.
CAPTION_TEMPLATES = {
    caption.template: os.path.relpath(
        Path(workflow.basedir) / f"workflow/report/{caption.template}.rst"
    )
    for caption in CAPTIONS
}


def caption(path):
    """The caption of a result, for the report: from the folder of the rules."""
    return os.path.abspath(f"results/captions/{path}.rst")


def reported_plot(drawing):
    return report(
        f"results/figures/{drawing.path}.svg",
        caption=caption(f"figures/{drawing.path}"),
        category=partial(plot_category, drawing),
        subcategory=report_entries.SUBCATEGORIES[drawing.kind],
        labels=partial(plot_labels, drawing),
    )


def plot_category(drawing, wildcards):
    return report_entries.plot_category(REVIEW, drawing)


def plot_labels(drawing, wildcards):
    return report_entries.plot_labels(REVIEW, drawing)


def reported_table(table):
    title = config["tables"][table]["title"]
    return report(
        f"results/tables/{table}.csv",
        caption=caption(f"tables/{table}"),
        category="Tables",
        subcategory="Of the supplement",
        labels={"Table": f"{table}. {title}"},
    )


def reported_data(table):
    return report(
        f"results/{table}.csv",
        caption=caption(table),
        category="Tables",
        subcategory="Results as data",
        labels={"Table": f"{table}.csv"},
    )


def outcome_labels(wildcards):
    return {"Outcome": config["outcomes"][wildcards.outcome]["label"]}


def figure_category(wildcards):
    return report_entries.figure_category(REVIEW, wildcards.figure)


def figure_labels(wildcards):
    return report_entries.figure_labels(REVIEW, wildcards.figure)


# The supplement and all that a run makes ---------------------------------------------------

# The figures of its volumes, by how a volume's file is called: one, unless very much is declared.
VOLUMES = {
    f"_{number}" if number > 1 else "": figures
    for number, figures in enumerate(documents.volumes(REVIEW), start=1)
}


def figures_of_volume(wildcards):
    return collect("results/figures/{figure}.pdf", figure=VOLUMES[wildcards.volume])


def volume(wildcards):
    return {
        "number": [*VOLUMES].index(wildcards.volume) + 1,
        "of": len(VOLUMES),
        "rows": documents.rows_about(REVIEW),
    }


def template(name):
    """A template of the supplement, as an input to watch."""
    return os.path.relpath(SCRIPTS / "forestry/supplement" / name)


def final_files():
    """Everything that a run makes for a reader."""
    figures = [*REVIEW.figures_of("prisma_flow")]
    figures += [drawing.path for drawn in DRAWINGS.values() for drawing in drawn]
    figures += ["risk_of_bias"] if REVIEW.tables_of("risk_of_bias") else []
    tables = [*COLLATED, *(["audit", "consistency"] if REVIEW.is_published else [])]
    set_together = [
        *collect("results/supplement{volume}.pdf", volume=VOLUMES),
        "results/supplement.docx",
        "results/tables/tables.xlsx",
    ]
    return [
        *(set_together if REVIEW.tables else []),
        *collect("results/tables/{table}.csv", table=REVIEW.tables),
        *collect("results/legends.{format}", format=["csv", "rst"]),
        *collect("results/{table}.csv", table=tables),
        *collect("results/figures/{figure}.{format}", figure=figures, format=FORMATS),
        "results/captions",
    ]


def last_words():
    """Where the results are, and which files there this run did not make and should not be read."""
    effects = collect("results/effects/{outcome}.csv", outcome=REVIEW.outcomes)
    tables = collect("results/tables/{table}.json", table=REVIEW.tables)
    apart = {
        f"results/{table}.csv": collect(
            "results/effects/{outcome}.csv", outcome=outcomes
        )
        for table, outcomes in statistics.resampled(REVIEW).items()
    }
    apart["results/report.html"] = final_files()
    said = {
        "No longer declared, left as they were:": leftovers(
            [*final_files(), *effects, *tables], apart
        ),
        "Made before the numbers of this run:": outdated(apart),
    }
    lines = [f"\nDone. The results are in {Path('results').resolve()}"]
    for heading, files in said.items():
        lines += [heading, *(f"  {file}" for file in files)] if files else []
    return "\n".join(lines)
