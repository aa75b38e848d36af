"""Pools of counts to solve: printed as a review would print them, some rows blanked."""

from decimal import ROUND_HALF_UP, Decimal

import numpy as np
from pooling_examples import TWO_ARM, chain, reported, review

from forestry.consistency import Published
from forestry.measure_kinds import scale_of
from forestry.models import Pooling
from forestry.reconstruction.space import CountPool, CountRow
from forestry.reconstruction.targets import target_of
from forestry.records import read_records

MIXED = {"model": "logistic_mixed", "select": "common_if_i2_zero"}
RAW = {
    "model": "inverse_variance",
    "transform": "raw",
    "tau2": "REML",
    "zero_cells": {"add": 0.5, "to": "only_affected"},
    "select": "common_if_i2_zero",
}
ARCSINE = {"model": "inverse_variance", "transform": "arcsine", "tau2": "DL"}
RATIOS = {"model": "inverse_variance", "tau2": "DL", "zero_cells": {"add": 0.5}}


def published(outcome, variant="main"):
    """A row of the bundled review's published.csv."""
    rows = read_records(review().resources / "published.csv", Published)
    (row,) = (row for row in rows if (row.outcome, row.variant) == (outcome, variant))
    return row


def bundled_pool(outcome, *rows, variant="main"):
    """A published result of the bundled review, pooled as it declares, of given rows."""
    pooling = review().pooling(outcome)
    return pool(published(outcome, variant), pooling, rows)


def pool(printed, pooling, rows):
    measure = printed.statistic
    return CountPool(
        target_of(printed, len(rows)),
        measure,
        scale_of(measure, pooling),
        Pooling(**pooling),
        tuple(rows),
    )


def printed_of(measure, pooling, cells, decimals=2, n=True):
    """What a review would print of counts (k, 2 or 4): estimate and interval to `decimals`."""
    columns = np.asarray(cells).T.tolist()
    found = reported(chain(measure, pooling, **dict(zip(TWO_ARM, columns, strict=False))))
    scale, unit = (100, "percent") if measure == "proportion" else (1, "ratio")
    shown = [found.estimate * scale, found.ci_low * scale, found.ci_high * scale]
    texts = [rounded(value, decimals) for value in shown]
    i2 = "" if found.i2 is None else rounded(100 * found.i2, 0)
    p = "" if found.q_p is None else rounded(found.q_p, 2)
    size = str(found.n) if n else ""
    return Published(
        "outcome", "main", measure, str(found.k), size, *texts, i2, p, unit, "", "", ""
    )


def rounded(value, decimals):
    unit = Decimal(1).scaleb(-decimals)
    return str(Decimal(repr(float(value))).quantize(unit, ROUND_HALF_UP))


def blanked(cells, unknown, totals=True):
    """Rows s1, s2, ..., those at the places `unknown` without their events (and totals)."""
    rows = []
    for i, own in enumerate(np.asarray(cells).tolist()):
        events, sizes = own[::2], own[1::2]
        if i in unknown:
            events = [None] * len(events)
            most, sizes = sizes, (sizes if totals else [None] * len(sizes))
        else:
            most = [None] * len(sizes)
        given = [value for pair in zip(events, sizes, strict=True) for value in pair]
        given += [None] * (4 - len(given))
        rows.append(CountRow(f"s{i + 1}", *given, *most))
    return rows
