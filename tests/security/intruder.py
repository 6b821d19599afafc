"""Somebody with a key, or on a socket file, who says what he is not there to say."""

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from ipcluster_ext.protocol.frames import Frame
from ipcluster_ext.protocol.keys import TcpAddress
from ipcluster_ext.protocol.messages import Bye, Message
from ipcluster_ext.transport.channel import Channel

PATIENCE = 10.0


class Intruder:
    """A peer with a real connection.

    Parameters
    ----------
    reach
        The hub's door.
    name
        What he calls himself.
    """

    def __init__(self, reach: Path | TcpAddress, name: bytes) -> None:
        boot = int.from_bytes(os.urandom(3)) + 1
        self._channel = Channel(reach, identity=name, boot=boot)
        self.heard: list[Message] = []

    def say(self, messages: list[Message], frames: Sequence[Frame] = ()) -> None:
        """Say something, and wait until the hub has dealt with it, or wants to hear no more.

        One whom it has dismissed is another one to it from then on, who would have to begin again;
        he learns it when he asks, and perhaps never what became of his words.
        """
        self._channel.say(messages, frames)
        self._listen(lambda: self._channel.unacked == 0 or self._channel.reborn, asking=True)
        before = self._channel.heard_at
        self._channel.ping()  # what the hub has said in answer comes before the answer to this
        self._listen(lambda: self._channel.heard_at != before or self._channel.reborn)

    def _listen(self, done: Callable[[], bool], *, asking: bool = False) -> None:
        deadline = time.monotonic() + PATIENCE
        while not done():
            assert time.monotonic() < deadline, "the hub does not answer"
            self._channel.wait(0.02)
            if asking:
                self._channel.ping()
            for messages, _ in self._channel.receive():
                self.heard += messages

    def hear(self, kind: type[Message]) -> Message:
        """Wait for a message of a type."""
        self._listen(lambda: any(isinstance(message, kind) for message in self.heard))
        return next(message for message in self.heard if isinstance(message, kind))

    def close(self) -> None:
        """Leave; a client says so, whatever he was."""
        self._channel.close(Bye())
        self._channel.release()
