"""`Output` widgets on an engine: what code writes within one is put into the widget here.

In a kernel the front end does that, by the request that output is published about. What engines
write is published about a cell, together with that of other engines and by another process; so the
widget's outputs are kept here and go with its state.
"""

import threading
import time
from typing import Any

from ipcluster_ext.engine.comms import CommMessage, EngineComm
from ipcluster_ext.engine.current import Current
from ipcluster_ext.engine.kernel import EngineKernel, MimeBundle
from ipcluster_ext.engine.redirects import Redirects, Sink
from ipcluster_ext.protocol.displays import Event
from ipcluster_ext.protocol.ids import TaskId

GATHER = 0.01
"""For so long, in seconds, what follows closely is gathered: a print is two pieces of text."""
EVERY = 0.1
"""A widget's outputs are sent no more often than this, in seconds."""
MOST_CHARACTERS = 256 * 1024
"""Of text written in one go, so much of the end is kept."""


class WidgetOutputs:
    """Takes what code writes and displays, and puts it into a widget.

    Parameters
    ----------
    widget
        An `Output` widget.
    """

    def __init__(self, widget: Any) -> None:
        self._widget = widget
        self._later: threading.Timer | None = None
        self._lock = threading.RLock()
        self._outputs: list[MimeBundle] = [dict(output) for output in widget.outputs]
        self._ids: dict[str, list[MimeBundle]] = {}
        self._clearing = self._changed = False
        self._sent_at = 0.0

    def write(self, stream: str, text: str) -> None:
        """Take text."""
        with self._lock:
            self._make_room()
            last = self._outputs[-1] if self._outputs else {}
            if last.get("output_type") == "stream" and last["name"] == stream:
                last["text"] = (last["text"] + text)[-MOST_CHARACTERS:]
            else:
                new = {"output_type": "stream", "name": stream, "text": text[-MOST_CHARACTERS:]}
                self._outputs.append(new)
        self._change()

    def show(self, event: Event) -> None:
        """Take what is displayed, changed or cleared."""
        with self._lock:
            if "clear" in event:
                self._clearing = True
                if event["clear"]:
                    return
                self._make_room()
            elif event.get("update"):
                for output in self._ids.get(event.get("display_id", ""), ()):
                    output |= {"data": event["data"], "metadata": event["metadata"]}
            else:
                self._make_room()
                self._add(event)
        self._change()

    def _add(self, event: Event) -> None:
        output: MimeBundle = {"output_type": "display_data", "data": event["data"]}
        output["metadata"] = event["metadata"]
        self._outputs.append(output)
        if "display_id" in event:
            self._ids.setdefault(event["display_id"], []).append(output)

    def fail(self, error: BaseException, traceback: list[str]) -> None:
        """Take what was raised."""
        with self._lock:
            self._make_room()
            output = {"output_type": "error", "ename": type(error).__name__}
            self._outputs.append({**output, "evalue": str(error), "traceback": traceback})
        self._change()

    def _make_room(self) -> None:
        if self._clearing:
            self._clearing = False
            self._outputs.clear()
            self._ids.clear()

    def _change(self) -> None:
        """Have the widget follow in a moment."""
        with self._lock:
            self._changed = True
            if self._later is None:
                left = max(GATHER, self._sent_at + EVERY - time.monotonic())
                self._later = threading.Timer(left, self.send)
                self._later.daemon = True
                self._later.start()

    def send(self) -> None:
        """Have the widget follow."""
        with self._lock:
            changed, self._changed = self._changed, False
            self._later, self._sent_at = None, time.monotonic()
            outputs = tuple(dict(output) for output in self._outputs)
        if changed:
            self._widget.outputs = outputs

    def flush(self) -> None:
        """Do nothing: a widget shows no more for being asked more often."""


class Captures:
    """Knows into which widgets tasks write.

    Parameters
    ----------
    kernel
        The engine's kernel.
    current
        Tells which task writes.
    redirects
        Sends elsewhere what code writes.
    """

    def __init__(self, kernel: EngineKernel, current: Current, redirects: Redirects) -> None:
        self._kernel = kernel
        self._current = current
        self._redirects = redirects
        self._open: dict[TaskId, list[tuple[EngineComm, WidgetOutputs]]] = {}
        self._used = False

    def look(self, speaker: EngineComm, message: CommMessage) -> bool:
        """Begin or end to write into a widget, if that is what it says.

        Returns
        -------
        Whether it says anything else, which has to be passed on.
        """
        state = message.content["data"].get("state", {})
        if message.kind != "comm_msg" or "msg_id" not in state:
            return True
        task = self._current.task()
        if task is not None:
            if state["msg_id"]:
                self._begin(task, speaker)
            else:
                self._end(task, speaker)
        del state["msg_id"]
        return bool(state)

    def _begin(self, task: TaskId, speaker: EngineComm) -> None:
        if not self._used:
            self._used = True
            self._redirects.add(self._find)
            self._kernel.engine_shell.pass_on_traceback = self._fail
        within = self._open.setdefault(task, [])
        if speaker.widget is not None and all(speaker is not other for other, _ in within):
            within.append((speaker, WidgetOutputs(speaker.widget)))

    def _end(self, task: TaskId, speaker: EngineComm) -> None:
        within = self._open.get(task, [])
        for one in [each for each in within if each[0] is speaker]:
            within.remove(one)
            one[1].send()
        if not within:
            self._open.pop(task, None)

    def _find(self) -> Sink | None:
        return self._innermost()

    def _innermost(self) -> WidgetOutputs | None:
        task = self._current.task()
        within = self._open.get(task) if task is not None and self._open else None
        return within[-1][1] if within else None

    def _fail(self, error: BaseException, traceback: list[str]) -> bool:
        """Put into a widget what was raised within it; tell whether there is one."""
        innermost = self._innermost()
        if innermost is not None:
            innermost.fail(error, traceback)
        return innermost is not None
