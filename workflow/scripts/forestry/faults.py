"""Bad input, told whole: every fault with its file, study, column, value and rule."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Fault:
    """One cell (or row, or file) that breaks a rule. Empty fields do not apply.

    `study` is the row's name: its study_id, or ``line 7`` of the file where it has none.
    """

    file: str
    study: str
    column: str
    value: str
    rule: str

    def __str__(self) -> str:
        place = [self.file]
        if self.study:
            place.append(self.study if self.study.startswith("line ") else f"study {self.study}")
        if self.column:
            place.append(f"{self.column} = {self.value!r}" if self.value else self.column)
        return f"{', '.join(place)}: {self.rule}"


class BadInput(ValueError):
    """The input has faults; `faults` holds all of them, and the message lists them."""

    def __init__(self, faults: Iterable[Fault]):
        self.faults = tuple(sorted(set(faults)))
        count = f"{len(self.faults)} fault{'s' if len(self.faults) != 1 else ''}"
        super().__init__(
            "\n".join([f"The review's input has {count}:", *(f"  {f}" for f in self.faults)])
        )
