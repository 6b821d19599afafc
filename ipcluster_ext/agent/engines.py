"""The engines of this host: what the roster decides is done here, and it is told what happened."""

import logging
import os
import secrets
import signal
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from ipcluster_ext.agent.leavings import black_box, engine_log, last_lines
from ipcluster_ext.agent.nursery import Nursery
from ipcluster_ext.agent.roster import STOP_GRACE, Death, Effect, Kill, Launch, Roster
from ipcluster_ext.protocol.ids import EngineId
from ipcluster_ext.protocol.messages import EngineExited, Message
from ipcluster_ext.protocol.process import (
    AgentConfig,
    Ended,
    EngineConfig,
    Forked,
    Unborn,
    exit_text,
)
from ipcluster_ext.transport import processes
from ipcluster_ext.transport.blackbox import begun_in

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
    """

    def __init__(
        self,
        config: AgentConfig,
        *,
        agent: int,
        nursery: Nursery,
        say: Callable[[list[Message]], None],
    ) -> None:
        self._config = config
        self._agent = agent
        self._nursery = nursery
        self._say = say
        self._folder = Path(config.folder)
        self._boxes = Path(config.blobs or config.folder)
        self._resources: dict[EngineId, dict[str, float]] = {}
        self._roster = Roster(iter(lambda: secrets.randbits(31), -1))

    @property
    def none_left(self) -> bool:
        """Whether no engine is here or to come."""
        return self._roster.empty

    @property
    def deadline(self) -> float | None:
        """When `tick` has something to do."""
        return self._roster.deadline

    @property
    def nursery_fd(self) -> int:
        """The file descriptor to watch for `hear`, -1 for none; it changes."""
        return self._nursery.fd

    def start(self, engines: Sequence[EngineId], resources: dict[str, float]) -> None:
        """Start engines under these ids, with these resources or else those of the cluster."""
        own = resources or self._config.resources
        self._resources.update(dict.fromkeys(engines, own))
        self._carry(self._roster.start(engines, now=time.monotonic()))

    def stop(self, engines: Iterable[EngineId], *, again: bool, grace: float) -> None:
        """Stop engines; with ``again`` they come back.

        ``grace`` is how many seconds one may take before it is killed; 0 for the usual.
        """
        now = time.monotonic()
        grace = grace if grace > 0 else STOP_GRACE
        self._carry(self._roster.stop(engines, again=again, now=now, grace=grace))

    def signal(self, engines: Iterable[EngineId], signum: int) -> None:
        """Send a signal to engines and what they have started."""
        self._carry(self._roster.signal(engines, signum))

    def end_all(self) -> None:
        """Begin to stop every engine for good."""
        self._carry(self._roster.end_all(now=time.monotonic()))

    def tick(self) -> None:
        """Do what has become due."""
        self._carry(self._roster.tick(now=time.monotonic()))

    def close(self) -> None:
        """Start no more engines, and let the zygote end."""
        self._nursery.close()

    def _carry(self, effects: Iterable[Effect]) -> None:
        """Do what the roster decided."""
        reports: list[Message] = []
        for effect in effects:
            match effect:
                case Launch():
                    self._nursery.order(self._engine_config(effect))
                case Kill():
                    send = processes.signal_group if effect.group else processes.signal_one
                    send(effect.pid, effect.signum)
                case EngineExited():
                    log.info("engine %d (%x): %s", effect.engine, effect.boot, effect.cause)
                    if not effect.again:
                        self._resources.pop(effect.engine, None)
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
            blobs=config.blobs,
            box=str(black_box(self._boxes, launch.engine, launch.boot)),
            log=str(engine_log(self._folder, launch.engine)),
            cwd=config.cwd,
            sys_path=config.sys_path,
            resources=self._resources.get(launch.engine, {}),
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
                        self._carry(self._roster.unborn(said.engine, said.boot, reason, now=now))
                    case Ended():
                        self._ended(said.pid, said.code)

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
            elif not self._ended(exited.pid, exited.code):
                others.append(exited)
        self.hear()
        return others

    def _zygote_died(self, exited: processes.Exit) -> None:
        """Start another zygote, and miss no engine whose end the first one kept to itself."""
        self.hear()
        present = frozenset(processes.children())
        for pid in [pid for pid in self._roster.pids if pid not in present]:
            self._ended(pid, -signal.SIGKILL)
        self._nursery.replace(exit_text(exited.code))

    def _ended(self, pid: int, code: int) -> bool:
        """Report an engine's end to roster and hub; False if the process is no engine's."""
        who = self._roster.engine_of(pid)
        if who is None:
            return False
        box = black_box(self._boxes, who.engine, who.boot)
        last_words = "".join(last_lines(engine_log(self._folder, who.engine), 1))
        begun = begun_in(box)
        death = Death(pid, code, box.exists(), begun.last, last_words, begun.others)
        box.unlink(missing_ok=True)
        self._carry(self._roster.ended(death, now=time.monotonic()))
        return True
