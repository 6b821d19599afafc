"""A hub that follows a script: it has an agent start two engines, dies, and notes who comes back.

It takes the place of the real one where a ``sitecustomize.py`` calls `main`.
"""

import os
import select
import sys
from pathlib import Path

import msgspec
import zmq

from ipcluster_ext.protocol.frames import decode
from ipcluster_ext.protocol.ids import EngineId
from ipcluster_ext.protocol.ledger import Ledger
from ipcluster_ext.protocol.messages import (
    AgentHello,
    EngineExited,
    EngineHello,
    Message,
    StartEngines,
    Welcome,
)
from ipcluster_ext.protocol.process import HubConfig
from ipcluster_ext.transport.files import engine_socket
from tests.support.libzmq import bind_router

_CUSTOMIZED = """
import sys
if 'ipcluster_ext.agent' in sys.orig_argv:
    from ipcluster_ext.hub import app
    real = app.main
    app.main = {run}
"""


def instead_of_hubs(run: str) -> str:
    """Return what a ``sitecustomize.py`` says to have something else run as hubs.

    Parameters
    ----------
    run
        An expression: what to call in a hub's place. ``real`` is a hub.
    """
    return _CUSTOMIZED.format(run=run)


SITECUSTOMIZE = instead_of_hubs("__import__('tests.support.scripted_hub', fromlist=['main']).main")
ENGINES = [EngineId(0), EngineId(1)]


class Greetings(msgspec.Struct):
    """What the second hub has heard of the agent, and of which lives the first one was greeted."""

    first: dict[EngineId, int] = {}
    agents: list[AgentHello] = []
    exits: list[EngineExited] = []


def greetings(folder: Path) -> Greetings:
    """Return what the hubs of a cluster have heard."""
    try:
        return msgspec.json.decode((folder / "heard.json").read_bytes(), type=Greetings)
    except FileNotFoundError:
        return Greetings()


class ScriptedHub:
    """One life of the hub."""

    def __init__(self, config: HubConfig) -> None:
        self._folder = Path(config.folder)
        self._greetings = greetings(self._folder)
        self._last = bool(self._greetings.first)
        self._ledgers: dict[bytes, Ledger] = {}
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context(io_threads=1)
        path = engine_socket(self._folder)
        path.unlink(missing_ok=True)
        self._socket = bind_router(context, path)

    def run(self) -> None:
        """Follow the script until the lifeline ends."""
        poll = zmq.Poller()
        poll.register(self._socket, zmq.POLLIN)
        poll.register(0, zmq.POLLIN)
        while True:
            ready = dict(poll.poll())
            if 0 in ready and not os.read(0, 64):
                return
            if self._socket in ready:
                self._hear()

    def _hear(self) -> None:
        peer, header, *frames = self._socket.recv_multipart()
        packet = decode(header, frame_count=len(frames))
        ledger = self._ledgers.setdefault(peer, Ledger(os.getpid()))
        taken = ledger.take(packet)
        for wire in taken.resend:
            self._socket.send_multipart([peer, *wire])
        for message in taken.messages:
            for answer in self._answers(message):
                self._socket.send_multipart([peer, *ledger.say([answer])])

    def _answers(self, message: Message) -> list[Message]:
        welcome = Welcome(os.getpid(), "here", "")
        heard = self._greetings
        match message:
            case AgentHello():
                if not self._last:
                    return [welcome, StartEngines(ENGINES, {"gpu": 1.0})]
                heard.agents.append(message)
                self._note()
                return [welcome]
            case EngineHello():
                if not self._last:
                    heard.first[message.engine] = message.boot
                    if len(heard.first) == len(ENGINES):
                        self._note()
                        os._exit(1)
                return [welcome]
            case EngineExited():
                heard.exits.append(message)
                self._note()
            case _:
                pass
        return []

    def _note(self) -> None:
        new = self._folder / "heard.new"
        new.write_bytes(msgspec.json.encode(self._greetings))
        new.replace(self._folder / "heard.json")


def main() -> None:
    """Be the hub; never returns."""
    select.select([0], [], [])
    config = msgspec.json.decode(sys.stdin.buffer.raw.readline(), type=HubConfig)  # type: ignore[union-attr]
    ScriptedHub(config).run()
    os._exit(0)
