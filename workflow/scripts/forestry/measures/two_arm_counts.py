"""Ratios and differences of risks in two arms."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from forestry.measures.common import (
    HALF_TO_AFFECTED,
    Effects,
    ZeroCells,
    added_to_cells,
    double_zero_causes,
    effects_of,
    outside_of,
    refuse_events_only,
    refuse_variance_only,
    two_counts,
    without_correction,
)
from forestry.measures.proportions import log_odds, raw_risk


def risk_ratio(
    events: ArrayLike,
    total: ArrayLike,
    control_events: ArrayLike,
    control_total: ArrayLike,
    zero_cells: ZeroCells = HALF_TO_AFFECTED,
    double_zero: str = "exclude",
) -> Effects:
    """ln risk ratio, treated over control (metafor's RR): v = 1/a - 1/n1 + 1/c - 1/n2.

    A study is affected by the zero-cell rule where any of its four cells is 0.
    `double_zero="exclude"` leaves out studies without an event in either arm, as R meta
    does; studies where all had the event stay (their ratio is 1), which metafor's
    drop00 drops too. "include" corrects them like the others. Excluded studies do not
    count for `if_any_affected`. Raises ValueError for impossible counts, and
    `correct="variance"`.
    """
    refuse_variance_only(zero_cells, "risk ratios")
    arms, missing, affected = two_counts(events, total, control_events, control_total)
    (events, total), (control_events, control_total) = arms
    neither = (events == 0) & (control_events == 0)
    double = double_zero_causes(double_zero, (neither, "no events in either arm"))
    outside = outside_of(missing, *double)
    add = added_to_cells(zero_cells, affected, outside)
    growth = add if zero_cells.cells == "events" else 2 * add
    everyone = (events == total) & (control_events == control_total)
    # R meta leaves the events as they are where everyone had one: the variance would be 0.
    on_events = np.where(everyone & (zero_cells.cells == "events"), 0.0, add)
    with np.errstate(divide="ignore", invalid="ignore"):
        yi = np.log((events + add) / (total + growth))
        yi -= np.log((control_events + add) / (control_total + growth))
        vi = 1 / (events + on_events) - 1 / (total + growth)
        vi += 1 / (control_events + on_events) - 1 / (control_total + growth)
    yi[outside] = np.nan
    return effects_of(yi, vi, missing, *double, without_correction(affected), corrected=add > 0)


def odds_ratio(
    events: ArrayLike,
    total: ArrayLike,
    control_events: ArrayLike,
    control_total: ArrayLike,
    zero_cells: ZeroCells = HALF_TO_AFFECTED,
    double_zero: str = "exclude",
) -> Effects:
    """ln odds ratio, treated over control (metafor's OR): v = 1/a + 1/b + 1/c + 1/d.

    `double_zero="exclude"` leaves out studies without an event in either arm and those
    where all in both had one (metafor's drop00, R meta); otherwise as `risk_ratio`.
    """
    refuse_variance_only(zero_cells, "odds ratios")
    refuse_events_only(zero_cells, "odds ratios")
    arms, missing, affected = two_counts(events, total, control_events, control_total)
    (events, total), (control_events, control_total) = arms
    neither = (events == 0) & (control_events == 0)
    everyone = (events == total) & (control_events == control_total)
    double = double_zero_causes(
        double_zero,
        (neither, "no events in either arm"),
        (everyone, "nothing but events in both arms"),
    )
    outside = outside_of(missing, *double)
    add = added_to_cells(zero_cells, affected, outside)
    with np.errstate(divide="ignore", invalid="ignore"):
        yi, vi = log_odds(events, total, add)
        control_yi, control_vi = log_odds(control_events, control_total, add)
        yi, vi = yi - control_yi, vi + control_vi
    yi[outside] = np.nan
    return effects_of(yi, vi, missing, *double, without_correction(affected), corrected=add > 0)


def risk_difference(
    events: ArrayLike,
    total: ArrayLike,
    control_events: ArrayLike,
    control_total: ArrayLike,
    zero_cells: ZeroCells = HALF_TO_AFFECTED,
) -> Effects:
    """Treated minus control risk, raw scale (metafor's RD): v = ab/n1^3 + cd/n2^3.

    Studies without events in both arms count: their difference is 0. `correct="variance"`
    is R meta's risk difference. Raises ValueError for impossible counts.
    """
    refuse_events_only(zero_cells, "risk differences")
    arms, missing, affected = two_counts(events, total, control_events, control_total)
    (events, total), (control_events, control_total) = arms
    add = added_to_cells(zero_cells, affected, missing[0])
    yi, vi = raw_risk(events, total, add, zero_cells.correct)
    control_yi, control_vi = raw_risk(control_events, control_total, add, zero_cells.correct)
    return effects_of(
        yi - control_yi, vi + control_vi, missing, without_correction(affected), corrected=add > 0
    )


def peto_odds_ratio(
    events: ArrayLike, total: ArrayLike, control_events: ArrayLike, control_total: ArrayLike
) -> Effects:
    """Peto's ln odds ratio, treated over control (metafor's PETO), which needs no correction.

    (O - E) / V with the treated arm's events O, E = n1 m / N and V = n1 n2 m (N - m) / (N^2 (N -
    1)), m events in N participants of both arms; its variance is 1 / V (Yusuf et al. 1985, Prog
    Cardiovasc Dis 27:335). Pooled with weights V by inverse variance, these are Peto's pooled odds
    ratio and his test of heterogeneity. A study without events, or with nothing else, in both
    arms has V = 0 and is not usable. Raises ValueError for impossible counts.
    """
    arms, missing, _ = two_counts(events, total, control_events, control_total)
    (events, total), (control_events, control_total) = arms
    everyone, happened = total + control_total, events + control_events
    with np.errstate(divide="ignore", invalid="ignore"):
        expected = total * happened / everyone
        information = expected * control_total * (everyone - happened) / everyone / (everyone - 1)
        yi, vi = (events - expected) / information, 1 / information
    neither = (happened == 0, "no events in either arm")
    all_had = (happened == everyone, "nothing but events in both arms")
    return effects_of(yi, vi, missing, neither, all_had)
