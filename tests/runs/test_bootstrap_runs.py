"""The bootstrap through Snakemake: chunks and cores change no byte, a broken chunk is refused."""

from __future__ import annotations

import re

import pytest

from runs.harness import ROOT, Workspace, workspace

pytestmark = pytest.mark.long
OUTCOME = "tuberculosis_unvaccinated"
INTERVALS = f"results/bootstrap/{OUTCOME}/intervals.csv"
FIGURE = f"results/figures/bootstrap/{OUTCOME}.svg"


@pytest.fixture
def space(tmp_path) -> Workspace:
    return workspace(tmp_path, ROOT / "reviews/bcg")


def test_chunks_and_cores_change_no_byte(space):
    found = []
    for chunks, cores in ((1, 2), (7, 2), (40, 1), (7, 1)):
        scatter = ("--set-scatter", f"bootstrap={chunks}", "--cores", str(cores))
        space.run(*scatter, "--", INTERVALS, FIGURE)
        made = (space.review / INTERVALS).parent.glob(f"replicates-*-of-{chunks}.npy")
        assert len(list(made)) == chunks
        results = space.digests()
        found.append((results[INTERVALS], results[FIGURE]))
        (space.review / INTERVALS).unlink()
    assert found == found[:1] * 4


def test_a_broken_chunk_is_refused(space):
    space.edit("config.yaml", "replicates: 10000", "replicates: 500")
    space.run(INTERVALS)
    chunk = space.review / f"results/bootstrap/{OUTCOME}/replicates-2-of-2.npy"
    chunk.write_bytes(chunk.read_bytes()[:-8])
    (space.review / INTERVALS).unlink()
    done = space.run(INTERVALS, check=False)
    assert done.returncode != 0 and not (space.review / INTERVALS).exists()
    assert "IncompleteReplicates" in done.text and "cannot be read" in done.text


def test_the_bootstrap_is_no_part_of_all_and_an_edit_reruns_its_outcome(space):
    space.edit("config.yaml", "replicates: 10000", "replicates: 500")
    assert not any("bootstrap/" in job for job in space.dry_run().jobs)
    space.run("bootstrap")
    space.edit("resources/extraction/tuberculosis_unvaccinated.csv", ",139,", ",140,")
    dry = space.run("--dry-run", "bootstrap")
    # The jobs of a group are set in, and not among those that the harness reads.
    drawn = re.findall(r"^ +output: (results/bootstrap/\S+\.npy)$", dry.text, re.MULTILINE)
    assert set(drawn) == {f"results/bootstrap/{OUTCOME}/replicates-{i}-of-2.npy" for i in (1, 2)}
    assert {job for job in dry.jobs if "bootstrap" in job} == {
        INTERVALS,
        FIGURE.replace("svg", "pdf"),
        "results/bootstrap.csv",
    }
