"""What every engine runs before anything else: those that are there now, and those that come."""

from collections.abc import Callable
from typing import Any

from ipcluster_ext.client.arguments import dump_call
from ipcluster_ext.client.base import Base
from ipcluster_ext.client.connection import Connection
from ipcluster_ext.client.direct import DirectView
from ipcluster_ext.protocol.functions import PackedFunction, pack
from ipcluster_ext.protocol.ids import EngineId, TaskId
from ipcluster_ext.protocol.messages import Prepare
from ipcluster_ext.protocol.parts import TaskItem, TaskSpec
from ipcluster_ext.protocol.status import Kind

_NOTHING = TaskId(0)
_LAMBDA = "<lambda>"


class Preparation:
    """A function that every engine runs first.

    Attributes
    ----------
    name
        What it is called; another one of this name replaces it.
    """

    def __init__(self, connection: Connection, name: str) -> None:
        self._connection = connection
        self.name = name

    def __repr__(self) -> str:
        return f"<Preparation {self.name}>"

    def keep(
        self,
        packed: PackedFunction,
        engines: list[EngineId],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> None:
        """Have engines that come later call a function; these have been told by tasks already."""
        connection = self._connection
        dumped, needs = dump_call(args, kwargs, connection.client, tuple(engines))
        if needs:
            msg = "engines that start later cannot wait for an answer; pass on its value instead"
            raise TypeError(msg)
        body = connection.blobs.place(dumped, shared=connection.shares_memory())
        spec = TaskSpec(
            Kind.APPLY, packed.digest, label=self.name, balanced=False, name=packed.name
        )
        item = TaskItem(_NOTHING, body.inline, body.buffers)
        connection.say([Prepare(self.name, spec, item, engines)], body.frames, function=packed)

    def cancel(self) -> None:
        """Have engines that come later not run it any more."""
        spec = TaskSpec(Kind.APPLY, balanced=False)
        self._connection.say([Prepare(self.name, spec, TaskItem(_NOTHING, b""), [])])


class Preparing(Base):
    """The part of a client that prepares engines."""

    def on_engine_start(
        self, function: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> Preparation:
        """Have every engine call a function before anything else: now, and whenever one starts.

        Engines that are here call it now, and this waits for them. Those that are started or
        restarted later call it before their first task; if it fails there, a warning says so, and
        the engine is used nevertheless. A function of the same module and name replaces the one
        before it, so a cell that defines it may be run again.

        Parameters
        ----------
        function
            Any callable that can be pickled.
        *args, **kwargs
            What to call it with.

        Returns
        -------
        A handle whose ``cancel()`` ends it for engines that start later.

        Raises
        ------
        RemoteError
            It raised on an engine; also an instance of the class that it raised. A
            `CompositeError` if it did on several. Nothing is called later then.
        SerializationError
            It, or an argument, cannot be pickled.

        Examples
        --------
        >>> import os
        >>> def prepare(level):
        ...     os.environ["LEVEL"] = level
        >>> preparation = rc.on_engine_start(prepare, "high")
        >>> rc.shutdown(0, restart=True, block=True).done()
        True
        >>> dv.apply_sync(os.getenv, "LEVEL")
        ['high', 'high']
        >>> preparation.cancel()
        """
        packed = pack(function)
        engines = self.ids
        preparation = Preparation(self.connection, _name(function, packed))
        answer = DirectView(self, engines).apply_async(function, *args, **kwargs)
        preparation.keep(packed, engines, args, kwargs)
        try:
            answer.get()
        except BaseException:
            preparation.cancel()
            raise
        return preparation


def _name(function: Callable[..., Any], packed: PackedFunction) -> str:
    """Return what a function is called, whichever version of it this is."""
    name = getattr(function, "__qualname__", "")
    if not name or _LAMBDA in name:
        return f"{name or type(function).__qualname__}-{packed.digest.hex()[:8]}"
    return f"{getattr(function, '__module__', '')}.{name}"
