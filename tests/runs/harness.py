"""A review in a folder of its own, and real Snakemake runs on it."""

from __future__ import annotations

import csv
import hashlib
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("Snakefile", "workflow", "profiles")
IGNORED = shutil.ignore_patterns("__pycache__", ".snakemake")
NOTHING = "Nothing to be done"


@dataclass(frozen=True)
class Run:
    """What a Snakemake run said and the jobs that it ran, as their first outputs."""

    returncode: int
    text: str
    jobs: tuple[str, ...]

    @property
    def names(self) -> set[str]:
        return set(self.jobs)


@dataclass(frozen=True)
class Workspace:
    """A copy of the workflow beside a review's folder, both free to be edited."""

    workflow: Path
    review: Path

    @property
    def bytecode(self) -> Path:
        """Where its processes keep compiled modules, beside both folders."""
        return self.review.parent / "bytecode"

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "PYTHONPYCACHEPREFIX": str(self.bytecode), "NO_COLOR": "1"}

    def command(self, *arguments: str) -> list:
        snakemake = [sys.executable, "-m", "snakemake", "--snakefile", self.workflow / "Snakefile"]
        return [*snakemake, "--directory", self.review, "--cores", "2", *arguments]

    def run(self, *arguments: str, check: bool = True) -> Run:
        """Run Snakemake on the review; its jobs are read from what it prints."""
        done = subprocess.run(
            self.command(*arguments),
            cwd=self.workflow,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        text = done.stdout
        assert not check or done.returncode == 0, text
        return Run(done.returncode, text, _jobs(text))

    def dry_run(self) -> Run:
        return self.run("--dry-run")

    def edit(self, file: str, old: str, new: str) -> None:
        """Replace a text that stands once in a file of the review or the workflow."""
        path = self.review / file if (self.review / file).exists() else self.workflow / file
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {file}"
        path.write_text(text.replace(old, new), encoding="utf-8")

    def digests(self) -> dict[str, str]:
        """The content of every result, by its path."""
        files = sorted(p for p in (self.review / "results").rglob("*") if p.is_file())
        return {
            str(file.relative_to(self.review)): hashlib.sha256(file.read_bytes()).hexdigest()
            for file in files
        }

    def table(self, path: str) -> list[dict[str, str]]:
        with open(self.review / path, encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))


def workspace(folder: Path, review: Path) -> Workspace:
    """Copy the workflow and a review (a folder of config.yaml and resources/) to `folder`."""
    workflow = folder / "forestry"
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, workflow / part, ignore=IGNORED)
        else:
            workflow.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, workflow / part)
    target = folder / "review"
    target.mkdir()
    shutil.copy(review / "config.yaml", target)
    shutil.copytree(review / "resources", target / "resources")
    return Workspace(workflow, target)


def copied(space: Workspace, folder: Path) -> Workspace:
    """A copy of a workflow and its built review, with Snakemake's records."""
    for part in (space.workflow, space.review):
        shutil.copytree(part, folder / part.name, symlinks=True)
    return Workspace(folder / space.workflow.name, folder / space.review.name)


def _jobs(text: str) -> tuple[str, ...]:
    """The first output of every job that Snakemake announced, in order, `all` left out."""
    blocks = re.findall(r"^(?:local)?rule (\w+):\n((?:    .*\n)+)", text, flags=re.MULTILINE)
    outputs = [re.search(r"^    output: ([^,\n]+)", body, flags=re.MULTILINE) for _, body in blocks]
    return tuple(match.group(1) for match in outputs if match)
