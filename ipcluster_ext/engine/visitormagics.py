"""The magics about a kernel's connection, on an engine: they open it to front ends."""

import shlex
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_magic, magics_class

_HOW = """{content}

This is in a file of this host that only you can read. To enter this engine:
    jupyter console --existing {path}
"""


@magics_class
class VisitorMagics(Magics):
    """``%connect_info`` and ``%qtconsole``, as in Jupyter's kernels."""

    @line_magic
    def connect_info(self, line: str) -> None:
        """Show how to enter this engine by one of Jupyter's consoles."""
        del line
        path = _open()
        sys.stdout.write(_HOW.format(content=path.read_text(), path=path))

    @line_magic
    def qtconsole(self, line: str) -> None:
        """Open a Qt console that is connected to this engine; options are the console's."""
        path = str(_open())
        if find_spec("qtconsole") is None:
            msg = f"qtconsole is not installed here; try jupyter console --existing {path}"
            raise UsageError(msg)
        command = [sys.executable, "-m", "qtconsole", "--existing", path, *shlex.split(line)]
        subprocess.Popen(
            command,
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


def _open() -> Path:
    """Open the engine to front ends; return the connection file."""
    import ipcluster_ext  # the root knows what a shell does not: its engine

    return Path(ipcluster_ext.bind_kernel())
