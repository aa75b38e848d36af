"""Replicates of a target's quantities, by index.

The nonparametric bootstrap draws studies with replacement (within their group, of a
difference between groups) and keeps each study's effect and variance. The parametric one
draws the studies' results from the fitted random-effects model: x* ~ Bin(n, expit(beta +
tau u)) of the mixed model, else y* ~ N(mu, tau2 + v) with v as it was (van den Noortgate &
Onghena 2005, Behav Res Methods 37:11; Viechtbauer 2007, Stat Med 26:37).

Replicates are computed in blocks of fixed bounds, so that a block's numbers, to the last
bit, are the same whoever computes it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace

import numpy as np
from scipy.special import expit

from forestry.bootstrap.draws import binomials, multiplicities, normals, stream_key, uniforms
from forestry.bootstrap.targets import CONVERGED, DIFFERENCE, Target
from forestry.model_batches import DataSets, ManyModels, fit_many
from forestry.models import Pooling, Studies
from forestry.pool import studies_of

BLOCK = 500
Values = dict[str, np.ndarray]


@dataclass(frozen=True)
class Plan:
    """How many replicates, and the seed from which they are drawn."""

    replicates: int
    seed: int

    def blocks(self, chunk: int, chunks: int) -> range:
        """The blocks of a chunk, numbered from 1 of `chunks`; none where chunks are many.

        Raises ValueError for a chunk that is not one of the chunks.
        """
        if not 1 <= chunk <= chunks:
            raise ValueError(f"chunk {chunk} is not one of {chunks}")
        count = -(-self.replicates // BLOCK)
        return range((chunk - 1) * count // chunks, chunk * count // chunks)

    def bounds(self, block: int) -> tuple[int, int]:
        """The first replicate of a block, and the one after its last."""
        return block * BLOCK, min((block + 1) * BLOCK, self.replicates)


def replicates(
    outcome: str, target: Target, kind: str, plan: Plan, blocks: Iterable[int]
) -> Values:
    """The target's quantities, and whether all fits converged, of the replicates of blocks.

    Arrays (replicates of the blocks,), NaN where a quantity has no value; all on the scale
    of analysis. Raises ValueError for a target that is `unfit`.
    """
    if reason := target.unfit(kind):
        raise ValueError(f"{outcome}, {target.variant}: {reason}")
    names = (outcome, target.variant, target.group, target.reference, kind)
    samplers = [_Sampler(part, target.pooling, kind) for part in target.parts]
    keys = [stream_key(plan.seed, *names, str(i)) for i in range(len(samplers))]
    found = []
    for block in blocks:
        start, stop = plan.bounds(block)
        models = [
            sampler.models(uniforms(key, start, stop, sampler.numbers))
            for sampler, key in zip(samplers, keys, strict=True)
        ]
        found.append(_values(models, target))
    if not found:
        nothing = {name: np.empty(0) for name in target.quantities}
        return {**nothing, CONVERGED: np.empty(0, dtype=bool)}
    return {name: np.concatenate([values[name] for values in found]) for name in found[0]}


def observed(target: Target) -> Values:
    """The target's quantities in the studies themselves, (1,) each."""
    return _values([_fitted(studies_of(part), target.pooling) for part in target.parts], target)


def jackknife(target: Target) -> dict[str, list[np.ndarray]]:
    """The quantities without each study in turn: of each part an array (k,)."""
    parts = [studies_of(part) for part in target.parts]
    whole = [_fitted(part, target.pooling) for part in parts]
    found = []
    for i, part in enumerate(parts):
        models = [_repeated(fit, part.k) for fit in whole]
        models[i] = fit_many(DataSets(part, 1 - np.eye(part.k, dtype=int)), target.pooling)
        found.append(_values(models, target))
    return {name: [values[name] for values in found] for name in target.quantities}


def _fitted(studies: Studies, pooling: Pooling) -> ManyModels:
    return fit_many(DataSets(studies, np.ones((1, studies.k), dtype=int)), pooling)


def _values(models: list[ManyModels], target: Target) -> Values:
    converged = np.logical_and.reduce([one.converged for one in models])
    if len(models) > 1:
        group, reference = models
        return {DIFFERENCE: group.random - reference.random, CONVERGED: converged}
    (one,) = models
    estimate = one.estimate(target.pooling.select)
    i2 = np.where(np.isnan(one.tau2), np.nan, one.i2)
    return {"estimate": estimate, "tau2": one.tau2, "i2": i2, CONVERGED: converged}


# Samples --------------------------------------------------------------------------------------


class _Sampler:
    """Draws data sets of a part's studies and fits both models to them."""

    def __init__(self, part, pooling: Pooling, kind: str):
        self._studies, self._pooling, self._kind = studies_of(part), pooling, kind
        self._counts = kind == "parametric" and pooling.model == "logistic_mixed"
        fit = _fitted(self._studies, pooling) if kind == "parametric" else None
        self._fit = fit and (fit.random[0], fit.tau2[0])

    @property
    def numbers(self) -> int:
        """How many random numbers a replicate takes."""
        return self._studies.k * (2 if self._counts else 1)

    def models(self, uniform: np.ndarray) -> ManyModels:
        if self._kind == "nonparametric":
            return self._of_distinct(multiplicities(uniform), self._resampled)
        if np.isnan(self._fit).any():
            return _nothing(len(uniform))
        if self._counts:
            return self._of_distinct(self._drawn_counts(uniform), self._counted)
        return fit_many(self._normal(uniform), self._pooling)

    def _of_distinct(self, rows: np.ndarray, data_sets) -> ManyModels:
        """Equal samples, of which few studies have many, are fitted once."""
        distinct, which = np.unique(rows, axis=0, return_inverse=True)
        return _taken(fit_many(data_sets(distinct), self._pooling), which)

    def _resampled(self, multiplicity: np.ndarray) -> DataSets:
        return DataSets(self._studies, multiplicity)

    def _drawn_counts(self, uniform: np.ndarray) -> np.ndarray:
        beta, tau2 = self._fit
        k = self._studies.k
        p = expit(beta + np.sqrt(tau2) * normals(uniform[:, :k]))
        return binomials(uniform[:, k:], self._studies.total, p)

    def _counted(self, events: np.ndarray) -> DataSets:
        studies = replace(self._studies, events=events)
        return DataSets(studies, np.ones(events.shape, dtype=int))

    def _normal(self, uniform: np.ndarray) -> DataSets:
        """Effects without counts: of these there are none drawn."""
        mean, tau2 = self._fit
        yi = mean + np.sqrt(tau2 + self._studies.vi) * normals(uniform)
        none = np.full(self._studies.k, np.nan)
        cells = dict.fromkeys(("events", "total", "control_events", "control_total"), none)
        return DataSets(replace(self._studies, yi=yi, **cells), np.ones(yi.shape, dtype=int))


def _taken(models: ManyModels, rows) -> ManyModels:
    return ManyModels(*(getattr(models, field.name)[rows] for field in fields(ManyModels)))


def _repeated(models: ManyModels, times: int) -> ManyModels:
    return _taken(models, np.zeros(times, dtype=int))


def _nothing(rows: int) -> ManyModels:
    """Of a model without a maximum nothing can be drawn."""
    none = np.full(rows, np.nan)
    return ManyModels(*[none] * 8, converged=np.ones(rows, dtype=bool))
