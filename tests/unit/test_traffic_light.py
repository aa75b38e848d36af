"""Traffic-light plots and star matrices: what is judged, the artists and the files read back."""

import re
from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex, to_rgb
from matplotlib.text import Text

from forestry.figures.save import RC, save_figure
from forestry.figures.text import width
from forestry.figures.traffic_light import draw_matrix
from forestry.figures.traffic_light_layout import (
    JUDGEMENTS,
    StarItem,
    StarSettings,
    TrafficLightSettings,
    star_matrix_layout,
    summary_shares,
    traffic_light_layout,
)

DOMAINS = {
    "random_sequence": "Random sequence",
    "allocation_concealment": "Allocation concealment",
    "blinding_participants": "Blinding of participants",
    "incomplete_data": "Incomplete data",
}
LABELS = {
    "adler2001": "Adler 2001",
    "baum2002": "Baum 2002",
    "cole2003": "Cole 2003 (a longer name)",
}
JUDGED = [
    {"study_id": study, **dict(zip(DOMAINS, row, strict=True)), "basis": "as published"}
    for study, row in {
        "adler2001": ("low", "unclear", "high", ""),
        "baum2002": ("low", "unclear", "low", "low"),
        "cole2003": ("low", "low", "low", "high"),
    }.items()
]
LIGHTS = TrafficLightSettings(LABELS, DOMAINS)
WEIGHTED = replace(
    LIGHTS,
    weights={"adler2001": 50.0, "baum2002": 30.0, "cole2003": 20.0},
    weighted_by="number of patients",
)

ITEMS = {
    "selection1": StarItem("Represen\u00adtative cohort", "Selection"),
    "selection2": StarItem("Exposure", "Selection"),
    "comparability": StarItem("Comparability", most=2),
    "outcome1": StarItem("Assessment", "Outcome"),
    "outcome2": StarItem("Complete follow-up", "Outcome"),
}
STARRED = [
    {"study_id": study, **dict(zip(ITEMS, row, strict=True)), "basis": ""}
    for study, row in {
        "adler2001": ("1", "0", "2", "1", "1"),
        "baum2002": ("", "0", "0", "", ""),
        "cole2003": ("", "", "", "", ""),
    }.items()
]
STARS = StarSettings(LABELS, ITEMS)

both_widths = pytest.mark.parametrize("mm", [174, 85])


def lights(mm=174, settings=LIGHTS, judged=JUDGED):
    layout = traffic_light_layout(judged, replace(settings, width_mm=mm))
    return layout, draw_matrix(layout)


def stars(mm=174, settings=STARS, judged=STARRED):
    layout = star_matrix_layout(judged, replace(settings, width_mm=mm))
    return layout, draw_matrix(layout)


def found(figure, prefix):
    return figure.findobj(lambda x: (x.get_gid() or "").startswith(prefix))


def extents(figure):
    """Every text with its box, in points upwards."""
    figure.set_dpi(72)
    with rc_context(RC):
        renderer = FigureCanvasAgg(figure).get_renderer()
        figure.draw(renderer)
        shown = [t for t in figure.findobj(Text) if t.get_text().strip() and t.axes is not None]
        return [(t.get_text(), t.get_window_extent(renderer)) for t in shown]


def changed(rows, study, **cells):
    return [row | cells if row["study_id"] == study else row for row in rows]


# What is judged ---------------------------------------------------------------------------


def test_shares_are_those_of_the_studies_and_not_judged_is_one_of_them():
    shares = summary_shares(JUDGED, LIGHTS)
    third = pytest.approx(1 / 3, rel=1e-14)
    assert shares["random_sequence"] == {"low": 1.0, "unclear": 0.0, "high": 0.0, "": 0.0}
    assert shares["incomplete_data"] == {"low": third, "unclear": 0.0, "high": third, "": third}
    assert summary_shares([], LIGHTS) == {}


def test_weighted_shares_are_those_of_the_weights():
    shares = summary_shares(JUDGED, WEIGHTED)
    assert shares["allocation_concealment"] == pytest.approx(
        {"low": 0.2, "unclear": 0.8, "high": 0, "": 0}, rel=1e-14
    )
    assert shares["incomplete_data"] == pytest.approx(
        {"low": 0.3, "unclear": 0, "high": 0.2, "": 0.5}, rel=1e-14
    )


@given(st.lists(st.tuples(st.sampled_from(list(JUDGEMENTS)), st.floats(1e-3, 1e3)), min_size=1))
def test_shares_add_up_to_one_and_do_not_know_the_scale_of_the_weights(rows):
    judged = [{"study_id": f"s{i}", "other": judgement} for i, (judgement, _) in enumerate(rows)]
    settings = TrafficLightSettings(
        {row["study_id"]: row["study_id"] for row in judged},
        {"other": "Other"},
        weights={f"s{i}": weight for i, (_, weight) in enumerate(rows)},
        weighted_by="precision",
    )
    doubled = replace(settings, weights={s: 2 * weight for s, weight in settings.weights.items()})
    shares = summary_shares(judged, settings)["other"]
    assert sum(shares.values()) == pytest.approx(1, rel=1e-12)
    assert shares == summary_shares(judged, doubled)["other"]


@pytest.mark.parametrize(
    ("rows", "settings", "message"),
    [
        (
            changed(JUDGED, "baum2002", incomplete_data="Low"),
            LIGHTS,
            "baum2002, incomplete_data: '",
        ),
        (changed(JUDGED, "baum2002", other="low"), LIGHTS, "no label for domain other"),
        (changed(JUDGED, "baum2002", study_id="dorn2004"), LIGHTS, "no label for study dorn2004"),
        ([*JUDGED, JUDGED[0]], LIGHTS, "study adler2001 is judged twice"),
        (JUDGED, replace(LIGHTS, domains=DOMAINS | {"x": "X"}), "study adler2001 has no domain x"),
        (
            JUDGED,
            replace(WEIGHTED, weights={"adler2001": 1.0, "cole2003": 1.0}),
            "no weight for study baum2002",
        ),
    ],
)
def test_wrong_judgements_are_refused_by_name(rows, settings, message):
    with pytest.raises(ValueError, match=message):
        traffic_light_layout(rows, settings)


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"selection1": "2"}, "baum2002, selection1: '2' is not 0 to 1"),
        ({"comparability": "3"}, "baum2002, comparability: '3' is not 0 to 2"),
        ({"outcome1": "yes"}, "baum2002, outcome1: 'yes'"),
        ({"outcome3": "1"}, "no label for item outcome3"),
    ],
)
def test_wrong_stars_are_refused_by_name(cells, message):
    with pytest.raises(ValueError, match=message):
        star_matrix_layout(changed(STARRED, "baum2002", **cells), STARS)


def test_wrong_settings_are_refused():
    with pytest.raises(ValueError, match="width_mm is 60"):
        replace(LIGHTS, width_mm=60)
    with pytest.raises(ValueError, match="need weighted_by"):
        replace(WEIGHTED, weighted_by="")
    for weight in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="weight of study adler2001"):
            replace(WEIGHTED, weights={"adler2001": weight})
    many = {f"d{i}": f"D{i}" for i in range(60)}
    row = {"study_id": "adler2001", **dict.fromkeys(many, "low")}
    with pytest.raises(ValueError, match="60 columns of a matrix have no room"):
        traffic_light_layout([row], TrafficLightSettings(LABELS, many))


# Traffic lights ---------------------------------------------------------------------------


@both_widths
def test_every_judgement_is_a_circle_of_its_colour_around_its_symbol(mm):
    layout, figure = lights(mm)
    placed = [light for light in layout.lights if light.study]
    assert {(x.study, x.domain): x.judgement for x in placed} == {
        (row["study_id"], domain): row[domain] for row in JUDGED for domain in DOMAINS
    }
    texts = extents(figure)
    for judgement, look in JUDGEMENTS.items():
        circles = found(figure, f"light-{judgement or 'none'}")
        # One more in the key.
        assert len(circles) == sum(x.judgement == judgement for x in placed) + 1
        for circle in circles:
            assert to_hex(circle.get_facecolor()) == look.colour
            at = circle.get_window_extent()
            (inside,) = [(t, box) for t, box in texts if at.overlaps(box)]
            assert inside[0] == look.symbol
            middle = (inside[1].x0 + inside[1].x1) / 2
            assert middle == pytest.approx((at.x0 + at.x1) / 2, abs=0.6)


def test_symbols_differ_and_are_read_on_their_colours():
    assert len({look.symbol for look in JUDGEMENTS.values()}) == len(JUDGEMENTS)
    ink = luminance(lights()[0].style.ink)
    brightness = [luminance(look.colour) for look in JUDGEMENTS.values()]
    assert min((x + 0.05) / (ink + 0.05) for x in brightness) > 4.5  # WCAG 2, AA
    # In grey, too, the colours are apart.
    for one, two in combinations(brightness, 2):
        assert (max(one, two) + 0.05) / (min(one, two) + 0.05) > 1.25


def luminance(colour):
    """Relative luminance (WCAG 2)."""
    linear = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in to_rgb(colour)]
    return sum(share * x for share, x in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_circles_stand_in_the_row_of_their_study_and_the_column_of_their_domain():
    layout, _ = lights()
    rows = {x.study: {y.y for y in layout.lights if y.study == x.study} for x in layout.lights}
    columns = {
        x.domain: {y.x for y in layout.lights if y.domain == x.domain} for x in layout.lights
    }
    for study in LABELS:
        (y,) = rows[study]
        label = next(text for text in layout.texts if text.text == LABELS[study])
        assert 0 < label.y - y < 0.5 * label.size
    middles = [columns[domain] for domain in DOMAINS]
    assert all(len(x) == 1 for x in middles)
    assert middles == sorted(middles, key=min)
    assert [min(rows[study]) for study in LABELS] == sorted(min(rows[study]) for study in LABELS)


@pytest.mark.parametrize("settings", [LIGHTS, WEIGHTED])
def test_bars_are_as_long_as_the_shares_and_say_them(settings):
    layout, figure = lights(settings=settings)
    shares = summary_shares(JUDGED, settings)
    texts = [t for t, _ in extents(figure)]
    whole = {sum(bar.width for bar in layout.bars if bar.domain == d) for d in DOMAINS}
    assert max(whole) == pytest.approx(min(whole))
    for domain, of_domain in shares.items():
        left = min(bar.left for bar in layout.bars)
        for judgement, share in of_domain.items():
            bars = found(figure, f"bar-{domain}-{judgement or 'none'}")
            assert len(bars) == (share > 0)
            for bar in bars:
                assert bar.get_width() == pytest.approx(share * max(whole))
                assert bar.get_x() == pytest.approx(left)
                assert to_hex(bar.get_facecolor()) == JUDGEMENTS[judgement].colour
                said = f"{JUDGEMENTS[judgement].symbol}\xa0\xa0{100 * share:.0f}%"
                assert said in texts
                left += bar.get_width()
    named = "Share, weighted by number of patients" if settings.weights else "Share of studies"
    assert named in texts


def test_a_short_bar_has_a_symbol_or_nothing_but_never_a_text_beyond_it():
    weights = {"adler2001": 1.0, "baum2002": 95.0, "cole2003": 4.0}
    layout, figure = lights(85, replace(WEIGHTED, weights=weights))
    extents(figure)
    bars = {bar.get_gid(): bar.get_window_extent() for bar in found(figure, "bar-")}
    said = [(t, box) for t, box in extents(figure) if "\xa0\xa0" in t or t in "+?−·"]
    for text, box in said:
        for at in bars.values():
            if at.overlaps(box):
                assert at.x0 <= box.x0 and box.x1 <= at.x1, text
    high = bars["bar-incomplete_data-high"]
    assert [text for text, box in said if high.overlaps(box)] == ["−"]


def test_without_a_summary_there_are_no_bars_and_without_studies_no_lights():
    layout, figure = lights(settings=replace(LIGHTS, summary=False))
    assert layout.bars == () and "Share of studies" not in [t for t, _ in extents(figure)]
    layout, figure = lights(judged=[])
    assert layout.bars == () and not [light for light in layout.lights if light.study]
    assert {light.judgement for light in layout.lights} == {"low", "unclear", "high"}


# Stars ------------------------------------------------------------------------------------


@both_widths
def test_stars_are_filled_where_given_open_where_not_and_absent_where_not_judged(mm):
    layout, figure = stars(mm)
    for row in STARRED:
        for key, item in ITEMS.items():
            here = [s.filled for s in layout.stars if (s.study, s.item) == (row["study_id"], key)]
            given = int(row[key]) if row[key] else None
            wanted = [] if given is None else [i < given for i in range(item.most)]
            assert here == wanted
    filled, hollow = found(figure, "star-filled"), found(figure, "star-open")
    assert (len(filled), len(hollow)) == (5 + 1, 4 + 1)  # and the key
    assert {to_hex(star.get_facecolor()) for star in hollow} == {"#ffffff"}
    assert "#ffffff" not in {to_hex(star.get_facecolor()) for star in filled}
    assert all(len(star.get_xy()) == 11 for star in filled + hollow)


def test_what_could_not_be_judged_is_a_dash_and_no_zero():
    layout, figure = stars()
    texts = [t for t, _ in extents(figure)]
    # Three items of one study, five and the total of the other, and the key.
    assert texts.count("–") == 3 + 5 + 1 + 1
    assert [t for t in texts if t.endswith("/5")] == ["5/5", "2/5", "0/5"]
    totals = {t.text: t.bold for t in layout.texts if re.fullmatch(r"\d+", t.text)}
    assert totals == {"5": True, "0": False}
    assert "Could not be judged" in texts
    whole = [row for row in STARRED if row["study_id"] == "adler2001"]
    assert "Could not be judged" not in [t for t, _ in extents(stars(judged=whole)[1])]


# Pages ------------------------------------------------------------------------------------

MATRICES = {
    "lights": lights,
    "weighted": lambda mm: lights(mm, replace(WEIGHTED, title="Risk of bias")),
    "no study": lambda mm: lights(mm, judged=[]),
    "stars": stars,
    "titled stars": lambda mm: stars(mm, replace(STARS, title="Newcastle-Ottawa scale")),
}
every_matrix = pytest.mark.parametrize("matrix", MATRICES)


@every_matrix
@both_widths
def test_no_text_overlaps_another_or_leaves_the_page(matrix, mm):
    layout, figure = MATRICES[matrix](mm)
    assert figure.get_figwidth() * 25.4 == pytest.approx(mm)
    texts = extents(figure)
    for text, box in texts:
        assert box.x0 >= 0 and box.y0 >= 0, text
        assert box.x1 <= figure.bbox.width and box.y1 <= figure.bbox.height, text
    for (a, one), (b, two) in combinations(texts, 2):
        across = min(one.x1, two.x1) - max(one.x0, two.x0)
        down = min(one.y1, two.y1) - max(one.y0, two.y0)
        # Boxes hold room for descenders; those of turned lines lie side by side.
        assert across <= 1.2 or down <= 0.3, (a, b)
    assert min(t.get_fontsize() for t in figure.findobj(Text) if t.get_text()) >= 6


@every_matrix
@both_widths
def test_marks_keep_clear_of_each_other_and_of_foreign_text(matrix, mm):
    layout, figure = MATRICES[matrix](mm)
    symbols = {look.symbol for look in JUDGEMENTS.values()}
    texts = [box for text, box in extents(figure) if text not in symbols]
    marks = [mark.get_window_extent() for mark in found(figure, "light-") + found(figure, "star-")]
    for mark in marks:
        assert mark.x0 >= 0 and mark.x1 <= figure.bbox.width and mark.y0 >= 0
        assert not any(mark.overlaps(box) for box in texts)
    for one, two in combinations(marks, 2):
        assert not one.overlaps(two)


def test_heads_are_turned_where_a_word_is_wider_than_its_column():
    wide, _ = lights(174)
    narrow, figure = lights(85, replace(LIGHTS, domains={k: v * 2 for k, v in DOMAINS.items()}))
    assert wide.turned == () and len(narrow.turned) >= len(DOMAINS)
    turned = [t for t in figure.findobj(Text) if t.get_text() and t.get_rotation() == 90]
    assert [t.get_text() for t in turned] == [text.text for text in narrow.turned]
    heads = " ".join(text.text for text in wide.texts if text.bold)
    for label in DOMAINS.values():
        assert all(word in heads for word in label.split())


def test_soft_hyphens_of_tables_are_not_printed():
    layout, _ = stars()
    words = "".join(text.text for text in (*layout.texts, *layout.turned))
    assert "\u00ad" not in words and "Representative" in words


def test_two_stars_of_an_item_stand_side_by_side():
    layout, _ = stars()
    one, two = (s for s in layout.stars if (s.study, s.item) == ("adler2001", "comparability"))
    single = next(s for s in layout.stars if (s.study, s.item) == ("adler2001", "selection1"))
    assert one.y == two.y == single.y and two.x - one.x > width("0", layout.style.body)


@pytest.mark.parametrize("kind", ["pdf", "svg", "png"])
@pytest.mark.parametrize("make", [lights, stars])
def test_the_same_matrix_is_the_same_bytes(make, kind, tmp_path):
    for name in ("first", "second"):
        save_figure(make()[1], [tmp_path / f"{name}.{kind}"])
    first, second = (tmp_path.joinpath(f"{n}.{kind}").read_bytes() for n in ("first", "second"))
    assert first == second and len(first) > 5000


def test_an_svg_holds_its_text_as_text(tmp_path):
    save_figure(lights()[1], [tmp_path / "lights.svg"])
    svg = (tmp_path / "lights.svg").read_text(encoding="utf-8")
    texts = re.findall(r"<text [^>]*>([^<]*)</text>", svg)
    for text in ("Adler 2001", "+", "?", "−", "·", "Low risk of bias", "+\xa0\xa0100%"):
        assert text in texts
