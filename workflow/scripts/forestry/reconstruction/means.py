"""The rows of a sheet of means or mean changes, solved from its published results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from forestry.consistency import read_printed
from forestry.effects import study_effects
from forestry.models import Pooling
from forestry.reconstruction.continuous import PrintedPool, SolvedMeans, solve_means
from forestry.reconstruction.files import CellRange, Solution
from forestry.reconstruction.results import NONE, NOT_SOLVABLE, NOTHING_UNKNOWN, SEVERAL
from forestry.reconstruction.sizes import Study
from forestry.reconstruction.solution import SheetSolution
from forestry.results import StudyEffect
from forestry.rows import UNAVAILABLE, Table, filled

CRITERION = "smallest family: normal scores about the mean, one standard deviation"
COLUMNS = {"mean": ("n", "mean", "sd"), "mean_change": ("n", "change_mean", "change_sd")}


def solve_means_sheet(task: Mapping) -> SheetSolution:
    """Every published result of a sheet, those with fewest unknown rows first.

    `task` is one of `jobs.reconstruction.tasks`. Rows that one result has solved are held
    in those after it. Raises KeyError for a measure that is none of COLUMNS.
    """
    table: Table = [dict(row) for row in task["rows"]]
    order = sorted(task["pools"], key=lambda pool: _unknown(table, pool))
    rows: Table = []
    solutions: dict[int, Solution] = {}
    cells: list[CellRange] = []
    for pool in order:
        effects = _effects(filled(table, rows), pool)
        held = [row["study_id"] for row in rows if row["study_id"] in pool["members"]]
        try:
            solved = _solve(effects, filled(table, rows), pool)
        except ValueError as error:
            solutions[id(pool)] = _not_solvable(pool, str(error))
            continue
        solutions[id(pool)] = _solution(pool, solved, held)
        new = [_row(study, effects, pool, solved) for study in _lacking(solved)]
        cells += [cell for row in new for cell in _cells(task, table, row, pool)]
        rows += new
    return SheetSolution(tuple(rows), tuple(solutions[id(p)] for p in task["pools"]), tuple(cells))


def _unknown(table: Table, pool: Mapping) -> int:
    return sum(not effect.usable for effect in _effects(table, pool).values())


def _effects(table: Table, pool: Mapping) -> dict[str, StudyEffect]:
    """The members' effects, on the scale of display, in their order."""
    settings = {**pool["effects"], "studies": pool["members"]}
    return {effect.study_id: effect for effect in study_effects(table, settings)}


def _solve(effects: Mapping[str, StudyEffect], table: Table, pool: Mapping) -> SolvedMeans:
    medians = {row["study_id"]: row.get("median") for row in table}
    studies = [_study(effect, medians[study]) for study, effect in effects.items()]
    texts = pool["published"]
    numbers = {name: read_printed(texts[name]) for name in ("estimate", "ci_low", "ci_high", "i2")}
    if None in (numbers["estimate"], numbers["ci_low"], numbers["ci_high"]):
        raise ValueError("the estimate and both limits are not all printed")
    printed = PrintedPool(
        **numbers,
        p=read_printed(texts["p_heterogeneity"]),
        n=int(texts["n"]) if texts["n"] else None,
    )
    return solve_means(studies, printed, Pooling(**pool["pooling"]))


def _study(effect: StudyEffect, median: str | None) -> Study:
    """A median without a spread stands for the mean."""
    mean = float(median) if effect.mean is None and median else effect.mean
    return Study(effect.study_id, effect.n, mean, effect.sd, effect.status != UNAVAILABLE)


def _lacking(solved: SolvedMeans) -> list[Study]:
    return [study for study in solved.studies if study.study_id in solved.filled]


# What comes of it --------------------------------------------------------------------------


def _row(
    study: Study, effects: Mapping[str, StudyEffect], pool: Mapping, solved: SolvedMeans
) -> dict[str, str]:
    n, mean, sd = COLUMNS[pool["effects"]["measure"]]
    falls = pool["effects"]["direction"] == "fall"
    known = effects[study.study_id].mean is not None
    return {
        "study_id": study.study_id,
        n: str(study.n),
        mean: _text(0.0 - study.mean if falls else study.mean),
        sd: _text(study.sd),
        "status": "reconstructed",
        "basis": f"published:{pool['published']['outcome']}",
        "evidence": _evidence(pool, solved, known),
    }


def _evidence(pool: Mapping, solved: SolvedMeans, mean_known: bool) -> str:
    printed = pool["published"]
    pooled = f"{printed['estimate']} ({printed['ci_low']} to {printed['ci_high']})"
    what = "standard deviation" if mean_known else "mean and standard deviation"
    found = "with which" if solved.is_solved else "nearest to those with which"
    parts = [f"{what} {found} the pool prints {pooled}; {CRITERION}", solved.ratio, solved.sizes]
    return "; ".join(filter(None, parts))


def _text(value: float) -> str:
    return f"{value:.10g}"


def _cells(task: Mapping, table: Table, row: Mapping[str, str], pool: Mapping) -> list[CellRange]:
    (given,) = (one for one in table if one["study_id"] == row["study_id"])
    columns = COLUMNS[pool["effects"]["measure"]]
    return [
        CellRange(
            sheet=task["sheet"],
            study_id=row["study_id"],
            column=column,
            value=float(row[column]),
            low=None,
            high=None,
            fixed=False,
            outcome=pool["published"]["outcome"],
            variant=pool["published"]["variant"],
        )
        for column in columns
        if given[column] != row[column]
    ]


def _solution(pool: Mapping, solved: SolvedMeans, held: Sequence[str]) -> Solution:
    met = SEVERAL if solved.is_solved else NONE
    verdict = met if solved.filled else NOTHING_UNKNOWN
    return replace(
        _blank(pool, verdict),
        k_unknown=len(solved.filled),
        distance=solved.distance,
        unmet=" ".join(solved.unmet),
        contradicted="n" if "n" in solved.unmet else "",
        freed=" ".join(solved.freed),
        held=" ".join(held),
        criterion=CRITERION if solved.filled else "",
        reason="; ".join(filter(None, [_why(solved), solved.ratio, solved.sizes])),
    )


def _why(solved: SolvedMeans) -> str:
    if not solved.filled or solved.is_solved:
        return ""
    if solved.freed:
        return f"the printed figures cannot be met beside the known rows of {_or(solved.freed)}"
    return "no member of the family prints these figures"


def _or(names: Sequence[str]) -> str:
    return " or ".join(names)


def _not_solvable(pool: Mapping, reason: str) -> Solution:
    return replace(_blank(pool, NOT_SOLVABLE), reason=reason)


def _blank(pool: Mapping, verdict: str) -> Solution:
    return Solution(
        outcome=pool["published"]["outcome"],
        variant=pool["published"]["variant"],
        verdict=verdict,
        k=len(pool["members"]),
        k_unknown=None,
        solutions=None,
        exhaustive=False,
        distance=None,
        **dict.fromkeys(("unmet", "contradicted", "freed", "held", "totals"), ""),
        criterion="",
        reason="",
    )
