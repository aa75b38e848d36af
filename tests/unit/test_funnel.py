"""Funnel plots, read back from their layout, the artists and the saved files."""

import math
from dataclasses import replace

import chart_examples as examples
import numpy as np
import pytest
from chart_examples import found, places, written
from forest_examples import empty
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.colors import to_hex

from forestry.figures.chart_axis import effect_axis, linear_axis
from forestry.figures.funnel import draw_funnel
from forestry.figures.funnel_layout import FunnelSettings, funnel_layout
from forestry.figures.save import save_figure
from forestry.inverse_variance import fit_random
from forestry.scales import to_display
from forestry.trim_and_fill import TrimAndFill, trim_and_fill

# Two-sided 10, 5 and 1 %, as tables of the normal distribution print them.
Z = {0.1: 1.6448536269514722, 0.05: 1.959963984540054, 0.01: 2.5758293035489004}

YI = [-0.9, -1.6, -1.3, -1.4, -0.2, -0.8, -1.6, 0.0, -0.5, -1.4, -0.3, 0.4]
VI = [0.33, 0.19, 0.42, 0.02, 0.05, 0.007, 0.22, 0.004, 0.056, 0.073, 0.012, 0.53]


def draw(effects, link=-0.7, left_out=(), filled=None, estimate=None, **more):
    kept = len(effects) - len(left_out)
    estimates = estimate or examples.estimate_of(effects, link, kept)
    weights = examples.weights_of(effects, left_out)
    chosen = examples.settings_of(FunnelSettings, effects, **more)
    layout = funnel_layout(effects, estimates, weights, chosen, filled)
    return layout, draw_funnel(layout)


def triangle(figure, gid):
    (drawn,) = found(figure, gid)
    assert drawn.get_transform() == drawn.axes.transData
    return [tuple(map(float, point)) for point in drawn.get_xy()[:3]]


def ends(figure, gid):
    (line,) = found(figure, gid)
    assert line.get_transform() == line.axes.transData
    return list(zip(*map(list, line.get_data()), strict=True))


# Points and lines -------------------------------------------------------------------------


def test_each_study_is_a_point_at_its_effect_and_standard_error():
    _, figure = draw(examples.effects_of(YI, VI))
    expected = [(y, math.sqrt(v)) for y, v in zip(YI, VI, strict=True)]
    assert places(figure, "study") == expected


def test_standard_errors_run_downwards_from_zero_and_every_point_is_in_the_panel():
    layout, figure = draw(examples.effects_of(YI, VI))
    panel = found(figure, "study")[0].axes
    bottom, top = panel.get_ylim()
    assert bottom > max(VI) ** 0.5 > top == 0
    low, high = panel.get_xlim()
    assert low < min(YI) and high > max(YI)
    assert (layout.x.low, layout.x.high) == (low, high)


def test_the_region_is_the_pooled_value_plus_and_minus_1_96_standard_errors():
    layout, figure = draw(examples.effects_of(YI, VI), link=-0.7)
    deepest = layout.y.low
    left, tip, right = ends(figure, "region")
    assert tip == (-0.7, 0.0)
    assert left == pytest.approx((-0.7 - Z[0.05] * deepest, deepest), rel=1e-12)
    assert right == pytest.approx((-0.7 + Z[0.05] * deepest, deepest), rel=1e-12)
    assert ends(figure, "pooled") == [(-0.7, 0.0), (-0.7, deepest)]


def test_the_region_has_the_declared_level():
    _, figure = draw(examples.effects_of(YI, VI), level=0.9)
    left, tip, _ = ends(figure, "region")
    assert (tip[0] - left[0]) / left[1] == pytest.approx(Z[0.1], rel=1e-12)
    assert "Pseudo-90% confidence region" in written(figure)


@pytest.mark.parametrize(
    ("measure", "scale", "about"),
    [
        ("risk_ratio", "log", 0.0),
        ("odds_ratio", "log", 0.0),
        ("mean_change", "identity", 0.0),
        ("mean_difference", "identity", 0.0),
        ("standardized_mean_difference", "identity", 0.0),
        ("risk_difference", "identity", 0.0),
        ("proportion", "logit", -0.7),
        ("mean", "identity", -0.7),
    ],
)
def test_contours_lie_about_no_effect_or_about_the_pooled_value_where_there_is_none(
    measure, scale, about
):
    layout, figure = draw(examples.effects_of(YI, VI, measure, scale), link=-0.7)
    deepest = layout.y.low
    for p, z in Z.items():
        tip, left, right = triangle(figure, f"contour-{p:g}")
        assert tip == (about, 0.0)
        assert left == pytest.approx((about - z * deepest, deepest), rel=1e-12)
        assert right == pytest.approx((about + z * deepest, deepest), rel=1e-12)
    said = written(figure)
    assert ("Test of no effect" in said) == (about == 0.0)
    assert ("Pseudo-confidence regions about the pooled estimate" in said) == (about != 0.0)
    assert bool(found(figure, "null")) == (about == 0.0)


def test_contours_are_told_apart_and_narrower_ones_lie_upon_wider():
    _, figure = draw(examples.effects_of(YI, VI))
    contours = [found(figure, f"contour-{p:g}")[0] for p in (0.01, 0.05, 0.1)]
    order = [figure.axes[1].patches.index(contour) for contour in contours]
    assert order == sorted(order)
    greys = [sum(contour.get_facecolor()[:3]) / 3 for contour in contours]
    assert greys[2] == 1.0 and greys[2] - greys[1] > 0.1 and greys[0] - greys[1] > 0.06
    shades = {to_hex(contour.get_facecolor()) for contour in contours}
    keys = {to_hex(found(figure, f"key-shade{i}")[0].get_facecolor()) for i in range(3)}
    assert keys == shades


def test_no_effect_that_is_far_away_is_left_off_the_axis_and_the_figure_says_so():
    yi = [100.0, 103.0, 98.0]
    layout, figure = draw(
        examples.effects_of(yi, [1.0, 2.0, 3.0], "mean_change", "identity"), link=100.0
    )
    assert layout.x.low > 50
    assert "No effect lies beyond the axis" in written(figure)
    near, _ = draw(
        examples.effects_of([6.0, 8.0, 4.0], [1.0, 2.0, 3.0], "mean_change", "identity"), link=6.0
    )
    assert near.x.low < 0 < near.x.high and not any("beyond" in note for note in near.notes)


# Marks ------------------------------------------------------------------------------------


def test_reconstructed_studies_are_hollow_and_marked_and_derived_ones_marked():
    effects = examples.effects_of(YI, VI, s2={"status": "reconstructed"}, s4={"status": "derived"})
    _, figure = draw(effects)
    assert places(figure, "study-hollow") == [(YI[2], VI[2] ** 0.5)]
    assert len(places(figure, "study")) == len(YI) - 1
    (hollow,) = found(figure, "study-hollow")
    assert to_hex(hollow.get_facecolor()[0]) == "#ffffff" != to_hex(hollow.get_edgecolor()[0])
    texts = examples.words_of(figure)
    # In the key, and beside the point (after the name where it has one).
    assert sum("\N{DAGGER}" in text for text in texts) == 2
    assert sum("\N{DOUBLE DAGGER}" in text for text in texts) == 2
    assert "12 studies (1 reconstructed, 1 derived)" in texts


def test_a_dagger_stands_nearest_to_its_own_point():
    effects = examples.effects_of(YI, VI, s2={"status": "reconstructed"})
    _, figure = draw(effects, name_outliers=False)
    ((_, box),) = [pair for pair in examples.texts_of(figure) if pair[0].get_text() == "\N{DAGGER}"]
    middle = ((box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2)
    points = examples.markers_of(figure, "study", "study-hollow")
    distances = [math.hypot(x - middle[0], y - middle[1]) for x, y, _ in points]
    assert distances.index(min(distances)) == len(points) - 1  # the hollow one is the last


def test_studies_that_a_variant_left_out_are_crosses_apart_from_the_others():
    _, figure = draw(examples.effects_of(YI, VI), left_out=("s0", "s7"))
    assert places(figure, "left-out") == [(YI[i], VI[i] ** 0.5) for i in (0, 7)]
    assert len(places(figure, "study")) == 10
    assert "Left out by the variant" in written(figure) and "10 studies" in written(figure)
    assert "Left out" not in written(draw(examples.effects_of(YI, VI))[1])


def test_studies_without_numbers_are_not_drawn():
    effects = examples.effects_of(YI, VI)
    effects[3] = replace(effects[3], usable=False, yi=None, vi=None)
    layout, figure = draw(effects, estimate=examples.estimate_of(effects, -0.7, 11))
    assert len(layout.points) == len(places(figure, "study")) == 11


def test_coincident_studies_say_how_many_of_them_have_which_mark():
    """A reconstructed study is never hidden by another at its place, nor takes it for its own."""
    yi, vi = [1.0] * 3 + [2.0] * 2 + [3.0] * 2, [0.3] * 3 + [0.1] * 2 + [0.2] * 2
    states = ("derived", "reconstructed", "reported", "reported", "reported")
    effects = [
        replace(effect, status=status)
        for effect, status in zip(
            examples.effects_of(yi, vi, "proportion", "logit"),
            (*states, "reconstructed", "reconstructed"),
            strict=True,
        )
    ]
    _, figure = draw(effects, link=1.5)
    for said in ("×3 (1‡, 1†)", "† ×2"):
        assert said in written(figure)
    assert written(figure).count("×2") == 2


def test_coincident_studies_are_counted_and_overlapping_ones_shine_through():
    effects = examples.effects_of([1.0, 1.0, 1.0, 2.0], [0.3, 0.3, 0.3, 0.1], "proportion", "logit")
    layout, figure = draw(effects, link=1.2)
    assert [point.times for point in layout.points] == [3, 0, 0, 1]
    assert places(figure, "study")[:3] == [(1.0, 0.3**0.5)] * 3
    assert "×3" in written(figure)
    (points,) = found(figure, "study")
    assert points.get_facecolor()[0][3] < 1 and points.get_edgecolor()[0][3] == 1


def test_the_studies_outside_the_region_are_named_if_asked_and_no_others():
    yi, vi = [0.0, 0.1, 2.0, -0.1], [0.1, 0.2, 0.09, 0.3]
    effects = examples.effects_of(yi, vi)
    layout, figure = draw(effects, link=0.0)
    assert [point.outside for point in layout.points] == [False, False, True, False]
    assert "Author 2 2002" in written(figure) and "Author 1" not in written(figure)
    assert "Named studies lie outside the pseudo-95% confidence region." in written(figure)
    assert "Author" not in written(draw(effects, link=0.0, name_outliers=False)[1])


# Trim and fill ----------------------------------------------------------------------------


def filled_in(yi, vi):
    return trim_and_fill(yi, vi, lambda y, v: fit_random(y, v, "REML"), side="right")


def test_points_of_trim_and_fill_are_hollow_of_another_shape_and_mirror_studies():
    found_ = filled_in(YI, VI)
    assert found_.k0 > 0
    layout, figure = draw(examples.effects_of(YI, VI), filled=found_)
    added = places(figure, "added")
    assert len(added) == found_.k0
    for y, se in added:
        mirrored = 2 * found_.centre - y
        assert any(
            math.isclose(mirrored, yi, rel_tol=1e-9) and math.isclose(se**2, vi, rel_tol=1e-9)
            for yi, vi in zip(YI, VI, strict=True)
        )
        assert layout.x.low < y < layout.x.high
    (points,), (studies,) = found(figure, "added"), found(figure, "study")
    assert to_hex(points.get_facecolor()[0]) == "#ffffff"
    assert len(points.get_paths()[0].vertices) != len(studies.get_paths()[0].vertices)
    assert ends(figure, "filled-pooled")[0][0] == found_.fit.estimate
    shown = f"{math.exp(found_.fit.estimate):.2f}"
    assert f"With those added: {shown}" in written(figure)
    assert "Added by trim and fill (L0)" in written(figure)


def test_trim_and_fill_that_adds_nothing_says_so():
    yi, vi = np.array(YI), np.array(VI)
    none = TrimAndFill(
        "left", "L0", len(yi), 0, None, yi, vi, np.zeros(len(yi), bool), 0.0, None, 1, ""
    )
    _, figure = draw(examples.effects_of(YI, VI), filled=none)
    assert "Trim and fill (L0) adds no study." in written(figure)
    assert places(figure, "added") == [] and found(figure, "filled-pooled") == []


def test_trim_and_fill_of_other_studies_is_refused():
    other = filled_in([y + 0.01 for y in YI], VI)
    with pytest.raises(ValueError, match="not made of the studies"):
        draw(examples.effects_of(YI, VI), filled=other)
    with pytest.raises(ValueError, match="not made of the studies"):
        draw(examples.effects_of(YI, VI), left_out=("s0",), filled=filled_in(YI, VI))


# Few studies ------------------------------------------------------------------------------


@pytest.mark.parametrize("mm", [85, 174])
def test_no_study_and_one_study_give_a_figure_that_says_so(mm):
    for effects, left_out, said in (
        ([], (), "No study with public numbers: no funnel plot."),
        (examples.effects_of([0.2], [0.1]), (), "One study with public numbers: no funnel plot."),
        (examples.effects_of([0.2], [0.1]), ("s0",), "No study left in this analysis"),
        (examples.effects_of([0.2, 1], [0.1, 1]), ("s0",), "One study left in this analysis"),
    ):
        k = len(effects) - len(left_out)
        estimate = examples.estimate_of(effects, None, k, "none")[:1]
        layout, figure = draw(effects, left_out=left_out, estimate=estimate, width_mm=mm)
        assert said in written(figure) and examples.TITLE.split(",")[0] in written(figure)
        assert layout.x is None and len(figure.axes) == 1
        examples.assert_legible(figure, mm)


@pytest.mark.parametrize(("k", "few"), [(2, True), (9, True), (10, False)])
def test_fewer_than_ten_studies_are_said_to_be_few(k, few):
    _, figure = draw(examples.effects_of(YI[:k], VI[:k]))
    assert ("Fewer than 10 studies" in written(figure)) == few
    assert f"{k} studies" in written(figure)


def test_without_a_fitted_model_there_is_no_funnel_and_the_figure_says_why():
    effects = examples.effects_of([3.0, 2.5, 3.4], [2.1, 2.2, 2.3], "proportion", "logit")
    row = examples.estimate_of(effects, None, model="common", note="all participants responded")[:1]
    _, figure = draw(effects, estimate=row)
    assert len(places(figure, "study")) == 3
    assert found(figure, "region") == found(figure, "pooled") == []
    assert found(figure, "contour-0.05") == []
    assert "No model was fitted: no funnel. All participants responded." in written(figure)


# Axes -------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", ["log", "logit", "arcsine", "double_arcsine"])
def test_ticks_are_labelled_with_the_values_that_readers_know(scale):
    measure = "risk_ratio" if scale == "log" else "proportion"
    low, high = (-1.9, 0.9) if scale == "log" else (0.2, 1.3)
    axis = effect_axis(low, high, measure, scale, "Effect", n_harmonic=17.5)
    assert len(axis.ticks) >= 4 and axis.label.startswith("Effect (")
    factor = 1 if scale == "log" else 100
    for tick, label in zip(axis.ticks, axis.tick_labels, strict=True):
        assert low <= tick <= high
        assert float(to_display(tick, scale, 17.5)) * factor == pytest.approx(
            float(label), rel=1e-9
        )
    assert scale.replace("_", "-") in axis.label


@given(
    st.sampled_from(["log", "logit", "arcsine", "double_arcsine"]),
    st.floats(0.05, 0.9),
    st.floats(0.01, 0.6),
)
@settings(deadline=None, max_examples=150)
def test_an_axis_has_ticks_that_are_its_labels_whatever_its_length(scale, low, length):
    shown = np.array([low, min(low + length, 0.98)])
    inverse = {"log": np.log, "logit": lambda p: np.log(p / (1 - p))}
    ends = inverse.get(scale, lambda p: np.arcsin(np.sqrt(p)))(shown)
    measure = "risk_ratio" if scale == "log" else "proportion"
    axis = effect_axis(*map(float, ends), measure, scale, "", n_harmonic=40.0)
    assert 2 <= len(axis.ticks) <= 12
    assert list(axis.ticks) == sorted(set(axis.ticks))
    assert all(ends[0] - 1e-9 <= tick <= ends[1] + 1e-9 for tick in axis.ticks)
    factor = 1 if scale == "log" else 100
    values = [float(to_display(tick, scale, 40.0)) * factor for tick in axis.ticks]
    assert values == pytest.approx([float(label) for label in axis.tick_labels], rel=1e-6)


def test_proportions_have_the_scale_of_analysis_over_the_panel():
    _, figure = draw(examples.effects_of(YI, VI, "proportion", "logit"))
    assert "Proportion, % (logit scale)" in written(figure)
    assert "Logit of the proportion" in written(figure)
    assert "Standard error of the logit" in written(figure)
    _, figure = draw(examples.effects_of(YI, VI))
    assert "Risk ratio (log scale)" in written(figure)
    assert "Standard error of the log risk ratio" in written(figure)


def test_raw_proportions_are_in_percent_and_keep_to_what_a_proportion_can_be():
    effects = examples.effects_of([0.5, 0.95, 0.8], [0.04, 0.001, 0.01], "proportion", "raw")
    layout, figure = draw(effects, link=0.85)
    assert layout.x.low > -0.05 and layout.x.high < 1.05
    assert layout.x.tick_labels[-1] == "100" and layout.x.ticks[-1] == 1.0
    assert layout.y.tick_labels[0] == "0"
    step = layout.y.ticks[1]
    assert float(layout.y.tick_labels[1]) == pytest.approx(100 * step)
    assert "Standard error, percentage points" in written(figure)


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6), st.integers(2, 6), st.sampled_from([1.0, 100.0]))
@settings(deadline=None, max_examples=200)
def test_linear_ticks_lie_on_the_axis_and_their_labels_are_their_values(low, length, steps, factor):
    high = low + length
    if high - low < 1e-9 * max(abs(low), abs(high)):
        return
    axis = linear_axis(low, high, "", steps, factor)
    slack = 1e-6 * (high - low)
    assert all(low - slack <= tick <= high + slack for tick in axis.ticks)
    assert len(axis.ticks) <= steps + 1
    shown = [float(label.replace("\N{MINUS SIGN}", "-")) for label in axis.tick_labels]
    assert shown == pytest.approx([tick * factor for tick in axis.ticks], rel=1e-9, abs=1e-12)


# Refusals ---------------------------------------------------------------------------------


def test_what_does_not_belong_together_is_refused():
    effects = examples.effects_of(YI, VI)
    with pytest.raises(ValueError, match="effects are risk_ratio, not proportion"):
        draw(effects, measure="proportion")
    with pytest.raises(ValueError, match="has 5 studies, the weights 12"):
        draw(effects, estimate=examples.estimate_of(effects, -0.7, 5))
    with pytest.raises(ValueError, match="no selected estimate"):
        draw(effects, estimate=examples.estimate_of(effects, -0.7)[1:])
    with pytest.raises(ValueError, match="s0 of response has no weight"):
        draw(effects, variant="no_abstracts")
    chosen = examples.settings_of(FunnelSettings, effects)
    with pytest.raises(ValueError, match="s11 of response has no weight"):
        weights = examples.weights_of(effects)[:-1]
        funnel_layout(effects, examples.estimate_of(effects, -0.7), weights, chosen)
    with pytest.raises(ValueError, match="usable but has no effect"):
        draw([empty(type(effects[0]), usable=True, study_id="s0", measure="risk_ratio")] * 2)
    with pytest.raises(ValueError, match="unknown heigth"):
        examples.settings_of(FunnelSettings, effects, heigth=3)


def test_settings_of_a_forest_plot_do():
    effects = examples.effects_of(YI, VI)
    arms = {"arms": {"treated": "Vaccine", "control": "None"}, "favours": {"above": "none"}}
    chosen = examples.settings_of(FunnelSettings, effects, **arms)
    assert chosen.width_mm == 85 and chosen.name_outliers


# The figure -------------------------------------------------------------------------------


def crowd():
    """Thirty studies, some alike, of every status."""
    rng = np.random.default_rng(7)
    vi = rng.uniform(0.01, 1.2, 30)
    yi = 1.2 + rng.normal(size=30) * np.sqrt(vi + 0.2)
    yi[5:8], vi[5:8] = 1.9, 0.8
    more = {f"s{i}": {"status": "reconstructed"} for i in (3, 11, 19)}
    more |= {f"s{i}": {"status": "derived"} for i in (4, 6, 20)}
    return yi.tolist(), vi.tolist(), more


@pytest.mark.parametrize("mm", [85, 174])
@pytest.mark.parametrize("kind", ["ratios", "proportions", "crowd", "left_out", "filled", "two"])
def test_texts_are_legible_and_keep_clear_of_each_other_and_of_points(kind, mm):
    more = {"width_mm": mm}
    if kind == "ratios":
        effects = examples.effects_of(YI, VI)
    elif kind == "proportions":
        effects = examples.effects_of(YI, VI, "proportion", "logit", s3={"status": "derived"})
    elif kind == "crowd":
        yi, vi, statuses = crowd()
        effects = examples.effects_of(yi, vi, "proportion", "logit", **statuses)
        more["link"] = 1.2
    elif kind == "left_out":
        effects = examples.effects_of(YI, VI)
        more["left_out"] = ("s1", "s9")
    elif kind == "filled":
        effects = examples.effects_of(YI, VI)
        more["filled"] = filled_in(YI, VI)
    else:
        effects = examples.effects_of([0.8, 0.9], [0.01, 0.02], "proportion", "double_arcsine")
        more["link"] = 0.85
    _, figure = draw(effects, **more)
    examples.assert_legible(figure, mm, "study", "study-hollow", "left-out", "added")


def test_the_same_figure_is_the_same_bytes(tmp_path):
    kinds = ("pdf", "svg", "png")
    for name in ("first", "second"):
        _, figure = draw(examples.effects_of(YI, VI, s2={"status": "reconstructed"}))
        save_figure(figure, [tmp_path / f"{name}.{kind}" for kind in kinds])
    for kind in kinds:
        one, two = (tmp_path / f"{name}.{kind}" for name in ("first", "second"))
        assert one.read_bytes() == two.read_bytes()
    svg = (tmp_path / "first.svg").read_text(encoding="utf-8")
    assert ">Risk ratio (log scale)</text>" in svg and "@font-face" in svg
    pdf = (tmp_path / "first.pdf").read_bytes()
    assert b"SourceSansPro-Regular" in pdf and b"/Type3" not in pdf
