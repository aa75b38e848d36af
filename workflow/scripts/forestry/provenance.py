"""Which files of the library a script runs: what must be watched for its results."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parent


def code_of(script: Path) -> tuple[Path, ...]:
    """The script and every module of the library that it imports, directly or not.

    Found in the source by `import` statements alone, nothing is run; sorted by path.
    """
    found: set[Path] = set()
    waiting = [Path(script)]
    while waiting:
        file = waiting.pop()
        if file not in found:
            found.add(file)
            waiting.extend(_imported(file))
    return tuple(sorted(found))


def digest_of(files: Iterable[Path]) -> str:
    """A short name of the files' content, in the order given; their dates do not matter."""
    content = hashlib.sha256()
    for file in files:
        content.update(_content(file))
    return content.hexdigest()[:16]


@cache
def _content(file: Path) -> bytes:
    return hashlib.sha256(file.read_bytes()).digest()


@cache
def _imported(file: Path) -> tuple[Path, ...]:
    tree = ast.parse(file.read_text(encoding="utf-8"), str(file))
    names = [name for node in ast.walk(tree) for name in _names(node)]
    return tuple(path for name in names for path in _files(name))


def _names(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
        return [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return []


def _files(name: str) -> list[Path]:
    """The library's files that importing `name` runs: the module and its packages."""
    first, *rest = name.split(".")
    if first != PACKAGE.name:
        return []
    files, place = [PACKAGE / "__init__.py"], PACKAGE
    for part in rest:
        place = place / part
        files += [
            file for file in (place.with_suffix(".py"), place / "__init__.py") if file.exists()
        ]
    return files
