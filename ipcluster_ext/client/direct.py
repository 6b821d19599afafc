"""Views that address engines by id: the same to each of them, or a part to each."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, ClassVar

from ipcluster_ext.client.chunks import rows, split_evenly, take
from ipcluster_ext.client.gather import AsyncGatherResult, AsyncPullResult
from ipcluster_ext.client.maps import AsyncMapResult
from ipcluster_ext.client.replies import AsyncExecuteResult
from ipcluster_ext.client.result import AsyncResult
from ipcluster_ext.client.targets import Targets, resolve
from ipcluster_ext.client.view import View, ViewOwner
from ipcluster_ext.protocol.buffers import Dumped, dump, dump_arguments, dump_items
from ipcluster_ext.protocol.functions import PackedFunction, pack
from ipcluster_ext.protocol.ids import EngineId, TaskId
from ipcluster_ext.protocol.messages import Message, SubmitEach, TaskItem, TaskSpec
from ipcluster_ext.protocol.status import Kind


class DirectView(View):
    """All of its engines do the same, each in its own namespace.

    A dict over the engines' namespaces as well: ``view['a'] = 5`` assigns on all of them and
    ``view['a']`` reads.

    Parameters
    ----------
    client
        Whose view it is.
    targets
        An engine id (answers are single values then), a list or slice of ids, or ``'all'``,
        which means those that are there at each call.
    """

    flags: ClassVar[tuple[str, ...]] = (*View.flags, "targets")

    def __init__(self, client: ViewOwner, targets: Targets = "all") -> None:
        super().__init__(client)
        self.targets = targets

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.targets!r}>"

    def __len__(self) -> int:
        return len(self._engines(None)[0])

    def _engines(self, targets: Targets | None) -> tuple[list[EngineId], bool]:
        """Return the engines addressed, and whether it is a single one by its id."""
        return resolve(self.targets if targets is None else targets, self.client.ids)

    def _say_each(
        self,
        kind: Kind,
        parts: list[tuple[list[EngineId], Dumped]],
        result: AsyncResult,
        packed: PackedFunction | None = None,
        *,
        return_exceptions: bool = False,
        attended: bool = False,
    ) -> None:
        """Send payloads, each to its engines; ids follow the order of the parts."""
        digest = b"" if packed is None else packed.digest
        spec = TaskSpec(
            kind,
            digest,
            self._host(),
            result.label,
            balanced=False,
            return_exceptions=return_exceptions,
        )
        messages: list[Message] = []
        frames: list[Any] = []
        first = result.first
        try:
            for engines, dumped in parts:
                body = self._place(dumped)
                item = TaskItem(first, body.inline, body.buffers)
                messages.append(SubmitEach(spec, item, engines))
                frames.extend(body.frames)
                first = TaskId(first + len(engines))
            self.client.connection.say(messages, frames, function=packed, attended=attended)
        except BaseException:
            result.withdraw()
            raise

    # ------------------------------------------------------------ calls

    def _call(
        self,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        *,
        attended: bool,
    ) -> AsyncResult:
        engines, single = self._engines(None)
        packed = pack(function)
        dumped = dump_arguments(args, kwargs, what="an argument")
        result = AsyncResult(self.client.connection, len(engines), single=single, label=self.label)
        self._say_each(Kind.APPLY, [(engines, dumped)], result, packed, attended=attended)
        return result

    def map(
        self,
        function: Callable[..., Any],
        /,
        *sequences: Iterable[Any],
        block: bool | None = None,
        return_exceptions: bool = False,
        label: str | None = None,
    ) -> Any:
        """Call a function with each item of a sequence; each engine gets one contiguous chunk.

        Parameters, answer and errors are those of `LoadBalancedView.map`.
        """
        engines, _ = self._engines(None)
        packed = pack(function)
        items = rows(sequences)
        slices = [part for part in split_evenly(len(items), len(engines)) if part.stop > part.start]
        parts = [
            ([engine], dump_items(items[part], what="an item of the map"))
            for engine, part in zip(engines, slices, strict=False)
        ]
        result = AsyncMapResult(
            self.client.connection,
            [part.stop - part.start for part in slices],
            label=self._called(label),
        )
        kind = Kind.MAP if len(sequences) == 1 else Kind.STARMAP
        if parts:
            self._say_each(kind, parts, result, packed, return_exceptions=return_exceptions)
        return self._answer(result, block=block)

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

    def execute(
        self,
        code: str,
        silent: bool = True,
        targets: Targets | None = None,
        block: bool | None = None,
        label: str | None = None,
    ) -> Any:
        """Run text as a notebook cell on each engine; IPython's syntax and magics are allowed.

        Parameters
        ----------
        code
            The cell.
        silent
            Whether to drop the value of its last expression.
        targets
            Other engines than the view's.
        block
            Whether to wait; the view's `block` if None.
        label
            What the work is called.

        Returns
        -------
        None for each engine, or an `ExecuteReply` if not silent; an `AsyncResult` if it does
        not wait.
        """
        engines, single = self._engines(targets)
        dumped = dump({"code": code, "silent": silent})
        result = AsyncExecuteResult(
            self.client.connection,
            len(engines),
            single=single,
            label=self._called(label),
        )
        self._say_each(Kind.EXECUTE, [(engines, dumped)], result)
        return self._answer(result, block=block)

    def run(
        self, filename: str | Path, targets: Targets | None = None, block: bool | None = None
    ) -> Any:
        """Run a file of this computer on each engine."""
        code = Path(filename).read_text(encoding="utf-8")
        return self.execute(code, targets=targets, block=block)

    def clear(self, targets: Targets | None = None, block: bool | None = None) -> Any:
        """Empty the engines' namespaces."""
        return self._simple(Kind.CLEAR, None, targets, block)

    # ------------------------------------------------------------ names

    def push(
        self,
        ns: dict[str, Any],
        targets: Targets | None = None,
        block: bool | None = None,
    ) -> Any:
        """Assign names in the engines' namespaces; large arrays are sent once per host.

        Parameters
        ----------
        ns
            Values by name, or by anything that can be assigned to, as ``'obj.attribute'``.
        targets, block
            As for `execute`.

        Raises
        ------
        SerializationError
            A value cannot be pickled.
        """
        return self._simple(Kind.PUSH, dict(ns), targets, block)

    def update(self, ns: dict[str, Any]) -> Any:
        """Assign names in the engines' namespaces, and wait."""
        return self.push(ns, block=True)

    def __setitem__(self, key: str, value: Any) -> None:
        self.push({key: value}, block=True)

    def pull(
        self,
        names: str | list[str] | tuple[str, ...],
        targets: Targets | None = None,
        block: bool | None = None,
    ) -> Any:
        """Read names from the engines' namespaces.

        Parameters
        ----------
        names
            A name or expression, or several.
        targets, block
            As for `execute`.

        Returns
        -------
        For each engine the value, or a list of values if several names were given.

        Raises
        ------
        NameError
            An engine does not have the name.
        """
        engines, single = self._engines(targets)
        scalar = isinstance(names, str)
        wanted = [names] if isinstance(names, str) else list(names)
        result = AsyncPullResult(
            self.client.connection, len(engines), single=single, label=self.label, scalar=scalar
        )
        self._say_each(Kind.PULL, [(engines, dump(wanted))], result)
        return self._answer(result, block=block)

    def get(self, names: str | list[str]) -> Any:
        """Read names from the engines' namespaces, and wait."""
        return self.pull(names, block=True)

    def __getitem__(self, key: str | list[str]) -> Any:
        return self.get(key)

    def scatter(
        self,
        key: str,
        seq: Any,
        flatten: bool = False,
        targets: Targets | None = None,
        block: bool | None = None,
    ) -> Any:
        """Cut a sequence into contiguous parts and assign one to a name on each engine.

        Parameters
        ----------
        key
            The name.
        seq
            Anything that can be sliced: a list, an array (along its first axis), a data frame.
        flatten
            Whether parts of one element are assigned as that element.
        targets, block
            As for `execute`.
        """
        engines, single = self._engines(targets)
        parts: list[tuple[list[EngineId], Dumped]] = []
        for engine, part in zip(engines, split_evenly(len(seq), len(engines)), strict=True):
            piece = take(seq, part)
            if flatten and len(piece) == 1:
                piece = piece[0]
            parts.append(([engine], dump({key: piece}, what=f"a part of {key!r}")))
        result = AsyncResult(self.client.connection, len(engines), single=single, label=self.label)
        self._say_each(Kind.PUSH, parts, result)
        return self._answer(result, block=block)

    def gather(self, key: str, targets: Targets | None = None, block: bool | None = None) -> Any:
        """Read a name from each engine and put the parts together, in the order of the engines.

        Returns
        -------
        One array if all parts are arrays, else one list.
        """
        engines, _ = self._engines(targets)
        result = AsyncGatherResult(self.client.connection, len(engines), label=self.label)
        self._say_each(Kind.PULL, [(engines, dump([key]))], result)
        return self._answer(result, block=block)

    def _simple(self, kind: Kind, payload: Any, targets: Targets | None, block: bool | None) -> Any:
        engines, single = self._engines(targets)
        dumped = dump(payload, what="a value")
        result = AsyncResult(self.client.connection, len(engines), single=single, label=self.label)
        self._say_each(kind, [(engines, dumped)], result)
        return self._answer(result, block=block)


class BroadcastView(DirectView):
    """A `DirectView` under ipyparallel's other name.

    Every view of ours sends one message, whatever the number of engines, and gets answers in
    batches; so ``is_coalescing`` is accepted and changes nothing.
    """

    flags: ClassVar[tuple[str, ...]] = (*DirectView.flags, "is_coalescing")

    def __init__(
        self, client: ViewOwner, targets: Targets = "all", *, is_coalescing: bool = False
    ) -> None:
        super().__init__(client, targets)
        self.is_coalescing = is_coalescing
