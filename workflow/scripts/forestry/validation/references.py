"""What the declaration and the tables say of each other: every name that is used exists."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from forestry.faults import Fault
from forestry.measure_kinds import ESTIMATES, KINDS, RATIOS, TWO_ARMS
from forestry.rows import NUMBERS
from forestry.rows import STUDIES as STUDIES_DATA
from forestry.validation.columns import PUBLISHED
from forestry.validation.columns import number as number_in
from forestry.validation.declaration import Declaration, mapping, text, texts
from forestry.validation.pooling import misfits, pooling_faults, use_faults, with_preset
from forestry.validation.reading import Table
from forestry.validation.rules import RECONSTRUCTED, STATUSES
from forestry.validation.sheets import FAMILIES_OF
from forestry.validation.tables import Tables
from forestry.validation.words import either, shown, unknown

CONFIG = "config.yaml"
STATE_COLUMNS = ("status", "basis")
STEP = re.compile(r"step(\d+)_(\w+)", re.ASCII)
GROUP = re.compile(r"subgroup(\d+)_(\w+)", re.ASCII)

REGRESSION = {
    "tau2": ("DL", "PM", "ML", "REML"),
    "interval": ("wald", "t", "hartung_knapp", "hartung_knapp_ad_hoc"),
}

# Keys of an outcome that mean something for some measures alone.
ONLY_FOR = {
    "arms": TWO_ARMS,
    "favours": (*TWO_ARMS, "mean_change"),
    "standardized": ("standardized_mean_difference",),
    "direction": ("mean_change",),
    "correlation": ("mean_change",),
    "medians": ("mean",),
}

QUALITY_OF = {"risk_of_bias": "quality_rob", "newcastle_ottawa": "quality_nos"}

# Keys of a column of studies.csv that mean something for some types alone.
KEYS_OF_TYPES = {
    "values": ("category",),
    "minimum": ("count", "number"),
    "above": ("number",),
    "at_most": ("count", "number"),
    "part_of": ("count", "number"),
    "status_of": ("category",),
}


def reference_faults(declared: Declaration, tables: Tables) -> list[Fault]:
    """Every fault between config.yaml and the tables, and between the tables."""
    return list(_References(declared, tables).faults())


@dataclass(frozen=True)
class _References:
    declared: Declaration
    tables: Tables

    def faults(self) -> Iterator[Fault]:
        yield from self._studies_section()
        for name, pooling in self.declared.pooling.items():
            if "preset" not in pooling:
                yield from pooling_faults(f"pooling.{name}", pooling)
        for outcome, about in self.declared.outcomes.items():
            yield from self._outcome(f"outcomes.{outcome}", about)
        yield from self._like_named("outcomes", self.declared.outcomes)
        for variant, about in self.declared.variants.items():
            yield from self._variant(variant, about)
        for outcome, about in self.declared.subgroups.items():
            yield from self._subgroups(outcome, about)
        for outcome, about in self.declared.metaregression.items():
            yield from self._metaregression(outcome, about)
        yield from self._bubbles()
        yield from self._bootstrap()
        yield from self._reconstruction()
        for outcome, about in self.declared.multiverse.items():
            yield from self._multiverse(outcome, about)
        yield from self._tables()
        yield from self._like_named("tables", self.declared.tables)
        yield from self._members()
        yield from self._provenance()
        yield from self._units()
        yield from self._ratios()
        yield from self._published()
        yield from self._published_tests()
        yield from self._figures()
        yield from self._assumed()

    # The declaration ----------------------------------------------------------------------

    def _studies_section(self) -> Iterator[Fault]:
        taken = {"study_id", "label", *STATE_COLUMNS, *(n for all in NUMBERS.values() for n in all)}
        for name, about in self.declared.studies.items():
            place = f"studies.{name}"
            if name in taken:
                yield _fault(place, "", "the name is taken by a column that every review has")
            for key, types in KEYS_OF_TYPES.items():
                if key in about and text(about, "type") not in types:
                    rule = f"{key} is for {either(types)}, not for {text(about, 'type')}"
                    yield _fault(f"{place}.{key}", about[key], rule)
            if text(about, "type") == "category" and "values" not in about:
                yield _fault(f"{place}.values", "", "must be given for a category")
            if "minimum" in about and "above" in about:
                yield _fault(f"{place}.above", about["above"], "minimum is given already")
            for key in ("evidence", "source"):
                if (key in about) != ("status_of" in about):
                    yield _fault(f"{place}.{key}", "", "goes with status_of, evidence and source")
            for key in ("at_most", "part_of", "status_of", "evidence", "source"):
                other = text(about, key)
                if other and other not in self.declared.studies:
                    rule = unknown("column of studies.csv", other, self.declared.studies)
                    yield _fault(f"{place}.{key}", other, rule)

    def _outcome(self, place: str, about: Mapping) -> Iterator[Fault]:
        measure, data = text(about, "measure"), text(about, "data")
        known = measure in NUMBERS
        yield from self._data(place, about, data, measure)
        yield from self._pooling_name(place, about, measure)
        yield from self._selection(place, about)
        yield from self._named_studies(place, about, data)
        for key, measures in ONLY_FOR.items():
            if known and key in about and measure not in measures:
                rule = f"{key} has no meaning for a {measure}: only for {either(measures)}"
                yield _fault(f"{place}.{key}", about[key], rule)
        if known:
            yield from self._mapped_columns(place, about, data, measure)

    def _data(self, place: str, about: Mapping, data: str, measure: str) -> Iterator[Fault]:
        if not data or data == STUDIES_DATA:
            return
        if data not in self.tables.present:
            rule = f"there is no {self.tables.folder}/extraction/{data}.csv; "
            rule += unknown("sheet", data, self.tables.present)
            yield _fault(f"{place}.data", data, rule)
            return
        family = self.tables.families.get(data)
        if family and measure in NUMBERS and family not in FAMILIES_OF[measure]:
            wanted = either(f.name for f in FAMILIES_OF[measure])
            rule = f"{data}.csv holds {family.name}, and a {measure} needs {wanted}"
            yield _fault(f"{place}.measure", measure, rule)

    def _pooling_name(self, place: str, about: Mapping, measure: str) -> Iterator[Fault]:
        name = text(about, "pooling")
        if not name:
            return
        if name not in self.declared.pooling:
            yield _fault(f"{place}.pooling", name, unknown("pooling", name, self.declared.pooling))
        elif measure in NUMBERS:
            yield from use_faults(place, name, self.declared.pooling[name], measure)

    def _named_studies(self, place: str, about: Mapping, data: str) -> Iterator[Fault]:
        if "studies" not in about:
            return
        sheet = self.tables.extraction.get(data)
        rows = set(sheet.column("study_id")) if sheet else None
        for study in texts(about, "studies"):
            if study not in self._study_ids:
                rule = unknown("study", study, self._study_ids)
                yield _fault(f"{place}.studies", study, rule)
            elif rows is not None and study not in rows:
                rule = f"the study has no row in {sheet.file}"
                yield _fault(f"{place}.studies", study, rule)

    def _mapped_columns(self, place, about: Mapping, data: str, measure: str) -> Iterator[Fault]:
        columns = about.get("columns")
        if columns is None:
            if data == STUDIES_DATA:
                rule = "must be given where data is studies: which column holds which number"
                yield _fault(f"{place}.columns", "", rule)
            return
        if data != STUDIES_DATA:
            yield _fault(f"{place}.columns", "", "has a meaning only where data is studies")
        if self._studies and "n_status" not in self._studies.header:
            rule = "studies.csv needs a column n_status (reported, derived, unavailable)"
            yield _fault(f"{place}.columns", "", rule)
        numeric = [c.name for c in self.tables.studies_family.columns if c.numeric]
        for number, column in mapping(columns).items():
            if number not in NUMBERS[measure]:
                rule = unknown(f"number of a {measure}", str(number), NUMBERS[measure])
                yield _fault(f"{place}.columns.{number}", column, rule)
            if isinstance(column, str) and column not in numeric:
                rule = unknown("column of numbers in studies.csv", column, numeric)
                yield _fault(f"{place}.columns.{number}", column, rule)

    def _variant(self, variant: str, about: Mapping) -> Iterator[Fault]:
        place = f"variants.{variant}"
        yield from self._selection(place, about)
        outliers = mapping(about.get("outliers"))
        if "threshold" in outliers and text(outliers, "rule") == "interval_outside_pooled":
            rule = "has a meaning only for the rule studentized_residual"
            yield _fault(f"{place}.outliers.threshold", outliers["threshold"], rule)
        for part in texts(about, "combine"):
            if part not in self.declared.variants:
                rule = unknown("variant", part, self.declared.variants)
                yield _fault(f"{place}.combine", part, rule)
            elif variant in self._parts(part):
                yield _fault(f"{place}.combine", part, f"{variant} would be a part of itself")

    def _parts(self, variant: str) -> set[str]:
        """The variant and all that it combines."""
        found, waiting = set(), [variant]
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                about = self.declared.variants.get(name, {})
                waiting.extend(texts(about, "combine"))
        return found

    def _subgroups(self, outcome: str, about: Mapping) -> Iterator[Fault]:
        place = f"subgroups.{outcome}"
        if outcome not in self.declared.outcomes:
            yield _fault(place, "", unknown("outcome", outcome, self.declared.outcomes))
        variant = text(about, "variant") or "main"
        if variant not in self.declared.variants:
            rule = unknown("variant", variant, self.declared.variants)
            yield _fault(f"{place}.variant", variant, rule)
        measure = text(self.declared.outcomes.get(outcome, {}), "measure")
        yield from self._pooling_name(place, about, measure)
        for i, step in enumerate(_steps(about), start=1):
            yield from self._step(f"{place}.steps.{i}", step)
        columns = (text(step, "by") for step in _steps(about))
        groups = [value for by in columns for value in self._allowed_values(by) or ()]
        for group, name in mapping(about.get("groups")).items():
            if group not in groups:
                yield _fault(f"{place}.groups.{group}", name, unknown("group", str(group), groups))

    def _metaregression(self, outcome: str, about: Mapping) -> Iterator[Fault]:
        place = f"metaregression.{outcome}"
        if outcome not in self.declared.outcomes:
            yield _fault(place, "", unknown("outcome", outcome, self.declared.outcomes))
        variant = text(about, "variant") or "main"
        yield from self._variant_with_studies(f"{place}.variant", variant)
        yield from self._regression_choices(place, outcome, about)
        yield from self._moderators(place, about)

    def _regression_choices(self, place: str, outcome: str, about: Mapping) -> Iterator[Fault]:
        """The pooling's estimator and interval are of meta-regressions too, or others are given."""
        about_outcome = self.declared.outcomes.get(outcome, {})
        pooling = text(about_outcome, "pooling")
        declared = self.declared.pooling.get(pooling, {})
        full = with_preset(declared, text(about_outcome, "measure"))
        for key, choices in REGRESSION.items():
            pooled = text(full, key)
            if pooled and pooled not in choices and key not in about:
                rule = f"must be given, {either(choices)}: {pooling} has {pooled}"
                yield _fault(f"{place}.{key}", "", rule)

    def _moderators(self, place: str, about: Mapping) -> Iterator[Fault]:
        columns = self.tables.studies_family.columns
        known = [column.name for column in columns if column.numeric or column.values]
        used: dict[str, None] = {}
        for model, names in mapping(about.get("models")).items():
            for name in texts({"names": names}, "names"):
                used[name] = None
                if name not in known:
                    rule = unknown("column of numbers or categories in studies.csv", name, known)
                    yield _fault(f"{place}.models.{model}", name, rule)
        for column, name in mapping(about.get("labels")).items():
            if column not in used:
                yield _fault(
                    f"{place}.labels.{column}", name, unknown("moderator", str(column), used)
                )
        categories = [name for name in used if name in self._categories]
        groups = [value for name in categories for value in self._allowed_values(name) or ()]
        for group, name in mapping(about.get("groups")).items():
            if group not in groups:
                yield _fault(f"{place}.groups.{group}", name, unknown("group", str(group), groups))

    def _bubbles(self) -> Iterator[Fault]:
        """No two bubble plots are of one name."""
        seen: dict[str, str] = {}
        for outcome, about in self.declared.metaregression.items():
            for model, names in mapping(about.get("models")).items():
                place = f"metaregression.{outcome}.models.{model}"
                alone = isinstance(names, list) and len(names) == 1
                other = seen.setdefault(f"{outcome}_{model}".casefold(), place) if alone else place
                if other != place:
                    rule = f"its bubble plot would have the name of that of {other}"
                    yield _fault(place, "", rule)

    def _bootstrap(self) -> Iterator[Fault]:
        """The variants that are bootstrapped have studies of their own."""
        for variant in texts(self.declared.bootstrap, "variants"):
            yield from self._variant_with_studies("bootstrap.variants", variant)

    def _multiverse(self, outcome: str, about: Mapping) -> Iterator[Fault]:
        """The choices have a meaning for the outcome's measure, the variants studies."""
        place = f"multiverse.{outcome}"
        if outcome not in self.declared.outcomes:
            yield _fault(place, "", unknown("outcome", outcome, self.declared.outcomes))
            return
        for variant in texts(about, "variant"):
            yield from self._variant_with_studies(f"{place}.variant", variant)
        measure = text(self.declared.outcomes[outcome], "measure")
        if measure not in NUMBERS:
            return
        ways = [{"model": model} for model in texts(about, "model")]
        ways += [
            {"model": "inverse_variance", "transform": scale} for scale in texts(about, "transform")
        ]
        for way in ways:
            for rule in misfits(way, measure):
                key = list(way)[-1]
                yield _fault(f"{place}.{key}", way[key], rule)
        for key, measures in ONLY_FOR.items():
            if key in about and measure not in measures:
                rule = f"{key} has no meaning for a {measure}: only for {either(measures)}"
                yield _fault(f"{place}.{key}", about[key], rule)

    def _variant_with_studies(self, place: str, variant: str) -> Iterator[Fault]:
        if variant not in self.declared.variants:
            yield _fault(place, variant, unknown("variant", variant, self.declared.variants))
        elif "leave_one_out" in self.declared.variants[variant]:
            rule = "leaves out one study at a time: it has no studies of its own"
            yield _fault(place, variant, rule)

    def _step(self, place: str, step: Mapping) -> Iterator[Fault]:
        by = text(step, "by")
        if by and by not in self._categories:
            rule = unknown("column of categories in studies.csv", by, self._categories)
            yield _fault(f"{place}.by", by, rule)
        yield from self._choices(f"{place}.within", step.get("within"))

    def _tables(self) -> Iterator[Fault]:
        for table, about in self.declared.tables.items():
            place, kind = f"tables.{table}", text(about, "kind")
            for outcome in texts(about, "outcomes"):
                if outcome not in self.declared.outcomes:
                    rule = unknown("outcome", outcome, self.declared.outcomes)
                    yield _fault(f"{place}.outcomes", outcome, rule)
            needed = QUALITY_OF.get(kind)
            if needed and needed not in self.tables.tables:
                rule = f"there is no {self.tables.folder}/{needed}.csv for it"
                yield _fault(f"{place}.kind", kind, rule)
            for key in ("columns", "words"):
                if kind and kind != "characteristics" and key in about:
                    yield _fault(f"{place}.{key}", "", f"{key} is for characteristics, not {kind}")
            yield from self._characteristics(place, about)

    def _characteristics(self, place: str, about: Mapping) -> Iterator[Fault]:
        known = self._study_columns
        prefixes = [name.removesuffix("_mean") for name in known if name.endswith("_mean")]
        for i, column in enumerate(_mappings(about, "columns"), start=1):
            summary = text(column, "kind") == "summary"
            for key in ("columns", "status", "suffix"):
                names = prefixes if summary and key == "columns" else known
                for name in texts(column, key):
                    if name not in names:
                        rule = unknown("column of studies.csv", name, names)
                        yield _fault(f"{place}.columns.{i}.{key}", name, rule)
            counted = texts(column, "columns"), texts(column, "names")
            if text(column, "kind") == "counts" and len(counted[0]) != len(counted[1]):
                rule = f"must be {len(counted[0])}, one a column"
                yield _fault(f"{place}.columns.{i}.names", len(counted[1]), rule)
        for column, words in mapping(about.get("words")).items():
            if column not in self._categories:
                rule = unknown("column of categories in studies.csv", str(column), self._categories)
                yield _fault(f"{place}.words.{column}", "", rule)
                continue
            allowed = self._allowed_values(column)
            for value in mapping(words):
                if value not in allowed:
                    rule = unknown(f"value of {column}", str(value), allowed)
                    yield _fault(f"{place}.words.{column}.{value}", "", rule)

    def _like_named(self, section: str, names: Iterable[str]) -> Iterator[Fault]:
        seen: dict[str, str] = {}
        for name in names:
            other = seen.setdefault(name.casefold(), name)
            if other != name:
                rule = f"differs from {other} in upper and lower case alone: both name files"
                yield _fault(f"{section}.{name}", "", rule)

    # Selections ---------------------------------------------------------------------------

    def _selection(self, place: str, about: Mapping) -> Iterator[Fault]:
        for key in ("where", "exclude"):
            yield from self._choices(f"{place}.{key}", about.get(key))

    def _choices(self, place: str, selection: object) -> Iterator[Fault]:
        for column, wanted in mapping(selection).items():
            allowed = self._allowed_values(str(column))
            if allowed is None:
                known = (*self._study_columns, *STATE_COLUMNS)
                rule = unknown("column", str(column), known)
                yield _fault(f"{place}.{column}", wanted, rule)
                continue
            for value in texts({"wanted": wanted}, "wanted"):
                if value not in allowed:
                    rule = unknown(f"value of {column}", value, allowed)
                    yield _fault(f"{place}.{column}", value, rule)

    def _allowed_values(self, column: str) -> tuple[str, ...] | None:
        """The values that a selection can name; None for a column that does not exist."""
        if column == "status":
            return STATUSES
        if column == "basis":
            return ("source", *(f"published:{outcome}" for outcome in self.declared.outcomes))
        if column not in self._study_columns:
            return None
        if values := self.tables.studies_family.by_name[column].values:
            return values
        return tuple(sorted(set(self._studies.column(column)) - {""})) if self._studies else ()

    # The tables ---------------------------------------------------------------------------

    def _members(self) -> Iterator[Fault]:
        """Every row of a study is of a study in studies.csv."""
        if not self._studies:
            return
        quality = [self.tables.tables.get(name) for name in ("quality_rob", "quality_nos")]
        for table in (*self.tables.extraction.values(), *quality):
            for line, row in table or ():
                study = row.get("study_id", "").strip()
                if study and study not in self._study_ids:
                    rule = f"is not in studies.csv; {unknown('study', study, self._study_ids)}"
                    yield table.fault(line, row, "study_id", _short(rule))

    def _reconstruction(self) -> Iterator[Fault]:
        """The column that bounds a study's size is one, and holds counts."""
        size, place = text(self.declared.reconstruction, "size"), "reconstruction.size"
        if size and size not in self.declared.studies:
            rule = unknown("column of studies.csv", size, self.declared.studies)
            yield _fault(place, size, rule)
        elif size and text(self.declared.studies[size], "type") != "count":
            yield _fault(place, size, "must be a column of counts")

    def _provenance(self) -> Iterator[Fault]:
        for table in self.tables.extraction.values():
            for line, row in table:
                basis = PUBLISHED.fullmatch(row.get("basis", "").strip())
                if basis and basis[1] not in self.declared.outcomes:
                    rule = unknown("outcome", basis[1], self.declared.outcomes)
                    yield table.fault(line, row, "basis", _short(rule))
                if (
                    row.get("status", "").strip() == RECONSTRUCTED
                    and not self.declared.reconstructed
                ):
                    rule = "reconstructed rows need `reconstructed: true` in config.yaml"
                    yield table.fault(line, row, "status", rule)

    def _units(self) -> Iterator[Fault]:
        """The numbers of a sheet are in the unit of every outcome that pools them."""
        for outcome, data in self.declared.sheets():
            about, table = self.declared.outcomes[outcome], self.tables.extraction.get(data)
            kind = KINDS.get(text(about, "measure"))
            if not table or (kind and kind.unitless):
                continue
            first = next((unit for unit in table.column("unit") if unit), "")
            wanted = text(about, "unit") or first
            for line, row in table:
                unit = row.get("unit", "").strip()
                if unit and unit != wanted:
                    rule = f"must be the unit of the outcome {outcome} ({wanted})"
                    yield table.fault(line, row, "unit", rule)

    def _ratios(self) -> Iterator[Fault]:
        """What is pooled as a ratio, or by its logarithm, is above zero."""
        for outcome, data in self.declared.sheets():
            about, table = self.declared.outcomes[outcome], self.tables.extraction.get(data)
            for column in self._logarithms(about) if table else ():
                for line, row in table:
                    value = number_in(row.get(column, ""))
                    if value is not None and value <= 0:
                        rule = f"must be above 0: the outcome {outcome} takes its logarithm"
                        yield table.fault(line, row, column, rule)

    def _logarithms(self, about: Mapping) -> tuple[str, ...]:
        """The columns of which an outcome takes the logarithm."""
        measure = text(about, "measure")
        transform = text(self.declared.pooling.get(text(about, "pooling"), {}), "transform")
        if measure == "mean" and transform == "log":
            return ("mean",)
        if measure == "ratio_of_means":
            return ("mean", "control_mean")
        generic = measure in RATIOS and KINDS[measure].columns == ESTIMATES
        return ("estimate", "ci_low", "ci_high") if generic else ()

    def _published(self) -> Iterator[Fault]:
        table = self.tables.tables.get("published")
        refs = set(self._studies.column("ref")) if self._studies else set()
        for line, row in table or ():
            outcome = row.get("outcome", "").strip()
            about = self.declared.outcomes.get(outcome)
            if about is None:
                rule = unknown("outcome", outcome, self.declared.outcomes)
                yield table.fault(line, row, "outcome", _short(rule))
                continue
            if rule := self._unknown_result(outcome, row.get("variant", "").strip()):
                yield table.fault(line, row, "variant", rule)
            statistic, measure = row.get("statistic", "").strip(), text(about, "measure")
            if statistic in NUMBERS and measure in NUMBERS and statistic != measure:
                rule = f"must be the measure of the outcome {outcome} ({measure})"
                yield table.fault(line, row, "statistic", rule)
            if refs and (missing := sorted(set(row.get("studies", "").split()) - refs)):
                rule = f"{', '.join(missing)}: no study has this reference number (ref)"
                yield table.fault(line, row, "studies", rule)

    def _published_tests(self) -> Iterator[Fault]:
        """A printed test is of an outcome, and of groups whose results are printed."""
        table, published = (self.tables.tables.get(f"published{end}") for end in ("_tests", ""))
        for line, row in table or ():
            outcome, variant = row.get("outcome", "").strip(), row.get("variant", "").strip()
            if outcome and outcome not in self.declared.outcomes:
                rule = unknown("outcome", outcome, self.declared.outcomes)
                yield table.fault(line, row, "outcome", _short(rule))
                continue
            known = variant in self.declared.variants
            checked = self.declared.declares_subgroups or not STEP.fullmatch(variant)
            if not known and checked and (rule := self._unknown_step(outcome, variant)):
                yield table.fault(line, row, "variant", rule)
            printed = [
                other.get("variant", "").strip()
                for _, other in published or ()
                if other.get("outcome", "").strip() == outcome
            ]
            for group in row.get("groups", "").split():
                if group not in printed:
                    rule = unknown(f"published result of {outcome}", group, printed)
                    yield table.fault(line, row, "groups", f"{group}: {rule}")

    def _unknown_result(self, outcome: str, variant: str) -> str:
        """Why a published result has no counterpart: a variant or a subgroup that is not."""
        group = GROUP.fullmatch(variant)
        if not variant or variant in self.declared.variants:
            return ""
        if not group:
            rule = unknown("variant", variant, self.declared.variants)
            return f"{rule}; a subgroup's result is subgroup<step>_<value>"
        if not self.declared.declares_subgroups:
            return ""
        steps = _steps(self.declared.subgroups.get(outcome, {}))
        number = int(group[1])
        if not 1 <= number <= len(steps):
            return f"config.yaml declares {len(steps)} subgroup steps for {outcome}"
        by = text(steps[number - 1], "by")
        allowed = self._allowed_values(by) or ()
        return "" if group[2] in allowed else unknown(f"value of {by}", group[2], allowed)

    def _figures(self) -> Iterator[Fault]:
        table = self.tables.tables.get("figures")
        for line, row in table or ():
            kind, outcome, variant = (
                row.get(column, "").strip() for column in ("kind", "outcome", "variant")
            )
            annexure = row.get("annexure", "").strip()
            if annexure not in ("", "main", *self.declared.annexures) and self.declared.annexures:
                rule = "has no title in the section annexures of config.yaml"
                yield table.fault(line, row, "annexure", rule)
            if kind == "prisma_flow":
                if not self.declared.prisma:
                    rule = "config.yaml has no section prisma with the numbers to draw"
                    yield table.fault(line, row, "kind", rule)
                continue
            if outcome and outcome not in self.declared.outcomes:
                rule = unknown("outcome", outcome, self.declared.outcomes)
                yield table.fault(line, row, "outcome", _short(rule))
            if variant and (rule := self._unknown_drawn(kind, outcome, variant)):
                yield table.fault(line, row, "variant", rule)

    def _unknown_drawn(self, kind: str, outcome: str, variant: str) -> str:
        if kind == "subgroup_forest":
            return self._unknown_step(outcome, variant)
        known = self.declared.variants
        return "" if variant in known else _short(unknown("variant", variant, known))

    def _unknown_step(self, outcome: str, variant: str) -> str:
        if not STEP.fullmatch(variant):
            return "must be step<number>_<column> (step1_route)"
        steps = _steps(self.declared.subgroups.get(outcome, {}))
        known = [f"step{i}_{text(step, 'by')}" for i, step in enumerate(steps, start=1)]
        return "" if variant in known else unknown("subgroup step", variant, known)

    def _assumed(self) -> Iterator[Fault]:
        """The fields that studies.csv calls assumed are columns of it."""
        known = self.tables.studies_family.by_name
        for line, row in self._studies or ():
            for name in row.get("assumed", "").split() if "assumed" in known else ():
                if name not in known:
                    rule = unknown("column", name, known)
                    yield self._studies.fault(line, row, "assumed", _short(rule))

    # What is known of studies.csv -----------------------------------------------------------

    @property
    def _studies(self) -> Table | None:
        return self.tables.tables.get("studies")

    @property
    def _study_ids(self) -> tuple[str, ...]:
        return self._studies.column("study_id") if self._studies else ()

    @property
    def _study_columns(self) -> tuple[str, ...]:
        return tuple(self.tables.studies_family.by_name)

    @property
    def _categories(self) -> tuple[str, ...]:
        return tuple(c.name for c in self.tables.studies_family.columns if c.values)


def _fault(place: str, value: object, rule: str) -> Fault:
    return Fault(CONFIG, "", place, shown(value), rule)


def _short(rule: str) -> str:
    """A sentence without its list of all that is known."""
    return rule.partition(" (known: ")[0]


def _steps(about: Mapping) -> list[Mapping]:
    return _mappings(about, "steps")


def _mappings(about: Mapping, key: str) -> list[Mapping]:
    found = about.get(key)
    return [mapping(item) for item in found] if isinstance(found, list) else []
