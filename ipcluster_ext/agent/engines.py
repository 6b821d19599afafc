"""The engines of this host: what the roster decides is done here, and it is told what happened."""

import logging
import os
import secrets
import signal
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from msgspec import structs

from ipcluster_ext.agent.autopsy import Autopsy
from ipcluster_ext.agent.ceiling import Ceiling
from ipcluster_ext.agent.nursery import Nursery
from ipcluster_ext.agent.roster import STOP_GRACE, Effect, Kill, Launch, Roster
from ipcluster_ext.agent.shares import Allotment, Host, visible_gpus
from ipcluster_ext.protocol.ids import EngineId
from ipcluster_ext.protocol.keys import TcpAddress
from ipcluster_ext.protocol.labour import Full
from ipcluster_ext.protocol.messages import (
    EngineExited,
    Message,
    Peek,
    Peeked,
    StopEngines,
    Vitals,
)
from ipcluster_ext.protocol.parts import Life
from ipcluster_ext.protocol.process import (
    AgentConfig,
    Ended,
    EngineConfig,
    Forked,
    Unborn,
    exit_text,
)
from ipcluster_ext.transport import processes
from ipcluster_ext.transport.files import engine_log

log = logging.getLogger(__name__)


class Engines:
    """Starts, stops, watches and buries engines.

    Parameters
    ----------
    config
        What the agent was told.
    agent
        The agent's number.
    nursery
        Where engines come from.
    say
        Tells the hub.
    hub
        Where that is, if it is on another host.

    Attributes
    ----------
    were_some
        Whether there has been any.
    last_lost
        How the last one ended that is gone for good, if nobody asked for that.
    """

    def __init__(
        self,
        config: AgentConfig,
        *,
        agent: int,
        nursery: Nursery,
        say: Callable[[list[Message]], None],
        hub: TcpAddress | None = None,
    ) -> None:
        self._config = config
        self._agent = agent
        self._nursery = nursery
        self._say = say
        self._hub = hub
        self._folder = Path(config.folder)
        self._autopsy = Autopsy(self._folder, Path(config.blobs or config.folder))
        self._resources: dict[EngineId, dict[str, float]] = {}
        self._allotment = Allotment(config.shares, self._host(), config.count)
        self._ceiling = Ceiling(self._allotment.memory_limit)
        once = config.reach is not None and config.reach.once
        self._roster = Roster(iter(lambda: secrets.randbits(31), -1), once=once)
        self.were_some = False
        self.last_lost = ""

    @property
    def none_left(self) -> bool:
        """Whether no engine is here or to come."""
        return self._roster.empty

    @property
    def deadline(self) -> float | None:
        """When `tick` has something to do."""
        due = [self._roster.deadline, self._autopsy.vitals.deadline]
        if not self._roster.empty:
            due.append(self._ceiling.deadline)
        return min((at for at in due if at is not None), default=None)

    @property
    def nursery_fd(self) -> int:
        """The file descriptor to watch for `hear`, -1 for none; it changes."""
        return self._nursery.fd

    def start(self, engines: Sequence[EngineId], resources: dict[str, float]) -> None:
        """Start engines under these ids, with these resources or else those of the cluster."""
        own = {**self._allotment.resources, **(resources or self._config.resources)}
        self._resources.update(dict.fromkeys(engines, own))
        self._allotment.take(engines)
        if engines and self._allotment.missing:
            log.warning("%s", self._allotment.missing)
        self.were_some = self.were_some or bool(engines)
        self._carry(self._roster.start(engines, now=time.monotonic()))

    def stop(self, order: StopEngines) -> None:
        """Stop engines as the hub wants it."""
        grace = order.grace if order.grace > 0 else STOP_GRACE
        stopped = self._roster.stop(
            order.engines,
            again=order.again,
            now=time.monotonic(),
            grace=grace,
            reason=order.reason,
        )
        self._carry(stopped)

    def signal(self, engines: Iterable[EngineId], signum: int) -> None:
        """Send a signal to engines and what they have started."""
        self._carry(self._roster.signal(engines, signum))

    def peek(self, order: Peek) -> None:
        """Tell the hub what an engine has begun, whether it lives or not."""
        begun = self._autopsy.begun(Launch(order.engine, order.boot), holding=order.hold)
        others, ran = list(begun.others), list(begun.ran)
        self._say([Peeked(order.engine, order.boot, order.mark, begun.last, others, ran)])

    def end_all(self) -> None:
        """Begin to stop every engine for good."""
        self._carry(self._roster.end_all(now=time.monotonic()))

    def lives(self) -> list[Life]:
        """Return which engines there are, for a hub that may know of none."""
        return [
            Life(
                life.engine,
                life.boot,
                self._autopsy.box(life).exists(),
                self._resources.get(life.engine, {}),
            )
            for life in self._roster.lives()
        ]

    def tick(self) -> None:
        """Do what has become due."""
        now = time.monotonic()
        self._carry(self._roster.tick(now=now))
        if self._autopsy.look(list(self._roster.pids), now) and self._autopsy.vitals.measures:
            self._tell_vitals()
        if self._ceiling.due(now):
            self._look_at_memory()

    def _look_at_memory(self) -> None:
        """Kill engines that use more memory than they may, and warn of those that soon will."""
        for pid in list(self._roster.pids):
            life, nbytes = self._roster.engine_of(pid), processes.own_memory_of(pid)
            if life is None:
                continue
            if self._ceiling.exceeds(pid, nbytes):
                _send(Kill(pid, signal.SIGKILL, group=True))
            elif self._ceiling.nears(pid, nbytes):
                self._say([Full(life.engine, life.boot, nbytes, self._ceiling.limit)])

    def measure(self, every: float) -> None:
        """Tell the hub every so many seconds what engines use now; 0 ends that."""
        self._autopsy.vitals.measure(every)

    def _tell_vitals(self) -> None:
        lives = {pid: self._roster.engine_of(pid) for pid in self._roster.pids}
        engines = {pid: life.engine for pid, life in lives.items() if life is not None}
        if news := self._autopsy.vitals.news(engines):
            self._say([Vitals(news, self._ceiling.limit or self._autopsy.limit)])

    def close(self) -> None:
        """Start no more engines, and let the zygote end."""
        self._nursery.close()

    def _carry(self, effects: Iterable[Effect]) -> None:
        """Do what the roster decided."""
        reports: list[Message] = []
        for effect in effects:
            match effect:
                case Launch():
                    self._autopsy.begins(effect, time.monotonic())
                    self._nursery.order(self._engine_config(effect))
                case Kill():
                    _send(effect)
                case EngineExited():
                    log.info("engine %d (%x): %s", effect.engine, effect.boot, effect.cause)
                    if effect.warning:
                        log.warning("%s", effect.warning)
                    if not effect.again:
                        self._resources.pop(effect.engine, None)
                        self._allotment.leave(effect.engine)
                        self.last_lost = "" if effect.asked else effect.cause
                    reports.append(effect)
        if reports:
            self._say(reports)

    def _engine_config(self, launch: Launch) -> EngineConfig:
        config = self._config
        return EngineConfig(
            engine=launch.engine,
            boot=launch.boot,
            agent=self._agent,
            parent=os.getpid(),
            folder=config.folder,
            blobs=config.blobs if self._hub is None else "",  # blobs are of the hub's host
            box=str(self._autopsy.box(launch)),
            log=str(engine_log(self._folder, launch.engine)),
            cwd=config.cwd,
            sys_path=config.sys_path,
            resources=self._resources.get(launch.engine, {}),
            share=self._allotment.of(launch.engine),
            lease=config.conduct.patience.lease,
            hub=self._hub,
        )

    def hear(self) -> None:
        """Learn which engines were started and which have ended; order those that are due."""
        while heard := self._nursery.hear():
            for said in heard:
                now = time.monotonic()
                match said:
                    case Forked():
                        self._carry(self._roster.born(said.engine, said.boot, said.pid, now=now))
                    case Unborn():
                        reason = said.reason
                        self._autopsy.unborn(Launch(said.engine, said.boot))
                        self._carry(self._roster.unborn(said.engine, said.boot, reason, now=now))
                    case Ended():
                        used = processes.Usage(said.seconds, said.nbytes)
                        self._ended(processes.Exit(said.pid, said.code, used))

    def reap(self) -> list[processes.Exit]:
        """Take leave of this process's own children that have ended.

        To be called after `hear`, so that an engine's birth is known before its death.

        Returns
        -------
        Those that are neither engines nor the zygote.
        """
        others: list[processes.Exit] = []
        for exited in processes.reap(self._roster.pids):
            if exited.pid == self._nursery.pid:
                self._zygote_died(exited)
            elif not self._ended(exited):
                others.append(exited)
        self.hear()
        return others

    def _zygote_died(self, exited: processes.Exit) -> None:
        """Start another zygote, and miss no engine whose end the first one kept to itself."""
        self.hear()
        present = frozenset(processes.children())
        for pid in [pid for pid in self._roster.pids if pid not in present]:
            self._ended(processes.Exit(pid, -signal.SIGKILL))
        self._nursery.replace(exit_text(exited.code))

    def _ended(self, exited: processes.Exit) -> bool:
        """Report an engine's end to roster and hub; False if the process is no engine's."""
        life = self._roster.engine_of(exited.pid)
        if life is None:
            return False
        now = time.monotonic()
        death = self._autopsy.of(exited, life, now)
        used = self._ceiling.gone(exited.pid)
        if used:
            death = death._replace(suspicion=self._ceiling.verdict(used))
        effects = self._roster.ended(death, now=now)
        self._carry(effects if not used else [_told(effect) for effect in effects])
        return True

    def _host(self) -> Host:
        """Return what there is to share out."""
        return Host(
            sorted(os.sched_getaffinity(0)),
            visible_gpus(os.environ, processes.gpus_here()),
            self._autopsy.limit,
            os.environ,
        )


def _told(effect: Effect) -> Effect:
    """Have users told of a death: with the engine went its namespace, task or no task."""
    if not isinstance(effect, EngineExited) or effect.warning or effect.asked:
        return effect
    text = f"engine {effect.engine} is another one now, with an empty namespace: {effect.cause}"
    return structs.replace(effect, warning=text)


def _send(kill: Kill) -> None:
    """Send a signal; a process that was stopped goes on, as it could not obey otherwise."""
    send = processes.signal_group if kill.group else processes.signal_one
    send(kill.pid, kill.signum)
    if kill.signum == signal.SIGTERM:
        send(kill.pid, signal.SIGCONT)
