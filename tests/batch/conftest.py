from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.batch import gridengines, slurms
from tests.batch.orders import PretendOrder


@pytest.fixture
def order(tmp_path: Path) -> Iterator[PretendOrder]:
    """Return an order for programs in the place of agents; all have ended after the test."""
    tmp_path.chmod(0o700)
    order = PretendOrder(tmp_path)
    yield order
    if not (order.there / "end").exists():
        order.let_go()


@pytest.fixture(scope="session")
def slurm() -> Iterator[Path]:
    """Start a Slurm for all tests, which find it by their environment."""
    if reason := slurms.why_not():
        pytest.skip(reason)
    with slurms.slurm() as conf, pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLURM_CONF", str(conf))
        yield conf


@pytest.fixture(scope="session")
def grid_engine() -> Iterator[None]:
    """Start a Grid Engine for all tests, which find it by their environment."""
    if reason := gridengines.why_not():
        pytest.skip(reason)
    with gridengines.grid_engine() as where, pytest.MonkeyPatch.context() as patch:
        for name, value in where.items():
            patch.setenv(name, value)
        yield
