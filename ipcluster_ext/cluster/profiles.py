"""Profiles: named recipes for clusters, a TOML file each, among Jupyter's configuration.

A profile says what `Cluster` would be told otherwise. They stand in ``ipcluster_ext/profiles``
below the folders that ``jupyter --paths`` calls config; the first of a name counts.
"""

import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from ipcluster_ext.cluster.adaptive import Adapt, as_bounds
from ipcluster_ext.cluster.sets import LOCAL, SSH, Plan, plan
from ipcluster_ext.cluster.shares import check_resources, shares_of
from ipcluster_ext.cluster.words import nearest
from ipcluster_ext.errors import ClusterError
from ipcluster_ext.protocol.process import USUAL, PolicyName
from ipcluster_ext.protocol.shares import Gpus, MemoryLimit, Pin, Resources, Shares

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_SUFFIX = ".toml"
_BELOW = Path("ipcluster_ext", "profiles")
_FROM_HERE = ("description",)


class Profile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a cluster is to be like; what is not given is as `Cluster` has it.

    Attributes
    ----------
    name
        The profile's own; the name of its file.
    description
        A line for people.
    launcher
        How engines are started: ``"local"``, on this host, if not given.
    launcher_options, hosts, engines, adapt
        As for `Cluster`: further tables, a list of hosts for ``ssh``, further sets of engines, and
        how many there are to be as there is work.
    n, engine_timeout, cwd, policy, hwm, history, history_age, silence, host_silence, resources, \
    pin, gpus, threads, memory_limit, ip, ports, location
        As for `Cluster`.
    """

    name: str = ""
    description: str = ""
    launcher: str = LOCAL
    n: int | None = None
    launcher_options: dict[str, Any] | None = None
    hosts: list[str | dict[str, Any]] | None = None
    engines: list[dict[str, Any]] | None = None
    adapt: Adapt | None = None
    engine_timeout: float | None = None
    cwd: str | None = None
    policy: PolicyName | None = None
    hwm: int | None = None
    history: int | None = None
    history_age: float | None = None
    silence: float | None = None
    host_silence: float | None = None
    resources: Resources | None = None
    pin: Pin | None = None
    gpus: Gpus | None = None
    threads: int | None = None
    memory_limit: MemoryLimit | None = None
    ip: str | list[str] | None = None
    ports: tuple[int, int] | None = None
    location: str | list[str] | None = None

    @property
    def options(self) -> dict[str, Any]:
        """What it tells `Cluster`."""
        given = msgspec.structs.asdict(self)
        del given["name"]
        return {
            key: value
            for key, value in given.items()
            if value is not None and key not in _FROM_HERE
        }


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """What a cluster is to be like, all told; attributes as for `Cluster`."""

    profile: str = ""
    n: int | None = None
    launcher: str = LOCAL
    launcher_options: Mapping[str, Any] | None = None
    hosts: Sequence[Any] | None = None
    engines: Sequence[Any] = ()
    adapt: Adapt | Mapping[str, Any] | None = None
    engine_timeout: float = 60.0
    cwd: str | None = None
    policy: PolicyName = USUAL.policy
    hwm: int = USUAL.hwm
    history: int = USUAL.history
    history_age: float = USUAL.history_age
    silence: float | None = None
    host_silence: float | None = None
    resources: Mapping[str, float] | Sequence[str] | None = None
    pin: Pin | None = None
    gpus: Gpus | None = None
    threads: int | None = None
    memory_limit: MemoryLimit | None = None
    ip: str | Sequence[str] | None = None
    ports: tuple[int, int] | None = None
    location: str | Sequence[str] = ()

    def plan(self, n: int | None) -> Plan:
        """Return which engines there are to be, so many by its launcher.

        Raises
        ------
        ValueError
            There can be no such number.
        ClusterError
            There is no such launcher, or something that it is told is wrong.
        """
        adapt = as_bounds(self.adapt, 1)
        if n is None and adapt is not None and self.launcher == LOCAL and not self.hosts:
            n = max(1, adapt.minimum)
        return plan(
            n,
            launcher=self.launcher,
            options=self.launcher_options,
            hosts=self.hosts,
            engines=self.engines,
        )

    @property
    def shares(self) -> Shares:
        """What each engine may use of its host.

        Raises
        ------
        ValueError, TypeError
            One of them cannot be what it is.
        """
        return shares_of(
            pin=self.pin, gpus=self.gpus, threads=self.threads, memory_limit=self.memory_limit
        )

    @property
    def addresses(self) -> list[str]:
        """Where other hosts are to find this one; its own addresses if empty."""
        return [self.location] if isinstance(self.location, str) else list(self.location)


FIELDS = tuple(name for name in Profile.__struct_fields__ if name != "name")

TEMPLATE = """\
# A profile of ipcluster_ext: what a cluster of this name is like.
# In Python: ipcluster_ext.Cluster("{name}"); in a shell: ipcluster-ext start --profile {name}
# A line that begins with '#' is as usual.

description = "{description}"
launcher = "local"          # engines on this host; 'ipcluster-ext profile launchers' lists others
{n}
# hosts = ["n1", "ann@n2:4"]  # other hosts, by ssh; :4 for so many engines there
# cwd = "~/data"            # the engines' working folder
# policy = "leastload"      # or lru, plainrandom, twobin, weighted, pure
# hwm = 0                   # unfinished tasks per engine at most; 0: as many as pay
# history = 10000           # ended tasks that are remembered
# history_age = 604800.0    # and for how many seconds
# adapt = {{minimum = 1, maximum = 8, idle_timeout = 60.0}}  # engines as there is work
# engine_timeout = 60.0     # seconds that engines may take to come up
# silence = 60.0            # seconds after which an engine that hangs is started again
# host_silence = 60.0       # and seconds after which a host that is not heard is given up
# pin = "cores"             # keep each engine to processors of its own
# gpus = "auto"             # give each engine a GPU of its own, and the resource "gpu"
# threads = 1               # threads of numerical libraries in each; its part of the processors
# memory_limit = "4 GB"     # for each engine; who uses more is killed and started again
# ip = "*"                  # where to listen, encrypted, if not on the ways to its engines
# ports = [41001, 41002]    # for clients, for engines
# location = "10.0.0.5"     # by which address other hosts reach this one

# [resources]               # what each engine has, for tasks that ask for it
# gpu = 1

# [launcher_options]        # what the launcher is told
# python = "/opt/venv/bin/python"

# [[engines]]               # further engines in the same cluster; may be repeated
# launcher = "ssh"
# hosts = ["n3:8"]
"""


DEFAULT = "default"
"""The profile that need not be there; if it is, it is used where none is named."""


def recipe(name: str | None, **given: Any) -> Recipe:
    """Return what a cluster is to be like: as is given, else as its profile says, else as usual.

    Parameters
    ----------
    name
        The profile; empty or ``"default"`` for that of this name, if there is one; None for none.
    **given
        Fields of a recipe, None for those that are not given.

    Raises
    ------
    ClusterError
        There is no such profile, or something in it is wrong.
    """
    if name is None or (name in {"", DEFAULT} and DEFAULT not in names()):
        profile = Profile()
    else:
        profile = load(name or DEFAULT)
    said = {key: value for key, value in given.items() if value is not None}
    options = profile.options
    if said.get("launcher", SSH if "hosts" in said else profile.launcher) != profile.launcher:
        for key in ("launcher", "launcher_options", "hosts"):  # these are for the other one
            options.pop(key, None)
    return Recipe(profile=profile.name, **{**options, **said})


def folders() -> list[Path]:
    """Return where profiles stand, the first of a name being the one that counts."""
    from jupyter_core.paths import jupyter_config_path

    return [Path(each) / _BELOW for each in jupyter_config_path()]


def own_folder() -> Path:
    """Return where the user's own profiles stand."""
    from jupyter_core.paths import jupyter_config_dir

    return Path(jupyter_config_dir()) / _BELOW


def names() -> list[str]:
    """Return the names of all profiles, in order."""
    found = {path.stem for folder in folders() for path in folder.glob(f"*{_SUFFIX}")}
    return sorted(name for name in found if _NAME.fullmatch(name))


def find(name: str) -> Path:
    """Return a profile's file.

    Raises
    ------
    ClusterError
        There is none of that name.
    """
    check_name(name)
    for folder in folders():
        path = folder / f"{name}{_SUFFIX}"
        if path.is_file():
            return path
    known = names()
    msg = (
        f"there is no profile {name!r}{nearest(name, known)}; profiles: "
        f"{', '.join(known) or 'none'}. 'ipcluster-ext profile create {name}' makes one"
    )
    raise ClusterError(msg)


def load(name: str) -> Profile:
    """Read a profile.

    Raises
    ------
    ClusterError
        There is none of that name, or something in it is wrong: says what, and in which file.
    """
    return read(find(name))


def read(path: Path) -> Profile:
    """Read a profile's file.

    Raises
    ------
    ClusterError
        It cannot be read, or something in it is wrong.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror}"
        raise ClusterError(msg) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        msg = f"{path} is not TOML: {error}"
        raise ClusterError(msg) from None
    return parse(content, name=path.stem, source=str(path))


def parse(content: Mapping[str, Any], *, name: str, source: str) -> Profile:
    """Make a profile of what stands in its file.

    Parameters
    ----------
    content
        The file's keys and values.
    name
        The profile's name.
    source
        What to call the file in errors.

    Raises
    ------
    ClusterError
        A key is unknown, or a value is not what it has to be.
    """
    for key in content:
        if key not in FIELDS:
            known = ", ".join(FIELDS)
            msg = f"{source}: unknown key {key!r}{nearest(key, FIELDS)}; keys: {known}"
            raise ClusterError(msg)
    try:
        profile = msgspec.convert({**content, "name": name}, Profile)
    except msgspec.ValidationError as error:
        msg = f"{source}: {str(error).replace(' - at `$.', ', in `').replace(' - at `$`', '')}"
        raise ClusterError(msg) from None
    try:
        made = Recipe(**profile.options)
        made.plan(profile.n)
        check_resources(made.resources)
        made.shares  # noqa: B018 - it is looked through
    except (ClusterError, TypeError, ValueError) as error:
        msg = f"{source}: {error}"
        raise ClusterError(msg) from None
    if profile.hosts is not None:
        profile = msgspec.structs.replace(profile, launcher=SSH)
    if profile.cwd is None:
        return profile
    return msgspec.structs.replace(profile, cwd=str(Path(profile.cwd).expanduser()))


def create(name: str, *, n: int | None = None, description: str = "", text: str = "") -> Path:
    """Write a profile to begin with, among the user's own.

    Parameters
    ----------
    name
        What it is called.
    n
        How many engines; one for each processor if not given.
    description
        A line for people.
    text
        What is to stand in it, if not a bit of everything.

    Returns
    -------
    Its file.

    Raises
    ------
    ClusterError
        There is one of that name there, or it cannot be a name, or the file cannot be written.
    """
    path = own_folder() / f"{check_name(name)}{_SUFFIX}"
    count = f"n = {n}" if n is not None else f"# n = {os.cpu_count()}"
    text = text or TEMPLATE.format(
        name=name,
        description=description.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " "),
        n=f"{count:27} # how many engines; one for each processor if not given",
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        msg = f"there is a profile {name!r} already: {path}"
        raise ClusterError(msg) from None
    except OSError as error:
        msg = f"{path} cannot be written: {error.strerror}"
        raise ClusterError(msg) from None
    return path


def check_name(name: str) -> str:
    """Return a name that can be a profile's.

    Raises
    ------
    ClusterError
        It cannot.
    """
    if not _NAME.fullmatch(name):
        msg = (
            f"{name!r} cannot be a profile's name; use up to 64 letters, digits, '-', '_' and "
            "'.', beginning with a letter or a digit"
        )
        raise ClusterError(msg)
    return name
