"""What is told to the jobs that solve rows from published results."""

from __future__ import annotations

from collections.abc import Mapping

from forestry.jobs.statistics import effects_settings
from forestry.reconstruction.files import digest_of
from forestry.review import Review
from forestry.rows import NUMBERS, ROW_STATE, STUDIES, Table, read_table

TARGET = (
    *("outcome", "variant", "statistic", "unit", "k", "n"),
    *("estimate", "ci_low", "ci_high", "i2", "p_heterogeneity"),
)
EFFECTS = (
    *("measure", "scale", "direction", "medians", "correlation", "zero_cells"),
    *("level", "columns", "studies"),
)
DEFAULT_SEED = 1
OF_STUDIES = "its rows are columns of studies.csv, which are not solved"
OF_GROUPS = "the studies that the step leaves out as outliers are not printed"
OF_OUTLIERS = "whom its outlier rule leaves out depends on the rows that are to be solved"
NOT_DECLARED = "the outcome is not declared"
NO_VARIANT = "the variant is not declared"


def tasks(review: Review) -> dict[str, dict]:
    """Each sheet with a published result that pools a row without numbers: all it is solved from.

    A task holds the sheet's rows as they stand in the file, without anything solved, and its
    published results in their order, each with its members and how they are pooled.
    """
    if not review.is_published:
        return {}
    bare = review.without_solved()
    found: dict[str, list[dict]] = {}
    for row in _published(bare):
        if not _why_not(bare, row):
            data = bare.config["outcomes"][row["outcome"]]["data"]
            found.setdefault(data, []).append(_pool(bare, row))
    solved = {data: pools for data, pools in found.items() if any(map(_lacks_numbers, pools))}
    return {data: _task(bare, data, pools) for data, pools in solved.items()}


def reconstruct_settings(review: Review) -> dict:
    """The sheets to solve, each with its columns and from what, and the results of none."""
    sheets = [
        {
            "sheet": sheet,
            "columns": ["study_id", *NUMBERS[_measure(task)], *ROW_STATE, "evidence"],
            "solved_from": digest_of(task),
            "seed": task["seed"],
        }
        for sheet, task in tasks(review).items()
    ]
    published = [list(_named(row).values()) for row in _published(review)]
    return {"sheets": sheets, "unsolved": unsolved(review), "published": published}


def _measure(task: Mapping) -> str:
    return task["pools"][0]["effects"]["measure"]


def unsolved(review: Review) -> list[dict]:
    """The published results of no task: outcome, variant, and why there is nothing to solve.

    Where all rows have numbers the reason is empty and `k` counts them.
    """
    bare, asked = review.without_solved(), tasks(review)
    found = []
    for row in _published(bare):
        why = _why_not(bare, row)
        if why or bare.config["outcomes"][row["outcome"]]["data"] not in asked:
            k = None if why else len(_pool(bare, row)["members"])
            found.append({**_named(row), "k": k, "reason": why})
    return found


def _named(row: Mapping[str, str]) -> dict[str, str]:
    return {"outcome": row["outcome"], "variant": row["variant"]}


def _published(review: Review) -> Table:
    path = review.resources / "published.csv"
    return read_table(path) if review.is_published else []


def _why_not(review: Review, row: Mapping[str, str]) -> str:
    outcome, variant = row["outcome"], row["variant"]
    declared = review.config["outcomes"].get(outcome)
    if declared is None:
        return NOT_DECLARED
    if declared["data"] == STUDIES:
        return OF_STUDIES
    if variant in review.config["variants"]:
        return OF_OUTLIERS if review.variant(outcome, variant)["outliers"] else ""
    return OF_GROUPS if variant.startswith("subgroup") else NO_VARIANT


def _pool(review: Review, row: Mapping[str, str]) -> dict:
    """A published result, who is pooled in it, and how."""
    outcome, variant = row["outcome"], row["variant"]
    settings = effects_settings(review, outcome)
    excluded = review.variant(outcome, variant)["excluded"]
    rows = {one["study_id"]: one for one in review.rows(outcome)}
    members = [study for study in settings["studies"] if study not in excluded]
    return {
        "published": {column: row[column] for column in TARGET},
        "pooling": dict(review.pooling(outcome)),
        "effects": {key: settings[key] for key in EFFECTS},
        "members": members,
        "rows": [rows[study] for study in members],
    }


def _lacks_numbers(pool: Mapping) -> bool:
    """Whether a member lacks numbers that its measure needs."""
    measure = pool["effects"]["measure"]
    return any(not _is_known(row, measure) for row in pool["rows"])


def _is_known(row: Mapping[str, str], measure: str) -> bool:
    """Whether a row can be pooled as it stands, or lacks what cannot be solved."""
    if row["status"] == "unavailable":
        return False
    if measure == "mean":
        spread = any(row[name] for name in ("sd", "q1", "min"))
        return bool(spread)
    if measure == "mean_change":
        spread = row["change_sd"] or row["change_ci_low"]
        return bool(spread or (row["baseline_sd"] and row["end_sd"]))
    return True


def _task(review: Review, data: str, pools: list[dict]) -> dict:
    declared = review.config.get("reconstruction", {})
    size = declared.get("size", "")
    rows = read_table(review.resources / "extraction" / f"{data}.csv")
    measure = pools[0]["effects"]["measure"]
    kept = ("study_id", *ROW_STATE, *NUMBERS[measure])
    known = {row["study_id"] for row in rows}
    return {
        "sheet": data,
        "seed": declared.get("seed", DEFAULT_SEED),
        "rows": [{column: row[column] for column in kept} for row in rows],
        "sizes": {id: s[size] for id, s in review.studies.items() if id in known and s.get(size)},
        "pools": [{key: value for key, value in pool.items() if key != "rows"} for pool in pools],
    }
