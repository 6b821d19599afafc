"""Fixtures of the tests that need a notebook; a folder's conftest imports what its tests ask for.

`notebook` is a fresh kernel for one test; `standing` one with four engines for all tests of a
module, of which `four_in_notebook` lends each a clean one.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.frontends import Shows
from tests.support.gates import Gate
from tests.support.kernels import Notebook, opened

_FOUR = """
import ipcluster_ext as ipp
cluster = ipp.Cluster(n=4)
rc = cluster.start_and_connect_sync()
dv, lv = rc[:], rc.load_balanced_view()
"""


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Notebook]:
    """Open a notebook whose front end shows text; this process sees its clusters, too."""
    with opened() as notebook:
        monkeypatch.setenv("IPCLUSTER_EXT_RUNTIME_DIR", str(notebook.runtime))
        yield notebook


@pytest.fixture
def widgets_notebook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Notebook]:
    """Open a notebook whose front end shows widgets, as JupyterLab does."""
    with opened(shows="widgets") as notebook:
        monkeypatch.setenv("IPCLUSTER_EXT_RUNTIME_DIR", str(notebook.runtime))
        yield notebook


@pytest.fixture
def open_notebook() -> Iterator[Callable[[Shows], Notebook]]:
    """Open as many notebooks as a test wants, each with clusters of its own."""
    with ExitStack() as stack:

        def open_another(shows: Shows) -> Notebook:
            return stack.enter_context(opened(shows=shows))

        yield open_another


@pytest.fixture(scope="module")
def standing() -> Iterator[Notebook]:
    """Open a notebook with four engines for a module: ``rc``, ``dv``, ``lv``, ``cluster``."""
    with opened(shows="widgets") as notebook:
        notebook.ok(_FOUR, timeout=60.0)
        yield notebook
        notebook.ok("rc.close(); cluster.stop_cluster_sync()")


@pytest.fixture
def four_in_notebook(standing: Notebook) -> Iterator[Notebook]:
    """Lend the module's notebook; whatever the test does, kernel and engines stay usable."""
    first = len(standing.cells)
    yield standing
    for cell in standing.cells[first:]:
        cell.wait()
    standing.ok("assert rc[:].apply_async(pow, 2, 3).get(10) == [8] * 4; rc[:].clear().get(10)")
    standing.assert_no_strays()


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    """Return a gate that tasks and cells wait at; it is open after the test."""
    gate = Gate(tmp_path / "gate")
    yield gate
    gate.open()
