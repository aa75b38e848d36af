"""What the workflow computes, a dataclass a table row; its fields are the columns.

`None` is a number that does not exist (not pooled, not estimable, not public), never
a zero. Proportions are 0-1 and ratios are not logged on the display scale; `link_*`,
`yi` and `vi` are on the scale of analysis.
"""

from __future__ import annotations

from dataclasses import dataclass

# Studies below which a test of asymmetry, or a moderator, has little power.
USUAL_MINIMUM = 10

# Methods that take counts as they are: studies' own effects and weights are beside them.
COUNT_MODELS = ("logistic_mixed", "binomial_normal_unconditional", "binomial_normal_conditional")


@dataclass(frozen=True)
class StudyEffect:
    """A study in an outcome: a row of ``effects/<outcome>.csv``."""

    study_id: str
    status: str  # reported | derived | unavailable | reconstructed
    basis: str  # source | published:<outcome> | ""
    usable: bool  # has the numbers that pooling needs
    reason: str  # why it is not usable, "" where it is
    measure: str  # proportion | mean | mean_change | risk_ratio | ...
    scale: str  # of yi: one of scales.SCALES
    events: int | None
    total: int | None
    control_events: int | None
    control_total: int | None
    n: int | None
    mean: float | None  # the mean (or mean change) that enters pooling
    sd: float | None
    control_n: int | None
    control_mean: float | None
    control_sd: float | None
    yi: float | None
    vi: float | None
    estimate: float | None  # display scale
    ci_low: float | None
    ci_high: float | None
    interval: str  # clopper_pearson | wald
    obtained: str  # as printed | Hozo 2005 from median and range | 0.5 added | ...
    warning: str  # e.g. the skew screen
    person_time: float | None = None  # of incidence rates, in the outcome's unit
    control_person_time: float | None = None

    @property
    def is_reconstructed(self) -> bool:
        return self.status == "reconstructed"


@dataclass(frozen=True)
class Estimate:
    """A pooled result: a row of ``estimates.csv``, one an outcome, variant, group and model.

    Where nothing can be pooled (no usable study, or one) there is a single row with
    model ``none``, its k and n, and no numbers.
    """

    outcome: str
    variant: str
    group: str  # "" for the whole outcome
    k: int
    n: int | None  # participants, both arms
    events: int | None  # both arms
    measure: str
    model: str  # common | random | none
    method: str  # inverse_variance | mantel_haenszel | one of COUNT_MODELS | exact_total | none
    tau2_method: str
    interval: str
    estimate: float | None
    ci_low: float | None
    ci_high: float | None
    pi_low: float | None
    pi_high: float | None
    prediction: str  # z | t_k_minus_1 | t_k_minus_2, "" without a prediction interval
    p_value: float | None  # of no effect; empty for single-arm measures
    link_estimate: float | None
    link_se: float | None
    tau2: float | None
    tau2_se: float | None
    tau2_low: float | None
    tau2_high: float | None
    tau2_interval: str  # none | q_profile | generalised_q | profile_likelihood | ""
    i2: float | None  # 0-1
    i2_low: float | None
    i2_high: float | None
    i2_basis: str  # q | mantel_haenszel_q | wald_q | likelihood_ratio_q | tau2
    q: float | None
    q_df: int | None
    q_p: float | None
    k_reported: int
    k_derived: int
    k_reconstructed: int
    selected: bool  # the row that the review's rule reports
    h2: float | None
    h2_low: float | None
    h2_high: float | None
    note: str  # why nothing was pooled, or what the fit had to do


@dataclass(frozen=True)
class Weight:
    """A study's share in a pooled result: a row of ``weights.csv``.

    Weights sum to 1 over the included studies of a model; `weight_basis` says how
    they were obtained (a mixed model has no weights of its own).
    """

    outcome: str
    variant: str
    group: str
    study_id: str
    included: bool
    reason: str  # why it was left out: not usable, or the variant's rule
    weight_common: float | None
    weight_random: float | None
    weight_basis: str  # inverse_variance | mantel_haenszel | approximate_information | ""


@dataclass(frozen=True)
class HeterogeneityTest:
    """A test of heterogeneity: a row of ``heterogeneity.csv``, one test a row."""

    outcome: str
    variant: str
    group: str
    test: str  # cochran_q | mantel_haenszel_q | wald_q | likelihood_ratio_q
    k: int
    statistic: float | None
    df: int | None
    p_value: float | None


@dataclass(frozen=True)
class BiasRecord:
    """A test of small-study effects in an outcome: a row of ``bias.csv``."""

    outcome: str
    variant: str
    test: str
    k: int
    bias: float | None
    se: float | None
    statistic: float | None
    df: int | None
    p_value: float | None
    fewer_than_10: bool
    note: str


@dataclass(frozen=True)
class InfluenceRow:
    """A study's influence on an outcome: a row of ``influence.csv``.

    Viechtbauer and Cheung 2010, on the scale of analysis; `*_deleted` is the result without
    the study, the estimate and its interval on the display scale, I2 (0-1) on the basis that
    the pooling names. `hat` and `weight` are shares (0-1). Two studies or more are needed.
    """

    outcome: str
    variant: str
    study_id: str
    k: int
    tau2_method: str
    rstudent: float
    dffits: float
    cook_distance: float
    cov_ratio: float
    tau2_deleted: float
    q_deleted: float
    hat: float
    weight: float
    dfbetas: float
    influential: bool
    estimate_deleted: float
    ci_low_deleted: float
    ci_high_deleted: float
    i2_deleted: float


@dataclass(frozen=True)
class SubgroupTest:
    """A test of a subgroup step: a row of ``subgroups.csv``.

    Tests, `statistic` being Q on `df`:

    - ``between``: of equal group means, those of the groups' random effects as pooled, each
      with its own tau2 (what a review should report as its test for subgroup differences);
    - ``between_common_tau2``: the same with one tau2 for all groups (a mixed model's QM);
    - ``between_common_effect``, ``within``, ``total``: the parts of Cochran's Q, and Q
      itself. ``total`` is heterogeneity, never a test for subgroup differences.

    All but the first are of the studies' effects by inverse variance, whatever the pooling.
    """

    outcome: str
    variant: str  # the step
    by: str
    within: str
    test: str
    k: int
    groups: int
    statistic: float | None
    df: int | None
    p_value: float | None
    note: str


@dataclass(frozen=True)
class FigureLegend:
    """A figure's legend: a row of ``legends.csv``."""

    figure: str
    annexure: str
    title: str
    text: str


@dataclass(frozen=True)
class BootstrapInterval:
    """An interval from replicates: a row of ``bootstrap.csv``.

    `estimate` and limits are on the scale of display for the pooled estimate (`quantity`
    estimate), and on the scale of analysis for tau2 and for a subgroup difference, which is
    that of `group` less that of `reference`, of a step in the place of the variant; I2 is
    0-1. `bias` and `se` are of the replicates on the scale of analysis: their mean less the
    estimate, and their standard deviation; empty where a replicate is infinite.
    """

    outcome: str
    variant: str
    group: str
    reference: str
    kind: str  # nonparametric | parametric
    quantity: str  # estimate | tau2 | i2 | subgroup_difference
    scale: str  # display | that of the analysis
    k: int
    k_reconstructed: int
    estimate: float | None
    bias: float | None
    se: float | None
    replicates: int
    not_converged: int
    without_value: int  # those not converged among them
    at_limit: int  # infinite on the scale of analysis
    interval: str  # percentile | basic | bca
    level: float
    ci_low: float | None
    ci_high: float | None
    note: str


@dataclass(frozen=True)
class MultiverseRow:
    """A specification and its result: a row of ``multiverse.csv``.

    Choices without a meaning beside the others are empty. `estimate` and limits are those of
    the model that the review's rule reports, on the scale of display; I2 is 0-1.
    """

    outcome: str
    model: str
    transform: str
    tau2: str
    interval: str
    variant: str
    medians: str
    correlation: str
    own: bool  # the review's own choice
    k: int
    k_reconstructed: int
    reported: str  # common | random | none
    estimate: float | None
    ci_low: float | None
    ci_high: float | None
    i2: float | None
    note: str


@dataclass(frozen=True)
class ChoiceRow:
    """A value of a choice, over the specifications that have it and an estimate.

    `lowest`, `mean` and `highest` are of their estimates, on the scale of display (the mean
    of ratios is geometric). `range_of_means` is that of the choice's values, from the least
    to the greatest (a ratio, of ratios), and `variance_share` the part of the estimates'
    variance that lies between the choice's values: its main effect, by itself. The shares of
    several choices need not sum to 1: choices interact, and not every combination exists.
    """

    outcome: str
    choice: str
    value: str
    own: bool  # the review's own
    specifications: int
    lowest: float
    mean: float
    highest: float
    range_of_means: float
    variance_share: float | None  # None where all estimates are equal
