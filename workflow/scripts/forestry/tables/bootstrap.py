"""The bootstrap's column of the table of sensitivity analyses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from forestry.results import BootstrapInterval, Estimate

INTERVALS = {"percentile": "percentile", "basic": "basic", "bca": "BCa"}

Limits = tuple[float | None, float | None]


@dataclass(frozen=True)
class BootstrapColumn:
    """Limits by (outcome, variant), display scale, and what a reader is told of them."""

    limits: Mapping[tuple[str, str], Limits]
    notes: tuple[str, ...]


def bootstrap_column(
    rows: Sequence[BootstrapInterval], estimates: Sequence[Estimate], kind: str, interval: str
) -> BootstrapColumn:
    """The limits of the pooled estimates, by one kind of bootstrap and one of its intervals.

    The bootstrap may have been made before the last change of the sheets: a limit is shown
    only beside the estimate and the number of studies that it is of.
    """
    chosen = [
        row
        for row in rows
        if (row.quantity, row.kind, row.interval) == ("estimate", kind, interval)
    ]
    reported = {
        (row.outcome, row.variant): row for row in estimates if row.selected and not row.group
    }
    current = [row for row in chosen if _is_of(row, reported.get((row.outcome, row.variant)))]
    limits = {(row.outcome, row.variant): (row.ci_low, row.ci_high) for row in current}
    return BootstrapColumn(limits, tuple(_notes(chosen, current, kind, interval)))


def _is_of(row: BootstrapInterval, estimate: Estimate | None) -> bool:
    if estimate is None or row.k != estimate.k:
        return False
    if row.estimate is None or estimate.estimate is None:
        return row.estimate is None and estimate.estimate is None
    close = 1e-6 * max(abs(row.estimate), abs(estimate.estimate), 1e-6)
    return abs(row.estimate - estimate.estimate) <= close


def _notes(chosen, current, kind: str, interval: str):
    replicates = max((row.replicates for row in chosen), default=0)
    narrow = "; with few studies it is too narrow" if kind == "nonparametric" else ""
    yield (
        f"Bootstrap: {kind}, {INTERVALS[interval]} interval of {replicates:,} replicates, of the "
        f"variants that config.yaml names{narrow}."
    )
    if len(current) < len(chosen):
        yield (
            f"{len(chosen) - len(current)} bootstrap intervals are of earlier numbers and are not "
            "shown: run snakemake bootstrap, then snakemake."
        )
