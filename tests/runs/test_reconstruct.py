"""Real runs on a review with gaps: solved, read, refused once stale, and solved anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from runs.harness import NOTHING, Workspace, workspace

CONFIG = """
review: {title: A review with gaps}
studies:
  ref: {type: count}
  size: {type: count}
pooling:
  means: {model: inverse_variance, tau2: DL, select: common_if_i2_zero}
  arcsine: {model: inverse_variance, transform: arcsine, tau2: DL, select: common_if_i2_zero}
outcomes:
  time: {label: Time to response, data: time, measure: mean, unit: months, pooling: means}
  clots: {label: Thrombosis, data: clots, measure: proportion, pooling: arcsine}
variants:
  main: {}
  reported_only: {label: reported rows only, where: {status: reported}}
reconstruction: {size: size}
reconstructed: true
"""
TABLES = {
    "studies.csv": "study_id,label,ref,size\n"
    "a,A 2001,1,20\nb,B 2002,2,30\nc,C 2003,3,40\nd,D 2004,4,12\n",
    "extraction/time.csv": "study_id,n,mean,sd,median,q1,q3,min,max,unit,status,basis,source,"
    "evidence,note\n"
    "a,20,3.5,1.2,,,,,,months,reported,source,https://a.org,,\n"
    "b,30,,,,,,,,months,unavailable,,,,\n"
    "c,40,4.1,,,,,,,months,reported,source,https://c.org,,\n"
    "d,12,,,,,,,,months,unavailable,,,,\n",
    # 5 events of 109 by arcsine: 4.32 (1.33-8.91), whose one split over these four is known.
    "extraction/clots.csv": "study_id,events,total,status,basis,source,evidence,note\n"
    "a,1,20,reported,source,https://a.org,,\n"
    "b,,8,unavailable,,,,\n"
    "c,,42,unavailable,,,,\n"
    "d,,39,unavailable,,,,\n",
    "published.csv": "outcome,variant,statistic,k,n,estimate,ci_low,ci_high,i2,p_heterogeneity,"
    "unit,display,studies,note\n"
    "time,main,mean,4,,3.70,3.10,4.30,60,,months,1,,\n"
    "clots,main,proportion,4,109,4.32,1.33,8.91,0,,percent,2,,\n",
    "figures.csv": "figure,annexure,kind,outcome,variant\n1,main,forest,time,main\n"
    "2,main,forest,clots,main\n",
}
EFFECTS = {f"results/effects/{outcome}.csv" for outcome in ("time", "clots")}


@pytest.fixture
def space(tmp_path) -> Workspace:
    for file, text in TABLES.items():
        path = tmp_path / "gaps/resources" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "gaps/config.yaml").write_text(CONFIG)
    return workspace(tmp_path, tmp_path / "gaps")


def solved(space: Workspace) -> dict[str, bytes]:
    folder = space.review / "resources/reconstructed"
    return {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())}


def refused(space: Workspace, *sheets: str) -> None:
    """A run and a dry run stop, name the sheets and the command, and change nothing."""
    before = space.digests()
    for arguments in (("--dry-run",), ()):
        run = space.run(*arguments, check=False)
        assert run.returncode != 0 and not run.jobs
        named = [name for name in ("time", "clots") if f"reconstructed/{name}.csv" in run.text]
        assert named == list(sheets), run.text
        assert "snakemake --cores 2 reconstruct" in run.text
    assert space.digests() == before


@pytest.mark.long
def test_a_real_number_makes_the_rest_be_solved_anew(space):
    refused(space, "time", "clots")
    space.run("reconstruct")
    first = solved(space)
    assert set(first) == {
        *("time.csv", "clots.csv", "solutions.csv", "cells.csv", "manifest.csv"),
    }
    verdicts = {
        row["outcome"]: row["verdict"]
        for row in space.table("resources/reconstructed/solutions.csv")
    }
    assert verdicts == {"time": "several", "clots": "unique"}
    split = [row["events"] for row in space.table("resources/reconstructed/clots.csv")]
    assert split == ["1", "1", "2"]
    space.run()
    assert NOTHING in space.run().text
    counted = {
        row["outcome"]: (row["k"], row["k_derived"], row["k_reconstructed"])
        for row in space.table("results/estimates.csv")
        if row["variant"] == "main"
    }
    assert counted == {"time": ("4", "0", "3"), "clots": ("4", "3", "0")}
    verdicts = {row["outcome"]: row["verdict"] for row in space.table("results/audit.csv")}
    assert set(verdicts.values()) == {"agrees by construction"}

    space.edit(
        "resources/extraction/time.csv",
        "d,12,,,,,,,,months,unavailable,,,,",
        "d,12,3.0,1.5,,,,,,months,reported,source,https://d.org,,",
    )
    refused(space, "time")
    again = space.run("reconstruct")
    assert sum("solved/" in job for job in again.jobs) == 1
    second = solved(space)
    assert second["clots.csv"] == first["clots.csv"] and second["time.csv"] != first["time.csv"]
    run = space.run()
    assert "results/effects/clots.csv" not in run.names
    rows = {row["study_id"]: row["status"] for row in space.table("results/effects/time.csv")}
    assert rows == {"a": "reported", "b": "reconstructed", "c": "reconstructed", "d": "reported"}

    # Solved from nothing, the files are the same; without them all is as the sheets say.
    for path in (space.review / ".snakemake/forestry/solved").iterdir():
        path.unlink()
    space.run("reconstruct")
    assert solved(space) == second
    space.edit("config.yaml", "reconstructed: true", "reconstructed: false")
    space.run()
    assert {row["k_reconstructed"] for row in space.table("results/estimates.csv")} == {"0"}
