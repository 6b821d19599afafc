"""A notebook without a browser: a real kernel, and the front end's part of the conversation.

The kernel is started as Jupyter starts it. Everything that it says is kept with the request it is
said about; whatever names no request of ours is a stray, and a notebook may not have any.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Condition, RLock
from types import TracebackType
from typing import Any, Self, cast
from uuid import uuid4

import zmq
from jupyter_client.manager import KernelManager
from jupyter_client.session import Session

from tests.support.cells import SHOWN, Cell, Channel, Message
from tests.support.frontends import FrontEnd, Shows
from tests.support.leftovers import leftovers_of
from tests.support.lines import Lines
from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[2]
_START = 60.0
_KERNEL = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]


class Notebook:
    """A notebook: cells, the kernel that runs them, and what a reader sees.

    Parameters
    ----------
    folder
        For the kernel's files and the clusters' runtime folder, as `own_folder` makes it.
    shows
        What the front end can show; see `FrontEnd`.
    environment
        What the kernel's environment has besides this process's.

    Attributes
    ----------
    runtime
        Where the kernel's clusters are.
    cells
        All requests so far.
    strays
        What was said about no request of this notebook, though a reader would see it.
    front
        Widgets and other comms.
    """

    def __init__(
        self,
        folder: Path,
        *,
        shows: Shows = "text",
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.runtime = folder / "clusters"
        self.cells: list[Cell] = []
        self.strays: list[Message] = []
        self._environment = _environment_of(folder) | dict(environment or {})
        self._changed = Condition(RLock())
        self._requests: dict[str, Cell] = {}
        self._updates: list[Message] = []
        self._answers: list[str] = []
        self._unanswered: Message | None = None
        self._lines: Lines | None = None
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._manager = KernelManager(
            context=self._context,
            transport="ipc",
            connection_file=str(folder / "kernel" / "kernel.json"),
        )
        self._session = Session(key=self._manager.session.key, check_pid=False)
        self._welcomed: list[Message] = []
        self.front = FrontEnd(shows, self._say_comm, self._changed)

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    # --- the kernel -------------------------------------------------------------------------------

    def open(self) -> None:
        """Start the kernel."""
        spec = self._manager.kernel_spec
        assert spec is not None
        spec.argv = _KERNEL
        self._manager.start_kernel(env=self._environment, cwd=str(self.folder))
        self._connect()

    def close(self) -> None:
        """Shut the kernel down as a front end does; kill it only if it does not end."""
        if self._lines is not None:
            self._manager.shutdown_kernel()
            self._disconnect()
        self._context.term()

    def interrupt(self) -> None:
        """Press the stop button: the kernel's process group gets SIGINT."""
        self._manager.interrupt_kernel()

    def restart(self) -> None:
        """Restart the kernel; what it has not ended by then never ends."""
        self._disconnect()
        self._manager.restart_kernel()
        self._connect()

    def kill(self) -> None:
        """Kill the kernel with SIGKILL, and nobody else; `restart` gives another."""
        os.kill(self.pid, 9)
        wait_until(lambda: not self._manager.is_alive())

    @property
    def pid(self) -> int:
        """The process of the kernel."""
        return cast("int", cast("Any", self._manager.provisioner).pid)

    def _connect(self) -> None:
        self._welcomed.clear()
        self._lines = Lines(self._manager, self._session, self._take)
        self.ask("kernel_info_request", timeout=_START)
        with self._changed:
            assert self._changed.wait_for(lambda: self._welcomed, _START), "nothing heard on iopub"
        self.front.connected(self.ask)

    def _disconnect(self) -> None:
        assert self._lines is not None, "the notebook is not open"
        self._lines.close()
        self._lines = None

    # --- cells ------------------------------------------------------------------------------------

    def run(self, code: str, *, timeout: float = 30.0, answers: tuple[str, ...] = ()) -> Cell:
        """Run a cell to its end, whatever that is.

        Parameters
        ----------
        code
            Any cell; magics too.
        timeout
            In seconds.
        answers
            To be typed in when the cell asks for input.
        """
        self.answer(*answers)
        return self.start(code).wait(timeout)

    def start(self, code: str) -> Cell:
        """Have a cell run, after those that were started before."""
        cell = self._request("shell", "execute_request", _execution(code), code=code)
        self.cells.append(cell)
        return cell

    def ok(self, code: str, *, timeout: float = 30.0) -> Cell:
        """Run a cell that has to succeed."""
        cell = self.run(code, timeout=timeout)
        assert cell.error is None, cell.error.text
        return cell

    def value(self, expression: str) -> str:
        """Return the repr of an expression, evaluated in the kernel without showing anything."""
        content = _execution("") | {"silent": True, "user_expressions": {"value": expression}}
        reply = self.ask("execute_request", content)
        answer = reply["user_expressions"]["value"]
        assert answer["status"] == "ok", answer
        return str(answer["data"]["text/plain"])

    def answer(self, *texts: str) -> None:
        """Type answers, to whatever asks now or later."""
        with self._changed:
            self._answers += texts
            self._answer()

    def ask(
        self,
        kind: str,
        content: Mapping[str, Any] | None = None,
        *,
        channel: Channel = "shell",
        timeout: float = 30.0,
    ) -> dict[str, Any]:
        """Send any other request, as ``complete_request``; return the content of its reply."""
        cell = self._request(channel, kind, dict(content or {}))
        return cast("dict[str, Any]", cell.wait_for(lambda c: c.reply, timeout).reply)

    def completions(self, code: str) -> list[str]:
        """Return what the Tab key offers at the end of a cell."""
        content = {"code": code, "cursor_pos": len(code)}
        return list(self.ask("complete_request", content)["matches"])

    def wait_for(self, condition: Callable[[], object], timeout: float = 30.0) -> None:
        """Return as soon as a condition holds, which is looked at after each message."""
        with self._changed:
            assert self._changed.wait_for(condition, timeout), f"not within {timeout} s"

    def assert_no_strays(self) -> None:
        """Fail if anything was shown that belongs to no cell."""
        strays = [(stray.kind, stray.content) for stray in self.strays]
        assert not strays, f"shown in no cell: {strays}"

    # --- what is said -----------------------------------------------------------------------------

    def _request(
        self, channel: Channel, kind: str, content: dict[str, Any], *, code: str = ""
    ) -> Cell:
        message = self._session.msg(kind, content)
        if code and self.front.shows == "nothing":  # who only executes notebooks: no cell, no user
            message["content"]["allow_stdin"] = False
        elif code:
            message["metadata"] = {"cellId": uuid4().hex}
        return self._say(channel, message, code)

    def _say(
        self, channel: Channel, message: dict[str, Any], code: str = "", *, answered: bool = True
    ) -> Cell:
        assert self._lines is not None, "the notebook is not open"
        cell = Cell(
            message["header"]["msg_id"],
            code,
            changed=self._changed,
            updates=self._updates,
            answered=answered,
        )
        with self._changed:
            self._requests[cell.id] = cell
        self._lines.send(channel, message)
        return cell

    def _say_comm(self, kind: str, content: dict[str, Any], *, subshell: str | None) -> Cell:
        message = self._session.msg(kind, content)
        if subshell is not None:
            message["header"]["subshell_id"] = subshell
        return self._say("shell", message, answered=False)

    def _take(self, message: Message) -> None:
        with self._changed:
            self._keep(message)
            self._changed.notify_all()

    def _keep(self, message: Message) -> None:
        if message.kind == "iopub_welcome":
            self._welcomed.append(message)
            return
        cell = self._requests.get(message.parent)
        if cell is not None:
            cell.take(message)
        elif message.kind in SHOWN:
            self.strays.append(message)
        if message.kind == "update_display_data":
            self._updates.append(message)
        elif message.kind == "input_request":
            self._unanswered = message
            self._answer()
        elif message.kind.startswith("comm_") and message.channel == "iopub":
            self.front.take(message)

    def _answer(self) -> None:
        if self._unanswered is not None and self._answers:
            assert self._lines is not None
            reply = self._session.msg("input_reply", {"value": self._answers.pop(0)})
            self._lines.send("stdin", reply)
            self._unanswered = None


@contextmanager
def opened(
    *,
    shows: Shows = "text",
    environment: Mapping[str, str] | None = None,
    judged: bool = True,
) -> Iterator[Notebook]:
    """Open a notebook in a folder of its own; nothing may be left of it, nor of its clusters.

    Parameters
    ----------
    shows, environment
        As for `Notebook`.
    judged
        Whether it is looked at in the end; another package's need not be as good.

    Raises
    ------
    AssertionError
        In the end there are processes or files of a cluster, or something was shown that belongs
        to no cell.
    """
    with own_folder() as (folder, _):
        notebook = Notebook(folder, shows=shows, environment=environment)
        with notebook:
            yield notebook
        if judged:
            notebook.assert_no_strays()
            wait_until(lambda: not leftovers_of(notebook.runtime))


@contextmanager
def own_folder() -> Iterator[tuple[Path, dict[str, str]]]:
    """Make a folder for all files of a kernel; its clusters' are in ``clusters`` there.

    Yields
    ------
    The folder, and the environment with which kernels keep to it.
    """
    folder = Path(tempfile.mkdtemp(prefix="ipx-", dir="/tmp"))
    for name in ("clusters", "kernel"):
        (folder / name).mkdir(mode=0o700)
    try:
        yield folder, _environment_of(folder)
    finally:
        shutil.rmtree(folder)


def _environment_of(folder: Path) -> dict[str, str]:
    path = os.environ.get("PYTHONPATH")
    return os.environ | {
        "IPCLUSTER_EXT_RUNTIME_DIR": str(folder / "clusters"),
        "IPYTHONDIR": str(folder / "ipython"),
        "JUPYTER_RUNTIME_DIR": str(folder / "kernel"),
        "MPLCONFIGDIR": str(folder / "matplotlib"),
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",  # else its debugger warns, in no cell
        "PYTHONPATH": f"{ROOT}:{path}" if path else str(ROOT),
    }


def _execution(code: str) -> dict[str, Any]:
    return {
        "code": code,
        "silent": False,
        "store_history": True,
        "user_expressions": {},
        "allow_stdin": True,
        "stop_on_error": True,
    }
