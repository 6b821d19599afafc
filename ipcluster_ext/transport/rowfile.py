"""The journal's file: SQLite, opened so that nothing but this process can touch it meanwhile.

Each call is a transaction of its own, written to the log beside the file (WAL): once the call
has returned, the system has it, and killing the process loses nothing. Nothing is synced to the
disk: a cluster does not outlive the system, but everybody in it would wait for a disk that has much
else to do, a hub that takes over and the death of the one before it included. Rows go in as one
statement each time, however many they are: between two calls of SQLite the interpreter is given
to other threads, and a busy one is slow to give it back.

Which file to open, and what to do with one that is no journal, `quarantine` decides.
"""

import contextlib
import os
import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

from ipcluster_ext.protocol.frames import Frame
from ipcluster_ext.transport.pages import APPLICATION, PAGE, VERSION
from ipcluster_ext.transport.rows import Row, pack, size_of, unpack

LARGEST_ROW = 512 * 1024 * 1024
"""SQLite takes a thousand million bytes at once, all rows of a call together."""
LOG_LIMIT = 4 * 1024 * 1024
"""A log of so many bytes is carried over into the file, and emptied."""
SPARE = 16 * 1024 * 1024
"""Free bytes that the file keeps for rows to come; more than that is given back."""
_SHRINK_PAGES = 2048
_ROW_COST = 64
_CALL_COST = 3 * PAGE
_UNSEEN = 128 * 1024
"""So many bytes are written without a look how much room there is."""
_INSERT = (
    "INSERT OR REPLACE INTO rows SELECT key, substr(?, (value >> 32) + 1, value & 0xFFFFFFFF)"
    " FROM json_each(?)"
)
_DELETE = "DELETE FROM rows WHERE number IN (SELECT value FROM json_each(?))"
_SELECT = "SELECT data FROM rows WHERE number = ?"
_REHEARSED = -1
SIDES = ("-wal", "-shm", "-journal")
"""What SQLite may leave beside a file."""
NEW = ".new"
_SETTINGS = (
    f"page_size = {PAGE}",
    "auto_vacuum = INCREMENTAL",
    f"user_version = {VERSION}",
    f"application_id = {APPLICATION + VERSION}",
    "locking_mode = EXCLUSIVE",
    "journal_mode = WAL",
    "synchronous = OFF",
)
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_ELSEWHERE = {
    sqlite3.SQLITE_FULL: "the disk or the quota is full",
    sqlite3.SQLITE_IOERR: "the disk reports an error",
    sqlite3.SQLITE_READONLY: "it is read-only",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened",
    sqlite3.SQLITE_PERM: "it may not be opened",
    sqlite3.SQLITE_NOMEM: "there is no memory",
    sqlite3.SQLITE_NOLFS: "the file system takes no file of that size",
}


class RowFile:
    """Rows on disk; for one thread at a time.

    Every method raises `sqlite3.Error` or `OSError` for trouble with the disk (see `reason`), and
    has then written all of a call or nothing.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path
        self._identity = identity_of(path)
        self._log_nbytes = self._unseen = self._wanted = 0

    def write(self, rows: Mapping[int, Sequence[Frame]]) -> None:
        """Write rows; one that is there already is replaced."""
        pieces: list[Frame] = []
        places: dict[int, int] = {}
        at = 0
        for number, data in rows.items():
            packed = pack(number, data)
            size = sum(map(size_of, packed))
            places[number] = at << 32 | size
            at += size
            pieces += packed
        self._wanted = _CALL_COST + _ROW_COST * len(rows) + at
        self._reserve(self._wanted)
        self._do(_INSERT, b"".join(pieces), msgspec.json.encode(places).decode())

    def delete(self, numbers: Collection[int]) -> None:
        """Delete rows; those that are not there do not matter."""
        self._log_nbytes += _CALL_COST + _ROW_COST * len(numbers)
        self._do(_DELETE, msgspec.json.encode(list(numbers)).decode())

    def read(self, number: int) -> Row | None:
        """Read a row; None if it is not there, or damaged."""
        found = self._connection.execute(_SELECT, (number,)).fetchone()
        whole = found is not None and isinstance(found[0], bytes)
        return unpack(number, found[0]) if whole else None

    def _do(self, statement: str, *values: object) -> None:
        # `executemany`, as `execute` looks for the last row's number afterwards: once more,
        # the interpreter would be given away.
        self._connection.executemany(statement, (values,))

    def _reserve(self, nbytes: int) -> None:
        """See that what is going to be written to the log can be carried over into the file, too.

        A log that has filled the disk can neither be emptied nor be written to, not even to
        delete rows.
        """
        self._unseen += nbytes
        if self._unseen >= _UNSEEN:
            room = _room_beside(self._path)
            if room < self._log_nbytes + 2 * nbytes and self._log_nbytes:
                self._empty_log()
                room = _room_beside(self._path)
            if room < self._log_nbytes + 2 * nbytes:
                error = sqlite3.OperationalError("there is not enough room to write to the log")
                error.sqlite_errorcode = sqlite3.SQLITE_FULL
                raise error
            self._unseen = 0
        self._log_nbytes += nbytes

    def _empty_log(self) -> None:
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        self._log_nbytes = 0

    def make_room(self) -> None:
        """Empty the log, if that can be done."""
        with contextlib.suppress(sqlite3.Error):
            self._empty_log()

    def rehearse(self) -> None:
        """Write as much as last time and delete it again, to see whether that can be done."""
        self._reserve(self._wanted)
        self._connection.execute("BEGIN")
        try:
            self._connection.execute(
                "INSERT INTO rows VALUES (?, zeroblob(?))", (_REHEARSED, self._wanted)
            )
            self._connection.execute("DELETE FROM rows WHERE number = ?", (_REHEARSED,))
            self._connection.execute("COMMIT")
        except sqlite3.Error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    def tidy(self, *, look: bool = False) -> bool:
        """Empty the log if it has grown, and give back what is free, some of it at a time.

        Parameters
        ----------
        look
            Look at the files, now and then, instead of estimating.

        Returns
        -------
        Whether there is more to give back.

        Raises
        ------
        FileNotFoundError
            The file is not there any more: whatever is written is lost.
        """
        if not look and self._log_nbytes < LOG_LIMIT:
            return False
        if identity_of(self._path) != self._identity:
            raise FileNotFoundError(2, "it was removed", str(self._path))
        spare = self._ask("freelist_count") * PAGE > SPARE
        if spare:
            # As a script, which runs to its end: `execute` would stop after the first page.
            self._connection.executescript(f"PRAGMA incremental_vacuum({_SHRINK_PAGES})")
        if spare or not look or size_on_disk(beside(self._path, "-wal")) > LOG_LIMIT:
            self._empty_log()
        return spare

    @property
    def crowded(self) -> bool:
        """Whether what was to be written last does not fit below the file's limit."""
        used = self._ask("page_count") - self._ask("freelist_count")
        return used * PAGE + self._wanted * 9 // 8 + 8 * PAGE > self._ask("max_page_count") * PAGE

    def _ask(self, name: str) -> int:
        return _ask(self._connection, name)

    def close(self) -> None:
        """Carry the log over into the file, if that can be, and close it."""
        with contextlib.suppress(sqlite3.Error):
            self._connection.close()


def is_busy(error: Exception) -> bool:
    """Return whether an error says that another process has the file."""
    return isinstance(error, sqlite3.Error) and _code(error) in _BUSY


def is_full(error: Exception) -> bool:
    """Return whether an error says that there is no room, on the disk or in the file."""
    return isinstance(error, sqlite3.Error) and _code(error) == sqlite3.SQLITE_FULL


def is_elsewhere(error: sqlite3.Error) -> bool:
    """Return whether an error is not the file's fault: the disk's, another process's."""
    return _code(error) in _BUSY or _code(error) in _ELSEWHERE


def reason(error: Exception) -> str:
    """Say what an error means, in a few words."""
    if is_busy(error):
        return "another process uses it"
    if isinstance(error, OSError):
        return error.strerror or str(error)
    if isinstance(error, sqlite3.Error) and _code(error) in _ELSEWHERE:
        return _ELSEWHERE[_code(error)]
    return str(error) or type(error).__name__


def _code(error: sqlite3.Error) -> int:
    code: int = getattr(error, "sqlite_errorcode", 0)  # the module's own errors have none
    return code & 0xFF


def connect(path: Path, most_nbytes: int) -> sqlite3.Connection:
    """Open a file that is there and is ours, for this process alone."""
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",
        uri=True,
        timeout=0,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        _ask(connection, "schema_version")  # takes the lock
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute(f"PRAGMA max_page_count = {most_nbytes // PAGE}")
    except BaseException:
        connection.close()
        raise
    return connection


def _ask(connection: sqlite3.Connection, name: str) -> int:
    value: int = connection.execute(f"PRAGMA {name}").fetchone()[0]
    return value


def make_file(path: Path, rows: Iterable[Row]) -> Path:
    """Make a file with rows in it, beside the one whose place it is to take."""
    new = beside(path, NEW)
    for side in ("", *SIDES):
        beside(new, side).unlink(missing_ok=True)
    os.close(os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, 0o600))
    connection = sqlite3.connect(new, isolation_level=None)
    try:
        for setting in _SETTINGS:
            connection.execute(f"PRAGMA {setting}")
        connection.execute("CREATE TABLE rows (number INTEGER PRIMARY KEY, data BLOB NOT NULL)")
        connection.execute("BEGIN")
        connection.executemany(
            "INSERT INTO rows VALUES (?, ?)",
            ((number, b"".join(pack(number, data))) for number, data in rows),
        )
        connection.execute("COMMIT")
    finally:
        connection.close()
    return new


def beside(path: Path, ending: str) -> Path:
    """Return a file that belongs to another."""
    return path.with_name(path.name + ending)


def identity_of(path: Path) -> tuple[int, int] | None:
    """Return what tells a file from one that was put in its place; None if there is none."""
    try:
        status = path.lstat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _room_beside(path: Path) -> int:
    """Return how many bytes a file can still grow by."""
    disk = os.statvfs(path.parent)
    return disk.f_bavail * disk.f_frsize


def size_on_disk(path: Path) -> int:
    """Return how large a file is, 0 if it is not there."""
    try:
        return path.stat().st_size
    except OSError:
        return 0
