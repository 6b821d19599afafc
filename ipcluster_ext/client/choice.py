"""Which cluster a notebook means, if somebody has said so: the notebook itself, or JupyterLab.

It is written down in the runtime folder, in a file for each notebook, so that the kernel that
comes after a restart finds it. A process that belongs to no notebook remembers it only for itself.
"""

import hashlib
import os
from contextlib import suppress
from pathlib import Path

import msgspec

from ipcluster_ext.errors import ClusterError
from ipcluster_ext.transport.files import read_private, runtime_folder, to_json, write_private
from ipcluster_ext.transport.processes import CLUSTER_VARIABLE

NOTEBOOK_VARIABLE = "JPY_SESSION_NAME"
"""Environment variable, Jupyter's: the notebook that a kernel belongs to."""
_FOLDER = ".notebooks"
_KEPT = 500
"""How many notebooks' choices are remembered; the oldest are forgotten first."""

_own = ""
"""What a process without a notebook has chosen."""


class Choice(msgspec.Struct, frozen=True):
    """What stands in a notebook's file.

    Attributes
    ----------
    notebook
        The notebook, as Jupyter calls it.
    cluster
        The id of the cluster that it uses.
    """

    notebook: str
    cluster: str


def chosen() -> str:
    """Return the id of the cluster that this notebook has chosen; empty if it has chosen none.

    An engine has no choice: it belongs to its cluster.
    """
    if CLUSTER_VARIABLE in os.environ:
        return ""
    notebook = os.environ.get(NOTEBOOK_VARIABLE, "")
    return chosen_by(notebook) if notebook else _own


def chosen_by(notebook: str) -> str:
    """Return the id of the cluster that a notebook has chosen; empty if it has chosen none.

    Parameters
    ----------
    notebook
        The notebook, as Jupyter calls it.
    """
    path = choice_file(notebook)
    if path is None:
        return ""
    try:
        return read_private(path, Choice).cluster
    except (FileNotFoundError, ClusterError):  # none, or not ours to believe
        return ""


def choose(cluster: str) -> None:
    """Write down which cluster this notebook uses from now on; an empty id for none."""
    global _own
    _own = cluster
    choose_for(os.environ.get(NOTEBOOK_VARIABLE, ""), cluster)


def choose_for(notebook: str, cluster: str) -> None:
    """Write down which cluster a notebook uses from now on.

    Its kernel, if it has one, minds it with the next cell.

    Parameters
    ----------
    notebook
        The notebook, as Jupyter calls it.
    cluster
        The cluster's id; empty for none.
    """
    path = choice_file(notebook)
    if path is None:
        return
    if cluster:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        _forget_old(path.parent)
        write_private(path, to_json(Choice(notebook, cluster)))
    else:
        path.unlink(missing_ok=True)
        with suppress(OSError):
            path.parent.rmdir()  # as far as it is empty


def choice_file(notebook: str | None = None) -> Path | None:
    """Return the file of a notebook's choice, whether it is there or not.

    Parameters
    ----------
    notebook
        The notebook, as Jupyter calls it; this process's if not given.

    Returns
    -------
    None if this process belongs to no notebook.
    """
    name = os.environ.get(NOTEBOOK_VARIABLE, "") if notebook is None else notebook
    if not name:
        return None
    digest = hashlib.sha256(name.encode()).hexdigest()[:32]
    return runtime_folder() / _FOLDER / f"{digest}.json"


def _forget_old(folder: Path) -> None:
    ages: list[tuple[int, Path]] = []
    for path in folder.iterdir():
        with suppress(FileNotFoundError):
            ages.append((path.stat().st_mtime_ns, path))
    for _, path in sorted(ages)[: max(0, len(ages) - _KEPT + 1)]:
        path.unlink(missing_ok=True)
