"""Every example in a docstring of the public API runs, against a live cluster."""

import doctest
import inspect
import linecache
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import ipcluster_ext as ipp
from tests.support.leftovers import leftovers_of

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE | doctest.IGNORE_EXCEPTION_DETAIL
PUBLIC = sorted(name for name in ipp.__all__ if not name.startswith("_"))
TYPES = (
    "AsyncMapResult", "AsyncResult", "AsyncStream", "BroadcastView", "Client", "Cluster",
    "DirectView", "Executor", "LoadBalancedView",
)  # fmt: skip
"""The classes whose every public method has an example."""


def docstrings() -> Iterator[tuple[str, str]]:
    """Yield what has a docstring: public names, and the public parts of public classes."""
    for name in PUBLIC:
        value = getattr(ipp, name)
        yield name, inspect.getdoc(value) or ""
        if not inspect.isclass(value) or issubclass(value, BaseException):
            continue
        for part, member in inspect.getmembers(value):
            home = next((base for base in value.__mro__ if part in vars(base)), object)
            if not part.startswith("_") and home.__module__.startswith("ipcluster_ext"):
                yield f"{name}.{part}", inspect.getdoc(member) or ""


DOCSTRINGS = dict(docstrings())
EXAMPLES = {name: text for name, text in DOCSTRINGS.items() if ">>>" in text}


@pytest.fixture(scope="module")
def names() -> Iterator[dict[str, Any]]:
    folder = Path(tempfile.mkdtemp(prefix="ipx-", dir="/tmp"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IPCLUSTER_EXT_RUNTIME_DIR", str(folder))
        with ipp.Cluster(n=2) as rc:
            yield {"ipp": ipp, "rc": rc}
        assert leftovers_of(folder) == []
    shutil.rmtree(folder)


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_in_a_docstring_runs(
    name: str, names: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    rc = names["rc"]
    given = {**names, "lv": rc.load_balanced_view(), "dv": rc[:], "__name__": "__main__"}
    example = doctest.DocTestParser().get_doctest(EXAMPLES[name], given, name, None, 0)
    said: list[str] = []
    showing = linecache.getlines

    failed = doctest.DocTestRunner(optionflags=FLAGS).run(example, out=said.append).failed

    assert failed == 0, "".join(said)
    assert linecache.getlines is showing
    rc.wait_for_engines(2, timeout=10)


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_name_says_what_it_does(name: str) -> None:
    assert DOCSTRINGS[name]
