"""A debugger for the cells of front ends: debugpy, loaded when one first asks for it.

debugpy speaks TCP only: it listens at a port of the loopback interface from then on.
"""

import asyncio
import shutil
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from jupyter_client.session import Session

from ipcluster_ext.engine.frontkernel import FrontKernel
from ipcluster_ext.engine.service import spare_ours
from ipcluster_ext.transport.kerneldoors import Stream

_NEEDED_BEFORE = "initialize"


class Debugging:
    """Answers what debuggers ask, as ipykernel does.

    Parameters
    ----------
    kernel
        The kernel.
    session
        Of its front ends.
    prepare
        Starts what threads of the engine there may be later.
    loaded
        Called when debugpy listens.
    """

    def __init__(
        self,
        kernel: FrontKernel,
        session: Session,
        *,
        prepare: Callable[[], object],
        loaded: Callable[[], None],
    ) -> None:
        self._prepare = prepare
        self._loaded = loaded
        self._kernel = kernel
        self._session = session
        self._stream: Stream | None = None
        self._debugger: Any = None
        self._folder: Path | None = None
        self._watching: asyncio.Task[None] | None = None

    def hear(self, stream: Stream) -> None:
        """Have a socket to debugpy, of the loop on which `answer` is awaited."""
        self._stream = stream
        stream.on_recv(self._pass_on)

    def close(self) -> None:
        """Delete the cells that were written to files to stop in them."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    async def answer(self, request: dict[str, Any]) -> Any:
        """Do what a debugger asks; None where there is no debugpy."""
        if self._debugger is None and not self._load():
            return None
        if request.get("command") == _NEEDED_BEFORE:
            self._listen()
        return await self._debugger.process_request(request)

    def _load(self) -> bool:
        debugger = import_module("ipykernel.debugger")  # anew: it was hidden as engines were built
        if not debugger._is_debugpy_available:  # noqa: SLF001 - nothing else tells
            return False
        kernel = self._kernel
        self._debugger = debugger.Debugger(
            kernel.log,
            self._stream,
            kernel._publish_debug_event,  # noqa: SLF001 - what ipykernel gives its debugger
            None,
            self._session,
            kernel._kernel_modules,  # noqa: SLF001 - as before
            kernel.debug_just_my_code,
            kernel.filter_internal_frames,
        )
        self._watching = asyncio.get_running_loop().create_task(self._watch())
        return True

    def _listen(self) -> None:
        """Have debugpy listen: here, as the main thread may be busy for long."""
        debugger = self._debugger
        if debugger.debugpy_initialized:
            return
        self._prepare()
        spare_ours()
        import debugpy
        from ipykernel.compiler import get_tmp_directory

        self._folder = Path(get_tmp_directory())  # type: ignore[no-untyped-call]
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        host, port = debugger.debugpy_client.get_host_port()
        debugpy.listen((host, int(port)))
        debugger.debugpy_initialized = True
        self._loaded()

    async def _watch(self) -> None:
        while True:
            await self._debugger.handle_stopped_event()

    def _pass_on(self, frames: list[bytes]) -> None:
        """Give the debugger what debugpy says."""
        if self._debugger is not None:
            self._debugger.debugpy_client.receive_dap_frame(frames[1].decode())
