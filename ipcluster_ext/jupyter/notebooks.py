"""Which notebook a kernel of the server belongs to, as the kernel itself knows it."""

import json
from pathlib import Path
from typing import Any

from ipcluster_ext.errors import ClusterError

_SESSION = "jupyter_session"
"""Where a kernel's connection file names the notebook for which the kernel was started."""


class NotRunning(ClusterError):
    """There is no such cluster, or no such kernel."""


def notebook_of(kernels: Any, kernel: str) -> str:  # noqa: ANN401 - a kernel manager, untyped there
    """Return what a kernel calls its notebook.

    That is the notebook's name when the kernel was started: one that is renamed afterwards is
    called so by the server at once, but by its kernel only when that comes anew.

    Parameters
    ----------
    kernels
        The server's kernel manager.
    kernel
        The kernel's id.

    Raises
    ------
    NotRunning
        The server has no such kernel.
    ClusterError
        The kernel was not started for a notebook, or is not on this host.
    """
    if kernel not in kernels:
        msg = f"the server has no kernel {kernel!r}"
        raise NotRunning(msg)
    try:
        said = json.loads(Path(kernels.get_kernel(kernel).connection_file).read_text())
    except OSError:
        said = {}
    notebook = said.get(_SESSION, "")
    if not notebook:
        msg = f"kernel {kernel!r} was not started for a notebook on this host"
        raise ClusterError(msg)
    return str(notebook)
