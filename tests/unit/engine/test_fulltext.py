import stat
from pathlib import Path

import pytest

from ipcluster_ext.engine.fulltext import BEGIN_AFTER, NO_ROOM, FullTexts
from ipcluster_ext.protocol.ids import EngineId, TaskId

LONG = "x" * (BEGIN_AFTER + 1)


def key(task: int, stream: str = "stdout") -> tuple[TaskId, str]:
    return TaskId(task), stream


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "output"


def test_a_short_text_has_no_file(folder: Path) -> None:
    full = FullTexts(folder, EngineId(3))
    full.add(key(1), "x" * BEGIN_AFTER)

    assert full.read(key(1), 0, 10) is None
    assert not folder.exists()


def test_a_long_one_is_kept_from_its_beginning_for_its_owner_alone(folder: Path) -> None:
    full = FullTexts(folder, EngineId(3))
    full.add(key(1), "first ")
    full.add(key(1), LONG)
    full.add(key(1), "é\ud800")

    assert full.read(key(1), 0, 1_000_000) == b"first " + LONG.encode() + "é".encode() + b"\\ud800"
    assert full.read(key(1), 3, 5) == b"st xx"
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.iterdir())]
    assert modes == [0o700, 0o600]


@pytest.mark.parametrize(("keep", "left"), [(True, b"xx"), (False, None)])
def test_a_file_is_deleted_when_its_text_ends_unless_it_is_to_be_kept(
    folder: Path, keep: bool, left: bytes | None
) -> None:
    full = FullTexts(folder, EngineId(3))
    full.add(key(1), LONG)
    full.end(key(1), keep=keep)

    assert full.read(key(1), 0, 2) == left


def test_the_oldest_makes_room_those_of_lives_before_as_well(folder: Path) -> None:
    before = FullTexts(folder, EngineId(3))
    before.add(key(1), LONG)
    before.end(key(1), keep=True)
    other = FullTexts(folder, EngineId(4))
    other.add(key(1), LONG)
    other.end(key(1), keep=True)
    full = FullTexts(folder, EngineId(3), most=3 * len(LONG))
    for task in (2, 3, 4):
        full.add(key(task), LONG)
        full.end(key(task), keep=True)

    assert [full.read(key(task), 0, 1) for task in (1, 2, 3, 4)] == [None, b"x", b"x", b"x"]
    assert other.read(key(1), 0, 1) == b"x"


def test_a_text_that_takes_all_the_room_ends_with_a_note(folder: Path) -> None:
    full = FullTexts(folder, EngineId(3), most=2 * len(LONG))
    full.add(key(1), LONG)
    for _ in range(5):
        full.add(key(1), LONG + "\n")
    full.end(key(1), keep=True)

    assert full.read(key(1), 0, 1_000_000) == LONG.encode() + NO_ROOM.encode()


def test_what_a_task_prints_after_its_end_or_the_next_time_is_added(folder: Path) -> None:
    full = FullTexts(folder, EngineId(3))
    full.add(key(1), LONG)
    full.end(key(1), keep=True)
    full.add(key(1), "late" + LONG)
    full.end(key(1), keep=False)

    assert full.read(key(1), len(LONG), 5) == b"latex"


def test_where_there_can_be_no_file_nothing_is_collected(tmp_path: Path) -> None:
    (tmp_path / "output").write_text("in the way")
    full = FullTexts(tmp_path / "output", EngineId(3))
    for _ in range(3):
        full.add(key(1), LONG)
    full.end(key(1), keep=True)

    assert full.read(key(1), 0, 10) is None
