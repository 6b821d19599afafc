from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.remote.network import Network, network, unable
from tests.support.leftovers import leftovers_of
from tests.support.runtimes import runtime
from tests.support.waiting import wait_until

__all__ = ["runtime"]


@pytest.fixture(scope="session")
def far() -> Iterator[Network]:
    """Make two hosts that ssh reaches."""
    if reason := unable():
        pytest.skip(reason)
    with network(2) as made:
        yield made


@pytest.fixture
def swept(far: Network, runtime: Path) -> Iterator[None]:
    """See to it that the clusters of a test leave nothing, here or there."""
    yield
    wait_until(lambda: not leftovers_of(runtime))
    wait_until(lambda: not any(host.leftovers() for host in far.hosts), timeout=30.0)
