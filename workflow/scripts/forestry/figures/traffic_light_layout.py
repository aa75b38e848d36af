"""Where everything lies in a traffic-light plot and in a star matrix, in points downwards.

Both are a matrix of studies by items. Every mark has a shape or symbol of its own, so that
it reads without colour; what could not be judged is marked as such and is no zero.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from math import fsum, isfinite

from forestry.figures.settings import DOUBLE_COLUMN_MM, SINGLE_COLUMN_MM
from forestry.figures.style import POINTS_PER_MM, Style, style_for
from forestry.figures.text import Text, run, spans_width, width, wrap
from forestry.figures.wording import MINUS, Span, Spans, percent

Sheet = Sequence[Mapping[str, str]]

NOT_JUDGED = ""
CAP_HEIGHT = 0.66  # of the size
DASH = "\N{EN DASH}"
BESIDE_ITEMS = ("study_id", "basis")  # columns of a sheet that are no items


@dataclass(frozen=True)
class Judgement:
    name: str
    symbol: str
    colour: str


# Colours of Okabe and Ito (jfly.uni-koeln.de/color), told apart by colour-blind readers.
JUDGEMENTS = {
    "low": Judgement("Low risk of bias", "+", "#35b190"),
    "unclear": Judgement("Unclear risk of bias", "?", "#f5d547"),
    "high": Judgement("High risk of bias", MINUS, "#d55e00"),
    NOT_JUDGED: Judgement("Could not be judged", "\N{MIDDLE DOT}", "#ffffff"),
}


# Settings ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class TrafficLightSettings:
    """What a traffic-light plot says beside its judgements.

    `labels` names every study by its id, `domains` every column of judgements, in the order
    in which they are shown. `weights` (by study, above zero) weigh the summary, and
    `weighted_by` says by what; without them every study counts the same.
    """

    labels: Mapping[str, str]
    domains: Mapping[str, str]
    title: str = ""
    weights: Mapping[str, float] = field(default_factory=dict)
    weighted_by: str = ""
    summary: bool = True
    width_mm: float = DOUBLE_COLUMN_MM

    def __post_init__(self) -> None:
        _check_width(self.width_mm)
        if bool(self.weights) != bool(self.weighted_by):
            raise ValueError("weights of a traffic-light plot need weighted_by, and it them")
        for study, weight in self.weights.items():
            if not (isfinite(weight) and weight > 0):
                raise ValueError(f"the weight of study {study} is {weight}, not above zero")


@dataclass(frozen=True)
class StarItem:
    """An item of the Newcastle-Ottawa scale; `group` is a heading over neighbours."""

    label: str
    group: str = ""
    most: int = 1  # stars


@dataclass(frozen=True)
class StarSettings:
    """What a star matrix says beside its stars: studies by id, items by column."""

    labels: Mapping[str, str]
    items: Mapping[str, StarItem]
    title: str = ""
    width_mm: float = DOUBLE_COLUMN_MM

    def __post_init__(self) -> None:
        _check_width(self.width_mm)


def _check_width(width_mm: float) -> None:
    if not SINGLE_COLUMN_MM <= width_mm <= 300:
        raise ValueError(f"width_mm is {width_mm:g}, not between 85 and 300")


# What is judged ---------------------------------------------------------------------------


def judgements(judged: Sheet, settings: TrafficLightSettings) -> dict[tuple[str, str], str]:
    """The judgement of each study and domain: low, unclear, high, or "" (not judged).

    Raises ValueError, naming study and domain, for any other; for a study without a label
    or that comes twice; for a domain without a label, and a label without its domain.
    """
    _check_sheet(judged, settings.labels, settings.domains, "domain")
    found = {}
    for row in judged:
        for domain in settings.domains:
            found[row["study_id"], domain] = judgement = row[domain].strip()
            if judgement not in JUDGEMENTS:
                raise ValueError(f"{row['study_id']}, {domain}: {judgement!r} is no judgement")
    return found


def stars(judged: Sheet, settings: StarSettings) -> dict[tuple[str, str], int | None]:
    """The stars of each study and item; None where it could not be judged.

    Raises ValueError as `judgements` does, and for stars that the item cannot have.
    """
    _check_sheet(judged, settings.labels, settings.items, "item")
    found = {}
    for row in judged:
        for key, item in settings.items.items():
            given = row[key].strip()
            if given and given not in map(str, range(item.most + 1)):
                raise ValueError(f"{row['study_id']}, {key}: {given!r} is not 0 to {item.most}")
            found[row["study_id"], key] = int(given) if given else None
    return found


def _check_sheet(judged: Sheet, labels: Mapping, items: Mapping, kind: str) -> None:
    seen = set()
    for row in judged:
        study = row["study_id"]
        if study not in labels:
            raise ValueError(f"no label for study {study}")
        if study in seen:
            raise ValueError(f"study {study} is judged twice")
        seen.add(study)
        columns = [column for column in row if column not in BESIDE_ITEMS]
        if unknown := [column for column in columns if column not in items]:
            raise ValueError(f"no label for {kind} {', '.join(unknown)}")
        if missing := [item for item in items if item not in columns]:
            raise ValueError(f"study {study} has no {kind} {', '.join(missing)}")


def summary_shares(
    judged: Sheet, settings: TrafficLightSettings
) -> dict[str, dict[str, float]]:
    """The share (0-1) of each judgement in each domain; of the weight, where there are weights.

    What could not be judged has a share too. No study gives no shares. Raises ValueError
    for a study without a weight, where others have one.
    """
    found = judgements(judged, settings)
    studies = [row["study_id"] for row in judged]
    weights = settings.weights or dict.fromkeys(studies, 1.0)
    if missing := [study for study in studies if study not in weights]:
        raise ValueError(f"no weight for study {', '.join(missing)}")
    whole = fsum(weights[study] for study in studies)
    return {
        domain: {
            judgement: fsum(weights[s] for s in studies if found[s, domain] == judgement) / whole
            for judgement in JUDGEMENTS
        }
        for domain in (settings.domains if studies else ())
    }


# Layouts ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Rule:
    """A line across (or down, where both ends have one x)."""

    start: tuple[float, float]
    end: tuple[float, float]
    weight: float
    faint: bool = False


@dataclass(frozen=True)
class Light:
    """A judgement in its circle; `study` is empty in the key."""

    judgement: str
    x: float
    y: float
    study: str = ""
    domain: str = ""


@dataclass(frozen=True)
class Bar:
    """A judgement's share of a domain's bar; what it says fits into it."""

    domain: str
    judgement: str
    share: float
    left: float
    top: float
    width: float
    height: float
    says: str


@dataclass(frozen=True)
class Star:
    x: float
    y: float
    filled: bool
    study: str = ""
    item: str = ""


@dataclass(frozen=True)
class MatrixLayout:
    """A matrix on its page; `turned` texts read upwards."""

    width: float
    height: float
    texts: tuple[Text, ...]
    turned: tuple[Text, ...]
    rules: tuple[Rule, ...]
    style: Style
    lights: tuple[Light, ...] = ()
    bars: tuple[Bar, ...] = ()
    stars: tuple[Star, ...] = ()


@dataclass(frozen=True)
class Spacing:
    """Distances in points, in proportion to the size of the text."""

    light: float  # diameter
    row: float
    star: float  # width of a star's place

    @classmethod
    def of(cls, style: Style) -> Spacing:
        return cls(light=1.5 * style.body, row=1.95 * style.body, star=1.3 * style.body)


def traffic_light_layout(judged: Sheet, settings: TrafficLightSettings) -> MatrixLayout:
    """Studies by row, domains by column, then the summary, then the key.

    `judged` has the columns study_id, the domains, and perhaps basis. Raises ValueError as
    `judgements` and `summary_shares` do, and where the domains have no room.
    """
    found = judgements(judged, settings)
    style = style_for(settings.width_mm)
    heads = [Head(domain, label) for domain, label in settings.domains.items()]
    names = [(row["study_id"], settings.labels[row["study_id"]]) for row in judged]
    grid = _grid(names, heads, settings.title, settings.width_mm, style, Spacing.of(style).row)
    lights = [
        Light(found[study, domain], grid.centres[domain], y, study, domain)
        for study, y in grid.middles.items()
        for domain in settings.domains
    ]
    texts, rules, bars, bottom = list(grid.texts), list(grid.rules), [], grid.bottom
    if settings.summary and names:
        shares = summary_shares(judged, settings)
        panel = _summary(shares, settings, grid.bottom + style.row, style)
        texts, rules = texts + panel.texts, rules + panel.rules
        bars, bottom = panel.bars, panel.bottom
    shown = [key for key in JUDGEMENTS if key or NOT_JUDGED in found.values()]
    key, key_texts, bottom = _light_key(shown, bottom + 0.8 * style.row, settings.width_mm, style)
    return MatrixLayout(
        width=settings.width_mm * POINTS_PER_MM,
        height=bottom + style.margin,
        texts=(*texts, *key_texts),
        turned=grid.turned,
        rules=tuple(rules),
        style=style,
        lights=(*lights, *key),
        bars=tuple(bars),
    )


def star_matrix_layout(judged: Sheet, settings: StarSettings) -> MatrixLayout:
    """Studies by row, items by column, then the stars of each and how many items were judged.

    `judged` has the columns study_id, the items, and perhaps basis. A filled star is one
    given, an open one was judged and not given, a dash could not be judged. Raises
    ValueError as `stars` does, and where the items have no room.
    """
    found = stars(judged, settings)
    style = style_for(settings.width_mm)
    heads = [Head(key, item.label, item.group) for key, item in settings.items.items()]
    heads += [Head("stars", "Stars", "Total"), Head("judged", "Judged", "Total")]
    names = [(row["study_id"], settings.labels[row["study_id"]]) for row in judged]
    grid = _grid(names, heads, settings.title, settings.width_mm, style, style.row)
    texts, places = list(grid.texts), []
    for study, y in grid.middles.items():
        for key, item in settings.items.items():
            given, x = found[study, key], grid.centres[key]
            if given is None:
                texts.append(_centred(DASH, x, y, style, muted=True))
            else:
                places += _item_stars(given, item.most, x, y, study, key, style)
        known = [found[study, key] for key in settings.items if found[study, key] is not None]
        total = str(sum(known)) if known else DASH
        texts.append(_centred(total, grid.centres["stars"], y, style, bold=bool(known)))
        said = f"{len(known)}/{len(settings.items)}"
        texts.append(_centred(said, grid.centres["judged"], y, style))
    key, key_texts, bottom = _star_key(grid.bottom + 0.8 * style.row, settings, style)
    return MatrixLayout(
        width=settings.width_mm * POINTS_PER_MM,
        height=bottom + style.margin,
        texts=(*texts, *key_texts),
        turned=grid.turned,
        rules=grid.rules,
        style=style,
        stars=(*places, *key),
    )


def _item_stars(given: int, most: int, x, y, study: str, item: str, style: Style) -> list[Star]:
    step = Spacing.of(style).star
    start = x - (most - 1) / 2 * step
    return [Star(start + i * step, y, i < given, study, item) for i in range(most)]


def _centred(text: str, x: float, y: float, style: Style, bold=False, muted=False) -> Text:
    colour = style.muted if muted else style.ink
    baseline = y + CAP_HEIGHT / 2 * style.body
    return Text(text, x, baseline, style.body, "center", bold, False, colour)


# The matrix -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Head:
    key: str
    label: str
    group: str = ""


@dataclass(frozen=True)
class _Grid:
    centres: Mapping[str, float]  # of columns
    middles: Mapping[str, float]  # of studies
    texts: tuple[Text, ...]
    turned: tuple[Text, ...]
    rules: tuple[Rule, ...]
    bottom: float


def _grid(
    names: Sequence[tuple[str, str]],
    heads: Sequence[Head],
    title: str,
    width_mm: float,
    style: Style,
    row: float,
) -> _Grid:
    """A title, heads over columns of one width, and a row a study with its label."""
    right = width_mm * POINTS_PER_MM - style.margin
    labels, label_width = _labels([label for _, label in names], width_mm, style)
    left = style.margin + label_width + 0.8 * style.column_gap
    step = (right - left) / len(heads)
    centres = {head.key: left + (i + 0.5) * step for i, head in enumerate(heads)}
    texts, y = _title(title, right, style)
    head_texts, turned, rules, y = _heads(heads, centres, step, y, style)
    texts += head_texts
    rules.append(Rule((style.margin, y), (right, y), style.line))
    middles, y = {}, y + 0.2 * style.row
    for (study, _), lines in zip(names, labels, strict=True):
        high = row + (len(lines) - 1) * style.leading * style.body
        if middles:
            rules.append(Rule((style.margin, y), (right, y), style.hairline, faint=True))
        middles[study] = y + high / 2
        texts += _block(lines, style.margin, y + high / 2, style)
        y += high
    y += 0.2 * style.row
    rules.append(Rule((style.margin, y), (right, y), style.hairline))
    return _Grid(centres, middles, tuple(texts), tuple(turned), tuple(rules), y)


def _labels(names: Sequence[str], width_mm: float, style: Style):
    """Names in lines, and the width of the widest."""
    limit = style.widest_label * width_mm * POINTS_PER_MM
    labels = [wrap((Span(_plain(name)),), limit, style.body) for name in names]
    widths = [spans_width(line, style.body) for lines in labels for line in lines]
    return labels, max([width("Study", style.body, True), *widths])


def _title(title: str, right: float, style: Style) -> tuple[list[Text], float]:
    texts, y = [], style.margin
    for line in wrap((Span(title),), right - style.margin, style.title, True):
        y += style.leading * style.title
        texts += run(line, style.margin, y, style.title, style.ink, bold=True)
    return texts, y + 0.7 * style.title if texts else y


def _heads(heads: Sequence[Head], centres: Mapping[str, float], step, top: float, style: Style):
    """Heads in lines over their columns, all turned where one has a word that is too wide."""
    leading, room = style.leading * style.body, step - 0.35 * style.body
    texts, rules, y = [], [], top
    if any(head.group for head in heads):
        y, texts, rules = _groups(heads, centres, step, top, style)
    lines = [_lines(head, room, style) for head in heads]
    widest = max(spans_width(line, style.body, True) for column in lines for line in column)
    texts.append(Text("Study", style.margin, 0, style.body, "left", True, False, style.ink))
    if widest > room:
        turned, bottom = _turned(heads, centres, y, room, style)
    else:
        turned, bottom = [], y + max(map(len, lines)) * leading + 0.45 * style.body
        for head, column in zip(heads, lines, strict=True):
            for i, line in enumerate(reversed(column)):
                baseline = bottom - 0.45 * style.body - i * leading
                start = centres[head.key] - spans_width(line, style.body, True) / 2
                texts += run(line, start, baseline, style.body, style.ink, True)
    study = Text(
        "Study", style.margin, bottom - 0.45 * style.body, style.body, "left", True, False, style.ink
    )
    texts = [study if text.text == "Study" and text.y == 0 else text for text in texts]
    return texts, turned, rules, bottom


def _lines(head: Head, room: float, style: Style) -> tuple[Spans, ...]:
    return wrap((Span(_plain(head.label)),), room, style.body, True)
