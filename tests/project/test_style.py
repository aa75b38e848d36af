"""The project's own house rules: formatters, linters, and files that must say the same."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
RULES = sorted(map(str, [ROOT / "Snakefile", *(ROOT / "workflow/rules").glob("*.smk")]))
CHECKS = {
    "ruff check": ["ruff", "check", "--no-cache", "."],
    "ruff format": ["ruff", "format", "--no-cache", "--check", "."],
    "snakefmt": ["snakefmt", "--check", *RULES],
    "snakemake --lint": ["snakemake", "--lint"],
}


@pytest.mark.parametrize("check", CHECKS)
def test_is_clean(check):
    done = subprocess.run(
        [sys.executable, "-m", *CHECKS[check]], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def locked() -> dict[str, str]:
    lines = (ROOT / "requirements.txt").read_text()
    return dict(re.findall(r"^([a-z0-9._-]+)==(\S+)", lines, flags=re.MULTILINE))


def wanted() -> set[str]:
    lines = (ROOT / "requirements.in").read_text().splitlines()
    return {line.split("==")[0] for line in lines if line and not line.startswith("#")}


def test_the_lock_holds_what_is_asked_for():
    assert wanted() <= set(locked())


def test_the_conda_environment_has_the_locked_versions():
    environment = yaml.safe_load((ROOT / "workflow/envs/forestry.yaml").read_text())
    (pip,) = (entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict))
    pinned = dict(pin.split("==") for pin in pip)
    assert pinned == {name: locked()[name] for name in pinned}
    assert imported() <= set(pinned)


PACKAGES = {
    "docx": "python-docx",
    "fontTools": "fonttools",
    "font_source_sans_pro": "font-source-sans-pro",
    "yaml": "pyyaml",
}


def imported() -> set[str]:
    """The packages that the library and its adapters import, by their names on PyPI."""
    found = {"font-source-sans-pro", "snakemake"}  # found by its folder; runs the adapters
    for path in (ROOT / "workflow/scripts").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            if isinstance(node, ast.ImportFrom):
                found.add(node.module.split(".")[0])
    own = {"forestry", *sys.stdlib_module_names}
    return {PACKAGES.get(name, name) for name in found - own}


def test_no_rule_has_a_lambda():
    assert not [path for path in RULES if "lambda" in Path(path).read_text()]


def test_the_library_never_imports_snakemake():
    for module in (ROOT / "workflow/scripts/forestry").rglob("*.py"):
        assert not re.search(r"^\s*(import|from) snakemake", module.read_text(), re.MULTILINE)


def test_no_code_knows_an_outcome():
    outcomes = yaml.safe_load((ROOT / "config.yaml").read_text())["outcomes"]
    code = [*(ROOT / "workflow").rglob("*.py"), *map(Path, RULES)]
    for path in code:
        found = [outcome for outcome in outcomes if re.search(rf"\b{outcome}\b", path.read_text())]
        assert not found, f"{path.name} names {found}"
