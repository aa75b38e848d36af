"""PRISMA flow diagrams: the declaration, the layout, and the artists and files read back."""

import re
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.text import Text

from forestry.figures.prisma import draw_prisma
from forestry.figures.prisma_flow import LABELS, STEPS, PrismaFlow
from forestry.figures.prisma_layout import prisma_layout
from forestry.figures.save import RC, save_figure
from forestry.figures.text import width

# The bundled review's: between the numbers that its article prints, none is public.
BUNDLED = {
    "records_identified": {
        "total": 2782,
        "databases": {"PubMed": None, "Embase": None, "Scopus": None},
    },
    "reports_assessed": 175,
    "studies_included": 29,
    "note": "The article prints no numbers between these.",
}
WHOLE = {
    "records_identified": {
        "total": 12345,
        "databases": {
            "MEDLINE (Ovid)": 5000,
            "Embase": 6000,
            "Cochrane Central Register of Controlled Trials": 1000,
        },
        "registers": 345,
    },
    "records_removed": {"total": 4045, "duplicates": 4000, "automation": 0, "other": 45},
    "records_screened": 8300,
    "records_excluded": 8000,
    "reports_sought": 300,
    "reports_not_retrieved": 12,
    "reports_assessed": 288,
    "reports_excluded": {
        "total": 251,
        "reasons": {
            "Wrong population": 100,
            "No outcome in a form that can be pooled, and no reply of the authors": 50,
            "Case report": None,
            "Duplicate publication": 60,
        },
    },
    "studies_included": 29,
    "reports_included": 37,
}
CASES = {"bundled": BUNDLED, "whole": WHOLE, "nothing": {}}
NOT_PUBLIC = "number not public"


def draw(declared, width_mm=174):
    layout = prisma_layout(PrismaFlow.from_mapping(declared), width_mm)
    return layout, draw_prisma(layout)


def found(figure, gid):
    (artist,) = figure.findobj(lambda x: x.get_gid() == gid)
    return artist


def texts_of(figure):
    """Every text with its artist and box, in points upwards."""
    figure.set_dpi(72)
    with rc_context(RC):
        renderer = FigureCanvasAgg(figure).get_renderer()
        figure.draw(renderer)
        shown = [t for t in figure.findobj(Text) if t.get_text().strip() and t.axes is not None]
        return [(t, t.get_window_extent(renderer)) for t in shown]


def written(box):
    return "".join(text.text for text in box.texts)


def numbers(box):
    """The counts that a box prints, after its ``n =``."""
    return [int(x) for text in box.texts for x in re.findall(r"^\xa0=\xa0(\d+)$", text.text)]


every_case = pytest.mark.parametrize("case", CASES)
both_widths = pytest.mark.parametrize("mm", [174, 85])


# What is declared -------------------------------------------------------------------------


def test_counts_are_read_and_what_is_not_given_is_none():
    flow = PrismaFlow.from_mapping(BUNDLED)
    assert flow.records_identified.total == 2782 and flow.studies_included.total == 29
    assert [part.label for part in flow.records_identified.parts] == ["PubMed", "Embase", "Scopus"]
    given = {key: flow[key].total for key in LABELS if flow[key].total is not None}
    assert given == {"records_identified": 2782, "reports_assessed": 175, "studies_included": 29}
    assert flow.counts["Records screened"] is None and flow.counts["Records identified"] == 2782


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"records_screened": 8301}, r"records_screened \(8301\) is more than the 8300 that recor"),
        ({"records_screened": 8299}, r"records_screened \(8299\) is not the 8300 that records_ide"),
        ({"reports_sought": 301}, r"reports_sought \(301\) .* records_excluded \(8000\)"),
        ({"reports_not_retrieved": 301}, r"reports_not_retrieved \(301\) is more than reports_sou"),
        ({"reports_included": 38}, r"reports_included \(38\) .* reports_excluded \(251\)"),
        ({"records_removed": {"total": 10, "duplicates": 11}}, "parts of records_removed .* 11"),
        ({"records_removed": {"duplicates": 12400}}, "records_removed .* more than records_ident"),
        ({"reports_excluded": {"total": 251, "reasons": {"A": 200, "B": 52}}}, "add up to 252"),
    ],
)
def test_counts_that_contradict_each_other_are_refused(changed, message):
    with pytest.raises(ValueError, match=message):
        PrismaFlow.from_mapping(WHOLE | changed)


def test_a_stage_is_held_to_the_last_one_that_is_known():
    sparse = {"records_identified": {"total": 100}, "reports_excluded": {"reasons": {"A": 60}}}
    PrismaFlow.from_mapping(sparse | {"reports_included": 40})
    PrismaFlow.from_mapping(sparse | {"reports_included": 12})
    with pytest.raises(ValueError, match=r"reports_included \(41\) is more than the 40"):
        PrismaFlow.from_mapping(sparse | {"reports_included": 41})
    with pytest.raises(ValueError, match=r"reports_assessed \(101\) .* records_identified \(100\)"):
        PrismaFlow.from_mapping(sparse | {"reports_assessed": 101})


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ({"records_screend": 1}, "unknown key 'records_screend'; did you mean records_screened"),
        ({"records_removed": {"duplicate": 1}}, "records_removed: unknown key 'duplicate'; did y"),
        ({"records_screened": -1}, "prisma.records_screened is -1, not a count"),
        ({"records_screened": 1.5}, "is 1.5, not a count"),
        ({"records_screened": True}, "is True, not a count"),
        ({"records_screened": "400"}, "is '400', not a count"),
        ({"records_identified": 2782}, "is 2782, not a mapping"),
        ({"reports_excluded": {"reasons": 4}}, "prisma.reports_excluded.reasons is 4"),
        ({"records_identified": {"databases": {"Embase": "?"}}}, "databases.Embase is '?'"),
        ({"note": 1}, "prisma.note is 1"),
    ],
)
def test_a_wrong_declaration_is_refused_by_its_place(declared, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        PrismaFlow.from_mapping(declared)


@st.composite
def flows(draw):
    """A declaration that adds up, of which some numbers are then withheld."""
    left, counts = draw(st.integers(0, 99_999)), {}
    for stage, leaving in STEPS:
        counts[stage] = left
        if leaving:
            counts[leaving] = draw(st.integers(0, left))
            left -= counts[leaving]
    counts["studies_included"] = draw(st.integers(0, 500))
    public = {key: draw(st.booleans()) for key in counts}
    nested = ("records_identified", "records_removed", "reports_excluded")
    shown = {key: count for key, count in counts.items() if public[key]}
    return {key: {"total": n} if key in nested else n for key, n in shown.items()}


@given(flows())
def test_numbers_that_add_up_are_accepted_whichever_are_withheld(declared):
    PrismaFlow.from_mapping(declared)


@settings(max_examples=25, deadline=None)
@given(flows())
def test_no_number_is_printed_that_was_not_declared(declared):
    flow = PrismaFlow.from_mapping(declared)
    for box in prisma_layout(flow).boxes:
        keys = [box.key] if box.key != "reports_included" else ["studies_included", box.key]
        totals = [flow[key].total for key in keys]
        assert numbers(box) == [total for total in totals if total is not None]
        assert written(box).count(NOT_PUBLIC) == totals.count(None)
        assert sum(map(str.isdigit, written(box))) == sum(len(str(n)) for n in numbers(box))


# What is drawn ----------------------------------------------------------------------------


def test_the_bundled_flow_prints_its_three_numbers_and_no_other():
    layout, figure = draw(BUNDLED)
    boxes = {box.key: numbers(box) for box in layout.boxes}
    assert {key: shown for key, shown in boxes.items() if shown} == {
        "records_identified": [2782],
        "reports_assessed": [175],
        "reports_included": [29],
    }
    texts = [t.get_text() for t, _ in texts_of(figure)]
    assert texts.count(NOT_PUBLIC) == 7 and texts.count("numbers not public") == 1
    assert "PubMed, Embase, Scopus" in texts


def test_every_declared_count_is_printed_in_its_box():
    layout, _ = draw(WHOLE)
    boxes = {box.key: numbers(box) for box in layout.boxes}
    assert boxes["records_identified"] == [12345, 5000, 6000, 1000, 345]
    assert boxes["records_removed"] == [4045, 4000, 0, 45]
    assert boxes["reports_excluded"] == [251, 100, 50, 60]
    assert boxes["reports_included"] == [29, 37]
    assert [boxes[key] for key in ("records_screened", "reports_not_retrieved")] == [[8300], [12]]


def test_a_box_of_parts_alone_prints_no_total():
    layout, _ = draw({"records_removed": {"duplicates": 7, "other": None}})
    (box,) = [box for box in layout.boxes if box.key == "records_removed"]
    assert numbers(box) == [7] and written(box).count(NOT_PUBLIC) == 1
    assert written(box).startswith("Records removed before screening:Duplicate records")


def test_what_is_not_public_is_said_in_grey_italics_and_numbers_are_not():
    layout, figure = draw(BUNDLED)
    for text, _ in texts_of(figure):
        if "not public" in text.get_text():
            red, green, blue = (int(to_hex(text.get_color())[i : i + 2], 16) for i in (1, 3, 5))
            assert text.get_fontstyle() == "italic" and max(red, green, blue) - red < 30 < red
        if text.get_text().endswith("2782"):
            assert text.get_color() == layout.style.ink and text.get_fontstyle() == "normal"


@every_case
@both_widths
def test_boxes_hold_their_texts_and_bands_their_names(case, mm):
    layout, figure = draw(CASES[case], mm)
    extents = texts_of(figure)
    for box in (layout.title, *layout.boxes):
        frame = found(figure, f"box-{box.key}").get_window_extent()
        inside = [t for t, at in extents if frame.contains(at.x0, at.y0)]
        assert [t.get_text() for t in inside] == [text.text for text in box.texts]
        for text, at in extents:
            if text in inside:
                assert at.x0 >= frame.x0 + 3.5 and at.x1 <= frame.x1 - 3.5, text
                assert at.y0 >= frame.y0 + 1.5 and at.y1 <= frame.y1 - 1.5, text
    for band in layout.bands:
        frame = found(figure, f"band-{band.stage}").get_window_extent()
        (at,) = [at for t, at in extents if t.get_text() == band.stage]
        assert frame.contains(at.x0, at.y0) and frame.contains(at.x1, at.y1)
        assert (at.y0 + at.y1) / 2 == pytest.approx((frame.y0 + frame.y1) / 2, abs=0.5)


@every_case
@both_widths
def test_nothing_overlaps_or_leaves_the_page(case, mm):
    layout, figure = draw(CASES[case], mm)
    assert figure.get_figwidth() * 25.4 == pytest.approx(mm)
    extents = [at for _, at in texts_of(figure)]
    places = [found(figure, f"box-{box.key}") for box in (layout.title, *layout.boxes)]
    places += [found(figure, f"band-{band.stage}") for band in layout.bands]
    frames = [place.get_window_extent() for place in places]
    for one, two in combinations(frames, 2):
        assert not one.overlaps(two)
    for at in (*frames, *extents):
        assert at.x0 >= 0 and at.y0 >= 0
        assert at.x1 <= figure.bbox.width and at.y1 <= figure.bbox.height
    for one, two in combinations(extents, 2):
        across = min(one.x1, two.x1) - max(one.x0, two.x0)
        down = min(one.y1, two.y1) - max(one.y0, two.y0)
        # Text boxes hold room for descenders, and spans of one line touch.
        assert across <= 0.3 or down <= 0.3


@every_case
@both_widths
def test_arrows_run_straight_from_edge_to_edge(case, mm):
    layout, figure = draw(CASES[case], mm)
    assert len(layout.arrows) == 8
    for arrow in layout.arrows:
        name = f"{arrow.source}-{arrow.target}"
        line, head = found(figure, f"arrow-{name}"), found(figure, f"head-{name}")
        source, target = (found(figure, f"box-{key}") for key in (arrow.source, arrow.target))
        (x0, y0), (tip_x, tip_y) = line.get_xydata()[0], head.get_xy()[0]
        if x0 == tip_x:
            assert y0 == pytest.approx(source.get_y() + source.get_height())
            assert tip_y == pytest.approx(target.get_y()) and tip_y > y0
            assert source.get_x() < x0 < source.get_x() + source.get_width()
        else:
            assert y0 == tip_y and target.get_y() < tip_y < target.get_y() + target.get_height()
            assert x0 == pytest.approx(source.get_x() + source.get_width())
            assert tip_x == pytest.approx(target.get_x()) and tip_x > x0
        # The line ends where the head begins.
        base = head.get_xy()[1:3].mean(axis=0)
        assert line.get_xydata()[1] == pytest.approx(base)


def test_boxes_stand_on_a_grid():
    layout, _ = draw(WHOLE)
    assert len({round(box.left, 9) for box in layout.boxes}) == 2
    assert len({round(box.width, 9) for box in layout.boxes}) == 1
    main = [box for box in layout.boxes if box.left == layout.boxes[0].left]
    aside = [box for box in layout.boxes if box not in main]
    assert [box.key for box in main] == [stage for stage, _ in STEPS]
    for beside, box in zip(aside, main, strict=False):
        assert beside.top == box.top and beside.texts[0].y == box.texts[0].y
    texts = [text for box in main for text in box.texts if "=" in text.text]
    ends = [text.x + width(text.text, text.size, text.bold) for text in texts]
    assert max(ends) - min(ends) < 1e-6 and len(ends) == 10
    assert layout.title.right == pytest.approx(aside[0].right)


def test_impossible_widths_and_words_are_refused():
    with pytest.raises(ValueError, match="width_mm is 60"):
        draw({}, 60)
    long = {"reports_excluded": {"reasons": {"x" * 90: 1}}}
    with pytest.raises(ValueError, match="prisma.reports_excluded: 'x+' has a word wider"):
        draw(long)


@pytest.mark.parametrize("kind", ["pdf", "svg", "png"])
def test_the_same_flow_is_the_same_bytes(kind, tmp_path):
    for name in ("first", "second"):
        save_figure(draw(BUNDLED)[1], [tmp_path / f"{name}.{kind}"])
    first, second = (tmp_path.joinpath(f"{n}.{kind}").read_bytes() for n in ("first", "second"))
    assert first == second and len(first) > 5000


def test_an_svg_holds_its_text_as_text(tmp_path):
    save_figure(draw(BUNDLED)[1], [tmp_path / "flow.svg"])
    svg = (tmp_path / "flow.svg").read_text(encoding="utf-8")
    texts = re.findall(r"<text [^>]*>([^<]*)</text>", svg)
    for text in ("Reports assessed for eligibility", "\xa0=\xa0175", NOT_PUBLIC, "Screening"):
        assert text in texts
