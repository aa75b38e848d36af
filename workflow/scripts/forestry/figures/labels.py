"""Names beside points, so that no name lies on another, on a point or on a line.

Each name is tried beside its point, then farther away with a line that leads to it. The
first free place is taken, so that the same points give the same picture.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property

GAP = 1.3  # points between a marker and its name
AIR = 0.6  # points around a name
BESIDE = ((1, 0), (-1, 0), (1, -1), (-1, -1), (1, 1), (-1, 1), (0, -1), (0, 1))
DIRECTIONS = tuple(
    (math.cos(math.pi * i / 8), -math.sin(math.pi * i / 8)) for i in range(16)
)  # from the right, upwards
DISTANCES = tuple(5.0 + 3.5 * i for i in range(26))
ROUNDS = 3  # those left out in one round are served first in the next

Segment = tuple[float, float, float, float]  # x and y of both ends


@dataclass(frozen=True)
class Box:
    """A rectangle in points, y downwards."""

    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: Box, air: float = 0.0) -> bool:
        return (
            self.left < other.right + air
            and other.left < self.right + air
            and self.top < other.bottom + air
            and other.top < self.bottom + air
        )

    def within(self, other: Box) -> bool:
        return (
            self.left >= other.left
            and self.right <= other.right
            and self.top >= other.top
            and self.bottom <= other.bottom
        )

    def grown(self, air: float) -> Box:
        return Box(self.left - air, self.top - air, self.right + air, self.bottom + air)

    def met_by(self, segment: Segment) -> bool:
        """Whether a segment has a point in common with the rectangle (Liang and Barsky)."""
        x0, y0, x1, y1 = segment
        # Most segments are far away; saying so early makes all of this three times faster.
        if (x0 < self.left and x1 < self.left) or (x0 > self.right and x1 > self.right):
            return False
        if (y0 < self.top and y1 < self.top) or (y0 > self.bottom and y1 > self.bottom):
            return False
        start, end = 0.0, 1.0
        for along, room in (
            (x0 - x1, x0 - self.left),
            (x1 - x0, self.right - x0),
            (y0 - y1, y0 - self.top),
            (y1 - y0, self.bottom - y0),
        ):
            if along == 0:
                if room < 0:
                    return False
            elif along < 0:
                start = max(start, room / along)
            else:
                end = min(end, room / along)
        return start <= end


@dataclass(frozen=True)
class Anchor:
    """A point with the size of its marker, and of the name that it is to have."""

    x: float
    y: float
    radius: float
    width: float = 0.0
    height: float = 0.0

    @cached_property
    def box(self) -> Box:
        r = self.radius
        return Box(self.x - r, self.y - r, self.x + r, self.y + r)


@dataclass(frozen=True, eq=False)
class PlacedLabel:
    """Where a name lies, and the line from its point to it where it is not beside it.

    Of itself only equal to itself: which two are in conflict is looked up, not found anew.
    """

    box: Box
    leader: Segment | None

    @cached_property
    def extent(self) -> Box:
        """What the name and its line take up together."""
        x0, y0, x1, y1 = self.leader or (self.box.left, self.box.top) * 2
        box = self.box
        return Box(
            min(box.left, x0, x1),
            min(box.top, y0, y1),
            max(box.right, x0, x1),
            max(box.bottom, y0, y1),
        )


Conflict = Callable[[PlacedLabel, PlacedLabel], bool]


def place_labels(
    anchors: Sequence[Anchor],
    frame: Box,
    markers: Iterable[Anchor] = (),
    lines: Iterable[Segment] = (),
    farthest: float = DISTANCES[-1],
) -> list[PlacedLabel | None]:
    """A place for the name of each anchor, within `frame`; None where there is none.

    `markers` are points without a name, and `lines` what no name and no leading line may
    cross. Names lie at most `farthest` points from their points. The names are served in
    several orders, and once with all names to the right, which suits a crowd; the picture
    that loses the least is taken (the first anchors matter most), of equal ones that with
    the shortest lines.
    """
    if not anchors:
        return []
    scene = _Scene(frame, [*anchors, *markers], list(lines))
    best: _Placing | None = None
    for rightwards in (False, True):
        possible = [_Remembered(scene.possible(anchor, farthest, rightwards)) for anchor in anchors]
        for placing in _placings(possible, anchors):
            if best is None or placing.cost < best.cost:
                best = placing
            if best.cost == (0, 0.0):
                return best.labels
    return best.labels


class _Remembered:
    """What an iterator yields, as often as it is asked for; most is never asked for."""

    def __init__(self, source: Iterator[PlacedLabel]):
        self._source, self._seen = source, []

    def __iter__(self) -> Iterator[PlacedLabel]:
        yield from self._seen
        for label in self._source:
            self._seen.append(label)
            yield label


@dataclass(frozen=True)
class _Placing:
    labels: list[PlacedLabel | None]

    @cached_property
    def cost(self) -> tuple[int, float]:
        """Names left out, the first in the list the dearest; then the length of the lines."""
        k = len(self.labels)
        lost = sum(k - i for i, label in enumerate(self.labels) if label is None)
        return lost, round(sum(map(_length, self.labels)), 6)


def _placings(
    possible: Sequence[Iterable[PlacedLabel]], anchors: Sequence[Anchor]
) -> Iterator[_Placing]:
    """One placing for each order; and those that serve first whom the last one left out."""
    conflict = cache(_conflict)
    for order in _orders(anchors):
        for _ in range(ROUNDS):
            placing = _serve(possible, order, conflict)
            yield placing
            left = [i for i, label in enumerate(placing.labels) if label is None]
            if not left:
                break
            order = [*left, *(i for i in order if i not in left)]


def _serve(
    possible: Sequence[Iterable[PlacedLabel]], order: Sequence[int], conflict: Conflict
) -> _Placing:
    """The first possible place of each name that those served before it have left free."""
    labels: list[PlacedLabel | None] = [None] * len(possible)
    taken: list[PlacedLabel] = []
    for i in order:
        free = (label for label in possible[i] if not any(conflict(label, t) for t in taken))
        labels[i] = next(free, None)
        taken += [labels[i]] * (labels[i] is not None)
    return _Placing(labels)


def _conflict(one: PlacedLabel, other: PlacedLabel) -> bool:
    if not one.extent.meets(other.extent, AIR):
        return False
    return (
        one.box.meets(other.box, AIR)
        or (other.leader is not None and one.box.grown(AIR).met_by(other.leader))
        or (one.leader is not None and other.box.grown(AIR).met_by(one.leader))
        or (None not in (one.leader, other.leader) and _cross(one.leader, other.leader))
    )


def _orders(anchors: Sequence[Anchor]) -> Iterator[list[int]]:
    given = list(range(len(anchors)))
    yield given
    yield given[::-1]
    for key in (lambda i: anchors[i].x, lambda i: anchors[i].y):
        yield sorted(given, key=key)
        yield sorted(given, key=key)[::-1]


def _length(label: PlacedLabel | None) -> float:
    if label is None or label.leader is None:
        return 0.0
    x0, y0, x1, y1 = label.leader
    return math.hypot(x1 - x0, y1 - y0)


def beside(anchor: Anchor) -> PlacedLabel:
    """To the upper right of a point, whatever lies there."""
    reach = 0.6 * anchor.radius + GAP
    return PlacedLabel(_box(anchor, reach, -reach, 1, -1), None)


@dataclass(frozen=True)
class _Scene:
    """What is there before any name."""

    frame: Box
    markers: list[Anchor]
    lines: list[Segment]

    def possible(self, anchor: Anchor, farthest: float, rightwards: bool) -> Iterator[PlacedLabel]:
        """The places of a name that touch nothing that is there, the best first."""
        # A name at the right edge has to turn back.
        turned = anchor.box.right + GAP + anchor.width > self.frame.right
        found = _candidates(anchor, farthest, rightwards and not turned)
        # Of points that overlap none can be led to without touching another.
        others = [marker.box for marker in self.markers if not marker.box.meets(anchor.box)]
        for label in found:
            if self._holds(label.box) and (not label.leader or self._leads(label.leader, others)):
                yield label

    def _holds(self, box: Box) -> bool:
        return (
            box.within(self.frame)
            and not any(box.meets(marker.box, AIR) for marker in self.markers)
            and not any(box.met_by(line) for line in self.lines)
        )

    def _leads(self, leader: Segment, others: Sequence[Box]) -> bool:
        return not any(box.met_by(leader) for box in others) and not any(
            _cross(leader, line) for line in self.lines
        )


def _candidates(anchor: Anchor, farthest: float, rightwards: bool) -> Iterator[PlacedLabel]:
    for across, down in BESIDE[:1] if rightwards else BESIDE:
        # At a corner the name may come closer: the marker is round.
        reach = anchor.radius + GAP if not across * down else 0.6 * anchor.radius + GAP
        yield PlacedLabel(_box(anchor, across * reach, down * reach, across, down), None)
    for distance in DISTANCES:
        if distance > farthest:
            return
        for across, down in DIRECTIONS:
            reach = anchor.radius + distance
            # The line may lead to the middle of the name or to one of its ends.
            for side in (1.0,) if rightwards else dict.fromkeys((across, 1.0, -1.0)):
                box = _box(anchor, across * reach, down * reach, side, down)
                yield PlacedLabel(box, _leader(anchor, box))


def _box(anchor: Anchor, dx: float, dy: float, side: float, down: float) -> Box:
    """The name's rectangle at (dx, dy) from the point.

    There lies its left end where `side` is 1, its right end where it is -1; and its top
    where `down` is 1, its bottom where it is -1.
    """
    x = anchor.x + dx - (1 - side) / 2 * anchor.width
    y = anchor.y + dy - (1 - down) / 2 * anchor.height
    return Box(x, y, x + anchor.width, y + anchor.height)


def _leader(anchor: Anchor, box: Box) -> Segment:
    """From the marker's rim to the nearest point of the name."""
    x = min(max(anchor.x, box.left), box.right)
    y = min(max(anchor.y, box.top), box.bottom)
    far = math.hypot(x - anchor.x, y - anchor.y) or 1.0
    rim = anchor.radius / far
    return (anchor.x + rim * (x - anchor.x), anchor.y + rim * (y - anchor.y), x, y)


def _cross(one: Segment, other: Segment) -> bool:
    ax, ay, bx, by = one
    cx, cy, dx, dy = other
    return _side(ax, ay, bx, by, cx, cy) != _side(ax, ay, bx, by, dx, dy) and _side(
        cx, cy, dx, dy, ax, ay
    ) != _side(cx, cy, dx, dy, bx, by)


def _side(ax, ay, bx, by, x, y) -> bool:
    return (bx - ax) * (y - ay) > (by - ay) * (x - ax)
