"""A review of any number of outcomes, made by a seed: for benchmarks and tests, no evidence.

python benchmarks/synthetic.py FOLDER OUTCOMES [STUDIES]
"""

from __future__ import annotations

import csv
import random
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

SEED = 20260
CONFIG = """\
review:
  title: Synthetic review of {outcomes} outcomes
studies:
  year: {{type: number}}
  design: {{type: category, values: [rct, cohort]}}
pooling:
  logit_mixed: {{model: logistic_mixed, select: random, heterogeneity: wald}}
  raw: {{model: inverse_variance, transform: raw, tau2: REML, select: random,
    zero_cells: {{add: 0.5, to: only_affected}}}}
variants:
  main: {{}}
  trials: {{where: {{design: rct}}}}
  no_outliers: {{outliers: {{rule: studentized_residual, threshold: 1.96}}}}
bias:
  tests: [egger, begg]
tables:
  "1": {{kind: pooled, title: Pooled results, outcomes: [{names}]}}
  S1: {{kind: sensitivity, title: Every outcome under every variant}}
  S2: {{kind: bias, title: Tests of small-study effects}}
outcomes:
"""
OUTCOME = """\
  {id}:
    label: Outcome {number}
    data: {id}
    measure: proportion
    pooling: {pooling}
"""
SHEET = ("study_id", "events", "total", "status", "basis", "source", "evidence", "note")
PUBLISHED = (
    "outcome",
    "variant",
    "statistic",
    "k",
    "n",
    "estimate",
    "ci_low",
    "ci_high",
    "i2",
    "p_heterogeneity",
    "unit",
    "display",
    "studies",
    "note",
)
NOT_EVIDENCE = "drawn by a random number generator"


def write_review(folder: str | Path, outcomes: int, studies: int = 12) -> Path:
    """A review in `folder`: each outcome with a forest plot, a funnel plot and most studies.

    All outcomes are in each of three tables, and so in a supplement.
    """
    draw = random.Random(SEED)
    resources = Path(folder) / "resources"
    (resources / "extraction").mkdir(parents=True)
    ids = [f"study{number}" for number in range(1, studies + 1)]
    names = [f"outcome{number}" for number in range(1, outcomes + 1)]
    _write(
        resources / "studies.csv",
        ("study_id", "label", "year", "design"),
        (
            (id, f"Study {number}", 2000 + number, draw.choice(["rct", "cohort"]))
            for number, id in enumerate(ids, start=1)
        ),
    )
    _write(
        resources / "figures.csv",
        ("figure", "annexure", "kind", "outcome", "variant"),
        (
            (f"{letter}{number}", "main", kind, name, "main")
            for number, name in enumerate(names, start=1)
            for letter, kind in (("F", "forest"), ("S", "funnel"))
        ),
    )
    _write(resources / "published.csv", PUBLISHED, ())  # nobody has published it
    for name in names:
        here = draw.sample(ids, max(3, studies - draw.randrange(4)))
        rows = [_row(id, draw) for id in sorted(here, key=ids.index)]
        _write(resources / "extraction" / f"{name}.csv", SHEET, rows)
    declared = [
        OUTCOME.format(id=name, number=number, pooling="logit_mixed" if number % 2 else "raw")
        for number, name in enumerate(names, start=1)
    ]
    text = CONFIG.format(outcomes=outcomes, names=", ".join(names)) + "".join(declared)
    (Path(folder) / "config.yaml").write_text(text, encoding="utf-8")
    return Path(folder)


def _row(study: str, draw: random.Random) -> Sequence[object]:
    total = draw.randrange(8, 120)
    events = sum(draw.random() < 0.6 for _ in range(total))
    return (study, events, total, "reported", "source", NOT_EVIDENCE, NOT_EVIDENCE, "")


def _write(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with open(path, "w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(header)
        table.writerows(rows)


if __name__ == "__main__":
    write_review(sys.argv[1], *map(int, sys.argv[2:]))
