"""Maps whose tasks the hub gives to whoever is free: at once, or as their values are taken."""

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any, ClassVar, Literal, NamedTuple

from ipcluster_ext.client.arguments import dump_call, dump_chunk
from ipcluster_ext.client.chunks import chunk_size, lengths_of, rows
from ipcluster_ext.client.gather import AsyncPartsResult
from ipcluster_ext.client.lazy import LazyMapIterator, Outstanding, Window
from ipcluster_ext.client.maps import AsyncMapResult
from ipcluster_ext.client.options import Flags
from ipcluster_ext.client.partition import Map
from ipcluster_ext.client.result import AsyncResult
from ipcluster_ext.client.view import Function, View, map_again, named_rows
from ipcluster_ext.protocol.functions import PackedFunction, pack
from ipcluster_ext.protocol.ids import TaskId
from ipcluster_ext.protocol.messages import Submit
from ipcluster_ext.protocol.parts import Blob, TaskItem, TaskSpec
from ipcluster_ext.protocol.standins import Reference
from ipcluster_ext.protocol.status import Kind
from ipcluster_ext.transport.blobs import Body

TASKS_AT_ONCE = 512
"""How many tasks of a map are sent in one message, so that engines begin before all are pickled."""
BYTES_AT_ONCE = 16 * 1024 * 1024
"""After how many bytes of them the message is sent although they are fewer."""

ChunkSize = int | Literal["auto"]


class _Pickled(NamedTuple):
    """A task of a map, and what it needs."""

    body: Body
    needs: tuple[TaskId, ...]


class MappingView(View):
    """A view whose maps are balanced."""

    balanced: ClassVar[bool] = True

    def __len__(self) -> int:
        targets = self.now().targets
        return len(self.client.ids if targets is None else targets)

    def map(
        self,
        function: Function,
        /,
        *sequences: Iterable[Any],
        block: bool | None = None,
        chunksize: ChunkSize = 1,
        ordered: bool = True,
        **options: Any,
    ) -> Any:
        """Call a function with each item of a sequence, or of several side by side.

        Parameters
        ----------
        function
            Called with one item of each sequence.
        *sequences
            Any iterables; the shortest decides how many calls are made. They are read as a whole:
            for endless ones there is `imap`.
        block
            Whether to wait for the answer; the view's `block` if None.
        chunksize
            How many items make one task, at least 1; ``'auto'`` for some tasks per engine.
        ordered
            Whether iterating over the answer follows the order of the items, or yields values
            as they come.
        **options
            Any of the view's flags, for this map: ``label``, ``return_exceptions`` (whether
            exceptions stand among the values instead of being raised), ``retries`` ...

        Returns
        -------
        The list of values if it waits, else the `AsyncMapResult`.

        Raises
        ------
        TypeError
            There is no sequence, the function is not callable, or an option is of a wrong type.
        ValueError
            The chunk size is not positive, or an option is not right.
        OptionError
            There is no such option.
        SerializationError
            The function or an item cannot be pickled.
        BaseException
            An item is an answer that is an error: that error.

        Examples
        --------
        >>> lv.map(abs, [-1, -2, -3], block=True, chunksize=2)
        [1, 2, 3]
        """
        flags = self._flags_of(options)
        items = rows(sequences)
        size = chunk_size(chunksize, len(items), len(self) if chunksize == "auto" else 1)
        kind = Kind.MAP if len(sequences) == 1 else Kind.STARMAP
        result = self._map(flags, kind, function, items, chunksize=size, ordered=ordered)
        return self.answer(result, flags, block=block)

    def _map(
        self,
        flags: Flags,
        kind: Kind,
        function: Function,
        items: list[Any],
        *,
        chunksize: int,
        ordered: bool,
    ) -> AsyncMapResult:
        lengths = lengths_of(len(items), chunksize)
        mapped = partial(self._map, flags, kind, chunksize=1, ordered=ordered)
        again = partial(map_again, mapped, function, items)
        if isinstance(function, Reference):
            kind, function, items = named_rows(kind, function, items)
        packed = pack(function)
        spec = self._spec(flags, kind, packed)
        batches = self._batches(items, chunksize)
        ready = next(batches, None)
        connection = self.client.connection
        result = AsyncMapResult(connection, lengths, ordered=ordered, label=flags.label)
        first = result.first
        try:
            while ready is not None:
                self._send_batch(spec, packed, first, ready)
                first = TaskId(first + len(ready))
                ready = next(batches, None)
        except BaseException:
            result.withdraw()
            raise
        self._remember(flags, result, len(lengths))
        result.again = again
        result.return_exceptions = flags.return_exceptions
        return result

    def _batches(self, items: list[Any], chunksize: int) -> Iterator[list[_Pickled]]:
        """Pickle the chunks, so many at a time; the tasks get their ids after the first time."""
        client = self.client.connection.client
        batch: list[_Pickled] = []
        nbytes, late = 0, False
        for start in range(0, len(items), chunksize):
            try:
                chunk = items[start : start + chunksize]
                dumped, needs = dump_chunk(chunk, client, late=late)
            except BaseException:
                self._discard(batch)
                raise
            body = self._place(dumped)
            batch.append(_Pickled(body, needs))
            if body.buffers:
                nbytes += sum(b.nbytes if isinstance(b, Blob) else b for b in body.buffers)
            if len(batch) == TASKS_AT_ONCE or nbytes >= BYTES_AT_ONCE:
                yield batch
                batch, nbytes, late = [], 0, True
        if batch:
            yield batch

    def _discard(self, batch: list[_Pickled]) -> None:
        """Give up what will not be sent."""
        names = [b.name for body, _ in batch for b in body.buffers if isinstance(b, Blob)]
        self.client.connection.blobs.recycle(names)

    def _send_batch(
        self, spec: TaskSpec, packed: PackedFunction, first: TaskId, batch: list[_Pickled]
    ) -> None:
        items = [
            TaskItem(TaskId(first + place), body.inline, body.buffers, needs)
            for place, (body, needs) in enumerate(batch)
        ]
        frames = [frame for body, _ in batch for frame in body.frames]
        self.client.connection.say([Submit(spec, items)], frames, function=packed)

    def imap(
        self,
        function: Function,
        /,
        *sequences: Iterable[Any],
        ordered: bool = True,
        max_outstanding: Outstanding = "auto",
        **options: Any,
    ) -> LazyMapIterator:
        """Call a function with each item of sequences of any length, as values are taken.

        Parameters
        ----------
        function
            Called with one item of each sequence.
        *sequences
            Any iterables, endless ones included.
        ordered
            Whether values come in the order of the items, or in that in which they are computed.
        max_outstanding
            How many tasks may be submitted whose values have not been taken: ``'auto'`` for as
            many as keep the engines busy, 0 for all at once.
        **options
            Any of the view's flags, for this map: ``label``, ``return_exceptions`` ...

        Returns
        -------
        An iterator, asynchronous as well; what a task raised is raised at its value's place.

        Raises
        ------
        TypeError
            There is no sequence, or it is none.
        ValueError, OptionError
            An option is not right.

        Examples
        --------
        >>> import itertools
        >>> endless = lv.imap(abs, itertools.count(-3))
        >>> [next(endless) for _ in range(4)]
        [3, 2, 1, 0]
        """
        flags = self._flags_of(options)
        if not isinstance(function, Reference):
            pack(function)  # so that one that cannot be sent is refused at once
        items = zip(*sequences, strict=False) if sequences else iter(rows(sequences))

        def submit(row: tuple[Any, ...]) -> AsyncResult:
            return self._call(flags, function, row, {}, attended=False)

        window = Window(max_outstanding, self.__len__)
        return LazyMapIterator(
            self.client.connection,
            items,
            submit,
            window,
            ordered=ordered,
            return_exceptions=flags.return_exceptions,
        )

    # ------------------------------------------------------------ parts

    def deal(
        self, flags: Flags, function: Function, calls: list[tuple[Any, ...]], ways: Map
    ) -> AsyncPartsResult:
        """Make a task of each call; the values are the parts of one answer.

        Parameters
        ----------
        flags
            The options of the tasks.
        function
            What is called.
        calls
            The arguments of each call.
        ways
            How the values are put together.
        """
        packed = pack(function)
        connection = self.client.connection
        spec = self._spec(flags, Kind.APPLY, packed)
        batch: list[_Pickled] = []
        for args in calls:
            dumped, needs = dump_call(args, {}, connection.client)
            batch.append(_Pickled(self._place(dumped), needs))
        result = AsyncPartsResult(connection, len(calls), label=flags.label, ways=ways)
        if batch:
            self._send_batch(spec, packed, result.first, batch)
        self._remember(flags, result, len(calls))
        return result
