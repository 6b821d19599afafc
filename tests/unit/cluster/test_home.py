import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ipcluster_ext.cluster.home import leftovers, make_home, sweep_leftovers
from ipcluster_ext.transport import homes
from ipcluster_ext.transport.files import connection_file, to_json, write_private
from ipcluster_ext.transport.thishost import SHARED_MEMORY

NAME = f"h{os.getpid()}"


@pytest.fixture(autouse=True)
def runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give the test a runtime folder of its own; in one with a long name no socket could be."""
    with tempfile.TemporaryDirectory(prefix="ipx-", dir="/tmp") as folder:
        monkeypatch.setenv("IPCLUSTER_EXT_RUNTIME_DIR", folder)
        yield Path(folder)


def own(folders: list[Path]) -> list[Path]:
    """Return those that these tests have made: shared memory is everybody's."""
    return [each for each in folders if each.parent != SHARED_MEMORY or NAME in each.name]


def test_folders_whose_keeper_is_dead_are_left_over_until_they_are_swept() -> None:
    alive, dead = make_home(f"{NAME}-a"), make_home(f"{NAME}-d")
    for home, keeper in ((alive, os.getpid()), (dead, 2**22 - 1)):
        deed = to_json(home.deed(keeper))
        for folder in home.folders:
            write_private(connection_file(folder), deed)

    found = own(leftovers())
    sweep_leftovers()

    assert sorted(found) == sorted(dead.folders)
    assert own(leftovers()) == []
    assert [folder.exists() for folder in (*alive.folders, *dead.folders)] == [
        *(True for _ in alive.folders), *(False for _ in dead.folders)
    ]  # fmt: skip
    alive.sweep()


def test_what_says_nothing_of_a_keeper_is_not_called_left_over(runtime: Path) -> None:
    make_home(NAME).sweep()
    (runtime / "strange").mkdir(mode=0o700)
    (runtime / "strange" / "file").touch()

    assert own(leftovers()) == []


@pytest.mark.parametrize("which", ["files", "blobs"])
def test_folders_that_somebody_sweeps_while_they_are_empty_are_made_again(
    runtime: Path, monkeypatch: pytest.MonkeyPatch, which: str
) -> None:
    make_blobs = homes.make_blobs
    swept: list[Path] = []

    def make(name: str) -> str:
        """Make a folder for blobs; the first time, somebody sweeps meanwhile."""
        blobs = make_blobs(name)
        if not swept:
            swept.append(runtime / name if which == "files" else Path(blobs))
            swept[0].rmdir()
        return blobs

    monkeypatch.setattr(homes, "make_blobs", make)

    home = make_home(NAME)

    assert all((folder / "starting.json").exists() for folder in home.folders)
    home.sweep()
    assert own(leftovers()) == []
