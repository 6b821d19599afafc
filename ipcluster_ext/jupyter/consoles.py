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
    info = json.loads(path.read_text())
    known: dict[str, Path] = kernels.kernel_id_to_connection_file
    for kernel in [kernel for kernel, other in known.items() if other == path]:
        if kernel in kernels and kernels.get_kernel(kernel).session.key == info["key"].encode():
            return kernel
        _drop(kernels, kernel)  # of an earlier life of the engine, which had another key
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


def forget(kernels: Any, folder: Path) -> None:  # noqa: ANN401 - as above
    """Have a server's kernel manager forget the engines of a cluster that is over."""
    known: dict[str, Path] = kernels.kernel_id_to_connection_file
    for kernel in [kernel for kernel, file in known.items() if file.is_relative_to(folder)]:
        _drop(kernels, kernel)


def _drop(kernels: Any, kernel: str) -> None:  # noqa: ANN401 - as above
    del kernels.kernel_id_to_connection_file[kernel]
    if kernel in kernels:
        kernels.remove_kernel(kernel)
