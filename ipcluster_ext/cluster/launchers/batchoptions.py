"""What can be wished of a batch system, and what one submission asks it for."""

from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta, field

from ipcluster_ext.cluster.launchers import contract

ONE_WORLD = (
    "MPI.COMM_WORLD cannot grow; stop the cluster and start it with as many engines as are wanted, "
    "or start further ones beside it: start_engines(n, where='local') on this host"
)
"""Why an MPI program gets no more ranks: others would be a world of their own, and whoever waits
for all engines in one of MPI's collective calls would wait for ever."""
Mode = Literal["array", "allocation", "mpi"]


class BatchOptions(contract.Options, frozen=True):
    """What every launcher of a batch system can be told.

    Attributes
    ----------
    python, environment
        As for every launcher.
    mode
        ``"array"``: an array of jobs, each with an agent, which come as the system has room;
        ``"allocation"``: one job with a node for each agent, which come all together; ``"mpi"``:
        one job in which each engine is a rank of ``MPI.COMM_WORLD``, with the rank as its id.
    engines_per_agent
        How many engines share an agent, and so a job of the array or a node.
    cpus_per_engine
        How many processors to ask for, for each engine.
    gpus
        How many GPUs to ask for, for each agent.
    memory
        How much memory to ask for, for each agent: ``"8G"``.
    time
        How long the engines may stay: ``"[days-]hours:minutes[:seconds]"``.
    queue
        The queue or partition.
    account
        Who pays: an account or a project.
    directives
        What else to tell the batch system, as in a script after its ``#SBATCH`` or ``#PBS``.
    prologue
        Lines of shell to run before the engines start: ``module load python``.
    template
        The script, if it is to be another one than the usual: text with ``@{directives}``,
        ``@{environment}``, ``@{prologue}``, ``@{command}`` and others in it.
    folder
        Where scripts and logs go, on a file system that the nodes see, too; the cluster's own
        folder if not given, or one in the user's home if that is in memory.
    mpiexec
        How to start MPI programs in a job, if it is to be otherwise than usual for the system.
    array_limit
        How many jobs an array may have.
    look_every
        How often to ask the batch system, in seconds, once jobs have been there for a while.
    command_timeout
        How long its commands may take, in seconds.
    restart
        Whether jobs that end too early are submitted again.
    """

    mode: Mode = "array"
    engines_per_agent: Annotated[int, Meta(ge=1)] = 1
    cpus_per_engine: Annotated[int, Meta(ge=1)] = 1
    gpus: Annotated[int, Meta(ge=0)] = 0
    memory: str = ""
    time: str = ""
    queue: str = ""
    account: str = ""
    directives: list[str] = field(default_factory=list)
    prologue: list[str] = field(default_factory=list)
    template: str = ""
    folder: str = ""
    mpiexec: list[str] = field(default_factory=list)
    array_limit: Annotated[int, Meta(ge=1)] = 1000
    look_every: Annotated[float, Meta(ge=1.0)] = 5.0
    command_timeout: Annotated[float, Meta(gt=0.0)] = 30.0
    restart: bool = False


@dataclass(frozen=True)
class Shape:
    """What one submission asks for.

    Attributes
    ----------
    mode
        As in the options.
    agents
        How many agents; each starts so many ``engines``.
    cpus
        How many processors each of them needs.
    """

    mode: Mode
    agents: int
    engines: int
    cpus: int

    @property
    def array(self) -> bool:
        """Whether it is an array of jobs."""
        return self.mode == "array" and self.agents > 1

    @property
    def nodes(self) -> int:
        """How many nodes one of its jobs needs; for MPI the batch system decides."""
        return self.agents if self.mode == "allocation" else 1
