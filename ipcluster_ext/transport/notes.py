"""Few bytes that must survive this process and cannot wait for a disk: a file that is appended to.

What was written is the system's from then on, whatever becomes of the process. It is not safe from
the end of the system; whatever needs it does not outlive that either.
"""

import logging
import os
from pathlib import Path

from ipcluster_ext.errors import ClusterError
from ipcluster_ext.transport.files import write_private

_log = logging.getLogger(__name__)
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW


class Notes:
    """A file of notes. What is wrong with it is said aloud, once, and never raised.

    Parameters
    ----------
    path
        The file, made with the first note if it is not there; None to keep nothing.

    Attributes
    ----------
    recovered
        What was in it.
    nbytes
        How large the file is.
    """

    def __init__(self, path: Path | None) -> None:
        self.recovered = b""
        self.nbytes = 0
        self._path = path
        self._fd = -1
        self._is_said = False
        try:
            if path is not None and path.exists():
                self.recovered = path.read_bytes()
        except OSError as error:
            self._complain(error)

    def write(self, data: bytes) -> None:
        """Add a note: all of it, or nothing."""
        if self._path is None:
            return
        try:
            if self._fd < 0:
                self._fd = os.open(self._path, _FLAGS, 0o600)
                self.nbytes = os.fstat(self._fd).st_size
            if (written := os.write(self._fd, data)) < len(data):
                os.ftruncate(self._fd, self.nbytes)
                self._complain("there is no room")
            else:
                self.nbytes += written
        except OSError as error:
            self._complain(error)

    def renew(self, data: bytes) -> None:
        """Have nothing but this in the file."""
        if self._path is None:
            return
        try:
            write_private(self._path, data, lasting=False)
        except (OSError, ClusterError) as error:
            self._complain(error)
        self.close()
        self.nbytes = len(data)

    def close(self) -> None:
        """Close the file; what is in it stays there."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _complain(self, error: Exception | str) -> None:
        if not self._is_said:
            self._is_said = True
            _log.warning(
                "%s cannot be written: %s; if the hub is killed while a host is cut off, what had "
                "begun there may run again",
                self._path, error,
            )  # fmt: skip
