"""Which part of its host each engine may use: decisions only.

Engines have *places*, which are counted from 0 and outlast their processes: whoever is started
again gets the same processors and the same GPU.
"""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ipcluster_ext.protocol.ids import EngineId
from ipcluster_ext.protocol.shares import Gpus, Share, Shares

GPU = "gpu"
"""The resource that an engine has with a GPU of its own."""
VISIBLE = "CUDA_VISIBLE_DEVICES"
OPENMP = "OMP_NUM_THREADS"
"""What decides for all numerical libraries that nothing else was said to."""
THREADS = (OPENMP, "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_OPENBLAS = ("OPENBLAS_NUM_THREADS", "GOTO_NUM_THREADS", OPENMP)
_RANKS = ("OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID", "PMI_LOCAL_RANK", "SLURM_LOCALID")
_SIZES = (
    "OMPI_COMM_WORLD_LOCAL_SIZE",
    "MPI_LOCALNRANKS",
    "PMI_LOCAL_SIZE",
    "SLURM_STEP_TASKS_PER_NODE",
)
_LEADING = re.compile(r"\d+")


class Host(NamedTuple):
    """What there is to share.

    Attributes
    ----------
    cores
        The processors that this process may run on.
    gpus
        The GPUs that a program started here would see, by the names it could choose them by.
    memory
        How much memory there is, in bytes.
    environment
        This process's variables.
    """

    cores: Sequence[int]
    gpus: Sequence[str]
    memory: int
    environment: Mapping[str, str]


class Allotment:
    """Shares a host out.

    Parameters
    ----------
    shares
        How.
    host
        What there is.
    count
        How many engines are to come.
    """

    def __init__(self, shares: Shares, host: Host, count: int) -> None:
        self._shares = shares
        self._host = host
        self._rank, self._peers = neighbours(host.environment)
        self._count = count
        self._gpus = [] if shares.gpus is None else chosen(shares.gpus, host.gpus)
        self._places: dict[EngineId, int] = {}
        self._given: dict[EngineId, Share] = {}

    @property
    def resources(self) -> dict[str, float]:
        """What each engine has through its share."""
        return {GPU: 1.0} if self._gpus else {}

    @property
    def memory_limit(self) -> int:
        """How many bytes of memory each engine may use, 0 for any number."""
        limit = self._shares.memory_limit
        return int(limit * self._host.memory if limit <= 1.0 else limit)

    @property
    def missing(self) -> str:
        """What was wished for and is not there, empty if nothing."""
        if self._shares.gpus and not self._gpus:
            return "no GPU was found for engines"
        return ""

    def take(self, engines: Sequence[EngineId]) -> None:
        """Give places to engines that have none, the lowest that are free."""
        new = [engine for engine in engines if engine not in self._places]
        taken, place = set(self._places.values()), 0
        for engine in new:
            while place in taken:
                place += 1
            self._places[engine] = place
            taken.add(place)
        count = max(self._count, len(self._places)) * self._peers
        for engine in new:
            self._given[engine] = self._share(self._places[engine], count)

    def leave(self, engine: EngineId) -> None:
        """Have an engine's place for others: it is gone for good."""
        self._places.pop(engine, None)
        self._given.pop(engine, None)

    def of(self, engine: EngineId) -> Share:
        """Return what an engine may use, the same in all its lives."""
        return self._given.get(engine, Share())

    def _share(self, place: int, count: int) -> Share:
        place += self._rank * max(self._count, 1)
        own = cores_at(place, self._host.cores, count)
        wanted = self._shares.threads or max(1, len(self._host.cores) // count)
        chosen_by_user = {} if self._shares.threads else self._host.environment
        environment = threads(wanted, chosen_by_user)
        if self._gpus:
            environment[VISIBLE] = self._gpus[place % len(self._gpus)]
        return Share(
            cores=own if self._shares.pin else [],
            environment=environment,
            threads=openblas_threads({**chosen_by_user, **environment}),
        )


def cores_at(place: int, cores: Sequence[int], count: int) -> list[int]:
    """Return the processors of one of so many engines: as many for each, and for one at least.

    Parameters
    ----------
    place
        Which of them it is; there may be more than were planned, and they share.
    cores
        All processors, in order.
    count
        How many engines there are.
    """
    if not cores:
        return []
    each = max(1, len(cores) // max(1, count))
    start = place % (len(cores) // each) * each
    return list(cores[start : start + each])


def chosen(gpus: Gpus, visible: Sequence[str]) -> list[str]:
    """Return the GPUs that engines share.

    Parameters
    ----------
    gpus
        Which are meant: a number counts those that can be seen, as programs count them; a text is
        one's name.
    visible
        Those that can be seen.
    """
    if gpus == "auto":
        return list(visible)
    there = [
        visible[gpu] if isinstance(gpu, int) else gpu
        for gpu in gpus
        if not isinstance(gpu, int) or gpu < len(visible)
    ]
    return list(dict.fromkeys(there))


def visible_gpus(environment: Mapping[str, str], installed: int) -> list[str]:
    """Return the GPUs that a program sees.

    Parameters
    ----------
    environment
        Its variables: they may show it only some, and in another order.
    installed
        How many the host has.
    """
    shown = environment.get(VISIBLE)
    if shown is None:
        return [str(number) for number in range(installed)]
    names: list[str] = []
    for name in (part.strip() for part in shown.split(",")):
        if not name or name.startswith("-"):  # whatever follows is hidden, too
            break
        names.append(name)
    return names


def threads(count: int, environment: Mapping[str, str]) -> dict[str, str]:
    """Return variables that have numerical libraries use so many threads.

    Parameters
    ----------
    count
        How many.
    environment
        What was chosen otherwise, and stays.
    """
    if OPENMP in environment:
        return {}
    return {name: str(count) for name in THREADS if name not in environment}


def openblas_threads(environment: Mapping[str, str]) -> int:
    """Return how many threads OpenBLAS uses with these variables, 0 for as many as it likes."""
    for name in _OPENBLAS:
        text = environment.get(name, "").strip()
        if text.isdecimal() and int(text):
            return int(text)
    return 0


def neighbours(environment: Mapping[str, str]) -> tuple[int, int]:
    """Return which this agent is of those that were started side by side here, and of how many.

    Batch systems and ``mpiexec`` start several on a host, and say so in their environment.
    """
    rank, size = (_number(environment, names) for names in (_RANKS, _SIZES))
    if rank is None:
        return 0, 1
    return rank, max(size or 0, rank + 1)


def _number(environment: Mapping[str, str], names: Sequence[str]) -> int | None:
    for name in names:
        found = _LEADING.match(environment.get(name, ""))
        if found is not None:
            return int(found.group())
    return None
