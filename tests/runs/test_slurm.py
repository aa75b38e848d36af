"""The bootstrap on a real Slurm of one node: same bytes as on this machine, and killed jobs.

`slurm.sh` starts and stops it; root and Debian's packages are needed (slurm-wlm, munge). The
status of jobs is asked of squeue, as a Slurm without a database keeps no accounts.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from importlib.util import find_spec

import pytest

from runs.harness import ROOT, Workspace, workspace

BCG = ROOT / "reviews/bcg"
SCRIPT = "workflow/scripts/bootstrap_replicates.py"
PROFILE = (
    *("--profile", "workflow/profiles/slurm", "--slurm-status-command", "squeue"),
    *("--slurm-init-seconds-before-status-checks", "5", "--seconds-between-status-checks", "5"),
    *("--latency-wait", "10", "--slurm-no-account"),
)
ONE = "results/bootstrap/tuberculosis_unvaccinated/intervals.csv"  # of two chunks
NEEDED = ("slurmctld", "slurmd", "munged", "sbatch")
pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(os.geteuid() != 0, reason="a Slurm is started by root"),
    pytest.mark.skipif(
        not all(shutil.which(program) for program in NEEDED),
        reason="apt-get install slurm-wlm munge",
    ),
    pytest.mark.skipif(
        find_spec("snakemake_executor_plugin_slurm") is None, reason="not the locked environment"
    ),
]


@pytest.fixture(scope="module")
def slurm():
    script = ROOT / "tests/runs/slurm.sh"
    subprocess.run([script, "start"], check=True)
    yield
    subprocess.run([script, "stop"], check=True)


@pytest.fixture(scope="module")
def local(tmp_path_factory) -> dict[str, str]:
    """The results of the bootstrap on this machine, by their digests."""
    space = small(workspace(tmp_path_factory.mktemp("local"), BCG))
    space.run("bootstrap")
    return space.digests()


@pytest.fixture
def space(slurm, tmp_path) -> Workspace:
    return small(workspace(tmp_path, BCG))


def small(space: Workspace) -> Workspace:
    space.edit("config.yaml", "replicates: 10000", "replicates: 1000")
    return space


def test_slurm_gives_the_same_bytes(space, local):
    done = space.run(*PROFILE, "bootstrap")
    assert "has been submitted with SLURM jobid" in done.text
    assert "Group job bootstrap" in done.text
    assert space.digests() == local


# What the first job does at its first attempt, before its work; others of its group go on.
FIRST = """
from pathlib import Path
_first = Path(snakemake.output[0]).with_name("attempted")
if not _first.exists():
    _first.touch()
    {}
"""
SLEEP = "import time; time.sleep(600)"
SWELL = "import numpy, time; _much = [numpy.ones(2**24) for _ in range(16)]; time.sleep(60)"  # 2 GB


def first_attempt(space: Workspace, does: str) -> None:
    space.edit(SCRIPT, "import sys\n", f"import sys\n{FIRST.format(does)}")


def check(space: Workspace, local: dict[str, str]) -> None:
    """Every result is that of this machine."""
    found = {path: digest for path, digest in space.digests().items() if "attempted" not in path}
    assert ONE in found
    assert found == {path: local[path] for path in found}


def cancel_the_first_job(space: Workspace) -> None:
    """As soon as its script has begun."""
    for _ in range(400):
        if list((space.review / "results").rglob("attempted")):
            command = ["squeue", "--noheader", "--states=RUNNING", "--format=%i"]
            running = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            subprocess.run(["scancel", *running.split()], check=True)
            return
        time.sleep(0.5)
    raise AssertionError("no job ran")


def test_a_cancelled_job_is_tried_again(space, local):
    first_attempt(space, SLEEP)
    process = subprocess.Popen(
        space.command(*PROFILE, ONE),
        cwd=space.workflow,
        env=space.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    cancel_the_first_job(space)
    text, _ = process.communicate(timeout=500)
    assert process.returncode == 0, text
    assert "Trying to restart job" in text, text
    check(space, local)


@pytest.mark.parametrize(
    "does, limit",
    [(SLEEP, "bootstrap_replicates:runtime=1"), (SWELL, "bootstrap_replicates:mem_mb=400")],
    ids=["out of time", "out of memory"],
)
def test_a_job_beyond_its_limits_is_tried_again(space, local, does, limit):
    first_attempt(space, does)
    done = space.run(*PROFILE, "--set-resources", limit, "--", ONE)
    assert done.text.count("has been submitted with SLURM jobid") >= 2, done.text
    check(space, local)


def test_a_job_that_is_not_tried_again_is_reported_and_nothing_is_gathered(space):
    first_attempt(space, SWELL)
    limits = ("--retries", "0", "--set-resources", "bootstrap_replicates:mem_mb=400")
    done = space.run(*PROFILE, *limits, "--", ONE, check=False)
    assert done.returncode != 0
    assert "Error in group bootstrap" in done.text or "Error in rule bootstrap" in done.text
    assert not (space.review / ONE).exists()
