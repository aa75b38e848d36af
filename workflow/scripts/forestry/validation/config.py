"""The keys of config.yaml, held against their JSON Schema; every fault as a sentence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from forestry.faults import Fault
from forestry.validation.words import nearest, one_of, shown, unknown

CONFIG = "config.yaml"
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # where PyYAML has it, ten times faster
KINDS = {
    "object": "a mapping of keys to values",
    "array": "a list",
    "string": "text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "null": "nothing",
}
# What readers write for a key that has another name.
MEANT = {
    "alpha": "level",
    "confidence": "level",
    "method": "model",
    "estimator": "tau2",
    "filter": "where",
    "subset": "where",
    "file": "data",
}


@dataclass(frozen=True)
class DeclarationSchema:
    """The JSON Schema (2020-12) of config.yaml."""

    schema: Mapping

    @classmethod
    def read(cls, path: Path) -> DeclarationSchema:
        return cls(yaml.load(Path(path).read_text(encoding="utf-8"), Loader=LOADER))

    @property
    def default_studies(self) -> Mapping:
        """The columns of studies.csv of a review that declares none."""
        return self.schema["properties"]["studies"]["default"]

    def faults(self, config: object) -> list[Fault]:
        """Every key and value of a declaration that the schema does not allow."""
        odd = list(_odd_names_and_numbers(config, ()))
        errors = Draft202012Validator(self.schema).iter_errors(_with_text_keys(config))
        return [*odd, *(fault for error in errors for fault in _faults(error))]


def _faults(error: ValidationError) -> Iterator[Fault]:
    place = tuple(error.absolute_path)
    if error.validator == "additionalProperties":
        known = error.schema.get("properties", {})
        for key in error.instance:
            if key not in known:
                rule = unknown("key", key, known, MEANT)
                yield _fault((*place, key), error.instance[key], rule)
    elif error.validator == "required":
        for key in error.validator_value:
            if key not in error.instance:
                yield _fault((*place, key), "", "the key is missing")
    elif "propertyNames" in error.absolute_schema_path:
        yield _fault((*place, error.instance), "", f"the name must be {error.schema['title']}")
    else:
        yield _fault(place, error.instance, _sentence(error))


def _sentence(error: ValidationError) -> str:
    limit = error.validator_value
    if error.validator == "enum":
        values = [shown(value) for value in limit]
        return f"{one_of(values)}; the nearest is {nearest(shown(error.instance), values)}"
    if error.validator in ("anyOf", "pattern"):
        return f"must be {error.schema['title']}"
    if error.validator == "type":
        rule = f"must be {_kinds(limit)}, not {_kind_of(error.instance)}"
        return rule + _meant_as_truth(error)
    return SENTENCES[error.validator].format(limit)


def _meant_as_truth(error: ValidationError) -> str:
    """How a true or false is written, where a text says one of these words."""
    word = str(error.instance).casefold()
    if error.validator_value != "boolean" or word not in ("true", "false"):
        return ""
    return f": write {word} without quotes, or {word.title()} behind Snakemake's --config"


SENTENCES = {
    "const": "must be {}",
    "minimum": "must be {} or more",
    "maximum": "must be {} or less",
    "exclusiveMinimum": "must be above {}",
    "exclusiveMaximum": "must be below {}",
    "minItems": "must not be empty",
    "minLength": "must not be empty",
    "minProperties": "must not be empty",
    "uniqueItems": "must not name the same twice",
}


def _kinds(names: str | Iterable[str]) -> str:
    names = [names] if isinstance(names, str) else names
    return " or ".join(KINDS[name] for name in names)


def _kind_of(value: object) -> str:
    if isinstance(value, str):
        return "text"
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true or false (put a text in quotes)"
    if isinstance(value, int | float):
        return "a number (put a text in quotes)"
    return (
        "a list" if isinstance(value, list) else KINDS["object"] if _is_mapping(value) else "a date"
    )


def _is_mapping(value: object) -> bool:
    return isinstance(value, Mapping)


# Before the schema: names that are no texts, numbers that are none -------------------------


def _odd_names_and_numbers(value: object, place: tuple) -> Iterator[Fault]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            inside = (*place, shown(key))
            if not isinstance(key, str):
                yield _fault(inside, "", f"the key must be text, not {_kind_of(key)}")
            yield from _odd_names_and_numbers(inner, inside)
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            yield from _odd_names_and_numbers(inner, (*place, i))
    elif isinstance(value, float) and not isfinite(value):
        yield _fault(place, value, "must be a finite number")


def _with_text_keys(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(key): _with_text_keys(inner) for key, inner in value.items()}
    return [_with_text_keys(inner) for inner in value] if isinstance(value, list) else value


def _fault(place: Iterable, value: object, rule: str) -> Fault:
    """A fault of a key by its path; places in a list count from 1."""
    parts = [str(part + 1) if type(part) is int else shown(part) for part in place]
    return Fault(CONFIG, "", ".".join(parts), shown(value), rule)


# The file itself ----------------------------------------------------------------------------


def duplicate_keys(path: Path) -> list[Fault]:
    """The keys that stand twice in a mapping of the file: YAML takes the last, silently.

    [] where there is no such file, or where it is no YAML (Snakemake says so itself).
    """
    if not path.is_file():
        return []
    try:
        root = yaml.compose(path.read_text(encoding="utf-8"), Loader=LOADER)
    except (yaml.YAMLError, UnicodeDecodeError):
        return []
    return list(_duplicates(root, ())) if root else []


def _duplicates(node: yaml.Node, place: tuple) -> Iterator[Fault]:
    if isinstance(node, yaml.SequenceNode):
        for i, item in enumerate(node.value):
            yield from _duplicates(item, (*place, i))
    if not isinstance(node, yaml.MappingNode):
        return
    seen: dict[str, int] = {}
    for key, value in node.value:
        name, line = str(key.value), key.start_mark.line + 1
        if name in seen:
            rule = f"the key stands twice, on lines {seen[name]} and {line}: only the last counts"
            yield _fault((*place, name), "", rule)
        seen.setdefault(name, line)
        yield from _duplicates(value, (*place, name))
