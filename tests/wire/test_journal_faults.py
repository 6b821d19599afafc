"""What becomes of the journal when its disk, its file or its process is in trouble."""

import os
import random
import select
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ipcluster_ext.transport import journal as journals
from ipcluster_ext.transport import rowfile
from ipcluster_ext.transport import writer as writers
from ipcluster_ext.transport.journal import Journal
from ipcluster_ext.transport.pages import PAGE, salvage
from tests.support.journals import Base, Files, lay_out, row, rows_in, settle
from tests.support.waiting import wait_until

MIB = 1 << 20
ON_A_PAGE = 15
"""Of the rows made up here, never so many stand on one page."""


@pytest.fixture
def folder() -> Iterator[Path]:
    """Make a folder of mode 0700 in memory, where syncing hundreds of files takes no time."""
    memory = Path("/dev/shm")
    path = Path(tempfile.mkdtemp(dir=memory if memory.is_dir() else None, prefix="ipx-"))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def path(folder: Path) -> Path:
    return folder / "journal"


@pytest.fixture(autouse=True)
def no_dawdling(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gather rows for a moment only."""
    monkeypatch.setattr(journals, "GATHER", 0.001)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Base:
    folder = tmp_path_factory.mktemp("base")
    folder.chmod(0o700)
    return Base(folder / "journal")


def test_the_base_is_as_expected(base: Base, folder: Path) -> None:
    assert sorted(base.killed) == ["journal", "journal-wal"]
    assert sorted(base.closed) == ["journal"]
    for files in (base.killed, base.closed):
        assert rows_in(lay_out(folder / "there", files)) == base.rows


class TestKilling:
    SCRIPT = textwrap.dedent("""
        import os, sys, time
        from pathlib import Path
        from ipcluster_ext.transport import journal as journals
        from ipcluster_ext.transport.journal import Journal
        from tests.support.journals import row

        journals.GATHER = 0.005

        def append(path):
            journal = Journal(path)
            number = said = journal.written
            while True:
                for _ in range(10):
                    number += 1
                    journal.append(number, row(number))
                    if number % 3 == 0 and number > 90:
                        journal.drop([number - 90])
                while (written := journal.written) < number - 40:
                    time.sleep(0.0002)
                if written > said:
                    said = written
                    os.write(1, b"%d\\n" % written)

        for line in sys.stdin:
            pid = os.fork()
            if pid == 0:
                append(Path(line.strip()))
            os.write(1, b"pid %d\\n" % pid)
            os.waitpid(pid, 0)
            os.write(1, b"over\\n")
    """)

    def test_every_row_reported_as_written_survives_fifty_kills(self, path: Path) -> None:
        chance = random.Random(7)
        with subprocess.Popen(
            [sys.executable, "-c", self.SCRIPT],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
            bufsize=0,
        ) as nursery:
            assert nursery.stdin is not None
            assert nursery.stdout is not None
            lines = nursery.stdout
            for _ in range(50):
                nursery.stdin.write(b"%s\n" % os.fsencode(path))
                said = [lines.readline() for _ in range(chance.randint(2, 6))]
                while not (pids := [line.split()[1] for line in said if b"pid" in line]):
                    said.append(lines.readline())
                select.select([], [], [], chance.uniform(0, 0.005))  # anywhere within a group
                os.kill(int(pids[0]), signal.SIGKILL)
                said += iter(lines.readline, b"over\n")
                self.check(path, max(int(line) for line in said if b"pid" not in line))
            nursery.stdin.close()

    def check(self, path: Path, written: int) -> None:
        rows = rows_in(path)
        assert rows == {number: row(number) for number in rows}
        # It appends 50 more at most than it has reported as written.
        assert {n for n in range(1, written + 1) if n % 3 or n > written - 40} <= set(rows)


class TestDamage:
    def survivors(self, folder: Path, files: Files, base: Base) -> Journal:
        """Open a damaged journal, check what must hold whatever the damage, and use it."""
        path = lay_out(folder / "there", files)
        journal = Journal(path)
        rows = dict(journal.recovered)
        assert rows.items() <= base.rows.items()
        assert "cannot be written" not in journal.trouble
        if rows != base.rows:
            assert journal.lost > 0
            assert "could not be read" in journal.trouble
        journal.append(1_000, [b"new"])
        journal.close()
        assert rows_in(path) == rows | {1_000: [b"new"]}
        return journal

    @pytest.mark.parametrize(("state", "count"), [("killed", 40), ("closed", 100)])
    def test_no_flipped_bit_costs_more_than_what_it_hits(
        self, state: str, count: int, base: Base, folder: Path
    ) -> None:
        files: Files = getattr(base, state)
        chance = random.Random(3)
        missing: list[int] = []
        for _ in range(count):
            name = chance.choice(sorted(files))
            data = bytearray(files[name])
            nearby = chance.choice([100, 3 * PAGE, len(data)])
            data[chance.randrange(min(nearby, len(data)))] ^= 1 << chance.randrange(8)
            journal = self.survivors(folder, {**files, name: bytes(data)}, base)
            missing.append(len(base.rows) - len(journal.recovered))

        assert max(missing) < ON_A_PAGE
        assert sum(more > 1 for more in missing) < count // 10

    @pytest.mark.parametrize("name", ["journal", "journal-wal"])
    def test_garbage_anywhere_in_a_file_keeps_what_it_does_not_hit(
        self, name: str, base: Base, folder: Path
    ) -> None:
        files: Files = base.closed if name == "journal" else base.killed
        chance = random.Random(5)
        for _ in range(20):
            data = bytearray(files[name])
            place = chance.choice([0, 16, chance.randrange(len(data))])
            data[place : place + 512] = chance.randbytes(512)
            path = lay_out(folder / "there", {**files, name: bytes(data)})
            journal = Journal(path)
            rows = dict(journal.recovered)
            assert rows == {number: row(number) for number in rows}
            assert "cannot be written" not in journal.trouble
            assert len(rows) > len(base.rows) - ON_A_PAGE
            journal.close()
            assert rows_in(path) == rows

    def test_pages_that_are_gone_cost_their_rows_only(self, base: Base, folder: Path) -> None:
        (data,) = base.closed.values()
        for page in range(len(data) // PAGE):
            zeros = data[: page * PAGE] + bytes(PAGE) + data[(page + 1) * PAGE :]
            journal = self.survivors(folder, {"journal": zeros}, base)
            assert len(journal.recovered) > len(base.rows) - ON_A_PAGE

    @pytest.mark.parametrize("name", ["journal", "journal-wal"])
    def test_a_file_cut_off_anywhere_keeps_what_is_whole(
        self, name: str, base: Base, folder: Path
    ) -> None:
        files: Files = base.closed if name == "journal" else base.killed
        chance = random.Random(4)
        for _ in range(20):
            cut = files[name][: chance.randrange(len(files[name]))]
            path = lay_out(folder / "there", {**files, name: cut})
            journal = Journal(path)
            rows = dict(journal.recovered)
            # What the log had not yet dropped may be there again.
            assert rows == {number: row(number) for number in rows}
            assert "cannot be written" not in journal.trouble
            journal.close()
            assert rows_in(path) == rows

    def test_a_damaged_file_is_kept_and_the_rows_live_on(self, base: Base, folder: Path) -> None:
        data = bytearray(base.closed["journal"])
        data[0] ^= 1
        path = lay_out(folder / "there", {"journal": bytes(data)})

        for count in (1, 2):
            journal = Journal(path)
            assert dict(journal.recovered) == base.rows
            assert journal.lost == 0
            assert journal.trouble == (
                f"The journal {path} was damaged. {len(base.rows)} of its rows are intact. The "
                f"damaged file is kept as {path}.damaged-{count}. If this happens again, check "
                "the disk."
            )
            journal.close()
            assert rows_in(path) == base.rows
            path.write_bytes(bytes(data))

        assert path.with_name("journal.damaged-1").read_bytes() == data

    def test_a_damaged_row_is_left_out_counted_and_named(self, folder: Path) -> None:
        journal = Journal(folder / "journal")
        for number in (1, 2, 3):
            journal.append(number, [b"this is row %d" % number])
        journal.close()
        data = (folder / "journal").read_bytes()
        path = lay_out(folder / "there", {"journal": data.replace(b"is row 2", b"is row 9")})

        journal = Journal(path)

        assert [found.number for found in journal.recovered] == [1, 3]
        assert journal.lost == 1
        assert journal.trouble == (
            f"The journal {path} was damaged. 2 of its rows are intact. 1 of its rows (2) could "
            "not be read: tasks there are unknown to the hub. If this happens again, check the "
            "disk."
        )
        journal.close()
        assert sorted(rows_in(path)) == [1, 3]

    def test_a_row_does_not_come_back_under_another_number(self, folder: Path) -> None:
        path = folder / "journal"
        journal = Journal(path)
        journal.append(1, [b"row"])
        journal.close()
        with sqlite3.connect(path) as connection:
            connection.execute("UPDATE rows SET number = 2")
        connection.close()

        journal = Journal(path)

        assert (journal.recovered, journal.lost) == ([], 1)
        journal.close()

    @pytest.mark.parametrize("value", ["text", 7, 1.5])
    def test_a_row_of_another_type_is_a_damaged_one(self, value: object, path: Path) -> None:
        Journal(path).close()
        with sqlite3.connect(path) as connection:
            connection.execute("INSERT INTO rows VALUES (5, ?)", (value,))
        connection.close()

        journal = Journal(path)

        assert (journal.recovered, journal.lost) == ([], 1)
        journal.close()

    @pytest.mark.parametrize("text", [b"Dear diary,\n" * 400, b"x", bytes(8192)])
    def test_what_is_no_journal_is_put_aside(self, text: bytes, path: Path) -> None:
        path.write_bytes(text)

        journal = Journal(path)
        journal.append(1, [b"row"])
        journal.close()

        assert journal.recovered == []
        assert f"is kept as {path}.damaged-1." in journal.trouble
        assert path.with_name("journal.damaged-1").read_bytes() == text
        assert sorted(rows_in(path)) == [1]

    @pytest.mark.parametrize("version", [2, 0, 77])
    def test_a_journal_of_another_version_is_put_aside(self, version: int, path: Path) -> None:
        journal = Journal(path)
        journal.append(1, [b"row"])
        journal.close()
        with sqlite3.connect(path) as connection:
            connection.execute(f"PRAGMA user_version = {version}")
            connection.execute(f"PRAGMA application_id = {0x49505800 + version}")
        connection.close()

        journal = Journal(path)

        assert journal.recovered == []
        assert journal.trouble == (
            f"The journal {path} was written by another version of this program, or by another "
            f"program. It is kept as {path}.damaged-1; tasks in it are unknown to the hub."
        )
        journal.close()
        with sqlite3.connect(f"{path}.damaged-1") as connection:
            assert connection.execute("SELECT number FROM rows").fetchall() == [(1,)]
        connection.close()
        assert rows_in(path) == {}

    def test_the_database_of_another_program_is_put_aside(self, path: Path) -> None:
        with sqlite3.connect(path) as connection:
            connection.execute("CREATE TABLE rows (number INTEGER PRIMARY KEY, data BLOB)")
            connection.execute("INSERT INTO rows VALUES (1, 'text')")
        connection.close()

        journal = Journal(path)

        assert "or by another program. It is kept as" in journal.trouble
        assert (journal.recovered, journal.lost) == ([], 0)
        journal.close()

    def test_an_empty_file_is_a_new_journal(self, path: Path) -> None:
        path.touch()

        assert rows_in(path) == {}

    def test_a_log_without_its_file_is_not_taken_for_that_of_a_new_one(
        self, base: Base, folder: Path
    ) -> None:
        path = lay_out(folder / "there", {"journal-wal": base.killed["journal-wal"]})

        assert rows_in(path) == {}

    def test_whoever_was_killed_while_he_put_a_new_file_in_place_is_succeeded(
        self, base: Base, folder: Path
    ) -> None:
        files = {"journal.new": base.closed["journal"], "journal-wal": base.killed["journal-wal"]}

        assert rows_in(lay_out(folder / "there", files)) == base.rows

    def test_whoever_was_killed_while_he_made_a_new_file_is_not(
        self, base: Base, folder: Path
    ) -> None:
        files = {
            "journal": base.closed["journal"],
            "journal.new": b"half of a file",
            "journal.new-wal": b"half of a log",
        }
        path = lay_out(folder / "there", files)
        path.write_bytes(path.read_bytes()[1:])

        journal = Journal(path)
        journal.close()

        assert "was damaged" in journal.trouble
        assert rows_in(path) == {}

    def test_rows_that_were_dropped_are_in_the_file_but_not_salvaged(self, base: Base) -> None:
        data = base.closed["journal"]
        assert any(b"head %d" % number in data for number in range(20, 60))

        assert dict(salvage(data, b"").rows) == base.rows

    def test_a_page_damaged_while_in_use_is_noticed_and_mended(self, path: Path) -> None:
        journal = Journal(path)
        for number in range(1, 2_001):
            journal.append(number, row(number))
        settle(journal)
        with path.open("r+b") as file:
            file.seek(2 * PAGE)  # the root, which everything that is written goes through
            file.write(b"\xff" * PAGE)
        journal.drop(range(1, 2_000))
        settle(journal)
        journal.append(2_001, [b"row"])
        settle(journal)
        wait_until(lambda: "cannot be written" not in journal.trouble)
        journal.close()

        assert rows_in(path)[2_001] == [b"row"]


class TestWhatIsNoFile:
    def refused(self, path: Path, why: str) -> None:
        """Check that a journal leaves what it finds alone, and goes on without it."""
        before = sorted(os.listdir(path.parent))
        journal = Journal(path)
        journal.append(1, [b"row"])
        settle(journal)

        assert journal.written == 1
        assert journal.trouble.startswith(f"The journal {path} cannot be written: {why}.")
        journal.close()
        assert sorted(os.listdir(path.parent)) == before

    def test_a_folder_is_left_alone(self, path: Path) -> None:
        path.mkdir()
        self.refused(path, "it is not a file of this user")

    def test_a_link_is_not_followed(self, path: Path, folder: Path) -> None:
        victim = folder / "victim"
        victim.write_bytes(b"precious")
        path.symlink_to(victim)

        self.refused(path, "Too many levels of symbolic links")

        assert victim.read_bytes() == b"precious"

    def test_a_link_to_nowhere_is_not_followed(self, path: Path, folder: Path) -> None:
        path.symlink_to(folder / "nowhere")
        self.refused(path, "Too many levels of symbolic links")

    def test_a_link_in_place_of_the_log_is_not_followed(self, path: Path, folder: Path) -> None:
        Journal(path).close()
        (folder / "journal-wal").symlink_to(folder / "nowhere")
        self.refused(path, "Too many levels of symbolic links")

    def test_a_pipe_is_left_alone(self, path: Path) -> None:
        os.mkfifo(path)
        self.refused(path, "it is not a file of this user")

    def test_a_folder_that_is_open_to_others_is_not_used(self, folder: Path) -> None:
        (folder / "open").mkdir(mode=0o700)
        (folder / "open").chmod(0o755)

        journal = Journal(folder / "open" / "journal")

        assert "run chmod 700 on it" in journal.trouble
        journal.close()
        assert os.listdir(folder / "open") == []

    def test_it_is_used_once_the_way_is_free(self, path: Path) -> None:
        path.mkdir()
        journal = Journal(path)
        journal.append(1, [b"row"])
        settle(journal)

        path.rmdir()

        wait_until(lambda: journal.trouble == "")
        journal.close()
        assert rows_in(path) == {1: [b"row"]}


class TestLocked:
    @contextmanager
    def held(self, path: Path) -> Iterator[None]:
        connection = sqlite3.connect(path, isolation_level=None)
        connection.execute("SELECT * FROM rows").fetchall()
        yield
        connection.close()

    def test_the_hub_goes_on_in_memory_until_the_file_is_let_go(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(writers, "BUSY_FOR", 0.02)
        Journal(path).close()
        said: list[str] = []
        with self.held(path):
            journal = Journal(path, complain=said.append)
            journal.append(1, [b"row"])
            journal.append(2, [b"row"])
            journal.drop([1])
            settle(journal)
            assert (journal.written, journal.recovered) == (2, [])
            assert f"{path} cannot be written: another process uses it." in journal.trouble

        wait_until(lambda: journal.trouble == "")
        journal.close()
        assert said[0].startswith(f"The journal {path} cannot be written: another process uses")
        assert said[1:] == [f"The journal {path} works again."]
        assert rows_in(path) == {2: [b"row"]}

    def test_rows_that_were_not_read_in_time_are_put_aside(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(writers, "BUSY_FOR", 0.02)
        first = Journal(path)
        first.append(1, [b"of the hub before"])
        first.close()
        with self.held(path):
            journal = Journal(path)
            journal.append(1, [b"of this hub"])
            settle(journal)

        wait_until(lambda: "cannot be written" not in journal.trouble)
        assert journal.trouble == (
            f"The journal {path} could not be read when the hub started. It is kept as "
            f"{path}.damaged-1; tasks in it are unknown to the hub."
        )
        journal.close()
        assert rows_in(path) == {1: [b"of this hub"]}

    def test_a_lock_of_a_moment_is_waited_for(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        Journal(path).close()
        busy = threading.Event()
        made: list[Journal] = []

        def is_busy(error: Exception) -> bool:
            busy.set()
            return rowfile.is_busy(error)

        monkeypatch.setattr(writers, "is_busy", is_busy)
        monkeypatch.setattr(writers, "BUSY_FOR", 30.0)
        making = threading.Thread(target=lambda: made.append(Journal(path)))
        with self.held(path):
            making.start()
            assert busy.wait(10)
        making.join()

        assert made[0].trouble == ""
        made[0].close()

    def test_two_journals_do_not_share_a_file(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(writers, "BUSY_FOR", 0.02)
        first = Journal(path)

        second = Journal(path)

        assert "another process uses it" in second.trouble
        second.close()
        first.append(1, [b"row"])
        first.close()
        assert rows_in(path) == {1: [b"row"]}
