"""What a view does beside calling: ask and tell its client about its engines and its tasks."""

from abc import abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, cast

from ipcluster_ext.client.activating import activate
from ipcluster_ext.client.flags import Flagged
from ipcluster_ext.client.functional import ParallelFunction, RemoteFunction, parallel, remote
from ipcluster_ext.client.targets import Targets

if TYPE_CHECKING:
    from ipcluster_ext import DirectView

# ruff: noqa: FBT001, FBT002 - ipyparallel's signatures, which users call by position

Jobs = Any
"""Tasks as users name them: an answer, an id, or several."""


class Housekeeping(Flagged):
    """What a view says to its client, about its own engines and tasks."""

    client: Any
    """Whose view it is."""
    balanced: ClassVar[bool]

    # ------------------------------------------------------------ tasks

    @property
    @abstractmethod
    def history(self) -> list[str]:
        """The ids of the tasks that this view has submitted, the oldest first."""

    @property
    @abstractmethod
    def outstanding(self) -> set[str]:
        """The ids of those among them that have not ended."""

    @property
    def results(self) -> Any:
        """The client's results, by task id.

        Examples
        --------
        >>> answer = lv.submit(abs, -1)
        >>> answer.wait()
        True
        >>> lv.results[answer.msg_ids[0]]
        1
        """
        return self.client.results

    def wait(self, jobs: Jobs | None = None, timeout: float | None = -1) -> bool:
        """Wait until tasks have ended.

        Parameters
        ----------
        jobs
            Answers or ids, or several of them; all that this view has submitted if not given.
        timeout
            In seconds; None or a negative number for ever.

        Returns
        -------
        Whether all of them have ended.

        Examples
        --------
        >>> answer = dv.apply_async(abs, -1)
        >>> dv.wait()
        True
        """
        waited = sorted(self.outstanding) if jobs is None else jobs
        return bool(self.client.wait(waited, timeout))

    def get_result(
        self, indices_or_msg_ids: Any = None, block: bool | None = None, owner: bool = False
    ) -> Any:
        """Return the answer of tasks by their ids, or by their places in this view's history.

        Parameters
        ----------
        indices_or_msg_ids
            A place or an id, or several; the last task if not given.
        block
            Whether to wait for it; the view's `block` if not given.
        owner
            For ipyparallel's sake; answers are kept as long as somebody holds them.

        Returns
        -------
        The answer; an `AsyncHubResult` if another client has submitted the tasks.

        Raises
        ------
        UnknownTask
            There is no such task, or its result is not kept any more.
        IndexError
            The view's history is shorter.

        Examples
        --------
        >>> answer = rc[0].apply_async(abs, -1)
        >>> rc[0].get_result(answer.msg_ids).get()
        [1]
        """
        jobs = -1 if indices_or_msg_ids is None else indices_or_msg_ids
        if isinstance(jobs, slice | int):
            jobs = self.history[jobs]
        elif isinstance(jobs, list | tuple):
            history = self.history if any(isinstance(job, int) for job in jobs) else []
            jobs = [history[job] if isinstance(job, int) else job for job in jobs]
        return self.client.get_result(jobs, block=self._blocks(block), owner=owner)

    def abort(
        self, jobs: Jobs | None = None, targets: Targets | None = None, block: bool | None = None
    ) -> Any:
        """Cancel tasks that have not begun; those that run go on.

        Parameters
        ----------
        jobs
            As for `wait`.
        targets
            Only those of these engines.
        block
            Whether to wait until it is known which will never run; the view's `block` if not
            given.

        Returns
        -------
        A future of the ids of those that will never run.

        Examples
        --------
        >>> import time
        >>> view = rc.direct_view(0)
        >>> busy, late = view.apply_async(time.sleep, 0.2), view.apply_async(abs, -1)
        >>> view.abort(late, block=True).result() == late.msg_ids
        True
        """
        aborted = sorted(self.outstanding) if jobs is None else jobs
        return self.client.abort(aborted, targets=targets, block=self._blocks(block))

    def purge_results(self, jobs: Any = (), targets: Any = ()) -> None:
        """Forget tasks, here and in the hub, by their ids or by the engines that ran them.

        Parameters
        ----------
        jobs
            Answers or ids, or several of them; ``'all'`` for all of the client's that have ended.
        targets
            Also all ended tasks of these engines.

        Raises
        ------
        RuntimeError
            Some of them have not ended; nothing is forgotten then.
        UnknownTask, NoSuchEngine
            There is no such task or engine.

        Examples
        --------
        >>> answer = lv.submit(abs, -1)
        >>> answer.wait()
        True
        >>> lv.purge_results(answer)
        """
        self.client.purge_results(jobs, targets)

    def spin(self) -> None:
        """Hear what has come; nobody needs to, and ipyparallel had it once.

        Examples
        --------
        >>> lv.spin()
        """
        self.client.connection.catch_up()

    def _blocks(self, block: bool | None) -> bool:
        return self.now().block if block is None else block

    # ------------------------------------------------------------ engines

    def _addressed(self, targets: Targets | None) -> Any:
        own = self.now().targets if targets is None else targets
        return "all" if own is None else own

    def queue_status(self, targets: Targets | None = None, verbose: bool = False) -> Any:
        """Return how many tasks each of the view's engines has; see the client's.

        Examples
        --------
        >>> dv.wait(), rc[0].queue_status()["tasks"]
        (True, 0)
        """
        return self.client.queue_status(self._addressed(targets), verbose=verbose)

    def shutdown(
        self,
        targets: Targets | None = None,
        restart: bool = False,
        hub: bool = False,
        block: bool | None = None,
    ) -> Any:
        """Stop the view's engines, or restart them; with the hub, the whole cluster.

        Parameters
        ----------
        targets
            Other engines than the view's.
        restart, hub, block
            As for `Client.shutdown`; waits as the view's `block` says if not given.

        Returns
        -------
        A future, which ends when it is done.

        Raises
        ------
        NoSuchEngine, ValueError
            As for `Client.shutdown`.

        Examples
        --------
        >>> rc[1].shutdown(restart=True, block=True).done()
        True
        """
        return self.client.shutdown(
            self._addressed(targets), restart=restart, hub=hub, block=self._blocks(block)
        )

    def activate(self, suffix: str = "") -> Any:
        """Have ``%px`` and its kin address this view's engines; does nothing outside IPython.

        Parameters
        ----------
        suffix
            What the names of the magics end with: with ``"_one"``, ``%px_one`` and ``%%px_one``
            are this view's, and ``%px`` stays what it was.

        Returns
        -------
        The view that they use: this one, so what is set here holds for them, too. If the hub
        chooses this view's engines, one that addresses them all.

        Examples
        --------
        >>> view = rc[0]
        >>> view.block = True
        >>> view.activate(suffix="_one") is view
        True
        """
        if self.balanced:
            return self.client.activate(self._addressed(None), suffix)
        activate(cast("DirectView", self), suffix)
        return self

    # ------------------------------------------------------------ decorators

    def remote(
        self, block: bool | None = None, **flags: Any
    ) -> Callable[[Callable[..., Any]], RemoteFunction]:
        """Decorate a function to run on this view's engines; see `ipcluster_ext.remote`.

        Examples
        --------
        >>> @dv.remote(block=True)
        ... def double(x):
        ...     return 2 * x
        >>> double(4)
        [8, 8]
        """
        return remote(self, block=block, **flags)  # type: ignore[arg-type] # a view has it all

    def parallel(
        self, dist: str = "b", block: bool | None = None, **flags: Any
    ) -> Callable[[Callable[..., Any]], ParallelFunction]:
        """Decorate a function to be called with parts; see `ipcluster_ext.parallel`.

        Examples
        --------
        >>> @dv.parallel(block=True)
        ... def doubled(xs):
        ...     return [2 * x for x in xs]
        >>> doubled([1, 2, 3])
        [2, 4, 6]
        """
        return parallel(self, dist=dist, block=block, **flags)  # type: ignore[arg-type] # likewise
