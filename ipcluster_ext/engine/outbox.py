"""What an engine's kernel tells its front ends: written on any thread, sent by one.

Text is gathered for a moment, as front ends redraw with each message.
"""

import asyncio
import threading
from collections.abc import Callable, Sequence
from typing import Any

from ipykernel.jsonutil import json_clean
from jupyter_client.session import Session

from ipcluster_ext.engine.kernel import MimeBundle

GATHER = 0.05
"""Text waits for so many seconds for more."""

Request = dict[str, Any]
"""What a front end has asked for: a message of Jupyter's, or ``{}`` for none."""


class Outbox:
    """Publishes to all front ends; also what ipykernel takes for its socket.

    Parameters
    ----------
    session
        Signs.
    loop
        Sends.
    send
        Sends frames; called on the loop.
    """

    def __init__(
        self,
        session: Session,
        loop: asyncio.AbstractEventLoop,
        send: Callable[[Sequence[Any]], object],
    ) -> None:
        self._session = session
        self._loop = loop
        self._send = send
        self._lock = threading.Lock()
        self._written: list[tuple[str, str, Request]] = []
        self._due = False

    def send_multipart(self, frames: Sequence[Any], **_options: Any) -> None:
        """Send frames, from any thread, in the order in which this is called."""
        self._loop.call_soon_threadsafe(self._send, list(frames))

    def publish(self, kind: str, content: MimeBundle, parent: Request, **more: Any) -> None:
        """Say something about a request, after all text that was written before.

        Parameters
        ----------
        kind
            The type of the message.
        content
            What it says.
        parent
            The request.
        **more
            ``metadata``, ``buffers`` or ``ident`` of the message.
        """
        self.flush()
        self._publish(kind, content, parent, **more)

    def _publish(self, kind: str, content: MimeBundle, parent: Request, **more: Any) -> None:
        more.setdefault("ident", kind.encode())
        self._session.send(
            self,  # type: ignore[arg-type]  # anything that has send_multipart
            kind,
            json_clean(content),  # type: ignore[no-untyped-call]
            parent=parent,
            **more,
        )

    def write(self, stream: str, text: str, parent: Request) -> None:
        """Publish text, a moment later at most."""
        with self._lock:
            self._written.append((stream, text, parent))
            due, self._due = self._due, True
        if not due:
            self._loop.call_soon_threadsafe(self._loop.call_later, GATHER, self.flush)

    def flush(self) -> None:
        """Publish the text that waits."""
        with self._lock:
            written, self._written, self._due = self._written, [], False
            while written:
                stream, _, parent = written[0]
                count = next(
                    (
                        n
                        for n, each in enumerate(written)
                        if each[0] != stream or each[2] is not parent
                    ),
                    len(written),
                )
                text = "".join(each[1] for each in written[:count])
                self._publish("stream", {"name": stream, "text": text}, parent)
                del written[:count]
