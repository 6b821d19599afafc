import socket
from pathlib import Path

import pytest

from ipcluster_ext.errors import ClusterError
from ipcluster_ext.transport.sockets import listen


@pytest.fixture
def path(folder: Path) -> Path:
    return folder / "hub.sock"


def test_a_door_is_opened_where_that_of_a_dead_hub_was(path: Path) -> None:
    listen(path).close()
    assert path.exists()

    with listen(path), socket.socket(socket.AF_UNIX) as visitor:
        visitor.connect(str(path))


def test_the_door_of_a_living_hub_stays_where_it_is(path: Path) -> None:
    with listen(path) as door:
        with pytest.raises(ClusterError, match=r"somebody listens at .* already"):
            listen(path)

        with socket.socket(socket.AF_UNIX) as visitor:
            visitor.connect(str(path))
        door.accept()[0].close()


def test_the_door_of_a_hub_that_accepts_nobody_stays_where_it_is(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as door, socket.socket(socket.AF_UNIX) as visitor:
        door.bind(str(path))
        door.listen(0)
        visitor.connect(str(path))

        with pytest.raises(ClusterError, match="somebody listens"):
            listen(path)
