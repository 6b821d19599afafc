"""Engines as kernels of the server: consoles and notebooks can be opened on them."""

import json
from pathlib import Path
from typing import Any

from jupyter_server._tz import utcnow


def adopt(kernels: Any, file: str) -> str:  # noqa: ANN401 - a kernel manager, untyped there
    """Have a server's kernel manager know an engine; return the kernel's id.

    The server does not own it: shutting it down in the browser closes the connection, and the
    engine goes on. An engine that is known already keeps its id.

    Parameters
    ----------
    kernels
        The server's kernel manager.
    file
        The engine's connection file.
    """
    path = Path(file)
    known: dict[str, Path] = kernels.kernel_id_to_connection_file
    for kernel, other in known.items():
        if other == path and kernel in kernels:
            return kernel
    info = json.loads(path.read_text())
    kernel = kernels.new_kernel_id()
    manager = kernels.kernel_manager_factory(parent=kernels, log=kernels.log, owns_kernel=False)
    manager.load_connection_info(info)
    manager.last_activity = utcnow()
    manager.execution_state = "idle"
    manager.connections = 0
    manager.reason = ""
    manager.kernel_id = kernel
    manager.kernel_name = info.get("kernel_name") or "python3"
    manager.ready.set_result(None)
    known[kernel] = path
    kernels._kernels[kernel] = manager  # noqa: SLF001 - as it does itself for external kernels
    return str(kernel)
