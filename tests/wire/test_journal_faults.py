"""What becomes of the journal when its disk, its file or its process is in trouble."""

import contextlib
import itertools
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
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from ipcluster_ext.protocol.frames import Frame
from ipcluster_ext.transport import journal as journals
from ipcluster_ext.transport import writer as writers
from ipcluster_ext.transport.backlog import Backlog
from ipcluster_ext.transport.journal import Journal
from ipcluster_ext.transport.pages import PAGE, salvage
from ipcluster_ext.transport.rowfile import RowFile
from tests.support.waiting import wait_until

Rows = dict[int, list[bytes]]
Files = Mapping[str, bytes]

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


def settle(journal: Journal) -> None:
    wait_until(lambda: journal.idle)


def rows_in(path: Path) -> Rows:
    """Return the rows of a journal that is in order."""
    journal = Journal(path)
    rows = dict(journal.recovered)
    assert (journal.trouble, journal.lost) == ("", 0)
    journal.close()
    return rows


def row(number: int) -> list[bytes]:
    """Make up a row; some are longer than a page of the file."""
    chance = random.Random(number)
    return [b"head %d" % number, chance.randbytes(chance.choice([0, 10, 100, 1_000, 9_000]))]


def snapshot(path: Path) -> dict[str, bytes]:
    """Return the files of a journal as a process leaves them that is killed now."""
    return {file.name: file.read_bytes() for file in path.parent.iterdir()}


def lay_out(folder: Path, files: Files) -> Path:
    """Write files into an empty folder of mode 0700; return where the journal is."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder / "journal"


class Base:
    """The files of a journal that was in use, and the rows in them; half of them were dropped."""

    def __init__(self, path: Path) -> None:
        journal = Journal(path)
        for number in range(1, 121):
            journal.append(number, row(number))
        settle(journal)
        journal.drop(range(20, 60))
        settle(journal)
        journal.drop(range(61, 101, 2))
        settle(journal)
        self.killed = snapshot(path)
        journal.close()
        self.closed = snapshot(path)
        kept = [number for number in range(1, 121) if not 20 <= number < 60]
        self.rows = {n: row(n) for n in kept if not (61 <= n < 101 and n % 2)}


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
        from tests.wire.test_journal_faults import row

        journals.GATHER = 0.005

        def append(path):
            journal = Journal(path)
            number = said = journal.written
            while True:
                for _ in range(10):
                    number += 1
                    journal.append(number, row(number))
                    if number % 3 == 0 and number > 30:
                        journal.drop([number - 30])
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
                select.select([], [], [], chance.uniform(0, 0.005))  # anywhere within a group
                pid = next(int(line.split()[1]) for line in said if line.startswith(b"pid"))
                os.kill(pid, signal.SIGKILL)
                said += iter(lines.readline, b"over\n")
                self.check(path, max(int(line) for line in said if line[0] != ord("p")))
            nursery.stdin.close()

    def check(self, path: Path, written: int) -> None:
        rows = rows_in(path)
        assert rows == {number: row(number) for number in rows}
        assert {n for n in range(1, written + 1) if n % 3 or n > written - 30} <= set(rows)


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

    def test_a_lock_of_a_moment_is_waited_for(self, path: Path) -> None:
        Journal(path).close()
        held = self.held(path)
        held.__enter__()
        timer = threading.Timer(0.05, lambda: None)
        timer.start()

        journals_made: list[Journal] = []
        making = threading.Thread(target=lambda: journals_made.append(Journal(path)))
        making.start()
        timer.join()
        held.__exit__(None, None, None)
        making.join()

        assert journals_made[0].trouble == ""
        journals_made[0].close()

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


@contextmanager
def small_disk(folder: Path, nbytes: int) -> Iterator[Path]:
    """Mount a disk of a size; only root may."""
    folder.mkdir(mode=0o700)
    size = f"size={nbytes},mode=700"
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", size, "none", folder], check=False)
    if mounted.returncode:
        pytest.skip("only root may mount a small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


class Ailing:
    """A disk that takes nothing while it is ill: what a journal writes fails with a code."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, code: int, name: str) -> None:
        self.ill = True
        self.tries = 0
        write = RowFile.write

        def attempt(file: RowFile, rows: Mapping[int, Sequence[Frame]]) -> None:
            self.tries += 1
            if self.ill:
                error = sqlite3.OperationalError(name)
                error.sqlite_errorcode = code
                raise error
            write(file, rows)

        monkeypatch.setattr(RowFile, "write", attempt)
        monkeypatch.setattr(RowFile, "rehearse", lambda file: attempt(file, {}))


class TestFullDisk:
    def test_a_full_disk_is_told_and_all_is_written_once_there_is_room(self, folder: Path) -> None:
        said: list[str] = []
        with small_disk(folder / "disk", 3 * MIB) as disk:
            (disk / "ballast").write_bytes(bytes(MIB))
            path = disk / "journal"
            journal = Journal(path, complain=said.append)
            for number in range(1, 101):
                journal.append(number, [b"%d" % number * 10_000])
                settle(journal)
            assert journal.written == 100
            assert f"{path} cannot be written: the disk or the quota is full." in journal.trouble

            (disk / "ballast").unlink()
            journal.drop(range(51, 101))

            wait_until(lambda: journal.trouble == "")
            journal.close()
            rows = rows_in(path)
        assert rows == {number: [b"%d" % number * 10_000] for number in range(1, 51)}
        assert [text for text in said if "cannot be written" in text] == said[::2]
        assert said[-1] == f"The journal {path} works again."

    def test_rows_are_recovered_although_the_disk_is_full(self, base: Base, folder: Path) -> None:
        with small_disk(folder / "disk", 2 * MIB) as disk:
            path = lay_out_in(disk, base.killed)
            fill(disk / "ballast")

            journal = Journal(path)

            assert dict(journal.recovered) == base.rows
            assert "is full. Make room there." in journal.trouble
            journal.append(1_000, [b"row"])
            journal.drop([1])
            settle(journal)
            (disk / "ballast").unlink()
            wait_until(lambda: journal.trouble == "")
            journal.close()
            kept = rows_in(path)
        assert kept == {n: data for n, data in base.rows.items() if n != 1} | {1_000: [b"row"]}

    def test_a_damaged_file_is_read_although_the_disk_is_full(
        self, base: Base, folder: Path
    ) -> None:
        damaged = bytearray(base.closed["journal"])
        damaged[3] ^= 1
        with small_disk(folder / "disk", 2 * MIB) as disk:
            path = lay_out_in(disk, {"journal": bytes(damaged)})
            fill(disk / "ballast")

            journal = Journal(path)

            assert dict(journal.recovered) == base.rows
            assert "is full. Make room there." in journal.trouble
            (disk / "ballast").unlink()
            wait_until(lambda: "is full" not in journal.trouble)
            assert f"The damaged file is kept as {path}.damaged-1." in journal.trouble
            journal.close()
            assert rows_in(path) == base.rows

    SCRIPT = textwrap.dedent("""
        import resource, signal, sys, time
        from pathlib import Path
        from ipcluster_ext.transport.journal import Journal

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
        journal = Journal(Path(sys.argv[1]), complain=print)
        for number in range(1, 101):
            journal.append(number, [b"x" * 10_000])
            while not journal.idle:
                time.sleep(0.001)
        assert journal.written == 100
        assert journal.trouble
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
        while journal.trouble:
            time.sleep(0.001)
        journal.close()
    """)

    def test_a_limit_to_the_size_of_files_is_a_full_disk(self, path: Path) -> None:
        done = subprocess.run(
            [sys.executable, "-c", self.SCRIPT, path],
            capture_output=True,
            text=True,
            cwd=Path(__file__).parents[2],
            check=False,
        )

        assert (done.returncode, done.stderr) == (0, "")
        said = done.stdout.splitlines()
        assert said[0].startswith(f"The journal {path} cannot be written: the disk ")
        assert said[-1] == f"The journal {path} works again."
        assert rows_in(path) == {number: [b"x" * 10_000] for number in range(1, 101)}

    def test_its_own_limit_is_one_and_dropping_makes_room(self, path: Path) -> None:
        journal = Journal(path, most_nbytes=2 * MIB)
        for number in range(1, 301):
            journal.append(number, [b"x" * 10_000])
        settle(journal)
        assert journal.written == 300
        assert (
            f"The journal {path} cannot be written: it has reached its limit of 2 MiB. It has "
            "room once tasks have ended." in journal.trouble
        )
        assert journal.nbytes < 8 * MIB

        journal.drop(range(1, 151))

        wait_until(lambda: journal.trouble == "")
        assert journal.nbytes < 8 * MIB
        journal.close()
        assert sorted(rows_in(path)) == list(range(151, 301))

    def test_what_cannot_be_kept_for_a_full_disk_is_given_up_aloud(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(writers, "MOST_KEPT", 50_000)
        disk = Ailing(monkeypatch, sqlite3.SQLITE_FULL, "full")
        journal = Journal(path)
        for number in range(1, 11):
            journal.append(number, [b"x" * 10_000])
        settle(journal)
        disk.ill = False

        wait_until(lambda: "cannot be written" not in journal.trouble)
        assert journal.trouble == (
            f"The journal {path} could not keep everything that it was given; if the hub is "
            "killed, tasks that have not ended may be lost."
        )
        journal.drop(range(6, 11))
        wait_until(lambda: journal.trouble == "")
        journal.close()
        assert sorted(rows_in(path)) == [1, 2, 3, 4, 5]

    def test_a_row_that_no_file_could_hold_is_given_up_aloud(self, path: Path) -> None:
        journal = Journal(path, most_nbytes=2 * MIB)
        journal.append(1, [bytes(MIB), b"x"])
        journal.append(2, [b"row"])

        wait_until(lambda: journal.written == 2)
        wait_until(lambda: "could not keep everything" in journal.trouble)
        journal.drop([1])
        wait_until(lambda: journal.trouble == "")
        journal.close()
        assert rows_in(path) == {2: [b"row"]}


class TestBrokenDisk:
    @pytest.mark.parametrize(
        ("code", "why"),
        [
            (sqlite3.SQLITE_IOERR_WRITE, "the disk reports an error. Check the disk"),
            (sqlite3.SQLITE_READONLY, "it is read-only. Check the disk"),
            (sqlite3.SQLITE_FULL, "the disk or the quota is full. Make room"),
            (sqlite3.SQLITE_CORRUPT, "garbled. Check the disk"),
        ],
    )
    def test_the_hub_goes_on_in_memory_and_all_is_written_later(
        self, code: int, why: str, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        said: list[tuple[str, str]] = []
        disk = Ailing(monkeypatch, code, "garbled")

        def complain(text: str) -> None:
            said.append((threading.current_thread().name, text))

        journal = Journal(path, complain=complain)
        for number in (1, 2, 3):
            journal.append(number, [b"row"])
            settle(journal)
            assert journal.written == number
        journal.drop([2])
        tries = disk.tries
        wait_until(lambda: disk.tries >= tries + 3)  # it goes on trying
        assert f"The journal {path} cannot be written: {why}" in journal.trouble
        disk.ill = False

        wait_until(lambda: journal.trouble == "")
        journal.close()
        assert rows_in(path) == {1: [b"row"], 3: [b"row"]}
        assert [name for name, _ in said] == ["ipcluster_ext-journal"] * 2
        assert said[0][1] == (
            f"The journal {path} cannot be written: {why}{said[0][1].split(why)[1]}"
        )
        assert said[1][1] == f"The journal {path} works again."

    def test_rows_are_written_at_the_end_if_the_disk_is_well_by_then(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(writers, "FIRST_PAUSE", 1_000.0)
        disk = Ailing(monkeypatch, sqlite3.SQLITE_FULL, "full")
        journal = Journal(path)
        journal.append(1, [b"row"])
        settle(journal)
        disk.ill = False

        journal.close()

        assert rows_in(path) == {1: [b"row"]}

    def test_a_file_that_is_removed_while_in_use_is_missed_and_replaced(self, path: Path) -> None:
        said: list[str] = []
        journal = Journal(path, complain=said.append)
        journal.append(1, [b"row"])
        settle(journal)

        path.unlink()
        numbers = itertools.count(2)

        def missed() -> bool:
            journal.append(next(numbers), [b"row"])
            return "was removed while it was in use" in journal.trouble

        wait_until(missed)
        journal.append(10_000, [b"row"])
        journal.close()
        assert any("cannot be written: it was removed" in text for text in said)
        assert rows_in(path)[10_000] == [b"row"]

    def test_a_folder_that_is_removed_is_not_made_again(self, folder: Path) -> None:
        path = folder / "there" / "journal"
        journal = Journal(path)
        journal.append(1, [b"row"])
        settle(journal)
        shutil.rmtree(path.parent)
        numbers = itertools.count(2)

        def missed() -> bool:
            journal.append(next(numbers), [b"row"])
            return journal.trouble != ""

        wait_until(missed)
        journal.close()
        assert not path.parent.exists()

    def test_rows_that_outrun_a_slow_disk_are_given_up_aloud(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(journals, "MOST_WAITING", 50_000)
        gate = threading.Event()
        write = RowFile.write

        def slow(file: RowFile, rows: Mapping[int, Sequence[Frame]]) -> None:
            assert gate.wait(30)
            write(file, rows)

        monkeypatch.setattr(RowFile, "write", slow)
        journal = Journal(path)
        for number in range(1, 11):
            journal.append(number, [b"x" * 10_000])
        assert journal.written == 0
        gate.set()

        wait_until(lambda: journal.written == 10)
        wait_until(lambda: "could not keep everything" in journal.trouble)
        journal.close()
        assert sorted(rows_in(path)) == [1, 2, 3, 4, 5]

    def test_a_mistake_of_ours_does_not_keep_the_hub_waiting(
        self, path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        share = Backlog.share
        broken = [True]

        def mistaken(backlog: Backlog, nbytes: int) -> dict[int, Sequence[Frame]]:
            if broken:
                raise ZeroDivisionError("a mistake")
            return share(backlog, nbytes)

        monkeypatch.setattr(Backlog, "share", mistaken)
        journal = Journal(path)
        journal.append(1, [b"row"])
        wait_until(lambda: journal.written == 1)
        assert "cannot be written: a mistake. Check" in journal.trouble
        assert "ZeroDivisionError" in caplog.text

        broken.clear()
        wait_until(lambda: journal.trouble == "")
        journal.close()
        assert rows_in(path) == {1: [b"row"]}


def lay_out_in(disk: Path, files: Files) -> Path:
    for name, data in files.items():
        (disk / name).write_bytes(data)
    return disk / "journal"


def fill(path: Path) -> None:
    """Leave no room on a small disk."""
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
