"""Journals as tests have them: made up, killed, laid out as files, read again."""

import random
import shutil
from collections.abc import Mapping
from pathlib import Path

from ipcluster_ext.transport.journal import Journal
from tests.support.waiting import wait_until

Rows = dict[int, list[bytes]]
Files = Mapping[str, bytes]


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
