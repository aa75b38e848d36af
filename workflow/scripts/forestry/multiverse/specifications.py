"""Which combinations of choices there are: every one that has a meaning, each once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

from forestry.measure_kinds import KINDS

MIXED, INVERSE, MANTEL_HAENSZEL = "logistic_mixed", "inverse_variance", "mantel_haenszel"
BY_STANDARD_ERROR = ("wald", "t")


@dataclass(frozen=True, order=True)
class Specification:
    """A combination of choices; empty is a choice that the others leave no meaning."""

    model: str
    transform: str
    tau2: str
    interval: str
    variant: str
    medians: str
    correlation: str


CHOICES = tuple(Specification.__dataclass_fields__)


def specifications(
    choices: Mapping[str, Sequence[object]], own: Specification, measure: str
) -> list[Specification]:
    """The combinations in the order of the choices, the review's `own` always among them.

    `choices` holds the values of the choices that are varied; the others stay the review's.
    Of every combination

    - a transform is left only to inverse variance of measures that have a choice, an estimator
      of tau2 only to models that have one, `medians` only to means, `correlation` only to mean
      changes; combinations that are then the same are one;
    - a model of counts with Hartung and Knapp's interval is left out: it has none;
    - a model that cannot pool the measure is left out.
    """
    values = [[str(value) for value in choices.get(name, [getattr(own, name)])] for name in CHOICES]
    found = (meaningful(Specification(*combination), measure) for combination in product(*values))
    kept = dict.fromkeys(one for one in found if _is_valid(one, measure))
    mine = meaningful(own, measure)
    return list(kept if mine in kept else {mine: None, **kept})


def meaningful(one: Specification, measure: str) -> Specification:
    """Without the choices that have no meaning beside the others."""
    transforms = KINDS[measure].transforms if one.model == INVERSE else ()
    return replace(
        one,
        transform=(one.transform or transforms[0]) if transforms else "",
        tau2=(one.tau2 or "DL") if one.model in (INVERSE, MANTEL_HAENSZEL) else "",
        medians=one.medians if measure == "mean" else "",
        correlation=one.correlation if measure == "mean_change" else "",
    )


def _is_valid(one: Specification, measure: str) -> bool:
    if one.model == INVERSE:
        return True
    if one.model == MANTEL_HAENSZEL:
        return measure in ("risk_ratio", "odds_ratio", "risk_difference")
    pooled = "proportion" if one.model == MIXED else "odds_ratio"
    return measure == pooled and one.interval in BY_STANDARD_ERROR
