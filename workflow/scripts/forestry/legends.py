"""A figure's legend, said from what was done: nothing in it is written by hand.

A legend tells the model and why it was chosen, the method and its scale, the studies and
participants, what a variant left out and why, and how many rows are derived,
reconstructed or not public.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from forestry.measure_kinds import KINDS, WITHOUT_NULL, unit_of
from forestry.results import (
    COUNT_MODELS,
    USUAL_MINIMUM,
    Estimate,
    HeterogeneityTest,
    StudyEffect,
    Weight,
)
from forestry.tables.format import (
    PREDICTIONS,
    between,
    counted,
    estimate_format,
    listed,
    lower_first,
    number,
    p_equals,
    percent,
    sentence,
    studies,
    with_interval,
)

NAMED_AT_MOST = 4  # studies that a legend names; more are counted

TAU2 = {
    "DL": "DerSimonian and Laird's estimator",
    "DL_mantel_haenszel": "DerSimonian and Laird's estimator from Q about the "
    "Mantel\N{EN DASH}Haenszel mean",
    "HE": "Hedges and Olkin's estimator",
    "HS": "Hunter and Schmidt's estimator",
    "SJ": "Sidik and Jonkman's estimator",
    "EB": "the empirical Bayes estimator",
    "PM": "Paule and Mandel's estimator",
    "ML": "maximum likelihood",
    "REML": "restricted maximum likelihood",
}
SCALES = {
    "raw": "untransformed {}",
    "identity": "{}",
    "log": "log {}",
    "logit": "logit-transformed {}",
    "arcsine": "arcsine-square-root-transformed {}",
    "double_arcsine": "Freeman\N{EN DASH}Tukey double-arcsine-transformed {}",
    "square_root": "square-root-transformed {}",
    "fisher_z": "Fisher z-transformed {}",
}
AXES = {
    "raw": "",
    "identity": "",
    "log": " on the log scale",
    "logit": " on the logit scale",
    "arcsine": " on the arcsine-square-root scale",
    "double_arcsine": " on the Freeman\N{EN DASH}Tukey double-arcsine scale",
    "square_root": " on the square-root scale",
    "fisher_z": " on the scale of Fisher's z",
}
INTERVALS = {
    "profile_likelihood": "with profile likelihood intervals",
    "t": "with intervals from the t distribution",
    "hartung_knapp": "with Hartung\N{EN DASH}Knapp intervals",
    "hartung_knapp_ad_hoc": "with Hartung\N{EN DASH}Knapp intervals, never narrower than those "
    "from the t distribution",
    "hartung_knapp_wider": "with Hartung\N{EN DASH}Knapp intervals, or those from the normal "
    "distribution where they are wider",
}
I2_BASES = {
    "mantel_haenszel_q": ", from Q about the Mantel\N{EN DASH}Haenszel mean",
    "wald_q": ", from the Wald Q",
    "likelihood_ratio_q": ", from the likelihood-ratio Q",
    "tau2": ", from τ²",
}
VARIANCES = {
    "LS": "the large-sample variance (LS)",
    "LS2": "the variance of d, corrected (LS2)",
    "UB": "the unbiased variance (UB)",
    "revman": "RevMan's variance",
}
MODELS = {"common": "common-effect", "random": "random-effects"}
AS_PRINTED = "as printed"
ADDED = "added to the cells"  # how effects name a continuity correction
FROM_COUNTS = (*COUNT_MODELS, "exact_total")  # methods that need none


@dataclass(frozen=True)
class Legend:
    """A figure's title, and the sentences under it."""

    title: str
    text: str

    def __str__(self) -> str:
        return f"{self.title}. {self.text}".strip()


@dataclass(frozen=True)
class Plot:
    """What a figure shows. Rows may hold other outcomes and variants: they are passed over.

    label, variant_label: the outcome's and the variant's name for a reader; the main
        analysis has none.
    variant_text: what the variant does, in words.
    reported_variant: the variant that pools reported rows alone, if there is one.
    unsolved: the bases of reconstructed rows that do not give the published result.
    labels: study names by id; groups: subgroup names by key.
    pooling: the way of pooling as declared; preset: whose defaults it follows, in words.
    standardized: which of Hedges' g it has, `correction` and `variance` as an outcome declares
        them; {} for another measure.
    """

    label: str
    outcome: str = ""
    variant: str = "main"
    variant_label: str = ""
    variant_text: str = ""
    unit: str = ""
    reported_variant: str = ""
    unsolved: Sequence[str] = ()
    estimates: Sequence[Estimate] = ()
    effects: Sequence[StudyEffect] = ()
    weights: Sequence[Weight] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    groups: Mapping[str, str] = field(default_factory=dict)
    pooling: Mapping = field(default_factory=dict)
    preset: str = ""
    standardized: Mapping[str, str] = field(default_factory=dict)
    differences: HeterogeneityTest | None = None  # subgroup_forest: between groups; read by name
    contours: Sequence[float] = ()  # funnel: the p values that shading bounds
    filled: int | None = None  # funnel: points added by trim and fill; None if not shown
    boxes: Mapping[str, int | None] = field(default_factory=dict)  # prisma_flow: count by box

    @property
    def title(self) -> str:
        return f"{self.label} ({self.variant_label})" if self.variant_label else self.label

    @property
    def results(self) -> tuple[Estimate, ...]:
        """The pooled results of the whole, and of the groups."""
        here = (self.outcome, self.variant)
        return tuple(row for row in self.estimates if (row.outcome, row.variant) == here)

    @property
    def reported(self) -> Estimate:
        """The reported result of the whole. Raises ValueError where there is not exactly one."""
        rows = [row for row in self.results if not row.group and row.selected]
        if len(rows) != 1:
            raise ValueError(
                f"{self.outcome}, {self.variant}: {len(rows)} selected estimates, not 1"
            )
        return rows[0]

    @property
    def shares(self) -> tuple[Weight, ...]:
        here = (self.outcome, self.variant)
        return tuple(row for row in self.weights if (row.outcome, row.variant) == here)

    @property
    def members(self) -> tuple[StudyEffect, ...]:
        """The studies that the figure speaks of: a subgroup step leaves others out of it."""
        named = {row.study_id for row in self.shares}
        return tuple(effect for effect in self.effects if not named or effect.study_id in named)

    @property
    def pooled(self) -> tuple[StudyEffect, ...]:
        """The studies pooled, in the whole or in a group."""
        included = {row.study_id for row in self.shares if row.included}
        return tuple(effect for effect in self.effects if effect.study_id in included)


def legend(kind: str, plot: Plot) -> Legend:
    """The legend of a figure of a kind. Raises ValueError, naming it, for an unknown kind."""
    if kind not in LEGENDS:
        raise ValueError(f"no legend for a figure of kind {kind!r}, only {', '.join(LEGENDS)}")
    return LEGENDS[kind](plot)


# Kinds --------------------------------------------------------------------------------------


def forest_legend(plot: Plot) -> Legend:
    title = f"Forest plot of {lower_first(plot.title)}"
    said = [_what_was_pooled(plot), _result(plot), *_prediction(plot), *_rows(plot)]
    return Legend(title, _prose(said))


def funnel_legend(plot: Plot) -> Legend:
    title = f"Funnel plot of {lower_first(plot.title)}"
    row = plot.reported
    if row.k == 0:
        return Legend(title, _prose([_nothing_to_pool(row, "shown"), *_rows(plot)]))
    said = [_points(plot, row), *_lines(plot, row), *_rows(plot, points=True)]
    if 2 <= row.k < USUAL_MINIMUM:
        said.append(
            f"with fewer than {USUAL_MINIMUM} studies, asymmetry cannot be told from chance"
        )
    return Legend(title, _prose(said))


def subgroup_forest_legend(plot: Plot) -> Legend:
    title = f"Forest plot of {lower_first(plot.title)}"
    groups = [row for row in plot.results if row.group and row.selected]
    names = [f"{plot.groups.get(row.group, row.group)} (k={row.k})" for row in groups]
    said = [_what_was_pooled(plot)]
    if names:
        said.append(f"each subgroup has a pooled result of its own: {listed(names)}")
    said += [_result(plot), _differences(plot), *_prediction(plot), *_rows(plot)]
    return Legend(title, _prose(said))


def prisma_flow_legend(plot: Plot) -> Legend:
    """The counts that are known; boxes without one are said to have none."""
    known = [f"{name}: {count}" for name, count in plot.boxes.items() if count is not None]
    missing = sum(count is None for count in plot.boxes.values())
    said = ["; ".join(lower_first(box) for box in known)]
    if missing:
        these = (
            "the number of one box is" if missing == 1 else f"the numbers of {missing} boxes are"
        )
        said.append(f"{these} not public and not filled in")
    return Legend(plot.title, _prose(said))


LEGENDS = {
    "forest": forest_legend,
    "funnel": funnel_legend,
    "subgroup_forest": subgroup_forest_legend,
    "prisma_flow": prisma_flow_legend,
}


# What was pooled, and how -------------------------------------------------------------------


def _what_was_pooled(plot: Plot) -> str:
    row = plot.reported
    if row.k < 2:
        return _nothing_to_pool(row, "pooled")
    if row.estimate is None:
        return f"the {_members(row)} could not be pooled: {row.note or 'no result'}"
    return f"the {_members(row)} were pooled by {_method(plot, row)}; {_model(plot, row)}"


def _nothing_to_pool(row: Estimate, done: str) -> str:
    if row.k == 0:
        return f"no study has usable numbers here, so nothing could be {done}"
    people = f" ({_people(row)})" if _people(row) else ""
    return f"one study{people} has usable numbers here, so nothing was pooled"


def _members(row: Estimate) -> str:
    people = _people(row)
    return f"{studies(row.k)} ({people})" if people else studies(row.k)


def _people(row: Estimate) -> str:
    said = [counted(row.n, "participant")] if row.n is not None else []
    said += [counted(row.events, "event")] if row.events is not None else []
    return ", ".join(said)


def _method(plot: Plot, row: Estimate) -> str:
    phrase = METHODS.get(row.method, _other_method)(plot, row)
    extra = INTERVALS.get(row.interval, "")
    phrase = f"{phrase} {extra}" if extra else phrase
    return f"{phrase}, {plot.preset}" if plot.preset else phrase


def _logistic_mixed(plot: Plot, row: Estimate) -> str:
    if row.model == "common":
        return "logistic regression with one common proportion"
    return "random-intercept logistic regression (maximum likelihood)"


def _inverse_variance(plot: Plot, row: Estimate) -> str:
    phrase = f"inverse-variance weighting of {_scaled(plot, row)}"
    if row.model == "random":
        tau2 = TAU2.get(row.tau2_method, row.tau2_method)
        phrase += f" with the between-study variance by {tau2}"
    return phrase


def _unconditional(plot: Plot, row: Estimate) -> str:
    if row.model == "common":
        return "logistic regression with a level for each study and one common odds ratio"
    return (
        "the unconditional binomial\N{EN DASH}normal model of odds ratios with fixed study effects "
        "(maximum likelihood)"
    )


def _conditional(plot: Plot, row: Estimate) -> str:
    if row.model == "common":
        return "the exact conditional likelihood of one common odds ratio"
    return (
        "the exact conditional binomial\N{EN DASH}normal model of odds ratios (maximum likelihood)"
    )


def _mantel_haenszel(plot: Plot, row: Estimate) -> str:
    return "the Mantel\N{EN DASH}Haenszel method"


def _exact_total(plot: Plot, row: Estimate) -> str:
    return "adding up the studies, with an exact interval of the total"


def _other_method(plot: Plot, row: Estimate) -> str:
    return row.method.replace("_", " ")


METHODS = {
    "logistic_mixed": _logistic_mixed,
    "inverse_variance": _inverse_variance,
    "mantel_haenszel": _mantel_haenszel,
    "binomial_normal_unconditional": _unconditional,
    "binomial_normal_conditional": _conditional,
    "exact_total": _exact_total,
}


def _scaled(plot: Plot, row: Estimate) -> str:
    things = KINDS[row.measure].plural
    return SCALES.get(_scale(plot), "{}").format(things)


def _scale(plot: Plot) -> str:
    """The scale of the effects: one for all of an outcome's studies."""
    return next((effect.scale for effect in plot.effects if effect.usable), "identity")


def _model(plot: Plot, row: Estimate) -> str:
    """Which model is reported, and why."""
    return f"the {MODELS[row.model]} model is reported {_why(plot, row)}"


def _why(plot: Plot, row: Estimate) -> str:
    models = {other.model for other in plot.results if not other.group}
    if models == {"common"}:
        return "because the random-effects model could not be fitted"
    if plot.pooling.get("select", "common_if_i2_zero") != "common_if_i2_zero":
        return "as declared for this analysis"
    basis = I2_BASES.get(row.i2_basis, "")
    if row.i2 is None:
        return "by the review's rule"
    if row.i2 == 0:
        return f"because I² is zero{basis}"
    return f"because I² is above zero ({percent(row.i2)}{basis})"


def _result(plot: Plot) -> str:
    row = plot.reported
    if row.estimate is None or row.k < 2:
        return ""
    form = estimate_format(row for row in plot.estimates if row.outcome == plot.outcome)
    unit = unit_of(row.measure, plot.unit)
    space = "" if unit == "%" else " "
    level = f"{100 * plot.pooling.get('level', 0.95):g}"
    shown = with_interval(form, row.estimate, None, None) + (f"{space}{unit}" if unit else "")
    return f"the pooled estimate is {shown} ({level}% CI {_limits(form, row.ci_low, row.ci_high)})"


def _prediction(plot: Plot) -> list[str]:
    """Which distribution the prediction intervals of the random-effects results are from."""
    names = dict.fromkeys(row.prediction for row in plot.results if row.prediction)
    return [f"the prediction interval is {PREDICTIONS[name]}" for name in names]


def _limits(form, low: float | None, high: float | None) -> str:
    return "not estimable" if None in (low, high) else between(form(low), form(high))


def _differences(plot: Plot) -> str:
    test = plot.differences
    if test is None or test.statistic is None or test.p_value is None:
        return ""
    shown = f"Q between groups {number(test.statistic, 2)}, df {test.df}, {p_equals(test.p_value)}"
    return f"the test for subgroup differences gives {shown}"


# Funnels ------------------------------------------------------------------------------------


def _points(plot: Plot, row: Estimate) -> str:
    axis = AXES.get(_scale(plot), "")
    kind = KINDS[row.measure]
    what = kind.in_text if kind.ratio else "effect"
    members = f"each of the {_members(row)}" if row.k > 1 else "the one study"
    return f"{members} is shown by its {what}{axis} and its standard error"


def _lines(plot: Plot, row: Estimate) -> list[str]:
    if row.estimate is None or row.k < 2:
        return ["nothing was pooled, so no funnel is drawn"]
    level = f"{100 * plot.pooling.get('level', 0.95):g}"
    model = MODELS[row.model]
    said = [f"the funnel is the pseudo-{level}% confidence region about the {model} estimate"]
    if plot.contours:
        said.append(_contours(plot, row))
    if plot.filled is not None:
        added = f"{studies(plot.filled)}, shown as open points" if plot.filled else "no study"
        said.append(f"trim and fill added {added}")
    return said


def _contours(plot: Plot, row: Estimate) -> str:
    levels = f"p={listed(f'{p:g}' for p in plot.contours)}"
    if row.measure in WITHOUT_NULL:
        return f"shades end where a study differs from it with {levels}"
    return f"shades end where a study differs from no effect with {levels}"


# Rows: left out, derived, not public ----------------------------------------------------------


def _rows(plot: Plot, points: bool = False) -> list[str]:
    said = (*_left_out(plot), *_converted(plot, points), _derived(plot), _reconstructed(plot))
    said = (_hedges_g(plot), *said)
    return [told for told in (*said, *_unusable(plot)) if told]


def _hedges_g(plot: Plot) -> str:
    """Which of Hedges' g stands in the figure, in the declaration's words."""
    if not plot.standardized or not any(effect.usable for effect in plot.effects):
        return ""
    correction, variance = plot.standardized["correction"], plot.standardized["variance"]
    return f"effects are Hedges' g with the {correction} correction and {VARIANCES[variance]}"


def _left_out(plot: Plot) -> list[str]:
    """What the variant does, and whom it left out under each reason, or that it left out none."""
    rule = [plot.variant_text] if plot.variant_text else []
    pooled = {effect.study_id for effect in plot.pooled}
    usable = {effect.study_id for effect in plot.effects if effect.usable} - pooled
    reasons: dict[str, list[str]] = {}
    for row in plot.shares:
        if row.study_id in usable and row.reason:
            usable.discard(row.study_id)
            reasons.setdefault(_reason(row.reason), []).append(row.study_id)
    if not reasons:
        return [*rule, "this leaves no study out"] if rule and pooled else rule
    told = [f"{_named(ids, plot)} ({reason})" for reason, ids in reasons.items()]
    return [*rule, f"left out: {'; '.join(told)}"]


def _reason(reason: str) -> str:
    """A reason as a reader takes it; outliers are one reason, whatever their residuals."""
    return "outlier" if reason.startswith("outlier") else reason


def _named(ids: Sequence[str], plot: Plot) -> str:
    if len(ids) > NAMED_AT_MOST:
        return studies(len(ids))
    return listed(plot.labels.get(id, id) for id in ids)


def _converted(plot: Plot, points: bool) -> list[str]:
    """How numbers were obtained that are not pooled as printed, with the number of studies.

    A model of counts takes them as they are: there a continuity correction matters only
    where each study is a point on the scale of analysis.
    """
    as_counts = plot.reported.method in FROM_COUNTS and not points
    ways: dict[str, int] = {}
    for effect in plot.pooled:
        for way in effect.obtained.split("; "):
            if way and way != AS_PRINTED and not (as_counts and ADDED in way):
                ways[way] = ways.get(way, 0) + 1
    told = [f"{way} ({studies(number)})" for way, number in ways.items()]
    return [f"not as printed: {'; '.join(told)}"] if told else []


def _derived(plot: Plot) -> str:
    derived = [effect for effect in plot.pooled if effect.status == "derived"]
    if not derived:
        return ""
    circular = sum(effect.basis.startswith("published:") for effect in derived)
    said = f"the numbers of {studies(len(derived))} were derived by arithmetic from "
    if circular == len(derived):
        return said + "a pooled result of the article"
    part = f", {circular} of them from a pooled result of the article" if circular else ""
    return f"{said}published figures{part}"


def _reconstructed(plot: Plot) -> str:
    solved = [effect for effect in plot.pooled if effect.is_reconstructed]
    if not solved:
        return ""
    number = studies(len(solved))
    said = f"the numbers of {number} (†) were reconstructed from a published pooled result"
    return f"{said}, {_how_near(solved, plot)}{_reported_only(plot)}"


def _how_near(solved: Sequence[StudyEffect], plot: Plot) -> str:
    near = sum(effect.basis in plot.unsolved for effect in solved)
    if not near:
        return "with which agreement is no evidence"
    which = "they" if near == len(solved) else f"those of {studies(near)}"
    return f"which no numbers were found to give: {which} are the nearest"


def _reported_only(plot: Plot) -> str:
    """What reported rows alone give, where the review has a variant of them."""
    rows = [
        row
        for row in plot.estimates
        if (row.outcome, row.variant, row.group) == (plot.outcome, plot.reported_variant, "")
    ]
    row = next((row for row in rows if row.selected), None)
    if row is None:
        return ""
    alone = f"; reported rows alone (k={row.k})"
    if row.estimate is None:
        return f"{alone} are not pooled"
    form = estimate_format(rows)
    return f"{alone} give {with_interval(form, row.estimate, row.ci_low, row.ci_high)}"


def _unusable(plot: Plot) -> list[str]:
    """Studies without a public number, then those whose numbers do not suffice, by reason."""
    hidden = sum(effect.status == "unavailable" for effect in plot.members)
    said = [f"no public number was found for {studies(hidden)}"] if hidden else []
    reasons: dict[str, list[str]] = {}
    for effect in plot.members:
        if not effect.usable and effect.status != "unavailable":
            reasons.setdefault(effect.reason or "no usable number", []).append(effect.study_id)
    return said + [f"not pooled: {_named(ids, plot)} ({why})" for why, ids in reasons.items()]


def _prose(sentences: Iterable[str]) -> str:
    return " ".join(f"{sentence(said)}." for said in sentences if said)
