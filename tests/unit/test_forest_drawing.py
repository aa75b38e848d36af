"""Forest plots, read back from the artists and the saved files."""

import base64
import re
from dataclasses import replace
from html import unescape
from io import BytesIO
from itertools import combinations
from math import ceil

import forest_examples as examples
import matplotlib
import numpy as np
import pypdfium2
import pytest
from fontTools.ttLib import TTFont
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.text import Text

from forestry.figures.forest import draw_forest
from forestry.figures.forest_layout import forest_layout
from forestry.figures.save import RC, save_figure
from forestry.figures.text import spans_width, width, wrap
from forestry.figures.wording import Span


def draw(case, **settings):
    layout = forest_layout(*case(**settings))
    return layout, draw_forest(layout)


def found(figure, gid):
    return [artist for artist in figure.findobj(lambda x: x.get_gid() == gid)]


def rows(layout, *kinds):
    return [row for row in layout.rows if row.kind in kinds]


# Marks are where the numbers are ----------------------------------------------------------


@pytest.mark.parametrize("model", ["common", "random"])
@pytest.mark.parametrize("case", [examples.proportions, examples.ratios, examples.subgroups])
def test_diamonds_have_their_points_at_the_limits_and_the_estimate(case, model):
    layout, figure = draw(case)
    pooled = [row for row in rows(layout, "pooled") if row.key == model]
    diamonds = found(figure, f"diamond-{model}")
    assert len(diamonds) == len(pooled) > 0
    for diamond, row in zip(diamonds, pooled, strict=True):
        x, y = diamond.get_xy()[:4].T
        assert x.tolist() == [row.ci_low, row.estimate, row.ci_high, row.estimate]
        assert y[0] == y[2] == (y[1] + y[3]) / 2
        # The plot's axes have the display scale across, so these are data coordinates.
        assert diamond.get_transform() == diamond.axes.transData


def test_the_selected_diamond_is_filled_and_the_other_pale():
    _, figure = draw(examples.proportions)
    (selected,), (other,) = found(figure, "diamond-random"), found(figure, "diamond-common")
    assert selected.get_facecolor() == selected.get_edgecolor()
    assert sum(other.get_facecolor()[:3]) > 2.5 > sum(other.get_edgecolor()[:3])


def test_the_prediction_interval_is_a_bar_of_its_limits():
    _, figure = draw(examples.proportions)
    (bar,) = found(figure, "prediction")
    assert bar.get_x() == 0.08 and bar.get_x() + bar.get_width() == pytest.approx(0.98, abs=1e-15)


@pytest.mark.parametrize("case", [examples.proportions, examples.ratios, examples.subgroups])
def test_areas_of_squares_are_in_proportion_to_the_weights(case):
    layout, figure = draw(case)
    studies = rows(layout, "study")
    (squares,) = found(figure, "square")
    areas = squares.get_sizes()[: len(studies)]
    weights = np.array([row.weight for row in studies])
    np.testing.assert_allclose(areas / areas.max(), weights / weights.max(), rtol=1e-12)


def test_squares_lie_at_the_estimates_in_the_order_of_the_rows():
    layout, figure = draw(examples.proportions)
    (squares,) = found(figure, "square")
    x, y = squares.get_offsets().T
    assert x.tolist() == [row.estimate for row in rows(layout, "study", "left_out")]
    assert np.all(np.diff(y) > 0) and squares.axes.yaxis_inverted()


def test_reconstructed_rows_have_a_hollow_marker_and_left_out_ones_a_grey_one():
    _, figure = draw(examples.proportions)
    (squares,) = found(figure, "square")
    faces = [to_hex(colour) for colour in squares.get_facecolors()]
    edges = [to_hex(colour) for colour in squares.get_edgecolors()]
    assert faces[2] == "#ffffff" != edges[2]
    assert faces[0] == edges[0] == edges[2]
    red, green, blue = squares.get_facecolors()[3][:3]
    assert abs(red - blue) < 0.1 and abs(red - green) < 0.1 and faces[3] != faces[0]


def test_intervals_end_at_their_limits_or_at_the_axis_with_an_arrowhead():
    layout, figure = draw(examples.ratios)
    (intervals,) = found(figure, "interval")
    ends = [segment[:, 0].tolist() for segment in intervals.get_segments()]
    assert ends[:2] == [[1.26, 2.56], [0.99, 2.6]]
    assert ends[2] == [layout.axis.low, layout.axis.high]
    arrows = found(figure, "arrow")
    tips = sorted(float(arrow.get_xdata()[0]) for arrow in arrows)
    assert tips == [layout.axis.low, layout.axis.high]
    middle = intervals.get_segments()[2][0, 1]
    assert all(arrow.get_ydata()[0] == middle for arrow in arrows)


def test_labels_keep_clear_of_the_plot():
    _, figure = draw(examples.differences, width_mm=85)
    left = figure.axes[1].get_position().x0 * figure.get_figwidth() * 72
    labels = [box for text, box in texts_of(figure) if "hosp" in text]
    assert len(labels) >= 6 and all(box.x1 < left for box in labels)


def test_where_nothing_is_clipped_there_is_no_arrowhead():
    _, figure = draw(examples.changes)
    assert found(figure, "arrow") == []


def test_reference_and_pooled_lines_lie_at_their_values():
    layout, figure = draw(examples.ratios)
    assert {line.get_xdata()[0] for line in found(figure, "reference")} == {1.0}
    assert {line.get_xdata()[0] for line in found(figure, "pooled")} == {layout.pooled}
    assert found(draw(examples.proportions)[1], "reference") == []


def test_an_axis_shows_its_ticks_and_no_figure_without_numbers_has_one():
    layout, figure = draw(examples.ratios)
    plot = figure.axes[1]
    assert plot.get_xscale() == "log" and plot.get_xlim() == (layout.axis.low, layout.axis.high)
    assert plot.get_xticks().tolist() == list(layout.axis.ticks)
    assert len(draw(examples.unavailable)[1].axes) == 1


# Texts ------------------------------------------------------------------------------------


def texts_of(figure):
    """Every visible text with its box in points."""
    figure.set_dpi(72)
    with rc_context(RC):
        renderer = FigureCanvasAgg(figure).get_renderer()
        figure.draw(renderer)
        shown = [t for t in figure.findobj(Text) if t.get_visible() and t.get_text().strip()]
        shown = [t for t in shown if t.axes is not None]
        return [(t.get_text(), t.get_window_extent(renderer)) for t in shown]


@pytest.mark.parametrize("mm", [174, 85])
@pytest.mark.parametrize("case", examples.ALL)
def test_no_text_overlaps_another_or_leaves_the_page(case, mm):
    _, figure = draw(case, width_mm=mm)
    assert figure.get_figwidth() * 25.4 == pytest.approx(mm)
    texts = texts_of(figure)
    wide, high = figure.bbox.width, figure.bbox.height
    for text, box in texts:
        assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= wide and box.y1 <= high, text
    # A tenth of a millimetre: the boxes of neighbouring spans of one line touch.
    slack = 0.3
    for (a, one), (b, two) in combinations(texts, 2):
        across = min(one.x1, two.x1) - max(one.x0, two.x0)
        down = min(one.y1, two.y1) - max(one.y0, two.y0)
        assert across <= slack or down <= slack, (a, b)


@pytest.mark.parametrize("case", examples.ALL)
def test_every_row_is_written_and_nothing_is_smaller_than_six_points(case):
    layout, figure = draw(case)
    texts = [t for t in figure.findobj(Text) if t.get_text() and t.axes is not None]
    assert min(t.get_fontsize() for t in texts) >= 6
    written = " ".join(t.get_text() for t in texts)
    for row in layout.rows:
        for text in (*row.label.split(), *(span.text for span in row.spans if not span.italic)):
            assert all(word in written for word in text.split())
    assert min(t.get_fontsize() for t in draw(case, width_mm=85)[1].findobj(Text)) >= 6


def test_the_numbers_of_a_column_are_aligned_at_their_right():
    _, figure = draw(examples.proportions)
    ends = {}
    for text, box in texts_of(figure):
        if text in ("42.1", "78.7", "100.0", "10.0"):
            ends.setdefault(text, []).append(box.x1)
    assert min(ends["42.1"]) == pytest.approx(min(ends["78.7"]), abs=0.2)
    assert any(end == pytest.approx(ends["42.1"][0], abs=0.2) for end in ends["100.0"])


def test_a_narrow_figure_goes_without_the_columns_that_it_can_spare():
    _, wide = draw(examples.ratios, width_mm=174)
    _, narrow = draw(examples.ratios, width_mm=85)
    words = [{t.get_text() for t in figure.findobj(Text)} for figure in (wide, narrow)]
    assert {"Events", "Placebo"} <= words[0] and not {"Events", "Placebo"} & words[1]
    for figure in (wide, narrow):
        assert figure.axes[1].get_position().width * figure.get_figwidth() * 72 > 45


def test_labels_that_cannot_fit_are_refused():
    effects, estimates, weights, settings = examples.proportions(width_mm=85)
    settings = replace(settings, measure="proportion", title="T", level=0.95)
    huge = [replace(row, estimate=1e30, ci_low=-1e30, ci_high=1e30) for row in estimates]
    with pytest.raises(ValueError, match="85 mm wide has no room"):
        draw_forest(forest_layout(effects, huge, weights, settings))


def test_widths_add_up_and_wrapped_lines_keep_within_their_limit():
    assert width("one two", 8) == pytest.approx(width("one ", 8) + width("two", 8), abs=0.05)
    assert width(" ", 10) == pytest.approx(2.0, abs=0.01)  # the typeface's space: 0.2 em
    assert width("0", 10) == pytest.approx(4.97, abs=0.01)  # and its figures: 0.497 em
    assert width("text", 16) == pytest.approx(2 * width("text", 8))
    spans = (Span("a line with "), Span("p", italic=True), Span(" = 0.05, to be broken"))
    lines = wrap(spans, 60, 8)
    assert len(lines) > 1 and all(spans_width(line, 8) <= 60 for line in lines)
    whole = "".join(span.text for span in spans)
    assert " ".join("".join(span.text for span in line) for line in lines) == whole
    assert wrap((Span("one-word"),), 1, 8) == ((Span("one-"),), (Span("word"),))
    assert wrap((Span("unbreakable"),), 1, 8) == ((Span("unbreakable"),),)


# Files ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """The same figure drawn and saved twice."""
    folders = [tmp_path_factory.mktemp(name) for name in ("first", "second")]
    for folder in folders:
        _, figure = draw(examples.proportions)
        save_figure(figure, [folder / f"forest.{kind}" for kind in ("pdf", "svg", "png")])
    return folders


@pytest.mark.parametrize("kind", ["pdf", "svg", "png"])
def test_the_same_figure_is_the_same_bytes(saved, kind):
    first, second = (folder.joinpath(f"forest.{kind}").read_bytes() for folder in saved)
    assert first == second and len(first) > 10_000


def test_the_order_of_formats_does_not_matter(saved, tmp_path):
    _, figure = draw(examples.proportions)
    for kind in ("png", "svg", "pdf"):
        save_figure(figure, [tmp_path / f"forest.{kind}"])
        assert (tmp_path / f"forest.{kind}").read_bytes() == (
            saved[0] / f"forest.{kind}"
        ).read_bytes()


def test_an_svg_holds_its_text_as_text_and_its_typeface(saved):
    svg = (saved[0] / "forest.svg").read_text(encoding="utf-8")
    texts = re.findall(r"<text [^>]*>([^<]*)</text>", svg)
    for text in ("Adler 2020", "Dietz 2020†", "(20.3", "Random effects", "not available"):
        assert text in texts
    assert svg.count("@font-face") == 3  # regular, italic, semibold
    families = "'Source Sans Pro', 'Source Sans 3', 'Arial', 'Helvetica', sans-serif"
    assert families in svg
    assert "<dc:date>" not in svg and matplotlib.__version__ not in svg


def test_the_typeface_in_an_svg_has_its_letters_and_how_they_stand(saved):
    svg = (saved[0] / "forest.svg").read_text(encoding="utf-8")
    faces = [base64.b64decode(face) for face in re.findall(r"base64,([^)]*)\)", svg)]
    regular, *others = (TTFont(BytesIO(face)) for face in faces)
    plain = re.findall(r'<text style="font-size[^>]*>([^<]*)</text>', svg)
    assert set(map(ord, "".join(map(unescape, plain)))) <= set(regular.getBestCmap())
    assert "GPOS" in regular and len(faces[0]) < 15_000 and len(others) == 2


def test_a_pdf_holds_its_text_as_text_and_its_typeface(saved):
    pdf = (saved[0] / "forest.pdf").read_bytes()
    assert b"SourceSansPro-Regular" in pdf and b"SourceSansPro-Semibold" in pdf
    assert b"/FontFile2" in pdf and b"/ToUnicode" in pdf and b"/Type3" not in pdf
    assert b"CreationDate" not in pdf and matplotlib.__version__.encode() not in pdf
    assert b"/FontFile3" not in pdf  # one kind of outlines, whatever the disk lists first
    with pypdfium2.PdfDocument(pdf) as document:
        read = document[0].get_textpage().get_text_range().replace("\xa0", " ")
    _, figure = draw(examples.proportions)
    for text in (t.get_text() for t in figure.findobj(Text)):
        assert text.replace("\xa0", " ").strip() in read


@pytest.mark.parametrize("example", [examples.proportions, examples.many])
def test_a_pdf_made_of_the_svg_looks_like_matplotlib_s_own(example, tmp_path):
    _, figure = draw(example)
    save_figure(figure, [tmp_path / "ours.pdf"])
    with rc_context({**RC, "pdf.fonttype": 42}):
        figure.savefig(tmp_path / "theirs.pdf")
    ours, theirs = (picture(tmp_path / f"{name}.pdf") for name in ("ours", "theirs"))
    wide = min(ours.shape[1], theirs.shape[1])  # a page may end within a pixel
    difference = np.abs(ours[:, :wide].astype(float) - theirs[:, :wide])
    assert ours.shape[0] == theirs.shape[0] and (theirs < 128).sum() > 1000
    # Letters are set to another fraction of a pixel. All else, and half a point is seen.
    moved = np.abs(ours[:, 1:wide].astype(float) - theirs[:, : wide - 1])
    assert difference.mean() < moved.mean() / 3


def picture(pdf):
    with pypdfium2.PdfDocument(pdf) as document:
        return document[0].render(scale=2, grayscale=True).to_numpy().squeeze()


def test_a_png_has_300_dots_an_inch(saved):
    png = (saved[0] / "forest.png").read_bytes()
    assert int.from_bytes(png[16:20]) == ceil(174 / 25.4 * 300)
    assert b"Software" not in png


def test_other_formats_are_refused(tmp_path):
    _, figure = draw(examples.single)
    with pytest.raises(ValueError, match="saved as pdf, svg or png"):
        save_figure(figure, [tmp_path / "forest.jpeg"])


def test_drawing_and_saving_leave_matplotlib_as_it_was(tmp_path):
    before = dict(matplotlib.rcParams)
    _, figure = draw(examples.many)
    save_figure(figure, [tmp_path / "forest.svg"])
    assert dict(matplotlib.rcParams) == before
