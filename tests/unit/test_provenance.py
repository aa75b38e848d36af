"""What a script's digest sees: its code, its imports' code, their packages' versions."""

import ast
import sys
from importlib.metadata import packages_distributions, version
from pathlib import Path

import pytest

from forestry import provenance
from forestry.provenance import PACKAGE, digest_of, packages_of

SCRIPTS = PACKAGE.parent
LIBRARY = sorted(SCRIPTS.rglob("*.py"))


def test_every_package_that_the_library_imports_is_seen_with_its_version():
    own, distributions = {"forestry", *sys.stdlib_module_names}, packages_distributions()
    for file in LIBRARY:
        tree = ast.parse(file.read_text())
        lines = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
        modules = {
            name.split(".")[0]
            for line in lines
            for name in (
                [line.module]
                if isinstance(line, ast.ImportFrom)
                else [alias.name for alias in line.names]
            )
        }
        names = [distributions[module][0] for module in modules - own]
        wanted = {f"{name.lower().replace('-', '_')} {version(name)}" for name in names}
        assert set(packages_of(file)) == wanted, file


@pytest.fixture
def script(tmp_path) -> Path:
    path = tmp_path / "script.py"
    path.write_text("import numpy\nfrom yaml import safe_load\n")
    return path


def test_an_upgrade_changes_the_digest_and_another_package_does_not(script, monkeypatch):
    installed = dict(provenance._installed())
    before = digest_of([script])

    def now(**versions) -> str:
        packages_of.cache_clear()
        monkeypatch.setattr(provenance, "_installed", lambda: {**installed, **versions})
        return digest_of([script])

    assert now() == before
    assert now(scipy="99.0") == before
    assert len({before, now(numpy="99.0"), now(pyyaml="99.0")}) == 3
    packages_of.cache_clear()


def test_another_python_changes_the_digest(script, monkeypatch):
    before = digest_of([script])
    monkeypatch.setattr(sys, "version", "3.99.0")
    assert digest_of([script]) != before
