"""How often intervals hold the true value: a simulation, written as the table of docs/coverage.md.

    PYTHONPATH=workflow/scripts python tests/runs/coverage.py [data sets [replicates [scenario]]]

Data sets are drawn from the model, each is bootstrapped, and the intervals of the pooled
estimate are counted that hold the truth. All data sets of a scenario are drawn and fitted
together; the replicates of one are a batch.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import expit, logit

from forestry.bootstrap.draws import binomials, multiplicities, normals, stream_key, uniforms
from forestry.bootstrap.intervals import acceleration, bootstrap_limits
from forestry.model_batches import DataSets, ManyModels, fit_many
from forestry.models import Pooling, Studies

SEED = 20220301
LEVEL = 0.95
MIXED = Pooling("logistic_mixed", select="random")
REML = Pooling("inverse_variance", tau2="REML", select="random")
METHODS = (
    *("wald", "t", "hartung_knapp"),
    *("nonparametric percentile", "nonparametric bca"),
    *("parametric percentile", "parametric bca"),
)


@dataclass(frozen=True)
class Scenario:
    """k studies of about n participants; p is None for effects N(0, tau2 + v), v = 4/n."""

    name: str
    k: int
    n: int
    tau: float
    p: float | None

    @property
    def truth(self) -> float:
        return 0.0 if self.p is None else float(logit(self.p))

    @property
    def pooling(self) -> Pooling:
        return REML if self.p is None else MIXED


SCENARIOS = (
    *(Scenario("effects", k, 40, 0.3, None) for k in (3, 5, 10, 20)),
    *(Scenario("proportions, p = 0.7", k, 20, 0.6, 0.7) for k in (3, 5, 10, 20)),
    *(Scenario("rare events, p = 0.03", k, 40, 0.6, 0.03) for k in (3, 5, 10, 20)),
)


@dataclass(frozen=True)
class Coverage:
    """The share of data sets whose interval holds the truth, among those with an interval."""

    scenario: Scenario
    method: str
    held: int
    intervals: int
    data_sets: int
    width: float  # median, on the scale of analysis


def coverage(scenario: Scenario, data_sets: int, replicates: int) -> Iterator[Coverage]:
    """The coverage of every method in a scenario."""
    drawn = list(_drawn(scenario, data_sets))
    found = {method: [] for method in METHODS}
    for i, studies in enumerate(drawn):
        for method, limits in _intervals(studies, scenario, i, replicates).items():
            found[method].append(limits)
    for method, intervals in found.items():
        known = np.array([ends for ends in intervals if ends is not None]).reshape(-1, 2)
        held = (known[:, 0] <= scenario.truth) & (scenario.truth <= known[:, 1])
        width = float(np.median(known[:, 1] - known[:, 0])) if len(known) else float("nan")
        yield Coverage(scenario, method, int(held.sum()), len(known), data_sets, width)


def _drawn(scenario: Scenario, data_sets: int) -> Iterator[Studies]:
    """Totals are spread from half to one and a half of n, alike in all data sets."""
    k = scenario.k
    n = np.round(scenario.n * np.linspace(0.5, 1.5, k))
    key = stream_key(SEED, "data", scenario.name, str(k))
    u = uniforms(key, 0, data_sets, 2 * k)
    effects = scenario.truth + scenario.tau * normals(u[:, :k])
    none = np.full(k, np.nan)
    blank = Studies(none, none, none, none, none, none, "proportion")
    if scenario.p is None:
        vi = 4 / n
        for yi in effects + np.sqrt(vi) * normals(u[:, k:]):
            yield replace(blank, yi=yi, vi=vi)
    else:
        for events in binomials(u[:, k:], n, expit(effects)):
            yield replace(blank, events=events, total=n)


def _intervals(studies: Studies, scenario: Scenario, index: int, replicates: int) -> dict:
    """Each method's limits, on the scale of analysis; None where it has none."""
    pooling, ones = scenario.pooling, np.ones((1, studies.k), dtype=int)
    kinds = ("wald", "t") if scenario.p is not None else ("wald", "t", "hartung_knapp")
    found: dict = dict.fromkeys(METHODS)
    for interval in kinds:
        fit = fit_many(DataSets(studies, ones), replace(pooling, interval=interval))
        if np.isfinite(fit.random[0]):
            half = fit.random_half[0]
            found[interval] = (fit.random[0] - half, fit.random[0] + half)
    if not np.isfinite(fit.random[0]):
        return found
    jackknife = fit_many(DataSets(studies, 1 - np.eye(studies.k, dtype=int)), pooling)
    a = acceleration([jackknife.estimate("random")])
    names = (scenario.name, str(scenario.k), str(index))
    for kind in ("nonparametric", "parametric"):
        key = stream_key(SEED, kind, *names)
        u = uniforms(key, 0, replicates, 2 * studies.k)
        values = _sample(studies, kind, fit, u, pooling).estimate("random")
        values = values[~np.isnan(values)]
        if values.size <= LEVEL * replicates:
            continue
        for interval in ("percentile", "bca"):
            limits = bootstrap_limits(interval, values, float(fit.random[0]), a, LEVEL)
            if limits.low is not None:
                found[f"{kind} {interval}"] = (limits.low, limits.high)
    return found


def _sample(studies: Studies, kind: str, fit: ManyModels, u, pooling: Pooling) -> ManyModels:
    k = studies.k
    if kind == "nonparametric":
        rows, which = np.unique(multiplicities(u[:, :k]), axis=0, return_inverse=True)
        found = fit_many(DataSets(studies, rows), pooling)
    elif np.isnan(studies.events).any():
        yi = fit.random[0] + np.sqrt(fit.tau2[0] + studies.vi) * normals(u[:, :k])
        which = np.arange(len(yi))
        found = fit_many(DataSets(replace(studies, yi=yi), np.ones(yi.shape, dtype=int)), pooling)
    else:
        p = expit(fit.random[0] + np.sqrt(fit.tau2[0]) * normals(u[:, :k]))
        drawn = binomials(u[:, k:], studies.total, p)
        rows, which = np.unique(drawn, axis=0, return_inverse=True)
        ones = np.ones(rows.shape, dtype=int)
        found = fit_many(DataSets(replace(studies, events=rows), ones), pooling)
    fields = ManyModels.__dataclass_fields__
    return ManyModels(*(getattr(found, name)[which] for name in fields))


def table(rows: list[Coverage]) -> str:
    """A Markdown table: a line a scenario, coverage in percent and the median width."""
    lines = ["| | k | " + " | ".join(METHODS) + " |", "|---|---|" + "---|" * len(METHODS)]
    for scenario in dict.fromkeys(row.scenario for row in rows):
        cells = [_cell(row) for row in rows if row.scenario == scenario]
        lines.append(f"| {scenario.name} | {scenario.k} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(row: Coverage) -> str:
    if not row.intervals:
        return "–"
    without = row.data_sets - row.intervals
    said = f"{100 * row.held / row.intervals:.1f} ({row.width:.2f})"
    return f"{said}, {100 * without / row.data_sets:.0f}% none" if without else said


if __name__ == "__main__":
    wanted = [int(number) for number in sys.argv[1:3]]
    data_sets, replicates = (wanted + [1000, 1000][len(wanted) :])[:2]
    scenarios = [one for one in SCENARIOS if one.name.startswith(" ".join(sys.argv[3:]))]
    print(f"{data_sets} data sets a scenario, {replicates} replicates each.\n")
    print(table([row for one in scenarios for row in coverage(one, data_sets, replicates)]))
