"""The view for which the hub chooses the engine: whoever is free does the next task."""

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar, TypeVar

from ipcluster_ext.client.arguments import dump_call
from ipcluster_ext.client.dependency import Dependency
from ipcluster_ext.client.flags import Flag
from ipcluster_ext.client.mapping import MappingView
from ipcluster_ext.client.options import Flags
from ipcluster_ext.client.result import AsyncResult
from ipcluster_ext.client.stream import AsyncStream
from ipcluster_ext.client.targets import Targets, resolve
from ipcluster_ext.client.view import Function, ViewOwner, by_name
from ipcluster_ext.protocol.functions import pack
from ipcluster_ext.protocol.ids import EngineId
from ipcluster_ext.protocol.parts import TaskItem
from ipcluster_ext.protocol.standins import Reference
from ipcluster_ext.protocol.status import Kind

AnyResult = TypeVar("AnyResult", bound=AsyncResult)


class LoadBalancedView(MappingView):
    """Tasks for whichever engine is free.

    Parameters
    ----------
    client
        Whose view it is.
    targets
        The engines to which the hub's choice is restricted; None or ``'all'`` for no restriction.

    Examples
    --------
    >>> rc.load_balanced_view(label="squares").map_sync(pow, [1, 2, 3], [2, 2, 2])
    [1, 4, 9]
    """

    flags: ClassVar[tuple[str, ...]] = (
        *MappingView.flags, "expires", "priority", "resources", "key", "follow",
    )  # fmt: skip
    targets = Flag[list[EngineId] | None](
        "The engines to which the choice is restricted, None if it is not.",
        """>>> rc.load_balanced_view([1]).targets
[1]""",
    )
    expires = Flag[float](
        "How many seconds a task may wait in the queue, or else fail with `TaskExpired`; 0 for "
        "ever.",
        """>>> lv.options(expires=60).apply_sync(abs, -1)
1""",
    )
    priority = Flag[int](
        "Tasks of a higher one begin first; 0 at first.",
        """>>> lv.options(priority=10).apply_sync(abs, -1)
1""",
    )
    resources = Flag[dict[str, float]](
        "What an engine must have free to be chosen: amounts by name, or a list of names.",
        """>>> dict(lv.options(resources={"gpu": 1}).resources)
{'gpu': 1.0}""",
    )
    key = Flag[str](
        "A task whose key is known gets the outcome of the one before; empty for none.",
        """>>> import random
>>> once = lv.options(key="throw of a die")
>>> once.apply_sync(random.random) == once.apply_sync(random.random)
True""",
    )
    follow = Flag[Dependency | None](
        "As `after`; and the task runs on an engine on which one of them did.",
        """>>> first = lv.submit(abs, -1)
>>> second = lv.options(follow=first).submit(abs, -2)
>>> second.get(), second.engine_id == first.engine_id
(2, True)""",
    )

    def __init__(self, client: ViewOwner, targets: Targets | None = None) -> None:
        super().__init__(client, Flags())
        self.targets = targets

    def _check(self, name: str, value: Any) -> Any:
        if name != "targets":
            return super()._check(name, value)
        if value is None or (isinstance(value, str) and value == "all"):
            return None
        return resolve(value, self.client.ids)[0]

    def __repr__(self) -> str:
        where = "all engines" if self.targets is None else f"engines {self.targets}"
        return f"<LoadBalancedView over {where}>"

    # ------------------------------------------------------------ one task

    def submit(self, function: Function, /, *args: Any, **kwargs: Any) -> AsyncResult:
        """Call a function on some engine.

        Parameters
        ----------
        function
            Any callable that can be pickled; a notebook's own functions can.
        *args, **kwargs
            What to call it with. An answer to come stands for its value, wherever among them:
            the call waits for it, and the value goes from engine to engine.

        Returns
        -------
        The answer to come, a `concurrent.futures.Future`.

        Raises
        ------
        SerializationError
            The function or an argument cannot be pickled.
        ForeignTask
            An argument is another client's answer to come.
        InvalidDependency
            A task of ``after`` or ``follow`` is not known to this client.
        ClientError
            The client is closed or has lost its hub.
        BaseException
            An argument is an answer that is an error: that error.

        Examples
        --------
        >>> first = lv.submit(pow, 2, 3)
        >>> lv.submit(sum, [first, 1]).result()
        9
        """
        return self._call(self.now(), function, args, kwargs, attended=False)

    def _call(
        self,
        flags: Flags,
        function: Function,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        *,
        attended: bool,
    ) -> AsyncResult:
        connection = self.client.connection
        make = partial(AsyncResult, connection, 1, single=True, label=flags.label)
        return self._begin(flags, Kind.APPLY, function, (args, kwargs), make, attended=attended)

    def stream(self, function: Function, /, *args: Any, **kwargs: Any) -> AsyncStream:
        """Call a generator function on some engine; its items arrive while it runs.

        Parameters
        ----------
        function
            A generator function, asynchronous or not, or one that returns any iterable.
        *args, **kwargs
            What to call it with, as for `submit`.

        Returns
        -------
        The items to come, to be iterated over, asynchronously as well.

        Raises
        ------
        SerializationError, ForeignTask, ClientError, BaseException
            As for `submit`.

        Examples
        --------
        >>> list(lv.stream(range, 3))
        [0, 1, 2]
        """
        flags = self.now()
        make = partial(AsyncStream, self.client.connection, label=flags.label)
        return self._begin(flags, Kind.STREAM, function, (args, kwargs), make, attended=False)

    def _begin(
        self,
        flags: Flags,
        kind: Kind,
        function: Function,
        arguments: tuple[tuple[Any, ...], dict[str, Any]],
        make: Callable[[], AnyResult],
        *,
        attended: bool,
    ) -> AnyResult:
        """Submit one task; its answer is made once it is certain that it can be sent."""
        args, kwargs = arguments
        if isinstance(function, Reference):
            function, args = by_name(function, args)
        packed = pack(function)
        connection = self.client.connection
        dumped, needs = dump_call(args, kwargs, connection.client)
        spec = self._spec(flags, kind, packed)
        body = self._place(dumped)
        result = make()
        item = TaskItem(result.first, body.inline, body.buffers, needs)
        connection.submit(spec, item, body.frames, packed, attended=attended)
        self._remember(flags, result, 1)
        return result
