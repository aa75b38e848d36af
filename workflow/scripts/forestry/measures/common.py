"""What all measures share: effects, intervals, the zero-cell rule, checks of the input."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


def check_one_of(name: str, value: str, allowed: tuple[str, ...]):
    if value not in allowed:
        raise ValueError(f"{name} is {value!r}, not one of {', '.join(allowed)}")


@dataclass(frozen=True)
class ZeroCells:
    """What is added to the cells of a study that has no events, or nothing but events.

    add: added to a cell (to events and to non-events, of each arm).
    to: `only_affected` studies with a zero cell; `all` studies; `if_any_affected`, all
        studies as soon as one has a zero cell; `none`. (metafor: only0, all, if0all, none.)
    correct: `estimate_and_variance`, or the `variance` alone with the estimate as
        observed: R meta's raw proportion and risk difference, which alone allow it.
    cells: `all`, so that a total grows by twice `add` (metafor, RevMan); or `events`, so
        that it grows by `add`: R meta's risk ratio (RR.Cochrane = FALSE), which alone
        allows it.

    Raises ValueError for a negative or missing `add` and for an unknown word.
    """

    add: float = 0.5
    to: str = "only_affected"
    correct: str = "estimate_and_variance"
    cells: str = "all"

    def __post_init__(self):
        if not (np.isfinite(self.add) and self.add >= 0):
            raise ValueError(f"zero_cells.add is {self.add}, not a number of 0 or more")
        check_one_of("zero_cells.to", self.to, ("only_affected", "all", "if_any_affected", "none"))
        check_one_of("zero_cells.correct", self.correct, ("estimate_and_variance", "variance"))
        check_one_of("zero_cells.cells", self.cells, ("all", "events"))


HALF_TO_AFFECTED = ZeroCells()


@dataclass(frozen=True, eq=False)
class Effects:
    """Studies' effects, each field of shape (k,), in the order of the input.

    yi, vi: effect and sampling variance on the scale of analysis; NaN where not usable.
    corrected: something was added to the study's cells (False where not usable).
    usable: yi is finite and vi finite and positive.
    reason: why not, "" where usable.
    """

    yi: NDArray[np.float64]
    vi: NDArray[np.float64]
    corrected: NDArray[np.bool_]
    usable: NDArray[np.bool_]
    reason: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Interval:
    """Limits of shape (k,); NaN where the study has no interval."""

    low: NDArray[np.float64]
    high: NDArray[np.float64]


# Which studies are corrected, which are left out -----------------------------------------


def added_to_cells(rule: ZeroCells, affected, outside):
    """What each study's cells get, shape (k,); nothing for those outside the analysis."""
    present = ~outside
    affected = affected & present
    chosen = {
        "only_affected": affected,
        "all": present,
        "if_any_affected": present & affected.any(),
        "none": np.zeros_like(present),
    }[rule.to]
    return np.where(chosen, rule.add, 0.0)


def effects_of(yi, vi, *causes, corrected=None) -> Effects:
    """Effects, with NaN and a reason where there is no finite effect and variance.

    `causes` are (mask, text) and only explain; the first that fits is told.
    """
    usable = np.isfinite(yi) & np.isfinite(vi) & (vi > 0)
    reason = np.where(usable, "", "no finite effect with a positive variance").astype(object)
    for mask, text in reversed(causes):
        reason = np.where(mask & ~usable, text, reason)
    corrected = np.zeros(usable.shape, dtype=bool) if corrected is None else corrected
    return Effects(
        yi=np.where(usable, yi, np.nan),
        vi=np.where(usable, vi, np.nan),
        corrected=corrected,
        usable=usable,
        reason=tuple(str(text) for text in reason),
    )


def missing_in(**columns):
    """The cause that a number is not there, naming every one that is not."""
    absent = np.array([np.isnan(values) for values in columns.values()])
    names = np.array(list(columns), dtype=object)
    texts = [", ".join(names[lacking]) + " missing" for lacking in absent.T]
    return absent.any(axis=0), np.array(texts, dtype=object)


def double_zero_causes(rule: str, *causes):
    check_one_of("double_zero", rule, ("exclude", "include"))
    return causes if rule == "exclude" else ()


def outside_of(*causes):
    """The studies that any of the causes keeps out of the analysis."""
    return np.logical_or.reduce([mask for mask, _ in causes])


def without_correction(affected):
    return affected, "a zero cell and no correction for it"


def without_spread(sd):
    return sd == 0, "an SD of 0 gives no sampling variance"


def refuse_variance_only(rule: ZeroCells, what: str):
    if rule.correct == "variance":
        raise ValueError(f"zero_cells.correct = 'variance' is not defined for {what}")


def refuse_events_only(rule: ZeroCells, what: str):
    if rule.cells == "events":
        raise ValueError(f"zero_cells.cells = 'events' is not defined for {what}")


# Input -----------------------------------------------------------------------------------


def columns_of(**columns):
    """Float arrays of one shape (k,), NaN for missing. Raises ValueError otherwise."""
    arrays = [np.asarray(values, dtype=float) for values in columns.values()]
    shapes = {array.shape for array in arrays}
    if len(shapes) != 1 or arrays[0].ndim != 1:
        told = ", ".join(f"{name} {a.shape}" for name, a in zip(columns, arrays, strict=True))
        raise ValueError(f"columns must be of one shape (k,): {told}")
    for name, array in zip(columns, arrays, strict=True):
        refuse_where(np.isinf(array), f"{name} must be finite", array)
    return arrays


def two_counts(events, total, control_events, control_total):
    names = ("events", "total", "control_events", "control_total")
    columns = columns_of(
        **dict(zip(names, (events, total, control_events, control_total), strict=True))
    )
    arms = columns[:2], columns[2:]
    affected = np.zeros(columns[0].shape, dtype=bool)
    for arm_events, arm_total in arms:
        check_counts(arm_events, arm_total)
        affected |= (arm_events == 0) | (arm_events == arm_total)
    return arms, missing_in(**dict(zip(names, columns, strict=True))), affected


def two_means(n, mean, sd, control_n, control_mean, control_sd):
    names = ("n", "mean", "sd", "control_n", "control_mean", "control_sd")
    given = (n, mean, sd, control_n, control_mean, control_sd)
    columns = columns_of(**dict(zip(names, given, strict=True)))
    treated, control = columns[:3], columns[3:]
    for arm in (treated, control):
        check_spread(arm[0], arm[2])
    return treated, control, missing_in(**dict(zip(names, columns, strict=True)))


def pooled_sd(treated, control):
    (n, _, sd), (control_n, _, control_sd) = treated, control
    squares = (n - 1) * sd**2 + (control_n - 1) * control_sd**2
    return np.sqrt(squares / (n + control_n - 2))


def check_counts(events, total):
    refuse_where(total < 1, "a total must be 1 or more", total)
    refuse_where(events < 0, "events must not be negative", events)
    refuse_where(events > total, "events must not exceed the total", events)


def check_spread(n, sd):
    refuse_where(n < 1, "n must be 1 or more", n)
    check_not_negative("sd", sd)


def check_not_negative(name, values):
    refuse_where(values < 0, f"{name} must not be negative", values)


def refuse_where(mask, rule, values):
    if mask.any():
        wrong = ", ".join(f"{values[i]:g} (study {i + 1})" for i in np.flatnonzero(mask))
        raise ValueError(f"{rule}: {wrong}")


def upper_tail(level: float) -> float:
    if not 0 < level < 1:
        raise ValueError(f"level is {level}, not between 0 and 1")
    return (1 + level) / 2
