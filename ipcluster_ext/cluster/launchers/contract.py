"""The contract for whatever starts engines on other hosts, in the words of `subprocess`.

A launcher starts *processes*: an ssh connection, a batch job, an ``mpiexec``. In each of them one
or more host agents run, and these start engines. Launchers are found by their names, as entry
points of the group ``ipcluster_ext.launchers``; each is made from the options that a profile or
``Cluster(launcher=…, launcher_options=…)`` gives.

All calls come from one thread of a process of its own, which ends with the cluster: they may take
a moment, and need not be quick. Nothing of `Order.config` may appear in arguments, in an
environment or in a log: it holds keys. It travels on standard input, or in a file of mode 0600.
"""

import subprocess
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Literal, NamedTuple

import msgspec

from ipcluster_ext.cluster.ahead import Ahead, Program
from ipcluster_ext.errors import ClusterError

GROUP = "ipcluster_ext.launchers"
"""The group of entry points in which launchers are found."""


class WrongOption(ClusterError):
    """A launcher was told something that it cannot be told.

    Parameters
    ----------
    text
        What is wrong, and what to do.
    option
        Which of its options that is; empty for all of them.
    """

    def __init__(self, text: str, option: str = "") -> None:
        super().__init__(text)
        self.option = option


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a launcher can be told; each launcher has its own, with a docstring for people.

    Attributes
    ----------
    python
        The Python of the other hosts, with this package; the one that runs here if empty.
    environment
        Variables to set for the agents there.
    """

    python: str = ""
    environment: dict[str, str] = {}


class Origins(NamedTuple):
    """From where a launcher's agents come to the hub, as far as that can be known beforehand.

    Attributes
    ----------
    hosts
        The hosts by name, each with the IPv4 address that leads to it; empty where nobody knows
        one, as of a host that does not exist.
    others
        Who else may come, for people: ``"hosts that Slurm chooses"``; empty for nobody.
    """

    hosts: Mapping[str, str] = MappingProxyType({})
    others: str = ""


class Order(ABC):
    """What is to be started, as the cluster tells its launcher.

    Attributes
    ----------
    cluster
        The cluster's id; good for names of jobs.
    folder
        On this host, of mode 0700, for scripts and logs; it is deleted when the cluster has ended.
    """

    cluster: str
    folder: Path

    def doors(self) -> tuple[str, int, int]:
        """Return where the hub listens, as this host sees it.

        Returns
        -------
        An address, its port for clients, and that for engines and agents.

        Raises
        ------
        ClusterError
            The hub has not come up, or nobody here knows.
        """
        msg = f"nobody knows where the hub of {self.cluster} listens"
        raise ClusterError(msg)

    def program(self, program: Program) -> subprocess.Popen[bytes]:
        """Start a program of this host; its standard input and output are pipes.

        Or take it over, if the same was started ahead: see `Launcher.ahead`.

        Parameters
        ----------
        program
            Its arguments, and the file in `folder` to which it writes its errors.

        Raises
        ------
        OSError
            There is no such program, or there are too many processes.
        """
        return Ahead().start(*program)

    @abstractmethod
    def argv(self, python: str) -> list[str]:
        """Return the arguments with which an agent is started: no user input needs quoting."""

    @abstractmethod
    def config(self, count: int, *, first: int | Literal["rank"] | None = None) -> bytes:
        """Return the line that an agent reads from its standard input; it holds keys.

        Parameters
        ----------
        count
            How many engines it is to start.
        first
            The id of the first one, the others follow; ``"rank"`` for the agent's rank times
            ``count``, which it finds in its environment; None for whatever is free.
        """


class Process(ABC):
    """Something that was started, and in which agents run.

    Attributes
    ----------
    name
        What people call it: ``"host n1"``, ``"job 1234"``.
    count
        How many engines are to come of it.
    up
        Whether agents in it have met the hub; None if that cannot be seen here.
    hopeless
        Once it has ended: whether another one like it would fare no better.
    queued
        Whether it has not begun, and waits for its turn: nobody knows for how long.
    in_order
        Once it has ended: whether by itself and without a fault, as its engines were told to end.
    holds
        Whether what runs in it ends with it.
    polite
        Whether `terminate` is heard by what runs there, as a word. Else the hub says it first.
    """

    name: str
    count: int
    up: bool | None = None
    hopeless: bool = False
    queued: bool = False
    in_order: bool = False
    holds: bool = False
    polite: bool = False

    @abstractmethod
    def poll(self) -> int | None:
        """Return its exit code, None while it runs or waits; -255 if that cannot be known."""

    @abstractmethod
    def state(self) -> str:
        """Return how it fares, in a few words for people: ``"waits in the queue (Resources)"``.

        Once it has ended or failed: why, as far as anybody can know.
        """

    @abstractmethod
    def send_signal(self, signum: int) -> None:
        """Send it a signal; if it has ended, do nothing."""

    @abstractmethod
    def terminate(self) -> None:
        """Begin to end it and all that runs in it, in good order."""

    @abstractmethod
    def kill(self) -> None:
        """End it by force."""

    @abstractmethod
    def logs(self) -> str:
        """Return the last lines that it wrote, as far as they can be read here."""

    def spent(self) -> list[str]:
        """Return the public keys of its agents, once it has ended and is not started again.

        The hub admits them no longer then. Those of agents that may live on without it are not
        among them. Where all that was started ends with its process, there is nothing to return:
        the keys of a whole set are withdrawn when none of it is left.
        """
        return []

    def keep(self) -> dict[str, Any]:
        """Return what `Launcher.resume` needs to find it again; JSON, and no secret."""
        return {}


class Launcher(ABC):
    """Starts engines on other hosts.

    Parameters
    ----------
    options
        What the profile says; of this class's `Options`.
    order
        What to start.
    """

    Options: ClassVar[type[Options]] = Options

    def __init__(self, options: Any, order: Order) -> None:  # noqa: ANN401 - of `Options`
        self.options = options
        self.order = order

    @classmethod
    def usual(cls, options: Any) -> int | None:  # noqa: ANN401 - of `Options`
        """Return how many engines its options speak of, None if they do not."""
        del options
        return None

    @classmethod
    def fixed(cls, options: Any) -> str:  # noqa: ANN401 - of `Options`
        """Return why there can be no more engines than were started, and what to do instead.

        Empty if there can, which is usual.
        """
        del options
        return ""

    @classmethod
    def origins(cls, options: Any) -> Origins:  # noqa: ANN401 - of `Options`
        """Return from where its agents come; the hub listens on the way there, and nowhere else.

        It may ask the system and take a moment. Until it is overridden, they may come from hosts
        that nobody knows yet: then the hub listens at the address of its host's name.
        """
        del options
        return Origins(others="hosts that are not known yet")

    def look_through(self, count: int) -> None:
        """Refuse options that `start` would refuse for so many engines; nothing is started.

        It is asked before a cluster starts, so that people can mend what they have filled in. It
        must ask nobody else, and be quick.

        Raises
        ------
        WrongOption
            One of them cannot be; says which.
        """
        del count

    @abstractmethod
    def start(self, count: int) -> Sequence[Process]:
        """Start so many engines, in as many processes as is usual.

        Raises
        ------
        ClusterError
            They cannot be started; says why, and what to do.
        """

    def ahead(self, count: int) -> Sequence[Program]:
        """Return programs with which `start` will begin for so many engines, by `Order.program`.

        They are started at once when a cluster starts, while its own processes come up. So nothing
        in them may depend on those; the hub is not there yet. What `start` does not ask for
        is ended again.

        Raises
        ------
        ClusterError
            They cannot be known; `start` will say why.
        """
        del count
        return ()

    def resume(self, kept: dict[str, Any]) -> Process | None:
        """Take hold again of a process that another launcher of this kind has started.

        Returns
        -------
        None if it has ended with that launcher, or this kind cannot be found again.
        """
        del kept
        return None

    def again(self, process: Process) -> Process | None:
        """Start once more what has ended although nobody wanted it to.

        Returns
        -------
        None if that is not done for processes of this kind.

        Raises
        ------
        ClusterError
            It cannot be started now; it is tried again later.
        """
        del process
        return None

    def check(self) -> list[str]:
        """Return what is missing here to use this launcher, and what to do about it."""
        return []


class Scripted(ABC):
    """What launchers have in common that make something of their options for others to start."""

    @abstractmethod
    def script(self, count: int) -> str:
        """Return what is to start so many engines, for people to look at."""

    def look_through(self, count: int) -> None:
        """Refuse options of which nothing can be made.

        Raises
        ------
        WrongOption
            One of them cannot be; says which.
        """
        self.script(count)
