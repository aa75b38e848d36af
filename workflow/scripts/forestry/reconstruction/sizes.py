"""The sizes of a pool's studies, where some are not known or are only bounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True)
class Study:
    """A study of a pooled mean on the scale of display; None where a number is not known.

    `trusted` says that `n` is the size pooled, not only the size of the study's group.
    """

    study_id: str
    n: int | None
    mean: float | None
    sd: float | None
    trusted: bool = True


def with_sizes(studies: Sequence[Study], printed_n: int | None) -> tuple[list[Study], str, bool]:
    """The studies with a size each, how the unknown ones were taken, and if `printed_n` is met.

    Unknown sizes share what the printed number leaves. Where none is unknown and the printed
    number is less than their sum, those that are not trusted are bounds, and what it leaves
    is shared in proportion to them. Where it leaves too little, or is not printed, an
    unknown size is the median of the known ones. Raises ValueError where none is known.
    """
    known = [study.n for study in studies if study.n is not None]
    if not known:
        raise ValueError("no study's size is known")
    unknown = [study for study in studies if study.n is None]
    if printed_n is None or (not unknown and sum(known) == printed_n):
        assumed, said = _as_median(studies, known)
        return assumed, said, True
    free = unknown or [study for study in studies if not study.trusted]
    left = printed_n - sum(study.n for study in studies if study not in free)
    bounds = np.array([study.n or max(left, 1) for study in free], dtype=float)
    if not free or not len(free) <= left <= bounds.sum():
        assumed, said = _as_median(studies, known)
        impossible = f"the printed n of {printed_n} cannot be met"
        return assumed, "; ".join(filter(None, [impossible, said])), False
    shares = dict(zip([s.study_id for s in free], shared(left, bounds), strict=True))
    told = ", ".join(f"{name} {share}" for name, share in shares.items())
    sized = [replace(s, n=shares.get(s.study_id, s.n)) for s in studies]
    return sized, f"sizes from the printed n of {printed_n}: {told}", True


def _as_median(studies: Sequence[Study], known: Sequence[int]) -> tuple[list[Study], str]:
    names = ", ".join(study.study_id for study in studies if study.n is None)
    if not names:
        return list(studies), ""
    middle = int(np.floor(np.median(known) + 0.5))
    said = f"n of {names} is not known: taken as the median of the others, {middle}"
    return [study if study.n else replace(study, n=middle) for study in studies], said


def shared(total: int, bounds: np.ndarray) -> list[int]:
    """`total` in whole parts of at least 1 in proportion to the bounds, by largest remainder."""
    exact = total * bounds / bounds.sum()
    parts = np.maximum(np.floor(exact), 1).astype(int)
    while parts.sum() < total:
        parts[np.argmax(exact - parts)] += 1
    while parts.sum() > total:
        parts[np.argmax(parts - exact - (parts == 1) * total)] -= 1
    return [int(part) for part in parts]
