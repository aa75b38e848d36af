"""Made-up outcomes to lay out and draw; the pooled numbers need not be right, only distinct."""

from dataclasses import fields, replace

from forestry.figures.settings import ForestSettings
from forestry.results import Estimate, StudyEffect, Weight

OUTCOME = "response"


def empty(record, **values):
    """A record with the values given, every other field None, False or ""."""
    blank = {"str": "", "bool": False, "int": 0}
    filled = {field.name: blank.get(field.type) for field in fields(record)}
    return record(**{**filled, **values})


def study(study_id, measure, estimate=None, low=None, high=None, status="reported", **more):
    """A study's effect: usable where it has an estimate."""
    usable = estimate is not None
    return empty(
        StudyEffect, study_id=study_id, status=status if usable else "unavailable", usable=usable,
        reason="" if usable else "not available", measure=measure,
        estimate=estimate, ci_low=low, ci_high=high, **more,
    )  # fmt: skip


def proportion(study_id, events, total, low=None, high=None, **more):
    estimate = None if events is None else events / total
    return study(
        study_id, "proportion", estimate, low, high, events=events, total=total, **more
    )  # fmt: skip


def weight(study_id, common, random, included=True, reason="", group="", **more):
    return empty(
        Weight, outcome=OUTCOME, variant="main", group=group, study_id=study_id, included=included,
        reason=reason, weight_common=common, weight_random=random,
        weight_basis=more.pop("weight_basis", "inverse_variance"),
    )  # fmt: skip


def left_out(study_id, reason):
    return weight(study_id, None, None, included=False, reason=reason)


def estimate(model, value, low, high, selected=False, measure="proportion", **more):
    values = {
        "k": 3, "method": "inverse_variance", "interval": "wald", "i2": 0.412, "i2_basis": "q",
        "q": 3.4, "q_df": 2, "q_p": 0.1827, "tau2": 0.0 if model == "common" else 0.0312,
    }  # fmt: skip
    return empty(
        Estimate, outcome=OUTCOME, variant="main", measure=measure, model=model, estimate=value,
        ci_low=low, ci_high=high, selected=selected, **{**values, **more},
    )  # fmt: skip


def not_pooled(k, measure="proportion", note=""):
    return empty(
        Estimate, outcome=OUTCOME, variant="main", measure=measure, model="none", method="none",
        k=k, selected=True, note=note,
    )  # fmt: skip


def settings(effects, measure="proportion", **more):
    labels = {effect.study_id: effect.study_id.capitalize() + " 2020" for effect in effects}
    given = {"outcome": OUTCOME, "variant": "main", "title": "Response of muscle power"}
    return ForestSettings.from_mapping(
        {**given, "measure": measure, "labels": labels, **more}
    )  # fmt: skip


# Whole outcomes: (effects, estimates, weights, settings) -------------------------------------


def proportions(**more):
    """Six studies: one derived, one reconstructed, one left out, two without numbers."""
    effects = [
        proportion("adler", 8, 19, 0.203, 0.665),
        proportion("baker", 37, 47, 0.643, 0.893, status="derived"),
        proportion("cohen", None, 73),
        proportion("dietz", 5, 5, 0.478, 1.0, status="reconstructed"),
        proportion("ernst", 3, 30, 0.021, 0.265),
        proportion("fabri", None, None),
    ]
    estimates = [
        estimate("common", 0.68, 0.56, 0.78),
        estimate("random", 0.71, 0.43, 0.89, selected=True, pi_low=0.08, pi_high=0.98),
    ]
    weights = [
        weight("adler", 0.36, 0.4),
        weight("baker", 0.6, 0.5),
        left_out("cohen", "not available"),
        weight("dietz", 0.04, 0.1),
        left_out("ernst", "studentized residual -2.47"),
        left_out("fabri", "not available"),
    ]
    return effects, estimates, weights, settings(effects, **more)


def ratios(**more):
    """Three trials, one of them so wide that its interval leaves the axis on both sides."""
    counts = {"events": 37, "total": 47, "control_events": 21, "control_total": 48}
    effects = [
        study("adler", "risk_ratio", 1.80, 1.26, 2.56, **counts),
        study("baker", "risk_ratio", 1.60, 0.99, 2.60, **counts),
        study("cohen", "risk_ratio", 1.10, 0.0004, 3100.0, **counts),
    ]
    estimates = [
        estimate("common", 1.7, 1.3, 2.2, True, "risk_ratio", i2=0.0, p_value=0.00004),
        estimate("random", 1.71, 1.31, 2.21, False, "risk_ratio", i2=0.0),
    ]
    weights = [weight("adler", 0.6, 0.59), weight("baker", 0.39, 0.4), weight("cohen", 0.01, 0.01)]
    given = {
        "arms": {"treated": "Intravenous immunoglobulin", "control": "Placebo"},
        "favours": {"above": "immunoglobulin", "below": "placebo"},
    }
    return effects, estimates, weights, settings(effects, "risk_ratio", **given, **more)


def changes(**more):
    """Two changes from baseline, and one that was printed without a spread."""
    effects = [
        study("adler", "mean_change", 9.36, 6.28, 12.44, n=47, mean=9.36, sd=10.78),
        study("baker", "mean_change", -4.5, -7.4, -1.6, n=24, mean=-4.5, sd=7.24),
        replace(study("cohen", "mean_change", n=7, mean=3.0), reason="mean without a spread"),
    ]
    estimates = [
        estimate("common", 2.1, 0.4, 3.9, measure="mean_change"),
        estimate("random", 2.4, -11.2, 16.0, True, "mean_change"),
    ]
    weights = [weight("adler", 0.47, 0.49), weight("baker", 0.53, 0.51), left_out("cohen", "")]
    given = {"unit": "CDASI points", "direction": "fall"}
    return effects, estimates, weights, settings(effects, "mean_change", **given, **more)


def differences(**more):
    """Six trials of means with names too long for one line."""
    effects = [
        study(
            f"{letter}-registry-of-the-northern-hospitals and others", "mean_difference",
            -2.0 + i, -4.0 + i, 0.0 + i, n=40 + i, mean=-5.0 - i, sd=6.5,
            control_n=38, control_mean=-3.0, control_sd=8.25,
        )
        for i, letter in enumerate("abcdef")
    ]  # fmt: skip
    estimates = [estimate("common", 0.4, -0.4, 1.2, True, "mean_difference", p_value=0.32)]
    weights = [weight(effect.study_id, 1 / 6, 1 / 6) for effect in effects]
    return effects, estimates, weights, settings(effects, "mean_difference", unit="points", **more)


def single(**more):
    """One study with numbers, one without."""
    effects = [proportion("adler", 60, 73, 0.715, 0.902), proportion("baker", None, 12)]
    weights = [weight("adler", None, None, weight_basis=""), left_out("baker", "not available")]
    return effects, [not_pooled(1)], weights, settings(effects, **more)


def unavailable(**more):
    """No study with numbers."""
    effects = [proportion("adler", None, 73), proportion("baker", None, None)]
    weights = [left_out(effect.study_id, "not available") for effect in effects]
    return effects, [not_pooled(0)], weights, settings(effects, **more)


def nothing(**more):
    """No study at all."""
    return [], [not_pooled(0)], [], settings([], **more)


def many(**more):
    """Thirty studies."""
    effects = [
        proportion(f"author{i}", 5 + i, 40 + i, max(0.0, 0.1 + i / 100), min(1.0, 0.3 + i / 40))
        for i in range(30)
    ]
    estimates = [
        estimate("common", 0.3, 0.27, 0.33),
        estimate("random", 0.31, 0.25, 0.37, True, pi_low=-0.1, pi_high=0.72),
    ]
    weights = [weight(effect.study_id, 1 / 30, 1 / 30) for effect in effects]
    return effects, estimates, weights, settings(effects, **more)


def subgroups(**more):
    """Two groups under a whole, on the raw scale, where a limit passes 100%."""
    effects, whole, weights, _ = proportions()
    estimates = [
        *whole,
        estimate("common", 0.6, 0.5, 0.7, group="iv"),
        estimate("random", 0.61, 0.4, 0.8, True, group="iv"),
        estimate("random", 0.97, 0.93, 1.02, True, group="sc", k=2),
    ]
    weights += [
        weight("adler", 0.4, 0.45, group="iv"),
        weight("baker", 0.6, 0.55, group="iv"),
        weight("dietz", 1.0, 1.0, group="sc"),
    ]
    groups = {"iv": "Intravenous", "sc": "Subcutaneous"}
    return effects, estimates, weights, settings(effects, groups=groups, **more)


ALL = (
    proportions, ratios, changes, differences, single, unavailable, nothing, many, subgroups
)  # fmt: skip
