import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def folder() -> Iterator[Path]:
    """Make a folder of mode 0700 whose path is short enough for sockets."""
    path = Path(tempfile.mkdtemp(dir="/tmp", prefix="ipx-"))
    yield path
    shutil.rmtree(path)
