"""Who still needs which blob: counts, and the names that nobody needs any more."""

from collections.abc import Iterable

from ipcluster_ext.protocol.parts import Blob, Buffers


def names_of(buffers: Buffers) -> list[str]:
    """Return the names of the blobs among a payload's buffers."""
    return [buffer.name for buffer in buffers if isinstance(buffer, Blob)]


class Blobs:
    """Reference counts of blobs."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._unneeded: list[str] = []

    @property
    def counts(self) -> dict[str, int]:
        """How many need each blob."""
        return dict(self._counts)

    def hold(self, names: Iterable[str], times: int = 1) -> None:
        """Note that somebody needs these."""
        for name in names:
            self._counts[name] = self._counts.get(name, 0) + times

    def release(self, names: Iterable[str]) -> None:
        """Note that one who needed these needs them no more."""
        for name in names:
            left = self._counts.get(name, 1) - 1
            if left > 0:
                self._counts[name] = left
            else:
                self._counts.pop(name, None)
                self._unneeded.append(name)

    def offer(self, names: Iterable[str]) -> None:
        """Note blobs that came along and that nobody will need, unless somebody does already."""
        self._unneeded.extend(names)

    def take_unneeded(self) -> list[str]:
        """Return the names that became unneeded since the last time, and still are."""
        if not self._unneeded:
            return []
        unneeded, self._unneeded = self._unneeded, []
        return [name for name in dict.fromkeys(unneeded) if name not in self._counts]
