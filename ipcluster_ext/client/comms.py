"""Widgets of engines in this process's notebook: what they say is passed on, and what it answers.

Only where this process is the kernel of a notebook. What a comm on an engine says goes to the front
end as if the kernel's own had said it, about the cell whose task says it; what the front end says
to it becomes a task of its engine. Of a state that the front end changes faster than the engine
follows, the latest is sent.
"""

import logging
import sys
import threading
import weakref
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ipcluster_ext.client import there
from ipcluster_ext.client.hearers import Hearer
from ipcluster_ext.client.mirrors import WIDGET, Mirror, hide, show
from ipcluster_ext.client.pending import Outcome
from ipcluster_ext.errors import ClientClosed, EngineLost, HubGone, IpclusterError
from ipcluster_ext.protocol.ids import EngineId, TaskId

if TYPE_CHECKING:
    from ipcluster_ext import AsyncResult, Client
    from ipcluster_ext.display.cell import Cell

LABEL = "a widget's"
"""What the history calls the tasks that widgets' events are."""
_REMEMBERED = 1000

Request = Mapping[str, Any]
"""A message of Jupyter's that the kernel works on."""

log = logging.getLogger(__name__)


def attend(client: "Client") -> None:
    """Have the widgets of a client's tasks be seen in the notebook of this kernel, if it is one."""
    kernel = _kernel()
    if kernel is not None:
        relays = Relays(client, kernel)
        client.connection.comm_said = relays.take
        client.connection.roster.watchers.append(relays.look_after)


def _kernel() -> Any:
    """Return this process's kernel, None if it has none that anybody can talk to."""
    kernelbase = sys.modules.get("ipykernel.kernelbase")
    if kernelbase is None or not kernelbase.Kernel.initialized():
        return None
    kernel = kernelbase.Kernel.instance()
    usable = kernel.session is not None and getattr(kernel, "comm_manager", None) is not None
    return kernel if usable else None


class Relay:
    """The place of an engine's comm in this process's kernel.

    Parameters
    ----------
    relays
        Passes on.
    engine, pid
        Where the comm is, and in which life of it.
    comm_id, target_name
        The comm's.

    Attributes
    ----------
    mirror
        The latest state, if the comm is a widget's.
    """

    mirror: Mirror | None = None

    def __init__(
        self, relays: "Relays", engine: EngineId, pid: int, comm_id: str, target_name: str
    ) -> None:
        self._relays = relays
        self.engine = engine
        self.pid = pid
        self.comm_id = comm_id
        self.target_name = target_name
        self._closed = False  # the kernel's comm manager sets it
        self._lock = threading.Lock()
        self._waiting: list[dict[str, Any]] = []
        self._busy = False

    def reflect(self, data: dict[str, Any], buffers: Sequence[Any]) -> None:
        """Take note of what either side says of a widget's state."""
        if self.mirror is not None:
            self.mirror.take(data, buffers)

    def handle_msg(self, message: dict[str, Any]) -> None:
        """Take what the front end says, on whichever thread."""
        self.reflect(message["content"].get("data", {}), message.get("buffers") or ())
        self._take({**message, "kind": "comm_msg"})

    def handle_close(self, message: dict[str, Any]) -> None:
        """Take the front end's farewell."""
        self._relays.forget(self)
        self._take({**message, "kind": "comm_close"})

    def _take(self, message: dict[str, Any]) -> None:
        with self._lock:
            if not (self._waiting and _merged(self._waiting[-1], message)):
                self._waiting.append(message)
        self.go_on(ended=False)

    def go_on(self, *, ended: bool) -> None:
        """Send what waits, one after the other; ``ended`` says that the one before has ended."""
        with self._lock:
            if ended:
                self._busy = False
            if self._busy or not self._waiting:
                return
            self._busy = True
            message = self._waiting.pop(0)
        self._relays.send(self, message)


def _merged(last: dict[str, Any], message: dict[str, Any]) -> bool:
    """Put two changes of a widget's state into one, if that is what they are; tell whether."""
    if last["kind"] != message["kind"] or last.get("buffers") or message.get("buffers"):
        return False
    old, new = last["content"].get("data", {}), message["content"].get("data", {})
    if old.get("method") != "update" or new.get("method") != "update":
        return False
    state = {**old.get("state", {}), **new.get("state", {})}
    last["content"] = {**last["content"], "data": {**old, "state": state}}
    return True


class Relays:
    """Passes on between the comms of a client's engines and this kernel's front end.

    Parameters
    ----------
    client
        The client.
    kernel
        The kernel.
    """

    def __init__(self, client: "Client", kernel: Any) -> None:
        self._client = weakref.ref(client)
        self._roster = client.connection.roster
        self._kernel = kernel
        self._lock = threading.Lock()
        self._open: dict[str, Relay] = {}
        self._cells = Cells(client, kernel, self.show_all)

    # ------------------------------------------------------------ from engines

    def take(self, task: TaskId, _topic: str, value: Any) -> None:
        """Tell the front end what a comm on an engine says, on the thread that receives."""
        engine, kind, content, metadata, buffers = value
        comm_id = content["comm_id"]
        if kind == "comm_open":
            relay = self._add(EngineId(engine), comm_id, content.get("target_name", ""))
            if relay.target_name == WIDGET:
                relay.mirror = Mirror(comm_id, content["data"], buffers)
                show(relay.mirror)
        elif comm_id not in self._open:
            return
        else:
            self._open[comm_id].reflect(content.get("data", {}), buffers)
        self._say(kind, content, self._cells.of(task), metadata=metadata, buffers=buffers)
        if kind == "comm_close":
            self.forget(self._open[comm_id])

    def _add(self, engine: EngineId, comm_id: str, target: str) -> Relay:
        info = self._roster.get(engine)
        relay = Relay(self, engine, 0 if info is None else info.pid, comm_id, target)
        with self._lock:
            self._open[comm_id] = relay
        self._kernel.comm_manager.register_comm(relay)
        return relay

    def _say(self, kind: str, content: dict[str, Any], parent: Request, **more: Any) -> None:
        ident = f"comm-{content['comm_id']}".encode()
        kernel = self._kernel
        kernel.session.send(kernel.iopub_socket, kind, content, parent=parent, ident=ident, **more)

    def forget(self, relay: Relay) -> None:
        """Know a comm no longer."""
        with self._lock:
            self._open.pop(relay.comm_id, None)
        self._kernel.comm_manager.comms.pop(relay.comm_id, None)
        if relay.mirror is not None:
            hide(relay.mirror)

    def show_all(self) -> None:
        """Have ipywidgets know of all widgets; it may have been imported after them."""
        for relay in list(self._open.values()):
            if relay.mirror is not None:
                show(relay.mirror)

    def look_after(self, *, over: bool) -> None:
        """Close the comms of engines that are gone, or of all if nothing more will be heard."""
        for relay in list(self._open.values()):
            info = self._roster.get(relay.engine)
            if over or info is None or (info.pid != relay.pid and relay.pid):
                self.forget(relay)
                self._say("comm_close", {"comm_id": relay.comm_id, "data": {}}, {})

    # ------------------------------------------------------------ to engines

    def send(self, relay: Relay, message: dict[str, Any]) -> None:
        """Have an engine's comm hear something; whatever comes of it belongs to that message."""
        from ipcluster_ext.display.cell import Cell

        client, cell = self._client(), Cell.current()
        if client is None or client.closed:
            return
        view = client.direct_view(int(relay.engine), label=LABEL)
        try:
            answer = view.apply_async(
                there.tell_comm,
                message["kind"],
                message["content"],
                message.get("metadata", {}),
                [bytes(buffer) for buffer in message.get("buffers") or ()],
            )
        except IpclusterError as error:  # the engine or the hub is gone; comms are closed then
            log.debug("a widget's event is not sent: %s", error)
            relay.go_on(ended=True)
            return
        self._cells.note(answer.first, self._kernel.get_parent("shell"))
        event = _Event(answer, relay, cell)
        answer.listen(event)
        if answer.done():  # perhaps before anybody listened
            event.end()


class _Event(Hearer):
    """Shows what comes of an event where the event belongs, and has the next one be sent."""

    def __init__(self, answer: "AsyncResult", relay: Relay, cell: "Cell") -> None:
        self._answer = answer
        self._relay = relay
        self._cell = cell
        self._ending = threading.Lock()

    def wrote(self, task: TaskId, stream: str, text: str) -> None:
        """Show what a callback printed."""
        del task
        self._cell.write(stream, text)

    def told(self, task: TaskId, topic: str, value: Any) -> None:
        """Show what a callback displayed."""
        del task
        if topic == "display" and "data" in value:
            self._cell.display(value["data"], value["metadata"])

    def ended(self, outcomes: Sequence[Outcome], failure: Exception | None) -> None:
        """Show why an event had no effect, and go on."""
        del outcomes, failure
        self.end()

    def end(self) -> None:
        """Do so once."""
        if not self._ending.acquire(blocking=False):
            return
        self._answer.unlisten(self)
        _, error = self._answer.value_at(0)
        if isinstance(error, EngineLost | HubGone | ClientClosed):
            log.debug("a widget's event had no effect: %s", error)  # its comms are closed then
        elif error is not None:
            self._cell.write("stderr", f"{error}\n")
        self._relay.go_on(ended=True)


class Cells:
    """Knows which request of the front end tasks were submitted for.

    Parameters
    ----------
    client
        Whose tasks.
    kernel
        Whose requests.
    on_cell
        Called when a cell begins.
    """

    def __init__(self, client: "Client", kernel: Any, on_cell: Callable[[], None]) -> None:
        self._on_begin = on_cell
        self._pending = client.connection.pending
        self._kernel = kernel
        self._firsts: list[TaskId] = []
        self._requests: list[Request] = []
        self._own: dict[TaskId, Request] = {}
        self.begin()
        kernel.shell.events.register("pre_run_cell", self._on_cell)
        weakref.finalize(client, self._end).atexit = False

    def _end(self) -> None:
        self._kernel.shell.events.unregister("pre_run_cell", self._on_cell)

    def _on_cell(self, _info: object) -> None:
        self.begin()
        self._on_begin()

    def begin(self) -> None:
        """Note that whatever is submitted from now on is for the request that runs."""
        first = self._pending.next
        if self._firsts and self._firsts[-1] == first:
            self._requests[-1] = self._kernel.get_parent("shell")
            return
        self._firsts.append(first)
        self._requests.append(self._kernel.get_parent("shell"))
        del self._firsts[:-_REMEMBERED], self._requests[:-_REMEMBERED]

    def note(self, task: TaskId, request: Request) -> None:
        """Note what a single task is for."""
        self._own[task] = request
        while len(self._own) > _REMEMBERED:
            self._own.pop(next(iter(self._own)))

    def of(self, task: TaskId) -> Request:
        """Return what a task is for; ``{}`` if that is not known any more."""
        if task in self._own:
            return self._own[task]
        place = bisect_right(self._firsts, task) - 1
        return self._requests[place] if place >= 0 else {}
