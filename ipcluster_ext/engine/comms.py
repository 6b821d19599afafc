"""Comms in an engine's process: the objects that widgets speak through.

Where what they say goes is for others to decide (`engine.commways`).
"""

import os
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import comm
from comm.base_comm import BaseComm
from ipykernel.comm.manager import CommManager
from ipykernel.jsonutil import json_clean

from ipcluster_ext.protocol.ids import ClientId


class CommMessage(NamedTuple):
    """What a comm says.

    Attributes
    ----------
    kind
        ``'comm_open'``, ``'comm_msg'`` or ``'comm_close'``.
    content, metadata
        As in Jupyter's message.
    buffers
        The raw memory that goes with it.
    """

    kind: str
    content: dict[str, Any]
    metadata: dict[str, Any]
    buffers: list[bytes]


class EngineComm(BaseComm):
    """A comm whose other end is a notebook's.

    Attributes
    ----------
    client
        Whose notebook; None for the front ends of this engine's kernel, or nobody yet.
    visited
        Whether it is for those front ends.
    output
        Whether it is that of an `Output` widget, which shows what code writes.
    """

    client: ClientId | None = None
    visited = False
    output = False

    def publish_msg(
        self,
        msg_type: str,
        data: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
        buffers: Sequence[Any] | None = None,
        **keys: Any,
    ) -> None:
        """Say something to the other end; nothing where this process is no engine."""
        if _say is None:
            return
        content = _clean({"data": data or {}, "comm_id": self.comm_id, **keys})
        copied = [bytes(buffer) for buffer in buffers or ()]
        _say(self, CommMessage(msg_type, content, _clean(metadata or {}), copied))

    @property
    def widget(self) -> Any:
        """The widget that hears this comm, None if something else does."""
        return getattr(self._msg_callback, "__self__", None)


class EngineCommManager(CommManager):
    """Knows the comms of an engine."""

    def comm_open(self, stream: Any, ident: Any, msg: dict[str, Any]) -> None:
        """Open the comm that a front end has opened, if somebody waits for such."""
        del stream, ident
        content = msg["content"]
        opened = EngineComm(
            comm_id=content["comm_id"], primary=False, target_name=content["target_name"]
        )
        opened.visited = True
        self.register_comm(opened)
        target = self.targets.get(content["target_name"])
        if target is None:
            opened.close()
        else:
            target(opened, msg)


Say = Callable[[EngineComm, CommMessage], None]

_say: Say | None = None


def speak_through(say: Say | None) -> None:
    """Have what comms say go somewhere; None for nowhere. A fork of this process says nothing."""
    global _say
    if _say is None:
        os.register_at_fork(after_in_child=lambda: speak_through(None))
    _say = say


def install() -> None:
    """Have every comm of this process be an engine's; to be called before the kernel is built."""
    manager = EngineCommManager()  # type: ignore[no-untyped-call]
    comm.create_comm = EngineComm
    comm.get_comm_manager = lambda: manager


def _clean(content: dict[str, Any]) -> dict[str, Any]:
    """Copy something as far as JSON can hold it."""
    cleaned: dict[str, Any] = json_clean(content)  # type: ignore[no-untyped-call]
    return cleaned
