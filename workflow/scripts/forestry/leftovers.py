"""Files among the results that a run has not made: what could mislead a reader."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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


def outdated(made: Mapping[str, Iterable[str]]) -> list[str]:
    """The files that are older than one of those that they are made from, in their order.

    For what a plain run does not make again. A file that is not there is neither old nor
    a reason.
    """
    return [
        file for file, sources in made.items() if any(_newer(source, file) for source in sources)
    ]


def _newer(source: str, file: str) -> bool:
    paths = Path(source), Path(file)
    return (
        all(path.exists() for path in paths) and paths[0].stat().st_mtime > paths[1].stat().st_mtime
    )
