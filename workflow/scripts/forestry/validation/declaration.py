"""The well-formed parts of a declaration, so that a fault in one hides none in another.

What is not of the expected form is left out here; that it is a fault is the schema's to
say (`config`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

Named = dict[str, Mapping]


@dataclass(frozen=True)
class Declaration:
    """The content of config.yaml."""

    config: object
    default_studies: Mapping = field(default_factory=dict)

    @cached_property
    def outcomes(self) -> Named:
        return self._section("outcomes")

    @cached_property
    def pooling(self) -> Named:
        return self._section("pooling")

    @cached_property
    def variants(self) -> Named:
        return self._section("variants")

    @cached_property
    def subgroups(self) -> Named:
        return self._section("subgroups")

    @cached_property
    def metaregression(self) -> Named:
        return self._section("metaregression")

    @cached_property
    def multiverse(self) -> Named:
        return self._section("multiverse")

    @cached_property
    def studies(self) -> Named:
        """The columns of studies.csv beside study_id and label."""
        return self._section("studies") or dict(self.default_studies)

    @cached_property
    def tables(self) -> Named:
        return self._section("tables")

    @property
    def bootstrap(self) -> Mapping:
        return mapping(mapping(self.config).get("bootstrap"))

    @property
    def annexures(self) -> tuple[str, ...]:
        return tuple(map(str, mapping(mapping(self.config).get("annexures"))))

    @property
    def prisma(self) -> Mapping:
        return mapping(mapping(self.config).get("prisma"))

    @property
    def declares_subgroups(self) -> bool:
        return "subgroups" in mapping(self.config)

    @property
    def reconstructed(self) -> bool:
        return mapping(self.config).get("reconstructed") is True

    @property
    def reconstruction(self) -> Mapping:
        return mapping(mapping(self.config).get("reconstruction"))

    def _section(self, name: str) -> Named:
        section = mapping(mapping(self.config).get(name))
        return {key: mapping(value) for key, value in section.items() if isinstance(key, str)}

    def sheets(self) -> Iterator[tuple[str, str]]:
        """Each outcome with the name of its data."""
        for outcome, declared in self.outcomes.items():
            if data := text(declared, "data"):
                yield outcome, data


def mapping(value: object) -> Mapping:
    return value if isinstance(value, Mapping) else {}


def text(declared: Mapping, key: str) -> str:
    value = declared.get(key)
    return value if isinstance(value, str) else ""


def texts(declared: Mapping, key: str) -> tuple[str, ...]:
    """The texts of a list, or of a text alone."""
    value = declared.get(key)
    values = value if isinstance(value, list | tuple) else (value,)
    return tuple(item for item in values if isinstance(item, str))
