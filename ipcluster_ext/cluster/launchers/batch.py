"""What all batch systems have in common: a script, an id for it, and questions about that id.

Engines come in *agents*: a job of an array each, a node of one allocation each, or a rank of an
MPI program each. The launcher of a system says all of it in that system's words.
"""

import logging
import shlex
import sys
import time
from abc import abstractmethod
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal

from ipcluster_ext.cluster.launchers import commands, jobfiles, jobscript, lookups
from ipcluster_ext.cluster.launchers.batchoptions import ONE_WORLD, BatchOptions, Mode, Shape
from ipcluster_ext.cluster.launchers.contract import (
    Launcher,
    Order,
    Origins,
    Process,
    Scripted,
    WrongOption,
)
from ipcluster_ext.cluster.launchers.jobfiles import JobFiles, JobPaths
from ipcluster_ext.cluster.launchers.jobs import BatchJob, Cadence, Desk, Sight
from ipcluster_ext.errors import ClusterError

LONGEST_NAME = 15
"""What the strictest of the systems allows for the name of a job."""
_IDS_AT_ONCE = 200

log = logging.getLogger(__name__)


def agent_command(order: Order, python: str, config: Path) -> list[str]:
    """Return the arguments that start an agent which reads its configuration from a file."""
    arguments = order.argv(python or sys.executable)
    if arguments[-2:] == ["--config", "-"]:
        arguments = arguments[:-2]
    return [*arguments, "--config", str(config)]


class BatchLauncher(Scripted, Launcher, Desk):
    """Starts engines by jobs of a batch system."""

    Options = BatchOptions

    SYSTEM: ClassVar[str]
    """What people call it."""
    COMMANDS: ClassVar[tuple[str, ...]]
    """Its programs that are used here."""
    TELLING: ClassVar[tuple[str, ...]] = ()
    """One that tells it from another system, whose programs have the same names."""
    MODES: ClassVar[tuple[Mode, ...]] = ("array", "allocation", "mpi")
    """What can be asked of it."""
    PREFIX: ClassVar[str]
    """How a line of a script begins that it reads."""
    INDEX: ClassVar[str]
    """What a job of an array finds its place in, as a shell writes it."""
    FIRST_INDEX: ClassVar[int] = 1
    """The place of the first one."""
    REMEDY = "start the cluster on a host from which jobs can be submitted"
    """What to do where its programs are missing."""
    EXAMPLE: ClassVar[str]
    """A profile to begin with."""

    def __init__(self, options: Any, order: Order) -> None:  # noqa: ANN401 - of `Options`
        super().__init__(options, order)
        self._jobs: list[BatchJob] = []
        self._ending: dict[str, tuple[BatchJob, bool]] = {}
        self._files: dict[Path, JobFiles] = {}
        self._cadence = Cadence(options.look_every)

    @classmethod
    def fixed(cls, options: Any) -> str:  # noqa: ANN401 - of `Options`
        """Return that an MPI program has as many ranks as it was started with."""
        return ONE_WORLD if options.mode == "mpi" else ""

    @classmethod
    def origins(cls, options: Any) -> Origins:  # noqa: ANN401 - of `Options`
        """Return the nodes of the batch system, or that it chooses hosts that nobody knows."""
        try:
            nodes = lookups.some_of(cls.nodes(options.command_timeout))
        except ClusterError as error:
            log.warning("the nodes of %s cannot be asked for: %s", cls.SYSTEM, error)
            nodes = []
        found = dict(zip(nodes, lookups.addresses(nodes), strict=True))
        known = {node: address for node, address in found.items() if address}
        return Origins(known, "" if known else f"hosts that {cls.SYSTEM} chooses")

    @classmethod
    def nodes(cls, timeout: float) -> list[str]:
        """Return the names or addresses of the nodes; none if the system is not asked for them.

        Parameters
        ----------
        timeout
            How long it may take to answer, in seconds.

        Raises
        ------
        ClusterError
            It does not answer.
        """
        del timeout
        return []

    # ------------------------------------------------------------ in the system's own words

    @abstractmethod
    def directives(self, shape: Shape, paths: JobPaths) -> list[str]:
        """Return what the script tells the batch system, without the prefix."""

    @abstractmethod
    def submitted(self, output: str) -> str:
        """Return the id of what was submitted, of what the program answered.

        Raises
        ------
        ClusterError
            It is not in there.
        """

    @abstractmethod
    def query(self, submissions: Sequence[str]) -> Mapping[str, Sight]:
        """Return what is known of all jobs of some submissions, by their ids, in one question.

        Raises
        ------
        ClusterError
            The system does not answer.
        """

    @abstractmethod
    def cancellation(self, ids: Sequence[str], *, force: bool) -> list[str]:
        """Return the command that ends jobs, or whole submissions."""

    @abstractmethod
    def signalling(self, job: str, signum: int) -> list[str]:
        """Return the command that sends a signal.

        Raises
        ------
        ClusterError
            The system cannot do that.
        """

    def epitaph(self, job: BatchJob) -> Sight | None:
        """Return how a job has ended that `query` does not know any more; None if nobody knows."""
        del job
        return None

    def submission(self, script: Path) -> tuple[list[str], str]:
        """Return the command that submits a script, and what it reads from standard input."""
        return [*self.COMMANDS[:1], str(script)], ""

    def element(self, submission: str, index: int) -> str:
        """Return the id of one job of an array."""
        return f"{submission}_{index}"

    def step(self, shape: Shape) -> str:
        """Return what starts a program on each node of an allocation, as a shell reads it."""
        del shape
        return ""

    def ranks(self, shape: Shape) -> list[str]:
        """Return what starts a program as so many MPI ranks in an allocation."""
        return [*(self.options.mpiexec or ["mpiexec"]), "-n", str(shape.agents)]

    # ------------------------------------------------------------ starting

    def start(self, count: int) -> list[Process]:
        """Submit jobs for so many engines.

        Raises
        ------
        ClusterError
            The batch system refuses them, or they cannot be what they are asked to be; nothing
            of this call stays behind.
        """
        place = jobfiles.place(self.options.folder, self.order.folder, self.order.cluster)
        jobs: list[BatchJob] = []
        try:
            for shape in self.shapes(count):
                jobs += self._submit(shape, place)
        except ClusterError:
            for job in jobs:
                job.terminate()
            self._flush()
            raise
        return list(jobs)

    def again(self, process: Process) -> Process | None:
        """Submit a job again that has ended too early, if the profile wishes that."""
        return self.start(process.count)[0] if self.options.restart else None

    def resume(self, kept: dict[str, Any]) -> Process | None:
        """Take hold of a job that was submitted before; None if its files are gone."""
        folder = Path(kept["folder"])
        if folder not in self._files:
            try:
                self._files[folder] = JobFiles(folder)
            except FileNotFoundError:
                return None
        job = BatchJob(
            self,
            kept["submission"],
            kept["job"],
            index=kept["index"],
            count=kept["count"],
            files=self._files[folder],
            again=self.options.restart,
        )
        self._jobs.append(job)
        return job

    def check(self) -> list[str]:
        """Return which programs of the batch system are missing, and which options are wrong."""
        faults = commands.missing([*self.COMMANDS, *self.TELLING], self.REMEDY)
        try:
            self.script(self.options.engines_per_agent)
        except ClusterError as error:
            faults.append(str(error))
        return faults

    def script(self, count: int) -> str:
        """Return the script that is submitted for so many engines, for people to look at."""
        order = self.order
        place = jobfiles.whereabouts(self.options.folder, order.folder, order.cluster)
        paths = JobPaths(place / "job")
        return "\n".join(self._script(shape, paths) for shape in self.shapes(count))

    def shapes(self, count: int) -> Iterator[Shape]:
        """Yield what to submit for so many engines, all agents of one submission being alike.

        Raises
        ------
        WrongOption
            The batch system does not know that mode.
        """
        options = self.options
        if options.mode not in self.MODES:
            known = ", ".join(repr(mode) for mode in self.MODES)
            msg = f"{self.SYSTEM}: mode = {options.mode!r} cannot be; modes: {known}"
            raise WrongOption(msg, "mode")
        each = 1 if options.mode == "mpi" else options.engines_per_agent
        agents, rest = divmod(count, each)
        most = options.array_limit if options.mode == "array" else agents
        while agents > 0:
            yield self._shape(min(agents, most), each)
            agents -= most
        if rest:
            yield self._shape(1, rest)

    def _shape(self, agents: int, engines: int) -> Shape:
        return Shape(self.options.mode, agents, engines, engines * self.options.cpus_per_engine)

    def _submit(self, shape: Shape, place: Path) -> list[BatchJob]:
        files = JobFiles.below(place)
        self._files[files.folder] = files
        try:
            script = self._script(shape, files)
            first: Literal["rank"] | None = "rank" if shape.mode == "mpi" else None
            files.write(script, self.order.config(shape.engines, first=first))
            submission = self._hand_in(files.script)
        except ClusterError:
            files.finish()
            del self._files[files.folder]
            raise
        log.info("cluster %s: submitted job %s to %s", self.order.cluster, submission, self.SYSTEM)
        jobs = list(self._jobs_of(submission, shape, files))
        self._jobs += jobs
        self._cadence.hurry(time.monotonic())
        return jobs

    def _hand_in(self, script: Path) -> str:
        command, stdin = self.submission(script)
        said = self.run(command, stdin=stdin)
        if said.code:
            msg = f"{self.SYSTEM} refuses the job: {said.complaint}"
            raise ClusterError(msg)
        return self.submitted(said.output)

    def _jobs_of(self, submission: str, shape: Shape, files: JobFiles) -> Iterator[BatchJob]:
        make = partial(BatchJob, self, submission, files=files, again=self.options.restart)
        if not shape.array:
            yield make(submission, index=0, count=shape.agents * shape.engines)
            return
        for index in range(self.FIRST_INDEX, self.FIRST_INDEX + shape.agents):
            yield make(self.element(submission, index), index=index, count=shape.engines)

    # ------------------------------------------------------------ the script

    def _script(self, shape: Shape, paths: JobPaths) -> str:
        options = self.options
        jobscript.path(str(paths.folder))
        directives = [
            *self.directives(shape, paths),
            *(jobscript.line(each, option="directives") for each in options.directives),
        ]
        values = {
            "directives": "\n".join(f"{self.PREFIX} {each}" for each in directives),
            "environment": jobscript.exports(options.environment),
            "prologue": "\n".join(options.prologue),
            "command": self._command(shape, paths),
            "code": self._code_file(shape, paths),
            "cluster": jobscript.word(self.order.cluster, option="cluster"),
            "agents": str(shape.agents),
            "engines": str(shape.engines),
            "folder": str(paths.folder),
        }
        source = f"the {self.SYSTEM} launcher"
        return jobscript.fill(options.template or self.template(), values, source=source)

    def template(self) -> str:
        """Return the usual script."""
        return jobscript.SCRIPT

    def _command(self, shape: Shape, paths: JobPaths) -> str:
        agent = shlex.join(agent_command(self.order, self.options.python, paths.config))
        if shape.mode == "mpi":
            return f"{shlex.join(self.ranks(shape))} {agent}"
        step = self.step(shape) if shape.mode == "allocation" else ""
        return f"{step} {agent}" if step else agent

    def _code_file(self, shape: Shape, paths: JobPaths) -> str:
        return f"{paths.folder}/code-{self.INDEX if shape.array else 0}"

    @property
    def job_name(self) -> str:
        """What the batch system shows as the job's name."""
        name = f"ipx-{self.order.cluster}"[:LONGEST_NAME]
        return jobscript.word(name, option="cluster")

    # ------------------------------------------------------------ watching and ending

    def run(self, command: Sequence[str], *, stdin: str = "") -> commands.Said:
        """Run a program of the batch system.

        Raises
        ------
        ClusterError
            It is not there, or takes too long.
        """
        timeout = self.options.command_timeout
        return commands.run(command, timeout=timeout, remedy=self.REMEDY, stdin=stdin)

    def look(self) -> None:
        """Learn how all jobs fare, unless that was done a moment ago."""
        if not self._jobs or not self._cadence.due(time.monotonic()):
            return
        self._flush()
        try:
            seen = self.query(sorted({job.submission for job in self._jobs}))
        except ClusterError as error:
            log.warning("cluster %s: %s", self.order.cluster, error)
            return
        for job in self._jobs:
            sight = seen.get(job.job)
            if sight is None and job.vanishing:
                sight = self.epitaph(job)
            job.see(sight, system=self.SYSTEM)
        ended = {job.files.folder for job in self._jobs if job.ended}
        self._jobs = [job for job in self._jobs if not job.ended]
        for folder in ended - {job.files.folder for job in self._jobs}:
            self._files.pop(folder).finish()

    def cancel(self, job: BatchJob, *, force: bool) -> None:
        """Have a job ended: when all jobs are to end or, at the latest, at the next look."""
        self._ending[job.job] = (job, force)
        self._cadence.hurry(time.monotonic())
        if len(self._ending) >= len(self._jobs):
            self._flush()

    def signal(self, job: BatchJob, signum: int) -> None:
        """Have a job's processes sent a signal."""
        said = self.run(self.signalling(job.job, signum))
        if said.code:
            log.warning("%s: signal %d was not sent: %s", job.name, signum, said.complaint)

    def _flush(self) -> None:
        """Cancel what is to be cancelled, whole arrays by one word."""
        ending, self._ending = list(self._ending.values()), {}
        for force in (False, True):
            ids = list(self._named({job.job: job for job, forced in ending if forced is force}))
            for start in range(0, len(ids), _IDS_AT_ONCE):
                self._cancel(ids[start : start + _IDS_AT_ONCE], force=force)

    def _cancel(self, ids: Sequence[str], *, force: bool) -> None:
        try:
            said = self.run(self.cancellation(ids, force=force))
        except ClusterError as error:
            log.warning("cluster %s: %s", self.order.cluster, error)
            return
        if said.code:  # that of jobs which have just ended, mostly
            log.info("%s: %s", " ".join(ids), said.complaint)

    def _named(self, ending: Mapping[str, BatchJob]) -> Iterator[str]:
        """Yield the shortest list of ids that names these jobs."""
        living: dict[str, set[str]] = defaultdict(set)
        for job in self._jobs:
            living[job.submission].add(job.job)
        for submission in {job.submission: None for job in ending.values()}:
            if living[submission] <= ending.keys():
                yield submission
            else:
                yield from (id_ for id_, job in ending.items() if job.submission == submission)
