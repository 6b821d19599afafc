"""How much memory each engine may use, and which has used too much: decisions only."""

from ipcluster_ext.protocol.text import nbytes_text

WARN_AT = 0.8
"""Users are warned when an engine uses so much of what it may."""
LOOK_EVERY = 0.5
"""So often it is looked at, in seconds, if there is a limit."""


class Ceiling:
    """Judges how much memory processes use.

    Parameters
    ----------
    limit
        How many bytes each may use; 0 for any number.

    Attributes
    ----------
    limit
        The same.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._warned: set[int] = set()
        self._too_much: dict[int, int] = {}
        self._look_at = 0.0

    @property
    def deadline(self) -> float | None:
        """When the next look is due, None if there is none to be."""
        return self._look_at if self.limit else None

    def due(self, now: float) -> bool:
        """Tell whether it is time for a look; if so, the next is a while later."""
        if not self.limit or now < self._look_at:
            return False
        self._look_at = now + LOOK_EVERY
        return True

    def exceeds(self, pid: int, nbytes: int) -> bool:
        """Take note if a process uses too much; tell so, once for each."""
        if nbytes <= self.limit or pid in self._too_much:
            return False
        self._too_much[pid] = nbytes
        return True

    def nears(self, pid: int, nbytes: int) -> bool:
        """Tell whether a process is near its limit, once for each."""
        if nbytes < self.limit * WARN_AT or pid in self._warned or pid in self._too_much:
            return False
        self._warned.add(pid)
        return True

    def verdict(self, nbytes: int) -> str:
        """Tell why a process was killed that used so much."""
        used, limit = nbytes_text(nbytes), nbytes_text(self.limit)
        return f"it used {used} of memory, more than its limit of {limit} (memory_limit)"

    def gone(self, pid: int) -> int:
        """Forget a process; return how much it used, if that was too much, else 0."""
        self._warned.discard(pid)
        return self._too_much.pop(pid, 0)
