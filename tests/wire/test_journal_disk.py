"""What the journal does while its disk is full, broken or slow."""

import contextlib
import itertools
import shutil
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
from ipcluster_ext.transport.rowfile import RowFile
from tests.support.journals import Base, Files, rows_in, settle
from tests.support.waiting import wait_until

MIB = 1 << 20


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


@contextmanager
def small_disk(folder: Path, nbytes: int) -> Iterator[Path]:
    """Mount a disk of a size; only root may."""
    folder.mkdir(mode=0o700)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={nbytes},mode=700", "none", str(folder)]
    if (
        not shutil.which("mount")
        or subprocess.run(mount, capture_output=True, check=False).returncode
    ):
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
