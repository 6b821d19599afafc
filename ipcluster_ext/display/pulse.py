"""One thread for whatever is shown live: it looks ten times a second, while something is.

Nothing runs while nothing is shown, and one thread will do for any number of bars and cards. What
it calls must not wait for anything.
"""

import logging
import threading
import time
from collections.abc import Callable

EVERY = 0.1
"""Seconds between two looks."""

log = logging.getLogger(__name__)

Beat = Callable[[], bool]
"""Is called at each look; returns whether it wants to be called again."""


class Pulse:
    """Calls those who want to be called, on a thread that lives only as long as there are any.

    Parameters
    ----------
    every
        Seconds between two calls.
    """

    def __init__(self, every: float = EVERY) -> None:
        self._every = every
        self._beats: dict[Beat, object] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def add(self, beat: Beat) -> None:
        """Call somebody from now on; whoever is called already is not called twice."""
        with self._lock:
            self._beats[beat] = object()
            if self._thread is None or not self._thread.is_alive():  # none, or a fork's parent's
                self._thread = threading.Thread(
                    target=self._run, name="ipcluster_ext-display", daemon=True
                )
                self._thread.start()

    def remove(self, beat: Beat) -> None:
        """Call somebody no more; nothing happens if nobody was."""
        with self._lock:
            self._beats.pop(beat, None)

    def __contains__(self, beat: Beat) -> bool:
        with self._lock:
            return beat in self._beats

    @property
    def idle(self) -> bool:
        """Whether nobody wants to be called, and so no thread runs."""
        with self._lock:
            return self._thread is None

    def _run(self) -> None:
        while True:
            with self._lock:
                beats = list(self._beats.items())
                if not beats:
                    self._thread = None
                    return
            for beat, since in beats:
                if not self._call(beat):
                    self._dismiss(beat, since)
            time.sleep(self._every)

    def _dismiss(self, beat: Beat, since: object) -> None:
        """Call somebody no more, unless it was added anew meanwhile."""
        with self._lock:
            if self._beats.get(beat) is since:
                del self._beats[beat]

    def _call(self, beat: Beat) -> bool:
        try:
            return beat()
        except Exception:  # one card that cannot be drawn must not stop all others
            log.exception("something shown live is not, any more")
            return False


PULSE = Pulse()
"""The one of this process."""
