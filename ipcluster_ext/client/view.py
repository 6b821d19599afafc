"""What all views share: flags, and the way from a call to messages."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

from ipcluster_ext.client.connection import Connection
from ipcluster_ext.client.result import AsyncResult
from ipcluster_ext.protocol.buffers import Dumped
from ipcluster_ext.protocol.ids import EngineId
from ipcluster_ext.protocol.text import legible
from ipcluster_ext.transport.blobs import INLINE_LIMIT, Body

if TYPE_CHECKING:
    from ipcluster_ext import Executor


class ViewOwner(Protocol):
    """What a view needs of its client."""

    @property
    def connection(self) -> Connection:
        """The wire."""

    @property
    def ids(self) -> list[EngineId]:
        """The engines."""


class View(ABC):
    """A way to address engines.

    Parameters
    ----------
    client
        Whose view it is.

    Attributes
    ----------
    block
        Whether calls without an explicit choice wait for the answer.
    label
        What the work is called, in progress bars, errors and the history.
    """

    flags: ClassVar[tuple[str, ...]] = ("block", "label")

    def __init__(self, client: ViewOwner) -> None:
        self.client = client
        self.block = False
        self.label = ""

    @property
    def label(self) -> str:
        """What the work is called."""
        return self._label

    @label.setter
    def label(self, label: object) -> None:
        self._label = "" if label is None else legible(str(label))

    def _called(self, label: object) -> str:
        """Return what a call's work is called: as the call says, or else the view."""
        return self._label if label is None else legible(str(label))

    def set_flags(self, **flags: Any) -> Self:
        """Set flags for all later calls.

        Raises
        ------
        KeyError
            There is no such flag.
        TypeError, NoSuchEngine
            A flag cannot have that value. Whatever is raised, no flag has changed.
        """
        for name in flags:
            if name not in self.flags:
                msg = f"{type(self).__name__} has no flag {name!r}; flags: {', '.join(self.flags)}"
                raise KeyError(msg)
        before = {name: getattr(self, name) for name in flags}
        try:
            for name, value in flags.items():
                setattr(self, name, value)
        except Exception:
            for name, value in before.items():
                setattr(self, name, value)
            raise
        return self

    @contextmanager
    def temp_flags(self, **flags: Any) -> Iterator[Self]:
        """Set flags within a ``with`` block.

        Raises
        ------
        KeyError, TypeError, NoSuchEngine
            As for `set_flags`.
        """
        before = {name: getattr(self, name) for name in flags if name in self.flags}
        self.set_flags(**flags)
        try:
            yield self
        finally:
            self.set_flags(**before)

    def _place(self, dumped: Dumped) -> Body:
        if not dumped.buffers and len(dumped.stream) < INLINE_LIMIT:
            return Body(dumped.stream, (), [])
        connection = self.client.connection
        return connection.blobs.place(dumped, shared=connection.shares_memory())

    def _host(self) -> str:
        """Return our host, for engines that can give us results through shared memory."""
        connection = self.client.connection
        return connection.host if connection.blobs.available else ""

    def _answer(self, result: AsyncResult, *, block: bool | None) -> Any:
        """Wait for a result if that is wanted; an interrupt hands the result over as it is."""
        if not (self.block if block is None else block):
            return result
        try:
            return result.get()
        except KeyboardInterrupt:
            if result.done():
                raise
            return result

    def apply(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Call a function; wait for the answer if `block` is set.

        Returns
        -------
        What `apply_sync` or `apply_async` returns.
        """
        result = self._call(function, args, kwargs, attended=self.block)
        return self._answer(result, block=None)

    def apply_sync(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Call a function and wait for the answer.

        Returns
        -------
        Its value; the `AsyncResult` if waiting was interrupted (Ctrl-C): the work goes on.

        Raises
        ------
        RemoteError
            It raised; also an instance of the class that it raised.
        SerializationError
            It, or an argument, cannot be pickled.
        """
        return self._answer(self._call(function, args, kwargs, attended=True), block=True)

    def apply_async(
        self, function: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> AsyncResult:
        """Call a function without waiting for the answer.

        Returns
        -------
        The answer to come.

        Raises
        ------
        SerializationError
            The function or an argument cannot be pickled.
        ClientError
            The client is closed or has lost its hub.
        """
        return self._call(function, args, kwargs, attended=False)

    @property
    def executor(self) -> "Executor":
        """A `concurrent.futures.Executor` over this view's engines, under its flags."""
        import ipcluster_ext  # the executor knows the views, not the other way round

        return ipcluster_ext.Executor(self)

    @abstractmethod
    def _call(
        self,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        *,
        attended: bool,
    ) -> AsyncResult:
        """Send a call; ``attended`` says that the caller waits for the answer at once."""
