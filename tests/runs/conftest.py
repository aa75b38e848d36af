"""The second bundled review, built once, and a copy of it for each test to edit."""

import pytest

from runs.bcg import BCG
from runs.harness import Workspace, copied, workspace


@pytest.fixture(scope="session")
def built(tmp_path_factory) -> Workspace:
    space = workspace(tmp_path_factory.mktemp("built"), BCG)
    space.run()
    return space


@pytest.fixture
def space(built, tmp_path) -> Workspace:
    """The built review and its workflow, with Snakemake's records."""
    return copied(built, tmp_path)
