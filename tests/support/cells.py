"""What a cell has said, as a notebook's front end would show it.

A message belongs to the cell whose request its parent header names, whenever it comes.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from threading import Condition
from time import monotonic
from typing import Any, Literal, Self

Channel = Literal["shell", "iopub", "stdin", "control"]
Output = dict[str, Any]
"""As notebook files have it: ``output_type`` and what belongs to it."""

SHOWN = {"stream", "display_data", "execute_result", "error", "update_display_data", "clear_output"}
"""The kinds of messages that change what a reader sees."""

_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def plain(text: str) -> str:
    """Return a text without colours."""
    return _ANSI.sub("", text)


@dataclass(frozen=True)
class Message:
    """Something that a kernel has said.

    Parameters
    ----------
    channel
        Where it came.
    kind
        ``"stream"``, ``"display_data"``, …
    content, metadata, buffers
        As the kernel made them.
    id
        Its own.
    parent
        The id of the request that it is said about; empty if there is none.
    arrived
        When, by the monotonic clock.
    """

    channel: Channel
    kind: str
    content: dict[str, Any]
    metadata: dict[str, Any]
    buffers: list[bytes]
    id: str
    parent: str
    arrived: float


@dataclass(frozen=True)
class Failure:
    """The error that a cell has ended with."""

    ename: str
    evalue: str
    traceback: list[str]

    @property
    def text(self) -> str:
        """The traceback without colours, as a reader sees it."""
        return plain("\n".join(self.traceback))


class Cell:
    """A request of the front end, and everything that was said about it.

    Parameters
    ----------
    id
        Of the request.
    code
        What was to be executed; empty for a widget's event.
    changed
        Notified whenever something comes.
    updates
        All ``update_display_data`` of the notebook, which change displays of any cell.
    answered
        Whether the kernel replies to such a request.
    """

    def __init__(
        self,
        id: str,  # noqa: A002 - its name everywhere in the protocol
        code: str,
        *,
        changed: Condition,
        updates: list[Message],
        answered: bool = True,
    ) -> None:
        self.id = id
        self.code = code
        self.messages: list[Message] = []
        self.late: list[Message] = []
        self.prompts: list[str] = []
        self.reply: dict[str, Any] | None = None
        self.sent = monotonic()
        self.ended: float | None = None
        self._idle = False
        self._answered = answered
        self._changed = changed
        self._updates = updates

    def __repr__(self) -> str:
        return f"<Cell {self.code!r}: {self.status}, {len(self.messages)} messages>"

    # --- how it goes ------------------------------------------------------------------------------

    @property
    def done(self) -> bool:
        """Whether the kernel has replied and is idle again."""
        return self._idle and (self.reply is not None or not self._answered)

    @property
    def status(self) -> str:
        """``"running"``, or as the kernel says: ``"ok"``, ``"error"``, ``"aborted"``."""
        if not self.done:
            return "running"
        return str(self.reply["status"]) if self.reply is not None else "ok"

    @property
    def duration(self) -> float:
        """Seconds from the request to its end."""
        assert self.ended is not None, f"has not ended: {self!r}"
        return self.ended - self.sent

    def wait(self, timeout: float = 30.0) -> Self:
        """Return itself when it has ended; what comes later is still added."""
        return self.wait_for(lambda cell: cell.done, timeout=timeout)

    def wait_for(self, condition: Callable[["Cell"], object], timeout: float = 30.0) -> Self:
        """Return itself as soon as a condition holds, which is looked at after each message.

        Raises
        ------
        AssertionError
            It does not hold when the time is up; the sentence has what the cell shows by then.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: condition(self), timeout):
                msg = f"not within {timeout} s: {self!r} shows\n{self.text[-2000:]}"
                raise AssertionError(msg)
        return self

    # --- what it shows ----------------------------------------------------------------------------

    @property
    def stdout(self) -> str:
        """Everything written to stdout, as it came."""
        return self._stream("stdout")

    @property
    def stderr(self) -> str:
        """Everything written to stderr, as it came."""
        return self._stream("stderr")

    @property
    def outputs(self) -> list[Output]:
        """What a front end shows by now, in its order: updated, cleared, streams joined."""
        return _shown(self.messages, self._updates)

    @property
    def displays(self) -> list[dict[str, Any]]:
        """The MIME bundles on the screen, results included, as they are after all updates."""
        return [output["data"] for output in self.outputs if "data" in output]

    @property
    def result(self) -> dict[str, Any] | None:
        """The MIME bundle after ``Out[…]:``, or None."""
        kinds = (o["data"] for o in self.outputs if o["output_type"] == "execute_result")
        return next(kinds, None)

    @property
    def error(self) -> Failure | None:
        """The error that it has ended with, or None; one that is only shown does not count."""
        if self.reply is None or self.reply["status"] != "error":
            return None
        return Failure(self.reply["ename"], self.reply["evalue"], list(self.reply["traceback"]))

    @property
    def text(self) -> str:
        """What can be read on the screen, without colours; lines overwritten as terminals do."""
        return "".join(_text(output) for output in self.outputs)

    def _stream(self, name: str) -> str:
        return "".join(
            message.content["text"]
            for message in self.messages
            if message.kind == "stream" and message.content["name"] == name
        )

    # --- what comes -------------------------------------------------------------------------------

    def take(self, message: Message) -> None:
        """Add a message whose parent it is."""
        if message.channel in {"shell", "control"}:
            self.reply = message.content
        elif message.channel == "stdin":
            self.prompts.append(message.content["prompt"])
        elif message.kind == "status":
            self._idle = self._idle or message.content["execution_state"] == "idle"
        else:
            self.messages.append(message)
            if self._idle:
                self.late.append(message)
        if self.ended is None and self.done:
            self.ended = message.arrived


@dataclass
class _Screen:
    """The outputs of a cell while they are made."""

    outputs: list[Output] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)
    to_clear: bool = False

    def clear(self, *, wait: bool) -> None:
        self.to_clear = wait
        if not wait:
            self.outputs, self.parts = [], []

    def add(self, output: Output) -> None:
        if self.to_clear:
            self.clear(wait=False)
        last = self.outputs[-1] if self.outputs else {}
        if output["output_type"] == "stream" and last.get("name") == output["name"]:
            self.parts.append(output["text"])
            return
        self.settle()
        self.outputs.append(output)
        if output["output_type"] == "stream":
            self.parts = [output["text"]]

    def settle(self) -> None:
        if self.parts:
            self.outputs[-1]["text"] = "".join(self.parts)
            self.parts = []


def _shown(messages: Iterable[Message], updates: list[Message]) -> list[Output]:
    screen = _Screen()
    for message in list(messages):
        match message.kind:
            case "clear_output":
                screen.clear(wait=message.content["wait"])
            case "stream" | "error":
                screen.add({"output_type": message.kind, **message.content})
            case "display_data" | "execute_result":
                screen.add(_display(message, updates))
            case _:
                continue
    screen.settle()
    return screen.outputs


def _display(message: Message, updates: list[Message]) -> Output:
    content = {key: message.content[key] for key in ("data", "metadata")}
    display_id = message.content.get("transient", {}).get("display_id")
    for update in list(updates):
        named = update.content.get("transient", {}).get("display_id")
        if display_id is not None and named == display_id and update.arrived >= message.arrived:
            content = {key: update.content[key] for key in ("data", "metadata")}
    return {"output_type": message.kind, "display_id": display_id, **content}


def _text(output: Output) -> str:
    if output["output_type"] == "error":
        return plain("\n".join(output["traceback"])) + "\n"
    if output["output_type"] != "stream":
        return str(output["data"].get("text/plain", "")) + "\n"
    return "\n".join(_overwritten(line) for line in plain(output["text"]).split("\n"))


def _overwritten(line: str) -> str:
    """Return what is left of a line that goes back to its beginning."""
    seen = ""
    for part in line.split("\r"):
        seen = part + seen[len(part) :]
    return seen
