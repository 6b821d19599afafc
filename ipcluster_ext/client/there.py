"""What clients have done on engines beside the turns of tasks. Engines import this.

Coroutine functions begin as they come, on a thread of their own, whatever the main thread does.
"""

from pathlib import Path
from typing import Any

import msgspec

from ipcluster_ext.protocol.looks import Completion, Inspection, Variable
from ipcluster_ext.transport.files import tail

_TAIL = 64 * 1024


async def complete(code: str, cursor_pos: int | None) -> Completion:
    """Tell how code may go on there."""
    import ipcluster_ext  # rooms meet at the root only

    return ipcluster_ext.complete_here(code, cursor_pos)


async def inspect(code: str, cursor_pos: int | None, detail_level: int) -> Inspection:
    """Tell what a name is there."""
    import ipcluster_ext

    return ipcluster_ext.inspect_here(code, cursor_pos, detail_level)


async def list_variables() -> list[Variable]:
    """Tell which names there are."""
    import ipcluster_ext

    return ipcluster_ext.list_variables_here()


async def read_log(lines: int) -> list[str]:
    """Return the last lines of the engine's log."""
    return tail(Path("/proc/self/fd/2"), _TAIL).splitlines()[-lines:] if lines > 0 else []


async def open_kernel(*, may_end: bool) -> str | dict[str, Any]:
    """Open the engine to front ends; return the connection file, or its content if it is far."""
    import ipcluster_ext
    from ipcluster_ext.transport.files import far_client_file

    file = ipcluster_ext.bind_kernel(may_end=may_end)
    return _content(Path(file)) if far_client_file(Path(file).parent).exists() else file


def _content(file: Path) -> dict[str, Any]:
    content: dict[str, Any] = msgspec.json.decode(file.read_bytes())
    return content


def tell_comm(
    kind: str, content: dict[str, Any], metadata: dict[str, Any], buffers: list[Any]
) -> None:
    """Give a comm there what a notebook says; in turn with the engine's tasks."""
    import ipcluster_ext

    ipcluster_ext.deliver_comm(kind, content, metadata, buffers)
