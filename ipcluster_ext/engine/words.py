"""What running tasks say, numbered in the order in which it is said.

A hub that dies may have passed on what it had not acknowledged. It is said again to the next, and
whoever hears a number twice knows.
"""

import threading
from collections.abc import Callable, Sequence

from msgspec import structs

from ipcluster_ext.protocol.frames import Frame
from ipcluster_ext.protocol.messages import Message, News, Output

Say = Callable[[list[Message], Sequence[Frame]], None]


class Words:
    """Says what tasks write and tell, from any thread.

    Parameters
    ----------
    say
        Sends messages with their frames.
    boot
        This life of the engine: numbers of another one do not compare with its own.
    """

    def __init__(self, say: Say, boot: int) -> None:
        self._send = say
        self._speaking = threading.Lock()
        self._last = boot << 32

    def say(self, messages: Sequence[Output | News], frames: Sequence[Frame] = ()) -> None:
        """Say something."""
        numbered: list[Message] = []
        with self._speaking:  # what has the lower number is said first
            for message in messages:
                self._last += 1
                numbered.append(structs.replace(message, number=self._last))
            self._send(numbered, frames)
