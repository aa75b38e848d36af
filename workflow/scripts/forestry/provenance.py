"""What a script runs: the library's files and the packages, to be watched for its results."""

from __future__ import annotations

import ast
import hashlib
import re
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from textwrap import dedent

PACKAGE = Path(__file__).parent
# What a package is called where it is installed, if not by its module's name.
DISTRIBUTIONS = {"docx": "python_docx", "fontTools": "fonttools", "yaml": "pyyaml"}


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
    """A short name of the files' content, in the order given, and of what they import.

    Dates do not matter; the version of Python and of each package that a file imports does.
    """
    content = hashlib.sha256()
    for file in files:
        content.update(_content(file))
        content.update(repr(packages_of(file)).encode())
    content.update(sys.version.encode())
    return content.hexdigest()[:16]


@cache
def packages_of(file: Path) -> tuple[str, ...]:
    """The installed packages that a file imports, each with its version, sorted."""
    modules = {name.partition(".")[0] for name in _imported_names(file)}
    names = {DISTRIBUTIONS.get(module, module).lower() for module in modules}
    return tuple(sorted(f"{name} {_installed()[name]}" for name in names & _installed().keys()))


@cache
def _installed() -> dict[str, str]:
    """The version of each package, from the names of the folders that describe them.

    To read those folders, as importlib.metadata does, takes a hundred times as long.
    """
    versions: dict[str, str] = {}
    for folder in sys.path:
        for described in Path(folder).glob("*.dist-info"):
            name, _, version = described.stem.rpartition("-")
            versions.setdefault(name.lower(), version)
    return versions


@cache
def _content(file: Path) -> bytes:
    return hashlib.sha256(file.read_bytes()).digest()


@cache
def _imported(file: Path) -> tuple[Path, ...]:
    return tuple(path for name in _imported_names(file) for path in _files(name))


# An import statement as ruff formats it: on one line, or between brackets. To parse these
# alone takes a tenth of the time of parsing the files, at every start of the workflow.
IMPORT = re.compile(r"^[ \t]*(?:import|from [\w.]+ import) (?:\([^)]*\)|[^\n]*)", re.MULTILINE)


@cache
def _imported_names(file: Path) -> tuple[str, ...]:
    source = file.read_text(encoding="utf-8")
    try:
        tree = ast.parse("\n".join(map(dedent, IMPORT.findall(source))))
    except SyntaxError:  # a line of prose begins like a statement
        tree = ast.parse(source, str(file))
    return tuple(name for node in ast.walk(tree) for name in _names(node))


def _names(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
        return [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return []


@cache
def _files(name: str) -> tuple[Path, ...]:
    """The library's files that importing `name` runs: the module and its packages."""
    parts = name.split(".")
    if parts[0] != PACKAGE.name:
        return ()
    names = [".".join(parts[:end]) for end in range(1, len(parts) + 1)]
    return tuple(_library()[found] for found in names if found in _library())


@cache
def _library() -> dict[str, Path]:
    """The file of each module and package of the library, by its name."""
    files = [path.relative_to(PACKAGE.parent) for path in PACKAGE.rglob("*.py")]
    modules = (
        file.parent.parts if file.name == "__init__.py" else file.with_suffix("").parts
        for file in files
    )
    return {
        ".".join(parts): PACKAGE.parent / file for parts, file in zip(modules, files, strict=True)
    }
