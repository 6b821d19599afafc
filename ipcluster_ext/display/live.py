"""Something shown live: drawn anew while somebody looks, and left in a readable state.

What is drawn is a tree of ipywidgets' own widgets. With it go a line of text and a piece of HTML,
for whoever draws no widgets: a terminal, a page made of a notebook. In the end these take its
place. Changes are drawn
at most ten times a second, on the thread of `display.pulse`; whoever changes something himself
may call `refresh`, on any thread. Where the front end is closed nothing fails: what is sent to
nobody is dropped.
"""

import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from ipcluster_ext.display.cell import Cell
from ipcluster_ext.display.frontend import EXPERIENCE
from ipcluster_ext.display.pulse import PULSE, Pulse

VIEW = "application/vnd.jupyter.widget-view+json"
"""What stands for a widget in an output."""


class Live(ABC):
    """What is shown live.

    Parameters
    ----------
    pulse
        Who calls for a new look.

    Attributes
    ----------
    root
        The widget.
    """

    root: Any

    def __init__(self, pulse: Pulse = PULSE) -> None:
        self._pulse = pulse
        self._lock = threading.RLock()
        self._shown: tuple[Cell, str] | None = None
        self._last: dict[str, str] = {}
        self._seen = False

    # ------------------------------------------------------------ what others say

    @abstractmethod
    def draw(self) -> bool:
        """Draw what has changed; return whether anything may change any more. Never waits."""

    @abstractmethod
    def plain(self) -> str:
        """Return it as a line of text."""

    @abstractmethod
    def html(self) -> str:
        """Return it as HTML that stands still."""

    def opened(self) -> None:  # noqa: B027 - most have nothing to do
        """Learn that somebody looks; never waits."""

    def closed(self) -> None:  # noqa: B027 - likewise
        """Learn that nobody looks any more; never waits."""

    # ------------------------------------------------------------ showing it

    def bundle(self) -> dict[str, Any]:
        """Return it in all forms, and keep it up to date from now on."""
        self.attend()
        return self._forms()

    def show(self, cell: Cell) -> None:
        """Show it in a cell; in the end text and HTML take its place there, see `settle`."""
        shown = uuid4().hex
        cell.display(self.bundle(), display_id=shown)
        with self._lock:
            self._shown = cell, shown
        self.refresh()

    def attend(self) -> None:
        """Keep it up to date from now on."""
        self._watch_views()
        self.opened()
        if self.refresh():
            self._pulse.add(self.refresh)

    def refresh(self) -> bool:
        """Draw what has changed, at once; return whether anything may change any more."""
        with self._lock:
            goes_on = self.draw()
        if not goes_on:
            self.settle()
        return goes_on

    def settle(self) -> None:
        """Have HTML take the widget's place where it was shown: nothing will change any more.

        A notebook that is saved and opened again shows that; a widget it could not, as the kernel
        that had it is gone.
        """
        with self._lock:
            shown, last = self._shown, {"text/plain": self.plain(), "text/html": self.html()}
            if shown is None or not shown[0].updates or last == self._last:
                return
            self._last = last
        shown[0].update(dict(last), display_id=shown[1])

    def _forms(self) -> dict[str, Any]:
        view = {"version_major": 2, "version_minor": 0, "model_id": self.root.model_id}
        return {"text/plain": self.plain(), "text/html": self.html(), VIEW: view}

    # ------------------------------------------------------------ who looks

    def _watch_views(self) -> None:
        """Have the front end tell how often it is shown; most do, and the others do no harm."""
        with self._lock:
            if self._seen or self.root.comm is None:
                return
            self._seen = True
        hear_beside(self.root)
        self.root.comm.on_close(lambda _: EXPERIENCE.note_refused())
        self.root.observe(self._viewed, "_view_count")
        self.root._view_count = 0  # noqa: SLF001 - ipywidgets' only way of counting views

    def _viewed(self, change: Mapping[str, Any]) -> None:
        if change["new"]:
            EXPERIENCE.note_drawn()
            self.attend()
        elif change["old"]:
            self._pulse.remove(self.refresh)
            self.closed()
            if self._last:
                self._pulse.add(self._close)

    def _close(self) -> bool:
        """Give the widget up: the front end has put something else in its place."""
        close(self.root)
        return False


def hear_beside(*widgets: Any) -> None:
    """Have what users do to widgets handled while a cell runs, where the kernel is able to.

    Front ends address such messages to a subshell of the kernel, which has a thread of its own.
    ipykernel redirects them to the shell in which the widget has spoken last: for us that of the
    cell, which may well wait for what the button is to cancel. Our handlers run on any thread.
    """
    for widget in widgets:
        if hasattr(widget.comm, "_reply_subshell_for"):
            widget.comm._reply_subshell_for = None  # noqa: SLF001 - it is asked for no other way


def close(widget: Any) -> None:  # noqa: ANN401 - ipywidgets is not typed
    """Close a widget and all that it is made of."""
    for part in (*getattr(widget, "children", ()), widget.layout, getattr(widget, "style", None)):
        if part is not None:
            close(part) if hasattr(part, "layout") else part.close()
    widget.close()
