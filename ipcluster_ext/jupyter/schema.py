"""The JSON contract between the server extension and the browser; twin of ``contract.ts``.

Everything has a type of its own here. Bodies are checked against these types before anybody acts
on them; times are seconds since 1970 by the server's clock.
"""

from typing import Annotated, Literal

import msgspec

from ipcluster_ext.protocol.feed import EngineState

ClusterState = Literal["starting", "ready", "empty", "recovering", "stopping", "failed"]
"""How a cluster is. ``starting``: not all engines are there yet. ``empty``: nobody is to run.
``recovering``: its hub takes over from another. ``failed``: it could not start, see ``error``."""
EngineAction = Literal["interrupt", "restart", "stop", "retire"]

Count = Annotated[int, msgspec.Meta(ge=0, le=100_000)]
ClusterId = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,15}$")]
Name = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
Port = Annotated[int, msgspec.Meta(ge=0, le=65_535)]


class _Json(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A JSON object, its keys in the browser's manner."""


class _Body(_Json, frozen=True, forbid_unknown_fields=True):
    """What a browser sends; a key that is unknown is an error."""


# ---------------------------------------------------------------- what the browser is told


class Cluster(_Json, frozen=True):
    """A cluster of this user on this host, wherever it was started.

    ``wanted`` engines are to run, ``ready`` do, ``busy`` of these have work. ``owner`` is the
    process with which it ends, 0 if it lives until it is stopped. ``error`` says why it failed, or
    what went wrong last; ``log`` is what its processes said when it could not start.
    """

    id: str
    state: ClusterState
    profile: str = ""
    host: str = ""
    wanted: int = 0
    ready: int = 0
    busy: int = 0
    queued: int = 0
    running: int = 0
    ended: int = 0
    failed: int = 0
    owner: int = 0
    started_at: float = 0.0
    started_by: str = ""
    connection_file: str = ""
    error: str = ""
    log: str = ""


class Engine(_Json, frozen=True):
    """An engine. ``label`` is what it runs, ``since`` when it began that or became idle.

    ``cpu`` is a fraction of one processor; ``nbytes`` its memory, ``limit`` what there is for all
    engines of its host, 0 if that is not known.
    """

    id: int
    state: EngineState
    host: str
    pid: int
    label: str
    since: float
    queued: int
    ended: int
    failed: int
    cpu: float | None
    nbytes: int | None
    limit: int
    reason: str


class Work(_Json, frozen=True):
    """Tasks that belong together: a map, or calls of one function under one label.

    Counts are of tasks. ``ended`` is 0 as long as one of them has not ended.
    """

    number: int
    session: str
    label: str
    name: str
    kind: str
    done: int
    failed: int
    cancelled: int
    running: int
    queued: int
    began: float
    ended: float
    error: str


class Profile(_Json, frozen=True):
    """A recipe for a cluster. ``error`` says why it cannot be used."""

    name: str
    description: str = ""
    launcher: str = "local"
    n: int | None = None
    error: str = ""


class Profiles(_Json, frozen=True):
    """All recipes, and how many processors there are for a cluster that does not say."""

    profiles: list[Profile]
    processors: int


class Log(_Json, frozen=True):
    """The last lines of a log."""

    text: str


class Console(_Json, frozen=True):
    """A kernel of the server that stands for an engine; a console can be opened on it."""

    kernel: str
    name: str


# ---------------------------------------------------------------- what the browser asks


class New(_Body, frozen=True):
    """Start a cluster; what is not given is as the profile has it."""

    profile: Name | None = None
    id: ClusterId | None = None
    n: Annotated[int, msgspec.Meta(ge=1, le=10_000)] | None = None


class Scale(_Body, frozen=True):
    """Have so many engines. With ``force`` busy ones end, too, and what they run is lost."""

    n: Count
    force: bool = False


class Restart(_Body, frozen=True):
    """Give engines new processes; all if none is named."""

    engines: list[Count] | None = None


class Act(_Body, frozen=True):
    """Do something to one engine."""

    action: EngineAction


# ---------------------------------------------------------------- the WebSocket


class Select(_Body, frozen=True, tag="select"):
    """From the browser: tell everything of this cluster from now on, and of no other.

    Said again after a break, it brings everything once more.
    """

    cluster: ClusterId | None = None
    interval: Annotated[float, msgspec.Meta(ge=0.1, le=60.0)] = 0.1


class ClustersNow(_Json, frozen=True, tag="clusters"):
    """To the browser: all clusters, whenever something of them changes; ``at`` what time it is."""

    at: float
    clusters: list[Cluster]


class StatusNow(_Json, frozen=True, tag="status"):
    """To the browser: what has changed in the selected cluster; everything if it is ``whole``.

    ``gone`` are the engines, and ``past`` the work, that are not shown any more.
    """

    cluster: str
    whole: bool
    engines: list[Engine] = []
    gone: list[int] = []
    work: list[Work] = []
    past: list[int] = []


class Refusal(_Json, frozen=True, tag="refusal"):
    """To the browser: what it said could not be understood."""

    reason: str


FromBrowser = Select
ToBrowser = ClustersNow | StatusNow | Refusal
