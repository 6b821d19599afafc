"""A passage to an engine of another host: front ends of this one enter it through the hub.

The kernel's socket files have twins here. What is said on a connection to one of them is carried
to the engine by the connection that hub and engine have anyway, and what the engine says is
carried back: nothing new listens on any port. A client of its own does that, on a thread of its
own, so nobody's tasks are mixed with these.
"""

import asyncio
import secrets
import shutil
import tempfile
import threading
import weakref
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from ipcluster_ext.client.balanced import LoadBalancedView
from ipcluster_ext.client.becoming import when_closed
from ipcluster_ext.client.landing import PIECE, land, take
from ipcluster_ext.client.opened import pass_over
from ipcluster_ext.errors import ClusterError, IpclusterError
from ipcluster_ext.protocol.parts import Options
from ipcluster_ext.transport.files import write_private

if TYPE_CHECKING:
    from ipcluster_ext import Client
    from ipcluster_ext.client.options import Flags

OPEN_WITHIN, CLOSED_WITHIN = 10.0, 5.0
CHANNELS = ("shell", "control", "iopub", "stdin")
"""What is carried. A heart beats on either side by itself: the hub tells whether engines live."""
_HEART = "hb"
_LABEL = "front ends"


class _Aside(LoadBalancedView):
    """Submits what is no work of anybody's: an open console keeps no engine busy, or from going."""

    def _options(self, flags: "Flags", inside: int, *, awaits: bool) -> Options:
        options = super()._options(flags, inside, awaits=awaits) or Options()
        return msgspec.structs.replace(options, aside=True)


class Passage(threading.Thread):
    """A passage, as long as engine and client are there.

    Parameters
    ----------
    client
        Whose it is.
    engine
        To which engine.
    content
        What stands in the engine's own connection file.
    folder
        Where to have the socket files.

    Attributes
    ----------
    path
        The connection file for front ends of this host.
    key
        What messages of the engine's kernel are signed with.
    """

    def __init__(
        self, client: "Client", engine: int, content: dict[str, Any], folder: Path
    ) -> None:
        super().__init__(name=f"ipcluster_ext-passage-{engine}", daemon=True)
        import ipcluster_ext  # rooms meet at the root only

        self._name = secrets.token_hex(4)
        self._folder = folder
        self._prefix = folder / f"k{engine}-{self._name}"
        self.path = folder / f"kernel-{engine}-{self._name}.json"
        self.key = content["key"]
        self._there = content
        self._owner = weakref.ref(client)
        self._client = ipcluster_ext.Client(client.connection_file, session=_LABEL)
        pass_over(self._client)
        self._view = _Aside(self._client, [engine])
        self._view.label = _LABEL
        self._writers: dict[int, asyncio.StreamWriter] = {}
        self._opened = 0
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._carrying: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Begin, and return when front ends can come.

        Raises
        ------
        ClusterError
            The socket files cannot be made.
        """
        self.start()
        if not self._ready.wait(OPEN_WITHIN) or self._failure is not None:
            msg = f"no front end can enter the engine from here: {self._failure or 'it takes long'}"
            raise ClusterError(msg)

    def run(self) -> None:
        """Carry what is said, until either end is gone."""
        try:
            asyncio.run(self._serve())
        except (OSError, IpclusterError) as error:
            self._failure = error
        finally:
            self._ready.set()
            self._client.close()
            self.path.unlink(missing_ok=True)
            for file in self._folder.glob(f"{self._prefix.name}-*"):
                file.unlink(missing_ok=True)

    def close(self) -> None:
        """End it, and wait for that."""
        loop, carrying = self._loop, self._carrying
        if loop is not None and carrying is not None:
            with suppress(RuntimeError):  # it has ended just now
                loop.call_soon_threadsafe(carrying.cancel)
        if threading.current_thread() is not self:
            self.join(CLOSED_WITHIN)

    async def _serve(self) -> None:
        from ipcluster_ext.transport.kerneldoors import Heart  # ZeroMQ, and all of Jupyter's part

        self._loop = asyncio.get_running_loop()
        heart = Heart(self._file(_HEART))
        servers = []
        try:
            for channel in CHANNELS:
                enter = partial(self._enter, f"{self._there['ip']}-{self._port(channel)}")
                servers.append(await asyncio.start_unix_server(enter, self._file(channel)))
                self._file(channel).chmod(0o600)
            content = {**self._there, "ip": str(self._prefix)}
            write_private(self.path, msgspec.json.encode(content))
            self._carrying = asyncio.create_task(self._carry())
            self._ready.set()
            with suppress(asyncio.CancelledError):
                await self._carrying
        finally:
            for server in servers:
                server.close()
            for writer in list(self._writers.values()):
                writer.close()
            heart.close()

    def _port(self, channel: str) -> int:
        port: int = self._there[f"{channel}_port"]
        return port

    def _file(self, channel: str) -> Path:
        return Path(f"{self._prefix}-{self._port(channel)}")

    async def _carry(self) -> None:
        """Have what the engine's kernel says said here."""
        while self._owner() is not None:
            async for number, data in self._view.stream(land, self._name):
                writer = self._writers.get(number)
                if writer is None:
                    continue
                if not data:
                    writer.close()
                    continue
                writer.write(data)
                with suppress(OSError):
                    await writer.drain()

    async def _enter(
        self, socket: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Carry what a front end says on a connection."""
        self._opened += 1
        number = self._opened
        self._writers[number] = writer
        try:
            while data := await reader.read(PIECE):
                await self._view.apply_async(take, self._name, number, socket, data)
            await self._view.apply_async(take, self._name, number, socket, b"")
        except (OSError, IpclusterError):
            return  # either end is gone, as the other will notice
        finally:
            del self._writers[number]
            writer.close()


_passages: "weakref.WeakKeyDictionary[Client, dict[int, Passage]]" = weakref.WeakKeyDictionary()
_opening = threading.Lock()


def passage(client: "Client", engine: int, content: dict[str, Any]) -> str:
    """Return the file by which front ends of this host enter an engine of another one.

    Parameters
    ----------
    client
        The client, with which the passage is closed.
    engine
        The engine.
    content
        What stands in the engine's own connection file.

    Raises
    ------
    ClusterError
        The socket files cannot be made here.
    """
    with _opening:
        mine = _passages.setdefault(client, {})
        known = mine.get(engine)
        if known is None or not known.is_alive() or known.key != content["key"]:
            if known is not None:
                known.close()
            known = mine[engine] = Passage(client, engine, content, _folder(client))
            known.open()
            when_closed(client, known.close)
        return str(known.path)


def _folder(client: "Client") -> Path:
    """Return where the socket files are to be: in the cluster's folder, if that is here."""
    folder = client.connection_file.parent
    if folder.is_dir() and folder.name == client.cluster_id:
        return folder
    own = Path(tempfile.mkdtemp(prefix="ipcluster-ext-"))
    when_closed(client, partial(shutil.rmtree, own, ignore_errors=True))
    return own
