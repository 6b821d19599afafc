"""The functions that the hub was sent, kept as long as it may ask for one again.

In two generations: what is used moves to the recent one, and when that is full the older one is
dropped. So what was not used for long leaves, and is sent again if it is used after all.
"""

from ipcluster_ext.protocol.functions import PackedFunction

MOST_NBYTES = 16 * 1024 * 1024
MOST = 10_000


class Definitions:
    """Pickles of functions, by digest. Used under its owner's lock.

    Parameters
    ----------
    most_nbytes, most
        How many bytes one generation has, and how many functions.

    Attributes
    ----------
    recent
        The recent generation: what is in it need not be added.
    """

    def __init__(self, most_nbytes: int = MOST_NBYTES, most: int = MOST) -> None:
        self._most = most
        self._most_nbytes = most_nbytes
        self._nbytes = 0
        self.recent: dict[bytes, bytes] = {}
        self._older: dict[bytes, bytes] = {}

    def add(self, function: PackedFunction) -> bool:
        """Keep a function that is being used.

        Returns
        -------
        Whether the hub has to be sent it.
        """
        if function.digest in self.recent:
            return False
        known = function.digest in self._older
        if self._nbytes > self._most_nbytes or len(self.recent) >= self._most:
            self._older, self.recent, self._nbytes = self.recent, {}, 0
        self.recent[function.digest] = function.pickled
        self._nbytes += len(function.pickled)
        return not known

    def get(self, digest: bytes) -> bytes | None:
        """Return a function's pickle, None if it is not kept."""
        pickled = self.recent.get(digest)
        return self._older.get(digest) if pickled is None else pickled
