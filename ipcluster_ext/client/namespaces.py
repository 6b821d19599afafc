"""Engines' namespaces, addressed by engine id: assign names, read them, deal sequences out."""

# ruff: noqa: FBT001, FBT002 - ipyparallel's signatures, which users call by position

from collections.abc import Sequence
from typing import Any, ClassVar

from ipcluster_ext.client.arguments import Needed, dump_value
from ipcluster_ext.client.flags import Flag
from ipcluster_ext.client.gather import AsyncGatherResult, AsyncPullResult
from ipcluster_ext.client.options import Flags
from ipcluster_ext.client.partition import distribution, sliceable
from ipcluster_ext.client.remote import EngineReference
from ipcluster_ext.client.result import AsyncResult
from ipcluster_ext.client.targets import Targets, resolve
from ipcluster_ext.client.view import View, ViewOwner
from ipcluster_ext.protocol.buffers import Dumped, dump
from ipcluster_ext.protocol.functions import PackedFunction
from ipcluster_ext.protocol.ids import EngineId, TaskId
from ipcluster_ext.protocol.messages import Message, SubmitEach
from ipcluster_ext.protocol.parts import TaskItem
from ipcluster_ext.protocol.status import Kind

Parts = list[tuple[list[EngineId], Dumped, Needed]]
"""Payloads, each with its engines and the tasks whose values it needs."""


class NamespaceView(View):
    """A dict over the namespaces of engines.

    Parameters
    ----------
    client
        Whose view it is.
    targets
        Which engines.
    """

    flags: ClassVar[tuple[str, ...]] = View.flags

    targets = Flag[Any](
        "The engines: 'all', an id, or several ids; looked up at each call.",
        """>>> rc[0].targets, rc[[1, 0]].targets, rc.direct_view().targets
(0, [1, 0], 'all')""",
    )

    def __init__(self, client: ViewOwner, targets: Targets | None = "all") -> None:
        super().__init__(client, Flags())
        self.targets = targets

    def _check(self, name: str, value: Any) -> Any:
        if name != "targets":
            return super()._check(name, value)
        if value is None:
            return "all"
        plain = isinstance(value, str | slice | Sequence) or not hasattr(value, "__iter__")
        return value if plain else list(value)

    def __len__(self) -> int:
        return len(self._engines(self.now(), None)[0])

    def _engines(self, flags: Flags, targets: Targets | None) -> tuple[list[EngineId], bool]:
        """Return the engines addressed, and whether it is a single one by its id."""
        return resolve(flags.targets if targets is None else targets, self.client.ids)

    def _say_each(
        self,
        flags: Flags,
        kind: Kind,
        parts: Parts,
        result: AsyncResult,
        packed: PackedFunction | None = None,
        *,
        attended: bool = False,
    ) -> None:
        """Send payloads, each to its engines; ids follow the order of the parts."""
        messages: list[Message] = []
        frames: list[Any] = []
        first = result.first
        count = 0
        try:
            spec = self._spec(flags, kind, packed)
            for engines, dumped, needs in parts:
                body = self._place(dumped)
                item = TaskItem(TaskId(first + count), body.inline, body.buffers, needs)
                messages.append(SubmitEach(spec, item, engines))
                frames.extend(body.frames)
                count += len(engines)
            self.client.connection.say(messages, frames, function=packed, attended=attended)
        except BaseException:
            result.withdraw()
            raise
        self._remember(flags, result, count)
        result.engines = [engine for engines, _, _ in parts for engine in engines]

    def _simple(
        self, kind: Kind, payload: object, targets: Targets | None, block: bool | None
    ) -> Any:
        flags = self.now()
        engines, single = self._engines(flags, targets)
        dumped, needs = dump_value(payload, self.client.connection.client, tuple(engines))
        result = AsyncResult(
            self.client.connection, len(engines), single=single, label=flags.label
        )  # fmt: skip
        self._say_each(flags, kind, [(engines, dumped, needs)], result)
        return self.answer(result, flags, block=block)

    # ------------------------------------------------------------ names

    def push(
        self,
        ns: dict[str, Any],
        targets: Targets | None = None,
        block: bool | None = None,
        track: bool | None = None,
    ) -> Any:
        """Assign names in the engines' namespaces; large arrays are sent once per host.

        Parameters
        ----------
        ns
            Values by name, or by anything that can be assigned to, as ``'obj.attribute'``. An
            answer to come stands for its value.
        targets
            Other engines than the view's.
        block
            Whether to wait; the view's `block` if None.
        track
            For ipyparallel's sake: what was sent may be changed at once, always.

        Raises
        ------
        SerializationError
            A value cannot be pickled.

        Examples
        --------
        >>> dv.push({"a": 5}, block=True)
        [None, None]
        """
        del track
        return self._simple(Kind.PUSH, dict(ns), targets, block)

    def update(self, ns: dict[str, Any]) -> Any:
        """Assign names in the engines' namespaces, and wait.

        Examples
        --------
        >>> dv.update({"a": 5})
        [None, None]
        """
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
            As for `push`.

        Returns
        -------
        For each engine the value, or a list of values if several names were given.

        Raises
        ------
        NameError
            An engine does not have the name.

        Examples
        --------
        >>> dv["a"] = 5
        >>> dv.pull(["a", "a + 1"], block=True)
        [[5, 6], [5, 6]]
        """
        flags = self.now()
        engines, single = self._engines(flags, targets)
        scalar = isinstance(names, str)
        wanted = [names] if isinstance(names, str) else list(names)
        result = AsyncPullResult(
            self.client.connection, len(engines), single=single, label=flags.label, scalar=scalar
        )
        self._say_each(flags, Kind.PULL, [(engines, dump(wanted), ())], result)
        return self.answer(result, flags, block=block)

    def get(self, names: str | list[str]) -> Any:
        """Read names from the engines' namespaces, and wait.

        Examples
        --------
        >>> dv["a"] = 5
        >>> dv.get("a")
        [5, 5]
        """
        return self.pull(names, block=True)

    def __getitem__(self, key: str | list[str]) -> Any:
        return self.get(key)

    def ref(self, name: str) -> EngineReference:
        """Stand for a name in the namespace of this view's one engine.

        Parameters
        ----------
        name
            The name, or an expression.

        Returns
        -------
        What can be passed to tasks on any engine: the value goes from engine to engine.

        Raises
        ------
        ValueError
            The view has several engines; `Reference` stands for a name on each.

        Examples
        --------
        >>> rc[0]["a"] = [1, 2]
        >>> rc[1].apply_sync(sum, rc[0].ref("a"))
        3
        """
        engines, _ = self._engines(self.now(), None)
        if len(engines) != 1:
            msg = f"ref() is of one engine, as in rc[0].ref({name!r}); this view has {len(engines)}"
            raise ValueError(msg)
        return EngineReference(name, type(self)(self.client, engines[0]), engines[0])

    # ------------------------------------------------------------ sequences

    def scatter(
        self,
        key: str,
        seq: Any,
        dist: str = "b",
        flatten: bool = False,
        targets: Targets | None = None,
        block: bool | None = None,
        track: bool | None = None,
    ) -> Any:
        """Cut a sequence into parts and assign one to a name on each engine.

        Parameters
        ----------
        key
            The name.
        seq
            Anything that can be sliced: a list, an array (along its first axis), a data frame;
            or any iterable.
        dist
            ``'b'`` for contiguous parts, ``'r'`` to deal items out in turn.
        flatten
            Whether parts of one element are assigned as that element.
        targets, block, track
            As for `push`.

        Raises
        ------
        ValueError
            There is no such ``dist``.

        Examples
        --------
        >>> dv.scatter("part", range(4), block=True)
        [None, None]
        >>> dv["list(part)"]
        [[0, 1], [2, 3]]
        """
        del track
        flags = self.now()
        engines, single = self._engines(flags, targets)
        ways, seq = distribution(dist), sliceable(seq)
        parts: Parts = []
        for place, engine in enumerate(engines):
            piece = ways.getPartition(seq, place, len(engines))
            if flatten and len(piece) == 1:
                piece = piece[0] if not hasattr(piece, "iloc") else piece.iloc[0]
            client = self.client.connection.client
            dumped, needs = dump_value({key: piece}, client, (engine,), f"a part of {key!r}")
            parts.append(([engine], dumped, needs))
        result = AsyncResult(
            self.client.connection, len(engines), single=single, label=flags.label
        )  # fmt: skip
        self._say_each(flags, Kind.PUSH, parts, result)
        return self.answer(result, flags, block=block)

    def gather(
        self,
        key: str,
        dist: str = "b",
        targets: Targets | None = None,
        block: bool | None = None,
    ) -> Any:
        """Read a name from each engine and put the parts together.

        Parameters
        ----------
        key
            The name.
        dist
            How the parts were dealt out; see `scatter`.
        targets, block
            As for `push`.

        Returns
        -------
        One array if all parts are arrays, else one list.

        Raises
        ------
        ValueError
            There is no such ``dist``.

        Examples
        --------
        >>> dv.scatter("part", [1, 2, 3, 4], dist="r", block=True)
        [None, None]
        >>> dv.gather("part", dist="r", block=True)
        [1, 2, 3, 4]
        """
        flags = self.now()
        engines, _ = self._engines(flags, targets)
        result = AsyncGatherResult(
            self.client.connection, len(engines), label=flags.label, ways=distribution(dist)
        )
        self._say_each(flags, Kind.PULL, [(engines, dump([key]), ())], result)
        return self.answer(result, flags, block=block)

    def clear(self, targets: Targets | None = None, block: bool | None = None) -> Any:
        """Empty the engines' namespaces.

        Examples
        --------
        >>> dv.clear(block=True)
        [None, None]
        """
        return self._simple(Kind.CLEAR, None, targets, block)
