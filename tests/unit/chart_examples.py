"""Made-up outcomes for the charts of studies: effects and weights from yi and vi."""

from dataclasses import replace

from forest_examples import OUTCOME, empty
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from forestry.figures.save import RC
from forestry.results import Estimate, StudyEffect, Weight

TITLE = "At least partial response of muscle power, first-line treatment"


def effects_of(yi, vi, measure="risk_ratio", scale="log", **more):
    """Usable studies s0, s1, ...; `more` are fields by the number of the study."""
    half = [1.96 * v**0.5 for v in vi]
    return [
        empty(
            StudyEffect, study_id=f"s{i}", usable=True, measure=measure, scale=scale,
            yi=yi[i], vi=vi[i], estimate=yi[i], ci_low=yi[i] - half[i], ci_high=yi[i] + half[i],
            **{"status": "reported", "total": 20 + i, **more.get(f"s{i}", {})},
        )
        for i in range(len(yi))
    ]  # fmt: skip


def weights_of(effects, left_out=()):
    kept = len(effects) - len(left_out)
    return [
        empty(
            Weight, outcome=OUTCOME, variant="main", study_id=effect.study_id,
            included=effect.study_id not in left_out, weight_random=1 / max(kept, 1),
        )
        for effect in effects
    ]  # fmt: skip


def estimate_of(effects, link, k=None, model="random", **more):
    """The selected estimate, and one that is not."""
    k = len(effects) if k is None else k
    row = empty(
        Estimate, outcome=OUTCOME, variant="main", measure=effects[0].measure if effects else "",
        model=model, method="inverse_variance", k=k, selected=True, link_estimate=link,
        **{"estimate": link, "ci_low": link and link - 0.1, "ci_high": link and link + 0.1, **more},
    )  # fmt: skip
    return [row, replace(row, model="common", selected=False, link_estimate=99.0)]


def settings_of(kind, effects, **more):
    labels = {effect.study_id: f"Author {effect.study_id[1:]} 20{i:02d}"
              for i, effect in enumerate(effects)}  # fmt: skip
    given = {"outcome": OUTCOME, "variant": "main", "title": TITLE, "labels": labels}
    measure = effects[0].measure if effects else "proportion"
    return kind.from_mapping({**given, "measure": measure, **more})


# Reading a figure back ----------------------------------------------------------------------


def found(figure, gid):
    return [artist for artist in figure.findobj(lambda x: x.get_gid() == gid)]


def places(figure, gid):
    """The points of a collection, in the panel's data coordinates; [] where it is not drawn."""
    drawn = found(figure, gid)
    assert len(drawn) <= 1
    if not drawn:
        return []
    assert drawn[0].get_offset_transform() == drawn[0].axes.transData
    return [tuple(map(float, point)) for point in drawn[0].get_offsets()]


def texts_of(figure):
    """Every text that is drawn, with its box in points."""
    figure.set_dpi(72)
    with rc_context(RC):
        renderer = FigureCanvasAgg(figure).get_renderer()
        figure.draw(renderer)
        shown = [t for t in figure.findobj(Text) if t.get_visible() and t.get_text().strip()]
        return [(t, t.get_window_extent(renderer)) for t in shown if t.axes is not None]


def words_of(figure):
    return [text.get_text() for text in figure.findobj(Text) if text.get_visible()]


def written(figure):
    return " ".join(words_of(figure))


def markers_of(figure, *gids):
    """The boxes of the points of these collections, in points."""
    boxes = []
    for gid in gids:
        for points in found(figure, gid):
            centres = points.axes.transData.transform(points.get_offsets())
            sizes = list(points.get_sizes()) * len(centres)
            for (x, y), size in zip(centres, sizes, strict=False):
                boxes.append((x, y, size**0.5 / 2))
    return boxes


def assert_legible(figure, mm, *point_gids):
    """No text is small, overlaps another or a point, or leaves the page."""
    texts = texts_of(figure)
    assert abs(figure.get_figwidth() * 25.4 - mm) < 1e-6
    wide, high = figure.bbox.width, figure.bbox.height
    for text, box in texts:
        assert text.get_fontsize() >= 6
        assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= wide and box.y1 <= high, text
    for i, (text, one) in enumerate(texts):
        for other, two in texts[i + 1 :]:
            across = min(one.x1, two.x1) - max(one.x0, two.x0)
            down = min(one.y1, two.y1) - max(one.y0, two.y0)
            assert across <= 0.3 or down <= 0.3, (text, other)
        for x, y, radius in markers_of(figure, *point_gids):
            # Letters, not the room that a line of text leaves below and above them.
            dx = max(one.x0 - x, x - one.x1, 0)
            dy = max(one.y0 + 1 - y, y - (one.y1 - 1), 0)
            assert (dx**2 + dy**2) ** 0.5 >= radius - 0.3, text
