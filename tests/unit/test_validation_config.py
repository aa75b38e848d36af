"""The declaration: every key known, every value allowed, every name that it uses there."""

import copy
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from snakemake.cli import parse_config

from checked_once import unchanged_tables_checked_once  # noqa: F401
from forestry import (
    diagnostics,
    effects,
    logistic_mixed,
    measures,
    medians,
    metaregression,
    models,
    outliers,
    rows,
)
from forestry.bootstrap import intervals, targets
from forestry.faults import Fault
from forestry.figures import prisma_flow
from forestry.intervals import INTERVALS, PREDICTIONS
from forestry.multiverse import specifications
from forestry.tables import characteristics
from forestry.tables.model import ALIGNMENTS
from forestry.tau2 import TAU2_METHODS
from forestry.validation import SCHEMA, references, validate_review
from forestry.validation.config import DeclarationSchema, duplicate_keys
from forestry.validation.words import either, nearest, shown

ROOT = Path(__file__).resolve().parents[2]
CONFIG = "config.yaml"

DECLARED = """
review: {title: A review}
studies:
  ref: {type: count}
  design: {type: category, values: [rct, cohort]}
  route: {type: category, values: [iv, sc]}
  country: {type: text}
  n_status: {type: category, values: [reported, derived, unavailable]}
  n_ig: {type: count}
  age_mean: {type: number, unit: years, description: Age at the start.}
  age_sd: {type: number}
effects: {medians: wan2014, correlation: 0.5}
pooling:
  mixed: {model: logistic_mixed, nodes: 7, heterogeneity: likelihood_ratio, interval: t}
  raw: {model: inverse_variance, transform: raw, tau2: REML, zero_cells: {add: 0.5, to: all}}
  plain: {model: inverse_variance, heterogeneity: cochran, prediction: t_k_minus_1, level: 0.9}
  ratios: {model: mantel_haenszel, tau2: DL, zero_cells: {add: 0.5, cells: events}}
outcomes:
  response:
    label: Response
    data: response
    measure: proportion
    pooling: mixed
    where: {design: [rct, cohort], country: Italy, status: reported}
    exclude: {basis: "published:score"}
    studies: [lim2020]
  benefit:
    label: Benefit
    data: benefit
    measure: risk_ratio
    pooling: ratios
    arms: {treated: Drug, control: Placebo}
    favours: {above: drug, below: placebo}
  score:
    label: Score
    data: score
    measure: mean_change
    unit: points
    direction: fall
    correlation: independent
    pooling: plain
    note: A remark.
  age:
    label: Age
    data: studies
    columns: {n: n_ig, mean: age_mean, sd: age_sd}
    measure: mean
    unit: years
    medians: luo2018
    pooling: plain
variants:
  main:
  rct_only: {where: {design: rct}}
  no_outliers: {outliers: {rule: studentized_residual, threshold: 1.96, tau2: REML}}
  both: {combine: [rct_only, no_outliers]}
  each: {leave_one_out: true}
subgroups:
  response:
    variant: no_outliers
    pooling: raw
    groups: {iv: Intravenous, rct: Randomised}
    steps: [{by: route}, {by: design, within: {route: iv}}]
metaregression:
  response:
    variant: no_outliers
    tau2: PM
    interval: t
    models: {size: [n_ig], route: [route], both: [route, age_mean]}
    labels: {n_ig: Patients}
    groups: {sc: Subcutaneous}
multiverse:
  response:
    model: [logistic_mixed, inverse_variance]
    transform: [raw, logit]
    tau2: [DL, PM]
    interval: [wald, hartung_knapp]
    variant: [no_outliers]
  score: {correlation: [independent, 0.5]}
  age: {medians: [hozo2005, shi2020]}
bootstrap:
  replicates: 1000
  seed: 1
  kinds: [parametric]
  intervals: [bca]
  variants: [no_outliers]
  chunks: 4
bias: {tests: [egger, peters], fewest_studies: 10, trim_and_fill: {estimator: L0, side: left}}
tables:
  "1":
    kind: characteristics
    title: Studies
    outcomes: [age]
    columns:
      - {head: Study, columns: [label], suffix: ref}
      - {head: Age, columns: [age], kind: summary, width: 1}
      - {head: Patients, columns: [n_ig], kind: counts, names: [Drug]}
    words: {route: {iv: intravenous}}
    abbreviations: IV, intravenous.
  S1: {kind: bias, title: Tests}
annexures: {"1": Response}
figures: {width_mm: 174}
prisma:
  records_identified: {total: 100, databases: {PubMed: 60, Embase: 40}, registers: 0}
  records_removed: {duplicates: 10}
  reports_assessed: 20
  reports_excluded: {total: 18, reasons: {no data: 18}}
  studies_included: 2
reconstructed: false
"""
TABLES = {
    "studies.csv": """\
study_id,label,ref,design,route,country,n_status,n_ig,age_mean,age_sd
lim2020,Lim 2020,1,rct,iv,Italy,reported,19,50.5,9
ohad2020,Ohad 2020,7,cohort,sc,France,unavailable,,,
""",
    "extraction/response.csv": """\
study_id,events,total,status,basis,source,evidence,note
lim2020,8,19,reported,source,https://a.org,,
""",
    "extraction/benefit.csv": """\
study_id,events,total,control_events,control_total,status,basis,source,evidence,note
lim2020,8,19,0,20,reported,source,https://a.org,,
""",
    "extraction/score.csv": """\
study_id,n,baseline_mean,baseline_sd,end_mean,end_sd,change_mean,change_sd,change_ci_low,change_ci_high,unit,status,basis,source,evidence,note
lim2020,19,7.5,6,3,3.5,,,,,points,reported,source,https://a.org,,
""",
    "published.csv": """\
outcome,variant,statistic,k,n,estimate,ci_low,ci_high,i2,p_heterogeneity,unit,display,studies,note
response,subgroup1_iv,proportion,2,42,57.1,40,73,52,<0.01,percent,S2,,
response,subgroup2_rct,proportion,2,42,57.1,40,73,52,<0.01,percent,S3,,
""",
    "figures.csv": """\
figure,annexure,kind,outcome,variant
S1,1,forest,response,rct_only
S2,1,subgroup_forest,response,step1_route
S3,1,subgroup_forest,response,step2_design
""",
}

PRINTED_TESTS = """\
outcome,variant,test_claimed,statistic,df,p,groups,note
response,step1_route,subgroup_differences,9.4,1,0.002,subgroup1_iv,
"""


def declared() -> dict:
    return yaml.safe_load(DECLARED)


@pytest.fixture(scope="module")
def resources(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("review") / "resources"
    write(folder)
    return folder


def write(folder: Path, **tables: str) -> None:
    for file, text in {**TABLES, **tables}.items():
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def put(config: dict, path: str, value) -> dict:
    """A copy of the declaration with the value at a path of keys."""
    changed = copy.deepcopy(config)
    *inner, last = path.split(".")
    place = changed
    for key in inner:
        place = place[int(key)] if isinstance(place, list) else place[key]
    place[last] = value
    return changed


def schema_faults(path: str, value) -> list[Fault]:
    return DeclarationSchema.read(SCHEMA).faults(put(declared(), path, value))


def test_the_declaration_has_no_fault(resources):
    assert validate_review(declared(), resources) == ()


# Keys --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "near"),
    [
        ("outcome", "outcomes"),
        ("review.titel", "title"),
        ("effects.median", "medians"),
        ("pooling.raw.alhpa", "level"),
        ("pooling.raw.tau", "tau2"),
        ("pooling.raw.method", "model"),
        ("pooling.raw.zero_cells.ad", "add"),
        ("outcomes.response.wher", "where"),
        ("outcomes.response.mesure", "measure"),
        ("outcomes.benefit.arms.treatment", "treated"),
        ("outcomes.benefit.favours.abov", "above"),
        ("variants.rct_only.were", "where"),
        ("variants.no_outliers.outliers.treshold", "threshold"),
        ("variants.both.combined", "combine"),
        ("studies.design.vals", "values"),
        ("subgroups.response.step", "steps"),
        ("metaregression.response.moderators", "models"),
        ("bias.test", "tests"),
        ("bias.trim_and_fill.sides", "side"),
        ("tables.1.word", "words"),
        ("tables.1.outcome", "outcomes"),
        ("annexure", "annexures"),
        ("variants.rct_only.lable", "label"),
        ("figures.width", "width_mm"),
        ("prisma.studies_include", "studies_included"),
        ("prisma.records_removed.duplicate", "duplicates"),
    ],
)
def test_an_unknown_key_names_the_nearest_one(path, near):
    (fault,) = schema_faults(path, 0.01)
    assert fault == Fault(CONFIG, "", path, "0.01", fault.rule)
    assert fault.rule.startswith(f"unknown key; the nearest known one is {near} (known: ")


def test_an_unknown_key_in_a_list_is_placed_by_its_number():
    config = declared()
    config["subgroups"]["response"]["steps"][1]["bye"] = "route"
    config["tables"]["1"]["columns"][0]["haed"] = "Study"
    found = DeclarationSchema.read(SCHEMA).faults(config)
    assert {(fault.column, fault.value) for fault in found} == {
        ("subgroups.response.steps.2.bye", "route"),
        ("tables.1.columns.1.haed", "Study"),
    }


@pytest.mark.parametrize(
    "path",
    [
        *("review", "pooling", "outcomes", "variants", "review.title", "pooling.raw.model"),
        *("outcomes.response.label", "outcomes.response.data", "outcomes.response.measure"),
        *("outcomes.response.pooling", "variants.no_outliers.outliers.rule"),
        *("subgroups.response.steps", "studies.ref.type"),
    ],
)
def test_a_missing_key_is_a_fault(path):
    config = declared()
    *inner, last = path.split(".")
    place = config
    for key in inner:
        place = place[key]
    del place[last]
    assert DeclarationSchema.read(SCHEMA).faults(config) == [
        Fault(CONFIG, "", path, "", "the key is missing")
    ]


@pytest.mark.parametrize(
    ("path", "value", "rule"),
    [
        ("outcomes.response.measure", "proportions", "the nearest is proportion"),
        ("outcomes.score.direction", "drop", "must be one of rise, fall; the nearest is"),
        ("outcomes.age.medians", "Luo2018", "the nearest is luo2018"),
        ("outcomes.score.correlation", "none", "must be a number from -1 to 1, or independent"),
        ("outcomes.score.correlation", 1.5, "must be a number from -1 to 1, or independent"),
        ("outcomes.score.correlation", True, "must be a number from -1 to 1, or independent"),
        ("outcomes.response.label", 12, "must be text, not a number (put a text in quotes)"),
        ("outcomes.response.label", "", "must not be empty"),
        ("outcomes.response.data", "../muscle", "must be letters, digits and _ alone"),
        ("outcomes.response.data", "muscle\n", "must be letters, digits and _ alone"),
        ("outcomes.response.studies", [], "must not be empty"),
        ("outcomes.response.studies", ["lim2020", "lim2020"], "must not name the same twice"),
        ("outcomes.response.studies", "lim2020", "must be a list, not text"),
        (
            "outcomes.response.where",
            "design == rct",
            "must be a mapping of keys to values, not text",
        ),
        ("outcomes.response.where.design", True, "must be a text or a list of texts"),
        ("outcomes.response.where.design", [1], "must be a text or a list of texts"),
        ("outcomes.response", [], "must be a mapping of keys to values, not a list"),
        ("outcomes", {}, "must not be empty"),
        ("pooling.raw.model", "fixed", "must be one of logistic_mixed, inverse_variance"),
        ("pooling.raw.transform", "logits", "the nearest is logit"),
        ("pooling.raw.tau2", "reml", "the nearest is REML"),
        ("pooling.raw.tau2", False, "must be one of DL, HE, HS, SJ, EB, PM, ML, REML"),
        ("pooling.mixed.nodes", 0, "must be 1 or more"),
        ("pooling.mixed.nodes", 2.5, "must be a whole number, not a number"),
        ("pooling.mixed.heterogeneity", "LRT", "must be one of wald, likelihood_ratio, cochran"),
        ("pooling.plain.level", 95, "must be below 1"),
        ("pooling.plain.level", 0, "must be above 0"),
        ("pooling.plain.level", "0.95", "must be a number, not text"),
        ("pooling.plain.level", float("nan"), "must be a finite number"),
        ("pooling.plain.prediction", "t", "must be one of none, z, t_k_minus_1, t_k_minus_2"),
        ("pooling.plain.interval", "knapp_hartung", "the nearest is hartung_knapp"),
        ("pooling.plain.select", "fixed", "must be one of common, random, common_if_i2_zero"),
        ("pooling.plain.i2", "Q", "the nearest is q"),
        ("pooling.raw.zero_cells.add", -0.5, "must be 0 or more"),
        ("pooling.raw.zero_cells.to", "only0", "the nearest is only_affected"),
        (
            "pooling.raw.zero_cells.correct",
            "both",
            "must be one of estimate_and_variance, variance",
        ),
        ("variants.both.combine", [], "must not be empty"),
        ("variants.each.leave_one_out", False, "must be True"),
        ("variants.no_outliers.outliers.threshold", 0, "must be above 0"),
        ("variants.no_outliers.outliers.rule", "residual", "the nearest is studentized_residual"),
        ("metaregression.response.tau2", "SJ", "must be one of DL, PM, ML, REML"),
        ("metaregression.response.interval", "knha", "must be one of wald, t, hartung_knapp"),
        ("metaregression.response.models", {}, "must not be empty"),
        ("metaregression.response.models.size", "n_ig", "must be a list, not text"),
        ("metaregression.response.models.size", [], "must not be empty"),
        ("metaregression.response.models.size", ["n_ig", "n_ig"], "must not name the same twice"),
        ("bootstrap.replicates", 100, "must be 200 or more"),
        ("multiverse.response.tau2", [], "must not be empty"),
        ("multiverse.response.interval", ["t", "t"], "must not name the same twice"),
        ("multiverse.response", {}, "must not be empty"),
        ("bootstrap.chunks", 0, "must be 1 or more"),
        ("bias.fewest_studies", 2, "must be 3 or more"),
        ("figures.width_mm", "174", "must be a number, not text"),
        ("figures.width_mm", 20, "must be 85 or more"),
        ("prisma.studies_included", -1, "must be 0 or more"),
        ("prisma.records_identified.registers", "none", "must be a count, or counts by name"),
        ("reconstructed", "yes", "must be true or false, not text"),
        ("reconstructed", "false", "not text: write false without quotes, or False behind"),
        ("review", None, "must be a mapping of keys to values, not nothing"),
    ],
    ids=lambda value: str(value)[:50].replace("\n", "\\n"),
)
def test_a_wrong_value_is_a_fault(path, value, rule):
    (fault,) = schema_faults(path, value)
    assert (fault.file, fault.column) == (CONFIG, path)
    assert fault.value == shown(value)
    assert rule in fault.rule


@pytest.mark.parametrize("word", ["True", "False"])
def test_a_truth_behind_config_is_what_the_fault_says(word):
    """Snakemake takes Python's words for one; those of YAML stay texts there."""
    config = yaml.safe_load(DECLARED)
    given = parse_config([f"reconstructed={word.lower()}"])
    (fault,) = DeclarationSchema.read(SCHEMA).faults({**config, **given})
    assert f"or {word} behind Snakemake's --config" in fault.rule
    given = parse_config([f"reconstructed={word}"])
    assert not DeclarationSchema.read(SCHEMA).faults({**config, **given})


@pytest.mark.parametrize("section", ["outcomes", "pooling", "variants", "subgroups", "studies"])
@pytest.mark.parametrize("name", ["../x", "a b", "1st", "a.b", "x\n", "é", ""])
def test_a_name_that_belongs_in_no_path_is_a_fault(section, name):
    config = declared()
    config[section][name] = next(iter(config[section].values()))
    (fault,) = DeclarationSchema.read(SCHEMA).faults(config)
    assert fault.column == f"{section}.{name}"
    assert fault.rule == "the name must be letters, digits and _ alone, a letter first"


def test_a_key_that_yaml_does_not_read_as_text_is_a_fault():
    config = declared()
    config["variants"] |= yaml.safe_load("{no: {}}")
    (fault,) = DeclarationSchema.read(SCHEMA).faults(config)
    assert fault.column == "variants.false"
    assert fault.rule == "the key must be text, not true or false (put a text in quotes)"


def test_a_key_that_stands_twice_is_a_fault(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("outcomes:\n  a: {data: a}\n  b: [{x: 1}]\n  a: {data: b}\n")
    (fault,) = duplicate_keys(path)
    assert fault.column == "outcomes.a"
    assert fault.rule == "the key stands twice, on lines 2 and 4: only the last counts"


def test_a_file_that_is_no_yaml_is_left_to_snakemake(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("outcomes: [")
    assert duplicate_keys(path) == []
    assert duplicate_keys(tmp_path / "absent.yaml") == []


def test_a_key_that_stands_twice_in_the_review_s_file_is_seen(tmp_path):
    write(tmp_path / "resources")
    (tmp_path / "config.yaml").write_text(DECLARED + "\nreconstructed: true\n")
    (fault,) = validate_review(declared(), tmp_path / "resources")
    assert (fault.file, fault.column) == (CONFIG, "reconstructed")


# What the names refer to -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "value", "rule"),
    [
        ("outcomes.response.data", "respnse", "unknown sheet; the nearest known one is response"),
        ("outcomes.response.pooling", "mixd", "unknown pooling; the nearest known one is mixed"),
        (
            "outcomes.response.studies",
            ["lim2021"],
            "unknown study; the nearest known one is lim2020",
        ),
        ("outcomes.response.studies", ["ohad2020"], "no row in resources/extraction/response.csv"),
        (
            "outcomes.response.where",
            {"desing": "rct"},
            "unknown column; the nearest known one is design",
        ),
        ("outcomes.response.where", {"design": "RCT"}, "unknown value of design; the nearest"),
        ("outcomes.response.where", {"country": "Itly"}, "the nearest known one is Italy"),
        ("outcomes.response.where", {"status": "known"}, "unknown value of status"),
        (
            "outcomes.response.where",
            {"basis": "published:scor"},
            "nearest known one is published:score",
        ),
        ("outcomes.response.exclude", {"route": ["iv", "im"]}, "unknown value of route"),
        (
            "outcomes.response.measure",
            "risk_ratio",
            "holds counts, and a risk_ratio needs two-arm counts",
        ),
        ("outcomes.benefit.measure", "mean", "holds two-arm counts, and a mean needs means"),
        ("outcomes.score.measure", "mean_difference", "needs two-arm means"),
        ("outcomes.score.unit", "mm", "must be the unit of the outcome score (mm)"),
        ("outcomes.response.arms", {"treated": "Drug"}, "arms has no meaning for a proportion"),
        ("outcomes.response.favours", {"above": "drug"}, "favours has no meaning for a proportion"),
        ("outcomes.benefit.direction", "fall", "direction has no meaning for a risk_ratio"),
        ("outcomes.benefit.correlation", 0.5, "correlation has no meaning for a risk_ratio"),
        ("outcomes.score.medians", "wan2014", "medians has no meaning for a mean_change"),
        (
            "outcomes.response.columns",
            {"events": "n_ig"},
            "has a meaning only where data is studies",
        ),
        ("outcomes.age.columns", {"n": "n_gi"}, "the nearest known one is n_ig"),
        ("outcomes.age.columns", {"n": "country"}, "unknown column of numbers in studies.csv"),
        (
            "outcomes.age.columns",
            {"men": "age_mean"},
            "unknown number of a mean; the nearest known one is mean",
        ),
        (
            "variants.rct_only.where",
            {"desgn": "rct"},
            "unknown column; the nearest known one is design",
        ),
        ("variants.rct_only.exclude", {"design": "cohrt"}, "the nearest known one is cohort"),
        (
            "variants.both.combine",
            ["rct_onyl"],
            "unknown variant; the nearest known one is rct_only",
        ),
        ("variants.both.combine", ["both"], "both would be a part of itself"),
        ("variants.rct_only.combine", ["both"], "would be a part of itself"),
        (
            "variants.no_outliers.outliers.rule",
            "interval_outside_pooled",
            "only for the rule studentized_residual",
        ),
        (
            "subgroups.respons",
            {"steps": [{"by": "route"}]},
            "unknown outcome; the nearest known one is response",
        ),
        (
            "subgroups.response.variant",
            "no_outlier",
            "unknown variant; the nearest known one is no_outliers",
        ),
        ("subgroups.response.pooling", "rw", "unknown pooling; the nearest known one is raw"),
        ("subgroups.response.pooling", "ratios", "mantel_haenszel pools risk_ratio"),
        ("subgroups.response.steps.0.by", "rout", "the nearest known one is route"),
        ("subgroups.response.steps.0.by", "country", "unknown column of categories in studies.csv"),
        ("subgroups.response.steps.1.within", {"route": "ivv"}, "the nearest known one is iv"),
        (
            "subgroups.response.groups",
            {"ivv": "Intravenous"},
            "unknown group; the nearest known one is iv",
        ),
        (
            "metaregression.respons",
            {"models": {"size": ["n_ig"]}},
            "unknown outcome; the nearest known one is response",
        ),
        (
            "multiverse.respons",
            {"tau2": ["DL"]},
            "unknown outcome; the nearest known one is response",
        ),
        ("multiverse.response.variant", ["bth"], "the nearest known one is both"),
        ("multiverse.response.variant", ["each"], "leaves out one study at a time"),
        ("multiverse.response.model", ["mantel_haenszel"], "mantel_haenszel pools"),
        ("multiverse.score.transform", ["raw"], "mean_change"),
        ("multiverse.response.medians", ["wan2014"], "medians has no meaning for a proportion"),
        ("multiverse.age.correlation", [0.5], "correlation has no meaning for a mean"),
        ("bootstrap.variants", ["bth"], "the nearest known one is both"),
        ("bootstrap.variants", ["each"], "leaves out one study at a time"),
        ("metaregression.response.variant", "bth", "the nearest known one is both"),
        ("metaregression.response.variant", "each", "leaves out one study at a time"),
        ("metaregression.response.models.size", ["n_gi"], "the nearest known one is n_ig"),
        (
            "metaregression.response.models.size",
            ["country"],
            "unknown column of numbers or categories in studies.csv",
        ),
        (
            "metaregression.response.labels",
            {"rout": "Route"},
            "unknown moderator; the nearest known one is route",
        ),
        ("metaregression.response.groups", {"rct": "Randomised"}, "unknown group; the nearest"),
        (
            "metaregression.response.models.Size",
            ["age_mean"],
            "its bubble plot would have the name of that of metaregression.response.models.size",
        ),
        ("tables.1.columns.0.columns", ["lable"], "the nearest known one is label"),
        ("tables.1.columns.2.names", ["Drug", "Control"], "must be 1, one a column"),
        ("tables.1.outcomes", ["aeg"], "unknown outcome; the nearest known one is age"),
        ("tables.1.words", {"rout": {}}, "the nearest known one is route"),
        ("tables.1.words", {"route": {"ivv": "IV"}}, "unknown value of route; the nearest"),
        ("tables.S1.words", {"route": {"iv": "IV"}}, "words is for characteristics, not bias"),
        ("tables.S1.kind", "risk_of_bias", "there is no resources/quality_rob.csv for it"),
        ("tables.s1", {"kind": "bias", "title": "Tests"}, "in upper and lower case alone"),
        ("tables.1.columns.1.columns", ["aeg"], "the nearest known one is age"),
        ("prisma.reports_assessed", 101, "is more than"),
        ("studies.events", {"type": "count"}, "the name is taken"),
        ("studies.ref.values", ["1"], "values is for category, not for count"),
        ("studies.design", {"type": "category"}, "must be given for a category"),
        ("studies.design.minimum", 1, "minimum is for count or number, not for category"),
        ("studies.ref.above", 1, "above is for number, not for count"),
        (
            "studies.age_mean",
            {"type": "number", "minimum": 0, "above": 0},
            "minimum is given already",
        ),
        (
            "studies.ref.at_most",
            "n_gi",
            "unknown column of studies.csv; the nearest known one is n_ig",
        ),
        ("studies.n_status.status_of", "n_ig", "goes with status_of, evidence and source"),
    ],
    ids=lambda value: str(value)[:50],
)
def test_a_name_that_is_not_there_is_a_fault(resources, path, value, rule):
    found = validate_review(put(declared(), path, value), resources)
    assert any(rule in fault.rule for fault in found), found
    blamed = {fault.column.split(".")[0] for fault in found if rule in fault.rule}
    assert blamed <= {path.split(".")[0], "unit"}


@pytest.mark.parametrize(
    ("path", "value", "rule"),
    [
        ("mixed.transform", "logit", "transform is for inverse_variance, not for logistic_mixed"),
        ("ratios.transform", "log", "transform is for inverse_variance, not for mantel_haenszel"),
        ("mixed.tau2", "REML", "tau2 is for inverse_variance or mantel_haenszel"),
        ("raw.nodes", 7, "or binomial_normal_unconditional, not for inverse_variance"),
        ("raw.mh_exact", True, "mh_exact is for mantel_haenszel, not for inverse_variance"),
        ("raw.q_about", "mantel_haenszel", "q_about is for mantel_haenszel, not for inverse"),
        ("mixed.heterogeneity", "cochran", "must be wald or likelihood_ratio"),
        ("raw.heterogeneity", "wald", "heterogeneity of inverse_variance must be cochran"),
        ("mixed.interval", "hartung_knapp", "must be wald, t or profile_likelihood"),
        ("raw.interval", "profile_likelihood", "is for logistic_mixed, not for inverse_variance"),
        ("ratios.interval", "profile_likelihood", "logistic_mixed, not for mantel_haenszel"),
        ("raw.transform", "double_arcsine", "zero_cells does nothing under the transform"),
    ],
)
def test_keys_of_a_pooling_that_contradict_its_model_are_a_fault(resources, path, value, rule):
    found = validate_review(put(declared(), f"pooling.{path}", value), resources)
    (fault,) = (fault for fault in found if rule in fault.rule)
    assert fault.file == CONFIG
    assert fault.column in (f"pooling.{path}", "pooling.raw.zero_cells")


@pytest.mark.parametrize(
    ("outcome", "pooling", "rule"),
    [
        ("benefit", {"model": "logistic_mixed"}, "logistic_mixed pools proportion, not risk_ratio"),
        ("age", {"model": "logistic_mixed"}, "logistic_mixed pools proportion, not mean"),
        ("response", {"model": "mantel_haenszel"}, "not proportion"),
        (
            "benefit",
            {"model": "binomial_normal_conditional"},
            "binomial_normal_conditional pools odds_ratio, not risk_ratio",
        ),
        ("score", {"model": "mantel_haenszel"}, "not mean_change"),
        (
            "score",
            {"model": "inverse_variance", "transform": "raw"},
            "a transform is for proportion, mean or incidence_rate, not for mean_change",
        ),
        (
            "age",
            {"model": "inverse_variance", "transform": "logit"},
            "the transform of mean must be identity or log",
        ),
        (
            "score",
            {"model": "inverse_variance", "zero_cells": {"add": 1}},
            "zero_cells is for counts",
        ),
        (
            "response",
            {
                "model": "inverse_variance",
                "transform": "logit",
                "zero_cells": {"correct": "variance"},
            },
            "variance is for raw proportions",
        ),
        (
            "response",
            {"model": "inverse_variance", "zero_cells": {"cells": "events"}},
            "events is for the risk_ratio alone",
        ),
        (
            "response",
            {"model": "logistic_mixed", "zero_cells": {"to": "none"}},
            "needs a correction for the effect",
        ),
        (
            "response",
            {"model": "logistic_mixed", "zero_cells": {"add": 0}},
            "needs a correction for the effect",
        ),
    ],
)
def test_a_measure_that_a_pooling_cannot_pool_is_a_fault(resources, outcome, pooling, rule):
    config = put(declared(), "pooling.other", pooling)
    config = put(config, f"outcomes.{outcome}.pooling", "other")
    (fault,) = validate_review(config, resources)
    assert (fault.file, fault.column, fault.value) == (
        CONFIG,
        f"outcomes.{outcome}.pooling",
        "other",
    )
    assert rule in fault.rule


def test_q_about_the_mantel_haenszel_mean_is_for_dls_tau2(resources):
    config = put(declared(), "pooling.ratios.q_about", "mantel_haenszel")
    assert validate_review(config, resources) == ()
    (fault,) = validate_review(put(config, "pooling.ratios.tau2", "PM"), resources)
    assert fault.column == "pooling.ratios.q_about"
    assert fault.rule == "only DL's tau2 comes from this Q, not that of PM"


def test_data_in_studies_needs_its_columns(resources):
    config = declared()
    del config["outcomes"]["age"]["columns"]
    (fault,) = validate_review(config, resources)
    assert fault.column == "outcomes.age.columns"
    assert fault.rule.startswith("must be given where data is studies")


def test_a_tau2_of_the_pooling_that_meta_regressions_lack_must_be_replaced(resources):
    config = put(declared(), "pooling.plain.tau2", "SJ")
    config = put(config, "metaregression.score", {"models": {"size": ["n_ig"]}})
    (fault,) = validate_review(config, resources)
    assert fault.column == "metaregression.score.tau2"
    assert fault.rule == "must be given, DL, PM, ML or REML: plain has SJ"
    assert validate_review(put(config, "metaregression.score.tau2", "ML"), resources) == ()


def test_an_interval_of_the_pooling_that_meta_regressions_lack_must_be_replaced(resources):
    config = put(declared(), "pooling.plain.interval", "hartung_knapp_wider")
    config = put(config, "metaregression.score", {"models": {"size": ["n_ig"]}})
    (fault,) = validate_review(config, resources)
    assert fault.column == "metaregression.score.interval"
    assert fault.rule.endswith("or hartung_knapp_ad_hoc: plain has hartung_knapp_wider")
    assert validate_review(put(config, "metaregression.score.interval", "t"), resources) == ()


@pytest.mark.parametrize(
    ("pooling", "keys", "rule"),
    [
        ("plain", {}, "profile_likelihood needs tau2: ML or REML"),
        ("plain", {"tau2": "DL"}, "profile_likelihood needs tau2: ML or REML"),
        ("plain", {"tau2": "ML"}, None),
        ("mixed", {}, "tau2_interval is for inverse_variance or mantel_haenszel, not for"),
    ],
)
def test_a_profile_likelihood_needs_a_likelihood(resources, pooling, keys, rule):
    config = declared()
    config["pooling"][pooling] |= {"tau2_interval": "profile_likelihood", **keys}
    faults = validate_review(config, resources)
    assert [fault.column for fault in faults] == [f"pooling.{pooling}.tau2_interval"] * bool(rule)
    assert all(fault.rule.startswith(rule) for fault in faults)


def test_numbers_of_studies_need_their_status(tmp_path):
    config = declared()
    del config["studies"]["n_status"]
    studies = TABLES["studies.csv"]
    for cell in (",n_status", ",reported", ",unavailable"):
        studies = studies.replace(cell, "")
    write(tmp_path / "resources", **{"studies.csv": studies})
    (fault,) = validate_review(config, tmp_path / "resources")
    assert fault.column == "outcomes.age.columns"
    assert fault.rule == "studies.csv needs a column n_status (reported, derived, unavailable)"


def test_two_outcomes_that_differ_in_case_alone_are_a_fault(resources):
    config = put(declared(), "outcomes.Response", declared()["outcomes"]["response"])
    (fault,) = validate_review(config, resources)
    assert fault.column == "outcomes.Response"
    assert fault.rule.startswith("differs from response in upper and lower case alone")


@pytest.mark.parametrize(
    ("file", "old", "new", "rule"),
    [
        ("figures.csv", "step1_route", "step1_design", "unknown subgroup step; the nearest"),
        ("figures.csv", "step2_design", "step3_design", "unknown subgroup step; the nearest"),
        (
            "figures.csv",
            "forest,response,rct_only",
            "forest,response,step1_route",
            "unknown variant",
        ),
        ("figures.csv", "step1_route", "route", "must be step<number>_<column> (step1_route)"),
        ("published.csv", "subgroup1_iv", "subgroup1_im", "unknown value of route"),
        (
            "published.csv",
            "subgroup2_rct",
            "subgroup3_rct",
            "declares 2 subgroup steps for response",
        ),
    ],
)
def test_subgroups_that_are_drawn_or_published_are_declared(tmp_path, file, old, new, rule):
    write(tmp_path / "resources", **{file: TABLES[file].replace(old, new)})
    (fault,) = validate_review(declared(), tmp_path / "resources")
    assert (fault.file, fault.column) == (f"resources/{file}", "variant")
    assert fault.value == new.split(",")[-1]
    assert rule in fault.rule


def test_without_declared_subgroups_none_is_drawn_but_printed_ones_may_be_told(tmp_path):
    config = declared()
    del config["subgroups"]
    write(tmp_path / "resources", **{"published_tests.csv": PRINTED_TESTS})
    assert {
        (f.file, f.column, f.rule) for f in validate_review(config, tmp_path / "resources")
    } == {("resources/figures.csv", "variant", "unknown subgroup step: there is none")}


# All at once, whatever it is ---------------------------------------------------------------


def test_faults_of_keys_and_of_names_are_reported_together(resources):
    config = put(declared(), "outcomes.response.wher", {"design": "rct"})
    config = put(config, "outcomes.benefit.pooling", "ratio")
    config = put(config, "pooling.raw.tau2", "REM")
    config = put(config, "variants.both.combine", ["rct", "no_outliers"])
    config = put(config, "subgroups.response.steps", "route")
    assert {fault.column for fault in validate_review(config, resources)} >= {
        "outcomes.response.wher",
        "outcomes.benefit.pooling",
        "pooling.raw.tau2",
        "variants.both.combine",
        "subgroups.response.steps",
    }


def paths(value, place=()):
    """The place of every value in a declaration, itself included."""
    yield place
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from paths(inner, (*place, key))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.text(max_size=5) | st.booleans() | st.integers(), inner, max_size=2)
    ),
    max_leaves=4,
)


@settings(max_examples=30, deadline=None)
@given(path=st.sampled_from(list(paths(declared()))), value=JSON)
def test_whatever_stands_in_a_key_s_place_is_read_to_the_end(resources, path, value):
    config = declared()
    place = config
    for key in path[:-1]:
        place = place[key]
    if path:
        place[path[-1]] = value
    else:
        config = value
    faults = validate_review(config, resources)
    assert all(fault.file and fault.rule for fault in faults)


# The schema itself -------------------------------------------------------------------------

SCHEMA_TEXT = yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))


def subschemas(schema, place="config"):
    """Every part of the schema that describes a value, with its place."""
    yield place, schema
    for key, part in schema.get("properties", {}).items():
        yield from subschemas(part, f"{place}.{key}")
    for key in ("additionalProperties", "items"):
        if isinstance(schema.get(key), dict):
            yield from subschemas(schema[key], f"{place}.*")


PARTS = list(subschemas(SCHEMA_TEXT))


def resolved(schema: dict) -> dict:
    reference = schema.get("$ref", "").rpartition("/")[2]
    return {**SCHEMA_TEXT["$defs"][reference], **schema} if reference else schema


@pytest.mark.parametrize(("place", "schema"), PARTS, ids=[place for place, _ in PARTS])
def test_every_key_is_described_and_no_mapping_is_open(place, schema):
    schema = resolved(schema)
    if not place.endswith("*") or "properties" in schema:
        assert len(schema["description"]) > 8
    if schema.get("type") == "object":
        assert "additionalProperties" in schema
        assert schema["additionalProperties"] is not True


def in_section(*path: str) -> set:
    """The allowed words of a key in the sections that hold named entries."""
    schema = SCHEMA_TEXT["properties"][path[0]]["additionalProperties"]
    for key in path[1:]:
        schema = resolved(schema["properties"][key])
    return set(schema["enum"])


def test_the_default_columns_of_studies_are_declared_as_a_review_would():
    config = declared() | {"studies": SCHEMA_TEXT["properties"]["studies"]["default"]}
    assert DeclarationSchema.read(SCHEMA).faults(config) == []


@pytest.mark.parametrize(
    ("path", "known"),
    [
        (("pooling", "model"), models.MODELS),
        (("pooling", "tau2"), TAU2_METHODS),
        (("pooling", "interval"), {*INTERVALS, *logistic_mixed.INTERVALS}),
        (("pooling", "prediction"), PREDICTIONS),
        (
            ("pooling", "transform"),
            {*measures.PROPORTION_SCALES, *measures.RATE_SCALES, *measures.MEAN_SCALES}
            - {"identity"},
        ),
        (("outcomes", "standardized", "correction"), measures.HEDGES_CORRECTIONS),
        (("outcomes", "standardized", "variance"), measures.SMD_VARIANCES),
        (("outcomes", "measure"), rows.NUMBERS),
        (("outcomes", "measure"), effects.FAMILIES),
        (("outcomes", "medians"), medians.METHODS),
        (("variants", "outliers", "rule"), outliers.RULES),
    ],
    ids=lambda value: ".".join(value) if isinstance(value, tuple) else "",
)
def test_the_words_that_are_allowed_are_those_that_the_library_knows(path, known):
    assert in_section(*path) == set(known)


def test_the_tests_of_small_study_effects_are_those_of_the_library():
    tests = SCHEMA_TEXT["properties"]["bias"]["properties"]["tests"]["items"]["enum"]
    assert set(tests) == {name for known in diagnostics.TESTS.values() for name in known}


def test_the_choices_of_the_bootstrap_are_those_of_the_library():
    words = SCHEMA_TEXT["properties"]["bootstrap"]["properties"]
    assert words["kinds"]["items"]["enum"] == list(targets.KINDS)
    assert words["intervals"]["items"]["enum"] == list(intervals.INTERVALS)


def test_the_choices_of_a_multiverse_are_those_that_a_review_can_make():
    words = SCHEMA_TEXT["properties"]["multiverse"]["additionalProperties"]["properties"]
    assert list(words) == list(specifications.CHOICES)
    for choice in ("model", "transform", "tau2"):
        assert set(resolved(words[choice]["items"])["enum"]) == in_section("pooling", choice)
    assert set(words["interval"]["items"]["enum"]) <= in_section("pooling", "interval")


def test_the_choices_of_meta_regressions_are_those_of_the_library():
    assert in_section("metaregression", "tau2") == set(metaregression.METHODS)
    assert in_section("metaregression", "interval") == set(metaregression.INTERVALS)
    assert references.REGRESSION == {
        "tau2": metaregression.METHODS,
        "interval": metaregression.INTERVALS,
    }


def test_the_boxes_of_the_flow_are_those_that_are_drawn():
    flow = SCHEMA_TEXT["properties"]["prisma"]["properties"]
    assert set(flow) == {*prisma_flow.LABELS, "note"}
    for box, parts in prisma_flow.BREAKDOWNS.items():
        assert set(flow[box]["properties"]) == {"total", *parts}


def test_the_columns_of_table_1_are_declared_as_the_library_takes_them():
    tables = SCHEMA_TEXT["properties"]["tables"]["additionalProperties"]["properties"]
    declared = tables["columns"]["items"]
    assert set(declared["properties"]) == set(characteristics.Characteristic.__dataclass_fields__)
    assert set(declared["properties"]["kind"]["enum"]) == set(characteristics.KINDS)
    assert set(declared["properties"]["align"]["enum"]) == set(ALIGNMENTS)


def test_the_keys_of_a_pooling_are_those_of_the_library():
    keys = set(SCHEMA_TEXT["properties"]["pooling"]["additionalProperties"]["properties"])
    assert keys - {"preset"} == set(models.Pooling.__dataclass_fields__)
    zero_cells = SCHEMA_TEXT["properties"]["pooling"]["additionalProperties"]["properties"]
    assert set(zero_cells["zero_cells"]["properties"]) == set(
        measures.ZeroCells.__dataclass_fields__
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"design": ["rct", True, None, 0.5]}, "{design: [rct, true, , 0.5]}"),
        ("a" * 99, "a" * 99),
        (["a" * 99], "[" + "a" * 59 + "…"),
    ],
)
def test_a_value_is_shown_on_one_line(value, text):
    assert shown(value) == text


@pytest.mark.parametrize(
    ("word", "known", "near"),
    [("wher", ["where", "exclude"], "where"), ("x", [], ""), ("REm", ["DL", "REML"], "REML")],
)
def test_the_nearest_word(word, known, near):
    assert nearest(word, known) == near


def test_a_list_of_words():
    assert [either(["a"]), either(["a", "b"]), either("abc")] == ["a", "a or b", "a, b or c"]


def test_the_flow_needs_its_numbers_and_an_annexure_its_title(tmp_path):
    config = declared()
    del config["prisma"]
    figures = TABLES["figures.csv"] + "1,7,prisma_flow,,\n"
    write(tmp_path / "resources", **{"figures.csv": figures})
    found = validate_review(config, tmp_path / "resources")
    assert {(f.study, f.column, f.value, f.rule) for f in found} == {
        (
            "line 5",
            "kind",
            "prisma_flow",
            "config.yaml has no section prisma with the numbers to draw",
        ),
        ("line 5", "annexure", "7", "has no title in the section annexures of config.yaml"),
    }
