"""Engines that speak the wire and run nothing: two hundred of them are one process."""

from __future__ import annotations

import argparse
import os
import pickle
import random
import time
from pathlib import Path
from typing import TYPE_CHECKING

from ipcluster_ext.protocol.feed import Vital, Vitals
from ipcluster_ext.protocol.messages import (
    AgentHello,
    Done,
    EngineHello,
    Message,
    Recall,
    Returned,
    Run,
    StartEngines,
)
from ipcluster_ext.protocol.parts import ResultItem
from ipcluster_ext.protocol.status import TaskStatus
from ipcluster_ext.transport.channel import Channel
from ipcluster_ext.transport.files import engine_socket

if TYPE_CHECKING:
    from ipcluster_ext.protocol.ids import EngineId

HOST = "elsewhere"
AGENT = 71
ROUND = 0.02
"""Everybody is heard this often, in seconds; so long a task takes, on average."""
_PINGED_EVERY = 2.0
_NOTHING = pickle.dumps(None)


class FakeEngine:
    """One engine."""

    def __init__(self, folder: Path, number: EngineId) -> None:
        self.number = number
        boot = 100_000 + number
        self.channel = Channel(engine_socket(folder), identity=b"fake-%d" % number, boot=boot)
        self.channel.mention(EngineHello(number, boot, AGENT, HOST, os.getpid()))

    def turn(self) -> None:
        """Hear what there is, and answer it."""
        self.channel.wait(0.0)
        answers: list[Message] = []
        for messages, _ in self.channel.receive():
            for message in messages:
                answers += self._answer(message)
        if answers:
            self.channel.say(answers)

    def _answer(self, message: Message) -> list[Message]:
        now = time.time()
        match message:
            case Run():
                ended = [
                    ResultItem(item.id, TaskStatus.DONE, now - ROUND, now, _NOTHING)
                    for item in message.items
                ]
                return [Done(ended)]
            case Recall():
                return [Returned([])]
            case _:
                return []


class FakeHost:
    """An agent and its engines.

    Parameters
    ----------
    folder
        The cluster's.
    count
        How many engines.
    """

    def __init__(self, folder: Path, count: int) -> None:
        self._folder = folder
        self._agent = Channel(engine_socket(folder), identity=b"fake-agent", boot=AGENT)
        self._agent.mention(AgentHello(AGENT, HOST, os.getpid(), count))
        self._engines: list[FakeEngine] = []
        self._next = 0.0

    def live(self) -> None:
        """Go on until the process is ended."""
        while True:
            self._agent.wait(ROUND)
            for messages, _ in self._agent.receive():
                for message in messages:
                    if isinstance(message, StartEngines):
                        new = (FakeEngine(self._folder, number) for number in message.engines)
                        self._engines.extend(new)
            for engine in self._engines:
                engine.turn()
            if time.monotonic() >= self._next:
                self._next = time.monotonic() + _PINGED_EVERY
                self._renew()

    def _renew(self) -> None:
        """Keep the engines' leases, and tell what they use."""
        for engine in self._engines:
            engine.channel.ping()
        used = [
            Vital(engine.number, random.random(), 40_000_000 + random.randrange(10_000_000))
            for engine in self._engines
        ]
        if used:
            self._agent.say([Vitals(used, 64 << 30)])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("count", type=int)
    options = parser.parse_args()
    FakeHost(options.folder, options.count).live()
