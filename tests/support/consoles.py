"""A front end of an engine's kernel: it enters by the connection file, as Jupyter's do."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import zmq
from jupyter_client.blocking.client import BlockingKernelClient

PATIENCE = 20.0


@dataclass
class Ran:
    """A cell that ran.

    Attributes
    ----------
    reply
        The content of the reply.
    said
        What was published about it: kinds and contents, in order.
    """

    reply: dict[str, Any]
    said: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    @property
    def kinds(self) -> list[str]:
        """What was published, but for being busy and idle."""
        return [kind for kind, _ in self.said if kind != "status"]

    def text(self, stream: str = "stdout") -> str:
        """Return what was printed."""
        texts = (said["text"] for kind, said in self.said if said.get("name") == stream)
        return "".join(texts)

    @property
    def value(self) -> str | None:
        """The text of the value, None if there is none."""
        values = [said["data"]["text/plain"] for kind, said in self.said if kind == _RESULT]
        return values[0] if values else None


_RESULT = "execute_result"


class Console:
    """A front end.

    Parameters
    ----------
    client
        Connected.
    """

    def __init__(self, client: BlockingKernelClient) -> None:
        self.client = client
        self._asked = 0

    def run(self, code: str, *, answer: str | None = None, **options: Any) -> Ran:
        """Run a cell, and answer what it asks."""
        said: list[tuple[str, dict[str, Any]]] = []
        reply = self.client.execute_interactive(
            code,
            timeout=PATIENCE,
            allow_stdin=answer is not None,
            stdin_hook=lambda _message: self.client.input(answer or ""),
            output_hook=lambda message: said.append((message["msg_type"], message["content"])),
            **options,
        )
        return Ran(reply["content"], said)

    def send(self, code: str, **options: Any) -> str:
        """Have a cell run; return the request's id."""
        request: str = self.client.execute(code, **options)
        return request

    def reply(self, request: str) -> dict[str, Any]:
        """Wait for the reply to a request on the shell channel."""
        while True:
            message = self.client.get_shell_msg(timeout=PATIENCE)
            if message["parent_header"]["msg_id"] == request:
                content: dict[str, Any] = message["content"]
                return content

    def wait_for(self, request: str, kind: str) -> dict[str, Any]:
        """Wait until something of a kind is published about a request."""
        while True:
            message = self.client.get_iopub_msg(timeout=PATIENCE)
            if message["parent_header"].get("msg_id") == request and message["msg_type"] == kind:
                content: dict[str, Any] = message["content"]
                return content

    def ask(self, kind: str, content: dict[str, Any] | None = None) -> dict[str, Any]:
        """Ask something on the control channel, and wait for the reply."""
        message = self.client.session.msg(kind, content or {})
        self.client.control_channel.send(message)
        while True:
            reply = self.client.get_control_msg(timeout=PATIENCE)
            if reply["parent_header"]["msg_id"] == message["header"]["msg_id"]:
                answered: dict[str, Any] = reply["content"]
                return answered

    def looked(self, what: str) -> dict[str, Any]:
        """Ask something without content on the shell channel, and wait for the reply."""
        return self.reply(getattr(self.client, what)())

    def debug(self, command: str, **arguments: Any) -> dict[str, Any]:
        """Ask the debugger something, and wait for its answer."""
        self._asked += 1
        request = {"type": "request", "seq": self._asked, "command": command}
        return self.ask("debug_request", {**request, "arguments": arguments})

    def wait_for_stop(self) -> int:
        """Wait until the debugger has stopped a thread; return its id there."""
        while True:
            message = self.client.get_iopub_msg(timeout=PATIENCE)
            event = message["content"]
            if message["msg_type"] == "debug_event" and event["event"] == "stopped":
                return int(event["body"]["threadId"])


@contextmanager
def entered(path: str | Path, *, patience: float = PATIENCE) -> Iterator[Console]:
    """Enter an engine by its connection file."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    client = BlockingKernelClient(context=context)
    client.load_connection_file(str(path))
    client.start_channels()
    try:
        client.wait_for_ready(timeout=patience)
        yield Console(client)
    finally:
        client.stop_channels()
        context.term()
