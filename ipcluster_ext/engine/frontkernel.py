"""What an engine's kernel does otherwise than Jupyter's when front ends ask it something.

It may have no session, socket or history; it executes nothing itself (see `engine.visits`); and it
is asked on other threads than the main one.
"""

import fnmatch
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from ipykernel.ipkernel import IPythonKernel

_TAIL = 1000

Debug = Callable[[dict[str, Any]], Awaitable[Any]]


class FrontKernel(IPythonKernel):
    """An IPython kernel that front ends visit.

    Attributes
    ----------
    debug
        Answers a debugger's requests; None as long as no front end can ask.
    """

    debug: Debug | None = None

    @property
    def kernel_info(self) -> dict[str, Any]:
        """What front ends are told first; debugpy is not loaded for it."""
        from ipykernel._version import kernel_protocol_version

        return {
            "protocol_version": kernel_protocol_version,
            "implementation": self.implementation,
            "implementation_version": self.implementation_version,
            "language_info": self.language_info,
            "banner": self.banner,
            "help_links": self.help_links,
            "supported_features": ["debugger"] if find_spec("debugpy") is not None else [],
        }

    def set_parent(
        self, ident: list[bytes], parent: dict[str, Any], channel: str = "shell"
    ) -> None:
        """Take note of the request that the calling thread is busy with."""
        super(IPythonKernel, self).set_parent(ident, parent, channel)  # type: ignore[no-untyped-call]
        if channel == "shell" and threading.current_thread() is threading.main_thread():
            self._zmq_shell.set_parent(parent)

    @property
    def _zmq_shell(self) -> Any:
        return self.shell

    async def do_debug_request(self, msg: dict[str, Any]) -> Any:
        """Let a debugger do something."""
        return None if self.debug is None else await self.debug(msg)

    @contextmanager
    def asking(self, *, allowed: bool) -> Iterator[None]:
        """Have ``input()`` ask the front end whose cell runs, if it is ready to be asked."""
        self._forward_input(allow_stdin=allowed)  # type: ignore[no-untyped-call]
        try:
            yield
        finally:
            self._restore_input()  # type: ignore[no-untyped-call]

    def tidy_history(self) -> None:
        """Keep of the cells that ran no more than what users see of them."""
        manager = self._zmq_shell.history_manager
        manager.db_input_cache.clear()
        manager.outputs.clear()

    async def do_history(
        self,
        hist_access_type: str,
        output: bool,  # noqa: FBT001 - Jupyter's signature
        raw: bool,  # noqa: FBT001
        session: int = 0,
        start: int = 0,
        stop: int | None = None,
        n: int | None = None,
        pattern: str | None = None,
        unique: bool = False,  # noqa: FBT001, FBT002
    ) -> dict[str, Any]:
        """Return cells of this life of the engine; there is no other history."""
        manager = self._zmq_shell.history_manager
        cells = list(enumerate(manager.input_hist_raw if raw else manager.input_hist_parsed))[1:]
        if hist_access_type == "range":
            end = len(cells) + 1 if stop is None else stop
            cells = [cell for cell in cells if start <= cell[0] < end] if session == 0 else []
        elif hist_access_type == "search":
            cells = [cell for cell in cells if fnmatch.fnmatchcase(cell[1], pattern or "*")]
            if unique:
                cells = sorted({source: (number, source) for number, source in cells}.values())
        cells = cells[-(n or _TAIL) :]
        if not output:
            return {"status": "ok", "history": [(0, number, source) for number, source in cells]}
        values = self._zmq_shell.user_ns.get("_oh", {})
        return {
            "status": "ok",
            "history": [
                (0, number, (source, repr(values[number]) if number in values else None))
                for number, source in cells
            ],
        }
