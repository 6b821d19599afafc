"""Which launchers there are, found by name as entry points, and what each can be told.

``"local"`` is not among the entry points: engines on this host need no launcher of that kind.
"""

import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, Literal, NamedTuple

import msgspec

from ipcluster_ext.cluster.launchers.contract import (
    GROUP,
    Launcher,
    Options,
    Order,
    WrongOption,
)
from ipcluster_ext.cluster.words import nearest
from ipcluster_ext.errors import ClusterError

_PLACE = re.compile(r"at `\$\.(\w+)")

LOCAL = "local"
"""What engines on this host are started by."""
OURS = {
    "htcondor": "ipcluster_ext.cluster.launchers.htcondor:CondorLauncher",
    "kubernetes": "ipcluster_ext.cluster.launchers.kubernetes:KubernetesLauncher",
    "lsf": "ipcluster_ext.cluster.launchers.lsf:LsfLauncher",
    "mpi": "ipcluster_ext.cluster.launchers.mpi:MpiLauncher",
    "pbs": "ipcluster_ext.cluster.launchers.pbs:PbsLauncher",
    "sge": "ipcluster_ext.cluster.launchers.sge:SgeLauncher",
    "slurm": "ipcluster_ext.cluster.launchers.slurm:SlurmLauncher",
    "ssh": "ipcluster_ext.cluster.launchers.ssh:SshLauncher",
}
"""This package's own entry points: looking through all that are installed takes a while, and
engines wait meanwhile."""


class Listed(NamedTuple):
    """A launcher, for people: its name, what it does, and what it can be told."""

    name: str
    about: str
    options: tuple[str, ...]


def names() -> list[str]:
    """Return the names of all launchers, the local one first."""
    return [LOCAL, *sorted({**_installed(), **OURS})]


def find(name: str) -> type[Launcher]:
    """Return a launcher for other hosts.

    Raises
    ------
    ClusterError
        There is none of that name, or its package cannot be imported.
    """
    place = OURS.get(name) or _installed().get(name)
    if place is None:
        known = names()
        msg = f"there is no launcher {name!r}{nearest(name, known)}; launchers: {', '.join(known)}"
        raise ClusterError(msg)
    try:
        launcher = resolve_name(place)
    except (ImportError, AttributeError, ValueError) as error:
        msg = f"launcher {name!r} ({place}) cannot be loaded: {error}"
        raise ClusterError(msg) from None
    if not (isinstance(launcher, type) and issubclass(launcher, Launcher)):
        msg = f"launcher {name!r} ({place}) is no {Launcher.__module__}.{Launcher.__name__}"
        raise ClusterError(msg)
    return launcher


def options_of(name: str, given: Mapping[str, Any]) -> Options:
    """Check what a launcher is told.

    Parameters
    ----------
    name
        The launcher.
    given
        Its options, as a profile or ``launcher_options`` has them.

    Raises
    ------
    ClusterError
        There is no such launcher.
    WrongOption
        It has no such option, or a value is not what it has to be.
    """
    kind = find(name).Options
    for key in given:
        if key not in kind.__struct_fields__:
            known = kind.__struct_fields__
            msg = (
                f"launcher {name!r} has no option {key!r}{nearest(key, known)}; "
                f"options: {', '.join(known)}"
            )
            raise WrongOption(msg, key)
    try:
        return msgspec.convert(dict(given), kind)
    except msgspec.ValidationError as error:
        where = str(error).replace(" - at `$.", ", in `").replace(" - at `$`", "")
        msg = f"launcher {name!r}: {where}"
        option = _PLACE.search(str(error))
        raise WrongOption(msg, option[1] if option is not None else "") from None


def listing() -> list[Listed]:
    """Return all launchers, for people to choose from; those that cannot be loaded say why."""
    listed = [Listed(LOCAL, "Engines on this host.", ())]
    for name in names()[1:]:
        try:
            launcher = find(name)
        except ClusterError as error:
            listed.append(Listed(name, str(error), ()))
            continue
        about = (launcher.__doc__ or "").partition("\n")[0]
        listed.append(Listed(name, about, launcher.Options.__struct_fields__))
    return listed


def example(name: str) -> str:
    """Return the text of a profile for a launcher, to begin with.

    Raises
    ------
    ClusterError
        There is no such launcher.
    """
    usual = f'launcher = "{name}"\n# n = 4\n\n[launcher_options]\n'
    return str(getattr(find(name), "EXAMPLE", usual))


def missing(name: str, given: Mapping[str, Any]) -> list[str]:
    """Return what is missing here to use a launcher, told these options, and what to do about it.

    Raises
    ------
    ClusterError
        There is no such launcher, or an option is wrong.
    """
    return find(name)(options_of(name, given), _Nowhere()).check()


def look_through(name: str, given: Mapping[str, Any], count: int) -> None:
    """Refuse what a launcher would refuse when it starts so many engines; nothing is started.

    Raises
    ------
    ClusterError
        There is no such launcher.
    WrongOption
        An option is wrong; says which.
    """
    find(name)(options_of(name, given), _Nowhere()).look_through(count)


class _Nowhere(Order):
    """What launchers are told that only look whether they could start anything."""

    cluster = "cluster"
    folder = Path(tempfile.gettempdir())

    def argv(self, python: str) -> list[str]:
        """Return the arguments with which an agent would be started."""
        return [python, "-m", "ipcluster_ext.agent"]

    def config(self, count: int, *, first: int | Literal["rank"] | None = None) -> bytes:
        """Refuse: nothing is to be started.

        Raises
        ------
        ClusterError
            Always.
        """
        msg = f"no cluster is to be started here, and so no engines ({count}, {first})"
        raise ClusterError(msg)


def _installed() -> dict[str, str]:
    """Return where launchers are of all packages that are installed, by name."""
    from importlib.metadata import entry_points  # takes a while, and ours are known

    return {entry.name: entry.value for entry in entry_points(group=GROUP)}
