"""The view for which the hub chooses the engine: whoever is free does the next task."""

import operator
from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar, SupportsIndex

from ipcluster_ext.client.chunks import rows
from ipcluster_ext.client.maps import AsyncMapResult
from ipcluster_ext.client.result import AsyncResult
from ipcluster_ext.client.targets import Targets, resolve
from ipcluster_ext.client.view import View, ViewOwner
from ipcluster_ext.protocol.buffers import dump_arguments, dump_items
from ipcluster_ext.protocol.frames import Frame
from ipcluster_ext.protocol.functions import PackedFunction, pack
from ipcluster_ext.protocol.ids import EngineId, TaskId
from ipcluster_ext.protocol.messages import Submit, TaskItem, TaskSpec
from ipcluster_ext.protocol.status import Kind

MOST_RETRIES = 1_000_000
TASKS_AT_ONCE = 512
"""How many tasks of a map are sent in one message, so that engines begin before all are pickled."""


class LoadBalancedView(View):
    """Tasks for whichever engine is free.

    Parameters
    ----------
    client
        Whose view it is.
    targets
        The engines to which the hub's choice is restricted; None or ``'all'`` for no restriction.
    """

    flags: ClassVar[tuple[str, ...]] = (*View.flags, "targets", "retries")

    def __init__(self, client: ViewOwner, targets: Targets | None = None) -> None:
        super().__init__(client)
        self.targets = targets
        self.retries = 0
        self._last_spec: tuple[tuple[object, ...], TaskSpec] = ((), TaskSpec(Kind.APPLY))

    @property
    def targets(self) -> list[EngineId] | None:
        """The engines to which the hub's choice is restricted; None for all."""
        return self._targets

    @targets.setter
    def targets(self, targets: Targets | None) -> None:
        if targets is None or (isinstance(targets, str) and targets == "all"):
            self._targets: list[EngineId] | None = None
        else:
            self._targets = resolve(targets, self.client.ids)[0]

    @property
    def retries(self) -> int:
        """How often a task that failed, or whose engine died, may run again."""
        return self._retries

    @retries.setter
    def retries(self, retries: SupportsIndex) -> None:
        self._retries = min(operator.index(retries), MOST_RETRIES)

    def __repr__(self) -> str:
        where = "all engines" if self.targets is None else f"engines {self.targets}"
        return f"<LoadBalancedView over {where}>"

    def _spec(
        self,
        kind: Kind,
        function: PackedFunction,
        label: str,
        *,
        return_exceptions: bool = False,
    ) -> TaskSpec:
        """Return what a call's tasks have in common, the object used before if nothing changed."""
        targets = None if self._targets is None else tuple(self._targets)
        facts = (
            kind, function.digest, self._host(), label, self._retries, targets,
            return_exceptions,
        )  # fmt: skip
        known, spec = self._last_spec  # at once: another thread may replace both
        if facts != known:
            spec = TaskSpec(
                kind,
                function.digest,
                self._host(),
                label,
                self._retries,
                engines=targets,
                return_exceptions=return_exceptions,
            )
            self._last_spec = facts, spec
        return spec

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> AsyncResult:
        """Call a function on some engine.

        Parameters
        ----------
        function
            Any callable that can be pickled; a notebook's own functions can.
        *args, **kwargs
            What to call it with.

        Returns
        -------
        The answer to come, a `concurrent.futures.Future`.

        Raises
        ------
        SerializationError
            The function or an argument cannot be pickled.
        ClientError
            The client is closed or has lost its hub.
        """
        return self._call(function, args, kwargs, attended=False)

    def _call(
        self,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        *,
        attended: bool,
    ) -> AsyncResult:
        packed = pack(function)
        body = self._place(dump_arguments(args, kwargs, what="an argument"))
        connection = self.client.connection
        result = AsyncResult(connection, 1, single=True, label=self.label)
        item = TaskItem(result.first, body.inline, body.buffers)
        spec = self._spec(Kind.APPLY, packed, self._label)
        connection.submit(spec, item, body.frames, packed, attended=attended)
        return result

    def map(
        self,
        function: Callable[..., Any],
        /,
        *sequences: Iterable[Any],
        block: bool | None = None,
        chunksize: int = 1,
        ordered: bool = True,
        return_exceptions: bool = False,
        label: str | None = None,
    ) -> Any:
        """Call a function with each item of a sequence, or of several side by side.

        Parameters
        ----------
        function
            Called with one item of each sequence.
        *sequences
            Any iterables; the shortest decides how many calls are made.
        block
            Whether to wait for the answer; the view's `block` if None.
        chunksize
            How many items make one task, at least 1.
        ordered
            Whether iterating over the answer follows the order of the items, or yields values
            as they come.
        return_exceptions
            Whether exceptions stand among the values instead of being raised.
        label
            What the work is called; the view's `label` if None.

        Returns
        -------
        The list of values if it waits, else the `AsyncMapResult`.

        Raises
        ------
        TypeError
            There is no sequence, or the function is not callable.
        ValueError
            The chunk size is not positive.
        SerializationError
            The function or an item cannot be pickled.
        """
        if chunksize < 1:
            msg = f"chunksize must be at least 1, not {chunksize}"
            raise ValueError(msg)
        packed = pack(function)
        items = rows(sequences)
        count = len(items)
        lengths = [chunksize] * (count // chunksize)
        if count % chunksize:
            lengths.append(count % chunksize)
        name = self._called(label)
        kind = Kind.MAP if len(sequences) == 1 else Kind.STARMAP
        spec = self._spec(kind, packed, name, return_exceptions=return_exceptions)
        batches = self._batches(items, chunksize)
        ready = next(batches, None)
        result = AsyncMapResult(self.client.connection, lengths, ordered=ordered, label=name)
        first = result.first
        try:
            while ready is not None:
                self._send_batch(spec, packed, first, ready)
                first = TaskId(first + len(ready[0]))
                ready = next(batches, None)
        except BaseException:
            result.withdraw()
            raise
        return self._answer(result, block=block)

    def _batches(
        self, items: list[Any], chunksize: int
    ) -> Iterator[tuple[list[tuple[bytes, Any]], list[Frame]]]:
        """Pickle the chunks, so many at a time: what stands in the message, and the frames."""
        bodies: list[tuple[bytes, Any]] = []
        frames: list[Frame] = []
        for start in range(0, len(items), chunksize):
            dumped = dump_items(items[start : start + chunksize], what="an item of the map")
            body = self._place(dumped)
            bodies.append((body.inline, body.buffers))
            frames.extend(body.frames)
            if len(bodies) == TASKS_AT_ONCE:
                yield bodies, frames
                bodies, frames = [], []
        if bodies:
            yield bodies, frames

    def _send_batch(
        self,
        spec: TaskSpec,
        packed: PackedFunction,
        first: TaskId,
        batch: tuple[list[tuple[bytes, Any]], list[Frame]],
    ) -> None:
        bodies, frames = batch
        items = [
            TaskItem(TaskId(first + place), inline, buffers)
            for place, (inline, buffers) in enumerate(bodies)
        ]
        self.client.connection.say([Submit(spec, items)], frames, function=packed)

    def map_async(
        self, function: Callable[..., Any], /, *sequences: Iterable[Any], **options: Any
    ) -> AsyncMapResult:
        """Call a function with each item, without waiting; options as for `map`."""
        result: AsyncMapResult = self.map(function, *sequences, **{**options, "block": False})
        return result

    def map_sync(
        self, function: Callable[..., Any], /, *sequences: Iterable[Any], **options: Any
    ) -> Any:
        """Call a function with each item and wait for the values; options as for `map`."""
        return self.map(function, *sequences, **{**options, "block": True})
