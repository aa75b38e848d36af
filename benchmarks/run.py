"""Ratios, each measured side by side in one run: Forestry and the R script that is its peer.

    python benchmarks/run.py            prints the table
    python benchmarks/run.py --write    writes docs/benchmarks.md too
    python benchmarks/run.py --built 100    builds a synthetic review of 100 outcomes too

The rows that need R (Rscript with metafor and jsonlite) are left out, and say so, where it
is not installed. Nothing else should run on the machine meanwhile: the processor's seconds
beside the clock's tell whether it did.
"""

from __future__ import annotations

import argparse
import compileall
import csv
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from timeit import timeit

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "workflow/scripts"), str(ROOT / "benchmarks")]

import yaml

from forestry import inverse_variance, logistic_mixed
from forestry.jobs import statistics
from forestry.records import read_records
from forestry.results import Estimate, StudyEffect
from forestry.review import Review
from synthetic import write_review

CORES = 2
SIZES = (10, 100, 1000)
SUPPLEMENT = ("results/supplement.pdf", "results/supplement.docx")
PEER = ROOT / "benchmarks/peer.R"
EMPTY = "rule all:\n    input:\n        [],\n"
COMMAND = "python benchmarks/run.py --write"


@dataclass(frozen=True)
class Cost:
    """What a command took: seconds by the clock and of the processor, and megabytes.

    The memory is that of the largest of its processes.
    """

    wall: float
    cpu: float
    memory: float


@dataclass(frozen=True)
class Line:
    """A row of the table: what was done, how long Forestry took, and what it is held against."""

    what: str
    forestry: str
    other: str
    ratio: str
    aim: str


def main() -> None:
    options = _options()
    with tempfile.TemporaryDirectory() as folder:
        lines = _measure(Path(folder), options.built)
    page = _page(lines, options.built)
    print(page)
    if options.write:
        (ROOT / "docs/benchmarks.md").write_text(page, encoding="utf-8")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md")
    parser.add_argument(
        "--built", type=int, default=0, metavar="N", help="build a review of N outcomes too"
    )
    return parser.parse_args()


# Commands ---------------------------------------------------------------------------------


def measured(command: Sequence[str | Path], where: Path) -> Cost:
    """Run a command to its end. Raises CalledProcessError, with what it said, where it fails."""
    with tempfile.TemporaryFile() as said:
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)  # as users have it
        start = time.perf_counter()
        process = subprocess.Popen(
            list(map(str, command)), cwd=where, env=environment, stdout=said, stderr=said
        )
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            print(said.read().decode(), file=sys.stderr)
            raise subprocess.CalledProcessError(process.returncode, process.args)
    return Cost(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def best(measure: Callable[[], Cost], times: int) -> Cost:
    return min((measure() for _ in range(times)), key=lambda cost: cost.wall)


@dataclass(frozen=True)
class Place:
    """A copy of the workflow beside a review, in a folder of its own."""

    workflow: Path
    review: Path

    @property
    def declared(self) -> Review:
        config = yaml.safe_load((self.review / "config.yaml").read_text(encoding="utf-8"))
        return Review(config, self.review / "resources")

    def run(self, *arguments: str) -> Cost:
        snakemake = [sys.executable, "-m", "snakemake", "--snakefile", self.workflow / "Snakefile"]
        here = ["--directory", self.review, "--cores", str(CORES)]
        return measured([*snakemake, *here, *arguments], self.workflow)


def copied_workflow(folder: Path) -> Path:
    """The workflow as a user has it after a first run: its modules compiled."""
    ignored = shutil.ignore_patterns("__pycache__", ".snakemake")
    for part in ("workflow", "profiles"):
        shutil.copytree(ROOT / part, folder / part, ignore=ignored)
    shutil.copy(ROOT / "Snakefile", folder)
    compileall.compile_dir(folder / "workflow", quiet=1)
    return folder


def bundled(folder: Path, reconstructed: bool = True) -> Path:
    """A copy of the bundled review, with or without its reconstructed rows."""
    folder.mkdir()
    config = (ROOT / "config.yaml").read_text(encoding="utf-8")
    declared = "\nreconstructed: true"
    if declared not in config:
        raise ValueError("config.yaml no longer says `reconstructed: true`")
    config = config.replace(declared, f"\nreconstructed: {str(reconstructed).lower()}")
    (folder / "config.yaml").write_text(config, encoding="utf-8")
    shutil.copytree(ROOT / "resources", folder / "resources")
    return folder


# The table --------------------------------------------------------------------------------


def _measure(folder: Path, built: int) -> list[Line]:
    workflow = copied_workflow(folder / "forestry")
    place = Place(workflow, bundled(folder / "review"))
    cold = place.run()  # the check of the sheets included
    lines = [
        *_against_r(place, cold, folder),
        *_edits(place, cold),
        *_edit_of_the_largest(workflow, folder),
        _no_op(place, folder),
    ]
    largest = cold.memory
    grown, memory = _growth(workflow, folder)
    lines += grown
    largest = max(largest, memory)
    if built:
        line, memory = _built(workflow, folder, built)
        lines.append(line)
        largest = max(largest, memory)
    limit = Line("largest process", f"{largest:.0f} MB", "500 MB", _ratio(largest, 500), "below 1")
    return [*lines, limit]


def _against_r(place: Place, cold: Cost, folder: Path) -> list[Line]:
    what = f"cold rebuild, supplement included, {CORES} cores"
    if not _has_r():
        print("R with metafor and jsonlite is not installed: its rows are left out.")
        return [Line(what, _seconds(cold), "no R here", "", "under 45 s; at most 1")]
    review = place.declared
    plan = folder / "plan.json"
    plan.write_text(json.dumps(_plan(review), ensure_ascii=False), encoding="utf-8")
    effects = place.review / "results/effects"
    (folder / "figures").mkdir()
    whole = measured(["Rscript", PEER, plan, effects, folder / "figures"], folder)
    pools = json.loads((folder / "figures/pools.json").read_text())
    estimates = read_records(place.review / "results/estimates.csv", Estimate)
    for row in estimates:
        if (row.variant, row.group, row.model) == ("main", "", "random"):
            _same(row.outcome, [row.link_estimate], [pools[row.outcome]])
    done = subprocess.run(
        ["Rscript", PEER, plan, effects], check=True, capture_output=True, text=True
    )
    peer = json.loads(done.stdout)
    ours = _fits(read_records(effects / f"{_fitted(review)}.csv", StudyEffect), peer)
    drawn = len(list((folder / "figures").glob("*.pdf")))
    return [
        Line(
            what,
            _seconds(cold),
            f"{_seconds(whole)}, R, one process, {drawn} figures, no supplement",
            _ratio(cold.wall, whole.wall),
            "under 45 s; at most 1",
        ),
        *ours,
    ]


def _fits(effects: Sequence[StudyEffect], peer: dict) -> list[Line]:
    """One fit of each kind in this process beside R's, of the same studies with the same result."""
    usable = [row for row in effects if row.usable]
    events, total = [row.events for row in usable], [row.total for row in usable]
    yi, vi = [row.yi for row in usable], [row.vi for row in usable]
    mixed = logistic_mixed.fit_random(events, total)
    reml = inverse_variance.fit_random(yi, vi, "REML")
    _same("mixed model", (mixed.beta, mixed.tau2), (peer["mixed_estimate"], peer["mixed_tau2"]))
    _same("REML", (reml.estimate, reml.tau2), (peer["reml_estimate"], peer["reml_tau2"]))
    seconds = {
        "mixed": _each(lambda: logistic_mixed.fit_random(events, total), 500),
        "reml": _each(lambda: inverse_variance.fit_random(yi, vi, "REML"), 500),
    }
    calls = {"mixed": ("one mixed model", "rma.glmm", 50), "reml": ("one REML fit", "rma", 20)}
    return [
        Line(
            f"{what}, {len(usable)} studies, in process",
            f"{1000 * seconds[kind]:.2f} ms",
            f"{1000 * peer[kind]:.2f} ms, {call}",
            f"{peer[kind] / seconds[kind]:.0f} times as fast",
            f"{aim} times",
        )
        for kind, (what, call, aim) in calls.items()
    ]


def _same(what: str, ours: Sequence[float], theirs: Sequence[float]) -> None:
    """Raises ValueError where a fit is not R's: then its speed says nothing."""
    for number, other in zip(ours, theirs, strict=True):
        if abs(number - other) > 1e-3 * max(abs(other), 0.01):
            raise ValueError(f"{what}: {number}, and by R {other}")


def _each(call: Callable, times: int) -> float:
    call()
    return timeit(call, number=times) / times


def _edits(place: Place, cold: Cost) -> list[Line]:
    """A number of the sheet that fewest outcomes share, and of the one that most do.

    Of the sheets without solved rows: else an edit asks first for these to be solved anew.
    """
    solved = {path.stem for path in (place.review / "resources/reconstructed").glob("*.csv")}
    shared = [(data, number) for data, number in _counts(place) if data not in solved]
    fewest = shared[-1][1]
    alone = next(data for data, number in shared if number == fewest)
    sheets = (alone, shared[0][0])
    return [line for data in sheets for line in _edited(place, data, cold, "cold")]


def _edit_of_the_largest(workflow: Path, folder: Path) -> list[Line]:
    """A number of the sheet that most outcomes share, where the review reads no solved rows."""
    place = Place(workflow, bundled(folder / "reported", reconstructed=False))
    cold = place.run()
    largest, _ = _counts(place)[0]
    return _edited(place, largest, cold, "cold, both without reconstructed rows")


def _counts(place: Place) -> list[tuple[str, int]]:
    """The sheets of proportions, each with how many outcomes it has: the most first."""
    declared = place.declared.config["outcomes"].values()
    return Counter(o["data"] for o in declared if o["measure"] == "proportion").most_common()


def _edited(place: Place, data: str, cold: Cost, words: str) -> list[Line]:
    """The new supplement, asked for by its name; and after another edit all that a run makes."""
    costs = {}
    for until, asked in {"the new supplement": SUPPLEMENT, "the end of the run": ()}.items():
        _edit(place.review / f"resources/extraction/{data}.csv")
        costs[until] = place.run(*asked)
    return [
        Line(
            f"one number of {data}.csv, to {until}",
            _seconds(cost),
            f"{_seconds(cold)}, {words}",
            _ratio(cost.wall, cold.wall),
            "under 0.2",
        )
        for until, cost in costs.items()
    ]


def _edit(sheet: Path) -> None:
    """One event less in the first reported row that can lose one."""
    with open(sheet, encoding="utf-8", newline="") as file:
        table = list(csv.reader(file))
    column = {name: place for place, name in enumerate(table[0])}
    row = next(
        row
        for row in table[1:]
        if row[column["status"]] == "reported" and int(row[column["events"]] or 0) > 1
    )
    row[column["events"]] = str(int(row[column["events"]]) - 1)
    with open(sheet, "w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(table)


def _no_op(place: Place, folder: Path) -> Line:
    empty = folder / "empty"
    empty.mkdir()
    (empty / "Snakefile").write_text(EMPTY)
    bare = [sys.executable, "-m", "snakemake", "--dry-run", "--cores", str(CORES)]
    pairs = [(place.run("--dry-run"), measured(bare, empty)) for _ in range(5)]
    ours, theirs = (min(costs, key=lambda cost: cost.wall) for costs in zip(*pairs, strict=True))
    return Line(
        "nothing to do: `snakemake -n`",
        _seconds(ours),
        f"{_seconds(theirs)}, an empty workflow",
        _ratio(ours.wall, theirs.wall),
        "under 1.5",
    )


def _growth(workflow: Path, folder: Path) -> tuple[list[Line], float]:
    """The graph of all jobs for synthetic reviews, beside the first one's cost an outcome."""
    costs = {}
    for size in SIZES:
        place = Place(workflow, write_review(folder / f"synthetic{size}", size))
        place.run("--dry-run", "--quiet", "all")  # the sheets are checked
        costs[size] = best(lambda place=place: place.run("--dry-run", "--quiet", "all"), 2)
    middle = (costs[SIZES[1]].wall - costs[SIZES[0]].wall) / (SIZES[1] - SIZES[0])
    lines = []
    for size, cost in costs.items():
        added = (cost.wall - costs[SIZES[0]].wall) / max(1, size - SIZES[0])
        compared = size == SIZES[-1]
        lines.append(
            Line(
                f"graph of the jobs of {size:,} outcomes",
                _seconds(cost),
                f"{1000 * added:.1f} ms an outcome more" if size > SIZES[0] else "",
                f"{_ratio(added, middle)} of that from 10 to 100" if compared else "",
                "about 1" if compared else "",
            )
        )
    return lines, max(cost.memory for cost in costs.values())


def _built(workflow: Path, folder: Path, outcomes: int) -> tuple[Line, float]:
    """A synthetic review built whole, beside a tenth of it."""
    costs = []
    for size in (outcomes // 10, outcomes):
        place = Place(workflow, write_review(folder / f"built{size}", size))
        place.run("--dry-run", "--quiet", "all")
        costs.append(place.run("--quiet", "all"))
    tenth, whole = costs
    line = Line(
        f"{outcomes:,} outcomes built whole",
        f"{_seconds(whole)}: {whole.wall / outcomes:.2f} s an outcome",
        f"{tenth.wall / (outcomes // 10):.2f} s an outcome of {outcomes // 10:,}",
        _ratio(whole.wall / outcomes, tenth.wall / (outcomes // 10)),
        "about 1",
    )
    return line, max(cost.memory for cost in costs)


# What R is told ---------------------------------------------------------------------------


def _has_r() -> bool:
    if shutil.which("Rscript") is None:
        return False
    needed = ["Rscript", "-e", "library(metafor); library(jsonlite)"]
    return subprocess.run(needed, capture_output=True).returncode == 0


def _fitted(review: Review) -> str:
    """The outcome of a mixed model with most studies."""
    mixed = [o for o in review.outcomes if review.pooling(o)["model"] == "logistic_mixed"]
    return max(mixed, key=lambda outcome: len(review.rows(outcome)))


def _plan(review: Review) -> dict:
    """The declaration, resolved to what peer.R does."""
    steps = [
        {**step, "outcome": outcome, "pooling": dict(review.subgroup_pooling(outcome))}
        for outcome in review.subgrouped
        for step in statistics.subgroup_settings(review, outcome)["steps"]
    ]
    regressions = [
        {"outcome": outcome, "values": values}
        for outcome in review.regressed
        for values in statistics.metaregression_settings(review, outcome)["moderators"].values()
    ]
    figures = [
        {"figure": f.figure, "kind": f.kind, "outcome": f.outcome, "variant": f.variant}
        for f in review.figures.values()
    ]
    for figure in figures:
        if figure["kind"] == "prisma_flow":
            figure["counts"] = ["identified", "assessed", "included"]
    return {
        "fitted": _fitted(review),
        "outcomes": [
            {"id": outcome, **_pooled(statistics.pool_settings(review, outcome))}
            for outcome in review.outcomes
        ],
        "steps": steps,
        "regressions": regressions,
        "figures": figures,
    }


def _pooled(settings: dict) -> dict:
    variants = {
        name: {**variant, "outliers": variant["outliers"] is not None}
        for name, variant in settings["variants"].items()
    }
    return {"pooling": settings["pooling"], "variants": variants}


# The page ---------------------------------------------------------------------------------


def _seconds(cost: Cost) -> str:
    return f"{cost.wall:.1f} s ({cost.cpu:.1f} s of processor)"


def _ratio(part: float, whole: float) -> str:
    return f"{part / whole:.2f}"


def _page(lines: Sequence[Line], built: int) -> str:
    command = f"{COMMAND} --built {built}" if built else COMMAND
    header = ("what", "Forestry", "beside it", "ratio", "aim")
    rows = [(line.what, line.forestry, line.other, line.ratio, line.aim) for line in lines]
    table = ["| " + " | ".join(cells) + " |" for cells in (header, ["---"] * 5, *rows)]
    return "\n".join(
        [
            "# Benchmarks",
            "",
            f"<!-- Made by `{command}`. -->",
            "",
            f"Measured side by side in one run of `{command}`, on {date.today():%d %B %Y}, "
            f"{_machine()}.",
            "",
            *table,
            "",
            "Seconds are by the clock, and in brackets those of the processor, all processes of "
            "a command together: on an idle machine of two cores the clock shows about half of "
            "them. The R script, [`benchmarks/peer.R`](../benchmarks/peer.R), pools every outcome "
            "under every variant, tests, leaves out and draws as many figures of the article by "
            "metafor and base graphics, each as PDF; it makes no tables, no legends, no "
            "supplement, no SVG or PNG, no diagnostic plots, and whatever the edit it starts "
            "anew. To the new supplement: `snakemake --cores 2 results/supplement.pdf "
            "results/supplement.docx`; beside it the run makes diagnostic plots, bubble plots and "
            "the audit. The synthetic reviews are those of "
            "[`benchmarks/synthetic.py`](../benchmarks/synthetic.py).",
            "",
        ]
    )


def _machine() -> str:
    load = os.getloadavg()[1]
    busy = f"; {load:.1f} processes waited for them on average" if load > CORES + 1 else ""
    return f"{os.cpu_count()} cores of {platform.machine()}, {platform.system()}{busy}"


if __name__ == "__main__":
    main()
