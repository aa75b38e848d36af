"""An outcome's meta-regressions as declared: its effects on columns of studies.csv.

A number is a continuous moderator and a word a categorical one, whose reference is its most
frequent level among the studies of the model (of equally frequent ones the first in the
studies' order). Everything is on the scale of analysis.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

import numpy as np

from forestry.diagnostics import included
from forestry.metaregression import (
    INTERCEPT,
    Categorical,
    Coefficient,
    MetaRegression,
    design_matrix,
    meta_regression,
)
from forestry.models import Pooling
from forestry.outliers import tau2_method_of
from forestry.results import USUAL_MINIMUM, StudyEffect, Weight

# Cochrane Handbook 5.1, section 9.6.5.1: ten studies for each characteristic modelled.
FEW = f"fewer than {USUAL_MINIMUM} studies a moderator"

Values = Mapping[str, float | str]  # of a moderator, by study


@dataclass(frozen=True)
class RegressionTerm:
    """A coefficient of a meta-regression: a row of ``metaregression.csv``.

    `k` studies are in the model; `left_out` of those that the variant pools lack a value.
    From `tau2` on, the numbers are the model's: `i2_residual` and `r2` are shares (0-1),
    `r2` is missing where there is no tau2 to explain. `qm` tests all moderators: chi-squared
    on `qm_df` with the interval ``wald``, else F on `qm_df` and `qe_df`. `qe` tests residual
    heterogeneity. A model that cannot be fitted is one row without numbers and without a
    term; its note says why.
    """

    outcome: str
    variant: str
    model: str
    term: str
    k: int
    left_out: int
    scale: str  # raw | log | logit | arcsine | double_arcsine | identity
    interval: str  # wald | t | hartung_knapp | hartung_knapp_ad_hoc
    estimate: float | None
    se: float | None
    ci_low: float | None
    ci_high: float | None
    statistic: float | None  # z, or t on qe_df degrees of freedom
    p_value: float | None
    tau2_method: str
    tau2: float | None
    i2_residual: float | None
    r2: float | None
    qm: float | None
    qm_df: int | None
    qm_p: float | None
    qe: float | None
    qe_df: int | None
    qe_p: float | None
    note: str  # the level that a term is compared with, where the intercept lies, a caveat


@dataclass(frozen=True)
class Model:
    """A model: the studies in it, and its fit, or in `why_not` why there is none.

    `references` has the reference level of each categorical moderator, `values` each
    moderator's value by study.
    """

    moderators: tuple[str, ...]
    studies: tuple[StudyEffect, ...]
    left_out: int
    tau2_method: str
    interval: str
    values: Mapping[str, Values]
    references: Mapping[str, str] = field(default_factory=dict)
    fit: MetaRegression | None = None
    why_not: str = ""


def regression_terms(
    effects: Sequence[StudyEffect], weights: Sequence[Weight], settings: Mapping
) -> list[RegressionTerm]:
    """The rows of every model of an outcome, in the order of their declaration.

    `settings` are those of `Review.metaregression_settings`. Only the studies that the
    variant pools (`weights`) and that have a value of every moderator are in a model.
    """
    return [
        row
        for name in settings["models"]
        for row in _rows(name, fit_model(name, effects, weights, settings), settings)
    ]


def fit_model(
    name: str, effects: Sequence[StudyEffect], weights: Sequence[Weight], settings: Mapping
) -> Model:
    """One of the declared models. Raises KeyError for one that is not declared.

    tau2 is by the declared estimator, else that of the pooling (REML of a mixed model); the
    interval is the declared one, else the pooling's.
    """
    pooling = Pooling(**settings["pooling"])
    moderators = tuple(settings["models"][name])
    values = {moderator: settings["moderators"][moderator] for moderator in moderators}
    pooled = included(effects, weights, settings["variant"])
    kept = [e for e in pooled if all(e.study_id in of for of in values.values())]
    described = {
        "moderators": moderators,
        "studies": tuple(kept),
        "left_out": len(pooled) - len(kept),
        "tau2_method": settings.get("tau2") or tau2_method_of(pooling),
        "interval": settings.get("interval") or pooling.interval,
        "values": values,
    }
    if not kept:
        why_not = "no study has a value of every moderator" if pooled else "no study to pool"
        return Model(**described, why_not=why_not)
    return _fitted(described, pooling.level)


def _fitted(described: dict, level: float) -> Model:
    studies = described["studies"]
    columns, references = {}, {}
    for name, of in described["values"].items():
        columns[name] = [of[study.study_id] for study in studies]
        if isinstance(columns[name][0], str):
            references[name] = Counter(columns[name]).most_common(1)[0][0]
            columns[name] = Categorical(columns[name], references[name])
    yi, vi = (np.array([getattr(study, name) for study in studies]) for name in ("yi", "vi"))
    choices = (described["tau2_method"], described["interval"], level)
    try:
        # Zero by zero, where all residuals are zero, ends in an error of its own.
        with np.errstate(divide="ignore", invalid="ignore"):
            fit = meta_regression(yi, vi, design_matrix(columns), *choices)
    except ValueError as error:  # too few studies, one level only, columns that coincide
        return Model(**described, why_not=_why_not(error))
    return Model(**described, references=references, fit=fit)


def _why_not(error: ValueError) -> str:
    exact = isinstance(error, np.linalg.LinAlgError)
    return "the studies agree with the model exactly: no standard error" if exact else str(error)


# Rows -------------------------------------------------------------------------------------


def _rows(name: str, model: Model, settings: Mapping) -> list[RegressionTerm]:
    about = {
        "outcome": settings["outcome"],
        "variant": settings["variant"],
        "model": name,
        "k": len(model.studies),
        "left_out": model.left_out,
        "scale": model.studies[0].scale if model.studies else "",
        "interval": model.interval,
        "tau2_method": model.tau2_method,
        **_of_fit(model.fit),
    }
    if model.fit is None:
        return [RegressionTerm(**about, **_NO_TERM, note=f"not fitted: {model.why_not}")]
    return [_row(about, model, coefficient) for coefficient in model.fit.coefficients]


def _row(about: dict, model: Model, coefficient: Coefficient) -> RegressionTerm:
    numbers = asdict(coefficient)
    del numbers["df"]  # that of the residuals, where there is one
    few = len(model.studies) < USUAL_MINIMUM * len(model.moderators)
    said = [_meaning(coefficient.term, model), FEW if few else ""]
    return RegressionTerm(**about, **numbers, note="; ".join(part for part in said if part))


_NO_TERM = {"term": ""} | dict.fromkeys(
    ("estimate", "se", "ci_low", "ci_high", "statistic", "p_value")
)


def _of_fit(fit: MetaRegression | None) -> dict:
    if fit is None:
        wanted = ("tau2", "i2_residual", "r2", "qm", "qm_df", "qm_p", "qe", "qe_df", "qe_p")
        return dict.fromkeys(wanted)
    return {
        "tau2": fit.tau2,
        "i2_residual": fit.i2,
        "r2": fit.r2,
        "qm": fit.moderators.statistic,
        "qm_df": fit.moderators.df,
        "qm_p": fit.moderators.p_value,
        "qe": fit.qe,
        "qe_df": fit.qe_df,
        "qe_p": fit.qe_p,
    }


def _meaning(term: str, model: Model) -> str:
    """Where the intercept lies, or the level with which a level is compared."""
    if term == INTERCEPT:
        return "at " + ", ".join(f"{m} {model.references.get(m, 0)}" for m in model.moderators)
    moderator = term.partition(": ")[0]
    return f"against {model.references[moderator]}" if moderator in model.references else ""
