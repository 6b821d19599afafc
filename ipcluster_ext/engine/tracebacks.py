"""How the tracebacks of cells are written here: with colours, and with the names of cells.

Who shows them takes the colours away where there is no room for any.
"""

from typing import Any

from ipykernel.compiler import XCachingCompiler
from ipykernel.zmqshell import ZMQInteractiveShell

from ipcluster_ext.engine.debugger import EnginePdb
from ipcluster_ext.protocol.sources import title_from_elsewhere

THEME = "neutral"
"""The colours that Jupyter's own kernels have: they can be read on any background."""


class EngineCompiler(XCachingCompiler):
    """Compiles cells, and knows what the cells of notebooks elsewhere are called."""

    def format_code_name(self, name: str) -> tuple[str, str] | None:
        """Return what readers call a piece of code, as ``('Cell', 'In[3]')``."""
        own: tuple[str, str] | None = super().format_code_name(name)
        if own is None and (title := title_from_elsewhere(name)):
            label, _, rest = title.partition(" ")
            return label, rest
        return own


class DebuggedShell(ZMQInteractiveShell):
    """A shell whose ``%debug`` opens a debugger for users at clients."""

    @property
    def debugger_cls(self) -> type:
        """The debugger."""
        return EnginePdb


def colour_tracebacks(shell: ZMQInteractiveShell) -> None:
    """Have a shell write its tracebacks with colours, whatever else it has in colours."""
    writers: tuple[Any, ...] = (shell.InteractiveTB, shell.SyntaxTB)
    for writer in writers:
        writer.set_theme_name(THEME)
