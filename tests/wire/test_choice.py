import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ipcluster_ext.client.choice import choice_file, choose, chosen
from ipcluster_ext.transport.processes import CLUSTER_VARIABLE


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give the test a runtime folder of its own; in one with a long name no socket could be."""
    with tempfile.TemporaryDirectory(prefix="ipx-", dir="/tmp") as name:
        monkeypatch.setenv("IPCLUSTER_EXT_RUNTIME_DIR", name)
        yield Path(name)


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("JPY_SESSION_NAME", "/home/me/a study.ipynb")
    return "/home/me/a study.ipynb"


@pytest.mark.usefixtures("notebook")
def test_a_notebook_has_chosen_nothing_at_first() -> None:
    assert chosen() == ""


def test_a_choice_is_found_by_whoever_asks_for_the_same_notebook(
    notebook: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose("fit")

    assert chosen() == "fit"
    path = choice_file(notebook)
    assert path is not None
    assert path.stat().st_mode & 0o777 == 0o600
    monkeypatch.setenv("JPY_SESSION_NAME", "/home/me/another.ipynb")
    assert chosen() == ""


@pytest.mark.usefixtures("notebook")
def test_a_choice_that_is_taken_back_leaves_nothing(folder: Path) -> None:
    choose("fit")
    choose("")

    assert chosen() == ""
    assert list(folder.iterdir()) == []


@pytest.mark.usefixtures("notebook")
def test_an_engine_of_a_notebooks_cluster_has_no_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    choose("fit")
    monkeypatch.setenv(CLUSTER_VARIABLE, "/somewhere/else")

    assert chosen() == ""


def test_a_process_without_a_notebook_remembers_its_choice_itself(
    monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    choose("fit")
    try:
        assert chosen() == "fit"
        assert list(folder.iterdir()) == []
    finally:
        choose("")


def test_a_file_that_others_can_read_is_not_believed(notebook: str) -> None:
    choose("fit")
    path = choice_file(notebook)
    assert path is not None
    path.chmod(0o644)

    assert chosen() == ""


def test_the_oldest_choices_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ipcluster_ext.client.choice._KEPT", 3)
    for number in range(5):
        monkeypatch.setenv("JPY_SESSION_NAME", f"{number}.ipynb")
        choose(f"cluster-{number}")
        path = choice_file()
        assert path is not None
        os.utime(path, (number, number))

    found = [choice_file(f"{number}.ipynb") for number in range(5)]
    assert [path is not None and path.exists() for path in found] == [
        False, False, True, True, True,
    ]  # fmt: skip
