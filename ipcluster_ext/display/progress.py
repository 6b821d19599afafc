"""The progress of some work, live: a bar and figures, a button that cancels, a row per engine."""

import time
from collections.abc import Callable, Mapping
from typing import Any, Self

from ipcluster_ext.display import drawing
from ipcluster_ext.display.actions import Actions, Spawn, in_thread
from ipcluster_ext.display.cell import Cell
from ipcluster_ext.display.live import Live, hear_beside
from ipcluster_ext.display.looks import Work
from ipcluster_ext.display.meter import Meter
from ipcluster_ext.display.pulse import PULSE, Pulse

_CANCEL = ("Cancel", "Cancel what has not begun; what runs goes on")
_INTERRUPT = ("Interrupt", "Stop what runs, too")


class Progress(Live):
    """Shows the progress of some work.

    Parameters
    ----------
    work
        The work; once it is over it is not needed any more.
    cell
        Where it is shown.
    controls
        Whether there are buttons.
    clock, pulse, spawn
        What tells the time, calls for a new look, and begins what a button asks for.
    """

    def __init__(
        self,
        work: Work,
        cell: Cell,
        *,
        controls: bool = True,
        clock: Callable[[], float] = time.monotonic,
        pulse: Pulse = PULSE,
        spawn: Spawn = in_thread,
    ) -> None:
        super().__init__(pulse)
        self._cell = cell
        self._work = work
        self._has_shares = controls
        self._meter = Meter(work, clock)
        self._build(controls=controls)
        self._actions = Actions(self._say, self.button, spawn=spawn)
        self.draw()

    def _build(self, *, controls: bool) -> None:
        import ipywidgets as widgets

        plain = {"width": "auto", "height": "26px", "flex": "0 0 auto"}
        label, tooltip = _CANCEL
        self.line = widgets.HTML(layout=widgets.Layout(flex="1 1 auto", min_width="0"))
        self.button = widgets.Button(
            description=label, tooltip=tooltip, layout=widgets.Layout(**plain)
        )
        self.toggle = widgets.ToggleButton(
            description="▸ Engines",
            tooltip="Show what each engine has of it",
            layout=widgets.Layout(**plain),
        )
        self.table = widgets.HTML(layout=widgets.Layout(display="none"))
        self.said = widgets.HTML(layout=widgets.Layout(display="none"))
        top = [self.line, self.button, self.toggle] if controls else [self.line]
        row = widgets.HBox(top, layout=widgets.Layout(align_items="center", max_width="960px"))
        self.root = widgets.VBox([row, self.said, self.table] if controls else [row])
        self.root.add_class("ipcluster-ext-progress")
        hear_beside(self.button, self.toggle)
        self.button.on_click(self._pressed)
        self.toggle.observe(self._toggled, "value")

    def __enter__(self) -> Self:
        self.show(self._cell)
        return self

    def __exit__(self, *_raised: object) -> None:
        self.refresh()

    # ------------------------------------------------------------ what is drawn

    def draw(self) -> bool:
        """Draw what has changed; return whether more may come."""
        look = self._meter.read()
        self.line.value = self._meter.html()
        if self.toggle.value:
            self.table.value = drawing.shares(self._work.shares())
        if look.over:
            self.button.layout.display = "none"
        return not look.over

    def plain(self) -> str:
        """Tell it in a line."""
        return self._meter.plain()

    def html(self) -> str:
        """Draw it for those who draw no widgets."""
        look = self._meter.look
        rows = drawing.shares(self._work.shares()) if self._has_shares and look.over else ""
        return drawing.stacked(
            self._meter.html(),
            self.said.value,
            drawing.folded("Engines", rows, opened=bool(self.toggle.value)) if rows else "",
        )

    def _say(self, words: str, *, bad: bool) -> None:
        with self._lock:
            self.said.value = drawing.note(words, bad=bad)
            self.said.layout.display = "" if words else "none"
        self.refresh()

    # ------------------------------------------------------------ what is pressed

    def _toggled(self, change: Mapping[str, Any]) -> None:
        with self._lock:
            self.table.layout.display = "" if change["new"] else "none"
            self.toggle.description = "▾ Engines" if change["new"] else "▸ Engines"
        self.refresh()

    def _pressed(self, _button: object) -> None:
        if self.button.description == _CANCEL[0]:
            self._actions.do("cancelling", self._work.cancel, self._offer_interrupt)
        else:
            self._actions.do("interrupting", self._work.interrupt)

    def _offer_interrupt(self) -> None:
        """Have the next press stop what runs."""
        with self._lock:
            self.button.description, self.button.tooltip = _INTERRUPT
            self.button.button_style = "danger"
