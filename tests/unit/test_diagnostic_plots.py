"""Baujat, influence and bubble plots: their numbers against metafor, and read back as drawn."""

import json
import math
from pathlib import Path

import chart_examples as examples
import numpy as np
import pytest
from chart_examples import found, places, written
from forest_examples import OUTCOME
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.colors import to_hex

from forestry.figures.baujat import draw_baujat
from forestry.figures.baujat_layout import BaujatSettings, baujat, baujat_layout
from forestry.figures.bubble import draw_bubble
from forestry.figures.bubble_layout import BubbleSettings, bubble_layout, predict
from forestry.figures.influence_layout import InfluenceSettings, influence_layout
from forestry.figures.influence_plot import draw_influence
from forestry.figures.labels import Anchor, Box, beside, place_labels
from forestry.figures.save import save_figure
from forestry.influence import influence
from forestry.metaregression import Categorical, design_matrix, meta_regression
from forestry.results import InfluenceRow
from forestry.scales import to_display

REFERENCE = json.loads(
    (Path(__file__).parents[1] / "reference" / "diagnostic_plots.json").read_text()
)
BCG = REFERENCE["bcg"]
YI, VI = BCG["yi"], BCG["vi"]
DAGGER = "\N{DAGGER}"


def bcg_effects(**more):
    return examples.effects_of(YI, VI, **more)


def crowd(k, seed=3):
    rng = np.random.default_rng(seed)
    vi = rng.uniform(0.01, 0.9, k)
    return (0.4 + rng.normal(size=k) * np.sqrt(vi + 0.1)).tolist(), vi.tolist()


# Baujat -----------------------------------------------------------------------------------


def draw_baujat_of(effects, left_out=(), **more):
    chosen = examples.settings_of(BaujatSettings, effects, **more)
    layout = baujat_layout(effects, examples.weights_of(effects, left_out), chosen)
    return layout, draw_baujat(layout)


def test_baujat_agrees_with_metafor():
    points = baujat(YI, VI)
    for field, values in REFERENCE["baujat"].items():
        # Differences of means near each other: a digit or two of sixteen is lost.
        np.testing.assert_allclose(getattr(points, field), values, rtol=1e-11)


@given(st.integers(2, 12), st.integers(0, 10**6), st.floats(-5, 5))
@settings(deadline=None, max_examples=60)
def test_contributions_add_up_to_q_and_influence_is_that_of_a_refit(k, seed, shift):
    yi, vi = map(np.array, crowd(k, seed))
    points = baujat(yi, vi)
    mean = np.average(yi, weights=1 / vi)
    assert points.contribution.sum() == pytest.approx(((yi - mean) ** 2 / vi).sum(), rel=1e-9)
    rest = np.arange(k) > 0
    without = np.average(yi[rest], weights=1 / vi[rest])
    refit = (mean - without) ** 2 * (1 / vi[rest]).sum()
    assert points.influence[0] == pytest.approx(refit, rel=1e-6, abs=1e-12)
    moved = baujat(yi + shift, vi)
    np.testing.assert_allclose(moved.contribution, points.contribution, rtol=1e-6, atol=1e-9)


def test_baujat_points_lie_at_their_numbers_and_carry_their_names():
    effects = bcg_effects(s3={"status": "reconstructed"}, s5={"status": "derived"})
    layout, figure = draw_baujat_of(effects, width_mm=174)
    expected = list(
        zip(REFERENCE["baujat"]["contribution"], REFERENCE["baujat"]["influence"], strict=True)
    )
    solid = [point for i, point in enumerate(expected) if i != 3]
    assert places(figure, "study") == [pytest.approx(point, rel=1e-11) for point in solid]
    assert places(figure, "study-hollow") == [pytest.approx(expected[3], rel=1e-11)]
    said = written(figure)
    assert f"Author 3 2003{DAGGER}" in said and "Author 5 2005\N{DOUBLE DAGGER}" in said
    assert "Author 7 2007" in said  # the farthest from the origin
    named = sum(point.label in said for point in layout.points)
    words = examples.words_of(figure)
    unnamed = [word for word in words if word.startswith("No room for the names of")]
    assert (named < 13) == bool(unnamed)


def test_the_farthest_points_are_named_before_the_others():
    yi, vi = crowd(30)
    layout, figure = draw_baujat_of(examples.effects_of(yi, vi))
    said = written(figure)
    far = sorted(
        layout.points,
        key=lambda p: (
            -math.hypot(layout.x.position(p.contribution), layout.y.position(p.influence))
        ),
    )
    assert all(point.label in said for point in far[:10])


@pytest.mark.parametrize("mm", [85, 174])
@pytest.mark.parametrize("k", [2, 13, 30])
def test_names_of_baujat_points_touch_no_name_and_no_point(k, mm):
    yi, vi = (YI, VI) if k == 13 else crowd(k)
    _, figure = draw_baujat_of(examples.effects_of(yi, vi), width_mm=mm)
    examples.assert_legible(figure, mm, "study", "study-hollow")


def test_a_baujat_plot_of_equal_studies_has_axes():
    layout, figure = draw_baujat_of(examples.effects_of([0.5] * 3, [0.1] * 3))
    assert layout.x.high > 0.5 and places(figure, "study") == [pytest.approx((0, 0), abs=1e-12)] * 3


# Influence --------------------------------------------------------------------------------


def influence_rows(yi, vi, variant="main", tau2_method="REML"):
    found_ = influence(yi, vi, tau2_method)
    names = ("rstudent", "dffits", "cook_distance", "cov_ratio", "tau2_deleted")
    names += ("q_deleted", "hat", "weight", "dfbetas")
    return [
        InfluenceRow(
            outcome=OUTCOME, variant=variant, study_id=f"s{i}", k=len(yi), tau2_method=tau2_method,
            **{name: float(getattr(found_, name)[i]) for name in names},
            influential=bool(found_.influential[i]),
            estimate_deleted=0.0, ci_low_deleted=0.0, ci_high_deleted=0.0, i2_deleted=0.0,
        )
        for i in range(len(yi))
    ]  # fmt: skip


def draw_influence_of(yi, vi, rows=None, left_out=(), effects=None, **more):
    effects = effects or examples.effects_of(yi, vi)
    rows = influence_rows(yi, vi) if rows is None else rows
    chosen = examples.settings_of(InfluenceSettings, effects, **more)
    layout = influence_layout(effects, examples.weights_of(effects, left_out), rows, chosen)
    return layout, draw_influence(layout)


PANELS = (
    *("rstudent", "dffits", "cook_distance", "cov_ratio"),
    *("tau2_deleted", "q_deleted", "hat", "dfbetas"),
)
OUTLYING = ([*YI[:9], 4.0], [*VI[:9], 0.02])


def test_each_panel_shows_its_diagnostic_of_each_study_in_its_row():
    _, figure = draw_influence_of(*OUTLYING)
    rows = influence_rows(*OUTLYING)
    for key in PANELS:
        drawn = sorted(
            (places(figure, key) + places(figure, f"{key}-flagged")), key=lambda point: point[1]
        )
        assert drawn == [(getattr(row, key), float(i)) for i, row in enumerate(rows)], key


def test_thresholds_and_references_lie_where_the_literature_has_them():
    yi, vi = OUTLYING
    _, figure = draw_influence_of(yi, vi)
    k = len(yi)

    def at(gid):
        return sorted(line.get_xdata()[0] for line in found(figure, gid))

    reach = 3 / math.sqrt(k - 1)
    assert at("rstudent-threshold") == [-1.96, 1.96]
    assert at("dffits-threshold") == pytest.approx([-reach, reach], rel=1e-12)
    assert at("cook_distance-threshold") == pytest.approx([0.454936423119573], rel=1e-12)
    assert at("hat-threshold") == pytest.approx([3 / k], rel=1e-12)
    assert at("dfbetas-threshold") == [-1.0, 1.0]
    assert at("cov_ratio-threshold") == at("q_deleted-threshold") == []
    assert at("cov_ratio-reference") == [1.0]
    mean = np.average(yi, weights=1 / np.array(vi))
    q = ((np.array(yi) - mean) ** 2 / vi).sum()
    assert at("q_deleted-reference") == pytest.approx([q], rel=1e-12)


def test_the_reference_of_tau2_is_that_of_all_studies():
    _, figure = draw_influence_of(YI, VI)
    (line,) = found(figure, "tau2_deleted-reference")
    # rma(yi, vi, data = dat.bcg): tau2 0.3132433 (REML), as its manual prints it.
    assert line.get_xdata()[0] == pytest.approx(0.3132433, abs=5e-8)


def test_flagged_studies_stand_out_and_the_note_says_what_they_are():
    layout, figure = draw_influence_of(*OUTLYING)
    flagged = [study.study_id for study in layout.studies if study.flagged]
    assert flagged == ["s9"]
    assert [y for _, y in places(figure, "rstudent-flagged")] == [9.0]
    labels = {
        t.get_text(): t.get_fontproperties().get_weight() for t, _ in examples.texts_of(figure)
    }
    assert labels["Author 9 2009 *"] == 600 and labels["Author 8 2008"] == 400
    points, others = found(figure, "rstudent-flagged")[0], found(figure, "rstudent")[0]
    assert to_hex(points.get_facecolor()[0]) != to_hex(others.get_facecolor()[0])
    assert len(points.get_paths()[0].vertices) != len(others.get_paths()[0].vertices)
    assert len(found(figure, "stripe")) == len(PANELS)
    assert "* Influential, or an outlier" in written(figure)
    _, calm = draw_influence_of(YI, VI)
    assert "No study is influential" in written(calm) and found(calm, "stripe") == []


def test_reconstructed_studies_are_hollow_in_every_panel():
    effects = bcg_effects(s2={"status": "reconstructed"})
    _, figure = draw_influence_of(YI, VI, effects=effects)
    for key in PANELS:
        assert [y for _, y in places(figure, f"{key}-hollow")] == [2.0]
    assert f"Author 2 2002{DAGGER}" in written(figure)


@pytest.mark.parametrize(("k", "mm"), [(2, 174), (3, 174), (13, 174), (30, 174), (13, 85)])
def test_influence_plots_are_legible_from_two_to_thirty_studies(k, mm):
    yi, vi = (YI, VI) if k == 13 else crowd(k)
    _, figure = draw_influence_of(yi, vi, width_mm=mm)
    examples.assert_legible(figure, mm)
    panels = figure.axes[1:]  # after the page
    assert len(panels) == len(PANELS)
    for panel in panels:
        low, high = panel.get_xlim()
        for points in panel.collections:
            if points.get_gid() is not None:
                assert np.all(
                    (points.get_offsets()[:, 0] > low) & (points.get_offsets()[:, 0] < high)
                )


def test_influence_of_other_studies_is_refused_and_of_other_variants_passed_over():
    effects = bcg_effects()
    rows = influence_rows(YI, VI)
    with pytest.raises(ValueError, match=r"not the studies pooled \(s12\)"):
        draw_influence_of(YI, VI, rows=rows[:-1])
    with pytest.raises(ValueError, match=r"not the studies pooled \(s4\)"):
        draw_influence_of(YI, VI, rows=rows, left_out=("s4",))
    other = influence_rows([y + 1 for y in YI], VI, variant="no_abstracts")
    layout, _ = draw_influence_of(YI, VI, rows=[*other, *reversed(rows)])
    assert layout == draw_influence_of(YI, VI, effects=effects)[0]


# Bubbles ----------------------------------------------------------------------------------


def by_latitude(interval="wald"):
    return meta_regression(YI, VI, design_matrix({"latitude": BCG["latitude"]}), interval=interval)


def by_allocation():
    levels = Categorical(BCG["allocation"], "random")
    return meta_regression(YI, VI, design_matrix({"allocation": levels}))


def draw_bubble_of(fit, values, effects=None, moderator="latitude", **more):
    effects = effects or bcg_effects()
    chosen = examples.settings_of(BubbleSettings, effects, moderator=moderator, **more)
    ids = [f"s{i}" for i in range(len(values))]
    of_study = dict(zip(ids, values, strict=True))
    layout = bubble_layout(effects, examples.weights_of(effects), of_study, fit, chosen)
    return layout, draw_bubble(layout)


@pytest.mark.parametrize("interval", ["wald", "t", "hartung_knapp"])
def test_predictions_agree_with_metafor(interval):
    x = np.array(REFERENCE["latitudes"])
    found_ = predict(by_latitude(interval), np.column_stack([np.ones_like(x), x]))
    for field, values in REFERENCE["line"][interval].items():
        # As the coefficients (see test_metaregression), with a digit lost where terms cancel.
        np.testing.assert_allclose(getattr(found_, field), values, rtol=1e-8, err_msg=field)


def test_a_prediction_at_a_coefficient_is_that_coefficient():
    fit = by_allocation()
    found_ = predict(fit, np.eye(3))
    assert found_.estimate == pytest.approx([c.estimate for c in fit.coefficients], rel=1e-12)
    assert found_.ci_low == pytest.approx([c.ci_low for c in fit.coefficients], rel=1e-12)
    with pytest.raises(ValueError, match="rows of 3 columns"):
        predict(fit, [[1.0, 0.0]])


def test_bubbles_lie_at_moderator_and_effect_with_areas_in_proportion_to_weights():
    fit = by_latitude()
    _, figure = draw_bubble_of(fit, BCG["latitude"])
    expected = set(zip(map(float, BCG["latitude"]), YI, strict=True))
    assert set(places(figure, "bubble")) == expected
    (bubbles,) = found(figure, "bubble")
    area = dict(zip(map(tuple, bubbles.get_offsets()), bubbles.get_sizes(), strict=True))
    weights = {
        (float(x), y): 1 / (v + fit.tau2) for x, y, v in zip(BCG["latitude"], YI, VI, strict=True)
    }
    ratios = [area[point] / weights[point] for point in weights]
    # The smallest bubbles are kept large enough to see; none here is that small.
    assert ratios == pytest.approx([ratios[0]] * len(ratios), rel=1e-9)


def test_the_line_and_its_band_are_the_predictions_over_the_studies_values():
    fit = by_latitude()
    layout, figure = draw_bubble_of(fit, BCG["latitude"])
    (line,) = found(figure, "fit")
    x, y = map(np.array, line.get_data())
    assert (x[0], x[-1]) == (13.0, 55.0)
    found_ = predict(fit, np.column_stack([np.ones_like(x), x]))
    np.testing.assert_allclose(y, found_.estimate, rtol=1e-12)
    (band,) = found(figure, "band")
    corners = band.get_paths()[0].vertices
    for at in (0, 30, 60):
        column = corners[np.isclose(corners[:, 0], x[at])][:, 1]
        assert column.min() == pytest.approx(found_.ci_low[at], rel=1e-12)
        assert column.max() == pytest.approx(found_.ci_high[at], rel=1e-12)
    assert layout.y.low < corners[:, 1].min() and corners[:, 1].max() < layout.y.high


def test_ratios_are_labelled_as_ratios_and_no_effect_is_drawn_at_one():
    layout, figure = draw_bubble_of(by_latitude(), BCG["latitude"])
    shown = [float(label) for label in layout.y.tick_labels]
    assert shown == pytest.approx(to_display(np.array(layout.y.ticks), "log").tolist(), rel=1e-9)
    assert {line.get_ydata()[0] for line in found(figure, "null")} == {0.0}
    assert "Risk ratio (log scale)" in written(figure)


def test_statistics_of_the_fit_are_printed():
    # Printed by rma(yi, vi, mods = ~ ablat, data = bcg): b -0.0291 [-0.0432, -0.0150],
    # QM(df = 1) = 16.3571, QE(df = 11) = 30.7331 (p 0.0012), R2 75.63 %, tau2 0.0764.
    _, figure = draw_bubble_of(by_latitude(), BCG["latitude"], moderator_unit="degrees")
    said = "".join(examples.words_of(figure)).replace("\N{NO-BREAK SPACE}", " ")
    for text in (
        "Slope of the log risk ratio: \N{MINUS SIGN}0.029 (95% CI \N{MINUS SIGN}0.043 to "
        "\N{MINUS SIGN}0.015) per unit of latitude",
        " = 16.36, df = 1, p < 0.001",
        " = 30.73, df = 11, p = 0.001, τ² = 0.076",
        "² = 76%",
        "Latitude, degrees",
    ):
        assert text in said, text


def test_groups_have_the_means_of_the_fit_in_strips_of_their_own():
    layout, figure = draw_bubble_of(by_allocation(), BCG["allocation"], moderator="allocation")
    assert layout.groups == tuple(REFERENCE["groups"]["levels"])
    means = sorted(found(figure, "mean"), key=lambda line: line.get_xdata()[0])
    assert [line.get_ydata()[0] for line in means] == pytest.approx(
        REFERENCE["groups"]["estimate"], rel=1e-8
    )
    intervals = sorted(found(figure, "mean-interval"), key=lambda line: line.get_xdata()[0])
    assert [line.get_ydata()[0] for line in intervals] == pytest.approx(
        REFERENCE["groups"]["ci_low"], rel=1e-8
    )
    assert [line.get_ydata()[1] for line in intervals] == pytest.approx(
        REFERENCE["groups"]["ci_high"], rel=1e-8
    )
    in_strip = {}
    for x, y in places(figure, "bubble"):
        in_strip.setdefault(round(x), []).append(y)
        assert abs(x - round(x)) < 0.5
    for i, level in enumerate(layout.groups):
        members = [y for y, a in zip(YI, BCG["allocation"], strict=True) if a == level]
        assert sorted(in_strip[i]) == sorted(members)
    assert "random\nk = 7" in written(figure) and "alternate\nk = 2" in written(figure)
    assert "Differences between groups" in written(figure) and "Slope" not in written(figure)


def test_bubbles_of_a_strip_do_not_cover_each_other():
    _, figure = draw_bubble_of(by_allocation(), BCG["allocation"], moderator="allocation")
    figure.set_dpi(72)
    boxes = examples.markers_of(figure, "bubble")
    for i, (x, y, r) in enumerate(boxes):
        for a, b, s in boxes[i + 1 :]:
            assert math.hypot(x - a, y - b) > max(r, s)


def test_studies_without_the_moderator_are_counted_and_not_drawn():
    values = [*BCG["latitude"][:11], None, None]
    fit = meta_regression(YI[:11], VI[:11], design_matrix({"latitude": BCG["latitude"][:11]}))
    _, figure = draw_bubble_of(fit, values)
    assert len(places(figure, "bubble")) == 11
    assert "2 studies without latitude are not shown." in written(figure)
    with pytest.raises(ValueError, match="the fit has 13 studies, 11 have latitude"):
        draw_bubble_of(by_latitude(), values)


def test_a_fit_of_other_moderators_is_refused():
    both = design_matrix({"latitude": BCG["latitude"], "year": range(13)})
    with pytest.raises(ValueError, match="not of latitude alone"):
        draw_bubble_of(meta_regression(YI, VI, both), BCG["latitude"])
    with pytest.raises(ValueError, match="not of year alone"):
        draw_bubble_of(by_latitude(), BCG["latitude"], moderator="year")
    wrong = ["quasi" if i == 0 else level for i, level in enumerate(BCG["allocation"])]
    with pytest.raises(ValueError, match="quasi, random is not one reference"):
        draw_bubble_of(by_allocation(), wrong, moderator="allocation")


@pytest.mark.parametrize("mm", [85, 174])
@pytest.mark.parametrize("moderator", ["latitude", "allocation"])
def test_bubble_plots_are_legible(moderator, mm):
    fit = by_latitude() if moderator == "latitude" else by_allocation()
    effects = bcg_effects(s2={"status": "reconstructed"}, s4={"status": "derived"})
    groups = {"systematic": "Systematic allocation by the health centres"}
    _, figure = draw_bubble_of(fit, BCG[moderator], effects, moderator, width_mm=mm, groups=groups)
    examples.assert_legible(figure, mm)
    assert len(places(figure, "bubble-hollow")) == 1
    assert sum(DAGGER in word for word in examples.words_of(figure)) == 2


# Names beside points ----------------------------------------------------------------------

PAGE = Box(0.0, 0.0, 200.0, 150.0)


@given(
    st.lists(
        st.tuples(st.floats(5, 195), st.floats(5, 145), st.floats(10, 60)), min_size=1, max_size=7
    )
)
@settings(deadline=None, max_examples=15)
def test_placed_names_touch_nothing_and_are_the_same_twice(points):
    anchors = [Anchor(x, y, 2.5, wide, 7.0) for x, y, wide in points]
    line = (0.0, 75.0, 200.0, 75.0)
    placed = place_labels(anchors, PAGE, lines=[line])
    assert repr(placed) == repr(place_labels(anchors, PAGE, lines=[line]))
    boxes = [label.box for label in placed if label is not None]
    for i, box in enumerate(boxes):
        assert box.within(PAGE) and not box.met_by(line)
        assert not any(box.meets(anchor.box) for anchor in anchors)
        assert not any(box.meets(other) for other in boxes[i + 1 :])
        for label in placed:
            if label is not None and label.leader is not None and label.box is not box:
                assert not box.met_by(label.leader)


def test_a_lonely_name_lies_beside_its_point_without_a_line():
    (label,) = place_labels([Anchor(50.0, 50.0, 2.0, 30.0, 7.0)], PAGE)
    assert label.leader is None and label.box.left == pytest.approx(53.3)
    assert (label.box.top + label.box.bottom) / 2 == pytest.approx(50.0)


def test_a_name_without_a_place_is_none_and_the_first_in_the_list_goes_before():
    small = Box(0.0, 0.0, 40.0, 20.0)
    anchors = [Anchor(5.0, 10.0, 2.0, 30.0, 12.0), Anchor(6.0, 11.0, 2.0, 30.0, 12.0)]
    first, second = place_labels(anchors, small)
    assert first is not None and second is None
    assert beside(anchors[1]).box.left > 6.0
    assert place_labels([], small) == []


@pytest.mark.parametrize(
    ("segment", "meets"),
    [
        ((0, 0, 10, 10), True),
        ((0, 5, 10, 5), True),
        ((5, 0, 5, 3.9), False),
        ((0, 0, 3, 10), False),
        ((4, 5, 6, 5), True),  # inside
        ((0, 8, 8, 0), True),  # through a corner
        ((0, 7, 7, 0), False),
        ((6.5, 5, 9, 5), False),
    ],
)
def test_segments_meet_boxes_as_geometry_has_it(segment, meets):
    assert Box(4, 4, 6, 6).met_by(segment) is meets
    assert Box(4, 4, 6, 6).met_by((*segment[2:], *segment[:2])) is meets


# Few studies, and bytes -------------------------------------------------------------------


@pytest.mark.parametrize("k", [0, 1])
def test_fewer_than_two_studies_give_a_figure_that_says_so(k):
    effects = examples.effects_of(YI[:k], VI[:k])
    said = "One study with public numbers" if k else "No study with public numbers"
    _, figure = draw_baujat_of(effects)
    assert f"{said}: no Baujat plot." in written(figure)
    _, figure = draw_influence_of(YI[:k], VI[:k], rows=[], effects=effects)
    assert f"{said}: no influence plot." in written(figure)
    with pytest.raises(ValueError, match="at least two studies|no Baujat|2"):
        baujat(YI[:k], VI[:k])


def test_the_same_figures_are_the_same_bytes(tmp_path):
    for name in ("first", "second"):
        figures = {
            "baujat": draw_baujat_of(bcg_effects())[1],
            "influence": draw_influence_of(YI[:3], VI[:3])[1],
            "bubble": draw_bubble_of(by_latitude(), BCG["latitude"])[1],
        }
        for chart, figure in figures.items():
            kinds = ("svg", "pdf") if chart == "bubble" else ("svg",)
            save_figure(figure, [tmp_path / f"{chart}.{name}.{kind}" for kind in kinds])
    for path in sorted(tmp_path.glob("*.first.*")):
        other = path.with_name(path.name.replace("first", "second"))
        assert path.read_bytes() == other.read_bytes() and path.stat().st_size > 5000
