"""What goes wrong from outside: killed runs and jobs, no room, no permission, two at once.

Whatever happened, the next plain run ends with the bytes of a cold build.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from runs.harness import NOTHING, ROOT, Workspace, copied, workspace

BCG = ROOT / "reviews/bcg"
SHEET = "resources/extraction/tuberculosis.csv"
FEW, MANY, SEED = 2, 110, 20260


@pytest.fixture(scope="module")
def cold(tmp_path_factory) -> tuple[Workspace, dict[str, str]]:
    space = workspace(tmp_path_factory.mktemp("cold"), BCG)
    space.run()
    return space, space.digests()


@pytest.fixture
def space(tmp_path) -> Workspace:
    """A review of which nothing is built."""
    return workspace(tmp_path, BCG)


@pytest.fixture
def built(cold, tmp_path) -> Workspace:
    """A copy of the built review and its workflow."""
    return copied(cold[0], tmp_path)


def start(space: Workspace, *arguments: str) -> subprocess.Popen:
    """Snakemake in a process group of its own."""
    return subprocess.Popen(
        space.command(*arguments),
        cwd=space.workflow,
        env=space.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def kill_group(process: subprocess.Popen) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def finished(space: Workspace) -> int:
    """How many outputs Snakemake has recorded as made."""
    return sum(1 for _ in (space.review / ".snakemake/metadata").rglob("*") if _.is_file())


def wait_for(condition, process: subprocess.Popen, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition() and process.poll() is None:
        assert time.monotonic() < end
        time.sleep(0.01)


def jobs_of(space: Workspace) -> list[psutil.Process]:
    """The processes that run a script of the review now."""
    scripts = os.fspath(space.review / ".snakemake/scripts")
    found = psutil.process_iter(["cmdline"])
    return [p for p in found if any(scripts in part for part in p.info["cmdline"] or ())]


def run_to_the_end(space: Workspace, cold: dict[str, str]) -> None:
    space.run()
    assert space.digests() == cold
    assert NOTHING in space.dry_run().text


def kill_at(space: Workspace, outputs: int, delay: float) -> None:
    process = start(space)
    wait_for(lambda: finished(space) >= outputs, process)
    time.sleep(delay)
    kill_group(process)


def kill_points(number: int, outputs: int) -> list[tuple[int, float]]:
    """After how many outputs, and how many seconds later, a run is killed: seeded."""
    draw = random.Random(SEED)
    return [(draw.randrange(outputs), draw.uniform(0, 1.5)) for _ in range(number)]


def test_a_killed_run_is_taken_up_by_the_next(space, cold):
    """Killed again and again on its way, it ends as if nothing had been."""
    for outputs, delay in sorted(kill_points(FEW, finished(cold[0]))):
        kill_at(space, outputs, delay)
    run_to_the_end(space, cold[1])


@pytest.mark.long
def test_killed_anywhere_a_hundred_times(cold, tmp_path):
    """Ten reviews, each killed at ten points on its way and then run to the end."""
    points = kill_points(MANY, finished(cold[0]))
    for number in range(0, MANY, 10):
        space = workspace(tmp_path / str(number), BCG)
        for outputs, delay in sorted(points[number : number + 10]):
            kill_at(space, outputs, delay)
        run_to_the_end(space, cold[1])
        shutil.rmtree(tmp_path / str(number))


@pytest.mark.long
def test_a_killed_job_fails_alone_and_is_run_again(space, cold):
    """The other jobs go on; what was made stays; the next run makes the rest."""
    process = start(space)
    wait_for(lambda: jobs_of(space), process)
    jobs_of(space)[0].kill()
    process.wait()
    assert process.returncode != 0
    run_to_the_end(space, cold[1])


@pytest.mark.long
def test_snakemake_killed_alone_leaves_jobs_that_are_waited_for(space, cold):
    process = start(space)
    wait_for(lambda: jobs_of(space), process)
    orphans = jobs_of(space)
    for orphan in orphans:
        orphan.suspend()
    process.kill()
    process.wait()
    refused = space.run(check=False)
    assert refused.returncode != 0
    assert "its jobs are still at work" in refused.text
    for orphan in orphans:
        orphan.resume()
    psutil.wait_procs(orphans, timeout=60)
    run_to_the_end(space, cold[1])


@pytest.mark.long
def test_of_two_runs_at_once_the_second_is_refused_and_the_first_unharmed(space, cold):
    process = start(space)
    wait_for(lambda: list((space.review / ".snakemake/locks").glob("*")), process)
    second = space.run(check=False)
    assert second.returncode != 0
    assert "Directory cannot be locked" in second.text
    assert process.wait() == 0
    assert space.digests() == cold[1]


@pytest.mark.long
def test_a_full_disk_is_named_and_nothing_made_before_is_lost(built, cold, tmp_path):
    results = built.review / "results"
    size = sum(file.stat().st_size for file in results.rglob("*") if file.is_file())
    room = tmp_path / "room"
    room.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size // 2}", "tmpfs", room]
    ).returncode:
        pytest.skip("no right to mount a small disk")
    try:
        shutil.rmtree(results)
        results.symlink_to(room)
        failed = built.run(check=False)
        assert failed.returncode != 0
        assert "No space left on device" in failed.text
        whole = {path: digest for path, digest in built.digests().items() if path in cold[1]}
        assert whole.items() <= cold[1].items()  # no file is half there
        results.unlink()
        shutil.copytree(room, results)
    finally:
        subprocess.run(["umount", room], check=True)
    run_to_the_end(built, cold[1])


@pytest.mark.long
def test_a_results_folder_that_cannot_be_written_is_named(built, cold, tmp_path):
    results = built.review / "results"
    built.edit(SHEET, "aronson1948,4,123", "aronson1948,5,123")
    bound = subprocess.run(["mount", "--bind", results, results]).returncode == 0
    if not bound or subprocess.run(["mount", "-o", "remount,ro,bind", results]).returncode:
        pytest.skip("no right to mount a folder read-only")
    try:
        failed = built.run(check=False)
        assert failed.returncode != 0
        assert "Write-protected output files" in failed.text
        assert built.digests() == cold[1]
    finally:
        subprocess.run(["umount", results], check=True)
    built.edit(SHEET, "aronson1948,5,123", "aronson1948,4,123")
    run_to_the_end(built, cold[1])


UNREADABLE = {
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "not UTF-8": lambda path: path.write_bytes("Sjögren".encode("latin-1")),
    "NUL bytes": lambda path: path.write_bytes(b"\0" * 100),
    "empty": lambda path: path.write_bytes(b""),
    "missing": Path.unlink,
}


FIRST, *OTHERS = UNREADABLE


@pytest.mark.parametrize(
    "fault", [FIRST, *(pytest.param(fault, marks=pytest.mark.long) for fault in OTHERS)]
)
def test_an_unreadable_sheet_is_named_and_nothing_changes(built, cold, fault):
    sheet = built.review / SHEET
    before = sheet.read_bytes()
    UNREADABLE[fault](sheet)
    refused = built.run(check=False)
    assert refused.returncode != 0
    assert SHEET in refused.text
    assert "Traceback" not in refused.text
    assert built.digests() == cold[1]
    shutil.rmtree(sheet) if sheet.is_dir() else sheet.unlink(missing_ok=True)
    sheet.write_bytes(before)
    assert NOTHING in built.dry_run().text


def test_all_faults_of_bad_input_are_listed_at_once_and_nothing_changes(built, cold):
    built.edit(SHEET, "aronson1948,4,123", "aronson1948,many,123")
    built.edit("config.yaml", "tau2: DL, select: random", "tau2: DLL, select: random")
    refused = built.run(check=False)
    assert refused.returncode != 0
    assert "many" in refused.text
    assert "DLL" in refused.text
    assert built.digests() == cold[1]
