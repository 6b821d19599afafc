"""``%load_ext ipcluster_ext``: registers the magics; starts nothing, and connects to nothing."""

from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from ipcluster_ext.client.choice import choose, chosen
from ipcluster_ext.magics.completion import Matcher, matcher_of
from ipcluster_ext.magics.px import Px

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from ipcluster_ext import DirectView


class _Loaded:
    """What an IPython has of ours."""

    def __init__(self) -> None:
        self.magics: dict[str, Px] = {}
        self.matcher: Matcher = matcher_of(self.magics)


_loaded: "WeakKeyDictionary[InteractiveShell, _Loaded]" = WeakKeyDictionary()


def load_ipython_extension(shell: "InteractiveShell") -> None:
    """Register ``%px`` and its kin with an IPython, unless they are; ``%load_ext`` calls this."""
    if shell not in _loaded or "" not in _loaded[shell].magics:
        activate_magics(shell)


def prepare_notebook(
    shell: "InteractiveShell", cluster: str | None = None, *, replaces: bool = False
) -> None:
    """Register the magics, and have the notebook use a cluster; JupyterLab's panel runs this.

    As the kernel runs it in one row with the cells, what is chosen holds for the very next one.

    Parameters
    ----------
    shell
        The IPython of the notebook's kernel.
    cluster
        The cluster's id; empty for none, None to leave that as it is.
    replaces
        Whether it takes the place of another one that the notebook has chosen.
    """
    load_ipython_extension(shell)
    if cluster is not None and (replaces or not chosen()):
        choose(cluster)


def unload_ipython_extension(shell: "InteractiveShell") -> None:
    """Take all magics of ours from an IPython; ``%unload_ext`` calls this."""
    loaded = _loaded.pop(shell, None)
    if loaded is None:
        return
    shell.Completer.custom_matchers.remove(loaded.matcher)
    table = shell.magics_manager.magics
    for px in loaded.magics.values():
        px.unload()
        for kind, names in (("line", px.lines), ("cell", px.cells)):
            for name in names:
                table[kind].pop(name, None)


def activate_magics(
    shell: "InteractiveShell", view: "DirectView | None" = None, suffix: str = ""
) -> None:
    """Register the magics of a suffix, instead of those of the same one that were there.

    Parameters
    ----------
    shell
        The IPython that gets them.
    view
        The engines that they address; found when they are needed if not given.
    suffix
        What their names end with.
    """
    if shell not in _loaded:
        _loaded[shell] = _Loaded()
        shell.Completer.custom_matchers.append(_loaded[shell].matcher)
    magics = _loaded[shell].magics
    if suffix in magics:
        magics[suffix].unload()
    px = magics[suffix] = Px(shell, suffix, view)
    register: Any = shell.register_magic_function  # typed as if it were not bound
    for name, line in px.lines.items():
        register(line, "line", name)
    for name, cell in px.cells.items():
        register(cell, "cell", name)
