"""What a foreman does: it starts engines on other hosts, by launchers.

There is one for each cluster that has such engines. When its lifeline ends it ends whatever it has
started. What it has started stands in a file of the cluster's folder, so that another one can take
over when it is killed; a cluster that starts reads there what came to nothing.
"""

import contextlib
import gc
import logging
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import msgspec
from msgspec import structs

from ipcluster_ext.cluster.ahead import Ahead
from ipcluster_ext.cluster.foreman.crew import Again, Crew, Effect, Report, Seen
from ipcluster_ext.cluster.launchers.contract import Launcher, Process
from ipcluster_ext.cluster.launchers.registry import find, options_of
from ipcluster_ext.cluster.orders import ClusterOrder
from ipcluster_ext.errors import ClusterError
from ipcluster_ext.protocol.foreman import LAUNCHED, EngineSet, Launch, Launches, More, Obeyed
from ipcluster_ext.protocol.process import AgentConfig, from_line
from ipcluster_ext.transport.files import read_private, to_json, write_private

LOOK_EVERY, LOOK_SELDOM = 0.1, 0.5
"""How often processes are looked at, in seconds, while they start and later."""
SOON = 30.0
"""So long after something was started it is looked at often."""
HUB_SAYS_BYE, ORDERLY, KILLED = 2.0, 8.0, 1.0
"""How long it may take until agents have heard from the hub that they are to end; what was told to
end, to end; and what was killed, to be gone. All in seconds."""
_WAIT = 0.01
_LONGEST_OUTPUT = 4000
CLOSED_EARLY = 2
"""The exit code if the configuration never comes."""

log = logging.getLogger(__name__)


class Lifeline:
    """The home agent's line to this process, and back."""

    def __init__(self) -> None:
        self._pending = b""
        self.whole = True
        self._poll = select.poll()
        self._poll.register(0, select.POLLIN)
        os.set_blocking(0, False)

    def alive(self) -> bool:
        """Take in what has come; tell whether the line is whole."""
        self._take(0.0)
        return self.whole

    def wait(self, seconds: float) -> list[bytes]:
        """Wait so long for lines, and return those that have come whole."""
        self._take(seconds)
        *lines, self._pending = self._pending.split(b"\n")
        return lines

    def _take(self, seconds: float) -> None:
        if not self.whole or not self._poll.poll(seconds * 1000):
            return
        with contextlib.suppress(BlockingIOError):
            read = os.read(0, 1 << 16)
            self._pending += read
            self.whole = bool(read)

    @staticmethod
    def say(message: msgspec.Struct) -> None:
        """Tell the home agent; if it is gone, that is noticed elsewhere."""
        with contextlib.suppress(BrokenPipeError):
            os.write(1, msgspec.json.encode(message) + b"\n")


class Foreman:
    """Starts what is asked for, watches it, and ends it.

    Parameters
    ----------
    config
        The home agent's configuration.
    line
        The lifeline.
    ahead
        What runs already.
    """

    def __init__(self, config: AgentConfig, line: Lifeline, ahead: Ahead) -> None:
        self._config = config
        self._line = line
        self._ahead = ahead
        self._sets = {engines.name: engines for engines in config.sets}
        self._launchers: dict[str, Launcher] = {}
        self._orders: dict[str, ClusterOrder] = {}
        self._ending = False
        self._crew = Crew()
        self._running: dict[int, Process] = {}
        self._over: dict[int, Process] = {}
        self._set_of: dict[int, EngineSet] = {}
        self._busy_until = time.monotonic() + SOON
        self._stop = False
        self._file = Path(config.folder, LAUNCHED)

    def run(self) -> None:
        """Start everything, serve until the lifeline ends, and end everything."""
        signal.signal(signal.SIGTERM, self._on_stop)
        try:
            before = self._left_by_another()
            if before is None:
                for engines in self._sets.values():
                    self._start(engines, engines.n or 1)
            else:
                self._take_over(before)
            self._ahead.end()
            while self._line.whole and not self._stop:
                self._turn()
        finally:
            self._end()
            self._forget()

    def _forget(self) -> None:
        """Let go of everything that was started: what it has left behind is deleted with it."""
        for table in (self._running, self._over, self._set_of, self._launchers, self._orders):
            table.clear()
        gc.collect()

    def _on_stop(self, *_: object) -> None:
        self._stop = True

    def _turn(self) -> None:
        now = time.monotonic()
        pause = LOOK_EVERY if now < self._busy_until else LOOK_SELDOM
        for line in self._line.wait(pause):
            self._obey(line)
        self._look()
        for due in self._crew.tick(now=time.monotonic()):
            self._start_again(due)

    def _obey(self, line: bytes) -> None:
        try:
            more = msgspec.json.decode(line, type=More)
        except msgspec.DecodeError:
            return  # the last word
        if self._crew.takes(more.number) and more.set in self._sets:
            self._start(self._sets[more.set], more.count)
        self._keep()
        self._line.say(Obeyed(self._crew.taken))

    # ------------------------------------------------------------ starting

    def _launcher(self, engines: EngineSet) -> Launcher:
        """Return the launcher of a set.

        Raises
        ------
        ClusterError
            There is none of that name, or it does not take these options.
        """
        if engines.name not in self._launchers:
            options = options_of(engines.launcher, engines.options)
            order = ClusterOrder(self._config, engines, alive=self._line.alive, ahead=self._ahead)
            self._orders[engines.name] = order
            self._launchers[engines.name] = find(engines.launcher)(options, order)
        return self._launchers[engines.name]

    def _start(self, engines: EngineSet, count: int) -> None:
        log.info("set %s: starting %d engines by %s", engines.name, count, engines.launcher)
        self._busy_until = time.monotonic() + SOON
        try:
            started = self._launcher(engines).start(count)
        except (ClusterError, OSError) as error:
            name = f"launcher {engines.launcher}"
            self._carry(self._crew.refused(engines.name, name, count, str(error)))
            return
        for process in started:
            self._enter(engines, process)
        self._look()

    def _enter(self, engines: EngineSet, process: Process) -> None:
        number = self._crew.begun(engines.name, process.name, process.count)
        self._running[number] = process
        self._set_of[number] = engines

    def _start_again(self, due: Again) -> None:
        ended = self._over[due.post]
        log.info("%s: another try", ended.name)
        self._busy_until = time.monotonic() + SOON
        now = time.monotonic()
        try:
            process = self._launcher(self._set_of[due.post]).again(ended)
        except (ClusterError, OSError) as error:
            self._carry(self._crew.failed_again(due.post, str(error), now=now))
            return
        if process is None:
            self._carry(self._crew.given_up(due.post))
            self._turn_away_spent(due.post)
            return
        del self._over[due.post]
        self._running[due.post] = process

    def _take_over(self, before: Launches) -> None:
        """Take hold of what the foreman before this one has started; it was killed."""
        log.warning("taking over from another foreman, which is gone")
        self._crew.takes(before.taken)
        for launch in before.launches:
            engines = self._sets.get(launch.set)
            if engines is None:
                continue
            if not launch.kept:
                self._carry(self._crew.refused(launch.set, launch.name, launch.count, launch.state))
                continue
            try:
                process = self._launcher(engines).resume(launch.kept)
            except (ClusterError, OSError) as error:
                self._carry(self._crew.refused(launch.set, launch.name, launch.count, str(error)))
                continue
            if process is not None:
                self._enter(engines, process)
            else:
                reason = "it has ended with the process that had started it"
                self._carry(self._crew.refused(launch.set, launch.name, launch.count, reason))

    def _left_by_another(self) -> Launches | None:
        """Return what another foreman of this cluster has started; None if there was none."""
        try:
            return read_private(self._file, Launches)
        except FileNotFoundError:
            return None

    # ------------------------------------------------------------ watching

    def _look(self) -> None:
        """See how everything fares that has not ended."""
        for number, process in list(self._running.items()):
            seen = _seen(process)
            if seen.code is not None:
                self._over[number] = self._running.pop(number)
            kind = type(self._launcher(self._set_of[number]))
            again = kind.again is not Launcher.again
            now = time.monotonic()
            self._carry(self._crew.look(number, seen, again=again, now=now))
            if number in self._over and self._crew.is_over(number):
                self._turn_away_spent(number)

    def _carry(self, effects: Iterable[Effect]) -> None:
        """Report what is new, and keep it."""
        reports = [effect.launch for effect in effects if isinstance(effect, Report)]
        for launch in reports:
            _log(launch)
            self._line.say(structs.replace(launch, kept={}))
            if launch.last and not self._ending and not self._has_any(launch.set):
                self._turn_away(launch.set, None)
        if reports:
            self._keep()

    def _has_any(self, engines: str) -> bool:
        """Tell whether anything of a set runs, be it that it was started a moment ago."""
        return any(self._set_of[number].name == engines for number in self._running)

    def _turn_away_spent(self, number: int) -> None:
        """Have keys open nothing any more of what has ended and is not started again."""
        spent = self._over[number].spent()
        if spent and not self._ending:
            self._turn_away(self._set_of[number].name, spent)

    def _turn_away(self, engines: str, publics: Sequence[str] | None) -> None:
        """Have keys of a set's agents open nothing any more: all, or those of some, are gone."""
        try:
            self._orders[engines].turn_away(publics)
        except (ClusterError, OSError) as error:
            log.warning("set %s: its agents' keys are still admitted: %s", engines, error)

    def _keep(self) -> None:
        write_private(self._file, to_json(self._crew.account))

    # ------------------------------------------------------------ the end

    def _end(self) -> None:
        """End everything: first what hears a word, then what the hub has not ended either."""
        log.info("ending")
        self._ending = True
        self._crew.end()
        polite = [each for each in self._running.values() if each.polite]
        others = [each for each in self._running.values() if not each.polite]
        _each(polite, lambda process: process.terminate())
        _until_over(self._running.values(), HUB_SAYS_BYE if others else ORDERLY)
        _each(others, lambda process: process.terminate())
        _until_over(self._running.values(), ORDERLY)
        _each(self._running.values(), lambda process: process.kill())
        _until_over(self._running.values(), KILLED)


def _each(processes: Iterable[Process], do: Callable[[Process], None]) -> None:
    """Do something to all that run; what fails is logged."""
    for process in processes:
        try:
            if process.poll() is None:
                do(process)
        except (ClusterError, OSError) as error:
            log.warning("%s: %s", process.name, error)


def _until_over(processes: Iterable[Process], seconds: float) -> None:
    """Wait until all have ended, but no longer than so many seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and any(_runs(process) for process in processes):
        time.sleep(_WAIT)


def _runs(process: Process) -> bool:
    try:
        return process.poll() is None
    except (ClusterError, OSError):
        return False


def _seen(process: Process) -> Seen:
    """Look at a process."""
    try:
        code = process.poll()
        over = code is not None
        return Seen(
            code=code,
            state=process.state(),
            up=process.up,
            hopeless=over and process.hopeless,
            queued=process.queued and not over,
            in_order=over and process.in_order,
            holds=process.holds,
            output=process.logs()[-_LONGEST_OUTPUT:] if over else "",
            kept={} if over and process.hopeless else process.keep(),
        )
    except (ClusterError, OSError) as error:
        return Seen(code=None, state=f"cannot be looked at: {error}", up=process.up)


def _log(launch: Launch) -> None:
    if launch.stage != "failed":
        log.info("%s: %s%s", launch.name, "again: " * (launch.stage == "again"), launch.state)
        return
    then = "not tried again" if launch.again_in is None else f"next try in {launch.again_in:g} s"
    said = "".join(f"\n    {line}" for line in launch.output.splitlines())
    log.error("%s: %s; %s%s", launch.name, launch.state, then, said)


def serve(ahead: Ahead) -> int:
    """Start engines on other hosts until the home agent says that it is enough.

    Parameters
    ----------
    ahead
        What runs already.

    Returns
    -------
    The exit code.
    """
    logging.basicConfig(
        format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.INFO
    )
    line = sys.stdin.buffer.raw.readline()  # type: ignore[union-attr]
    if not line:
        return CLOSED_EARLY
    Foreman(from_line(line, AgentConfig), Lifeline(), ahead).run()
    return 0
