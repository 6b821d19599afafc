import os
from pathlib import Path

import pytest

from ipcluster_ext.cluster.home import leftovers, make_home, sweep_leftovers
from ipcluster_ext.transport.files import connection_file, to_json, write_private


@pytest.fixture(autouse=True)
def runtime(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Give the test a runtime folder of its own."""
    folder = tmp_path / "runtime"
    monkeypatch.setenv("IPCLUSTER_EXT_RUNTIME_DIR", str(folder))
    return folder


def test_folders_whose_keeper_is_dead_are_left_over_until_they_are_swept() -> None:
    alive, dead = make_home("alive"), make_home("dead")
    for home, keeper in ((alive, os.getpid()), (dead, 2**22 - 1)):
        deed = to_json(home.deed(keeper))
        for folder in home.folders:
            write_private(connection_file(folder), deed)

    found = leftovers()
    sweep_leftovers()

    assert sorted(found) == sorted(dead.folders)
    assert leftovers() == []
    assert [folder.exists() for folder in (*alive.folders, *dead.folders)] == [
        *(True for _ in alive.folders), *(False for _ in dead.folders)
    ]  # fmt: skip
    alive.sweep()


def test_what_says_nothing_of_a_keeper_is_not_called_left_over(runtime: Path) -> None:
    make_home("mine").sweep()
    (runtime / "strange").mkdir(mode=0o700)
    (runtime / "strange" / "file").touch()

    assert leftovers() == []
