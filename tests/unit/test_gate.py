"""The gate: faults close it, a passed review goes through unchecked until anything changes."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from forestry import gate
from forestry.gate import GateClosed, pass_gate
from forestry.validation import tables
from forestry.validation.config import DeclarationSchema

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "workflow/scripts"
SCHEMA = ROOT / "workflow/schemas/config.schema.yaml"


@pytest.fixture
def folder(tmp_path) -> Path:
    """A copy of the second review, which is small and has no fault."""
    shutil.copytree(ROOT / "reviews/bcg/resources", tmp_path / "resources")
    shutil.copy(ROOT / "reviews/bcg/config.yaml", tmp_path)
    shutil.copy(SCHEMA, tmp_path / "schema.yaml")
    return tmp_path


def through(folder: Path, config=None) -> None:
    config = config or yaml.safe_load((folder / "config.yaml").read_text())
    pass_gate(config, folder / "resources", folder / "schema.yaml", folder / "marks")


def marks(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "marks").glob("*"))


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


SHEET = "resources/extraction/tuberculosis.csv"


def test_a_faulty_review_is_refused_with_every_fault(folder):
    edit(folder / SHEET, "aronson1948,4,123", "aronson1948,-4,123")
    edit(folder / SHEET, "ferguson1949,6,306", "ferguson1949,6.5,306")
    edit(folder / "resources/studies.csv", ",random,", ",alphabetical,")
    edit(folder / "config.yaml", "title:", "titel:")
    with pytest.raises(GateClosed) as closed:
        through(folder)
    told = str(closed.value)
    for part in ("study aronson1948, events = '-4'", "study ferguson1949, events = '6.5'",
                 "allocation = 'alphabetical'", "titel"):  # fmt: skip
        assert part in told
    assert told.count(f"{SHEET}, ") == 2
    assert marks(folder) == []


def test_a_refused_review_is_checked_again_and_passes_once_mended(folder):
    edit(folder / SHEET, "aronson1948,4,123", "aronson1948,-4,123")
    for _ in range(2):
        with pytest.raises(GateClosed, match="aronson1948"):
            through(folder)
    edit(folder / SHEET, "aronson1948,-4,123", "aronson1948,4,123")
    through(folder)
    assert len(marks(folder)) == 1


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        (SHEET, "aronson1948,4,", "aronson1948,5,"),
        ("resources/studies.csv", "1948", "1949"),
        ("resources/figures.csv", "\n", "\n\n"),
        ("config.yaml", "article:", "# a comment\n  article:"),
        ("schema.yaml", "\n", "\n# a comment\n"),
    ],
    ids=["a sheet", "the studies", "the figures", "the declaration", "the schema"],
)
def test_an_edit_of_what_is_checked_voids_the_mark(folder, file, old, new):
    through(folder)
    (before,) = marks(folder)
    edit(folder / file, old, new)
    try:
        through(folder)
    except GateClosed:
        assert marks(folder) == [before]
    else:
        (after,) = marks(folder)
        assert after != before


def test_another_declaration_of_the_same_tables_is_checked(folder):
    through(folder)
    config = yaml.safe_load((folder / "config.yaml").read_text())
    config["variants"]["main"] = {"exlude": {"allocation": "random"}}
    with pytest.raises(GateClosed, match="exlude"):
        through(folder, config)
    through(folder)


def test_a_key_declared_twice_is_seen_though_the_content_is_the_same(folder):
    through(folder)
    edit(folder / "config.yaml", "variants:\n", "variants:\n  main: {}\n")
    with pytest.raises(GateClosed, match="main"):
        through(folder)


def test_keys_of_several_kinds_are_a_fault_like_any_other(folder):
    config = yaml.safe_load((folder / "config.yaml").read_text())
    config["variants"] = {"main": {}, 1: {}, None: {}}
    with pytest.raises(GateClosed, match="the key must be text, not a number"):
        through(folder, config)


def test_a_new_or_a_lost_table_voids_the_mark(folder):
    through(folder)
    stray = folder / "resources/extraction/stray.csv"
    stray.write_text("study_id\n")
    with pytest.raises(GateClosed, match="stray"):
        through(folder)
    stray.unlink()
    through(folder)
    (folder / SHEET).unlink()
    with pytest.raises(GateClosed, match="tuberculosis"):
        through(folder)


@pytest.fixture
def checked(monkeypatch) -> list[str]:
    """The tables that are checked by themselves, in turn."""
    found, check = [], tables.sheet_faults

    def told(table, family):
        found.append(table.file)
        return check(table, family)

    monkeypatch.setattr(tables, "sheet_faults", told)
    return found


@pytest.fixture
def declarations(monkeypatch) -> list:
    """The declarations that are checked by themselves, in turn."""
    found, check = [], DeclarationSchema.faults

    def told(schema, config):
        found.append(config)
        return check(schema, config)

    monkeypatch.setattr(DeclarationSchema, "faults", told)
    return found


def test_what_has_passed_is_not_checked_by_itself_again(folder, checked, declarations):
    through(folder)
    assert SHEET in checked and len(checked) > 2 and len(declarations) == 1
    checked.clear()
    edit(folder / SHEET, "aronson1948,4,123", "aronson1948,5,123")
    through(folder)
    assert checked == [SHEET] and len(declarations) == 1
    checked.clear()
    edit(folder / "config.yaml", "title:", "title: A")
    through(folder)
    assert not checked and len(declarations) == 2


def test_studies_are_checked_again_by_other_declared_columns(folder, checked):
    through(folder)
    checked.clear()
    edit(folder / "config.yaml", "year: {type: number}", "year: {type: number, minimum: 1800}")
    through(folder)
    assert checked == ["resources/studies.csv"]
    edit(folder / "config.yaml", "minimum: 1800", "minimum: 1950")
    with pytest.raises(GateClosed, match="1950"):
        through(folder)


def test_the_schema_is_one():
    Draft202012Validator.check_schema(yaml.safe_load(SCHEMA.read_text(encoding="utf-8")))


def test_a_sheet_that_has_passed_is_still_checked_against_the_others(folder):
    through(folder)
    edit(folder / "resources/studies.csv", "aronson1948,", "aronson1949,")
    with pytest.raises(GateClosed, match="aronson1948"):
        through(folder)


def test_other_rules_check_every_sheet_by_itself_again(folder, checked, monkeypatch):
    through(folder)
    checked.clear()
    monkeypatch.setattr(gate, "digest_of", lambda files: "other rules")
    edit(folder / "config.yaml", "title:", "title: A")
    through(folder)
    assert SHEET in checked


def test_touching_files_voids_nothing(folder):
    through(folder)
    before = marks(folder)
    for file in folder.rglob("*.*"):
        os.utime(file)
    through(folder)
    assert marks(folder) == before


# What a fresh process imports -------------------------------------------------------------

PASS = """
import sys
from pathlib import Path
import yaml
from forestry.gate import GateClosed, pass_gate
folder = Path(sys.argv[1])
config = yaml.safe_load((folder / "config.yaml").read_text())
pass_gate(config, folder / "resources", folder / "schema.yaml", folder / "marks")
print(*sorted({"pandera", "pandas", "forestry.validation"} & set(sys.modules)))
"""


def imported(folder: Path, scripts: Path = SCRIPTS) -> list[str]:
    """Pass the gate in a process of its own: which of the slow modules were imported."""
    done = subprocess.run(
        [sys.executable, "-c", PASS, str(folder)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(scripts), "PYTHONDONTWRITEBYTECODE": "1"},
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return done.stdout.split()


def test_a_passed_review_is_not_checked_again(folder):
    through(folder)
    assert imported(folder) == []
    edit(folder / SHEET, "aronson1948,4,", "aronson1948,5,")
    assert imported(folder) == ["forestry.validation", "pandas", "pandera"]
    assert imported(folder) == []


@pytest.mark.parametrize("module", ["validation/rules.py", "rows.py"])
def test_an_edit_of_the_checking_code_voids_the_mark(folder, module):
    scripts = folder / "scripts"
    shutil.copytree(SCRIPTS / "forestry", scripts / "forestry")
    # Marked by the code as it stands in the copy; of the check, only that it ran is asked.
    (scripts / "forestry/validation/__init__.py").write_text(
        "import forestry.rows, forestry.validation.rules\n"
        "def check_review(*review): print('checked'); return ()\n"
    )
    assert imported(folder, scripts)[0] == "checked"
    assert imported(folder, scripts) == []
    with open(scripts / "forestry" / module, "a") as code:
        code.write("\n# an edit\n")
    assert imported(folder, scripts)[0] == "checked"
    with open(scripts / "forestry/pool.py", "a") as code:
        code.write("\n# an edit of what the check does not run\n")
    assert imported(folder, scripts) == []
