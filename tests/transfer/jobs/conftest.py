"""A cluster of Ray on this machine."""

import pytest

from transfer.config import WorkerSettings
from transfer.jobs.cluster import QUIET, connect


@pytest.fixture(scope="package")
def two_workers():
    """The settings of two workers, and a cluster of this machine alone that has places for them."""
    ray = pytest.importorskip("ray", reason="needs Ray: uv run --extra grid pytest")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in QUIET.items():
            patch.setenv(name, value)
        patch.delenv("RAY_ADDRESS", raising=False)
        connect(ray, None, 2)
        yield WorkerSettings(workers=2, threads=1)
        ray.shutdown()
