"""Where it goes what code writes and displays, if not to the client of its task.

Nothing of this is in the way of an engine until somebody wants something elsewhere.
"""

import sys
from collections.abc import Callable
from typing import Any, Protocol, TextIO, cast

from ipcluster_ext.engine.kernel import EngineKernel
from ipcluster_ext.protocol.displays import Event


class Sink(Protocol):
    """Takes what code writes and displays."""

    def write(self, stream: str, text: str) -> None:
        """Take text, of ``'stdout'`` or ``'stderr'``."""

    def show(self, event: Event) -> None:
        """Take what is displayed, changed or cleared (`protocol.displays`)."""

    def flush(self) -> None:
        """Have what was taken be seen."""


Finder = Callable[[], Sink | None]
"""Returns who takes what the calling code writes; None for nobody in particular."""


class Redirects:
    """Asks whoever may want it about each piece of output.

    Parameters
    ----------
    kernel
        The engine's kernel.
    """

    def __init__(self, kernel: EngineKernel) -> None:
        self._kernel = kernel
        self._finders: list[Finder] = []

    def add(self, find: Finder) -> None:
        """Ask one more, before all others; from the first one on, output is looked at."""
        if not self._finders:
            self._install()
        self._finders.insert(0, find)

    def find(self) -> Sink | None:
        """Return who takes what the calling code writes."""
        for find in self._finders:
            if (sink := find()) is not None:
                return sink
        return None

    def _install(self) -> None:
        sys.stdout = cast("TextIO", _Stream(sys.stdout, "stdout", self.find))
        sys.stderr = cast("TextIO", _Stream(sys.stderr, "stderr", self.find))
        publisher = self._kernel.publisher
        otherwise = publisher.pass_on

        def pass_on(event: Event) -> bool:
            sink = self.find()
            if sink is None:
                return otherwise is not None and otherwise(event)
            sink.show(event)
            return True

        publisher.pass_on = pass_on


class _Stream:
    """A standard stream that asks for each text who takes it."""

    def __init__(self, inner: TextIO, name: str, find: Finder) -> None:
        self._inner = inner
        self._name = name
        self._find = find

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def write(self, text: str) -> int:
        sink = self._find()
        if sink is None or not isinstance(text, str):
            return self._inner.write(text)
        sink.write(self._name, text)
        return len(text)

    def writelines(self, lines: list[str]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        sink = self._find()
        if sink is not None:
            sink.flush()
        self._inner.flush()
