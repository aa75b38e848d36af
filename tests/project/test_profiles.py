"""The profiles together: what one declares holds beside the other."""

from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]


def test_the_scheduler_looks_at_as_many_jobs_as_run_at_once_on_a_cluster():
    default, slurm = (
        yaml.safe_load((ROOT / folder / "profile.yaml").read_text(encoding="utf-8"))
        for folder in ("profiles/default", "workflow/profiles/slurm")
    )
    assert default["scheduler-subsample"] >= slurm["jobs"]
