"""The engines as a client knows them, and waiting for them."""

import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from msgspec import structs

from ipcluster_ext.errors import ClientError, EngineError, PythonMismatch
from ipcluster_ext.protocol.ids import EngineId
from ipcluster_ext.protocol.parts import EngineInfo
from ipcluster_ext.protocol.status import EngineStatus

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
"""This process's version of Python, as engines tell theirs."""

_READY = EngineStatus.READY
_GONE = "it was gone when the hub had been started again"


class Watcher(Protocol):
    """Looks at the engines after each change of them."""

    def __call__(self, *, over: bool) -> None:
        """Look; ``over`` says that nothing more will be heard."""


class Roster:
    """Keeps what the hub says of engines, and wakes those who wait for a change.

    Parameters
    ----------
    python
        The version of Python that engines have to have.

    Attributes
    ----------
    mismatch
        Why nothing can be sent to engines: one of them has another Python. None if none has.
    watchers
        Called after each change, on the thread that hears of it.
    """

    def __init__(self, python: str = PYTHON) -> None:
        self._python = python
        self._changed = threading.Condition()
        self._engines: dict[EngineId, EngineInfo] = {}
        self._failed: dict[EngineId, str] = {}
        self._gone: list[EngineInfo] = []
        self._waiting = 0
        self._ready: list[EngineId] = []
        self._hosts: frozenset[str] = frozenset()
        self._error: ClientError | None = None
        self.mismatch: PythonMismatch | None = None
        self.watchers: list[Watcher] = []

    @property
    def ids(self) -> list[EngineId]:
        """The engines that are ready or about to come back, in order."""
        return list(self._ready)

    @property
    def unresponsive(self) -> list[EngineId]:
        """The engines that do not answer, in order."""
        infos = list(self._engines.values())
        return sorted(info.id for info in infos if info.status is EngineStatus.UNRESPONSIVE)

    @property
    def hosts(self) -> frozenset[str]:
        """The hosts on which engines are."""
        return self._hosts

    @property
    def infos(self) -> list[EngineInfo]:
        """What is known of each engine, in the order of their ids."""
        infos = list(self._engines.values())
        return sorted(infos, key=lambda info: info.id)

    @property
    def count_ready(self) -> int:
        """How many engines are ready."""
        infos = list(self._engines.values())
        return sum(1 for info in infos if info.status is _READY)

    @property
    def known(self) -> list[EngineId]:
        """All engines that there are, whatever they are doing, in order."""
        with self._changed:
            return sorted(self._engines)

    def get(self, engine: EngineId) -> EngineInfo | None:
        """Return what is known of an engine, None if there is no such engine."""
        return self._engines.get(engine)

    def update(self, engines: Iterable[EngineInfo]) -> None:
        """Take news from the hub."""
        with self._changed:
            for info in engines:
                if info.status is EngineStatus.STOPPED:
                    self._strike_off(info)
                else:
                    self._engines[info.id] = info
            infos = self._engines.values()
            self._ready = sorted(info.id for info in infos if _can_be_addressed(info))
            self._hosts = frozenset(info.host for info in infos)
            self.mismatch = self._find_mismatch()
            self._changed.notify_all()
        for watch in self.watchers:
            watch(over=False)

    def replace(self, engines: Sequence[EngineInfo]) -> None:
        """Take the whole list from a hub; what is not in it is gone."""
        with self._changed:
            there = {info.id for info in engines}
            gone = [
                structs.replace(info, status=EngineStatus.STOPPED, reason=_GONE)
                for info in self._engines.values()
                if info.id not in there
            ]
            self.update([*gone, *engines])

    def _strike_off(self, info: EngineInfo) -> None:
        known = self._engines.pop(info.id, None)
        if known is not None and known.status is EngineStatus.STARTING:
            self._failed[info.id] = info.reason
        elif known is not None and self._waiting and known.status is not EngineStatus.RETIRING:
            self._gone.append(info)  # nobody who waits counted on one that retires

    def _find_mismatch(self) -> PythonMismatch | None:
        for info in self._engines.values():
            if info.status is _READY and info.python not in {"", self._python}:
                return PythonMismatch(self._python, info.python, f"engine {info.id}")
        return None

    def fail(self, error: ClientError) -> None:
        """Wake everybody who waits: nothing more will be heard."""
        with self._changed:
            self._error = error
            self._changed.notify_all()
        for watch in self.watchers:
            watch(over=True)

    def wait_for(self, count: int, timeout: float | None) -> bool:
        """Wait until so many engines are ready.

        Returns
        -------
        Whether they are; False when the time, in seconds, is up.

        Raises
        ------
        EngineError
            An engine failed to start and will not be tried again, or left meanwhile for good.
        ClientError
            The hub is gone.
        """
        with self._changed:
            seen = len(self._gone)

            def enough() -> bool:
                if self.count_ready >= count:
                    return True
                self._check_failed()
                if len(self._gone) > seen:
                    gone = self._gone[seen]
                    msg = f"engine {gone.id} stopped meanwhile: {gone.reason or 'it was told to'}"
                    raise EngineError(msg)
                return False

            return self.wait_until(enough, timeout)

    def _check_failed(self) -> None:
        if self._failed:
            engine, reason = self._failed.popitem()
            self._failed.clear()
            msg = f"engine {engine} did not start: {reason}"
            raise EngineError(msg)

    def wait_until(self, condition: Callable[[], bool], timeout: float | None) -> bool:
        """Wait until a condition on the engines holds, which is looked at after each change.

        Returns
        -------
        Whether it holds; False when the time, in seconds, is up.

        Raises
        ------
        ClientError
            The hub is gone.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._changed:
            self._waiting += 1
            try:
                while not condition():
                    if self._error is not None:
                        raise self._error
                    left = None if deadline is None else deadline - time.monotonic()
                    if left is not None and left <= 0:
                        return False
                    self._changed.wait(left)
            finally:
                self._waiting -= 1
                if not self._waiting:
                    self._gone.clear()
        return True


def _can_be_addressed(info: EngineInfo) -> bool:
    """Tell whether an engine is ready or about to come back; one that retires takes no more."""
    if info.status is EngineStatus.RETIRING:
        return False
    return info.status in {_READY, EngineStatus.UNRESPONSIVE} or bool(info.pid)
