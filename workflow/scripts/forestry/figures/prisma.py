"""PRISMA flow diagrams drawn: a layout becomes a matplotlib figure."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Polygon, Rectangle

from forestry.figures.chart import new_page
from forestry.figures.lettering import write
from forestry.figures.prisma_layout import Arrow, PrismaLayout
from forestry.figures.style import Style

HEAD_LENGTH, HEAD_WIDTH = 4.6, 3.8  # of an arrow, in points


def draw_prisma(layout: PrismaLayout) -> Figure:
    """The figure of a flow diagram.

    Artists carry a gid: ``box-<key>`` (and ``box-title``), ``band-<stage>``,
    ``arrow-<source>-<target>`` for a line and ``head-<source>-<target>`` for its head,
    whose tip is its first point.
    """
    style = layout.style
    figure, page = new_page(layout.width, layout.height, style)
    for band in layout.bands:
        _fill(page, band, f"band-{band.stage}", style)
    _fill(page, layout.title, "box-title", style)
    for box in layout.boxes:
        page.add_patch(
            _rectangle(box, f"box-{box.key}", facecolor=style.paper, edgecolor=style.muted)
        )
    for arrow in layout.arrows:
        _draw_arrow(page, arrow, style)
    for box in (layout.title, *layout.boxes):
        write(page, box.texts)
    write(page, [band.text for band in layout.bands], vertical=True)
    write(page, layout.notes)
    return figure


def _fill(page: Axes, place, gid: str, style: Style) -> None:
    page.add_patch(_rectangle(place, gid, facecolor=style.pale, edgecolor="none"))


def _rectangle(place, gid: str, **colours) -> Rectangle:
    corner = (place.left, place.top)
    return Rectangle(corner, place.width, place.height, gid=gid, linewidth=0.6, **colours)


def _draw_arrow(page: Axes, arrow: Arrow, style: Style) -> None:
    (x0, y0), (x1, y1) = arrow.start, arrow.end
    long = abs(x1 - x0) + abs(y1 - y0)
    along = ((x1 - x0) / long, (y1 - y0) / long)
    base = (x1 - HEAD_LENGTH * along[0], y1 - HEAD_LENGTH * along[1])
    across = (HEAD_WIDTH / 2 * along[1], HEAD_WIDTH / 2 * along[0])
    corners = [
        (x1, y1),
        (base[0] + across[0], base[1] + across[1]),
        (base[0] - across[0], base[1] - across[1]),
    ]
    name = f"{arrow.source}-{arrow.target}"
    page.add_line(
        Line2D(
            (x0, base[0]),
            (y0, base[1]),
            linewidth=0.8,
            color=style.interval,
            solid_capstyle="butt",
            gid=f"arrow-{name}",
            zorder=2,
        )
    )
    page.add_patch(
        Polygon(corners, closed=True, facecolor=style.interval, linewidth=0, gid=f"head-{name}")
    )
