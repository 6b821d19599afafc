"""An engine that Jupyter's front ends can enter: opened on demand, closed with the engine.

Until then there is no thread, socket or file for it. What is heard is heard on threads of its own
(one for what looks, one for what interrupts and debugs), so it waits for no task; what is done in
the namespace is done by the main thread, in turn (see `engine.reception`).
"""

import asyncio
import atexit
import logging
import os
import threading
from collections.abc import Callable, Sequence
from contextvars import Context
from pathlib import Path
from typing import Any

from ipykernel.thread import CONTROL_THREAD_NAME
from jupyter_client.session import Session

from ipcluster_ext.engine.current import belong_to_nobody
from ipcluster_ext.engine.debugging import Debugging
from ipcluster_ext.engine.insides import Insides
from ipcluster_ext.engine.kernel import EngineKernel
from ipcluster_ext.engine.outbox import Outbox
from ipcluster_ext.engine.reception import Reception
from ipcluster_ext.engine.service import spare
from ipcluster_ext.engine.visits import Visits, perform, receive
from ipcluster_ext.transport.kerneldoors import KernelDoors, stream_of

LABEL = "a front end's"
"""What the history calls what front ends have done here."""
_SHELL_THREAD_NAME = "Shell channel"
_GOES_OUT_WITHIN = 0.5


class Loop(threading.Thread):
    """A thread with an event loop, which no debugger stops.

    Parameters
    ----------
    name
        What it is called.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self.loop = asyncio.new_event_loop()
        spare(self)

    def run(self) -> None:
        """Run the loop for ever."""
        asyncio.set_event_loop(self.loop)
        belong_to_nobody()
        self.loop.run_forever()

    def call(self, function: Callable[[], Any]) -> None:
        """Call a function there, and wait until it returns."""
        done = threading.Event()

        def do() -> None:
            function()
            done.set()

        self.loop.call_soon_threadsafe(do)
        done.wait()


class EngineHost:
    """The engine, as front ends need it.

    Parameters
    ----------
    insides
        The engine.
    visits
        What runs for front ends.
    """

    def __init__(self, insides: Insides, visits: Visits) -> None:
        self._engine = insides
        self._visits = visits

    def submit(self, number: int, done: Callable[[], object]) -> Callable[[], object]:
        """Have a visit done as a task; see `reception.Host`.

        Raises
        ------
        IpclusterError
            The hub is not there.
        """

        def say() -> Any:
            belong_to_nobody()  # it is no part of the task that runs at the moment
            view = self._engine.client().direct_view(int(self._engine.engine), label=LABEL)
            return view.apply_async(perform, number)

        answer = Context().run(say)
        answer.add_done_callback(lambda _: done())
        return lambda: answer.abort()

    def interrupt(self) -> None:
        """Interrupt the front ends' cell that runs; without one, the task that runs."""
        running = list(self._visits.running)
        current = self._engine.current.main_task()
        task = running[-1] if running else current
        if task is not None:
            self._engine.interrupts.want(task, KeyboardInterrupt())

    def end(self, *, restart: bool) -> None:
        """Have the agent stop this engine, or start it again."""
        client, engine = self._engine.client(), int(self._engine.engine)
        steer = client.restart_engines if restart else client.stop_engines
        threading.Thread(target=steer, args=(engine,), daemon=True).start()


class OpenDoors:
    """An engine's kernel, open to front ends.

    Parameters
    ----------
    insides
        The engine.
    may_end
        Whether front ends may stop and restart it.

    Attributes
    ----------
    path
        The connection file.
    outbox
        What all front ends hear.
    visits
        What runs for front ends.

    Raises
    ------
    ClusterError
        The cluster's folder will not do.
    """

    def __init__(self, insides: Insides, *, may_end: bool) -> None:
        kernel = insides.kernel
        self._pid = os.getpid()
        self._doors = doors = KernelDoors(insides.folder, insides.engine)
        self.path = doors.path
        self._shell, self._control = Loop(_SHELL_THREAD_NAME), Loop(CONTROL_THREAD_NAME)
        session = Session(key=doors.key, signature_scheme="hmac-sha256")
        self.outbox = Outbox(session, self._control.loop, self._publish)
        self.visits = Visits(kernel, self.outbox, insides.current)
        host = EngineHost(insides, self.visits)
        self._reception = Reception(
            kernel, session, self.outbox, self.visits, host=host, may_end=may_end
        )
        self._debugging = Debugging(
            kernel, session, prepare=insides.client, loaded=self._be_first_to_close
        )
        kernel.debug = self._debugging.answer
        self._take_kernel(kernel, session, insides)
        for thread in (self._control, self._shell):
            thread.start()
        self._control.call(self._hear_control)
        self._shell.call(self._hear_shell)
        atexit.register(self.close)

    def _be_first_to_close(self) -> None:
        """Close before debugpy does at the engine's end, which may be killed while it tries."""
        atexit.unregister(self.close)
        atexit.register(self.close)

    def _take_kernel(self, kernel: EngineKernel, session: Session, insides: Insides) -> None:
        """Have the kernel answer, and what front ends' cells show go to them."""
        kernel.session, kernel.log = session, logging.getLogger("ipykernel")
        kernel.iopub_socket, kernel.stdin_socket = self.outbox, self._doors.stdin
        kernel.displayhook.pass_on = self.visits.take_result
        insides.comms.outbox, insides.comms.visit = self.outbox, self.visits.request
        insides.redirects.add(self.visits.find)
        receive(self.visits)

    def _hear_control(self) -> None:
        self._iopub = stream_of(self._doors.iopub)
        self._iopub.on_recv(self._welcome)
        control = stream_of(self._doors.control)
        control.on_recv(lambda frames: self._reception.hear_control(control, frames), copy=False)
        self._debugging.hear(stream_of(self._doors.debugger))

    def _hear_shell(self) -> None:
        shell = stream_of(self._doors.shell)
        shell.on_recv(lambda frames: self._reception.hear_shell(shell, frames), copy=False)

    def _publish(self, frames: Sequence[Any]) -> None:
        self._iopub.send_multipart(frames)

    def _welcome(self, frames: Sequence[bytes]) -> None:
        """Tell a front end that begins to listen that it is heard, as Jupyter's kernels do."""
        for frame in frames:
            if frame[:1] == b"\x01":
                topic = frame[1:].decode(errors="replace")
                self.outbox.publish("iopub_welcome", {"subscription": topic}, {}, ident=frame[1:])

    def allow_end(self) -> None:
        """Have front ends end the engine if they ask for it."""
        self._reception.may_end = True

    def close(self) -> None:
        """Let what was said go out, and delete the files. A fork of the engine does neither."""
        if os.getpid() != self._pid:
            return
        self._doors.delete()
        self._debugging.close()
        gone = threading.Event()

        def last() -> None:
            self._iopub.flush()
            gone.set()

        self.outbox.flush()
        self._control.loop.call_soon_threadsafe(last)
        gone.wait(_GOES_OUT_WITHIN)


_open: OpenDoors | None = None
_opening = threading.Lock()


def open_doors(insides: Insides, *, may_end: bool) -> Path:
    """Open an engine to front ends, unless it is open already.

    Returns
    -------
    The connection file.

    Raises
    ------
    ClusterError
        The cluster's folder will not do.
    """
    global _open
    with _opening:
        if _open is None:
            _open = OpenDoors(insides, may_end=may_end)
        elif may_end:
            _open.allow_end()
        return _open.path
