"""Incidence rates: events over person-time, in one arm and in two."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from forestry.measures.common import (
    HALF_TO_AFFECTED,
    Effects,
    ZeroCells,
    added_to_cells,
    check_one_of,
    columns_of,
    double_zero_causes,
    effects_of,
    missing_in,
    outside_of,
    refuse_events_only,
    refuse_variance_only,
    refuse_where,
    without_correction,
)

RATE_SCALES = ("raw", "log", "square_root")
NO_EVENTS = "no events in either arm"


def incidence_rate(
    events: ArrayLike,
    person_time: ArrayLike,
    scale: str,
    zero_cells: ZeroCells = HALF_TO_AFFECTED,
) -> Effects:
    """A single arm's rate x/t on `scale` (metafor's IR, IRLN, IRS), per unit of person-time.

    With x events in the person-time t, after the zero-cell rule, which adds to the events: raw
    x/t, v = x/t^2; log ln(x/t), 1/x; square_root sqrt(x/t), 1/(4t), which needs no correction and
    takes none. Raises ValueError for negative events, a person-time that is not positive, an
    unknown scale, and the zero-cell rules of single programs (`correct`, `cells`).
    """
    check_one_of("scale", scale, RATE_SCALES)
    _check_rule(zero_cells)
    events, person_time = columns_of(events=events, person_time=person_time)
    _check_rate(events, person_time)
    missing = missing_in(events=events, person_time=person_time)
    if scale == "square_root":
        return effects_of(np.sqrt(events / person_time), 1 / (4 * person_time), missing)
    add = added_to_cells(zero_cells, events == 0, missing[0])
    with np.errstate(divide="ignore", invalid="ignore"):
        yi, vi = (_raw if scale == "raw" else _log)(events + add, person_time)
    return effects_of(yi, vi, missing, without_correction(events == 0), corrected=add > 0)


def incidence_rate_ratio(
    events: ArrayLike,
    person_time: ArrayLike,
    control_events: ArrayLike,
    control_person_time: ArrayLike,
    zero_cells: ZeroCells = HALF_TO_AFFECTED,
    double_zero: str = "exclude",
) -> Effects:
    """ln rate ratio, treated over control (metafor's IRR): v = 1/x1 + 1/x2.

    A study without events in either arm is left out, as in R's meta; metafor corrects it unless
    drop00 is TRUE, which `double_zero="include"` does. Raises as `incidence_rate`.
    """
    arms, missing, affected = _two_rates(
        events, person_time, control_events, control_person_time, zero_cells
    )
    neither = (arms[0][0] == 0) & (arms[1][0] == 0)
    double = double_zero_causes(double_zero, (neither, NO_EVENTS))
    outside = outside_of(missing, *double)
    add = added_to_cells(zero_cells, affected, outside)
    with np.errstate(divide="ignore", invalid="ignore"):
        (yi, vi), (control_yi, control_vi) = (_log(x + add, t) for x, t in arms)
        yi = np.where(outside, np.nan, yi - control_yi)
    return effects_of(
        yi, vi + control_vi, missing, *double, without_correction(affected), corrected=add > 0
    )


def incidence_rate_difference(
    events: ArrayLike,
    person_time: ArrayLike,
    control_events: ArrayLike,
    control_person_time: ArrayLike,
    zero_cells: ZeroCells = HALF_TO_AFFECTED,
) -> Effects:
    """Treated minus control rate (metafor's IRD): v = x1/t1^2 + x2/t2^2. Raises as the others."""
    arms, missing, affected = _two_rates(
        events, person_time, control_events, control_person_time, zero_cells
    )
    add = added_to_cells(zero_cells, affected, missing[0])
    (yi, vi), (control_yi, control_vi) = (_raw(x + add, t) for x, t in arms)
    return effects_of(
        yi - control_yi, vi + control_vi, missing, without_correction(affected), corrected=add > 0
    )


def _raw(events, person_time):
    return events / person_time, events / person_time**2


def _log(events, person_time):
    return np.log(events / person_time), 1 / events


def _two_rates(events, person_time, control_events, control_person_time, zero_cells):
    _check_rule(zero_cells)
    names = ("events", "person_time", "control_events", "control_person_time")
    given = (events, person_time, control_events, control_person_time)
    columns = columns_of(**dict(zip(names, given, strict=True)))
    arms = columns[:2], columns[2:]
    for arm in arms:
        _check_rate(*arm)
    affected = (columns[0] == 0) | (columns[2] == 0)
    return arms, missing_in(**dict(zip(names, columns, strict=True))), affected


def _check_rate(events, person_time):
    refuse_where(events < 0, "events must not be negative", events)
    refuse_where(person_time <= 0, "person_time must be above 0", person_time)


def _check_rule(zero_cells: ZeroCells):
    refuse_variance_only(zero_cells, "incidence rates")
    refuse_events_only(zero_cells, "incidence rates")
