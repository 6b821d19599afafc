"""Threads of the engine's own: a debugger that stops the user's code stops none of them.

Else the hub would not hear of an engine whose user looks at a breakpoint.
"""

import threading
from collections.abc import Callable
from typing import Any

_OURS = "ipcluster_ext"


def serve(target: Callable[..., Any], name: str, *args: Any) -> None:
    """Call a function on a thread of its own, which ends with the process."""
    thread = threading.Thread(target=target, args=args, name=name, daemon=True)
    spare(thread)
    thread.start()


def spare(thread: threading.Thread) -> None:
    """Have debugpy leave a thread alone."""
    vars(thread).update(pydev_do_not_trace=True, is_pydev_daemon_thread=True)


def spare_ours() -> None:
    """Have debugpy leave all threads of this package alone."""
    for thread in threading.enumerate():
        if thread.name.startswith(_OURS):
            spare(thread)
