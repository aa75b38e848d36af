"""The measures that an outcome can have, and what everybody must know of each.

A measure is one of config.yaml's `outcomes.<id>.measure`. How its effects are computed is in
`measures`, how a sheet's row gives its numbers in `effects`; here is what sheets, tables, legends
and figures ask of it. No other list of measures exists.
"""

from __future__ import annotations

from dataclasses import dataclass

COUNTS = ("events", "total")
TWO_ARM_COUNTS = ("events", "total", "control_events", "control_total")
MEANS = ("n", "mean", "sd", "median", "q1", "q3", "min", "max")
CHANGES = (
    *("n", "baseline_mean", "baseline_sd", "end_mean", "end_sd"),
    *("change_mean", "change_sd", "change_ci_low", "change_ci_high"),
)
TWO_ARM_MEANS = ("n", "mean", "sd", "control_n", "control_mean", "control_sd")
RATES = ("events", "person_time")
TWO_ARM_RATES = ("events", "person_time", "control_events", "control_person_time")
CORRELATIONS = ("n", "correlation")
ESTIMATES = ("estimate", "se", "ci_low", "ci_high")


@dataclass(frozen=True)
class MeasureKind:
    """A measure as others see it.

    name, plural: what it is called in figures and legends.
    columns: the columns of a sheet that its numbers can depend on.
    scale: of analysis; "" where the way of pooling chooses it (`transform`).
    arms: how many groups a row has.
    null: the value of no effect on the scale of display; None where there is none.
    transforms: the scales of analysis that a way of pooling can choose, the first where it
        does not.
    decimals: of estimates; None where the data decide.
    """

    name: str
    plural: str
    columns: tuple[str, ...]
    scale: str = "identity"
    arms: int = 2
    null: float | None = 0.0
    transforms: tuple[str, ...] = ()
    decimals: int | None = None

    @property
    def ratio(self) -> bool:
        """Whether it is a ratio: analysed as its logarithm, 1 where there is no effect."""
        return self.null == 1.0

    @property
    def unitless(self) -> bool:
        """Whether its effects have no unit, whatever that of the sheet."""
        return self.decimals is not None

    @property
    def in_text(self) -> str:
        """Its name within a sentence."""
        return self.name if self.name.startswith("Peto") else self.name[:1].lower() + self.name[1:]


def _ratio(name: str, plural: str, columns: tuple[str, ...]) -> MeasureKind:
    return MeasureKind(name, plural, columns, scale="log", null=1.0, decimals=2)


KINDS = {
    "proportion": MeasureKind(
        *("Proportion", "proportions", COUNTS),
        scale="",
        arms=1,
        null=None,
        transforms=("raw", "log", "logit", "arcsine", "double_arcsine"),
        decimals=1,
    ),
    "mean": MeasureKind(
        *("Mean", "means", MEANS), scale="", arms=1, null=None, transforms=("identity", "log")
    ),
    "mean_change": MeasureKind("Mean change", "mean changes", CHANGES, arms=1),
    "incidence_rate": MeasureKind(
        *("Incidence rate", "incidence rates", RATES),
        scale="",
        arms=1,
        null=None,
        transforms=("raw", "log", "square_root"),
    ),
    "correlation": MeasureKind(
        *("Correlation", "correlations", CORRELATIONS), scale="fisher_z", arms=1, decimals=2
    ),
    "risk_ratio": _ratio("Risk ratio", "risk ratios", TWO_ARM_COUNTS),
    "odds_ratio": _ratio("Odds ratio", "odds ratios", TWO_ARM_COUNTS),
    "peto_odds_ratio": _ratio("Peto odds ratio", "Peto odds ratios", TWO_ARM_COUNTS),
    "risk_difference": MeasureKind(
        "Risk difference", "risk differences", TWO_ARM_COUNTS, decimals=2
    ),
    "mean_difference": MeasureKind("Mean difference", "mean differences", TWO_ARM_MEANS),
    "standardized_mean_difference": MeasureKind(
        *("Standardized mean difference", "standardized mean differences", TWO_ARM_MEANS),
        decimals=2,
    ),
    "ratio_of_means": _ratio("Ratio of means", "ratios of means", TWO_ARM_MEANS),
    "incidence_rate_ratio": _ratio("Incidence rate ratio", "incidence rate ratios", TWO_ARM_RATES),
    "incidence_rate_difference": MeasureKind(
        "Incidence rate difference", "incidence rate differences", TWO_ARM_RATES
    ),
    "hazard_ratio": _ratio("Hazard ratio", "hazard ratios", ESTIMATES),
    "generic_ratio": _ratio("Ratio", "ratios", ESTIMATES),
    "generic_difference": MeasureKind("Difference", "differences", ESTIMATES),
}

RATIOS = tuple(name for name, kind in KINDS.items() if kind.ratio)
DIFFERENCES = tuple(name for name, kind in KINDS.items() if kind.null == 0.0)
WITHOUT_NULL = tuple(name for name, kind in KINDS.items() if kind.null is None)
UNITLESS = tuple(name for name, kind in KINDS.items() if kind.unitless)
PER_TIME = ("incidence_rate", "incidence_rate_difference")
TWO_ARMS = tuple(name for name, kind in KINDS.items() if kind.arms == 2)


def unit_of(measure: str, unit: str) -> str:
    """What an effect is told in: ``%``, the outcome's unit, ``per`` that of person-time, or "".

    `unit` is that of the outcome, "" where it has none.
    """
    if measure == "proportion":
        return "%"
    if measure in UNITLESS:
        return ""
    return f"per {unit}" if unit and measure in PER_TIME else unit


def scale_of(measure: str, pooling) -> str:
    """The scale on which a measure is analysed under a way of pooling.

    Raises KeyError for a measure that is not known.
    """
    kind = KINDS[measure]
    if not kind.transforms:
        return kind.scale
    default = "logit" if pooling["model"] == "logistic_mixed" else kind.transforms[0]
    return pooling.get("transform", default)
