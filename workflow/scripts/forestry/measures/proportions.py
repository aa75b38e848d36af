"""A proportion in one arm, and risks and odds in two."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from forestry.measures.common import (
    HALF_TO_AFFECTED,
    Effects,
    ZeroCells,
    added_to_cells,
    check_counts,
    check_one_of,
    columns_of,
    effects_of,
    missing_in,
    refuse_events_only,
    refuse_variance_only,
    without_correction,
)
from forestry.scales import double_arcsine

PROPORTION_SCALES = ("raw", "log", "logit", "arcsine", "double_arcsine")


def proportion(
    events: ArrayLike, total: ArrayLike, scale: str, zero_cells: ZeroCells = HALF_TO_AFFECTED
) -> Effects:
    """A single arm's proportion on `scale` (metafor's PR, PLN, PLO, PAS, PFT).

    With x events and m non-events of n, after the zero-cell rule:
    raw x/n, v = x m / n^3; log ln(x/n), 1/x - 1/n; logit ln(x/m), 1/x + 1/m; arcsine
    asin sqrt(x/n), 1/(4n); double_arcsine, 1/(4n + 2). The angles need no correction
    and take none, whatever `zero_cells` says. Where no correction applies, a study at 0
    or 100 % is not usable on raw and logit, nor on log (at 100 % its variance is 0).

    Raises ValueError for impossible counts, an unknown scale, and `correct="variance"`
    on another scale than raw.
    """
    check_one_of("scale", scale, PROPORTION_SCALES)
    refuse_events_only(zero_cells, "proportions")
    if scale != "raw":
        refuse_variance_only(zero_cells, f"proportions on the scale {scale}")
    events, total = columns_of(events=events, total=total)
    check_counts(events, total)
    missing = missing_in(events=events, total=total)
    if scale == "arcsine":
        yi, vi = np.arcsin(np.sqrt(events / total)), 1 / (4 * total)
        return effects_of(yi, vi, missing)
    if scale == "double_arcsine":
        return effects_of(double_arcsine(events, total), 1 / (4 * total + 2), missing)
    affected = (events == 0) | (events == total)
    add = added_to_cells(zero_cells, affected, missing[0])
    with np.errstate(divide="ignore", invalid="ignore"):
        yi, vi = _ONE_ARM[scale](events, total, add, zero_cells.correct)
    return effects_of(yi, vi, missing, without_correction(affected), corrected=add > 0)


# With `add` on events and non-events: yi, vi
def raw_risk(events, total, add, correct):
    grown = total + 2 * add
    vi = (events + add) * (total - events + add) / grown**3
    yi = events / total if correct == "variance" else (events + add) / grown
    return yi, vi


def _log(events, total, add, correct="estimate_and_variance"):
    events, total = events + add, total + 2 * add
    return np.log(events / total), 1 / events - 1 / total


def log_odds(events, total, add, correct="estimate_and_variance"):
    others, events = total - events + add, events + add
    return np.log(events / others), 1 / events + 1 / others


_ONE_ARM = {"raw": raw_risk, "log": _log, "logit": log_odds}
