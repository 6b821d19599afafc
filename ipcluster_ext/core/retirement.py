"""Rules for how many engines there are to be, and for those that are too many.

An engine that retires takes no more work: what it has not begun goes to others, if they may run
it, and whatever is for this very engine from now on is refused, as if it were gone. When it has
finished what it has, it is stopped. Until then its retirement can be taken back.
"""

from collections.abc import Iterable

from ipcluster_ext.core.engines import Engine
from ipcluster_ext.core.events import PeerId
from ipcluster_ext.core.state import State
from ipcluster_ext.protocol.labour import Recall, StopEngines
from ipcluster_ext.protocol.status import EngineStatus

_NO_PEER = PeerId(0)


class Retirement:
    """Retires engines.

    Parameters
    ----------
    state
        The hub's tables.
    """

    def __init__(self, state: State) -> None:
        self._state = state

    def begin(self, engines: Iterable[Engine]) -> None:
        """Have engines take no more work; those that are to stop already are passed over."""
        state = self._state
        retired = [engine for engine in engines if not engine.leaving]
        for engine in retired:
            engine.leaving = engine.retiring = True
            state.retiring[engine.id] = engine
            state.changed.add(engine)
            state.restaffed.add(engine.agent)
            unbegun = list(engine.unfinished.values())[1:]
            if engine.line is not None and any(task.target is None for task in unbegun):
                engine.asked.append(None)
                engine.line.say(Recall(len(engine.unfinished)))
        if retired:
            state.tell_clients([engine.info for engine in retired])

    def take_back(self, most: int) -> list[Engine]:
        """Have up to so many of the engines that retire stay, the busiest first."""
        state = self._state
        kept = sorted(state.retiring.values(), key=_dispensable)[::-1][:most]
        for engine in kept:
            del state.retiring[engine.id]
            engine.leaving = engine.retiring = False
            state.changed.add(engine)
            state.restaffed.add(engine.agent)
        if kept:
            state.tell_clients([engine.info for engine in kept])
        return kept

    def dispensable(self, count: int) -> list[Engine]:
        """Return so many engines that could go: first those that have nothing to do."""
        staying = [engine for engine in self._state.engines.values() if not engine.leaving]
        return sorted(staying, key=_dispensable)[:count]

    def look(self) -> None:
        """Stop the engines that have finished."""
        state = self._state
        if not state.recovered.settled:  # nobody knows what they have
            return
        done: dict[int, list[Engine]] = {}
        for engine in list(state.retiring.values()):
            if self._has_finished(engine) and engine.agent.line.peer != _NO_PEER:
                del state.retiring[engine.id]
                done.setdefault(engine.agent.id, []).append(engine)
        for engines in done.values():
            engines[0].agent.line.order(StopEngines([engine.id for engine in engines]))

    def _has_finished(self, engine: Engine) -> bool:
        if engine.work_count:
            return False
        claims = self._state.claims.values()  # what it ended is over, though nobody has named it
        return not any(c.engine is engine and c.outcome is None for c in claims)


def _dispensable(engine: Engine) -> tuple[bool, int, int]:
    """Tell how easily an engine can go: rather one that is not up yet, or is idle, or young."""
    return engine.status is not EngineStatus.STARTING, engine.work_count, -engine.id
