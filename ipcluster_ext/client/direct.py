"""Views that address engines by id: the same to each of them, or a part to each."""

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ipcluster_ext.client.arguments import dump_call, dump_chunk
from ipcluster_ext.client.chunks import rows, split_evenly
from ipcluster_ext.client.flags import Flag
from ipcluster_ext.client.gather import AsyncPartsResult
from ipcluster_ext.client.imports import SyncImports
from ipcluster_ext.client.looking import LookingView
from ipcluster_ext.client.maps import AsyncMapResult
from ipcluster_ext.client.options import Flags
from ipcluster_ext.client.partition import Map
from ipcluster_ext.client.replies import AsyncExecuteResult
from ipcluster_ext.client.result import AsyncResult
from ipcluster_ext.client.targets import Targets
from ipcluster_ext.client.view import Function, ViewOwner, by_name, map_again, named_rows
from ipcluster_ext.protocol.buffers import dump
from ipcluster_ext.protocol.functions import pack, use_pickler
from ipcluster_ext.protocol.picklers import Name
from ipcluster_ext.protocol.standins import Reference
from ipcluster_ext.protocol.status import Kind

if TYPE_CHECKING:
    from ipcluster_ext.client.namespaces import Parts


class DirectView(LookingView):
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

    Examples
    --------
    >>> rc[:].apply_sync(pow, 2, 3)
    [8, 8]
    >>> rc[0].apply_sync(pow, 2, 3)
    8
    """

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.targets!r}>"

    # ------------------------------------------------------------ calls

    def _call(
        self,
        flags: Flags,
        function: Function,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        *,
        attended: bool,
    ) -> AsyncResult:
        engines, single = self._engines(flags, None)
        if isinstance(function, Reference):
            function, args = by_name(function, args)
        packed = pack(function)
        connection = self.client.connection
        dumped, needs = dump_call(args, kwargs, connection.client, tuple(engines))
        result = AsyncResult(connection, len(engines), single=single, label=flags.label)
        parts: Parts = [(engines, dumped, needs)]
        self._say_each(flags, Kind.APPLY, parts, result, packed, attended=attended)
        return result

    def map(
        self,
        function: Function,
        /,
        *sequences: Iterable[Any],
        block: bool | None = None,
        **options: Any,
    ) -> Any:
        """Call a function with each item of a sequence; each engine gets one contiguous chunk.

        Parameters
        ----------
        function, *sequences, block
            As for `LoadBalancedView.map`.
        **options
            Any of the view's flags, for this map: ``label``, ``return_exceptions``, ``track`` ...

        Returns
        -------
        The list of values if it waits, else the `AsyncMapResult`.

        Raises
        ------
        TypeError, OptionError, SerializationError, BaseException
            As for `LoadBalancedView.map`.

        Examples
        --------
        >>> dv.map(abs, [-1, -2, -3], block=True)
        [1, 2, 3]
        """
        flags = self._flags_of(options)
        items = rows(sequences)
        kind = Kind.MAP if len(sequences) == 1 else Kind.STARMAP
        return self.answer(self._map(flags, kind, function, items), flags, block=block)

    def _map(
        self, flags: Flags, kind: Kind, function: Function, items: list[Any]
    ) -> AsyncMapResult:
        again = partial(map_again, partial(self._map, flags, kind), function, items)
        if isinstance(function, Reference):
            kind, function, items = named_rows(kind, function, items)
        packed = pack(function)
        engines, _ = self._engines(flags, None)
        slices = [part for part in split_evenly(len(items), len(engines)) if part.stop > part.start]
        connection = self.client.connection
        parts: Parts = []
        for engine, part in zip(engines, slices, strict=False):
            parts.append(([engine], *dump_chunk(items[part], connection.client, (engine,))))
        lengths = [part.stop - part.start for part in slices]
        result = AsyncMapResult(connection, lengths, label=flags.label)
        if parts:
            self._say_each(flags, kind, parts, result, packed)
        result.again = again
        result.return_exceptions = flags.return_exceptions
        return result

    def deal(
        self, flags: Flags, function: Function, calls: list[tuple[Any, ...]], ways: Map
    ) -> AsyncPartsResult:
        """Make one of several calls on each engine, as `MappingView.deal` does anywhere."""
        packed = pack(function)
        engines, _ = self._engines(flags, None)
        connection = self.client.connection
        parts: Parts = [
            ([engine], *dump_call(args, {}, connection.client, (engine,)))
            for engine, args in zip(engines, calls, strict=False)
        ]
        result = AsyncPartsResult(connection, len(parts), label=flags.label, ways=ways)
        if parts:
            self._say_each(flags, Kind.APPLY, parts, result, packed)
        return result

    def imap(
        self, function: Function, /, *sequences: Iterable[Any], **options: Any
    ) -> Iterator[Any]:
        """Call a function with each item; iterate over the values as they come.

        Options as for `map`. The sequences are read as a whole: a `LoadBalancedView` has an
        `imap` for endless ones.

        Examples
        --------
        >>> list(dv.imap(abs, [-1, -2]))
        [1, 2]
        """
        return iter(self.map_async(function, *sequences, **options))

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

        Raises
        ------
        RemoteError
            The cell raised on the engine that the view is of; also of the class that it raised.
        CompositeError
            It raised on several engines.
        NoSuchEngine
            A target is not there.

        Examples
        --------
        >>> dv.execute("a = 5", block=True)
        [None, None]
        >>> dv["a"]
        [5, 5]
        """
        flags = self._flags_of({"label": label})
        engines, single = self._engines(flags, targets)
        dumped = dump({"code": code, "silent": silent})
        result = AsyncExecuteResult(
            self.client.connection, len(engines), single=single, label=flags.label
        )
        result.facts = {"execute_input": code}
        self._say_each(flags, Kind.EXECUTE, [(engines, dumped, ())], result)
        return self.answer(result, flags, block=block)

    def run(
        self,
        filename: str | Path,
        targets: Targets | None = None,
        block: bool | None = None,
        label: str | None = None,
    ) -> Any:
        """Run a file of this computer on each engine, as a cell; the rest as for `execute`.

        Raises
        ------
        OSError
            It cannot be read.

        Examples
        --------
        >>> from pathlib import Path
        >>> Path("setup.py").write_text("a = 5")
        5
        >>> dv.run("setup.py", block=True)
        [None, None]
        """
        code = Path(filename).read_text(encoding="utf-8")
        return self.execute(code, targets=targets, block=block, label=label)

    # ------------------------------------------------------------ surroundings

    def sync_imports(self, local: bool = True, quiet: bool = False) -> SyncImports:
        """Have the import statements of a ``with`` block carried out on the engines, too.

        Parameters
        ----------
        local
            Whether to import here as well.
        quiet
            Whether to say nothing of what is imported.

        Raises
        ------
        RemoteError, CompositeError
            From the block: a module cannot be imported on the engines.

        Examples
        --------
        >>> with dv.sync_imports(quiet=True):
        ...     import math as maths
        >>> dv["maths.floor(2.5)"]
        [2, 2]
        """
        return SyncImports(self, local=local, quiet=quiet)

    @property
    def importer(self) -> SyncImports:
        """As `sync_imports`, for ``with view.importer:``.

        Examples
        --------
        >>> with dv.importer:
        ...     import math
        import math on the engines
        """
        return self.sync_imports()

    def use_cloudpickle(self) -> Any:
        """Have cloudpickle make pickles, here and on the view's engines: as it is to begin with.

        Examples
        --------
        >>> dv.use_cloudpickle()
        [None, None]
        """
        return self._use("cloudpickle")

    def use_pickle(self) -> Any:
        """Have the standard pickler make pickles of values, here and on the view's engines.

        Functions are still cloudpickle's, so those of a notebook can be sent.

        Examples
        --------
        >>> dv.use_pickle()
        [None, None]
        >>> dv.use_cloudpickle()
        [None, None]
        """
        return self._use("pickle")

    def use_dill(self) -> Any:
        """Have dill make pickles, here and on the view's engines.

        Raises
        ------
        ImportError
            It is not installed, here or there.

        Examples
        --------
        >>> dv.use_dill()
        [None, None]
        >>> dv.use_cloudpickle()
        [None, None]
        """
        return self._use("dill")

    def _use(self, name: Name) -> Any:
        use_pickler(name)
        return self.apply_sync(use_pickler, name)


class BroadcastView(DirectView):
    """A `DirectView` under ipyparallel's other name.

    Every view of ours sends one message, whatever the number of engines, and gets answers in
    batches; so ``is_coalescing`` is accepted and changes nothing.

    Parameters
    ----------
    client, targets
        As for `DirectView`.
    is_coalescing
        For ipyparallel's sake.

    Examples
    --------
    >>> rc.broadcast_view().apply_sync(pow, 2, 3)
    [8, 8]
    """

    flags: ClassVar[tuple[str, ...]] = (*DirectView.flags, "is_coalescing")

    is_coalescing = Flag[bool](
        "For ipyparallel's sake: answers come in batches anyway.",
        """>>> rc.broadcast_view(is_coalescing=True).is_coalescing
True""",
    )

    def __init__(
        self, client: ViewOwner, targets: Targets | None = "all", *, is_coalescing: bool = False
    ) -> None:
        super().__init__(client, targets)
        self.is_coalescing = is_coalescing

    def _facts(self, flags: Flags) -> Mapping[str, Any]:
        return {"is_broadcast": True, "is_coalescing": flags.is_coalescing}
