"""What a forest plot says beside its numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from forestry.measure_kinds import KINDS, unit_of

DOUBLE_COLUMN_MM, SINGLE_COLUMN_MM = 174.0, 85.0
NARROW_MM = 120.0
DIRECTIONS = {"": "Mean change", "rise": "Mean rise", "fall": "Mean fall"}


@dataclass(frozen=True)
class ForestSettings:
    """Labels, units and choices of one forest plot.

    `labels` names every study by its id, `groups` names subgroups (their key where
    absent). `treated` and `control` name the arms; `favours_above` and `favours_below`
    what lies on either side of the reference line. `reported_variant` is the variant that pools
    reported rows alone, and `reported_label` its name. `width_mm` is 174 or 85 in print.
    """

    outcome: str
    variant: str
    title: str
    measure: str
    labels: Mapping[str, str]
    groups: Mapping[str, str] = field(default_factory=dict)
    unit: str = ""
    direction: str = ""
    treated: str = "Treated"
    control: str = "Control"
    favours_above: str = ""
    favours_below: str = ""
    level: float = 0.95
    show_prediction: bool = True
    reported_variant: str = ""
    reported_label: str = ""
    width_mm: float = DOUBLE_COLUMN_MM

    def __post_init__(self) -> None:
        if self.measure not in KINDS:
            raise ValueError(f"no forest plot for measure {self.measure!r}")
        if self.direction not in DIRECTIONS:
            raise ValueError(f"direction is {self.direction!r}, not rise or fall")
        if not SINGLE_COLUMN_MM <= self.width_mm <= 300:
            raise ValueError(f"width_mm is {self.width_mm:g}, not between 85 and 300")

    @classmethod
    def from_mapping(cls, settings: Mapping) -> ForestSettings:
        """Settings as `Review.forest_settings` gives them.

        Its `arms` {treated, control} and `favours` {above, below} become fields. Raises
        ValueError for a key that is not known or one that is missing.
        """
        given = dict(settings)
        given.update(given.pop("arms", {}))
        given.update({f"favours_{side}": who for side, who in given.pop("favours", {}).items()})
        known = {known.name for known in fields(cls)}
        if unknown := sorted(set(given) - known):
            raise ValueError(f"forest settings: unknown {', '.join(unknown)}")
        needed = {"outcome", "variant", "title", "measure", "labels"}
        if missing := sorted(needed - set(given)):
            raise ValueError(f"forest settings: {', '.join(missing)} missing")
        return cls(**given)

    @property
    def narrow(self) -> bool:
        """Whether it is made for one column of a journal."""
        return self.width_mm < NARROW_MM

    @property
    def effect_name(self) -> str:
        """What is estimated, with its unit: ``Proportion, %``, ``Mean fall, mg/day``."""
        name = KINDS[self.measure].name
        if self.measure == "mean_change":
            name = DIRECTIONS[self.direction]
        unit = unit_of(self.measure, self.unit)
        return f"{name}, {unit}" if unit else name

    def label(self, study_id: str) -> str:
        """A study's name. Raises ValueError where the settings have none."""
        if study_id not in self.labels:
            raise ValueError(f"forest settings: no label for study {study_id}")
        return self.labels[study_id]
