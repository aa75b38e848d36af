"""The parts of a forest plot's layout."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from forestry.figures.forest_axis import Axis
from forestry.figures.wording import Spans

Cells = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Column:
    """A column of cells; a cell has as many texts as `parts` (left, center or right) names.

    The column ``plot`` has no parts: it is where the intervals are drawn. `group` is a
    heading over neighbouring columns. Where a figure is narrow, the columns with the
    highest `dispensable` go first; 0 stays.
    """

    key: str
    title: str
    parts: tuple[str, ...]
    group: str = ""
    emphasis: str = "plain"  # plain | strong | muted
    dispensable: int = 0


@dataclass(frozen=True)
class Row:
    """A row of a forest plot. Estimates and limits are on the display scale."""

    kind: str  # study | left_out | unavailable | pooled | prediction | heterogeneity
    #            | group_title | section_title | test | note
    key: str = ""  # the study's id, or the model
    group: str = ""
    label: str = ""
    cells: Cells = field(default_factory=dict)
    spans: Spans = ()  # a line of text in place of cells
    estimate: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    weight: float | None = None  # share in the selected model
    marker: str = "none"  # filled | hollow | none
    bold: bool = False
    muted: bool = False
    arrow_low: bool = False  # the interval goes on beyond the axis
    arrow_high: bool = False

    @property
    def plotted(self) -> bool:
        return self.ci_low is not None and self.ci_high is not None


@dataclass(frozen=True)
class ForestLayout:
    """A forest plot to draw; `axis` is None where there is no interval to show."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    axis: Axis | None
    pooled: float | None  # where the selected pooled estimate lies
    footnotes: tuple[str, ...]
    width_mm: float
