"""Which choice moves the estimate most: the rows of ``multiverse_choices.csv``."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from forestry.multiverse.specifications import CHOICES
from forestry.results import ChoiceRow, MultiverseRow


def choice_rows(rows: Sequence[MultiverseRow], ratio: bool) -> list[ChoiceRow]:
    """Of each choice with two values or more its values, the most moving choice first.

    `rows` are those of one outcome; those without an estimate are passed over. `ratio` says
    that estimates are ratios, which are compared on the log scale.
    """
    known = [row for row in rows if row.estimate is not None and np.isfinite(row.estimate)]
    places = np.array([row.estimate for row in known])
    places = np.log(places) if ratio else places
    back = np.exp if ratio else np.asarray
    found = [_choice(name, known, places, back) for name in CHOICES]
    ordered = sorted(filter(None, found), key=lambda values: -(values[0].variance_share or 0.0))
    return [row for values in ordered for row in values]


def _choice(name: str, known: Sequence[MultiverseRow], places: np.ndarray, back) -> list[ChoiceRow]:
    values = np.array([getattr(row, name) for row in known])
    names = list(dict.fromkeys(values.tolist()))
    if len(names) < 2:
        return []
    groups = [places[values == value] for value in names]
    means = np.array([group.mean() for group in groups])
    total = ((places - places.mean()) ** 2).sum()
    between = sum(g.size * (g.mean() - places.mean()) ** 2 for g in groups)
    # Estimates that differ by rounding alone do not vary.
    varies = total > 1e-20 * (1 + (places**2).sum())
    owned = {getattr(row, name) for row in known if row.own}
    return [
        ChoiceRow(
            outcome=known[0].outcome,
            choice=name,
            value=value,
            own=value in owned,
            specifications=group.size,
            lowest=float(back(group.min())),
            mean=float(back(group.mean())),
            highest=float(back(group.max())),
            range_of_means=float(back(means.max() - means.min())),
            variance_share=float(between / total) if varies else None,
        )
        for value, group in zip(names, groups, strict=True)
    ]
