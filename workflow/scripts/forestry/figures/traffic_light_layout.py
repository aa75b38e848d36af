"""Where everything lies in a traffic-light plot and in a star matrix, in points downwards.

Both are a matrix of studies by items. Every mark has a shape or symbol of its own, so that
it reads without colour; what could not be judged is marked as such and is no zero.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import fsum, isfinite

from forestry.figures.forest_geometry import CAP_HEIGHT
from forestry.figures.matrix_grid import (
    Grid,
    Head,
    Rule,
    block,
    name_lines,
    names_width,
    place_grid,
)
from forestry.figures.settings import DOUBLE_COLUMN_MM, SINGLE_COLUMN_MM
from forestry.figures.style import POINTS_PER_MM, Style, style_for
from forestry.figures.text import Text, run, width, wrap
from forestry.figures.wording import MINUS, Span, percent

Sheet = Sequence[Mapping[str, str]]

NOT_JUDGED = ""
TOTAL = "Total"
DASH = "\N{EN DASH}"
BESIDE_ITEMS = ("study_id", "basis")  # columns of a sheet that are no items


@dataclass(frozen=True)
class Judgement:
    name: str
    symbol: str
    colour: str


# Near those of Okabe and Ito, which colour-blind readers tell apart; dark symbols read on them.
JUDGEMENTS = {
    "low": Judgement("Low risk of bias", "+", "#4dc3a1"),
    "unclear": Judgement("Unclear risk of bias", "?", "#f5d547"),
    "high": Judgement("High risk of bias", MINUS, "#e0701f"),
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


def summary_shares(judged: Sheet, settings: TrafficLightSettings) -> dict[str, dict[str, float]]:
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
class Light:
    """A judgement in its circle; `study` is empty in the key."""

    judgement: str
    x: float
    y: float
    study: str = ""
    domain: str = ""


@dataclass(frozen=True)
class Bar:
    """A judgement's share of a domain's bar."""

    domain: str
    judgement: str
    share: float
    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True)
class Star:
    """A star given (filled) or judged and not given (open); `study` is empty in the key."""

    x: float
    y: float
    filled: bool
    study: str = ""
    item: str = ""


@dataclass(frozen=True)
class MatrixLayout:
    """A matrix on its page, in points; `turned` texts read upwards."""

    width: float
    height: float
    texts: tuple[Text, ...]
    turned: tuple[Text, ...]
    rules: tuple[Rule, ...]
    style: Style
    lights: tuple[Light, ...] = ()
    bars: tuple[Bar, ...] = ()
    stars: tuple[Star, ...] = ()


def light_size(style: Style) -> float:
    """Diameter of a circle."""
    return 1.45 * style.body


def star_size(style: Style) -> float:
    """Width of a star."""
    return 1.1 * style.body


def traffic_light_layout(judged: Sheet, settings: TrafficLightSettings) -> MatrixLayout:
    """Studies by row, domains by column, then the summary, then the key.

    `judged` has the columns study_id, the domains, and perhaps basis. Raises ValueError as
    `judgements` and `summary_shares` do, and where the domains have no room.
    """
    found = judgements(judged, settings)
    style = style_for(settings.width_mm)
    names = {row["study_id"]: settings.labels[row["study_id"]] for row in judged}
    heads = [Head(domain, label) for domain, label in settings.domains.items()]
    edges = _edges([*names.values(), *settings.domains.values()], settings.width_mm, style)
    title, top = _title(settings.title, edges[2], style)
    row = light_size(style) + 0.55 * style.body
    grid = place_grid(names, heads, edges=edges, top=top, row=row, style=style)
    lights = [
        Light(found[study, domain], grid.centres[domain], y, study, domain)
        for study, y in grid.middles.items()
        for domain in settings.domains
    ]
    panel = _Panel((), (), (), grid.bottom)
    if settings.summary and names:
        shares = summary_shares(judged, settings)
        panel = _summary(shares, settings, edges, grid.bottom + style.row, style)
    shown = [key for key in JUDGEMENTS if key or NOT_JUDGED in found.values()]
    texts, places, bottom = _key(
        [(JUDGEMENTS[key].name, light_size(style)) for key in shown], panel.bottom, edges, style
    )
    key = [Light(key, *place) for key, place in zip(shown, places, strict=True)]
    return MatrixLayout(
        width=settings.width_mm * POINTS_PER_MM,
        height=bottom + style.margin,
        texts=(*title, *grid.texts, *panel.texts, *texts),
        turned=grid.turned,
        rules=(*grid.rules, *panel.rules),
        style=style,
        lights=(*lights, *key),
        bars=panel.bars,
    )


def star_matrix_layout(judged: Sheet, settings: StarSettings) -> MatrixLayout:
    """Studies by row, items by column, then the stars of each and how many items were judged.

    `judged` has the columns study_id, the items, and perhaps basis. A filled star is one
    given, an open one was judged and not given, a dash could not be judged. Raises
    ValueError as `stars` does, and where the items have no room.
    """
    found = stars(judged, settings)
    style = style_for(settings.width_mm)
    names = {row["study_id"]: settings.labels[row["study_id"]] for row in judged}
    heads = [Head(key, item.label, item.group) for key, item in settings.items.items()]
    heads += [Head("stars", "Stars", TOTAL), Head("judged", "Items judged", TOTAL)]
    edges = _edges(list(names.values()), settings.width_mm, style)
    title, top = _title(settings.title, edges[2], style)
    grid = place_grid(names, heads, edges=edges, top=top, row=1.2 * style.row, style=style)
    texts, places = [], []
    for study, y in grid.middles.items():
        for key, item in settings.items.items():
            given, x = found[study, key], grid.centres[key]
            if given is None:
                texts.append(_cell(DASH, x, y, style, style.muted))
            else:
                places += _item_stars(given, item.most, x, y, study, key, style)
        texts += _totals([found[study, key] for key in settings.items], grid, y, style)
    names_of = [("Star given", star_size(style)), ("Judged, no star", star_size(style))]
    if None in found.values():
        names_of.append(("Could not be judged", width(DASH, style.body)))
    key_texts, at, bottom = _key(names_of, grid.bottom, edges, style)
    key = [Star(*place, filled) for place, filled in zip(at, (True, False), strict=False)]
    texts += [_cell(DASH, x, y, style, style.muted) for x, y in at[2:]]
    return MatrixLayout(
        width=settings.width_mm * POINTS_PER_MM,
        height=bottom + style.margin,
        texts=(*title, *grid.texts, *texts, *key_texts),
        turned=grid.turned,
        rules=grid.rules,
        style=style,
        stars=(*places, *key),
    )


def _item_stars(given: int, most: int, x, y, study: str, item: str, style: Style) -> list[Star]:
    step = 1.15 * star_size(style)
    start = x - (most - 1) / 2 * step
    return [Star(start + i * step, y, i < given, study, item) for i in range(most)]


def _totals(given: Sequence[int | None], grid: Grid, y: float, style: Style) -> list[Text]:
    """The stars, and of how many items they are: no total where no item was judged.

    Only totals of all items are bold; the others do not compare.
    """
    known = [number for number in given if number is not None]
    total = _cell(str(sum(known)), grid.centres["stars"], y, style, bold=None not in given)
    if not known:
        total = _cell(DASH, grid.centres["stars"], y, style, style.muted)
    judged = _cell(f"{len(known)}/{len(given)}", grid.centres["judged"], y, style)
    return [total, judged]


def _cell(text: str, x: float, y: float, style: Style, colour: str = "", bold=False) -> Text:
    baseline = y + CAP_HEIGHT / 2 * style.body
    return Text(text, x, baseline, style.body, "center", bold, False, colour or style.ink)


def _edges(names: Sequence[str], width_mm: float, style: Style) -> tuple[float, float, float]:
    """The left of the names, and the left and right of what stands beside them."""
    page = width_mm * POINTS_PER_MM
    wide = names_width(names, style.widest_label * page, style)
    return style.margin, style.margin + wide + 0.8 * style.column_gap, page - style.margin


def _title(title: str, right: float, style: Style) -> tuple[list[Text], float]:
    texts, y = [], style.margin
    for line in wrap((Span(title),), right - style.margin, style.title, True):
        y += style.leading * style.title
        texts += run(line, style.margin, y, style.title, style.ink, bold=True)
    return texts, y + 0.7 * style.title if texts else y


# The summary ------------------------------------------------------------------------------

TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)
TICK = 2.6


@dataclass(frozen=True)
class _Panel:
    texts: tuple[Text, ...]
    rules: tuple[Rule, ...]
    bars: tuple[Bar, ...]
    bottom: float


def _summary(shares: Mapping, settings: TrafficLightSettings, edges, y, style: Style) -> _Panel:
    """A bar a domain, in the order of JUDGEMENTS, over an axis in percent."""
    left, start, right = edges
    room = right - start - 0.5 * width("100%", style.small)
    texts, bars, thick = [], [], 1.5 * style.body
    for domain, of_domain in shares.items():
        lines = name_lines(settings.domains[domain], start - left, style)
        high = max(len(lines) * style.leading * style.body, thick) + 0.45 * style.body
        texts += block(lines, left, y + high / 2, style)
        x = start
        for judgement, share in of_domain.items():
            if share > 0:
                top, wide = y + (high - thick) / 2, share * room
                bars.append(Bar(domain, judgement, share, x, top, wide, thick))
                texts += _said(bars[-1], style)
                x += wide
        y += high
    y += 0.2 * style.body
    rules = [Rule((start, y), (start + room, y), 0.7)]
    for tick in TICKS:
        x, baseline = start + tick * room, y + TICK + style.small
        rules.append(Rule((x, y), (x, y + TICK), 0.7))
        texts.append(Text(percent(tick), x, baseline, style.small, "center", colour=style.ink))
    says = f"Share, weighted by {settings.weighted_by}" if settings.weights else "Share of studies"
    y += TICK + (1 + 1.2 * style.leading) * style.small
    middle = start + room / 2
    texts.append(Text(says, middle, y, style.small, "center", colour=style.ink))
    return _Panel(tuple(texts), tuple(rules), tuple(bars), y + 0.3 * style.small)


def _said(bar: Bar, style: Style) -> list[Text]:
    """Symbol and percentage, or the symbol alone, or nothing, as the bar has room."""
    symbol = JUDGEMENTS[bar.judgement].symbol
    nbsp = "\N{NO-BREAK SPACE}"
    for says in (f"{symbol}{nbsp}{nbsp}{percent(bar.share)}", symbol):
        if width(says, style.small, True) <= bar.width - 0.5 * style.small:
            baseline = bar.top + bar.height / 2 + CAP_HEIGHT / 2 * style.small
            middle = bar.left + bar.width / 2
            return [Text(says, middle, baseline, style.small, "center", True, False, style.ink)]
    return []


# The key ----------------------------------------------------------------------------------


def _key(names: Sequence[tuple[str, float]], y: float, edges, style: Style):
    """What the marks mean, in a line, or more where they do not fit.

    `names` are with the widths of their marks. Gives texts, places of marks and the bottom.
    """
    left, _, right = edges
    leading = light_size(style) + 0.4 * style.body
    texts, places = [], []
    x, y = left, y + style.row
    for name, mark in names:
        wide = mark + 0.5 * style.body + width(name, style.small)
        if x > left and x + wide > right:
            x, y = left, y + leading
        places.append((x + mark / 2, y))
        baseline = y + CAP_HEIGHT / 2 * style.small
        start = x + mark + 0.5 * style.body
        texts.append(Text(name, start, baseline, style.small, colour=style.ink))
        x += wide + 1.6 * style.body
    return texts, places, y + light_size(style) / 2
