"""The gate before the workflow: a review with a fault is refused, and nothing runs.

The check itself is slow to import, so a review that has passed leaves a mark named by
the digest of all that was checked, and is not checked again while nothing changes. The mark
lists its parts: the declaration or a table that has not changed is not checked by itself again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from forestry.atomic import write_whole
from forestry.faults import BadInput
from forestry.provenance import code_of, digest_of

VALIDATION = Path(__file__).parent / "validation" / "__init__.py"


class GateClosed(Exception):
    """The review has faults; the message lists them all."""


def pass_gate(config: Mapping, resources: Path, schema: Path, marks: Path) -> None:
    """Check a review once for each content of its declaration, tables and rules of checking.

    `config` is the content of the config.yaml beside the folder `resources`, `schema` the
    file of its schema, and `marks` the folder of the marks. Raises GateClosed with every
    fault; a refused review leaves no mark.
    """
    mark = marks / f"checked-{_digest(config, resources, schema)}"
    if mark.exists():
        return
    from forestry.validation import check_review

    rules = digest_of(code_of(VALIDATION))
    try:
        parts = check_review(config, resources, schema, _known(marks, rules))
    except BadInput as error:
        raise GateClosed(str(error)) from error
    marks.mkdir(parents=True, exist_ok=True)
    for old in marks.glob("checked-*"):
        old.unlink(missing_ok=True)
    write_whole(mark, "\n".join([rules, *sorted(parts)]))


def _known(marks: Path, rules: str) -> set[str]:
    """The declarations and tables that have passed by the same rules."""
    passed = [mark.read_text(encoding="utf-8").split("\n") for mark in marks.glob("checked-*")]
    return {part for first, *parts in passed if first == rules for part in parts}


def _digest(config: Mapping, resources: Path, schema: Path) -> str:
    content = hashlib.sha256(repr(config).encode())  # keys need not be texts yet
    # The file beside its content, which does not tell a key that is declared twice.
    declared = sorted(resources.parent.glob("config.yaml"))
    tables = sorted(resources.rglob("*.csv"))
    schemas = sorted(schema.parent.glob("*.yaml"))  # the presets too
    for file in (*declared, *tables, *schemas, *code_of(VALIDATION)):
        content.update(str(file).encode())
        content.update(hashlib.sha256(file.read_bytes()).digest())
    return content.hexdigest()[:16]
