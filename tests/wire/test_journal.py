import os
import stat
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

from ipcluster_ext.transport import journal as journals
from ipcluster_ext.transport.journal import Journal
from ipcluster_ext.transport.rowfile import LOG_LIMIT, SPARE, connect
from ipcluster_ext.transport.rows import Row
from tests.support.waiting import wait_until

MIB = 1 << 20


class Kept(NamedTuple):
    """What a journal held when it was opened."""

    rows: list[Row]
    lost: int
    trouble: str


@pytest.fixture
def path(folder: Path) -> Path:
    return folder / "journal"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    journal = Journal(path)
    yield journal
    journal.close()


@pytest.fixture(autouse=True)
def no_dawdling(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gather rows for a moment only."""
    monkeypatch.setattr(journals, "GATHER", 0.001)


def settle(journal: Journal) -> None:
    wait_until(lambda: journal.idle)


def kept_in(path: Path) -> Kept:
    journal = Journal(path)
    kept = Kept(journal.recovered, journal.lost, journal.trouble)
    journal.close()
    return kept


def numbers_in(path: Path) -> list[int]:
    return [row.number for row in kept_in(path).rows]


class TestRows:
    @pytest.mark.parametrize(
        "data",
        [
            [],
            [b""],
            [b"header"],
            [b"header", b"", b"frame"],
            [b"h", *[bytes([part]) * part for part in range(200)]],
            [b"header", b"x" * (5 * MIB + 3), os.urandom(70_000)],
        ],
        ids=["none", "empty", "one", "three", "many", "large"],
    )
    def test_a_row_comes_back_with_its_parts_as_they_were(
        self, data: list[bytes], journal: Journal, path: Path
    ) -> None:
        journal.append(1, data)
        journal.close()

        assert kept_in(path) == ([Row(1, data)], 0, "")

    def test_parts_may_be_any_kind_of_memory(self, journal: Journal, path: Path) -> None:
        journal.append(1, [b"abc", bytearray(b"def"), memoryview(b"0123456")[2:5]])
        journal.close()

        assert kept_in(path).rows == [Row(1, [b"abc", b"def", b"234"])]

    def test_rows_come_back_in_the_order_of_their_numbers(
        self, journal: Journal, path: Path
    ) -> None:
        for number in (3, 5, 8, 1 << 40):
            journal.append(number, [b"%d" % number])
        settle(journal)
        journal.append((1 << 40) + 1, [])
        journal.close()

        assert numbers_in(path) == [3, 5, 8, 1 << 40, (1 << 40) + 1]

    def test_rows_are_there_after_any_number_of_openings(self, path: Path) -> None:
        for number in range(1, 5):
            journal = Journal(path)
            assert [row.number for row in journal.recovered] == list(range(1, number))
            assert journal.written == number - 1
            journal.append(number, [b"row"])
            journal.close()

        assert numbers_in(path) == [1, 2, 3, 4]

    def test_a_row_is_replaced_by_one_of_its_number(self, path: Path) -> None:
        for text in (b"old", b"new"):
            journal = Journal(path)
            journal.append(1, [text])
            journal.close()

        assert kept_in(path).rows == [Row(1, [b"new"])]

    def test_many_rows_are_written(self, journal: Journal, path: Path) -> None:
        for number in range(1, 20_001):
            journal.append(number, [b"%d" % number])
        settle(journal)
        assert journal.written == 20_000
        journal.close()

        assert numbers_in(path) == list(range(1, 20_001))


class TestDropping:
    def test_a_dropped_row_does_not_come_back(self, journal: Journal, path: Path) -> None:
        for number in range(1, 8):
            journal.append(number, [b"row"])
        settle(journal)

        journal.drop([2, 3, 7])
        journal.drop(iter([5]))
        journal.close()

        assert numbers_in(path) == [1, 4, 6]

    def test_a_row_dropped_before_it_was_written_counts_as_written(
        self, journal: Journal, path: Path
    ) -> None:
        journal.append(1, [b"row"])
        journal.append(2, [b"row"])
        journal.drop([1, 2])

        wait_until(lambda: journal.written == 2)
        journal.close()
        assert numbers_in(path) == []

    def test_a_recovered_row_can_be_dropped(self, path: Path) -> None:
        first = Journal(path)
        first.append(1, [b"row"])
        first.append(2, [b"row"])
        first.close()

        second = Journal(path)
        second.drop([1])
        second.close()

        assert numbers_in(path) == [2]

    def test_dropping_what_is_not_there_does_nothing(self, journal: Journal, path: Path) -> None:
        journal.append(1, [b"row"])
        journal.drop([5, -3, 1 << 62])
        journal.drop([])
        journal.close()

        assert kept_in(path) == ([Row(1, [b"row"])], 0, "")

    def test_the_file_does_not_grow_while_rows_come_and_go(self, journal: Journal) -> None:
        sizes: list[int] = []
        for round_ in range(200):
            numbers = range(100 * round_ + 1, 100 * round_ + 101)
            for number in numbers:
                journal.append(number, [b"x" * 5_000])
            settle(journal)
            journal.drop(numbers)
            settle(journal)
            sizes.append(journal.nbytes)

        assert max(sizes) < 2 * LOG_LIMIT + 4 * MIB

    def test_the_file_shrinks_when_much_has_been_dropped(self, journal: Journal) -> None:
        for number in range(1, 61):
            journal.append(number, [b"x" * MIB])
        settle(journal)
        assert journal.nbytes > 55 * MIB

        journal.drop(range(1, 61))

        wait_until(lambda: journal.nbytes < SPARE + LOG_LIMIT, timeout=30)


class TestTheHub:
    def test_nothing_is_woken_or_written_by_asking(self, journal: Journal) -> None:
        assert (journal.written, journal.idle, journal.trouble) == (0, True, "")
        assert journal.recovered == []
        assert journal.lost == 0

    def test_a_row_is_written_soon_although_nobody_asks(self, journal: Journal) -> None:
        journal.append(1, [b"row"])
        assert not journal.idle

        wait_until(lambda: journal.written == 1)

    def test_giving_way_returns_although_nothing_is_to_be_done(self, journal: Journal) -> None:
        journal.give_way()
        journal.append(1, [b"row"])
        while not journal.idle:
            journal.give_way()

        assert journal.written == 1

    def test_closing_writes_what_is_left_and_ends_the_thread(
        self, journal: Journal, path: Path
    ) -> None:
        journal.append(1, [b"row"])
        journal.close()
        journal.close()

        assert journal.written == 1
        assert [thread.name for thread in threading.enumerate() if "journal" in thread.name] == []
        assert os.listdir(path.parent) == ["journal"]

    def test_rows_appended_after_closing_do_no_harm(self, journal: Journal, path: Path) -> None:
        journal.close()
        journal.append(1, [b"row"])
        journal.drop([1])

        assert numbers_in(path) == []


class TestWithoutAFile:
    def test_every_row_counts_as_written_at_once(self) -> None:
        journal = Journal(None)

        journal.append(1, [b"row"])
        journal.append(2, [b"row"])
        journal.drop([1])

        assert (journal.written, journal.idle, journal.nbytes) == (2, True, 0)
        assert (journal.recovered, journal.lost, journal.trouble) == ([], 0, "")
        journal.give_way()
        journal.close()

    def test_there_is_no_thread(self) -> None:
        before = threading.active_count()

        journal = Journal(None)

        assert threading.active_count() == before
        journal.close()


class TestTheFile:
    @pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
    def test_nobody_else_can_read_it_or_its_log(self, umask: int, path: Path) -> None:
        before = os.umask(umask)
        journal = Journal(path)
        journal.append(1, [b"row"])
        settle(journal)
        os.umask(before)

        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
        journal.close()
        assert modes == {"journal": 0o600, "journal-wal": 0o600}

    def test_its_folder_is_made_for_this_user_alone(self, folder: Path) -> None:
        Journal(folder / "a" / "journal").close()

        assert stat.S_IMODE((folder / "a").stat().st_mode) == 0o700


def test_rows_can_be_looked_up_whether_they_are_on_disk_or_about_to_be(path: Path) -> None:
    journal = Journal(path)
    journal.append(1, [b"head", b"frame"])
    wait_until(lambda: journal.written == 1)
    journal.append(2, [b"new"])

    journal.look_up([1, 2, 3])
    wait_until(lambda: journal.idle)
    busy = journal.looking_up
    found = journal.take_found()

    assert busy
    assert not journal.looking_up
    assert found == [(1, [b"head", b"frame"]), (2, [b"new"]), (3, None)]
    journal.close()


def test_without_a_file_nothing_is_found() -> None:
    journal = Journal(None)
    journal.append(1, [b"head"])

    journal.look_up([1])

    assert journal.take_found() == [(1, None)]


def test_what_one_life_after_another_wrote_is_there_although_each_was_killed(path: Path) -> None:
    """The log of one life must not be taken for part of the next one's."""
    for life in range(4):
        journal = Journal(path)
        assert (len(journal.recovered), journal.lost, journal.trouble) == (3 * life, 0, "")
        for number in range(3):
            journal.append(3 * life + number + 1, [b"x" * (10 if life else 50_000)])
        settle(journal)
        killed = path.parent / f"killed-{life}"
        killed.mkdir(mode=0o700)
        for file in (path, path.with_name(path.name + "-wal")):
            (killed / file.name).write_bytes(file.read_bytes())
            (killed / file.name).chmod(0o600)
        journal.close()
        path = killed / path.name


class TestLargeRows:
    def test_that_are_dropped_soon_are_never_written(self, path: Path) -> None:
        journal = Journal(path)
        for number in range(1, 40, 2):
            journal.append(number, [b"x" * MIB])
            journal.append(number + 1, [b"small"])
            journal.drop([number])

        settle(journal)

        assert journal.written == 40
        assert journal.nbytes < MIB
        journal.close()

    def test_count_as_written_only_when_they_are(self, path: Path) -> None:
        journal = Journal(path)
        journal.append(1, [b"small"])
        journal.append(2, [b"x" * MIB])
        journal.append(3, [b"small"])

        wait_until(lambda: journal.written >= 1)
        early = journal.written
        settle(journal)

        assert early == 1
        assert journal.written == 3
        journal.close()
        with closing(Journal(path)) as again:
            assert [row.number for row in again.recovered] == [1, 2, 3]

    def test_are_written_before_their_time_if_there_are_many(self, path: Path) -> None:
        journal = Journal(path)
        for number in range(1, 65):
            journal.append(number, [b"x" * MIB])

        wait_until(lambda: journal.written >= 16)
        journal.close()

        with closing(Journal(path)) as again:
            assert len(again.recovered) == 64


def test_nobody_waits_for_the_disk_to_sync(path: Path) -> None:
    Journal(path).close()

    with closing(connect(path, 64 * MIB)) as connection:
        assert connection.execute("PRAGMA synchronous").fetchone() == (0,)
