"""Effect sizes and their sampling variances, and the intervals of single studies.

Inputs are arrays of shape (k,), a study a place, in any order; a missing number is NaN
(or None) and makes its study unusable, never zero. Impossible numbers (more events than
participants, a negative SD) raise ValueError. Effects come on the scale of analysis;
`scales.to_display` brings them back. Ratios are on the log scale.
"""

from forestry.measures.common import HALF_TO_AFFECTED, Effects, Interval, ZeroCells
from forestry.measures.given import correlation, estimate, off_centre, se_from_interval
from forestry.measures.intervals import clopper_pearson, wald_interval, wilson
from forestry.measures.means import (
    HEDGES_CORRECTIONS,
    MEAN_SCALES,
    SMD_VARIANCES,
    change_sd,
    mean,
    mean_change,
    mean_difference,
    ratio_of_means,
    sd_from_interval,
    standardized_mean_difference,
)
from forestry.measures.proportions import PROPORTION_SCALES, proportion
from forestry.measures.rates import (
    RATE_SCALES,
    incidence_rate,
    incidence_rate_difference,
    incidence_rate_ratio,
)
from forestry.measures.two_arm_counts import (
    odds_ratio,
    peto_odds_ratio,
    risk_difference,
    risk_ratio,
)

__all__ = [
    "HALF_TO_AFFECTED",
    "HEDGES_CORRECTIONS",
    "MEAN_SCALES",
    "PROPORTION_SCALES",
    "RATE_SCALES",
    "SMD_VARIANCES",
    "Effects",
    "Interval",
    "ZeroCells",
    "change_sd",
    "clopper_pearson",
    "correlation",
    "estimate",
    "incidence_rate",
    "incidence_rate_difference",
    "incidence_rate_ratio",
    "mean",
    "mean_change",
    "mean_difference",
    "odds_ratio",
    "off_centre",
    "peto_odds_ratio",
    "proportion",
    "ratio_of_means",
    "risk_difference",
    "risk_ratio",
    "sd_from_interval",
    "se_from_interval",
    "standardized_mean_difference",
    "wald_interval",
    "wilson",
]
