"""The contract of `concurrent.futures.Executor`, kept by a view's engines.

Unlike a pool, an executor here owns no process: shutting it down ends its own tasks and leaves the
engines to others.
"""

import contextlib
import itertools
import operator
import secrets
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import BrokenExecutor, Future
from concurrent.futures import Executor as StandardExecutor
from functools import partial
from types import TracebackType
from typing import Any, SupportsIndex

from ipcluster_ext.client.balanced import LoadBalancedView
from ipcluster_ext.client.connection import NOBODY
from ipcluster_ext.client.direct import DirectView
from ipcluster_ext.client.opened import last_opened
from ipcluster_ext.client.preparing import Preparation
from ipcluster_ext.client.result import AsyncResult
from ipcluster_ext.client.targets import resolve
from ipcluster_ext.client.view import View
from ipcluster_ext.errors import ClientError, EngineLost
from ipcluster_ext.protocol.functions import pack
from ipcluster_ext.protocol.ids import TaskId
from ipcluster_ext.protocol.messages import Cancel

_CANCELLED_AT_ONCE = 10_000


class Executor(StandardExecutor):
    """Calls functions on engines, wherever a `concurrent.futures.Executor` is expected.

    May be used from any thread, as a context manager, as ``scheduler=`` of Dask, and with
    ``loop.run_in_executor``.

    Parameters
    ----------
    view
        Whose engines do the work, under its flags. Of a `DirectView` over several engines every
        one runs what is submitted and the future has a list; `map` deals items out nevertheless.
        If not given, all engines of the client that this process opened last, or else of this
        user's youngest cluster.
    max_workers
        How many of the view's engines to use; all if not given.
    initializer, initargs
        A function, and what to call it with: called once on each engine before any task, if the
        view is of all engines on those as well that start later. If it raises, tasks that have
        not ended fail with `concurrent.futures.BrokenExecutor`.

    Raises
    ------
    ValueError
        There can be no such number of engines.
    TypeError
        The initializer is not callable.
    ClientError
        No view was given, and no cluster is running.

    Examples
    --------
    >>> with ipp.Executor(lv) as executor:
    ...     executor.submit(pow, 2, 3).result(), list(executor.map(abs, [-1, -2]))
    (8, [1, 2])
    """

    def __init__(
        self,
        view: View | None = None,
        max_workers: int | None = None,
        *,
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
    ) -> None:
        _check_count("max_workers", max_workers)
        if initializer is not None:
            _check_callable(initializer)
        self._own_client: Any = None
        self._lock = threading.Lock()
        self._futures: set[AsyncResult] = set()
        self._closed = False
        self._broken: BaseException | None = None
        self._preparation: weakref.finalize[..., Executor] | None = None
        view = self._default_view() if view is None else view
        self.view = view if max_workers is None else balanced(view, max_workers)
        self._dealer = balanced(self.view)
        if initializer is not None and not _sets_a_progress_bars_lock(initializer):
            self._prepare(initializer, initargs)

    def _default_view(self) -> View:
        client = last_opened()
        if client is None:
            import ipcluster_ext  # the client knows the executor, not the other way round

            client = self._own_client = ipcluster_ext.Client()
        return LoadBalancedView(client)

    def __repr__(self) -> str:
        state = "shut down" if self._closed else f"{len(self._futures)} tasks"
        return f"<{type(self).__name__} of {self.view!r}: {state}>"

    @property
    def _max_workers(self) -> int:
        """How many tasks can run at once; Dask and others read it of any executor."""
        targets = self._dealer.targets
        return max(1, len(self._dealer.client.ids if targets is None else targets))

    def _prepare(self, initializer: Callable[..., object], initargs: tuple[Any, ...]) -> None:
        """Have engines run the initializer; they do so before what is sent to them later."""
        client, targets = self._dealer.client, self._dealer.targets
        engines = client.ids if targets is None else targets
        if targets is None:
            later = Preparation(client.connection, f"executor-{secrets.token_hex(4)}")
            later.keep(pack(initializer), engines, initargs, {})
            self._preparation = weakref.finalize(self, _cancel, later)
            self._preparation.atexit = False  # it ends with the client
        for engine in engines:
            done = DirectView(client, engine).apply_async(initializer, *initargs)
            done.add_done_callback(partial(_prepared, weakref.ref(self)))

    def _break(self, cause: BaseException) -> None:
        """Fail what has not ended and all that will be submitted: an engine is not as wished."""
        error = BrokenExecutor(f"the initializer failed: {cause}")
        error.__cause__ = cause
        with self._lock:
            self._broken = error
            futures = list(self._futures)
        for future in futures:
            if not future.done():
                future.withdraw()
                future.fail(error)

    # ------------------------------------------------------------ the contract

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> AsyncResult:
        """Have a function called.

        Parameters
        ----------
        fn
            Any callable that can be pickled.
        *args, **kwargs
            What to call it with.

        Returns
        -------
        The answer to come, a `concurrent.futures.Future`.

        Raises
        ------
        RuntimeError
            The executor has been shut down.
        BrokenExecutor
            The initializer failed.
        SerializationError
            The function or an argument cannot be pickled.

        Examples
        --------
        >>> from concurrent.futures import wait
        >>> done, left = wait([lv.executor.submit(pow, 2, n) for n in range(3)])
        >>> sorted(future.result() for future in done), left
        ([1, 2, 4], set())
        """
        self._check()
        return self._own(self.view.apply_async(fn, *args, **kwargs))

    def _check(self) -> None:
        if self._broken is not None:
            raise self._broken
        if self._closed:
            msg = "cannot schedule new futures after shutdown"
            raise RuntimeError(msg)

    def _own(self, future: AsyncResult) -> AsyncResult:
        """Keep a future until it is done."""
        with self._lock:
            self._futures.add(future)
            closed = self._closed
        future.add_done_callback(self._futures.discard)
        if closed:  # by another thread, meanwhile
            self._take_back([future])
            self._check()
        return future

    def map(
        self,
        fn: Callable[..., Any],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,
        buffersize: int | None = None,
    ) -> Iterator[Any]:
        """Call a function with the items of one or several iterables side by side.

        Parameters
        ----------
        fn
            Called with an item of each iterable, until the shortest ends.
        *iterables
            Read at once and as a whole, unless `buffersize` is given.
        timeout
            How many seconds from this call on a value may take to be there; None for ever.
        chunksize
            How many items make one task.
        buffersize
            How many tasks may be there whose values have not been yielded: so many are submitted
            at once, the others one by one, as values are taken. So infinite iterables are fine.

        Returns
        -------
        An iterator over the values, in the order of the items. Once it is closed, or has raised,
        the tasks that have not begun are cancelled.

        Raises
        ------
        ValueError
            `chunksize` or `buffersize` is not positive.
        TypeError
            `buffersize` is no integer.
        RuntimeError
            The executor has been shut down.
        TimeoutError
            From the iterator: a value was not there in time.
        Exception
            From the iterator: what the function raised, in the place of its chunk's values.

        Examples
        --------
        >>> import itertools
        >>> squares = lv.executor.map(pow, itertools.count(), itertools.repeat(2), buffersize=4)
        >>> [next(squares) for _ in range(4)]
        [0, 1, 4, 9]
        """
        _check_count("chunksize", chunksize)
        _check_count("buffersize", buffersize)
        self._check()
        deadline = None if timeout is None else time.monotonic() + timeout
        tasks = self._tasks(fn, zip(*iterables, strict=False), chunksize)
        begun: deque[AsyncResult] = deque()
        try:
            begun.extend(itertools.islice(tasks, buffersize))
        except BaseException:
            self._take_back(begun)
            raise
        values = self._values(begun, tasks, deadline)
        return values if chunksize == 1 else _joined(values)

    def _tasks(
        self, fn: Callable[..., Any], rows: Iterator[tuple[Any, ...]], chunksize: int
    ) -> Iterator[AsyncResult]:
        """Submit a task for each chunk, as the iterator is advanced."""
        while chunk := list(itertools.islice(rows, chunksize)):
            self._check()
            if chunksize == 1:
                yield self._own(self._dealer.apply_async(fn, *chunk[0]))
            else:
                columns = zip(*chunk, strict=True)
                yield self._own(self._dealer.map_async(fn, *columns, chunksize=chunksize))

    def _values(
        self, begun: deque[AsyncResult], tasks: Iterator[AsyncResult], deadline: float | None
    ) -> Generator[Any, None, None]:
        """Yield the values of the tasks that were begun, and of those that can be."""
        try:
            while begun:
                left = None if deadline is None else max(0.0, deadline - time.monotonic())
                ready = [begun[0].result(left)]
                begun.popleft()
                begun.extend(itertools.islice(tasks, 1))
                yield ready.pop()  # whoever takes it is the only one to have it
        finally:
            self._take_back(begun)

    def _take_back(self, futures: Iterable[AsyncResult]) -> None:
        """Have tasks cancelled that have not begun, without waiting for it."""
        ids = [
            TaskId(future.first + place)
            for future in futures
            if not future.done()
            for place in range(len(future.msg_ids))
        ]
        connection = self.view.client.connection
        with contextlib.suppress(ClientError):  # where the hub is gone, all have failed
            for start in range(0, len(ids), _CANCELLED_AT_ONCE):
                connection.say([Cancel(ids[start : start + _CANCELLED_AT_ONCE], NOBODY)])

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002 - the contract's
        """Take no more tasks. The engines go on; nothing happens the second time.

        Parameters
        ----------
        wait
            Whether to return only when all tasks have ended.
        cancel_futures
            Whether to cancel those that have not begun.

        Examples
        --------
        >>> executor = rc.executor()
        >>> future = executor.submit(abs, -1)
        >>> executor.shutdown()
        >>> future.done()
        True
        """
        with self._lock:
            self._closed = True
            futures = list(self._futures)
        if cancel_futures:
            self._take_back(futures)
        if self._preparation is not None:
            self._preparation()
        if wait:
            for future in futures:
                future.wait()
            if self._own_client is not None:
                self._own_client.close()

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        self.shutdown(wait=True)


ViewExecutor = Executor
"""ipyparallel's name for it."""


def balanced(view: View, count: int | None = None) -> LoadBalancedView:
    """Return a view for single tasks on a view's engines.

    Parameters
    ----------
    view
        A view of any kind.
    count
        How many of its engines to use; all of them if None.

    Returns
    -------
    The view itself where it will do; else a new one with the flags that both kinds have.
    """
    targets = getattr(view, "targets", None)
    if count is not None:
        targets = resolve("all" if targets is None else targets, view.client.ids)[0][:count]
    if isinstance(view, LoadBalancedView):
        return view if count is None else view.options(targets=targets)
    shared = (set(view.flags) & set(LoadBalancedView.flags)) - {"targets"}
    dealer = LoadBalancedView(view.client, targets)
    return dealer.options(**{name: getattr(view, name) for name in shared})


def _cancel(preparation: Preparation) -> None:
    with contextlib.suppress(ClientError):  # a client that is closed prepares nobody
        preparation.cancel()


def _prepared(reference: "weakref.ref[Executor]", result: "Future[Any]") -> None:
    """Look how an engine's set-up went; one that died with it is prepared when it is back."""
    executor = reference()
    if executor is None or result.cancelled():
        return
    error = result.exception()
    if isinstance(error, EngineLost) and executor._preparation is not None:  # noqa: SLF001 - see below
        return
    if error is not None:
        executor._break(error)  # noqa: SLF001 - a method that must not keep the executor alive


def _joined(chunks: Generator[list[Any], None, None]) -> Iterator[Any]:
    """Yield the values of chunks; closed, it closes their iterator."""
    with contextlib.closing(chunks):
        for chunk in chunks:
            chunk.reverse()
            while chunk:
                yield chunk.pop()


def _check_count(name: str, count: object) -> None:
    if count is None:
        return
    if not isinstance(count, SupportsIndex):
        msg = f"{name} must be an integer or None, not {count!r}"
        raise TypeError(msg)
    if operator.index(count) < 1:
        msg = f"{name} must be greater than 0, not {count}"
        raise ValueError(msg)


def _check_callable(initializer: object) -> None:
    if not callable(initializer):
        msg = f"initializer must be callable, not {initializer!r}"
        raise TypeError(msg)


def _sets_a_progress_bars_lock(initializer: Callable[..., object]) -> bool:
    """Tell tqdm's set-up of its own pools: its bar is here, and its lock cannot travel."""
    owner = getattr(initializer, "__self__", None)
    tqdm = sys.modules.get("tqdm")
    ours = tqdm is not None and isinstance(owner, type) and issubclass(owner, tqdm.tqdm)
    return ours and getattr(initializer, "__name__", "") == "set_lock"
