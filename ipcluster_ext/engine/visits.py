"""What front ends want done in the engine's namespace: cells and comm messages, as tasks.

Each is a task like any other: the engine's own client submits it to the engine, so it takes its
turn among tasks, the hub knows that the engine is busy, and an interrupt finds it. What it writes
and displays goes to the front ends.
"""

from collections.abc import Callable
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple

from ipcluster_ext.engine.current import Current
from ipcluster_ext.engine.kernel import EngineKernel, MimeBundle
from ipcluster_ext.engine.outbox import Outbox, Request
from ipcluster_ext.engine.redirects import Sink
from ipcluster_ext.protocol.displays import Event

if TYPE_CHECKING:
    from ipcluster_ext.protocol.ids import TaskId

Reply = dict[str, Any]
"""The content of a reply."""


class Shown:
    """Takes what is done for a request shows, and publishes it.

    Parameters
    ----------
    outbox
        Where to.
    request
        What it is published about.

    Attributes
    ----------
    request
        As given.
    """

    def __init__(self, outbox: Outbox, request: Request) -> None:
        self._outbox = outbox
        self.request = request

    def write(self, stream: str, text: str) -> None:
        """Publish text."""
        self._outbox.write(stream, text, self.request)

    def show(self, event: Event) -> None:
        """Publish what is displayed, changed or cleared."""
        if "clear" in event:
            self._outbox.publish("clear_output", {"wait": event["clear"]}, self.request)
            return
        kind = "update_display_data" if event.get("update") else "display_data"
        name = event.get("display_id")
        transient = {"display_id": name} if name else {}
        content = {"data": event["data"], "metadata": event["metadata"], "transient": transient}
        self._outbox.publish(kind, content, self.request)

    def flush(self) -> None:
        """Publish text that waits for more."""
        self._outbox.flush()


class Visit(NamedTuple):
    """Something that a front end wants done.

    Attributes
    ----------
    idents
        Who wants it.
    request
        What.
    do
        Does it.
    """

    idents: list[bytes]
    request: Request
    do: Callable[[], None]


class Visits:
    """Does what front ends want, on the main thread.

    Parameters
    ----------
    kernel
        The engine's kernel.
    outbox
        Where what is shown goes.
    current
        Tells which task asks.

    Attributes
    ----------
    running
        The tasks that are visits, with what they are for, the innermost last.
    """

    def __init__(self, kernel: EngineKernel, outbox: Outbox, current: Current) -> None:
        self._kernel = kernel
        self._outbox = outbox
        self._current = current
        self._numbers = count(1)
        self._expected: dict[int, Visit] = {}
        self._last: Shown | None = None
        self.running: dict[TaskId, Visit] = {}

    # ------------------------------------------------------------ from any thread

    def expect(self, visit: Visit) -> int:
        """Return the number by which `perform` knows a visit."""
        number = next(self._numbers)
        self._expected[number] = visit
        return number

    def forget(self, number: int) -> bool:
        """Drop a visit that will not begin; tell whether it had not."""
        return self._expected.pop(number, None) is not None

    def find(self) -> Sink | None:
        """Return who takes what the calling code shows, if a visit does or did it last."""
        task = self._current.task()
        if task is None:
            return self._last  # a thread of a cell that has ended
        visit = self.running.get(task)
        if visit is None:
            self._last = None
            return None
        if self._last is None or self._last.request is not visit.request:
            self._last = Shown(self._outbox, visit.request)
        return self._last

    def request(self) -> Request:
        """Return what the calling code is done for; ``{}`` if for no front end."""
        task = self._current.task()
        visit = None if task is None else self.running.get(task)
        return {} if visit is None else visit.request

    # ------------------------------------------------------------ on the main thread

    def perform(self, number: int) -> None:
        """Do what was expected under a number; nothing if it is not any more."""
        visit, task = self._expected.pop(number, None), self._current.task()
        if visit is None or task is None:
            return
        self.running[task] = visit
        kernel = self._kernel
        try:
            kernel.set_parent(visit.idents, visit.request)
            visit.do()
        finally:
            kernel.set_parent([], {})
            self._outbox.flush()
            del self.running[task]

    def take_result(self, bundle: MimeBundle) -> bool:
        """Publish the value of a cell, if it is a front end's; tell whether it is."""
        request = self.request()
        if request:
            content = {**bundle, "execution_count": self._kernel.displayhook.prompt_count}
            self._outbox.publish("execute_result", content, request)
        return bool(request)

    def run_cell(self, request: Request) -> Reply:
        """Run a cell, and publish what it shows.

        Returns
        -------
        The reply to whoever sent it.
        """
        kernel, content = self._kernel, request["content"]
        shell: Any = kernel.engine_shell
        silent = bool(content.get("silent", False))
        number = shell.execution_count
        said = {"code": content["code"], "execution_count": number}
        try:
            if not silent:
                self._outbox.publish("execute_input", said, request)
            error, traceback = self._run(content, silent=silent)
        except KeyboardInterrupt as interrupt:  # as its code began, or when that had ended
            error, traceback = interrupt, "KeyboardInterrupt"
        reply: Reply = {"status": "ok", "execution_count": number, "user_expressions": {}}
        if error is None:
            reply["user_expressions"] = shell.user_expressions(content.get("user_expressions", {}))
        else:
            failure = {
                "ename": type(error).__name__,
                "evalue": str(error),
                "traceback": traceback.split("\n"),
            }
            reply |= failure | {"status": "error"}
            self._outbox.publish("error", failure, request)
        reply["payload"] = shell.payload_manager.read_payload()
        shell.payload_manager.clear_payload()
        return reply

    def _run(self, content: dict[str, Any], *, silent: bool) -> tuple[BaseException | None, str]:
        """Run a cell's code; return what it raised, if anything, and its traceback."""
        kernel = self._kernel
        shell: Any = kernel.engine_shell
        with kernel.collecting() as shown, kernel.asking(allowed=content.get("allow_stdin", False)):
            outcome = shell.run_cell(
                content["code"],
                store_history=content.get("store_history", not silent),
                silent=silent,
            )
        kernel.tidy_history()
        return outcome.error_before_exec or outcome.error_in_exec, shown.traceback or ""


_visits: Visits | None = None


def receive(visits: Visits | None) -> None:
    """Have `perform` know whose visits it is about."""
    global _visits
    _visits = visits


def perform(number: int) -> None:
    """Do a visit: the function of the tasks that they are."""
    if _visits is not None:
        _visits.perform(number)
