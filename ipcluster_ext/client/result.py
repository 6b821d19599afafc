"""Answers to come: futures of the standard library, over one task or many."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, overload

from ipcluster_ext.client.arguments import passes_plainly, stand_in
from ipcluster_ext.client.awaited import ReturnWhen
from ipcluster_ext.client.fulltext import full_text
from ipcluster_ext.client.outputs import show
from ipcluster_ext.client.parts import Source, connect, derive
from ipcluster_ext.client.redone import taken_over, tell_retried
from ipcluster_ext.client.remote import RemoteValue
from ipcluster_ext.client.shown import Shown
from ipcluster_ext.client.streaming import Streaming
from ipcluster_ext.protocol.ids import TaskId
from ipcluster_ext.protocol.messages import Cancel
from ipcluster_ext.protocol.standins import the_one
from ipcluster_ext.protocol.status import TaskStatus

if TYPE_CHECKING:
    from ipcluster_ext.display.stories import GroupBy

GRACES = (2.0, 2.0)
"""Seconds from KeyboardInterrupt to SIGTERM, and from that to SIGKILL, if nothing else is said."""


class Again(Protocol):
    """What submits the tasks of an answer again."""

    def __call__(
        self, places: list[int], *, instead: Callable[..., Any] | None = None
    ) -> "AsyncResult":
        """Submit those of some places (of a map: items), perhaps with another function."""


class AsyncResult(Shown):
    """The answer of one task, or of one task on each of several engines.

    A `concurrent.futures.Future`: `concurrent.futures.wait`, ``as_completed``,
    ``asyncio.wrap_future`` and ``await`` take it as it is. Values are unpickled when they are
    first asked for, on the thread that asks.

    Parameters
    ----------
    connection
        The client's wire.
    count
        How many tasks it stands for.
    single
        Whether the answer is the one task's value and not a list.
    label
        What the work is called.
    tasks
        The tasks, if others have made their ids.

    Attributes
    ----------
    label
        What the work is called; empty if it has no name.
    owner
        Whether the tasks are this client's own.
    return_exceptions
        Whether `get` returns exceptions among the values, if it is not told.
    again
        How to submit its tasks again; None if their arguments were not kept.

    Examples
    --------
    >>> ar = lv.submit(pow, 2, 3)
    >>> ar.result(), ar.done()
    (8, True)
    """

    _inner = frozenset({"again"})
    again: Again | None = None
    _parts: "tuple[AsyncResult, ...] | None" = None

    # ------------------------------------------------------------ waiting

    @overload
    def wait(self, timeout: float | None = -1, return_when: None = None) -> bool: ...

    @overload
    def wait(
        self, timeout: float | None, return_when: ReturnWhen
    ) -> "tuple[set[AsyncResult], set[AsyncResult]]": ...

    @overload
    def wait(
        self, timeout: float | None = -1, *, return_when: ReturnWhen
    ) -> "tuple[set[AsyncResult], set[AsyncResult]]": ...

    def wait(self, timeout: float | None = -1, return_when: ReturnWhen | None = None) -> Any:
        """Wait until the answer is there.

        Parameters
        ----------
        timeout
            In seconds; None or a negative number for ever.
        return_when
            Whether to return earlier: 'FIRST_COMPLETED' when a task has ended,
            'FIRST_EXCEPTION' when one has failed; 'ALL_COMPLETED' if not.

        Returns
        -------
        Whether it is there; with `return_when`, the tasks that have ended and those that have
        not, as sets of what `split` returns.

        Raises
        ------
        ValueError
            There is no such `return_when`.

        Examples
        --------
        >>> dv.apply_async(pow, 2, 3).wait(timeout=10)
        True
        >>> done, pending = dv.apply_async(pow, 2, 3).wait(return_when="ALL_COMPLETED")
        >>> len(done), len(pending)
        (2, 0)
        """
        if return_when is None:
            return self._wait_for_end(timeout)
        self._wait_when(timeout, return_when)
        parts = self.split()
        done = {part for part in parts if part.done()}
        return done, set(parts) - done

    def wait_for_output(self, timeout: float | None = -1) -> bool:
        r"""Wait until all output is there: it comes before the answer, so that will do.

        Returns
        -------
        Whether it is there before `timeout`, in seconds.

        Examples
        --------
        >>> ar = rc[0].apply_async(print, "hello")
        >>> ar.wait_for_output(10), ar.stdout
        (True, 'hello\n')
        """
        return self._wait_for_end(timeout)

    def wait_for_send(self, timeout: float | None = -1) -> bool:
        """Return True: arguments are copied before a call returns, and may be changed after it.

        Examples
        --------
        >>> lv.submit(sum, [1, 2]).wait_for_send()
        True
        """
        del timeout
        return self.sent

    @property
    def sent(self) -> bool:
        """Whether the arguments may be changed: always.

        Examples
        --------
        >>> lv.submit(sum, [1, 2]).sent
        True
        """
        return True

    # ------------------------------------------------------------ stopping

    def cancel(self) -> bool:
        """Cancel the tasks if none has begun, as the standard library's futures do.

        Returns
        -------
        True if none of them ran or will run; False if one runs or has ended.

        Raises
        ------
        ClientError
            The client is closed or has lost its hub.

        Examples
        --------
        >>> import time
        >>> busy, ar = rc[0].apply_async(time.sleep, 0.2), rc[0].apply_async(pow, 2, 3)
        >>> ar.cancel(), ar.cancelled()
        (True, True)
        """
        if self._has_begun():
            return self.cancelled()
        self.connection.check_waiting()
        ids = self._unended()
        reply = self.connection.request(lambda number: Cancel(ids, number))
        if len(reply.ids) < len(ids):
            return False
        self._wait_for_end(None)
        return self.cancelled()

    def abort(self) -> None:
        """Cancel those tasks that have not begun; the others go on.

        Raises
        ------
        RuntimeError
            All tasks have ended.
        ClientError
            The client is closed or has lost its hub.

        Examples
        --------
        >>> import time
        >>> ar = rc[[0, 0]].apply_async(time.sleep, 0.2)
        >>> ar.abort()
        >>> ar.wait(), ar.status[-1]
        (True, 'aborted')
        """
        if self.done():
            msg = "cannot abort: the tasks have ended"
            raise RuntimeError(msg)
        self.cancel_unbegun()

    def interrupt(self, escalate: bool | float | Sequence[float] = False) -> list[str]:
        """Stop the tasks, those that run as well: they get a `KeyboardInterrupt`.

        Parameters
        ----------
        escalate
            What follows where a task does not listen: its engine is asked to end (SIGTERM), is
            ended (SIGKILL), and comes back. True for after 2 s and 2 s more; a number of seconds
            for both spans; or the two spans. False for nothing.

        Returns
        -------
        The ids of those that were running, as far as was known here. Those that had not begun
        are cancelled.

        Examples
        --------
        >>> import time
        >>> ar = rc[0].apply_async(time.sleep, 60)
        >>> while not ar.running():
        ...     time.sleep(0.01)
        >>> ar.interrupt() == ar.msg_ids
        True
        >>> type(ar.exception()).__name__, ar.exception().ename
        ('RemoteError', 'KeyboardInterrupt')
        """
        graces: Sequence[float] = ()
        if isinstance(escalate, Sequence):
            graces = escalate
        elif escalate:
            graces = GRACES if escalate is True else (escalate, escalate)
        return self.stop(graces)

    # ------------------------------------------------------------ parts

    def split(self) -> "tuple[AsyncResult, ...]":
        """Return an answer for each task; the same ones each time.

        Examples
        --------
        >>> [part.get() for part in dv.apply_async(pow, 2, 3).split()]
        [8, 8]
        """
        if self._single:
            return (self,)
        with self._condition:  # two threads get the same ones
            if self._parts is None:
                parts = [
                    derive(AsyncResult, [(self, place)], single=True, label=self.label)
                    for place in range(len(self._outcomes))
                ]
                connect(parts)
                self._parts = tuple(parts)
        return self._parts

    @classmethod
    def join(cls, *results: "AsyncResult") -> "AsyncResult":
        """Return one answer for the tasks of several.

        Raises
        ------
        ValueError
            There is none.

        Examples
        --------
        >>> ipp.AsyncResult.join(lv.submit(abs, -1), dv.apply_async(abs, -2)).get()
        [1, 2, 2]
        """
        if not results:
            msg = "join() needs at least one result"
            raise ValueError(msg)
        sources = [(result, place) for result in results for place in range(result.count_tasks())]
        if not sources:
            return results[0]
        joined = derive(AsyncResult, sources, label=results[0].label)
        connect([joined])
        return joined

    def retry_failed(self, fn: Callable[..., Any] | None = None) -> "AsyncResult":
        """Submit the tasks that have failed once more, with the arguments they had.

        What somebody has run again already, with *Retry failed* in JupyterLab's panel or with
        `Client.resubmit`, is not run a second time if it goes on or has succeeded: its values
        become part of the answer. It was run as whole tasks, so of a map the other items of a
        chunk that failed have come anew there, but here keep the values that they had. What has
        failed once more is submitted, and so is everything if there is another function. What is
        submitted here the panel offers to nobody any more.

        Parameters
        ----------
        fn
            The function to call instead, mended; the same if not given.

        Returns
        -------
        An answer for all tasks, in which the values that are there are used again; this one, if
        none has failed so far.

        Raises
        ------
        ValueError
            The arguments were not kept, and nobody has run any of it again.
        ClientError
            The client is closed or has lost its hub.

        Examples
        --------
        >>> ar = lv.map_async(lambda x: 6 / x, [0, 1, 2])
        >>> ar.wait(), ar.retry_failed(lambda x: None).get()
        (True, [None, 6.0, 3.0])
        """
        failed = self._failed()
        if not failed:
            return self
        instead = self._taken_over(failed) if fn is None else {}
        left = [place for place in failed if place not in instead]
        if left and self.again is not None:
            retried = self.again(left, instead=fn)
            tell_retried(self._source(place) for place in left)
            instead.update((place, (retried, number)) for number, place in enumerate(left))
        if not instead:
            msg = f"the arguments of {self!r} were not kept; it cannot be run again"
            raise ValueError(msg)
        whole = self._with(instead)
        whole.again = self.again
        whole.return_exceptions = self.return_exceptions
        return whole

    def _failed(self) -> list[int]:
        """Return the places of the tasks that have failed so far."""
        ended = [(place, outcome) for place, outcome in enumerate(self._outcomes) if outcome]
        return [place for place, outcome in ended if outcome.item.status is not TaskStatus.DONE]

    def another(self, place: int, task: TaskId) -> "AsyncResult":
        """Return an answer for another try of one of its tasks, of the same kind."""
        del place
        return AsyncResult(self.connection, 1, single=True, label=self.label, tasks=[task])

    def _source(self, place: int) -> Source:
        """Return the answer that what is at a place came with, and its task's place there."""
        return self.root(place)

    def _taken_over(self, failed: list[int]) -> dict[int, Source]:
        """Return where the tasks stand that others have run again."""
        found = taken_over({place: self._source(place) for place in failed})
        return {place: (answer, 0) for place, answer in found.items()}

    def _with(self, instead: Mapping[int, Source]) -> "AsyncResult":
        """Return an answer with tasks of others at some places."""
        places = range(len(self._outcomes))
        sources: list[Source] = [instead.get(place, (self, place)) for place in places]
        whole = derive(AsyncResult, sources, single=self._single, label=self.label)
        connect([whole])
        return whole

    # ------------------------------------------------------------ output

    def display_outputs(self, groupby: "GroupBy" = "type", result_only: bool = False) -> None:
        """Show what the tasks wrote, displayed and returned as cells; wait for it if need be.

        Parameters
        ----------
        groupby
            'type': all of ``stdout``, then of ``stderr``, then displays, then values; 'engine':
            all of one engine after the other; 'order': text, then what was displayed first on
            each engine, then what was second, and so on.
        result_only
            Whether to show the values only.

        Raises
        ------
        ValueError
            There is no such grouping.

        Examples
        --------
        >>> dv.execute("print(6 * 7)").display_outputs()
        [stdout:0-1] 42
        """
        self._wait_for_end(None)
        show(self.all_metadata(), groupby, single=self._single, result_only=result_only)

    def stream_output(self, groupby: "GroupBy" = "order") -> Streaming:
        """Show what the tasks write and display while the ``with`` block goes on, as it comes.

        It belongs to the notebook's cell that asks for it, whatever runs meanwhile. What several
        engines say alike at the same time is shown once. Progress bars move in place, where the
        front end can do that. ``ar.stream_output().follow()`` waits for nothing and shows
        everything until all tasks have ended.

        Parameters
        ----------
        groupby
            'order': line by line, as it comes; 'type': in a block that changes in place, all of
            ``stdout``, then of ``stderr``, then displays and values; 'engine': likewise, one engine
            after the other. Where nothing can be changed in place, as in terminals, always as it
            comes.

        Raises
        ------
        ValueError
            There is no such grouping.

        Examples
        --------
        >>> ar = rc[0].apply_async(print, "hello")
        >>> with ar.stream_output():
        ...     _ = ar.wait()
        [stdout:0] hello
        """
        return Streaming(self, groupby)

    def full_output(self, stream: str = "stdout", timeout: float | None = None) -> Any:
        r"""Return all that the tasks wrote, also where ``stdout`` and ``stderr`` are cut.

        Of a task that printed more than some 100,000 lines the client is told no more than their
        beginning and end. All of it is kept on the engine's host as long as there is room and the
        cluster lives, and fetched from there, even while the task runs, or when it has failed.

        Parameters
        ----------
        stream
            'stdout' or 'stderr'.
        timeout
            How long to wait for the engine, in seconds; None for ever.

        Returns
        -------
        The text; a list where there are several tasks.

        Raises
        ------
        ClientError
            The text was cut, and what was left out is not there any more, or its engine is not.
        TimeoutError
            The engine has not answered in time.

        Examples
        --------
        >>> ar = rc[0].apply_async(lambda: print("x" * 2_000_000))
        >>> ar.wait(), len(ar.full_output())
        (True, 2000001)
        """
        texts = [
            full_text(*self.root(place), stream, timeout) for place in range(self.count_tasks())
        ]
        return texts[0] if self._single else texts

    # ------------------------------------------------------------ as an argument

    def remote(self) -> RemoteValue:
        """Return a handle of the value where it is: among arguments, it goes there directly.

        Examples
        --------
        >>> there = lv.submit(pow, 2, 3).remote()
        >>> lv.submit(sum, [there, 1]).get()
        9
        """
        return RemoteValue(self)

    def __reduce__(self) -> tuple[Any, ...]:
        """Stand for the value, where it is an argument of another task."""
        if self.sources:
            for source, index in self.sources:
                source.connection.lend([source.task_at(index)], source)
        else:
            self.connection.lend(map(self.task_at, range(len(self._outcomes))), self)
        return stand_in(self, self._maker())

    def _maker(self) -> Callable[[list[Any]], Any]:
        """Return what makes the answer of the values of its tasks, on an engine."""
        return the_one if self._single else list


passes_plainly(AsyncResult)
