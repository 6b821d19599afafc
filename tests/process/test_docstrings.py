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
from tests.support.public import PUBLIC, visible
from tests.support.waiting import wait_until

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE | doctest.IGNORE_EXCEPTION_DETAIL
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
    monkeypatch.setenv("IPCLUSTER_EXT_RUNTIME_DIR", str(rc.connection_file.parents[1]))
    given = {**names, "lv": rc.load_balanced_view(), "dv": rc[:], "__name__": "__main__"}
    example = doctest.DocTestParser().get_doctest(EXAMPLES[name], given, name, None, 0)
    said: list[str] = []
    showing = linecache.getlines

    failed = doctest.DocTestRunner(optionflags=FLAGS).run(example, out=said.append).failed

    assert failed == 0, "".join(said)
    assert linecache.getlines is showing
    wait_until(lambda: rc.ids == [0, 1])
    rc.wait_for_engines(2, timeout=10)


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_name_says_what_it_does(name: str) -> None:
    assert DOCSTRINGS[name]


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_function_or_class_shows_how_it_is_used(name: str) -> None:
    assert name in EXAMPLES or getattr(ipp, name) is TimeoutError  # Python's own, exported too


@pytest.mark.parametrize("name", TYPES)
def test_every_method_and_property_that_users_see_has_an_example(name: str) -> None:
    kind = getattr(ipp, name)
    seen = {part: inspect.getattr_static(kind, part) for part in visible(kind)}
    active = {part for part, member in seen.items() if callable(member) or _is_computed(member)}

    assert [part for part in sorted(active) if f"{name}.{part}" not in EXAMPLES] == []
    described = "".join(inspect.getdoc(base) or "" for base in kind.__mro__)
    assert [part for part in seen.keys() - active if part not in described] == []


def _is_computed(member: object) -> bool:
    return hasattr(member, "__get__")
