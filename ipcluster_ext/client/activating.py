"""Having ``%px`` and its kin address engines, where IPython is running; it is not imported here."""

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ipcluster_ext import DirectView

_ENGINES = "ipcluster_ext.engine."


def offer_magics() -> None:
    """Register ``%px`` and its kin, unless they are: this process has opened a client.

    Nothing happens outside IPython; nor in an engine, whose tasks open clients of their own.
    """
    shell = _shell()
    if shell is not None and not type(shell).__module__.startswith(_ENGINES):
        import ipcluster_ext  # faces are asked for at the root

        ipcluster_ext.load_ipython_extension(shell)


def activate(view: "DirectView", suffix: str) -> None:
    """Have the magics of a suffix address a view's engines; nothing happens outside IPython."""
    shell = _shell()
    if shell is not None:
        import ipcluster_ext  # faces are asked for at the root

        ipcluster_ext.activate_magics(shell, view, suffix)


def _shell() -> Any:
    """Return the IPython that runs in this process, None if none does."""
    ask = getattr(sys.modules.get("IPython"), "get_ipython", None)
    return None if ask is None else ask()
