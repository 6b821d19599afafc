"""What a client can do with engines: wait for them, start, stop, restart and signal them."""

import operator
import signal
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from typing import Any, Literal, overload

from ipcluster_ext.client.base import Base
from ipcluster_ext.client.options import check
from ipcluster_ext.client.requests import converted
from ipcluster_ext.client.targets import Targets
from ipcluster_ext.display.bars import bar, seen
from ipcluster_ext.errors import EngineError
from ipcluster_ext.protocol.ids import EngineId
from ipcluster_ext.protocol.messages import Steer, Steered
from ipcluster_ext.protocol.status import EngineStatus

_PATIENCE = 0.5
"""For how many seconds one waits without a bar."""
_LOOK_EVERY = 0.2


class Steering(Base, ABC):
    """The part of a client that looks after engines.

    Attributes
    ----------
    cluster
        The `Cluster` that started them, if this process did.
    """

    cluster: Any

    # ------------------------------------------------------------ waiting for them

    @overload
    def wait_for_engines(
        self,
        n: int | None = None,
        *,
        timeout: float | None = -1,
        block: Literal[True] = True,
        interactive: bool | None = None,
        widget: bool | None = None,
    ) -> None: ...

    @overload
    def wait_for_engines(
        self,
        n: int | None = None,
        *,
        timeout: float | None = -1,
        block: Literal[False],
        interactive: bool | None = None,
        widget: bool | None = None,
    ) -> "Future[None]": ...

    def wait_for_engines(
        self,
        n: int | None = None,
        *,
        timeout: float | None = -1,
        block: bool = True,
        interactive: bool | None = None,
        widget: bool | None = None,
    ) -> "Future[None] | None":
        """Wait until engines are ready.

        Parameters
        ----------
        n
            How many; as many as the cluster was started with if not given.
        timeout
            In seconds; None or a negative number for ever.
        block
            Whether to wait here; if not, a future is returned.
        interactive
            Whether to show a progress bar once that takes a while; only where somebody could see
            it move, if not given.
        widget
            Whether the bar is a widget, as notebooks can show them; found out if not given.

        Returns
        -------
        None, or the future.

        Raises
        ------
        TimeoutError
            There are fewer when the time is up; those that are ready can be used.
        EngineError
            One failed to start for good, or stopped meanwhile.

        Examples
        --------
        >>> rc.wait_for_engines(2, timeout=10)
        >>> rc.wait_for_engines(2, block=False).result(10)
        """
        count = operator.index(n) if n is not None else getattr(self.cluster, "n", None) or 1
        limit = None if timeout is None or timeout < 0 else timeout
        if not block:
            return _in_thread(lambda: self._wait_for_count(count, limit, shown=False))
        self.connection.check_waiting()
        shown = seen() if interactive is None else interactive
        self._wait_for_count(count, limit, shown=shown, widget=widget)
        return None

    def _wait_for_count(
        self, count: int, timeout: float | None, *, shown: bool, widget: bool | None = None
    ) -> None:
        roster = self.connection.roster
        patience = _PATIENCE if timeout is None else min(_PATIENCE, timeout)
        if not shown:
            enough = roster.wait_for(count, timeout)
        elif not (enough := roster.wait_for(count, patience)):
            left = None if timeout is None else timeout - patience
            enough = self._watch(count, left, widget=widget)
        if not enough:
            msg = (
                f"{roster.count_ready} of {count} engines are ready after {timeout} s; those can "
                "be used, and start_engines(n) starts more"
            )
            raise TimeoutError(msg)

    def _watch(self, count: int, timeout: float | None, *, widget: bool | None) -> bool:
        """Wait, showing how many engines there are."""
        roster = self.connection.roster
        rounds = None if timeout is None else int(timeout / _LOOK_EVERY)
        enough = False
        with bar(count, "engines", verb="ready", widget=widget) as shown:
            while not (enough or rounds == 0):
                enough = roster.wait_for(count, _LOOK_EVERY)
                shown.show(min(count, roster.count_ready), count, "")
                rounds = None if rounds is None else rounds - 1
        return enough

    # ------------------------------------------------------------ steering them

    def start_engines(
        self,
        n: int,
        *,
        resources: Mapping[str, float] | Iterable[str] | None = None,
        where: str = "",
    ) -> list[EngineId]:
        """Start more engines.

        Parameters
        ----------
        n
            How many.
        resources
            What each of them has, as ``{"gpu": 1}`` or ``["gpu"]``; what the cluster's others
            have if not given.
        where
            The set of engines to which they are added: its name, ``"local"`` for the hub's host;
            wherever there is room if empty.

        Returns
        -------
        Their ids; `wait_for_engines` waits for them.

        Raises
        ------
        EngineError
            The hub refused.

        Examples
        --------
        >>> more = rc.start_engines(1)
        >>> rc.wait_for_engines(3, timeout=60)
        >>> rc[more].apply_sync(pow, 2, 3)
        [8]
        >>> rc.stop_engines(more)
        """
        count, have = operator.index(n), dict(check("resources", resources))
        return steered(
            self.connection.request(
                lambda number: Steer(number, "start", [], count, 0, have, set=where)
            )
        )

    def stop_engines(self, targets: Targets = "all") -> None:
        """Stop engines for good; what they had not begun is done by others.

        Parameters
        ----------
        targets
            The engines.

        Raises
        ------
        NoSuchEngine
            One of them is not there; none is stopped then.

        Examples
        --------
        >>> more = rc.start_engines(1)
        >>> rc.wait_for_engines(3, timeout=60)
        >>> rc.stop_engines(more)
        """
        self._steer("stop", self._engines(targets), block=True)

    def restart_engines(self, targets: Targets = "all") -> None:
        """Replace engines' processes; they come back under their ids with empty namespaces.

        Parameters
        ----------
        targets
            The engines.

        Raises
        ------
        NoSuchEngine
            One of them is not there; none is restarted then.

        Examples
        --------
        >>> rc[1]["a"] = 5
        >>> rc.restart_engines([1])
        >>> rc[1].apply_sync(lambda: "a" in globals())
        False
        """
        self._steer("restart", self._engines(targets), block=True)

    def send_signal(
        self,
        sig: int | str,
        targets: Targets | None = None,
        block: bool | None = None,  # noqa: FBT001 - ipyparallel's signature
    ) -> "Future[list[EngineId]]":
        """Send a signal to engines; SIGINT interrupts the task that runs.

        Parameters
        ----------
        sig
            Its number, or its name, as ``'SIGINT'``.
        targets
            The engines; all if not given.
        block
            Whether to wait until the hub has passed it on; the client's `block` if not given.

        Returns
        -------
        A future of the engines' ids.

        Raises
        ------
        ValueError
            There is no such signal.
        NoSuchEngine
            There is no such engine.

        Examples
        --------
        >>> rc.send_signal("SIGCONT", targets=1, block=True).result()
        [1]
        """
        number = signal_number(sig)
        return self._steer("signal", self._engines(targets), signum=number, block=block)

    def _steer(
        self, action: str, engines: list[EngineId], *, signum: int = 0, block: bool | None = None
    ) -> "Future[list[EngineId]]":
        answer = self.connection.ask(lambda number: Steer(number, action, engines, 0, signum))
        return self._or_wait(converted(answer, steered), block=block)

    def shutdown(
        self,
        targets: Targets | None = "all",
        restart: bool = False,  # noqa: FBT001, FBT002 - ipyparallel's signature
        hub: bool = False,  # noqa: FBT001, FBT002 - ipyparallel's signature
        block: bool | None = None,  # noqa: FBT001 - ipyparallel's signature
    ) -> "Future[None]":
        """Stop engines, or the whole cluster.

        Parameters
        ----------
        targets
            The engines.
        restart
            Whether they come back, under their ids and with empty namespaces.
        hub
            Whether to stop everything: all engines, the hub and what watches them. This client
            cannot be used any more then.
        block
            Whether to wait until that is done; the client's `block` if not given.

        Returns
        -------
        A future, which ends when it is done.

        Raises
        ------
        NoSuchEngine
            One of the engines is not there.
        ValueError
            The hub cannot be restarted in place.

        Examples
        --------
        >>> import os
        >>> before = rc[1].apply_sync(os.getpid)
        >>> rc.shutdown(1, restart=True, block=True).done()
        True
        >>> rc[1].apply_sync(os.getpid) == before
        False
        """
        if hub and restart:
            msg = "a cluster cannot be restarted by its client; start a new one"
            raise ValueError(msg)
        if hub:
            return self._or_wait(_in_thread(self._stop_cluster), block=block)
        engines = self._engines(targets)
        before = {engine: self._pid(engine) for engine in engines}
        self._steer("restart" if restart else "stop", engines, block=True)
        over = self._have_come_back if restart else self._are_gone
        wait = self.connection.roster.wait_until

        def finish() -> None:
            wait(lambda: over(before), None)

        return self._or_wait(_in_thread(finish), block=block)

    @abstractmethod
    def _stop_cluster(self) -> None:
        """End the cluster, whoever started it."""

    def _pid(self, engine: EngineId) -> int:
        info = self.connection.roster.get(engine)
        return 0 if info is None else info.pid

    def _are_gone(self, before: dict[EngineId, int]) -> bool:
        return all(self.connection.roster.get(engine) is None for engine in before)

    def _have_come_back(self, before: dict[EngineId, int]) -> bool:
        infos = [(self.connection.roster.get(engine), pid) for engine, pid in before.items()]
        return all(
            info is None or (info.status is EngineStatus.READY and info.pid != pid)
            for info, pid in infos
        )


def steered(reply: Steered) -> list[EngineId]:
    """Return the engines that a request to do something with engines concerns.

    Raises
    ------
    EngineError
        The hub refused.
    """
    if reply.refused:
        raise EngineError(reply.refused)
    return list(reply.engines)


def signal_number(sig: int | str) -> int:
    """Return a signal's number.

    Raises
    ------
    ValueError
        There is no such signal.
    """
    known = {known.name: int(known) for known in signal.Signals}
    number = known.get(sig) if isinstance(sig, str) else operator.index(sig)
    if number not in signal.valid_signals():
        msg = f"there is no signal {sig!r}"
        raise ValueError(msg)
    return int(number)


def _in_thread(work: Callable[[], None]) -> "Future[None]":
    """Do work on a thread of its own, which does not keep the process from ending."""
    answer: Future[None] = Future()

    def run() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - it is the future's
            answer.set_exception(error)
        else:
            answer.set_result(None)

    threading.Thread(target=run, name="ipcluster_ext-wait", daemon=True).start()
    return answer
