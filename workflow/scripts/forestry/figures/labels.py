"""Names beside points, so that no name lies on another, on a point or on a line.

Each name is tried beside its point, then farther away with a line that leads to it. The
first free place is taken, so that the same points give the same picture.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

GAP = 1.3  # points between a marker and its name
AIR = 0.6  # points around a name
BESIDE = ((1, 0), (-1, 0), (1, -1), (-1, -1), (1, 1), (-1, 1), (0, -1), (0, 1))
DIRECTIONS = 24
DISTANCES = (7.0, 11.0, 16.0, 22.0, 29.0, 37.0, 46.0, 56.0, 67.0, 79.0)

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

    def met_by(self, segment: Segment) -> bool:
        """Whether a segment has a point in common with the rectangle (Liang and Barsky)."""
        x0, y0, x1, y1 = segment
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

    @property
    def box(self) -> Box:
        r = self.radius
        return Box(self.x - r, self.y - r, self.x + r, self.y + r)


@dataclass(frozen=True)
class PlacedLabel:
    """Where a name lies, and the line from its point to it where it is not beside it."""

    box: Box
    leader: Segment | None


def place_labels(
    anchors: Sequence[Anchor],
    frame: Box,
    markers: Iterable[Anchor] = (),
    lines: Iterable[Segment] = (),
    led: bool = True,
) -> list[PlacedLabel | None]:
    """A place for the name of each anchor, those first in the list served first.

    `markers` are points without a name and `lines` what no name may cover. Names lie
    within `frame`. Without `led` they lie beside their points only. None is a name for
    which there is no place.
    """
    room = _Room(frame, [*anchors, *markers], list(lines))
    return [room.take(anchor, led) for anchor in anchors]


def beside(anchor: Anchor) -> PlacedLabel:
    """To the upper right of a point, whatever lies there."""
    return PlacedLabel(_box(anchor, 1, -1, 0.6 * anchor.radius + GAP), None)


class _Room:
    """What is taken already."""

    def __init__(self, frame: Box, markers: list[Anchor], lines: list[Segment]):
        self.frame, self.markers, self.lines = frame, markers, lines
        self.boxes: list[Box] = []
        self.leaders: list[Segment] = []

    def take(self, anchor: Anchor, led: bool) -> PlacedLabel | None:
        for label in _candidates(anchor, led):
            if self._free(label, anchor):
                self.boxes.append(label.box)
                self.leaders += [label.leader] * (label.leader is not None)
                return label
        return None

    def _free(self, label: PlacedLabel, anchor: Anchor) -> bool:
        box, leader = label.box, label.leader
        return (
            box.within(self.frame)
            and not any(box.meets(other, AIR) for other in self.boxes)
            and not any(box.meets(marker.box, AIR) for marker in self.markers)
            and not any(box.met_by(line) for line in (*self.lines, *self.leaders))
            and (leader is None or self._clear(leader, anchor))
        )

    def _clear(self, leader: Segment, anchor: Anchor) -> bool:
        here = (anchor.x, anchor.y)
        others = (marker for marker in self.markers if (marker.x, marker.y) != here)
        return (
            not any(box.met_by(leader) for box in self.boxes)
            and not any(marker.box.met_by(leader) for marker in others)
            and not any(_cross(leader, other) for other in self.leaders)
        )


def _candidates(anchor: Anchor, led: bool) -> Iterator[PlacedLabel]:
    for across, down in BESIDE:
        # At a corner the name may come closer: the marker is round.
        reach = anchor.radius + GAP if not across * down else 0.6 * anchor.radius + GAP
        yield PlacedLabel(_box(anchor, across, down, reach), None)
    if not led:
        return
    for distance in DISTANCES:
        for i in range(DIRECTIONS):
            angle = 2 * math.pi * i / DIRECTIONS
            across, down = math.cos(angle), -math.sin(angle)
            box = _box(anchor, across, down, anchor.radius + distance)
            yield PlacedLabel(box, _leader(anchor, box))


def _box(anchor: Anchor, across: float, down: float, reach: float) -> Box:
    """The name's rectangle in a direction, with the side that faces the point at `reach`."""
    x = anchor.x + across * reach - (1 - across) / 2 * anchor.width
    y = anchor.y + down * reach - (1 - down) / 2 * anchor.height
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
