"""The card of a cluster: how it and its engines are, live, and what can be done about it."""

import math
import time
from collections.abc import Callable, Mapping
from typing import Any

from ipcluster_ext.display import drawing, telling
from ipcluster_ext.display.actions import Actions, Spawn, in_thread
from ipcluster_ext.display.figures import noun
from ipcluster_ext.display.live import Live, hear_beside
from ipcluster_ext.display.looks import ClusterLook, Overseen
from ipcluster_ext.display.pulse import PULSE, Pulse

_MOST = 100_000
"""How many engines can be asked for."""
_SAID_FOR = 8.0
"""For how many seconds it says that something was done; what went wrong it says until the end."""
_SHOWN, _HIDDEN = "", "none"


class Card(Live):
    """Shows a cluster.

    Parameters
    ----------
    cluster
        The cluster.
    clock, pulse, spawn
        What tells the time, calls for a new look, and begins what a button asks for.
    """

    def __init__(
        self,
        cluster: Overseen,
        *,
        clock: Callable[[], float] = time.monotonic,
        pulse: Pulse = PULSE,
        spawn: Spawn = in_thread,
    ) -> None:
        super().__init__(pulse)
        self._cluster = cluster
        self._spawn = spawn
        self._clock = clock
        self._wanted: int | None = None
        self._said_until = math.inf
        self.look: ClusterLook = cluster.look()
        self._build()
        self._actions = Actions(self._say, *self.buttons.values(), spawn=spawn)
        self.draw()

    # ------------------------------------------------------------ what it is made of

    def _build(self) -> None:
        import ipywidgets as widgets

        self.line = widgets.HTML()
        self.said, self.question = widgets.HTML(), widgets.HTML()
        self.table = widgets.HTML(layout=widgets.Layout(display=_HIDDEN))
        self.count = widgets.BoundedIntText(
            min=0,
            max=_MOST,
            tooltip="How many engines there should be",
            layout=widgets.Layout(width="72px", height="28px", flex="0 0 auto"),
        )
        self.toggle = widgets.ToggleButton(
            description="▸ Engines", tooltip="Show each engine", layout=_layout(widgets)
        )
        self.buttons = {
            name: self._button(widgets, label, tooltip)
            for name, label, tooltip in (
                ("scale", "Scale", "Start or stop engines until there are so many"),
                ("interrupt", "Interrupt", "Interrupt whatever runs on the engines"),
                ("restart", "Restart engines", "Give all engines new, empty processes"),
                ("stop", "Stop …", "Stop all engines and the cluster; asks first"),
                ("start", "Start", "Start the cluster"),
                ("stop it", "Stop it", "Stop all engines and the cluster now"),
                ("keep it", "Keep it", "Leave the cluster as it is"),
            )
        }
        self.buttons["stop it"].button_style = "danger"
        self._connect()
        self._lay_out(widgets)

    def _button(self, widgets: Any, label: str, tooltip: str) -> Any:  # noqa: ANN401 - not typed
        return widgets.Button(description=label, tooltip=tooltip, layout=_layout(widgets))

    def _connect(self) -> None:
        hear_beside(self.count, self.toggle, *self.buttons.values())
        press, cluster = self._press, self._cluster
        press("scale", "scaling", lambda: cluster.scale(self.count.value))
        press("interrupt", "interrupting", cluster.interrupt)
        press("restart", "restarting engines", cluster.restart)
        press("start", "starting", cluster.start)
        press("stop it", "stopping", cluster.stop)
        self.buttons["stop"].on_click(lambda _: self._ask(asks=True))
        self.buttons["keep it"].on_click(lambda _: self._ask(asks=False))
        self.toggle.observe(self._toggled, "value")
        self.count.observe(lambda _: self.refresh(), "value")

    def _press(self, name: str, doing: str, action: Any) -> None:  # noqa: ANN401 - any callable
        def pressed(_button: object) -> None:
            self._ask(asks=False)
            self._actions.do(doing, action)

        self.buttons[name].on_click(pressed)

    def _lay_out(self, widgets: Any) -> None:  # noqa: ANN401 - not typed
        row = {"align_items": "center", "flex_flow": "row wrap"}
        self.scaling = widgets.HBox(
            [self.count, self.buttons["scale"]], layout=widgets.Layout(**row)
        )
        self.controls = widgets.HBox(
            [
                self.scaling,
                *(self.buttons[name] for name in ("interrupt", "restart", "stop", "start")),
                self.toggle,
            ],
            layout=widgets.Layout(**row),
        )
        self.asking = widgets.HBox(
            [self.question, self.buttons["stop it"], self.buttons["keep it"]],
            layout=widgets.Layout(**row, display=_HIDDEN),
        )
        self.root = widgets.VBox(
            [self.line, self.controls, self.asking, self.said, self.table],
            layout=widgets.Layout(
                border="1px solid rgba(128, 128, 128, 0.35)",
                padding="6px 10px",
                max_width="820px",
                overflow="visible",
            ),
        )
        self.root.add_class("ipcluster-ext-card")

    # ------------------------------------------------------------ what is drawn

    def opened(self) -> None:
        """Begin to learn what goes on."""
        self._spawn(self._cluster.open)

    def closed(self) -> None:
        """Learn nothing more."""
        self._spawn(self._cluster.close)

    def draw(self) -> bool:
        """Draw what has changed; return whether anything may change any more."""
        self.look = look = self._cluster.look()
        self.line.value = drawing.cluster(look)
        if self.toggle.value:
            self.table.value = drawing.engines(look.engines)
        self._offer(look)
        if self._clock() >= self._said_until:
            self._said_until, self.said.value = math.inf, ""
        return not look.lasting

    def _offer(self, look: ClusterLook) -> None:
        """Offer what can be done."""
        for name in ("interrupt", "restart", "stop", "start"):
            _set(self.buttons[name].layout, "display", _if(name in look.controls))
        _set(self.scaling.layout, "display", _if("scale" in look.controls))
        _set(self.toggle.layout, "display", _if(bool(look.engines)))
        _set(self.table.layout, "display", _if(self.toggle.value and bool(look.engines)))
        _set(self.controls.layout, "display", _if(bool(look.controls or look.engines)))
        wanted = look.wanted if look.wanted is not None else len(look.engines)
        if wanted != self._wanted:
            untouched = self._wanted in {None, self.count.value}
            self._wanted = wanted
            if untouched:
                self.count.value = wanted
        style = "primary" if self.count.value != wanted else ""
        _set(self.buttons["scale"], "button_style", style)

    def plain(self) -> str:
        """Tell how it is in a line."""
        return f"<{telling.cluster(self.look)}>"

    def html(self) -> str:
        """Draw how it is for those who draw no widgets."""
        return still(self.look)

    def _say(self, words: str, *, bad: bool) -> None:
        with self._lock:
            self.said.value = drawing.note(words, bad=bad)
            lasts = bad or self._actions.busy
            self._said_until = math.inf if lasts else self._clock() + _SAID_FOR
        self.refresh()

    # ------------------------------------------------------------ what is pressed

    def _ask(self, *, asks: bool) -> None:
        """Ask whether the cluster is to be stopped, or ask no more."""
        with self._lock:
            engines = noun(len(self.look.engines), "engine")
            self.question.value = drawing.note(
                f"Stop {self.look.title} and its {engines}? What they hold is lost.", bad=True
            )
            self.asking.layout.display = _if(asks)

    def _toggled(self, change: Mapping[str, Any]) -> None:
        with self._lock:
            self.toggle.description = "▾ Engines" if change["new"] else "▸ Engines"
        self.refresh()


def still(look: ClusterLook) -> str:
    """Draw how a cluster is for those who draw no widgets."""
    rows = drawing.engines(look.engines) if look.engines else ""
    return drawing.stacked(drawing.cluster(look), rows)


def _layout(widgets: Any) -> Any:  # noqa: ANN401 - not typed
    return widgets.Layout(width="auto", height="28px", flex="0 0 auto")


def _if(shown: bool) -> str:  # noqa: FBT001 - it is its only argument
    return _SHOWN if shown else _HIDDEN


def _set(thing: Any, trait: str, value: object) -> None:  # noqa: ANN401 - not typed
    """Change a trait only if it is another: each change is a message."""
    if getattr(thing, trait) != value:
        setattr(thing, trait, value)
