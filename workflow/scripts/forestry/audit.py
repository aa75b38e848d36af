"""Published results beside computed ones: a verdict on each, and its reason from the facts.

Computed numbers are brought to the unit in which they were published (percent for a
proportion) and compared by rounding them to the digits that were printed. Agreement that
rests on rows which were solved from the published result itself proves nothing and is kept
apart as "by construction".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from forestry.consistency import Printed, Published, read_printed
from forestry.reconstruction.files import Solution
from forestry.reconstruction.results import NONE as NO_SOLUTION
from forestry.reconstruction.results import SEVERAL
from forestry.records import by_outcome
from forestry.results import Estimate, StudyEffect, Weight

AGREES = "agrees"
BY_CONSTRUCTION = "agrees by construction"
DIFFERS = "differs"
NOT_COMPARABLE = "cannot be compared"
VERDICTS = (AGREES, BY_CONSTRUCTION, DIFFERS, NOT_COMPARABLE)

PERCENT = 100.0
UNAVAILABLE = "unavailable"
RECONSTRUCTED = "reconstructed"


@dataclass(frozen=True)
class AuditRow:
    """A published result beside the computed one: a row of ``audit.csv``.

    `published_*` are the texts that the review prints; `computed_*` are in the published
    unit, not rounded and not clipped, I2 in percent, and empty where nothing was pooled.
    `difference` is computed less published estimate. `k_not_public` counts the studies that
    the review pooled and of which the sheet has no public numbers, empty where it is not
    known which studies it pooled. `differs_in` names the statistics whose printed digits are
    not met, separated by spaces.
    """

    outcome: str
    variant: str
    display: str
    statistic: str
    unit: str
    model: str  # common | random | none; "" where nothing was computed
    published_estimate: str
    published_ci_low: str
    published_ci_high: str
    published_k: str
    published_n: str
    published_i2: str
    published_p: str
    computed_estimate: float | None
    computed_ci_low: float | None
    computed_ci_high: float | None
    computed_k: int | None
    computed_n: int | None
    computed_i2: float | None
    computed_p: float | None
    difference: float | None
    k_not_public: int | None
    k_reconstructed: int | None
    differs_in: str
    verdict: str  # one of VERDICTS
    reason: str


@dataclass(frozen=True)
class _Pool:
    """The rows of the sheet that a published result pools.

    `rows` is None where it is not known which they are; `missing` counts the studies that
    it lists, or counts, beyond those that the sheet has a row for.
    """

    rows: tuple[StudyEffect, ...] | None
    missing: int = 0


def audit(
    published: Sequence[Published],
    estimates: Sequence[Estimate],
    effects: Mapping[str, Sequence[StudyEffect]],
    subgroup_map: Mapping[str, tuple[str, str]],
    *,
    refs: Mapping[str, str] | None = None,
    weights: Sequence[Weight] = (),
    solutions: Sequence[Solution] = (),
) -> list[AuditRow]:
    """Every published result beside the selected estimate of its outcome, in their order.

    `effects` holds the studies of each outcome; `subgroup_map` the step and the group of
    each published variant that is a subgroup; `refs` the study of each reference number (a
    reference that it lacks is taken as the study's own id); `weights` tell which studies
    are in a subgroup; `solutions` what a reconstruction
    found of each result. Raises ValueError for a published text that is no number, and where two
    estimates of one result are selected.
    """
    computed, own = _selected(estimates), by_outcome(weights)
    found = {(solution.outcome, solution.variant): solution for solution in solutions}
    return [
        _audit_row(
            row,
            _place(row, subgroup_map),
            computed,
            _pool(row, effects, subgroup_map, refs or {}, own.get(row.outcome, [])),
            effects,
            found.get((row.outcome, row.variant)),
        )
        for row in published
    ]


def audit_summary(rows: Sequence[AuditRow]) -> dict[str, int]:
    """How many results have each verdict, in the order of VERDICTS."""
    counts = Counter(row.verdict for row in rows)
    return {verdict: counts[verdict] for verdict in VERDICTS}


Place = tuple[str, str, str]  # outcome, variant, group


def _selected(estimates: Sequence[Estimate]) -> dict[Place, Estimate]:
    selected: dict[Place, Estimate] = {}
    for estimate in estimates:
        place = (estimate.outcome, estimate.variant, estimate.group)
        if estimate.selected and place in selected:
            raise ValueError(f"{', '.join(filter(None, place))}: two estimates are selected")
        if estimate.selected:
            selected[place] = estimate
    return selected


def _place(row: Published, subgroup_map: Mapping[str, tuple[str, str]]) -> Place:
    return (row.outcome, *subgroup_map.get(row.variant, (row.variant, "")))


def _pool(row: Published, effects, subgroup_map, refs, weights) -> _Pool:
    rows = {effect.study_id: effect for effect in effects.get(row.outcome, ())}
    listed = [refs.get(ref, ref) for ref in row.studies.split()]
    if listed:
        known = tuple(rows[study] for study in listed if study in rows)
        return _Pool(known, len(listed) - len(known))
    if row.variant in subgroup_map:
        place = _place(row, subgroup_map)
        members = [w.study_id for w in weights if (w.variant, w.group) == place[1:]]
        return _Pool(tuple(rows[study] for study in members if study in rows) or None)
    if row.variant != "main":
        return _Pool(None)
    return _Pool(tuple(rows.values()), max(int(row.k or 0) - len(rows), 0))


def _audit_row(
    row: Published, place: Place, computed, pool: _Pool, effects, solution: Solution | None
) -> AuditRow:
    estimate = computed.get(place)
    numbers = _numbers(row, estimate)
    differing = _differing(row, numbers)
    why_not = _not_comparable(row, place, computed, pool)
    if why_not:
        verdict, reason = NOT_COMPARABLE, why_not
    else:
        circular = _circular(row, estimate, pool, effects)
        verdict, reason = _verdict(row, estimate, differing, pool, circular)
        reason = "; ".join([reason, *_solved(solution)])
    value = numbers["estimate"]
    return AuditRow(
        outcome=row.outcome,
        variant=row.variant,
        display=row.display,
        statistic=row.statistic,
        unit=row.unit,
        model=estimate.model if estimate else "",
        **{f"published_{name}": text for name, text in _texts(row).items()},
        **{f"computed_{name}": number for name, number in numbers.items()},
        difference=None if value is None else value - read_printed(row.estimate).value,
        k_not_public=None if pool.rows is None else _not_public(pool),
        k_reconstructed=estimate.k_reconstructed if estimate else None,
        differs_in="" if why_not else " ".join(differing),
        verdict=verdict,
        reason=reason,
    )


# Numbers ---------------------------------------------------------------------------------------


def _texts(row: Published) -> dict[str, str]:
    names = ("estimate", "ci_low", "ci_high", "k", "n", "i2")
    return {**{name: getattr(row, name) for name in names}, "p": row.p_heterogeneity}


def _numbers(row: Published, estimate: Estimate | None) -> dict[str, float | None]:
    """The computed numbers in the published unit, by the names of the published texts."""
    if estimate is None:
        return dict.fromkeys(_texts(row))
    factor = PERCENT if row.unit == "percent" else 1.0
    return {
        "estimate": _times(estimate.estimate, factor),
        "ci_low": _times(estimate.ci_low, factor),
        "ci_high": _times(estimate.ci_high, factor),
        "k": estimate.k,
        "n": estimate.n,
        "i2": _times(estimate.i2, PERCENT),
        "p": estimate.q_p,
    }


def _times(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor


def _differing(row: Published, numbers: Mapping[str, float | None]) -> list[str]:
    """The statistics that are printed and whose digits the computed number does not meet."""
    printed = {name: read_printed(text) for name, text in _texts(row).items()}
    return [
        name
        for name, number in printed.items()
        if number is not None and not _meets(row, name, number, numbers[name])
    ]


def _meets(row: Published, name: str, printed: Printed, value: float | None) -> bool:
    if value is None:
        return False
    if row.statistic == "proportion" and name in ("ci_low", "ci_high"):
        # A review prints 100 where the limit of an untransformed proportion lies beyond it.
        value = min(max(value, 0.0), PERCENT if row.unit == "percent" else 1.0)
    return printed.agrees(value)


# Verdict ---------------------------------------------------------------------------------------


def _not_comparable(row: Published, place: Place, computed, pool: _Pool) -> str:
    """Why there is no computed result to compare with; "" where there is one."""
    outcome, variant, group = place
    estimate = computed.get(place)
    if estimate is None:
        if not any(known == outcome for known, _, _ in computed):
            return "the outcome is not declared"
        if not any(known[:2] == (outcome, variant) for known in computed):
            is_step = group or row.variant.startswith("subgroup")
            return f"the {'subgroup step' if is_step else f'variant {variant}'} is not declared"
        return f"no study is in the group {group} of {variant}"
    if estimate.measure != row.statistic and estimate.model != "none":
        return f"{_named(row.statistic)} is published, {_named(estimate.measure)} is computed"
    if estimate.model != "none":
        return ""
    return _nothing_pooled(estimate.k, pool)


def _nothing_pooled(k: int, pool: _Pool) -> str:
    """Why the computed result has no numbers: it has no study, or one."""
    usable = sum(r.usable for r in pool.rows or ())
    public = sum(r.status != UNAVAILABLE for r in pool.rows or ())
    if pool.rows is None or usable > k:
        return "one study is left, nothing pooled" if k else "no study is left to pool"
    if public == 0:
        return "no public row"
    rows = "one public row" if public == 1 else f"{public} public rows"
    if usable == public:
        return f"{rows}, nothing pooled"
    return f"{rows}, {'one with' if usable else 'without'} the numbers that pooling needs"


def _named(measure: str) -> str:
    article = "an" if measure[0] in "aeiou" else "a"
    return f"{article} {measure.replace('_', ' ')}"


def _verdict(row: Published, estimate: Estimate, differing, pool: _Pool, circular: str):
    causes = _causes(row, estimate, pool)
    if not differing:
        match = "all printed digits match"
        if circular:
            return BY_CONSTRUCTION, f"{match}: {circular}"
        return AGREES, "; although ".join(filter(None, [match, "; ".join(causes)]))
    if not causes:
        causes = [
            f"the sheet's numbers of the same studies give another {_and(_spoken(differing))}"
        ]
    matches = not {"estimate", "ci_low", "ci_high"} & set(differing)
    if matches:
        digits = "the digits of the estimate and interval match"
        causes.append(f"{digits}, by construction ({circular})" if circular else digits)
    elif estimate.k_reconstructed:
        causes.append(f"{_count(estimate.k_reconstructed, 'pooled row')} reconstructed")
    return DIFFERS, "; ".join(causes)


def _causes(row: Published, estimate: Estimate, pool: _Pool) -> list[str]:
    """What is different about the studies and patients that were pooled."""
    causes = []
    rows = pool.rows or ()
    of = f" of {row.k or len(rows) + pool.missing} pooled studies"
    absent = 0 if pool.rows is None else _not_public(pool)
    if absent:
        causes.append(f"{absent}{of} {'has' if absent == 1 else 'have'} no public numbers")
    reasons = Counter(r.reason for r in rows if not r.usable and r.status != UNAVAILABLE)
    for reason, number in reasons.items():
        causes.append(f"{number}{of} cannot be pooled: {reason}")
    left = len([r for r in rows if r.usable]) - estimate.k
    if pool.rows is not None and left > 0:
        causes.append(f"{left}{of} left out of the computed result")
    if not causes and row.k and not read_printed(row.k).agrees(estimate.k):
        causes.append(f"computed on {_count(estimate.k, 'study')}, the article pools {row.k}")
    return causes + _patients(row, estimate, pool)


def _patients(row: Published, estimate: Estimate, pool: _Pool) -> list[str]:
    """Where the numbers of patients differ, in the whole pool if the sheet has all of it."""
    if not row.n:
        return []
    sizes = [_size(r) for r in pool.rows or ()]
    if sizes and None not in sizes and not pool.missing:
        held = sum(sizes)
        if held != int(row.n):
            return [f"the sheet holds {held} patients where the article prints {row.n}"]
        return []
    if estimate.n is None or read_printed(row.n).agrees(estimate.n):
        return []
    return [f"computed on {estimate.n} patients, the article prints {row.n}"]


def _size(effect: StudyEffect) -> int | None:
    counts = (effect.total, effect.control_total, effect.n, effect.control_n)
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def _not_public(pool: _Pool) -> int:
    return pool.missing + sum(r.status in (UNAVAILABLE, RECONSTRUCTED) for r in pool.rows)


def _circular(row: Published, estimate: Estimate, pool: _Pool, effects) -> str:
    """Which pooled rows come from the published result itself; "" where none does.

    A row of basis ``published:X`` comes from the result of X, and so does its agreement in
    any other outcome of the same measure that X shares the row with. A reconstructed row
    comes from a published result always.
    """
    if estimate.k_reconstructed:
        return f"{estimate.k_reconstructed} of {_count(estimate.k, 'study')} reconstructed"
    rows = pool.rows if pool.rows is not None else effects.get(row.outcome, ())
    derived = [r for r in rows if r.usable and _derived_from_itself(r, row.outcome, effects)]
    if not derived:
        return ""
    sources = dict.fromkeys(r.basis for r in derived)
    return f"{len(derived)} of {_count(estimate.k, 'study')} derived from {_and(list(sources))}"


def _solved(solution: Solution | None) -> list[str]:
    """What a reconstruction found: how free its rows are, and what the printed figures deny."""
    if solution is None or not solution.k_unknown:
        return []
    told = []
    if solution.verdict == NO_SOLUTION:
        apart = f"{solution.distance:.3g} units of the last printed digits"
        told.append(f"no rows were found that read as published, the nearest are {apart} away")
        told.append(solution.reason)
    elif solution.verdict == SEVERAL:
        least = "" if solution.exhaustive else "at least "
        sets = f"{least}{solution.solutions}" if solution.solutions else "countless"
        told.append(f"the reconstructed rows are one of {sets} sets that read as published")
    if solution.contradicted:
        denied = _and(solution.contradicted.split())
        told.append(f"the printed {denied} cannot hold beside the other figures")
    return list(filter(None, told))


def _derived_from_itself(effect: StudyEffect, outcome: str, effects) -> bool:
    prefix, _, source = effect.basis.partition(":")
    if prefix != "published":
        return False
    return source == outcome or any(_same(effect, other) for other in effects.get(source, ()))


def _same(one: StudyEffect, other: StudyEffect) -> bool:
    """Whether two outcomes pool one and the same row of a sheet."""
    numbers = ("study_id", "measure", "basis", "events", "total", "n", "mean", "sd")
    return all(getattr(one, name) == getattr(other, name) for name in numbers)


# Words -----------------------------------------------------------------------------------------

_SPOKEN = {
    "ci_low": "interval",
    "ci_high": "interval",
    "k": "number of studies",
    "n": "number of patients",
    "i2": "I2",
    "p": "p of heterogeneity",
}


def _spoken(names: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(_SPOKEN.get(name, name) for name in names))


def _and(words: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def _count(number: int, noun: str) -> str:
    if number == 1:
        return f"1 {noun}"
    return f"{number} {noun[:-1]}ies" if noun.endswith("y") else f"{number} {noun}s"
