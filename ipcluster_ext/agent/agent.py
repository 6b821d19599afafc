"""The host agent: one loop that serves the hub, watches engines, and leaves nothing behind.

Everything that can happen is a file descriptor: the line to the zygote, the pidfd of the owner,
signals, the connection to the hub.
"""

import contextlib
import logging
import os
import secrets
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import structs

from ipcluster_ext.agent import planning
from ipcluster_ext.agent.engines import Engines
from ipcluster_ext.agent.keeper import Keeper
from ipcluster_ext.agent.leavings import end_children, last_lines, sweep
from ipcluster_ext.agent.nursery import Nursery
from ipcluster_ext.agent.wakeups import SignalPipe, end_of
from ipcluster_ext.protocol.keys import TcpAddress
from ipcluster_ext.protocol.messages import (
    AgentHello,
    Bye,
    FreeBlobs,
    Keep,
    Launched,
    LaunchMore,
    Measure,
    Message,
    Peek,
    Refused,
    SignalEngines,
    Signalled,
    StartEngines,
    StopEngines,
    SweepBlobs,
    Welcome,
)
from ipcluster_ext.protocol.process import AgentConfig
from ipcluster_ext.transport import processes
from ipcluster_ext.transport.blobs import free_blobs, sweep_blobs
from ipcluster_ext.transport.channel import Channel, Said
from ipcluster_ext.transport.files import engine_socket
from ipcluster_ext.transport.thishost import host_identity

if TYPE_CHECKING:
    from ipcluster_ext.agent.foreman import ForemanProcess
    from ipcluster_ext.protocol.foreman import Launch

GREETING = 0.5
"""Until the hub answers, it is greeted this often, in seconds."""
KEEPING_UP = 2.0
"""This often the hub is asked whether everything has arrived."""
ENGINES_WITHIN, HUB_WITHIN, STRAYS_WITHIN = 0.6, 0.2, 0.5
"""How long the end of the engines, of the hub, and of everything else may take."""
UP = b"up\n"
"""What the agent writes to its standard output when the hub has answered."""
_EXPLAINED = ("hub.log", "agent.log")

log = logging.getLogger(__name__)


class Agent:
    """Serves the hub on this host.

    Parameters
    ----------
    config
        What the agent was told.
    nursery
        Where engines come from.
    hub
        The hub, started already.
    at
        Where it is, if that is on another host.
    number
        By which this agent is known to the hub; any if 0.
    instead_of
        The number of the agent that was killed here before, 0 for none.
    foreman
        Who starts engines on other hosts, if there are to be any.
    """

    def __init__(
        self,
        config: AgentConfig,
        nursery: Nursery,
        hub: Keeper,
        *,
        at: TcpAddress | None = None,
        number: int = 0,
        instead_of: int = 0,
        foreman: "ForemanProcess | None" = None,
    ) -> None:
        self._config = config
        self._folder = Path(config.folder)
        self._hub = hub
        number = number or new_number()
        self._hello = structs.replace(_hello(config, number), instead_of=instead_of)
        identity = f"a{number:x}".encode()
        door = engine_socket(self._folder) if at is None else at
        self._channel = Channel(door, identity=identity, boot=number)
        self._engines = Engines(
            config, agent=number, nursery=nursery, say=self._channel.say, hub=at
        )
        self._signals = SignalPipe()
        self._owner = end_of(config.owner) if config.owner else None
        self._foreman = foreman
        self._link = self._lifeline = self._reports = -1
        self._greeted = False
        self._unsaid: list[Launched] = []
        self._said_at = 0.0
        self._heard_at = self._channel.heard_at
        self._leave_at: float | None = None
        self._code = 0

    def run(self) -> int:
        """Serve until the owner is gone or somebody says stop; then end everything.

        Returns
        -------
        The exit code.
        """
        _log_to(self._folder / "agent.log")
        try:
            self._begin()
            while not self._over:
                self._turn()
        except BaseException:
            log.exception("the agent failed")
            self._explain("the agent failed")
            self._code = 1
        finally:
            self._leave()
        return self._code

    def _begin(self) -> None:
        processes.adopt_orphans()
        self._channel.watch(self._signals.fd)
        if self._owner is not None:
            self._channel.watch(self._owner)
        elif self._config.owner:
            self._end("the owner is gone")
        self._lifeline = self._hub.fd
        if self._lifeline >= 0:
            self._channel.watch(self._lifeline)
        self._reap()  # who ended before signals were watched

    @property
    def _over(self) -> bool:
        if self._leave_at is None:
            return False
        return self._engines.none_left or time.monotonic() >= self._leave_at

    def _turn(self) -> None:
        """Wait until something happens, and deal with all of it."""
        self._keep_up()
        self._watch_children()
        ready = self._channel.wait(self._timeout())
        caught = self._signals.take() if self._signals.fd in ready else set()
        if caught & {signal.SIGTERM, signal.SIGINT}:
            self._end("told to stop")
        if self._owner in ready:
            self._end("the owner is gone")
        if self._lifeline in ready:
            self._listen()
        if self._reports in ready:
            self._pass_reports()
        self._hear()
        self._engines.tick()
        self._engines.hear()
        if signal.SIGCHLD in caught:
            self._reap()
        self._have_hub()
        self._end_alone()

    def _timeout(self) -> float:
        deadlines = (
            self._said_at + self._interval,
            self._engines.deadline,
            self._hub.deadline,
            None if self._foreman is None else self._foreman.deadline,
            self._leave_at,
        )
        soonest = min(at for at in deadlines if at is not None)
        return max(0.0, soonest - time.monotonic())

    def _watch_children(self) -> None:
        """Watch the lines from the zygote and the foreman that there are now."""
        self._link = self._watch(self._engines.nursery_fd, instead_of=self._link)
        if self._foreman is not None:
            if self._leave_at is None:
                self._foreman.tick()
            self._reports = self._watch(self._foreman.fd, instead_of=self._reports)

    def _watch(self, fd: int, *, instead_of: int) -> int:
        """Watch a file descriptor and no longer another, -1 being none; return it."""
        if fd != instead_of:
            if instead_of >= 0:
                self._channel.unwatch(instead_of)
            if fd >= 0:
                self._channel.watch(fd)
        return fd

    def _pass_reports(self) -> None:
        """Tell the hub how things fare that are to bring engines."""
        reports = [] if self._foreman is None else self._foreman.hear()
        self._unsaid += map(_launched, reports)
        self._report()

    def _report(self) -> None:
        """Say what is to be reported, once the hub has answered: it wants to be greeted first."""
        if not self._greeted or not self._unsaid:
            return
        unsaid, self._unsaid = self._unsaid, []
        sets = self._hello.sets
        for report in unsaid:
            sets = planning.after(sets, report)
        self._hello = structs.replace(self._hello, sets=sets)
        self._channel.say([*unsaid])

    def _listen(self) -> None:
        """Hear what whoever started this agent has to say."""
        if self._hub.listen():
            self._end("told to end")
        if self._hub.fd != self._lifeline:
            self._channel.unwatch(self._lifeline)
            self._lifeline = self._hub.fd

    def _reap(self) -> None:
        for exited in self._engines.reap():
            if self._hub.is_(exited.pid):
                self._lose_hub(exited.code)
            elif self._foreman is not None and self._foreman.is_(exited.pid):
                self._foreman.died(exited.code, over=self._leave_at is not None)

    # ------------------------------------------------------------ the hub

    @property
    def _interval(self) -> float:
        return KEEPING_UP if self._greeted else GREETING

    def _keep_up(self) -> None:
        """Greet the hub until it answers; later make sure that it has heard everything."""
        self._channel.acknowledge()
        now = time.monotonic()
        if now - self._said_at < self._interval:
            return
        self._said_at = now
        self._hub.asked(every=self._interval)
        if self._greeted:
            self._channel.ping()
        else:
            self._channel.mention(self._hello)

    def _obey(self, message: Message) -> None:
        match message:
            case StartEngines():
                self._engines.start(message.engines, message.resources)
            case StopEngines():
                self._engines.stop(message)
            case SignalEngines():
                self._engines.signal(message.engines, message.signum)
                self._channel.say([Signalled(message.mark)])
            case FreeBlobs():
                free_blobs(Path(self._config.blobs), message.names, on_error=log.warning)
            case SweepBlobs():
                sweep_blobs(Path(self._config.blobs), message.owner, message.keep)
            case LaunchMore():
                self._launch_more(message)
            case Welcome():
                self._welcomed()
            case Bye():
                self._end("the cluster ends")
            case Refused():
                self._fail(f"the hub refused this agent: {message.reason}")
            case _:
                self._tell(message)

    def _launch_more(self, order: LaunchMore) -> None:
        """Have agents started for more engines."""
        if self._foreman is not None:
            self._foreman.more(order.set, order.count)
            self._hello = planning.ordered(self._hello, order)

    def _tell(self, message: Message) -> None:
        """Tell the hub, or the next one, what it asks for."""
        match message:
            case Keep():
                self._hello = structs.replace(self._hello, bounds=message.bounds)
                if message.mark:
                    self._channel.say([Signalled(message.mark)])
            case Peek():
                self._engines.peek(message)
            case Measure():
                self._engines.measure(message.every)
            case _:
                log.warning("unexpected %s from the hub", type(message).__name__)

    def _welcomed(self) -> None:
        if not self._greeted:
            self._greeted = True
            log.info("the hub has answered")
            _say_up()
            self._report()

    def _hear(self) -> None:
        """Do what the hub says; if it is another one than it was, tell it who is here."""
        for messages, _ in self._channel.receive():
            for message in messages:
                self._obey(message)
        if self._channel.heard_at != self._heard_at:
            self._heard_at = self._channel.heard_at
            self._hub.answered()
        if self._channel.reborn:
            log.info("the hub is another one")
            self._channel.begin_again(self._greeting)

    def _greeting(self, unheard: list[Said]) -> list[Said]:
        """Make the greeting for a hub that remembers nothing, with what the last one missed.

        All in one packet: what is neither among the engines nor among the deaths never was. It has
        to say itself whether anybody watches.
        """
        self._engines.measure(0.0)
        missed = [message for messages, _ in unheard for message in messages]
        sets = planning.before(self._hello.sets, missed)
        lives = self._engines.lives()
        hello = structs.replace(self._hello, again=True, engines=lives, sets=sets)
        return [([hello, *(said for said in missed if not isinstance(said, AgentHello))], ())]

    def _lose_hub(self, code: int) -> None:
        """Have another hub follow one that died, unless everything ends."""
        if self._leave_at is not None:
            self._hub.buried()
        elif reason := self._hub.died(code):
            self._fail(reason)

    def _have_hub(self) -> None:
        """Start another hub if that is due."""
        if self._leave_at is None and (reason := self._hub.tick()):
            self._fail(reason)

    # ------------------------------------------------------------ the end

    def _end_alone(self) -> None:
        """End an agent that is to have no other engines than it had, once it has none left."""
        reach = self._config.reach
        if self._leave_at is not None or reach is None or not reach.closed:
            return
        if self._engines.were_some and self._engines.none_left:
            if self._engines.last_lost:
                self._fail(f"its last engine is gone: {self._engines.last_lost}")
            else:
                self._end("its engines have ended")

    def _fail(self, reason: str) -> None:
        """End everything because of a fault."""
        if self._leave_at is None:
            log.error("%s; the cluster ends", reason)
            self._code = 1
            self._explain(reason)
        self._end(reason)

    def _end(self, reason: str) -> None:
        """Begin to end everything."""
        if self._leave_at is None:
            log.info("ending: %s", reason)
            self._leave_at = time.monotonic() + ENGINES_WITHIN
            self._engines.end_all()
            if self._foreman is not None:
                self._foreman.end()

    def _explain(self, reason: str) -> None:
        """Write to standard error what the files that are about to go know of a failure."""
        lines = [reason]
        for name in _EXPLAINED:
            lines.extend(f"{name}: {line}" for line in last_lines(self._folder / name, 20))
        with contextlib.suppress(OSError):
            sys.stderr.write("\n".join(lines) + "\n")
            sys.stderr.flush()

    def _leave(self) -> None:
        """End whatever still runs, and delete every file of the cluster."""
        self._engines.close()
        self._hub.close(HUB_WITHIN)
        if self._foreman is not None:
            self._foreman.close()
        end_children(within=STRAYS_WITHIN)
        self._channel.close(*(() if self._config.reach is None else (Bye(),)))
        sweep(self._config.blobs, self._config.folder)


def new_number() -> int:
    """Return a number for an agent that no other has."""
    return secrets.randbits(30) + 1


def _hello(config: AgentConfig, number: int) -> AgentHello:
    """Make the agent's greeting."""
    hello = AgentHello(number, host_identity(), os.getpid(), config.count)
    reach = config.reach
    if reach is None:
        sets = {each.name or each.launcher: each.n or 0 for each in config.sets}
        fixed = {each.name: each.fixed for each in config.sets if each.fixed}
        return structs.replace(hello, sets=sets, bounds=config.bounds, fixed=fixed)
    first = config.first if isinstance(config.first, int) else None
    capacity = config.count if reach.closed else reach.capacity
    return structs.replace(hello, far=True, set=reach.set, capacity=capacity, first=first)


def _launched(launch: "Launch") -> Launched:
    """Say to the hub what the foreman has said."""
    reason = f"{launch.state}\n{launch.output}" if launch.output else launch.state
    return Launched(
        launch.set, launch.name, launch.count, launch.stage, reason, launch.again_in, launch.last
    )


def _log_to(path: Path) -> None:
    path.touch(mode=0o600)
    form = "%(asctime)s %(levelname)s %(name)s: %(message)s"
    logging.basicConfig(filename=path, level=logging.INFO, format=form)


def _say_up() -> None:
    """Tell whoever started the agent that the cluster is up; it need not listen any more."""
    with contextlib.suppress(OSError):
        os.write(1, UP)
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.close(nothing)
