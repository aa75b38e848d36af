"""Bootstrap fits per second, beside R's loop over the same replicates, in turns.

    OMP_NUM_THREADS=1 PYTHONPATH=workflow/scripts python benchmarks/bootstrap.py [turns]

Replicates are drawn by the library, 10,000 of each kind: studies with replacement, or their
counts from the fitted mixed model. R fits the first ones of the very same, and is left out where
Rscript is not there. Medians over the turns, as other work on the machine slows both. Tables
that fits of the same studies share are made anew in each.
"""

import json
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
from scipy.special import expit

from forestry.bootstrap.draws import binomials, multiplicities, normals, stream_key, uniforms
from forestry.logistic_mixed import fit_random, landscape, patches
from forestry.model_batches import DataSets, fit_many
from forestry.models import Pooling, Studies

HERE = Path(__file__).resolve().parent
REFERENCE = HERE.parent / "tests/reference"
REPLICATES = 10_000
THEIRS = {"mixed": 40, "DL": 200, "REML": 200}  # that R fits of them
PEERS = {
    "mixed": "rma.glmm(measure = PLO)",
    "DL": "rma(method = DL)",
    "REML": "rma(method = REML)",
}


@dataclass(frozen=True)
class Kind:
    """What is fitted, to replicates of which data, and how many times R's rate is wanted."""

    model: str
    data: str
    resampled: bool
    wanted: int

    @property
    def name(self) -> str:
        return f"{self.model}, {self.data}, {'resampled' if self.resampled else 'drawn'}"

    @property
    def pooling(self) -> Pooling:
        if self.model == "mixed":
            return Pooling("logistic_mixed")
        return Pooling("inverse_variance", tau2=self.model)


KINDS = (
    *(Kind("mixed", name, True, 1000) for name in ("pritz1997", "bcg_treated", "hannum2020")),
    *(Kind("mixed", name, False, 1000) for name in ("pritz1997", "bcg_treated", "hannum2020")),
    Kind("DL", "bcg", True, 5000),
    Kind("REML", "bcg", True, 500),
)


def studies(given: dict) -> Studies:
    k = len(next(iter(given.values())))
    names = ("events", "total", "control_events", "control_total", "yi", "vi")
    arrays = {name: np.array(given.get(name, [np.nan] * k), dtype=float) for name in names}
    return Studies(**arrays, measure="proportion" if "events" in given else "risk_ratio")


def whole(kind: Kind) -> Studies:
    """The studies that replicates are made of."""
    if kind.model == "mixed":
        found = json.loads((REFERENCE / "logistic_mixed.json").read_text(encoding="utf-8"))
        given = found["datasets"][kind.data]
        return studies({name: given[name] for name in ("events", "total")})
    found = json.loads((REFERENCE / "bootstrap_samples.json").read_text(encoding="utf-8"))
    return studies({name: found["ratios"][name] for name in ("yi", "vi")})


def replicates(kind: Kind) -> DataSets:
    given = whole(kind)
    uniform = uniforms(stream_key(1, kind.name), 0, REPLICATES, 2 * given.k)
    one, other = uniform[:, : given.k], uniform[:, given.k :]
    if kind.resampled:
        return DataSets(given, multiplicities(one))
    fit = fit_random(given.events, given.total)
    p = expit(fit.beta + np.sqrt(fit.tau2) * normals(one))
    events = binomials(other, given.total, p)
    return DataSets(replace(given, events=events), np.ones(events.shape, dtype=int))


def rates(data: dict[Kind, DataSets]) -> dict[str, float]:
    """Fits per second of both models, by what is fitted."""
    found = {}
    for kind, sets in data.items():
        landscape._landscape_of.cache_clear()
        patches._band.cache_clear()
        start = time.perf_counter()
        models = fit_many(sets, kind.pooling)
        found[kind.name] = REPLICATES / (time.perf_counter() - start)
        assert models.converged.all()
    return found


def peer_rates(data: dict[Kind, DataSets]) -> dict[str, float] | None:
    if not shutil.which("Rscript"):
        return None
    given = {kind.name: {"model": kind.model, **first(kind, sets)} for kind, sets in data.items()}
    with TemporaryDirectory() as folder:
        path = Path(folder) / "replicates.json"
        path.write_text(json.dumps(given), encoding="utf-8")
        command = ["Rscript", HERE / "bootstrap_peer.R", path]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def first(kind: Kind, sets: DataSets) -> dict:
    """The replicates that R fits: a row of each array for each."""
    rows = THEIRS[kind.model]
    names = ("events", "total") if kind.model == "mixed" else ("yi", "vi")
    shape = sets.multiplicity.shape
    columns = {name: np.broadcast_to(getattr(sets.studies, name), shape) for name in names}
    columns["multiplicity"] = sets.multiplicity
    return {name: values[:rows].tolist() for name, values in columns.items()}


def main(turns: int) -> None:
    data = {kind: replicates(kind) for kind in KINDS}
    rates(data)
    ours, theirs = [], []
    for _ in range(turns):
        ours.append(rates(data))
        theirs.append(peer_rates(data))
    print(
        "| fit | studies | fits per second | R, in a loop | R's fits per second | ratio | wanted |"
    )
    print("|---|---|---|---|---|---|---|")
    for kind, sets in data.items():
        mine = median(turn[kind.name] for turn in ours)
        line = f"| {kind.name} | {sets.multiplicity.shape[1]} | {mine:,.0f} | {PEERS[kind.model]} |"
        if None in theirs:
            print(f"{line} Rscript is not there | – | {kind.wanted:,} |")
            continue
        other = median(turn[kind.name] for turn in theirs)
        pairs = zip(ours, theirs, strict=True)
        ratio = median(mine[kind.name] / other[kind.name] for mine, other in pairs)
        print(f"{line} {other:,.1f} | {ratio:,.0f} | {kind.wanted:,} |")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
