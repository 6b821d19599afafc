"""The IPython kernel inside an engine.

An `ipykernel` kernel and its shell, built without sockets: the task lane runs cells and calls
in its namespace, and rich output is collected for the task that made it instead of being
published. The kernel is built once, before engines are forked from it.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

from ipykernel.displayhook import ZMQShellDisplayHook
from ipykernel.eventloops import loop_map
from ipykernel.zmqshell import ZMQDisplayPublisher
from IPython.core.error import UsageError
from traitlets import Type
from traitlets.config import Config

from ipcluster_ext.engine import comms
from ipcluster_ext.engine.frontkernel import FrontKernel
from ipcluster_ext.engine.tracebacks import DebuggedShell, EngineCompiler, colour_tracebacks
from ipcluster_ext.engine.visitormagics import VisitorMagics
from ipcluster_ext.protocol.displays import Displays, Event, cleared, displayed

MimeBundle = dict[str, Any]


class CollectingDisplayHook(ZMQShellDisplayHook):
    """Collects the value of a cell's last expression.

    Attributes
    ----------
    pass_on
        Called with a value; returns whether it was a front end's cell that has it.
    """

    result: MimeBundle | None = None
    pass_on: Callable[[MimeBundle], bool] | None = None

    def start_displayhook(self) -> None:
        """Begin with nothing."""
        self.result = None

    def write_output_prompt(self) -> None:
        """Write no prompt."""

    def write_format_data(self, format_dict: MimeBundle, md_dict: MimeBundle | None = None) -> None:
        """Keep the value, in every format it has."""
        result = {"data": format_dict, "metadata": md_dict or {}}
        if self.pass_on is None or not self.pass_on(result):
            self.result = result

    def finish_displayhook(self) -> None:
        """Publish nothing."""


class CollectingPublisher(ZMQDisplayPublisher):
    """Passes on at once what a task displays, and collects what a cell does, too.

    Attributes
    ----------
    collected
        What the cell that runs has displayed.
    pass_on
        Called with what is displayed (`protocol.displays`); returns whether it was no cell that
        did, and it is settled.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[no-untyped-call]
        self.collected = Displays()
        self.pass_on: Callable[[MimeBundle], bool] | None = None

    def publish(  # type: ignore[override]
        self,
        data: MimeBundle,
        metadata: MimeBundle | None = None,
        *,
        transient: MimeBundle | None = None,
        update: bool = False,
        **_options: Any,
    ) -> None:
        """Take a displayed object, in every format it has."""
        display_id = (transient or {}).get("display_id")
        self._take(displayed(data, metadata, display_id=display_id, update=update))

    def clear_output(self, wait: bool = False) -> None:  # noqa: FBT001, FBT002 - IPython's
        """Drop what the task displayed before."""
        self._take(cleared(wait=wait))

    def _take(self, event: Event) -> None:
        if self.pass_on is None or not self.pass_on(event):
            self.collected.take(event)


class EngineShell(DebuggedShell):
    """The shell of an engine: it keeps tracebacks for the task's client.

    Attributes
    ----------
    rendered_traceback
        That of the last error.
    asked_by
        Returns what the calling code is done for, as a message of Jupyter's.
    pass_on_traceback
        Called with an error and its traceback; returns whether somebody else shows it.
    """

    displayhook_class = Type(CollectingDisplayHook)
    display_pub_class = Type(CollectingPublisher)

    rendered_traceback: str | None = None
    asked_by: Callable[[], dict[str, Any]] = staticmethod(dict)
    pass_on_traceback: Callable[[BaseException, list[str]], bool] | None = None

    def _showtraceback(self, etype: Any, evalue: Any, stb: list[str]) -> None:
        """Keep a traceback instead of publishing it."""
        del etype
        if self.pass_on_traceback is None or not self.pass_on_traceback(evalue, stb):
            self.rendered_traceback = "\n".join(stb)

    def get_parent(self) -> dict[str, Any]:
        """Return what the calling code is done for, as a message of Jupyter's."""
        return self.asked_by()

    def init_magics(self) -> None:
        """Know magics that an engine has its own way with."""
        super().init_magics()  # type: ignore[no-untyped-call]
        self.register_magics(VisitorMagics)

    def ask_exit(self) -> None:
        """Have the front end leave that runs this cell; the engine stays."""
        payloads: Any = self.payload_manager
        payloads.write_payload({"source": "ask_exit", "keepkernel": True})

    def enable_gui(self, gui: str | None = None) -> None:
        """Take note of ``%gui`` and ``%matplotlib``: nothing runs beside the tasks here.

        Raises
        ------
        UsageError
            It needs a window and an event loop of its own.
        """
        if loop_map.get(gui, gui) is not None:
            msg = f"engines have no windows, and so no event loop for {gui!r}; use 'inline'"
            raise UsageError(msg)
        self.active_eventloop = gui


@dataclass(slots=True)
class Shown:
    """What a cell has shown.

    Attributes
    ----------
    outputs
        What it displayed.
    result
        The value of its last expression, in every format it has.
    traceback
        IPython's, if it raised.
    """

    outputs: list[MimeBundle] = field(default_factory=list)
    result: MimeBundle | None = None
    traceback: str | None = None


class EngineKernel(FrontKernel):
    """The kernel of an engine."""

    shell_class = Type(EngineShell)
    compiler_class = Type(EngineCompiler)

    @property
    def engine_shell(self) -> EngineShell:
        """The shell; it is there from the beginning."""
        return cast("EngineShell", self.shell)

    @contextmanager
    def collecting(self) -> Iterator[Shown]:
        """Collect what is shown within the block, which may be inside another such block."""
        hook, publisher, shell = self.displayhook, self.publisher, self.engine_shell
        before = hook.result, hook.exec_result, publisher.collected, shell.rendered_traceback
        hook.result, publisher.collected, shell.rendered_traceback = None, Displays(), None
        shown = Shown()
        try:
            yield shown
        finally:
            shown.outputs, shown.result = publisher.collected.outputs, hook.result
            shown.traceback = shell.rendered_traceback
            hook.result, hook.exec_result, publisher.collected, shell.rendered_traceback = before

    @property
    def publisher(self) -> CollectingPublisher:
        """What collects displayed objects."""
        return cast("CollectingPublisher", self.engine_shell.display_pub)

    @property
    def displayhook(self) -> CollectingDisplayHook:
        """What collects the value of a cell."""
        return cast("CollectingDisplayHook", self.engine_shell.displayhook)


def hold_back_in_hooks(
    shell: EngineShell, held: Callable[[], AbstractContextManager[object]]
) -> None:
    """Have interrupts wait until what is to run before a cell has run.

    IPython takes whatever is raised there for a failure of that, says so, and goes on.
    """
    trigger = shell.events.trigger

    def trigger_held(event: str, *args: object, **kwargs: object) -> None:
        if not event.startswith("pre_"):
            trigger(event, *args, **kwargs)
            return
        with held():
            trigger(event, *args, **kwargs)

    shell.events.trigger = trigger_held  # type: ignore[method-assign]


def build() -> EngineKernel:
    """Build the kernel and its shell. Starts no thread and opens no socket or file."""
    config = Config()
    config.HistoryManager.enabled = False
    config.HistoryManager.hist_file = ":memory:"
    config.IPCompleter.use_jedi = False  # names are looked up where they are; it takes 30 MB
    config.InteractiveShell.colors = "nocolor"
    config.InteractiveShell.xmode = "Context"
    comms.install()
    with _without_debugger():
        kernel: EngineKernel = EngineKernel.instance(config=config)
    colour_tracebacks(kernel.engine_shell)
    return kernel


@contextmanager
def _without_debugger() -> Iterator[None]:
    """Have ipykernel find no debugpy: importing it takes as long as all the rest."""
    hidden = "debugpy" not in sys.modules
    if hidden:
        sys.modules["debugpy"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        if hidden:
            del sys.modules["debugpy"]
            sys.modules.pop("ipykernel.debugger", None)
