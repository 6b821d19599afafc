"""Runtime folders for clusters of a whole module; a folder's conftest imports the fixture."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.leftovers import leftovers_of
from tests.support.waiting import wait_until


@pytest.fixture(scope="module")
def runtime() -> Iterator[Path]:
    """Give the tests of a module a runtime folder of their own, in which nothing may be left."""
    folder = Path(tempfile.mkdtemp(prefix="ipx-", dir="/tmp"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IPCLUSTER_EXT_RUNTIME_DIR", str(folder))
        yield folder
    wait_until(lambda: not leftovers_of(folder))
    shutil.rmtree(folder)
