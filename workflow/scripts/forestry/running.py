"""One run at a time in a review's folder, and what a run that was killed leaves there.

Snakemake locks its folder with files, which a run that is killed cannot remove. Whether a
run is alive is therefore told by a lock of the system (flock), which the kernel gives back
with the process, however it ends: every run holds a share of it, and a run that can have
the whole of it is alone, so that Snakemake's files there are left over. Both locks are
needed: Snakemake's is the one that refuses a second run, and says so.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import psutil

HELD = []  # the open lock: held until the process ends


class StillAtWork(Exception):
    """Jobs of a run that was killed have not ended; the message names their processes."""


def enter(folder: Path, marks: Path) -> bool:
    """Take this run's share of the lock in `marks`; whether a dead run's lock was removed.

    `folder` is where Snakemake runs. Raises StillAtWork where a run was killed and its jobs
    go on: they would write what they have read before an edit over what is newer.
    """
    marks.mkdir(parents=True, exist_ok=True)
    lock = open(marks / "running", "w")  # noqa: SIM115
    left = _left_over(folder) if _alone(lock) else []
    if left and (pids := sorted(_orphans(folder))):
        lock.close()
        raise StillAtWork(
            "A run here was killed, and its jobs are still at work (processes "
            f"{', '.join(map(str, pids))}). Run again when they have ended."
        )
    for file in left:
        file.unlink(missing_ok=True)
    fcntl.flock(lock, fcntl.LOCK_SH)
    HELD.append(lock)
    return bool(left)


def _alone(lock) -> bool:
    """Whether no other run holds a share; if so, the whole lock is held."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _left_over(folder: Path) -> list[Path]:
    return sorted((folder / ".snakemake/locks").glob("*.lock"))


def _orphans(folder: Path) -> Iterator[int]:
    """The processes that run a script of this folder's Snakemake."""
    scripts = os.fspath(folder.resolve() / ".snakemake/scripts")
    for process in psutil.process_iter(["pid", "cmdline"]):
        if any(part.startswith(scripts) for part in process.info["cmdline"] or ()):
            yield process.info["pid"]
