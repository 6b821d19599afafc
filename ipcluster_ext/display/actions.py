"""What buttons ask for: done on a thread of its own, and what became of it is said.

A press is handled while the kernel hears messages; so nothing may wait there, neither for a hub
nor for processes. Of several presses the first counts until it is done.
"""

import threading
from collections.abc import Callable
from typing import Any

from ipcluster_ext.errors import IpclusterError

Spawn = Callable[[Callable[[], None]], None]
"""Runs something without waiting for it."""
Say = Callable[..., None]
"""Shows a sentence; ``bad`` tells whether it is bad news."""


def in_thread(work: Callable[[], None]) -> None:
    """Run something on a thread of its own."""
    threading.Thread(target=work, name="ipcluster_ext-action", daemon=True).start()


class Actions:
    """Does one thing at a time.

    Parameters
    ----------
    say
        Shows a sentence, with ``bad=True`` if it is bad news.
    buttons
        What cannot be pressed meanwhile.
    spawn
        How work is begun.
    """

    def __init__(self, say: Say, *buttons: Any, spawn: Spawn = in_thread) -> None:
        self._say = say
        self._buttons = buttons
        self._spawn = spawn
        self._busy = threading.Lock()

    @property
    def busy(self) -> bool:
        """Whether something is being done."""
        return self._busy.locked()

    def do(self, doing: str, action: Callable[[], str], then: Callable[[], object] = bool) -> None:
        """Begin something, unless something is being done.

        Parameters
        ----------
        doing
            What is said meanwhile.
        action
            Does it, and returns what is said then.
        then
            Called once it has succeeded.
        """
        if not self._busy.acquire(blocking=False):
            return
        self._enable(on=False)
        self._say(f"{doing} …", bad=False)
        self._spawn(lambda: self._run(action, then))

    def _run(self, action: Callable[[], str], then: Callable[[], object]) -> None:
        said, bad = "", True
        try:
            said, bad = action(), False
        except (IpclusterError, OSError, RuntimeError, ValueError) as error:
            said = f"{type(error).__name__}: {error}"
        finally:
            self._enable(on=True)
            self._busy.release()
            if not bad:  # only now: what it offers can be done at once
                then()
            self._say(said, bad=bad)

    def _enable(self, *, on: bool) -> None:
        for button in self._buttons:
            button.disabled = not on
