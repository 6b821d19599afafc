"""A backend for joblib, and so for scikit-learn: tasks run on engines.

joblib cuts the work into batches and decides how large they are; a batch is one task of ours.
What can be told joblib's own processes means the same here: arrays of more than ``max_nbytes``
arrive read-only, ``inner_max_num_threads`` limits numerical libraries, and a parallel loop within
a task uses threads.
"""

import contextlib
import os
import sys
import weakref
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

from joblib import cpu_count
from joblib.parallel import (
    BACKENDS,
    AutoBatchingMixin,
    ParallelBackendBase,
    register_parallel_backend,
)

from ipcluster_ext.client.balanced import LoadBalancedView
from ipcluster_ext.client.connection import NOBODY
from ipcluster_ext.client.executor import balanced
from ipcluster_ext.client.opened import last_opened
from ipcluster_ext.client.result import AsyncResult
from ipcluster_ext.client.targets import resolve
from ipcluster_ext.client.view import View
from ipcluster_ext.errors import ClientError
from ipcluster_ext.integrations import batch
from ipcluster_ext.integrations.arrays import Gone, SharedArrays
from ipcluster_ext.integrations.keepers import Keepers
from ipcluster_ext.protocol.ids import EngineId
from ipcluster_ext.protocol.messages import Interrupt
from ipcluster_ext.transport.processes import CLUSTER_VARIABLE

if TYPE_CHECKING:
    from ipcluster_ext import Client, Cluster

NAMES = ("ipcluster_ext", "ipyparallel")
"""What joblib's users call the backend; the other package's is left to it if it is there."""
ENGINES_WITHIN = 60.0


def register(name: str = NAMES[0], *, make_default: bool = False, view: View | None = None) -> None:
    """Do what `ipcluster_ext.register_joblib_backend` does."""
    factory = IpclusterBackend if view is None else partial(IpclusterBackend, view=view)
    register_parallel_backend(name, factory, make_default=make_default)
    for other in NAMES if name in NAMES else ():
        taken = getattr(BACKENDS.get(other), "__module__", "")
        if other != name and not taken.startswith("ipyparallel."):
            register_parallel_backend(other, factory)


class IpclusterBackend(AutoBatchingMixin, ParallelBackendBase):  # type: ignore[misc]
    """Runs joblib's batches on engines.

    Parameters
    ----------
    view
        Whose engines, under its flags. If not given, those of the client that this process opened
        last, or else of this user's youngest cluster; if there is none, one is started at first
        use and stopped when this object is gone.
    nesting_level, inner_max_num_threads
        As for every backend of joblib.
    **flags
        Options of the view (see `LoadBalancedView.options`), as ``retries=2``.
    """

    supports_retrieve_callback = True
    supports_return_generator = True
    supports_timeout = True
    supports_inner_max_num_threads = True
    default_n_jobs = -1

    def __init__(
        self,
        view: View | None = None,
        *,
        nesting_level: int | None = None,
        inner_max_num_threads: int | None = None,
        **flags: Any,
    ) -> None:
        super().__init__(nesting_level=nesting_level, inner_max_num_threads=inner_max_num_threads)
        self._view = view
        self._flags = flags
        self._loan: _Loan | None = None
        self._parallel: Callable[[], Any] = _nothing
        self._dealer: LoadBalancedView | None = None
        self._arrays: SharedArrays | None = None
        self._errands: ThreadPoolExecutor | None = None
        self._calls = 0
        self._futures: set[AsyncResult] = set()
        self._threads: int | None = None
        self._read_only_above: int | None = None

    @property
    def parallel(self) -> Any:  # noqa: ANN401 - joblib is not typed
        """The `joblib.Parallel` at work; it knows this backend, which must not keep it alive."""
        return self._parallel()

    @parallel.setter
    def parallel(self, parallel: Any) -> None:  # noqa: ANN401 - joblib is not typed
        self._parallel = _nothing if parallel is None else weakref.ref(parallel)

    # ------------------------------------------------------------ what joblib asks before it begins

    def effective_n_jobs(self, n_jobs: int | None) -> int:
        """Return how many batches can run at once.

        Parameters
        ----------
        n_jobs
            As many as that; if negative, counted from all engines: -1 is all of them.

        Raises
        ------
        ValueError
            It is 0.
        """
        if n_jobs == 0:
            msg = "n_jobs == 0 in Parallel has no meaning"
            raise ValueError(msg)
        if n_jobs is None or n_jobs == 1 or (self._view is None and _on_an_engine()):
            return 1
        view = self._found()
        return _count(n_jobs, None if view is None else len(_engines(view)))

    def configure(
        self,
        n_jobs: int = 1,
        parallel: Any = None,  # noqa: ANN401 - joblib is not typed
        *,
        max_nbytes: int | None = None,
        mmap_mode: str | None = "r",
        **_options: Any,
    ) -> int:
        """Get ready for a `joblib.Parallel`; return how many batches can run at once."""
        self.parallel = parallel
        count = self.effective_n_jobs(n_jobs)
        if count == 1:  # joblib does everything here
            return 1
        view = self._found() or self._started(count)
        everybody = len(_engines(view))
        count = min(count, everybody)
        dealer = balanced(view, None if count == everybody else count)
        self._dealer = dealer.options(**self._flags)
        self._threads = self._inner_threads(count)
        self._read_only_above = max_nbytes if mmap_mode == "r" else None
        return count

    def _found(self) -> View | None:
        """Return the view to use, one of a cluster that runs if none was given."""
        if self._view is None:
            self._loan = next(iter(_loans), None)
            with contextlib.suppress(ClientError):
                client = _connected() if self._loan is None else self._loan.client
                self._view = client.load_balanced_view()
        return self._view

    def _started(self, count: int) -> View:
        """Start a cluster that lives as long as a backend uses it."""
        self._loan = _Loan(count)
        self._view = self._loan.client.load_balanced_view()
        return self._view

    def _inner_threads(self, count: int) -> int | None:
        """Return how many threads a numerical library may use in a task; None to leave it.

        Engines begin with one thread for each library. Where there are more processors than jobs,
        joblib's own processes would use them, unless the user's environment says otherwise.
        """
        if self.inner_max_num_threads is not None:
            return int(self.inner_max_num_threads)
        chosen = any(name in os.environ for name in self.MAX_NUM_THREADS_VARS)
        connection = None if self._dealer is None else self._dealer.client.connection
        here = connection is not None and connection.roster.hosts <= {connection.host}
        threads = cpu_count() // count
        return threads if threads > 1 and here and not chosen else None

    # ------------------------------------------------------------ while it runs

    def start_call(self) -> None:
        """Begin a run; others may be going on, as generators under one configuration share it."""
        self._calls += 1
        if self._calls > 1:
            return
        keepers = Keepers(self._running)
        self._arrays = SharedArrays(
            keepers.keep, keepers.drop, read_only_above=self._read_only_above
        )
        self._errands = ThreadPoolExecutor(1, thread_name_prefix="ipcluster_ext-joblib")

    def stop_call(self) -> None:
        """End a run; what all of them share ends with the last."""
        self._calls -= 1
        if self._calls > 0:
            return
        if self._arrays is not None:
            with contextlib.suppress(ClientError):  # those who keep arrays are gone
                self._arrays.end()
        if self._errands is not None:
            self._errands.shutdown(wait=False)
        self._arrays = self._errands = None

    @property
    def _running(self) -> LoadBalancedView:
        if self._dealer is None:
            msg = "the backend was not configured"
            raise RuntimeError(msg)
        return self._dealer

    def submit(
        self,
        func: Callable[[], list[Any]],
        callback: Callable[[Future[Any]], object] | None = None,
    ) -> Future[Any]:
        """Send a batch.

        Parameters
        ----------
        func
            The batch.
        callback
            Called with the future once it is done, on a thread that may wait: joblib takes the
            next tasks from the user's iterator there.

        Returns
        -------
        The answer to come. What cannot be sent is an answer, too: where joblib sends batches,
        nobody would hear of an exception.
        """
        future = self._sent(func, whole=False)
        future.add_done_callback(partial(self._hand_over, self._errands, func, callback))
        return future

    def _sent(self, func: Callable[[], list[Any]], *, whole: bool) -> Future[Any]:
        try:
            return self._send(func, whole=whole)
        except Exception as error:  # noqa: BLE001 - pickling runs the user's code
            future: Future[Any] = Future()
            future.set_exception(error)
            return future

    def _send(self, func: Callable[[], list[Any]], *, whole: bool) -> AsyncResult:
        if self._arrays is None:
            msg = "no run has begun"
            raise RuntimeError(msg)
        stream, buffers = self._arrays.ship(func, whole=whole)
        future = self._running.apply_async(batch.run, stream, buffers, self._threads)
        self._futures.add(future)
        future.add_done_callback(self._futures.discard)
        return future

    def _hand_over(
        self,
        errands: ThreadPoolExecutor | None,
        func: Callable[[], list[Any]],
        callback: Callable[[Future[Any]], object] | None,
        future: Future[Any],
    ) -> None:
        """Leave the thread that receives, unless the run is over."""
        if errands is not None:
            with contextlib.suppress(RuntimeError):  # it has been shut down: nobody waits
                errands.submit(self._arrived, func, callback, future)

    def _arrived(
        self,
        func: Callable[[], list[Any]],
        callback: Callable[[Future[Any]], object] | None,
        future: Future[Any],
    ) -> None:
        """Hand a batch's end over to joblib, or send it again with all its arrays."""
        if not future.cancelled() and isinstance(future.exception(), Gone):
            future = self._sent(func, whole=True)
            future.add_done_callback(partial(self._hand_over, self._errands, func, callback))
        elif callback is not None:
            callback(future)

    def retrieve_result_callback(self, out: Future[Any]) -> Any:  # noqa: ANN401 - the user's own
        """Return a batch's values, or raise what it raised."""
        return out.result()

    # ------------------------------------------------------------ the end

    def abort_everything(self, ensure_ready: bool = True) -> None:  # noqa: FBT001, FBT002 - joblib's signature
        """Stop what runs, and cancel what has not begun."""
        del ensure_ready
        ids = [future.first for future in list(self._futures) if not future.done()]
        if ids and self._dealer is not None:
            with contextlib.suppress(ClientError):
                self._dealer.client.connection.say([Interrupt(ids, NOBODY)])

    def terminate(self) -> None:
        """Leave everything as it was."""
        self.reset_batch_stats()


def _nothing() -> None:
    return None


_loans: "weakref.WeakSet[_Loan]" = weakref.WeakSet()
"""Those in use."""


class _Loan:
    """A cluster that was started because there was none, and that ends when nobody uses it.

    Parameters
    ----------
    count
        How many engines it gets.
    """

    def __init__(self, count: int) -> None:
        import ipcluster_ext  # rooms meet at the root only

        cluster = ipcluster_ext.Cluster(n=count)
        self.client = cluster.start_and_connect_sync()
        sys.stderr.write(
            f"ipcluster_ext: no cluster was running; started one with {count} engines for joblib, "
            "which ends with this use of it\n"
        )
        weakref.finalize(self, _stop, self.client, cluster)
        _loans.add(self)


def _connected() -> "Client":
    """Return a client of this process that is open, or connect to this user's youngest cluster."""
    import ipcluster_ext  # rooms meet at the root only

    client = last_opened()
    if client is None:
        client = ipcluster_ext.Client()
    client.wait_for_engines(1, timeout=ENGINES_WITHIN)
    return client


def _stop(client: "Client", cluster: "Cluster") -> None:
    client.close()
    cluster.stop_cluster_sync()


def _engines(view: View) -> list[EngineId]:
    """Return the engines of a view."""
    targets = getattr(view, "targets", None)
    return resolve("all" if targets is None else targets, view.client.ids)[0]


def _count(n_jobs: int, engines: int | None) -> int:
    """Return how many jobs a number in joblib's sense means."""
    if engines is None:
        return n_jobs if n_jobs > 0 else max(1, int(cpu_count()) + 1 + n_jobs)
    return min(n_jobs, engines) if n_jobs > 0 else max(1, engines + 1 + n_jobs)


def _on_an_engine() -> bool:
    return CLUSTER_VARIABLE in os.environ


register()
