"""Results that an earlier declaration made and today's does not: files that mislead a reader."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


def leftovers(declared: Iterable[str], beside: Iterable[str] = ()) -> list[str]:
    """The files that lie among declared results and are none of them, sorted.

    `declared` are paths of results, or of folders of them, relative to where they are
    looked for; `beside` are those that other targets may have made there. A hidden file is
    nobody's result.
    """
    declared = set(declared)
    known = declared | set(beside)
    folders = {Path(path).parent for path in declared}
    return sorted(
        str(file)
        for folder in folders
        for file in folder.glob("*")
        if file.is_file() and not file.name.startswith(".") and str(file) not in known
    )
