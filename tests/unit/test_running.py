"""The lock of a run, held by real processes that are killed."""

import signal
import subprocess
import sys

import pytest

from forestry import running
from forestry.atomic import replacing, write_whole

PROGRAM = """
import sys, time
from pathlib import Path
sys.path.insert(0, "workflow/scripts")
from forestry.running import enter
print(enter(Path(sys.argv[1]), Path(sys.argv[1]) / ".snakemake/forestry"), flush=True)
time.sleep(60)
"""


@pytest.fixture
def run(tmp_path):
    """Start a process that enters the folder as a run does; it says whether it removed a lock."""
    started = []

    def start() -> tuple[subprocess.Popen, str]:
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, tmp_path], stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        return process, process.stdout.readline().strip()

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture
def lock(tmp_path):
    """Snakemake's lock file, as a run leaves it that is killed."""
    (tmp_path / ".snakemake/locks").mkdir(parents=True)
    file = tmp_path / ".snakemake/locks/0.input.lock"
    file.write_text("results/estimates.csv\n")
    return file


def test_the_lock_of_a_killed_run_is_removed(run, lock):
    process, removed = run()
    assert (removed, lock.exists()) == ("True", False)
    lock.touch()
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert run()[1] == "True"
    assert not lock.exists()


def test_the_lock_of_a_living_run_stays_whatever_else_ends(run, lock):
    lock.unlink()
    _living, removed = run()
    assert removed == "False"
    lock.touch()
    second, removed = run()
    assert (removed, lock.exists()) == ("False", True)
    second.kill()
    second.wait()
    assert run()[1] == "False"
    assert lock.exists()


def test_jobs_that_outlive_their_run_are_waited_for(tmp_path, lock):
    script = tmp_path / ".snakemake/scripts/tmp1.pool.py"
    script.parent.mkdir(parents=True)
    script.write_text("import time; time.sleep(60)")
    job = subprocess.Popen([sys.executable, script])
    try:
        with pytest.raises(running.StillAtWork, match=rf"processes {job.pid}\)"):
            running.enter(tmp_path, tmp_path / ".snakemake/forestry")
        assert lock.exists()
    finally:
        job.kill()
        job.wait()
    assert running.enter(tmp_path, tmp_path / ".snakemake/forestry")
    assert not lock.exists()
    running.HELD.pop().close()


def test_a_file_is_replaced_whole_or_stays(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("before")
    with pytest.raises(ZeroDivisionError), replacing(path) as part:
        part.write_text("half")
        1 / 0  # noqa: B018
    assert [path.read_text(), *tmp_path.iterdir()] == ["before", path]
    with replacing(path) as part:
        part.write_text("after")
        assert path.read_text() == "before"
    assert [path.read_text(), *tmp_path.iterdir()] == ["after", path]


@pytest.mark.parametrize("content", ["95 % ± τ²\n", b"\x00\xff"])
def test_a_text_and_bytes_are_written_whole(tmp_path, content):
    path = tmp_path / "file"
    write_whole(path, content)
    data = content if isinstance(content, bytes) else content.encode("utf-8")
    assert [path.read_bytes(), *tmp_path.iterdir()] == [data, path]
