"""The engines as a client knows them, and waiting for them."""

import threading
import time
from collections.abc import Iterable

from ipcluster_ext.errors import ClientError, EngineError
from ipcluster_ext.protocol.ids import EngineId
from ipcluster_ext.protocol.messages import EngineInfo
from ipcluster_ext.protocol.status import EngineStatus


class Roster:
    """Keeps what the hub says of engines, and wakes those who wait for a change."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._engines: dict[EngineId, EngineInfo] = {}
        self._failed: dict[EngineId, str] = {}
        self._ready: list[EngineId] = []
        self._hosts: frozenset[str] = frozenset()
        self._error: ClientError | None = None

    @property
    def ids(self) -> list[EngineId]:
        """The engines that are ready or about to come back, in order."""
        return list(self._ready)

    @property
    def hosts(self) -> frozenset[str]:
        """The hosts on which engines are."""
        return self._hosts

    def get(self, engine: EngineId) -> EngineInfo | None:
        """Return what is known of an engine, None if there is no such engine."""
        return self._engines.get(engine)

    def update(self, engines: Iterable[EngineInfo]) -> None:
        """Take news from the hub."""
        with self._changed:
            for info in engines:
                if info.status is EngineStatus.STOPPED:
                    known = self._engines.pop(info.id, None)
                    if known is not None and known.status is EngineStatus.STARTING:
                        self._failed[info.id] = info.reason
                else:
                    self._engines[info.id] = info
            self._ready = sorted(
                info.id for info in self._engines.values() if info.status is EngineStatus.READY
                or info.pid
            )  # fmt: skip
            self._hosts = frozenset(info.host for info in self._engines.values())
            self._changed.notify_all()

    def fail(self, error: ClientError) -> None:
        """Wake everybody who waits: nothing more will be heard."""
        with self._changed:
            self._error = error
            self._changed.notify_all()

    def wait_for(self, count: int, timeout: float | None) -> bool:
        """Wait until so many engines are ready.

        Returns
        -------
        Whether they are; False when the time, in seconds, is up.

        Raises
        ------
        EngineError
            An engine failed to start and will not be tried again.
        ClientError
            The hub is gone.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._changed:
            while self._count_ready() < count:
                if self._error is not None:
                    raise self._error
                if self._failed:
                    engine, reason = next(iter(self._failed.items()))
                    self._failed.clear()
                    msg = f"engine {engine} did not start: {reason}"
                    raise EngineError(msg)
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    return False
                self._changed.wait(left)
        return True

    def _count_ready(self) -> int:
        infos = self._engines.values()
        return sum(1 for info in infos if info.status is EngineStatus.READY)
