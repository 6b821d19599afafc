"""Who may come in through which door: the answers that ZeroMQ asks for (ZAP, RFC 27).

Every connection is judged by its key and by nothing else, in the domain of its door; the key then
stands on everything that comes over the connection, as ``User-Id``. What a peer calls itself
counts only within its key.
"""

from collections.abc import Iterable, Sequence

import zmq
from zmq.utils import z85

from ipcluster_ext.transport.curve import DOMAINS, Context
from ipcluster_ext.transport.refusals import Refusals

ENDPOINT = "inproc://zeromq.zap.01"
_VERSION = b"1.0"
_FIELDS, _KEY = 7, 32


class Admission:
    """Answers ZeroMQ's questions about those who knock.

    Parameters
    ----------
    context
        Of the doors.
    admitted
        The public keys for each door, in the order of `DOMAINS`.
    refusals
        Told of those who are turned away.
    """

    def __init__(
        self, context: Context, admitted: Sequence[Iterable[str]], refusals: Refusals
    ) -> None:
        self._refusals = refusals
        self._admitted = [frozenset(keys) for keys in admitted]
        self.socket = context.socket(zmq.REP)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.bind(ENDPOINT)

    def admit(self, admitted: Sequence[Iterable[str]]) -> None:
        """Admit these from now on, and no others."""
        self._admitted = [frozenset(keys) for keys in admitted]

    def admits(self, door: int, key: str) -> bool:
        """Whether a key opens a door."""
        return key in self._admitted[door]

    def answer(self, *, quietly: bool = False) -> None:
        """Answer what has been asked, without waiting.

        Parameters
        ----------
        quietly
            Whether to tell nobody of those who are turned away.
        """
        while True:
            try:
                asked = self.socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            number = asked[1] if len(asked) > 1 else b""
            user, reason = self._judge(asked)
            if user is None and not quietly:
                self._refusals.note(reason)
            status, text = (b"400", b"not admitted") if user is None else (b"200", b"")
            reply = [_VERSION, number, status, text, (user or "").encode(), b""]
            self.socket.send_multipart(reply)

    def _judge(self, asked: list[bytes]) -> tuple[str | None, str]:
        """Return the user behind a question, or else why he may not come in."""
        if len(asked) != _FIELDS or asked[0] != _VERSION:
            return None, "a question about nobody"
        _, _, domain, address, _, mechanism, key = asked
        user = z85.encode(key).decode() if mechanism == b"CURVE" and len(key) == _KEY else ""
        name = domain.decode(errors="replace")
        if user and name in DOMAINS and self.admits(DOMAINS.index(name), user):
            return user, ""
        whom = user[:8] or mechanism.decode(errors="replace")
        return None, f"key {whom} from {address.decode(errors='replace')} at {name}"
