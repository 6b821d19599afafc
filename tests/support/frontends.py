"""Comms as front ends treat them: those that show widgets, those that do not, and no front end."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Condition
from typing import Any, Literal, Protocol, Self
from uuid import uuid4

from tests.support.cells import Cell, Message

Shows = Literal["widgets", "text", "nothing"]
"""What a front end can show.

``"widgets"``: as JupyterLab with ipywidgets, which asks for the widgets there are when it opens a
notebook, keeps every widget's state, and sends events to a subshell of its own, although the
kernel handles them where the widget spoke last: in the main shell, after the cell that runs.
``"text"``: as JupyterLab without: it closes comms whose target it does not know.
``"nothing"``: nobody answers, as under nbclient.
"""

WIDGET = "jupyter.widget"
CONTROL = "jupyter.widget.control"


@dataclass
class Comm:
    """One comm: who opened it, what was said, and a widget's state if it is one.

    Attributes
    ----------
    opener
        The message that opened it, or if the front end did, what was said about that.
    said
        The data of the kernel's messages, in order.
    state
        A widget's traits as the kernel has said them last.
    """

    id: str
    target: str
    opener: Message | Cell
    said: list[dict[str, Any]] = field(default_factory=list)
    state: dict[str, Any] = field(default_factory=dict)
    closed: bool = False

    def wait_until_taken(self) -> Self:
        """Wait until the kernel knows what the front end has opened, or has closed it."""
        assert isinstance(self.opener, Cell)
        self.opener.wait()
        return self


class Says(Protocol):
    """Sends a message of a comm; returns what is said about it."""

    def __call__(self, kind: str, content: dict[str, Any], *, subshell: str | None) -> Cell: ...


class FrontEnd:
    """The comms of a notebook, and what the user does to its widgets.

    Parameters
    ----------
    shows
        How it answers.
    say
        How it speaks to the kernel.
    changed
        Held whenever something comes.

    Attributes
    ----------
    comms
        All there have been, by id.
    """

    def __init__(self, shows: Shows, say: Says, changed: Condition) -> None:
        self.shows = shows
        self.comms: dict[str, Comm] = {}
        self._say = say
        self._changed = changed
        self._subshell: str | None = None

    # --- widgets ----------------------------------------------------------------------------------

    @property
    def widgets(self) -> list[Comm]:
        """The widgets there are, in the order in which they were made."""
        comms = list(self.comms.values())
        return [comm for comm in comms if comm.target == WIDGET and not comm.closed]

    def widget(self, model: str, **state: Any) -> Comm:
        """Return the one widget of a model, ``"ButtonModel"``, whose state has these traits."""
        found = [
            comm
            for comm in self.widgets
            if comm.state.get("_model_name") == model and state.items() <= comm.state.items()
        ]
        assert len(found) == 1, f"{len(found)} widgets are a {model} with {state}"
        return found[0]

    def child(self, comm: Comm, position: int) -> Comm:
        """Return a widget that another one contains."""
        return self.comms[str(comm.state["children"][position]).removeprefix("IPY_MODEL_")]

    def shown(self, cell: Cell) -> list[Comm]:
        """Return the widgets in a cell's output."""
        views = (bundle.get("application/vnd.jupyter.widget-view+json") for bundle in cell.displays)
        return [self.comms[view["model_id"]] for view in views if view is not None]

    def set(self, comm: Comm, **state: Any) -> Cell:
        """Change a widget as its user does; return what is said about it."""
        comm.state |= state
        return self.send(comm, {"method": "update", "state": state, "buffer_paths": []})

    def press(self, comm: Comm) -> Cell:
        """Press a button; return what is said about it."""
        return self.send(comm, {"method": "custom", "content": {"event": "click"}})

    # --- any comm ---------------------------------------------------------------------------------

    def open(self, target: str, data: Mapping[str, Any] | None = None) -> Comm:
        """Open a comm to the kernel."""
        comm_id = uuid4().hex
        content = {"comm_id": comm_id, "target_name": target, "data": dict(data or {})}
        with self._changed:
            opener = self._say("comm_open", content, subshell=self._subshell)
            comm = self.comms[comm_id] = Comm(comm_id, target, opener)
        return comm

    def send(self, comm: Comm, data: Mapping[str, Any]) -> Cell:
        """Send data through a comm; return what is said about it, ended when it is handled."""
        content = {"comm_id": comm.id, "data": dict(data)}
        return self._say("comm_msg", content, subshell=self._subshell)

    def close(self, comm: Comm) -> Cell:
        """Close a comm, as a front end does that does not know its target."""
        comm.closed = True
        content = {"comm_id": comm.id, "data": {}}
        return self._say("comm_close", content, subshell=self._subshell)

    # --- the kernel's part ------------------------------------------------------------------------

    def connected(self, ask: Callable[..., dict[str, Any]]) -> None:
        """Greet a kernel that has been started."""
        self.comms.clear()
        self._subshell = None
        if self.shows == "widgets":
            made = ask("create_subshell_request", channel="control")
            self._subshell = made["subshell_id"]
            ask("comm_info_request", {"target_name": WIDGET})
            control = self.open(CONTROL).wait_until_taken()
            if not control.closed:  # ipywidgets has been imported
                self.send(control, {"method": "request_states"}).wait()

    def take(self, message: Message) -> None:
        """Take what the kernel says through a comm."""
        comm_id = message.content["comm_id"]
        data = message.content.get("data", {})
        if message.kind == "comm_open":
            comm = Comm(comm_id, message.content["target_name"], message)
            comm.state |= data.get("state", {})
            self.comms[comm_id] = comm
            if self.shows == "text":
                self.close(comm)
            return
        known = self.comms.get(comm_id)
        if known is None:
            return
        known.said.append(data)
        if message.kind == "comm_close":
            known.closed = True
        elif data.get("method") == "update":
            known.state |= data["state"]
