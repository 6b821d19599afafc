"""What a home agent and its foreman say to each other: a line of JSON each.

The foreman is the process that starts engines on other hosts, by launchers. Its first line names
programs that it is to start ahead of everything, its second is the home agent's own configuration.
When its standard input ends it ends whatever it has started, be there a word before
(`END_OF_FOREMAN`) or not.
"""

from typing import Any, Literal

import msgspec

from ipcluster_ext.protocol.shares import Gpus, MemoryLimit, Pin, Resources

END_OF_FOREMAN = b"end\n"
"""What a home agent that ends in good order writes to its foreman before it closes the line."""
LAUNCHED = "launched.json"
"""The file in the cluster's folder in which the foreman keeps what it has started."""

Stage = Literal["starting", "up", "failed", "again", "ended"]
"""How what was started fares: it may come up yet, or cannot be seen from here; its agents have
met the hub; it came to nothing; it did, and is tried once more; it was told to end, or all its
engines were."""


class EngineSet(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Engines of a cluster that one launcher starts.

    Attributes
    ----------
    launcher
        Which launcher starts them; ``"local"`` for engines on this host.
    n
        How many engines; None for as many as the launcher's options say.
    options
        What the launcher is told.
    resources
        What each of them has, as amounts by name or a list of names; what the cluster's others
        have if empty.
    pin, gpus, threads, memory_limit
        What each may use of its host, as for `Cluster`; as the cluster's others if not given.
    name
        What it is called; no other set of the cluster is called so. The launcher's if empty.
    submits
        Whether its tasks may submit tasks (`get_client`). For that its hosts get a client's keys:
        whoever has those can do what users can. Without, they have keys for engines only.
    fixed
        Why it can have no more engines than it was started with, empty if it can. That is for its
        launcher to say.

    Examples
    --------
    >>> ipp.EngineSet(launcher="local", n=2, resources={"gpu": 1}).n
    2
    """

    launcher: str
    n: int | None = None
    options: dict[str, Any] = {}
    resources: Resources = {}
    name: str = ""
    pin: Pin | None = None
    gpus: Gpus | None = None
    threads: int | None = None
    memory_limit: MemoryLimit | None = None
    submits: bool = True
    fixed: str = ""


class More(msgspec.Struct, frozen=True, kw_only=True, tag="more"):
    """To the foreman: start more engines of a set.

    Attributes
    ----------
    number
        Counts the orders, from 1: one that a foreman may not have read before it was killed is
        given to the next one as well.
    """

    set: str
    count: int
    number: int


class Obeyed(msgspec.Struct, frozen=True, tag="obeyed"):
    """From the foreman: all orders are carried out up to this one, and it is written down."""

    number: int


class Launch(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="launch"):
    """How one of the things fares that the foreman has started.

    Attributes
    ----------
    set
        The set of engines that it is part of.
    name
        What people call it: ``"host n1"``.
    count
        How many engines are to come of it.
    stage, state
        How it fares, for programs and for people.
    output
        The last that it wrote, if it has failed.
    again_in
        After how many seconds it is tried again, if it has failed; None if it is not.
    queued
        Whether it waits for its turn, nobody knows for how long.
    last
        Whether it has ended, and nothing else of its set runs: its agents are gone with it.
    kept
        What its launcher needs to find it again.
    """

    set: str
    name: str
    count: int
    stage: Stage = "starting"
    state: str = ""
    output: str = ""
    again_in: float | None = None
    queued: bool = False
    last: bool = False
    kept: dict[str, Any] = {}


class Launches(msgspec.Struct, frozen=True, kw_only=True):
    """All that the foreman has started: the content of `LAUNCHED`.

    Attributes
    ----------
    taken
        The number of the last order for more that it carried out, 0 for none.
    """

    launches: list[Launch]
    taken: int = 0
