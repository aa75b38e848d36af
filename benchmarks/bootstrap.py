"""Bootstrap fits per second, beside R's loop over the same replicates, in turns.

    PYTHONPATH=workflow/scripts python benchmarks/bootstrap.py [turns]

Data are the samples of tests/reference/bootstrap_samples.json (pritz1997: 14 proportions; bcg:
13 risk ratios), 10,000 replicates of each here and the first ones of them in R, which is left
out where Rscript is not there. Medians over the turns, as other work on the machine slows both.
"""

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import numpy as np

from forestry.bootstrap.draws import multiplicities, stream_key, uniforms
from forestry.model_batches import DataSets, fit_many
from forestry.models import Pooling, Studies

HERE = Path(__file__).resolve().parent
SAMPLES = HERE.parent / "tests/reference/bootstrap_samples.json"
REPLICATES = 10_000
NEEDED = {"mixed": 1000, "DL": 5000, "REML": 500}
PEERS = {
    "mixed": "rma.glmm(measure = PLO)",
    "DL": "rma(method = DL)",
    "REML": "rma(method = REML)",
}


def studies(given: dict) -> Studies:
    k = len(given["multiplicity"][0])
    names = ("events", "total", "control_events", "control_total", "yi", "vi")
    arrays = {name: np.array(given.get(name, [np.nan] * k), dtype=float) for name in names}
    return Studies(**arrays, measure="proportion" if "events" in given else "risk_ratio")


def rates(samples: dict) -> dict[str, float]:
    """Fits per second of both models, by what is fitted."""
    ways = {
        "mixed": ("proportions", Pooling("logistic_mixed")),
        "DL": ("ratios", Pooling("inverse_variance", tau2="DL")),
        "REML": ("ratios", Pooling("inverse_variance", tau2="REML")),
    }
    found = {}
    for name, (family, pooling) in ways.items():
        whole = studies(samples[family])
        draws = uniforms(stream_key(1, name), 0, REPLICATES, whole.k)
        data = DataSets(whole, multiplicities(draws))
        start = time.perf_counter()
        models = fit_many(data, pooling)
        found[name] = REPLICATES / (time.perf_counter() - start)
        assert models.converged.all()
    return found


def peer_rates() -> dict[str, float] | None:
    if not shutil.which("Rscript"):
        return None
    command = ["Rscript", HERE / "bootstrap_peer.R", SAMPLES]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def main(turns: int) -> None:
    samples = json.loads(SAMPLES.read_text(encoding="utf-8"))
    rates(samples)
    ours, theirs = [], []
    for _ in range(turns):
        ours.append(rates(samples))
        theirs.append(peer_rates())
    print("| fit | fits per second | R, in a loop | R's fits per second | ratio | wanted |")
    print("|---|---|---|---|---|---|")
    for name, wanted in NEEDED.items():
        mine = median(turn[name] for turn in ours)
        line = f"| {name} | {mine:,.0f} |"
        if None in theirs:
            print(f"{line} {PEERS[name]} | Rscript is not there | – | {wanted:,} |")
            continue
        other = median(turn[name] for turn in theirs)
        ratio = median(a[name] / b[name] for a, b in zip(ours, theirs, strict=True))
        print(f"{line} {PEERS[name]} | {other:,.1f} | {ratio:,.0f} | {wanted:,} |")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
