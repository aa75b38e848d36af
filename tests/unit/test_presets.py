"""Presets: every one declarable, chosen by measure, overridden by key; its program's numbers."""

from __future__ import annotations

import copy

import pytest
import yaml
from grid_examples import sheet
from pooling_examples import ROOT, effects, pooled, review, rows_by_model

from forestry.effects import study_effects
from forestry.jobs.documents import legend_settings
from forestry.jobs.statistics import effects_settings, pool_settings
from forestry.legend_rows import Results, figure_legends
from forestry.models import Pooling
from forestry.pool import pool_outcome
from forestry.presets import (
    SMD,
    NotInPreset,
    exceptions,
    presets,
    resolved,
    said_of,
    standardized_of,
)
from forestry.review import Review
from forestry.rows import NUMBERS, read_table
from forestry.validation import SCHEMA, validate_review
from forestry.validation.config import DeclarationSchema
from forestry.validation.pooling import (
    CORRECTED,
    KEYS,
    UNCORRECTED,
    misfits,
    pooling_faults,
    use_faults,
)

DECLARED = yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))["properties"]["pooling"]
WAYS = [(preset, way) for preset in presets().values() for way in preset.ways]
POSSIBLE = [
    (f"{preset.name}-{way.call}-{measure}", way, measure)
    for preset, way in WAYS
    for measure in way.measures
    if not way.cannot
]
CONFIG = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
REVMAN = {"correction": "approximate", "variance": "revman"}
FIGURE = next(
    figure
    for figure in review().figures.values()
    if figure.kind == "forest"
    and CONFIG["outcomes"][figure.outcome]["pooling"] == "logit_mixed"
    and len(review().rows(figure.outcome)) > 10
)


# The data -------------------------------------------------------------------------------------


def test_the_schema_knows_every_preset():
    assert DECLARED["additionalProperties"]["properties"]["preset"]["enum"] == list(presets())


@pytest.mark.parametrize("name", presets())
def test_a_preset_says_whose_it_is_and_where_it_is_from(name):
    preset = presets()[name]
    assert preset.program and preset.source and preset.ways
    assert all(way.call and set(way.measures) <= set(NUMBERS) for way in preset.ways)


@pytest.mark.parametrize(("name", "way", "measure"), POSSIBLE, ids=[case[0] for case in POSSIBLE])
def test_a_way_can_be_declared_and_pools_its_measures(name, way, measure):
    config = {**CONFIG, "pooling": {**CONFIG["pooling"], "preset": dict(way.pooling)}}
    assert DeclarationSchema.read(SCHEMA).faults(config) == []
    assert [*pooling_faults("pooling", way.pooling), *misfits(way.pooling, measure)] == []
    # Nothing is left to a default of ours that the program may not share.
    assert _keys_of(way.pooling, measure) == set(way.pooling) | set(way.declare)


def _keys_of(pooling, measure):
    """The keys that mean something for a model and a measure."""
    idle = {key for key, (models, _) in KEYS.items() if pooling["model"] not in models}
    idle |= {"transform"} if measure != "proportion" else set()
    if measure not in CORRECTED or pooling.get("transform") in UNCORRECTED:
        idle.add("zero_cells")
    return set(Pooling.__dataclass_fields__) - idle


@pytest.mark.parametrize("name", presets())
def test_no_way_hides_another(name):
    chosen = [
        (measure, way.pooling.get("model"), way.pooling.get("transform"))
        for way in presets()[name].ways
        for measure in way.measures
    ]
    assert len(chosen) == len(set(chosen))


# Resolving ------------------------------------------------------------------------------------


def test_without_a_preset_nothing_changes():
    declared = {"model": "inverse_variance", "tau2": "PM"}
    assert resolved(declared, "mean") is declared


def test_declared_keys_win():
    declared = {"preset": "metafor", "tau2": "PM", "level": 0.9, "zero_cells": {"add": 1}}
    full = resolved(declared, "odds_ratio")
    assert (full["tau2"], full["level"], full["zero_cells"]) == ("PM", 0.9, {"add": 1})
    assert full["prediction"] == "z"
    assert "preset" not in full
    Pooling(**full)


def test_the_measure_chooses_the_way():
    declared = {"preset": "article-2022"}
    assert resolved(declared, "proportion")["model"] == "logistic_mixed"
    assert resolved(declared, "mean")["model"] == "inverse_variance"
    assert "zero_cells" in resolved(declared, "risk_ratio")


def test_a_model_or_a_transform_chooses_among_the_ways():
    by_model = resolved(
        {"preset": "meta-4.18", "select": "random", "model": "inverse_variance"}, "proportion"
    )
    assert (by_model["transform"], by_model["tau2"]) == ("logit", "DL")
    assert "nodes" not in by_model
    raw = resolved({"preset": "meta-4.18", "select": "random", "transform": "raw"}, "proportion")
    assert raw["zero_cells"]["correct"] == "variance"


@pytest.mark.parametrize(
    ("declared", "measure", "said"),
    [
        ({"preset": "revman-5"}, "proportion", "the preset revman-5 has no way of pooling a propo"),
        (
            {"preset": "openmeta", "model": "logistic_mixed"},
            "proportion",
            "the preset openmeta pools a proportion by model inverse_variance, transform raw;",
        ),
        (
            {"preset": "meta-8"},
            "standardized_mean_difference",
            "the preset meta-8 cannot be followed for a standardized_mean_difference: it takes",
        ),
        ({"preset": "meta-8"}, "mean", "select must be declared beside meta-8: R's meta prints"),
        ({"preset": "metafor"}, "proportion", "transform must be declared beside metafor: metafor"),
    ],
)
def test_what_a_preset_cannot_say_is_an_error(declared, measure, said):
    with pytest.raises(NotInPreset) as raised:
        resolved(declared, measure)
    assert str(raised.value).startswith(said)
    (fault,) = use_faults("outcomes.o", "way", declared, measure)
    assert (fault.column, fault.value) == ("outcomes.o.pooling", "way")
    assert fault.rule.startswith(said)


def test_an_override_that_contradicts_the_preset_is_a_fault():
    declared = {"preset": "article-2022", "nodes": 9}
    (fault,) = use_faults("outcomes.o", "way", declared, "mean")
    assert (fault.column, fault.value) == ("pooling.way.nodes", "9")


def test_a_review_declared_by_presets_alone_has_no_fault():
    folder = ROOT / "reviews/bcg"
    config = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    config["pooling"] = {
        "ratios": {"preset": "metafor"},
        "mantel_haenszel": {"preset": "meta-8", "select": "random"},
        "risks": {"preset": "metafor", "model": "logistic_mixed"},
    }
    assert validate_review(config, folder / "resources") == ()
    config["pooling"]["risks"] = {"preset": "revman-5"}
    (fault,) = validate_review(config, folder / "resources")
    assert fault.column == "outcomes.tuberculosis_unvaccinated.pooling"


def test_an_unknown_preset_names_the_nearest():
    config = copy.deepcopy(CONFIG)
    config["pooling"]["raw"] = {"preset": "metafour"}
    (fault,) = DeclarationSchema.read(SCHEMA).faults(config)
    assert fault.column == "pooling.raw.preset"
    assert fault.rule.endswith("the nearest is metafor")
    assert list(use_faults("outcomes.o", "raw", config["pooling"]["raw"], "mean")) == []


def test_a_preset_has_the_hedges_g_of_its_program():
    beside = {"select": "random"}
    assert standardized_of({"preset": "meta-4.18", **beside}, SMD) == REVMAN
    assert standardized_of({"preset": "metafor"}, SMD) == {"correction": "exact", "variance": "LS"}
    assert standardized_of({"preset": "metafor"}, "mean_difference") == {}
    assert standardized_of({"model": "inverse_variance"}, SMD) == {}


def _of_hedges_g(pooling, **of_outcome):
    outcome = {"label": "G", "data": "g", "measure": SMD, "pooling": "g", **of_outcome}
    return Review({"pooling": {"g": pooling}, "outcomes": {"o": outcome}}, ROOT / "resources")


def test_a_declared_hedges_g_wins_and_is_said():
    plain = _of_hedges_g({"preset": "revman-5"})
    assert plain.standardized("o") == REVMAN
    assert plain.preset_words("o") == "as RevMan 5 does by default"
    other = _of_hedges_g({"preset": "revman-5"}, standardized={"variance": "UB"})
    assert other.standardized("o") == {"correction": "approximate", "variance": "UB"}
    assert other.preset_words("o") == "as RevMan 5 does by default except for Hedges' g"
    alone = _of_hedges_g({"model": "inverse_variance"})
    assert alone.standardized("o") == {"correction": "exact", "variance": "LS"}
    assert [found.hedges_g("o") for found in (plain, other, alone)] == [
        found.standardized("o") for found in (plain, other, alone)
    ]
    assert _of_hedges_g({"model": "inverse_variance"}, measure="mean").hedges_g("o") == {}


# Legends --------------------------------------------------------------------------------------


def test_a_legend_says_whose_defaults_were_followed():
    declared = {"preset": "meta-4.18", "select": "random"}
    assert said_of(declared, "proportion") == "as R's meta 4.18 does by default"
    assert said_of({"model": "inverse_variance"}, "mean") == ""


def test_a_legend_says_what_is_not_as_in_the_preset():
    declared = {"preset": "metafor", "transform": "raw", "tau2": "DL", "interval": "wald"}
    assert exceptions(declared, "proportion") == ("tau2",)
    assert said_of(declared, "proportion").endswith("does by default except for τ²")


def test_the_preset_reaches_the_legend_of_a_figure():
    config = copy.deepcopy(CONFIG)
    config["pooling"]["logit_mixed"] = {"preset": "article-2022", "level": 0.9}
    changed = Review(config, ROOT / "resources")
    told = next(
        figure for figure in legend_settings(changed) if changed.figures[figure["figure"]] == FIGURE
    )
    found = _bundled(changed, FIGURE.outcome)
    results = Results(
        found.estimates, found.weights, {FIGURE.outcome: _effects(changed, FIGURE.outcome)}, {}, []
    )
    (row,) = figure_legends([told], results)
    words = "as the article (Goswami et al. 2022) does by default except for level"
    assert f", {words}; the" in row.text


# The numbers of the programs (published, or recomputed in R) ----------------------------------

RANDOM, COMMON = {"select": "random"}, {"select": "common"}
INVERSE = {"model": "inverse_variance", **RANDOM}
PRITZ = ("pritz1997", "proportion")
# preset, what is declared beside it, data, measure; estimate and limits as printed with 4 digits
PRINTED = [
    ("meta-4.18", RANDOM, *PRITZ, 0.7984, 0.6924, 0.8746),
    ("meta-8", RANDOM, *PRITZ, 0.7984, 0.6924, 0.8746),
    ("meta-4.18", INVERSE, *PRITZ, 0.7573, 0.6606, 0.8334),
    ("meta-4.18", {"transform": "raw", **RANDOM}, *PRITZ, 0.8034, 0.7182, 0.8886),
    ("meta-4.18", {"transform": "arcsine", **RANDOM}, *PRITZ, 0.8117, 0.7103, 0.8954),
    ("meta-4.18", {"transform": "double_arcsine", **RANDOM}, *PRITZ, 0.8023, 0.7047, 0.8866),
    ("meta-8", {"transform": "double_arcsine", **RANDOM}, *PRITZ, 0.8029, 0.7022, 0.8893),
    ("metafor", {"transform": "raw"}, *PRITZ, 0.7968, 0.7138, 0.8797),
    ("meta-4.18", RANDOM, "debruin2009", "proportion", 0.4721, 0.3822, 0.5638),
    (
        *("meta-4.18", {"transform": "raw", **RANDOM}, "debruin2009", "proportion"),
        *(0.4754, 0.3891, 0.5616),
    ),
    ("meta-4.18", RANDOM, "nielweise2007_treated", "proportion", 0.0081, 0.0040, 0.0161),
    (
        *("meta-4.18", {"transform": "raw", **RANDOM}, "nielweise2007_treated", "proportion"),
        *(0.0049, 0.0012, 0.0085),
    ),
    # exp of the printed -.7141 [-1.0644, -.3638] and -.7145 (.1798)
    ("meta-4.18", COMMON, "bcg", "risk_ratio", 0.6353, 0.5881, 0.6862),
    ("revman-5", {}, "bcg", "risk_ratio", 0.6353, 0.5881, 0.6862),
    ("meta-4.18", INVERSE, "bcg", "risk_ratio", 0.4896, 0.3449, 0.6950),
    ("metafor", {}, "bcg", "risk_ratio", 0.4894, 0.3441, 0.6962),
    ("openmeta", {}, "bcg", "odds_ratio", 0.4736, 0.3249, 0.6903),
    ("meta-4.18", RANDOM, "normand1999", "mean_difference", -13.9817, -24.0299, -3.9336),
    ("metafor", {}, "normand1999", "mean_difference", -15.1060, -32.6409, 2.4289),
    ("revman-5", {}, "normand1999", "mean_difference", -3.4636, -4.9626, -1.9646),
    (
        *("revman-2025", {"prediction": "none", **RANDOM}, "normand1999", "mean_difference"),
        *(-15.1060, -36.3187, 6.1067),
    ),
]


def _selected(preset, beside, dataset, measure):
    pooling = resolved({"preset": preset, **beside}, measure)
    found = pooled(effects(sheet(dataset, measure), measure, pooling), pooling)
    (row,) = (row for row in rows_by_model(found).values() if row.selected)
    return row


@pytest.mark.parametrize("case", PRINTED, ids=lambda case: f"{case[0]}-{case[2]}-{case[4]}")
def test_gives_the_number_that_the_program_prints(case):
    *declared, estimate, low, high = case
    row = _selected(*declared)
    # Half a digit of the last printed; the ratios are exp of a log printed with four digits.
    digits = 1e-4 if declared[3] == "risk_ratio" else 5.001e-5
    assert (row.estimate, row.ci_low, row.ci_high) == pytest.approx(
        (estimate, low, high), rel=0, abs=digits
    )


def test_the_q_of_the_mantel_haenszel_ways_is_about_its_mean():
    for preset, beside in (("meta-4.18", COMMON), ("revman-5", {})):
        row = _selected(preset, beside, "bcg", "risk_ratio")
        assert (row.i2_basis, round(row.q, 4)) == ("mantel_haenszel_q", 152.5676)
    egger = _selected("revman-5", {}, "egger2001", "odds_ratio")
    assert round(egger.estimate, 4) == 1.0061


def test_i2_and_q_have_the_basis_of_the_program():
    meta = _selected("meta-4.18", RANDOM, *PRITZ)
    assert (meta.i2_basis, round(meta.i2, 3), round(meta.q, 4)) == ("wald_q", 0.482, 25.0979)
    glmm = _selected("metafor", {"model": "logistic_mixed"}, *PRITZ)
    assert (glmm.i2_basis, round(glmm.i2, 4)) == ("tau2", 0.6779)
    raw = _selected("metafor", {"transform": "raw"}, *PRITZ)
    assert (raw.i2_basis, round(raw.i2, 4), round(raw.q, 3)) == ("tau2", 0.7528, 48.345)


# The bundled review ---------------------------------------------------------------------------

ARTICLE = {
    "logit_mixed": {"preset": "article-2022"},
    "raw": {"preset": "article-2022", "transform": "raw"},
    "arcsine": {"preset": "article-2022", "transform": "arcsine"},
    "means": {"preset": "article-2022"},
    "ratios": {"preset": "article-2022"},
}


def _effects(of, outcome):
    return study_effects(read_table(of.sheet(outcome)), effects_settings(of, outcome))


def _bundled(of, outcome):
    return pool_outcome(_effects(of, outcome), pool_settings(of, outcome))


@pytest.mark.parametrize("outcome", CONFIG["outcomes"])
def test_article_2022_is_the_bundled_declaration(outcome):
    preset = Review({**CONFIG, "pooling": ARTICLE}, ROOT / "resources")
    assert _bundled(preset, outcome) == _bundled(review(), outcome)


def test_article_2022_is_the_bundled_declaration_of_subgroups():
    preset = Review({**CONFIG, "pooling": ARTICLE}, ROOT / "resources")
    for outcome in CONFIG["subgroups"]:
        ours, theirs = preset.subgroup_pooling(outcome), review().subgroup_pooling(outcome)
        assert Pooling(**{**ours, "heterogeneity": "wald"}) == Pooling(**theirs)
