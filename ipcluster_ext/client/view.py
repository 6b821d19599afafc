"""What all views share: flags, and the way from a call to messages."""

from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import msgspec

from ipcluster_ext.client.connection import Connection
from ipcluster_ext.client.dependency import Dependency
from ipcluster_ext.client.flags import Flag
from ipcluster_ext.client.housekeeping import Housekeeping
from ipcluster_ext.client.maps import AsyncMapResult
from ipcluster_ext.client.options import Flags, Retry
from ipcluster_ext.client.result import AsyncResult
from ipcluster_ext.protocol.buffers import Dumped
from ipcluster_ext.protocol.functions import PackedFunction
from ipcluster_ext.protocol.ids import EngineId, TaskId, task_text
from ipcluster_ext.protocol.parts import Options, TaskSpec
from ipcluster_ext.protocol.standins import Reference
from ipcluster_ext.protocol.standins import call as call_named
from ipcluster_ext.protocol.status import Kind
from ipcluster_ext.transport import pastime
from ipcluster_ext.transport.blobs import INLINE_LIMIT, Body

if TYPE_CHECKING:
    from ipcluster_ext import Executor

Function = Callable[..., Any] | Reference
"""What can be called: a function, or the name of one that the engines have."""
_NO_FACTS: Mapping[str, Any] = {}
REMEMBERED = 10_000
"""How many calls a view remembers in its history."""


class ViewOwner(Protocol):
    """What a view needs of its client."""

    @property
    def connection(self) -> Connection:
        """The wire."""

    @property
    def ids(self) -> list[EngineId]:
        """The engines."""


class View(Housekeeping):
    """A way to address engines.

    Parameters
    ----------
    client
        Whose view it is.
    flags
        Its options.
    """

    flags: ClassVar[tuple[str, ...]] = (
        "block", "label", "track", "targets", "return_exceptions", "retries", "time_limit",
        "soft_time_limit", "after", "timeout",
    )  # fmt: skip
    balanced: ClassVar[bool] = False
    """Whether the hub chooses the engines."""

    _inner = frozenset({"answer", "balanced", "deal"})

    block = Flag[bool](
        "Whether calls without a choice of their own wait for the answer; False at first.",
        """>>> view = rc[:]
>>> view.block = True
>>> view.apply(abs, -1)
[1, 1]""",
    )
    label = Flag[str](
        "What the work is called, in progress bars, errors and the history; '' for no name.",
        """>>> lv.options(label="fit").submit(abs, -1).label
'fit'""",
    )
    track = Flag[bool](
        "For ipyparallel's sake: what was sent may be changed at once, always.",
        """>>> lv.options(track=True).submit(abs, -1).sent
True""",
    )
    return_exceptions = Flag[bool](
        "Whether exceptions are values, instead of being raised; False at first.",
        """>>> view = lv.options(return_exceptions=True)
>>> isinstance(view.apply_sync(divmod, 1, 0), ZeroDivisionError)
True""",
    )
    retries = Flag[int | Retry](
        "How often, or how (see `Retry`), a task runs again that failed; 0 at first.",
        """>>> view = lv.options(retries=2)
>>> view.retries, view.apply_sync(abs, -1)
(2, 1)""",
    )
    time_limit = Flag[float](
        "How many seconds a task may run before it fails with `TaskTimeout`; 0 for ever.",
        """>>> import time
>>> task = lv.options(time_limit=0.1).submit(time.sleep, 60)
>>> isinstance(task.exception(), ipp.TaskTimeout)
True""",
    )
    soft_time_limit = Flag[float](
        "After how many seconds `SoftTimeLimit` is raised within a task; 0 for never.",
        """>>> def careful():
...     import time
...     try:
...         time.sleep(60)
...     except ipp.SoftTimeLimit:
...         return "tidied up"
>>> lv.options(soft_time_limit=0.1).apply_sync(careful)
'tidied up'""",
    )
    after = Flag[Dependency | None](
        "Which tasks have to end before a task begins; None for none.",
        """>>> first = lv.submit(abs, -1)
>>> lv.options(after=first).apply_sync(abs, -2), first.done()
(2, True)""",
    )
    timeout = Flag[float](
        "How many seconds a task may wait to begin, for others or for an engine; 0 for ever.",
        """>>> lv.options(timeout=60).apply_sync(abs, -1)
1""",
    )

    def __init__(self, client: ViewOwner, flags: Flags) -> None:
        super().__init__(flags)
        self.client: ViewOwner = client
        self._known: tuple[bytes, str, int, Kind, Flags | None, TaskSpec]
        self._known = (b"", "", 0, Kind.APPLY, None, TaskSpec(Kind.APPLY))
        self._calls: deque[tuple[TaskId, int]] = deque(maxlen=REMEMBERED)

    # ------------------------------------------------------------ from a call to messages

    def _spec(self, flags: Flags, kind: Kind, function: PackedFunction | None = None) -> TaskSpec:
        """Return what a call's tasks have in common: the last call's, if nothing has changed."""
        digest = b"" if function is None else function.digest
        host = self._host()
        inside = pastime.priority()
        known = self._known  # at once: another thread may replace it
        if known[:3] == (digest, host, inside) and known[3] is kind and known[4] is flags:
            return known[5]
        engines = flags.targets if self.balanced else None
        spec = TaskSpec(
            kind,
            digest,
            host,
            flags.label,
            flags.count,
            self.balanced,
            None if engines is None else tuple(engines),
            flags.return_exceptions,
            self._options(flags, inside, awaits=function is not None and function.awaits),
            "" if function is None else function.name,
        )
        if flags.after is None and flags.follow is None:  # their tasks may have ended next time
            self._known = (digest, host, inside, kind, flags, spec)
        return spec

    def _options(self, flags: Flags, inside: int, *, awaits: bool) -> Options | None:
        options = flags.wire
        knows = self.client.connection.pending.knows
        changes: dict[str, Any] = {"awaits": True} if awaits else {}
        if inside:  # a task submits it: before whatever was submitted outside of that
            changes["priority"] = inside + max(0, flags.priority)
        if flags.after is not None:
            changes["after"] = flags.after.on_the_wire(knows)
        if flags.follow is not None:
            changes["follow"] = flags.follow.on_the_wire(knows)
        return msgspec.structs.replace(options or Options(), **changes) if changes else options

    def _place(self, dumped: Dumped) -> Body:
        if not dumped.buffers and len(dumped.stream) < INLINE_LIMIT:
            return Body(dumped.stream, (), [])
        connection = self.client.connection
        return connection.blobs.place(dumped, shared=connection.shares_memory())

    def _host(self) -> str:
        """Return our host, for engines that can give us results through shared memory."""
        connection = self.client.connection
        return connection.host if connection.blobs.available else ""

    def _flags_of(self, options: dict[str, Any]) -> Flags:
        """Return the flags of one call; None means that the view's hold."""
        given = {
            name: value
            for name, value in options.items()
            if not (value is None and name in {"label", "return_exceptions", "track"})
        }
        return self.now().but(self._checked(given))

    def _remember(self, flags: Flags, result: AsyncResult, count: int) -> None:
        """Note that a call has submitted so many tasks."""
        self._calls.append((result.first, count))
        facts = self._facts(flags)
        if facts:
            result.facts = {**result.facts, **facts}

    def _facts(self, flags: Flags) -> Mapping[str, Any]:
        """Return what the metadata of a call's tasks tells of its options."""
        if flags.after is None and flags.follow is None:
            return _NO_FACTS
        return {"after": sorted(flags.after or ()), "follow": sorted(flags.follow or ())}

    def answer(self, result: AsyncResult, flags: Flags, *, block: bool | None = None) -> Any:
        """Wait for a result if that is wanted; an interrupt hands the result over as it is."""
        if not (flags.block if block is None else block):
            return result
        try:
            return result.get(return_exceptions=flags.return_exceptions)
        except KeyboardInterrupt:
            if result.done() or pastime.of_this_thread() is not None:  # a task is interrupted
                raise
            return result

    # ------------------------------------------------------------ calls

    def apply(self, function: Function, /, *args: Any, **kwargs: Any) -> Any:
        """Call a function; wait for the answer if `block` is set.

        Returns
        -------
        What `apply_sync` or `apply_async` returns.

        Examples
        --------
        >>> lv.apply(pow, 2, 3).get()
        8
        """
        flags = self.now()
        return self.answer(self._call(flags, function, args, kwargs, attended=flags.block), flags)

    def apply_sync(self, function: Function, /, *args: Any, **kwargs: Any) -> Any:
        """Call a function and wait for the answer.

        Parameters
        ----------
        function
            Any callable that can be pickled; a notebook's own functions can. Of a coroutine
            function the answer is what awaiting it gives. A `Reference` calls what engines have.
        *args, **kwargs
            What to call it with. An answer to come stands for its value, wherever among them.

        Returns
        -------
        Its value; the `AsyncResult` if waiting was interrupted (Ctrl-C): the work goes on.

        Raises
        ------
        RemoteError
            It raised; also an instance of the class that it raised.
        SerializationError
            It, or an argument, cannot be pickled.
        OptionError, InvalidDependency
            The view has options that cannot be met.

        Examples
        --------
        >>> dv.apply_sync(pow, 2, 3)
        [8, 8]
        >>> lv.apply_sync(sum, [lv.apply_async(abs, -1), 2])
        3
        """
        flags = self.now()
        return self.answer(
            self._call(flags, function, args, kwargs, attended=True), flags, block=True
        )

    def apply_async(self, function: Function, /, *args: Any, **kwargs: Any) -> AsyncResult:
        """Call a function without waiting for the answer.

        Parameters
        ----------
        function, *args, **kwargs
            As for `apply_sync`.

        Returns
        -------
        The answer to come.

        Raises
        ------
        SerializationError
            The function or an argument cannot be pickled.
        ForeignTask
            An argument is another client's answer to come.
        ClientError
            The client is closed or has lost its hub.
        BaseException
            An argument is an answer that is an error: that error.

        Examples
        --------
        >>> answer = lv.apply_async(pow, 2, 3)
        >>> answer.get()
        8
        """
        return self._call(self.now(), function, args, kwargs, attended=False)

    @abstractmethod
    def _call(
        self,
        flags: Flags,
        function: Function,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        *,
        attended: bool,
    ) -> AsyncResult:
        """Send a call; ``attended`` says that the caller waits for the answer at once."""

    # ------------------------------------------------------------ what was called

    @property
    def history(self) -> list[str]:
        """The ids of the tasks that this view has submitted, the oldest first; not all for ever.

        Examples
        --------
        >>> view = rc.load_balanced_view()
        >>> answer = view.apply_async(abs, -1)
        >>> view.history == answer.msg_ids
        True
        """
        return [
            task_text(TaskId(first + place))
            for first, count in list(self._calls)
            for place in range(count)
        ]

    @property
    def outstanding(self) -> set[str]:
        """The ids of those among them that have not ended.

        Examples
        --------
        >>> lv.wait(), lv.outstanding
        (True, set())
        """
        pending = self.client.connection.pending.outstanding
        return {
            task_text(TaskId(first + place))
            for first, count in list(self._calls)
            for place in range(count)
            if first + place in pending
        }

    @abstractmethod
    def map(
        self,
        function: Function,
        /,
        *sequences: Iterable[Any],
        block: bool | None = None,
        **options: Any,
    ) -> Any:
        """Call a function with each item of a sequence, or of several side by side."""

    def map_async(
        self, function: Function, /, *sequences: Iterable[Any], **options: Any
    ) -> AsyncMapResult:
        """Call a function with each item, without waiting; options as for `map`.

        Examples
        --------
        >>> list(lv.map_async(abs, [-1, -2]))
        [1, 2]
        """
        result: AsyncMapResult = self.map(function, *sequences, **{**options, "block": False})
        return result

    def map_sync(self, function: Function, /, *sequences: Iterable[Any], **options: Any) -> Any:
        """Call a function with each item and wait for the values; options as for `map`.

        Examples
        --------
        >>> lv.map_sync(abs, [-1, -2])
        [1, 2]
        """
        return self.map(function, *sequences, **{**options, "block": True})

    @property
    def executor(self) -> "Executor":
        """A `concurrent.futures.Executor` over this view's engines, under its flags.

        Examples
        --------
        >>> with lv.options(retries=2).executor as pool:
        ...     list(pool.map(abs, [-1, -2]))
        [1, 2]
        """
        import ipcluster_ext  # the executor knows the views, not the other way round

        return ipcluster_ext.Executor(self)

    def register_joblib_backend(
        self,
        name: str = "ipcluster_ext",
        make_default: bool = False,  # noqa: FBT001, FBT002 - ipyparallel's signature
    ) -> None:
        """Let joblib run its tasks on this view's engines; see `ipp.register_joblib_backend`.

        Examples
        --------
        >>> from joblib import Parallel, delayed, parallel_config
        >>> lv.register_joblib_backend("mine")
        >>> with parallel_config("mine"):
        ...     Parallel()(delayed(abs)(n) for n in [-1, -2])
        [1, 2]
        """
        import ipcluster_ext  # faces are asked for at the root

        ipcluster_ext.register_joblib_backend(name, make_default, view=self)


def by_name(
    function: Reference, args: tuple[Any, ...]
) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """Return what to call with what, so that a function that only engines have is called."""
    return call_named, (function, *args)


def named_rows(
    kind: Kind, function: Reference, items: list[Any]
) -> tuple[Kind, Callable[..., Any], list[Any]]:
    """Return a map's kind, function and items so that a function of the engines is called."""
    if kind is Kind.MAP:
        return Kind.STARMAP, call_named, [(function, item) for item in items]
    return kind, call_named, [(function, *item) for item in items]


def map_again(
    mapped: Callable[[Function, list[Any]], AsyncMapResult],
    function: Function,
    items: list[Any],
    places: list[int],
    instead: Function | None,
) -> AsyncMapResult:
    """Map some of the items once more, perhaps with another function."""
    return mapped(function if instead is None else instead, [items[place] for place in places])
