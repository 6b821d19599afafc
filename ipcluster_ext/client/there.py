"""What clients have done on engines beside the turns of tasks. Engines import this.

Coroutine functions begin as they come, on a thread of their own, whatever the main thread does.
"""

from typing import Any

from ipcluster_ext.protocol.looks import Completion, Inspection, Variable


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


async def open_kernel(*, may_end: bool) -> str:
    """Open the engine to front ends; return the connection file."""
    import ipcluster_ext

    return ipcluster_ext.bind_kernel(may_end=may_end)


def tell_comm(
    kind: str, content: dict[str, Any], metadata: dict[str, Any], buffers: list[Any]
) -> None:
    """Give a comm there what a notebook says; in turn with the engine's tasks."""
    import ipcluster_ext

    ipcluster_ext.deliver_comm(kind, content, metadata, buffers)
