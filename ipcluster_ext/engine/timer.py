"""Calls that are due at a time, made on a thread of their own."""

import threading
import time
from collections.abc import Callable, Hashable
from typing import NamedTuple

from ipcluster_ext.engine.service import serve


class _Call(NamedTuple):
    when: float
    call: Callable[[], None]


class Timer:
    """Makes each of a few calls when its time has come.

    The thread begins with the first call. Setting a call wakes it only if that is due before all
    others, and clearing one never does: a task that ends long before its limit costs no wake-up.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition(threading.RLock())
        self._calls: dict[Hashable, _Call] = {}
        self._wakes_at = float("inf")
        self._running = False

    def set(self, key: Hashable, when: float, call: Callable[[], None]) -> None:
        """Have a call made; it replaces that of the same key.

        Parameters
        ----------
        key
            Under which it can be cleared.
        when
            By `time.monotonic`.
        call
            Must be quick and must not raise. Whoever sets or clears a call holds no lock that a
            call takes.
        """
        with self._changed:
            self._calls[key] = _Call(when, call)
            if not self._running:
                self._running = True
                serve(self._run, "ipcluster_ext-timer")
            elif when < self._wakes_at:
                self._changed.notify()

    def clear(self, key: Hashable) -> None:
        """Have a call not made, if it was not yet; it does not go on when this returns."""
        with self._changed:
            self._calls.pop(key, None)

    def _run(self) -> None:
        with self._changed:
            while True:
                now = time.monotonic()
                for key in [key for key, (when, _) in self._calls.items() if when <= now]:
                    self._calls.pop(key).call()
                self._wakes_at = min((when for when, _ in self._calls.values()), default=now + 60)
                self._changed.wait(max(0.0, self._wakes_at - now))
