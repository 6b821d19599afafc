"""What a notebook says to widgets on an engine: tasks like any other."""

from typing import Any

from ipcluster_ext.engine import context
from ipcluster_ext.protocol.ids import client_of


def deliver_comm(
    kind: str, content: dict[str, Any], metadata: dict[str, Any], buffers: list[Any]
) -> None:
    """Give a comm what its notebook says: the function of the tasks that do so.

    Parameters
    ----------
    kind, content, metadata, buffers
        As in `engine.comms.CommMessage`.
    """
    insides = context.insides()
    assignment = None if insides is None else insides.current.assignment()
    if insides is None or assignment is None:
        return
    kernel = insides.kernel
    manager: Any = kernel.comm_manager
    heard = manager.get_comm(content["comm_id"])
    if heard is None:
        return
    heard.client, heard.visited = client_of(assignment.item.id), False
    message = {
        "header": {"msg_type": kind},
        "content": content,
        "metadata": metadata,
        "buffers": [memoryview(buffer) for buffer in buffers],
    }
    with kernel.collecting() as shown:
        if kind == "comm_close":
            manager.comm_close(None, "", message)
        else:
            heard.handle_msg(message)
    insides.comms.catch_up()
    if shown.traceback:  # widgets show what their callbacks raise, and go on
        context.complain(shown.traceback)
