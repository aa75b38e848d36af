"""Presets: another program's defaults as a way of pooling, taken by name and overridden by key.

The presets are data, `workflow/schemas/presets.yaml`, which says where each is from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import yaml

PRESETS = Path(__file__).resolve().parents[2] / "schemas" / "presets.yaml"
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
SYMBOLS = {"tau2": "τ²", "i2": "I²", "standardized": "Hedges' g"}
SMD = "standardized_mean_difference"
CHOOSING = ("model", "transform")  # declared beside a preset, they choose among its ways


class NotInPreset(ValueError):
    """The preset has no such way, does what is not done here, or leaves a key to the review."""


@dataclass(frozen=True)
class Way:
    """One of a program's ways: `pooling` as config.yaml declares it; `cannot`: why it is not done.

    declare: the keys that the program leaves to its user, with the reason.
    call: what it is called in the program; unlike: a difference that remains.
    standardized: which of Hedges' g it takes, as an outcome declares it.
    """

    measures: tuple[str, ...]
    call: str
    pooling: Mapping = field(default_factory=dict)
    declare: Mapping[str, str] = field(default_factory=dict)
    cannot: str = ""
    unlike: str = ""
    standardized: Mapping[str, str] = field(default_factory=dict)

    def fits(self, declared: Mapping) -> bool:
        """Whether it is of the model and the transform that are declared."""
        return all(declared[key] == self.pooling.get(key) for key in CHOOSING if key in declared)


@dataclass(frozen=True)
class Preset:
    """A program's ways, the default of a measure first."""

    name: str
    program: str
    source: str
    ways: tuple[Way, ...]

    def way(self, declared: Mapping, measure: str) -> Way:
        """The first way for the measure, model and transform. Raises NotInPreset for none."""
        ways = [way for way in self.ways if measure in way.measures]
        fitting = [way for way in ways if way.fits(declared)]
        if not ways:
            raise NotInPreset(f"the preset {self.name} has no way of pooling a {measure}")
        if not fitting:
            known = "; ".join(map(_chosen_by, ways))
            raise NotInPreset(f"the preset {self.name} pools a {measure} by {known} alone")
        if fitting[0].cannot:
            raise NotInPreset(
                f"the preset {self.name} cannot be followed for a {measure}: {fitting[0].cannot}"
            )
        return fitting[0]


def _chosen_by(way: Way) -> str:
    return ", ".join(f"{key} {way.pooling[key]}" for key in CHOOSING if key in way.pooling)


@cache
def presets() -> dict[str, Preset]:
    """All presets by name, in the file's order."""
    content = yaml.load(PRESETS.read_text(encoding="utf-8"), Loader=LOADER)
    return {name: _preset(name, about) for name, about in content.items()}


def _preset(name: str, about: Mapping) -> Preset:
    shared = about.get("declare", {})
    ways = [{**way, "declare": {**shared, **way.get("declare", {})}} for way in about["ways"]]
    return Preset(
        name=name,
        program=about["program"],
        source=about["source"],
        ways=tuple(Way(**{**way, "measures": tuple(way["measures"])}) for way in ways),
    )


def resolved(declared: Mapping, measure: str) -> Mapping:
    """A declared way of pooling without its preset: the preset's keys under the declared ones.

    A declared mapping (zero_cells) replaces the preset's whole. A declaration without a preset
    is returned as it is. Raises KeyError for an unknown preset, NotInPreset for a measure,
    model or transform that it has no way for, and where a key must be declared.
    """
    if "preset" not in declared:
        return declared
    way = presets()[declared["preset"]].way(declared, measure)
    for key, why in way.declare.items():
        if key not in declared:
            raise NotInPreset(f"{key} must be declared beside {declared['preset']}: {why}")
    own = {key: value for key, value in declared.items() if key != "preset"}
    return {**way.pooling, **own}


def standardized_of(declared: Mapping, measure: str) -> Mapping[str, str]:
    """Which of Hedges' g the preset takes; {} without a preset, or for another measure."""
    if "preset" not in declared or measure != SMD:
        return {}
    return presets()[declared["preset"]].way(declared, measure).standardized


def exceptions(
    declared: Mapping, measure: str, standardized: Mapping[str, str] | None = None
) -> tuple[str, ...]:
    """The declared keys that differ from the preset's own, in the order declared.

    `standardized` is what the outcome declares of Hedges' g.
    """
    way = presets()[declared["preset"]].way(declared, measure)
    keys = [
        key
        for key, value in declared.items()
        if key != "preset" and key not in way.declare and value != way.pooling.get(key)
    ]
    other = standardized and {**way.standardized, **standardized} != way.standardized
    return (*keys, "standardized") if other and measure == SMD else tuple(keys)


def said_of(declared: Mapping, measure: str, standardized: Mapping[str, str] | None = None) -> str:
    """For a legend: whose defaults were followed, and in what not; "" without a preset."""
    if "preset" not in declared:
        return ""
    program = presets()[declared["preset"]].program
    keys = exceptions(declared, measure, standardized)
    words = [SYMBOLS.get(key, key.replace("_", " ")) for key in keys]
    but = f" except for {', '.join(words)}" if words else ""
    return f"as {program} does by default{but}"
