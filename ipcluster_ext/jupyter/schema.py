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
WorkAction = Literal["cancel", "interrupt", "retry"]
"""``cancel``: what has not begun will never run. ``interrupt``: what runs is stopped, too.
``retry``: what failed runs again."""

Count = Annotated[int, msgspec.Meta(ge=0, le=100_000)]
ClusterId = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,15}$")]
Name = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
OptionValue = bool | int | float | str | list[str] | dict[str, str]
"""What a launcher can be told in a form; what is more than that, in a profile only."""
FieldKind = Literal["text", "integer", "number", "flag", "choice", "list", "map"]


class _Json(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A JSON object, its keys in the browser's manner."""


class _Body(_Json, frozen=True, forbid_unknown_fields=True):
    """What a browser sends; a key that is unknown is an error."""


# ---------------------------------------------------------------- what the browser is told


class Cluster(_Json, frozen=True):
    """A cluster of this user on this host, wherever it was started.

    ``wanted`` engines are to run, ``ready`` do, ``busy`` of these have work. ``owner`` is the
    process with which it ends, 0 if it lives until it is stopped. ``error`` says why it failed, or
    what went wrong last; ``log`` is what its processes said when it could not start. ``launchers``
    are those of its engines on other hosts; ``hosts`` is how many hosts have engines now.
    """

    id: str
    state: ClusterState
    profile: str = ""
    host: str = ""
    hosts: int = 0
    launchers: list[str] = []
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

    ``cpu`` is a fraction of one processor; ``nbytes`` its memory, ``limit`` what it may use
    or there is for all engines of its host, 0 if that is not known.
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

    Counts are of tasks. ``ended`` is 0 as long as one of them has not ended. So many of those that
    ``failed`` were ``retried``, from wherever.
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
    retried: int


class Profile(_Json, frozen=True):
    """A recipe for a cluster. ``error`` says why it cannot be used.

    ``options`` are what it tells its launcher, as far as that fits into a form; ``beyond`` are the
    names of the others.
    """

    name: str
    description: str = ""
    launcher: str = "local"
    n: int | None = None
    error: str = ""
    options: dict[str, OptionValue] = {}
    beyond: list[str] = []


class Field(_Json, frozen=True):
    """An option of a launcher, as a form has it. ``usual``: not only few need it."""

    name: str
    kind: FieldKind
    value: OptionValue
    help: str = ""
    choices: list[str] = []
    usual: bool = False


class Launcher(_Json, frozen=True):
    """What starts engines; ``missing`` says why it cannot do so here, as far as anybody can see."""

    name: str
    about: str
    missing: str = ""
    fields: list[Field] = []


class Profiles(_Json, frozen=True):
    """All recipes and launchers, and how many processors there are where nobody says how many."""

    profiles: list[Profile]
    processors: int
    launchers: list[Launcher] = []


class Log(_Json, frozen=True):
    """The last lines of a log."""

    text: str


class Console(_Json, frozen=True):
    """A kernel of the server that stands for an engine; a console can be opened on it."""

    kernel: str
    name: str


class Choice(_Json, frozen=True):
    """Which cluster a notebook has chosen, null if none, and whether that one is there."""

    cluster: str | None
    runs: bool = False


class Tended(_Json, frozen=True):
    """What came of an action on work: so many tasks will never run, or run again.

    ``client`` is whose they are that run again: ``rc.history(client_uuid=client)`` finds them.
    ``reason`` says why others do not.
    """

    count: int
    client: str = ""
    reason: str = ""


# ---------------------------------------------------------------- what the browser asks


class New(_Body, frozen=True):
    """Start a cluster; what is not given is as the profile has it, each option by itself."""

    profile: Name | None = None
    id: ClusterId | None = None
    n: Annotated[int, msgspec.Meta(ge=1, le=10_000)] | None = None
    launcher: Name | None = None
    options: dict[str, OptionValue] | None = None


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


class Choose(_Body, frozen=True):
    """Have a notebook use a cluster where it names none; null for whichever there is."""

    cluster: ClusterId | None


class Tend(_Body, frozen=True):
    """Do something to work, whoever has submitted it.

    ``began`` is when it began, as the browser knows it: another hub may have given its number to
    other work.
    """

    action: WorkAction
    began: float


# ---------------------------------------------------------------- the WebSocket


class Select(_Body, frozen=True, tag="select"):
    """From the browser: tell everything of this cluster from now on, and of no other.

    Said again after a break, it brings everything once more. With ``spans`` it is told as well
    which tasks ran when and where.
    """

    cluster: ClusterId | None = None
    interval: Annotated[float, msgspec.Meta(ge=0.1, le=60.0)] = 0.1
    spans: bool = False


class ClustersNow(_Json, frozen=True, tag="clusters"):
    """To the browser: all clusters, whenever something of them changes; ``at`` what time it is."""

    at: float
    clusters: list[Cluster]


class StatusNow(_Json, frozen=True, tag="status"):
    """To the browser: what has changed in the selected cluster; everything if it is ``whole``.

    ``gone`` are the engines, and ``past`` the work, that are not shown any more. ``lines`` are what
    engines wrote last, by engine; empty where one has written nothing since it was started.
    """

    cluster: str
    whole: bool
    engines: list[Engine] = []
    gone: list[int] = []
    work: list[Work] = []
    past: list[int] = []
    lines: dict[int, str] = {}


class SpansNow(_Json, frozen=True, tag="spans"):
    """To the browser: which tasks have ended since the last time, when and where they ran.

    The n-th of each list but ``titles`` is of the n-th span; ``title`` is a place in ``titles``.
    A span is ``count`` tasks, one after the other on one engine, which have ``failed`` all, or
    none. ``left_out`` is how many tasks are not told of. If it is ``whole``, what was told before
    is told again.
    """

    cluster: str
    whole: bool
    titles: list[str]
    engine: list[int]
    title: list[int]
    began: list[float]
    lasted: list[float]
    failed: list[bool]
    count: list[int]
    left_out: int = 0


class Refusal(_Json, frozen=True, tag="refusal"):
    """To the browser: what it said could not be understood."""

    reason: str


FromBrowser = Select
ToBrowser = ClustersNow | StatusNow | SpansNow | Refusal
